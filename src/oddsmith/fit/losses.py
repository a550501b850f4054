"""Losses in the linear predictor: pointwise, and finite for every finite eta.

Bernoulli, one column of eta for each yes-or-no question, with margin m = (2y - 1) eta:

    loss(eta, y)     = log(1 + exp(eta)) - y eta   = softplus(-m)
    residual         = expit(eta) - y              = (1 - y) expit(eta) - y expit(-eta)
    curvature        = expit(eta) expit(-eta)

Softmax with the first class as reference, whose eta is 0, or `symmetric`, with a predictor for every class:

    loss(eta, y)     = log(1 + sum_k exp(eta_k)) - eta_y          (symmetric: without the 1)
    residual_k       = proba_k - [y = k]
    curvature_kl     = proba_k ([k = l] - proba_l)

A residual is never the difference of two numbers near 1: far out, that would round to 0.

Both are members of exponential families, whose residual splits into what moves and what never does:

    residual_i = mean(eta_i) - aim(y_i),    mean(eta) = unit * squash(unit * eta)

with tanh and a unit of 1/2 for Bernoulli, so that gradients, for which an absolute 1e-16 is enough, cost one function
call a row.

Predictors are rows here: `eta` is (k, n), so that each is contiguous. Doubles give doubles, and single
precision gives single precision.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Codes, Floats

DOUBLE = np.dtype(np.float64)
Truth = NDArray[np.bool_]
Curvature = tuple[Floats, Floats | None]
"""Second derivatives in the k-th and m-th predictor of one problem: `own[k]` where k = m, and
`-share[k] * share[m]` elsewhere. (k, n) each; no `share` where problems have one predictor."""

SAFE = 80.0
"""A log-odds whose exponential, times many classes, is in the range of single precision."""


def expit(eta: Floats) -> Floats:
    """1 / (1 + exp(-eta)), without overflow, full relative precision in both tails."""
    small = np.exp(-np.abs(eta))
    return np.where(eta >= 0, 1.0, small) / (1.0 + small)


def softplus(eta: Floats) -> Floats:
    """log(1 + exp(eta)), without overflow."""
    size = np.abs(eta)
    plus = np.negative(size)
    np.exp(plus, out=plus)
    np.log1p(plus, out=plus)
    size *= 0.5
    size += 0.5 * eta  # max(eta, 0), to the bit
    plus += size
    return plus


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

    `eta` and `truth` have k = n_problems * n_coupled rows, one a predictor, and n columns.
    """

    @property
    def n_problems(self) -> int:
        """Independent problems."""
        ...

    @property
    def n_coupled(self) -> int:
        """Predictors of one problem."""
        ...

    @property
    def n_choices(self) -> int:
        """Classes that one problem tells apart."""
        ...

    def of_shares(self, shares: Floats) -> Floats:
        """Predictors (k,) that give every row the same probabilities, those of the classes' shares (K,)."""
        ...

    def truth(self, y: Codes) -> Truth:
        """Class codes (n,) as indicators (k, n)."""
        ...

    def loss(self, eta: Floats, truth: Truth) -> Floats:
        """Loss of each row of the data, (n_problems, n)."""
        ...

    def derivatives(self, eta: Floats, truth: Truth) -> tuple[Floats, Floats, Curvature]:
        """Loss (n_problems, n), residual (k, n), its derivative in each predictor, and curvature, all exact in the
        tails.
        """
        ...

    @property
    def unit(self) -> float:
        """By what `eta` and what `squash` makes of it are multiplied."""
        ...

    def squash(self, scaled: Floats) -> Floats:
        """For unit * eta, mean(eta) / unit, (k, n): what of the residual depends on eta. It overwrites `scaled`."""
        ...

    def loss_and_squash(self, eta: Floats, truth: Truth) -> tuple[Floats, Floats]:
        """Loss (n_problems, n) and what `squash` makes of unit * eta, (k, n), at once. It may overwrite `eta`."""
        ...

    def aim(self, truth: Truth, dtype: np.dtype[Any] = DOUBLE) -> Floats:
        """mean(eta) less the residual: the part that depends on the class alone, (k, n) of this type."""
        ...

    def curvature(self, eta: Floats) -> Curvature:
        """Second derivatives in pairs of predictors."""
        ...

    def bend(self, eta: Floats, moved: Floats) -> Floats:
        """Curvature times a change `moved` of `eta`: by how much it changes the residual, (k, n)."""
        ...

    def strain(self, eta: Floats, moved: Floats) -> Floats:
        """moved' curvature moved of each row of the data, (n_problems, n), for a change `moved` of `eta`."""
        ...

    def margin(self, eta: Floats, truth: Truth) -> Floats:
        """By how much the true class leads, (n_problems, n): all positive means separated."""
        ...


@dataclass(frozen=True)
class Bernoulli:
    """Independent yes-or-no questions: is the class this one? Two classes ask one question.

    `classes` are the codes asked for: `(1,)` for a binary problem, all codes for one-vs-rest.
    """

    classes: tuple[int, ...] = (1,)
    n_coupled = 1
    n_choices = 2
    unit = 0.5

    @property
    def n_problems(self) -> int:
        """One problem a question."""
        return len(self.classes)

    def of_shares(self, shares: Floats) -> Floats:
        """Log-odds of each class, (n_problems,)."""
        share = shares[list(self.classes)]
        return np.asarray(np.log(share) - np.log(shares.sum() - share))

    def truth(self, y: Codes) -> Truth:
        """Is row i of class k?  (n_problems, n)."""
        return np.asarray(y == np.array(self.classes)[:, None])

    def loss(self, eta: Floats, truth: Truth) -> Floats:
        """softplus(-margin), (n_problems, n)."""
        return softplus(np.where(truth, -eta, eta))

    def derivatives(self, eta: Floats, truth: Truth) -> tuple[Floats, Floats, Curvature]:
        """softplus(-margin), expit(eta) - truth and proba (1 - proba) from one exponential, (n_problems, n) each."""
        wrong = np.where(truth, -eta, eta)
        small = np.exp(-np.abs(eta))
        both = 1.0 + small
        value = np.log1p(small)
        value += np.maximum(wrong, 0.0)
        residual = np.where(wrong >= 0.0, 1.0, small)
        residual /= both
        np.copysign(residual, -self.aim(truth, eta.dtype), out=residual)
        small /= both
        small /= both
        return value, residual, (small, None)

    def squash(self, scaled: Floats) -> Floats:
        """tanh: expit(eta) - 1/2 = tanh(eta / 2) / 2, which never overflows."""
        return np.tanh(scaled, out=scaled)

    def loss_and_squash(self, eta: Floats, truth: Truth) -> tuple[Floats, Floats]:
        """softplus(-margin) as log(1 + exp(-|eta|)) + (|eta| / 2 - aim eta), whose bracket is 0 or |eta| to the bit; and
        tanh(eta / 2).
        """
        size = np.abs(eta)
        tail = np.negative(size)
        np.exp(tail, out=tail)
        np.log1p(tail, out=tail)
        size *= 0.5
        value = self.aim(truth, eta.dtype)
        value *= eta
        np.subtract(size, value, out=value)
        value += tail
        eta *= self.unit
        return value, self.squash(eta)

    def aim(self, truth: Truth, dtype: np.dtype[Any] = DOUBLE) -> Floats:
        """truth - 1/2."""
        return np.subtract(truth, 0.5, dtype=dtype)

    def curvature(self, eta: Floats) -> Curvature:
        """proba (1 - proba), (n_problems, n)."""
        small = np.exp(-np.abs(eta))
        return small / (1.0 + small) ** 2, None

    def bend(self, eta: Floats, moved: Floats) -> Floats:
        """Curvature times the move, (n_problems, n)."""
        return self.curvature(eta)[0] * moved

    def strain(self, eta: Floats, moved: Floats) -> Floats:
        """Curvature times the squared move, (n_problems, n)."""
        return self.curvature(eta)[0] * moved**2

    def margin(self, eta: Floats, truth: Truth) -> Floats:
        """(2y - 1) eta, (n_problems, n)."""
        return np.where(truth, eta, -eta)


@dataclass(frozen=True)
class Softmax:
    """K classes that exclude each other: M = K - 1 coupled predictors with class 0 as the reference, or
    M = K where `symmetric`.
    """

    n_classes: int
    symmetric: bool = False
    n_problems = 1
    unit = 1.0

    @property
    def n_coupled(self) -> int:
        """M."""
        return self.n_classes - self._first

    @property
    def n_choices(self) -> int:
        """K."""
        return self.n_classes

    @property
    def _first(self) -> int:
        """The first class that has a predictor."""
        return 0 if self.symmetric else 1

    def of_shares(self, shares: Floats) -> Floats:
        """Logarithms against the reference's, or against their mean, (M,)."""
        logs = np.log(shares)
        return np.asarray(logs - logs.mean() if self.symmetric else logs[1:] - logs[0])

    def truth(self, y: Codes) -> Truth:
        """Is row i of class k, for each class that has a predictor?  (M, n)."""
        return np.asarray(y == np.arange(self._first, self.n_classes)[:, None])

    def loss(self, eta: Floats, truth: Truth) -> Floats:
        """log(1 + sum of exp(eta_k - eta_y) over the other classes k), exact where it is tiny: (1, n)."""
        full, true = self._all_classes(eta, truth)
        lag = np.where(true, -np.inf, full - np.where(true, full, 0.0).sum(axis=0))
        top = np.maximum(lag.max(axis=0), 0.0)
        others = np.exp(lag - top).sum(axis=0)
        far = top + np.log(np.exp(-top) + others)
        return np.asarray(np.where(top > 0.0, far, np.log1p(others)))[None, :]

    def derivatives(self, eta: Floats, truth: Truth) -> tuple[Floats, Floats, Curvature]:
        """Loss, proba - truth and curvature; for the true class the residual is the sum of the others, negative."""
        full, true = self._all_classes(eta, truth)
        proba = self._proba(full)
        others = np.where(true, 0.0, proba).sum(axis=0)
        residual = np.where(truth, -others, proba[self._first :])
        return self.loss(eta, truth), residual, self._bent(proba)

    def squash(self, scaled: Floats) -> Floats:
        """Probabilities, (M, n); shifted by the largest of a row where an exponential might overflow or vanish."""
        reference: Floats | float = 0.0 if self.symmetric else 1.0
        largest = np.abs(scaled).max(initial=0.0) if self.symmetric else scaled.max(initial=0.0)
        if not largest < SAFE:
            top = scaled.max(axis=0)
            if not self.symmetric:
                np.maximum(top, 0.0, out=top)
                reference = np.exp(-top)
            scaled -= top
        np.exp(scaled, out=scaled)
        total = scaled.sum(axis=0)
        total += reference
        np.reciprocal(total, out=total)
        scaled *= total
        return scaled

    def loss_and_squash(self, eta: Floats, truth: Truth) -> tuple[Floats, Floats]:
        """log(1 + others / own) and probabilities from one exponential: own = exp(eta_y), others = those of the rest."""
        if not max(eta.max(initial=0.0), -eta.min(initial=0.0)) < 0.5 * SAFE:
            return self.loss(eta, truth), self.squash(eta)
        powers = np.exp(eta, out=eta)
        true = powers * truth
        own = true.sum(axis=0)
        np.subtract(powers, true, out=true)
        others = true.sum(axis=0)
        if not self.symmetric:
            is_reference = own == 0.0
            own += is_reference
            others += ~is_reference
        powers /= own + others
        others /= own
        return np.log1p(others, out=others)[None, :], powers

    def aim(self, truth: Truth, dtype: np.dtype[Any] = DOUBLE) -> Floats:
        """The indicators as numbers."""
        return truth.astype(dtype)

    def curvature(self, eta: Floats) -> Curvature:
        """proba_k ([k = m] - proba_m); the complement of the largest is the sum of the others."""
        return self._bent(self._proba(self._with_reference(eta)))

    def _bent(self, proba: Floats) -> Curvature:
        complement = 1.0 - proba
        top = proba.argmax(axis=0)[None, :]
        others = proba.copy()
        np.put_along_axis(others, top, 0.0, axis=0)
        np.put_along_axis(complement, top, others.sum(axis=0, keepdims=True), axis=0)
        return (proba * complement)[self._first :], proba[self._first :]

    def bend(self, eta: Floats, moved: Floats) -> Floats:
        """proba_k times what the k-th move is beyond the mean move, (k, n)."""
        proba = self._proba(self._with_reference(eta))[self._first :]
        return np.asarray(proba * (moved - (proba * moved).sum(axis=0)))

    def strain(self, eta: Floats, moved: Floats) -> Floats:
        """Variance of the move under the row's probabilities, a reference's being 0: (1, n)."""
        proba = self._proba(self._with_reference(eta))
        full = self._with_reference(moved)
        mean = (proba * full).sum(axis=0)
        return np.asarray((proba * (full - mean) ** 2).sum(axis=0, keepdims=True))

    def margin(self, eta: Floats, truth: Truth) -> Floats:
        """The true class's eta less the best other one's, (1, n)."""
        full, true = self._all_classes(eta, truth)
        best_other = np.where(true, -np.inf, full).max(axis=0)
        return np.asarray(np.where(true, full, 0.0).sum(axis=0) - best_other)[None, :]

    @staticmethod
    def _proba(full: Floats) -> Floats:
        """Probabilities of all classes from their predictors, (K, n) both."""
        powers = np.exp(full - full.max(axis=0))
        powers /= powers.sum(axis=0)
        return np.asarray(powers)

    def _with_reference(self, eta: Floats) -> Floats:
        """Predictors of all classes (K, n), the reference's in front."""
        return eta if self.symmetric else np.concatenate([np.zeros_like(eta[:1]), eta])

    def _all_classes(self, eta: Floats, truth: Truth) -> tuple[Floats, Truth]:
        """Predictors and indicators of all classes, (K, n) each."""
        if self.symmetric:
            return eta, truth
        return self._with_reference(eta), np.concatenate([~truth.any(axis=0, keepdims=True), truth])
