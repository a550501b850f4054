"""What a solver returns, and what it may report on the way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.fit.objective import Evaluation
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
