"""Stand-ins for a Hessian: what turns a gradient into a step that is nearly Newton's.

    Factor      H itself, of all rows or of a sample, as L L'                    (fit/cholesky.py)
    Diagonal    1/4 + penalty: the curvature at zero of standardised columns that are independent
    Kronecker   C (x) S + Q (x) P:  mean covariance of the classes, times a Gram matrix of the columns

Each is positive definite on the coefficients that are not held, and solves in far less than a pass.
"""

from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Block, Floats
from oddsmith.fit.cholesky import Factor
from oddsmith.fit.losses import Loss
from oddsmith.fit.matrix import gram, predictors
from oddsmith.fit.objective import Objective

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
        diagonal = CURVATURE_AT_ZERO + np.diag(objective.penalty.hessian)
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
    blocks: tuple[Factor, ...]

    @classmethod
    def of(cls, objective: Objective, theta: Floats, held: NDArray[np.bool_]) -> Self:
        """The metric of a softmax objective, as its rows at `theta` (1, d) show it: one pass."""
        from scipy.linalg import eigh

        objective.n_passes += 1
        coef = theta.reshape(objective.loss.n_coupled, -1)
        pieces = objective.engine(objective.source, partial(_pieces, coef=coef, loss=objective.loss))
        k, q = coef.shape
        covariance, spread = pieces[: k * k].reshape(k, k), pieces[k * k : -1].reshape(q, q) / pieces[-1]
        covariance = covariance / (np.trace(covariance) + covariance.sum())
        sizes, mix = eigh(covariance, objective.penalty.coupling)
        ridge = np.diag(objective.penalty.ridge)
        held = held.reshape(k, q)[0]
        return cls(mix, tuple(factored(size * spread + ridge, held) for size in sizes))

    def solve(self, gradient: Floats) -> Floats:
        """One solve with (q, q) for each predictor."""
        mixed = self.mix.T @ gradient.reshape(len(self.mix), -1)
        solved = np.stack([block.solve(row) for block, row in zip(self.blocks, mixed, strict=True)])
        return np.asarray(self.mix @ solved).ravel()


def _pieces(block: Block, coef: Floats, loss: Loss) -> Floats:
    """Covariance of the classes (k, k), Gram matrix (q, q) and weight of one block, in one flat array."""
    Z = block.X
    proba = loss.squash(predictors(Z, coef))
    w = np.ones(len(Z), dtype=Z.dtype)
    if block.sample_weight is not None:
        w = block.sample_weight.astype(Z.dtype, copy=False)
    reference = 1.0 - proba.sum(axis=0)
    spread = np.maximum(1.0 - (proba**2).sum(axis=0) - reference**2, 0.0)
    weighted = proba * w
    covariance = np.diag(weighted.sum(axis=1)) - weighted @ proba.T
    return np.concatenate([covariance.ravel(), gram(Z, spread * w).ravel(), [w.sum(dtype=np.float64)]])
