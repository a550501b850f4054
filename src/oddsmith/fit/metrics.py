"""Stand-ins for a Hessian: what turns a gradient into a step that is nearly Newton's.

    Factor      H itself, of all rows or of a sample, as L L'                    (fit/cholesky.py)
    Diagonal    1/4 + penalty: the curvature at zero of standardised columns that are independent
    Kronecker   C (x) S + Q (x) P:  mean covariance of the classes, times a Gram matrix of the columns

Each is positive definite on the coefficients that are not held, and solves in far less than a pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Block, Floats
from oddsmith.fit.cholesky import Factor, Triangle
from oddsmith.fit.losses import Loss
from oddsmith.fit.matrix import gram
from oddsmith.fit.objective import Objective
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.stats import predictors_of

CURVATURE_AT_ZERO = 0.25


class Metric(Protocol):
    """Something that stands for a Hessian (d, d)."""

    def solve(self, gradient: Floats) -> Floats:
        """H^-1 gradient, (d,); 0 for held coefficients."""
        ...


@dataclass(frozen=True)
class Diagonal:
    """`inverse` (d,), 0 where a coefficient is held."""

    inverse: Floats

    @classmethod
    def of(cls, objective: Objective, held: NDArray[np.bool_]) -> Self:
        """Curvature at zero of independent standardised columns, and the penalty."""
        diagonal = CURVATURE_AT_ZERO + objective.penalty.diagonal
        return cls(np.where(held | ~objective.free, 0.0, 1.0 / diagonal))

    def solve(self, gradient: Floats) -> Floats:
        """Each component by itself."""
        return self.inverse * gradient


def factored(hessian: Floats, held: NDArray[np.bool_]) -> Factor:
    """The factor of a Hessian (d, d) as a sample shows it.

    A column that is flat on the sample and not on all rows has a variance of 1 there, for it is
    standardised: it gets the mean curvature.
    """
    diagonal = np.diag(hessian)
    flat = ~held & ~(diagonal > 0.0)
    if flat.any():
        hessian = hessian.copy()
        hessian[flat, flat] = diagonal[~held & ~flat].mean() if (~held & ~flat).any() else 1.0
    return Factor.of(hessian, held)


@dataclass(frozen=True)
class Kronecker:
    """(U (x) I) blockdiag(w_k S + alpha P)^-1 (U' (x) I), where C U = Q U diag(w) and U' Q U = I.

    C is the classes' covariance in units of its trace, S = A' diag(1 - |proba|^2) A, Q the penalty's
    coupling and P its metric. Block-diagonal stand-ins, which neglect that probabilities sum to one, take
    ten times the passes.
    """

    mix: Floats
    blocks: tuple[Metric, ...]

    @classmethod
    def of(cls, objective: Objective, theta: Floats, held: NDArray[np.bool_]) -> Self:
        """The metric of a softmax objective, as its rows at `theta` (1, d) show it: one pass."""
        objective.n_passes += 1
        coef = theta.reshape(objective.loss.n_coupled, -1)
        pieces = objective.engine(objective.source, partial(_pieces, coef=coef, loss=objective.loss))
        k, q = coef.shape
        spread = pieces[k * k : -1].reshape(q, q) / pieces[-1]
        ridge = np.diag(objective.penalty.ridge)
        held = held.reshape(k, q)[0]
        covariance = unit_trace(pieces[: k * k].reshape(k, k))
        return cls.mixed(covariance, objective.penalty, lambda size: factored(size * spread + ridge, held))

    @classmethod
    def mixed(cls, covariance: Floats, penalty: ElasticNet, block: Callable[[float], Metric]) -> Self:
        """From the classes' covariance (k, k) in units of its trace; `block` gives w S + alpha P for a size w."""
        triangle = Triangle(penalty.coupling)
        sizes, turned = np.linalg.eigh(triangle.solve(triangle.solve(covariance).T))
        return cls(triangle.solve_transposed(turned), tuple(block(float(size)) for size in sizes))

    def solve(self, gradient: Floats) -> Floats:
        """One solve with (q, q) for each predictor."""
        mixed = self.mix.T @ gradient.reshape(len(self.mix), -1)
        solved = np.stack([block.solve(row) for block, row in zip(self.blocks, mixed, strict=True)])
        return np.asarray(self.mix @ solved).ravel()


def unit_trace(covariance: Floats) -> Floats:
    """Covariance of all classes but the first (k, k), divided by the trace of all of them."""
    return np.asarray(covariance / (np.trace(covariance) + covariance.sum()))


def class_pieces(proba: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Covariance (k, k) of the classes but the first, summed over rows, and 1 - |proba|^2 of each row (n,), times `w`."""
    reference = 1.0 - proba.sum(axis=0)
    spread = np.maximum(1.0 - (proba**2).sum(axis=0) - reference**2, 0.0)
    weighted = proba * w
    return np.diag(weighted.sum(axis=1)) - np.dot(weighted, proba.T), spread * w


def _pieces(block: Block, coef: Floats, loss: Loss) -> Floats:
    """Covariance of the classes (k, k), Gram matrix (q, q) and weight of one block, in one flat array."""
    Z = block.X
    w = np.ones(len(Z), dtype=Z.dtype)
    if block.sample_weight is not None:
        w = block.sample_weight.astype(Z.dtype, copy=False)
    covariance, spread = class_pieces(loss.squash(predictors_of(block, Z, coef)), w)
    return np.concatenate([covariance.ravel(), gram(Z, spread).ravel(), [w.sum(dtype=np.float64)]])
