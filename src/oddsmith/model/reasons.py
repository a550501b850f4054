"""Why one row has its action, as a reviewer reads it.

    log-odds = average + sum of the columns' contributions        contribution = sum of coef * (term - its mean)

What alone would have changed the action is found in `changes.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from oddsmith.calibration.class_maps import OneVsRest
from oddsmith.calibration.inverse import border
from oddsmith.calibration.maps import Identity, Map
from oddsmith.data.block import Floats
from oddsmith.decision.actions import expected
from oddsmith.decision.thresholds import ALL, NONE, probability
from oddsmith.model.acting import Deciding
from oddsmith.model.changes import Cell, Change, TriedRow
from oddsmith.model.probabilities import AnyMap, predicted_codes, probabilities
from oddsmith.model.reason_lines import reason_lines


class ColumnReason(msgspec.Struct, frozen=True):
    """What a column contributes to the log-odds, and the nearest changes of it alone that change the action."""

    column: str
    cell: Cell
    contribution: float
    changes: list[Change]
    """Of a number the nearest one first; of others each cell that would do. Empty where nothing of the column does."""


class Chance(msgspec.Struct, frozen=True):
    """Probability of a class, before and after calibration."""

    label: str
    before: float
    after: float


class Begins(msgspec.Struct, frozen=True):
    """From where on a row like this has at least this action."""

    action: str
    log_odds: float
    """Before calibration."""
    before: float
    """Probability of the positive class, before calibration."""
    after: float
    """The same after calibration: the threshold of the decision."""


class Reasons(msgspec.Struct, frozen=True):
    """What a reviewer reads about one row."""

    action: str
    """The predicted label where there is no policy."""
    by_policy: bool
    costs: dict[str, float]
    """Expected cost of each action; empty without costs."""
    label: str
    """The class whose log-odds these are: the positive one of two, else the predicted one."""
    average: float
    """Log-odds of a row at the training means."""
    log_odds: float
    """Before calibration: `average` and all contributions."""
    chances: list[Chance]
    """Of the positive class, or of each of three or more."""
    calibrated: bool
    """Whether a calibration changes probabilities; the identity does not."""
    begins: list[Begins]
    """Of two classes, each action but the first; those that no log-odds reach, or all do, are left out."""
    columns: list[ColumnReason]
    """In order of the size of their contribution."""

    def __str__(self) -> str:
        """What a reviewer reads: about ten lines."""
        return "\n".join(reason_lines(self))


def reasons(deciding: Deciding, row: Mapping[str, Any]) -> Reasons:
    """What a reviewer reads about one row of cells.

    Raises:
        InputError: a column is absent or a cell cannot be read; the row has no log-odds, or no action.
    """
    policy, design, classes = deciding.policy, deciding.design, list(deciding.classes)
    tried = TriedRow(deciding, row)
    raw = deciding.log_odds(tried.X, tried.beside)
    eta, form = deciding.calibrated(raw)
    costs = None if policy is None else expected(policy, deciding.scores(eta, form), tried.beside)
    single = len(deciding.average) == 1
    k = 1 if single else int(predicted_codes(eta)[0])
    equation = 0 if single else k
    parts = (tried.X[0] - design.mean) * deciding.coef[equation]
    contributions = dict.fromkeys(tried.cells, 0.0)
    for part, column in zip(parts.tolist(), design.term_column, strict=True):
        contributions[design.columns[column].name] += part
    if deciding.offset is not None:
        contributions[deciding.offset] += float(tried.beside[deciding.offset][0])
    before = probabilities(raw, deciding.multi_class)[0].tolist()
    after = probabilities(eta, form)[0].tolist()
    chances = [Chance(*each) for each in zip(classes, before, after, strict=True)]
    return Reasons(
        action=deciding.actions[tried.code],
        by_policy=policy is not None,
        costs={} if costs is None else dict(zip(deciding.actions, costs[0].tolist(), strict=True)),
        label=classes[k],
        average=float(deciding.average[equation]),
        log_odds=float(raw[0, equation]),
        chances=chances if len(classes) > 2 else chances[1:],
        calibrated=not all(_is_identity(mapping) for mapping in deciding.maps),
        begins=_begins(deciding, tried.beside),
        columns=[
            ColumnReason(name, tried.cells[name], contributions[name], tried.changes(name))
            for name in sorted(contributions, key=lambda name: -abs(contributions[name]))
        ],
    )


def _begins(deciding: Deciding, beside: Mapping[str, Floats]) -> list[Begins]:
    policy = deciding.policy
    if deciding.multi_class != "binary" or (policy is not None and policy.matrix is not None):
        return []
    thresholds = [0.0] if policy is None else policy.thresholds
    if policy is not None and policy.row_costs is not None:
        thresholds = policy.row_costs.thresholds(beside, 1).tolist()
    places = [
        (action, border(cast("Sequence[Map]", deciding.maps), threshold), threshold)
        for action, threshold in zip(deciding.actions[1:], thresholds, strict=True)
        if ALL < threshold < NONE
    ]
    return [
        Begins(action, place, probability(place), probability(threshold))
        for action, place, threshold in places
        if math.isfinite(place)
    ]


def _is_identity(mapping: AnyMap) -> bool:
    parts = mapping.maps if isinstance(mapping, OneVsRest) else [mapping]
    return all(isinstance(part, Identity) for part in parts)
