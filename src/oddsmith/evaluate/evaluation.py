"""All that is said about a set of predictions, as one typed record.

Two classes: a row is called positive where eta >= 0, and every figure comes from one ScoreTable.
More classes: a row is called the class of largest eta, the first of ties; AUC, precision and
recall are of each class against the rest, on the log-odds of its probability; calibration is of the
largest probability against whether the call was right.

All of it follows from `Evidence`, sums over rows, which add: so rows may come in any number of parts.

Figures that do not apply are None, never NaN, so that the record survives JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.errors import InputError, visible
from oddsmith.evaluate.calibration_report import CalibrationReport, calibration_report
from oddsmith.evaluate.curves import NetBenefit, average_precision_of_table, net_benefit
from oddsmith.evaluate.delong import auc_estimate
from oddsmith.evaluate.intervals import Interval, share_interval
from oddsmith.evaluate.metrics import (
    Confusion,
    Cost,
    Count,
    auc,
    auc_error,
    brier,
    log_loss,
    mean_proba,
    observed_share,
)
from oddsmith.evaluate.proportions import Average, Averages, average_of_tables, averages, threshold_measures
from oddsmith.evaluate.reliability import Reliability, reliability
from oddsmith.evaluate.score_table import (
    MOST_SCORES,
    Floats,
    Integers,
    ScoreTable,
    log_odds,
    require,
    row_weights,
)


class Accuracy(msgspec.Struct, frozen=True):
    """`correct` of `of` rows (or of their weight) are called what they are; `share` is their ratio."""

    correct: Count
    of: Count
    share: float
    interval: Interval


class ClassReport(msgspec.Struct, frozen=True, kw_only=True):
    """One class against the rest."""

    label: str
    correct: Count
    total: Count
    precision: float
    recall: float
    f1: float
    auc: float | None
    """None unless the class and another one occur."""
    undefined: tuple[str, ...]
    """Which of precision, recall and f1 have a zero denominator; they are then 0.0."""


class ThresholdReport(msgspec.Struct, frozen=True, kw_only=True):
    """What happens when a probability at or above `threshold` is called positive."""

    threshold: float
    tp: Count
    fp: Count
    fn: Count
    tn: Count
    precision: float
    recall: float
    specificity: float
    f1: float
    precision_interval: Interval
    recall_interval: Interval
    specificity_interval: Interval
    f1_interval: Interval
    net_benefit: NetBenefit | None
    """Against acting on all rows; None where the threshold is 1 and its odds are infinite."""
    cost: float | None
    """Total cost of the errors; None where no costs were given."""
    analytic: bool
    """Whether the threshold follows from the costs alone, rather than from the caller."""
    undefined: tuple[str, ...]
    """Which of precision, recall, specificity and f1 have a zero denominator; they are then 0.0."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions against what was true. Figures marked "two classes" are None for more."""

    classes: tuple[str, ...]
    positive: str | None
    """Two classes: the one that scores speak of, `classes[1]`."""
    n_rows: int
    """Rows of positive weight."""
    weight: Count
    log_loss: float
    accuracy: Accuracy
    per_class: tuple[ClassReport, ...]
    confusion: tuple[tuple[Count, ...], ...]
    """K x K: a row for each true class, a column for each predicted one, in the order of `classes`."""
    brier: float
    brier_definition: str
    auc: float | None
    """Two classes, both of which occur."""
    auc_interval: Interval | None
    """By DeLong's variance on the logit scale; Newcombe's where that says nothing."""
    average_precision: float | None
    """Two classes, where a positive occurs: the mean precision over the ranks of the positives."""
    average_precision_interval: Interval | None
    """By a bootstrap of the rows; None where it says nothing, as of a perfect ranking: all resamples have one value."""
    averages: Averages | None
    """Three classes or more: precision, recall, specificity and F1, macro and micro."""
    average_auc: Average | None
    """Three classes or more: that of each class against the rest, macro; of all such scores together, micro."""
    mean_proba: float | None
    """Two classes: mean probability of the positive class."""
    observed_share: float | None
    """Two classes: share of positives."""
    reliability: Reliability
    calibration: CalibrationReport
    """What so many events bear; of three classes or more, of the largest probability against whether the call was
    right: events are the calls of the rarer kind."""
    cost: Cost | None
    thresholds: tuple[ThresholdReport, ...]
    """Two classes: in the order given, then the analytic threshold where there are costs."""
    score_step: float | None = None
    """Log-odds that lie closer were taken for one, since there were too many to keep apart; None where none were."""
    auc_error: float | None = None
    """What this can have changed in an AUC, at most."""


@dataclass(frozen=True)
class Evidence:
    """What rows tell about predictions of K classes: sums, which add."""

    counts: Floats
    """(K, K) summed weights: a row for each true class, a column for each predicted one."""
    n_rows: int
    """Rows of positive weight."""
    unweighted: bool
    """Whether each weighs exactly 1."""
    tables: tuple[ScoreTable, ...]
    """Two classes: of the positive one as rows are ranked, then as they are calibrated, where that is another table.
    More: each class against the rest, then the call against the truth."""
    loss: tuple[float, ...]
    squares: tuple[float, ...]
    """Three classes or more: the weighted sums of -log proba of the true class, and of (proba - y)^2.

    Each in parts that are to be added, of which no cut of the rows changes the sum.
    """

    @classmethod
    def sum(cls, parts: Sequence[Evidence]) -> Evidence:
        """That of the rows of all of at least one."""
        return cls(
            np.sum([part.counts for part in parts], axis=0),
            sum(part.n_rows for part in parts),
            all(part.unweighted for part in parts),
            tuple(ScoreTable.sum(tables) for tables in zip(*(part.tables for part in parts), strict=True)),
            _in_two(value for part in parts for value in part.loss),
            _in_two(value for part in parts for value in part.squares),
        )

    @property
    def size(self) -> int:
        """Distinct scores in all tables."""
        return sum(len(table.eta) for table in self.tables)


def evaluation(
    eta: ArrayLike,
    log_proba: ArrayLike,
    y: ArrayLike,
    classes: Sequence[str],
    *,
    predicted: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    thresholds: Sequence[float] = (),
    cost: Cost | None = None,
    n_bins: int = 4,
) -> Evaluation:
    """Evaluate n predictions of K classes.

    Args:
        eta: (n, 1) log-odds of `classes[1]` where K is 2, (n, K) otherwise.
        log_proba: (n, K) logarithms of the class probabilities.
        y: (n,) integer codes of the true classes, positions in `classes`.
        classes: K names, at least two.
        predicted: (n,) integer codes of the classes that the rows are called; by itself as said above.
        sample_weight: (n,) finite and not negative, or None for ones.
        thresholds: probabilities from 0 to 1 at which to count errors; two classes only.
        cost: what one error costs; two classes only.
        n_bins: equal-width bins of the calibration error.

    Raises:
        InputError: shapes disagree, a number is not finite, a code is not a position in `classes`, a row
            of probabilities does not add to 1, no row has a positive weight, or thresholds or costs are
            given for more than two classes.
    """
    refuse_other_kinds(thresholds, cost, len(classes))
    found = evidence(eta, log_proba, y, classes, predicted=predicted, sample_weight=sample_weight)
    return conclusion(found, classes, thresholds=thresholds, cost=cost, n_bins=n_bins)


def evidence(
    eta: ArrayLike,
    log_proba: ArrayLike,
    y: ArrayLike,
    classes: Sequence[str],
    *,
    ranked: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    most: int = MOST_SCORES,
) -> Evidence:
    """What n predictions tell, for `conclusion`; each table keeps at most so many scores apart, others as `evaluation`.

    `ranked` is what rows are ranked by where `eta` and `log_proba` are calibrated, so that a map that makes ties does not
    change an AUC: of two classes log-odds (n, 1), of more log-probabilities (n, K); None where they are the same.

    Raises:
        InputError: shapes disagree, a number is not finite, a code is not a position in `classes`, or a row of
            probabilities does not add to 1.
    """
    names = tuple(classes)
    K = len(names)
    codes = np.asarray(y)
    scores, logs = np.asarray(eta, dtype=np.float64), np.asarray(log_proba, dtype=np.float64)
    weight = row_weights(sample_weight, len(codes))
    _check(scores, logs, codes, names)
    kept = weight > 0
    scores, logs, weight = scores[kept], logs[kept], weight[kept]
    true = codes[kept].astype(np.int64)
    called = None if predicted is None else np.asarray(predicted)[kept].astype(np.int64)
    loss: tuple[float, ...] = ()
    squares: tuple[float, ...] = ()
    if K == 2:
        called = (scores[:, 0] >= 0).astype(np.int64) if called is None else called
        ranks = [] if ranked is None else [np.asarray(ranked, dtype=np.float64)[kept]]
        tables = [ScoreTable.from_scores(each[:, 0], true, weight, most) for each in (*ranks, scores)]
    else:
        # Not of the probabilities: far out these are equal where the log-odds are not.
        called = np.argmax(scores, axis=1) if called is None else called
        of_classes = of_calls = _log_odds_against_rest(logs, called)
        if ranked is not None:
            before = np.asarray(ranked, dtype=np.float64)[kept]
            of_classes = _log_odds_against_rest(before, before.argmax(axis=1))
        rows = np.arange(len(true))
        tables = [ScoreTable.from_scores(of_classes[:, k], true == k, weight, most) for k in range(K)]
        tables.append(ScoreTable.from_scores(of_calls[rows, called], called == true, weight, most))
        loss = _in_two((weight * -logs[rows, true]).tolist())
        squares = _in_two((weight * ((np.exp(logs) - np.eye(K)[true]) ** 2).sum(axis=1)).tolist())
    cells = np.bincount(true * K + called, weights=weight, minlength=K * K).astype(np.float64)
    return Evidence(cells.reshape(K, K), len(true), bool((weight == 1).all()), tuple(tables), loss, squares)


def _in_two(values: Iterable[float]) -> tuple[float, float]:
    """The sum of numbers as a double and what rounding took from it, good to 106 binary digits."""
    values = list(values)
    try:
        total = math.fsum(values)
        return total, math.fsum([*values, -total])
    except (OverflowError, ValueError):
        return math.inf, 0.0


def conclusion(
    found: Evidence,
    classes: Sequence[str],
    *,
    thresholds: Sequence[float] = (),
    cost: Cost | None = None,
    n_bins: int = 4,
) -> Evaluation:
    """The evaluation that follows from the evidence; arguments as for `evaluation`.

    Raises:
        InputError: there is no row of positive weight, or thresholds or costs are given for more than two classes.
    """
    refuse_other_kinds(thresholds, cost, len(classes))
    if not found.n_rows:
        raise InputError("no rows to evaluate: give at least one row with a label and a positive weight.")
    names = tuple(classes)
    K = len(names)
    ranked, table = found.tables[0], found.tables[-1]
    counts: NDArray[np.int64 | np.float64] = found.counts
    if found.unweighted:
        counts = found.counts.astype(np.int64)
    total = _sum(counts)
    correct = _sum(np.diag(counts))
    squared = float(table.squared_weight_positive.sum() + table.squared_weight_negative.sum())
    area = auc_estimate(ranked) if K == 2 else None
    precision = average_precision_of_table(ranked) if K == 2 else None
    if K == 2:
        loss, brier_score = log_loss(table), brier(table)
        binned = reliability(table, n_bins, f"the probability of {names[1]!r}")
        aucs = [auc(ranked)] * 2
    else:
        loss, brier_score = (math.fsum(parts) / float(total) for parts in (found.loss, found.squares))
        binned = reliability(found.tables[-1], n_bins, "the largest probability")
        aucs = [auc(table) for table in found.tables[:-1]]
    step = max(table.step for table in found.tables)
    return Evaluation(
        classes=names,
        positive=names[1] if K == 2 else None,
        n_rows=found.n_rows,
        weight=total,
        log_loss=loss,
        accuracy=Accuracy(
            correct, total, correct / total, share_interval(float(correct), float(total), squared)
        ),
        per_class=tuple(_class_report(names[k], k, counts, aucs[k]) for k in range(K)),
        confusion=tuple(tuple(row) for row in counts.tolist()),
        brier=brier_score,
        brier_definition="mean (proba - y)^2"
        if K == 2
        else "mean over rows of the sum over classes of (proba - y)^2",
        auc=aucs[1] if K == 2 else None,
        auc_interval=None if area is None else area.interval,
        average_precision=None if precision is None else precision.value,
        average_precision_interval=None if precision is None else _told(precision.interval),
        averages=averages([_against_rest(k, counts) for k in range(K)]) if K > 2 else None,
        average_auc=average_of_tables(found.tables[:-1], auc) if K > 2 else None,
        mean_proba=mean_proba(table) if K == 2 else None,
        observed_share=observed_share(table) if K == 2 else None,
        reliability=binned,
        calibration=calibration_report(table),
        cost=cost,
        thresholds=_threshold_reports(table, thresholds, cost) if K == 2 else (),
        score_step=step or None,
        auc_error=max(map(auc_error, found.tables)) if step else None,
    )


def _check(scores: Floats, logs: Floats, codes: NDArray[np.generic], names: tuple[str, ...]) -> None:
    K = len(names)
    if K < 2:
        raise InputError(
            f"{K} class: an evaluation needs at least two. Name every class that can be predicted."
        )
    if codes.ndim != 1:
        raise InputError(f"labels have shape {codes.shape}. Give one class code for every row.")
    shapes = ((len(codes), 1 if K == 2 else K), (len(codes), K))
    if (scores.shape, logs.shape) != shapes:
        raise InputError(
            f"eta has shape {scores.shape} and log_proba {logs.shape}. "
            f"{len(codes)} rows of {K} classes need {shapes[0]} and {shapes[1]}."
        )
    require(
        np.isin(codes, np.arange(K)), codes.astype(np.float64), "class code", f"Codes go from 0 to {K - 1}."
    )
    for name, values in (("eta", scores), ("log_proba", logs)):
        largest: Floats = np.abs(values).max(axis=1)  # nan and inf win every maximum
        require(np.isfinite(largest), largest, name, "Every number of it must be finite.")
    sums = np.exp(logs).sum(axis=1)
    require(np.abs(sums - 1) < 1e-6, sums, "sum of probabilities", "Probabilities of a row add to 1.")


def _log_odds_against_rest(logs: Floats, largest: Integers) -> Floats:
    """log(p_k / (1 - p_k)), (n, K), also where p_k is 1.0 to the last digit.

    The largest probability is set against the sum of the others; every other one is at most 1/2, where
    1 - p_k is computed without cancellation.
    """
    rows = np.arange(len(logs))
    others = logs.copy()
    others[rows, largest] = -np.inf
    second = others.max(axis=1)
    rest = second + np.log(np.exp(others - second[:, None]).sum(axis=1))
    result = others - np.log1p(-np.exp(others))
    result[rows, largest] = logs[rows, largest] - rest
    return result


def _class_report(
    label: str, k: int, counts: NDArray[np.int64 | np.float64], area: float | None
) -> ClassReport:
    against_rest = _against_rest(k, counts)
    return ClassReport(
        label=label,
        correct=against_rest.tp,
        total=against_rest.tp + against_rest.fn,
        precision=against_rest.precision,
        recall=against_rest.recall,
        f1=against_rest.f1,
        auc=area,
        undefined=against_rest.undefined,
    )


def _against_rest(k: int, counts: NDArray[np.int64 | np.float64]) -> Confusion:
    """The counts of a class against all others."""
    # Sums without the cell itself: subtracting it from the totals would leave rounding where zero is meant.
    others = np.arange(len(counts)) != k
    return Confusion(
        tp=counts[k, k].item(),
        fp=_sum(counts[others, k]),
        fn=_sum(counts[k, others]),
        tn=_sum(counts[np.ix_(others, others)]),
    )


def refuse_other_kinds(thresholds: Any, cost: Any, K: int) -> None:
    """Raise InputError where thresholds or costs are something else, or where there are K > 2 classes for them."""
    if isinstance(thresholds, str) or not isinstance(thresholds, Sequence | np.ndarray):
        raise InputError(
            f"thresholds {visible(repr(thresholds))}: give a list of probabilities, as in [0.2, 0.5]."
        )
    if not isinstance(cost, Cost | None):
        raise InputError(f"cost {visible(repr(cost))}: give an oddsmith.Cost, as in Cost(fn=120, fp=18).")
    if K > 2 and (len(thresholds) or cost is not None):
        what = "thresholds" if len(thresholds) else "costs fn and fp"
        raise InputError(
            f"{what} need two classes, and there are {K}. Leave them out, or train on one class."
        )


def _threshold_reports(
    table: ScoreTable, thresholds: Sequence[float], cost: Cost | None
) -> tuple[ThresholdReport, ...]:
    rows = [(threshold, log_odds(threshold), False) for threshold in thresholds]
    if cost is not None:
        rows.append((cost.threshold, cost.log_odds, True))
    reports = []
    for threshold, eta, analytic in rows:
        found = threshold_measures(table, threshold, eta=eta)
        counts = found.confusion
        report = ThresholdReport(
            threshold=float(threshold),
            tp=counts.tp,
            fp=counts.fp,
            fn=counts.fn,
            tn=counts.tn,
            precision=counts.precision,
            recall=counts.recall,
            specificity=counts.specificity,
            f1=counts.f1,
            precision_interval=found.precision.interval,
            recall_interval=found.recall.interval,
            specificity_interval=found.specificity.interval,
            f1_interval=found.f1.interval,
            net_benefit=net_benefit(counts, threshold) if threshold < 1.0 else None,
            cost=cost.total(counts) if cost is not None else None,
            analytic=analytic,
            undefined=found.undefined,
        )
        reports.append(report)
    return tuple(reports)


def _told(interval: Interval) -> Interval | None:
    """A bootstrap's interval, unless its resamples are all the same."""
    return interval if interval.low < interval.high else None


def _sum(counts: NDArray[np.int64 | np.float64]) -> Count:
    total: Count = counts.sum().item()
    return total
