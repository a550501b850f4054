"""Do calibration, policy and audit of a model file agree with each other and with its training? A table says how they must.

What the fit states is in consistency.py, which asks this table too; golden rows bind what maps and policy compute.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from oddsmith.calibration.class_maps import OneVsRest
from oddsmith.calibration.maps import Identity, PriorShift, Temperature
from oddsmith.data.roles import Role
from oddsmith.model.records import CalibrationRecord, DecisionRecord, ModelRecord, RowsRecord

_HEX = re.compile("[0-9a-f]{64}")


def _of_calibration(
    holds: Callable[[CalibrationRecord, ModelRecord], object],
) -> Callable[[ModelRecord], object]:
    return lambda record: record.calibration is None or holds(record.calibration, record)


def _of_decision(holds: Callable[[DecisionRecord, ModelRecord], object]) -> Callable[[ModelRecord], object]:
    return lambda record: record.decision is None or holds(record.decision, record)


def _maps_fit(calibration: CalibrationRecord, record: ModelRecord) -> bool:
    """Whether maps are of so many classes, with a shift of the prior only after another map of two."""
    maps, K = calibration.maps, len(record.target.classes)
    if K == 2:
        return not any(isinstance(item, OneVsRest) for item in maps) and not isinstance(maps[0], PriorShift)
    return len(maps) == 1 and (
        isinstance(maps[0], Identity | Temperature)
        or (isinstance(maps[0], OneVsRest) and len(maps[0].maps) == K)
    )


def _is_among(calibration: CalibrationRecord, _: ModelRecord) -> bool:
    """Whether the map is one of the candidates that were judged, where there are any."""
    names = [candidate.method for candidate in calibration.candidates]
    judged = [candidate.method for candidate in calibration.candidates if candidate.log_loss is not None]
    return not names or (len(set(names)) == len(names) and calibration.maps[0].method in judged)


def _rows_fit(record: ModelRecord) -> bool:
    """Whether the rows of each step add up, and have a role exactly where the model tells roles apart."""
    steps = (record.calibration, record.decision, record.audit)
    given: list[RowsRecord] = [step.rows for step in steps if step is not None and step.rows is not None]
    return all(
        len(rows.class_counts) == len(record.target.classes)
        and sum(rows.class_counts) == rows.rows
        and (rows.role is None) == (record.training.roles is None)
        and rows.role != Role.train.name
        and all(map(_HEX.fullmatch, rows.digests))
        for rows in given
    )


def _classes_fit(decision: DecisionRecord, record: ModelRecord) -> bool:
    """Whether a policy is of the model's classes: a matrix names them, any other policy is of two."""
    matrix, classes = decision.policy.matrix, record.target.classes
    return len(classes) == 2 if matrix is None else matrix.classes == classes


def _counts_fit(decision: DecisionRecord, _: ModelRecord) -> bool:
    """Whether whole counts are those of the rows; weights may add up to anything."""
    counts, rows = decision.policy.counts, decision.rows
    if not counts or rows is None:
        return not counts
    whole = all(isinstance(value, int) for row in counts for value in row)
    return not whole or [sum(row) for row in counts] == rows.class_counts


CHECKS_AFTERWARDS: list[tuple[Callable[[ModelRecord], object], str]] = [
    (_of_calibration(_maps_fit), "$.calibration.maps are not of as many classes as $.target.classes"),
    (
        _of_calibration(_is_among),
        "$.calibration.candidates do not name the map that was taken, or one of them twice",
    ),
    (
        _of_calibration(lambda calibration, _: (calibration.before is None) == (calibration.folds == 0)),
        "$.calibration.before is beside no folds",
    ),
    (
        _of_calibration(lambda calibration, _: (calibration.before is None) == (calibration.after is None)),
        "$.calibration has figures before it or after it, and not both",
    ),
    (
        _rows_fit,
        "$.calibration.rows, $.decision.rows or $.audit.rows contradict themselves, $.target.classes or $.training.roles",
    ),
    (_of_decision(_classes_fit), "$.decision.policy is of other classes than $.target.classes"),
    (_of_decision(_counts_fit), "$.decision.policy.counts are not those of $.decision.rows"),
    (
        lambda record: record.audit is None or record.audit.verdict == record.audit.found.get("verdict"),
        "$.audit.verdict is not that of $.audit.found",
    ),
]
