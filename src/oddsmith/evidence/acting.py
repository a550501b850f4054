"""What the policy did on the rows, and whether that was worth it.

    cost a case       sum w C[true class, action] / sum w
    difference        cost a case of the policy, less that of an alternative on the same rows
    interval          percentiles over resamples of rows, or of groups, the same ones for both
    recall            share of the positives that did not get the first action, which is that of negatives
    precision         share of those with the last action that are positive

The alternatives are one action for all, and 1/2 for a threshold. The bar is the best single action: it is found anew in
each resample, so that luck in finding it counts against the policy, never for it.

What is drawn again are kinds of rows where these are few (their class and their actions), otherwise rows or groups, or
heaps of many of them.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddsmith.decision.actions import act, tally
from oddsmith.decision.costs import Actions
from oddsmith.decision.policy import Policy
from oddsmith.errors import InputError, visible
from oddsmith.evaluate.bootstrap import percentile_interval, redraws
from oddsmith.evaluate.curves import NetBenefit, net_benefits
from oddsmith.evaluate.intervals import Estimate, Interval
from oddsmith.evaluate.metrics import Count
from oddsmith.evaluate.score_table import Floats, Integers
from oddsmith.evidence.estimates import mean_estimate, share_estimate
from oddsmith.evidence.rows import AuditRows

MANY = 10_000
"""Units that are resampled at most: of more, as many random heaps of them."""


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy against an alternative on the same rows, in cost a case."""

    name: str
    cost: float
    """Of the alternative."""
    difference: float
    """Of the policy less this: below 0 where the policy costs less."""
    interval: Interval


class Acting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A policy on the audit rows. What needs costs, or two classes, is None without them."""

    actions: tuple[str, ...]
    counts: tuple[tuple[Count, ...], ...]
    """Rows (or their weight): a row for each true class, a column for each action."""
    shares: tuple[Estimate, ...]
    """Of the rows, with each action."""
    cost: Estimate | None
    """A case; where costs are columns, what errors cost beyond right answers."""
    best_single: Comparison | None
    """Against the best of taking one action for all."""
    comparisons: tuple[Comparison, ...]
    """Against each single action, and against 1/2 for a threshold."""
    net_benefit: NetBenefit | None
    """Two actions and one threshold."""
    recall: Estimate | None
    precision: Estimate | None
    """None also where no row has the last action."""
    f1: float | None


def actions_of(rows: AuditRows, policy: Policy) -> Actions:
    """The actions that were taken, or those that the policy takes, (n,).

    Raises:
        InputError: an action is no position in the policy's, or the policy is for other classes.
    """
    K = 2 if policy.matrix is None else len(policy.matrix.classes)
    if rows.n_classes != K:
        raise InputError(
            f"a policy for {K} classes, and scores of {rows.n_classes}. Give the policy of this model."
        )
    if rows.actions is None:
        scores = rows.calibrated if policy.matrix is None else np.exp(rows.log_proba)
        return act(policy, scores, rows.cost_columns)
    taken = np.asarray(rows.actions)
    if not bool(((taken >= 0) & (taken < len(policy.actions))).all()):
        raise InputError(
            f"actions lie outside 0 to {len(policy.actions) - 1}. Give positions in the policy's list, "
            f"{visible(', '.join(policy.actions))}."
        )
    return taken


def paid(rows: AuditRows, policy: Policy, labels: Integers) -> Floats | None:
    """What each action costs for each row if these (n,) were its classes, (n, A); None without costs.

    Raises:
        InputError: a column of costs is absent, or its costs reward errors.
    """
    if policy.row_costs is not None:
        excess_fn, excess_fp = policy.row_costs.excess(rows.cost_columns, rows.n)
        return np.column_stack([np.where(labels == 1, excess_fn, 0.0), np.where(labels == 1, 0.0, excess_fp)])
    each = policy.prices
    return None if each is None else np.asarray(each[labels])


def acting(
    rows: AuditRows, policy: Policy, *, level: float = 0.95, n_resamples: int = 1000, seed: int = 0
) -> Acting:
    """Counts, costs, recall and precision of a policy.

    Raises:
        InputError: actions or costs are not as the policy needs them, or `n_resamples` is below 1.
    """
    actions = actions_of(rows, policy)
    shares = [
        share_estimate(actions == a, rows.weight, rows.units, level) for a in range(len(policy.actions))
    ]
    binary, last = policy.matrix is None, len(policy.actions) - 1
    recall = precision = f1 = None
    if binary:
        positive, flagged = rows.y == 1, actions == last
        recall = _share_within(rows, positive, actions > 0, level)
        precision = _share_within(rows, flagged, positive, level)
        found = float(rows.weight[positive & flagged].sum())
        wrong = float(rows.weight[positive != flagged].sum())
        f1 = 2.0 * found / (2.0 * found + wrong) if found + wrong else None
    prices = paid(rows, policy, rows.y)
    cost = best = None
    comparisons: tuple[Comparison, ...] = ()
    if prices is not None:
        cost = mean_estimate(prices[np.arange(rows.n), actions], rows.weight, rows.units, level)
        best, comparisons = _compared(rows, policy, prices, actions, level, n_resamples, seed)
    benefit = None
    if len(policy.thresholds) == 1 and policy.probabilities[0] < 1.0:
        (benefit,) = net_benefits(rows.table(), policy.probabilities)
    return Acting(
        actions=tuple(policy.actions),
        counts=tuple(tuple(row) for row in tally(policy, actions, rows.y, rows.weight)),
        shares=tuple(share for share in shares if share is not None),
        cost=cost,
        best_single=best,
        comparisons=comparisons,
        net_benefit=benefit,
        recall=recall,
        precision=precision,
        f1=f1,
    )


def _share_within(
    rows: AuditRows, of: NDArray[np.bool_], inside: NDArray[np.bool_], level: float
) -> Estimate | None:
    groups = None if rows.units is None else rows.units[of]
    return share_estimate(inside[of], rows.weight[of], groups, level)


def _compared(
    rows: AuditRows,
    policy: Policy,
    prices: Floats,
    actions: Actions,
    level: float,
    n_resamples: int,
    seed: int,
) -> tuple[Comparison, tuple[Comparison, ...]]:
    """Against the best single action that its capacity allows for all, and against each alternative."""
    A = len(policy.actions)
    names = [f"'{visible(action)}' for all" for action in policy.actions]
    paths = [actions, *(np.full(rows.n, a) for a in range(A))]
    half = np.zeros(rows.n, dtype=np.intp)
    if policy.matrix is None:
        half = np.where(rows.calibrated >= 0.0, A - 1, 0)
        names.append("a threshold of 1/2")
        paths.append(half)
    which = np.arange(rows.n)
    costs = [prices[which, path] for path in paths]
    # Differences first: of two ways that agree on every row it is 0 to the last bit.
    columns = [rows.weight, rows.weight * costs[0], *(rows.weight * (costs[0] - cost) for cost in costs[1:])]
    count, sums = _kinds(rows, policy, np.column_stack(columns), (rows.y * A + actions) * A + half, seed)
    drawn = np.stack([redraw @ sums for redraw in redraws(count, n_resamples, seed)])
    whole = count @ sums
    own, difference = whole[1] / whole[0], whole[2:] / whole[0]
    resampled = drawn[:, 2:] / drawn[:, :1]

    def against(name: str, less: float, replicates: Floats) -> Comparison:
        interval = percentile_interval(replicates, level)
        if rows.units is not None:
            interval = msgspec.structs.replace(interval, method=f"{interval.method}, by group")
        return Comparison(name, float(own - less), float(less), interval)

    held = policy.capacity
    allowed = [
        a for a in range(A) if held is None or policy.actions[a] != held.action or held.most == held.of
    ]
    least = max(allowed, key=lambda a: difference[a])
    best = against(names[least], difference[least], resampled[:, allowed].max(axis=1))
    each = tuple(against(name, difference[j], resampled[:, j]) for j, name in enumerate(names))
    return best, each


def _kinds(
    rows: AuditRows, policy: Policy, columns: Floats, kind: Integers, seed: int
) -> tuple[Integers, Floats]:
    """How many units there are of each kind, (k,), and what one of them adds to the columns, (k, q)."""
    if rows.units is None and policy.row_costs is None and rows.unweighted:
        _, first, count = np.unique(kind, return_index=True, return_counts=True)
        return count, columns[first]
    units = np.arange(rows.n) if rows.units is None else rows.units
    n = int(units.max()) + 1
    if n > MANY:
        # Heaps of independent units, put together without looking at them, are independent units.
        units = np.random.default_rng(seed).integers(MANY, size=n)[units]
        n = MANY
    return np.ones(n, dtype=np.int64), np.column_stack(
        [np.bincount(units, weights=column, minlength=n) for column in columns.T]
    )
