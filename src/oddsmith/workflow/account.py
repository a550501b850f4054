"""What a fit comes to, in records and in sentences: equations, status, distance from the optimum.

Outcomes are values with a sentence in them; a face decides whether to print, warn or leave.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from oddsmith.data.block import Codes, Floats
from oddsmith.data.cells import DEFAULT_MISSING, MissingMarkers
from oddsmith.data.design import Design
from oddsmith.data.target import Target
from oddsmith.errors import counted, visible
from oddsmith.fit.objective import Objective
from oddsmith.fit.optimality import Status
from oddsmith.fit.solvers import Solution
from oddsmith.model.records import (
    ColumnMarkers,
    Equation,
    FitRecord,
    MissingRecord,
    PenaltyRecord,
)
from oddsmith.model.records import Progress as ProgressRecord

HISTORY = 100
"""Entries of the loss history that a model keeps."""


def equations(
    objective: Objective, solution: Solution, design: Design, target: Target, form: str
) -> list[Equation]:
    """Linear predictors on the user's scale; softmax ones for all K classes, summing to zero."""
    intercepts, coef = objective.on_user_scale(solution.theta)
    averages = objective.at_centre(solution.theta)
    labels = target.classes[1:] if form == "binary" else target.classes
    if form == "softmax":
        intercepts = np.concatenate([[0.0], intercepts])
        coef = np.vstack([np.zeros(coef.shape[1]), coef])
        intercepts -= intercepts.mean()
        averages = np.concatenate([[0.0], averages])
        averages -= averages.mean()
        coef -= coef.mean(axis=0)
    return [
        Equation(label, float(intercept), float(average), dict(zip(design.terms, row.tolist(), strict=True)))
        for label, intercept, average, row in zip(labels, intercepts, averages, coef, strict=True)
    ]


def missing_record(markers: MissingMarkers) -> MissingRecord:
    """Markers beside the default ones, positions replaced by names."""
    return MissingRecord(
        sorted(markers.everywhere - set(DEFAULT_MISSING)),
        [ColumnMarkers(column, sorted(tokens)) for column, tokens in markers.by_column.items()],
    )


def fit_record(
    objective: Objective,
    solution: Solution,
    design: Design,
    target: Target,
    form: str,
    solver: str,
    settings: dict[str, float],
    seed: int,
) -> FitRecord:
    """How the coefficients were found, with the evidence about them."""
    evidence = solution.optimality
    names = ["intercept", *design.terms] * objective.loss.n_coupled
    held = dict.fromkeys(names[j] for j in np.flatnonzero(solution.held.all(axis=0)))
    return FitRecord(
        solver=solver,
        settings=dict(settings),
        seed=seed,
        penalty=PenaltyRecord(objective.alpha, objective.standardize),
        status=cast("Any", solution.status.name),
        message=_message(solution, objective, names, target, form),
        iterations=solution.n_iter,
        passes=round(solution.n_passes, 6),
        newton_decrement=evidence.newton_decrement.tolist(),
        mean_loss=evidence.mean_loss.tolist(),
        not_estimable=list(held),
        loss_history=[
            ProgressRecord(iteration, value.tolist()) for iteration, value in _thinned(solution.history)
        ],
    )


def _message(solution: Solution, objective: Objective, names: list[str], target: Target, form: str) -> str:
    """One sentence on how the fit ended, with the figure that proves it."""
    evidence = solution.optimality
    concerned = [k for k, status in enumerate(evidence.status) if status is solution.status]
    worst = max(concerned, key=lambda k: evidence.newton_decrement[k])
    decrement = float(evidence.newton_decrement[worst])
    if solution.status is Status.converged:
        return f"converged, {math.sqrt(2.0 * decrement):.1g} standard errors from the optimum: newton decrement {decrement:.1e}"
    if solution.status is Status.iteration_limit:
        distance = math.sqrt(2.0 * max(decrement, 0.0))
        return (
            f"stopped after {counted(solution.n_iter, 'iteration')}, {distance:.2g} standard errors from the optimum: "
            f"newton decrement {decrement:.1e}"
        )
    columns = list(dict.fromkeys(names[int(evidence.drifting[k])] for k in concerned))
    about = ", ".join(f"'{visible(name)}'" for name in columns[:3])
    classes = ""
    if form == "ovr":
        classes = " for " + ", ".join(f"'{visible(target.classes[k])}'" for k in concerned[:5])
    complete = evidence.separated[concerned].all()
    what = "the classes can be told apart without error"
    if not complete:
        what = "some rows can be told apart without error, or lie extremely far out"
    leak = "If a column restates the target, leave it out with --drop; else a" if complete else "A"
    return (
        f"no finite optimum{classes}: {what}, so coefficients would grow "
        f"for ever, first of all that of {about}. {leak} penalty (such as --alpha {1.0 / objective.n_rows:.0e}) "
        f"gives a finite fit"
    )


def null_loss(codes: Codes, sample_weight: Floats | None) -> float:
    """Mean log loss of the class shares: their entropy."""
    totals = np.bincount(codes, weights=sample_weight)
    shares = totals[totals > 0.0] / totals.sum()
    return float(-(shares @ np.log(shares)))


def divergence(solver: str, settings: dict[str, float], solution: Solution) -> str:
    """The sentence on a descent that went up."""
    first, last = solution.history[0][1], solution.history[-1][1]
    worst = int(np.argmax(np.where(np.isfinite(last), last - first, np.inf)))
    remedy = "Give columns in other units, or add a penalty (--alpha 0.01)."
    if "learning_rate" in settings:
        remedy = f"Try --learning-rate {settings['learning_rate'] / 10:g}, or --solver newton."
    return (
        f"{solver} diverged: the mean loss went from {first[worst]:.4g} to {last[worst]:.4g} in "
        f"{solution.n_iter:,} iterations. {remedy}"
    )


def _thinned(history: list[tuple[int, Floats]]) -> list[tuple[int, Floats]]:
    """At most `HISTORY` entries, dense at the start where the loss moves, the last one included."""
    if len(history) <= HISTORY:
        return history
    places = np.unique(np.geomspace(1, len(history), HISTORY).round().astype(int)) - 1
    return [history[place] for place in places]
