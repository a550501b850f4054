"""Calibrate: from the scores of a model to probabilities that mean what they say, by rows that did not train it.

    rows to calibrate on -> raw scores -> maps, each judged by cross-validation -> the simplest one -> the model

`before` and `after` are figures of rows that the map judged there had not seen: each row is scored by a map learned
without its fold. A shift of the prior comes after it: the rows that calibrate have another share of positives than those
to come.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.calibration.choice import MapChoice, choose_map, map_folds, numbered
from oddsmith.calibration.class_choice import PER_CLASS, choose_class_map, fit_class_map, unseen_logits
from oddsmith.calibration.class_maps import OneVsRest, class_log_odds
from oddsmith.calibration.fitting import FITS, fit_map
from oddsmith.calibration.maps import PriorShift, calibrated
from oddsmith.calibration.prior import estimate_prior
from oddsmith.data.batches import Piecewise
from oddsmith.data.block import Floats
from oddsmith.data.doubles import Doubles
from oddsmith.data.pieces import as_pieces
from oddsmith.data.read import Reading
from oddsmith.data.roles import Role
from oddsmith.errors import DataWarning, InputError, visible
from oddsmith.evaluate.metrics import brier, log_loss, mean_proba, observed_share
from oddsmith.evaluate.recalibration import recalibration
from oddsmith.evaluate.score_table import ScoreTable, row_weights
from oddsmith.evaluate.smooth import smooth_ece
from oddsmith.fit.losses import log_softmax, softplus
from oddsmith.model import Model
from oddsmith.model.labelled import Rows
from oddsmith.model.probabilities import ranking
from oddsmith.model.records import CalibrationFigures, CalibrationRecord
from oddsmith.model.role_rows import RoleRows, role_rows
from oddsmith.model.served import CALIBRATED
from oddsmith.workflow.record import resealed
from oddsmith.workflow.seeds import checked_seed

PURPOSE = "to calibrate the model on"
METHODS = ("auto", *FITS)
_AT_A_TIME = 1 << 14
"""Rows that are scored at once."""


def calibrate(
    model: Model,
    data: Any,
    *,
    method: str = "auto",
    prior: float | None = None,
    prior_from: Any = None,
    seed: int = 0,
    map_label: Sequence[str] = (),
    reading: Reading | None = None,
    advance: Rows = lambda done, of: None,
) -> Model:
    """The model with a calibration learned from rows; a policy that it had is gone, for its probabilities are others now.

    Args:
        model: of any number of classes.
        data: rows with labels, as for `train`. Where the model has roles for rows, those to calibrate on count; else they
            are of other files than those that trained it.
        method: "auto", or a row of `METHODS`; of three classes or more identity, temperature, or a map for each class.
        prior: of two classes, the share of positives among the rows to come, where it is another.
        prior_from: such rows, without labels, from which that share is estimated.
        seed: of the folds.
        map_label: "FROM=TO" renames a label.
        reading: how the text of a file is read; by itself as the training rows were.
        advance: is told how many rows were read.

    Warns:
        DataWarning: rows are left out, have levels never seen, or weights.

    Raises:
        InputError: the rows cannot be used or cannot teach the map, or an option is none.
    """
    if method not in METHODS:
        raise InputError(f"--method '{visible(method)}': choose one of {', '.join(METHODS)}.")
    seed = checked_seed(seed)
    if prior is not None and prior_from is not None:
        raise InputError(
            "--prior says the share of positives, and --prior-from estimates it. Keep one of them."
        )
    if (prior is not None or prior_from is not None) and len(model.classes) > 2:
        raise InputError("--prior is a share of one class of two, and there are more. Leave it out.")
    pieces = as_pieces(data, reading or model.record.reading)
    rows = role_rows(
        model, pieces, (Role.calibrate,), PURPOSE, CALIBRATED, map_label=map_label, advance=advance
    )
    to_come = None if prior_from is None else as_pieces(prior_from, reading or model.record.reading)
    found = with_calibration(model, rows, method, prior if to_come is None else to_come, seed)
    for note in rows.notes:
        warnings.warn(note, DataWarning, stacklevel=2)
    return found


def with_calibration(
    model: Model, rows: RoleRows, method: str, prior: float | Piecewise | None, seed: int
) -> Model:
    """`calibrate` by rows that are scored already; those to calibrate on count."""
    K = len(model.classes)
    rows = rows.that_count()
    given = _given(rows, rows.of(Role.calibrate), K, seed)
    found = _of_two(given, method) if K == 2 else _of_more(given, model.record.multi_class, method)
    choice, before, after = found
    maps: list[Any] = [choice.map]
    if prior is not None:
        share = observed_share(ScoreTable.from_scores(given.eta, given.codes, given.weight))
        to_come = prior if isinstance(prior, int | float) else _share_of(model, choice.map, prior, share)
        maps.append(PriorShift(share, float(to_come)))
    return resealed(
        model,
        calibration=CalibrationRecord(
            maps=maps,
            reason=choice.reason,
            candidates=choice.candidates,
            folds=0 if given.folds is None or before is None else int(given.folds.max()) + 1,
            seed=seed,
            rows=rows.record(Role.calibrate, K),
            before=before,
            after=after,
        ),
        decision=None,
    )


def _share_of(model: Model, mapping: Any, pieces: Piecewise, before: float) -> float:
    """The share of positives among unlabelled rows, as their scores tell it after a map learned at the share `before`."""
    eta = [
        ranking(model.score(part).log_odds, model.record.multi_class)[:, 0]
        for table in pieces.read(None, Doubles(model.numeric))
        for part in table.parts(_AT_A_TIME)
    ]
    found = estimate_prior(calibrated(mapping, np.concatenate(eta)), before)
    warnings.warn(
        f"the scores of {visible(pieces.name, 200)} tell of a share of {found.prior:.4g} positives (standard error "
        f"{found.standard_error:.2g}); {before:.4g} of the rows to calibrate on were.",
        DataWarning,
        stacklevel=3,
    )
    return found.prior


Figures = CalibrationFigures | None


@dataclass(frozen=True)
class _Given:
    """The rows that a map is learned from."""

    eta: Floats
    """(n,), or (n, K) for more than two classes."""
    codes: NDArray[np.intp]
    weight: Floats
    unit: NDArray[np.intp]
    """(n,): rows of one unit belong together."""
    folds: NDArray[np.intp] | None
    seed: int


def _given(rows: RoleRows, kept: NDArray[np.bool_], K: int, seed: int) -> _Given:
    """Those of the rows that are `kept`."""
    n = int(kept.sum())
    codes = rows.codes[kept].astype(np.intp)
    unit = np.arange(n) if rows.groups is None else numbered(rows.groups[kept])
    folds = map_folds(codes, unit, seed) if len(np.unique(codes)) == K else None
    weight = row_weights(None if rows.weight is None else rows.weight[kept], n)
    return _Given(rows.eta[kept], codes, weight, unit, folds, seed)


def _of_two(given: _Given, method: str) -> tuple[MapChoice, Figures, Figures]:
    eta, y, weight, folds = given.eta, given.codes, given.weight, given.folds
    table = ScoreTable.from_scores(eta, y, weight)
    choice = (
        choose_map(eta, y, weight, seed=given.seed, groups=given.unit)
        if method == "auto"
        else MapChoice(fit_map(method, table), f"{method} was asked for.", [], 0, given.seed)
    )
    if folds is None:
        return choice, None, None
    unseen = _unseen(choice.map.method, given)
    if unseen is None:
        return choice, None, None
    return choice, figures(table), figures(ScoreTable.from_scores(unseen, y, weight))


def _unseen(method: str, given: _Given) -> Floats | None:
    """Log-odds (n,) of rows of two classes under maps learned without their fold; None where such a map can't be learned."""
    if given.folds is None:
        return None
    unseen = np.empty_like(given.eta)
    try:
        for k in range(int(given.folds.max()) + 1):
            rest, own = given.folds != k, given.folds == k
            learned = ScoreTable.from_scores(given.eta[rest], given.codes[rest], given.weight[rest])
            unseen[own] = calibrated(fit_map(method, learned), given.eta[own])
    except InputError:  # the rows without some fold cannot teach it
        return None
    return unseen


def scores_unseen(model: Model, rows: RoleRows, kept: NDArray[np.bool_]) -> Floats | None:
    """Calibrated log-odds (n,) of those of the rows that are `kept`, and taught the model's map, as if each had not.

    Of two classes. None where they are too few for that.
    """
    record = model.record.calibration
    assert record is not None
    given = _given(rows.before or rows, kept, 2, record.seed)
    unseen = _unseen(record.maps[0].method, given)
    if unseen is None:
        return None
    for mapping in model.maps[1:]:
        assert not isinstance(mapping, OneVsRest)
        unseen = calibrated(mapping, unseen)
    return unseen


def _of_more(given: _Given, form: str, method: str) -> tuple[MapChoice, Figures, Figures]:
    eta, codes, weight, folds = given.eta, given.codes, given.weight, given.folds
    logits = eta if form == "softmax" else -softplus(-eta)
    against = class_log_odds(eta) if form == "softmax" else eta
    if method == "auto":
        choice = choose_class_map(logits, against, codes, weight, folds, given.unit, seed=given.seed)
    else:
        name = f"one-vs-rest {method}" if method in PER_CLASS else method
        learned = fit_class_map(name, logits, against, codes, weight)
        choice = MapChoice(learned, f"{name} was asked for.", [], 0, given.seed)
    if folds is None:
        return choice, None, None
    try:
        unseen = unseen_logits(choice.map.method, logits, against, codes, weight, folds)
    except InputError:
        return choice, None, None
    return choice, class_figures(logits, codes, weight), class_figures(unseen, codes, weight)


def figures(table: ScoreTable) -> CalibrationFigures:
    """How well the probabilities of a table of two classes fit its labels."""
    line = recalibration(table)
    return CalibrationFigures(
        log_loss=log_loss(table),
        brier=brier(table),
        smooth_ece=smooth_ece(table, n_resamples=1).value,
        mean_proba=mean_proba(table),
        observed_share=observed_share(table),
        intercept=None if line.intercept is None else line.intercept.value,
        slope=None if line.slope is None else line.slope.value,
    )


def class_figures(logits: Floats, codes: NDArray[np.intp], weight: Floats) -> CalibrationFigures:
    """How well the probabilities of logits (n, K) fit the true classes (n,)."""
    logs = log_softmax(logits)
    rows, called = np.arange(len(codes)), logits.argmax(axis=1)
    shares = np.exp(logs)
    truth = np.eye(logits.shape[1])[codes]
    of_call = class_log_odds(logits)[rows, called]
    return CalibrationFigures(
        log_loss=float((weight * -logs[rows, codes]).sum() / weight.sum()),
        brier=float((weight * ((shares - truth) ** 2).sum(axis=1)).sum() / weight.sum()),
        smooth_ece=smooth_ece(ScoreTable.from_scores(of_call, called == codes, weight), n_resamples=1).value,
        mean_proba=None,
        observed_share=None,
        intercept=None,
        slope=None,
    )
