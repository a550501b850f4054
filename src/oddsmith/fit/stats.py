"""Everything a fit asks of the rows, as weighted sums that add:

    loss     = sum_i w_i loss(eta_i, y_i)               order 0
    gradient = sum_i w_i residual_i a_i                 order 1
    hessian  = sum_i w_i curvature_i (x) a_i a_i'       order 2

where a = [1, (x - centre) / scale] and eta = coef a. Sums stay sums until `Objective` divides once.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from oddsmith.data.block import Block, Floats
from oddsmith.fit.losses import Loss
from oddsmith.fit.matrix import Standardisation, gram, predictors, pulled_back

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


def accumulate(
    block: Block, coef: Floats, *, loss: Loss, standardisation: Standardisation, order: int
) -> Stats:
    """The sums of one block at `coef` (n_problems * n_coupled, p + 1), intercept first."""
    A = standardisation.design_matrix(block.X)
    eta = predictors(A, coef)
    truth = loss.truth(block.y)
    w = np.ones(len(A)) if block.sample_weight is None else block.sample_weight
    problems, coupled = loss.n_problems, loss.n_coupled
    gradient: Floats = np.empty(0)
    hessian: Floats = np.empty(0)
    if order >= 1:
        residual = loss.residual(eta, truth) * w[:, None]
        gradient = pulled_back(A, residual).reshape(problems, -1)
    if order >= 2:
        q = A.shape[1]
        curvature = loss.curvature(eta)
        parts = np.empty((problems, coupled, q, coupled, q))
        for k in range(coupled):
            for m in range(k + 1):
                weighted = curvature(k, m) * w[:, None]
                for problem in range(problems):
                    part = gram(A, weighted[:, problem])
                    parts[problem, k, :, m, :] = part
                    parts[problem, m, :, k, :] = part.T
        hessian = parts.reshape(problems, coupled * q, coupled * q)
    return Stats(float(w.sum()), w @ loss.loss(eta, truth), gradient, hessian)


@dataclass(frozen=True)
class Reach:
    """What a step does to the rows; it adds by taking the extremes. Rows of weight 0 don't count.

    `move` (G,): the largest change of a row's log-odds, those beyond 33 measured against their size.
    `strain` (G,): the largest square of a row's move in units of its curvature, step' curvature step:
    what that row by itself adds to twice the decrement.
    `margin` (G,): the least lead of a true class; positive for all rows means separated.
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
    A, truth = standardisation.design_matrix(block.X), loss.truth(block.y)
    if block.sample_weight is not None:
        counted = block.sample_weight > 0
        A, truth = A[counted], truth[counted]
    eta, moved = predictors(A, coef), predictors(A, step)
    share = np.abs(moved) / np.maximum(1.0, np.abs(eta) / FAR)
    return Reach(
        share.max(axis=0, initial=0.0).reshape(loss.n_problems, -1).max(axis=1),
        loss.strain(eta, moved).max(axis=0, initial=0.0),
        loss.margin(eta, truth).min(axis=0, initial=np.inf),
    )
