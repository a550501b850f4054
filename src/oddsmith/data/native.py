"""Tables that Python hands over - pandas, Polars, Arrow, a mapping - become one kind of table, at the boundary.

Polars tables are taken as they are. In any other, a column's type is that of its cells: all booleans, all
whole numbers, all numbers, all dates, or else text; None, NaN, NA and NaT are missing in each.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oddsmith.data.table import Table
from oddsmith.errors import InputError, visible

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.read import Reading

_TEMPORAL = (datetime.date, datetime.time, datetime.timedelta)
_NESTED = (list, tuple, set, dict, bytes, np.ndarray)


def as_table(data: Any, reading: Reading | None = None) -> Table:
    """A `Table` from a pandas, Polars or Arrow table, a mapping of columns, or what `read_table` takes as paths.

    `reading` says how files are to be read.

    Raises:
        InputError: it is none of these, two columns share a name, or the file cannot be read.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str | Path) or are_paths(data):
        from oddsmith.data.read import read_table

        return read_table(data, reading)
    if isinstance(data, Mapping):
        return Table(_frame((name, _cells(name, values)) for name, values in data.items()), "table")
    import narwhals as nw
    import polars as pl

    try:
        table = nw.from_native(data, eager_only=True)
    except (TypeError, ValueError) as error:
        if "unique" in str(error) or "duplicate" in str(error):
            cause = visible(" ".join(str(error).split()), 200)
            raise InputError(f"the table has two columns of one name: {cause}. Rename one of them.") from None
        raise InputError(
            f"a {type(data).__name__} is no table that can be read. Give a pandas, Polars or Arrow table, "
            f"a mapping of column names to values, or the path of a file, a pattern, or a list of them."
        ) from None
    native = table.to_native()
    if isinstance(native, pl.DataFrame):
        return Table(native, "table")
    columns = zip(table.columns, table.iter_columns(), strict=True)
    return Table(_frame((name, _array(column)) for name, column in columns), "table")


def are_paths(data: Any) -> bool:
    """Whether it is a list of paths."""
    return isinstance(data, list | tuple) and all(isinstance(path, str | Path) for path in data)


def is_missing(cell: Any) -> bool:
    """Whether a Python value says that there is none: None, NaN of any kind, pandas' NA and NaT."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(cell, Decimal):
        return cell.is_nan()
    return isinstance(cell, float | np.floating) and math.isnan(cell)


def _cells(name: Any, values: Any) -> list[Any]:
    """A mapping's values as Python objects."""
    single = isinstance(values, str | bytes | Mapping) or getattr(values, "ndim", 1) == 0
    if single or not isinstance(values, Iterable):
        raise InputError(
            f"column '{visible(str(name))}' of the mapping is one {type(values).__name__}. "
            f"Give a list of its cells."
        )
    for method in ("to_list", "tolist", "to_pylist"):
        if hasattr(values, method):
            return list(getattr(values, method)())
    return list(values)


def _array(column: Any) -> list[Any] | np.ndarray[Any, np.dtype[Any]]:
    """A narwhals column: one array where it is numbers or booleans without gaps, else Python objects."""
    bare = column.dtype.is_numeric() or str(column.dtype) == "Boolean"
    if bare and (column.dtype.is_float() or column.null_count() == 0):
        values = np.asarray(column.to_numpy())
        if values.dtype.kind in "fib":
            return values
    return list(column.to_list())


def _frame(columns: Iterable[tuple[Any, list[Any] | np.ndarray[Any, np.dtype[Any]]]]) -> pl.DataFrame:
    import polars as pl

    series: dict[str, pl.Series] = {}
    for given, cells in columns:
        name = str(given)
        if name in series:
            raise InputError(f"the table has two columns called '{visible(name)}'. Rename one of them.")
        if isinstance(cells, list):
            series[name] = as_series(name, cells)
        else:
            is_float = cells.dtype.kind == "f"
            column = pl.Series(name, cells.astype(np.float64) if is_float else cells)
            series[name] = column.fill_nan(None) if is_float else column
    if not series:
        raise InputError("the table has no columns.")
    lengths = {name: len(column) for name, column in series.items()}
    shortest, longest = (pick(lengths, key=lengths.__getitem__) for pick in (min, max))
    if lengths[shortest] < lengths[longest]:
        raise InputError(
            f"columns '{visible(shortest)}' and '{visible(longest)}' have {lengths[shortest]:,} and "
            f"{lengths[longest]:,} cells. Give one for each row."
        )
    return pl.DataFrame(list(series.values()))


def as_series(name: str, cells: list[Any]) -> pl.Series:
    """One column, of the type that all its cells have; cells of different kinds are texts."""
    import polars as pl

    present = [None if is_missing(cell) else cell for cell in cells]
    types = {type(cell) for cell in present} - {type(None)}

    def all_are(*kinds: type) -> bool:
        return bool(types) and all(issubclass(kind, kinds) for kind in types)

    if any(issubclass(kind, _NESTED) for kind in types):
        return pl.Series(name, present, dtype=pl.Object)
    if all_are(bool, np.bool_):
        return pl.Series(name, [None if c is None else bool(c) for c in present], dtype=pl.Boolean)
    has_booleans = bool in types or np.bool_ in types
    if all_are(Integral) and not has_booleans:
        whole = [None if c is None else int(c) for c in present]
        if all(c is None or -(2**63) <= c < 2**63 for c in whole):
            return pl.Series(name, whole, dtype=pl.Int64)
    elif all_are(Real, Decimal) and not has_booleans:
        try:
            return pl.Series(name, [None if c is None else float(c) for c in present], dtype=pl.Float64)
        except OverflowError:
            pass
    elif all_are(*_TEMPORAL):
        try:
            return pl.Series(name, present)
        except (pl.exceptions.PolarsError, TypeError, ValueError):
            pass
    return pl.Series(name, [None if c is None else str(c) for c in present], dtype=pl.String)
