"""How strong should the penalty be? A path of candidates, and the one that a stated rule takes.

    auto    cross-validation: the strongest alpha within one standard error of the least deviance
    path    no rows are held back: the least BIC = rows * 2 * mean loss + log(rows) * terms that count

The model is then fitted with that alpha as if it had been given, and keeps the candidates' figures.

Sources: `fit/path.py`; Zou, Hastie and Tibshirani (2007), On the degrees of freedom of the lasso.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.errors import InputError
from oddsmith.fit.objective import Objective
from oddsmith.fit.path import RegularisationPath, Validation, cross_validate, fit_path, folds_of, grid
from oddsmith.fit.solvers.solution import Progress, silent
from oddsmith.model.records import Candidate, SelectionRecord

Rule = Literal["one_standard_error", "least_deviance", "bic"]
FOLDS = 10
MOST_COUPLED = 5000
"""Coefficients of a ridge, none of which is ever zero, beyond which its Hessian is out of proportion."""


@dataclass(frozen=True)
class Selection:
    """The alpha that a rule takes, and what it rests on; `validation` is None where no rows were held back."""

    alpha: float
    path: RegularisationPath
    validation: Validation | None
    record: SelectionRecord


def select_alpha(
    objective: Objective,
    rule: Rule,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    alphas: Floats | None = None,
    progress: Progress = silent,
) -> Selection:
    """Choose among `alphas` (A,), from strong to weak, by itself `path.grid`.

    Cross-validation has as many `folds`, or as many as the rarest class has rows.

    Raises:
        InputError: no column tells the classes apart, a class has one row, or a ridge has too many coefficients.
    """
    _refuse_large_ridge(objective)
    if alphas is None:
        alphas = grid(objective)
        if not alphas[0] > 0.0:
            raise InputError(
                "no column tells the classes apart, so there is no penalty to choose. Give alpha a number."
            )
    folds = 0 if rule == "bic" else _as_many_as_rows_allow(objective, folds)
    most = (folds + 1) * len(alphas)
    validation = None
    if folds:
        validation = cross_validate(
            objective,
            alphas,
            folds_of(objective.source.y, objective.source.sample_weight, folds, seed),
            seed=seed,
            progress=lambda done, _, value: progress(done, most, value),
        )
    path = fit_path(
        objective,
        alphas,
        seed=seed,
        progress=lambda done, _, value: progress(folds * len(alphas) + done, most, value),
    )
    if validation is None:
        n = objective.n_rows
        chosen = int(np.argmin(2.0 * n * path.mean_loss + np.log(n) * path.n_nonzero))
    else:
        chosen = validation.one_standard_error if rule == "one_standard_error" else validation.least
    figures = zip(alphas.tolist(), path.n_nonzero.tolist(), path.mean_loss.tolist(), strict=True)
    candidates = [Candidate(*figure, *_seen(validation, place)) for place, figure in enumerate(figures)]
    return Selection(float(alphas[chosen]), path, validation, SelectionRecord(rule, folds, candidates))


def _seen(validation: Validation | None, place: int) -> tuple[float | None, float | None]:
    if validation is None:
        return None, None
    return float(validation.mean[place]), float(validation.standard_error[place])


def _as_many_as_rows_allow(objective: Objective, folds: int) -> int:
    """`folds`, or the rows that count of the rarest class, where these are fewer."""
    y, weight = objective.source.y, objective.source.sample_weight
    fewest = int(np.bincount(y if weight is None else y[weight > 0]).min())
    if fewest < 2:
        raise InputError(
            "cross-validation needs two rows or more of every class that it holds back, and one class has a single "
            "one. Give alpha a number."
        )
    return min(folds, fewest)


def _refuse_large_ridge(objective: Objective) -> None:
    if objective.penalty.is_smooth and objective.n_coefficients > MOST_COUPLED:
        raise InputError(
            f"{objective.n_coefficients:,} coefficients of which none is zero are too many for a path of penalties. "
            f"Let some be zero (an l1_ratio above 0), or give alpha a number."
        )
