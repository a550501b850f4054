"""A description of rows that come in pieces, in the memory there is.

    first reading    what is missing, which columns are numbers, how large they are; the numbers, while they fit
    second           of numbers that do not fit: their sum, and how many lie in each of 2^16 brackets; of other
                     columns: how often each cell occurs
    third            powers of what is left without the mean; the brackets with the quartiles; the most common cell
    further          brackets within brackets, until the numbers between which a quartile lies are found

Of cells that are too many different ones to count, the rarest are let go, and it is known how often one of them
can have occurred at most (Misra and Gries 1982, merged as by Agarwal et al. 2012).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import EXACT, MissingMarkers, as_argument, first_of, numbers, texts
from oddsmith.data.columns import rounding
from oddsmith.data.describe import ColumnSummary, LevelSummary, NumericSummary, level_summary, numeric_summary
from oddsmith.data.doubles import Doubles
from oddsmith.data.exact import Different, ExactSum, Ranks, mixed, quartile_ranks, quartiles
from oddsmith.data.facts import rounded
from oddsmith.data.memory import available
from oddsmith.data.pieces import OnePiece, Pieces
from oddsmith.data.table import Table
from oddsmith.errors import DataWarning, InputError, visible

if TYPE_CHECKING:
    import polars as pl

Rows = Callable[[int, int | None], None]
"""Is told how many rows were read, and of how many, where that is known."""

MOST_DIFFERENT = 1 << 16
"""So many different cells are told apart by their hashes where the cells themselves do not fit."""
_SHARE = 8
"""The numbers that are held take this part of the memory there is, and so do the cells that are counted."""
_CELL = 100
"""Bytes for each of these cells."""


def describe(
    rows: Table | Pieces | OnePiece,
    markers: MissingMarkers | None = None,
    advance: Rows = lambda done, of: None,
) -> list[ColumnSummary]:
    """One summary for each column, in the order of the table.

    What is missing, and what is a number, is decided as for training: by `cells.numbers`. Without
    `markers` the usual texts mean missing.

    Warns:
        DataWarning: whole numbers beyond 2^53 are rounded.

    Raises:
        InputError: a column holds lists, structs or other things that are not single cells.
    """
    pieces = OnePiece(rows) if isinstance(rows, Table) else rows
    if markers is None:
        markers = MissingMarkers.from_options((), pieces.columns)
    room = _Room(available() / _SHARE)
    columns = [_Column(name, markers.of(name), room) for name in pieces.columns]

    def read(wanted: list[_Column], look: Callable[[_Column, Table], None]) -> None:
        done, of = 0, pieces.n_rows or None
        doubles = Doubles({column.name: column.markers for column in wanted if column.levels is None})
        for piece in pieces.read({column.name for column in wanted}, doubles):
            for column in wanted:
                look(column, piece)
            done += piece.frame.height
            advance(done, of)

    read(columns, _Column.look)
    for column in columns:
        column.conclude(len(columns))
    while waiting := [column for column in columns if not column.done]:
        read(waiting, _Column.look_again)
        for column in waiting:
            column.end()
    for column in columns:
        column.warn()
    return [column.summary() for column in columns]


class _Room:
    """Bytes for numbers that are held until all are there; where they do not suffice, no numbers are held."""

    def __init__(self, size: float) -> None:
        self.size = size
        self.left = size

    @property
    def suffices(self) -> bool:
        return self.left >= 0


class _Column:
    """What the readings so far have told about a column."""

    def __init__(self, name: str, missing: frozenset[str], room: _Room) -> None:
        self.name, self.markers, self.room = name, missing, room
        self.n_rows = self.n_numbers = 0
        self.numeric = True
        self.lowest, self.highest = math.inf, -math.inf
        self.held: list[Floats] = []
        self.rounded = 0
        self.first_rounded = "", "", ""
        """Its place, the cell, and the column as an argument."""
        self.numbers: _Numbers | None = None
        self.levels: _Levels | None = None

    def look(self, table: Table) -> None:
        """The first reading."""
        import polars as pl

        column = table.frame[self.name]
        if column.dtype.is_nested() or column.dtype in (pl.Object, pl.Binary):
            raise InputError(
                f"{visible(table.name, 200)}: column '{visible(self.name)}' holds {column.dtype}, not single cells. "
                "Take out the numbers or texts that are meant, one column each."
            )
        self.n_rows += len(column)
        found = numbers(_plain(column), self.markers)
        self.numeric &= found.n_numbers == found.n_cells and found.first_infinite is None
        if not self.numeric:
            self.held.clear()
            return
        values = _present(found.values)
        if not len(values):
            return
        self.n_numbers += len(values)
        self.lowest, self.highest = (
            min(self.lowest, float(values.min())),
            max(self.highest, float(values.max())),
        )
        if max(-self.lowest, self.highest) >= EXACT:
            self._count_rounded(table, found.values)
        self.room.left -= values.nbytes
        if self.room.suffices:
            self.held.append(values)

    def conclude(self, n_columns: int) -> None:
        """After the first reading: what is still to be found out."""
        if not self.room.suffices:
            self.held.clear()
        self.numeric &= self.n_numbers > 0
        if not self.numeric or max(-self.lowest, self.highest) >= EXACT:
            # Larger whole numbers may differ where their doubles do not.
            self.levels = _Levels(max(int(self.room.size / (_CELL * n_columns)), 2))
        if self.numeric and not self.held:
            most = max(int(self.room.size / (24 * n_columns)), 2)
            self.numbers = _Numbers(self.lowest, self.highest, self.n_numbers, most)

    @property
    def done(self) -> bool:
        """Whether no more readings are needed."""
        return all(part is None or part.done for part in (self.numbers, self.levels))

    def look_again(self, table: Table) -> None:
        """A later reading."""
        column = _plain(table.frame[self.name])
        if self.levels is not None and not self.levels.done:
            self.levels.add(texts(column, self.markers).drop_nulls())
        if self.numbers is not None and not self.numbers.done:
            self.numbers.add(_present(numbers(column, self.markers).values))

    def end(self) -> None:
        """After a later reading."""
        for part in (self.numbers, self.levels):
            if part is not None and not part.done:
                part.end()

    def summary(self) -> ColumnSummary:
        """What there is to say."""
        if not self.numeric and self.levels is not None:
            return self.levels.summary(self.name, self.n_rows)
        missing = self.n_rows - self.n_numbers
        if self.numbers is None:
            found = numeric_summary(self.name, np.concatenate(self.held), missing=missing)
        else:
            found = self.numbers.summary(self.name, missing)
        if self.levels is not None:
            cells = self.levels.summary(self.name, self.n_rows)
            return msgspec.structs.replace(
                found, distinct=cells.distinct, distinct_exact=cells.distinct_exact
            )
        return found

    def _count_rounded(self, table: Table, values: pl.Series) -> None:
        """Whole numbers beyond 2^53 that lose digits as doubles."""
        column = table.frame[self.name]
        lost = rounded(column, values, self.markers)
        row = first_of(lost)
        if row is not None and self.rounded == 0:
            cell = texts(column.slice(row, 1), self.markers)[0]
            self.first_rounded = table.place(row, self.name), cell, as_argument(table, self.name)
        self.rounded += int(lost.sum())

    def warn(self) -> None:
        """Say where whole numbers were rounded."""
        if self.numeric and self.rounded:
            place, cell, argument = self.first_rounded
            warnings.warn(rounding(place, cell, self.name, self.rounded, argument), DataWarning, stacklevel=4)


class _Numbers:
    """Figures of n numbers that do not fit in memory."""

    def __init__(self, lowest: float, highest: float, n: int, room: int) -> None:
        self.n, self.lowest, self.highest = n, lowest, highest
        _, exponent = np.frexp(max(abs(lowest), abs(highest)))
        self.exponent = int(exponent)
        """A power of two changes no digit, and keeps squares and cubes away from overflow and underflow."""
        self.ranks = Ranks(lowest, highest, n, quartile_ranks(n), room)
        self.sum, self.squares, self.cubes = ExactSum(), ExactSum(), ExactSum()
        self.different = Different(MOST_DIFFERENT)
        self.mean: tuple[float, float] | None = None
        self.spread = 0
        """The power of two, of that unit, beyond which no number is away from the mean."""
        self.measured = False

    @property
    def done(self) -> bool:
        """Whether no more readings are needed."""
        return self.measured and self.ranks.done

    def add(self, values: Floats) -> None:
        """Take in some more numbers (n,) of a reading."""
        if not self.ranks.done:
            self.ranks.add(values)
        if self.measured:
            return
        scaled = np.ldexp(values, -self.exponent)
        if self.mean is None:
            self.sum.add(scaled)
            self.different.add(mixed(values))
            return
        # The mean in two parts: one that is rounded would show in the skewness far from zero.
        rest = np.ldexp((scaled - self.mean[0]) - self.mean[1], -self.spread)
        self.squares.add(rest * rest)
        self.cubes.add(rest * rest * rest)

    def end(self) -> None:
        """After a reading."""
        if not self.ranks.done:
            self.ranks.narrow()
        if self.mean is None:
            mean = self.sum.total / self.n
            self.mean = (float(mean), float(mean - Fraction(float(mean))))
            ends = np.ldexp([self.lowest, self.highest], -self.exponent) - self.mean[0]
            self.spread = int(np.frexp(np.abs(ends).max())[1])
        else:
            self.measured = True

    def summary(self, name: str, missing: int) -> NumericSummary:
        """The figures, once it is `done`."""
        n, alike = self.n, self.lowest == self.highest
        mean = 0.0 if self.mean is None else self.mean[0]
        m2, m3 = float(self.squares.total / n), float(self.cubes.total / n)
        std = math.sqrt(m2 * n / (n - 1)) if n > 1 and not alike else 0.0
        skewness = 0.0 if alike else math.sqrt(n * (n - 1)) / max(n - 2, 1) * m3 / (m2 * math.sqrt(m2))
        q25, q50, q75 = quartiles(self.ranks.found, n, self.exponent)
        return NumericSummary(
            name=name,
            count=n,
            missing=missing,
            distinct=min(self.different.count, n),
            distinct_exact=self.different.exact,
            mean=self.lowest if alike else math.ldexp(mean, self.exponent),
            std=math.ldexp(std, self.spread + self.exponent) if n > 1 else None,
            min=self.lowest,
            q25=q25,
            q50=q50,
            q75=q75,
            max=self.highest,
            skewness=skewness if n > 2 else None,
        )


class _Levels:
    """Different cells and how often each occurs; where they are more than `most`, the frequent ones."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.done = False
        self.different = Different(MOST_DIFFERENT)
        self.let_go = 0
        """No cell that is not counted has occurred more often."""
        self.n = 0
        self.counts: pl.DataFrame | None = None
        self.again: pl.DataFrame | None = None
        """Of the cells in `counts`: how often each occurs, and at which of all cells first."""

    def add(self, cells: pl.Series) -> None:
        """Take in some more cells (n,) of a reading, none missing."""
        import polars as pl

        found = cells.alias("cell").to_frame().group_by("cell", maintain_order=True).len()
        found = found.with_columns(pl.col("len").cast(pl.Int64))
        if self.again is not None:
            found = found.with_row_index("first", offset=self.n).with_columns(pl.col("first").cast(pl.Int64))
            self.n += len(cells)
            both = pl.concat(
                [self.again, found.join(self.again, on="cell", how="semi").select(self.again.columns)]
            )
            self.again = both.group_by("cell").agg(pl.col("len").sum(), pl.col("first").min())
            return
        self.n += len(cells)
        self.different.add(found["cell"].hash(seed=0).to_numpy())
        if self.counts is None:
            self.counts = found
        else:
            both = pl.concat([self.counts, found])
            self.counts = both.group_by("cell", maintain_order=True).agg(pl.col("len").sum())
        if self.counts.height > self.most:
            most = self.counts["len"].sort(descending=True)
            self.let_go += int(most[self.most // 2])
            left = pl.col("len") - int(most[self.most // 2])
            self.counts = self.counts.with_columns(left).filter(pl.col("len") > 0)

    def end(self) -> None:
        """After a reading."""
        import polars as pl

        self.done = not self.let_go or self.again is not None
        if not self.done and self.counts is not None:
            never = pl.lit(2**62).alias("first")
            self.again, self.n = self.counts.select("cell", pl.lit(0, pl.Int64).alias("len"), never), 0

    def summary(self, name: str, n_rows: int) -> LevelSummary:
        """The figures, once it is `done`."""
        import polars as pl

        counts = pl.DataFrame({"cell": [], "len": []}) if self.counts is None else self.counts
        exactly = level_summary(name, counts, missing=n_rows - self.n)
        if not self.let_go:
            return exactly
        if self.again is not None:
            exactly = level_summary(name, self.again.sort("first"), missing=n_rows - self.n)
        often = exactly.most_common_count
        stands_out = often > self.let_go
        return msgspec.structs.replace(
            exactly,
            count=self.n,
            distinct=min(self.different.count, self.n),
            distinct_exact=self.different.exact,
            most_common=exactly.most_common if stands_out else None,
            most_common_count=often if stands_out else self.let_go,
        )


def _plain(column: pl.Series) -> pl.Series:
    """Durations as texts, which nobody takes for numbers."""
    import polars as pl

    return column.dt.to_string() if column.dtype == pl.Duration else column


def _present(values: pl.Series) -> Floats:
    """The numbers (n,) that are there."""
    return np.asarray((values.drop_nulls() if values.null_count() else values).to_numpy(), dtype=np.float64)
