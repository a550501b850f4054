"""The only file that multiplies by X.

A block enters as its design matrix A = [1, X - centre]: centring by column, inside a block that stays in
the cache, keeps full precision for columns far from zero and costs no copy of the data.

    predictors(A, coef) = A @ coef'        pulled_back(A, r) = r' A        gram(A, d) = A' diag(d) A
"""

import numpy as np

from oddsmith.data.block import Floats


def design_matrix(X: Floats, centre: Floats) -> Floats:
    """[1, X - centre], (n, p + 1)."""
    A = np.empty((X.shape[0], X.shape[1] + 1))
    A[:, 0] = 1.0
    np.subtract(X, centre, out=A[:, 1:])
    return A


def predictors(A: Floats, coef: Floats) -> Floats:
    """Linear predictors (n, k) of the k rows of `coef` (k, p + 1)."""
    return A @ coef.T


def pulled_back(A: Floats, residual: Floats) -> Floats:
    """Sum over rows of residual times row, (k, p + 1), for `residual` (n, k)."""
    return residual.T @ A


def gram(A: Floats, d: Floats) -> Floats:
    """A' diag(d) A, (p + 1, p + 1); `d` (n,) may have either sign."""
    return A.T @ (A * d[:, None])
