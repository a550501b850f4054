"""The cost at every cut of a table of scores, and the cut where it is least.

    cut i of 0..m:   scores eta_(i+1), ..., eta_m are positive      0: all of them, m: none
    cost_i = c_fn FN_i + c_tp TP_i + c_fp FP_i + c_tn TN_i           from cumulative sums, no grid

m distinct scores can be cut in m + 1 ways, and no threshold does anything else. A threshold chosen from data lies in the
gap below a score: at its middle, or at the score where no double lies between. Costs and analytic thresholds are
left exactly as they are.

No score reaches `NONE` and every score reaches `ALL`: the largest double and the least stand for the infinities,
which JSON does not have.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from oddsmith.decision.costs import PERFECT, Reviewer, prices
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Confusion, Cost, confusion_at
from oddsmith.evaluate.score_table import Floats, ScoreTable, log_odds
from oddsmith.fit.losses import expit

NONE = sys.float_info.max
ALL = -NONE
ROUNDING = 1e-12
"""What rounding may do to a sum, relative to the largest one."""
RATIOS = (1, 5, 20)
"""What a miss may cost in false alarms, where nobody has said it."""

Amount = Annotated[int, Meta(ge=0, le=2**62)] | Annotated[float, Meta(ge=0.0, le=1e290)]
"""Rows, or their summed weight, of which some can be added up."""


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a threshold would have done on the rows that were looked at.

    Raises:
        InputError: `threshold` is not the probability of `eta`.
    """

    name: str
    eta: float
    """Log-odds from which a score is positive."""
    threshold: float
    """The same as a probability."""
    tp: Amount
    fp: Amount
    fn: Amount
    tn: Amount
    cost: float | None
    """Total of all rows; None where there are no costs."""

    def __post_init__(self) -> None:
        if not abs(probability(self.eta) - self.threshold) <= 1e-12:
            raise InputError(f"candidate: {self.threshold} is not the probability of log-odds {self.eta}.")

    @property
    def counts(self) -> Confusion:
        """The counts together."""
        return Confusion(tp=self.tp, fp=self.fp, fn=self.fn, tn=self.tn)


@dataclass(frozen=True, eq=False)
class CostCurve:
    """Counts and cost at each of the m + 1 cuts of a table, in rising order of the threshold; all (m + 1,)."""

    eta: Floats
    """The threshold of each cut: `ALL` first, `NONE` last, between them in the gaps."""
    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats
    cost: Floats
    """Total of all rows, in the unit of the costs."""
    defer_all: float | None
    """What it costs to hand every case to a person."""

    @property
    def all(self) -> float:
        """What it costs to call every row positive."""
        return float(self.cost[0])

    @property
    def none(self) -> float:
        """What it costs to call no row positive."""
        return float(self.cost[-1])


def cut_thresholds(table: ScoreTable) -> Floats:
    """The threshold of each of the m + 1 cuts, (m + 1,) rising log-odds.

    Where scores were merged onto a grid the gap is a border of the grid, on which the merged rows agree.

    Raises:
        InputError: the table is empty.
    """
    if not len(table.eta):
        raise InputError(
            "no rows to choose a threshold from: give at least one row with a label and a weight."
        )
    lower, upper = table.eta[:-1], table.eta[1:]
    if table.step:
        inner = np.minimum(np.floor(upper / table.step) * table.step, upper)
    else:
        middle = lower / 2 + upper / 2
        inner = np.where(middle > lower, np.minimum(middle, upper), upper)
    return np.concatenate([[ALL], inner, [NONE]])


def cost_curve(table: ScoreTable, cost: Cost, reviewer: Reviewer = PERFECT) -> CostCurve:
    """Counts and cost at every cut.

    Raises:
        InputError: the table is empty.
    """
    eta = cut_thresholds(table)
    fn, tn = (np.concatenate([[0.0], np.cumsum(w)]) for w in (table.weight_positive, table.weight_negative))
    tp, fp = (
        np.concatenate([np.cumsum(w[::-1])[::-1], [0.0]])
        for w in (table.weight_positive, table.weight_negative)
    )
    total = fn * cost.fn + fp * cost.fp + (tn * cost.tn + tp * cost.tp)
    return CostCurve(eta, tp, fp, fn, tn, total, cost_of_deferring(table, cost, reviewer))


def cost_of_deferring(table: ScoreTable, cost: Cost, reviewer: Reviewer = PERFECT) -> float | None:
    """What it costs to hand every case to a person; None where that has no price."""
    if cost.defer is None:
        return None
    of_negative, of_positive = prices(cost, reviewer)[:, 1].tolist()
    return float(table.weight_positive.sum() * of_positive + table.weight_negative.sum() * of_negative)


def cut_of(table: ScoreTable, eta: float) -> int:
    """The cut that a threshold makes, from 0 to m."""
    return int(np.searchsorted(table.eta, eta, side="left"))


def is_least(cost: Floats) -> NDArray[np.bool_]:
    """Which of the costs (..., m + 1) are the least, but for the rounding of their sums."""
    bound = cost.min(axis=-1, keepdims=True) + ROUNDING * np.abs(cost).max(axis=-1, keepdims=True)
    return np.asarray(cost <= bound)


def nearest(least: NDArray[np.bool_], cut: int) -> NDArray[np.intp]:
    """Of the cuts marked in each row of (..., m + 1) the one nearest to `cut`, the lower of two."""
    distance = np.abs(np.arange(least.shape[-1]) - cut)
    return np.asarray(np.where(least, distance, least.shape[-1]).argmin(axis=-1))


def best_cut(table: ScoreTable, curve: CostCurve, cost: Cost) -> int:
    """The cut of least cost; of several the one nearest to the analytic threshold, for which there is another reason."""
    return int(nearest(is_least(curve.cost), cut_of(table, cost.log_odds)))


def empirical_threshold(table: ScoreTable, cost: Cost) -> float:
    """Log-odds of the threshold of least cost on these rows, over all cuts.

    Raises:
        InputError: the table is empty.
    """
    curve = cost_curve(table, cost)
    return float(curve.eta[best_cut(table, curve, cost)])


def probability(eta: float) -> float:
    """The probability of log-odds, 0.0 at `ALL` and 1.0 at `NONE`."""
    return float(expit(np.array([eta]))[0])


def stored(eta: float) -> float:
    """A threshold as JSON can hold it: infinities become `ALL` and `NONE`."""
    return min(max(eta, ALL), NONE)


def given_threshold(threshold: float) -> float:
    """Log-odds of a probability that somebody has chosen, `ALL` at 0 and `NONE` at 1.

    Raises:
        InputError: `threshold` is not a number from 0 to 1.
    """
    return stored(log_odds(threshold))


def candidate(
    name: str, table: ScoreTable, eta: float, cost: Cost | None, threshold: float | None = None
) -> Candidate:
    """What a threshold does on the rows of a table; `threshold` where its probability is known exactly."""
    counts = confusion_at(table, math.inf if eta >= NONE else eta)
    return Candidate(
        name=name,
        eta=eta,
        threshold=probability(eta) if threshold is None else threshold,
        tp=counts.tp,
        fp=counts.fp,
        fn=counts.fn,
        tn=counts.tn,
        cost=None if cost is None else cost.total(counts),
    )


def candidates(table: ScoreTable, cost: Cost) -> list[Candidate]:
    """The thresholds that a choice is compared with: none, all, one half, analytic and empirical.

    Raises:
        InputError: the table is empty.
    """
    empirical = empirical_threshold(table, cost)
    rows: Iterable[tuple[str, float, float | None]] = [
        ("none", NONE, None),
        ("all", ALL, None),
        ("one half", 0.0, None),
        ("analytic", cost.log_odds, cost.threshold),
        ("empirical", empirical, None),
    ]
    return [candidate(name, table, eta, cost, threshold) for name, eta, threshold in rows]


def ratio_candidates(table: ScoreTable) -> list[Candidate]:
    """The analytic thresholds of a miss that costs 1, 5 and 20 false alarms; cost in false alarms."""
    prices = [(f"{ratio}:1", Cost(fn=ratio, fp=1)) for ratio in RATIOS]
    return [candidate(name, table, cost.log_odds, cost, cost.threshold) for name, cost in prices]
