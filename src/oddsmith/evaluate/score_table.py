"""Every binary summary reads one table of scores, and tables add.

    eta_1 < eta_2 < ... < eta_m     the distinct log-odds
    count, sum of w, sum of w^2     of the positives and of the negatives at each of them

What is known about a set of scores is known from these sums: who lies above a threshold, which of two
scores is larger, and how probable each row was. So confusion counts, AUC, Brier score, log loss and
reliability can't disagree about ties or about the side on which a threshold falls. The table of two
blocks of rows is the sum of their tables.

A row of weight 0 leaves no trace: it is as if it had not been there.

More than `MOST_SCORES` distinct scores are merged onto a grid of log-odds, whose step is the least power of two
that leaves no more: [k step, (k + 1) step) becomes the weighted mean of its scores. The grids are nested, so that
the counts are the same in whatever order tables are added. Zero is a border: no row changes its side of 1/2.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.errors import InputError
from oddsmith.fit.losses import expit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_SCORES = 1 << 20
_FINEST, _FAR = 2.0**-30, 1e15
"""The first step that is tried; and where log-odds lie so far out that all of them are one."""
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Sums by distinct score. All arrays have shape (m,), in rising order of `eta`."""

    eta: Floats
    """Log-odds of the positive class: finite, distinct, rising."""
    count_positive: Integers
    count_negative: Integers
    weight_positive: Floats
    weight_negative: Floats
    squared_weight_positive: Floats
    squared_weight_negative: Floats
    step: float = 0.0
    """Scores that lie closer may be merged; 0 where none are."""
    most: int = MOST_SCORES
    """Distinct scores it may have."""
    whole_weights: bool = False
    """Whether each row is known to weigh a whole number, and is so many rows. Only the rows tell: 1/2, 3/2, 3/2 and
    3/2 have the sums of 1, 1, 1 and 2, of weights and of their squares."""

    @classmethod
    def from_scores(
        cls,
        eta: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        most: int = MOST_SCORES,
    ) -> ScoreTable:
        """The table of n rows: `eta` (n,) log-odds, `y` (n,) of 0 and 1, `sample_weight` (n,) or None for ones.

        Raises:
            InputError: lengths differ, a score or a weight is not finite, a weight is negative, or a label
                is neither 0 nor 1. The message counts rows from 1.
        """
        scores = np.asarray(eta, dtype=np.float64)
        labels = np.asarray(y, dtype=np.float64)
        if scores.ndim != 1 or scores.shape != labels.shape:
            raise InputError(
                f"scores have shape {scores.shape} and labels {labels.shape}. Give one of each for every row."
            )
        require(np.isfinite(scores), scores, "score", "Scores are log-odds and must be finite.")
        require((labels == 0) | (labels == 1), labels, "label", "Labels of two classes are 0 and 1.")
        weight = row_weights(sample_weight, len(scores))
        kept = weight > 0
        if not kept.all():
            scores, labels, weight = scores[kept], labels[kept], weight[kept]
        cells = _cells_of(scores, 0.0, most)
        whole = sample_weight is None or not (weight % 1.0).any()
        count_positive = cells.sum(labels)
        count_negative = cells.count() - count_positive
        sums = [count_positive, count_negative] * 3
        if sample_weight is not None:
            squared = weight**2
            sums[2:] = [
                cells.sum(column * of) for column in (weight, squared) for of in (labels, 1.0 - labels)
            ]
        return cells.table(scores, weight, sums, most, whole)

    def __add__(self, other: ScoreTable) -> ScoreTable:
        """The table of the rows of both."""
        if not isinstance(other, ScoreTable):
            return NotImplemented
        return ScoreTable.sum((self, other))

    @classmethod
    def sum(cls, tables: Sequence[ScoreTable]) -> ScoreTable:
        """The table of the rows of all of at least one."""
        columns = zip(*(table._columns() for table in tables), strict=True)
        step, most = max(table.step for table in tables), min(table.most for table in tables)
        whole = all(table.whole_weights for table in tables)
        scores, *sums = (np.concatenate(column).astype(np.float64) for column in columns)
        cells = _cells_of(scores, step, most)
        return cells.table(scores, sums[2] + sums[3], [cells.sum(column) for column in sums], most, whole)

    def _columns(self) -> tuple[NDArray[np.float64 | np.int64], ...]:
        return (
            self.eta,
            self.count_positive,
            self.count_negative,
            self.weight_positive,
            self.weight_negative,
            self.squared_weight_positive,
            self.squared_weight_negative,
        )

    @property
    def proba(self) -> Floats:
        """Probability of the positive class at each score, (m,)."""
        return expit(self.eta)

    @property
    def n_rows(self) -> int:
        """Rows of positive weight."""
        return int(self.count_positive.sum() + self.count_negative.sum())

    @property
    def weight(self) -> float:
        """Summed weight of all rows."""
        return float(self.weight_positive.sum() + self.weight_negative.sum())

    @property
    def unweighted(self) -> bool:
        """Whether every row weighs exactly 1, so that sums of weights are counts.

        If sum w = sum w^2 = n, then sum (w - 1)^2 = 0: the sums at each score prove it of each row.
        """
        return all(
            np.array_equal(count, sums)
            for count, sums in [
                (self.count_positive, self.weight_positive),
                (self.count_positive, self.squared_weight_positive),
                (self.count_negative, self.weight_negative),
                (self.count_negative, self.squared_weight_negative),
            ]
        )


def log_odds(threshold: float) -> float:
    """The probability `threshold` on the scale of scores: log(t / (1 - t)), from -inf at 0 to +inf at 1.

    Raises:
        InputError: `threshold` is not a number from 0 to 1.
    """
    if not 0.0 <= threshold <= 1.0:
        raise InputError(f"threshold {threshold}: not a probability. Give a number from 0 to 1.")
    if threshold == 0.0:
        return -math.inf
    if threshold == 1.0:
        return math.inf
    return math.log(threshold / (1.0 - threshold))


def row_weights(sample_weight: ArrayLike | None, n_rows: int) -> Floats:
    """Weights of `n_rows` rows, (n,): ones where none are given.

    Raises:
        InputError: there is not one weight a row, or a weight is negative or not finite.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n_rows,):
        raise InputError(f"weights have shape {weight.shape}. Give one for each of the {n_rows} rows.")
    require(np.isfinite(weight) & (weight >= 0), weight, "weight", "Weights are finite and not negative.")
    return weight


def require_rows(table: ScoreTable) -> None:
    """Raise InputError if the table is empty."""
    if not len(table.eta):
        raise InputError("no rows to evaluate: give at least one row with a label and a positive weight.")


def require(holds: NDArray[np.bool_], values: NDArray[np.float64], what: str, rule: str) -> None:
    """Raise an InputError that names the first row (from 1) where `holds` (n,) is False."""
    if not holds.all():
        row = int(np.argmin(holds))
        raise InputError(f"row {row + 1}: {what} {float(values[row])!r}. {rule}")


@dataclass(frozen=True, eq=False)
class _Cells:
    """The distinct scores, or the occupied cells of a grid, and to which of them each of n scores belongs."""

    rising: Floats
    """(m,) distinct scores where `step` is 0, otherwise numbers of cells."""
    place: NDArray[np.intp]
    """(n,) positions in `rising`."""
    step: float

    def count(self) -> Floats:
        """Scores in each cell, (m,)."""
        return np.bincount(self.place, minlength=len(self.rising)).astype(np.float64)

    def sum(self, column: Floats) -> Floats:
        """Sums of a column (n,) in each cell, (m,), added in the order of the rows."""
        # Of no rows at all they would be integers.
        return np.bincount(self.place, weights=column, minlength=len(self.rising)).astype(np.float64)

    def table(
        self, scores: Floats, weight: Floats, sums: Sequence[Floats], most: int, whole: bool
    ) -> ScoreTable:
        """The table with these six columns (m,); on a grid a cell's score is the weighted mean of its scores."""
        count_positive, count_negative, positive, negative, squared_positive, squared_negative = sums
        eta = self.rising
        if self.step:
            mean = self.sum(weight * np.clip(scores, -_FAR, _FAR)) / (positive + negative)
            eta = np.clip(mean, eta * self.step, np.nextafter((eta + 1.0) * self.step, -np.inf))
        return ScoreTable(
            eta,
            count_positive.astype(np.int64),
            count_negative.astype(np.int64),
            positive,
            negative,
            squared_positive,
            squared_negative,
            self.step,
            most,
            # Beyond this the doubles leave out whole numbers, and a sum may be of other rows.
            whole and bool(positive.sum() + negative.sum() <= 2.0**53),
        )


def _cells_of(scores: Floats, step: float, most: int) -> _Cells:
    """The cells of scores (n,), at most so many of them, on a grid no finer than `step`."""
    order = np.argsort(scores)
    rising = scores[order]
    cells = rising if step == 0.0 else np.floor(_clipped(rising) / step)
    first = _changes(cells)
    if np.count_nonzero(first) > most:
        step = _step_for(rising, most, step)
        cells = np.floor(_clipped(rising) / step)
        first = _changes(cells)
    place = np.empty(len(scores), dtype=np.intp)
    place[order] = np.cumsum(first) - 1
    return _Cells(cells[first], place, step)


def _changes(rising: Floats) -> NDArray[np.bool_]:
    """Where a rising sequence (n,) has a number that it did not have before."""
    first = np.ones(len(rising), dtype=np.bool_)
    np.not_equal(rising[1:], rising[:-1], out=first[1:])
    return first


def _clipped(eta: Floats) -> Floats:
    """Scores that can be divided by a step: neither so far out nor so near to zero that this would lose them."""
    # Divided by a step, the negative scores next to zero would be zero, on the other side of a border.
    beside_zero = np.where((eta < 0.0) & (eta > -_TINY), -_TINY, eta)
    return np.clip(beside_zero, -_FAR, _FAR, out=beside_zero)


def _step_for(rising: Floats, most: int, step: float) -> float:
    """The least power of two, not below `step`, as the step of a grid on which rising scores (n,) have few cells."""
    scores = _clipped(rising)
    cells, changes = np.empty_like(scores), np.empty(len(scores) - 1, dtype=np.bool_)

    def are_few(exponent: int) -> bool:
        np.floor(np.multiply(scores, 2.0**-exponent, out=cells), out=cells)
        np.not_equal(cells[1:], cells[:-1], out=changes)
        return 1 + int(np.count_nonzero(changes)) <= most

    finest, coarsest = (math.frexp(width)[1] - 1 for width in (step or _FINEST, 2.0 * _FAR))
    # The grids are nested: the number of cells falls with the exponent.
    return 2.0 ** (finest + bisect_left(range(finest, coarsest + 1), True, key=are_few))
