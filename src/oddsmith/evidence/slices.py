"""Does the model serve every part of the rows? Each level of a column on its own.

    level of each interval     1 - (1 - level) / L       for L levels, so that those of a figure hold together

With twenty levels one in twenty stands out by luck alone; intervals that hold together leave that to one column in
twenty. A level stands out where its positives are not as many as expected (the interval of observed / expected leaves out
1), or where its log loss or its cost is worse than its probabilities themselves promise:

    promised log loss   - sum over classes of p log p           promised cost   sum over classes of p C[class, action]

A level that is merely harder to predict promises more, and does not stand out.

What is done to a level may differ though every promise is kept, as where more of its rows are positive. So the share with
the last action and the recall are compared with those of all other rows (`disparity`). Such a difference is told, not
judged.

Text has one level a value, numbers one a value where these are few and quantile groups otherwise. Levels beyond
`MOST_LEVELS` are taken together, the smallest first. Below `SMALL` events a level is marked: its figures are mostly noise,
and it neither stands out nor is compared, nor is a level whose other rows are that few.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.decision.policy import Policy
from oddsmith.errors import visible
from oddsmith.evaluate.calibration_report import SMALL
from oddsmith.evaluate.intervals import Estimate, Interval
from oddsmith.evaluate.metrics import Count
from oddsmith.evaluate.score_table import Floats, Integers
from oddsmith.evidence.acting import actions_of, paid
from oddsmith.evidence.disparity import NAMED, more, shares_of
from oddsmith.evidence.estimates import auc_of_rows, mean_estimate, share_estimate
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.verdicts import percent
from oddsmith.fit.losses import expit

MOST_LEVELS = 20
RATIO = "observed / expected"
QUANTILES = 5
"""Groups of a number that has more values than `FEW_VALUES`."""
FEW_VALUES = 10


class Slice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rows of one level; what they do not tell is None."""

    level: str
    n_rows: int
    events: Count
    """Rows (or weight) of the second class; of more classes, of those that were called right."""
    observed_expected: Estimate | None
    """Events over those that the probabilities expect."""
    auc: Estimate | None
    """Two classes."""
    log_loss: Estimate | None
    recall: Estimate | None
    """Of the policy, two classes."""
    recall_difference: Estimate | None
    """The recall less that of all other rows; None where the level is small, or these are."""
    action_share: Estimate | None
    """Share of rows with the last action."""
    action_share_difference: Estimate | None
    """That share less that of all other rows; None where the level is small, or these are."""
    cost: Estimate | None
    """A case."""
    small: bool
    stands_out: tuple[str, ...]
    """The figures that do."""


class Slicing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The levels of one column, the largest first, quantile groups in rising order."""

    column: str
    levels: tuple[Slice, ...]
    sentence: str


def slicing(
    column: str, values: ArrayLike, rows: AuditRows, policy: Policy | None, level: float = 0.95
) -> Slicing:
    """Each level of `values` (n,), one for each of the rows.

    Raises:
        InputError: actions or costs are not as the policy needs them.
    """
    names, place = levels_of(values)
    each = 1.0 - (1.0 - level) / len(names)
    costs = None if policy is None else _costs(rows, policy)
    shares = {} if policy is None else shares_of(rows, policy)
    excess = _excess(rows, policy, costs)
    eta, happened = rows.call
    found = []
    for j, name in enumerate(names):
        inside = place == j
        weight, y = rows.weight[inside], happened[inside]
        groups = None if rows.units is None else rows.units[inside]
        ratio = _ratio(expit(eta[inside]), y, weight, groups, each)
        out = [what for what, over in excess.items() if _is_above_0(over[inside], weight, groups, each)]
        if ratio is not None and _leaves_out(ratio.interval, 1.0):
            out.insert(0, RATIO)
        small = _is_small(y)
        estimates = {what: share.estimate(rows, inside, each) for what, share in shares.items()}
        if small or _is_small(happened[~inside]):
            apart = dict[str, Estimate | None].fromkeys(shares)
        else:
            apart = {what: share.difference(rows, inside, each) for what, share in shares.items()}
        events = float(weight[y == 1].sum())
        slice_ = Slice(
            level=name,
            n_rows=int(inside.sum()),
            events=round(events) if rows.unweighted else events,
            observed_expected=ratio,
            auc=auc_of_rows(rows.eta[inside], y, weight, groups, each) if rows.n_classes == 2 else None,
            log_loss=mean_estimate(rows.losses[inside], weight, groups, each, least=0.0),
            recall=estimates.get("recall"),
            recall_difference=apart.get("recall"),
            action_share=estimates.get("action_share"),
            action_share_difference=apart.get("action_share"),
            cost=None if costs is None else mean_estimate(costs[inside], weight, groups, each),
            small=small,
            stands_out=() if small else tuple(out),
        )
        found.append(slice_)
    told = [
        share.told(
            rows, [(one.level, getattr(one, what), getattr(one, f"{what}_difference")) for one in found]
        )
        for what, share in shares.items()
    ]
    sentence = " ".join(filter(None, [_judged(column, found, [RATIO, *excess], level), *told]))
    return Slicing(column=column, levels=tuple(found), sentence=sentence)


def levels_of(values: ArrayLike) -> tuple[list[str], NDArray[np.intp]]:
    """Names of the levels of a column (n,), and which one each row has, (n,). Empty cells are a level, `missing`."""
    column = np.asarray(values)
    if column.dtype.kind == "b":
        column = column.astype(str)
    if column.dtype.kind in "iuf":
        return _of_numbers(column.astype(np.float64))
    text = np.array(["missing" if value is None else str(value) for value in column.tolist()])
    names, place, count = np.unique(text, return_inverse=True, return_counts=True)
    return _largest(names.tolist(), place, count)


def _of_numbers(column: Floats) -> tuple[list[str], NDArray[np.intp]]:
    there = ~np.isnan(column)
    distinct = np.unique(column[there])
    if len(distinct) <= FEW_VALUES:
        text = np.where(there, [f"{value:.6g}" for value in column.tolist()], "missing")
        found, place, count = np.unique(text, return_inverse=True, return_counts=True)
        return _largest(found.tolist(), place, count)
    cuts = np.quantile(column[there], np.arange(1, QUANTILES) / QUANTILES, method="inverted_cdf")
    # A value that many rows share may be several quantiles: the groups between them would be empty.
    inner = [cut for cut in np.unique(cuts).tolist() if cut < distinct[-1]]
    place = np.searchsorted(inner, column, side="left").astype(np.intp)
    ends = [float(distinct[0]), *inner, float(distinct[-1])]
    names = [
        f"{a:.4g} to {b:.4g}" if j == 0 else f"above {a:.4g} to {b:.4g}"
        for j, (a, b) in enumerate(pairwise(ends))
    ]
    if not there.all():
        place[~there] = len(names)
        names.append("missing")
    return names, place


def _largest(
    names: Sequence[str], place: NDArray[np.intp], count: NDArray[np.intp]
) -> tuple[list[str], NDArray[np.intp]]:
    """Levels in falling order of their rows, those beyond the bound as one."""
    order = np.argsort(-count, kind="stable")
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    ordered = [names[j] for j in order]
    if len(ordered) > MOST_LEVELS:
        others = len(ordered) - MOST_LEVELS + 1
        ordered = [*ordered[: MOST_LEVELS - 1], f"({others:,} smaller levels)"]
    return ordered, np.minimum(rank[place], len(ordered) - 1)


def _costs(rows: AuditRows, policy: Policy) -> Floats | None:
    """What each row cost, (n,); None without costs."""
    prices = paid(rows, policy, rows.y)
    return None if prices is None else prices[np.arange(rows.n), actions_of(rows, policy)]


def _excess(rows: AuditRows, policy: Policy | None, costs: Floats | None) -> dict[str, Floats]:
    """By how much each row's loss, and its cost, exceed what its probabilities promise, (n,)."""
    found = {"log loss": rows.losses + (np.exp(rows.log_proba) * rows.log_proba).sum(axis=1)}
    promised = None if policy is None else _promised_cost(rows, policy)
    if costs is not None and promised is not None:
        found["cost"] = costs - promised
    return found


def _ratio(
    proba: Floats, y: NDArray[np.int64], weight: Floats, groups: Integers | None, level: float
) -> Estimate | None:
    """Observed over expected events: the share's interval over the expected share."""
    share = share_estimate(y == 1, weight, groups, level)
    expected = float(weight @ proba / weight.sum())
    if share is None or not expected > 1e-12:
        return None
    interval = share.interval
    scaled = Interval(interval.low / expected, interval.high / expected, level, interval.method)
    return Estimate(share.value / expected, None, scaled)


def _is_small(happened: NDArray[np.int64]) -> bool:
    return bool(min(np.count_nonzero(happened == 0), np.count_nonzero(happened == 1)) < SMALL)


def _leaves_out(interval: Interval, value: float) -> bool:
    return not interval.low <= value <= interval.high


def _is_above_0(excess: Floats, weight: Floats, groups: Integers | None, level: float) -> bool:
    found = mean_estimate(excess, weight, groups, level)
    return found is not None and found.interval.low > 0.0


def _promised_cost(rows: AuditRows, policy: Policy) -> Floats | None:
    """What the actions cost by the probabilities, (n,); None without costs."""
    actions, which = actions_of(rows, policy), np.arange(rows.n)
    total = np.zeros(rows.n)
    for k in range(rows.n_classes):
        prices = paid(rows, policy, np.full(rows.n, k, dtype=np.int64))
        if prices is None:
            return None
        total += np.exp(rows.log_proba[:, k]) * prices[which, actions]
    return total


def _judged(column: str, levels: Sequence[Slice], figures: Sequence[str], level: float) -> str:
    """Whether the levels keep what the probabilities promise, and of which figures that is."""
    said, together = f"'{visible(column)}'", f"({percent(level)} for all together)"
    small = sum(found.small for found in levels)
    if small == len(levels):
        return f"{said}: every level is too small to tell."
    few = f" {small:,} of the {len(levels):,} levels are too small to tell." if small else ""
    out = [found for found in levels if found.stands_out]
    if not out:
        where = "every level that is large enough" if small else "every level"
        return f"{said}: {_listed(figures)} are within chance of what is promised at {where} {together}.{few}"
    told = "; ".join(f"'{visible(found.level)}' by {', '.join(found.stands_out)}" for found in out[:NAMED])
    noun = "level stands" if len(out) == 1 else "levels stand"
    return f"{said}: {len(out):,} {noun} out beyond chance {together}: {told}{more(len(out))}.{few}"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
