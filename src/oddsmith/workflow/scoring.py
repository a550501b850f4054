"""Scores of rows as they arrive: the same bits as of the same rows in a file, and a fault for each other row.

    rows -> those that can be scored, together        rows -> faults, each the sentence of that row alone

What is wrong with a row depends on that row and on nothing that came along with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def score_rows(model: Model, arriving: Arriving, rows: Sequence[Arrived]) -> Scored:
    """The scores of all rows that the model can take; rows that are at fault already remain so.

    Raises:
        InputError: a column is absent that the model needs.
    """
    faults = {row.line: row.fault for row in rows if row.fault is not None}
    fine = [row for row in rows if row.fault is None]
    try:
        table, scores = _scored(model, arriving, fine)
    except InputError:
        if not fine:
            raise
        found = _faults(model, arriving, fine)
        faults |= found
        fine = [row for row in fine if row.line not in found]
        table, scores = _scored(model, arriving, fine)
    return Scored(
        fine, table, scores, [row._replace(fault=faults[row.line]) for row in rows if row.line in faults]
    )


def _scored(model: Model, arriving: Arriving, rows: Sequence[Arrived]) -> tuple[Table, Scores]:
    table = _table(arriving, rows)
    return table, model.score(table)


def _table(arriving: Arriving, rows: Sequence[Arrived]) -> Table:
    table = arriving.table(rows)
    if table.frame.height != len(rows):
        raise InputError(
            f"{table.name}:{rows[0].line}: {len(rows):,} rows were read as {table.frame.height:,}. "
            f"Please report this, with the rows if you may."
        )
    return table


def _faults(model: Model, arriving: Arriving, rows: Sequence[Arrived]) -> dict[int, str]:
    """By its line, what is wrong with each row that cannot be scored."""
    if not rows:
        return {}
    found: dict[int, str] = {}
    try:
        table = _table(arriving, rows)
        found = _unreadable_cells(model, table)
        if not found:
            model.score(table)
            return {}
    except InputError as error:
        if len(rows) == 1:
            return {rows[0].line: str(error)}
    if found:
        faults = {rows[row].line: fault for row, fault in found.items()}
        return faults | _faults(model, arriving, [row for row in rows if row.line not in faults])
    half = len(rows) // 2
    return _faults(model, arriving, rows[:half]) | _faults(model, arriving, rows[half:])


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
        read = cell_reader(column, markers)
        for row, cell in enumerate(table.frame[column.name].to_list()):
            if row in found:
                continue
            try:
                read(cell)
            except InputError:
                try:
                    read_column(table.take(np.array([row])), column.name, kind_of(column), markers)
                except InputError as error:
                    found[row] = str(error)
    return found
