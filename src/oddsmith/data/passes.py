"""Where a fit reads the design matrix from: memory, a packed file, or the rows once more in every pass.

    fits into memory             X in memory
    else                         packed.py: one more read of the rows, then passes at the speed of the disk
    else, where that is wished   each pass reads the rows and makes their terms anew

All three give the same blocks, and so the same model to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.ahead import read_ahead
from oddsmith.data.block import ArraySource, Block, Codes, Floats, Source, of_rows
from oddsmith.data.design import Design
from oddsmith.data.packed import PackedSource, blocks_of
from oddsmith.data.survey import Survey


@contextmanager
def source_of(
    design: Design,
    survey: Survey,
    y: Codes,
    sample_weight: Floats | None,
    offset: Floats | None = None,
    *,
    room: float,
    cache: bool = True,
) -> Iterator[Source]:
    """The rows that count as a source, in memory if they take at most `room` bytes; `cache`: else packed, or read again.

    Raises:
        InputError: there is no room for a packed file.
    """
    shape = survey.n_rows, len(design.terms)
    if design.need(survey.n_rows) <= room:
        yield ArraySource(design.whole(survey), y, sample_weight, offset=offset)
    elif cache:
        with closing(
            PackedSource(design.parts(survey), shape, y, sample_weight, offset, survey.rows.watch)
        ) as packed:
            yield packed
    else:
        yield RowsSource(design, survey, y, sample_weight, offset)


@dataclass(frozen=True)
class RowsSource:
    """A source whose every pass reads the rows and makes their terms."""

    design: Design
    survey: Survey
    y: Codes
    sample_weight: Floats | None
    offset: Floats | None

    @property
    def n_rows(self) -> int:
        """Rows in all."""
        return self.survey.n_rows

    @property
    def n_columns(self) -> int:
        """Columns of `X`, without the intercept."""
        return len(self.design.terms)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Doubles."""
        return np.dtype(np.float64)

    @property
    def in_order(self) -> bool:
        """Yes: the rows are read again."""
        return True

    def __iter__(self) -> Iterator[Block]:
        return blocks_of(read_ahead(self.design.parts(self.survey)), self.y, self.sample_weight, self.offset)

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block: a pass."""
        X = np.empty((len(rows), self.n_columns))
        order = np.argsort(rows, kind="stable")
        ordered, start = rows[order], 0
        for part in read_ahead(self.design.parts(self.survey)):
            first, last = np.searchsorted(ordered, [start, start + len(part)])
            X[order[first:last]] = part[ordered[first:last] - start]
            start += len(part)
        return Block(X, self.y[rows], of_rows(self.sample_weight, rows), of_rows(self.offset, rows))
