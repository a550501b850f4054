"""How well scores rank, and how sure that is.

    V(positive)  =  share of the negatives' weight that lies below it, ties one half
    V(negative)  =  share of the positives' weight that lies above it, ties one half
    AUC          =  weighted mean of V over the positives, which is that over the negatives
    variance     =  sum over both classes of  sum w^2 (V - AUC)^2 / ((sum w)^2 - sum w^2)

Rows that weigh 1 give sum (V - AUC)^2 / (n (n - 1)) of n rows of a class. A weight says how much a row stands
for, not how often it was seen: a row of weight 2 tells less than two rows.

V depends on the score alone, so all sums run over distinct scores and cumulative sums give them: sorting is
the only cost. The interval is made on the logit scale. Where the variance says nothing (an AUC of 0 or 1,
scores that are all one, a class of a single row) it is Newcombe's.

Sources: DeLong, DeLong and Clarke-Pearson (1988); Sun and Xu (2014) for the form by ranks; Newcombe (2006), and
his square-and-add interval of a difference (1998).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.evaluate.intervals import (
    Estimate,
    Interval,
    effective_number,
    logit_interval,
    newcombe_interval,
    z_score,
)
from oddsmith.evaluate.metrics import auc
from oddsmith.evaluate.score_table import Floats, ScoreTable, row_weights

_ROUNDING = 1e-12


class AucDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The AUC of one model less that of another on the same rows."""

    a: Estimate
    b: Estimate
    difference: float
    standard_error: float | None
    interval: Interval
    p_value: float | None
    """Two-sided, of no difference; this and the standard error are None where either variance says nothing."""


def auc_estimate(table: ScoreTable, level: float = 0.95) -> Estimate | None:
    """The AUC with its standard error and interval; None unless both classes occur.

    Raises:
        InputError: `level` does not lie between 0 and 1.
    """
    area, variance = auc(table), delong_variance(table)
    if area is None:
        return None
    if variance and 0.0 < area < 1.0:
        error = math.sqrt(variance)
        return Estimate(area, error, logit_interval(area, error, level, "DeLong, on the logit scale"))
    return Estimate(area, None, newcombe_interval(area, *_effective_numbers(table), level))


def delong_variance(table: ScoreTable) -> float | None:
    """Variance of the empirical AUC, ties counted one half; None unless both classes have two rows that count.

    Returns 0.0 when the AUC is exactly 0 or 1, or all scores are one: use `newcombe_interval` there.

    Source: DeLong, DeLong and Clarke-Pearson (1988), from cumulative sums as in Sun and Xu (2014).
    """
    if min(_effective_numbers(table)) < 1.0 + _ROUNDING:
        return None
    of_positives, of_negatives = _deviations(table)
    return _spread(of_positives**2, table.weight_positive, table.squared_weight_positive) + _spread(
        of_negatives**2, table.weight_negative, table.squared_weight_negative
    )


def auc_difference(
    eta_a: ArrayLike,
    eta_b: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> AucDifference | None:
    """The AUC of scores a less that of scores b, all (n,), of the same rows; None unless both classes occur.

    Rows that one model finds hard are mostly hard for the other: the covariance of both takes that into account.
    Where either variance says nothing, both intervals are added as squares, as if of different rows: too wide.
    Scores that put all rows in the same order, ties included, do not differ.

    Raises:
        InputError: as `ScoreTable.from_scores`, or `level` does not lie between 0 and 1.
    """
    scores = [np.asarray(eta, dtype=np.float64) for eta in (eta_a, eta_b)]
    tables = [ScoreTable.from_scores(eta, y, sample_weight, max(1, eta.size)) for eta in scores]
    a, b = (auc_estimate(table, level) for table in tables)
    if a is None or b is None:
        return None
    positive = np.asarray(y, dtype=np.float64) == 1
    weight = row_weights(sample_weight, len(positive))
    kept = weight > 0
    ranks = [np.searchsorted(table.eta, eta[kept]) for table, eta in zip(tables, scores, strict=True)]
    difference, method = a.value - b.value, "DeLong, paired"
    error: float | None
    p_value: float | None
    same = np.array_equal(ranks[0], ranks[1])
    if not same and (a.standard_error is None or b.standard_error is None):
        low = difference - math.hypot(a.value - a.interval.low, b.interval.high - b.value)
        high = difference + math.hypot(a.interval.high - a.value, b.value - b.interval.low)
        method, error, p_value = "square-and-add of both intervals", None, None
    else:
        variance = 0.0 if same else _difference_variance(tables, ranks, positive[kept], weight[kept])
        error = math.sqrt(variance)
        half = z_score((1.0 - level) / 2) * error
        low, high = max(-1.0, difference - half), min(1.0, difference + half)
        p_value = _two_sided(difference, error)
    return AucDifference(
        a=a,
        b=b,
        difference=difference,
        standard_error=error,
        interval=Interval(low, high, level, method),
        p_value=p_value,
    )


def _two_sided(difference: float, error: float) -> float:
    from scipy.special import ndtr

    if error == 0.0:
        return float(abs(difference) < _ROUNDING)
    return float(2.0 * ndtr(-abs(difference) / error))


def _difference_variance(
    tables: Sequence[ScoreTable],
    ranks: Sequence[NDArray[np.signedinteger]],
    positive: NDArray[np.bool_],
    weight: Floats,
) -> float:
    """From the tables of two models, and for each row its positions in both, its label and its weight."""
    total = 0.0
    pairs = zip(*(_deviations(table) for table in tables), (positive, ~positive), strict=True)
    for of_a, of_b, inside in pairs:
        squares = _rounded(of_a[ranks[0][inside]] - of_b[ranks[1][inside]]) ** 2
        total += _spread(squares, weight[inside], weight[inside] ** 2)
    return total


def _deviations(table: ScoreTable) -> tuple[Floats, Floats]:
    """V - AUC of a positive and of a negative at each score, (m,) each; both classes occur."""
    positive, negative = table.weight_positive, table.weight_negative
    below = (np.cumsum(negative) - negative / 2) / negative.sum()
    above = (np.cumsum(positive[::-1])[::-1] - positive / 2) / positive.sum()
    return (
        _rounded(below - positive @ below / positive.sum()),
        _rounded(above - negative @ above / negative.sum()),
    )


def _rounded(shares: Floats) -> Floats:
    """Without what is only rounding of sums, which would be a variance where there is none."""
    return np.where(np.abs(shares) < _ROUNDING, 0.0, shares)


def _effective_numbers(table: ScoreTable) -> tuple[float, float]:
    """Of positives and of negatives."""
    sums = (
        (table.weight_positive, table.squared_weight_positive),
        (table.weight_negative, table.squared_weight_negative),
    )
    of_positives, of_negatives = (
        effective_number(float(w.sum()), float(squared.sum())) for w, squared in sums
    )
    return of_positives, of_negatives


def _spread(squares: Floats, weight: Floats, squared_weight: Floats) -> float:
    """Variance of the weighted mean of a class, from squared deviations that stand for rows with these sums."""
    squared = float(squared_weight.sum())
    return float(squared_weight @ squares) / (float(weight.sum()) ** 2 - squared)
