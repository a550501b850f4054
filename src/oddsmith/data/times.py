"""When a row was: the cells of a column as points in time, one after the other.

    dates, dates with a time     microseconds since 1970-01-01, UTC where a zone is told
    numbers                      as they are: years, days or seconds of any count

A date in a text is YYYY-MM-DD, with `T` or a blank and HH:MM[:SS[.ffffff]] after it or without, and Z or +HH:MM where it
has a zone. Other ways of writing a date can be read two ways, and are refused.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from oddsmith.data.cells import MissingMarkers, as_written, first_of, numbers, refuse_nested, shown, texts
from oddsmith.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.table import Table

Clock = Literal["date", "number"]

_DATE, _TIME, _ZONE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}", r"[0-9]{2}:[0-9]{2}", r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_SECOND = r":[0-9]{2}(?:\.[0-9]{1,9})?"
_WRITTEN = rf"^({_DATE})(?:[T ]({_TIME})({_SECOND})?({_ZONE})?)?$"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def times(table: Table, column: str, markers: MissingMarkers) -> tuple[pl.Series, Clock]:
    """The points in time (n,) Float64 of a column, and what they count.

    Raises:
        InputError: a cell is missing, or neither a date nor a number, or some are dates and others numbers; the
            message names its place. Or the column is nested.
    """
    import polars as pl

    refuse_nested(table, column)
    series, own = table.frame[column], markers.of(column)
    clock: Clock = "number"
    if series.dtype in (pl.Date, pl.Datetime):
        values, clock = moments(series), "date"
    else:
        values = numbers(series, own).values
        if series.dtype == pl.String and values.null_count():
            dates = moments(texts(series, own))
            if dates.null_count() <= values.null_count():
                values, clock = dates, "date"
    wrong = first_of(values.is_null() | ~values.is_finite().fill_null(value=False))
    if wrong is not None:
        cell = as_written(series.slice(wrong, 1))[0]
        what = "a missing cell" if cell is None or cell in own else shown(cell)
        wanted = "number" if clock == "number" and values.len() > values.null_count() else "date"
        raise InputError(
            f"{table.place(wrong, column)}: {what} in column {shown(column)}, by whose {wanted}s rows are told apart. "
            f"Write dates as 2024-05-31 or 2024-05-31 14:30, and leave out rows without one."
        )
    return values, clock


def spelt(value: float, clock: Clock) -> str:
    """A point in time as it is written in a record, to be read by `point`."""
    if clock == "number":
        return repr(value)
    return (_EPOCH + timedelta(microseconds=value)).isoformat().removesuffix("+00:00")


def point(text: str, clock: Clock) -> float:
    """The point in time that `spelt` wrote.

    Raises:
        ValueError: it is none.
    """
    if clock == "number":
        return float(text)
    since = datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH
    return float(since // timedelta(microseconds=1))


def moments(cells: pl.Series) -> pl.Series:
    """Microseconds (n,) Float64 of dates, times with a date, or texts of them; null where a text is none."""
    import polars as pl

    if cells.dtype != pl.String:
        return (
            cells.cast(pl.Datetime("us", getattr(cells.dtype, "time_zone", None)))
            .to_physical()
            .cast(pl.Float64)
        )
    if not cells.str.contains(_WRITTEN).any():
        return pl.Series([None] * cells.len(), dtype=pl.Float64)
    parts = pl.DataFrame({"cell": cells}).select(
        pl.col("cell").str.extract(_WRITTEN, group).fill_null(default).alias(name)
        for name, group, default in (
            ("date", 1, ""),
            ("time", 2, "00:00"),
            ("second", 3, ""),
            ("zone", 4, "Z"),
        )
    )
    second = pl.when(pl.col("second") == "").then(pl.lit(":00")).otherwise(pl.col("second"))
    zone = pl.col("zone").str.replace("Z", "+00:00", literal=True).str.replace(":", "", literal=True)
    whole = parts.select(pl.concat_str("date", pl.lit(" "), "time", second, zone).alias("whole")).to_series()
    return moments(whole.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us", strict=False))
