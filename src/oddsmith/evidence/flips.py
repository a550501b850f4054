"""How far do the figures move if a few labels are wrong?

    additive     log loss, cost a case        mean of loss[row, label]: the k largest changes are the answer, exactly
    counted      recall, F1, ECE              a function of sums over (cell, label): always the best flip next
    ranked       AUC                          the best flips are found in rounds, each with the labels of the last

For k = 1 the answer is exact, but for the ECE of rows that weigh differently, of which only the heaviest in each bin are
tried: a lighter one may do better. For many, flips are taken some at a time, and the answer is what this search finds:
other labels may move a figure further, none of these moves it less. Flips are worst cases, no estimate of what is wrong
in the labels.

A flip of more than two classes is to the class that moves the figure most. A weighted row keeps its weight.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddsmith.decision.policy import Policy
from oddsmith.evaluate.score_table import Floats, Integers, log_odds
from oddsmith.evidence.acting import actions_of, paid
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.verdicts import percent
from oddsmith.fit.losses import expit

SHARES = (0.001, 0.01)
"""Of the rows, beside a single one."""
ECE_BINS = 4
_ROUNDS = 4
"""Rounds of the ranked search between one number of flips and the next."""
_AT_MOST = 200
"""Steps of the counted one, but for those near an extreme."""
_NAMED = 5
"""Rows that are named of each set of flips."""


class Flip(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `k` wrong labels make of a figure, at worst either way."""

    figure: str
    k: int
    value: float
    """With the labels as they are."""
    lowest: float
    highest: float
    rows_lowest: tuple[int, ...]
    """The first rows that were flipped for it, at most five, counted from 0."""
    rows_highest: tuple[int, ...]


class LabelFlips(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every figure at every number of flips."""

    flips: tuple[Flip, ...]
    procedure: str
    sentence: str


PROCEDURE = (
    "One label: the worst there is. More: log loss and cost exactly, the others by a greedy search, "
    "so that other labels may move them further."
)


class Figure(ABC):
    """A figure of labels, and which flips move it most."""

    name: str

    @abstractmethod
    def value(self, labels: Integers) -> float | None:
        """The figure of rows with these labels (n,); None where it does not exist."""

    @abstractmethod
    def path(self, sign: int, steps: Sequence[int]) -> Iterator[tuple[float, list[int]]]:
        """At each of the rising numbers of flips: the figure moved up (`sign` 1) or down (-1), and the rows."""


class _Additive(Figure):
    """The weighted mean of what a row loses with its label; `losses` (n, K)."""

    def __init__(self, name: str, rows: AuditRows, losses: Floats) -> None:
        self.name, self.weight, self.y = name, rows.weight, rows.y
        self.losses = losses

    def value(self, labels: Integers) -> float:
        return float(self.weight @ self.losses[np.arange(len(labels)), labels] / self.weight.sum())

    def path(self, sign: int, steps: Sequence[int]) -> Iterator[tuple[float, list[int]]]:
        n = len(self.y)
        change = sign * (self.losses - self.losses[np.arange(n), self.y][:, None])
        change[np.arange(n), self.y] = -np.inf
        gain = self.weight * change.max(axis=1)
        order = np.argsort(-gain, kind="stable")[: steps[-1]]
        moved = np.cumsum(np.maximum(gain[order], 0.0)) / self.weight.sum()
        base = self.value(self.y)
        for k in steps:
            flipped = order[:k][gain[order[:k]] > 0.0]
            yield base + sign * float(moved[k - 1]), flipped.tolist()


class _Counted(Figure):
    """A function of the weights of negatives and of positives in each of c cells, (c,) both; `cell` (n,)."""

    def __init__(
        self,
        name: str,
        rows: AuditRows,
        cell: NDArray[np.intp],
        figure: Callable[[Floats, Floats], float | None],
    ) -> None:
        self.name, self.weight, self.y, self.cell, self.figure = name, rows.weight, rows.y, cell, figure
        self.n_cells = int(cell.max()) + 1

    def _sums(self, labels: Integers) -> Floats:
        sums = np.bincount(labels * self.n_cells + self.cell, weights=self.weight, minlength=2 * self.n_cells)
        return np.asarray(sums, dtype=np.float64).reshape(2, self.n_cells)

    def value(self, labels: Integers) -> float | None:
        return self.figure(*self._sums(labels))

    def path(self, sign: int, steps: Sequence[int]) -> Iterator[tuple[float, list[int]]]:
        # In each cell the heaviest rows move a figure most: they stand first.
        kind = self.y * self.n_cells + self.cell
        order = np.lexsort((-self.weight, kind))
        summed = np.append(0.0, np.cumsum(self.weight[order]))
        ends = np.searchsorted(kind[order], np.arange(2 * self.n_cells + 1)).tolist()
        heads = ends[:-1]
        sums, flipped = self._sums(self.y), list[int]()
        best = self.figure(*sums)
        for k in steps:
            at_once = max(1, (k - len(flipped)) // _AT_MOST)
            while at_once and len(flipped) < k and best is not None:
                count = min(at_once, k - len(flipped))
                tried = []
                for j, (head, end) in enumerate(zip(heads, ends[1:], strict=True)):
                    moved = _moved(sums, j, float(summed[min(head + count, end)] - summed[head]))
                    value = self.figure(*moved) if head < end else None
                    if value is not None:
                        tried.append((sign * value, j, moved))
                reached, j, moved = max(tried, key=lambda found: found[0], default=(-math.inf, 0, sums))
                # Near an extreme fewer at a time still lead on.
                if reached <= sign * best:
                    at_once //= 2
                    continue
                rows = order[heads[j] : min(heads[j] + count, ends[j + 1])].tolist()
                sums, best, heads[j] = moved, sign * reached, heads[j] + len(rows)
                flipped.extend(rows)
            yield (math.nan if best is None else best), list(flipped)


def _moved(sums: Floats, kind: int, weight: float) -> Floats:
    """Sums (2, c) after so much weight of one label in one cell has got the other label."""
    label, cell = divmod(kind, sums.shape[1])
    moved = sums.copy()
    moved[label, cell] -= weight
    moved[1 - label, cell] += weight
    return moved


class _Auc(Figure):
    """The AUC after a flip, of every row at once: pairs within a class become pairs of both, and the reverse."""

    name = "AUC"

    def __init__(self, rows: AuditRows) -> None:
        # In the order of the scores, where neighbours read neighbours.
        self.order = np.argsort(rows.eta, kind="stable")
        self.weight, self.y = rows.weight[self.order], rows.y[self.order]
        self.place = np.unique(rows.eta[self.order], return_inverse=True)[1]

    def value(self, labels: Integers) -> float | None:
        area, _ = self._after(labels[self.order])
        return area

    def path(self, sign: int, steps: Sequence[int]) -> Iterator[tuple[float, list[int]]]:
        labels, flipped = self.y.copy(), list[int]()
        area, after = self._after(labels)
        for k in steps:
            most = max(1, math.ceil((k - len(flipped)) / _ROUNDS))
            while len(flipped) < k and area is not None:
                gain = sign * (after - area)
                gain[~np.isfinite(gain)] = -np.inf
                gain[flipped] = -np.inf
                count = min(most, k - len(flipped))
                chosen = (
                    np.argpartition(-gain, count - 1)[:count] if count < len(gain) else np.arange(len(gain))
                )
                chosen = chosen[gain[chosen] > 0.0]
                chosen = chosen[np.lexsort((chosen, -gain[chosen]))]
                trial = labels.copy()
                trial[chosen] = 1 - trial[chosen]
                moved, after_that = self._after(trial)
                if not len(chosen) or moved is None or sign * (moved - area) <= 0.0:
                    break
                labels, area, after = trial, moved, after_that
                flipped.extend(chosen.tolist())
            yield (math.nan if area is None else area), self.order[flipped].tolist()

    def _after(self, labels: Integers) -> tuple[float | None, Floats]:
        """The AUC, and that after the flip of each row alone, (n,)."""
        w, place = self.weight, self.place
        m = int(place.max()) + 1
        negative, positive = (np.bincount(place, weights=w * (labels == k), minlength=m) for k in (0, 1))
        P, N = float(positive.sum()), float(negative.sum())
        negatives_below = np.cumsum(negative) - negative / 2
        positives_above = np.cumsum(positive[::-1])[::-1] - positive / 2
        won = float(positive @ negatives_below)
        up = labels == 0
        # A row that becomes positive no longer is among the negatives, itself least of all.
        gained = np.where(up, negatives_below[place] - w / 2, positives_above[place] - w / 2)
        lost = np.where(up, positives_above[place], negatives_below[place])
        pairs = np.where(up, (P + w) * (N - w), (P - w) * (N + w))
        left = np.where(up, N - w, P - w)
        possible = left > 1e-12 * (P + N)
        after = np.full(len(w), np.nan)
        after[possible] = (won + w * (gained - lost))[possible] / pairs[possible]
        return (won / (P * N) if P > 0.0 and N > 0.0 else None), after


def figures_of(rows: AuditRows, policy: Policy | None) -> list[Figure]:
    """The figures that labels can move: of more than two classes, log loss and cost."""
    found: list[Figure] = [_Additive("log loss", rows, -rows.log_proba)]
    if rows.n_classes == 2:
        found += [_Auc(rows), _ece(rows)]
    if policy is None:
        return found
    actions = actions_of(rows, policy)
    prices = [paid(rows, policy, np.full(rows.n, k, dtype=np.int64)) for k in range(rows.n_classes)]
    columns = [each[np.arange(rows.n), actions] for each in prices if each is not None]
    if columns:
        found.append(_Additive("cost a case", rows, np.column_stack(columns)))
    if rows.n_classes == 2:
        last = len(policy.actions) - 1
        passed = np.where(actions == 0, 0, 1)
        found.append(_Counted("recall", rows, passed, lambda _, w: _ratio(w[1:].sum(), w.sum())))
        flagged = np.where(actions == last, 1, 0)
        found.append(_Counted("F1", rows, flagged, _f1))
    return found


def label_flips(rows: AuditRows, policy: Policy | None) -> LabelFlips:
    """Every figure with one label wrong, and with some shares of them."""
    steps = sorted({1, *(math.ceil(share * rows.n) for share in SHARES)})
    flips = []
    for figure in figures_of(rows, policy):
        value = figure.value(rows.y)
        if value is None:
            continue
        down, up = (list(figure.path(sign, steps)) for sign in (-1, 1))
        for k, (lowest, at_lowest), (highest, at_highest) in zip(steps, down, up, strict=True):
            flip = Flip(
                figure=figure.name,
                k=k,
                value=value,
                lowest=min(lowest, value),
                highest=max(highest, value),
                rows_lowest=tuple(rows.numbers[at_lowest[:_NAMED]].tolist()),
                rows_highest=tuple(rows.numbers[at_highest[:_NAMED]].tolist()),
            )
            flips.append(flip)
    moved = ", ".join(
        f"{flip.figure} from {flip.value:.4g} to between {flip.lowest:.4g} and {flip.highest:.4g}"
        for flip in flips
        if flip.k == 1
    )
    procedure = f"{_numbers(steps)} {PROCEDURE}"
    return LabelFlips(tuple(flips), procedure, f"One wrong label can move {moved}.")


def _numbers(steps: Sequence[int]) -> str:
    """What the numbers of labels are; shares that come to one label say nothing new."""
    several = [percent(share) for share in SHARES][len(SHARES) - len(steps) + 1 :]
    rest = f", then {' and '.join(several)} of the rows, rounded up" if several else ""
    return f"Wrong labels: 1{rest}."


def _ece(rows: AuditRows) -> _Counted:
    """The calibration error of equal-width bins, as `reliability` counts it."""
    edges = [log_odds(b / ECE_BINS) for b in range(1, ECE_BINS)]
    cell = np.searchsorted(edges, rows.calibrated, side="right").astype(np.intp)
    cells = int(cell.max()) + 1
    expected = np.bincount(cell, weights=rows.weight * expit(rows.calibrated), minlength=cells)
    total = float(rows.weight.sum())

    def error(_: Floats, positive: Floats) -> float:
        return float(np.abs(positive - expected).sum()) / total

    return _Counted(f"ECE of {ECE_BINS} bins", rows, cell, error)


def _f1(negative: Floats, positive: Floats) -> float | None:
    found = float(positive[1:].sum())
    return _ratio(2.0 * found, found + float(positive.sum()) + float(negative[1:].sum()))


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0.0 else None
