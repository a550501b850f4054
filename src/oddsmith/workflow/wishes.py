"""What a policy is to be, as somebody wishes it, and whether a model and its rows can fulfil that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oddsmith.data.cells import require_numbers
from oddsmith.data.read import read_table
from oddsmith.data.roles import ByRow, Role, Split
from oddsmith.data.row_numbers import COST
from oddsmith.decision.capacity import Capacity
from oddsmith.decision.choosing import THREE, TWO
from oddsmith.decision.costs import PERFECT, CostMatrix, Reviewer, RowCosts
from oddsmith.errors import InputError, visible
from oddsmith.evaluate.metrics import Cost
from oddsmith.model import Model

_LARGEST = 1e100
"""The largest cost."""


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
        kinds = {
            "cost": (self.cost, Cost, "oddsmith.Cost(fn=120, fp=18)"),
            "row_costs": (self.row_costs, RowCosts, "oddsmith.RowCosts(fn='amount', fp=18)"),
            "cost_matrix": (self.matrix, CostMatrix, "oddsmith.CostMatrix(classes, actions, cost)"),
            "reviewer": (self.reviewer, Reviewer, "oddsmith.Reviewer(fn=0.02, fp=0.05)"),
            "capacity": (self.capacity, Capacity, "oddsmith.Capacity('review', 200, 1000)"),
        }
        for name, (value, kind, example) in kinds.items():
            if value is not None and not isinstance(value, kind):
                raise InputError(f"{name} {visible(repr(value))}: give an {example}.")
        self._refuse_extremes()
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

    def _refuse_extremes(self) -> None:
        """Raise InputError where sums of costs would leave the range of a double."""
        given = (
            []
            if self.cost is None
            else [self.cost.fn, self.cost.fp, self.cost.tn, self.cost.tp, self.cost.defer or 0.0]
        )
        given += [] if self.matrix is None else [value for row in self.matrix.cost for value in row]
        largest = max(map(abs, given), default=0.0)
        if largest > _LARGEST:
            raise InputError(f"a cost of {largest:g}: give costs in another unit.")

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


def actions_of(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """Names of actions; one text is none of them.

    Raises:
        InputError: it is one text.
    """
    if isinstance(given, str):
        raise InputError(f"actions '{visible(given)}': give a list of names, as in ['auto', 'review'].")
    return None if given is None else tuple(given)


def require_wishes(model: Model, wishes: Wishes) -> None:
    """Raise InputError where there are too few wishes, or those of other classes than the model's."""
    classes = [str(label) for label in model.record.target.classes]
    if not wishes.is_anything:
        raise InputError("what does a miss cost, relative to a false alarm? Say it: --cost fn=120,fp=18.")
    if len(classes) > 2 and wishes.matrix is None:
        raise InputError(
            f"{len(classes)} classes: give --cost-matrix FILE, a row a class and a column an action."
        )
    if wishes.matrix is not None:
        in_order(wishes.matrix, classes)
    roles = model.record.training.roles
    if wishes.learns is not None and roles is not None and not selects(roles.split):
        raise InputError(
            f"{wishes.learns} learns from rows, and this model keeps none apart to select on. Train with "
            f"--split 45/20/15/20: the third share is for that."
        )


def role_to_decide_on(model: Model) -> Role:
    """Of the rows that a policy is chosen or checked on."""
    roles = model.record.training.roles
    return Role.select if roles is None or selects(roles.split) else Role.calibrate


def selects(split: Split) -> bool:
    """Whether rows are kept apart to select on."""
    return split.shares.select > 0.0 if isinstance(split, ByRow) else split.starts[1] is not None


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


def in_order(matrix: CostMatrix, classes: list[str]) -> CostMatrix:
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
