"""L-BFGS from a diagonal metric: for more coefficients than a Hessian is worth.

It needs neither a sample nor a Hessian, and is the method of descent.py with nothing to correct but the
curvature of independent columns.
"""

from dataclasses import dataclass

import numpy as np

from oddsmith.fit.metrics import Diagonal
from oddsmith.fit.objective import Objective
from oddsmith.fit.solvers.descent import Plan, descend
from oddsmith.fit.solvers.solution import Path, Progress, silent


@dataclass(frozen=True)
class LBFGS:
    """`max_iter` gradient passes at most."""

    max_iter: int = 1000

    def __call__(self, objective: Objective, progress: Progress = silent) -> Path:
        """Minimise from zero."""
        theta = np.zeros((objective.n_problems, objective.n_coefficients))
        held = np.tile(~objective.free, (len(theta), 1))
        plan = Plan([Diagonal.of(objective, h) for h in held], rescaled=True)
        theta, n_iter, nearby, _ = descend(objective, theta, plan, self.max_iter, progress)
        return Path.from_zero(objective, theta, n_iter, nearby.now.value, held, nearby)
