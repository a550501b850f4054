"""From a design matrix and class codes to coefficients with their evidence: every face's fit is this one.

two classes               one equation                    Bernoulli
K classes, softmax        K equations that sum to zero    Softmax: K - 1 coupled predictors; K with a lasso
K classes, one-vs-rest    K equations                     Bernoulli: one problem a class
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import ArraySource, Floats, Source, class_counts
from oddsmith.data.memory import require
from oddsmith.data.sparse import SparseSource, pays_threads
from oddsmith.engines import Engine, available_cores, threads
from oddsmith.errors import InputError
from oddsmith.fit.losses import Bernoulli, Loss, Softmax
from oddsmith.fit.matrix import Standardisation, written_out
from oddsmith.fit.objective import TOLERANCE, Objective
from oddsmith.fit.optimality import Status
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.row_space import RowSpace
from oddsmith.fit.solvers import (
    MOST_COEFFICIENTS,
    SOLVERS,
    Progress,
    Solution,
    chosen,
    silent,
    solve,
)
from oddsmith.workflow.offsets import refuse_several

_COPIES = 4
"""Copies of the rows that a rotation holds at once."""
_HESSIANS = 12
"""Hessians that a fit holds at once, its blocks' and its factors among them."""
_VECTORS = 100
"""Vectors of coefficients that a fit without Hessians holds at once, its memory of steps and gradients first of all."""

NARROW = 1e-150
"""A sigma whose inverse squared still leaves room."""
FEW_CELLS = 300_000
"""Cells up to which a standardised copy (2.4 MB) is cheaper than standardising in every pass."""
AT_WORK = 1e9
"""Bytes that the Hessians of the blocks at work may take together."""

Form = Literal["binary", "softmax", "ovr"]


@dataclass(frozen=True)
class Fit:
    """A fit without its rows: coefficients (k equations, p terms) on the user's scale, and the evidence."""

    form: Form
    intercept: Floats
    average: Floats
    """(k,): log-odds of a row at the training means."""
    coef: Floats
    mean: Floats
    """(p,): training means, about which rows are scored."""
    scale: Floats
    """(p,): sigma of each column, 1 where it is constant."""
    solver: str
    choice: str
    """Why this solver, where that was left to the rule; else empty."""
    settings: dict[str, float]
    """What bounds and steers the solver; its defaults filled in."""
    seed: int
    alpha: float
    l1_ratio: float
    standardize: bool
    tolerance: float
    solution: Solution
    not_estimable: NDArray[np.intp]
    """Terms (from 0) that stayed at zero in every equation; the intercept is term -1."""
    n_rows: int
    """Rows with positive weight."""
    class_counts: list[int]
    class_weights: list[float]
    """(K,): weight of each class's rows."""
    null_loss: float
    """Mean loss without any column: of the class shares alone, or of an intercept beside offsets."""

    @property
    def status(self) -> Status:
        """The worst status of its problems."""
        return self.solution.status


def threads_for(
    n_threads: int | None, source: Source, n_classes: int, multi_class: str
) -> AbstractContextManager[Engine]:
    """An engine of `n_threads` threads, or of this process's cores: fewer where Hessians are large or cells few."""
    n_threads = n_threads or (available_cores() if pays_threads(source) else 1)
    n_terms = source.n_columns if source.n_columns < MOST_COEFFICIENTS else 0  # beyond there are no Hessians
    coupled = n_classes - 1 if multi_class == "softmax" else 1
    problems = n_classes if n_classes > 2 and coupled == 1 else 1
    hessian = 8.0 * problems * (coupled * (n_terms + 1)) ** 2
    return threads(max(1, min(n_threads, int(AT_WORK / (2.0 * hessian)))))


@dataclass(frozen=True)
class Task:
    """What is to be fitted: the rows of a source, in which every one of `n_classes` classes has weight, and a penalty.

    `mean` and `scale` (p,) are those of the columns. `offset_centre` is what has been taken from every offset, and is
    taken from the intercept in the end.
    """

    source: Source
    n_classes: int
    mean: Floats
    scale: Floats
    multi_class: Literal["softmax", "ovr"]
    alpha: float
    l1_ratio: float
    standardize: bool
    engine: Engine
    fit_intercept: bool = True
    tolerance: float = TOLERANCE
    offset_centre: float = 0.0

    @property
    def form(self) -> Form:
        """Of the equations."""
        return "binary" if self.n_classes == 2 else self.multi_class

    def objective(self) -> Objective:
        """What is to be minimised.

        Raises:
            InputError: a column's scale leaves a penalty no room, or there are offsets for three classes or more.
        """
        if self.source.offset is not None:
            refuse_several(self.n_classes)
        symmetric = self.form == "softmax" and self.alpha * self.l1_ratio > 0.0
        losses: dict[Form, Loss] = {
            "binary": Bernoulli(),
            "softmax": Softmax(self.n_classes, symmetric),
            "ovr": Bernoulli(tuple(range(self.n_classes))),
        }
        narrow = np.flatnonzero(self.scale < NARROW)
        if self.alpha > 0.0 and not self.standardize and len(narrow):
            raise InputError(
                f"a column's numbers differ by {self.scale[narrow[0]]:.2g} only, and a penalty on the user's scale "
                f"squares their inverse, beyond the range of a double. Give it in another unit, or let the penalty act "
                f"on standardised columns."
            )
        loss = losses[self.form]
        return Objective(
            self.source,
            loss,
            Standardisation(self.mean if self.fit_intercept else np.zeros_like(self.mean), self.scale),
            ElasticNet.of(
                self.alpha,
                self.scale,
                loss.n_coupled,
                standardize=self.standardize,
                l1_ratio=self.l1_ratio,
                symmetric=symmetric,
            ),
            fit_intercept=self.fit_intercept,
            tolerance=self.tolerance,
            engine=self.engine,
            offset_centre=self.offset_centre,
        )


def fit(
    task: Task,
    *,
    solver: str,
    settings: Mapping[str, float] = {},
    max_iter: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Fit:
    """The coefficients of a task, with their evidence.

    `solver` is one of the table or "auto"; `settings` are the solver's that differ from its own; `max_iter` bounds
    whatever counts as an iteration.

    Raises:
        InputError: offsets for three classes or more, more coefficients than can be fitted at once, or columns that overflow.
    """
    source, form, alpha, l1_ratio = task.source, task.form, task.alpha, task.l1_ratio
    mean, n_classes = task.mean, task.n_classes
    objective = task.objective()
    loss, standardisation = objective.loss, objective.standardisation
    n_rows, n_terms = source.n_rows, source.n_columns
    rotation = None
    exact = objective.penalty.l1_ratio == 0.0 and (solver == "auto" or SOLVERS[solver].width(objective) > 0)
    sparse = isinstance(source, SparseSource)
    if alpha > 0.0 and exact and not sparse and RowSpace.fits(n_rows, objective.penalty.unit[1:] ** 2):
        require(
            _COPIES * 8.0 * n_rows * n_terms,
            f"a fit of {n_terms:,} columns to {n_rows:,} rows",
            "Use fewer columns or levels, or a machine with more memory.",
        )
        everything = source.take(np.arange(n_rows))
        rotation = RowSpace.of(written_out(everything.X), standardisation, objective.penalty.unit[1:] ** 2)
        unit = np.ones(n_rows)
        objective = replace(
            objective,
            source=ArraySource(
                rotation.rows, everything.y, everything.sample_weight, offset=everything.offset
            ),
            standardisation=Standardisation(0.0 * unit, unit),
            penalty=ElasticNet.of(alpha, unit, loss.n_coupled),
        )
    elif not sparse and n_rows * n_terms <= FEW_CELLS:
        objective = objective.written_out()
    choice = ""
    if solver == "auto":
        solver, choice = chosen(objective)
    row = SOLVERS[solver]
    if not (objective.penalty.is_smooth or row.lasso):
        able = ", ".join(name for name, other in SOLVERS.items() if other.lasso)
        raise InputError(
            f"{solver} needs an objective without kinks, and a penalty with l1_ratio {l1_ratio:g} has some. Use "
            f"one of {able}, or an l1_ratio of 0."
        )
    if max_iter is not None:
        settings = {**settings, row.limit: max_iter}
    width = row.width(objective)
    if width > MOST_COEFFICIENTS:
        remedies = ["Leave columns out"]
        if form == "softmax":
            remedies.append("fit each class against the rest (ovr)")
        if alpha == 0.0 and loss.n_coupled * (n_rows + 1) <= MOST_COEFFICIENTS:
            remedies.append("add a penalty, which needs no more coefficients than rows")
        remedies.append("take the solver lbfgs")
        raise InputError(
            f"{objective.n_coefficients:,} coefficients ({len(mean):,} terms, {n_classes:,} classes) are more "
            f"than the {MOST_COEFFICIENTS:,} that can be fitted at once. {', or '.join(remedies)}."
        )
    problems = f" for each of {objective.n_problems:,} classes" if objective.n_problems > 1 else ""
    numbers = max(_HESSIANS * width**2, _VECTORS * objective.n_coefficients)
    require(
        8.0 * objective.n_problems * numbers,
        f"a fit of {objective.n_coefficients:,} coefficients{problems}",
        "Use fewer columns or levels, or a machine with more memory.",
    )
    with np.errstate(over="ignore", invalid="ignore"):  # where descent diverges; its status says so
        solution = solve(objective, solver, progress, seed=seed, **settings)
        theta = solution.theta.reshape(-1, objective.source.n_columns + 1)
        theta = theta if rotation is None else rotation.standardised(theta)
        intercept, coef = standardisation.on_user_scale(theta)
        at_centre = theta[:, 0]
        if form == "softmax" and objective.penalty.is_smooth:
            intercept, at_centre, coef = (_centred(part) for part in (intercept, at_centre, coef))
        average = at_centre + coef @ (mean - standardisation.centre)
        intercept, average = intercept - task.offset_centre, average - task.offset_centre
    still = (
        (solution.held & objective.free & (solution.theta == 0.0))
        .all(axis=0)
        .reshape(loss.n_coupled, -1)
        .any(axis=0)
    )
    counts = class_counts(source.y, n_classes)
    weight = source.sample_weight
    class_weights = (counts if weight is None else np.bincount(source.y, weight, n_classes)).astype(
        np.float64
    )
    return Fit(
        form=form,
        intercept=intercept,
        average=average,
        coef=coef,
        mean=mean,
        scale=task.scale,
        solver=solver,
        choice=choice,
        settings={**row.settings, **settings},
        seed=seed,
        alpha=alpha,
        l1_ratio=l1_ratio,
        standardize=task.standardize,
        tolerance=task.tolerance,
        solution=solution,
        not_estimable=np.flatnonzero(still) - 1,
        n_rows=objective.n_rows,
        class_counts=counts.tolist(),
        class_weights=class_weights.tolist(),
        null_loss=entropy(class_weights) if source.offset is None else float(objective.null_value[0]),
    )


def entropy(class_weights: Floats) -> float:
    """Mean log loss of the class shares, from the classes' weights (K,)."""
    shares = class_weights[class_weights > 0.0] / class_weights.sum()
    return float(-(shares @ np.log(shares)))


def _centred(part: Floats) -> Floats:
    """Parameters (K - 1, ...) against the first class as parameters (K, ...) that sum to zero."""
    full = np.concatenate([np.zeros((1, *part.shape[1:])), part])
    return np.asarray(full - full.mean(axis=0))
