"""oddsmith as a participant: as its users call it, and its solver alone.

Both run with their defaults, on all cores: no tolerance is tuned to the bar.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.problem import Coefficients, Problem


@dataclass(frozen=True)
class Ours:
    """A fit with what it says of itself."""

    coefficients: list[Coefficients]
    facts: dict[str, Any] = field(default_factory=dict)


def estimator(problem: Problem) -> Ours:
    """`oddsmith.LogisticRegression`; a path is one fit after the other until there is a faster way."""
    from oddsmith import LogisticRegression

    fitted = [
        LogisticRegression(
            alpha=member.alpha,
            l1_ratio=member.l1_ratio,
            standardize=False,
            multi_class="ovr" if member.form == "ovr" else "softmax",
            fit_intercept=member.fit_intercept,
        ).fit(member.X, member.y, member.weight)
        for member in problem.members
    ]
    last = fitted[-1]
    facts = {"status": last.status_, "decrement": float(np.max(last.newton_decrement_))}
    inside = getattr(last, "_fitted", None)
    if inside is not None:
        facts |= {
            "solver": inside.solver,
            "passes": float(sum(one._fitted.solution.n_passes for one in fitted)),
        }
    return Ours([Coefficients.of(one.intercept_, one.coef_) for one in fitted], facts)


def solver_alone(problem: Problem, solver: str = "newton") -> Ours:
    """Objective and solver, with means and scales known beforehand and no checks of the input."""
    from oddsmith.data.block import ArraySource
    from oddsmith.engines import available_cores, threads
    from oddsmith.fit.losses import Bernoulli
    from oddsmith.fit.matrix import Standardisation
    from oddsmith.fit.objective import Objective
    from oddsmith.fit.solvers import solve

    p = problem.X.shape[1]
    with threads(available_cores()) as engine:
        objective = Objective(
            ArraySource(problem.X, problem.y, problem.weight),
            Bernoulli(),
            Standardisation(np.zeros(p), np.ones(p)),
            alpha=problem.alpha,
            fit_intercept=problem.fit_intercept,
            engine=engine,
        )
        solution = solve(objective, solver)
    facts = {"status": solution.status.name, "passes": float(solution.n_passes), "solver": solver}
    return Ours([Coefficients.of(*objective.on_user_scale(solution.theta))], facts)
