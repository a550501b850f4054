"""What a model file must reproduce: the log-odds of rows made up from the columns alone.

Sums are taken with `math.fsum`, which rounds once, so that every machine recomputes the same figures.
"""

import math
import warnings
from collections.abc import Iterator

from oddsmith.data.design import Design
from oddsmith.data.encoding import BooleanColumn, CategoricalColumn, Column, NumericColumn
from oddsmith.errors import DataWarning, InputError, visible
from oddsmith.model.records import Cell, Equation, Golden, GoldenChange

TOLERANCE = 1e-12


def golden_rows(design: Design, equations: list[Equation]) -> Golden:
    """The golden rows of a model."""
    row: dict[str, Cell] = {column.name: _average_cell(column) for column in design.columns}
    changes = [
        GoldenChange(name, cell, _log_odds(design, equations, {**row, name: cell}))
        for name, cell in _changes(design)
    ]
    return Golden(row, _log_odds(design, equations, row), changes)


def verify(golden: Golden, design: Design, equations: list[Equation], name: str) -> None:
    """Recompute the golden rows.

    Raises:
        InputError: a figure differs by more than 1e-12 (relative above 1), or the rows don't fit.
    """
    if list(golden.row) != [column.name for column in design.columns]:
        raise InputError(f"{name}: $.golden.row does not fit $.columns.")
    if [(change.column, change.cell) for change in golden.changes] != list(_changes(design)):
        raise InputError(f"{name}: $.golden.changes does not fit $.columns.")
    stated = [("the golden row", golden.row, golden.log_odds)]
    stated += [
        (
            f"the golden row with '{visible(change.column)}' changed",
            {**golden.row, change.column: change.cell},
            change.log_odds,
        )
        for change in golden.changes
    ]
    for what, row, expected in stated:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", DataWarning)
                found = _log_odds(design, equations, row)
        except (InputError, DataWarning) as error:
            raise InputError(f"{name}: {what} cannot be read: {error}") from None
        except (OverflowError, ValueError):
            raise InputError(f"{name}: {what} gives log-odds beyond the range of a double.") from None
        same = len(found) == len(expected) and all(
            abs(a - b) <= TOLERANCE * max(1.0, abs(b)) for a, b in zip(found, expected, strict=True)
        )
        if not same:
            raise InputError(
                f"{name}: {what} gives log-odds {found}, the file says {expected}. "
                f"The file was changed after training, or damaged; train the model again."
            )


def _average_cell(column: Column) -> Cell:
    """The reference of a category; a number's mean; for a boolean the missing cell, which counts as its mean."""
    if isinstance(column, CategoricalColumn):
        return column.reference
    return column.mean if isinstance(column, NumericColumn) else None


def _changes(design: Design) -> Iterator[tuple[str, Cell]]:
    for column in design.columns:
        if isinstance(column, CategoricalColumn):
            yield from ((column.name, item.level) for item in column.levels)
        elif isinstance(column, BooleanColumn):
            yield from ((column.name, cell) for cell in (False, True))
        else:
            yield column.name, column.mean + column.scale
            if column.indicator is not None:
                yield column.name, None


def _log_odds(design: Design, equations: list[Equation], row: dict[str, Cell]) -> list[float]:
    terms = [x - m for x, m in zip(design.vector(row), design.mean.tolist(), strict=True)]
    found = [
        math.fsum([equation.average, *(b * x for b, x in zip(equation.coef.values(), terms, strict=True))])
        for equation in equations
    ]
    if not all(map(math.isfinite, found)):
        raise OverflowError
    return found
