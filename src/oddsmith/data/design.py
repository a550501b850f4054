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

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import MissingMarkers, plainly
from oddsmith.data.columns import ColumnPlan
from oddsmith.data.encoding import (
    BooleanColumn,
    CategoricalColumn,
    Column,
    Level,
    NumericColumn,
    Term,
    Terms,
    Unseen,
    cell_reader,
    fill_categorical,
    floats,
    kind_of,
    read_column,
    terms_of,
)
from oddsmith.data.memory import require
from oddsmith.data.table import Table
from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    import polars as pl


_TERM, _ROW = 9, 96
"""Bytes of memory for each term of a row, and for the row, while the design matrix is filled."""
LARGEST = 1e250
"""Numbers beyond this, and spreads below its inverse, leave no room for the products of a fit."""


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
        self.readers: list[tuple[str, int, Callable[[Any], Terms]]] = []
        """For each column its name, the number of its first term, and what reads one of its cells."""
        for number, column in enumerate(self.columns):
            reader = cell_reader(column, markers.of(column.name))
            self.readers.append((column.name, len(self.terms), reader))
            for name, mean, scale in terms_of(column):
                self.terms.append(name)
                means.append(mean)
                scales.append(scale)
                self.term_column.append(number)
        self.mean: Floats = np.array(means, dtype=np.float64)
        self.scale: Floats = np.array(scales, dtype=np.float64)
        twice = [name for name, count in Counter(self.terms).items() if count > 1]
        if twice:
            raise InputError(
                f"two terms of the model would be called '{visible(twice[0])}'. Rename a column or a level."
            )

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
            read_column(table, feature.name, feature.kind, markers.of(feature.name))
            if feature.values is None
            else floats(feature.values)
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

    def matrix(self, table: Table) -> tuple[Floats, list[Unseen]]:
        """The design matrix (n, p) of a table's rows, and the levels never seen before.

        Raises:
            InputError: a column is absent, or a cell of a numeric or boolean column cannot be read.
        """
        present = set(table.frame.columns)
        absent = [column.name for column in self.columns if column.name not in present]
        if absent:
            names = ", ".join(f"'{visible(name)}'" for name in absent[:5])
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            raise InputError(
                f"{visible(table.name)}: no column called {names}{more}, which the model needs. "
                f"Give the columns that the model was trained on."
            )
        cells = [
            read_column(table, column.name, kind_of(column), self.markers.of(column.name))
            for column in self.columns
        ]
        return self._filled(cells, table.frame.height)

    def _filled(self, cells: Sequence[Floats | pl.Series], n_rows: int) -> tuple[Floats, list[Unseen]]:
        """The design matrix of columns that are read already, and unseen levels."""
        need = n_rows * (_TERM * len(self.terms) + _ROW)
        require(need, f"the design matrix of {counted(n_rows, 'row')} and {counted(len(self.terms), 'term')}")
        X = np.empty((n_rows, len(self.terms)))
        unseen: list[Unseen] = []
        at = 0
        for column, found in zip(self.columns, cells, strict=True):
            width = len(terms_of(column))
            part = X[:, at : at + width]
            if isinstance(column, CategoricalColumn):
                unseen += fill_categorical(part, column, cast("pl.Series", found))
            else:
                missing = np.isnan(found)
                part[:, 0] = np.where(missing, column.mean, found)
                if width == 2:
                    part[:, 1] = missing
            at += width
        return X, unseen

    def vector(self, row: Mapping[str, Any]) -> list[float]:
        """The design matrix's row (p,) of one row of cells; None, NaN and markers are missing.

        Warns:
            DataWarning: a category has a level that training never saw.

        Raises:
            InputError: a column is absent, or a cell of a numeric or boolean column cannot be read.
        """
        terms = [0.0] * len(self.terms)
        for name, start, reader in self.readers:
            try:
                cell = row[name]
            except KeyError:
                absent = [f"'{visible(c.name)}'" for c in self.columns if c.name not in row]
                more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
                raise InputError(
                    f"the row has no {', '.join(absent[:5])}{more}, which the model needs. Where a value is not "
                    f"known, give None."
                ) from None
            for place, value in reader(cell):
                terms[start + place] = value
        return terms


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
            f"column '{visible(name)}' holds numbers {size}, which leave a double no room to compute. "
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
    import polars as pl

    spelling = plainly(cells.unique().drop_nulls().to_list())
    levels: list[str | None] = [*sorted(set(spelling.values()))]
    code_of = {level: code for code, level in enumerate(levels)}
    if cells.null_count():
        levels.append(None)
    codes = cells.replace_strict(
        {text: code_of[level] for text, level in spelling.items()},
        default=len(levels) - 1,  # only a missing cell is left
        return_dtype=pl.Int64,
    )
    shares = np.bincount(codes.to_numpy(), weights=weight, minlength=len(levels)) / float(weight.sum())
    reference = int(shares.argmax())
    return CategoricalColumn(
        name,
        levels[reference],
        [
            Level(level, share, float(np.sqrt(share * (1.0 - share))) or 1.0)
            for code, (level, share) in enumerate(zip(levels, shares.tolist(), strict=True))
            if code != reference
        ],
    )
