"""Build: from rows and costs to a model with a calibrated probability, a policy, and the evidence for both.

    train -> calibrate -> decide -> audit        each on rows of its own, which a split keeps apart

The same functions as the verbs of these names, one after the other, on the same rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oddsmith.data.batches import Batches
from oddsmith.data.roles import Role
from oddsmith.decision.capacity import Capacity
from oddsmith.decision.costs import PERFECT, CostMatrix, Reviewer, RowCosts
from oddsmith.errors import DataWarning, InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.evidence.verdicts import Bars
from oddsmith.model import Model
from oddsmith.model.labelled import Rows
from oddsmith.model.role_rows import role_rows
from oddsmith.model.served import CALIBRATED
from oddsmith.workflow import calibrating
from oddsmith.workflow.auditing import examined, with_audit
from oddsmith.workflow.calibrating import with_calibration
from oddsmith.workflow.deciding import rows_to_decide_on, with_policy
from oddsmith.workflow.training import train
from oddsmith.workflow.wishes import Wishes, actions_of, require_wishes

SHARES, SHARES_TO_LEARN = "60/20/20", "45/20/15/20"
"""By themselves: for a policy that follows from costs, and for one that learns from rows."""


def build(
    data: Any,
    target: str,
    *,
    cost: Cost | None = None,
    row_costs: RowCosts | None = None,
    cost_matrix: CostMatrix | None = None,
    reviewer: Reviewer = PERFECT,
    actions: Sequence[str] | None = None,
    capacity: Capacity | None = None,
    threshold: float | None = None,
    recall: float | None = None,
    precision: float | None = None,
    confidence: float = 0.95,
    empirical: bool = False,
    method: str = "auto",
    prior: float | None = None,
    bars: Bars | None = None,
    slices: Sequence[str] = (),
    split: str | None = None,
    seed: int = 0,
    begin: Callable[[str], Rows] = lambda doing: lambda done, of: None,
    **training: Any,
) -> Model:
    """A model with a calibration, a policy and an audit, each made on rows of its own.

    Args:
        data: rows, as for `train`.
        target: as for `train`.
        cost: as for `decide`.
        row_costs: as for `decide`.
        cost_matrix: as for `decide`.
        reviewer: as for `decide`.
        actions: as for `decide`.
        capacity: as for `decide`.
        threshold: as for `decide`.
        recall: as for `decide`.
        precision: as for `decide`.
        confidence: as for `decide`.
        empirical: as for `decide`.
        method: as for `calibrate`.
        prior: as for `calibrate`.
        bars: as for `audit`.
        slices: as for `audit`.
        split: percentages of the rows, as for `train`; by itself 60/20/20, or 45/20/15/20 for a policy that learns from
            rows.
        seed: of all randomness.
        begin: called with what is done next; the result is told how many rows were read.
        training: any other argument of `train`.

    Warns:
        FitWarning: the fit ended without an optimum.
        DataWarning: as for `train`, `calibrate`, `decide` and `audit`.

    Raises:
        InputError: the rows or an option cannot be used, or what was to be proved is not.
    """
    wishes = Wishes(
        cost,
        row_costs,
        cost_matrix,
        reviewer,
        actions_of(actions),
        capacity,
        threshold,
        recall,
        precision,
        confidence,
        empirical,
    )
    return built(
        data,
        target,
        wishes,
        method=method,
        prior=prior,
        bars=bars,
        slices=slices,
        split=split,
        seed=seed,
        begin=begin,
        training=training,
    )


def built(
    data: Any,
    target: str,
    wishes: Wishes,
    *,
    method: str,
    prior: float | None,
    bars: Bars | None,
    slices: Sequence[str],
    split: str | None,
    seed: int,
    begin: Callable[[str], Rows],
    training: Mapping[str, Any],
) -> Model:
    """`build` for wishes."""
    if not wishes.is_anything:
        raise InputError("what does a miss cost, relative to a false alarm? Say it: --cost fn=120,fp=18.")
    if prior is not None and wishes.matrix is not None:
        raise InputError(
            "--prior is a share of one class of two, and a cost matrix is of any. Leave out one of them."
        )
    shares = split or (SHARES if wishes.learns is None else SHARES_TO_LEARN)
    rows = Batches.of(data, training.get("reading"), None)
    begin("training")
    model = train(rows, target, split=shares, seed=seed, **training)
    require_wishes(model, wishes)
    begin_calibrating = begin("calibrating")
    to_calibrate = role_rows(
        model,
        rows.pieces,
        (Role.calibrate,),
        calibrating.PURPOSE,
        CALIBRATED,
        advance=begin_calibrating,
    )
    model = with_calibration(model, to_calibrate, method, prior, seed)
    to_decide = rows_to_decide_on(model, rows.pieces, wishes, advance=begin("deciding"))
    model = with_policy(model, to_decide, wishes, seed)
    found, to_audit = examined(
        model, rows.pieces, slices=slices, bars=bars, seed=seed, advance=begin("auditing")
    )
    for note in dict.fromkeys((*to_calibrate.notes, *to_decide.notes, *to_audit.notes)):
        warnings.warn(note, DataWarning, stacklevel=3)
    return with_audit(model, found, to_audit)
