"""Penalties from the strongest that matters down, and the choice among them by cross-validation.

    strongest   the least alpha that leaves no coefficient: max_j |slope_j| / (l1_ratio s_j) where only intercepts count
    grid        alpha_i = strongest * ratio^(i / (count - 1)), each fit from where the last one ended
    deviance    2 * mean loss, here of rows that the fit has not seen: fold by fold, each row once
    choice      the strongest alpha whose deviance is within one standard error of the least one, or the least

A fit without a fold's rows is one in which they weigh nothing, so that no rows are copied. Columns are
standardised once, by all rows: their sizes tell nothing about the classes.

Sources: Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via coordinate
descent; Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, on the one standard error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Codes, Floats, Picked, Reweighted
from oddsmith.engines.blas import blas_on_one_thread
from oddsmith.fit.objective import Objective
from oddsmith.fit.solvers.proximal_newton import walk_for
from oddsmith.fit.solvers.solution import Progress, silent
from oddsmith.fit.solvers.working_set import strongest

COUNT = 100
RATIO, RATIO_OF_MANY = 1e-4, 1e-2
"""The last alpha in units of the first; the second where there are more columns than rows."""
LEAST_L1 = 1e-2
"""The l1_ratio that stands for a smaller one where the strongest alpha is sought: ridge alone leaves none out.

Such a grid goes further down, by as much again."""
MOST_LOOKS = 1000
"""Looks at the rows for each penalty, at most."""
TOLERANCE = 1e-4
"""Decrement that is near enough on a path: 0.014 standard errors."""


@dataclass(frozen=True)
class RegularisationPath:
    """`alphas` (A,), from strong to weak, and their fits: coefficients (A, G, d) on the standardised scale."""

    alphas: Floats
    theta: Floats
    mean_loss: Floats
    """Of the rows it was fitted to, summed over problems, (A,)."""
    n_nonzero: NDArray[np.intp]
    """Columns that count, (A,)."""
    n_passes: float


@dataclass(frozen=True)
class Validation:
    """Deviances (folds, A) of the rows that each fold's fits have not seen, and what follows from them."""

    alphas: Floats
    deviance: Floats
    weight: Floats
    """Weight of each fold's rows, (folds,)."""

    @property
    def mean(self) -> Floats:
        """Deviance of each alpha, (A,), every row counted once."""
        return np.asarray(np.average(self.deviance, axis=0, weights=self.weight))

    @property
    def standard_error(self) -> Floats:
        """Of the mean, (A,), as the folds differ."""
        spread = np.average((self.deviance - self.mean) ** 2, axis=0, weights=self.weight)
        return np.asarray(np.sqrt(spread / (len(self.weight) - 1)))

    @property
    def least(self) -> int:
        """Place of the alpha of least deviance; of several the strongest."""
        return int(np.argmin(self.mean))

    @property
    def one_standard_error(self) -> int:
        """Place of the strongest alpha whose deviance is no further than one standard error from the least."""
        bound = self.mean[self.least] + self.standard_error[self.least]
        return int(np.argmax(self.mean <= bound))


def strongest_alpha(objective: Objective) -> float:
    """The least alpha that leaves no coefficient, 0 where no column tells anything; one pass over the rows."""
    penalty = replace(objective.penalty, l1_ratio=max(objective.penalty.l1_ratio, LEAST_L1), alpha=0.0)
    bare = objective.with_penalty(penalty)
    found = strongest(bare, bare.gradient(bare.null))
    objective.n_passes = bare.n_passes
    return found


def grid(objective: Objective, count: int = COUNT, ratio: float | None = None) -> Floats:
    """`count` alphas in equal ratios, from the strongest down to `ratio` times it; one pass over the rows."""
    if ratio is None:
        ratio = RATIO if objective.source.n_rows > objective.source.n_columns else RATIO_OF_MANY
        ratio *= 1.0 if objective.penalty.l1_ratio >= LEAST_L1 else LEAST_L1
    return strongest_alpha(objective) * np.geomspace(1.0, ratio, count)


def fit_path(
    objective: Objective,
    alphas: Floats,
    *,
    tolerance: float = TOLERANCE,
    seed: int = 0,
    progress: Progress = silent,
) -> RegularisationPath:
    """Fit every one of `alphas` (A,), from strong to weak, each from where the last one ended."""
    earlier = objective.n_passes
    penalty = objective.penalty
    theta = np.empty((len(alphas), objective.n_problems, objective.n_coefficients))
    with blas_on_one_thread():
        walk = walk_for(
            replace(objective, penalty=replace(penalty, alpha=float(alphas[0]))),
            seed,
            MOST_LOOKS * len(alphas),
        )
        for place, alpha in enumerate(alphas.tolist()):
            moved = replace(penalty, alpha=alpha)
            theta[place] = moved.smallest(walk.move_to(moved, tolerance))
            progress(place + 1, len(alphas), np.full(1, np.nan))
        objective.n_passes += walk.n_passes
        mean_loss = objective.mean_losses(theta).sum(axis=1)
    n_nonzero = np.array([len(objective.columns_of(part != 0.0)) for part in theta])
    return RegularisationPath(alphas, theta, mean_loss, n_nonzero, objective.n_passes - earlier)


def folds_of(y: Codes, weight: Floats | None, n_folds: int, seed: int = 0) -> NDArray[np.intp]:
    """The fold of each row (n,), drawn so that every fold has its share of every class's rows with weight."""
    kind = y.astype(np.intp)
    if weight is not None:
        kind[weight <= 0.0] = kind.max() + 1
    order = np.random.default_rng(seed).permutation(len(y))
    by_class = order[np.argsort(kind[order], kind="stable")]
    folds = np.empty(len(y), dtype=np.intp)
    folds[by_class] = np.arange(len(y)) % n_folds
    return folds


def cross_validate(
    objective: Objective,
    alphas: Floats,
    folds: NDArray[np.intp],
    *,
    tolerance: float = TOLERANCE,
    seed: int = 0,
    progress: Progress = silent,
) -> Validation:
    """Fit the path without each fold in turn, and measure it on that fold; `folds` (n,) are numbers from 0."""
    source = objective.source
    weight = np.ones(source.n_rows) if source.sample_weight is None else source.sample_weight
    n_folds = int(folds.max()) + 1
    deviance, total = np.empty((n_folds, len(alphas))), np.empty(n_folds)
    for fold in range(n_folds):

        def report(done: int, most: int, value: Floats, before: int = fold * len(alphas)) -> None:
            progress(before + done, n_folds * most, value)

        rest = replace(objective, source=Reweighted(source, np.where(folds == fold, 0.0, weight)))
        path = fit_path(rest, alphas, tolerance=tolerance, seed=seed, progress=report)
        objective.n_passes += path.n_passes + 1
        unseen = replace(objective, source=Picked(source, folds == fold))
        deviance[fold] = 2.0 * unseen.mean_losses(path.theta).sum(axis=1)
        total[fold] = weight[folds == fold].sum()
    return Validation(alphas, deviance, total)
