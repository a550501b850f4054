"""The difference of a figure between two models on the same rows, and how far the rows can tell it.

    difference    T(a) - T(b)
    influence     r_i: what row i adds to it, to first order; those of a mean are w_i (a_i - b_i - mean) / W
    variance      (sum over units of (sum of r in the unit)^2) / (1 - 1 / U)  +  2 (step / U)^2
    interval      difference -+ t(U - 1) * sqrt(variance)

A unit is a row, or all rows of a group, which resemble each other. U is the effective number of units,
(sum W_u)^2 / sum W_u^2. Both models answer each row, so what makes a row hard for both drops out.

Actions are the same on most rows, and where they are on all of them the first term says that nothing can differ. So two
units are added that nobody saw, one for each model, which move the figure by `step / U` as one unit can: no difference
in n rows then means one below some 3 / n.

A smooth ECE has no influences that would do where it is near 0, and rows are drawn again for it. Noise makes it too large,
by at most the mean smooth ECE N of (resample - sample), as where the model is calibrated, and by at least about what a
resample lies above the sample, B, since less noise shows where there is more error:

    difference - (N_a - B_b) - spread    to    difference + (N_b - B_a) + spread

Two models' smooth ECEs differ by no more than the smooth ECE of the difference of their residuals: its upper bound holds
for both ends, and is narrow where the models are nearly one.

Sources: Hampel (1974) for influences; Obuchowski (1997) for the AUC of groups; Agresti and Min (2005) for the two
units; Blasiok and Nakkiran (2023) for the smooth ECE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddsmith.evaluate.bootstrap import redraws
from oddsmith.evaluate.delong import AucDifference, auc_difference
from oddsmith.evaluate.intervals import Interval
from oddsmith.evaluate.score_table import Floats, Integers, ScoreTable
from oddsmith.evaluate.smooth import FEWEST_POINTS, own_error, smooth_ece
from oddsmith.evidence.estimates import number_of_units, unit_sums
from oddsmith.fit.losses import expit

Flags = NDArray[np.bool_]
_ROUNDING, _NEAR = 1e-12, 1e-4


class Paired(msgspec.Struct, frozen=True):
    """A figure of two models on the same rows."""

    a: float
    b: float
    interval: Interval | None
    """Of `difference`; None where the rows do not tell how far it may vary."""

    @property
    def difference(self) -> float:
        """a - b."""
        return self.a - self.b


@dataclass(frozen=True, eq=False)
class Units:
    """n rows with their weights, and which of them belong together."""

    weight: Floats
    """(n,) above 0."""
    of_row: Integers | None = None
    """(n,) codes of groups from 0; None where each row is a unit."""

    @property
    def count(self) -> int:
        """How many units there are."""
        return len(self.weight) if self.of_row is None else int(self.of_row.max()) + 1

    def sums(self, values: Floats) -> Floats:
        """Sums of a column (n,) over each unit."""
        return unit_sums(values, self.of_row)

    def number(self, weight: Floats) -> float:
        """The effective number of units of these weights (n,); 0.0 where all are 0."""
        return number_of_units(weight, self.of_row)

    @property
    def by_group(self) -> str:
        """What the name of a method ends with."""
        return "" if self.of_row is None else ", by group"


def mean_difference(
    a: Floats,
    b: Floats,
    units: Units,
    *,
    among: Flags | None = None,
    step: float = 0.0,
    most: float = math.inf,
    level: float = 0.95,
) -> Paired | None:
    """Of weighted means of two columns (n,), over the rows `among` (n,); None where these are none.

    `step` is how much one row can differ where differences are mostly 0, and 0.0 where they are mostly not; no
    difference is larger than `most`.
    """
    weight = units.weight if among is None else units.weight * among
    total = float(weight.sum())
    if total == 0.0:
        return None
    apart = a - b
    influence = weight * (apart - weight @ apart / total) / total
    mean_a, mean_b = (float(weight @ values) / total for values in (a, b))
    number = units.number(weight)
    return Paired(mean_a, mean_b, _interval(mean_a - mean_b, influence, number, units, step, level, most))


def precision_difference(
    a: Flags, b: Flags, positive: Flags, units: Units, *, step: float = 1.0, level: float = 0.95
) -> Paired | None:
    """Of the shares of positives among the rows that a and that b call positive, (n,) each; None where one calls none."""
    flagged = [units.weight * called for called in (a, b)]
    totals = [float(weight.sum()) for weight in flagged]
    if 0.0 in totals:
        return None
    shares = [float(weight @ positive) / total for weight, total in zip(flagged, totals, strict=True)]
    of_a, of_b = (
        weight * (positive - share) / total
        for weight, share, total in zip(flagged, shares, totals, strict=True)
    )
    number = min(units.number(weight) for weight in flagged)
    return Paired(
        shares[0], shares[1], _interval(shares[0] - shares[1], of_a - of_b, number, units, step, level, 1.0)
    )


def ranking_difference(
    a: Floats, b: Floats, y: NDArray[np.integer], units: Units, *, level: float = 0.95
) -> Paired | None:
    """Of the AUC of scores (n,) for labels of 0 and 1; of the macro AUC of scores (n, K), a column a class.

    None where one class is all there is; a class without rows is left out of the macro mean. Independent rows of two
    classes have DeLong's interval.
    """
    if a.ndim == 1:
        found = auc_difference(a, b, y, units.weight, level)
        if found is None:
            return None
        if units.of_row is None:
            return Paired(found.a.value, found.b.value, found.interval)
        return _macro([(found, _auc_influence(a, b, y == 1, units.weight))], units, level)
    classes = []
    for k in range(a.shape[1]):
        found = auc_difference(a[:, k], b[:, k], y == k, units.weight, level)
        if found is not None:
            classes.append((found, _auc_influence(a[:, k], b[:, k], y == k, units.weight)))
    return _macro(classes, units, level) if classes else None


def smooth_ece_difference(
    a: tuple[Floats, NDArray[np.integer]],
    b: tuple[Floats, NDArray[np.integer]],
    units: Units,
    *,
    level: float = 0.95,
    n_resamples: int = 200,
    seed: int = 0,
) -> Paired:
    """Of the smooth ECE of log-odds and labels (n,) of each model, by a bootstrap of the units, as said above."""
    tables = [ScoreTable.from_scores(eta, y, units.weight) for eta, y in (a, b)]
    values = [smooth_ece(table, n_resamples=1).value for table in tables]
    difference, method = values[0] - values[1], f"bootstrap{units.by_group}, bias bounded"
    if units.number(units.weight) <= 1.0 + _ROUNDING:
        # Drawn again, one unit alone is the same.
        return Paired(values[0], values[1], None if difference else Interval(0.0, 0.0, level, method))
    grids = [_Grid.of(eta, y) for eta, y in (a, b)]
    of_a, of_b = (grid.masses(units.weight) for grid in grids)
    found = np.empty((n_resamples, 5))
    for row, times in zip(found, redraws(np.ones(units.count), n_resamples, seed), strict=True):
        weight = units.weight * (times if units.of_row is None else times[units.of_row])
        one, other = (grid.masses(weight) for grid in grids)
        row[:] = [own_error(m, _NEAR) for m in (one, other, one - of_a, other - of_b, one - other)]
    apart = found[:, 0] - found[:, 1]
    spread = float(np.quantile(np.abs(apart - apart.mean()), level))
    least_a, least_b = np.maximum(
        found[:, :2].mean(axis=0) - [own_error(of_a, _NEAR), own_error(of_b, _NEAR)], 0.0
    )
    most_a, most_b = found[:, 2:4].mean(axis=0)
    between = max(float(np.quantile(found[:, 4], level)), abs(difference))
    low = max(-between, difference - max(float(most_a - least_b), 0.0) - spread)
    high = min(between, difference + max(float(most_b - least_a), 0.0) + spread)
    return Paired(values[0], values[1], Interval(low, high, level, method))


def _interval(
    difference: float, influence: Floats, number: float, units: Units, step: float, level: float, most: float
) -> Interval | None:
    """None of a single unit that differs, or where squares leave the range of a double."""
    from scipy.special import stdtrit

    method = f"Student, paired{units.by_group}"
    if number <= 1.0 + _ROUNDING:
        return None if difference or step else Interval(0.0, 0.0, level, method)
    sums = units.sums(influence)
    with np.errstate(over="ignore"):
        variance = float(sums @ sums) / (1.0 - 1.0 / number) + 2.0 * (step / number) ** 2
    half = float(stdtrit(number - 1.0, (1.0 + level) / 2)) * math.sqrt(variance)
    if not math.isfinite(half):
        return None
    return Interval(max(-most, difference - half), min(most, difference + half), level, method)


def _auc_influence(a: Floats, b: Floats, positive: Flags, weight: Floats) -> Floats:
    """Of each row (n,) on the difference of the AUCs: what DeLong's V lies above the mean of its class, for a less for b."""
    of_class = np.where(positive, weight[positive].sum(), weight[~positive].sum())
    placements = []
    for eta in (a, b):
        _, place = np.unique(eta, return_inverse=True)
        ours, others = (np.bincount(place, weights=weight * of) for of in (positive, ~positive))
        below = (np.cumsum(others) - others / 2) / others.sum()
        above = (np.cumsum(ours[::-1])[::-1] - ours / 2) / ours.sum()
        placements.append(np.where(positive, below[place], above[place]))
    apart = placements[0] - placements[1]
    # Both classes have the mean that is the difference of the AUCs.
    apart -= (weight * positive) @ apart / weight[positive].sum()
    return np.asarray(weight * np.where(np.abs(apart) < _ROUNDING, 0.0, apart) / of_class)


def _macro(classes: list[tuple[AucDifference, Floats]], units: Units, level: float) -> Paired:
    """The mean over classes. What a class has no variance for, since it is ranked perfectly, is added to both ends."""
    a, b = (
        math.fsum(values) / len(classes)
        for values in ([f.a.value for f, _ in classes], [f.b.value for f, _ in classes])
    )
    influence = np.sum([of_rows for _, of_rows in classes], axis=0) / len(classes)
    found = _interval(a - b, influence, units.number(units.weight), units, 0.0, level, 1.0)
    if found is None:
        return Paired(a, b, None)
    # As if the rows of a group said all the same.
    alike = math.sqrt(len(units.weight) / units.count)
    unknown = [f for f, _ in classes if f.standard_error is None]
    below = alike * math.fsum(f.difference - f.interval.low for f in unknown) / len(classes)
    above = alike * math.fsum(f.interval.high - f.difference for f in unknown) / len(classes)
    low, high = found.low - below, found.high + above
    return Paired(a, b, msgspec.structs.replace(found, low=max(-1.0, low), high=min(1.0, high)))


@dataclass(frozen=True, eq=False)
class _Grid:
    """Residuals of rows on the points j / M: each divided between its two neighbours."""

    left: NDArray[np.int64]
    at_left: Floats
    at_right: Floats

    @classmethod
    def of(cls, eta: Floats, y: NDArray[np.integer]) -> _Grid:
        proba = expit(eta)
        residual = np.where(y == 1, expit(-eta), -proba)
        left = np.minimum((proba * FEWEST_POINTS).astype(np.int64), FEWEST_POINTS - 1)
        part = proba * FEWEST_POINTS - left
        return cls(left, (1.0 - part) * residual, part * residual)

    def masses(self, weight: Floats) -> Floats:
        """Sums (M + 1,) for rows of these weights (n,), as shares of all."""
        found = np.bincount(self.left, weight * self.at_left, FEWEST_POINTS + 1)
        found += np.bincount(self.left + 1, weight * self.at_right, FEWEST_POINTS + 1)
        return np.asarray(found / weight.sum())
