"""Full-batch gradient descent, the method that can be followed by hand.

    theta <- theta - learning_rate * gradient of the mean loss

With a lasso each step ends by moving every coefficient towards zero, by learning_rate times its weight and no
further (the proximal step).

On standardised columns it converges for learning rates below 2 / L, L the largest eigenvalue of the
Hessian, which never exceeds (p + 1) / 4. It stops after `iterations` steps, optimum or not; the solution
says how many standard errors were left.
"""

from dataclasses import dataclass

import numpy as np

from oddsmith.fit.objective import Objective
from oddsmith.fit.solvers.solution import Path, Progress, silent


@dataclass(frozen=True)
class GradientDescent:
    """`iterations` steps of size `learning_rate`, one pass over the rows each."""

    learning_rate: float = 0.5
    iterations: int = 1000

    def __call__(self, objective: Objective, progress: Progress = silent) -> Path:
        """Descend from zero; stop early only where the objective is no longer a finite number."""
        theta = np.zeros((objective.n_problems, objective.n_coefficients))
        now = objective.evaluate(theta, order=1)
        history = [(0, now.value)]
        for iteration in range(1, self.iterations + 1):
            theta = theta - self.learning_rate * now.gradient
            if not objective.penalty.is_smooth:
                theta = objective.penalty.shrunk(theta, self.learning_rate)
            now = objective.evaluate(theta, order=1)
            history.append((iteration, now.value))
            progress(iteration, self.iterations, now.value)
            if not np.isfinite(now.value).all():
                break
        return Path(theta, history[-1][0], history)
