"""The rows of an audit, as arrays: what the model said of them, what was done, and what was true.

    eta           raw scores, by which rows are ranked          (n,), or (n, K) of each class against the rest
    calibrated    what probabilities are made of                (n,) log-odds, or (n, K) log-probabilities

Two classes have one score a row, of the second class. Rows of weight 0 are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import Floats, Integers, ScoreTable, require, row_weights
from oddsmith.fit.losses import softplus


@dataclass(frozen=True, eq=False)
class AuditRows:
    """n rows of K classes.

    Raises:
        InputError: lengths disagree, a score is not finite, a label is no class code, or no row has a positive weight.
    """

    eta: Floats
    calibrated: Floats
    y: Integers
    """(n,) class codes."""
    sample_weight: ArrayLike | None = None
    """(n,), finite and not negative; None for ones."""
    actions: ArrayLike | None = None
    """(n,) positions in the policy's actions; None where the policy is to say it."""
    groups: ArrayLike | None = None
    """(n,) whole numbers; rows of one group resemble each other, and count as one unit."""
    cost_columns: Mapping[str, ArrayLike] = field(default_factory=dict)
    """The columns (n,) that a policy's costs are in."""
    slices: Mapping[str, ArrayLike] = field(default_factory=dict)
    """The columns (n,), text or numbers, by whose values rows are told apart."""
    numbers: Integers = field(init=False)
    """(n,) where the rows of positive weight stood among all that were given, from 0."""

    def __post_init__(self) -> None:
        codes = np.asarray(self.y)
        n = len(codes)
        eta, calibrated = (np.asarray(a, dtype=np.float64) for a in (self.eta, self.calibrated))
        if codes.ndim != 1 or eta.shape != calibrated.shape or eta.shape[:1] != (n,) or eta.ndim > 2:
            raise InputError(
                f"scores have shapes {eta.shape} and {calibrated.shape}, and labels {codes.shape}. "
                "Give the same for every row."
            )
        for what, scores in (("raw", eta), ("calibrated", calibrated)):
            largest = np.abs(scores) if scores.ndim == 1 else np.abs(scores).max(axis=1, initial=0.0)
            require(np.isfinite(largest), largest, f"{what} score", "Scores must be finite.")
        K = 2 if eta.ndim == 1 else eta.shape[1]
        require(np.isin(codes, np.arange(K)), codes.astype(np.float64), "class code", f"Codes go to {K - 1}.")
        weight = row_weights(self.sample_weight, n)
        kept = weight > 0
        if not kept.any():
            raise InputError("no rows to audit: give at least one row with a label and a positive weight.")
        columns = {"actions": self.actions, "groups": self.groups, **self.cost_columns, **self.slices}
        for name, column in columns.items():
            if column is not None and np.shape(column) != (n,):
                raise InputError(
                    f"{name} has shape {np.shape(column)}. Give one value for each of the {n} rows."
                )
        found: dict[str, object] = {
            "eta": eta[kept],
            "calibrated": calibrated[kept],
            "y": codes[kept].astype(np.int64),
            "sample_weight": weight[kept],
            "numbers": np.flatnonzero(kept),
            "actions": None if self.actions is None else np.asarray(self.actions)[kept].astype(np.intp),
            "groups": None if self.groups is None else _codes(np.asarray(self.groups)[kept]),
            "cost_columns": {name: np.asarray(column)[kept] for name, column in self.cost_columns.items()},
            "slices": {name: np.asarray(column)[kept] for name, column in self.slices.items()},
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def n(self) -> int:
        """Rows of positive weight."""
        return len(self.y)

    @property
    def n_classes(self) -> int:
        """K."""
        return 2 if self.eta.ndim == 1 else self.eta.shape[1]

    @property
    def weight(self) -> Floats:
        """(n,)"""
        return np.asarray(self.sample_weight)

    @property
    def units(self) -> Integers | None:
        """(n,) codes of groups from 0; None where each row stands for itself."""
        return None if self.groups is None else np.asarray(self.groups)

    @property
    def unweighted(self) -> bool:
        """Whether every row weighs exactly 1."""
        return bool((self.weight == 1.0).all())

    @cached_property
    def log_proba(self) -> Floats:
        """Logarithms of the probabilities after calibration, (n, K)."""
        if self.calibrated.ndim == 2:
            return self.calibrated
        return np.column_stack([-softplus(self.calibrated), -softplus(-self.calibrated)])

    @cached_property
    def losses(self) -> Floats:
        """The log loss of each row, (n,)."""
        return np.asarray(-self.log_proba[np.arange(self.n), self.y])

    @cached_property
    def call(self) -> tuple[Floats, Integers]:
        """What the probabilities that are to be calibrated are of: their log-odds (n,), and whether it was so.

        Two classes: the second one. More: the class of largest probability, against whether the call was right.
        """
        if self.calibrated.ndim == 1:
            return self.calibrated, self.y
        called = self.calibrated.argmax(axis=1)
        rows = np.arange(self.n)
        others = self.calibrated.copy()
        others[rows, called] = -np.inf
        second = others.max(axis=1)
        rest = second + np.log(np.exp(others - second[:, None]).sum(axis=1))
        return self.calibrated[rows, called] - rest, (called == self.y).astype(np.int64)

    def table(self) -> ScoreTable:
        """The table of the call's scores."""
        return ScoreTable.from_scores(*self.call, self.weight)

    def part(self, inside: NDArray[np.bool_]) -> AuditRows:
        """Some of the rows, without their slices."""
        return replace(
            self,
            eta=self.eta[inside],
            calibrated=self.calibrated[inside],
            y=self.y[inside],
            sample_weight=self.weight[inside],
            actions=None if self.actions is None else np.asarray(self.actions)[inside],
            groups=None if self.units is None else self.units[inside],
            cost_columns={name: np.asarray(column)[inside] for name, column in self.cost_columns.items()},
            slices={},
        )


def _codes(groups: NDArray[np.generic]) -> Integers:
    return np.asarray(np.unique(groups, return_inverse=True)[1], dtype=np.int64)
