"""What is minimised in every cell of the grid, evaluated in long double by nobody's code but this file's.

    F(w, b) = sum_i v_i loss(b + x_i'w) / sum_i v_i + alpha * (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|_2^2)

The intercept b is not penalised. With K classes w is (K, p): softmax is one joint loss, one-vs-rest the sum of
K binary ones. All shares are relative: suboptimality = (F - F_best) / F_best, whatever the units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

Array = Any
"""Dense (n, p), C- or Fortran-ordered, or scipy.sparse CSR."""

BLOCK_NUMBERS = 500_000
"""Numbers of `X` that are held in long double at once."""


@dataclass(frozen=True)
class Problem:
    """Rows, classes and penalty of one fit, or of a path of them."""

    X: Array
    y: np.ndarray
    """(n,) class codes from 0."""
    alpha: float = 0.0
    """Penalty on the mean loss; of a path the smallest."""
    l1_ratio: float = 0.0
    form: Literal["binary", "softmax", "ovr"] = "binary"
    n_classes: int = 2
    fit_intercept: bool = True
    weight: np.ndarray | None = None
    alphas: tuple[float, ...] = ()
    """Of a path, from the largest."""

    @property
    def total_weight(self) -> float:
        """Sum of the weights, n where there are none."""
        return float(len(self.y) if self.weight is None else self.weight.sum())

    @property
    def is_sparse(self) -> bool:
        """Whether `X` is CSR."""
        return not isinstance(self.X, np.ndarray)

    @property
    def n_equations(self) -> int:
        """Rows of `coef`: 1, or K."""
        return 1 if self.form == "binary" else self.n_classes

    @property
    def ridge(self) -> float:
        """Factor of half the squared coefficients."""
        return self.alpha * (1.0 - self.l1_ratio)

    @property
    def members(self) -> list[Problem]:
        """The single fits that this is: itself, or one for each penalty of the path."""
        return [replace(self, alpha=alpha, alphas=()) for alpha in self.alphas] or [self]

    def few(self) -> Problem:
        """Some rows of each class, to warm up with."""
        rows = np.sort(
            np.concatenate([np.flatnonzero(self.y == code)[:20] for code in range(self.n_classes)])
        )
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, X=self.X[rows], y=self.y[rows], weight=weight, alphas=self.alphas[:2])

    @property
    def lasso(self) -> float:
        """Factor of the absolute coefficients."""
        return self.alpha * self.l1_ratio


@dataclass(frozen=True)
class Coefficients:
    """Where a fit ended: intercepts (k,) and coefficients (k, p), on the user's columns."""

    intercept: np.ndarray
    coef: np.ndarray

    @classmethod
    def of(cls, intercept: Any, coef: Any) -> Coefficients:
        """From whatever shapes a library returns."""
        coef = np.atleast_2d(np.asarray(coef))
        return cls(np.broadcast_to(np.asarray(intercept).ravel(), (len(coef),)), coef)


def objective(problem: Problem, at: Coefficients) -> np.longdouble:
    """F at these coefficients: products, losses and sums in long double."""
    coef, intercept = at.coef.astype(np.longdouble), at.intercept.astype(np.longdouble)
    n = len(problem.y)
    rows = max(64, BLOCK_NUMBERS // max(1, problem.X.shape[1]))
    total = np.longdouble(0)
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        losses = _losses(problem, _eta(problem.X[part], coef, intercept), problem.y[part])
        weight = None if problem.weight is None else problem.weight[part].astype(np.longdouble)
        total += losses.sum() if weight is None else losses @ weight
    penalty = problem.lasso * np.abs(coef).sum() + 0.5 * problem.ridge * (coef * coef).sum()
    return np.longdouble(total / problem.total_weight + penalty)


def _eta(X: Array, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """Linear predictors (k, n)."""
    if isinstance(X, np.ndarray):
        return np.dot(coef, X.T.astype(np.longdouble)) + intercept[:, None]
    # scipy multiplies no long doubles: row by row sums of the products of stored numbers.
    eta = np.tile(intercept[:, None], (1, X.shape[0]))
    filled = np.flatnonzero(np.diff(X.indptr))
    if len(filled):
        products = coef[:, X.indices] * X.data.astype(np.longdouble)
        eta[:, filled] += np.add.reduceat(products, X.indptr[filled] - X.indptr[0], axis=1)
    return eta


def _losses(problem: Problem, eta: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Loss of each row (n,)."""
    if problem.form == "softmax":
        largest = eta.max(axis=0)
        return np.log(np.exp(eta - largest).sum(axis=0)) + largest - np.take_along_axis(eta, y[None], 0)[0]
    classes = np.array([[1]]) if problem.form == "binary" else np.arange(problem.n_classes)[:, None]
    margin = np.where(y == classes, eta, -eta)
    return (np.log1p(np.exp(-np.abs(margin))) + np.maximum(-margin, 0)).sum(axis=0)
