"""Tables that Python hands over - pandas, Polars, Arrow - become one kind of table, at the boundary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oddsmith.data.table import Table
from oddsmith.errors import InputError, visible

if TYPE_CHECKING:
    import polars as pl


def as_table(data: Any) -> Table:
    """A `Table` from a pandas, Polars or Arrow table, a mapping of columns, or the path of a text file.

    Raises:
        InputError: it is none of these, two columns share a name, or the file cannot be read.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str | Path):
        from oddsmith.data.read import read_table

        return read_table(data)
    import polars as pl

    if isinstance(data, Mapping):
        try:
            return Table(pl.DataFrame(dict(data), strict=False), "table")
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            raise InputError(f"the mapping is no table of columns: {error}") from None
    return Table(_frame(data), "table")


def _frame(data: Any) -> pl.DataFrame:
    import narwhals as nw
    import polars as pl

    try:
        table = nw.from_native(data, eager_only=True)
    except (TypeError, ValueError) as error:
        if "unique" in str(error) or "duplicate" in str(error):
            raise InputError(f"the table has two columns of one name: {error}") from None
        raise InputError(
            f"a {type(data).__name__} is no table that can be read. Give a pandas, Polars or Arrow table, "
            f"a mapping of column names to values, or a file's path."
        ) from None
    native = table.to_native()
    if isinstance(native, pl.DataFrame):
        return native
    names = [str(name) for name in table.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the table has two columns called '{visible(twice)}'. Rename one of them.")
    return pl.DataFrame(
        [_series(name, table[column]) for name, column in zip(names, table.columns, strict=True)]
    )


def _series(name: str, column: Any) -> pl.Series:
    """One column, its type kept where it has one, its cells as text where they are mixed."""
    import narwhals as nw
    import polars as pl

    cells = column.to_list()
    if column.dtype.is_numeric():
        values = [None if cell is None or cell != cell else cell for cell in cells]
        return pl.Series(name, values, dtype=pl.Int64 if column.dtype.is_integer() else pl.Float64)
    if column.dtype == nw.Boolean:
        return pl.Series(name, cells, dtype=pl.Boolean)
    present = [None if cell is None or cell != cell else cell for cell in cells]
    if column.dtype.is_temporal():
        return pl.Series(name, present, strict=False)
    return pl.Series(name, [None if cell is None else str(cell) for cell in present], dtype=pl.String)
