"""Two models on the same rows: what each did there, and what that cost under one stated price.

    cost of a row       price[its class, its action], or what its own columns say of an error

Two models can only be compared in one unit. So the cost of both is that of one stated price, also where one of them was
made for another: its actions are its own, and what they cost is looked up. A model without a policy takes the action that
the price has for its probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oddsmith.decision.costs import Actions, CostMatrix, Reviewer, RowCosts, prices
from oddsmith.decision.policy import Policy
from oddsmith.errors import InputError, visible
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import Floats
from oddsmith.evidence.acting import actions_of
from oddsmith.evidence.rows import AuditRows
from oddsmith.fit.losses import expit

Price = Cost | RowCosts | CostMatrix
"""What actions cost: of all rows alike, of each row, or of more classes or actions than two."""


@dataclass(frozen=True, eq=False)
class Contender:
    """One of two models: what it says of the rows, and what it does."""

    rows: AuditRows
    policy: Policy | None = None

    @property
    def squares(self) -> Floats:
        """The Brier score of each row, (n,): summed over classes where there are more than two."""
        y, calibrated = self.rows.y, self.rows.calibrated
        if calibrated.ndim == 1:
            return np.asarray(expit(np.where(y == 1, -calibrated, calibrated)) ** 2)
        return np.asarray(((np.exp(calibrated) - np.eye(self.rows.n_classes)[y]) ** 2).sum(axis=1))

    def taken(self, price: Price | None) -> Actions | None:
        """The action (n,) of each row: by the policy, or else as the price has it; None without both.

        Without a policy they are positions in the price's own actions.

        Raises:
            InputError: as `actions_of`, or a column of costs is not as costs are.
        """
        rows = self.rows
        if self.policy is not None:
            return actions_of(rows, self.policy)
        if price is None:
            return None
        if isinstance(price, CostMatrix):
            return price.cheapest(np.exp(rows.log_proba))
        if isinstance(price, RowCosts):
            return (rows.calibrated >= price.thresholds(rows.cost_columns, rows.n)).astype(np.intp)
        return (rows.calibrated >= price.log_odds).astype(np.intp)

    @property
    def price(self) -> Price | None:
        """What the actions of its policy cost; None where nobody says so."""
        if self.policy is None:
            return None
        return self.policy.matrix or self.policy.row_costs or self.policy.cost


def price_of_actions(price: Price, reviewer: Reviewer, rows: AuditRows) -> Floats:
    """What each action costs in each row, (n, A); of costs in columns, what errors cost beyond right answers.

    Raises:
        InputError: the price is of other classes, or a column of costs is absent, or not as costs are.
    """
    priced = len(price.classes) if isinstance(price, CostMatrix) else 2
    if priced != rows.n_classes:
        raise InputError(
            f"costs are of {priced} classes, and there are {rows.n_classes}. Give a cost matrix with a row for each class."
        )
    if isinstance(price, RowCosts):
        of_miss, of_alarm = price.excess(rows.cost_columns, rows.n)
        return np.column_stack([np.where(rows.y == 1, of_miss, 0.0), np.where(rows.y == 1, 0.0, of_alarm)])
    each = np.array(price.cost) if isinstance(price, CostMatrix) else prices(price, reviewer)
    return np.asarray(each[rows.y])


def places(price: Price, policy: Policy | None) -> list[int]:
    """For each action of a policy, the column of `price_of_actions` that it is; without a policy, those of the price.

    Raises:
        InputError: the price has none for an action.
    """
    if isinstance(price, CostMatrix):
        actions = price.actions if policy is None else policy.actions
        unpriced = [action for action in actions if action not in price.actions]
        if unpriced:
            raise InputError(
                f"action '{visible(unpriced[0])}' has no column in the cost matrix. Give one matrix with the actions of "
                f"both models."
            )
        return [price.actions.index(action) for action in actions]
    deferrable = isinstance(price, Cost) and price.defer is not None
    if policy is None or (policy.matrix is None and len(policy.actions) == 2):
        return [0, 2 if deferrable else 1]
    if policy.matrix is not None:
        raise InputError(
            "one model acts by a cost matrix: costs fn and fp do not price its actions. Give the matrix."
        )
    if not deferrable:
        raise InputError(
            f"action '{visible(policy.actions[1])}' has no cost. Give that of deferring too, as in fn=120,fp=18,defer=4."
        )
    return [0, 1, 2]
