"""A block is a few thousand rows; a source is blocks that can be read again and again.

Everything the mathematics does is a sum over rows, so it is a sum over blocks: arrays in memory,
streams and threads differ only in where the blocks come from. Classes, weights and offsets, one number a row,
are in memory whole whatever the source.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]

BLOCK_BYTES = 2_400_000
"""A block stays in the cache, and outlasts the calls it takes : rows = clip(2.4 MB / (8 p), 512, 32768)."""
_COUNTED = 1 << 20
"""Classes that are counted together: NumPy makes integers of 8 bytes of them first."""


def rows_of_block(n_columns: int) -> int:
    """Rows of a block of so many columns."""
    return min(max(BLOCK_BYTES // (8 * max(n_columns, 1)), 512), 32768)


def class_counts(y: Codes, n_classes: int) -> NDArray[np.intp]:
    """How many rows each class has, (n_classes,)."""
    if n_classes == 2:
        positive = np.count_nonzero(y)
        return np.array([len(y) - positive, positive])
    counts = np.zeros(n_classes, dtype=np.intp)
    for start in range(0, len(y), _COUNTED):
        counts += np.bincount(y[start : start + _COUNTED], minlength=n_classes)
    return counts


def of_rows(numbers: Floats | None, rows: slice | NDArray[Any]) -> Floats | None:
    """Numbers (n,) of some rows; None where there are none."""
    return None if numbers is None else numbers[rows]


@dataclass(frozen=True)
class SparseRows:
    """Rows (n, p) of which only the cells that are not zero are kept: a `csr_array` of doubles."""

    matrix: Any

    @property
    def shape(self) -> tuple[int, int]:
        """(n, p)."""
        n, p = self.matrix.shape
        return n, p

    @property
    def dtype(self) -> np.dtype[Any]:
        """Doubles."""
        return np.dtype(np.float64)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.intp]) -> "SparseRows":
        return SparseRows(self.matrix[rows])

    def is_below(self, share: float) -> bool:
        """Whether less than this share of the cells is stored."""
        n, p = self.shape
        return bool(self.matrix.nnz < share * n * p)

    @classmethod
    def of(cls, cells: Floats, columns: NDArray[Any], borders: NDArray[Any], n_columns: int) -> "SparseRows":
        """Rows from the arrays of a `csr_array`, which are kept as they are."""
        from scipy.sparse import csr_array

        return cls(_filled(csr_array((len(borders) - 1, n_columns)), cells, columns, borders))

    @cached_property
    def turned(self) -> Any:
        """The same cells as columns (p, n)."""
        from scipy.sparse import csc_array

        X = self.matrix
        return _filled(csc_array(X.shape[::-1]), X.data, X.indices, X.indptr)

    @property
    def squared(self) -> Any:
        """Columns (p, n) of squared cells."""
        return self.with_cells(np.square(self.matrix.data)).turned

    def with_cells(self, cells: Floats) -> "SparseRows":
        """Rows that hold other numbers in the same places."""
        return SparseRows.of(cells, self.matrix.indices, self.matrix.indptr, self.shape[1])


def _filled(empty: Any, cells: Floats, indices: NDArray[Any], borders: NDArray[Any]) -> Any:
    """A compressed array of these parts; its constructor would copy those that are views."""
    empty.data, empty.indices, empty.indptr = cells, indices, borders
    return empty


@dataclass(frozen=True)
class Block:
    """Some rows: `X` (n, p), class codes `y` (n,), `sample_weight` (n,) or None for ones, `offset` (n,) or None for zeros.

    `X` is of doubles or single precision, or sparse. An offset is the part of the log-odds that is known.
    """

    X: Floats | SparseRows
    y: Codes
    sample_weight: Floats | None = None
    offset: Floats | None = None


class Source(Protocol):
    """Blocks in a fixed order with fixed borders, and single rows for stochastic descent."""

    @property
    def n_rows(self) -> int:
        """Rows in all."""
        ...

    @property
    def n_columns(self) -> int:
        """Columns of `X`, without the intercept."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks' `X`: doubles or single precision."""
        ...

    @property
    def y(self) -> Codes:
        """Class codes of all rows (n_rows,), of any integer type."""
        ...

    @property
    def sample_weight(self) -> Floats | None:
        """Weights of all rows (n_rows,), or None for ones."""
        ...

    @property
    def offset(self) -> Floats | None:
        """Offsets of all rows (n_rows,), or None for zeros."""
        ...

    @property
    def in_order(self) -> bool:
        """Whether rows come in order only, so that to take some is a pass."""
        ...

    def __iter__(self) -> Iterator[Block]: ...

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block."""
        ...


@dataclass(frozen=True)
class Part:
    """A source seen in part, or with other weights; what a view doesn't change is that of the whole."""

    whole: Source

    @property
    def n_rows(self) -> int:
        """Rows in all."""
        return self.whole.n_rows

    @property
    def n_columns(self) -> int:
        """Columns of `X`."""
        return self.whole.n_columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks' `X`."""
        return self.whole.dtype

    @property
    def y(self) -> Codes:
        """Class codes of all rows."""
        return self.whole.y

    @property
    def sample_weight(self) -> Floats | None:
        """Weights of all rows, or None for ones."""
        return self.whole.sample_weight

    @property
    def offset(self) -> Floats | None:
        """Offsets of all rows, or None for zeros."""
        return self.whole.offset

    @property
    def in_order(self) -> bool:
        """Whether to take some rows is a pass."""
        return self.whole.in_order


@dataclass(frozen=True)
class Narrowed(Part):
    """Some columns of a source, in this order."""

    columns: NDArray[np.intp]

    @property
    def n_columns(self) -> int:
        """Columns that are left."""
        return len(self.columns)

    def __iter__(self) -> Iterator[Block]:
        return map(self._part, self.whole)

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block."""
        return self._part(self.whole.take(rows))

    def _part(self, block: Block) -> Block:
        X = block.X
        if isinstance(X, SparseRows):
            return replace(block, X=SparseRows(X.matrix[:, self.columns]))
        return replace(block, X=np.take(X, self.columns, axis=1))


@dataclass(frozen=True)
class Reweighted(Part):
    """A source whose rows have other weights, (n_rows,)."""

    weight: Floats

    @property
    def sample_weight(self) -> Floats:
        """The other weights."""
        return self.weight

    def __iter__(self) -> Iterator[Block]:
        start = 0
        for block in self.whole:
            stop = start + len(block.y)
            yield replace(block, sample_weight=self.weight[start:stop])
            start = stop

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block."""
        return replace(self.whole.take(rows), sample_weight=self.weight[rows])


@dataclass(frozen=True)
class WithoutOffset(Part):
    """A source whose rows have no offset."""

    @property
    def offset(self) -> None:
        """None, for zeros."""
        return None

    def __iter__(self) -> Iterator[Block]:
        return (replace(block, offset=None) for block in self.whole)

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block."""
        return replace(self.whole.take(rows), offset=None)


@dataclass(frozen=True)
class Picked(Part):
    """The rows of a source for which `picked` (n_rows of the whole,) holds, block by block."""

    picked: NDArray[np.bool_]

    @property
    def n_rows(self) -> int:
        """Rows that are left."""
        return int(np.count_nonzero(self.picked))

    @property
    def y(self) -> Codes:
        """Their class codes."""
        return self.whole.y[self.picked]

    @property
    def sample_weight(self) -> Floats | None:
        """Their weights, or None for ones."""
        return of_rows(self.whole.sample_weight, self.picked)

    @property
    def offset(self) -> Floats | None:
        """Their offsets, or None for zeros."""
        return of_rows(self.whole.offset, self.picked)

    def __iter__(self) -> Iterator[Block]:
        start = 0
        for block in self.whole:
            stop = start + len(block.y)
            kept = np.flatnonzero(self.picked[start:stop])
            start = stop
            weight, offset = of_rows(block.sample_weight, kept), of_rows(block.offset, kept)
            yield Block(block.X[kept], block.y[kept], weight, offset)

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers among those that are left, as one block."""
        return self.whole.take(np.flatnonzero(self.picked)[rows])


@dataclass(frozen=True)
class ArraySource:
    """Arrays in memory as a source.

    `X` (n, p) real numbers, `y` (n,) class codes, `sample_weight` (n,) non-negative or None for ones, `offset` (n,) or
    None for zeros.
    Blocks are views where `X` holds doubles or single precision and rows or columns without gaps; of any
    other type or layout they are copies, one at a time.
    """

    X: NDArray[Any]
    y: Codes
    sample_weight: Floats | None = None
    block_rows: int | None = None
    offset: Floats | None = None

    @property
    def n_rows(self) -> int:
        """Rows in all."""
        return len(self.X)

    @property
    def n_columns(self) -> int:
        """Columns of `X`, without the intercept."""
        return int(self.X.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Single precision where `X` is, else doubles."""
        return np.dtype(np.float32 if self.X.dtype == np.float32 else np.float64)

    @property
    def in_order(self) -> bool:
        """No: any row is at hand."""
        return False

    def __iter__(self) -> Iterator[Block]:
        rows = self.block_rows or rows_of_block(self.n_columns)
        for start in range(0, self.n_rows, rows):
            part = slice(start, start + rows)
            yield self._block(self.X[part], part)

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block."""
        by_row = self.X.strides[1:] == (self.X.itemsize,)
        return self._block(np.take(self.X, rows, axis=0) if by_row else self.X[rows], rows)

    def _block(self, X: NDArray[Any], rows: slice | NDArray[np.intp]) -> Block:
        if X.dtype != self.dtype:
            X = X.astype(self.dtype)
        elif X.itemsize not in X.strides:
            X = np.ascontiguousarray(X)
        return Block(X, self.y[rows], of_rows(self.sample_weight, rows), of_rows(self.offset, rows))
