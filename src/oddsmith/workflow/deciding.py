"""Decide: from probabilities to actions, by a policy that is chosen or checked on rows that did not train the model.

    asked for                       policy                                rows
    cost                            the threshold that follows from it    select rows check it, or those to calibrate on
    cost with defer                 a zone that a person looks at         the same
    cost columns, cost matrix       each row's cheapest action            the same
    threshold                       the one that was given                the same
    empirical, recall, precision, capacity      learned from rows         select rows, and no others

Where the model has no roles for rows, all rows of other files are those to select on. A policy that follows from costs
alone needs no rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from oddsmith.data.batches import Piecewise
from oddsmith.data.block import Floats
from oddsmith.data.pieces import as_pieces
from oddsmith.data.read import Reading
from oddsmith.data.roles import Role
from oddsmith.decision.actions import act, tally
from oddsmith.decision.capacity import Capacity
from oddsmith.decision.certificates import precision_certificate, recall_certificate
from oddsmith.decision.choosing import (
    analytic_policy,
    bounded_policy,
    capacity_policy,
    certified_policy,
    deferral_policy,
    empirical_policy,
    given_policy,
    matrix_policy,
    row_policy,
)
from oddsmith.decision.costs import PERFECT, CostMatrix, Reviewer, RowCosts
from oddsmith.decision.policy import Policy
from oddsmith.errors import DataWarning, InputError, visible
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.model import Model
from oddsmith.model.labelled import Rows
from oddsmith.model.records import DecisionRecord
from oddsmith.model.role_rows import RoleRows, at_prior, role_rows
from oddsmith.model.served import DECIDED
from oddsmith.workflow.calibrating import scores_unseen
from oddsmith.workflow.record import resealed
from oddsmith.workflow.seeds import checked_seed
from oddsmith.workflow.wishes import Wishes, actions_of, in_order, require_wishes, role_to_decide_on

PURPOSE = "to choose a policy on"
ORDER_SHARE = 5
"""Of the rows of a model without roles, one in so many says in which order thresholds are tested."""


def decide(
    model: Model,
    data: Any = None,
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
    seed: int = 0,
    map_label: Sequence[str] = (),
    reading: Reading | None = None,
    advance: Rows = lambda done, of: None,
) -> Model:
    """The model with a policy, and what it does on rows that are there to choose it on.

    Args:
        model: calibrated, or taken as it is.
        data: rows with labels, as for `train`; None where the policy follows from costs alone.
        cost: of two classes, what a miss and a false alarm cost; with `defer`, what a person's look costs.
        row_costs: costs of which some are columns of the table.
        cost_matrix: what each action costs for each class.
        reviewer: how often the person who is deferred to errs.
        actions: names in the order of rising scores; auto, review by themselves, or auto, defer, review.
        capacity: at most this share of cases gets an action.
        threshold: a probability that was settled elsewhere.
        recall: the least recall of the positive action, to be proved with `confidence`.
        precision: the least precision of the positive action, to be proved with `confidence`.
        confidence: of a proof.
        empirical: take the threshold that costs least on the rows, rather than the one that follows from costs.
        seed: of resamples, and of the rows that say in which order thresholds are tested.
        map_label: "FROM=TO" renames a label.
        reading: how the text of a file is read; by itself as the training rows were.
        advance: is told how many rows were read.

    Warns:
        DataWarning: rows are left out, have levels never seen, or weights.

    Raises:
        InputError: the rows or the wishes cannot be used, or what was to be proved is not.
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
    found, notes = decided(
        model, data, wishes, seed=seed, map_label=map_label, reading=reading, advance=advance
    )
    for note in notes:
        warnings.warn(note, DataWarning, stacklevel=2)
    return found


def decided(
    model: Model,
    data: Any,
    wishes: Wishes,
    *,
    seed: int = 0,
    map_label: Sequence[str] = (),
    reading: Reading | None = None,
    advance: Rows = lambda done, of: None,
) -> tuple[Model, list[str]]:
    """`decide` for wishes, and what it warns of."""
    require_wishes(model, wishes)
    seed = checked_seed(seed)
    if data is None:
        return with_policy(model, None, wishes, seed), []
    pieces = as_pieces(data, reading or model.record.reading)
    rows = rows_to_decide_on(model, pieces, wishes, map_label=map_label, advance=advance)
    return with_policy(model, rows, wishes, seed), rows.notes


def rows_to_decide_on(
    model: Model,
    pieces: Piecewise,
    wishes: Wishes,
    *,
    map_label: Sequence[str] = (),
    advance: Rows = lambda done, of: None,
) -> RoleRows:
    """The rows that say what the policy is, scored; arguments and errors as for `decide`."""
    rows = role_rows(
        model,
        pieces,
        _roles(model, wishes),
        PURPOSE,
        DECIDED,
        costs=[] if wishes.row_costs is None else [wishes.row_costs],
        map_label=map_label,
        advance=advance,
    )
    return at_prior(model, rows.that_count())


def _roles(model: Model, wishes: Wishes) -> tuple[Role, ...]:
    """Those of all rows that are needed: the order of tests for a precision comes from others."""
    role = role_to_decide_on(model)
    return (role,) if wishes.precision is None else (Role.calibrate, role)


def with_policy(model: Model, rows: RoleRows | None, wishes: Wishes, seed: int) -> Model:
    """`decide` by rows that are scored already; those to select on count, or else those to calibrate on."""
    if rows is None:
        if wishes.learns is not None:
            raise InputError(f"{wishes.learns} learns from rows: give some.")
        return _sealed(model, _policy(model, wishes, None, None, seed), None)
    roles, role = model.record.training.roles, role_to_decide_on(model)
    kept = rows.of(role)
    if not kept.any():
        raise InputError(f"{visible(rows.name, 200)}: no row is there to select on. Give it more rows.")
    chosen = _Chosen(rows, kept)
    if wishes.precision is not None:
        order = rows.of(Role.calibrate) if roles is not None else _drawn(rows, seed)
        if roles is None:
            kept = kept & ~order
            chosen = _Chosen(rows, kept)
        calibrate = _Chosen(rows, order).table
    else:
        calibrate = None
    record = rows.record(role, len(model.classes))
    if roles is None and wishes.precision is not None:
        counts = np.bincount(rows.codes[kept], minlength=2)
        record = msgspec.structs.replace(record, rows=int(counts.sum()), class_counts=counts.tolist())
    return _sealed(model, _policy(model, wishes, chosen, calibrate, seed), record)


class _Chosen:
    """The rows that count."""

    def __init__(self, rows: RoleRows, kept: Any) -> None:
        self.rows, self.kept = rows, kept
        self.eta: Floats = rows.calibrated[kept]
        self.proba: Floats = rows.proba[kept]
        self.codes = rows.codes[kept].astype(np.intp)
        self.weight = None if rows.weight is None else rows.weight[kept]
        self.groups = None if rows.groups is None else rows.groups[kept]
        self.by_time = rows.by_time
        self.taught = rows.roles is not None and bool((rows.roles[kept] == Role.calibrate).any())
        """Whether the calibration was learned from these rows."""

    @property
    def table(self) -> ScoreTable:
        """Of two classes."""
        return ScoreTable.from_scores(self.eta, self.codes, self.weight)

    def columns(self, names: Sequence[str]) -> dict[str, Floats]:
        """Columns of costs."""
        return {name: self.rows.costs[name][self.kept] for name in names}


def _drawn(rows: RoleRows, seed: int) -> Any:
    """One in `ORDER_SHARE` of the rows (n,), drawn."""
    drawn = np.zeros(len(rows.codes), dtype=bool)
    order = np.random.default_rng(seed).permutation(len(drawn))
    drawn[order[: len(drawn) // ORDER_SHARE]] = True
    return drawn


def _policy(
    model: Model, wishes: Wishes, chosen: _Chosen | None, calibrate: ScoreTable | None, seed: int
) -> Policy:
    """The one policy that fulfils the wishes."""
    cost, names = wishes.cost, wishes.names
    if wishes.matrix is not None:
        matrix = in_order(wishes.matrix, model.record.target.classes)
        if chosen is None:
            return matrix_policy(matrix, capacity=wishes.capacity)
        return matrix_policy(matrix, chosen.proba, chosen.codes, chosen.weight, capacity=wishes.capacity)
    if wishes.row_costs is not None:
        policy = row_policy(wishes.row_costs, names, wishes.capacity)
        if chosen is None:
            return policy
        actions = act(policy, chosen.eta, chosen.columns(wishes.row_costs.columns))
        return msgspec.structs.replace(policy, counts=tally(policy, actions, chosen.codes, chosen.weight))
    table = None if chosen is None else chosen.table
    if wishes.threshold is not None:
        return given_policy(table, wishes.threshold, cost, names)
    if wishes.learns is None and cost is not None:
        if cost.defer is not None:
            return deferral_policy(table, cost, wishes.reviewer, names)
        return analytic_policy(table, cost, names, check=_unseen(model, chosen), seed=seed)
    assert chosen is not None
    assert table is not None
    if wishes.empirical and cost is not None:
        return empirical_policy(table, cost, names, seed=seed)
    if wishes.capacity is not None:
        return capacity_policy(table, wishes.capacity, cost, wishes.reviewer, names)
    how = {"grouped": chosen.groups is not None, "by_time": chosen.by_time}
    if wishes.recall is not None:
        certificate = recall_certificate(table, wishes.recall, wishes.confidence, **how)
    else:
        assert wishes.precision is not None
        assert calibrate is not None
        certificate = precision_certificate(table, calibrate, wishes.precision, wishes.confidence, **how)
    if certificate.withheld and chosen.groups is not None:
        if cost is None:
            raise InputError(
                f"{certificate.sentence} Add --cost: what is asked for is then given at the threshold that follows."
            )
        policy = analytic_policy(table, cost, names, check=_unseen(model, chosen), seed=seed)
        return bounded_policy(
            policy, [certificate], chosen.eta, chosen.codes, chosen.groups, chosen.weight, seed=seed
        )
    return certified_policy(table, certificate, cost, names)


def _unseen(model: Model, chosen: _Chosen | None) -> ScoreTable | None:
    """The rows that check a threshold, each under a calibration that was learned without it; None where there are none."""
    if chosen is None:
        return None
    if not (model.maps and chosen.taught):
        return chosen.table
    eta = scores_unseen(model, chosen.rows, chosen.kept)
    return None if eta is None else ScoreTable.from_scores(eta, chosen.codes, chosen.weight)


def _sealed(model: Model, policy: Policy, rows: Any) -> Model:
    return resealed(
        model, calibration=model.record.calibration, decision=DecisionRecord(policy=policy, rows=rows)
    )
