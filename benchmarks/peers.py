"""Everything that oddsmith is compared with: one table, a row a peer and solver.

A row says which problems it solves with exactly the objective of `problem.py`, how its tolerance is spelled, and
the ladder of tolerances from loose to tight. Conventions that differ are translated here:

    scikit-learn, snapml    C = 1 / (alpha * total weight); 1 / C in snapml
    celer                   C times the summed loss plus |w|_1
    glum, skglm             alpha and l1_ratio on the mean loss, as here
    cyanure                 lambda_1 (and lambda_2) on the mean loss

liblinear, snapml and celer penalise the intercept or have none: they take part where there is none. Dense arrays
are handed over as they are; what a library copies or converts is part of its time, as it is for its users.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.problem import Coefficients, Problem

Fitted = tuple[Any, Any]
"""Intercepts and coefficients, in a library's own shapes."""


@dataclass(frozen=True)
class Peer:
    """A solver of a library. `fit(problem, tolerance, most_iterations)` returns a fit for each of `members`."""

    name: str
    package: str
    suits: Callable[[Problem], bool]
    fit: Callable[[Problem, float, int], Sequence[Fitted]]
    ladder: tuple[float, ...]
    products: float = 4.0
    """Cost of an iteration in `X @ w`, roughly: it bounds the iterations of a run by the time it may take."""

    @property
    def is_installed(self) -> bool:
        """Whether its package can be imported."""
        return find_spec(self.package) is not None

    def coefficients(self, problem: Problem, tolerance: float, most_iterations: int) -> list[Coefficients]:
        """The fits as this library gives them."""
        return [Coefficients.of(*found) for found in self.fit(problem, tolerance, most_iterations)]


def versions() -> dict[str, str]:
    """Installed versions of the packages in the table."""
    distributions = {"sklearn": "scikit-learn"}
    names = sorted({peer.package for peer in PEERS if peer.is_installed})
    return {distributions.get(name, name): version(distributions.get(name, name)) for name in names}


def _each(one: Callable[..., Fitted], problem: Problem, tolerance: float, most: int) -> list[Fitted]:
    """A path as one fit after the other, each from nothing."""
    return [one(member, tolerance, most) for member in problem.members]


def _sklearn(problem: Problem, tolerance: float, most: int, *, solver: str) -> list[Fitted]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    penalty = problem.alpha * problem.total_weight
    model = LogisticRegression(
        C=1.0 / penalty if penalty else math.inf,
        l1_ratio=problem.l1_ratio,
        fit_intercept=problem.fit_intercept,
        solver=solver,
        tol=tolerance,
        max_iter=most,
        warm_start=bool(problem.alphas),
        random_state=0,
    )
    if problem.form == "ovr":
        several = OneVsRestClassifier(model).fit(problem.X, problem.y)
        return [
            (
                np.concatenate([one.intercept_ for one in several.estimators_]),
                np.concatenate([one.coef_ for one in several.estimators_]),
            )
        ]
    found = []
    for member in problem.members:
        if problem.alphas:
            model.set_params(C=1.0 / (member.alpha * member.total_weight))
        model.fit(problem.X, problem.y, problem.weight)
        found.append((np.copy(model.intercept_), np.copy(model.coef_)))
    return found


def _liblinear(problem: Problem, tolerance: float, most: int) -> Fitted:
    return _sklearn(problem, tolerance, most, solver="liblinear")[0]


def _glum(problem: Problem, tolerance: float, most: int) -> list[Fitted]:
    from glum import GeneralizedLinearRegressor

    path = (
        {"alpha_search": True, "alphas": list(problem.alphas)} if problem.alphas else {"alpha": problem.alpha}
    )
    model = GeneralizedLinearRegressor(
        family="binomial",
        l1_ratio=problem.l1_ratio,
        fit_intercept=problem.fit_intercept,
        gradient_tol=tolerance,
        max_iter=most,
        **path,
    ).fit(problem.X, problem.y, sample_weight=problem.weight)
    if problem.alphas:
        return list(zip(model.intercept_path_, model.coef_path_, strict=True))
    return [(model.intercept_, model.coef_)]


def _skglm(problem: Problem, tolerance: float, most: int) -> list[Fitted]:
    from skglm import SparseLogisticRegression

    model = SparseLogisticRegression(
        alpha=problem.alpha,
        l1_ratio=problem.l1_ratio,
        tol=tolerance,
        max_iter=most,
        fit_intercept=problem.fit_intercept,
        warm_start=bool(problem.alphas),
    )
    found = []
    for member in problem.members:
        model.set_params(alpha=member.alpha)
        model.fit(problem.X, problem.y)
        found.append((np.copy(model.intercept_), np.copy(model.coef_)))
    return found


def _celer(problem: Problem, tolerance: float, most: int) -> list[Fitted]:
    from celer import LogisticRegression

    model = LogisticRegression(tol=tolerance, max_iter=most, warm_start=bool(problem.alphas))
    found = []
    for member in problem.members:
        model.set_params(C=1.0 / (member.alpha * member.total_weight))
        model.fit(problem.X, problem.y)
        found.append((0.0, np.copy(model.coef_)))
    return found


def _snapml(problem: Problem, tolerance: float, most: int, *, dual: bool) -> Fitted:
    from snapml import LogisticRegression

    model = LogisticRegression(
        regularizer=problem.alpha * problem.total_weight,
        penalty="l1" if problem.l1_ratio else "l2",
        dual=dual,
        n_jobs=cores(),
        tol=tolerance,
        max_iter=most,
        random_state=0,
    ).fit(problem.X, problem.y)
    return 0.0, model.coef_


def _cyanure(problem: Problem, tolerance: float, most: int) -> Fitted:
    from cyanure.estimators import Classifier

    penalties = {
        0.0: {"penalty": "l2", "lambda_1": problem.alpha},
        1.0: {"penalty": "l1", "lambda_1": problem.alpha},
    }
    mixed = {"penalty": "elasticnet", "lambda_1": problem.lasso, "lambda_2": problem.ridge}
    model = Classifier(
        loss="multiclass-logistic" if problem.form == "softmax" else "logistic",
        fit_intercept=problem.fit_intercept,
        tol=tolerance,
        max_iter=most,
        n_threads=cores(),
        multi_class="ovr" if problem.form == "ovr" else "auto",
        verbose=False,
        **penalties.get(problem.l1_ratio, mixed),
    ).fit(problem.X, problem.y)
    # Of several classes its coefficients are (p, K).
    coef = np.asarray(model.coef_)
    coef = coef.reshape(1, -1) if problem.form == "binary" else coef
    coef = coef if coef.shape[1] == problem.X.shape[1] else coef.T
    return (np.ravel(model.intercept_) if problem.fit_intercept else 0.0), coef


def _statsmodels(problem: Problem, tolerance: float, most: int) -> list[Fitted]:
    from statsmodels.api import Logit, add_constant

    found = Logit(problem.y, add_constant(problem.X, has_constant="add")).fit(
        method="newton", tol=tolerance, maxiter=most, disp=False, warn_convergence=False
    )
    return [(found.params[0], found.params[1:])]


def cores() -> int:
    """Cores of this process: every peer that takes a number of threads gets them all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _smooth(problem: Problem) -> bool:
    return problem.lasso == 0.0


def _narrow(problem: Problem) -> bool:
    """Whether a Hessian of all coefficients is in proportion."""
    together = (problem.n_classes if problem.form == "softmax" else 1) * problem.X.shape[1]
    return together <= 3000


def _two(problem: Problem) -> bool:
    return problem.form == "binary"


def _no_intercept(problem: Problem) -> bool:
    return _two(problem) and not problem.fit_intercept


LADDER = tuple(10.0**-k for k in range(2, 13))
SLOW_LADDER = LADDER[:7]
"""Of methods whose tolerance is a change of the coefficients."""

PEERS = [
    Peer("sklearn lbfgs", "sklearn", _smooth, partial(_sklearn, solver="lbfgs"), LADDER),
    Peer(
        "sklearn newton-cholesky",
        "sklearn",
        lambda problem: _smooth(problem) and _narrow(problem) and not problem.is_sparse,
        partial(_sklearn, solver="newton-cholesky"),
        LADDER,
        50.0,
    ),
    Peer("sklearn newton-cg", "sklearn", _smooth, partial(_sklearn, solver="newton-cg"), LADDER, 40.0),
    Peer("sklearn sag", "sklearn", _smooth, partial(_sklearn, solver="sag"), SLOW_LADDER, 20.0),
    Peer(
        "sklearn saga",
        "sklearn",
        lambda problem: problem.alpha > 0.0,
        partial(_sklearn, solver="saga"),
        SLOW_LADDER,
        30.0,
    ),
    Peer(
        "liblinear",
        "sklearn",
        lambda problem: _no_intercept(problem) and problem.l1_ratio in (0.0, 1.0),
        partial(_each, _liblinear),
        SLOW_LADDER,
        10.0,
    ),
    Peer("glum", "glum", lambda problem: _two(problem) and _narrow(problem), _glum, LADDER, 50.0),
    Peer(
        "skglm",
        "skglm",
        lambda problem: _two(problem) and problem.lasso > 0.0 and problem.weight is None,
        _skglm,
        LADDER,
        50.0,
    ),
    Peer(
        "celer",
        "celer",
        lambda problem: _no_intercept(problem) and problem.l1_ratio == 1.0,
        _celer,
        LADDER,
        50.0,
    ),
    Peer(
        "snapml primal", "snapml", _no_intercept, partial(_each, partial(_snapml, dual=False)), LADDER, 10.0
    ),
    Peer(
        "snapml dual",
        "snapml",
        lambda problem: _no_intercept(problem) and _smooth(problem),
        partial(_each, partial(_snapml, dual=True)),
        LADDER,
        10.0,
    ),
    Peer("cyanure", "cyanure", lambda problem: problem.alpha > 0.0, partial(_each, _cyanure), LADDER, 10.0),
    Peer(
        "statsmodels",
        "statsmodels",
        lambda problem: _two(problem) and problem.alpha == 0.0,
        _statsmodels,
        LADDER,
        50.0,
    ),
]
