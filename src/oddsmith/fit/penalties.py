"""Ridge, lasso and what lies between (the elastic net), on the mean loss:

    value(b) = alpha * sum_j ( l1_ratio s_j |b_j|_1 + (1 - l1_ratio) / 2 s_j^2 b_j' C b_j )

j runs over columns (never the intercept). s_j is 1 where the penalty acts on standardised columns and
1 / scale_j where it acts on the user's. C couples the predictors of one problem: 1 for Bernoulli and
I - 11'/K for the K - 1 predictors of softmax (K > 2), which is the ridge of all K classes once these are centred
to sum to zero.

The absolute values have no slope at zero, and that is what makes coefficients exactly zero: one stays there as
long as the slope of the rest is no steeper than its `weight`. Gradients and Hessians here are those of the
smooth part, and `violation` is what they leave to do.

Absolute values don't sum to the same for every reference class, so softmax with them has all K classes. Adding
one number to every class changes no probability; `anchored` holds the intercepts at the sum of zero.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from oddsmith.data.block import Floats


def softmax_coupling(n_classes: int) -> Floats:
    """I - 11'/K for K - 1 reference-coded predictors, (K - 1, K - 1)."""
    return np.eye(n_classes - 1) - 1.0 / n_classes


@dataclass(frozen=True)
class ElasticNet:
    """`alpha` >= 0; `l1_ratio` from 0 (ridge) to 1 (lasso); `coupling` (M, M).

    `unit` (p + 1,) are coefficients as the penalty sees them in units of standardised ones, 0 for the intercept.
    """

    alpha: float
    unit: Floats
    coupling: Floats
    l1_ratio: float = 0.0
    anchored: bool = False

    @classmethod
    def of(
        cls,
        alpha: float,
        scale: Floats,
        n_coupled: int = 1,
        *,
        standardize: bool = True,
        l1_ratio: float = 0.0,
        symmetric: bool = False,
    ) -> Self:
        """The penalty of columns with these scales (p,), on standardised columns or on the user's.

        `symmetric`: the coupled predictors are those of all classes, without a reference.
        """
        unit = np.ones_like(scale) if standardize or alpha == 0.0 else 1.0 / scale
        free = symmetric or n_coupled == 1
        coupling = np.eye(n_coupled) if free else softmax_coupling(n_coupled + 1)
        return cls(alpha, np.concatenate([[0.0], unit]), coupling, l1_ratio, symmetric)

    @cached_property
    def ridge(self) -> Floats:
        """Curvature of each column's coefficient, (p + 1,)."""
        return np.asarray(self.alpha * (1.0 - self.l1_ratio) * self.unit**2)

    @cached_property
    def weight(self) -> Floats:
        """Slope of the absolute value of each coefficient of one problem, (d,)."""
        return np.tile(self.alpha * self.l1_ratio * self.unit, len(self.coupling))

    @property
    def is_smooth(self) -> bool:
        """Whether there are no absolute values."""
        return self.alpha * self.l1_ratio == 0.0

    def value(self, coef: Floats, gradient: Floats | None = None) -> Floats:
        """Penalty of each problem, (G,); `gradient` (G, d) is that at `coef`, where it is known."""
        slope = self.gradient(coef) if gradient is None else gradient
        smooth = np.asarray(0.5 * (coef * slope).sum(axis=1))
        return smooth if self.is_smooth else smooth + np.abs(coef) @ self.weight

    def gradient(self, coef: Floats) -> Floats:
        """Derivative of the smooth part at `coef` (G, d), same shape."""
        shaped = coef.reshape(len(coef), len(self.coupling), -1)
        coupled = self.coupling * shaped if len(self.coupling) == 1 else self.coupling @ shaped
        slope = self.ridge * coupled
        if self.anchored:
            slope[:, :, 0] += shaped[:, :, 0].mean(axis=1, keepdims=True)
        return np.asarray(slope).reshape(coef.shape)

    @property
    def diagonal(self) -> Floats:
        """The diagonal of the smooth part's second derivative, (d,), where no intercept is anchored."""
        return np.outer(np.diag(self.coupling), self.ridge).ravel()

    @cached_property
    def hessian(self) -> Floats:
        """Second derivative of the smooth part, (d, d), the same for every problem."""
        k, q = len(self.coupling), len(self.unit)
        found: Floats = np.einsum("kl,ij->kilj", self.coupling, np.diag(self.ridge)).reshape(k * q, k * q)
        if self.anchored:
            found[::q, ::q] += 1.0 / len(self.coupling)
        return found

    def smallest(self, coef: Floats) -> Floats:
        """Of the optima that a shift of all classes leads to from `coef` (G, d), the one with the least squares.

        A shift leaves a sum of absolute values as it is only between the two middle ones of an even number.
        """
        if not (self.anchored and self.l1_ratio == 1.0) or len(self.coupling) % 2:
            return coef
        shaped = coef.reshape(len(coef), len(self.coupling), -1)
        half = len(self.coupling) // 2
        ordered = np.sort(shaped, axis=1)
        shift = np.clip(shaped.mean(axis=1), ordered[:, half - 1], ordered[:, half])
        shift[:, 0] = 0.0
        return np.asarray(shaped - shift[:, None, :]).reshape(coef.shape)

    def shrunk(self, coef: Floats, length: float) -> Floats:
        """The proximal step: `coef` (G, d) moved towards zero by `length` times their weights, no further."""
        return np.sign(coef) * np.maximum(np.abs(coef) - length * self.weight, 0.0)

    def slope_along(self, coef: Floats, gradient: Floats, step: Floats) -> Floats:
        """Slope (G,) of the whole objective where `step` has led to `coef`, (G, d) both, along it: before any kink."""
        grown = np.where(coef == 0.0, -np.abs(step), np.sign(coef) * step)
        return np.asarray((gradient * step).sum(axis=1) + grown @ self.weight)

    def violation(self, coef: Floats, gradient: Floats) -> Floats:
        """The smallest slope of the whole objective at `coef` (G, d), whose smooth part has this `gradient`.

        It is zero at the optimum and nowhere else: at zero a coefficient has all slopes that are within its
        weight of the smooth one.
        """
        at_zero = np.sign(gradient) * np.maximum(np.abs(gradient) - self.weight, 0.0)
        return np.where(coef == 0.0, at_zero, gradient + np.sign(coef) * self.weight)
