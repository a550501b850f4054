"""What each column is, decided by stated rules: `RULES`, in that order, and nothing else.

Nothing is guessed from a sample: every cell that has a target is looked at, and a cell that does not fit
stops the work with its place.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from oddsmith.data.batches import Batches
from oddsmith.data.cells import (
    SPELLINGS,
    MissingMarkers,
    as_argument,
    column_at,
    first_of,
    is_nested,
    numbers,
    refuse_nested,
    shown,
    texts,
)
from oddsmith.data.facts import NumberFacts, rounded
from oddsmith.data.roles import Split, SplitOptions
from oddsmith.data.survey import ColumnFacts, Survey
from oddsmith.data.writing import OTHER_NUMBER, Writing, digits_and_codes
from oddsmith.errors import DataWarning, InputError, visible

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.table import Table
    from oddsmith.data.target import Labels


MAX_LEVELS = 50
"""A text column with more levels than this is free text, unless --categorical names it."""
MIN_ROWS_PER_LEVEL = 2
MIN_ROWS_OF_IDENTIFIER = 8
MOST_LEVELS = 100_000
"""Levels of a column that --categorical names: more could not be fitted."""
GROUP = 5000
"""Columns that are looked at in one read of the rows."""

RULES = """\
 1. The target, and columns that a target expression reads, are never features.
 2. --drop leaves a column out.
 3. Where --features is given, a column that it does not name is left out.
 4. --weight, --offset and --id name columns that are not features.
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
Missing cells count in none of these unless it is said. Of more than 4,194,304 cells, at least so many
decide whether all differ. The first identifier becomes the id that predictions echo, where --id names
none."""

_LONGEST_COMPARED = 200
_MOST_COMPARED = 20_000
"""Looking for names spelt nearly alike takes some 50 microseconds a name."""

Kind = Literal["numeric", "boolean", "categorical"]

_NO_FEATURES = ("--drop", "--weight", "--offset", "--id", "--group")
_IDENTIFIER_WORDS = frozenset({"id", "index", "key", "number", "no", "uuid"})


@dataclass(frozen=True)
class ColumnOptions:
    """What the user says about columns; each is a name, or a position as `resolve` reads it."""

    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    id: str | None = None
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    weight: str | None = None
    offset: str | None = None
    missing: tuple[str, ...] = ()
    """Each "TOKEN", for all columns, or "COLUMN=TOKEN"."""
    split: SplitOptions | None = None
    """None where every row trains."""


@dataclass(frozen=True)
class Feature:
    """A column that becomes columns of the design matrix."""

    name: str
    kind: Kind
    facts: ColumnFacts = field(compare=False, repr=False)


@dataclass(frozen=True)
class ColumnPlan:
    """What every column is used for."""

    features: tuple[Feature, ...]
    id: str | None
    weight: str | None
    offset: str | None
    left_out: tuple[tuple[str, str], ...]
    """(name, sentence) of each column that the rules, not an option of the user's, leave out."""
    survey: Survey = field(compare=False, repr=False)
    """The rows that count, as they were read."""


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
    rows: Table | Batches,
    options: ColumnOptions,
    *,
    reserved: Sequence[str] = (),
    labels: Labels | None = None,
    most_features: int | None = None,
    room: float = 0.0,
) -> ColumnPlan:
    """What each column is, by `RULES`.

    Args:
        rows: a table, or the batches of one.
        options: what the user says; of a split only rows that train count, and its group is no feature.
        reserved: columns that are never features: the target, or all that its expression reads.
        labels: gathered from the same read; only rows that have one count, for others must not sway a decision.
        most_features: more of them than this are refused, and few further columns are looked at.
        room: bytes of memory for cells as they were read, so that they need not be read again.

    Warns:
        DataWarning: whole numbers of a numeric column lose digits as doubles.

    Raises:
        InputError: options that contradict each other or name no column; a column of lists or
            structs; a numeric column with other cells in it; no feature left where an option could give one;
            more than `most_features`.
    """
    rows = Batches.of(rows)
    table = rows.head
    named = _resolved(table, options)
    _refuse_contradictions(table, named, reserved)
    markers = MissingMarkers.from_options(options.missing, table.frame.columns)
    id_column = named["--id"][0] if named["--id"] else None
    weight, offset = (named[option][0] if named[option] else None for option in ("--weight", "--offset"))
    aside = {*reserved, *(name for option in _NO_FEATURES for name in named[option])}
    wanted, categorical, numeric = (set(named[f"--{x}"]) for x in ("features", "categorical", "numeric"))
    survey = Survey(
        rows,
        markers,
        labels=labels,
        weight=weight,
        offset=offset,
        split=_split(rows, options, named, reserved, markers),
        room=room,
    )
    candidates = [
        _undecided(name, markers.of(name), name in numeric, name in categorical, name in wanted)
        for name in table.frame.columns
        if name not in aside and (options.features is None or name in wanted)
    ]
    features: list[Feature] = []
    left_out: list[tuple[str, str]] = []
    reasons: list[str] = []
    all_constant = True
    for start in range(0, max(len(candidates), 1), GROUP):
        group = candidates[start : start + GROUP]
        _read(survey, group)
        for facts in group:
            name = facts.name
            forced: Kind | None = None
            if name in categorical:
                forced = "categorical"
            elif name in numeric:
                forced = "numeric"
            decision = _decide(survey, facts, forced)
            if decision.kind is not None:
                features.append(Feature(name, decision.kind, facts))
                if most_features is not None and len(features) > most_features:
                    raise InputError(
                        f"{visible(table.name, 200)}: more than {most_features:,} of its {table.frame.width:,} "
                        f"columns would be features, and so many coefficients cannot be fitted at once. Name the "
                        f"columns to use with --features, or leave columns out with --drop."
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
    return ColumnPlan(tuple(features), id_column, weight, offset, tuple(left_out), survey)


def _split(
    rows: Batches,
    options: ColumnOptions,
    named: dict[str, tuple[str, ...]],
    reserved: Sequence[str],
    markers: MissingMarkers,
) -> Split | None:
    """How rows get their roles, if they are to have some."""
    if options.split is None:
        return None
    (group,), (time,) = (named[option] or (None,) for option in ("--group", "--time"))
    no_key = {*reserved, *named["--weight"], *named["--id"]}
    return replace(options.split, group=group, time=time).learn(rows, markers, no_key)


def _undecided(
    name: str, markers: frozenset[str], numeric: bool, categorical: bool, wanted: bool
) -> ColumnFacts:
    """A column of which nothing is known but what the user says."""
    facts = ColumnFacts(
        name,
        markers,
        most_levels=MOST_LEVELS if categorical else MAX_LEVELS,
        numeric=numeric,
        unique=not (wanted or numeric or categorical) and _named_identifier(name),
        steps=not (wanted or numeric or categorical),
    )
    if categorical:
        facts.look_at_levels()
    return facts


def _read(survey: Survey, group: Sequence[ColumnFacts]) -> None:
    """What the cells of these columns say; a second time, of those where texts came after numbers."""
    plain = [facts for facts in group if not is_nested(survey.rows.head.frame[facts.name].dtype)]
    survey.look(plain)
    again = [facts for facts in plain if facts.lacks_levels]
    for facts in again:
        facts.look_at_levels()
    if again:
        survey.look(again)


@dataclass(frozen=True)
class _Decision:
    kind: Kind | None
    reason: str = ""
    is_identifier: bool = False
    is_constant: bool = False


def _decide(survey: Survey, facts: ColumnFacts, forced: Kind | None) -> _Decision:
    """Rules 5 to 13, for one column."""
    refuse_nested(survey.rows.head, facts.name)
    if facts.n_cells == 0:
        return _Decision(None, "empty, every cell is missing.")
    if forced != "categorical" and (facts.numbers.all_numbers or forced == "numeric"):
        return _decide_numbers(survey, facts)
    return _decide_texts(survey, facts, forced)


def _decide_numbers(survey: Survey, facts: ColumnFacts) -> _Decision:
    """Rules 6 and 8, for a column whose cells are all numbers, or must be."""
    found, name = facts.numbers, facts.name
    survey.refuse_other_cells(
        name, found.n_numbers, found.n_cells, _remedies(survey, name), finite=found.is_finite
    )
    # Whole numbers beyond 2**53 may differ where their doubles do not.
    if found.lowest == found.highest and len(found.spellings) < 2:
        markers = facts.markers
        _, cell = survey.first(name, lambda series: first_of(numbers(series, markers).values.is_not_null()))
        return _Decision(None, f"constant, every value is {shown(cell)}.", is_constant=True)
    manner = _identifier_manner(name, found)
    if manner is None:
        if found.n_rounded:
            _mention_rounding(survey, facts)
        return _Decision("numeric")
    remedy = f"To use it, say --numeric {as_argument(survey.rows.head, name)}."
    reason = f"an identifier (whole numbers, all different, {manner}). {remedy}"
    return _Decision(None, reason, is_identifier=True)


def _mention_rounding(survey: Survey, facts: ColumnFacts) -> None:
    """Warn where whole numbers of a numeric column are beyond 2^53 and lose digits as doubles."""
    name, markers = facts.name, facts.markers

    def lost(series: pl.Series) -> int | None:
        return first_of(rounded(series, numbers(series, markers).values, markers))

    place, cell = survey.first(name, lost)
    warnings.warn(
        rounding(place, cell, name, facts.numbers.n_rounded, as_argument(survey.rows.head, name)),
        DataWarning,
        stacklevel=6,
    )


def rounding(place: str, cell: str, name: str, n_rounded: int, argument: str) -> str:
    """A sentence on whole numbers of a column that lose digits as doubles, such as `cell`."""
    return (
        f"{place}: {shown(cell)} has more digits than a double holds; as a number it "
        f"is rounded ({n_rounded:,} such cells). If {shown(name)} holds codes, say --categorical "
        f"{argument}, or leave it out with --drop {argument}."
    )


def _decide_texts(survey: Survey, facts: ColumnFacts, forced: Kind | None) -> _Decision:
    """Rules 6, 7 and 9 to 13, for a column of texts."""
    import polars as pl

    found, name, n_cells = facts.levels, facts.name, facts.n_cells
    assert found is not None
    argument = as_argument(survey.rows.head, name)
    levels = list(found.codes or ())
    if len(levels) == 1 and n_cells == survey.n_rows:
        return _Decision(None, f"constant, every value is {shown(levels[0])}.", is_constant=True)
    if forced is not None or len(levels) == 1:
        return _Decision("categorical")
    writing = found.writing
    if writing.has_codes:
        _refuse_mixed_codes(survey, name, writing)
    elif 2 * writing.n_numbers >= n_cells or writing.levels_are_numbers:
        survey.refuse_other_cells(name, writing.n_numbers, n_cells, _remedies(survey, name), finite=True)
    if frozenset(levels) in SPELLINGS:
        return _Decision("boolean")
    if not writing.has_codes:
        _refuse_other_writing(survey, name, writing, n_cells)
    if survey.rows.head.frame[name].dtype in (pl.Date, pl.Datetime, pl.Time) or writing.all_dates:
        reason = f"dates or times. To use it, derive a number from it, or say --categorical {argument}."
        return _Decision(None, reason)
    if levels and n_cells >= MIN_ROWS_PER_LEVEL * len(levels):
        return _Decision("categorical")
    n_levels = f"{'' if found.is_counted else 'about '}{found.n_levels:,}"
    remedy = f"To use it, say --categorical {argument}."
    told = f"({n_levels} different texts in {n_cells:,} cells). {remedy}"
    what = "an identifier" if found.all_differ else "free text"
    if n_cells >= MIN_ROWS_PER_LEVEL * found.n_levels:
        what = f"text of more than {MAX_LEVELS} levels"
    return _Decision(None, f"{what} {told}", is_identifier=found.all_differ)


def _refuse_mixed_codes(survey: Survey, name: str, writing: Writing) -> None:
    """Rule 9: digits are codes where all have one length, or half of them leading zeros; else they may be numbers."""
    if len(writing.lengths) <= 1 or 2 * writing.n_codes >= writing.n_digits:
        return
    markers = survey.markers.of(name)
    place, cell = survey.first(name, lambda series: first_of(digits_and_codes(texts(series, markers))[1]))
    argument = as_argument(survey.rows.head, name)
    raise InputError(
        f"{place}: {shown(cell)} has leading zeros, as codes have, and most cells of column "
        f"{shown(name)} have none. Say --numeric {argument} if they are numbers, --categorical {argument} if they "
        f"are codes, or drop the column with --drop {argument}."
    )


def _refuse_other_writing(survey: Survey, name: str, writing: Writing, n_cells: int) -> None:
    """Rule 10 for numbers as people and offices write them, which are read neither as numbers nor as levels."""
    n_other = writing.n_other_numbers
    if not n_other or 2 * (n_other + writing.n_numbers) < n_cells:
        return
    markers = survey.markers.of(name)
    place, cell = survey.first(
        name, lambda series: first_of(texts(series, markers).str.contains(OTHER_NUMBER))
    )
    argument = as_argument(survey.rows.head, name)
    raise InputError(
        f"{place}: {shown(cell)} in column {shown(name)} looks like a number written another way "
        f"({n_other:,} of {n_cells:,} cells do). Write digits and a point alone, as in 1234.5, or say "
        f"--categorical {argument}, or drop the column with --drop {argument}."
    )


def _remedies(survey: Survey, name: str) -> str:
    """What to do about a cell that is no number, in a column that is numeric."""
    argument = as_argument(survey.rows.head, name)
    return f"Add it to --missing, or say --categorical {argument}, or drop the column with --drop {argument}."


def _identifier_manner(name: str, found: NumberFacts) -> str | None:
    """Why a numeric column without missing cells is an identifier (rule 8); None if it is not."""
    if found.n_cells < found.n_rows or found.n_rows < MIN_ROWS_OF_IDENTIFIER:
        return None
    if found.counts_by_one:
        return "counting by one"
    return "and named so" if found.all_differ else None


def _named_identifier(name: str) -> bool:
    """Whether a column's name ends in a word for identifiers."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    words = re.findall(r"[^\W\d_]+", spaced)
    return bool(words) and words[-1].lower() in _IDENTIFIER_WORDS


def _resolved(table: Table, options: ColumnOptions) -> dict[str, tuple[str, ...]]:
    """Columns that each option names."""
    given = {
        "--features": options.features or (),
        "--drop": options.drop,
        "--categorical": options.categorical,
        "--numeric": options.numeric,
        "--weight": () if options.weight is None else (options.weight,),
        "--offset": () if options.offset is None else (options.offset,),
        "--id": () if options.id is None else (options.id,),
        "--group": () if options.split is None or options.split.group is None else (options.split.group,),
        "--time": () if options.split is None or options.split.time is None else (options.split.time,),
    }
    return {option: tuple(resolve(table, name) for name in names) for option, names in given.items()}


def _refuse_contradictions(table: Table, named: dict[str, tuple[str, ...]], reserved: Sequence[str]) -> None:
    agree = [{"--features", "--categorical"}, {"--features", "--numeric"}, {"--target", "--drop"}]
    agree += [
        {"--id", "--group"},
        *({option, "--time"} for option in ("--features", "--drop", "--id", "--numeric")),
    ]
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
