"""Which map? The simplest one that can't be told from the best by cross-validated log loss.

    loss_m      mean log loss of the rows, each scored by a map of method m learned without its fold
    excess_m    loss_m - the least loss, with the standard error of the rows' differences
    choice      the first, from identity to venn-abers, with excess <= its standard error

The rows of both are the same, so that the standard error is that of paired differences: far smaller than that of a
loss, and one map is not excused by the noise of all. Simple maps come first because they bend less where there are
few rows, and identity first of all, for then there is nothing to defend.

Folds are drawn with a seed, every fold with its share of each class. Rows in groups resemble each other: a group is in
one fold, and the standard error is of the groups' sums. Isotonic and Venn-Abers maps are candidates above `MANY` rows;
both give finite log-odds, so that no fold's loss is infinite.

Few rows are no reason to stop. Below `FEWEST` rows of a class (groups with one) there are as many folds as these, and
identity and platt alone are candidates: the others have nothing to smooth what few labels say. With one row of a class,
or with few that platt can't be learned from, the scores are left as they are.

Source: Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, on the one standard error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.calibration.class_maps import ClassMap
from oddsmith.calibration.fitting import FITS, fit_map, fit_platt
from oddsmith.calibration.maps import Identity, Map, MapCandidate, calibrated
from oddsmith.data.block import Floats
from oddsmith.errors import InputError, counted
from oddsmith.evaluate.bootstrap import row_groups
from oddsmith.evaluate.score_table import ScoreTable, row_weights
from oddsmith.fit.losses import softplus
from oddsmith.fit.path import folds_of

FOLDS = 10
FEWEST = FOLDS
"""Rows of each class from which every map is a candidate: one a fold. Groups with such a row, where rows are in groups."""
FOR_FEW = ("identity", "platt")
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
    """0 where there are too few rows to compare maps on."""
    seed: int


def choose_map(
    eta: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> MapChoice:
    """The map for rows with log-odds `eta` (n,), labels `y` (n,) of 0 and 1, and weights (n,) or None for ones.

    `groups` (n,) says which rows belong together; None where each stands for itself.

    Raises:
        InputError: rows are not as ScoreTable wants them, there is not one group a row, or a class has no row of positive
            weight.
    """
    table = ScoreTable.from_scores(eta, y, sample_weight)
    n_rows = len(np.asarray(y))
    kept = row_weights(sample_weight, n_rows) > 0.0
    scores, labels = np.asarray(eta, dtype=np.float64)[kept], np.asarray(y, dtype=np.float64)[kept]
    weight = row_weights(sample_weight, n_rows)[kept]
    unit = np.arange(len(scores)) if groups is None else numbered(row_groups(groups, n_rows)[kept])
    fewest = min(len(np.unique(unit[labels == label])) for label in (0.0, 1.0))
    noun = "row" if groups is None else "group"
    few = f"identity: a class has only {counted(fewest, noun)}"
    try:
        fit_platt(table)
    except InputError as error:
        if not fewest:
            raise
        # No map that rises is of any use: what the scores are worth is for others to say.
        reason = f"{few}, and {error}" if fewest < FEWEST else f"identity: {error}"
        return MapChoice(Identity(), reason, [], 0, seed)
    if fewest == 1:
        reason = f"{few}, and a map is judged by others than it is learned from."
        return MapChoice(Identity(), reason, [], 0, seed)
    folds = map_folds(labels, unit, seed)
    assert folds is not None
    n_folds = int(folds.max()) + 1
    maps: dict[str, Map] = {}
    losses: dict[str, Floats] = {}
    left_out: dict[str, str] = {}
    trained = [
        ScoreTable.from_scores(scores[folds != k], labels[folds != k], weight[folds != k], _COARSE)
        for k in range(n_folds)
    ]
    for method in FITS:
        if fewest < FEWEST and method not in FOR_FEW:
            left_out[method] = f"needs {FEWEST} {noun}s of each class; one has {fewest}"
            continue
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
    chosen, reason, candidates = simplest(tuple(FITS), losses, left_out, weight / weight.sum(), unit)
    return MapChoice(maps[chosen], reason, candidates, n_folds, seed)


def numbered(groups: NDArray[np.generic]) -> NDArray[np.intp]:
    """Groups as numbers from 0."""
    numbers: NDArray[np.intp] = np.unique(groups, return_inverse=True)[1]
    return numbers


def map_folds(codes: NDArray[np.generic], unit: NDArray[np.intp], seed: int) -> NDArray[np.intp] | None:
    """The fold (n,) of each row, that of its unit: each with its share of the units that hold a class.

    `codes` (n,) are class codes, `unit` (n,) numbers from 0. None where a class is in fewer than two units.
    """
    classes, code = np.unique(codes, return_inverse=True)
    holds = np.zeros((int(unit.max(initial=-1)) + 1, len(classes)), dtype=bool)
    holds[unit, code] = True
    n_units = holds.sum(axis=0)
    if not len(n_units) or n_units.min() < 2:
        return None
    # In this order the units that hold a class are neighbours, so that every fold gets one of them.
    by_rarity = holds[:, np.argsort(n_units, kind="stable")]
    kind = 2 * by_rarity.argmax(axis=1) + (holds.sum(axis=1) > 1)
    return folds_of(kind, None, min(FOLDS, int(n_units.min())), seed)[unit]


def simplest(
    methods: Sequence[str],
    losses: dict[str, Floats],
    left_out: dict[str, str],
    weight: Floats,
    unit: NDArray[np.intp] | None = None,
) -> tuple[str, str, list[MapCandidate]]:
    """The chosen one of `methods`, why, and all candidates.

    `losses` (n,) of each; `weight` (n,) adds up to 1; rows of one `unit` (n,) vary together, by itself each for itself.
    """
    unit = np.arange(len(weight)) if unit is None else unit
    means = {method: float((weight * loss).sum()) for method, loss in losses.items()}
    best = min(means, key=lambda method: means[method])
    candidates, near = [], []
    for method in methods:
        if method not in losses:
            candidates.append(MapCandidate(method, None, None, None, left_out[method]))
            continue
        difference = losses[method] - losses[best]
        excess = float((weight * difference).sum())
        error = math.sqrt((np.bincount(unit, weight * (difference - excess)) ** 2).sum())
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
