"""What a cell says: a number, a text, or nothing. The same answer for every verb.

Blanks around a cell are no part of it, and a cell that equals a marker (`DEFAULT_MISSING`, and what
`--missing` adds) is missing. A number in a text is ASCII digits with an optional sign, decimal point and
exponent; it becomes the nearest double.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from oddsmith.data.memory import require
from oddsmith.errors import InputError, visible

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.table import Table


TRUTH = {"True": 1.0, "true": 1.0, "TRUE": 1.0, "False": 0.0, "false": 0.0, "FALSE": 0.0}
SPELLINGS = (frozenset({"True", "False"}), frozenset({"true", "false"}), frozenset({"TRUE", "FALSE"}))
"""Truth values as a column writes them: in one of these."""
BLANKS = " \t\n\r\v\f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Unicode calls white space: no part of a cell where it stands at the ends."""

DEFAULT_MISSING = ("", "NA", "NaN", "nan", "NULL", "null")


NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""What a cell that is a number looks like, without blanks around it."""


EMPTY_IF_UNKNOWN = "Correct the cell, or leave it empty if it is unknown."
LEADING_ZEROS = r"^[+-]?0[0-9]"
_INFINITIES = {"inf", "-inf"}
"""How a double that is no finite number is written."""
EXACT = 2.0**53
"""Whole numbers below are doubles; those above may differ where their doubles do not."""
_SHORT, _OFTEN = 1000, 8
"""Cells of a column, and of each different one on average, from which on finding those that differ is worth while."""
_CASTING, _LOOKING = 40, 128
"""Bytes of memory for each cell while numbers are read, and while texts are looked at, beside two copies of them."""


@dataclass(frozen=True)
class MissingMarkers:
    """Which texts mean "missing", for each column."""

    everywhere: frozenset[str]
    by_column: Mapping[str, frozenset[str]]
    """Markers of one column, beside those for all."""

    @classmethod
    def from_options(cls, missing: Sequence[str], columns: Sequence[str]) -> MissingMarkers:
        """`DEFAULT_MISSING` and the texts of `--missing`.

        "COLUMN=TOKEN" concerns one column where COLUMN is a name or else a position in `columns`;
        where it is neither, the whole text is a token for all columns.
        """
        everywhere, own = set(DEFAULT_MISSING), dict[str, set[str]]()
        for text in missing:
            splits = [(text[:at], text[at + 1 :]) for at, character in enumerate(text) if character == "="]
            named = [(name, token) for name, token in splits if name in columns]
            numbered = [
                (found, token) for name, token in splits if (found := column_at(columns, name)) is not None
            ]
            if named or numbered:
                column, token = (named or numbered)[0]
                own.setdefault(column, set()).add(token)
            else:
                everywhere.add(text)
        return cls(frozenset(everywhere), {name: frozenset(tokens) for name, tokens in own.items()})

    def of(self, column: str) -> frozenset[str]:
        """The markers of one column."""
        return self.everywhere | self.by_column.get(column, frozenset())


@dataclass(frozen=True)
class Numbers:
    """The cells of a column read as numbers, and where that failed."""

    values: pl.Series
    """(n,) Float64; null where the cell is missing or is not a number."""
    n_cells: int
    """Cells that are not missing."""
    n_numbers: int
    first_text: int | None
    """Row of the first cell that is not a number."""
    first_infinite: int | None
    """Row of the first number that is infinite, or too large for a double."""
    texts: pl.Series | None = None
    """The cells as texts, where they are."""

    @cached_property
    def has_codes(self) -> bool:
        """Whether a number has leading zeros, as a text."""
        if self.texts is None:
            return False
        return bool((self.texts.str.contains(LEADING_ZEROS) & self.values.is_not_null()).any())


def numbers(series: pl.Series, markers: frozenset[str]) -> Numbers:
    """Cells as doubles, correctly rounded.

    A number in a text is ASCII digits with an optional sign, decimal point and exponent, and blanks
    around it; `inf`, `0x1F`, `1_000`, `1D3` and digits of other scripts are text.
    """
    import polars as pl

    if series.dtype == pl.Float64 and (found := _plain_numbers(series, markers)) is not None:
        return found
    _require_room(series, _CASTING)
    if (found := _plain_numbers(series, markers)) is not None:
        return found
    _require_room(series, 2 * series.estimated_size() / max(series.len(), 1) + _LOOKING)
    missing = _missing(series, markers)
    n_cells = series.len() - int(missing.sum())
    if series.dtype.is_numeric():
        values = series.cast(pl.Float64).set(missing, None)
        return Numbers(values, n_cells, n_cells, None, first_of(values.is_infinite()))
    cells = as_written(series).set(missing, None)
    values = _parsed(cells)
    is_number = values.is_not_null()
    return Numbers(
        values=values,
        n_cells=n_cells,
        n_numbers=int(is_number.sum()),
        first_text=first_of(~is_number & ~missing),
        first_infinite=first_of(values.is_infinite()),
        texts=cells,
    )


def _plain_numbers(series: pl.Series, markers: frozenset[str]) -> Numbers | None:
    """`numbers` of a column in which every cell is a bare finite number or empty; None for any other.

    Most columns are, and they are read several times faster so: a marker is no number, a word such as nan
    is not finite, and blanks or anything else fail to be cast.
    """
    import polars as pl

    if not (series.dtype == pl.String or series.dtype.is_numeric()):
        return None
    if any(exact_number(marker.strip(BLANKS)) is not None for marker in markers):
        return None
    if series.dtype == pl.Float64 and not series.null_count() and np.isfinite(series.to_numpy()).all():
        return Numbers(series, series.len(), series.len(), None, None)
    values = series.cast(pl.Float64, strict=False)
    if series.dtype.is_float():
        series = values = values.fill_nan(None)
    n_cells = series.len() - series.null_count()
    # Where there is no value, NumPy has NaN.
    if values.null_count() > series.null_count() or np.isfinite(values.to_numpy()).sum() < n_cells:
        return None
    return Numbers(values, n_cells, n_cells, None, None, series if series.dtype == pl.String else None)


def require_numbers(
    table: Table,
    column: str,
    markers: frozenset[str],
    remedy: str = EMPTY_IF_UNKNOWN,
) -> pl.Series:
    """(n,) Float64 of a column that must be numeric; null where a cell is missing.

    Raises:
        InputError: a cell is not a finite number; the message names its place, and ends in `remedy`. Or the
            column is nested.
    """
    refuse_nested(table, column)
    found = numbers(table.frame[column], markers)
    refuse_other_cells(table, column, found, remedy)
    return found.values


def texts(series: pl.Series, markers: frozenset[str]) -> pl.Series:
    """(n,) String of the cells as labels, without blanks around them; null where a cell is missing.

    Whole numbers of typed columns give "1", never "1.0"; booleans give "True" and "False".
    """
    import polars as pl

    _require_room(series, 2 * series.estimated_size() / max(series.len(), 1) + _LOOKING)
    if series.dtype == pl.String and series.len() > _SHORT:
        # Each different cell is looked at once, where they are few.
        different = series.unique().drop_nulls()
        if _OFTEN * different.len() <= series.len():
            written = as_written(different).set(_missing(different, markers), None)
            if written.equals(different):
                return series
            return series.replace_strict(different, written, default=None, return_dtype=pl.String)
    return as_written(series).set(_missing(series, markers), None)


def places_of(cells: pl.Series, codes: dict[str, int]) -> pl.Series:
    """Places (n,) of levels, null where a cell is missing or none of them."""
    import polars as pl

    if not codes:
        return pl.Series([None] * cells.len(), dtype=pl.Int32)
    return cells.cast(pl.Enum(list(codes)), strict=False).to_physical().cast(pl.Int32)


def is_nested(dtype: pl.DataType) -> bool:
    """Whether a column holds lists, structs, bytes or Python objects."""
    import polars as pl

    return dtype.is_nested() or dtype in (pl.Binary, pl.Object)


def refuse_nested(table: Table, column: str) -> None:
    """Raise InputError for a column of lists, structs, bytes or Python objects."""
    dtype = table.frame[column].dtype
    if is_nested(dtype):
        raise InputError(
            f"{visible(table.name, 200)}: column {shown(column)} holds {dtype}, not one value a cell. "
            f"Make columns of it, or leave it out with --drop {as_argument(table, column)}."
        )


def exact_number(text: str) -> Decimal | None:
    """The number that a cell's text is; None for any other text, and for a code with leading zeros."""
    if not NUMBER.fullmatch(text) or re.match(LEADING_ZEROS, text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of nineteen digits
        return None


def plain(label: str) -> str:
    """A label or level in its plain spelling: 1 for +1, 1.0 and 1e0, True for true; any other as it is."""
    number = exact_number(label)
    if number is None:
        return str(bool(TRUTH[label])) if label in TRUTH else label
    if not number:
        return "0"
    number = number.normalize(Context(len(label) + 1, Emin=MIN_EMIN, Emax=MAX_EMAX))
    return f"{number:f}" if -7 <= number.adjusted() <= 40 else f"{number:e}"


def plainly(labels: Collection[str]) -> dict[str, str]:
    """The plain spelling of each label, where all are numbers, or all truth values in one spelling.

    So a column has the same labels or levels whether it was read from text or came with a type. Any other
    labels stay as they are.
    """
    uniform = any(spelling.issuperset(labels) for spelling in SPELLINGS) or all(
        exact_number(label) is not None for label in labels
    )
    return {label: plain(label) if uniform else label for label in labels}


def by_meaning(labels: Iterable[str]) -> dict[str, str]:
    """Labels by their plain spelling, where no other one has it: 1.0 means the label 1."""
    meanings = [(plain(label), label) for label in labels]
    counts = Counter(meaning for meaning, _ in meanings)
    return {meaning: label for meaning, label in meanings if counts[meaning] == 1}


def shown(text: str) -> str:
    """A name or cell in quotes, as a message may show it."""
    return f"'{visible(text)}'"


def as_argument(table: Table, column: str) -> str:
    """A column for a command line: its name, quoted where needed, or else its position."""
    if re.fullmatch(r"\w[\w.-]{0,59}", column, re.ASCII):
        return column
    plain = column.isprintable() and column == column.strip() and 0 < len(column) <= 60
    if plain and "'" not in column and not column.startswith("-"):
        return f"'{column}'"
    return str(table.frame.get_column_index(column) + 1)


def refuse_other_cells(table: Table, column: str, found: Numbers, remedy: str) -> None:
    """Raise InputError where a cell of a column that must be numeric is not a finite number."""
    row = found.first_text if found.first_text is not None else found.first_infinite
    if row is None:
        return
    cell = as_written(table.frame[column].slice(row, 1))[0]
    counts = None if found.first_text is None else (found.n_numbers, found.n_cells)
    raise InputError(wrong_cell(table.place(row, column), cell, column, counts, remedy))


def wrong_cell(place: str, cell: str, column: str, counts: tuple[int, int] | None, remedy: str) -> str:
    """A sentence on a cell that is no finite number: `counts` are numbers and cells, None where it is infinite."""
    why = " is beyond the range of a double"
    if counts is not None:
        why = f" ({counts[0]:,} of {counts[1]:,} cells are numbers)" if counts[1] > 1 else ""
    return f"{place}: {shown(cell)} in numeric column {shown(column)}{why}. {remedy}"


def column_at(columns: Sequence[str], position: str) -> str | None:
    """The column at a position from 1, or from the end (-1); None where there is none."""
    if not re.fullmatch(r"-?[0-9]{1,9}", position):
        return None
    index = int(position)
    return columns[index - 1 if index > 0 else index] if 0 < abs(index) <= len(columns) else None


def as_written(series: pl.Series) -> pl.Series:
    """(n,) String: each cell as a person would write it, without blanks around it.

    A time says as many digits of its second as it has, whatever the unit it is stored in.
    """
    import polars as pl

    if series.dtype == pl.Boolean:
        return series.cast(pl.String).str.to_titlecase()
    if series.dtype.is_float():
        series = series.cast(pl.Float32) if series.dtype == pl.Float16 else series  # halves are not floored
        whole = series.is_finite() & (series == series.floor()) & (series.abs() < 2.0**63)
        return series.cast(pl.Int64, strict=False).cast(pl.String).zip_with(whole, series.cast(pl.String))
    if series.dtype == pl.Duration:
        return series.dt.to_string("iso")
    if series.dtype == pl.Time:
        return series.dt.to_string("%H:%M:%S%.f")
    if isinstance(series.dtype, pl.Datetime):
        zone = "" if series.dtype.time_zone is None else "%:z"
        return series.dt.to_string(f"%Y-%m-%d %H:%M:%S%.f{zone}")
    cells = series.cast(pl.String)
    if series.dtype.is_decimal():
        return cells.str.replace(r"(\.[0-9]*?)0+$", "$1").str.replace(r"\.$", "")
    return cells.str.strip_chars(BLANKS)


def _require_room(series: pl.Series, each: float) -> None:
    """Memory for what is worked out for each cell."""
    require(each * series.len(), f"column {shown(series.name)}: looking at its {series.len():,} cells")


def _parsed(cells: pl.Series) -> pl.Series:
    """(n,) Float64 of texts; null where a text is not a number. Overflow gives an infinity."""
    import polars as pl

    values = cells.cast(pl.Float64, strict=False)
    # Polars reads the words inf, infinity and nan, in any case, as numbers; they have no digit.
    words = values.is_nan() | (values.is_infinite() & ~cells.str.contains("[0-9]"))
    return values.set(words, None)


def _missing(series: pl.Series, markers: frozenset[str]) -> pl.Series:
    """(n,) Boolean: null, NaN, a marker as text, or a number equal to a marker that is a number."""
    import polars as pl

    blank = series.is_null()
    if series.dtype.is_float():
        blank |= series.is_nan().fill_null(value=True)
    numeric = {exact for marker in markers if (exact := exact_number(marker.strip(BLANKS))) is not None}
    can_mark = bool(numeric) or (series.dtype.is_float() and not _INFINITIES.isdisjoint(markers))
    if series.dtype.is_numeric() and not can_mark:
        return blank
    cells, tokens = as_written(series), pl.Series(sorted(markers), dtype=pl.String)
    blank |= cells.is_in(tokens.implode()).fill_null(value=True)
    if series.dtype == pl.String:
        blank |= series.is_in(tokens.implode()).fill_null(value=True)
    if numeric:
        # Doubles find the candidates; decimals decide, since 2**53 + 1 and 2**53 are the same double.
        candidates = _parsed(cells).is_in([float(number) for number in numeric]).fill_null(value=False)
        distinct = cells.filter(candidates).unique()
        equal = [text for text in distinct if exact_number(text) in numeric]
        blank |= cells.is_in(equal).fill_null(value=True)
    return blank


def first_of(mask: pl.Series) -> int | None:
    """The first row that a mask marks."""
    rows = mask.arg_true()
    return int(rows[0]) if rows.len() else None
