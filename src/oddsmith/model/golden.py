"""What a model file must reproduce: log-odds and probabilities of rows made up from the columns alone.

    golden row   every number at its mean, every boolean missing, every category at its reference; an offset 0
    change       one cell of it another: a number one sigma up, each truth, each level, a missing cell,
                 a marker of missing cells; an offset 1

    log-odds of the row      average + sum_j coef_j (x_j - mean_j)
    log-odds after a change  those of the row + sum_j coef_j (x'_j - x_j), over the terms of one column, or + 1

Cells are read and probabilities computed by the functions that predict. Sums are taken with `math.fsum`,
which rounds once, so that every machine recomputes the same figures.
"""

import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import DEFAULT_MISSING
from oddsmith.data.design import Design
from oddsmith.data.encoding import BooleanColumn, CategoricalColumn, Column, NumericColumn
from oddsmith.decision.actions import act
from oddsmith.decision.policy import Policy
from oddsmith.errors import DataWarning, InputError, visible
from oddsmith.model.probabilities import AnyMap, Form, after, probabilities, ranking
from oddsmith.model.records import Answer, Cell, Equation, Golden, GoldenChange

TOLERANCE = 1e-12


def golden_rows(
    design: Design,
    equations: Sequence[Equation],
    classes: Sequence[str],
    multi_class: Form,
    offset: str | None = None,
    maps: Sequence[AnyMap] = (),
    policy: Policy | None = None,
) -> Golden:
    """The golden rows of a model; `offset` is the name of such a column, `maps` and `policy` what comes after the scores.

    Raises:
        OverflowError or ValueError: a row's log-odds are beyond the range of a double.
    """
    row, changes = _row(design, offset), list(_changes(design, offset))
    log_odds = _log_odds(design, equations, row, changes)
    calibrated, form = after(maps, log_odds, multi_class, len(classes))
    shares, actions = probabilities(calibrated, form).tolist(), _actions(policy, calibrated, form)
    first, *others = [
        Answer(odds, dict(zip(classes, proba, strict=True)), action)
        for odds, proba, action in zip(log_odds.tolist(), shares, actions, strict=True)
    ]
    return Golden(
        row,
        first,
        [GoldenChange(column, cell, answer) for (column, cell), answer in zip(changes, others, strict=True)],
    )


def verify(
    golden: Golden,
    design: Design,
    equations: Sequence[Equation],
    classes: Sequence[str],
    multi_class: Form,
    name: str,
    offset: str | None = None,
    maps: Sequence[AnyMap] = (),
    policy: Policy | None = None,
) -> None:
    """Recompute the golden rows.

    Raises:
        InputError: a figure differs by more than 1e-12 (relative above 1), or the rows don't fit.
    """
    if golden.row != _row(design, offset):
        raise InputError(f"{name}: $.golden.row does not fit $.columns.")
    changes = list(_changes(design, offset))
    if [(item.column, item.cell) for item in golden.changes] != changes:
        raise InputError(f"{name}: $.golden.changes does not fit $.columns.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DataWarning)
            found = _log_odds(design, equations, golden.row, changes)
    except (InputError, DataWarning) as error:
        raise InputError(f"{name}: $.golden cannot be read: {error}") from None
    except (OverflowError, ValueError):
        raise InputError(f"{name}: $.golden gives log-odds beyond the range of a double.") from None
    stated = [golden.answer, *(item.answer for item in golden.changes)]
    _compare(name, golden, "log-odds", found, [answer.log_odds for answer in stated])
    if any(list(answer.proba) != list(classes) for answer in stated):
        raise InputError(f"{name}: $.golden states probabilities of other classes than $.target.classes.")
    proba = [list(answer.proba.values()) for answer in stated]
    calibrated, form = after(maps, found, multi_class, len(classes))
    _compare(name, golden, "probabilities", probabilities(calibrated, form), proba)
    if [answer.action for answer in stated] != _actions(policy, calibrated, form):
        raise InputError(
            f"{name}: the golden rows state other actions than $.decision.policy takes. The file was changed after it was "
            f"written, or damaged; decide again."
        )


def _actions(policy: Policy | None, calibrated: Floats, form: Form) -> Sequence[str | None]:
    """The action for each row of calibrated log-odds (n, k); None where there is no policy, or one of columns."""
    if policy is None or policy.row_costs is not None:
        return [None] * len(calibrated)
    scores = ranking(calibrated, form)[:, 0] if policy.matrix is None else probabilities(calibrated, form)
    return [policy.actions[action] for action in act(policy, scores).tolist()]


def _compare(name: str, golden: Golden, what: str, found: Floats, stated: list[list[float]]) -> None:
    """Raise InputError at the first row whose figures (k,) are not the stated ones."""
    width = found.shape[1]
    expected = np.array([row if len(row) == width else [np.nan] * width for row in stated])
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.abs(found - expected) <= TOLERANCE * np.maximum(1.0, np.abs(expected))
    wrong = np.flatnonzero(~near.all(axis=1))
    if len(wrong):
        row = int(wrong[0])
        changed = f" with '{visible(golden.changes[row - 1].column)}' changed" if row else ""
        shown = [
            visible(", ".join(f"{x!r}" for x in figures)) for figures in (found[row].tolist(), stated[row])
        ]
        raise InputError(
            f"{name}: the golden row{changed} gives {what} {shown[0]}; the file says {shown[1]}. "
            f"The file was changed after training, or damaged; train the model again."
        )


def _row(design: Design, offset: str | None) -> dict[str, Cell]:
    """The golden row."""
    row = {column.name: _average_cell(column) for column in design.columns}
    return row if offset is None else {**row, offset: 0.0}


def _average_cell(column: Column) -> Cell:
    """The reference of a category; a number's mean; for a boolean the missing cell, which counts as its mean."""
    if isinstance(column, CategoricalColumn):
        return column.reference
    return column.mean if isinstance(column, NumericColumn) else None


def _changes(design: Design, offset: str | None) -> Iterator[tuple[str, Cell]]:
    """Each cell to try, with the name of its column."""
    for column in design.columns:
        if isinstance(column, CategoricalColumn):
            yield from ((column.name, item.level) for item in column.levels)
        elif isinstance(column, BooleanColumn):
            yield from ((column.name, cell) for cell in (False, True))
        else:
            yield column.name, column.mean + column.scale
            if column.indicator is not None:
                yield column.name, None
    may_be_missing = [
        column.name
        for column in design.columns
        if not isinstance(column, CategoricalColumn)
        or None in (column.reference, *(item.level for item in column.levels))
    ]
    for name in may_be_missing:
        yield from ((name, token) for token in sorted(design.markers.by_column.get(name, ())))
    for name in may_be_missing[:1]:
        yield from ((name, token) for token in sorted(design.markers.everywhere.difference(DEFAULT_MISSING)))
    if offset is not None:
        yield offset, 1.0


def _log_odds(
    design: Design, equations: Sequence[Equation], row: dict[str, Cell], changes: Sequence[tuple[str, Cell]]
) -> Floats:
    """Log-odds (1 + changes, k) of the row, and of the row with each change."""
    coef = [list(equation.coef.values()) for equation in equations]
    centred = [x - mean for x, mean in zip(design.vector(row), design.mean.tolist(), strict=True)]
    first = [
        math.fsum([equation.average, *(b * x for b, x in zip(slopes, centred, strict=True))])
        for equation, slopes in zip(equations, coef, strict=True)
    ]
    found = [first]
    readers = {name: (start, reader) for name, start, reader in design.readers}
    for name, cell in changes:
        if name not in readers:  # an offset, whose coefficient is 1
            found.append([math.fsum([odds, float(cell or 0.0)]) for odds in first])
            continue
        start, reader = readers[name]
        before, after = dict(reader(row[name])), dict(reader(cell))
        moves = [(start + place, after.get(place, 0.0) - before.get(place, 0.0)) for place in before | after]
        found.append(
            [
                math.fsum([odds, *(slopes[term] * move for term, move in moves)])
                for odds, slopes in zip(first, coef, strict=True)
            ]
        )
    log_odds = np.array(found)
    if not np.isfinite(log_odds).all():
        raise OverflowError
    return log_odds
