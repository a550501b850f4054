"""Cells of the rows that count, kept between their reading and the design matrix.

    numbers    row by row in one matrix, which is the design matrix itself where every column is a number
    texts      batch by batch, as they came

So the numbers lie in memory once, and are in place when the last row has been read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from oddsmith.data.block import Floats

if TYPE_CHECKING:
    import polars as pl

    Cells = Floats | pl.Series

_TILE = 1024
"""Rows that are written together."""
_MORE, _GROWTH = 1.1, 1.5
"""Room for rows beyond those that are expected, and beyond those that came; what is never written takes no memory."""


class Kept:
    """The cells of columns, batch after batch; which of them are numbers, the first batch says."""

    def __init__(self, expected: float, room: float) -> None:
        """`expected`: about how many rows will come; `room`: the bytes that all cells may take."""
        self.expected, self.room = expected, room
        self.held = 0.0
        """Bytes of all cells."""
        self._places: dict[str, int] | None = None
        self._numbers: Floats = np.empty((0, 0))
        self._others: list[dict[str, Cells]] = []
        self._starts = [0]
        self._with_gaps: set[str] = set()
        self._waiting: tuple[int, dict[str, Floats]] = (0, {})
        """Numbers of one batch on their way into the matrix: all of a row at once, for rows share cache lines."""

    @property
    def fits(self) -> bool:
        """Whether the cells so far have room."""
        return self.held <= self.room

    def begin(self, n_rows: int) -> None:
        """A batch of so many rows follows."""
        if len(self._others) == 1:
            self._settle()
        self._put_down()
        self._others.append({})
        self._starts.append(self._starts[-1] + n_rows)
        if self._places is not None:
            self._make_room(self._starts[-1])

    def add(self, batch: int, name: str, cells: Cells) -> None:
        """The cells of a column in a batch (from 0); they take the place of earlier ones."""
        self.held += cells.nbytes if isinstance(cells, np.ndarray) else cells.estimated_size()
        if isinstance(cells, np.ndarray) and self._places is not None and name in self._places:
            self._others[batch].pop(name, None)
            if self._waiting[0] != batch:
                self._put_down()
                self._waiting = (batch, {})
            self._waiting[1][name] = cells
        else:
            self._others[batch][name] = cells

    def cells(self, batch: int, names: Sequence[str]) -> list[Cells]:
        """The cells of these columns in a batch."""
        self._put_down()
        others, rows = self._others[batch], slice(self._starts[batch], self._starts[batch + 1])
        return [
            others[name] if name in others else self._numbers[rows, (self._places or {})[name]]
            for name in names
        ]

    def filled(self, gaps: Mapping[str, float]) -> Floats | None:
        """The matrix (n, p) of numeric columns, these values in their gaps; None if it is not that of these columns."""
        if self._places is None or list(self._places) != list(gaps) or any(self._others):
            return None
        self._put_down()
        X = self._numbers[: self._starts[-1]]
        for name in self._with_gaps:
            column = X[:, self._places[name]]
            column[np.isnan(column)] = gaps[name]
        return X

    def _settle(self) -> None:
        """Give each column of numbers its place in the matrix."""
        first = self._others[0]
        names = [name for name, cells in first.items() if isinstance(cells, np.ndarray)]
        self._places = {name: place for place, name in enumerate(names)}
        self._make_room(self._starts[-1])
        for name in names:
            self.held -= 8 * len(first[name])
            self.add(0, name, first[name])

    def _put_down(self) -> None:
        """Write what is on its way."""
        batch, waiting = self._waiting
        if not waiting or self._places is None:
            return
        places = [self._places[name] for name in waiting]
        where = slice(None) if places == list(range(len(self._places))) else places
        columns = list(waiting.values())
        self._with_gaps.update(name for name, cells in waiting.items() if np.isnan(cells).any())
        for start in range(self._starts[batch], self._starts[batch + 1], _TILE):
            stop = min(start + _TILE, self._starts[batch + 1])
            first, last = start - self._starts[batch], stop - self._starts[batch]
            self._numbers[start:stop, where] = np.array([cells[first:last] for cells in columns]).T
        self._waiting = (batch, {})

    def _make_room(self, n_rows: int) -> None:
        before, width = self._numbers, len(self._places or ())
        if n_rows > len(before) or before.shape[1] != width:
            wished = max(_MORE * self.expected, _GROWTH * len(before))
            self._numbers = np.empty((max(n_rows, int(min(wished, self.room / (8 * max(width, 1))))), width))
            self._numbers[: len(before), : before.shape[1]] = before
