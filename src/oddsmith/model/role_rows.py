"""Rows of some roles side by side: scores, labels, weights, groups, and columns beside them.

What needs rows next to each other reads these arrays: folds of a calibration, costs that are columns, slices, pairs of
models, a bootstrap by group. Everything else reads tables of scores.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.batches import Piecewise
from oddsmith.data.block import Floats
from oddsmith.data.memory import require
from oddsmith.data.roles import ROLES, ByRow, ByTime, Role
from oddsmith.data.row_numbers import COST, row_numbers
from oddsmith.errors import InputError, counted, visible
from oddsmith.model.labelled import LabelledRows, Rows
from oddsmith.model.probabilities import ranking
from oddsmith.model.records import RowsRecord
from oddsmith.model.served import refuse_served

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.model.model import Model

_NUMBER, _ROW = 16, 120
"""Bytes of memory for each number of a row and for the row."""


@dataclass(frozen=True)
class RoleRows:
    """n rows with a label. Of two classes scores are log-odds (n,), of more the model's log-odds or logits (n, K)."""

    name: str
    """How messages call where they come from."""
    eta: Floats
    """Raw scores, by which rows are ranked."""
    calibrated: Floats
    """The same after the model's calibration; of three classes or more logits of a softmax where there is one."""
    log_proba: Floats
    """(n, K)."""
    codes: NDArray[np.int64]
    """(n,): places of the labels in the model's classes."""
    weight: Floats | None
    """(n,): None where each counts once."""
    roles: NDArray[np.int8] | None
    """(n,): None where the model tells no roles apart."""
    groups: NDArray[np.uint64] | None
    """(n,): the same for rows of one group; None where the model knows of no groups."""
    by_time: bool
    """Whether roles follow the time."""
    columns: dict[str, pl.Series]
    """The columns that were asked for, as they were read."""
    costs: dict[str, Floats]
    """Columns of costs, (n,) each."""
    moved: Floats
    """(p,): weighted mean of each term, less its mean in training."""
    digests: tuple[tuple[str, str], ...]
    """Name and SHA-256 of each file."""
    notes: list[str] = field(default_factory=list)

    def of(self, role: Role) -> NDArray[np.bool_]:
        """Which rows (n,) have a role; all of them where the model tells none apart."""
        return np.ones(len(self.codes), dtype=bool) if self.roles is None else self.roles == role

    def record(self, role: Role, n_classes: int) -> RowsRecord:
        """What the model file says of the rows of a role."""
        counts = np.bincount(self.codes[self.of(role)], minlength=n_classes)
        return RowsRecord(
            role=None if self.roles is None else ROLES[role],
            rows=int(counts.sum()),
            class_counts=counts.tolist(),
            digests=[digest for _, digest in self.digests],
        )


def role_rows(
    model: Model,
    pieces: Piecewise,
    roles: Collection[Role],
    purpose: str,
    own: str,
    *,
    columns: Collection[str] = (),
    costs: Collection[str] = (),
    map_label: Sequence[str] = (),
    advance: Rows = lambda done, of: None,
) -> RoleRows:
    """The rows of `roles`, scored; of a model without roles, those of files that served no purpose but `own`.

    `purpose` says in messages what they are for, as in "to calibrate the model on".

    Raises:
        InputError: a column is absent, a cell cannot be read, a label is unknown to the model, no row is left, a file
            served another purpose, or the rows take more memory than there is.
    """
    import polars as pl

    for name in (*columns, *costs):
        if name not in pieces.columns:
            raise InputError(f"{visible(pieces.name, 200)}: no column called '{visible(name)}'.")
    rows = LabelledRows(
        model, pieces, roles, columns=(*columns, *costs), map_label=map_label, advance=advance
    )
    refuse_served(model.record, pieces.digests, own)
    two, split = len(model.classes) == 2, rows.split
    width = 4 * len(model.classes) + len(columns) + len(costs)
    need = rows.pieces.n_rows * (_ROW + _NUMBER * width)
    require(need, f"{visible(pieces.name, 200)}: {counted(pieces.n_rows, 'row')} side by side")
    parts, taken, groups = [], [], []
    priced: dict[str, list[Floats]] = {name: [] for name in costs}
    total, moved = 0.0, np.zeros(len(model.terms))
    for part in rows:
        parts.append(part)
        weight = np.ones(len(part.codes)) if part.weight is None else part.weight
        total += float(weight.sum())
        moved += weight @ part.scores.centred
        taken.append(part.table.frame.select(list(columns)))
        for name, values in priced.items():
            values.append(row_numbers(part.table, name, rows.labels.markers.of(name), COST))
        if isinstance(split, ByRow) and split.group is not None:
            groups.append(split.hashes(part.table, rows.labels.markers))
    rows.require_any(purpose)
    form = model.record.multi_class
    raw = np.concatenate([part.scores.log_odds for part in parts])
    calibrated = np.concatenate([part.scores.calibrated for part in parts])
    if two:
        raw = ranking(raw, form)[:, 0]
        calibrated = calibrated[:, 0] if model.maps else raw
    weights = [part.weight for part in parts if part.weight is not None]
    of_roles = [part.roles for part in parts if part.roles is not None]
    return RoleRows(
        pieces.name,
        raw,
        calibrated,
        np.concatenate([part.scores.log_proba for part in parts]),
        np.concatenate([part.codes for part in parts]),
        np.concatenate(weights) if weights else None,
        np.concatenate(of_roles) if of_roles else None,
        np.concatenate(groups) if groups else None,
        isinstance(split, ByTime),
        {name: series for frame in (pl.concat(taken),) for name, series in frame.to_dict().items()},
        {name: np.concatenate(values) for name, values in priced.items()},
        moved / total if total > 0.0 else moved,
        pieces.digests,
        [*rows.notes(purpose), *_unguarded(model, pieces)],
    )


def _unguarded(model: Model, pieces: Piecewise) -> list[str]:
    """A sentence where nothing could tell whether rows have served another purpose."""
    if model.record.training.roles is not None or pieces.digests:
        return []
    return [
        "a table in memory has no digest, and this model no roles for rows: nothing here can tell whether these rows "
        "trained it. Keep them apart, or train with split='60/20/20'."
    ]
