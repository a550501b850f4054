"""`oddsmith.LogisticRegressionCV`: lasso, elastic net or ridge whose strength cross-validation chooses.

    alphas_   from the strongest that leaves a coefficient down, or as given
    alpha_    the strongest within one standard error of the least deviance, or the least

The fit with `alpha_` is the one that `LogisticRegression(alpha=alpha_)` makes, with the same evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.errors import InputError, visible
from oddsmith.estimator import LogisticRegression
from oddsmith.fit.objective import TOLERANCE
from oddsmith.fit.path import grid
from oddsmith.workflow.fitting import Task
from oddsmith.workflow.selection import select_alpha

RULES = ("one_standard_error", "least_deviance")


class LogisticRegressionCV(LogisticRegression):
    """Logistic regression with a penalty that cross-validation chooses, fitted to its optimum.

    Args:
        alphas: how many candidates, in equal ratios from the strongest that leaves a coefficient, or the candidates.
        l1_ratio: alpha * (l1_ratio * sum of |coef| + (1 - l1_ratio) / 2 * sum of squares): 0 is ridge, 1 lasso.
        cv: folds, each with its share of every class; no more than the rarest class has rows.
        rule: "one_standard_error" or "least_deviance".
        standardize: whether the penalty acts on columns divided by their sigma; coefficients are on the user's.
        multi_class: for three classes or more, "softmax" (one joint model) or "ovr" (each against the rest).
        fit_intercept: whether there is an intercept.
        class_weight: None; a weight for each label, 1 for those not named; or "balanced".
        max_iter: iterations of the fit with the chosen alpha at most; None is the solver's own number.
        tol: the Newton decrement up to which that fit has converged.
        n_threads: threads that share the rows; None is as many as there are cores. No bit depends on it.
        random_state: of the folds.

    Attributes:
        alphas_: (A,) candidates, from strong to weak.
        alpha_: the one that was chosen.
        deviances_: (folds, A) twice the mean loss of rows that a fit has not seen.
        mean_deviance_, standard_error_: (A,) over the folds.
        coefs_paths_, intercepts_paths_: (A, k, p) and (A, k) of the fits to all rows, k = 1 or K.

    Those of `LogisticRegression` too.
    """

    solver = "auto"

    def __init__(
        self,
        alphas: int | Sequence[float] = 100,
        l1_ratio: float = 1.0,
        cv: int = 5,
        rule: Literal["one_standard_error", "least_deviance"] = "one_standard_error",
        standardize: bool = False,
        multi_class: Literal["softmax", "ovr"] = "softmax",
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        max_iter: int | None = None,
        tol: float = TOLERANCE,
        n_threads: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.alphas = alphas
        self.l1_ratio = l1_ratio
        self.cv = cv
        self.rule = rule
        self.standardize = standardize
        self.multi_class = multi_class
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.n_threads = n_threads
        self.random_state = random_state

    def _strength(self, task: Task) -> float:
        objective = task.objective()
        if isinstance(self.alphas, int | np.integer):
            alphas = grid(objective, int(self.alphas))
            if not alphas[0] > 0.0:  # no column tells anything, and any penalty says so
                alphas = np.ones(1)
        else:
            alphas = np.unique(np.asarray(self.alphas, dtype=np.float64))[::-1]
        found = select_alpha(objective, self.rule, folds=int(self.cv), seed=self._seed(), alphas=alphas)
        assert found.validation is not None
        self._selection = found.record
        self.alphas_, self.alpha_ = alphas, found.alpha
        self.deviances_ = found.validation.deviance
        self.mean_deviance_ = found.validation.mean
        self.standard_error_ = found.validation.standard_error
        fits = [objective.on_user_scale(theta) for theta in found.path.theta]
        intercepts, coefs = (np.array([fit[part] for fit in fits]) for part in (0, 1))
        if task.n_classes > 2 and self.multi_class == "softmax" and objective.penalty.is_smooth:
            intercepts, coefs = (_of_all_classes(part) for part in (intercepts, coefs))
        self.intercepts_paths_, self.coefs_paths_ = intercepts, coefs
        return found.alpha

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name, is_sound, wanted in (
            ("alphas", _are_alphas(self.alphas), "a whole number, 2 or more, or positive numbers"),
            ("cv", _is_whole(self.cv, 2), "a whole number, 2 or more"),
            ("rule", self.rule in RULES, f"one of {', '.join(map(repr, RULES))}"),
        ):
            if not is_sound:
                raise InputError(f"{name}={visible(repr(getattr(self, name)))}: give {wanted}.")


def _of_all_classes(part: Floats) -> Floats:
    """Parameters (A, K - 1, ...) against the first class as parameters (A, K, ...) that sum to zero."""
    full = np.concatenate([np.zeros_like(part[:, :1]), part], axis=1)
    return np.asarray(full - full.mean(axis=1, keepdims=True))


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= least


def _are_alphas(value: Any) -> bool:
    if isinstance(value, int | np.integer):
        return _is_whole(value, 2)
    try:
        numbers = list(value)
    except TypeError:
        return False
    return bool(numbers) and all(isinstance(n, Real) and 0.0 < float(n) < np.inf for n in numbers)
