"""One row of files, by what a column of it says: its cells as a table of them is scored.

    --id VALUE            in the column that the model has as its id
    --id COLUMN=VALUE     in a column of the files

An id is the text that stands there, without blanks around it: 7 is not 007. Exactly one row has it, or there is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oddsmith.data.columns import Kind
    from oddsmith.data.pieces import Pieces
    from oddsmith.data.table import Table
    from oddsmith.model import Model
    from oddsmith.model.changes import Cell

_NAMED = 5


def row_by_id(
    model: Model, pieces: Pieces, text: str, advance: Callable[[int, int | None], None]
) -> dict[str, Cell]:
    """The cells, of the row that `text` names, that the model and its policy read.

    Raises:
        InputError: no row or more than one has the id, its column is absent, or the row cannot be scored.
    """
    from oddsmith.data.cells import numbers
    from oddsmith.data.encoding import kind_of, read_column

    where, value = _column_and_value(text, pieces, model.record.id)
    row = _only_row(pieces, where, value, advance).completed(model.known_columns())
    # What cannot be read is refused here, where its place in the file is known.
    model.policy_inputs(row, model.score(row))
    markers = model.design.markers
    costs = None if model.policy is None else model.policy.row_costs
    beside = [
        *([] if costs is None else costs.columns),
        *([model.record.offset] if model.record.offset else []),
    ]
    cells: dict[str, Cell] = {name: numbers(row.frame[name], markers.of(name)).values[0] for name in beside}
    for column in model.design.columns:
        kind = kind_of(column)
        [cell] = read_column(row, column.name, kind, markers.of(column.name))
        cells[column.name] = _of_kind(kind, cell)
    return cells


def _of_kind(kind: Kind, cell: Any) -> Cell:
    """A cell of a column that was read, as it stands in a row: a text, a number or a truth."""
    if cell is None or cell != cell:
        return None
    if kind == "categorical":
        return str(cell)
    return bool(cell) if kind == "boolean" else float(cell)


def _column_and_value(text: str, pieces: Pieces, own: str | None) -> tuple[str, str]:
    """Where there are several equals signs, the first after a column; without any such, the model's id column."""
    from oddsmith.data.cells import BLANKS

    columns = set(pieces.columns)
    splits = [(text[:at].strip(BLANKS), text[at + 1 :]) for at, sign in enumerate(text) if sign == "="]
    column, value = next((split for split in splits if split[0] in columns), (own, text))
    if column is None:
        raise InputError(
            f"--id '{visible(text)}': the model has no id column. Say --id COLUMN=VALUE, with a column of "
            f"{visible(pieces.name, 200)}: {some(pieces.columns)}."
        )
    if column not in columns:
        raise InputError(
            f"{visible(pieces.name, 200)}: no column called '{visible(column)}', which the model has as its id. "
            f"Add it, or say --id COLUMN=VALUE."
        )
    return column, value.strip(BLANKS)


def _only_row(pieces: Pieces, column: str, value: str, advance: Callable[[int, int | None], None]) -> Table:
    """The one row with this text in a column."""
    from oddsmith.data.cells import as_written, refuse_nested

    found: Table | None = None
    places: list[str] = []
    others: dict[str, None] = {}
    n_found = n_rows = 0
    for table in pieces:
        refuse_nested(table, column)
        cells = as_written(table.frame[column])
        rows = (cells == value).arg_true().to_list()
        if rows and found is None:
            found = table.take(np.array(rows[:1]))
        n_found += len(rows)
        places += [table.place(row, column) for row in rows[: _NAMED - len(places)]]
        if len(others) <= _NAMED:
            others |= dict.fromkeys(cells.drop_nulls().unique(maintain_order=True).head(_NAMED + 1).to_list())
        n_rows += table.frame.height
        advance(n_rows, None)
    what = f"'{visible(value)}' in column '{visible(column)}'"
    if found is None:
        there = (
            f"It has {some(list(others))}. Give the whole text of one"
            if others
            else "The column is empty. Name another"
        )
        raise InputError(f"{visible(pieces.name, 200)}: no row has {what}. {there}.")
    if n_found > 1:
        more = " and others" if n_found > len(places) else ""
        raise InputError(
            f"{visible(pieces.name, 200)}: {counted(n_found, 'row')} have {what}: {', '.join(places)}{more}. "
            f"Name one of them by another column: --id COLUMN=VALUE."
        )
    return found


def some(names: Sequence[str]) -> str:
    """The first of them, in quotes."""
    first = ", ".join(f"'{visible(name)}'" for name in names[:_NAMED])
    return f"{first}{' and others' if len(names) > _NAMED else ''}"
