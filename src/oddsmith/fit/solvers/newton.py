"""Newton's method: quadratic convergence, a handful of passes.

    theta <- theta - t H^-1 gradient,   t = 1, halved until the objective falls (Armijo)

Problems go on past the tolerance to the noise floor, where the decrement stops falling, as long as that
is cheap. One that is separated stops at the tolerance, for there it falls no faster than e-fold a step and
nothing will ever stop its rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.fit.objective import Evaluation, Objective
from oddsmith.fit.optimality import TOLERANCE, held_columns, newton_steps
from oddsmith.fit.solvers.solution import Path, Progress, silent

CHEAP = 1e8
"""n d^2 below which the noise floor costs nothing worth saving."""
SUFFICIENT = 1e-4
NOISE = 1e-14
STALLED = 0.25
"""At the noise floor a decrement stops falling; on separated data it falls e-fold a step, for ever."""


@dataclass(frozen=True)
class Newton:
    """Newton with Cholesky and step halving; exact Hessian, d^2 flops a row."""

    max_iter: int = 100

    def __call__(self, objective: Objective, progress: Progress = silent) -> Path:
        """Minimise from zero."""
        held = held_columns(objective)
        cheap = objective.n_rows * objective.n_coefficients**2 < CHEAP
        now = objective.start
        theta = np.zeros_like(now.gradient)
        active = np.ones(len(theta), dtype=bool)
        before = np.full(len(theta), np.inf)
        history = [(0, now.value)]
        n_iter = 0
        while n_iter < self.max_iter:
            steps, decrement = newton_steps(objective, now, held, active)
            active &= ~self._arrived(decrement, before, cheap=cheap)
            if not active.any():
                break
            theta, now = self._descend(objective, theta, now, steps * active[:, None], decrement)
            before = decrement
            n_iter += 1
            history.append((n_iter, now.value))
            progress(n_iter, self.max_iter, now.value)
        return Path(theta, n_iter, history)

    @staticmethod
    def _arrived(decrement: Floats, before: Floats, *, cheap: bool) -> NDArray[np.bool_]:
        """Which problems have nothing left to gain."""
        small = decrement <= TOLERANCE
        if not cheap:
            return small
        return np.asarray(small & ((decrement == 0.0) | (decrement > STALLED * before)))

    @staticmethod
    def _descend(
        objective: Objective, theta: Floats, now: Evaluation, steps: Floats, decrement: Floats
    ) -> tuple[Floats, Evaluation]:
        """Take each problem's step, halved until its objective falls enough."""
        length = np.ones(len(theta))
        expected = 2.0 * decrement / objective.n_rows
        noise = NOISE * (1.0 + np.abs(now.value))
        for _ in range(50):
            trial = theta - length[:, None] * steps
            after = objective.evaluate(trial, order=2)
            fell = after.value <= now.value - SUFFICIENT * length * expected + noise
            if fell.all():
                return trial, after
            length = np.where(fell, length, 0.5 * length)
        return theta, now
