"""Every threshold at once: the curves that a table of scores draws.

    ROC               recall        against  false-positive rate fp / (fp + tn)
    precision-recall  precision     against  recall
    average precision sum over thresholds of  (recall gained there) * precision
    net benefit       tp/n - fp/n * t/(1 - t)         acting on all: the same of all rows; on none: 0

A threshold is a score, on the log-odds scale, and a row is positive where eta >= threshold: so all distinct
scores are all there is to try. Curves run from the highest threshold down, and hold no point that no threshold
has, but for the one above all scores, at which nothing is called positive.

Sources: average precision as a sum of steps, not of trapezes, as in scikit-learn, since precision is not linear
in between (Davis and Goadrich 2006); net benefit: Vickers and Elkin (2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from oddsmith.errors import InputError
from oddsmith.evaluate.bootstrap import Resampling, percentile_interval
from oddsmith.evaluate.cells import MOST_CELLS, cell_starts
from oddsmith.evaluate.intervals import Estimate
from oddsmith.evaluate.metrics import Confusion, confusion
from oddsmith.evaluate.score_table import Floats, ScoreTable, require_rows


@dataclass(frozen=True, eq=False)
class RocCurve:
    """All arrays (m + 1,), for m distinct scores, from the highest threshold down."""

    threshold: Floats
    """Log-odds; infinite at first, where nothing is called positive."""
    false_positive_rate: Floats
    recall: Floats


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """All arrays (m,), for m distinct scores, from the highest threshold down."""

    threshold: Floats
    """Log-odds."""
    precision: Floats
    recall: Floats


class NetBenefit(msgspec.Struct, frozen=True, kw_only=True):
    """True positives a row, less false positives a row at the odds of the threshold; acting on none has 0."""

    threshold: float
    """The probability from which acting is right: it says what a false alarm costs relative to a miss."""
    model: float
    """Acting on rows at or above the threshold."""
    treat_all: float
    """Acting on every row."""


def roc_curve(table: ScoreTable) -> RocCurve | None:
    """Recall against the false-positive rate at every threshold; None unless both classes occur."""
    tp, fp = _above(table.weight_positive), _above(table.weight_negative)
    if not len(tp) or tp[-1] == 0 or fp[-1] == 0:
        return None
    return RocCurve(
        np.append(np.inf, table.eta[::-1]), np.append(0.0, fp / fp[-1]), np.append(0.0, tp / tp[-1])
    )


def precision_recall_curve(table: ScoreTable) -> PrecisionRecallCurve | None:
    """Precision against recall at every threshold that calls a row positive; None unless a row is positive."""
    tp = _above(table.weight_positive)
    called = tp + _above(table.weight_negative)
    if not len(tp) or tp[-1] == 0:
        return None
    return PrecisionRecallCurve(table.eta[::-1], tp / called, tp / tp[-1])


def average_precision(table: ScoreTable) -> float | None:
    """Area of the steps under the precision-recall curve; None unless a row is positive."""
    if not table.weight_positive.any():
        return None
    return float(average_precisions(table.weight_positive[None], table.weight_negative[None])[0])


def average_precisions(positive: Floats, negative: Floats) -> Floats:
    """Average precision, (r,), of weights at rising scores, (r, m) each; NaN where none is positive."""
    tp = _above(positive)
    called = tp + _above(negative)
    precision = np.divide(tp, called, out=np.zeros_like(tp), where=called > 0)
    total = tp[:, -1]
    gained = (positive[:, ::-1] * precision).sum(axis=1)
    found: Floats = np.divide(gained, total, out=np.full(len(total), np.nan), where=total > 0)
    return found


def average_precision_estimate(
    rows: Resampling, level: float = 0.95, n_resamples: int = 1000, seed: int = 0
) -> Estimate | None:
    """Average precision with its bootstrap standard error and percentile interval; None unless a row is positive.

    Raises:
        InputError: `n_resamples` is below 1, or `level` does not lie between 0 and 1.
    """
    value = float(rows.original(average_precisions))
    return None if np.isnan(value) else _estimate(value, rows, 0.0, level, n_resamples, seed)


def average_precision_of_table(table: ScoreTable, level: float = 0.95, seed: int = 0) -> Estimate | None:
    """The same of the rows of a table, of any number, in about the same time; None unless a row is positive.

    More than `MOST_CELLS` scores are drawn in cells of as many positives each, of which each begins at a positive: with
    one in each of them nothing is lost, since negatives between two positives count together. What cells of more change
    is taken off the replicates again. They are 1,000 up to 1,000 scores, and fewer for more, down to 200.

    Raises:
        InputError: `level` does not lie between 0 and 1.
    """
    value = average_precision(table)
    if value is None:
        return None
    starts = None if len(table.eta) <= MOST_CELLS else cell_starts(table.count_positive)
    rows = Resampling.of_table(table, starts)
    n_resamples = min(max(1_000_000 // len(rows.eta), 200), 1000)
    moved = value - float(rows.original(average_precisions))
    return _estimate(value, rows, moved, level, n_resamples, seed)


def _estimate(
    value: float, rows: Resampling, moved: float, level: float, n_resamples: int, seed: int
) -> Estimate:
    replicates = np.clip(rows.replicates(average_precisions, n_resamples, seed) + moved, 0.0, 1.0)
    interval = percentile_interval(replicates, level)
    spread = float(np.nanstd(replicates, ddof=1)) if n_resamples > 1 else None
    return Estimate(value, spread, interval)


def net_benefits(table: ScoreTable, thresholds: Sequence[float]) -> tuple[NetBenefit, ...]:
    """Of each of the thresholds, probabilities from 0 to below 1.

    Raises:
        InputError: a threshold is no probability below 1, or the table is empty.
    """
    require_rows(table)
    return tuple(net_benefit(confusion(table, threshold), threshold) for threshold in thresholds)


def net_benefit(counts: Confusion, threshold: float) -> NetBenefit:
    """Of the counts at a threshold, a probability from 0 to below 1; of at least one row.

    Raises:
        InputError: the threshold is 1.
    """
    if threshold == 1.0:
        raise InputError("threshold 1.0: its odds are infinite, so no benefit is net. Give one below 1.")
    odds, total = threshold / (1.0 - threshold), counts.tp + counts.fp + counts.fn + counts.tn
    return NetBenefit(
        threshold=float(threshold),
        model=(counts.tp - counts.fp * odds) / total,
        treat_all=(counts.tp + counts.fn - (counts.fp + counts.tn) * odds) / total,
    )


def _above(weight: Floats) -> Floats:
    """Summed weights at or above each score (..., m), from the highest score down."""
    return np.cumsum(weight[..., ::-1], axis=-1)
