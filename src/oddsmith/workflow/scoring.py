"""Scores of rows as they arrive: the same bits as of the same rows in a file, and a fault for each other row.

    rows -> those that can be scored, together        rows -> faults, each the sentence of that row alone

What is wrong with a row depends on that row and on nothing that came along with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from oddsmith.data.arriving import Arrived, Arriving
from oddsmith.data.encoding import CategoricalColumn, cell_reader, kind_of, read_column
from oddsmith.data.table import Table
from oddsmith.errors import InputError
from oddsmith.model import Model
from oddsmith.model.model import Scores


@dataclass(frozen=True)
class Scored:
    """Rows that could be scored, as they came and as a table, and those that could not, each with its fault."""

    rows: list[Arrived]
    table: Table
    scores: Scores
    faults: list[Arrived]


def score_rows(
    model: Model,
    arriving: Arriving,
    rows: Sequence[Arrived],
    use: Callable[[Table, Scores], object] = lambda table, scores: None,
) -> Scored:
    """The scores of all rows that the model can take; rows that are at fault already remain so.

    `use` is what will be done with them: a row of which it cannot be done is at fault.

    Raises:
        InputError: a column is absent that the model needs.
    """
    faults = {row.line: row.fault for row in rows if row.fault is not None}
    while True:
        fine, table = [row for row in rows if row.line not in faults], None
        try:
            table = _table(arriving, fine)
            scores = model.score(table)
            use(table, scores)
            break
        except InputError:
            found = {} if table is None else _unreadable_cells(model, table)
            named = {fine[row].line: fault for row, fault in found.items()} or _by_halves(
                model, arriving, fine, use
            )
            if not named:
                raise
            faults |= named
    return Scored(
        fine, table, scores, [row._replace(fault=faults[row.line]) for row in rows if row.line in faults]
    )


def _table(arriving: Arriving, rows: Sequence[Arrived]) -> Table:
    table = arriving.table(rows)
    if table.frame.height != len(rows):
        raise InputError(
            f"{table.name}:{rows[0].line}: {len(rows):,} rows were read as {table.frame.height:,}. "
            f"Please report this, with the rows if you may."
        )
    return table


def _by_halves(
    model: Model, arriving: Arriving, rows: Sequence[Arrived], use: Callable[[Table, Scores], object]
) -> dict[int, str]:
    """By its line, what is said of each row that cannot be scored by itself."""
    if not rows:
        return {}
    try:
        table = _table(arriving, rows)
        use(table, model.score(table))
    except InputError as error:
        if len(rows) == 1:
            return {rows[0].line: str(error)}
        half = len(rows) // 2
        return _by_halves(model, arriving, rows[:half], use) | _by_halves(model, arriving, rows[half:], use)
    return {}


def _unreadable_cells(model: Model, table: Table) -> dict[int, str]:
    """For each row with a cell that is no number or truth value where one must be, what is said of the first one."""
    found: dict[int, str] = {}
    for column in model.design.columns:
        if isinstance(column, CategoricalColumn):
            continue
        markers = model.design.markers.of(column.name)
        try:
            read_column(table, column.name, kind_of(column), markers)
        except InputError:
            pass
        else:
            continue
        read, alone = cell_reader(column, markers), replace(table, frame=table.frame.select(column.name))
        for row, cell in enumerate(table.frame[column.name].to_list()):
            if row in found:
                continue
            try:
                read(cell)
            except InputError:
                try:
                    read_column(alone.take(np.array([row])), column.name, kind_of(column), markers)
                except InputError as error:
                    found[row] = str(error)
    return found
