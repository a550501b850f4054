"""oddsmith as a participant: as its users call it, with its defaults, on all cores.

No tolerance is tuned to the bar. What the estimator spends within its solver is clocked on the way, so that
its own share - checks, means and scales, the evidence - can be told from it.
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


def estimator(problem: Problem, **options: Any) -> Ours:
    """`oddsmith.LogisticRegression`; a path is one fit after the other."""
    from oddsmith import LogisticRegression

    with solver_clock() as inside:
        fitted = [
            LogisticRegression(
                alpha=member.alpha,
                l1_ratio=member.l1_ratio,
                standardize=False,
                multi_class="ovr" if member.form == "ovr" else "softmax",
                fit_intercept=member.fit_intercept,
                **options,
            ).fit(member.X, member.y, member.weight)
            for member in problem.members
        ]
    last = fitted[-1]._fitted
    facts = {
        "status": fitted[-1].status_,
        "solver": last.solver,
        "decrement": float(np.max(fitted[-1].newton_decrement_)),
        "passes": float(sum(one._fitted.solution.n_passes for one in fitted)),
    }
    return Ours([Coefficients.of(one.intercept_, one.coef_) for one in fitted], sum(inside), facts)


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
