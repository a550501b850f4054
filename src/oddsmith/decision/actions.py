"""Scores to actions, under a policy.

    action = number of thresholds that eta has reached          eta >= threshold, on the log-odds that are stored
    action = argmin of proba @ C                                of a cost matrix, the first of ties
    action = eta >= log-odds of the row's own threshold         where costs are columns

A row's action depends on nothing but the row: thresholds are compared as stored, and costs are summed in a fixed order,
so that no other row, no batch and no way through a file can change it. Only a capacity, where it is enforced, looks
at the whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from oddsmith.decision.capacity import within_capacity
from oddsmith.decision.costs import Actions, expected_costs
from oddsmith.decision.deferral import saving
from oddsmith.decision.policy import Policy
from oddsmith.decision.thresholds import ALL, NONE, Amount
from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import Floats, ScoreTable, require, row_weights
from oddsmith.fit.losses import expit


def act(policy: Policy, scores: ArrayLike, columns: Mapping[str, ArrayLike] | None = None) -> Actions:
    """The action (n,) of each row, a position in `policy.actions`.

    Args:
        policy: the policy.
        scores: log-odds (n,) after calibration; probabilities (n, K) for a cost matrix.
        columns: the columns (n,) that costs are in, by name.

    Raises:
        InputError: a score is not a number, or shapes or columns are not as the policy needs them.
    """
    if policy.matrix is not None:
        return policy.matrix.cheapest(scores)
    eta = np.asarray(scores, dtype=np.float64)
    if eta.ndim != 1:
        raise InputError(f"scores have shape {eta.shape}. Give the log-odds of each row.")
    require(~np.isnan(eta), eta, "score", "Scores are log-odds.")
    if policy.row_costs is not None:
        return (eta >= policy.row_costs.thresholds(columns or {}, len(eta))).astype(np.intp)
    reached = np.zeros(len(eta), dtype=np.intp)
    for threshold in policy.thresholds:
        if threshold <= ALL:
            reached += 1
        elif threshold < NONE:
            reached += eta >= threshold
    return reached


def act_within(
    policy: Policy,
    scores: ArrayLike,
    most: int | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
) -> Actions:
    """The actions (n,) of a batch, of which at most `most` are the action that has a capacity.

    The rows that it serves are those that it saves most for, the earlier of ties, as many as there are places and savings:
    a threshold holds the share that it expects, and leaves places empty. The others get their next best action. Without
    costs every place is filled, by the highest probability.
    `most` is the capacity's share of n by itself. Arguments as for `act`.

    Raises:
        InputError: the policy has no capacity, or as `act`.
    """
    if policy.capacity is None:
        raise InputError(
            "this policy has no capacity. Choose one that has: oddsmith decide --capacity review=200/1000."
        )
    action = policy.actions.index(policy.capacity.action)
    if policy.matrix is not None:
        expected = policy.matrix.expected(scores)
        others = expected.copy()
        others[:, action] = np.inf
        worth, instead = others.min(axis=1) - expected[:, action], others.argmin(axis=1)
        wanted = policy.matrix.cheapest(scores) == action
    elif len(policy.actions) == 3 and policy.cost is not None:
        eta = np.asarray(scores, dtype=np.float64)
        worth = saving(eta, policy.cost, policy.reviewer)
        instead = 2 * (eta >= policy.cost.log_odds).astype(np.intp)
        wanted = worth > 0.0
    else:
        eta = np.asarray(scores, dtype=np.float64)
        worth, instead = eta, np.full(len(eta), 1 - action)
        wanted = np.ones(len(eta), dtype=bool)
        if policy.row_costs is not None:
            excess_fn, excess_fp = policy.row_costs.excess(columns or {}, len(eta))
            worth = expit(eta) * excess_fn - expit(-eta) * excess_fp
            wanted = act(policy, scores, columns) == action
        elif policy.cost is not None:
            wanted = (eta >= policy.cost.log_odds) == bool(action)
        worth = worth if action else -worth
    actions = np.where(wanted, action, instead)
    allowed = policy.capacity.allowed(len(actions)) if most is None else most
    return within_capacity(actions, worth, instead, action, allowed)


def expected(
    policy: Policy, scores: ArrayLike, columns: Mapping[str, ArrayLike] | None = None
) -> Floats | None:
    """Expected cost (n, A) of each action, in the unit of the costs; None without costs. Arguments as for `act`.

    Of costs in columns it is what errors cost beyond right answers.

    Raises:
        InputError: as `act`.
    """
    if policy.matrix is not None:
        return policy.matrix.expected(scores)
    eta = np.asarray(scores, dtype=np.float64)
    if policy.row_costs is not None:
        excess_fn, excess_fp = policy.row_costs.excess(columns or {}, len(eta))
        return np.stack([expit(eta) * excess_fn, expit(-eta) * excess_fp], axis=1)
    return None if policy.used_cost is None else expected_costs(eta, policy.used_cost, policy.reviewer)


def tally(
    policy: Policy, actions: Actions, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> list[list[Amount]]:
    """Rows by true class and action: K lists of A, whole where every row weighs 1.

    `actions` (n,) and `y` (n,) are codes, `sample_weight` (n,) or None for ones.
    """
    codes = np.asarray(y, dtype=np.intp)
    weight = row_weights(sample_weight, len(codes))
    K = 2 if policy.matrix is None else len(policy.matrix.classes)
    A = len(policy.actions)
    cells = np.bincount(codes * A + actions, weights=weight, minlength=K * A).reshape(K, A)
    return _amounts(np.asarray(cells), bool((weight == 1).all()))


def tally_table(policy: Policy, table: ScoreTable) -> list[list[Amount]]:
    """`tally` of the rows of a table, for a policy that needs nothing but their scores."""
    actions, A = act(policy, table.eta), len(policy.actions)
    cells = [
        np.bincount(actions, weights=weight, minlength=A)
        for weight in (table.weight_negative, table.weight_positive)
    ]
    return _amounts(np.array(cells), table.unweighted)


def _amounts(cells: Floats, whole: bool) -> list[list[Amount]]:
    rows: list[list[Amount]] = (cells.astype(np.int64) if whole else cells).tolist()
    return rows
