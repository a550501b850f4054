"""Figures of rows that may weigh differently and may come in groups, each with an interval.

    mean     sum w v / sum w             variance  u / (u - 1) sum over units of (sum in it of w (v - mean))^2 / (sum w)^2
    share    of the weight               Clopper-Pearson on the effective number of units, (sum W_u)^2 / sum W_u^2
    AUC      DeLong's V of each row      variance  sum over units of (sum in it of w (V - AUC) / weight of its class)^2

A unit is a row, or all rows of a group: these resemble each other, and only whole groups tell something new. A share of
units that all say the same still has a width, which no variance would give it.

Sources: Taylor linearisation, as in Binder (1983); Korn and Graubard (1998) for shares; Obuchowski (1997) for the AUC.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from oddsmith.evaluate.delong import auc_estimate
from oddsmith.evaluate.intervals import (
    Estimate,
    Interval,
    clopper_pearson_interval,
    effective_number,
    logit_interval,
    newcombe_interval,
)
from oddsmith.evaluate.metrics import auc
from oddsmith.evaluate.score_table import Floats, Integers, ScoreTable


def unit_sums(values: Floats, groups: Integers | None) -> Floats:
    """Sums of a column (n,) over each unit, (u,); `groups` (n,) are codes from 0, or None where each row is a unit."""
    return values if groups is None else np.asarray(np.bincount(groups, weights=values))


def number_of_units(weight: Floats, groups: Integers | None) -> float:
    """The effective number of units of rows of positive weight (n,): their number where all weigh the same."""
    each = unit_sums(weight, groups)
    return effective_number(float(each.sum()), float((each**2).sum()))


def mean_estimate(
    values: Floats, weight: Floats, groups: Integers | None, level: float = 0.95, least: float = -math.inf
) -> Estimate | None:
    """The weighted mean of a column (n,) of numbers from `least` on, with Student's interval.

    None of fewer than two units.
    """
    from scipy.special import stdtrit

    total = float(weight.sum())
    if total == 0.0:
        return None
    mean = float(weight @ values) / total
    surplus = unit_sums(weight * (values - mean), groups)
    units = int(np.count_nonzero(unit_sums(weight, groups)))
    if units < 2:
        return None
    error = math.sqrt(units / (units - 1) * float(surplus @ surplus)) / total
    half = float(stdtrit(units - 1, (1.0 + level) / 2)) * error
    method = "Student" if groups is None else "Student, by group"
    return Estimate(mean, error, Interval(max(least, mean - half), mean + half, level, method))


def share_estimate(
    inside: NDArray[np.bool_], weight: Floats, groups: Integers | None, level: float = 0.95
) -> Estimate | None:
    """The share of the weight that is `inside` (n,), with an interval that is exact for rows that all weigh the same.

    None where there is no weight.
    """
    total = float(weight.sum())
    if total == 0.0:
        return None
    part = float(weight[inside].sum())
    if groups is None and bool((weight == weight[0]).all()):
        k, n = int(np.count_nonzero(inside)), len(weight)
        return Estimate(k / n, None, clopper_pearson_interval(k, n, level))
    units = number_of_units(weight, groups)
    noun = "rows" if groups is None else "groups"
    return Estimate(part / total, None, _real_share(part / total, units, level, noun))


def auc_of_rows(
    eta: Floats, y: Integers, weight: Floats, groups: Integers | None, level: float = 0.95
) -> Estimate | None:
    """The AUC of scores (n,) for labels of 0 and 1; None unless both classes occur."""
    table = ScoreTable.from_scores(eta, y, weight)
    if groups is None:
        return auc_estimate(table, level)
    area = auc(table)
    if area is None:
        return None
    positive, negative = table.weight_positive, table.weight_negative
    below = (np.cumsum(negative) - negative / 2) / negative.sum()
    above = (np.cumsum(positive[::-1])[::-1] - positive / 2) / positive.sum()
    # Scores that a grid has merged belong to the cell that begins at or below them.
    place = np.clip(np.searchsorted(_lower_ends(table), eta, side="right") - 1, 0, len(table.eta) - 1)
    of_class = np.where(y == 1, positive.sum(), negative.sum())
    influence = unit_sums(weight / of_class * (np.where(y == 1, below[place], above[place]) - area), groups)
    units = min(number_of_units(weight * (y == label), groups) for label in (0, 1))
    variance = float(influence @ influence)
    if 0.0 < area < 1.0 and variance > 1e-24 and units > 1.0:
        error = math.sqrt(variance * units / (units - 1.0))
        return Estimate(area, error, logit_interval(area, error, level, "by group, on the logit scale"))
    numbers = [number_of_units(weight * (y == label), groups) for label in (1, 0)]
    return Estimate(area, None, newcombe_interval(area, numbers[0], numbers[1], level))


def _lower_ends(table: ScoreTable) -> Floats:
    return np.floor(table.eta / table.step) * table.step if table.step else table.eta


def _real_share(share: float, n: float, level: float, noun: str) -> Interval:
    """Clopper and Pearson's interval at a number of trials that need not be whole."""
    from scipy.special import betaincinv

    k, tail = share * n, (1.0 - level) / 2
    low = float(betaincinv(k, n - k + 1.0, tail)) if share > 0.0 else 0.0
    high = float(betaincinv(k + 1.0, n - k, 1.0 - tail)) if share < 1.0 else 1.0
    return Interval(low, high, level, f"Clopper-Pearson, on the effective number of {noun}")
