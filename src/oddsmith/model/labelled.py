"""Rows of files whose label is known and whose role it is, scored by a model, part by part.

    first reading    which different labels there are -> which class each of them is
    second reading   rows with a label, of the roles asked for -> scores, weights, and columns beside them

Labels are settled by all the rows, so that `--map-label` and an expression mean what they mean of a whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.batches import Batches, Piecewise
from oddsmith.data.block import Floats
from oddsmith.data.cells import refuse_nested, shown
from oddsmith.data.doubles import Doubles
from oddsmith.data.encoding import Unseen
from oddsmith.data.memory import require
from oddsmith.data.roles import ByRow, Role
from oddsmith.data.row_numbers import WEIGHT, row_numbers
from oddsmith.data.table import Table
from oddsmith.data.target import Labels, TargetOptions
from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.model.model import Model, Scores

Rows = Callable[[int, int | None], None]
"""Is told how many rows were read, and of how many, where that is known."""

_FEWEST = 256
"""Rows that are scored at once, at least."""
_ROW = "\0"
"""What no column is called."""
_FARTHEST = 1e100
"""The largest weight, and one over the smallest."""
_LABEL = 200
"""Bytes for each different label while they are told apart."""


@dataclass(frozen=True)
class Labelled:
    """Some of the rows."""

    table: Table
    """Their cells."""
    scores: Scores
    codes: NDArray[np.int64]
    """(n,): the place of each label in the model's classes."""
    roles: NDArray[np.int8] | None
    """(n,): the role of each; None where the model tells no roles apart."""
    hashes: NDArray[np.uint64] | None
    """(n,): what roles follow from, the same for rows that belong together; None where they follow from nothing such."""
    weight: Floats | None
    """(n,): None where each counts once."""


class LabelledRows:
    """The rows with a label in `pieces`; of a model that tells roles apart, those of `roles`.

    Each reading scores them again. What only all the rows tell is known after one.
    """

    def __init__(
        self,
        model: Model,
        pieces: Piecewise,
        roles: Collection[Role],
        *,
        columns: Collection[str] = (),
        map_label: Sequence[str] = (),
        advance: Rows = lambda done, of: None,
    ) -> None:
        """Settle the labels; `columns` are wanted beside those that the model reads.

        Raises:
            InputError: the target is absent, or a label is unknown to the model.
        """
        self.model, self.pieces, self.advance, self.wanted = model, pieces, advance, {*columns}
        self.labels = _Labels(model, pieces, map_label, advance)
        training = model.record.training
        self.split = None if training.roles is None else training.roles.split
        self.roles = sorted(roles)
        weight = model.record.weight
        self.weight = weight if weight is not None and weight in pieces.columns else None
        self.n_rows = self.n_labelled = self.n_taken = 0
        self.unseen: dict[str, Unseen] = {}

    def __iter__(self) -> Iterator[Labelled]:
        """The rows, in parts that memory holds.

        Raises:
            InputError: a column is absent or a cell cannot be read.
        """
        model, record = self.model, self.model.record
        self.n_rows = self.n_labelled = self.n_taken = 0
        self.unseen = {}
        needed = {column.name for column in record.columns} | {*record.target.columns} | self.wanted
        needed |= {name for name in (self.weight, record.offset) if name is not None}
        needed |= set() if self.split is None else {*self.split.columns}
        at_a_time = max(_FEWEST, self.pieces.size // (2 * len(model.terms) + 8 * len(model.classes)))
        numeric = model.numeric
        if self.weight is not None:
            numeric[self.weight] = self.labels.markers.of(self.weight)
        for piece in self.pieces.read(needed, Doubles(numeric)):
            for part in piece.parts(at_a_time):
                found = self._labelled(part.completed({*model.known_columns(), *needed}))
                if found is not None:
                    yield found
                self.advance(self.n_rows, self.pieces.n_rows)

    def _labelled(self, table: Table) -> Labelled | None:
        """Those of the rows of a table; None where there are none."""
        codes = self.labels.codes(table)
        taken = codes >= 0
        self.n_rows += len(codes)
        self.n_labelled += int(taken.sum())
        roles = hashes = None
        if self.split is not None:
            if isinstance(self.split, ByRow):
                hashes = self.split.hashes(table, self.labels.markers)
                roles = self.split.roles_of(hashes)
            else:
                roles = self.split.roles(table, self.labels.markers)
            taken &= np.isin(roles, self.roles)
        rows = np.flatnonzero(taken)
        if not len(rows):
            return None
        self.n_taken += len(rows)
        if len(rows) < len(codes):
            table, codes = table.take(rows), codes[rows]
            roles = None if roles is None else roles[rows]
            hashes = None if hashes is None else hashes[rows]
        scores = self.model.score(table)
        for found in scores.unseen:
            before = self.unseen.get(found.column)
            self.unseen[found.column] = found if before is None else before + found
        weight = None
        if self.weight is not None:
            weight = row_numbers(table, self.weight, self.labels.markers.of(self.weight), WEIGHT)
            _refuse_extreme(weight, self.pieces.name, self.weight)
        return Labelled(table, scores, codes, roles, hashes, weight)

    def notes(self, purpose: str) -> list[str]:
        """Sentences about levels never seen, rows left out and weights; `purpose` as in "to audit the model on"."""
        record = self.model.record
        notes = [str(self.unseen[column.name]) for column in record.columns if column.name in self.unseen]
        if self.n_labelled < self.n_rows:
            notes.append(f"left out, for want of a label: {counted(self.n_rows - self.n_labelled, 'row')}.")
        if self.split is not None:
            others = counted(self.n_labelled - self.n_taken, "row")
            notes.append(f"{counted(self.n_taken, 'row')} {purpose}; left out: {others} of other roles.")
        if self.weight is not None:
            notes.append(f"rows count by their weight in '{visible(self.weight)}'.")
        elif record.weight is not None:
            notes.append(
                f"there are no weights in a column '{visible(record.weight)}': each row counts once."
            )
        return notes

    def require_any(self, purpose: str) -> None:
        """Raise InputError where roles left no row."""
        if self.split is not None and not self.n_taken:
            raise InputError(
                f"{visible(self.pieces.name, 200)}: none of its {counted(self.n_labelled, 'row')} with a label is there "
                f"{purpose}, which has roles for rows. Give it more rows."
            )


def _refuse_extreme(weight: Floats, name: str, column: str) -> None:
    """Raise InputError where squares of weights (n,) leave the range of a double."""
    heavy, light = weight.max(initial=0.0), weight[weight > 0.0].min(initial=1.0)
    if heavy > _FARTHEST or light < 1.0 / _FARTHEST:
        raise InputError(
            f"{visible(name, 200)}: a weight in '{visible(column)}' is {heavy if heavy > _FARTHEST else light:.2g}. Give them "
            f"in another unit."
        )


class _Labels:
    """Which class the labels of rows are, settled by all of them."""

    def __init__(self, model: Model, pieces: Piecewise, map_label: Sequence[str], advance: Rows) -> None:
        import polars as pl

        target = model.record.target
        self.markers = model.record.missing.markers()
        self.pieces = pieces
        self.columns = list(target.columns)
        known: pl.DataFrame | None = None
        n_rows = 0
        for piece in pieces.read(None, Doubles(model.numeric)):
            table = piece.completed(model.known_columns())
            self._refuse_others(table)
            different = table.frame.select(self.columns).with_row_index(_ROW, offset=n_rows)
            different = different.unique(self.columns, keep="first", maintain_order=True)
            if known is not None:
                different = different.join(known, on=self.columns, how="anti", nulls_equal=True)
                known = known.vstack(different)
            else:
                known = different
            require(
                _LABEL * known.height, f"{visible(pieces.name, 200)}: telling {known.height:,} labels apart"
            )
            n_rows += table.frame.height
            advance(n_rows, None)
        if known is None:
            raise InputError(f"{visible(pieces.name, 200)}: no rows to evaluate.")
        first_rows = known[_ROW].to_numpy()
        table = Table(
            known.select(self.columns),
            pieces.name,
            place_of=lambda row, column: self._place(int(first_rows[row]), column),
        )
        options = TargetOptions(target.name, map_label=(*target.map_label, *map_label))
        batches = Batches.of(table)
        labels = Labels(batches, options, self.markers)
        for _, batch in batches.read():
            labels.add(batch)
        if not labels.seen:
            raise InputError(
                f"{visible(pieces.name, 200)}: target {shown(labels.name)} has no label in any of {n_rows:,} rows. "
                f"Choose another column."
            )
        found = labels.concluded(tuple(target.classes))
        self._codes = table.frame.with_columns(pl.Series(_ROW, found.codes.astype(np.int64)))

    def codes(self, table: Table) -> NDArray[np.int64]:
        """Place of the label (n,) in the model's classes; -1 where a row has none."""
        rows = table.frame.select(self.columns)
        found = rows.join(self._codes, on=self.columns, how="left", nulls_equal=True, maintain_order="left")
        return np.asarray(found[_ROW].to_numpy())

    def _refuse_others(self, table: Table) -> None:
        absent = [name for name in self.columns if name not in table.frame.columns]
        if absent:
            raise InputError(
                f"{visible(table.name)}: no column called '{visible(absent[0])}', which holds the labels. "
                f"Give rows whose label is known."
            )
        for name in self.columns:
            refuse_nested(table, name)

    def _place(self, row: int, column: str) -> str:
        """Where a cell was read, counted over all the pieces; they are read once more for it."""
        for table in self.pieces.read(self.columns):
            if row < table.frame.height:
                return table.place(row, column)
            row -= table.frame.height
        raise AssertionError("a row of no piece")
