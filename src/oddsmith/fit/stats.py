"""Everything a fit asks of the rows, as weighted sums that add:

    loss     = sum_i w_i loss(eta_i, y_i)               order 0
    gradient = sum_i w_i residual_i a_i                 order 1
    hessian  = sum_i w_i curvature_i (x) a_i a_i'       order 2

where a = [1, (x - centre) / scale] and eta = coef a + offset. Sums stay sums until `Objective` divides once.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from oddsmith.data.block import Block, Floats
from oddsmith.fit.losses import Loss, Truth
from oddsmith.fit.matrix import (
    Columns,
    Standardisation,
    coupled_gram,
    gram,
    predictors,
    pulled_back,
    squared_lengths,
)

FAR = 33.0
"""Log-odds beyond which a step is measured against their size: here probabilities leave 1 behind."""


@dataclass(frozen=True)
class Stats:
    """Weighted sums over rows for G independent problems with d coefficients each.

    `loss` (G,), `gradient` (G, d) and `hessian` (G, d, d); what was not asked for has size 0.
    """

    weight: float
    loss: Floats
    gradient: Floats
    hessian: Floats

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.weight + other.weight,
            self.loss + other.loss,
            self.gradient + other.gradient,
            self.hessian + other.hessian,
        )


def predictors_of(block: Block, Z: Columns, coef: Floats, unit: float = 1.0) -> Floats:
    """Linear predictors (k, n) of a block's rows, their offsets among them, in units of `coef` (k, p + 1)."""
    eta = predictors(Z, coef)
    if block.offset is not None:
        eta += unit * block.offset
    return eta


def accumulate(
    block: Block, coef: Floats, *, loss: Loss, standardisation: Standardisation, order: int
) -> Stats:
    """The sums of one block at `coef` (n_problems * n_coupled, p + 1), intercept first."""
    Z = standardisation.columns(block.X)
    eta = predictors_of(block, Z, coef)
    truth = loss.truth(block.y)
    w: Floats | float = 1.0
    weight = float(len(Z))
    if block.sample_weight is not None:
        w = block.sample_weight.astype(Z.dtype, copy=False)
        weight = float(w.sum(dtype=np.float64))
    problems, coupled, q = loss.n_problems, loss.n_coupled, coef.shape[1]
    gradient: Floats = np.empty(0)
    hessian: Floats = np.empty(0)
    if order == 0:
        value = loss.loss(eta, truth)
    else:
        value, residual, (own, share) = loss.derivatives(eta, truth)
        gradient = pulled_back(Z, residual * w).reshape(problems, -1)
    if order >= 2:
        hessian = np.zeros((problems, coupled * q, coupled * q))
        if share is not None:
            hessian[0] = -coupled_gram(Z, share * np.sqrt(w))
        for k, curvature in enumerate(own):
            problem, inner = divmod(k, coupled)
            corner = slice(inner * q, (inner + 1) * q)
            hessian[problem, corner, corner] = gram(Z, curvature * w)
    return Stats(weight, (value * w).sum(axis=1, dtype=np.float64), gradient, hessian)


def pull(block: Block, coef: Floats, *, loss: Loss, standardisation: Standardisation, as_is: bool) -> Floats:
    """What the gradient needs of one block and no more, (k, p + 1), at `coef` (k, p + 1):

        sum_i w_i (unit squash(eta_i) - aim(y_i)) [1, z_i]

    `coef` is in units of the loss; z are the columns `as_is`, to which it then belongs, or standardised.
    """
    Z = block.X if as_is else standardisation.columns(block.X)
    return _pulled(block, Z, loss, loss.squash(predictors_of(block, Z, coef, loss.unit)), loss.truth(block.y))


def _pulled(block: Block, Z: Columns, loss: Loss, squashed: Floats, truth: Truth) -> Floats:
    """Weighted sums (k, p + 1) of the residual, which is right to an absolute 1e-16, times [1, z]."""
    residual = squashed
    if loss.unit != 1.0:
        residual *= loss.unit
    residual -= loss.aim(truth, residual.dtype)
    if block.sample_weight is not None:
        residual *= block.sample_weight.astype(Z.dtype, copy=False)
    return pulled_back(Z, residual)


def bend(
    block: Block, coef: Floats, step: Floats, *, loss: Loss, standardisation: Standardisation, as_is: bool
) -> Floats:
    """The Hessian at `coef` times `step`, both (k, p + 1), in one block: sum_i w_i curvature_i (step a_i) a_i.

    `coef`, `step` and the sum are those of the columns `as_is`, or standardised.
    """
    Z = block.X if as_is else standardisation.columns(block.X)
    bent = loss.bend(predictors_of(block, Z, coef), predictors(Z, step))
    if block.sample_weight is not None:
        bent *= block.sample_weight.astype(Z.dtype, copy=False)
    return pulled_back(Z, bent)


def diagonal(block: Block, coef: Floats, *, loss: Loss, standardisation: Standardisation) -> Floats:
    """The Hessian's diagonal in one block at `coef`, both (k, p + 1): sum_i w_i curvature_i a_i^2."""
    Z = standardisation.columns(block.X)
    own, _ = loss.curvature(predictors_of(block, Z, coef))
    if block.sample_weight is not None:
        own = own * block.sample_weight
    return squared_lengths(Z, own)


def losses_of(block: Block, coef: Floats, *, loss: Loss, standardisation: Standardisation) -> Floats:
    """Weighted sums of losses of many fits at once, (A, n_problems), at `coef` (A, k, p + 1)."""
    Z = standardisation.columns(block.X)
    eta = predictors_of(block, Z, coef.reshape(-1, coef.shape[-1])).reshape(len(coef), -1, len(Z))
    truth = loss.truth(block.y)
    w = np.ones(len(Z)) if block.sample_weight is None else block.sample_weight
    return np.stack([np.dot(loss.loss(part, truth), w) for part in eta])


def spread(block: Block, standardisation: Standardisation) -> Floats:
    """Weighted sums of squares of the standardised columns, (p,)."""
    Z = standardisation.columns(block.X)
    w = np.ones(len(Z)) if block.sample_weight is None else block.sample_weight
    return squared_lengths(Z, w[None])[0, 1:]


@dataclass(frozen=True)
class Survey:
    """Losses of G problems and the sums of their gradients: `loss` (G,), `pulled` (k, p + 1)."""

    loss: Floats
    pulled: Floats

    def __add__(self, other: Self) -> Self:
        return type(self)(self.loss + other.loss, self.pulled + other.pulled)


def survey(
    block: Block, coef: Floats, *, loss: Loss, standardisation: Standardisation, as_is: bool
) -> Survey:
    """Loss, and what `pull` sums, at `coef` (k, p + 1) in one block.

    `coef`, not in units of the loss, and the sums are those of the columns `as_is`, or standardised.
    """
    Z = block.X if as_is else standardisation.columns(block.X)
    truth = loss.truth(block.y)
    value, squashed = loss.loss_and_squash(predictors_of(block, Z, coef), truth)
    if block.sample_weight is not None:
        value *= block.sample_weight.astype(Z.dtype, copy=False)
    return Survey(value.sum(axis=1, dtype=np.float64), _pulled(block, Z, loss, squashed, truth))


@dataclass(frozen=True)
class Reach:
    """What a step does to the rows; it adds by taking the extremes. Rows of weight 0 don't count.

    `move` (G,): the largest change of a row's log-odds, those beyond 33 measured against their size.
    `strain` (G,): the largest square of a row's move in units of its curvature, step' curvature step:
    what that row by itself adds to twice the decrement.
    `margin` (G,): the least lead of a true class, offsets aside; positive for all rows means separated, for then
    these coefficients may grow for ever, whatever the offsets.
    """

    move: Floats
    strain: Floats
    margin: Floats

    def __add__(self, other: Self) -> Self:
        return type(self)(
            np.maximum(self.move, other.move),
            np.maximum(self.strain, other.strain),
            np.minimum(self.margin, other.margin),
        )


def reach(block: Block, coef: Floats, step: Floats, *, loss: Loss, standardisation: Standardisation) -> Reach:
    """The reach of `step` at `coef`, both (n_problems * n_coupled, p + 1), in one block."""
    Z, truth = standardisation.columns(block.X), loss.truth(block.y)
    fitted, moved = predictors(Z, coef), predictors(Z, step)
    eta = fitted if block.offset is None else fitted + block.offset
    if block.sample_weight is not None:
        counted = block.sample_weight > 0
        fitted, eta, moved = (part[:, counted] for part in (fitted, eta, moved))
        truth = truth[:, counted]
    share = np.abs(moved) / np.maximum(1.0, np.abs(eta) / FAR)
    return Reach(
        share.max(axis=1, initial=0.0).reshape(loss.n_problems, -1).max(axis=1),
        loss.strain(eta, moved).max(axis=1, initial=0.0),
        loss.margin(fitted, truth).min(axis=1, initial=np.inf),
    )
