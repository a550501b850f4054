"""What alone would have given a row another action: one cell of it changed, by trial.

    change = the nearest cell of one column with which the row, scored again, has another action

The log-odds are a sum that rises or falls with a number, to the bit, and maps never fall: so there is one place where an
action is left, and parting the doubles finds it to the last digit. Truths, levels and missing cells are tried out. What
is stated holds for the row in a table and for the row alone, whose sums may differ in the last digit.

Two cases have no such order: three classes or more, and a column that is a cost of its row as well. There the action is
tried at every 1/32 of a standard deviation up to 4 away from the row and from the mean, and then at doublings; an
action that holds only between two trials is passed over. Nothing is looked for beyond 2^40 standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from oddsmith.calibration.inverse import turn
from oddsmith.data.block import Floats
from oddsmith.data.cells import BLANKS
from oddsmith.data.encoding import (
    BooleanColumn,
    CategoricalColumn,
    NumericColumn,
    Terms,
    cell_reader,
    terms_of,
)
from oddsmith.data.native import is_missing
from oddsmith.errors import InputError, visible
from oddsmith.model.acting import Deciding

SEEN = 4.0
"""Standard deviations from the mean, beyond which training saw next to nothing."""
_DOUBLINGS = 2.0 ** np.arange(-5, 41)
_STEPS = np.concatenate([np.arange(1, 32 * SEEN + 1) / 32, _DOUBLINGS[_DOUBLINGS > SEEN]])
"""How far from the row, and from the mean, numbers are tried, in standard deviations: in order, and without one."""
_SIDES: tuple[tuple[Literal["less", "more"], float], ...] = (("less", -1.0), ("more", 1.0))
Cell = str | float | bool | None


class Change(msgspec.Struct, frozen=True):
    """Another cell of one column, and the action that the row would have had with it."""

    to: Cell
    """None is a missing cell."""
    action: str
    side: Literal["less", "more"] | None
    """Where a number lies from the row's; None for other cells."""
    onwards: bool
    """Whether the action is the same at all numbers beyond."""
    beyond_training: bool
    """Whether the number lies more than 4 standard deviations from the training mean."""


class TriedRow:
    """A row, and what becomes of it when the cell of one column is another one."""

    def __init__(self, deciding: Deciding, row: Mapping[str, Any]) -> None:
        design = deciding.design
        self._deciding = deciding
        self._columns = {column.name: column for column in design.columns}
        self._readers = {name: (start, read) for name, start, read in design.readers}
        self._plainly: dict[str, Callable[[Any], Terms]] = {}
        self.X: Floats = np.array([design.vector(row)])
        absent = [f"'{visible(name)}'" for name in deciding.beside if name not in row]
        if absent:
            raise InputError(
                f"the row has no {', '.join(absent[:5])}, which its action rests on. Give it as a number."
            )
        names = dict.fromkeys([*self._columns, *deciding.beside])
        self.cells = {name: self._plain(name, row[name]) for name in names}
        self.beside = {name: _number(self.cells[name]) for name in deciding.beside}
        self.code = int(deciding.codes(self.X, self.beside)[0])

    def changes(self, name: str) -> list[Change]:
        """The cells of a column, or the nearest of its numbers either way, with which the action is another one."""
        column = self._columns.get(name)
        if name not in self.beside and not self._deciding.coef[:, self._terms_of(name)].any():
            return []
        if isinstance(column, CategoricalColumn):
            return self._among(name, [column.reference, *(level.level for level in column.levels)])
        if isinstance(column, BooleanColumn):
            return self._among(name, [False, True])
        knows_missing = isinstance(column, NumericColumn) and column.indicator is not None
        return self._nearest(name) + self._among(name, [None] if knows_missing else [])

    def _among(self, name: str, cells: Sequence[Cell]) -> list[Change]:
        tried = [(cell, self._codes(name, [cell])) for cell in cells]
        return [
            Change(cell, self._deciding.actions[codes[0]], None, onwards=False, beyond_training=False)
            for cell, codes in tried
            if codes not in ([], [self.code])
        ]

    def _nearest(self, name: str) -> list[Change]:
        column, own = self._columns.get(name), float(_number(self.cells[name])[0])
        if isinstance(column, NumericColumn):
            centre, scale, most = column.mean, column.scale, SEEN * column.scale
        else:
            centre, scale, most = own, abs(own) or 1.0, math.inf
        start = centre if math.isnan(own) else own
        found: list[tuple[float, Change]] = []

        def differ(numbers: Sequence[float]) -> list[bool]:
            return [code != self.code for code in self._codes(name, numbers)]

        for side, sign in _SIDES:
            stops = [start, *self._stops(name, start, centre, sign, scale)]
            codes = self._codes(name, stops)
            at = next((at for at, code in enumerate(codes) if code != self.code), None)
            if at is None:
                continue
            to = turn(differ, stops[at - 1], stops[at]) if at else start
            [code] = self._codes(name, [to])
            onwards, beyond = set(codes[at:]) == {code}, abs(to - centre) > most
            change = Change(to, self._deciding.actions[code], side, onwards=onwards, beyond_training=beyond)
            found.append((abs(to - start), change))
        return [change for _, change in sorted(found, key=lambda pair: pair[0])]

    def _stops(self, name: str, start: float, centre: float, sign: float, scale: float) -> list[float]:
        """Numbers to be tried on one side of `start`, the nearest first; none that means missing."""
        in_order = self._deciding.multi_class == "binary" and name not in self._deciding.costs
        with np.errstate(over="ignore"):
            steps = (_DOUBLINGS if in_order else _STEPS) * scale
            stops = np.concatenate([start + sign * steps, centre - steps, [centre], centre + steps])
        stops = np.unique(stops[np.isfinite(stops) & (sign * stops > sign * start)])[:: int(sign)]
        return [stop for stop in stops.tolist() if self._plain(name, stop) is not None]

    def _codes(self, name: str, cells: Sequence[Cell]) -> list[int]:
        """Actions with these cells, up to the first that leaves the row without one; its own where sums disagree."""
        try:
            X, beside = self._with(name, cells)
            codes, alone = (self._deciding.codes(X, beside, alone=alone) for alone in (False, True))
        except InputError:
            if len(cells) == 1:
                return []
            half = len(cells) // 2
            found = self._codes(name, cells[:half])
            return found if len(found) < half else found + self._codes(name, cells[half:])
        settled: list[int] = np.where(codes == alone, codes, self.code).tolist()
        return settled

    def _with(self, name: str, cells: Sequence[Cell]) -> tuple[Floats, dict[str, Floats]]:
        """The row as often as there are cells, (m, p), each with one of them; and the columns beside."""
        X = np.repeat(self.X, len(cells), axis=0)
        beside = {other: np.repeat(number, len(cells)) for other, number in self.beside.items()}
        if name in self._columns:
            terms, (start, read) = self._terms_of(name), self._readers[name]
            X[:, terms] = 0.0
            for i, cell in enumerate(cells):
                for place, value in read(cell):
                    X[i, start + place] = value
        if name in beside:
            beside[name] = np.concatenate([_number(self._plain(name, cell)) for cell in cells])
        return X, beside

    def _terms_of(self, name: str) -> slice:
        start, _ = self._readers[name]
        return slice(start, start + len(terms_of(self._columns[name])))

    def _plain(self, name: str, cell: Any) -> Cell:
        """A cell as a number, a truth or a text; None where it is missing."""
        column, markers = self._columns.get(name), self._deciding.design.markers.of(name)
        if isinstance(column, CategoricalColumn) and name not in self._deciding.beside:
            text = "" if is_missing(cell) else str(cell).strip(BLANKS)
            return None if text in markers else text
        is_truth = isinstance(column, BooleanColumn) and name not in self._deciding.beside
        if name not in self._plainly:
            kind = BooleanColumn if is_truth else NumericColumn
            self._plainly[name] = cell_reader(kind(name, math.nan, 1.0), markers)
        [(_, number)] = self._plainly[name](cell)
        if math.isnan(number):
            return None
        return bool(number) if is_truth else number


def _number(cell: Cell) -> Floats:
    return np.array([math.nan if cell is None else cell], dtype=np.float64)
