"""A table at the boundary: named columns of cells, and where each cell was read.

Cells read from text stay the text that a person sees until `columns.py` decides what a column is; an
empty cell is a null. Tables handed over in Python keep their types.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Table:
    """Rows and named columns, held by Polars; every column is a String column when read from text."""

    frame: pl.DataFrame
    name: str
    """How messages call it: the file's path as given, "standard input", or "table"."""
    digest: str | None = None
    """SHA-256 of the bytes of the file as they lie on disk, in hexadecimal; None for a table in memory."""
    line_of: Callable[[int], int] | None = None
    """Physical line (from 1) of a data row (from 0), for tables read from text."""
    notes: tuple[str, ...] = ()
    """Sentences about what was left out while reading."""

    def place(self, row: int, column: str) -> str:
        """`file:line:column` of a cell, line and column counted from 1, as the start of a message."""
        position = self.frame.columns.index(column) + 1
        line = self.line_of(row) if self.line_of is not None else row + 1
        return f"{self.name}:{line}:{position}"

    def take(self, rows: np.ndarray) -> Table:
        """The rows (m,), counted from 0, in that order; messages still name the lines where they were read."""
        kept, line_of = np.array(rows, dtype=np.int64), self.line_of

        def line_of_kept(row: int) -> int:
            original = int(kept[row])
            return line_of(original) if line_of is not None else original + 1

        return replace(self, frame=self.frame[kept], line_of=line_of_kept)
