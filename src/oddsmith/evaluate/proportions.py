"""Shares of rows at one threshold, with intervals, and their averages over classes.

    precision = tp / (tp + fp)      recall = tp / (tp + fn)      specificity = tn / (tn + fp)
    F1        = 2 J / (1 + J),      J = tp / (tp + fp + fn)
    macro     = mean of the classes' measures          micro = measure of the classes' summed counts

The first three and J are proportions of rows, and have Wilson intervals. F1 rises with J, so the ends of its
interval are those of J's, on its own scale. A measure whose denominator is zero is 0.0, is named in `undefined`,
and its interval is [0, 1].

Source: Hand, Christen and Kirielle (2021) for F1 as a proportion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from oddsmith.errors import InputError
from oddsmith.evaluate.intervals import Estimate, share_interval
from oddsmith.evaluate.metrics import Confusion, confusion_at
from oddsmith.evaluate.score_table import ScoreTable, log_odds


class ThresholdMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """What calling a row positive at or above a threshold comes to."""

    threshold: float
    """A probability."""
    confusion: Confusion
    precision: Estimate
    recall: Estimate
    specificity: Estimate
    f1: Estimate
    undefined: tuple[str, ...]
    """Which of the four have a zero denominator; they are then 0.0."""


class Average(msgspec.Struct, frozen=True):
    """A measure over classes."""

    macro: float | None
    """Mean over classes; None where no class has it."""
    micro: float | None
    """Of the sums over classes."""
    n_classes: int
    """Classes whose measure is in the macro mean."""


class Averages(msgspec.Struct, frozen=True):
    """Measures of classes against the rest; one that is undefined counts as 0.0 in a macro mean."""

    precision: Average
    recall: Average
    specificity: Average
    f1: Average


def threshold_measures(
    table: ScoreTable, threshold: float, level: float = 0.95, eta: float | None = None
) -> ThresholdMeasures:
    """Precision, recall, specificity and F1 with intervals, where scores at or above a probability are positive.

    `eta`: its log-odds, where these are known more exactly than the probability tells.

    Raises:
        InputError: `threshold` is not a number from 0 to 1, or `level` does not lie between 0 and 1.
    """
    eta = log_odds(threshold) if eta is None else eta
    counts = confusion_at(table, eta)
    first = int(np.searchsorted(table.eta, eta, side="left"))
    squared_tp, squared_fp = (
        float(squared[first:].sum())
        for squared in (table.squared_weight_positive, table.squared_weight_negative)
    )
    squared_fn = float(table.squared_weight_positive[:first].sum())
    squared_tn = float(table.squared_weight_negative[:first].sum())
    shares = {
        "precision": (counts.tp, counts.fp, squared_tp + squared_fp),
        "recall": (counts.tp, counts.fn, squared_tp + squared_fn),
        "specificity": (counts.tn, counts.fp, squared_tn + squared_fp),
        "f1": (counts.tp, counts.fp + counts.fn, squared_tp + squared_fp + squared_fn),
    }
    found = {name: _share(*sums, level) for name, sums in shares.items()}
    return ThresholdMeasures(
        threshold=float(threshold),
        confusion=counts,
        precision=found["precision"],
        recall=found["recall"],
        specificity=found["specificity"],
        f1=_f1_of(found["f1"]),
        undefined=tuple(name for name, (part, rest, _) in shares.items() if part + rest == 0),
    )


def averages(classes: Sequence[Confusion]) -> Averages:
    """Macro and micro averages of the measures of K classes, each against the rest.

    Raises:
        InputError: there is no class.
    """
    if not classes:
        raise InputError("no classes to average over: give the counts of each class against the rest.")
    pooled = Confusion(
        tp=sum(counts.tp for counts in classes),
        fp=sum(counts.fp for counts in classes),
        fn=sum(counts.fn for counts in classes),
        tn=sum(counts.tn for counts in classes),
    )

    def average(measure: Callable[[Confusion], float]) -> Average:
        return Average(sum(map(measure, classes)) / len(classes), measure(pooled), len(classes))

    return Averages(
        precision=average(lambda counts: counts.precision),
        recall=average(lambda counts: counts.recall),
        specificity=average(lambda counts: counts.specificity),
        f1=average(lambda counts: counts.f1),
    )


def average_of_tables(tables: Sequence[ScoreTable], measure: Callable[[ScoreTable], float | None]) -> Average:
    """A measure of scores, as `auc`, over K tables, each of a class against the rest: of each, and of their sum.

    A class for which the measure does not exist is left out of the macro mean.

    Raises:
        InputError: there is no table.
    """
    if not tables:
        raise InputError("no classes to average over: give the table of each class against the rest.")
    found = [value for value in map(measure, tables) if value is not None]
    macro = sum(found) / len(found) if found else None
    return Average(macro, measure(ScoreTable.sum(tables)), len(found))


def _share(part: float, rest: float, squared_weight: float, level: float) -> Estimate:
    whole = part + rest
    return Estimate(part / whole if whole else 0.0, None, share_interval(part, whole, squared_weight, level))


def _f1_of(share: Estimate) -> Estimate:
    """F1 from the share J of true positives among rows that are positive or called so."""

    def f1(of: float) -> float:
        return 2.0 * of / (1.0 + of)

    interval = msgspec.structs.replace(
        share.interval, low=f1(share.interval.low), high=f1(share.interval.high)
    )
    return Estimate(f1(share.value), None, interval)
