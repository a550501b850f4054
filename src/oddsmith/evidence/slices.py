"""Does the model serve every part of the rows? Each level of a column on its own.

    level of each interval     1 - (1 - level) / L       for L levels, so that those of a figure hold together

With twenty levels one in twenty stands out by luck alone; intervals that hold together leave that to one column in
twenty. A level stands out where its positives are not as many as expected (the interval of observed / expected leaves out
1), or where its log loss or its cost is worse than its probabilities themselves promise:

    promised log loss   - sum over classes of p log p           promised cost   sum over classes of p C[class, action]

A level that is merely harder to predict promises more, and does not stand out.

Text has one level a value, numbers one a value where these are few and quantile groups otherwise. Levels beyond
`MOST_LEVELS` are taken together, the smallest first. Below `SMALL` events a level is marked: its figures are mostly noise,
and it never stands out.
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
from oddsmith.evidence.estimates import auc_of_rows, mean_estimate, share_estimate
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.verdicts import percent
from oddsmith.fit.losses import expit

MOST_LEVELS = 20
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
    action_share: Estimate | None
    """Share of rows with the last action."""
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
    last = None if policy is None else len(policy.actions) - 1
    actions = None if policy is None else actions_of(rows, policy)
    prices = None if policy is None else paid(rows, policy, rows.y)
    costs = None if prices is None else prices[np.arange(rows.n), actions]
    promised_loss = -(np.exp(rows.log_proba) * rows.log_proba).sum(axis=1)
    promised_cost = None if policy is None else _promised_cost(rows, policy)
    eta, happened = rows.call
    found = []
    for j, name in enumerate(names):
        inside = place == j
        weight, y = rows.weight[inside], happened[inside]
        groups = None if rows.units is None else rows.units[inside]
        area = recall = share = cost = None
        if rows.n_classes == 2:
            area = auc_of_rows(rows.eta[inside], y, weight, groups, each)
        if actions is not None and last is not None:
            share = share_estimate(actions[inside] == last, weight, groups, each)
            if rows.n_classes == 2:
                positive = y == 1
                of = None if groups is None else groups[positive]
                recall = share_estimate(actions[inside][positive] > 0, weight[positive], of, each)
        if costs is not None:
            cost = mean_estimate(costs[inside], weight, groups, each)
        loss = mean_estimate(rows.losses[inside], weight, groups, each, least=0.0)
        ratio = _ratio(expit(eta[inside]), y, weight, rows, inside, each)
        apart = [
            ("observed / expected", ratio is not None and _leaves_out(ratio.interval, 1.0)),
            ("log loss", _is_above_0((rows.losses - promised_loss)[inside], weight, groups, each)),
            (
                "cost",
                costs is not None
                and promised_cost is not None
                and _is_above_0((costs - promised_cost)[inside], weight, groups, each),
            ),
        ]
        small = min(np.count_nonzero(y == 0), np.count_nonzero(y == 1)) < SMALL
        events = float(weight[y == 1].sum())
        slice_ = Slice(
            level=name,
            n_rows=int(inside.sum()),
            events=round(events) if rows.unweighted else events,
            observed_expected=ratio,
            auc=area,
            log_loss=loss,
            recall=recall,
            action_share=share,
            cost=cost,
            small=bool(small),
            stands_out=tuple(what for what, is_apart in apart if is_apart and not small),
        )
        found.append(slice_)
    return Slicing(column=column, levels=tuple(found), sentence=_sentence(column, found, level))


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


def _ratio(
    proba: Floats,
    y: NDArray[np.int64],
    weight: Floats,
    rows: AuditRows,
    inside: NDArray[np.bool_],
    level: float,
) -> Estimate | None:
    """Observed over expected events: the share's interval over the expected share."""
    groups = None if rows.units is None else rows.units[inside]
    share = share_estimate(y == 1, weight, groups, level)
    expected = float(weight @ proba / weight.sum())
    if share is None or not expected > 1e-12:
        return None
    interval = share.interval
    scaled = Interval(interval.low / expected, interval.high / expected, level, interval.method)
    return Estimate(share.value / expected, None, scaled)


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


def _sentence(column: str, levels: Sequence[Slice], level: float) -> str:
    out = [found for found in levels if found.stands_out]
    small = sum(found.small for found in levels)
    few = f" {small:,} of the {len(levels):,} levels are too small to tell." if small else ""
    if not out:
        return f"'{visible(column)}': no level stands out beyond chance ({percent(level)} for all together).{few}"
    told = "; ".join(f"'{visible(found.level)}' by {', '.join(found.stands_out)}" for found in out[:3])
    more = f"; and {len(out) - 3:,} more" if len(out) > 3 else ""
    noun = "level stands" if len(out) == 1 else "levels stand"
    return f"'{visible(column)}': {len(out):,} {noun} out beyond chance ({percent(level)} for all together): {told}{more}.{few}"
