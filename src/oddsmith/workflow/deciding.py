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
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from oddsmith.data.batches import Piecewise
from oddsmith.data.block import Floats
from oddsmith.data.cells import require_numbers
from oddsmith.data.pieces import as_pieces
from oddsmith.data.read import Reading, read_table
from oddsmith.data.roles import ByRow, Role
from oddsmith.data.row_numbers import COST
from oddsmith.decision.actions import act, tally
from oddsmith.decision.capacity import Capacity
from oddsmith.decision.certificates import precision_certificate, recall_certificate
from oddsmith.decision.choosing import (
    THREE,
    TWO,
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
from oddsmith.model.role_rows import RoleRows, role_rows
from oddsmith.model.served import DECIDED
from oddsmith.workflow.record import resealed

PURPOSE = "to choose a policy on"
ORDER_SHARE = 5
"""Of the rows of a model without roles, one in so many says in which order thresholds are tested."""


@dataclass(frozen=True)
class Wishes:
    """What a policy is to be; each None where it was not asked for.

    Raises:
        InputError: wishes that exclude each other, or one that lacks another.
    """

    cost: Cost | None = None
    row_costs: RowCosts | None = None
    matrix: CostMatrix | None = None
    reviewer: Reviewer = PERFECT
    actions: tuple[str, ...] | None = None
    capacity: Capacity | None = None
    threshold: float | None = None
    recall: float | None = None
    precision: float | None = None
    confidence: float = 0.95
    empirical: bool = False

    def __post_init__(self) -> None:
        rules = self.rules
        if len(rules) > 1:
            raise InputError(f"{rules[0]} and {rules[1]} choose a threshold in two ways. Keep one of them.")
        own = {"--cost-matrix": self.matrix, "--cost-column": self.row_costs}
        for name, value in own.items():
            if value is not None and rules:
                raise InputError(
                    f"{rules[0]} chooses one threshold for all rows, and {name} has none. Keep one."
                )
        if self.matrix is not None and (self.cost is not None or self.row_costs is not None):
            raise InputError("--cost-matrix has all the costs: leave out --cost and --cost-column.")
        if self.matrix is not None and self.actions is not None:
            raise InputError("--actions are the columns of --cost-matrix. Leave them out.")
        if self.empirical and self.cost is None:
            raise InputError("--empirical looks for the least cost: add --cost fn=120,fp=18.")
        deferring = self.cost is not None and self.cost.defer is not None
        if deferring and rules and rules != ("--capacity",):
            raise InputError(
                f"{rules[0]} is for two actions, and a cost of defer makes three. Leave out one of them."
            )
        if self.reviewer != PERFECT and not deferring:
            raise InputError("--reviewer-error is of the person who is deferred to: add defer to --cost.")
        wanted = 3 if deferring else 2
        if self.actions is not None and len(self.actions) != wanted:
            example = "auto,defer,review" if deferring else "auto,review"
            raise InputError(f"--actions are {len(self.actions)}, and {wanted} are needed, as in {example}.")

    @property
    def rules(self) -> tuple[str, ...]:
        """The options that say where a threshold lies, beside costs."""
        asked = {
            "--threshold": self.threshold is not None,
            "--recall": self.recall is not None,
            "--precision": self.precision is not None,
            "--empirical": self.empirical,
            "--capacity": self.capacity is not None and self.matrix is None and self.row_costs is None,
        }
        return tuple(name for name, is_there in asked.items() if is_there)

    @property
    def is_anything(self) -> bool:
        """Whether there is enough for a policy."""
        return bool(self.rules) or any(wish is not None for wish in (self.cost, self.row_costs, self.matrix))

    @property
    def learns(self) -> str | None:
        """The wish that needs rows to learn from; None where the policy follows from costs."""
        return next((name for name in self.rules if name != "--threshold"), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The actions in the order of rising scores."""
        deferring = self.cost is not None and self.cost.defer is not None
        return self.actions or (THREE if deferring else TWO)


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
        None if actions is None else tuple(actions),
        capacity,
        threshold,
        recall,
        precision,
        confidence,
        empirical,
    )
    require_wishes(model, wishes)
    if data is None:
        return with_policy(model, None, wishes, seed)
    pieces = as_pieces(data, reading or model.record.reading)
    rows = rows_to_decide_on(model, pieces, wishes, map_label=map_label, advance=advance)
    found = with_policy(model, rows, wishes, seed)
    for note in rows.notes:
        warnings.warn(note, DataWarning, stacklevel=2)
    return found


def rows_to_decide_on(
    model: Model,
    pieces: Piecewise,
    wishes: Wishes,
    *,
    map_label: Sequence[str] = (),
    advance: Rows = lambda done, of: None,
) -> RoleRows:
    """The rows that say what the policy is, scored; arguments and errors as for `decide`."""
    return role_rows(
        model,
        pieces,
        _roles(model, wishes),
        PURPOSE,
        DECIDED,
        costs=() if wishes.row_costs is None else wishes.row_costs.columns,
        map_label=map_label,
        advance=advance,
    )


def require_wishes(model: Model, wishes: Wishes) -> None:
    """Raise InputError where there are too few wishes, or those of other classes than the model's."""
    classes = [str(label) for label in model.record.target.classes]
    if not wishes.is_anything:
        raise InputError("what does a miss cost, relative to a false alarm? Say it: --cost fn=120,fp=18.")
    if len(classes) > 2 and wishes.matrix is None:
        raise InputError(
            f"{len(classes)} classes: give --cost-matrix FILE, a row a class and a column an action."
        )
    roles = model.record.training.roles
    if wishes.learns is not None and roles is not None and not _selects(roles.split):
        raise InputError(
            f"{wishes.learns} learns from rows, and this model keeps none apart to select on. Train with "
            f"--split 45/20/15/20: the third share is for that."
        )


def _role(model: Model) -> Role:
    """Of the rows that a policy is chosen or checked on."""
    roles = model.record.training.roles
    return Role.select if roles is None or _selects(roles.split) else Role.calibrate


def _roles(model: Model, wishes: Wishes) -> tuple[Role, ...]:
    """Those of all rows that are needed: the order of tests for a precision comes from others."""
    role = _role(model)
    return (role,) if wishes.precision is None else (Role.calibrate, role)


def _selects(split: Any) -> bool:
    return split.shares.select > 0.0 if isinstance(split, ByRow) else split.starts[1] is not None


def with_policy(model: Model, rows: RoleRows | None, wishes: Wishes, seed: int) -> Model:
    """`decide` by rows that are scored already; those to select on count, or else those to calibrate on."""
    if rows is None:
        if wishes.learns is not None:
            raise InputError(f"{wishes.learns} learns from rows: give some.")
        return _sealed(model, _policy(model, wishes, None, None, seed), None)
    roles, role = model.record.training.roles, _role(model)
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
        self.proba: Floats = np.exp(rows.log_proba[kept])
        self.codes = rows.codes[kept].astype(np.intp)
        self.weight = None if rows.weight is None else rows.weight[kept]
        self.groups = None if rows.groups is None else rows.groups[kept]
        self.by_time = rows.by_time

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
        matrix = _in_order(wishes.matrix, model.record.target.classes)
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
        return analytic_policy(table, cost, names, seed=seed)
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
        policy = analytic_policy(table, cost, names, seed=seed)
        return bounded_policy(
            policy, [certificate], chosen.eta, chosen.codes, chosen.groups, chosen.weight, seed=seed
        )
    return certified_policy(table, certificate, cost, names)


def _sealed(model: Model, policy: Policy, rows: Any) -> Model:
    return resealed(
        model, calibration=model.record.calibration, decision=DecisionRecord(policy=policy, rows=rows)
    )


def matrix_in(path: str) -> CostMatrix:
    """The costs of a file: a row a class, called by its first cell, and a column an action, called by its header.

    Raises:
        InputError: the file cannot be read, a class or an action stands twice, or a cell is no number.
    """
    table = read_table(path)
    names = table.frame.columns
    place = visible(table.name, 200)
    if len(names) < 3:
        raise InputError(
            f"{place}: {len(names)} columns. Give the classes in the first one and at least two actions beside it."
        )
    rows = ["" if cell is None else str(cell) for cell in table.frame[names[0]].to_list()]
    columns = [require_numbers(table, name, frozenset(), COST.remedy).to_list() for name in names[1:]]
    cells = list(zip(*columns, strict=True))
    for row, values in zip(rows, cells, strict=True):
        if any(value is None for value in values):
            raise InputError(f"{place}: a cost of '{visible(row)}' is missing. Give a number in each cell.")
    return CostMatrix(rows, names[1:], [list(map(float, values)) for values in cells])


def _in_order(matrix: CostMatrix, classes: list[str]) -> CostMatrix:
    """The same costs, with a row for each of the model's classes in their order.

    Raises:
        InputError: it has other classes.
    """
    if sorted(matrix.classes) != sorted(classes):
        said, known = (visible(", ".join(names), 200) for names in (matrix.classes, classes))
        raise InputError(
            f"--cost-matrix has rows for {said}, and the classes are {known}. Give each class one row."
        )
    return CostMatrix(classes, matrix.actions, [matrix.cost[matrix.classes.index(name)] for name in classes])
