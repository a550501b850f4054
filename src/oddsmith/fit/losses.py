"""Losses in the linear predictor: pointwise, and finite for every finite eta.

Bernoulli, one column of eta for each yes-or-no question, with margin m = (2y - 1) eta:

    loss(eta, y)     = log(1 + exp(eta)) - y eta   = softplus(-m)
    residual         = expit(eta) - y              = (1 - y) expit(eta) - y expit(-eta)
    curvature        = expit(eta) expit(-eta)

Softmax with the first class as reference, whose eta is 0:

    loss(eta, y)     = log(1 + sum_k exp(eta_k)) - eta_y
    residual_k       = proba_k - [y = k]
    curvature_kl     = proba_k ([k = l] - proba_l)

A residual is never the difference of two numbers near 1: far out, that would round to 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Codes, Floats

Truth = NDArray[np.bool_]


def expit(eta: Floats) -> Floats:
    """1 / (1 + exp(-eta)), without overflow, full relative precision in both tails."""
    small = np.exp(-np.abs(eta))
    return np.where(eta >= 0, 1.0, small) / (1.0 + small)


def softplus(eta: Floats) -> Floats:
    """log(1 + exp(eta)), without overflow."""
    return np.maximum(eta, 0.0) + np.log1p(np.exp(-np.abs(eta)))


def softmax(eta: Floats) -> Floats:
    """exp(eta) / sum exp(eta) along the last axis, without overflow."""
    powers = np.exp(_lag(eta))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def log_softmax(eta: Floats) -> Floats:
    """Logarithm of softmax along the last axis of (n, K): exact for shares near 0 and for one near 1.

    The share of the largest eta is one less the others', whose sum enters as it is.
    """
    lead = _lag(eta)
    others = np.exp(lead)
    np.put_along_axis(others, lead.argmax(axis=-1, keepdims=True), 0.0, axis=-1)
    return np.asarray(lead - np.log1p(others.sum(axis=-1, keepdims=True)))


def _lag(eta: Floats) -> Floats:
    """How far each is behind the largest along the last axis, 0 or less; at most as far as a double reaches."""
    with np.errstate(over="ignore"):
        lag = eta - eta.max(axis=-1, keepdims=True)
    return np.asarray(np.maximum(lag, np.finfo(np.float64).min, out=lag))


class Loss(Protocol):
    """A loss on (eta, truth): `n_problems` independent problems of `n_coupled` predictors each.

    `eta` and `truth` have n_problems * n_coupled columns.
    """

    @property
    def n_problems(self) -> int:
        """Independent problems."""
        ...

    @property
    def n_coupled(self) -> int:
        """Predictors of one problem."""
        ...

    def truth(self, y: Codes) -> Truth:
        """Class codes (n,) as indicator columns (n, n_problems * n_coupled)."""
        ...

    def loss(self, eta: Floats, truth: Truth) -> Floats:
        """Loss of each row, (n, n_problems)."""
        ...

    def residual(self, eta: Floats, truth: Truth) -> Floats:
        """Derivative of the loss in each predictor, shaped like `eta`."""
        ...

    def curvature(self, eta: Floats) -> Callable[[int, int], Floats]:
        """Second derivative in the k-th and m-th predictor of every problem: (k, m) -> (n, n_problems)."""
        ...

    def strain(self, eta: Floats, moved: Floats) -> Floats:
        """moved' curvature moved of each row, (n, n_problems), for a change `moved` of `eta`."""
        ...

    def margin(self, eta: Floats, truth: Truth) -> Floats:
        """By how much the true class leads, (n, n_problems): all positive means separated."""
        ...


@dataclass(frozen=True)
class Bernoulli:
    """Independent yes-or-no questions: is the class this one? Two classes ask one question.

    `classes` are the codes asked for: `(1,)` for a binary problem, all codes for one-vs-rest.
    """

    classes: tuple[int, ...] = (1,)
    n_coupled = 1

    @property
    def n_problems(self) -> int:
        """One problem a question."""
        return len(self.classes)

    def truth(self, y: Codes) -> Truth:
        """Is row i of class k?  (n, n_problems)."""
        return np.asarray(y[:, None] == np.array(self.classes))

    def loss(self, eta: Floats, truth: Truth) -> Floats:
        """softplus(-margin), (n, n_problems)."""
        return softplus(-self.margin(eta, truth))

    def residual(self, eta: Floats, truth: Truth) -> Floats:
        """expit(eta) - truth, exact in the tails: (n, n_problems)."""
        return np.where(truth, -expit(-eta), expit(eta))

    def curvature(self, eta: Floats) -> Callable[[int, int], Floats]:
        """proba (1 - proba), (n, n_problems); a problem has a single predictor, so k = m = 0."""
        small = np.exp(-np.abs(eta))
        curvature = small / (1.0 + small) ** 2
        return lambda k, m: curvature

    def strain(self, eta: Floats, moved: Floats) -> Floats:
        """Curvature times the squared move, (n, n_problems)."""
        return self.curvature(eta)(0, 0) * moved**2

    def margin(self, eta: Floats, truth: Truth) -> Floats:
        """(2y - 1) eta, (n, n_problems)."""
        return np.where(truth, eta, -eta)


@dataclass(frozen=True)
class Softmax:
    """K classes that exclude each other, K - 1 coupled predictors; class 0 is the reference."""

    n_classes: int
    n_problems = 1

    @property
    def n_coupled(self) -> int:
        """K - 1."""
        return self.n_classes - 1

    def truth(self, y: Codes) -> Truth:
        """Is row i of class k, for k = 1 .. K-1?  (n, K - 1)."""
        return np.asarray(y[:, None] == np.arange(1, self.n_classes))

    def loss(self, eta: Floats, truth: Truth) -> Floats:
        """log(1 + sum of exp(eta_k - eta_y) over the other classes k), exact where it is tiny: (n, 1)."""
        full, true = self._all_classes(eta, truth)
        lag = np.where(true, -np.inf, full - np.where(true, full, 0.0).sum(axis=1, keepdims=True))
        top = np.maximum(lag.max(axis=1), 0.0)
        others = np.exp(lag - top[:, None]).sum(axis=1)
        far = top + np.log(np.exp(-top) + others)
        return np.asarray(np.where(top > 0.0, far, np.log1p(others)))[:, None]

    def residual(self, eta: Floats, truth: Truth) -> Floats:
        """proba - truth, (n, K - 1); for the true class the sum of the others, negative."""
        full, true = self._all_classes(eta, truth)
        proba = softmax(full)
        others = np.where(true, 0.0, proba).sum(axis=1, keepdims=True)
        return np.where(truth, -others, proba[:, 1:])

    def curvature(self, eta: Floats) -> Callable[[int, int], Floats]:
        """proba_k ([k = m] - proba_m), (n, 1)."""
        proba = softmax(np.column_stack([np.zeros(len(eta)), eta]))

        def of(k: int, m: int) -> Floats:
            other = np.delete(proba, k + 1, axis=1).sum(axis=1) if k == m else -proba[:, m + 1]
            return np.asarray(proba[:, k + 1] * other)[:, None]

        return of

    def strain(self, eta: Floats, moved: Floats) -> Floats:
        """Variance of the move under the row's probabilities, the reference's being 0: (n, 1)."""
        proba = softmax(np.column_stack([np.zeros(len(eta)), eta]))
        full = np.column_stack([np.zeros(len(eta)), moved])
        mean = (proba * full).sum(axis=1, keepdims=True)
        return np.asarray((proba * (full - mean) ** 2).sum(axis=1))[:, None]

    def margin(self, eta: Floats, truth: Truth) -> Floats:
        """The true class's eta less the best other one's, (n, 1)."""
        full, true = self._all_classes(eta, truth)
        best_other = np.where(true, -np.inf, full).max(axis=1)
        return np.asarray(np.where(true, full, 0.0).sum(axis=1) - best_other)[:, None]

    @staticmethod
    def _all_classes(eta: Floats, truth: Truth) -> tuple[Floats, Truth]:
        """`eta` and `truth` with the reference class in front, (n, K) each."""
        return (
            np.column_stack([np.zeros(len(eta)), eta]),
            np.column_stack([~truth.any(axis=1), truth]),
        )
