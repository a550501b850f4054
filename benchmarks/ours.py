"""oddsmith as a participant: as its users call it, with its defaults, on all cores.

No tolerance is tuned to the bar, but that of a path of penalties, whose own is meant for choosing among them.
What the estimator spends within its solver is clocked on the way, so that its own share - checks, means and
scales - can be told from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.problem import Coefficients, Problem


@dataclass(frozen=True)
class Ours:
    """A fit with what it says of itself."""

    coefficients: list[Coefficients]
    solver_seconds: float
    facts: dict[str, Any] = field(default_factory=dict)


PATH_TOLERANCE = 1e-12
"""Decrement for each row at which a fit of a path ends."""


def fitted(problem: Problem, **options: Any) -> Ours:
    """The fit, or the path of them; `options` are the estimator's."""
    return path(problem) if problem.alphas else estimator(problem, **options)


def estimator(problem: Problem, **options: Any) -> Ours:
    """`oddsmith.LogisticRegression`."""
    from oddsmith import LogisticRegression

    with solver_clock() as inside:
        model = LogisticRegression(
            alpha=problem.alpha,
            l1_ratio=problem.l1_ratio,
            standardize=False,
            multi_class="ovr" if problem.form == "ovr" else "softmax",
            fit_intercept=problem.fit_intercept,
            **options,
        ).fit(problem.X, problem.y, problem.weight)
    facts = {
        "status": model.status_,
        "solver": model._fitted.solver,
        "decrement": float(np.max(model.newton_decrement_)),
        "passes": float(model._fitted.solution.n_passes),
    }
    return Ours([Coefficients.of(model.intercept_, model.coef_)], sum(inside), facts)


def path(problem: Problem) -> Ours:
    """What `LogisticRegressionCV` and `train --alpha path` fit to all rows, for the penalties of the problem."""
    from oddsmith.data.block import ArraySource
    from oddsmith.data.moments import measures
    from oddsmith.fit.path import fit_path
    from oddsmith.workflow.fitting import Task, threads_for

    source = ArraySource(problem.X, problem.y, problem.weight)
    with threads_for(None, source, 2, "softmax") as engine:
        columns = measures(source, engine)
        objective = Task(
            source,
            2,
            mean=columns.mean,
            scale=np.where(columns.sigma > 0.0, columns.sigma, 1.0),
            multi_class="softmax",
            alpha=problem.alpha,
            l1_ratio=problem.l1_ratio,
            standardize=False,
            engine=engine,
            fit_intercept=problem.fit_intercept,
        ).objective()
        start = perf_counter()
        found = fit_path(objective, np.array(problem.alphas), tolerance=PATH_TOLERANCE * len(problem.y))
        inside = perf_counter() - start
    each = [Coefficients.of(*objective.on_user_scale(theta)) for theta in found.theta]
    return Ours(each, inside, {"status": "converged", "solver": "path", "passes": float(found.n_passes)})


@contextmanager
def solver_clock() -> Iterator[list[float]]:
    """Seconds of each call of `solve` that a fit makes in the body."""
    import oddsmith.workflow.fitting as fitting

    seconds: list[float] = []
    solve = fitting.solve

    def clocked(*args: Any, **kwargs: Any) -> Any:
        start = perf_counter()
        try:
            return solve(*args, **kwargs)
        finally:
            seconds.append(perf_counter() - start)

    fitting.solve = clocked
    try:
        yield seconds
    finally:
        fitting.solve = solve
