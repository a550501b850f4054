"""What each column is, decided by stated rules: `RULES`, in that order, and nothing else.

Cells are read the same way everywhere: blanks around a cell are no part of it, and a cell that equals
a marker (`DEFAULT_MISSING`, and what `--missing` adds) is missing. Nothing is guessed from a sample:
every cell that has a target is looked at, and a cell that does not fit stops the work with its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal

from oddsmith.errors import InputError, visible

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.table import Table

DEFAULT_MISSING = ("", "NA", "NaN", "nan", "NULL", "null")

MAX_LEVELS = 50
"""A text column with more levels than this is free text, unless --categorical names it."""
MIN_ROWS_PER_LEVEL = 2
MIN_ROWS_OF_IDENTIFIER = 8

RULES = """\
 1. The target, and columns that a target expression reads, are never features.
 2. --drop leaves a column out.
 3. Where --features is given, a column that it does not name is left out.
 4. --weight and --id name columns that are not features.
 5. A column without any value is left out as empty.
 6. A column with one value is left out as constant; a text or True/False column with one value and
    missing cells is categorical, since there being missing tells the rows apart.
 7. --categorical and --numeric decide the kind; under --numeric every cell must be a number.
 8. All cells numbers: numeric. But whole numbers that are all different, none missing, in 8 rows or
    more, are an identifier if they count up or down by one from row to row, or if the column's name
    ends in id, index, key, number, no or uuid; named by --features, such a column is numeric.
 9. A cell with leading zeros, such as 00123, is a code: its column is text (rule 13).
10. Half of the cells or more are numbers, but not all: an error that names the first other cell.
11. All cells True or False (or true/false, or TRUE/FALSE: one spelling): boolean.
12. All cells dates, or dates with a time: left out.
13. Other text: categorical with at most 50 levels and 2 rows a level on average; an identifier, left
    out, if all its cells differ; else free text, left out.
Missing cells count in none of these unless it is said. The first identifier becomes the id that
predictions echo, where --id names none."""

Kind = Literal["numeric", "boolean", "categorical"]

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""What a cell that is a number looks like, without blanks around it."""
_CODE = r"^[+-]?0[0-9]"
_BOOLEANS = (frozenset({"True", "False"}), frozenset({"true", "false"}), frozenset({"TRUE", "FALSE"}))
_IDENTIFIER_WORDS = frozenset({"id", "index", "key", "number", "no", "uuid"})

_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12][0-9]|3[01])"
_TIME = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
_DATE = (
    rf"^(?:[0-9]{{4}}-{_MONTH}-{_DAY}|[0-9]{{4}}/{_MONTH}/{_DAY}"
    rf"|{_DAY}[./-]{_MONTH}[./-][0-9]{{4}}|{_MONTH}/{_DAY}/[0-9]{{4}})"
    rf"(?:[T ]{_TIME}(?: ?(?:Z|UTC|[AaPp][Mm]|[+-][0-9]{{2}}:?[0-9]{{2}}))?)?$"
)


@dataclass(frozen=True)
class ColumnOptions:
    """What the user says about columns; each is a name, or a position as `resolve` reads it."""

    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    id: str | None = None
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    weight: str | None = None
    missing: tuple[str, ...] = ()
    """Each "TOKEN", for all columns, or "COLUMN=TOKEN"."""


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
            numbered = [(found, token) for name, token in splits if (found := _at(columns, name)) is not None]
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
    has_codes: bool
    """Whether a number has leading zeros, as a text."""


@dataclass(frozen=True)
class Feature:
    """A column that becomes columns of the design matrix."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class ColumnPlan:
    """What every column is used for."""

    features: tuple[Feature, ...]
    id: str | None
    weight: str | None
    left_out: tuple[tuple[str, str], ...]
    """(name, sentence) of each column that the rules, not an option of the user's, leave out."""


def resolve(table: Table, name: str) -> str:
    """The column that `name` means: a column's exact name, else a position from 1, or from the end (-1).

    Raises:
        InputError: neither; the message names columns that are spelt nearly so.
    """
    columns = table.frame.columns
    if name in columns:
        return name
    found = _at(columns, name)
    if found is not None:
        return found
    raise InputError(
        f"{visible(table.name, 200)}: {shown(name)} is none of its {len(columns):,} columns."
        f"{near_names(table, name)} Give a column's exact name, or its position from 1 to {len(columns)}, "
        "or from the end as -1."
    )


def near_names(table: Table, name: str) -> str:
    """A question that names columns spelt nearly like `name`, after a blank; empty if there are none."""
    import difflib

    by_lower_case = {column.lower(): column for column in table.frame.columns}
    near = [by_lower_case[text] for text in difflib.get_close_matches(name.lower(), by_lower_case, n=3)]
    return f" Did you mean {' or '.join(shown(column) for column in near)}?" if near else ""


def numbers(series: pl.Series, markers: frozenset[str]) -> Numbers:
    """Cells as doubles, correctly rounded.

    A number in a text is ASCII digits with an optional sign, decimal point and exponent, and blanks
    around it; `inf`, `0x1F`, `1_000`, `1D3` and digits of other scripts are text.
    """
    import polars as pl

    missing = _missing(series, markers)
    n_cells = series.len() - int(missing.sum())
    if series.dtype.is_numeric():
        values = series.cast(pl.Float64).set(missing, None)
        return Numbers(values, n_cells, n_cells, None, _first(values.is_infinite()), has_codes=False)
    cells = _cells(series).set(missing, None)
    values = _parsed(cells)
    is_number = values.is_not_null()
    return Numbers(
        values=values,
        n_cells=n_cells,
        n_numbers=int(is_number.sum()),
        first_text=_first(~is_number & ~missing),
        first_infinite=_first(values.is_infinite()),
        has_codes=bool((cells.str.contains(_CODE) & is_number).any()),
    )


def require_numbers(
    table: Table,
    column: str,
    markers: frozenset[str],
    remedy: str = "Correct the cell, or add it to --missing.",
) -> pl.Series:
    """(n,) Float64 of a column that must be numeric; null where a cell is missing.

    Raises:
        InputError: a cell is not a finite number; the message names its place, and ends in `remedy`.
    """
    found = numbers(table.frame[column], markers)
    _refuse_other_cells(table, column, found, remedy)
    return found.values


def texts(series: pl.Series, markers: frozenset[str]) -> pl.Series:
    """(n,) String of the cells as labels, without blanks around them; null where a cell is missing.

    Whole numbers of typed columns give "1", never "1.0"; booleans give "True" and "False".
    """
    return _cells(series).set(_missing(series, markers), None)


def numbers_or_texts(table: Table, column: str, markers: frozenset[str]) -> pl.Series:
    """(n,) `numbers` where every cell is one, none with leading zeros; else `texts`.

    Raises:
        InputError: a number is infinite or too large for a double; the column is nested.
    """
    refuse_nested(table, column)
    found = numbers(table.frame[column], markers)
    if found.has_codes or found.first_text is not None:
        return texts(table.frame[column], markers)
    return require_numbers(table, column, markers)


def refuse_nested(table: Table, column: str) -> None:
    """Raise InputError for a column of lists, structs, bytes or Python objects."""
    import polars as pl

    dtype = table.frame[column].dtype
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        raise InputError(
            f"{visible(table.name, 200)}: column {shown(column)} holds {dtype}, not one value a cell. "
            f"Make columns of it, or leave it out with --drop {as_argument(table, column)}."
        )


def exact_number(text: str) -> Decimal | None:
    """The number that a cell's text is; None for any other text, and for a code with leading zeros."""
    if not NUMBER.fullmatch(text) or re.match(_CODE, text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of nineteen digits
        return None


def classify(table: Table, options: ColumnOptions, *, reserved: Sequence[str] = ()) -> ColumnPlan:
    """What each column is, by `RULES`.

    Args:
        table: only the rows that have a target (`Table.take`): others must not sway a decision.
        options: what the user says.
        reserved: columns that are never features: the target, or all that its expression reads.

    Raises:
        InputError: options that contradict each other or name no column; a column of lists or
            structs; a numeric column with other cells in it; no feature left.
    """
    named = _resolved(table, options)
    _refuse_contradictions(table, named, reserved)
    markers = MissingMarkers.from_options(options.missing, table.frame.columns)
    features: list[Feature] = []
    left_out: list[tuple[str, str]] = []
    reasons: list[str] = []
    id_column = named["--id"][0] if named["--id"] else None
    weight = named["--weight"][0] if named["--weight"] else None
    aside = {*reserved, *named["--drop"], *named["--weight"], *named["--id"]}
    for name in table.frame.columns:
        if name in aside or (options.features is not None and name not in named["--features"]):
            continue
        forced: Kind | None = None
        if name in named["--categorical"]:
            forced = "categorical"
        elif name in named["--numeric"]:
            forced = "numeric"
        decision = _decide(table, name, markers.of(name), forced, wanted=name in named["--features"])
        if decision.kind is not None:
            features.append(Feature(name, decision.kind))
            continue
        reasons.append(f"{shown(name)} is left out: {decision.reason}")
        echoed = decision.is_identifier and id_column is None
        if echoed:
            id_column = name
        left_out.append((name, reasons[-1] + (" Predictions echo it as their id." if echoed else "")))
    if not features:
        why = " ".join(reasons[:2]) or "Drop fewer columns, or name some with --features."
        raise InputError(f"{visible(table.name, 200)}: no column is left as a feature. {why}")
    return ColumnPlan(tuple(features), id_column, weight, tuple(left_out))


def shown(text: str) -> str:
    """A name or cell in quotes, as a message may show it."""
    return f"'{visible(text)}'"


def as_argument(table: Table, column: str) -> str:
    """A column for a command line: its name, quoted where needed, or else its position."""
    if re.fullmatch(r"\w[\w.-]*", column, re.ASCII):
        return column
    plain = column.isprintable() and column == column.strip() and 0 < len(column) <= 60
    if plain and "'" not in column and not column.startswith("-"):
        return f"'{column}'"
    return str(table.frame.columns.index(column) + 1)


@dataclass(frozen=True)
class _Decision:
    kind: Kind | None
    reason: str = ""
    is_identifier: bool = False


def _decide(
    table: Table, name: str, markers: frozenset[str], forced: Kind | None, *, wanted: bool
) -> _Decision:
    """Rules 5 to 13, for one column; `wanted`: --features names it."""
    series, argument = table.frame[name], as_argument(table, name)
    dtype = series.dtype
    refuse_nested(table, name)
    found = numbers(series, markers)
    if found.n_cells == 0:
        return _Decision(None, "empty, every cell is missing.")
    cells = texts(series, markers).drop_nulls()
    all_numbers = found.n_numbers == found.n_cells
    as_numbers = all_numbers and not found.has_codes and forced != "categorical"
    levels = cells.unique(maintain_order=True)
    n_levels = found.values.drop_nulls().n_unique() if as_numbers else levels.len()
    if n_levels == 1 and (as_numbers or cells.len() == series.len()):
        return _Decision(None, f"constant, every value is {shown(levels[0])}.")
    other_cell = (
        f"Add it to --missing, or say --categorical {argument}, or drop the column with --drop {argument}."
    )
    if forced == "numeric":
        _refuse_other_cells(table, name, found, other_cell)
    if forced is not None:
        return _Decision(forced)
    if n_levels == 1 and not as_numbers:
        return _Decision("categorical")
    if not found.has_codes and 2 * found.n_numbers >= found.n_cells:
        _refuse_other_cells(table, name, found, other_cell)
        manner = _identifier_manner(name, cells, found) if cells.len() == series.len() else None
        if manner is None or wanted:
            return _Decision("numeric")
        reason = (
            f"an identifier (whole numbers, all different, {manner}). To use it, say --numeric {argument}."
        )
        return _Decision(None, reason, is_identifier=True)
    if n_levels == 2 and frozenset(levels) in _BOOLEANS:
        return _Decision("boolean")
    if dtype.is_temporal() or bool(cells.str.contains(_DATE).all()):
        reason = f"dates. To use it, derive a number from it, or say --categorical {argument}."
        return _Decision(None, reason)
    if n_levels <= MAX_LEVELS and cells.len() >= MIN_ROWS_PER_LEVEL * n_levels:
        return _Decision("categorical")
    counts = f"({n_levels:,} different texts in {cells.len():,} cells)"
    remedy = f"To use it, say --categorical {argument}."
    if n_levels == cells.len():
        return _Decision(None, f"an identifier {counts}. {remedy}", is_identifier=True)
    return _Decision(None, f"free text {counts}. {remedy}")


def _identifier_manner(name: str, cells: pl.Series, found: Numbers) -> str | None:
    """Why a numeric column without missing cells is an identifier (rule 8); None if it is not."""
    import polars as pl

    integers = cells.cast(pl.Int64, strict=False)
    if integers.null_count():
        integers = found.values  # such as 1e3, or beyond 64 bits
        if not bool((integers == integers.floor()).all()):
            return None
    if cells.len() < MIN_ROWS_OF_IDENTIFIER or integers.n_unique() < cells.len():
        return None
    steps = integers.diff().drop_nulls()
    if bool((steps == 1).all()) or bool((steps == -1).all()):
        return "counting by one"
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    words = re.findall(r"[^\W\d_]+", spaced)
    return "and named so" if words and words[-1].lower() in _IDENTIFIER_WORDS else None


def _refuse_other_cells(table: Table, column: str, found: Numbers, remedy: str) -> None:
    """Raise where a cell of a column that must be numeric is not a finite number."""
    row = found.first_text if found.first_text is not None else found.first_infinite
    if row is None:
        return
    cell = _cells(table.frame[column].slice(row, 1))[0]
    why = f"({found.n_numbers:,} of {found.n_cells:,} cells are numbers)"
    if found.first_text is None:
        why = "is beyond the range of a double"
    raise InputError(
        f"{table.place(row, column)}: {shown(cell)} in numeric column {shown(column)} {why}. {remedy}"
    )


def _resolved(table: Table, options: ColumnOptions) -> dict[str, tuple[str, ...]]:
    """Columns that each option names."""
    given = {
        "--features": options.features or (),
        "--drop": options.drop,
        "--categorical": options.categorical,
        "--numeric": options.numeric,
        "--weight": () if options.weight is None else (options.weight,),
        "--id": () if options.id is None else (options.id,),
    }
    return {option: tuple(resolve(table, name) for name in names) for option, names in given.items()}


def _refuse_contradictions(table: Table, named: dict[str, tuple[str, ...]], reserved: Sequence[str]) -> None:
    agree = ({"--features", "--categorical"}, {"--features", "--numeric"}, {"--target", "--drop"})
    roles = {"--target": tuple(reserved), **named}
    for column in table.frame.columns:
        options = [option for option, columns in roles.items() if column in columns]
        if len(options) > 1 and set(options) not in agree:
            raise InputError(
                f"{visible(table.name, 200)}: column {shown(column)} is named by "
                f"{' and by '.join(options)}, which contradict each other. Keep one of them."
            )
        if named["--features"] and options in (["--categorical"], ["--numeric"]):
            raise InputError(
                f"{visible(table.name, 200)}: column {shown(column)} is named by {options[0]} "
                "but not by --features. Add it there, or name it in neither."
            )


def _at(columns: Sequence[str], position: str) -> str | None:
    """The column at a position from 1, or from the end (-1); None where there is none."""
    if not re.fullmatch(r"-?[0-9]{1,9}", position):
        return None
    index = int(position)
    return columns[index - 1 if index > 0 else index] if 0 < abs(index) <= len(columns) else None


def _cells(series: pl.Series) -> pl.Series:
    """(n,) String: each cell as a person would write it, without blanks around it."""
    import polars as pl

    if series.dtype == pl.Boolean:
        return series.cast(pl.String).str.to_titlecase()
    if series.dtype.is_float():
        whole = series.is_finite() & (series == series.floor()) & (series.abs() < 2.0**63)
        return series.cast(pl.Int64, strict=False).cast(pl.String).zip_with(whole, series.cast(pl.String))
    if series.dtype == pl.Duration:
        return series.dt.to_string("iso")
    cells = series.cast(pl.String)
    if series.dtype.is_decimal():
        return cells.str.replace(r"(\.[0-9]*?)0+$", "$1").str.replace(r"\.$", "")
    return cells.str.strip_chars()


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
    numeric = {exact for marker in markers if (exact := exact_number(marker.strip())) is not None}
    if series.dtype.is_numeric() and not numeric:
        return blank
    cells, tokens = _cells(series), pl.Series(sorted(markers), dtype=pl.String)
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


def _first(mask: pl.Series) -> int | None:
    rows = mask.arg_true()
    return int(rows[0]) if rows.len() else None
