"""Optima to compare with, by methods that share no line with oddsmith nor with any peer.

    binary, one-vs-rest    damped Newton on standardised columns, the full Hessian by least squares
    softmax, sparse        Newton, each step by conjugate gradients on all rows
    lasso, elastic net     proximal Newton on a working set, the model's minimum by coordinate descent and
                           then exactly on its face; every column is checked at the end

Sums of losses that decide about a step are taken in long double, and `problem.objective` evaluates the end.
`gap` is what the last model says is left, relative to F.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.problem import Coefficients, Problem, objective

ENOUGH = 1e-19
"""A step that is predicted to gain less than this share of F is the last one."""
ROUNDING = 1e-15
"""A gain of this share of F is not looked for in shorter steps: either the whole step shows it or nothing does."""
MOST_STEPS = 300


@dataclass(frozen=True)
class Reference:
    """The optimum of one problem, its value in long double, and what is known to be missing."""

    at: Coefficients
    value: np.longdouble
    gap: float
    method: str

    def suboptimality(self, problem: Problem, at: Coefficients) -> float:
        """(F(at) - F_best) / F_best: below zero, by rounding, where the reference is the worse one."""
        return float((objective(problem, at) - self.value) / abs(self.value))


def references(problem: Problem) -> list[Reference]:
    """The optimum, or one for each penalty of a path."""
    found: list[Reference] = []
    for member in problem.members:
        start = found[-1].at if found else None
        found.append(reference(member, start))
    return found


def reference(problem: Problem, start: Coefficients | None = None) -> Reference:
    """The optimum; `start` helps the lasso, which warms up along a path."""
    if problem.lasso > 0.0:
        return _proximal_newton(problem, start)
    if problem.form == "softmax" or problem.is_sparse:
        return _newton(problem, _Softmax(problem) if problem.form == "softmax" else _Binary(problem, 1), True)
    if problem.form == "binary":
        return _newton(problem, _Binary(problem, 1), False)
    each = [
        _newton(replace(problem, form="binary"), _Binary(problem, k), False) for k in range(problem.n_classes)
    ]
    at = Coefficients(
        np.concatenate([one.at.intercept for one in each]), np.concatenate([one.at.coef for one in each])
    )
    value = objective(problem, at)
    return Reference(at, value, float(sum(one.gap * one.value for one in each) / value), each[0].method)


class _Rows:
    """Standardised columns and a last one of ones; sparse ones are scaled and stay where they are."""

    def __init__(self, problem: Problem) -> None:
        X, v = problem.X, problem.weight
        self.weight = np.ones(len(problem.y)) if v is None else v.astype(float)
        self.total = self.weight.sum()
        self.p = X.shape[1]
        self.intercept = problem.fit_intercept
        if problem.is_sparse:
            self.centre = np.zeros(self.p)
            square = np.asarray(X.multiply(X).T @ self.weight).ravel() / self.total
            self.scale = np.where(square > 0.0, np.sqrt(square), 1.0)
            self.A = X.multiply(1.0 / self.scale).tocsr()
            self.T = self.A.T.tocsr()
        else:
            X = np.asarray(X, dtype=np.float64)
            self.centre = (self.weight @ X) / self.total if self.intercept else np.zeros(self.p)
            A = X - self.centre
            spread = np.sqrt(np.einsum("i,ij,ij->j", self.weight, A, A) / self.total)
            still = ~(spread > 1e-12 * (np.abs(self.centre) + 1e-300))
            self.scale = np.where(still, 1.0, spread)
            A /= self.scale
            A[:, still & self.intercept] = 0.0
            self.A, self.T = A, A.T
        self.ridge = problem.ridge * self.total / self.scale**2

    def eta(self, theta: np.ndarray) -> np.ndarray:
        """(k, n) from (k, p + 1)."""
        return np.asarray(self.A @ theta[:, :-1].T).T + theta[:, -1:]

    def back(self, residual: np.ndarray) -> np.ndarray:
        """(k, p + 1): each row of `residual` (k, n) times the columns."""
        sums = residual.sum(axis=1, keepdims=True) * self.intercept
        return np.hstack([np.asarray(self.T @ residual.T).T, sums])

    def gram(self, curvature: np.ndarray) -> np.ndarray:
        """(p + 1, p + 1) of the dense columns."""
        total = np.zeros((self.p + 1, self.p + 1))
        rows = max(256, 4_000_000 // (self.p + 1))
        for start in range(0, len(curvature), rows):
            root = np.sqrt(curvature[start : start + rows])[:, None]
            part = np.hstack([self.A[start : start + rows] * root, root * self.intercept])
            total += part.T @ part
        return total

    def squares(self, curvature: np.ndarray) -> np.ndarray:
        """(p + 1,): the diagonal of `gram`."""
        A = (
            self.A.multiply(self.A).T @ curvature
            if not isinstance(self.A, np.ndarray)
            else curvature @ self.A**2
        )
        return np.append(A, curvature.sum() * self.intercept)

    def users(self, theta: np.ndarray) -> Coefficients:
        """On the user's columns, in long double."""
        coef = theta[:, :-1].astype(np.longdouble) / self.scale
        return Coefficients(theta[:, -1] - coef @ self.centre.astype(np.longdouble), coef)


class _Binary(_Rows):
    """One class against the rest."""

    equations = 1

    def __init__(self, problem: Problem, positive: int) -> None:
        super().__init__(problem)
        self.sign = np.where(problem.y == positive, 1.0, -1.0)

    def loss(self, eta: np.ndarray) -> np.longdouble:
        margin = (self.sign * eta[0]).astype(np.longdouble)
        return np.sum(self.weight * (np.log1p(np.exp(-np.abs(margin))) + np.maximum(-margin, 0)))

    def derivatives(
        self, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Residual (1, n), curvature (n,) and the curvature as a map of directions (1, n)."""
        miss = np.exp(-np.logaddexp(0.0, self.sign * eta[0]))
        curvature = self.weight * miss * (1.0 - miss)
        return (-self.sign * self.weight * miss)[None], curvature, lambda d: curvature * d


class _Softmax(_Rows):
    """All classes at once, each with its own coefficients; the ridge picks those that sum to zero."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.equations = problem.n_classes
        self.y = problem.y
        self.is_class = np.arange(problem.n_classes)[:, None] == problem.y

    def loss(self, eta: np.ndarray) -> np.longdouble:
        largest = eta.max(axis=0)
        chosen = eta[self.y, np.arange(len(self.y))]
        losses = np.log(np.exp((eta - largest).astype(np.longdouble)).sum(axis=0)) + largest - chosen
        return np.sum(self.weight * losses)

    def derivatives(
        self, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Residual (K, n), mean curvature of the classes (n,), and the curvature as a map (K, n)."""
        proba = np.exp(eta - eta.max(axis=0))
        proba /= proba.sum(axis=0)
        curvature = self.weight * (1.0 - (proba * proba).sum(axis=0)) / self.equations
        return (
            self.weight * (proba - self.is_class),
            curvature,
            lambda d: self.weight * proba * (d - (proba * d).sum(axis=0)),
        )


def _newton(problem: Problem, rows: Any, conjugate: bool) -> Reference:
    """Damped Newton; its steps exact, or by conjugate gradients."""
    theta = np.zeros((rows.equations, rows.p + 1))
    ridge = np.append(rows.ridge, 0.0)
    eta = rows.eta(theta)
    value = rows.loss(eta)
    gap = np.inf
    solve = _conjugate_step if conjugate else _exact_step
    for _ in range(MOST_STEPS):
        residual, curvature, curve = rows.derivatives(eta)
        gradient = rows.back(residual) + ridge * theta
        step = solve(rows, ridge, gradient, curvature, curve, float(gap))
        before, gap = gap, float(0.5 * (gradient * step).sum() / value)
        length, moved = 1.0, rows.eta(step)
        shortest = 0.9 if gap < ROUNDING else 1e-12
        while length > shortest:
            trial = theta - length * step
            # A penalty that pins what the data leave free needs the sum's last digits too.
            penalty = 0.5 * np.sum((ridge * trial * trial).astype(np.longdouble))
            found = rows.loss(eta - length * moved) + penalty
            if found <= value:
                theta, value = trial, found
                break
            length *= 0.5
        eta = rows.eta(theta)
        if gap < ENOUGH or (gap < ROUNDING and gap > 0.25 * before) or length <= shortest:
            break
    at = rows.users(theta)
    method = "Newton, conjugate gradients" if conjugate else "Newton"
    return Reference(at, objective(problem, at), abs(gap), method)


def _exact_step(
    rows: Any, ridge: np.ndarray, gradient: np.ndarray, curvature: np.ndarray, curve: Any, gap: float
) -> np.ndarray:
    hessian = rows.gram(curvature)
    hessian[np.diag_indices_from(hessian)] += ridge
    size = np.sqrt(np.where(np.diag(hessian) > 0.0, np.diag(hessian), 1.0))
    scaled = hessian / size / size[:, None]
    return (_solution(scaled, gradient[0] / size) / size)[None]


def _solution(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of a symmetric system with unit diagonal; of a singular one the shortest."""
    from scipy.linalg import cho_solve

    try:
        lower = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        lower = np.zeros((1, 1))
    if np.diag(lower).min() > 1e-6:
        return np.asarray(cho_solve((lower, True), right))
    return np.linalg.lstsq(matrix, right, rcond=1e-14)[0]


def _conjugate_step(
    rows: Any, ridge: np.ndarray, gradient: np.ndarray, curvature: np.ndarray, curve: Any, gap: float
) -> np.ndarray:
    """Newton's step to a relative accuracy that tightens as the optimum comes near."""
    if isinstance(rows.A, np.ndarray):
        metric = rows.gram(curvature)
        metric[np.diag_indices_from(metric)] += np.where(ridge > 0.0, ridge, 1e-9 * metric.max())
        inverse = np.linalg.inv(metric)
        precondition = lambda g: g @ inverse  # noqa: E731
    else:
        diagonal = rows.squares(curvature) + ridge
        diagonal = np.where(diagonal > 0.0, diagonal, 1.0)
        precondition = lambda g: g / diagonal  # noqa: E731
    step = np.zeros_like(gradient)
    left = gradient.copy()
    direction = precondition(left)
    size = first = float((left * direction).sum())
    accuracy = min(1e-2, max(1e-10, gap)) if np.isfinite(gap) else 1e-2
    for _ in range(2000):
        if not size > accuracy * first:
            break
        product = rows.back(curve(rows.eta(direction))) + ridge * direction
        length = size / float((direction * product).sum())
        step += length * direction
        left -= length * product
        conditioned = precondition(left)
        smaller = float((left * conditioned).sum())
        direction = conditioned + smaller / size * direction
        size = smaller
    return step


def _proximal_newton(problem: Problem, start: Coefficients | None) -> Reference:
    """Lasso and elastic net of two classes: exact Hessians on the columns that matter by now."""
    X = problem.X.toarray() if problem.is_sparse else np.asarray(problem.X, dtype=np.float64)
    A = np.hstack([X, np.ones((len(X), 1))]) if problem.fit_intercept else X
    p, share = (
        X.shape[1],
        (np.ones(len(X)) if problem.weight is None else problem.weight) / problem.total_weight,
    )
    lasso, ridge = np.full(A.shape[1], problem.lasso), np.full(A.shape[1], problem.ridge)
    lasso[p:] = ridge[p:] = 0.0
    sign = np.where(problem.y == 1, 1.0, -1.0)
    theta = np.zeros(A.shape[1])
    if start is not None:
        theta[:p] = start.coef[0]
        theta[p:] = start.intercept[0]

    def value_of(theta: np.ndarray, eta: np.ndarray) -> np.longdouble:
        margin = (sign * eta).astype(np.longdouble)
        losses = np.log1p(np.exp(-np.abs(margin))) + np.maximum(-margin, 0)
        penalty = lasso * np.abs(theta) + 0.5 * ridge * theta * theta
        return share @ losses + np.sum(penalty.astype(np.longdouble))

    eta = A @ theta
    value, gap = value_of(theta, eta), np.inf
    for _ in range(MOST_STEPS):
        miss = np.exp(-np.logaddexp(0.0, sign * eta))
        gradient = A.T @ (-sign * share * miss) + ridge * theta
        excess = np.where(theta == 0.0, np.abs(gradient) - lasso, 0.0)
        excess[theta == 0.0] -= 1e-13 * lasso[theta == 0.0]
        used = (theta != 0.0) | (lasso == 0.0)
        most = max(50, int(used.sum()))
        entering = np.flatnonzero(excess > 0.0)
        entering = entering[np.argsort(-excess[entering])[:most]]
        work = np.union1d(np.flatnonzero(used), entering)
        if not len(work):
            gap = 0.0
            break
        part = A[:, work] * np.sqrt(share * miss * (1.0 - miss))[:, None]
        hessian = part.T @ part
        hessian[np.diag_indices_from(hessian)] += ridge[work]
        at = theta[work]
        goal = model_minimum(hessian, hessian @ at - gradient[work], lasso[work], at)
        step = goal - at
        fall = -(gradient[work] @ step + 0.5 * step @ hessian @ step)
        fall -= lasso[work] @ (np.abs(goal) - np.abs(at))
        before, gap = gap, float(fall / value)
        length = 1.0
        shortest = 0.9 if gap < ROUNDING else 1e-12
        while length > shortest:
            trial = theta.copy()
            trial[work] = goal if length == 1.0 else at + length * step
            trial_eta = A @ trial
            found = value_of(trial, trial_eta)
            if found <= value:
                theta, eta, value = trial, trial_eta, found
                break
            length *= 0.5
        if (
            not len(entering) and (gap < ENOUGH or (gap < ROUNDING and gap > 0.25 * before))
        ) or length <= shortest:
            break
    found_at = Coefficients(theta[p:] if problem.fit_intercept else np.zeros(1), theta[None, :p])
    return Reference(found_at, objective(problem, found_at), abs(gap), "proximal Newton")


def model_minimum(
    hessian: np.ndarray, linear: np.ndarray, lasso: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """argmin w'Hw / 2 - c'w + sum_j lasso_j |w_j|: sweeps until the signs hold, then exact on their face."""
    w = start.copy()
    diagonal = np.maximum(np.diag(hessian), 1e-300)
    for _ in range(400):
        face = np.flatnonzero((w != 0.0) | (lasso == 0.0))
        signs = np.sign(w[face])
        held = lasso[face] > 0.0
        if len(face):
            system = hessian[np.ix_(face, face)]
            exact = np.linalg.lstsq(system, linear[face] - lasso[face] * signs, rcond=1e-15)[0]
        else:
            exact = np.zeros(0)
        if (np.sign(exact) == signs)[held].all():
            w[face] = exact
            slope = hessian @ w - linear
            if (np.abs(slope) <= lasso * (1.0 + 1e-12))[w == 0.0].all():
                break
        slope = hessian @ w - linear
        for _ in range(5):
            for j in range(len(w)):
                goal = w[j] - slope[j] / diagonal[j]
                goal = np.sign(goal) * max(abs(goal) - lasso[j] / diagonal[j], 0.0)
                if goal != w[j]:
                    slope += hessian[:, j] * (goal - w[j])
                    w[j] = goal
    return w
