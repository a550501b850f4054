"""Newton's method: quadratic convergence, a handful of passes.

    theta <- theta - t H^-1 gradient,   t = 1, halved until the objective falls (Armijo)

With a lasso the step is that to the optimum of the quadratic model and the absolute values, as they are.

Problems go on past the tolerance to the noise floor, where the decrement stops falling, as long as that
is cheap. One that is separated stops once it is told apart beyond doubt, for there the loss falls no faster
than e-fold a step and nothing will ever stop its rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.fit.objective import Evaluation, Objective
from oddsmith.fit.optimality import lasso_steps, newton_steps
from oddsmith.fit.solvers.solution import Path, Progress, silent

NEAR = 1e-10
"""A decrement from which on one that falls no further has met the noise floor."""
FLOOR = 1e-28
"""A decrement that leaves nothing to gain: 1.4e-14 standard errors."""
SUFFICIENT = 1e-4
NOISE = 1e-14
STALLED = 0.25
"""At the noise floor a decrement stops falling; on separated data it falls e-fold a step, for ever."""
STALLED_WITH_PENALTY = 0.5
"""With a penalty the e-fold steps come to an end, and are worth taking."""
HALVINGS = 40
VANISHED = 1e-9
"""A mean loss below which more steps on separated data tell nothing new; weights and repeated rows,
which count alike in the mean, then stop at the same step."""


@dataclass(frozen=True)
class Newton:
    """Newton with Cholesky and step halving; exact Hessian, d^2 flops a row."""

    max_iter: int = 100
    to_the_floor: bool = True
    """Whether to go on past the tolerance where that is cheap."""

    def __call__(self, objective: Objective, progress: Progress = silent) -> Path:
        """Minimise from zero."""
        return self.descend(objective, np.zeros_like(objective.start.gradient), objective.start, progress)

    def descend(
        self, objective: Objective, theta: Floats, now: Evaluation, progress: Progress = silent
    ) -> Path:
        """Minimise from `theta` (G, d), where the objective and its derivatives are `now`."""
        active = np.ones(len(theta), dtype=bool)
        before = np.full(len(theta), np.inf)
        history = [(0, now.value)]
        n_iter = 0
        while n_iter < self.max_iter:
            if objective.penalty.is_smooth:
                steps, decrement = newton_steps(objective, now, active)
            else:
                steps, decrement = lasso_steps(objective, theta, now, active)
            active &= ~(self._arrived(objective, decrement, before) | self._told_apart(objective, theta, now))
            if not active.any():
                break
            lengths, now = self._descend(objective, theta, now, steps * active[:, None], decrement)
            active &= lengths > 0.0
            if not active.any():
                break
            theta = theta - lengths[:, None] * steps * active[:, None]
            before = decrement
            n_iter += 1
            history.append((n_iter, now.value))
            progress(n_iter, self.max_iter, now.value)
        return Path(theta, n_iter, history, nearby=now)

    def _arrived(self, objective: Objective, decrement: Floats, before: Floats) -> NDArray[np.bool_]:
        """Which problems have nothing left to gain."""
        if not self.to_the_floor or not objective.is_cheap:
            return decrement <= objective.tolerance
        small = decrement <= min(objective.tolerance, NEAR)
        stalled = decrement > (STALLED if objective.alpha == 0.0 else STALLED_WITH_PENALTY) * before
        return np.asarray(small & (stalled | (decrement <= FLOOR)))

    @staticmethod
    def _told_apart(objective: Objective, theta: Floats, now: Evaluation) -> NDArray[np.bool_]:
        """Which problems have no finite optimum, by the proof that every margin is positive, and a loss of none."""
        vanished = now.value <= (VANISHED if objective.alpha == 0.0 else -np.inf)
        return (
            np.asarray(vanished & (objective.reach(theta, 0.0 * theta).margin > 0.0))
            if vanished.any()
            else vanished
        )

    @staticmethod
    def _descend(
        objective: Objective, theta: Floats, now: Evaluation, steps: Floats, decrement: Floats
    ) -> tuple[Floats, Evaluation]:
        """How much of its step each problem takes (G,), halved until its objective falls; 0 if it never does."""
        lengths: Floats = np.asarray(steps.any(axis=1), dtype=np.float64)
        expected = decrement / objective.n_rows
        noise = NOISE * (1.0 + np.abs(now.value))
        for halving in range(HALVINGS + 1):
            after = objective.evaluate(theta - lengths[:, None] * steps, order=2)
            fell = after.value <= now.value - SUFFICIENT * lengths * expected + noise
            if fell.all():
                return lengths, after
            shorter = 0.5 * lengths if halving < HALVINGS - 1 else 0.0 * lengths
            lengths = np.where(fell, lengths, shorter)
            if not lengths.any():
                break
        return np.zeros_like(lengths), now
