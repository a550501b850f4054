"""What each column is, decided by stated rules: `RULES`, in that order, and nothing else.

Nothing is guessed from a sample: every cell that has a target is looked at, and a cell that does not fit
stops the work with its place.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from oddsmith.data.cells import (
    LEADING_ZEROS,
    SPELLINGS,
    MissingMarkers,
    Numbers,
    as_argument,
    column_at,
    numbers,
    refuse_nested,
    refuse_other_cells,
    shown,
    texts,
)
from oddsmith.errors import DataWarning, InputError, visible

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.table import Table


MAX_LEVELS = 50
"""A text column with more levels than this is free text, unless --categorical names it."""
MIN_ROWS_PER_LEVEL = 2
MIN_ROWS_OF_IDENTIFIER = 8
MIN_NUMBERS, MOST_MARKERS = 8, 2
"""So many different numbers beside so few other texts are numbers with markers of missing cells."""

RULES = """\
 1. The target, and columns that a target expression reads, are never features.
 2. --drop leaves a column out.
 3. Where --features is given, a column that it does not name is left out.
 4. --weight and --id name columns that are not features.
 5. A column without any value is left out as empty.
 6. A column with one value is left out as constant; a text or True/False column with one value and
    missing cells is categorical, since there being missing tells the rows apart. Where every column is
    constant the model gives each row the class shares.
 7. --categorical and --numeric decide the kind; under --numeric every cell must be a number.
 8. All cells numbers: numeric. But whole numbers that are all different, none missing, in 8 rows or
    more, are an identifier if they count up or down by one from row to row, or if the column's name
    ends in id, index, key, number, no or uuid; named by --features, such a column is numeric.
 9. A cell with leading zeros, such as 00123, is a code: its column is text (rule 13). Where lengths
    differ and most numbers have no leading zeros, it is an error that asks which they are.
10. Half of the cells or more are numbers, but not all: an error that names the first other cell. So it
    is where 8 different numbers or more stand beside one or two other texts.
    Numbers written another way, such as 1,5 or 1.234,5 or 1,234 or $3 or 12% or (7), are such cells.
11. All cells True or False (or true/false, or TRUE/FALSE: one spelling): boolean.
12. All cells dates, times of day, or dates with a time: left out.
13. Other text: categorical with at most 50 levels and 2 rows a level on average; an identifier, left
    out, if all its cells differ; else free text, left out.
Missing cells count in none of these unless it is said. The first identifier becomes the id that
predictions echo, where --id names none."""

_LONGEST_COMPARED = 200
_MOST_COMPARED = 20_000
"""Looking for names spelt nearly alike takes some 50 microseconds a name."""

Kind = Literal["numeric", "boolean", "categorical"]

_IDENTIFIER_WORDS = frozenset({"id", "index", "key", "number", "no", "uuid"})

_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12][0-9]|3[01])"
_TIME = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
_DATE = (
    rf"^(?:[0-9]{{4}}-{_MONTH}-{_DAY}|[0-9]{{4}}/{_MONTH}/{_DAY}"
    rf"|{_DAY}[./-]{_MONTH}[./-][0-9]{{4}}|{_MONTH}/{_DAY}/[0-9]{{4}})"
    rf"(?:[T ]{_TIME}(?: ?(?:Z|UTC|[AaPp][Mm]|[+-][0-9]{{2}}:?[0-9]{{2}}))?)?$"
    rf"|^{_TIME}$"
)


# A decimal comma; thousands; and either with a currency, a percent sign or an accountant's brackets.
_GROUPED = (
    r"(?:[0-9]+,[0-9]+|[0-9]{1,3}(?:[.\u00a0\u2009\u202f'’][0-9]{3})+,[0-9]+"
    r"|[0-9]{1,3}(?:[,\u00a0\u2009\u202f'’][0-9]{3})+(?:\.[0-9]+)?)"
)
_DIGITS, _CURRENCY = rf"(?:{_GROUPED}|[0-9]+(?:\.[0-9]+)?)", r"(?:[$€£¥]|USD|EUR|GBP|CHF|JPY)"
_OTHER_NUMBER = (
    rf"^(?:[+\-−]?{_GROUPED}|−{_DIGITS}|[+\-−]?{_CURRENCY}\s?[+\-−]?{_DIGITS}"
    rf"|[+\-−]?{_DIGITS}\s?(?:%|{_CURRENCY})|\({_CURRENCY}?\s?{_DIGITS}\))$"
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
class Feature:
    """A column that becomes columns of the design matrix."""

    name: str
    kind: Kind
    values: pl.Series | None = field(default=None, compare=False, repr=False)
    """(n,) Float64 of a numeric column, as the decision read it: cells are converted once."""


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
    if _has_column(table, name):
        return name
    columns = table.frame.columns
    found = column_at(columns, name)
    if found is not None:
        return found
    raise InputError(
        f"{visible(table.name, 200)}: {shown(name)} is none of its {len(columns):,} columns."
        f"{near_names(table, name)} Give a column's exact name, or its position from 1 to {len(columns)}, "
        "or from the end as -1."
    )


def _has_column(table: Table, name: str) -> bool:
    """Whether a column has this exact name, found without a list of them all."""
    import polars as pl

    try:
        table.frame.get_column_index(name)
    except pl.exceptions.ColumnNotFoundError:
        return False
    return True


def near_names(table: Table, name: str) -> str:
    """A question that names columns spelt nearly like `name`, after a blank; empty if there are none."""
    import difflib

    if len(name) > _LONGEST_COMPARED:
        return ""
    by_lower_case = {column.lower(): column for column in table.frame.columns[:_MOST_COMPARED]}
    near = [by_lower_case[text] for text in difflib.get_close_matches(name.lower(), by_lower_case, n=3)]
    return f" Did you mean {' or '.join(shown(column) for column in near)}?" if near else ""


def classify(
    table: Table, options: ColumnOptions, *, reserved: Sequence[str] = (), most_features: int | None = None
) -> ColumnPlan:
    """What each column is, by `RULES`.

    Args:
        table: only the rows that have a target (`Table.take`): others must not sway a decision.
        options: what the user says.
        reserved: columns that are never features: the target, or all that its expression reads.
        most_features: more of them than this are refused, and no further column is looked at.

    Warns:
        DataWarning: whole numbers of a numeric column lose digits as doubles.

    Raises:
        InputError: options that contradict each other or name no column; a column of lists or
            structs; a numeric column with other cells in it; no feature left where an option could give one;
            more than `most_features`.
    """
    named = _resolved(table, options)
    _refuse_contradictions(table, named, reserved)
    markers = MissingMarkers.from_options(options.missing, table.frame.columns)
    features: list[Feature] = []
    left_out: list[tuple[str, str]] = []
    reasons: list[str] = []
    all_constant = True
    id_column = named["--id"][0] if named["--id"] else None
    weight = named["--weight"][0] if named["--weight"] else None
    aside = {*reserved, *named["--drop"], *named["--weight"], *named["--id"]}
    wanted, categorical, numeric = (set(named[f"--{x}"]) for x in ("features", "categorical", "numeric"))
    for name in table.frame.columns:
        if name in aside or (options.features is not None and name not in wanted):
            continue
        forced: Kind | None = None
        if name in categorical:
            forced = "categorical"
        elif name in numeric:
            forced = "numeric"
        decision = _decide(table, name, markers.of(name), forced, wanted=name in wanted)
        if decision.kind is not None:
            features.append(Feature(name, decision.kind, decision.values))
            if most_features is not None and len(features) > most_features:
                raise InputError(
                    f"{visible(table.name, 200)}: more than {most_features:,} of its {table.frame.width:,} columns "
                    f"would be features, and so many coefficients cannot be fitted at once. Name the columns to "
                    f"use with --features, or leave columns out with --drop."
                )
            continue
        reasons.append(f"{shown(name)} is left out: {decision.reason}")
        all_constant &= decision.is_constant
        echoed = decision.is_identifier and id_column is None
        if echoed:
            id_column = name
        left_out.append((name, reasons[-1] + (" Predictions echo it as their id." if echoed else "")))
    if not features and not (reasons and all_constant):
        why = " ".join(reasons[:2]) or "Drop fewer columns, or name some with --features."
        raise InputError(f"{visible(table.name, 200)}: no column is left as a feature. {why}")
    return ColumnPlan(tuple(features), id_column, weight, tuple(left_out))


@dataclass(frozen=True)
class _Decision:
    kind: Kind | None
    reason: str = ""
    is_identifier: bool = False
    is_constant: bool = False
    values: pl.Series | None = None


def _decide(
    table: Table, name: str, markers: frozenset[str], forced: Kind | None, *, wanted: bool
) -> _Decision:
    """Rules 5 to 13, for one column; `wanted`: --features names it."""
    refuse_nested(table, name)
    found = numbers(table.frame[name], markers)
    if found.n_cells == 0:
        return _Decision(None, "empty, every cell is missing.")
    if found.n_numbers == found.n_cells and not found.has_codes and forced != "categorical":
        return _decide_numbers(table, name, markers, found, wanted=wanted or forced == "numeric")
    return _decide_texts(table, name, markers, found, forced)


def _decide_numbers(
    table: Table, name: str, markers: frozenset[str], found: Numbers, *, wanted: bool
) -> _Decision:
    """Rules 6 and 8, for a column whose cells are all numbers."""
    values, series = found.values.drop_nulls(), table.frame[name]
    only = texts(series, markers).drop_nulls() if values.min() == values.max() else None
    # Whole numbers beyond 2**53 may differ where their doubles do not.
    if only is not None and (abs(values[0]) < 2.0**53 or only.n_unique() == 1):
        only = only[0]
        return _Decision(None, f"constant, every value is {shown(only)}.", is_constant=True)
    refuse_other_cells(table, name, found, _remedies(table, name))
    complete = found.n_cells == series.len()
    manner = _identifier_manner(name, series, markers, values) if complete and not wanted else None
    if manner is None:
        mention_rounding(table, name, markers, found.values)
        return _Decision("numeric", values=found.values)
    remedy = f"To use it, say --numeric {as_argument(table, name)}."
    reason = f"an identifier (whole numbers, all different, {manner}). {remedy}"
    return _Decision(None, reason, is_identifier=True)


def mention_rounding(table: Table, name: str, markers: frozenset[str], values: pl.Series) -> None:
    """Warn where whole numbers of a numeric column are beyond 2^53 and lose digits as doubles."""
    import polars as pl

    large = (values.abs() >= 2.0**53).fill_null(value=False)
    if not large.any() or table.frame[name].dtype.is_float():
        return
    cells = texts(table.frame[name].filter(large), markers)
    whole = cells.str.replace(r"\.0*$", "").cast(pl.Int128, strict=False)
    lost = (whole != values.filter(large).cast(pl.Int128, strict=False)).fill_null(value=False).arg_true()
    if not lost.len():
        return
    row = int(large.arg_true()[int(lost[0])])
    warnings.warn(
        f"{table.place(row, name)}: {shown(cells[int(lost[0])])} has more digits than a double holds; as a number it "
        f"is rounded ({lost.len():,} such cells). If {shown(name)} holds codes, say --categorical "
        f"{as_argument(table, name)}, or leave it out with --drop {as_argument(table, name)}.",
        DataWarning,
        stacklevel=6,
    )


def _decide_texts(
    table: Table, name: str, markers: frozenset[str], found: Numbers, forced: Kind | None
) -> _Decision:
    """Rules 6, 7 and 9 to 13, for a column of texts."""
    import polars as pl

    series, argument = table.frame[name], as_argument(table, name)
    cells = texts(series, markers).drop_nulls()
    levels = cells.unique(maintain_order=True)
    n_levels = levels.len()
    if n_levels == 1 and cells.len() == series.len():
        return _Decision(None, f"constant, every value is {shown(levels[0])}.", is_constant=True)
    if forced == "numeric":
        refuse_other_cells(table, name, found, _remedies(table, name))
    if forced is not None:
        return _Decision(forced)
    if n_levels == 1:
        return _Decision("categorical")
    if found.has_codes:
        _refuse_mixed_codes(table, name, texts(series, markers))
    elif 2 * found.n_numbers >= found.n_cells or _levels_are_numbers(levels):
        refuse_other_cells(table, name, found, _remedies(table, name))
    if n_levels == 2 and frozenset(levels) in SPELLINGS:
        return _Decision("boolean")
    _refuse_other_writing(table, name, texts(series, markers), found)
    if series.dtype in (pl.Date, pl.Datetime, pl.Time) or bool(cells.str.contains(_DATE).all()):
        reason = f"dates or times. To use it, derive a number from it, or say --categorical {argument}."
        return _Decision(None, reason)
    if n_levels <= MAX_LEVELS and cells.len() >= MIN_ROWS_PER_LEVEL * n_levels:
        return _Decision("categorical")
    counts = f"({n_levels:,} different texts in {cells.len():,} cells)"
    remedy = f"To use it, say --categorical {argument}."
    if n_levels == cells.len():
        return _Decision(None, f"an identifier {counts}. {remedy}", is_identifier=True)
    return _Decision(None, f"free text {counts}. {remedy}")


def _levels_are_numbers(levels: pl.Series) -> bool:
    """Whether most different texts are numbers, and one or two are not, such as ? in most cells."""
    found = numbers(levels, frozenset())
    return found.n_numbers >= MIN_NUMBERS and found.n_cells - found.n_numbers <= MOST_MARKERS


def _refuse_mixed_codes(table: Table, name: str, cells: pl.Series) -> None:
    """Rule 9: digits are codes where all have one length, or half of them leading zeros; else they may be numbers."""
    stripped = cells.str.strip_chars()
    digits = cells.str.contains(r"^\s*[+-]?[0-9.]+\s*$")
    codes = (digits & stripped.str.contains(LEADING_ZEROS)).fill_null(value=False)
    lengths = stripped.filter(digits.fill_null(value=False)).str.len_chars()
    if lengths.n_unique() <= 1 or 2 * int(codes.sum()) >= lengths.len():
        return
    row, argument = int(codes.arg_true()[0]), as_argument(table, name)
    raise InputError(
        f"{table.place(row, name)}: {shown(cells[row])} has leading zeros, as codes have, and most cells of column "
        f"{shown(name)} have none. Say --numeric {argument} if they are numbers, --categorical {argument} if they "
        f"are codes, or drop the column with --drop {argument}."
    )


def _refuse_other_writing(table: Table, name: str, cells: pl.Series, found: Numbers) -> None:
    """Rule 10 for numbers as people and offices write them, which are read neither as numbers nor as levels."""
    rows = cells.str.contains(_OTHER_NUMBER).arg_true()
    if found.has_codes or not rows.len() or 2 * (rows.len() + found.n_numbers) < found.n_cells:
        return
    row = int(rows[0])
    argument = as_argument(table, name)
    raise InputError(
        f"{table.place(row, name)}: {shown(cells[row])} in column {shown(name)} looks like a number written another way "
        f"({rows.len():,} of {found.n_cells:,} cells do). Write digits and a point alone, as in 1234.5, or say "
        f"--categorical {argument}, or drop the column with --drop {argument}."
    )


def _remedies(table: Table, name: str) -> str:
    """What to do about a cell that is no number, in a column that is numeric."""
    argument = as_argument(table, name)
    return f"Add it to --missing, or say --categorical {argument}, or drop the column with --drop {argument}."


def _identifier_manner(
    name: str, series: pl.Series, markers: frozenset[str], values: pl.Series
) -> str | None:
    """Why a numeric column without missing cells is an identifier (rule 8); None if it is not."""
    import polars as pl

    if values.len() < MIN_ROWS_OF_IDENTIFIER or not bool((values == values.floor()).all()):
        return None
    integers = texts(series, markers).cast(pl.Int64, strict=False)
    if integers.null_count():
        integers = values  # such as 1e3, or beyond 64 bits
    if integers.n_unique() < integers.len():
        return None
    steps = integers.diff().drop_nulls()
    if bool((steps == 1).all()) or bool((steps == -1).all()):
        return "counting by one"
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    words = re.findall(r"[^\W\d_]+", spaced)
    return "and named so" if words and words[-1].lower() in _IDENTIFIER_WORDS else None


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
    roles = {option: set(columns) for option, columns in {"--target": reserved, **named}.items()}
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
