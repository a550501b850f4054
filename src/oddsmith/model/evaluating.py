"""A model against rows whose label is known, piece by piece: each leaves its evidence, and the sum is concluded from.

    first reading    which different labels there are -> which class each of them is
    second reading   rows with a label -> scores -> evidence, added up

Labels are settled by all the rows, so that `--map-label` and an expression mean what they mean of a whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.batches import Batches
from oddsmith.data.block import Floats
from oddsmith.data.cells import refuse_nested, shown
from oddsmith.data.doubles import Doubles
from oddsmith.data.encoding import Unseen
from oddsmith.data.memory import available, require
from oddsmith.data.pieces import OnePiece, Pieces
from oddsmith.data.roles import Role
from oddsmith.data.row_numbers import WEIGHT, row_numbers
from oddsmith.data.table import Table
from oddsmith.data.target import Labels, TargetOptions
from oddsmith.errors import InputError, counted, visible
from oddsmith.evaluate.evaluation import Evaluation, Evidence, conclusion, evidence, refuse_other_kinds
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import MOST_SCORES

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.model.model import Model

Rows = Callable[[int, int | None], None]
"""Is told how many rows were read, and of how many, where that is known."""

_FEWEST = 256
"""Rows that are scored at once, at least."""
_SCORE, _FEWEST_SCORES = 800, 1 << 12
"""Bytes for each distinct score in a table while tables are added, and how many of them are kept apart at least."""
_ROW = "\0"
"""What no column is called."""
_FARTHEST = 1e100
"""The largest weight, and one over the smallest."""
_LABEL = 200
"""Bytes for each different label while they are told apart."""


def evaluate_pieces(
    model: Model,
    pieces: Pieces | OnePiece,
    *,
    thresholds: Sequence[float] = (),
    cost: Cost | None = None,
    n_bins: int = 4,
    map_label: Sequence[str] = (),
    advance: Rows = lambda done, of: None,
) -> tuple[Evaluation, list[str]]:
    """The evaluation, and sentences about rows left out, levels never seen, and weights.

    Rows count by the weights that the model was trained with, where the table has that column. Where the model tells
    roles apart, only rows to audit it with count.

    Raises:
        InputError: a column is absent, a cell cannot be read, or a label is unknown to the model.
    """
    record = model.record
    classes = tuple(record.target.classes)
    refuse_other_kinds(thresholds, cost, len(classes))
    labels = _Labels(model, pieces, map_label, advance)
    unseen: dict[str, Unseen] = {}
    weighted = record.weight is not None and record.weight in pieces.columns
    n_tables = 1 if len(classes) == 2 else len(classes) + 1
    most = int(min(max(available() / (_SCORE * n_tables), _FEWEST_SCORES), MOST_SCORES))
    parts: list[Evidence] = []
    n_rows = n_labelled = n_known = 0
    needed = {column.name for column in record.columns} | {*record.target.columns}
    needed |= {record.weight} if weighted and record.weight is not None else set()
    needed |= set() if record.offset is None else {record.offset}
    split = None if record.training.roles is None else record.training.roles.split
    needed |= set() if split is None else {*split.columns}
    at_a_time = max(_FEWEST, pieces.size // (2 * len(model.terms) + 8 * len(classes)))
    numeric = model.numeric
    if weighted and record.weight is not None:
        numeric[record.weight] = labels.markers.of(record.weight)
    for piece in pieces.read(needed, Doubles(numeric)):
        for table in piece.parts(at_a_time):
            n_rows += table.frame.height
            table = table.completed({*model.known_columns(), *needed})
            codes = labels.codes(table)
            labelled = codes >= 0
            n_labelled += int(labelled.sum())
            if split is not None:
                labelled &= split.roles(table, labels.markers) == Role.audit
            known = np.flatnonzero(labelled)
            if not len(known):
                continue
            n_known += len(known)
            table = table if len(known) == len(codes) else table.take(known)
            scores = model.score(table)
            for found in scores.unseen:
                before = unseen.get(found.column)
                unseen[found.column] = found if before is None else before + found
            log_odds = scores.log_odds
            if len(classes) == 2 and log_odds.shape[1] == 2:
                # A flat file may hold two equations for two classes: the odds are those of their probabilities.
                log_shares = -np.logaddexp(0.0, -log_odds)
                log_odds = log_shares[:, 1:] - log_shares[:, :1]
            weight = None
            if weighted and record.weight is not None:
                weight = row_numbers(table, record.weight, labels.markers.of(record.weight), WEIGHT)
                _refuse_extreme(weight, pieces.name, record.weight)
            parts.append(
                evidence(
                    log_odds,
                    scores.log_proba,
                    codes[known],
                    classes,
                    predicted=scores.codes,
                    sample_weight=weight,
                    most=most,
                )
            )
            if sum(part.size for part in parts) > 2 * most * n_tables:
                parts = [Evidence.sum(parts)]
            advance(n_rows, pieces.n_rows)
    if split is not None and not n_known:
        raise InputError(
            f"{visible(pieces.name, 200)}: none of its {counted(n_labelled, 'row')} with a label is there to audit the "
            f"model with, which has roles for rows. Give it more rows."
        )
    found_all = conclusion(Evidence.sum(parts), classes, thresholds=thresholds, cost=cost, n_bins=n_bins)
    notes = [str(unseen[column.name]) for column in record.columns if column.name in unseen]
    if n_labelled < n_rows:
        notes.append(f"left out, for want of a label: {counted(n_rows - n_labelled, 'row')}.")
    if split is None:
        notes += _flattery(pieces.digests, record.training.digests)
    else:
        notes.append(
            f"{counted(n_known, 'row')} to audit the model with; left out: {counted(n_labelled - n_known, 'row')} of other "
            f"roles."
        )
    if weighted:
        notes.append(f"rows count by their weight in '{visible(str(record.weight))}'.")
    elif record.weight is not None:
        notes.append(f"there are no weights in a column '{visible(record.weight)}': each row counts once.")
    if found_all.score_step is not None:
        notes.append(
            f"so many scores differ that those within {found_all.score_step:.1g} of log-odds count as one: an AUC may be "
            f"wrong by {found_all.auc_error:.1g}, counts at a threshold by the rows so near to it."
        )
    return found_all, notes


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

    def __init__(
        self, model: Model, pieces: Pieces | OnePiece, map_label: Sequence[str], advance: Rows
    ) -> None:
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


def _flattery(files: Sequence[tuple[str, str]], digests: Sequence[str]) -> list[str]:
    """A sentence where files of the table are files that the model was trained on."""
    seen = [name for name, digest in files if digest in digests]
    if not seen:
        return []
    if len(seen) == len(files):
        return ["these are the rows that the model was trained on: its figures flatter it."]
    more = f" and {len(seen) - 3:,} more" if len(seen) > 3 else ""
    return [f"the model was trained on rows of {', '.join(seen[:3])}{more}: its figures flatter it."]
