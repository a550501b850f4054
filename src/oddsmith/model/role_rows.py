"""Rows of some roles side by side: scores, labels, weights, groups, and columns beside them.

What needs rows next to each other reads these arrays: folds of a calibration, costs that are columns, slices, pairs of
models, a bootstrap by group. Everything else reads tables of scores.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddsmith.calibration.maps import PriorShift
from oddsmith.data.batches import Piecewise
from oddsmith.data.block import Floats
from oddsmith.data.memory import require
from oddsmith.data.roles import ROLES, ByRow, ByTime, Role
from oddsmith.decision.costs import RowCosts
from oddsmith.errors import InputError, counted, visible
from oddsmith.evaluate.intervals import share_interval
from oddsmith.evaluate.score_table import row_weights
from oddsmith.model.labelled import Labelled, LabelledRows, Rows
from oddsmith.model.probabilities import ranking
from oddsmith.model.records import RowsRecord
from oddsmith.model.row_costs import costs_of_rows
from oddsmith.model.served import refuse_served

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.model.model import Model

_NUMBER, _ROW = 16, 120
"""Bytes of memory for each number of a row and for the row."""
_REPEATED = 1.1
"""Mean number of rows that say the same as a row, itself included, up to which rows are taken for independent."""


@dataclass(frozen=True)
class RoleRows:
    """n rows with a label. Of two classes scores are log-odds (n,), of more the model's log-odds or logits (n, K)."""

    name: str
    """How messages call where they come from."""
    eta: Floats
    """Raw scores, by which rows are ranked."""
    calibrated: Floats
    """The same after the model's calibration; of three classes or more logits of a softmax where there is one."""
    proba: Floats
    """(n, K), as predictions have them: actions by a cost matrix follow from these, to the last bit."""
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
    before: RoleRows | None = None
    """The same rows as they were drawn, where they are weighted for a shift of the prior."""

    def of(self, role: Role) -> NDArray[np.bool_]:
        """Which rows (n,) have a role; all of them where the model tells none apart."""
        return np.ones(len(self.codes), dtype=bool) if self.roles is None else self.roles == role

    def that_count(self) -> RoleRows:
        """Those of positive weight.

        Raises:
            InputError: there are none.
        """
        if self.weight is None or (self.weight > 0.0).all():
            return self
        if not (self.weight > 0.0).any():
            raise InputError(f"{visible(self.name, 200)}: all rows have weight 0. Give rows that count.")
        return self.take(self.weight > 0.0)

    def take(self, kept: NDArray[np.bool_]) -> RoleRows:
        """Those of the rows."""
        return replace(
            self,
            eta=self.eta[kept],
            calibrated=self.calibrated[kept],
            proba=self.proba[kept],
            log_proba=self.log_proba[kept],
            codes=self.codes[kept],
            weight=None if self.weight is None else self.weight[kept],
            roles=None if self.roles is None else self.roles[kept],
            groups=None if self.groups is None else self.groups[kept],
            columns={name: series.gather(np.flatnonzero(kept)) for name, series in self.columns.items()},
            costs={name: values[kept] for name, values in self.costs.items()},
        )

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
    costs: Sequence[RowCosts] = (),
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

    priced = list(dict.fromkeys(name for of_rows in costs for name in of_rows.columns))
    for name in (*columns, *priced):
        if name not in pieces.columns:
            raise InputError(f"{visible(pieces.name, 200)}: no column called '{visible(name)}'.")
    rows = LabelledRows(
        model, pieces, roles, columns=(*columns, *priced), map_label=map_label, advance=advance
    )
    refuse_served(model.record, pieces.digests, own)
    two, split = len(model.classes) == 2, rows.split
    bytes_a_row = 2 * (_ROW + _NUMBER * (6 * len(model.classes) + len(columns) + len(priced)))
    parts: list[_Part] = []
    taken = []
    total, moved = 0.0, np.zeros(len(model.terms))
    for part in rows:
        n = len(part.codes)
        require(n * bytes_a_row, f"{visible(pieces.name, 200)}: {counted(rows.n_taken, 'row')} side by side")
        weight = np.ones(n) if part.weight is None else part.weight
        total += float(weight.sum())
        moved += weight @ part.scores.centred
        taken.append(part.table.frame.select(list(columns)))
        read: dict[str, Floats] = {}
        for given in costs:
            read |= costs_of_rows(part.table, given, rows.labels.markers)
        parts.append(_Part.of(part, read))
    rows.require_any(purpose)
    form = model.record.multi_class
    raw = np.concatenate([part.log_odds for part in parts])
    calibrated = np.concatenate([part.calibrated for part in parts])
    if two:
        raw = ranking(raw, form)[:, 0]
        calibrated = calibrated[:, 0] if model.maps else raw
    weights = [part.weight for part in parts if part.weight is not None]
    of_roles = [part.roles for part in parts if part.roles is not None]
    hashes = [part.hashes for part in parts if part.hashes is not None]
    grouped = isinstance(split, ByRow) and split.group is not None
    groups, notes = _units(np.concatenate(hashes), grouped) if hashes else (None, [])
    return RoleRows(
        pieces.name,
        raw,
        calibrated,
        np.concatenate([part.proba for part in parts]),
        np.concatenate([part.log_proba for part in parts]),
        np.concatenate([part.codes for part in parts]),
        np.concatenate(weights) if weights else None,
        np.concatenate(of_roles) if of_roles else None,
        groups,
        isinstance(split, ByTime),
        pl.concat(taken).to_dict(),
        {name: np.concatenate([part.costs[name] for part in parts]) for name in priced},
        moved / total if total > 0.0 else moved,
        pieces.digests,
        [*rows.notes(purpose), *notes, *_unguarded(model, pieces)],
    )


class _Part(NamedTuple):
    """What is kept of some rows: neither their cells nor their terms, which may be many more numbers."""

    log_odds: Floats
    calibrated: Floats
    proba: Floats
    log_proba: Floats
    codes: NDArray[np.int64]
    roles: NDArray[np.int8] | None
    hashes: NDArray[np.uint64] | None
    weight: Floats | None
    costs: dict[str, Floats]

    @classmethod
    def of(cls, part: Labelled, costs: dict[str, Floats]) -> _Part:
        """Of rows that were scored."""
        found = part.scores
        return cls(
            found.log_odds,
            found.calibrated,
            found.proba,
            found.log_proba,
            part.codes,
            part.roles,
            part.hashes,
            part.weight,
            costs,
        )


def at_prior(model: Model, rows: RoleRows) -> RoleRows:
    """The rows, weighted so that a class has the share that the model's probabilities were shifted to.

    Rows whose share is that already, but for chance, stay as they are.
    """
    shift = model.maps[-1] if model.maps else None
    if not isinstance(shift, PriorShift):
        return rows
    weight = row_weights(rows.weight, len(rows.codes))
    positive = rows.codes == 1
    total, part = float(weight.sum()), float(weight[positive].sum())
    interval = share_interval(part, total, float((weight**2).sum()), 0.999)
    if interval.low <= shift.after <= interval.high or not 0.0 < part < total:
        return rows
    share = part / total
    factor = np.where(positive, shift.after / share, (1.0 - shift.after) / (1.0 - share))
    note = (
        f"{share:.4g} of these rows are '{visible(str(model.classes[1]), 40)}', and probabilities were shifted to a share of "
        f"{shift.after:.4g}: rows of each class count by as much more or less."
    )
    return replace(rows, weight=weight * factor, notes=[*rows.notes, note], before=rows)


def _units(hashes: NDArray[np.uint64], grouped: bool) -> tuple[NDArray[np.uint64] | None, list[str]]:
    """What tells rows (n,) that belong together, and a sentence where it is that they say the same.

    Rows that say the same have one role, so that a role has all of them or none: they are one unit, as those of a group
    are. A few such rows among many make no difference.
    """
    if grouped:
        return hashes, []
    _, sizes = np.unique(hashes, return_counts=True)
    if float((sizes**2).sum()) <= _REPEATED * len(hashes):
        return None, []
    return hashes, [
        f"only {counted(len(sizes), 'row')} of {len(hashes):,} differ in what they say, and rows that say the same have one "
        f"role: they count as one group."
    ]


def _unguarded(model: Model, pieces: Piecewise) -> list[str]:
    """A sentence where nothing could tell whether rows have served another purpose."""
    if model.record.training.roles is not None or pieces.digests:
        return []
    return [
        "a table in memory has no digest, and this model no roles for rows: nothing here can tell whether these rows "
        "trained it. Keep them apart, or train with split='60/20/20'."
    ]
