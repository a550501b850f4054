"""Size, count, mean and spread of every column, as sums that add.

    largest = max |x|
    weight = sum w        mean = sum w x / weight        scatter = sum w (x - mean)^2
    sigma  = sqrt(scatter / weight)      (the population sigma)

Two parts merge without cancellation: the scatter about the joint mean is the sum of the scatters plus
`w1 w2 / (w1 + w2) * (mean1 - mean2)^2` (Chan, Golub and LeVeque 1983). Squares neither overflow nor vanish
where columns are measured in units of their own size.

Zeros that sparse rows don't hold enter by their number. There sums of squares about zero do, but for columns that
are nearly full and far from zero; of these a block writes out its own.
"""

from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from oddsmith.data.block import Block, Floats, Source, SparseRows
from oddsmith.engines import Engine, reduce, workspace

CLOSE = 16.0
"""Variances between a block's mean and zero, or its first row, that cost two digits at most."""
HEAD = 16
"""Rows of a block that foretell this."""

TOGETHER = 1024
"""Numbers of a few rows that are summed side by side."""

CANCELLED = 1e-6
"""A scatter that is this small beside the squares it comes from has lost digits."""


@dataclass(frozen=True)
class Moments:
    """Weighted moments of p columns: arrays of shape (p,); `weight` is the total."""

    weight: float
    mean: Floats
    scatter: Floats

    @property
    def sigma(self) -> Floats:
        """Population standard deviation (p,); 0 for a constant column."""
        return np.sqrt(self.scatter / self.weight)

    def __add__(self, other: Self) -> Self:
        weight = self.weight + other.weight
        if weight == 0.0:
            return self
        gap = other.mean - self.mean
        return type(self)(
            weight,
            self.mean + gap * (other.weight / weight),
            self.scatter + other.scatter + gap * gap * (self.weight * other.weight / weight),
        )


def moments(block: Block, unit: Floats | None = None) -> Moments:
    """The moments of one block with its columns divided by `unit` (p,): a kernel for `reduce`."""
    w = block.sample_weight
    weight = float(len(block.X)) if w is None else float(w.sum())
    if weight == 0.0:
        return Moments(0.0, np.zeros(block.X.shape[1]), np.zeros(block.X.shape[1]))
    if isinstance(block.X, SparseRows):
        return _of_sparse(block.X, w, weight, unit)
    first = 0 if w is None else int(np.argmax(w > 0))
    if unit is None and (len(block.X) <= HEAD or _is_close(block.X[first : first + HEAD])):
        found = _about_zero(block.X, w, weight)
        if (weight * found.mean**2 <= CLOSE * found.scatter).all():
            return found
    w = np.ones(len(block.X)) if w is None else w
    origin = block.X[first].astype(np.float64)
    if unit is not None:
        origin /= unit
    centred = workspace(0, block.X.shape)
    _centre(block.X, origin, unit, centred)
    shift = np.dot(w, centred) / weight
    squares = weight * shift**2
    scatter = np.dot(w, np.square(centred, out=centred)) - squares
    if (squares > CLOSE * scatter).any():
        _centre(block.X, origin, unit, centred)
        centred -= shift
        scatter = np.dot(w, np.square(centred, out=centred))
    return Moments(weight, origin + shift, scatter)


def _is_close(head: Floats) -> bool:
    """Whether the means of some rows are few variances from zero, so that it is worth trying without centring."""
    mean = head.mean(axis=0, dtype=np.float64)
    return bool((mean**2 <= CLOSE * head.var(axis=0, dtype=np.float64)).all())


def _about_zero(X: Floats, w: Floats | None, weight: float) -> Moments:
    """The moments from sums of squares about zero, which half as many operations give."""
    if X.dtype != np.float64 or not X.flags.c_contiguous:
        plain = workspace(0, X.shape)
        np.copyto(plain, X)
        X = plain
    if w is None:
        total, squares = _sums(X)
    else:
        total, squares = np.dot(w, X), np.dot(w, np.square(X, out=workspace(0, X.shape)))
    mean = total / weight
    return Moments(weight, mean, squares - weight * mean**2)


def _sums(X: Floats) -> tuple[Floats, Floats]:
    """Sums and sums of squares of columns (p,), of several rows at a time: loops over short rows cost more than they add."""
    p = X.shape[1]
    together = max(1, TOGETHER // max(p, 1))
    whole = len(X) // together * together
    folded, rest = X[:whole].reshape(whole // together, together * p), X[whole:]
    total = np.add.reduce(folded, axis=0).reshape(together, p).sum(axis=0)
    squares = np.einsum("ij,ij->j", folded, folded).reshape(together, p).sum(axis=0)
    return total + rest.sum(axis=0), squares + np.einsum("ij,ij->j", rest, rest)


def _centre(X: Floats, origin: Floats, unit: Floats | None, out: Floats) -> None:
    if unit is None:
        np.subtract(X, origin, out=out)
    else:
        np.divide(X, unit, out=out)
        out -= origin


def _of_sparse(X: SparseRows, w: Floats | None, weight: float, unit: Floats | None) -> Moments:
    """The moments of sparse rows that weigh `weight` > 0 in all."""
    if unit is not None:
        X = X.with_cells(X.matrix.data / unit[X.matrix.indices])
    w = np.ones(len(X)) if w is None else w
    squares = X.squared @ w
    mean = X.turned @ w / weight
    scatter = squares - weight * mean * mean
    lost = np.flatnonzero(scatter < CANCELLED * squares)
    if len(lost):
        rows = w > 0
        full = Block(X.matrix[rows][:, lost].toarray(), np.empty(0, dtype=np.int64), w[rows])
        exact = moments(full)
        mean[lost], scatter[lost] = exact.mean, exact.scatter
    return Moments(weight, mean, scatter)


@dataclass(frozen=True)
class Extent:
    """The largest absolute value of each column (p,), whatever a row weighs; NaN where a cell is NaN."""

    largest: Floats

    def __add__(self, other: Self) -> Self:
        return type(self)(np.maximum(self.largest, other.largest))


@dataclass(frozen=True)
class Measures:
    """What is known of p columns before a fit: arrays (p,), `largest` NaN or infinite where a cell is."""

    largest: Floats
    """Largest absolute value, or a bound of it where none can come near the end of a double's range."""
    mean: Floats
    sigma: Floats


def measures(source: Source, engine: Engine = reduce) -> Measures:
    """Size, weighted mean and population sigma of a source's columns, whatever their size.

    One pass, where sums of squares show that nothing is out of range; more where they don't, or where rows
    without weight have no part in them.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # where a cell is no finite double
        found = engine(source, moments)
        squares, size = found.scatter, np.abs(found.mean)
        sound = np.isfinite(squares) & ((squares > 1e-200) | (size > 1e-100)) & (size < 1e100)
        w = source.sample_weight
        if sound.all() and (w is None or w.min(initial=1.0) > 0.0):
            least = 1.0 if w is None else float(w.min(initial=1.0))
            return Measures(size + np.sqrt(squares / least), found.mean, found.sigma)
        largest = engine(source, extent).largest
        ordinary = ~np.isfinite(largest) | ((largest < 1e100) & (largest > 1e-100)) | (largest == 0.0)
        if not ordinary.all():
            unit = np.ldexp(1.0, np.where(ordinary, 0, np.frexp(largest)[1] - 1))
            found = engine(source, partial(moments, unit=unit))
            return Measures(largest, found.mean * unit, found.sigma * unit)
        return Measures(largest, found.mean, found.sigma)


def extent(block: Block) -> Extent:
    """The extent of one block: a kernel for `reduce`."""
    X = block.X
    if isinstance(X, SparseRows):
        largest = np.zeros(X.shape[1])
        np.maximum.at(largest, X.matrix.indices, np.abs(X.matrix.data))
        return Extent(largest)
    return Extent(np.maximum(X.max(axis=0, initial=0.0), -X.min(axis=0, initial=0.0)).astype(np.float64))
