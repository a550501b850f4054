"""A model against rows whose label is known, part by part: each leaves its evidence, and the sum is concluded from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from oddsmith.data.memory import available
from oddsmith.data.pieces import OnePiece, Pieces
from oddsmith.data.roles import Role
from oddsmith.evaluate.evaluation import Evaluation, Evidence, conclusion, evidence, refuse_other_kinds
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import MOST_SCORES
from oddsmith.model.labelled import Labelled, LabelledRows, Rows
from oddsmith.model.probabilities import log_probabilities, ranking
from oddsmith.model.served import served

if TYPE_CHECKING:
    from oddsmith.model.model import Model

_SCORE, _FEWEST_SCORES = 800, 1 << 12
"""Bytes for each distinct score in a table while tables are added, and how many of them are kept apart at least."""
_PURPOSE = "to audit the model on"


def evaluate_pieces(
    model: Model,
    pieces: Pieces | OnePiece,
    *,
    thresholds: Sequence[float] = (),
    cost: Cost | None = None,
    n_bins: int = 4,
    map_label: Sequence[str] = (),
    advance: Rows = lambda done, of: None,
) -> tuple[Evaluation, list[str]]:
    """The evaluation, and sentences about rows left out, levels never seen, and weights.

    Rows count by the weights that the model was trained with, where the table has that column. Where the model tells
    roles apart, only rows to audit it with count.

    Raises:
        InputError: a column is absent, a cell cannot be read, or a label is unknown to the model.
    """
    record = model.record
    classes = tuple(record.target.classes)
    refuse_other_kinds(thresholds, cost, len(classes))
    rows = LabelledRows(model, pieces, (Role.audit,), map_label=map_label, advance=advance)
    n_tables = 1 + bool(model.maps) if len(classes) == 2 else len(classes) + 1
    most = int(min(max(available() / (_SCORE * n_tables), _FEWEST_SCORES), MOST_SCORES))
    parts: list[Evidence] = []
    for part in rows:
        parts.append(_evidence(model, part, classes, most))
        if sum(item.size for item in parts) > 2 * most * n_tables:
            parts = [Evidence.sum(parts)]
    rows.require_any(_PURPOSE)
    found = conclusion(Evidence.sum(parts), classes, thresholds=thresholds, cost=cost, n_bins=n_bins)
    notes = rows.notes(_PURPOSE)
    if rows.split is None:
        notes += _flattery(pieces.digests, served(record))
    if found.score_step is not None:
        notes.append(
            f"so many scores differ that those within {found.score_step:.1g} of log-odds count as one: an AUC may be "
            f"wrong by {found.auc_error:.1g}, counts at a threshold by the rows so near to it."
        )
    return found, notes


def _evidence(model: Model, part: Labelled, classes: tuple[str, ...], most: int) -> Evidence:
    """What some rows tell: of two classes by the log-odds of the positive one."""
    scores, form = part.scores, model.record.multi_class
    calibrated, ranked = scores.calibrated, None
    if len(classes) == 2:
        calibrated = calibrated if model.maps else ranking(calibrated, form)
        ranked = ranking(scores.log_odds, form) if model.maps else None
    elif model.maps:
        ranked = log_probabilities(scores.log_odds, form)
    return evidence(
        calibrated,
        scores.log_proba,
        part.codes,
        classes,
        ranked=ranked,
        predicted=scores.codes,
        sample_weight=part.weight,
        most=most,
    )


def _flattery(files: Sequence[tuple[str, str]], purposes: Mapping[str, str]) -> list[str]:
    """Sentences where files of the table are files that the model, its calibration or its policy rests on."""
    notes = []
    for purpose in dict.fromkeys(purposes.values()):
        seen = [name for name, digest in files if purposes.get(digest) == purpose]
        if seen and len(seen) == len(files):
            notes.append(f"these are the rows that {purpose}: its figures flatter it.")
        elif seen:
            more = f" and {len(seen) - 3:,} more" if len(seen) > 3 else ""
            notes.append(f"{purpose} rows of {', '.join(seen[:3])}{more}: its figures flatter it.")
    return notes
