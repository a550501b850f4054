"""From a table's columns to the columns of the design matrix, and back from one row's cells.

    numeric       x, a missing cell counts as the training mean     [+ "x is missing", on request]
    boolean       false 0, true 1, a missing cell counts as the training mean
    categorical   one 0/1 term for each level but the reference, the most frequent one;
                  missing is a level of its own; a level never seen in training has no term

Everything is learned from the training rows and stored as plain typed records. The matrix is on the user's
scale: `mean` and `scale` (the population sigma of the imputed column) of each term describe it, and are
used by the fit as a change of coefficients.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import inf, isinf
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import NUMBER, MissingMarkers, exact_number, refuse_nested, require_numbers, texts
from oddsmith.data.columns import ColumnPlan, Kind
from oddsmith.data.native import as_series, is_missing
from oddsmith.data.table import Table
from oddsmith.errors import DataWarning, InputError, visible

if TYPE_CHECKING:
    import polars as pl

TRUTH = {"True": 1.0, "true": 1.0, "TRUE": 1.0, "False": 0.0, "false": 0.0, "FALSE": 0.0}


LARGEST = 1e100
"""Numbers beyond this, and spreads below its inverse, leave no room for the products of a fit."""


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


class Design:
    """The columns a model reads, in order, and the terms they become."""

    def __init__(self, columns: Sequence[Column], markers: MissingMarkers) -> None:
        self.columns = tuple(columns)
        self.markers = markers
        self.terms: list[str] = []
        """Names of the design matrix's columns, (p,)."""
        means: list[float] = []
        scales: list[float] = []
        self.term_column: list[int] = []
        """For each term, the number of the column it comes from."""
        for number, column in enumerate(self.columns):
            for name, mean, scale in _terms(column):
                self.terms.append(name)
                means.append(mean)
                scales.append(scale)
                self.term_column.append(number)
        self.mean: Floats = np.array(means, dtype=np.float64)
        self.scale: Floats = np.array(scales, dtype=np.float64)
        twice = [name for name, count in Counter(self.terms).items() if count > 1]
        if twice:
            raise InputError(
                f"two terms of the model would be called '{visible(twice[0])}'. Rename a column."
            )
        self._readers = [
            (column.name, _cell_reader(column, markers.of(column.name))) for column in self.columns
        ]

    @classmethod
    def learn(
        cls,
        table: Table,
        plan: ColumnPlan,
        markers: MissingMarkers,
        *,
        missing_indicator: bool,
        sample_weight: Floats | None,
    ) -> tuple[Design, Floats]:
        """Means, sigmas and levels of the training rows, and their design matrix (n, p)."""
        weight = np.ones(table.frame.height) if sample_weight is None else sample_weight
        cells = [
            _read(table, feature.name, feature.kind, markers.of(feature.name))
            if feature.values is None
            else _floats(feature.values)
            for feature in plan.features
        ]
        columns = [
            _learn_numeric(feature.name, feature.kind, found, weight, missing_indicator=missing_indicator)
            if isinstance(found, np.ndarray)
            else _learn_categorical(feature.name, found, weight)
            for feature, found in zip(plan.features, cells, strict=True)
        ]
        design = cls(columns, markers)
        return design, design._filled(cells, table.frame.height)[0]

    def matrix(self, table: Table) -> tuple[Floats, list[str]]:
        """The design matrix (n, p) of a table's rows, and sentences about levels never seen before.

        Raises:
            InputError: a column is absent, or a cell of a numeric or boolean column cannot be read.
        """
        absent = [c.name for c in self.columns if c.name not in table.frame.columns]
        if absent:
            names = ", ".join(f"'{visible(name)}'" for name in absent[:5])
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            raise InputError(
                f"{visible(table.name)}: no column called {names}{more}, which the model needs. "
                f"Give the columns that the model was trained on."
            )
        cells = [
            _read(table, column.name, _kind(column), self.markers.of(column.name)) for column in self.columns
        ]
        return self._filled(cells, table.frame.height)

    def _filled(self, cells: Sequence[Floats | pl.Series], n_rows: int) -> tuple[Floats, list[str]]:
        """The design matrix of columns that are read already, and sentences about unseen levels."""
        X = np.empty((n_rows, len(self.terms)))
        notes: list[str] = []
        at = 0
        for column, found in zip(self.columns, cells, strict=True):
            width = len(_terms(column))
            part = X[:, at : at + width]
            if isinstance(column, CategoricalColumn):
                notes += _fill_categorical(part, column, cast("pl.Series", found))
            else:
                missing = np.isnan(found)
                part[:, 0] = np.where(missing, column.mean, found)
                if width == 2:
                    part[:, 1] = missing
            at += width
        return X, notes

    def vector(self, row: Mapping[str, Any]) -> list[float]:
        """The design matrix's row (p,) of one row of cells; None, NaN and markers are missing.

        Warns:
            DataWarning: a category has a level that training never saw.

        Raises:
            InputError: a column is absent, or a cell of a numeric or boolean column cannot be read.
        """
        terms: list[float] = []
        for name, reader in self._readers:
            try:
                cell = row[name]
            except KeyError:
                raise InputError(f"the row has no '{visible(name)}', which the model needs.") from None
            terms += reader(cell)
        return terms


def _terms(column: Column) -> list[tuple[str, float, float]]:
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


def _read(table: Table, name: str, kind: Kind, markers: frozenset[str]) -> Floats | pl.Series:
    """A column's cells (n,): numbers, NaN where missing, or for a categorical column texts, null there."""
    import polars as pl

    refuse_nested(table, name)
    if kind == "numeric":
        return _floats(require_numbers(table, name, markers))
    cells = texts(table.frame[name], markers)
    if kind == "categorical":
        return cells
    found = cells.replace_strict(TRUTH, default=None, return_dtype=pl.Float64)
    strange = (found.is_null() & cells.is_not_null()).arg_true()
    if strange.len():
        row = int(strange[0])
        raise InputError(
            f"{table.place(row, name)}: '{visible(cells[row])}' in column '{visible(name)}', "
            f"which is true or false. Mend the cell, or leave it empty."
        )
    return _floats(found)


def _floats(series: pl.Series) -> Floats:
    """A Float64 series as an array (n,), null as NaN."""
    return np.asarray(series.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _kind(column: Column) -> Kind:
    if isinstance(column, NumericColumn):
        return "numeric"
    return "boolean" if isinstance(column, BooleanColumn) else "categorical"


def _spread(values: Floats, weight: Floats, mean: float) -> float:
    """Population sigma about `mean` of the rows that count; 1 where they are all alike."""
    counts = weight > 0
    values, weight = values[counts], weight[counts]
    if values.min() == values.max():
        return 1.0
    unit = float(np.abs(values - mean).max())
    scaled = (values - mean) / unit
    return unit * float(np.sqrt(weight @ (scaled * scaled) / weight.sum()))


def _mean(values: Floats, weight: Floats) -> float:
    """Weighted mean, in two passes: the second takes away what rounding left in the first."""
    unit = float(np.abs(values).max(initial=0.0)) or 1.0
    share = weight / weight.sum()
    first = float(share @ (values / unit))
    return unit * (first + float(share @ (values / unit - first)))


def _learn_numeric(
    name: str, kind: str, values: Floats, weight: Floats, *, missing_indicator: bool
) -> NumericColumn | BooleanColumn:
    present = ~np.isnan(values) & (weight > 0)
    if not present.any():
        raise InputError(f"column '{visible(name)}' has no value in a row that counts. Say --drop for it.")
    mean = _mean(values[present], weight[present])
    scale = _spread(np.where(np.isnan(values), mean, values), weight, mean)
    largest = float(np.nanmax(np.abs(values)))
    if largest > LARGEST or scale < 1.0 / LARGEST:
        size = f"as large as {largest:.2g}" if largest > LARGEST else f"that differ by {scale:.2g} only"
        raise InputError(
            f"column '{visible(name)}' holds numbers {size}, whose squares are beyond a double. "
            f"Give it in another unit, or leave it out with --drop."
        )
    if kind == "boolean":
        return BooleanColumn(name, mean, scale)
    missing = np.isnan(values).astype(np.float64)
    if not (missing_indicator and missing.any()):
        return NumericColumn(name, mean, scale)
    share = _mean(missing, weight)
    return NumericColumn(name, mean, scale, Term(share, _spread(missing, weight, share)))


def _learn_categorical(name: str, cells: pl.Series, weight: Floats) -> CategoricalColumn:
    labels = cells.to_list()
    totals: dict[str | None, float] = {}
    for label, w in zip(labels, weight.tolist(), strict=True):
        totals[label] = totals.get(label, 0.0) + w
    levels = sorted(totals, key=lambda level: (level is None, level or ""))
    reference = max(levels, key=lambda level: totals[level])
    total = float(weight.sum())
    shares = {level: totals[level] / total for level in levels}
    return CategoricalColumn(
        name,
        reference,
        [
            Level(level, shares[level], float(np.sqrt(shares[level] * (1.0 - shares[level]))) or 1.0)
            for level in levels
            if level != reference
        ],
    )


def _fill_categorical(part: Floats, column: CategoricalColumn, cells: pl.Series) -> list[str]:
    """Write the 0/1 terms of a column; a sentence if it has levels that training never saw."""
    import polars as pl

    known = [item.level for item in column.levels]
    codes = {level: code for code, level in enumerate(known) if level is not None}
    if column.reference is not None:
        codes[column.reference] = len(known)
    found = cells.replace_strict(codes, default=-1, return_dtype=pl.Int64)
    missing = len(known) if column.reference is None else known.index(None) if None in known else -1
    numbers = found.to_numpy().copy()
    numbers[cells.is_null().to_numpy()] = missing
    part[:] = numbers[:, None] == np.arange(len(known))
    unseen = np.flatnonzero(numbers == -1)
    if not len(unseen):
        return []
    example = cells[int(unseen[0])]
    shown = "an empty cell" if example is None else f"'{visible(example)}'"
    rows = f"{len(unseen):,} row{'s have' if len(unseen) > 1 else ' has'}"
    return [
        f"'{visible(column.name)}': {rows} a level that training never saw, such as {shown}. "
        f"It counts as none of the known ones and scores like the reference level."
    ]


def _cell_reader(column: Column, missing: frozenset[str]) -> Callable[[Any], list[float]]:
    """A function from one cell to the column's terms, for rows one at a time: the same as of a table."""
    if isinstance(column, CategoricalColumn):
        return _level_reader(column, missing)
    says_missing = _missing_text(missing)
    if isinstance(column, BooleanColumn):
        return _truth_reader(column, says_missing)
    name, mean = column.name, column.mean
    absent, present = ([mean], []) if column.indicator is None else ([mean, 1.0], [0.0])
    missing_numbers = {float(number) for number in _exact_numbers(missing)}

    def read(cell: Any) -> list[float]:
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
        return [cell, *present]

    return read


def _truth_reader(column: BooleanColumn, says_missing: Callable[[str], bool]) -> Callable[[Any], list[float]]:
    name, mean = column.name, column.mean

    def read(cell: Any) -> list[float]:
        if isinstance(cell, bool | np.bool_):
            return [float(cell)]
        if is_missing(cell) or (isinstance(cell, str) and says_missing(cell)):
            return [mean]
        value = TRUTH.get(cell.strip()) if isinstance(cell, str) else None
        if value is None:
            raise InputError(
                f"'{visible(str(cell))}' in column '{visible(name)}' of this row, which is true or false. "
                f"Give a boolean or None."
            )
        return [value]

    return read


def _level_reader(column: CategoricalColumn, missing: frozenset[str]) -> Callable[[Any], list[float]]:
    width = len(column.levels)
    nothing = [0.0] * width
    hot = {item.level: [float(i == k) for i in range(width)] for k, item in enumerate(column.levels)}
    hot[column.reference] = nothing
    says_missing = _missing_text(missing)

    def read(cell: Any) -> list[float]:
        text = None if is_missing(cell) else _label(cell, column.name)
        level = None if text is None or says_missing(text) else text.strip()
        if level in hot:
            return hot[level]
        shown = "an empty cell" if level is None else f"'{visible(level)}'"
        warnings.warn(
            f"'{visible(column.name)}' has a level that training never saw: {shown}. "
            f"It counts as none of the known ones and scores like the reference level.",
            DataWarning,
            stacklevel=5,
        )
        return nothing

    return read


def _exact_numbers(missing: frozenset[str]) -> set[Decimal]:
    found = (exact_number(text.strip()) for text in missing)
    return {number for number in found if number is not None}


def _missing_text(missing: frozenset[str]) -> Callable[[str], bool]:
    """Whether a text is a marker, or a number equal to a marker that is one."""
    numeric = _exact_numbers(missing)

    def says_missing(cell: str) -> bool:
        text = cell.strip()
        return cell in missing or text in missing or (bool(numeric) and exact_number(text) in numeric)

    return says_missing


def _label(cell: Any, name: str) -> str:
    """A cell as the text of a level: as `texts` gives it for a column of such cells."""
    if isinstance(cell, str):
        return cell
    import polars as pl

    series = as_series(name, [cell])
    if series.dtype == pl.Object:
        raise InputError(f"'{visible(name)}' holds a {type(cell).__name__} in this row. Give one value.")
    return str(texts(series, frozenset())[0])


def _number(cell: Any, name: str) -> float:
    if isinstance(cell, str):
        if NUMBER.fullmatch(cell.strip()):
            return float(cell)
    elif not isinstance(cell, bool | np.bool_ | bytes):
        try:
            return float(cell)
        except OverflowError:
            return inf
        except (TypeError, ValueError):
            pass
    raise InputError(
        f"'{visible(str(cell))}' in numeric column '{visible(name)}' of this row. Give a number or None."
    )
