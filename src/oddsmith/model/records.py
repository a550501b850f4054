"""The model file as plain typed records. Loading one is reading data: nothing in it is ever run.

The order of the fields is the order of the file: what the model is for, what it reads, what it computes,
how it was found, and what it must reproduce.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from oddsmith.calibration.class_maps import OneVsRest
from oddsmith.calibration.maps import (
    Beta,
    Identity,
    Isotonic,
    MapCandidate,
    Platt,
    PriorShift,
    Temperature,
    VennAbers,
)
from oddsmith.data.cells import DEFAULT_MISSING, MissingMarkers
from oddsmith.data.encoding import Column
from oddsmith.data.read import Reading
from oddsmith.data.roles import ByRow, ByTime, RoleName
from oddsmith.decision.policy import Policy

FORMAT: Final = "oddsmith model"
VERSION: Final = 1

Count = Annotated[int, Meta(ge=0)]
Cell = str | float | bool | None
Solver = Literal[
    "newton",
    "sketched-newton",
    "proximal-newton",
    "lbfgs",
    "gradient-descent",
    "sgd",
    "mini-batch",
    "unknown",
]
"""The rows of `oddsmith.fit.solvers.SOLVERS`, which loading need not import; unknown for a flat file."""
Setting = Literal["max_iter", "learning_rate", "iterations", "epochs", "batch_size"]


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


class Candidate(Record, frozen=True):
    """A fit on the way from the strongest penalty to the weakest."""

    alpha: Annotated[float, Meta(ge=0.0)]
    nonzero: Count
    """Terms that count."""
    mean_loss: float
    """Of the training rows, summed over the problems of ovr."""
    deviance: float | None
    """Twice the mean loss of rows that the fit has not seen, from cross-validation."""
    standard_error: float | None
    """Of the deviance, as the folds differ."""


class SelectionRecord(Record, frozen=True):
    """How `alpha` was chosen among candidates: the least BIC, or by cross-validation."""

    rule: Literal["one_standard_error", "least_deviance", "bic"]
    folds: Count
    """0 without cross-validation."""
    candidates: Annotated[list[Candidate], Meta(min_length=1)]


class PenaltyRecord(Record, frozen=True):
    """alpha * (l1_ratio * sum of |b| + (1 - l1_ratio) / 2 * sum of b^2) on the mean loss, never the intercept.

    `standardize` says whether b are coefficients of standardised columns.
    """

    alpha: Annotated[float, Meta(ge=0.0)]
    l1_ratio: Annotated[float, Meta(ge=0.0, le=1.0)]
    standardize: bool
    selection: SelectionRecord | None
    """None where alpha was given."""


class Progress(Record, frozen=True):
    """The objective (mean loss plus penalty) of each problem after some iterations."""

    iteration: Count
    objective: list[float]


class FitRecord(Record, frozen=True):
    """How the coefficients were found, and how far from the optimum they are."""

    solver: Solver
    choice: str
    """Why this solver, where that was left to the rule; else empty."""
    settings: dict[Setting, Annotated[int, Meta(gt=0)] | Annotated[float, Meta(gt=0.0)]]
    seed: Count
    penalty: PenaltyRecord
    status: Literal["converged", "iteration_limit", "no_finite_optimum"]
    message: str
    iterations: Count
    passes: Annotated[float, Meta(ge=0.0)]
    tolerance: Annotated[float, Meta(ge=0.0)]
    """A Newton decrement up to this is near enough to the optimum."""
    newton_decrement: list[float]
    """What is left of it at the coefficients: measured there, or one step before and foretold by the last gain."""
    mean_loss: list[float]
    """Mean loss of each problem, without the penalty: one for binary and softmax, one a class for ovr."""
    not_estimable: list[str]
    """Terms held at 0 because other terms explain them exactly."""
    loss_history: list[Progress]


class RolesRecord(Record, frozen=True):
    """Which rows of the training files trained, and which are kept for what comes after."""

    split: ByRow | ByTime
    """How rows are told apart, these and any others."""
    class_counts: dict[RoleName, list[Count]]
    """Of each role, the labelled rows of each class in the training files."""


class TrainingRecord(Record, frozen=True):
    """What the model was trained on: figures, never rows."""

    rows: Count
    rows_without_target: Count
    class_counts: list[Count]
    """Rows of each class."""
    class_weights: list[Annotated[float, Meta(ge=0.0)]]
    """Weight of each class's rows: their number where each row counts once."""
    null_loss: Annotated[float, Meta(ge=0.0)]
    """Mean loss of the class shares alone: what a model without any column would reach."""
    digests: list[str]
    """SHA-256 of the bytes of each training file; none for a table in memory."""
    roles: RolesRecord | None
    """None where every row trained."""


UNKNOWN_FIT: Final = FitRecord(
    solver="unknown",
    choice="",
    settings={},
    seed=0,
    penalty=PenaltyRecord(0.0, 0.0, standardize=True, selection=None),
    status="iteration_limit",
    message="read from a flat file, which does not say how it was trained",
    iterations=0,
    passes=0.0,
    tolerance=0.0,
    newton_decrement=[],
    mean_loss=[],
    not_estimable=[],
    loss_history=[],
)
"""Of a model that was read from a flat file."""


def unknown_training(n_classes: int) -> TrainingRecord:
    """Of a model that was read from a flat file."""
    return TrainingRecord(0, 0, [0] * n_classes, [0.0] * n_classes, 0.0, [], None)


class Answer(Record, frozen=True):
    """What the model makes of one row: its log-odds, one an equation, the probability of each class, and the action."""

    log_odds: list[float]
    proba: dict[str, float]
    action: str | None
    """None without a policy, and where costs are columns."""


class GoldenChange(Record, frozen=True):
    """One cell changed in the golden row, and the answer that follows."""

    column: str
    cell: Cell
    answer: Answer


class Golden(Record, frozen=True):
    """A synthetic row, its answer, and those after one change at a time; recomputed when the file is loaded.

    The row has every number at its mean, every boolean missing, which counts as its mean, every category at its
    reference, and an offset of 0; the changes are each number one sigma up, both truths, each level, and an offset of 1.
    """

    row: dict[str, Cell]
    answer: Answer
    changes: list[GoldenChange]


class RowsRecord(Record, frozen=True):
    """The rows that a step after training rests on: figures, never rows."""

    role: RoleName | None
    """The role they have; None where the model tells no roles apart, and the files' rows were all taken."""
    rows: Count
    class_counts: list[Count]
    digests: list[str]
    """SHA-256 of the bytes of each file; none for a table in memory."""


class CalibrationFigures(Record, frozen=True):
    """How well probabilities fit labels of rows; figures of two classes are None for more."""

    log_loss: float
    brier: float
    smooth_ece: float
    """Of three classes or more, that of the call: its probability against whether it was right."""
    mean_proba: float | None
    observed_share: float | None
    intercept: float | None
    """Logistic recalibration of the log-odds: 0 with slope 1 is calibrated. None where there is no finite one."""
    slope: float | None


class CalibrationRecord(Record, frozen=True):
    """From scores to probabilities: maps that were learned from rows that did not train."""

    maps: Annotated[
        list[Identity | Platt | Temperature | Beta | Isotonic | VennAbers | PriorShift | OneVsRest],
        Meta(min_length=1),
    ]
    """Applied one after the other."""
    reason: str
    """Why the first of them."""
    candidates: list[MapCandidate]
    """Methods that were compared; none where one was named."""
    folds: Count
    """Of the comparison, and of `before` and `after`: maps were judged on rows that they had not seen."""
    seed: Count
    rows: RowsRecord
    before: CalibrationFigures | None
    after: CalibrationFigures | None
    """Of the first map, learned without the rows' own fold. None where there were too few rows for two folds."""


class DecisionRecord(Record, frozen=True):
    """From probabilities to actions, and the rows that this was chosen or checked on."""

    policy: Policy
    rows: RowsRecord | None
    """None where the policy follows from costs alone and no rows were given."""


class AuditRecord(Record, frozen=True):
    """The evidence for the model, on rows that had no part in making it."""

    verdict: Literal["PASS", "INSUFFICIENT", "FAIL"]
    found: dict[str, Any]
    """An `oddsmith.evidence.audit.Audit`, which `Model.audit` reads as one: a prediction need not wait for its types."""
    rows: RowsRecord


class ModelRecord(Record, frozen=True):
    """The whole file."""

    format: Literal["oddsmith model"]
    version: Literal[1]
    oddsmith: str
    """The release that wrote the file."""
    target: TargetRecord
    id: str | None
    weight: str | None
    offset: str | None
    """The column that is added to the log-odds as it is."""
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
    calibration: CalibrationRecord | None
    decision: DecisionRecord | None
    audit: AuditRecord | None
    golden: Golden
    digest: str
    """SHA-256 of the canonical content: this object without `digest`, keys sorted, no blanks."""
