"""Everything a fit asks of the rows, as weighted sums that add:

    loss     = sum_i w_i loss(eta_i, y_i)               order 0
    gradient = sum_i w_i residual_i a_i                 order 1
    hessian  = sum_i w_i curvature_i (x) a_i a_i'       order 2

where a = [1, x - centre] and eta = coef a. Sums stay sums until `Objective` divides once.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from oddsmith.data.block import Block, Floats
from oddsmith.fit.losses import Loss
from oddsmith.fit.matrix import design_matrix, gram, predictors, pulled_back


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


def accumulate(block: Block, coef: Floats, *, loss: Loss, centre: Floats, order: int) -> Stats:
    """The sums of one block at `coef` (n_problems * n_coupled, p + 1), intercept at `centre` first."""
    A = design_matrix(block.X, centre)
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
        parts = np.empty((problems, coupled, q, coupled, q))
        for k in range(coupled):
            for m in range(k + 1):
                curvature = loss.curvature(eta, k, m) * w[:, None]
                for problem in range(problems):
                    part = gram(A, curvature[:, problem])
                    parts[problem, k, :, m, :] = part
                    parts[problem, m, :, k, :] = part.T
        hessian = parts.reshape(problems, coupled * q, coupled * q)
    return Stats(float(w.sum()), w @ loss.loss(eta, truth), gradient, hessian)


@dataclass(frozen=True)
class Reach:
    """How far a step moves the rows: `step` (G,) is max |A step|, `margin` (G,) the least margin.

    It adds by taking the larger step and the smaller margin. Rows of weight 0 don't count.
    """

    step: Floats
    margin: Floats

    def __add__(self, other: Self) -> Self:
        return type(self)(np.maximum(self.step, other.step), np.minimum(self.margin, other.margin))


def reach(block: Block, coef: Floats, step: Floats, *, loss: Loss, centre: Floats) -> Reach:
    """The reach of `step` at `coef`, both (n_problems * n_coupled, p + 1), in one block."""
    A = design_matrix(block.X, centre)
    truth = loss.truth(block.y)
    if block.sample_weight is not None:
        counted = block.sample_weight > 0
        A, truth = A[counted], truth[counted]
    moved = np.abs(predictors(A, step)).max(axis=0, initial=0.0)
    margin = loss.margin(predictors(A, coef), truth).min(axis=0, initial=np.inf)
    return Reach(moved.reshape(loss.n_problems, -1).max(axis=1), margin)
