"""The gate between two models, on rows of a table that are there to audit both of them.

    rows with a label -> scores and roles of both models -> rows that neither has learned from -> the gate

Where a model tells roles apart, its audit rows count. Any other must not have learned from the files at all. A row that is
there to audit one model and taught the other is left out, and counted: it would flatter the one that knows it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.pieces import OnePiece, Pieces, as_pieces
from oddsmith.data.read import Reading
from oddsmith.data.roles import Role
from oddsmith.decision.costs import RowCosts
from oddsmith.errors import DataWarning, InputError, counted, visible
from oddsmith.evidence.contenders import Contender, Price
from oddsmith.evidence.gate import Gate
from oddsmith.evidence.gate import gate as compared
from oddsmith.evidence.margins import Margins
from oddsmith.model import Model
from oddsmith.model.labelled import Rows
from oddsmith.model.role_rows import RoleRows, role_rows
from oddsmith.model.served import AUDITED
from oddsmith.workflow.auditing import rows_to_audit
from oddsmith.workflow.seeds import checked_seed

PURPOSE = "to compare the models on"


def gate(
    candidate: Model,
    incumbent: Model,
    data: Any,
    *,
    slices: Sequence[str] = (),
    margins: Margins | None = None,
    cost: Price | None = None,
    level: float = 0.95,
    n_resamples: int = 200,
    seed: int = 0,
    map_label: Sequence[str] = (),
    reading: Reading | None = None,
    advance: Rows = lambda done, of: None,
) -> Gate:
    """Whether a candidate is good enough to take the place of an incumbent, by rows that neither has learned from.

    Args:
        candidate: the new model.
        incumbent: the model in place, of the same target and classes.
        data: rows with labels, as for `train`. Of a model with roles the audit rows count.
        slices: columns by whose levels rows are compared apart.
        margins: the harm that is put up with.
        cost: what actions cost, for both models; by itself that of the candidate's policy, or else of the incumbent's.
        level: of every interval.
        n_resamples: of the smooth ECE's bootstrap.
        seed: of the same.
        map_label: "FROM=TO" renames a label.
        reading: how the text of a file is read; by itself as the candidate's training rows were.
        advance: is told how many rows were read.

    Warns:
        DataWarning: rows are left out, have levels never seen, or weights.

    Raises:
        InputError: the models have other targets or classes, one has learned from the files, no row audits both, the rows
            cannot be used, or an action has no cost.
    """
    if isinstance(slices, str):
        raise InputError(f"slices are one text. Give a list of columns, as in ['{visible(slices)}'].")
    seed = checked_seed(seed)
    _refuse_other_targets(candidate, incumbent)
    slices = list(dict.fromkeys(slices))
    pieces = (
        data if isinstance(data, Pieces | OnePiece) else as_pieces(data, reading or candidate.record.reading)
    )
    costs = _row_costs(candidate, incumbent, cost)
    new = _scored("candidate", candidate, pieces, slices, costs, map_label, advance)
    old = _scored("incumbent", incumbent, pieces, (), costs, map_label, advance)
    if not np.array_equal(new.codes, old.codes):
        raise InputError(
            f"{visible(pieces.name, 200)}: labels that one model knows are missing, or others, to the other one. Train "
            f"both with the same --missing and --map-label."
        )
    kept, notes = _common(new, old)
    groups = new.groups if new.groups is not None else old.groups
    ours, theirs = replace(new, groups=groups), replace(old, groups=groups, weight=new.weight)
    found = compared(
        Contender(rows_to_audit(candidate, ours, kept), candidate.policy),
        Contender(rows_to_audit(incumbent, theirs, kept), incumbent.policy),
        price=cost,
        margins=margins,
        level=level,
        n_resamples=n_resamples,
        seed=seed,
    )
    for note in dict.fromkeys(notes):
        warnings.warn(note, DataWarning, stacklevel=2)
    return found


def _refuse_other_targets(candidate: Model, incumbent: Model) -> None:
    new, old = candidate.record.target, incumbent.record.target
    if (new.columns, new.name) != (old.columns, old.name):
        raise InputError(
            f"the candidate predicts '{visible(new.name)}' and the incumbent '{visible(old.name)}'. Compare models of "
            f"one target."
        )
    if new.classes != old.classes:
        shown = [visible(", ".join(target.classes), 120) for target in (new, old)]
        raise InputError(
            f"the candidate's classes are {shown[0]} and the incumbent's {shown[1]}. Compare models of the same classes, "
            f"in one order."
        )


def _row_costs(candidate: Model, incumbent: Model, cost: Price | None) -> list[RowCosts]:
    """Costs that are columns: of either policy, or those that were given."""
    costs = [model.policy.row_costs for model in (candidate, incumbent) if model.policy is not None]
    costs.append(cost if isinstance(cost, RowCosts) else None)
    return [of_rows for of_rows in costs if of_rows is not None]


def _scored(
    who: str,
    model: Model,
    pieces: Pieces | OnePiece,
    columns: Sequence[str],
    costs: Sequence[RowCosts],
    map_label: Sequence[str],
    advance: Rows,
) -> RoleRows:
    """Every row with a label, whatever its role: so the rows of both models are the same."""
    try:
        return role_rows(
            model,
            pieces,
            tuple(Role),
            PURPOSE,
            AUDITED,
            columns=columns,
            costs=costs,
            map_label=map_label,
            advance=advance,
        )
    except InputError as error:
        raise InputError(f"the {who} on {error}") from None


def _common(new: RoleRows, old: RoleRows) -> tuple[NDArray[np.bool_], list[str]]:
    """Which rows (n,) are there to audit both models, and sentences about all rows."""
    of_new, of_old = new.of(Role.audit), old.of(Role.audit)
    kept = of_new & of_old
    alone = [int((mine & ~kept).sum()) for mine in (of_new, of_old)]
    if not kept.any():
        raise InputError(
            f"{visible(new.name, 200)}: no row is there to audit both models. {counted(alone[0], 'row')} would audit the "
            f"candidate and {counted(alone[1], 'row')} the incumbent, but served the other one. Train both with the same "
            f"--split and --seed, or give rows of a file that neither has seen."
        )
    # What each says of its own rows is said of both here.
    notes = [note for rows in (new, old) for note in rows.notes if PURPOSE not in note]
    if not kept.all():
        notes.append(
            f"{counted(int(kept.sum()), 'row')} {PURPOSE}; left out: {counted(int((~kept).sum()), 'row')}."
        )
    for count, who, other in ((alone[0], "candidate", "incumbent"), (alone[1], "incumbent", "candidate")):
        if count:
            notes.append(
                f"of these, {counted(count, 'row')} would audit the {who}, but may have served to make the {other}."
            )
    return kept, notes
