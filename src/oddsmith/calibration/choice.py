"""Which map? The simplest one that can't be told from the best by cross-validated log loss.

    loss_m      mean log loss of the rows, each scored by a map of method m learned without its fold
    excess_m    loss_m - the least loss, with the standard error of the rows' differences
    choice      the first, from identity to venn-abers, with excess <= its standard error

The rows of both are the same, so that the standard error is that of paired differences: far smaller than that of a
loss, and one map is not excused by the noise of all. Simple maps come first because they bend less where there are
few rows, and identity first of all, for then there is nothing to defend.

Folds are drawn with a seed, every fold with its share of each class. Isotonic and Venn-Abers maps are candidates above
`MANY` rows; both give finite log-odds, so that no fold's loss is infinite.

Source: Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, on the one standard error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from oddsmith.calibration.class_maps import ClassMap
from oddsmith.calibration.fitting import FITS, fit_map, fit_platt
from oddsmith.calibration.maps import Map, MapCandidate, calibrated
from oddsmith.data.block import Floats
from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import ScoreTable, row_weights
from oddsmith.fit.losses import softplus
from oddsmith.fit.path import folds_of

FOLDS = 10
FEWEST = FOLDS
"""Rows of each class without which there is no choice: one a fold."""
MANY = 1000
"""Rows above which step functions are candidates."""
FLEXIBLE = ("isotonic", "venn-abers")
_COARSE = 1 << 16
"""Distinct scores that the maps of the folds are learned from at most."""


class MapChoice(msgspec.Struct, frozen=True):
    """The chosen map, learned from all rows, and the candidates, from the simplest on."""

    map: Map | ClassMap
    reason: str
    candidates: list[MapCandidate]
    n_folds: int
    seed: int


def choose_map(
    eta: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, seed: int = 0
) -> MapChoice:
    """The map for rows with log-odds `eta` (n,), labels `y` (n,) of 0 and 1, and weights (n,) or None for ones.

    Raises:
        InputError: rows are not as ScoreTable wants them, a class has fewer than `FEWEST` rows of positive weight, or
            the scores rank backwards.
    """
    table = ScoreTable.from_scores(eta, y, sample_weight)
    fewest = int(min(table.count_positive.sum(), table.count_negative.sum()))
    if fewest < FEWEST:
        raise InputError(
            f"choosing a map takes at least {FEWEST} rows of each class; one has {fewest}. "
            f"Give more rows, or name a method: platt needs the fewest."
        )
    fit_platt(table)  # raises where no map that rises is of any use
    kept = row_weights(sample_weight, len(np.asarray(y))) > 0.0
    scores, labels = np.asarray(eta, dtype=np.float64)[kept], np.asarray(y, dtype=np.float64)[kept]
    weight = row_weights(sample_weight, len(kept))[kept]
    folds = folds_of(labels.astype(np.intp), None, FOLDS, seed)
    maps: dict[str, Map] = {}
    losses: dict[str, Floats] = {}
    left_out: dict[str, str] = {}
    trained = [
        ScoreTable.from_scores(scores[folds != k], labels[folds != k], weight[folds != k], _COARSE)
        for k in range(FOLDS)
    ]
    for method in FITS:
        if method in FLEXIBLE and len(scores) <= MANY:
            left_out[method] = f"needs more than {MANY:,} rows to be a candidate; there are {len(scores):,}"
            continue
        unseen = np.empty_like(scores)
        try:
            maps[method] = fit_map(method, table)
            for k, rest in enumerate(trained):
                unseen[folds == k] = calibrated(fit_map(method, rest), scores[folds == k])
        except InputError as error:
            left_out[method] = str(error)
            continue
        losses[method] = softplus(np.where(labels == 1.0, -unseen, unseen))
    chosen, reason, candidates = simplest(tuple(FITS), losses, left_out, weight / weight.sum())
    return MapChoice(maps[chosen], reason, candidates, FOLDS, seed)


def simplest(
    methods: Sequence[str], losses: dict[str, Floats], left_out: dict[str, str], weight: Floats
) -> tuple[str, str, list[MapCandidate]]:
    """The chosen one of `methods`, why, and all candidates; `losses` (n,) of each, `weight` (n,) adds up to 1."""
    means = {method: float((weight * loss).sum()) for method, loss in losses.items()}
    best = min(means, key=lambda method: means[method])
    candidates, near = [], []
    for method in methods:
        if method not in losses:
            candidates.append(MapCandidate(method, None, None, None, left_out[method]))
            continue
        difference = losses[method] - losses[best]
        excess = float((weight * difference).sum())
        error = math.sqrt(((weight * (difference - excess)) ** 2).sum())
        candidates.append(MapCandidate(method, means[method], excess, error, ""))
        if excess <= error:
            near.append(method)
    chosen = near[0]
    if chosen == best:
        simpler = ", and no simpler map is within one standard error" if chosen != methods[0] else ""
        reason = f"{best} has the least cross-validated log loss{simpler}"
    else:
        reason = f"{chosen} is the simplest map within one standard error of the least cross-validated log loss, of {best}"
    return chosen, reason + ".", candidates
