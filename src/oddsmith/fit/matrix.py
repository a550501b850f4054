"""The only file that multiplies by X.

A block enters as its standardised columns Z = (X - centre) / scale, with an intercept in front:
A = [1, Z]. Inside a block that stays in the cache, columns far from zero or of extreme size keep their
precision, and the data is never copied.

    predictors(Z, coef) = coef A'        pulled_back(Z, r) = r A        gram(Z, d) = A' diag(d) A

Where every centre is near zero, in units of its scale, the change of coefficients does without a copy:

    coef A' = slopes X' + intercept,  slopes = coef / scale,  intercept = coef_0 - slopes centre
    r A     = [sum r, (r X - centre sum r) / scale]

Sparse rows always go that way, for centring them would fill them; what needs Z itself sees a few rows at a time.

Products are np.dot's: the operator @ keeps Python's lock where its result has fewer than some 500 numbers (NumPy 2.4),
as r A and A' diag(d) A mostly have, and the other threads would wait for it.

A fitted model scores rows about their training means, where log-odds far from zero keep their digits:

    log_odds(X) = average + (X - mean) @ coef'
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from oddsmith.data.block import BLOCK_BYTES, Floats, SparseRows
from oddsmith.data.moments import Measures
from oddsmith.engines import workspace

STANDARDISED, WEIGHTED, PRODUCTS = range(3)
"""Places in a thread's workspace."""
NEAR, NEAR_SINGLE = 1000.0, 10.0
"""Scales from zero up to which a column is near: three digits of 16 to lose, or one of 7."""
FEW = 4
"""Predictors up to which a product for each is faster than one product for all."""
WIDE = 100
"""Columns beyond which a transposed product is the faster one."""
LEAST_SQUARE = 1e-11
"""The part of a sum of squares about zero below which the one about the centre is rounding."""
SCORED_CELLS = 1 << 18
"""Cells of sparse rows that are scored at once."""
SPARSE = 16
"""Columns for each that has a coefficient from which on it pays to read those alone: a cache line holds eight."""
THIN = 0.08
"""Share of cells that are not zero below which products of those alone are faster than of all."""
COUPLED_BYTES = 2_000_000
"""Products of shares and columns that are held at once."""


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

    @cached_property
    def is_identity(self) -> bool:
        """Whether the columns are standardised as they are."""
        return not self.centre.any() and bool((self.scale == 1.0).all())

    @cached_property
    def farthest(self) -> float:
        """The largest centre in units of its scale."""
        return float((np.abs(self.centre) / self.scale).max(initial=0.0))

    def is_near(self, dtype: np.dtype[Any]) -> bool:
        """Whether products with columns of this type as they are keep enough digits after centring."""
        return self.farthest <= (NEAR if dtype.itemsize == 8 else NEAR_SINGLE)

    def columns(self, X: "Floats | SparseRows") -> "Columns":
        """Z = (X - centre) / scale, (n, p), until this thread asks again; `X` itself where that is the same.

        Of sparse rows it is only thought of.
        """
        if self.is_identity:
            return X
        if isinstance(X, SparseRows):
            return Implicit(X, self)
        Z = np.subtract(X, self.centre, out=workspace(STANDARDISED, X.shape))
        Z *= self._inverse
        return np.asarray(Z)

    @cached_property
    def _inverse(self) -> Floats:
        """1 / scale (p,): products are several times faster than quotients."""
        return np.reciprocal(self.scale)

    def raw(self, coef: Floats) -> Floats:
        """Coefficients (k, p + 1) of [1, X] that give the predictors of `coef` (k, p + 1) on A."""
        return np.column_stack(self.on_user_scale(coef))

    def standardised(self, pulled: Floats) -> Floats:
        """r A from r [1, X], (k, p + 1) both."""
        return np.column_stack([pulled[:, 0], (pulled[:, 1:] - pulled[:, :1] * self.centre) / self.scale])

    def on_user_scale(self, coef: Floats) -> tuple[Floats, Floats]:
        """Intercepts (k,) and coefficients (k, p) of X from those of A, (k, p + 1)."""
        slopes = coef[:, 1:] / self.scale
        return coef[:, 0] - slopes @ self.centre, slopes


@dataclass(frozen=True)
class Implicit:
    """Z = (X - centre) / scale of sparse rows, which is never written out."""

    X: SparseRows
    by: Standardisation

    @property
    def shape(self) -> tuple[int, int]:
        """(n, p)."""
        return self.X.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Doubles."""
        return self.X.dtype

    def __len__(self) -> int:
        return len(self.X)


Columns = Floats | SparseRows | Implicit
"""Z (n, p): an array, or sparse rows as they are or standardised."""


def written_out(Z: Columns, rows: slice = slice(None)) -> Floats:
    """Some rows of Z as an array; a view of one that is."""
    if isinstance(Z, Implicit):
        X = Z.X.matrix[rows].toarray()
        X -= Z.by.centre
        X /= Z.by.scale
        return np.asarray(X)
    return Z.matrix[rows].toarray() if isinstance(Z, SparseRows) else Z[rows]


def _parts(Z: Columns) -> Iterator[slice]:
    """Stretches of rows that may be written out."""
    rows = max(64, BLOCK_BYTES // (8 * max(Z.shape[1], 1)))
    return (slice(start, start + rows) for start in range(0, len(Z), rows))


def log_odds(X: Any, mean: Floats, coef: Floats, average: Floats) -> Floats:
    """Log-odds (n, k) of the rows of `X` (n, p); `mean` (p,), `coef` (k, p), `average` (k,).

    Sums run along each row by itself: a row's bits depend neither on its neighbours nor on `X`'s layout or
    on a number of threads, as they would in a matrix product of BLAS. Overflow gives infinity or NaN. Sparse `X`, a
    `csr_array`, is scored without centring it.
    """
    n, p = X.shape
    eta = np.empty((n, len(coef)))
    if not isinstance(X, np.ndarray):
        rows = max(1, n * SCORED_CELLS // max(X.nnz, 1))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, n, rows):
                part = X[start : start + rows].astype(np.float64, copy=False)
                for j, row in enumerate(coef):
                    eta[start : start + rows, j] = part @ row
            eta += average - coef @ mean
        return eta
    rows = max(1, BLOCK_BYTES // (8 * max(p, 1)))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, n, rows):
            part = X[start : start + rows]
            centred = np.subtract(part, mean, out=np.empty(part.shape), dtype=np.float64)
            np.einsum("ij,kj->ik", centred, coef, out=eta[start : start + rows])
        eta += average
    return eta


def predictors(Z: Columns, coef: Floats) -> Floats:
    """Linear predictors (k, n) of the k rows of `coef` (k, p + 1), as precise as `Z` (n, p)."""
    if isinstance(Z, Implicit):
        return predictors(Z.X, Z.by.raw(coef))
    if isinstance(Z, SparseRows):
        if len(coef) <= FEW:
            eta = np.stack([Z.matrix @ row for row in coef[:, 1:]])
        else:
            eta = np.ascontiguousarray((Z.matrix @ np.ascontiguousarray(coef[:, 1:].T)).T)
        eta += coef[:, :1]
        return eta
    if Z.shape[1] > WIDE:
        used = np.flatnonzero(np.logical_or.reduce(coef[:, 1:]))
        if len(used) * SPARSE < Z.shape[1]:
            Z, coef = np.take(Z, used, axis=1), np.take(coef, np.append(0, 1 + used), axis=1)
    coef = coef.astype(Z.dtype, copy=False)
    k = len(coef)
    if k == 1:
        alone: Floats = np.dot(Z, coef[0, 1:])
        alone += coef[0, 0]
        return alone[None]
    eta = np.empty((k, len(Z)), dtype=Z.dtype)
    if k <= FEW:
        for j in range(k):
            np.dot(Z, coef[j, 1:], out=eta[j])
    else:
        np.dot(coef[:, 1:], Z.T, out=eta)
    eta += coef[:, :1]
    return eta


def pulled_back(Z: Columns, residual: Floats) -> Floats:
    """Sum over rows of residual times [1, z], (k, p + 1), for `residual` (k, n)."""
    if isinstance(Z, Implicit):
        return Z.by.standardised(pulled_back(Z.X, residual))
    k, p = len(residual), Z.shape[1]
    pulled = np.empty((k, p + 1))
    np.add.reduce(residual, axis=1, dtype=np.float64, out=pulled[:, 0])
    if isinstance(Z, SparseRows):
        _by_column(Z.turned, residual, out=pulled[:, 1:])
    elif k <= FEW:
        for j in range(k):
            pulled[j, 1:] = np.dot(residual[j], Z)
    elif p > WIDE:
        pulled[:, 1:] = np.dot(Z.T, np.ascontiguousarray(residual.T)).T
    else:
        pulled[:, 1:] = np.dot(residual, Z)
    return pulled


def _by_column(turned: Any, residual: Floats, out: Floats) -> None:
    """Sparse columns `turned` (p, n) times residuals (k, n), into `out` (k, p)."""
    if len(residual) <= FEW:
        for j, row in enumerate(residual):
            out[j] = turned @ row
    else:
        out[:] = (turned @ np.ascontiguousarray(residual.T)).T


def squared_lengths(Z: Columns, d: Floats) -> Floats:
    """The diagonals of A' diag(d) A for A = [1, Z], (k, p + 1), of each of k weights `d` (k, n).

    Of sparse columns far from zero little more than their signs is left: `LEAST_SQUARE` of what they were made of.
    """
    out = np.empty((len(d), Z.shape[1] + 1))
    out[:, 0] = d.sum(axis=1)
    if isinstance(Z, Implicit):
        raw, centre = squared_lengths(Z.X, d)[:, 1:], Z.by.centre
        first = np.empty_like(raw)
        _by_column(Z.X.turned, d, out=first)
        centred = raw + centre * (centre * out[:, :1] - 2.0 * first)
        out[:, 1:] = np.maximum(centred, LEAST_SQUARE * raw) / Z.by.scale**2
    elif isinstance(Z, SparseRows):
        _by_column(Z.squared, d, out=out[:, 1:])
    else:
        squares = np.square(Z, out=workspace(WEIGHTED, Z.shape, Z.dtype))
        out[:, 1:] = np.dot(d.astype(Z.dtype, copy=False), squares)
    return out


def gram(Z: Columns, d: Floats) -> Floats:
    """A' diag(d) A for A = [1, Z], (p + 1, p + 1); `d` (n,) is not negative.

    A product of a matrix with itself takes half the work, and NumPy sees to that. Of sparse rows with few cells only
    these are multiplied, where centring takes few digits.
    """
    if isinstance(Z, Implicit) and Z.X.is_below(THIN) and Z.by.farthest <= NEAR_SINGLE:
        return Z.by.standardised(Z.by.standardised(gram(Z.X, d)).T)
    if isinstance(Z, SparseRows) and Z.is_below(THIN):
        out = np.empty((Z.shape[1] + 1,) * 2)
        out[0, 0] = d.sum()
        out[0, 1:] = out[1:, 0] = Z.turned @ d
        weighted = Z.with_cells(Z.matrix.data * np.repeat(np.sqrt(d), np.diff(Z.matrix.indptr)))
        out[1:, 1:] = (weighted.turned @ weighted.matrix).toarray()
        return out
    if not isinstance(Z, np.ndarray):
        total = np.zeros((Z.shape[1] + 1,) * 2)
        for part in _parts(Z):
            total += gram(written_out(Z, part), d[part])
        return total
    root = np.sqrt(d)
    weighted = np.multiply(Z, root[:, None], out=workspace(WEIGHTED, Z.shape, Z.dtype))
    out = np.empty((Z.shape[1] + 1,) * 2)
    out[0, 0] = d.sum(dtype=np.float64)
    out[0, 1:] = out[1:, 0] = np.dot(root, weighted)
    out[1:, 1:] = np.dot(weighted.T, weighted)
    return out


def coupled_gram(Z: Columns, share: Floats) -> Floats:
    """Sum over rows of share_k share_m [1, z] [1, z]' for each pair k > m of `share` (k, n).

    (k (p + 1), k (p + 1)), symmetric, with zeros in place of the pairs k = m.
    """
    k, q = len(share), Z.shape[1] + 1
    out = np.zeros((k, q, k, q))
    if not isinstance(Z, np.ndarray):
        total = np.zeros((k * q, k * q))
        for part in _parts(Z):
            total += coupled_gram(written_out(Z, part), share[:, part])
        return total
    step = max(64, COUPLED_BYTES // (Z.itemsize * k * q))
    for start in range(0, len(Z), step):
        rows = slice(start, start + step)
        products = workspace(PRODUCTS, (k, len(Z[rows]), q), Z.dtype)
        products[:, :, 0] = share[:, rows]
        for j in range(k):
            np.multiply(Z[rows], share[j, rows, None], out=products[j, :, 1:])
            for m in range(j):
                out[j, :, m] += np.dot(products[j].T, products[m])
    for j in range(k):
        for m in range(j):
            out[m, :, j] = out[j, :, m].T
    return out.reshape(k * q, k * q)
