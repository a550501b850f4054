"""Sparse rows as a source: what is zero is neither stored nor multiplied.

    bytes = (8 or 4 for the cell + 4 for its column) a non-zero,    a pass = two multiplications a non-zero

Small problems of few columns are written out, and take the ways of dense rows:

    p <= 400  and  n p <= 1e6        8 MB, in which Newton's method is exact and as fast
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import ArraySource, Block, Codes, Floats, Part, Source, SparseRows, of_rows
from oddsmith.errors import InputError

FEW_COLUMNS = 400
"""Columns up to which sparse rows are multiplied out: all of them where they are few, a sample where not."""
FEW_CELLS = 1_000_000
BLOCK_CELLS = 1 << 17
"""Non-zeros of a block at least."""
PAYS = 8
"""Non-zeros of a block for each column, so that adding the blocks' sums costs little beside making them."""
BLOCK_ROWS = 1 << 15
"""Rows of a block, on average, at most."""
SHARED, SHARED_WORK = 1_500_000, 8e7
"""Non-zeros of sparse rows, and multiplications of a Hessian and twenty passes over an array, n p (p + 20), from which on
threads are worth starting."""


def source_of(X: Any, y: Codes, sample_weight: Floats | None = None, offset: Floats | None = None) -> Source:
    """Rows `X` (n, p), an array or one that `compressed` has made, as the source that suits their size."""
    if isinstance(X, np.ndarray):
        return ArraySource(X, y, sample_weight, offset=offset)
    n, p = X.shape
    if p <= FEW_COLUMNS and n * p <= FEW_CELLS:
        return ArraySource(X.toarray(order="C"), y, sample_weight, offset=offset)
    return SparseSource(X, y, sample_weight, offset=offset)


def is_sparse(X: Any) -> bool:
    """Whether `X` is a matrix of scipy.sparse, which need not be imported to know it."""
    return hasattr(X, "toarray") and hasattr(X, "nnz")


def place_of_cell(X: Any, number: int) -> tuple[int, int]:
    """Row and column of the stored cell with this number."""
    return int(np.searchsorted(X.indptr, number, side="right")) - 1, int(X.indices[number])


def has_sparse_rows(source: Source) -> bool:
    """Whether the rows of a source, or of the one that it is a part of, are sparse."""
    while isinstance(source, Part):
        source = source.whole
    return isinstance(source, SparseSource)


def pays_threads(source: Source) -> bool:
    """Whether a pass over a source takes long enough for threads to share it."""
    if isinstance(source, ArraySource):
        return source.n_rows * source.n_columns * (source.n_columns + 20) >= SHARED_WORK
    return not isinstance(source, SparseSource) or source.n_stored >= SHARED


def compressed(X: Any) -> Any:
    """A scipy.sparse matrix of real numbers as a `csr_array` of doubles or single precision.

    Its indices are sorted, each cell is there once, and they take 4 bytes where that is enough. Nothing is copied
    that is so already; `X` itself is never changed.

    Raises:
        InputError: it is no matrix, or its indices point outside of it.
    """
    from scipy.sparse import csr_array

    if X.ndim != 2:
        raise InputError(f"X is sparse in {X.ndim} dimension(s). Give rows and columns.")
    try:
        rows = csr_array(X if X.dtype in (np.float32, np.float64) else X.astype(np.float64))
        rows.check_format(full_check=True)
    except ValueError as error:
        raise InputError(f"X is no sound sparse matrix: {error}. Make it anew from its cells.") from None
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    index = np.int32 if max(rows.nnz, *rows.shape) < 2**31 else np.int64
    if rows.indices.dtype != index or rows.indptr.dtype != index:
        parts = (rows.data, rows.indices.astype(index, copy=False), rows.indptr.astype(index, copy=False))
        rows = csr_array(parts, shape=rows.shape)
        rows.has_canonical_format = True
    return rows


def stacked(parts: Iterable[SparseRows]) -> Any:
    """The rows of all parts, of equal width, one below the other: a `csr_array`."""
    from scipy.sparse import vstack

    return vstack([part.matrix for part in parts], format="csr")


@dataclass(frozen=True)
class SparseSource:
    """Sparse rows in memory as a source.

    `X` (n, p) as `compressed` makes it, `y` (n,) class codes, `sample_weight` (n,) non-negative or None for ones,
    `offset` (n,) or None for zeros.
    Blocks hold about equally many non-zeros. They are views of doubles; of single precision they are copies in
    doubles, one at a time.
    """

    X: Any
    y: Codes
    sample_weight: Floats | None = None
    block_rows: int | None = None
    offset: Floats | None = None

    @property
    def n_rows(self) -> int:
        """Rows in all."""
        return int(self.X.shape[0])

    @property
    def n_columns(self) -> int:
        """Columns of `X`, without the intercept."""
        return int(self.X.shape[1])

    @property
    def n_stored(self) -> int:
        """Non-zeros in all."""
        return int(self.X.nnz)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Doubles, in which all sums are computed."""
        return np.dtype(np.float64)

    @cached_property
    def borders(self) -> NDArray[np.intp]:
        """Row numbers between which the blocks lie, 0 and n included."""
        n, cells = self.n_rows, self.n_stored
        if self.block_rows:
            return np.append(np.arange(0, n, self.block_rows), n)
        blocks = max(1, cells // max(BLOCK_CELLS, PAYS * self.n_columns), -(-n // BLOCK_ROWS))
        if cells > SHARED:
            blocks = max(blocks, 2)
        even = np.searchsorted(self.X.indptr, np.arange(1, blocks) * (cells / blocks))
        return np.unique(np.concatenate([[0], even, [n]])).astype(np.intp)

    @cached_property
    def _blocks(self) -> list[SparseRows]:
        X, blocks = self.X, []
        for start, end in pairwise(self.borders.tolist()):
            cells = slice(int(X.indptr[start]), int(X.indptr[end]))
            borders = X.indptr[start : end + 1] - X.indptr[start]
            blocks.append(SparseRows.of(X.data[cells], X.indices[cells], borders, self.n_columns))
        return blocks

    @property
    def in_order(self) -> bool:
        """No: any row is at hand."""
        return False

    def __iter__(self) -> Iterator[Block]:
        double = self.X.dtype == np.float64
        for rows, (start, end) in zip(self._blocks, pairwise(self.borders.tolist()), strict=True):
            X = rows if double else rows.with_cells(rows.matrix.data.astype(np.float64))
            part = slice(start, end)
            yield Block(X, self.y[part], of_rows(self.sample_weight, part), of_rows(self.offset, part))

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block."""
        X = SparseRows(self.X[rows].astype(np.float64, copy=False))
        return Block(X, self.y[rows], of_rows(self.sample_weight, rows), of_rows(self.offset, rows))
