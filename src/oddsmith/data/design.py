"""From a table's columns to the columns of the design matrix, and back from one row's cells.

    numeric       x, a missing cell counts as the training mean     [+ "x is missing", on request]
    boolean       false 0, true 1, a missing cell counts as the training mean
    categorical   one 0/1 term for each level but the reference, the most frequent one;
                  missing is a level of its own; a level never seen in training has no term

Everything is learned from the training rows, by what `facts.py` gathers of them in one read, and stored as plain
typed records. The matrix is on the user's
scale: `mean` and `scale` (the population sigma of the imputed column) of each term describe it, and are
used by the fit as a change of coefficients.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import TRUTH, MissingMarkers, plainly
from oddsmith.data.column_moments import ColumnMoments, joined
from oddsmith.data.columns import MOST_LEVELS, ColumnPlan
from oddsmith.data.encoding import (
    BooleanColumn,
    CategoricalColumn,
    Column,
    Level,
    NumericColumn,
    Term,
    Terms,
    Unseen,
    as_kind,
    cell_reader,
    fill_categorical,
    kind_of,
    read_column,
    terms_of,
)
from oddsmith.data.memory import require
from oddsmith.data.survey import ColumnFacts, Survey
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
    def learn(cls, plan: ColumnPlan, markers: MissingMarkers, *, missing_indicator: bool) -> Design:
        """Means, sigmas and levels of the rows that count."""
        total = plan.survey.total_weight
        return cls(
            [
                _learn_categorical(feature.name, feature.facts, total)
                if feature.kind == "categorical"
                else _learn_numeric(feature.name, feature.kind, feature.facts, total, missing_indicator)
                for feature in plan.features
            ],
            markers,
        )

    def parts(self, survey: Survey, whole: Floats | None = None) -> Iterator[Floats]:
        """The design matrix (n, p) of the rows that count, batch after batch: (m, p) each, parts of `whole` if given."""
        kinds = {column.name: kind_of(column) for column in self.columns}

        def reader(batch: Table, name: str) -> Floats | pl.Series:
            return read_column(batch, name, kinds[name], self.markers.of(name))

        at = 0
        for n_rows, cells in survey.cells(list(kinds), reader, self.numeric):
            part = np.empty((n_rows, len(self.terms))) if whole is None else whole[at : at + n_rows]
            self._fill(part, [as_kind(kinds[name], found) for name, found in zip(kinds, cells, strict=True)])
            at += n_rows
            yield part

    def whole(self, survey: Survey) -> Floats:
        """The design matrix (n, p) of the rows that count, in memory."""
        if not any(
            isinstance(column, CategoricalColumn) or len(terms_of(column)) > 1 for column in self.columns
        ):
            X = survey.filled(
                {column.name: mean for column, mean in zip(self.columns, self.mean.tolist(), strict=True)}
            )
            if X is not None:
                return X
        X = self._room_for(survey.n_rows)
        for _ in self.parts(survey, X):
            pass
        return X

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
        X = self._room_for(table.frame.height)
        return X, self._fill(X, cells)

    @property
    def numeric(self) -> dict[str, frozenset[str]]:
        """Columns that must be numbers, with the texts that mean missing in each."""
        return {
            column.name: self.markers.of(column.name)
            for column in self.columns
            if isinstance(column, NumericColumn)
        }

    def need(self, n_rows: int) -> int:
        """Bytes of memory that the design matrix of so many rows takes while it is filled."""
        return n_rows * (_TERM * len(self.terms) + _ROW)

    def _room_for(self, n_rows: int) -> Floats:
        """A matrix (n, p) to be filled, if there is memory for it."""
        what = f"the design matrix of {counted(n_rows, 'row')} and {counted(len(self.terms), 'term')}"
        require(self.need(n_rows), what)
        return np.empty((n_rows, len(self.terms)))

    def _fill(self, X: Floats, cells: Sequence[Floats | pl.Series]) -> list[Unseen]:
        """Write the terms (n, p) of columns that are read already; returns the levels never seen before."""
        unseen: list[Unseen] = []
        at = 0
        for column, found in zip(self.columns, cells, strict=True):
            width = len(terms_of(column))
            part = X[:, at : at + width]
            if isinstance(column, CategoricalColumn):
                unseen += fill_categorical(part, column, cast("pl.Series", found))
            else:
                missing = np.isnan(found)
                part[:, 0] = np.where(missing, column.mean, found) if missing.any() else found
                if width == 2:
                    part[:, 1] = missing
            at += width
        return unseen

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


def _learn_numeric(
    name: str, kind: str, facts: ColumnFacts, total: float, missing_indicator: bool
) -> NumericColumn | BooleanColumn:
    if kind == "boolean":
        found = _of_truths(facts, total)
    else:
        found = joined(facts.numbers.parts, total) if facts.numbers.parts else None
    if found is None:
        raise InputError(f"column '{visible(name)}' has no value in a row that counts. Say --drop for it.")
    scale = found.sigma if found.lowest < found.highest else 1.0
    largest = 1.0 if kind == "boolean" else max(-facts.numbers.lowest, facts.numbers.highest)
    if largest > LARGEST or scale < 1.0 / LARGEST:
        size = f"as large as {largest:.2g}" if largest > LARGEST else f"that differ by {scale:.2g} only"
        raise InputError(
            f"column '{visible(name)}' holds numbers {size}, which leave a double no room to compute. "
            f"Give it in another unit, or leave it out with --drop."
        )
    if kind == "boolean":
        return BooleanColumn(name, found.mean, scale)
    if not (missing_indicator and facts.numbers.n_cells < facts.numbers.n_rows):
        return NumericColumn(name, found.mean, scale)
    share = facts.missing_weight / total
    return NumericColumn(name, found.mean, scale, Term(share, _sigma_of(share)))


def _of_truths(facts: ColumnFacts, total: float) -> ColumnMoments | None:
    """The moments of truth values as 0 and 1, from the weights of their two levels."""
    assert facts.levels is not None
    parts = [
        ColumnMoments(weight, TRUTH[level], 0.0, 0.0, TRUTH[level], TRUTH[level])
        for level, weight in facts.levels.weight_of(weighted=facts.weighted).items()
        if weight > 0.0
    ]
    return joined(parts, total) if parts else None


def _learn_categorical(name: str, facts: ColumnFacts, total: float) -> CategoricalColumn:
    if facts.levels is None or facts.levels.codes is None:
        raise InputError(
            f"column '{visible(name)}' has more than {MOST_LEVELS:,} levels, each a term of the model. "
            f"Leave it out with --drop, or put levels together."
        )
    by_text = facts.levels.weight_of(weighted=facts.weighted)
    spelling = plainly(by_text)
    levels: list[str | None] = [*sorted(set(spelling.values()))]
    weight: dict[str | None, float] = dict.fromkeys(levels, 0.0)
    for text, counted_weight in by_text.items():
        weight[spelling[text]] += counted_weight
    if facts.levels.n_cells < facts.n_rows:
        levels.append(None)
        weight[None] = facts.missing_weight
    shares = {level: weight[level] / total for level in levels}
    reference = max(levels, key=shares.__getitem__)
    return CategoricalColumn(
        name,
        reference,
        [Level(level, shares[level], _sigma_of(shares[level])) for level in levels if level != reference],
    )


def _sigma_of(share: float) -> float:
    """Population sigma of a 0/1 term, 1 where it is constant."""
    return math.sqrt(share * (1.0 - share)) or 1.0
