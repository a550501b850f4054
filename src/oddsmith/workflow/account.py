"""What a fit comes to, in records and in sentences: equations, status, distance from the optimum.

Outcomes are values with a sentence in them; a face decides whether to print, warn or leave.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import DEFAULT_MISSING, MissingMarkers
from oddsmith.errors import counted, visible
from oddsmith.fit.optimality import Status
from oddsmith.fit.solvers import MOST_COEFFICIENTS, SOLVERS
from oddsmith.model.records import (
    ColumnMarkers,
    Equation,
    FitRecord,
    MissingRecord,
    PenaltyRecord,
    SelectionRecord,
)
from oddsmith.model.records import Progress as ProgressRecord
from oddsmith.workflow.fitting import Fit

HISTORY = 100
"""Entries of the loss history that a model keeps."""


@dataclass(frozen=True)
class Wording:
    """How a face calls its options: `option` takes a name and a value."""

    option: str
    leave_out: str
    solver: str


COMMAND_LINE = Wording("--{} {}", "leave it out with --drop", "--solver {}")
KEYWORDS = Wording("{}={}", "leave it out", "solver='{}'")


def equations(fit: Fit, terms: Sequence[str], classes: Sequence[str]) -> list[Equation]:
    """Linear predictors on the user's scale."""
    labels = classes[1:] if fit.form == "binary" else classes
    return [
        Equation(label, float(intercept), float(average), dict(zip(terms, row.tolist(), strict=True)))
        for label, intercept, average, row in zip(labels, fit.intercept, fit.average, fit.coef, strict=True)
    ]


def missing_record(markers: MissingMarkers) -> MissingRecord:
    """Markers beside the default ones, positions replaced by names."""
    return MissingRecord(
        sorted(markers.everywhere - set(DEFAULT_MISSING)),
        [ColumnMarkers(column, sorted(tokens)) for column, tokens in markers.by_column.items()],
    )


def fit_record(
    fit: Fit,
    terms: Sequence[str],
    classes: Sequence[str],
    wording: Wording,
    selection: SelectionRecord | None = None,
) -> FitRecord:
    """How the coefficients were found, with the evidence about them."""
    solution, evidence = fit.solution, fit.solution.optimality
    return FitRecord(
        solver=cast("Any", fit.solver),
        choice=fit.choice,
        settings={cast("Any", name): fit.settings[name] for name in SOLVERS[fit.solver].settings},
        seed=fit.seed,
        penalty=PenaltyRecord(fit.alpha, fit.l1_ratio, fit.standardize, selection),
        status=cast("Any", fit.status.name),
        message=message(fit, terms, classes, wording),
        iterations=solution.n_iter,
        passes=round(solution.n_passes, 6),
        tolerance=fit.tolerance,
        newton_decrement=evidence.newton_decrement.tolist(),
        mean_loss=evidence.mean_loss.tolist(),
        not_estimable=["intercept" if j < 0 else terms[j] for j in fit.not_estimable.tolist()],
        loss_history=[
            ProgressRecord(iteration, value.tolist()) for iteration, value in _thinned(solution.history)
        ],
    )


def _further(fit: Fit, wording: Wording) -> str:
    """What leads on from where a fit has stopped."""
    exact = "proximal-newton" if fit.alpha * fit.l1_ratio > 0.0 else "newton"
    if fit.solver == exact or fit.coef.size > MOST_COEFFICIENTS:
        return "More iterations may lead to it."
    return f"{wording.solver.format(exact)} goes on to it."


def message(fit: Fit, terms: Sequence[str], classes: Sequence[str], wording: Wording) -> str:
    """One sentence on how the fit ended, with the figure that proves it."""
    evidence = fit.solution.optimality
    concerned = [k for k, status in enumerate(evidence.status) if status is fit.status]
    worst = max(concerned, key=lambda k: evidence.newton_decrement[k])
    decrement = float(evidence.newton_decrement[worst])
    if fit.status is Status.converged:
        return f"converged, {math.sqrt(2.0 * decrement):.1g} standard errors from the optimum: newton decrement {decrement:.1e}"
    if fit.status is Status.iteration_limit:
        distance = math.sqrt(2.0 * max(decrement, 0.0))
        return (
            f"stopped after {counted(fit.solution.n_iter, 'iteration')}, {distance:.2g} standard errors from the optimum: "
            f"newton decrement {decrement:.1e}. {_further(fit, wording)}"
        )
    names = ["intercept", *terms]
    columns = list(dict.fromkeys(names[int(evidence.drifting[k]) % len(names)] for k in concerned))
    about = ", ".join(f"'{visible(name)}'" for name in columns[:3])
    of = ""
    if fit.form == "ovr":
        of = " for " + ", ".join(f"'{visible(classes[k])}'" for k in concerned[:5])
    complete = evidence.separated[concerned].all()
    what = "the classes can be told apart without error"
    if not complete:
        what = "some rows can be told apart without error, or lie extremely far out"
    leak = f"If a column restates the target, {wording.leave_out}; else a" if complete else "A"
    penalty = wording.option.format("alpha", f"{1.0 / fit.n_rows:.0e}")
    return (
        f"no finite optimum{of}: {what}, so coefficients would grow for ever, first of all that of {about}. "
        f"{leak} penalty (such as {penalty}) gives a finite fit"
    )


def divergence(fit: Fit) -> str:
    """The sentence on a descent that went up."""
    solution = fit.solution
    first, last = solution.history[0][1], solution.history[-1][1]
    worst = int(np.argmax(np.where(np.isfinite(last), last - first, np.inf)))
    return (
        f"{fit.solver} diverged: the mean loss went from {first[worst]:.4g} to {last[worst]:.4g} in "
        f"{solution.n_iter:,} iterations."
    )


def _thinned(history: list[tuple[int, Floats]]) -> list[tuple[int, Floats]]:
    """At most `HISTORY` entries, dense at the start where the loss moves, the last one included."""
    if len(history) <= HISTORY:
        return history
    places = np.unique(np.geomspace(1, len(history), HISTORY).round().astype(int)) - 1
    return [history[place] for place in places]
