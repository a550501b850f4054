"""The headline figures of an audit, with intervals and verdicts: fit, ranking, calibration, policy, sample size.

    fit           the coefficients are an optimum
    ranking       AUC above its bar; of K classes each against the rest, the least of them
    calibration   smooth ECE below its bar
    policy        costs a case less than the best single action; recall at least its bar, where one was asked for
    sample size   as many events, and as many positives, as the others take

Below `SMALL` events no interval of resampled rows is worth its level, so nothing is judged by one. The bounds of recall
are exact, and each holds on its own, as in a certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import numpy as np

from oddsmith.decision import binomial
from oddsmith.errors import counted, visible
from oddsmith.evaluate.calibration_report import MEDIUM, SMALL, CalibrationReport, calibration_report
from oddsmith.evaluate.intervals import Estimate, Interval
from oddsmith.evaluate.score_table import Floats, Integers
from oddsmith.evaluate.smooth import FEWEST_POINTS, own_error
from oddsmith.evidence.acting import Acting
from oddsmith.evidence.estimates import auc_of_rows, mean_estimate, number_of_units, share_estimate
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.verdicts import Bars, Verdict, judged, percent, shown, undecided
from oddsmith.fit.losses import expit

RECALLS = (0.90, 0.95, 0.99)
RESAMPLES = 200
"""Of the smooth ECE: each costs two searches for a bandwidth."""

Status = Literal["converged", "iteration_limit", "no_finite_optimum", "unknown"]


class FitFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the fit ended."""

    status: Status
    message: str
    """The solver's own sentence."""


class ClassRanking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well the scores tell a class from the rest."""

    label: str
    auc: Estimate | None
    """None unless the class and another one occur."""


class Ranking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By the raw scores. Two classes have one entry, of the second; of K the intervals hold together."""

    classes: tuple[ClassRanking, ...]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether the probabilities mean what they say."""

    of: str
    """Which probability."""
    log_loss: Estimate | None
    """Mean, in nats, over all classes; None of fewer than two units."""
    report: CalibrationReport
    note: str
    """What its intervals take for granted; else empty."""


class RecallNeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Positives that it takes to prove a recall when none of them is missed."""

    recall: float
    needed: int
    enough: bool


class SampleSize(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What there is, and what it takes."""

    n_rows: int
    n_groups: int | None
    """None where each row stands for itself."""
    class_counts: tuple[int, ...]
    events: float
    """Units of the rarest class: rows, their effective number where weights differ, or groups."""
    events_needed: int
    """For a narrow measure of calibration."""
    positives: float | None
    """Units of the second of two classes; None of more."""
    recall: tuple[RecallNeed, ...]
    """Two classes."""


def fit_verdict(fit: FitFacts) -> Verdict:
    """PASS where the fit converged, FAIL where it did not."""
    told = visible(fit.message.rstrip("."), 400)
    if fit.status == "unknown":
        return undecided("fit", f"How the fit ended is not known: {told}.")
    return Verdict(
        name="fit",
        verdict="PASS" if fit.status == "converged" else "FAIL",
        estimate=None,
        interval=None,
        bar=None,
        needed=None,
        sentence=f"The fit: {told}.",
    )


def ranking_of(rows: AuditRows, classes: Sequence[str], level: float) -> Ranking:
    """The AUC of the second of two classes, or of each against the rest."""
    K = rows.n_classes
    if K == 2:
        return Ranking(
            (ClassRanking(classes[1], auc_of_rows(rows.eta, rows.y, rows.weight, rows.units, level)),)
        )
    each = 1.0 - (1.0 - level) / K
    return Ranking(
        tuple(
            ClassRanking(
                label,
                auc_of_rows(rows.eta[:, k], (rows.y == k).astype(np.int64), rows.weight, rows.units, each),
            )
            for k, label in enumerate(classes)
        )
    )


def ranking_verdict(ranking: Ranking, rows: AuditRows, bars: Bars) -> Verdict:
    """On the class whose interval reaches lowest."""
    found = [(entry.label, entry.auc) for entry in ranking.classes if entry.auc is not None]
    if len(found) < len(ranking.classes):
        absent = next(entry.label for entry in ranking.classes if entry.auc is None)
        return undecided(
            "ranking",
            f"No AUC: it takes rows with and without '{visible(absent)}', and here are only one kind.",
            bar=bars.auc,
        )
    label, area = min(found, key=lambda entry: entry[1].interval.low)
    said = "AUC" if len(found) == 1 else f"The AUC of '{visible(label)}', the least sure of {len(found)},"
    if (events := _events(rows, rows.y, range(rows.n_classes))) < SMALL:
        return _too_few("ranking", said, area, bars.auc, events)
    n, noun = _units(rows)
    return judged("ranking", said, area.value, area.interval, "above", bars.auc, n, noun)


def calibration_of(rows: AuditRows, classes: Sequence[str], level: float, seed: int) -> Calibration:
    """What so many events bear, of the second of two classes or of the call."""
    report = calibration_report(rows.table(), level=level, n_resamples=RESAMPLES, seed=seed)
    note = ""
    if rows.units is not None:
        note = "Slope, intercept, test and curve take rows for independent, which those of a group are not."
        if report.smooth_ece is not None:
            interval = _smooth_ece_by_group(rows, report.smooth_ece.value, level, seed)
            smooth = msgspec.structs.replace(report.smooth_ece, interval=interval)
            report = msgspec.structs.replace(report, smooth_ece=smooth)
    second = f"the probability of '{visible(classes[1])}'"
    return Calibration(
        of=second if rows.n_classes == 2 else "the largest probability, against whether that class was right",
        log_loss=mean_estimate(rows.losses, rows.weight, rows.units, level, least=0.0),
        report=report,
        note=note,
    )


def calibration_verdict(calibration: Calibration, rows: AuditRows, bars: Bars) -> Verdict:
    """On the smooth ECE."""
    report, smooth = calibration.report, calibration.report.smooth_ece
    events = _events(rows, rows.call[1], (0, 1))
    if smooth is None or events < MEDIUM:
        ratio = report.observed_expected
        told = ""
        if ratio.ratio is not None and ratio.interval is not None:
            told = (
                f" Events over those expected: {shown(ratio.ratio)} ({percent(ratio.interval.level)} interval "
                f"{shown(ratio.interval.low)} to {shown(ratio.interval.high)})."
            )
        return undecided(
            "calibration",
            f"{_number(events)} of the rarer class: a narrow measure of calibration takes {MEDIUM}.{told}",
            bar=bars.smooth_ece,
            needed=MEDIUM,
        )
    n, noun = _units(rows)
    return judged(
        "calibration", "Smooth ECE", smooth.value, smooth.interval, "below", bars.smooth_ece, n, noun
    )


def policy_verdicts(acting: Acting | None, rows: AuditRows, bars: Bars) -> list[Verdict]:
    """On the cost against the best single action, and on the recall where it was asked for."""
    found = []
    if acting is not None and acting.best_single is not None and acting.cost is not None:
        best = acting.best_single
        said = (
            f"A case costs {shown(acting.cost.value)}, with {best.name} {shown(best.cost)}: a difference of"
        )
        if (events := _events(rows, rows.y, range(rows.n_classes))) < SMALL:
            verdict = _too_few("policy", said, Estimate(best.difference, None, best.interval), 0.0, events)
        else:
            n, noun = _units(rows)
            verdict = judged("policy", said, best.difference, best.interval, "below", 0.0, n, noun)
        found.append(verdict)
    if bars.recall is not None:
        found.append(_recall_verdict(acting, rows, bars, bars.recall))
    return found


def sample_size_of(rows: AuditRows, confidence: float) -> SampleSize:
    """Counts, and the positives that proofs of recall take."""
    positives, needs = None, list[RecallNeed]()
    if rows.n_classes == 2:
        positives = _events(rows, rows.y, (1,))
        needs = [_need(recall, confidence, positives) for recall in RECALLS]
    return SampleSize(
        n_rows=rows.n,
        n_groups=None if rows.units is None else int(rows.units.max()) + 1,
        class_counts=tuple(np.bincount(rows.y, minlength=rows.n_classes).tolist()),
        events=_events(rows, rows.y, range(rows.n_classes)),
        events_needed=MEDIUM,
        positives=positives,
        recall=tuple(needs),
    )


def sample_size_verdict(found: SampleSize, bars: Bars, classes: Sequence[str]) -> Verdict:
    """PASS where there are as many events as calibration takes, and as many positives as the recall that is asked.

    Recalls that the positives could prove are not listed.
    """
    has = [f"{counted(found.n_rows, 'row')}"]
    if found.n_groups is not None:
        has.append(f"in {counted(found.n_groups, 'group')}")
    sentence = f"{' '.join(has)}, {_number(found.events)} of the rarest class; calibration takes {MEDIUM}."
    enough = found.events >= MEDIUM
    needed = MEDIUM
    if found.positives is not None:
        needs = list(found.recall)
        if bars.recall is not None:
            asked = _need(bars.recall, bars.confidence, found.positives)
            enough, needed = enough and asked.enough, max(needed, asked.needed)
            needs += [] if asked in needs else [asked]
        lacking = [need for need in sorted(needs, key=lambda need: need.recall) if not need.enough]
        if lacking:
            listed = ", ".join(f"{_recall(need.recall)} takes {need.needed:,}" for need in lacking)
            sentence += (
                f" Even without a miss, at {percent(bars.confidence)} confidence a recall of {listed} positives; "
                f"there are {_amount(found.positives)} of '{visible(classes[1])}'"
                + ("." if found.n_groups is None else ", counted as groups.")
            )
    if enough:
        return Verdict(
            name="sample size",
            verdict="PASS",
            estimate=float(found.events),
            interval=None,
            bar=float(needed),
            needed=None,
            sentence=sentence,
        )
    return undecided("sample size", sentence, estimate=float(found.events), bar=float(needed), needed=needed)


def _recall_verdict(acting: Acting | None, rows: AuditRows, bars: Bars, bar: float) -> Verdict:
    if acting is None:
        return undecided(
            "recall", f"A recall of {shown(bar)} was asked for, but the model carries no policy.", bar=bar
        )
    needed = binomial.trials_needed(bar, bars.confidence)
    weight, groups = _of_class(rows, 1)
    if acting.recall is None:
        return undecided("recall", "No row is positive, so there is no recall.", bar=bar, needed=needed)
    # Both ends of an interval at 2 c - 1 are bounds at c.
    caught = np.asarray(rows.actions)[rows.y == 1] > 0
    estimate = share_estimate(caught, weight, groups, 2.0 * bars.confidence - 1.0)
    assert estimate is not None
    interval = msgspec.structs.replace(
        estimate.interval, level=bars.confidence, method=f"{estimate.interval.method}, one-sided bounds"
    )
    units = number_of_units(weight, groups)
    found = judged("recall", "Recall", estimate.value, interval, "at least", bar, units, "positives")
    if found.verdict != "INSUFFICIENT":
        return found
    # Fewer could show that it is below; to show that it is not, even a flawless policy takes as many.
    if estimate.value < 1.0:
        needed = max(needed, found.needed or 1)
    sentence = (
        f"Recall {shown(estimate.value)} ({percent(interval.level)} bounds {shown(interval.low)} to "
        f"{shown(interval.high)}): only part of it is at least {shown(bar)}; to tell takes {needed:,} positives "
        f"or more, and there are {round(units):,}."
    )
    return msgspec.structs.replace(found, needed=needed, sentence=sentence)


def _need(recall: float, confidence: float, positives: float) -> RecallNeed:
    needed = binomial.trials_needed(recall, confidence)
    return RecallNeed(recall, needed, positives >= needed - 1e-9)


def _too_few(name: str, said: str, estimate: Estimate, bar: float, events: float) -> Verdict:
    interval = estimate.interval
    sentence = (
        f"{said} {shown(estimate.value)} ({percent(interval.level)} interval {shown(interval.low)} to "
        f"{shown(interval.high)}): {_number(events)} of the rarest class; below {SMALL} nothing is judged."
    )
    return undecided(name, sentence, estimate=estimate.value, interval=interval, bar=bar, needed=SMALL)


def _events(rows: AuditRows, labels: Integers, classes: Iterable[int]) -> float:
    """Effective number of units of the rarest of some classes."""
    found = []
    for k in classes:
        inside = labels == k
        groups = None if rows.units is None else rows.units[inside]
        found.append(number_of_units(rows.weight[inside], groups) if inside.any() else 0.0)
    return min(found)


def _units(rows: AuditRows) -> tuple[int, str]:
    return (rows.n, "rows") if rows.units is None else (int(rows.units.max()) + 1, "groups")


def _of_class(rows: AuditRows, k: int) -> tuple[Floats, Integers | None]:
    inside = rows.y == k
    return rows.weight[inside], None if rows.units is None else rows.units[inside]


def _number(events: float) -> str:
    told = _amount(events)
    return f"{told} event{'' if told == '1' else 's'}"


def _amount(number: float) -> str:
    """Whole where it is."""
    whole = round(number)
    return f"{whole:,}" if abs(number - whole) < 1e-6 else f"{number:,.1f}"


def _recall(share: float) -> str:
    """With two digits behind the point, or with all that it has."""
    return max(f"{share:.2f}", f"{share:.6g}", key=len)


def _smooth_ece_by_group(rows: AuditRows, value: float, level: float, seed: int) -> Interval:
    """As `smooth_ece`, with whole groups drawn by a Bayesian bootstrap."""
    (eta, happened), M = rows.call, FEWEST_POINTS
    assert rows.units is not None
    place = expit(eta) * M
    left = np.minimum(place.astype(np.int64), M - 1)
    part = place - left
    residual = rows.weight * np.where(happened == 1, expit(-eta), -expit(eta))

    def masses(multiple: Floats) -> Floats:
        surplus = multiple * residual / float(multiple @ rows.weight)
        at_left = np.bincount(left, weights=(1.0 - part) * surplus, minlength=M + 1)
        return np.asarray(at_left + np.bincount(left + 1, weights=part * surplus, minlength=M + 1))

    draws, G = np.random.default_rng(seed), int(rows.units.max()) + 1
    sample, found = masses(np.ones(rows.n)), np.empty((2, RESAMPLES))
    for b in range(RESAMPLES):
        resample = masses(draws.standard_exponential(G)[rows.units])
        found[:, b] = own_error(resample, 1e-3), own_error(resample - sample, 1e-3)
    upper, noise = np.quantile(found, (1.0 + level) / 2, axis=1)
    return Interval(
        max(0.0, value - float(noise)), max(value, float(upper)), level, "Bayesian bootstrap of the groups"
    )
