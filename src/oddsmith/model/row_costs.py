"""Costs that are columns, read from the rows of a table, with the place of a cell that can't be one."""

from __future__ import annotations

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import MissingMarkers
from oddsmith.data.row_numbers import COST, row_numbers
from oddsmith.data.table import Table
from oddsmith.decision.costs import RowCosts
from oddsmith.errors import InputError, visible


def costs_of_rows(table: Table, costs: RowCosts, markers: MissingMarkers) -> dict[str, Floats]:
    """Its columns, (n,) each.

    Raises:
        InputError: a column is absent, a cell is no cost, or a wrong answer costs no more than the right one in some row.
    """
    for name in costs.columns:
        if name not in table.frame.columns:
            raise InputError(
                f"{visible(table.name, 200)}: no column called '{visible(name)}', which holds a cost of each row. Add it."
            )
    found = {name: row_numbers(table, name, markers.of(name), COST) for name in costs.columns}
    for wrong, right in (("fn", "tp"), ("fp", "tn")):
        given, least = (
            found[value] if isinstance(value, str) else np.full(table.frame.height, value)
            for value in (getattr(costs, wrong), getattr(costs, right))
        )
        bad = np.flatnonzero(~(given > least))
        if len(bad):
            named = next(v for v in (getattr(costs, wrong), getattr(costs, right)) if isinstance(v, str))
            row = int(bad[0])
            raise InputError(
                f"{table.place(row, named)}: {wrong} costs {given[row]:g} and {right} {least[row]:g} in this row. "
                f"In each row {wrong} costs more than {right}, or errors would be rewarded."
            )
    return found
