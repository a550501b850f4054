"""One table of solvers, and the rule by which "auto" takes one of them.

Adding a solver is adding a file and a row; every problem of the tests then meets it. The rule, in the numbers
of rows n, of columns p and of coefficients of one problem d (in n coordinates where a ridge has p > n):

    newton            n d^2 < 1e6: nothing is cheaper than Hessians
    sketched-newton   its largest matrix has 5000 columns or fewer, or p > 400 and n > 4 p, or p > 400 and sparse
    proximal-newton   the penalty has absolute values
    lbfgs             everything else: more coefficients than a Hessian is worth
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from oddsmith.engines.blas import blas_on_one_thread
from oddsmith.errors import counted
from oddsmith.fit.objective import Objective
from oddsmith.fit.optimality import optimality
from oddsmith.fit.solvers.gradient_descent import GradientDescent
from oddsmith.fit.solvers.lbfgs import LBFGS
from oddsmith.fit.solvers.newton import Newton
from oddsmith.fit.solvers.proximal_newton import ProximalNewton
from oddsmith.fit.solvers.sketched_newton import SketchedNewton, is_wide, sample_rows, width
from oddsmith.fit.solvers.solution import Path, Progress, Solution, silent
from oddsmith.fit.solvers.sparse_descent import is_sparse
from oddsmith.fit.solvers.stochastic import StochasticDescent

Solver = Callable[[Objective, Progress], Path]


@dataclass(frozen=True)
class Row:
    """A solver's place in the table: how it is made, the settings it takes and their defaults."""

    make: Callable[..., Solver]
    settings: dict[str, float | int]
    about: str
    limit: str
    """The argument of `make` that bounds its iterations."""
    draws: bool = False
    """Whether it takes a seed."""
    lasso: bool = False
    """Whether it minimises absolute values too."""
    width: Callable[[Objective], int] = lambda objective: 0
    """How many coefficients the Hessians have that it factors."""


SOLVERS: dict[str, Row] = {
    "newton": Row(
        Newton,
        {},
        "Newton with Cholesky: exact in a handful of passes",
        "max_iter",
        lasso=True,
        width=lambda objective: objective.n_coefficients,
    ),
    "sketched-newton": Row(
        SketchedNewton,
        {},
        "Newton on a sample, then few cheap passes: for many rows",
        "max_iter",
        draws=True,
        width=width,
    ),
    "proximal-newton": Row(
        ProximalNewton,
        {},
        "quadratic models and absolute values: for lasso and elastic net",
        "max_iter",
        draws=True,
        lasso=True,
    ),
    "lbfgs": Row(
        LBFGS,
        {},
        "L-BFGS: for more coefficients than a Hessian is worth",
        "max_iter",
    ),
    "gradient-descent": Row(
        GradientDescent,
        {"learning_rate": 0.5, "iterations": 1000},
        "full-batch gradient descent, one pass a step",
        "iterations",
        lasso=True,
    ),
    "sgd": Row(
        lambda **settings: StochasticDescent(batch_size=1, **settings),
        {"learning_rate": 0.05, "epochs": 50},
        "stochastic gradient descent, one row a step",
        "epochs",
        draws=True,
    ),
    "mini-batch": Row(
        StochasticDescent,
        {"learning_rate": 0.5, "epochs": 50, "batch_size": 32},
        "stochastic gradient descent, a batch of rows a step",
        "epochs",
        draws=True,
    ),
}


MOST_COEFFICIENTS = 5000
"""Coefficients of one problem: beyond this its Hessian is out of proportion."""


TINY = 1e6
"""Multiplications of a Hessian, n d^2, below which Newton's method is as fast as anything."""


def chosen(objective: Objective) -> tuple[str, str]:
    """The solver that "auto" takes for an objective, by the rule above, and why."""
    n, d = objective.source.n_rows, objective.n_coefficients
    size = f"{n:,} rows and {counted(d, 'coefficient')}"
    if not objective.penalty.is_smooth:
        return "proximal-newton", f"{size}, of which a lasso leaves some out"
    if is_sparse(objective):
        return "sketched-newton", f"{size}, sparse: few passes over what is not zero"
    if is_wide(objective):
        return "sketched-newton", f"{size}: a few passes go before any Hessian"
    if n * d**2 < TINY:
        return "newton", f"{size}: Hessians cost next to nothing"
    if width(objective) <= MOST_COEFFICIENTS:
        m = sample_rows(objective)
        sample = f"a sample of {m:,} rows" if m < n else "single precision"
        return "sketched-newton", f"{size}: {sample} leads near the optimum"
    return "lbfgs", f"{size}: a Hessian would be out of proportion"


def solve(
    objective: Objective, solver: str, progress: Progress = silent, *, seed: int = 0, **settings: float
) -> Solution:
    """Minimise `objective` with a solver of the table, and say what is known about the result.

    BLAS runs on one thread, so that the same machine and blocks give the same bits.
    """
    row = SOLVERS[solver]
    earlier = objective.n_passes
    with blas_on_one_thread():
        run = row.make(**row.settings | settings, **({"seed": seed} if row.draws else {}))
        path = run(objective, progress)
        path = replace(path, theta=objective.penalty.smallest(path.theta))
        evidence = optimality(objective, path.theta, path.nearby)
    held = objective.held if path.held is None else path.held
    passes = objective.n_passes - earlier
    return Solution(path.theta, path.n_iter, passes, path.history, held, evidence)


__all__ = [
    "MOST_COEFFICIENTS",
    "SOLVERS",
    "Path",
    "Progress",
    "Row",
    "Solution",
    "Solver",
    "chosen",
    "silent",
    "solve",
]
