"""One table of solvers. Adding one is adding a file and a row; every problem of the tests then meets it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from oddsmith.engines.blas import blas_on_one_thread
from oddsmith.fit.objective import Objective
from oddsmith.fit.optimality import optimality
from oddsmith.fit.solvers.gradient_descent import GradientDescent
from oddsmith.fit.solvers.newton import Newton
from oddsmith.fit.solvers.proximal_newton import ProximalNewton
from oddsmith.fit.solvers.sketched_newton import SketchedNewton
from oddsmith.fit.solvers.solution import Path, Progress, Solution, silent
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
    shuffles: bool = False
    """Whether it takes a seed."""
    lasso: bool = False
    """Whether it minimises absolute values too."""
    factors: bool = False
    """Whether it factors Hessians, and so has much to gain from fewer coefficients and nothing to lose."""


SOLVERS: dict[str, Row] = {
    "newton": Row(
        Newton,
        {},
        "Newton with Cholesky: exact in a handful of passes",
        "max_iter",
        lasso=True,
        factors=True,
    ),
    "sketched-newton": Row(
        SketchedNewton,
        {},
        "Newton on a sample, then few cheap passes: for many rows",
        "max_iter",
        shuffles=True,
        factors=True,
    ),
    "proximal-newton": Row(
        ProximalNewton,
        {},
        "quadratic models and absolute values: for lasso and elastic net",
        "max_iter",
        shuffles=True,
        lasso=True,
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
        shuffles=True,
    ),
    "mini-batch": Row(
        StochasticDescent,
        {"learning_rate": 0.5, "epochs": 50, "batch_size": 32},
        "stochastic gradient descent, a batch of rows a step",
        "epochs",
        shuffles=True,
    ),
}


def solve(
    objective: Objective, solver: str, progress: Progress = silent, *, seed: int = 0, **settings: float
) -> Solution:
    """Minimise `objective` with a solver of the table, and say what is known about the result.

    BLAS runs on one thread, so that the same machine and blocks give the same bits.
    """
    row = SOLVERS[solver]
    earlier = objective.n_passes
    with blas_on_one_thread():
        run = row.make(**row.settings | settings, **({"seed": seed} if row.shuffles else {}))
        path = run(objective, progress)
        path = replace(path, theta=objective.penalty.smallest(path.theta))
        evidence = optimality(objective, path.theta, path.nearby)
    held = objective.held if path.held is None else path.held
    passes = objective.n_passes - earlier
    return Solution(path.theta, path.n_iter, passes, path.history, held, evidence)


__all__ = ["SOLVERS", "Path", "Progress", "Row", "Solution", "Solver", "silent", "solve"]
