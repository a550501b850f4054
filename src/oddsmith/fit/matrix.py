"""The only file that multiplies by X.

A block enters as its design matrix A = [1, (X - centre) / scale]. Standardised inside a block that stays in
the cache, columns far from zero or of extreme size keep their precision, and the data is never copied.

    predictors(A, coef) = A @ coef'        pulled_back(A, r) = r' A        gram(A, d) = A' diag(d) A
"""

from dataclasses import dataclass

import numpy as np

from oddsmith.data.block import Floats, Source
from oddsmith.data.moments import moments
from oddsmith.engines import reduce


@dataclass(frozen=True)
class Standardisation:
    """Where the columns are centred and by what they are divided: `centre`, `scale`, (p,) each."""

    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, source: Source, *, fit_intercept: bool = True) -> "Standardisation":
        """Weighted mean and population sigma of the source's columns; sigma 0 counts as 1.

        Without an intercept the columns are not centred: that would change the model.
        """
        found = reduce(source, moments)
        scale = np.where(found.sigma > 0.0, found.sigma, 1.0)
        return cls(found.mean if fit_intercept else np.zeros_like(scale), scale)

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


def predictors(A: Floats, coef: Floats) -> Floats:
    """Linear predictors (n, k) of the k rows of `coef` (k, p + 1)."""
    return A @ coef.T


def pulled_back(A: Floats, residual: Floats) -> Floats:
    """Sum over rows of residual times row, (k, p + 1), for `residual` (n, k)."""
    return residual.T @ A


def gram(A: Floats, d: Floats) -> Floats:
    """A' diag(d) A, (p + 1, p + 1); `d` (n,) may have either sign."""
    return A.T @ (A * d[:, None])
