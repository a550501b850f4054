"""Two models on the same rows, as arrays: what each said, what was done, and what that cost under one stated price.

    loss of a row       -log proba of what was true
    square of a row     (proba - y)^2, summed over classes where there are more than two
    cost of a row       price[its class, its action], or what its own columns say of an error

Two models can only be compared in one unit. So the cost of both is that of one stated price, also where one of them was
made for another: its actions are its own, and what they cost is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.decision.actions import act
from oddsmith.decision.costs import Actions, CostMatrix, Reviewer, RowCosts, prices
from oddsmith.decision.policy import Policy
from oddsmith.errors import InputError, visible
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import Floats, require, row_weights
from oddsmith.fit.losses import expit, softplus

Price = Cost | RowCosts | CostMatrix
"""What actions cost: of all rows alike, of each row, or of more classes or actions than two."""
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Contender:
    """What one of two models says of n rows of K classes.

    Raises:
        InputError: shapes are not those of rows, or a score is not finite.
    """

    eta: Floats
    """Raw scores, by which rows are ranked: (n,) log-odds, or (n, K) of each class against the rest."""
    calibrated: Floats
    """What probabilities are made of: (n,) log-odds, or (n, K) log-probabilities."""
    policy: Policy | None = None
    actions: Actions | None = None
    """(n,) positions in the policy's actions; None for what the policy says, or where there is no policy."""

    def __post_init__(self) -> None:
        for what in ("eta", "calibrated"):
            scores = np.asarray(getattr(self, what), dtype=np.float64)
            if scores.ndim not in (1, 2) or scores.shape != np.shape(self.eta):
                raise InputError(
                    f"scores have shapes {np.shape(self.eta)} and {np.shape(self.calibrated)}. "
                    f"Give (n,) of two classes, or (n, K) of K, before calibration and after it."
                )
            largest = np.abs(scores) if scores.ndim == 1 else np.abs(scores).max(axis=1, initial=0.0)
            require(np.isfinite(largest), largest, what, "Scores must be finite.")
            object.__setattr__(self, what, scores)
        if self.actions is not None:
            object.__setattr__(self, "actions", np.asarray(self.actions, dtype=np.intp))

    @property
    def n_classes(self) -> int:
        """K."""
        return 2 if self.eta.ndim == 1 else self.eta.shape[1]

    @property
    def log_proba(self) -> Floats:
        """Logarithms of the probabilities, (n, K)."""
        if self.calibrated.ndim == 2:
            return self.calibrated
        return np.column_stack([-softplus(self.calibrated), -softplus(-self.calibrated)])

    def losses(self, y: Codes) -> Floats:
        """The log loss of each row, (n,)."""
        return np.asarray(-self.log_proba[np.arange(len(y)), y])

    def squares(self, y: Codes) -> Floats:
        """The Brier score of each row, (n,)."""
        if self.calibrated.ndim == 1:
            return np.asarray(expit(np.where(y == 1, -self.calibrated, self.calibrated)) ** 2)
        return np.asarray(((np.exp(self.calibrated) - np.eye(self.n_classes)[y]) ** 2).sum(axis=1))

    def call(self, y: Codes) -> tuple[Floats, Codes]:
        """Log-odds (n,) of what is to be calibrated, and whether it came true.

        Two classes: the second one. More: the class of largest probability, the first of ties.
        """
        if self.calibrated.ndim == 1:
            return self.calibrated, y
        rows, called = np.arange(len(y)), self.calibrated.argmax(axis=1)
        others = self.calibrated.copy()
        others[rows, called] = -np.inf
        second = others.max(axis=1)
        rest = second + np.log(np.exp(others - second[:, None]).sum(axis=1))
        return self.calibrated[rows, called] - rest, (called == y).astype(np.int64)

    def taken(self, price: Price | None, columns: Mapping[str, ArrayLike]) -> Actions | None:
        """The action (n,) of each row: as given, or by the policy, or else as the price has it; None without all of them.

        Without a policy they are positions in the price's own actions.

        Raises:
            InputError: as `act`; an action that was given is none of the policy's.
        """
        if self.actions is not None:
            most = len(self.policy.actions) if self.policy is not None else 2
            codes = self.actions
            if codes.shape != self.eta.shape[:1] or not np.isin(codes, np.arange(most)).all():
                raise InputError(
                    f"actions: give one of 0 to {most - 1} for each of the {len(self.eta)} rows."
                )
            return codes
        if self.policy is not None:
            scores = self.calibrated if self.policy.matrix is None else np.exp(self.log_proba)
            return act(self.policy, scores, columns)
        if price is None:
            return None
        if isinstance(price, CostMatrix):
            return price.cheapest(np.exp(self.log_proba))
        if isinstance(price, RowCosts):
            return (self.calibrated >= price.thresholds(columns, len(self.eta))).astype(np.intp)
        return (self.calibrated >= price.log_odds).astype(np.intp)

    def part(self, kept: NDArray[np.bool_]) -> Contender:
        """What it says of some of the rows."""
        actions = None if self.actions is None else self.actions[kept]
        return Contender(self.eta[kept], self.calibrated[kept], self.policy, actions)


@dataclass(frozen=True, eq=False)
class CommonRows:
    """The rows that both models answer. Those of weight 0 are left out by the gate.

    Raises:
        InputError: a column has not one value a row, or a weight is negative or not finite.
    """

    y: Codes
    """(n,) class codes."""
    sample_weight: ArrayLike | None = None
    """(n,), finite and not negative; None for ones."""
    groups: ArrayLike | None = None
    """(n,): rows of one group resemble each other, as those of a customer do."""
    columns: Mapping[str, ArrayLike] = field(default_factory=dict)
    """The columns (n,) that costs are in, by name."""
    slices: Mapping[str, ArrayLike] = field(default_factory=dict)
    """The columns (n,), text or numbers, by whose values rows are told apart."""

    def __post_init__(self) -> None:
        codes = np.asarray(self.y)
        if codes.ndim != 1:
            raise InputError(f"labels have shape {codes.shape}. Give one class code for every row.")
        n = len(codes)
        given = {"groups": self.groups, **self.columns, **self.slices}
        for name, column in given.items():
            if column is not None and np.shape(column) != (n,):
                shape = np.shape(column)
                raise InputError(f"'{visible(name)}' has shape {shape}. Give one value for each of {n} rows.")
        object.__setattr__(self, "y", codes.astype(np.int64))
        object.__setattr__(self, "sample_weight", row_weights(self.sample_weight, n))

    @property
    def weight(self) -> Floats:
        """(n,)"""
        return np.asarray(self.sample_weight)

    def part(self, kept: NDArray[np.bool_]) -> CommonRows:
        """Some of the rows."""
        return CommonRows(
            self.y[kept],
            self.weight[kept],
            None if self.groups is None else np.asarray(self.groups)[kept],
            {name: np.asarray(column)[kept] for name, column in self.columns.items()},
            {name: np.asarray(column)[kept] for name, column in self.slices.items()},
        )


def price_of(policy: Policy | None) -> Price | None:
    """What the actions of a policy cost; None where it does not say."""
    if policy is None:
        return None
    return policy.matrix or policy.row_costs or policy.cost


def price_of_actions(price: Price, reviewer: Reviewer, rows: CommonRows, K: int) -> Floats:
    """What each action costs in each row, (n, A); of costs in columns, what errors cost beyond right answers.

    Raises:
        InputError: the price is not of K classes, or a column of costs is absent, or not as costs are.
    """
    priced = len(price.classes) if isinstance(price, CostMatrix) else 2
    if priced != K:
        raise InputError(
            f"costs are of {priced} classes, and there are {K}. Give a cost matrix with a row for each class."
        )
    if isinstance(price, RowCosts):
        of_miss, of_alarm = price.excess(rows.columns, len(rows.y))
        return np.column_stack([np.where(rows.y == 1, of_miss, 0.0), np.where(rows.y == 1, 0.0, of_alarm)])
    each = np.array(price.cost) if isinstance(price, CostMatrix) else prices(price, reviewer)
    return np.asarray(each[rows.y])


def places(price: Price, policy: Policy | None) -> list[int]:
    """For each action of a policy, the column of `price_of_actions` that it is.

    Raises:
        InputError: the price has none for an action.
    """
    if policy is None:
        # Actions that no policy took are those of the price, where a person takes none.
        return list(range(len(price.actions))) if isinstance(price, CostMatrix) else [0, _last(price)]
    if isinstance(price, CostMatrix):
        unpriced = [action for action in policy.actions if action not in price.actions]
        if unpriced:
            raise InputError(
                f"action '{visible(unpriced[0])}' has no column in the cost matrix. Give one matrix with the actions of "
                f"both models."
            )
        return [price.actions.index(action) for action in policy.actions]
    if policy.matrix is not None:
        raise InputError(
            "one model acts by a cost matrix: costs fn and fp do not price its actions. Give the matrix."
        )
    if len(policy.actions) == 2:
        return [0, _last(price)]
    if isinstance(price, RowCosts) or price.defer is None:
        raise InputError(
            f"action '{visible(policy.actions[1])}' has no cost. Give that of deferring too, as in fn=120,fp=18,defer=4."
        )
    return [0, 1, 2]


def _last(price: Cost | RowCosts) -> int:
    return 2 if isinstance(price, Cost) and price.defer is not None else 1
