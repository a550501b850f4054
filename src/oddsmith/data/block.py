"""A block is a few thousand rows; a source is blocks that can be read again and again.

Everything the mathematics does is a sum over rows, so it is a sum over blocks: arrays in memory,
streams and threads differ only in where the blocks come from. Classes and weights, one number a row, are
in memory whole whatever the source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]

BLOCK_BYTES = 700_000
"""A block stays in a core's cache : rows = clip(700 kB / (8 p), 256, 8192)."""


def rows_of_block(n_columns: int) -> int:
    """Rows of a block of so many columns."""
    return min(max(BLOCK_BYTES // (8 * max(n_columns, 1)), 256), 8192)


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
    """Some rows: `X` (n, p), class codes `y` (n,), `sample_weight` (n,) or None for ones.

    `X` is of doubles or single precision, or sparse.
    """

    X: Floats | SparseRows
    y: Codes
    sample_weight: Floats | None = None


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

    def __iter__(self) -> Iterator[Block]: ...

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block."""
        ...


@dataclass(frozen=True)
class ArraySource:
    """Arrays in memory as a source.

    `X` (n, p) real numbers, `y` (n,) class codes, `sample_weight` (n,) non-negative or None for ones.
    Blocks are views where `X` holds doubles or single precision and rows or columns without gaps; of any
    other type or layout they are copies, one at a time.
    """

    X: NDArray[Any]
    y: Codes
    sample_weight: Floats | None = None
    block_rows: int | None = None

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

    def __iter__(self) -> Iterator[Block]:
        rows = self.block_rows or rows_of_block(self.n_columns)
        for start in range(0, self.n_rows, rows):
            yield self._part(slice(start, start + rows))

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block."""
        return self._part(rows)

    def _part(self, rows: slice | NDArray[np.intp]) -> Block:
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        X = self.X[rows]
        if X.dtype != self.dtype:
            X = X.astype(self.dtype)
        elif X.itemsize not in X.strides:
            X = np.ascontiguousarray(X)
        return Block(X, self.y[rows], weight)
