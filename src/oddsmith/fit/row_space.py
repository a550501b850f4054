"""Ridge with more columns than rows, in as many coordinates as there are rows.

    A = (X - centre) / scale        A W^-1/2 = L Q',  Q'Q = I        theta = W^-1/2 Q phi

Whatever direction no row points in only costs penalty, so the optimum is a combination of rows. In these
coordinates the log-odds are those of L, (n, n), and the penalty theta' W theta is |phi|^2: the same
objective, with a Hessian of n^2 numbers in place of p^2, and the same Newton decrement.

Source: Hastie and Tibshirani (2004), Efficient quadratic regularization for expression arrays.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.fit.matrix import Standardisation

SPREAD = 1e4
"""Columns whose penalised sizes differ by more would lose digits of the small ones in a rotation."""


@dataclass(frozen=True)
class RowSpace:
    """`rows` (n, n) in the new coordinates; `back` (p, n) leads to standardised coefficients."""

    rows: Floats
    back: Floats

    @staticmethod
    def fits(n_rows: int, weight: Floats) -> bool:
        """Whether rotating `n_rows` rows, whose columns weigh `weight` (p,) in the penalty, saves work, not digits."""
        return n_rows < len(weight) and bool(0.0 < weight.max() <= SPREAD**2 * weight.min())

    @classmethod
    def of(cls, X: NDArray[Any], standardisation: Standardisation, weight: Floats) -> Self:
        """Rotate rows `X` (n, p) of fewer rows than columns; `weight` (p,) is each column's in the penalty."""
        unit = np.sqrt(weight)
        A = np.subtract(X, standardisation.centre, dtype=np.float64)
        A /= standardisation.scale * unit
        Q, R = np.linalg.qr(A.T)
        return cls(np.ascontiguousarray(R.T), Q / unit[:, None])

    def standardised(self, theta: Floats) -> Floats:
        """Coefficients (k, p + 1) of standardised columns from those of `rows` (k, n + 1), intercepts first."""
        return np.column_stack([theta[:, 0], theta[:, 1:] @ self.back.T])
