"""A trained model at work: from cells to log-odds, probabilities, labels and reasons.

eta_k = intercept_k + sum_j coef_kj x_j = average_k + sum_j coef_kj (x_j - mean_j)      + offset, where there is one
label = the class of the largest eta; of two classes the positive one from eta = 0 on

How eta becomes probabilities is said in `probabilities.py`.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.data.design import Design
from oddsmith.data.encoding import NumericColumn, Unseen, cell_reader
from oddsmith.data.native import as_table
from oddsmith.data.pieces import as_pieces
from oddsmith.data.row_numbers import FARTHEST, OFFSET, OFFSETS, row_numbers
from oddsmith.data.table import Table
from oddsmith.decision.actions import act
from oddsmith.errors import DataWarning, InputError, visible
from oddsmith.files import write_atomically
from oddsmith.fit.matrix import log_odds
from oddsmith.model.consistency import refuse_contradictions
from oddsmith.model.document import canonical_digest, read_document
from oddsmith.model.flat import from_flat, to_flat
from oddsmith.model.golden import verify
from oddsmith.model.probabilities import (
    AnyMap,
    Form,
    after,
    log_probabilities,
    predicted_codes,
    probabilities,
    probabilities_of_row,
    ranking,
)
from oddsmith.model.records import FORMAT, ModelRecord
from oddsmith.model.row_costs import costs_of_rows
from oddsmith.version import __version__

if TYPE_CHECKING:
    from oddsmith.evaluate.evaluation import Evaluation
    from oddsmith.evaluate.metrics import Cost
    from oddsmith.evidence.audit import Audit
    from oddsmith.model.reasons import Reasons


@dataclass(frozen=True)
class Scores:
    """What a model makes of n rows."""

    centred: Floats
    """(n, p): the design matrix, less the training means."""
    offset: Floats | None
    """(n,): the part of the log-odds that a column gives as it is; None where the model has no such column."""
    log_odds: Floats
    """(n, k): one column for two classes, else one a class; rows are ranked by it."""
    calibrated: Floats
    """(n, k): the same after the calibration maps; log-odds of the positive of two classes, else logits of a softmax."""
    proba: Floats
    """(n, K)."""
    log_proba: Floats
    """(n, K)."""
    codes: NDArray[np.intp]
    """(n,): the predicted class's place in `classes`; the first of equals."""
    unseen: list[Unseen]
    """Columns with levels that training never saw."""

    @property
    def notes(self) -> list[str]:
        """Sentences about levels that training never saw."""
        return [str(unseen) for unseen in self.unseen]


@dataclass(frozen=True)
class Explanation:
    """Why each row scores as it does: `average` plus the row's contributions is its `log_odds`.

    A contribution is the sum over a column's terms of coef * (term - its training mean); an offset, the last of the
    columns where there is one, contributes itself. With three classes or more, the log-odds are those of the predicted
    class.
    """

    columns: tuple[str, ...]
    contributions: Floats
    """(n, columns)."""
    average: Floats
    """(n,): the log-odds of a row at the training means."""
    log_odds: Floats
    """(n,)."""
    label: NDArray[Any]
    """(n,): the predicted class."""


class Model:
    """A trained model. Made by `oddsmith.train` or `oddsmith.load`.

    `classes` (K,), `terms` (p,), `intercept` (k,) and `coef` (k, p) on the scale of the user's columns;
    k is 1 for two classes and K for more.
    """

    def __init__(self, record: ModelRecord) -> None:
        self.record = record
        markers = record.missing.markers()
        self.design = Design(record.columns, markers)
        self.terms = tuple(self.design.terms)
        self.intercept: Floats = np.array([equation.intercept for equation in record.equations])
        self.average: Floats = np.array([equation.average for equation in record.equations])
        self.coef: Floats = np.array([list(equation.coef.values()) for equation in record.equations])
        self.classes = _labels(record.target.classes, record.target.label_type)
        self.maps: tuple[AnyMap, ...] = () if record.calibration is None else tuple(record.calibration.maps)
        self.policy = None if record.decision is None else record.decision.policy

    def predict(self, data: Any) -> Any:
        """Labels: an array (n,) for a table, one label for a mapping of single cells.

        Raises:
            InputError: a column is absent or a cell cannot be read.
        """
        if _is_row(data):
            eta, _ = self._calibrated_row(self.log_odds_of(data))
            return self.classes[int(eta[0] >= 0.0) if len(eta) == 1 else eta.index(max(eta))]
        return self.classes[self._score(data).codes]

    def predict_proba(self, data: Any) -> Floats:
        """Probabilities of `classes`: (n, K) for a table, (K,) for a mapping of single cells.

        Raises:
            InputError: a column is absent or a cell cannot be read.
        """
        if _is_row(data):
            return np.array(probabilities_of_row(*self._calibrated_row(self.log_odds_of(data))))
        return self._score(data).proba

    def explain(self, data: Any) -> Explanation:
        """Contributions of each column to each row's log-odds; a mapping of single cells is one row.

        Raises:
            InputError: a column is absent or a cell cannot be read.
        """
        if _is_row(data):
            eta = np.array([self.log_odds_of(data)])
            calibrated, _ = after(self.maps, eta, self.record.multi_class, len(self.classes))
            centred = np.array([self.design.vector(data)]) - self.design.mean
            offset = None if self.record.offset is None else np.array([self._offset_of(data)])
            return self._explanation(centred, offset, eta, predicted_codes(calibrated))
        table = as_table(data, self.record.reading)
        return self.explain_scores(self._score(table))

    def reasons(self, row: Mapping[str, Any]) -> Reasons:
        """Why one row of cells has its action, or its label where there is no policy, and what would have changed it.

        Raises:
            InputError: a column is absent or a cell cannot be read, or the row has no action.
        """
        from oddsmith.model.acting import Deciding
        from oddsmith.model.reasons import reasons

        deciding = Deciding(
            design=self.design,
            coef=self.coef,
            average=self.average,
            classes=self.record.target.classes,
            multi_class=self.record.multi_class,
            maps=self.maps,
            policy=self.policy,
            offset=self.record.offset,
        )
        return reasons(deciding, row)

    def explain_scores(self, scores: Scores) -> Explanation:
        """The explanation of rows that are scored already."""
        return self._explanation(scores.centred, scores.offset, scores.log_odds, scores.codes)

    def _explanation(
        self, centred: Floats, offset: Floats | None, log_odds: Floats, codes: NDArray[np.intp]
    ) -> Explanation:
        n = len(centred)
        equation = np.zeros(n, dtype=np.intp) if len(self.intercept) == 1 else codes
        parts = centred * self.coef[equation]
        contributions = np.zeros((n, len(self.design.columns)))
        for term, column in enumerate(self.design.term_column):
            contributions[:, column] += parts[:, term]
        columns = [column.name for column in self.design.columns]
        if offset is not None and self.record.offset is not None:
            columns.append(self.record.offset)
            contributions = np.column_stack([contributions, offset])
        return Explanation(
            tuple(columns),
            contributions,
            self.average[equation],
            log_odds[np.arange(n), equation],
            self.classes[codes],
        )

    @property
    def audit(self) -> Audit | None:
        """The evidence that `oddsmith.audit` found; None where the model was not audited.

        Raises:
            InputError: the model file holds something else in its place, or the audit of another model.
        """
        record = self.record.audit
        if record is None:
            return None
        from oddsmith.evidence.audit import Audit
        from oddsmith.evidence.verdicts import worst

        try:
            found = msgspec.convert(record.found, Audit)
        except msgspec.ValidationError as error:
            raise InputError(f"$.audit.found: not a sound audit: {visible(str(error), 300)}.") from None
        mine = list(found.classes) == self.record.target.classes
        mine &= (found.policy is None) == (self.policy is None)
        if not mine or found.verdict != worst(found.verdicts):
            raise InputError(
                "$.audit.found is not an audit of this model. The file was changed; audit the model again."
            )
        return found

    def act(self, data: Any) -> NDArray[Any]:
        """The policy's action (n,) for each row of a table, by name; a mapping of single cells is one row.

        Raises:
            InputError: the model has no policy; a column is absent or a cell cannot be read.
        """
        if self.policy is None:
            raise InputError("this model has no policy. Choose one with oddsmith.decide.")
        if _is_row(data):
            data = {name: [cell] for name, cell in data.items()}
        table = as_table(data, self.record.reading)
        inputs = self.policy_inputs(table, self._score(table))
        return np.array(self.policy.actions)[act(self.policy, *inputs)]

    def policy_inputs(self, table: Table, scores: Scores) -> tuple[Floats, dict[str, Floats]]:
        """What the policy reads of rows: calibrated log-odds (n,), or probabilities (n, K) for a cost matrix; and costs.

        Raises:
            InputError: a column of costs is absent, or one of its cells is no cost.
        """
        policy = self.policy
        if policy is None or policy.matrix is not None:
            return scores.proba, {}
        costs = (
            {} if policy.row_costs is None else costs_of_rows(table, policy.row_costs, self.design.markers)
        )
        form = self.record.multi_class
        eta = scores.calibrated if self.maps else ranking(scores.calibrated, form)
        return np.ascontiguousarray(eta[:, 0]), costs

    def evaluate(
        self,
        data: Any,
        *,
        thresholds: Sequence[float] = (),
        cost: Cost | None = None,
        n_bins: int = 4,
        map_label: Sequence[str] = (),
    ) -> Evaluation:
        """What the model's scores are worth on rows whose label is known; rows without one are left out.

        Files, named by paths, may be larger than memory.

        Warns:
            DataWarning: rows are left out, have levels never seen, or are those of the training file.

        Raises:
            InputError: as for `predict`, or the target is absent, or a label is unknown to the model.
        """
        from oddsmith.model.evaluating import evaluate_pieces

        found, notes = evaluate_pieces(
            self,
            as_pieces(data, self.record.reading),
            thresholds=thresholds,
            cost=cost,
            n_bins=n_bins,
            map_label=map_label,
        )
        for note in notes:
            warnings.warn(note, DataWarning, stacklevel=2)
        return found

    @property
    def numeric(self) -> dict[str, frozenset[str]]:
        """Columns whose cells must be numbers, with what means missing in each."""
        name = self.record.offset
        return self.design.numeric | ({} if name is None else {name: self.design.markers.of(name)})

    def known_columns(self) -> set[str]:
        """Every column that the training table had."""
        record = self.record
        named = {column.name for column in record.columns} | {item.column for item in record.left_out}
        roles = {record.id or "", record.weight or "", record.offset or ""} - {""}
        return named | {*record.dropped, *record.target.columns} | roles

    def save(self, path: str | Path, *, flat: bool = False) -> None:
        """Write the model file, or its flat form, whole or not at all.

        Raises:
            InputError: the file cannot be written, or the model has no flat form.
        """
        content: Any = to_flat(self.record) if flat else self.record
        write_atomically(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")

    def log_odds_of(self, row: Mapping[str, Any]) -> list[float]:
        """Log-odds (k,) of one row of cells.

        Raises:
            InputError: a column is absent or a cell cannot be read.
        """
        terms = np.array(self.design.vector(row)) - self.design.mean
        with np.errstate(over="ignore", invalid="ignore"):
            eta: list[float] = (self.coef @ terms + self.average + self._offset_of(row)).tolist()
        if not all(map(math.isfinite, eta)):
            raise InputError("the log-odds of this row are beyond the range of a double. Check its numbers.")
        return eta

    def score(self, table: Table) -> Scores:
        """Log-odds, probabilities and predicted classes of a table's rows.

        Raises:
            InputError: a column is absent or a cell cannot be read.
        """
        table = table.completed(self.known_columns())
        X, unseen = self.design.matrix(table)
        offset = self._offsets(table)
        eta = log_odds(X, self.design.mean, self.coef, self.average)
        if offset is not None:
            eta += offset[:, None]
        if not np.isfinite(eta).all():
            row = int(np.argmin(np.isfinite(eta).all(axis=1)))
            raise InputError(
                f"{table.place(row, self.design.columns[0].name)}: the log-odds of this row are beyond the "
                f"range of a double. Check its numbers."
            )
        calibrated, form = after(self.maps, eta, self.record.multi_class, len(self.classes))
        X -= self.design.mean
        return Scores(
            X,
            offset,
            eta,
            calibrated,
            probabilities(calibrated, form),
            log_probabilities(calibrated, form),
            predicted_codes(calibrated),
            unseen,
        )

    def _calibrated_row(self, eta: list[float]) -> tuple[list[float], Form]:
        """Log-odds (k,) of one row after calibration, and the form that they have then."""
        form: Form = self.record.multi_class
        if not self.maps:
            return eta, form
        calibrated, form = after(self.maps, np.array([eta]), form, len(self.classes))
        return calibrated[0].tolist(), form

    def _offsets(self, table: Table) -> Floats | None:
        """The offsets (n,) of a table's rows; None where the model has none."""
        name = self.record.offset
        if name is None:
            return None
        if name not in table.frame.columns:
            raise InputError(
                f"{visible(table.name, 200)}: no column called '{visible(name)}', the offset that this model adds to "
                f"the log-odds. Add it; with 0 in each row they are those of the other columns alone."
            )
        return row_numbers(table, name, self.design.markers.of(name), OFFSET)

    def _offset_of(self, row: Mapping[str, Any]) -> float:
        """The offset of one row of cells; 0 where the model has none."""
        name = self.record.offset
        if name is None:
            return 0.0
        if name not in row:
            raise InputError(
                f"the row has no '{visible(name)}', the offset that this model adds to the log-odds. Give it as a number."
            )
        read = cell_reader(NumericColumn(name, math.nan, 1.0), self.design.markers.of(name))
        [(_, offset)] = read(row[name])
        if not abs(offset) <= FARTHEST:
            what = "missing" if math.isnan(offset) else f"{offset:g}"
            raise InputError(f"'{visible(name)}' is {what} in this row. {OFFSETS}.")
        return offset

    def _score(self, data: Any) -> Scores:
        scores = self.score(as_table(data, self.record.reading))
        for note in scores.notes:
            warnings.warn(note, DataWarning, stacklevel=3)
        return scores

    def __repr__(self) -> str:
        record = self.record
        return (
            f"<oddsmith.Model of {record.target.name!r}: {len(record.target.classes)} classes, "
            f"{len(record.columns)} columns, {record.fit.status}>"
        )


def load(path: str | Path) -> Model:
    """A model from its file, or from a flat file; nothing in the file is run.

    Raises:
        InputError: the file is no model file, was changed after training, contradicts itself, or does not
            reproduce its golden rows.
    """
    name = visible(str(path), 200)
    document = read_document(path)
    if "thetas_dict" in document:
        flat = from_flat(document, name, __version__)
        return Model(msgspec.structs.replace(flat, digest=canonical_digest(msgspec.to_builtins(flat))))
    if document.get("format") != FORMAT:
        raise InputError(f'{name}: JSON, but not a model file of oddsmith (no "format": "{FORMAT}").')
    if document.get("version") != 1:
        raise InputError(
            f"{name}: a model file of version {visible(repr(document.get('version')))}; this release reads 1."
        )
    try:
        record = msgspec.convert(document, ModelRecord)
    except msgspec.ValidationError as error:
        raise InputError(f"{name}: not a sound model file: {visible(str(error), 300)}.") from None
    if canonical_digest(msgspec.to_builtins(record)) != record.digest:
        raise InputError(
            f"{name}: its digest does not fit its content: the file was changed after training. "
            f"Take the file that training wrote, or train again."
        )
    if dataclasses.asdict(record.reading) != document["reading"]:
        raise InputError(f"{name}: $.reading lacks keys, or has keys that are not known.")
    refuse_contradictions(record, name)
    model = Model(record)
    verify(
        record.golden,
        model.design,
        record.equations,
        record.target.classes,
        record.multi_class,
        name,
        record.offset,
        model.maps,
        model.policy,
    )
    return model


def _labels(classes: list[str], label_type: str) -> NDArray[Any]:
    """Class names as the labels were given: whole numbers, booleans or texts (K,)."""
    if label_type == "integer":
        return np.array([int(label) for label in classes])
    if label_type == "boolean":
        return np.array([label == "True" for label in classes])
    return np.array(classes)


def _is_row(data: Any) -> bool:
    """Whether a mapping holds single cells, rather than columns of them."""
    return isinstance(data, Mapping) and not any(
        hasattr(cell, "__len__") and not isinstance(cell, str | bytes) and getattr(cell, "ndim", 1) != 0
        for cell in data.values()
    )
