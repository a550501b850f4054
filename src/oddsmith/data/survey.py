"""One read of the rows of training: who has a label, what each row weighs, its offset, what the cells of every column say.

    batch -> labels -> rows that count -> weights, offsets, facts of each column      [-> cells, kept while there is room]

A second read is for what the first could not know: the texts of a column that begins with numbers. Where
something is wrong another one finds the place of the first cell at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.batches import Batches
from oddsmith.data.block import Codes, Floats, class_counts
from oddsmith.data.cells import (
    MissingMarkers,
    as_written,
    numbers,
    refuse_nested,
    wrong_cell,
)
from oddsmith.data.doubles import Doubles
from oddsmith.data.facts import LevelFacts, NumberFacts
from oddsmith.data.kept import Kept
from oddsmith.data.roles import ROLES, Role, RoleName, Roles
from oddsmith.data.row_numbers import OFFSET, WEIGHT, RowNumbers
from oddsmith.errors import InputError, visible

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.roles import Split
    from oddsmith.data.table import Table
    from oddsmith.data.target import Labels, Target

    Cells = Floats | pl.Series


class ColumnFacts:
    """What is known of one column: its cells as numbers, and as texts where they are none."""

    def __init__(
        self,
        name: str,
        markers: frozenset[str],
        *,
        most_levels: int,
        numeric: bool,
        unique: bool,
        steps: bool,
    ) -> None:
        """`numeric`: an option says so; `unique`, `steps`: see `NumberFacts`."""
        self.name = name
        self.markers = markers
        self.numbers = NumberFacts(markers, forced=numeric, unique=unique, steps=steps)
        self.levels: LevelFacts | None = None
        self.most_levels = most_levels
        self.n_rows = 0
        self.weighted = False
        self.missing_weight = 0.0
        """Weight, or number, of the cells that are missing."""

    @property
    def n_cells(self) -> int:
        """Cells that are not missing."""
        return self.numbers.n_cells if self.levels is None else self.levels.n_cells

    @property
    def lacks_levels(self) -> bool:
        """Whether texts came after numbers, which were not looked at as texts."""
        return self.levels is None and not (self.numbers.all_numbers or self.numbers.forced)

    @property
    def takes_numbers(self) -> bool:
        """Whether its cells have been numbers so far."""
        return self.levels is None and not self.lacks_levels

    def look_at_levels(self) -> None:
        """Take the cells as texts in the next read, and no longer as numbers."""
        self.levels = LevelFacts(self.markers, self.most_levels)
        self.n_rows, self.missing_weight = 0, 0.0

    def add(self, series: pl.Series, weight: Floats | None) -> Cells:
        """Take in a batch of rows with these weights; returns its cells, as numbers or as texts."""
        cells = self._cells(series, weight)
        self.n_rows += series.len()
        self.weighted = weight is not None
        absent = np.isnan(cells) if isinstance(cells, np.ndarray) else cells.is_null().to_numpy()
        self.missing_weight += float(absent.sum() if weight is None else weight[absent].sum())
        return cells

    def _cells(self, series: pl.Series, weight: Floats | None) -> Cells:
        if self.levels is not None:
            return self.levels.add(series, weight)
        seen_before, decided = self.numbers.n_cells > 0, self.lacks_levels
        if decided:
            return np.full(series.len(), np.nan)
        values = self.numbers.add(series, weight)
        if self.lacks_levels and not seen_before:
            self.levels = LevelFacts(self.markers, self.most_levels)
            return self.levels.add(series, weight)
        return values


class Survey:
    """The rows that count: those with a label, or all where none is asked for; of a split those that train."""

    def __init__(
        self,
        rows: Batches,
        markers: MissingMarkers,
        *,
        labels: Labels | None = None,
        weight: str | None = None,
        offset: str | None = None,
        split: Split | None = None,
        room: float = 0.0,
    ) -> None:
        """`weight`, `offset`: columns of such numbers; `room`: bytes of cells that may be kept for the design matrix.

        `split`: only rows that train count.
        """
        self.rows, self.markers, self.labels, self.split = rows, markers, labels, split
        self.weight, self.offset = (
            None if name is None else RowNumbers(name, meaning, markers.of(name))
            for name, meaning in ((weight, WEIGHT), (offset, OFFSET))
        )
        self.target: Target | None = None
        """What the labels are, after the first read."""
        self.roles: list[Roles] = []
        """For each batch, the role of each row; none without a split."""
        self.known: list[NDArray[np.bool_] | None] = []
        """For each batch, which of its rows (b,) count; None where all do."""
        self.heights: list[int] = []
        """For each batch, how many of its rows count."""
        self.kept: Kept | None = Kept(rows.expected, room)
        """The cells of each column in rows that count; None where there was no room."""
        self._is_read = False

    def look(self, columns: Sequence[ColumnFacts]) -> None:
        """Read the rows, and take in the cells of these columns.

        Raises:
            InputError: after the first read, where the labels are no target to be trained on.
        """
        first, self._is_read = not self._is_read, True
        names = [facts.name for facts in columns]
        if first:
            names += self.labels.columns if self.labels else ()
            names += self.split.columns if self.split else ()
            names += [column.name for column in self._of_rows]
        numeric = [*(facts for facts in columns if facts.takes_numbers), *(self._of_rows if first else ())]
        doubles = Doubles({column.name: column.markers for column in numeric})
        for number, (_, batch) in enumerate(self.rows.read(list(dict.fromkeys(names)), doubles)):
            if first:
                self._begin(batch)
            weight = self.weight.parts[number] if self.weight else None
            with np.errstate(
                over="ignore", invalid="ignore"
            ):  # of weights that are refused, once all are known
                for facts in columns:
                    cells = facts.add(self._counting(batch, facts.name, number), weight)
                    self._keep(number, facts.name, cells)
        if first and self.labels is not None:
            self.target = self.labels.concluded()
        if first and self.split is not None and not self.n_rows:
            raise InputError(
                f"{visible(self.rows.head.name, 200)}: no row is left to train on. Give training a larger share, another "
                f"--seed, or rows that differ: those that say the same have one role."
            )

    def codes(self) -> Codes:
        """(n,) Class codes of the rows that count."""
        assert self.target is not None
        found: Codes = self.target.codes
        if all(known is None for known in self.known):
            return found
        masks = [
            np.ones(n, dtype=bool) if k is None else k for k, n in zip(self.known, self.heights, strict=True)
        ]
        return np.asarray(found[np.concatenate(masks)])

    def class_counts(self) -> dict[RoleName, list[int]]:
        """How many labelled rows of each class each role has; empty without a split."""
        if not self.roles or self.target is None:
            return {}
        codes, roles, K = self.target.codes, np.concatenate(self.roles), len(self.target.classes)
        labelled = codes >= 0
        return {name: class_counts(codes[labelled & (roles == Role[name])], K).tolist() for name in ROLES}

    def sample_weight(self) -> Floats | None:
        """(n,) Weights of the rows that count; None if there is no such column.

        Raises:
            InputError: a cell is not a finite number, 0 or more; the message names its place.
        """
        return self._numbers(self.weight)

    def offsets(self) -> Floats | None:
        """(n,) Offsets of the rows that count; None if there is no such column.

        Raises:
            InputError: a cell is not a finite number, or far too large; the message names its place.
        """
        return self._numbers(self.offset)

    @property
    def _of_rows(self) -> list[RowNumbers]:
        return [column for column in (self.weight, self.offset) if column is not None]

    def _numbers(self, column: RowNumbers | None) -> Floats | None:
        if column is None:
            return None
        if column.is_wrong:
            self._refuse_wrong(column)
        return column.whole

    @property
    def held(self) -> float:
        """Bytes of the cells that are kept."""
        return 0.0 if self.kept is None else self.kept.held

    @property
    def n_rows(self) -> int:
        """Rows that count."""
        return sum(self.heights)

    @property
    def total_weight(self) -> float:
        """Weight of the rows that count, or their number."""
        return float(sum(float(part.sum()) for part in self.weight.parts) if self.weight else self.n_rows)

    def cells(
        self,
        columns: Sequence[str],
        reader: Callable[[Table, str], Cells],
        numeric: Mapping[str, frozenset[str]] = {},
    ) -> Iterator[tuple[int, list[Cells]]]:
        """For each batch, how many rows count, and these columns' cells: kept ones, or read by `reader` once more.

        Texts of the `numeric` columns, with what means missing there, may come to the reader as doubles.
        """
        if self.kept is not None:
            for number, height in enumerate(self.heights):
                yield height, self.kept.cells(number, columns)
            return
        for number, (_, batch) in enumerate(self.rows.read(columns, Doubles(numeric))):
            known = self.known[number]
            counting = batch if known is None else batch.take(np.flatnonzero(known))
            yield counting.frame.height, [reader(counting, name) for name in columns]

    def filled(self, gaps: Mapping[str, float]) -> Floats | None:
        """The kept numbers (n, p) of these columns, and of no others, with these values where they are missing.

        None where they do not lie so in memory. They are kept no longer.
        """
        X = None if self.kept is None else self.kept.filled(gaps)
        if X is not None:
            self.kept = None
        return X

    def first(self, name: str, chosen: Callable[[pl.Series], int | None]) -> tuple[str, str]:
        """Place, and the cell as it is written, of the first that is `chosen` from a batch of a column."""
        for number, (_, batch) in enumerate(self.rows.read([name])):
            series = self._counting(batch, name, number)
            row = chosen(series)
            if row is not None:
                known = self.known[number]
                at = row if known is None else int(np.flatnonzero(known)[row])
                return batch.place(at, name), as_written(series.slice(row, 1))[0]
        raise InputError(f"{self.rows.head.name}: it changed while it was read. Read it when it is complete.")

    def _begin(self, batch: Table) -> None:
        """Labels, roles, weights and offsets of a batch."""
        known = None if self.labels is None else self.labels.add(batch)
        if self.split is not None:
            self.roles.append(self.split.roles(batch, self.markers))
            trains = self.roles[-1] == Role.train
            known = trains if known is None else known & trains
        known = None if known is None or known.all() else known
        self.known.append(known)
        self.heights.append(batch.frame.height if known is None else int(known.sum()))
        if self.kept is not None:
            self.kept.begin(self.heights[-1])
        for column in self._of_rows:
            refuse_nested(batch, column.name)
            column.add(self._counting(batch, column.name, len(self.known) - 1))

    def _counting(self, batch: Table, name: str, number: int) -> pl.Series:
        import polars as pl

        series, known = batch.frame[name], self.known[number]
        return series if known is None else series.filter(pl.Series(known))

    def _keep(self, number: int, name: str, cells: Cells) -> None:
        if self.kept is None:
            return
        self.kept.add(number, name, cells)
        if not self.kept.fits:
            self.kept = None

    def _refuse_wrong(self, column: RowNumbers) -> None:
        name, markers, meaning = column.name, column.markers, column.meaning
        found = [
            numbers(self._counting(batch, name, number), markers)
            for number, (_, batch) in enumerate(self.rows.read([name]))
        ]
        n_cells, n_numbers = sum(part.n_cells for part in found), sum(part.n_numbers for part in found)
        finite = all(part.first_infinite is None for part in found)
        self.refuse_other_cells(name, n_numbers, n_cells, meaning.remedy, finite=finite)
        place, _ = self.first(name, lambda series: meaning.first_wrong(numbers(series, markers).values))
        value = next(
            part.values[row] for part in found if (row := meaning.first_wrong(part.values)) is not None
        )
        raise InputError(meaning.sentence(place, value))

    def refuse_other_cells(
        self, name: str, n_numbers: int, n_cells: int, remedy: str, *, finite: bool
    ) -> None:
        """Raise InputError at the first cell that is no finite number, in a column that must be numeric."""
        if n_numbers == n_cells and finite:
            return
        markers, texts = self.markers.of(name), n_numbers < n_cells

        def wrong(series: pl.Series) -> int | None:
            found = numbers(series, markers)
            return found.first_text if texts else found.first_infinite

        place, cell = self.first(name, wrong)
        raise InputError(wrong_cell(place, cell, name, (n_numbers, n_cells) if texts else None, remedy))
