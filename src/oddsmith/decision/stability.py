"""How firmly do these rows choose this threshold? A paired bootstrap of the whole cost curve.

    resample b:      rows drawn with replacement, the same ones for every cut -> cost_b(cut)
    near-optimal:    cuts whose excess cost_b(cut) - cost_b(best) can't be told from 0
    stability:       where the cheapest cut of each resample lies

The analytic threshold needs no rows, only probabilities that mean what they say. If it lies outside the span that the
resamples choose from and its cost can be told from the least, the probabilities are doubtful there: that is the
calibration alarm, raised from `FEWEST` rows of each class on, since fewer alarm by chance. The span says how the
choice varies with the rows; it is no confidence interval, since a minimiser over cuts is not normal in the limit.

A row whose weight is a whole number counts as so many rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from oddsmith.decision.thresholds import (
    ROUNDING,
    CostCurve,
    best_cut,
    cost_curve,
    cut_of,
    is_least,
    nearest,
    probability,
)
from oddsmith.errors import InputError
from oddsmith.evaluate.bootstrap import Resampling, require_resamples
from oddsmith.evaluate.cells import cell_starts
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import Floats, ScoreTable

FEWEST = 20
"""Rows of the smaller class from which a disagreement says something of the probabilities."""


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds from `lower` to `upper`, log-odds, both included.

    Raises:
        InputError: `lower` lies above `upper`, or one of them is not finite.
    """

    lower: float
    upper: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.lower, self.upper]).all() and self.lower <= self.upper):
            raise InputError(f"thresholds from {self.lower} to {self.upper}: not a range.")


class Stability(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a bootstrap says about the threshold of least cost; thresholds are log-odds.

    Raises:
        InputError: the median lies outside the span, or there is no near-optimal range.
    """

    best: float
    """The threshold of least cost on all rows."""
    span: Range
    """The resamples' choices lie within it, but for a share of (1 - level) / 2 on each side."""
    median: float
    near_optimal: list[Range]
    """All thresholds whose cost can't be told from the least, as rising ranges."""
    level: Annotated[float, Meta(gt=0.0, lt=1.0)]
    n_resamples: Annotated[int, Meta(gt=0)]
    seed: Annotated[int, Meta(ge=0)]
    alarm: str | None
    """Why the probabilities are doubtful, where the analytic threshold is neither in the span nor near-optimal."""

    def __post_init__(self) -> None:
        if not (self.near_optimal and self.span.lower <= self.median <= self.span.upper):
            raise InputError("stability: the median lies outside the span, or nothing is near-optimal.")
        if not any(part.lower <= self.best <= part.upper for part in self.near_optimal):
            raise InputError("stability: the best threshold is not in the near-optimal set.")
        if any(a.upper >= b.lower for a, b in zip(self.near_optimal, self.near_optimal[1:], strict=False)):
            raise InputError("stability: the near-optimal ranges do not rise.")


def stability(
    table: ScoreTable, cost: Cost, *, n_resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Stability:
    """Resample the rows of a table, and see which thresholds still are the best.

    Raises:
        InputError: the table is empty, or there is no resample to draw.
    """
    require_resamples(n_resamples)
    table = in_rows(table)
    curve = cost_curve(table, cost)
    best, analytic = best_cut(table, curve, cost), cut_of(table, cost.log_odds)
    cuts = _resampled_cuts(table, (best, analytic))
    eta = curve.eta[cuts]
    at_best, at_analytic = (int(np.searchsorted(cuts, cut)) for cut in (best, analytic))
    excess = Resampling.of_table(table, cuts[:-1]).replicates(
        lambda positive, negative: _excess(positive, negative, cost), n_resamples, seed
    )
    chosen = nearest(is_least(excess), at_analytic)
    tail = (1 - level) / 2
    rounding = ROUNDING * excess.max()
    near = np.quantile(excess - excess[:, at_best, None], tail, axis=0) <= rounding
    low, median, high = np.quantile(chosen, (tail, 0.5, 1 - tail), method="inverted_cdf").astype(int).tolist()
    fewest = min(int(rows.sum()) for rows in (table.count_positive, table.count_negative))
    return Stability(
        best=float(curve.eta[best]),
        span=Range(float(eta[low]), float(eta[high])),
        median=float(eta[median]),
        near_optimal=_ranges(eta, near),
        level=level,
        n_resamples=n_resamples,
        seed=seed,
        alarm=None
        if low <= at_analytic <= high or near[at_analytic] or fewest < FEWEST
        else _alarm(cost, [float(eta[low]), float(eta[high])], curve, best, analytic),
    )


def in_rows(table: ScoreTable) -> ScoreTable:
    """The table of as many rows as the weights say, where they are whole numbers; else the table."""
    if not table.whole_weights:
        return table
    positive, negative = table.weight_positive, table.weight_negative
    return replace(
        table,
        count_positive=positive.astype(np.int64),
        count_negative=negative.astype(np.int64),
        squared_weight_positive=positive,
        squared_weight_negative=negative,
    )


def _resampled_cuts(table: ScoreTable, kept: tuple[int, ...]) -> NDArray[np.intp]:
    even = cell_starts(table.count_positive + table.count_negative)
    return np.unique(np.concatenate([even, [len(table.eta)], kept]))


def _excess(positive: Floats, negative: Floats, cost: Cost) -> Floats:
    """Cost at each cut (r, c) beyond that of right answers, of weights between the cuts (r, c - 1)."""
    missed = np.pad(np.cumsum(positive, axis=1), ((0, 0), (1, 0)))
    alarmed = np.pad(np.cumsum(negative[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))
    return np.asarray(missed * cost.excess_fn + alarmed * cost.excess_fp)


def _ranges(eta: Floats, inside: NDArray[np.bool_]) -> list[Range]:
    """Runs of neighbouring cuts that are inside, by their thresholds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
    return [Range(float(eta[a]), float(eta[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _alarm(cost: Cost, span: list[float], curve: CostCurve, best: int, analytic: int) -> str:
    low, high = map(probability, span)
    return (
        f"the costs alone put the threshold at {cost.threshold:.4g}, where these rows cost "
        f"{curve.cost[analytic]:,.6g}; they favour {probability(float(curve.eta[best])):.4g}, at "
        f"{curve.cost[best]:,.6g}, and resamples of them {low:.4g} to {high:.4g}. "
        f"The probabilities are doubtful there: look at the calibration."
    )
