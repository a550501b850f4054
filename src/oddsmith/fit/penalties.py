"""Ridge, on the mean loss:

    value(b)    = alpha / 2 * sum_j m_j b_j' C b_j        gradient = alpha m_j C b_j

j runs over columns (never the intercept). m_j is 1 where the penalty acts on standardised columns and
1 / scale_j^2 where it acts on the user's. C couples the predictors of one problem: 1 for Bernoulli and
I - 11'/K for the K - 1 predictors of softmax (K > 2), which is the ridge of all K classes once these are centred
to sum to zero.
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
class Ridge:
    """`alpha` >= 0; `metric` (p + 1,) with 0 for the intercept; `coupling` (M, M)."""

    alpha: float
    metric: Floats
    coupling: Floats

    @classmethod
    def of(cls, alpha: float, scale: Floats, n_coupled: int = 1, *, standardize: bool = True) -> Self:
        """The ridge of columns with these scales (p,), on standardised columns or on the user's."""
        metric = np.ones_like(scale) if standardize or alpha == 0.0 else scale**-2
        coupling = np.ones((1, 1)) if n_coupled == 1 else softmax_coupling(n_coupled + 1)
        return cls(alpha, np.concatenate([[0.0], metric]), coupling)

    def gradient(self, coef: Floats) -> Floats:
        """Derivative at `coef` (G, d), same shape."""
        shaped = coef.reshape(len(coef), len(self.coupling), -1)
        return np.asarray(self.alpha * self.metric * (self.coupling @ shaped)).reshape(coef.shape)

    def value(self, coef: Floats) -> Floats:
        """Penalty of each problem, (G,)."""
        return np.asarray(0.5 * (coef * self.gradient(coef)).sum(axis=1))

    @cached_property
    def hessian(self) -> Floats:
        """Second derivative, (d, d), the same for every problem."""
        return np.asarray(np.kron(self.coupling, np.diag(self.alpha * self.metric)), dtype=np.float64)
