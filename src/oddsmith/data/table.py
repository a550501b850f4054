"""A table at the boundary: named columns of cells, and where each cell was read.

Cells read from text stay the text that a person sees until `columns.py` decides what a column is; an
empty cell is a null. Tables handed over in Python, and those of Parquet files, keep their types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from oddsmith.data.memory import require
from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    import polars as pl

_CELL = 24
"""Bytes of memory for each cell of rows that are taken, at most: texts themselves stay where they are."""
INDEXED = re.compile(r"x(0|[1-9][0-9]{0,8})")
"""What the columns of svmlight rows are called: x and the index, as it was written."""


@dataclass(frozen=True)
class Table:
    """Rows and named columns, held by Polars; when read from text, String columns, and doubles that were asked for."""

    frame: pl.DataFrame
    name: str
    """How messages call it: the file's path as given, "standard input", or "table"."""
    digests: tuple[tuple[str, str], ...] = ()
    """Name of each file that was read, and SHA-256 of its bytes as they lie on disk, in hexadecimal."""
    place_of: Callable[[int, str], str] | None = None
    """Where the cell in a row (from 0) and column was read, as `place` says it; None for a table in memory."""
    notes: tuple[str, ...] = ()
    """Sentences about what was left out while reading, each opening with the file's name."""
    counted_from: int | None = None
    """The first index, 0 or 1, of columns x0, x1, ... that are 0 where rows leave them unsaid (svmlight)."""
    written: Callable[[str], pl.Series] | None = None
    """The cells of a column as texts, also where it came as doubles; None where no texts were read."""

    def place(self, row: int, column: str) -> str:
        """Where a cell stands, as the start of a message: `file:line:column`, or `table: row 17, column 'x'`.

        Lines are those of the file on which the cell begins; lines, rows and columns count from 1.
        """
        if self.place_of is not None:
            return self.place_of(row, column)
        return placed_in_row(self.name, row, column)

    def take(self, rows: np.ndarray) -> Table:
        """The rows (m,), counted from 0, in that order; messages still name the places where they were read."""
        kept = np.array(rows, dtype=np.int64)
        require(
            _CELL * len(kept) * self.frame.width,
            f"{visible(self.name, 200)}: {counted(len(kept), 'row')} of it",
        )
        return replace(
            self,
            frame=self.frame[kept],
            place_of=lambda row, column: self.place(int(kept[row]), column),
            written=None,
        )

    def parts(self, n_rows: int) -> Iterator[Table]:
        """The rows in order, at most so many at a time; of no rows one part."""
        for start in range(0, max(self.frame.height, 1), n_rows):
            place = partial(self._place_after, start)
            yield replace(self, frame=self.frame.slice(start, n_rows), place_of=place, written=None)

    def _place_after(self, start: int, row: int, column: str) -> str:
        return self.place(start + row, column)

    def only(self, columns: Collection[str]) -> Table:
        """These columns of it, those that it has."""
        return replace(self, frame=self.frame.select([c for c in self.frame.columns if c in columns]))

    def completed(self, names: Iterable[str]) -> Table:
        """With a column of zeros for each of `names` that svmlight rows leave unsaid; any other table as it is.

        Raises:
            InputError: `names` count their indices from 0 and the rows from 1, or the other way round: each
                column would be taken for its neighbour.
        """
        if self.counted_from is None:
            return self
        import polars as pl

        indexed = [name for name in names if INDEXED.fullmatch(name)]
        if indexed and ("x0" in indexed) != (self.counted_from == 0):
            raise InputError(
                f"{self.name}: its columns are counted from {self.counted_from}, those that are expected from "
                f"{1 - self.counted_from}. Number them alike."
            )
        columns = set(self.frame.columns)
        unsaid = sorted((name for name in indexed if name not in columns), key=lambda name: int(name[1:]))
        return replace(self, frame=self.frame.with_columns(pl.lit(0.0).alias(name) for name in unsaid))


def placed_in_row(name: str, row: int, column: str) -> str:
    """The place of a cell where there are no lines: `name: row 17, column 'x'`, for the row 16 counted from 0."""
    return f"{name}: row {row + 1}, column '{visible(column)}'"
