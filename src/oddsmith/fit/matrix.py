"""The only file that multiplies by X.

A block enters as its design matrix A = [1, (X - centre) / scale]. Standardised inside a block that stays in
the cache, columns far from zero or of extreme size keep their precision, and the data is never copied.

    predictors(A, coef) = A @ coef'        pulled_back(A, r) = r' A        gram(A, d) = A' diag(d) A

A fitted model scores rows about their training means, where log-odds far from zero keep their digits:

    log_odds(X) = average + (X - mean) @ coef'
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import BLOCK_BYTES, Floats
from oddsmith.data.moments import Measures


@dataclass(frozen=True)
class Standardisation:
    """Where the columns are centred and by what they are divided: `centre`, `scale`, (p,) each."""

    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, columns: Measures, *, fit_intercept: bool = True) -> "Standardisation":
        """Weighted mean and population sigma of the columns; sigma 0 counts as 1.

        Without an intercept the columns are not centred: that would change the model.
        """
        scale = np.where(columns.sigma > 0.0, columns.sigma, 1.0)
        return cls(columns.mean if fit_intercept else np.zeros_like(scale), scale)

    def design_matrix(self, X: Floats) -> Floats:
        """[1, (X - centre) / scale], (n, p + 1)."""
        A = np.empty((X.shape[0], X.shape[1] + 1))
        A[:, 0] = 1.0
        np.subtract(X, self.centre, out=A[:, 1:])
        A[:, 1:] /= self.scale
        return A

    def on_user_scale(self, coef: Floats) -> tuple[Floats, Floats]:
        """Intercepts (k,) and coefficients (k, p) of X from those of A, (k, p + 1)."""
        slopes = coef[:, 1:] / self.scale
        return coef[:, 0] - slopes @ self.centre, slopes


def log_odds(X: NDArray[Any], mean: Floats, coef: Floats, average: Floats) -> Floats:
    """Log-odds (n, k) of the rows of `X` (n, p); `mean` (p,), `coef` (k, p), `average` (k,).

    Sums run along each row by itself: a row's bits depend neither on its neighbours nor on `X`'s layout or
    on a number of threads, as they would in a matrix product of BLAS. Overflow gives infinity or NaN.
    """
    n, p = X.shape
    eta = np.empty((n, len(coef)))
    rows = max(1, BLOCK_BYTES // (8 * max(p, 1)))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, n, rows):
            part = X[start : start + rows]
            centred = np.subtract(part, mean, out=np.empty(part.shape), dtype=np.float64)
            np.einsum("ij,kj->ik", centred, coef, out=eta[start : start + rows])
        eta += average
    return eta


def predictors(A: Floats, coef: Floats) -> Floats:
    """Linear predictors (n, k) of the k rows of `coef` (k, p + 1)."""
    return A @ coef.T


def pulled_back(A: Floats, residual: Floats) -> Floats:
    """Sum over rows of residual times row, (k, p + 1), for `residual` (n, k)."""
    return residual.T @ A


def gram(A: Floats, d: Floats) -> Floats:
    """A' diag(d) A, (p + 1, p + 1); `d` (n,) may have either sign.

    A product of a matrix with itself takes half the work, and NumPy sees to that.
    """
    if not (d >= 0.0).all():
        return A.T @ (A * d[:, None])
    root = A * np.sqrt(d)[:, None]
    return root.T @ root
