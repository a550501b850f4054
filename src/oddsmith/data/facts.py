"""What the cells of a column say, gathered batch after batch: all that rules and means ask, and no more.

    numbers    counts, extremes, spelling, steps from row to row; weight, mean and sigma of each batch
    levels     counts and weights of the different texts while they are few, else how many there are

Memory is bounded whatever the number of rows: levels are kept up to a limit, of more than `MOST_TOLD` different
cells it is only known about how many they are, and moments take a few numbers a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.data.cells import EXACT, numbers, places_of, texts
from oddsmith.data.column_moments import ColumnMoments
from oddsmith.data.exact import Different
from oddsmith.data.writing import Writing

if TYPE_CHECKING:
    import polars as pl

MOST_TOLD = 1 << 22
"""Of different cells: hashes of 64 bits tell so many apart with a chance of error of 5e-7."""


class NumberFacts:
    """A column's cells read as numbers."""

    def __init__(self, markers: frozenset[str], *, forced: bool, unique: bool, steps: bool) -> None:
        """`forced`: it must be numeric; `unique`: whether all cells differ is asked; `steps`: how they follow."""
        self.markers, self.forced = markers, forced
        self.n_rows = self.n_cells = self.n_numbers = 0
        self.is_finite, self.has_codes = True, False
        self.lowest, self.highest = math.inf, -math.inf
        self.spellings: set[str] = set()
        """Of a number beyond 2^53 that is all the column holds: two of its spellings."""
        self.n_rounded = 0
        self.parts: list[ColumnMoments] = []
        self._steps = _Steps() if steps or unique else None
        self._cells: list[NDArray[np.int64] | Floats] | None = [] if unique else None

    @property
    def all_numbers(self) -> bool:
        """Whether every cell is a number, and none a code with leading zeros."""
        return self.n_numbers == self.n_cells and not self.has_codes

    def add(self, series: pl.Series, weight: Floats | None) -> Floats:
        """Take in a batch whose rows have these weights; returns its numbers (n,), NaN where there is none."""
        found = numbers(series, self.markers)
        self.n_rows += series.len()
        self.n_cells += found.n_cells
        self.n_numbers += found.n_numbers
        self.has_codes |= found.has_codes
        self.is_finite &= found.first_infinite is None
        values = np.asarray(found.values.to_numpy(), dtype=np.float64)
        if not (found.n_numbers and (self.all_numbers or self.forced)):
            return values
        if not self.is_finite:
            return values
        present = np.ones(len(values), dtype=bool) if found.n_numbers == len(values) else ~np.isnan(values)
        inside = values if found.n_numbers == len(values) else values[present]
        lowest, highest = float(inside.min()), float(inside.max())
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        if max(-lowest, highest) >= EXACT:
            self._look_at_large(series, found.values)
        if weight is not None:
            counts = present & (weight > 0.0)
            inside, weight = values[counts], weight[counts]
        if len(inside):
            self.parts.append(ColumnMoments.of(inside, weight))
        if self._steps is not None:
            self._look_at_steps(series, values)
        return values

    def _look_at_large(self, series: pl.Series, values: pl.Series) -> None:
        if self.lowest == self.highest and len(self.spellings) < 2:
            cells = texts(series, self.markers).drop_nulls().unique(maintain_order=True)
            self.spellings.update(cells.head(2).to_list())
        self.n_rounded += int(rounded(series, values, self.markers).sum())

    def _look_at_steps(self, series: pl.Series, values: Floats) -> None:
        """Whole numbers, none missing: do they count by one, and do they differ?"""
        assert self._steps is not None
        whole: NDArray[np.int64] | Floats | None = None
        if self.n_cells == self.n_rows and bool((values == np.floor(values)).all()):
            exact = max(-self.lowest, self.highest) < EXACT
            whole = values.astype(np.int64) if exact else _whole(series, self.markers, values)
            self._steps.add(whole)
            if self._cells is not None and sum(map(len, self._cells)) < MOST_TOLD:
                differ = len(np.unique(whole)) == len(whole)
                self._cells = [*self._cells, whole] if differ else None
        else:
            self._cells = None
        if whole is None or (not self._steps.by_one and self._cells is None):
            self._steps = None

    @property
    def counts_by_one(self) -> bool:
        """Whether the cells are whole numbers that count up or down by one from row to row."""
        return self.n_cells == self.n_rows and self._steps is not None and self._steps.by_one

    @property
    def all_differ(self) -> bool:
        """Whether the cells are whole numbers, none twice; of more than `MOST_TOLD`, so many decide."""
        if self._cells is None or self.n_cells < self.n_rows:
            return False
        together = np.concatenate(self._cells)
        return len(np.unique(together)) == len(together)


class _Steps:
    """Whether whole numbers go up, or down, by one from row to row, across batches."""

    def __init__(self) -> None:
        self.last: int | None = None
        self.steps: set[int] = set()
        """The different steps so far, up to two of them."""

    @property
    def by_one(self) -> bool:
        return self.steps in ({1}, {-1}, set())

    def add(self, whole: NDArray[np.int64] | Floats) -> None:
        if self.by_one:
            border = [] if self.last is None else [int(whole[0]) - self.last]
            self.steps.update(border, map(int, np.unique(np.diff(whole))[:2].tolist()))
        self.last = int(whole[-1])


def _whole(series: pl.Series, markers: frozenset[str], values: Floats) -> NDArray[np.int64] | Floats:
    """Whole numbers beyond 2^53 with all their digits, where 64 bits hold them."""
    import polars as pl

    exact = texts(series, markers).cast(pl.Int64, strict=False)
    return values if exact.null_count() else exact.to_numpy()


def rounded(series: pl.Series, values: pl.Series, markers: frozenset[str]) -> pl.Series:
    """Which cells (n,) are whole numbers beyond 2^53 that lose digits as the doubles `values`."""
    import polars as pl

    large = (values.abs() >= EXACT).fill_null(value=False)
    if not large.any() or series.dtype.is_float():
        return large & False
    cells = texts(series, markers)
    whole = cells.str.replace(r"\.0*$", "").cast(pl.Int128, strict=False)
    return large & (whole != values.cast(pl.Int128, strict=False)).fill_null(value=False)


@dataclass
class LevelFacts:
    """A column's cells as texts; `most` levels are kept, with the number of their cells and their weight."""

    markers: frozenset[str]
    most: int
    n_cells: int = 0
    codes: dict[str, int] | None = field(default_factory=dict)
    """Place of each level in `counts` and `weights`; None where there are more of them than `most`."""
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weights: Floats = field(default_factory=lambda: np.zeros(0))
    _writing: Writing = field(default_factory=Writing)
    _different: Different = field(default_factory=lambda: Different(MOST_TOLD))
    _all_differ: bool = True

    @property
    def n_levels(self) -> int:
        """Different texts; an estimate where there are more than `MOST_TOLD`."""
        return self._different.count if self.codes is None else len(self.codes)

    @property
    def is_counted(self) -> bool:
        """Whether `n_levels` is no estimate."""
        return self.codes is not None or self._different.exact

    @property
    def all_differ(self) -> bool:
        """Whether no text occurs twice; of more than `MOST_TOLD`, so many decide."""
        return self._all_differ if self.codes is None else len(self.codes) == self.n_cells

    @property
    def writing(self) -> Writing:
        """How the texts are written."""
        import polars as pl

        if self.codes is None:
            return self._writing
        return Writing.of(pl.Series(list(self.codes), dtype=pl.String), self.counts)

    def weight_of(self, *, weighted: bool) -> dict[str, float]:
        """The weight of each level's rows, or their number."""
        assert self.codes is not None
        found = self.weights if weighted else self.counts
        return dict(zip(self.codes, map(float, found), strict=True))

    def add(self, series: pl.Series, weight: Floats | None) -> pl.Series:
        """Take in a batch whose rows have these weights; returns its texts (n,), null where a cell is missing."""
        cells = texts(series, self.markers)
        self.n_cells += cells.len() - cells.null_count()
        if self.codes is not None:
            self._count(cells, weight)
        if self.codes is None:
            self._tell_apart(cells.drop_nulls())
        return cells

    def _count(self, cells: pl.Series, weight: Floats | None) -> None:
        """Add each level's cells to its own; or forget the levels where they are too many."""
        import polars as pl

        assert self.codes is not None
        found = places_of(cells, self.codes)
        if found.null_count() > cells.null_count():
            fresh = cells.filter(found.is_null()).drop_nulls().unique(maintain_order=True)
            if len(self.codes) + fresh.len() > self.most:
                levels = pl.Series(list(self.codes), dtype=pl.String)
                if levels.len():
                    self._writing += Writing.of(levels, self.counts)
                    self._different.add(levels.hash().to_numpy())
                    self._all_differ = bool((self.counts == 1).all())
                self.codes = None
                return
            self.codes |= {level: len(self.codes) + k for k, level in enumerate(fresh)}
            found = places_of(cells, self.codes)
        codes = found.fill_null(len(self.codes)).to_numpy()
        size = len(self.codes)
        before = np.zeros(size - len(self.counts))
        self.counts = np.concatenate([self.counts, before.astype(np.int64)])
        self.counts += np.bincount(codes, minlength=size + 1)[:size]
        self.weights = np.concatenate([self.weights, before])
        if weight is not None:
            self.weights += np.bincount(codes, weight, size + 1)[:size]

    def _tell_apart(self, cells: pl.Series) -> None:
        import polars as pl

        if not cells.len():
            return
        found = cells.rename("level").value_counts(name="n")
        levels, counts = found["level"], found["n"].cast(pl.Int64).to_numpy()
        self._writing += Writing.of(levels, counts)
        before = self._different.count
        self._different.add(levels.hash().to_numpy())
        if self._different.exact:
            self._all_differ &= self._different.count - before == cells.len()
