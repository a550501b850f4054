"""The model file as plain typed records. Loading one is reading data: nothing in it is ever run.

The order of the fields is the order of the file: what the model is for, what it reads, what it computes,
how it was found, and what it must reproduce.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from oddsmith.data.cells import DEFAULT_MISSING, MissingMarkers
from oddsmith.data.encoding import Column
from oddsmith.data.read import Reading

FORMAT: Final = "oddsmith model"
VERSION: Final = 1

Count = Annotated[int, Meta(ge=0)]
Cell = str | float | bool | None


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record of the model file: fields that are not listed are refused."""


class TargetRecord(Record, frozen=True):
    """What is predicted: `classes` in order, the positive one last where there are two."""

    name: str
    columns: list[str]
    """Columns the target reads; they are never features."""
    classes: Annotated[list[str], Meta(min_length=2)]
    label_type: Literal["integer", "boolean", "text"]
    map_label: list[str]


class ColumnMarkers(Record, frozen=True):
    """Texts that mean "missing" in one column."""

    column: str
    tokens: list[str]


class MissingRecord(Record, frozen=True):
    """Markers of missing cells beside the default ones: in every column, and in one."""

    everywhere: list[str]
    columns: list[ColumnMarkers]

    def markers(self) -> MissingMarkers:
        """All markers, the default ones included."""
        return MissingMarkers(
            frozenset((*DEFAULT_MISSING, *self.everywhere)),
            {item.column: frozenset(item.tokens) for item in self.columns},
        )


class LeftOut(Record, frozen=True):
    """A column that the rules leave out, and why."""

    column: str
    reason: str


class Equation(Record, frozen=True):
    """One linear predictor, on the user's scale, in two ways of writing it:

    log-odds = intercept + sum of coef * term = average + sum of coef * (term - its training mean).

    The second keeps its digits for terms far from zero, and is the one that is computed.
    """

    label: str
    intercept: float
    average: float
    """Log-odds of a row whose terms are all at their training means."""
    coef: dict[str, float]


class PenaltyRecord(Record, frozen=True):
    """Ridge on the mean loss; `standardize` says whether it acts on standardised columns."""

    alpha: Annotated[float, Meta(ge=0.0)]
    standardize: bool


class Progress(Record, frozen=True):
    """The objective (mean loss plus penalty) of each problem after some iterations."""

    iteration: Count
    objective: list[float]


class FitRecord(Record, frozen=True):
    """How the coefficients were found, and how far from the optimum they are."""

    solver: str
    settings: dict[str, int | float]
    seed: Count
    penalty: PenaltyRecord
    status: Literal["converged", "iteration_limit", "no_finite_optimum"]
    message: str
    iterations: Count
    passes: Annotated[float, Meta(ge=0.0)]
    newton_decrement: list[float]
    mean_loss: list[float]
    """Mean loss of each problem, without the penalty: one for binary and softmax, one a class for ovr."""
    not_estimable: list[str]
    """Terms held at 0 because other terms explain them exactly."""
    loss_history: list[Progress]


class TrainingRecord(Record, frozen=True):
    """What the model was trained on: figures, never rows."""

    rows: Count
    rows_without_target: Count
    total_weight: float
    class_counts: list[Count]
    null_loss: Annotated[float, Meta(ge=0.0)]
    """Mean loss of the class shares alone: what a model without any column would reach."""
    digest: str | None
    """SHA-256 of the training file's bytes; null for a table in memory."""


class GoldenChange(Record, frozen=True):
    """One cell changed in the golden row, and the log-odds that follow."""

    column: str
    cell: Cell
    log_odds: list[float]


class Golden(Record, frozen=True):
    """A synthetic row, its log-odds, and those after one change at a time.

    The row has every number at its mean, every boolean missing, which counts as its mean, and every category
    at its reference; the changes are each number one sigma up, both truths, and each level. They are recomputed when the file is loaded.
    """

    row: dict[str, Cell]
    log_odds: list[float]
    changes: list[GoldenChange]


class ModelRecord(Record, frozen=True):
    """The whole file."""

    format: Literal["oddsmith model"]
    version: Literal[1]
    oddsmith: str
    """The release that wrote the file."""
    target: TargetRecord
    id: str | None
    weight: str | None
    reading: Reading
    """How the training text was read: the default for files to be predicted."""
    missing: MissingRecord
    columns: list[Column]
    left_out: list[LeftOut]
    dropped: list[str]
    """Columns that the user left out."""
    multi_class: Literal["binary", "softmax", "ovr"]
    equations: Annotated[list[Equation], Meta(min_length=1)]
    fit: FitRecord
    training: TrainingRecord
    golden: Golden
    digest: str
    """SHA-256 of the canonical content: this object without `digest`, keys sorted, no blanks."""
