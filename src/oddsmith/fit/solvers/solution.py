"""What a solver returns, and what it may report on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.fit.objective import Evaluation, Objective
from oddsmith.fit.optimality import Nearby, Optimality, Status

Progress = Callable[[int, int, Floats], None]
"""Called after each iteration with (iterations done, at most, mean objective of each problem).

The objective is NaN where a solver goes by gradients alone.
"""


def silent(done: int, most: int, value: Floats) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Path:
    """Where a solver went: its last coefficients (G, d) and the objective after each iteration."""

    theta: Floats
    n_iter: int
    history: list[tuple[int, Floats]]
    """(iterations done, objective (G,) after them), as far as the solver knew it."""
    held: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None = None
    """Coefficients (G, d) that stayed at zero, where that is not for the objective to find out."""
    nearby: Nearby | Evaluation | None = None
    """What the solver knows of where it ended: its last evaluation, or what stands for it without a Hessian."""

    @classmethod
    def from_zero(
        cls,
        objective: Objective,
        theta: Floats,
        n_iter: int,
        value: Floats,
        held: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None,
        nearby: Nearby | Evaluation | None,
    ) -> Self:
        """The path of a solver that knows the objectives (G,) at zero and, `value`, where it ended.

        It took one iteration at least: a sample may have led it there, or nothing away from zero.
        """
        n_iter = max(1, n_iter)
        history = [(0, np.full(objective.n_problems, objective.value_at_zero)), (n_iter, value)]
        return cls(theta, n_iter, history, held, nearby)


@dataclass(frozen=True)
class Solution:
    """A fit and the evidence about it. Outcomes are values; a face decides whether to warn."""

    theta: Floats
    n_iter: int
    n_passes: float
    history: list[tuple[int, Floats]]
    held: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    """Coefficients (G, d) that could not be estimated and stayed at zero."""
    optimality: Optimality

    @property
    def status(self) -> Status:
        """The worst status of its problems."""
        return max(self.optimality.status)
