"""How a column's cells become terms: the records that say it, for a table at once and for one row.

    numeric       x, a missing cell counts as the training mean     [+ "x is missing", on request]
    boolean       false 0, true 1, a missing cell counts as the training mean
    categorical   one 0/1 term for each level but the reference; a level never seen in training has none

A table's column and a single row's cell of the same content give the same terms.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from math import inf, isinf
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import (
    BLANKS,
    NUMBER,
    TRUTH,
    by_meaning,
    exact_number,
    first_of,
    plain,
    refuse_nested,
    require_numbers,
    texts,
)
from oddsmith.data.columns import Kind
from oddsmith.data.native import as_series, is_missing
from oddsmith.data.table import Table
from oddsmith.errors import DataWarning, InputError, visible

if TYPE_CHECKING:
    import polars as pl


Terms = Sequence[tuple[int, float]]
"""What a cell puts into its column's terms: (place, value) of each that is not 0."""


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A 0/1 column of the design matrix: how often it was 1 in training (`mean`), and its sigma."""

    mean: float
    scale: float


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A category with a term of its own; `level` None is the missing cell."""

    level: str | None
    mean: float
    scale: float


class NumericColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="numeric", tag_field="type"):
    """A number; `indicator` describes the extra term that says that the cell was missing."""

    name: str
    mean: float
    scale: float
    indicator: Term | None = None


class BooleanColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="boolean", tag_field="type"):
    """True or false, in one of the spellings True, true, TRUE."""

    name: str
    mean: float
    scale: float


class CategoricalColumn(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="categorical", tag_field="type"
):
    """Text that names one of a few levels; `reference` (None: the missing cell) has no term."""

    name: str
    reference: str | None
    levels: list[Level]


Column = NumericColumn | BooleanColumn | CategoricalColumn


@dataclass(frozen=True)
class Unseen:
    """Rows with a level that training never saw; adds over parts of a table. As text: what is said of them."""

    column: str
    n_rows: int
    example: str | None
    """The first of those levels; None is a missing cell."""

    def __add__(self, later: Unseen) -> Unseen:
        return replace(self, n_rows=self.n_rows + later.n_rows)

    def __str__(self) -> str:
        shown = "an empty cell" if self.example is None else f"'{visible(self.example)}'"
        rows = f"{self.n_rows:,} row{'s have' if self.n_rows > 1 else ' has'}"
        return (
            f"'{visible(self.column)}': {rows} a level that training never saw, such as {shown}. "
            f"It counts as none of the known ones and scores like the reference level."
        )


def terms_of(column: Column) -> list[tuple[str, float, float]]:
    """Name, mean and scale of each term of a column."""
    if isinstance(column, CategoricalColumn):
        return [
            (f"{column.name}={'(missing)' if item.level is None else item.level}", item.mean, item.scale)
            for item in column.levels
        ]
    own = [(column.name, column.mean, column.scale)]
    if isinstance(column, NumericColumn) and column.indicator is not None:
        own.append((f"{column.name} is missing", column.indicator.mean, column.indicator.scale))
    return own


def kind_of(column: Column) -> Kind:
    """Which kind of column a record describes."""
    if isinstance(column, NumericColumn):
        return "numeric"
    return "boolean" if isinstance(column, BooleanColumn) else "categorical"


def read_column(table: Table, name: str, kind: Kind, markers: frozenset[str]) -> Floats | pl.Series:
    """A column's cells (n,): numbers, NaN where missing, or for a categorical column texts, null there."""
    refuse_nested(table, name)
    if kind == "numeric":
        return floats(require_numbers(table, name, markers))
    cells = texts(table.frame[name], markers)
    if kind == "categorical":
        return cells
    strange = first_of(~cells.is_in(list(TRUTH)) & cells.is_not_null())
    if strange is not None:
        raise InputError(
            f"{table.place(strange, name)}: '{visible(cells[strange])}' in column '{visible(name)}', "
            f"which is true or false. Mend the cell, or leave it empty."
        )
    return as_kind(kind, cells)


def as_kind(kind: Kind, cells: Floats | pl.Series) -> Floats | pl.Series:
    """Cells as `read_column` gives them, of those that a survey kept: numbers as such, or texts."""
    import polars as pl

    if isinstance(cells, np.ndarray):
        # Of a column of texts, rows in which all cells are missing were taken for numbers.
        return cells if kind != "categorical" else pl.repeat(None, len(cells), dtype=pl.String, eager=True)
    if kind == "categorical":
        return cells
    return floats(cells.replace_strict(TRUTH, return_dtype=pl.Float64))


def floats(series: pl.Series) -> Floats:
    """A Float64 series as an array (n,), null as NaN."""
    return np.asarray(series.to_numpy(), dtype=np.float64)


def fill_categorical(part: Floats, column: CategoricalColumn, cells: pl.Series) -> list[Unseen]:
    """Write the 0/1 terms of a column; one `Unseen` if it has levels that training never saw."""
    import polars as pl

    known = [item.level for item in column.levels]
    codes = {level: code for code, level in enumerate(known) if level is not None}
    if column.reference is not None:
        codes[column.reference] = len(known)
    same = by_meaning(codes)
    for text in cells.unique().drop_nulls():
        if text not in codes and plain(text) in same:
            codes[text] = codes[same[plain(text)]]
    found = cells.replace_strict(codes, default=-1, return_dtype=pl.Int32)
    missing = len(known) if column.reference is None else known.index(None) if None in known else -1
    numbers = found.to_numpy().copy()
    numbers[cells.is_null().to_numpy()] = missing
    part[:] = numbers[:, None] == np.arange(len(known))
    unseen = np.flatnonzero(numbers == -1)
    if not len(unseen):
        return []
    return [Unseen(column.name, len(unseen), cells[int(unseen[0])])]


def cell_reader(column: Column, missing: frozenset[str]) -> Callable[[Any], Terms]:
    """A function from one cell to its terms, for rows one at a time: the same as of a table."""
    if isinstance(column, CategoricalColumn):
        return _level_reader(column, missing)
    says_missing = _missing_text(missing)
    if isinstance(column, BooleanColumn):
        return _truth_reader(column, says_missing)
    name, mean = column.name, column.mean
    absent = ((0, mean),) if column.indicator is None else ((0, mean), (1, 1.0))
    missing_numbers = {float(number) for number in _exact_numbers(missing)}

    def read(cell: Any) -> Terms:
        if type(cell) is not float:
            if is_missing(cell) or (isinstance(cell, str) and says_missing(cell)):
                return absent
            cell = _number(cell, name)
        if cell != cell or (missing_numbers and cell in missing_numbers):
            return absent
        if isinf(cell):
            raise InputError(
                f"'{visible(name)}' is beyond the range of a double in this row. Give a number or None."
            )
        return ((0, cell),)

    return read


def _truth_reader(column: BooleanColumn, says_missing: Callable[[str], bool]) -> Callable[[Any], Terms]:
    name, mean = column.name, column.mean

    def read(cell: Any) -> Terms:
        if isinstance(cell, bool | np.bool_):
            return ((0, float(cell)),)
        if is_missing(cell) or (isinstance(cell, str) and says_missing(cell)):
            return ((0, mean),)
        value = TRUTH.get(cell.strip(BLANKS)) if isinstance(cell, str) else None
        if value is None:
            raise InputError(
                f"'{visible(str(cell))}' in column '{visible(name)}' of this row, which is true or false. "
                f"Give a boolean or None."
            )
        return ((0, value),)

    return read


def _level_reader(column: CategoricalColumn, missing: frozenset[str]) -> Callable[[Any], Terms]:
    nothing: Terms = ()
    hot: dict[str | None, Terms] = {item.level: ((k, 1.0),) for k, item in enumerate(column.levels)}
    hot[column.reference] = nothing
    says_missing = _missing_text(missing)
    same = by_meaning(level for level in hot if level is not None)

    def read(cell: Any) -> Terms:
        text = None if is_missing(cell) else _label(cell, column.name)
        level = None if text is None or says_missing(text) else text.strip(BLANKS)
        if level in hot:
            return hot[level]
        if level is not None and plain(level) in same:
            return hot[same[plain(level)]]
        shown = "an empty cell" if level is None else f"'{visible(level)}'"
        warnings.warn(
            f"'{visible(column.name)}' has a level that training never saw: {shown}. "
            f"It counts as none of the known ones and scores like the reference level.",
            DataWarning,
            stacklevel=5,
        )
        return nothing

    return read


@lru_cache(maxsize=256)
def _exact_numbers(missing: frozenset[str]) -> frozenset[Decimal]:
    found = (exact_number(text.strip(BLANKS)) for text in missing)
    return frozenset(number for number in found if number is not None)


def _missing_text(missing: frozenset[str]) -> Callable[[str], bool]:
    """Whether a text is a marker, or a number equal to a marker that is one."""
    numeric = _exact_numbers(missing)

    def says_missing(cell: str) -> bool:
        text = cell.strip(BLANKS)
        return cell in missing or text in missing or (bool(numeric) and exact_number(text) in numeric)

    return says_missing


def _label(cell: Any, name: str) -> str:
    """A cell as the text of a level: as `texts` gives it for a column of such cells."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    if isinstance(cell, int | np.integer) or (isinstance(cell, float) and cell.is_integer()):
        whole = int(cell)
        if abs(whole) < 2**63:
            return str(whole)
    if isinstance(cell, float):
        return _float_label(cell)
    return _label_in_a_table(cell, name)


@lru_cache(maxsize=4096)
def _float_label(cell: float) -> str:
    return _label_in_a_table(cell, "")


def _label_in_a_table(cell: Any, name: str) -> str:
    import polars as pl

    series = as_series(name, [cell])
    if series.dtype == pl.Object:
        raise InputError(f"'{visible(name)}' holds a {type(cell).__name__} in this row. Give one value.")
    return str(texts(series, frozenset())[0])


def _number(cell: Any, name: str) -> float:
    if isinstance(cell, str):
        if NUMBER.fullmatch(cell.strip(BLANKS)):
            return float(cell)
    elif not isinstance(cell, bool | np.bool_ | bytes) and getattr(cell, "ndim", 0) == 0:
        try:
            return float(cell)
        except OverflowError:
            return inf
        except (TypeError, ValueError):
            pass
    raise InputError(
        f"'{visible(str(cell))}' in numeric column '{visible(name)}' of this row. Give a number or None."
    )
