"""Are the audit rows like the rows that the model was trained on?

    term      d = (mean in audit - mean in training) / deviation in training
              variance   1 / n_train + (deviation in audit / deviation in training)^2 / n_audit
    class     share in audit - share in training, Newcombe's interval of a difference
    scores    D = largest distance of both distribution functions (Kolmogorov and Smirnov)
              chance reaches sqrt(ln(2 / (1 - level)) / 2 * (1 / n + 1 / m)) in one of 1 / (1 - level) cases at most

The intervals of p terms hold together: each has the level 1 - (1 - level) / p (Bonferroni). The bound on D is that of
continuous scores, and holds for tied ones all the more. Drift is told, not judged: a model may bear it.

Sources: Newcombe (1998), method 10, for the difference; Smirnov (1948) for D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from oddsmith.errors import InputError, visible
from oddsmith.evaluate.intervals import Estimate, Interval, effective_number, wilson_interval, z_score
from oddsmith.evaluate.score_table import Floats, ScoreTable

MOST_TERMS = 20
"""Terms that are listed, those that moved most first."""


@dataclass(frozen=True, eq=False)
class DriftInputs:
    """What is known of both roles; arrays (p,) of the design's terms, (K,) of the classes."""

    terms: Sequence[str]
    train_mean: Floats
    train_scale: Floats
    """Deviations, positive; the unit of every difference."""
    train_rows: float
    audit_mean: Floats
    audit_rows: float
    """Units: rows, their effective number where weights differ, or groups."""
    train_counts: Sequence[float]
    """Rows of each class."""
    audit_counts: Sequence[float]
    audit_scale: Floats | None = None
    """Deviations; None where they are not known, and are taken to be those of training."""
    train_scores: ScoreTable | None = None
    audit_scores: ScoreTable | None = None


class TermDrift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the mean of a term has moved, in deviations of the training rows."""

    term: str
    difference: float
    interval: Interval


class ClassDrift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of a class."""

    label: str
    train: float
    audit: float
    interval: Interval
    """Of the difference, audit less training."""


class ScoreDrift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How differently the scores are distributed."""

    distance: float
    """The largest difference of the shares below a score."""
    at: float
    """The log-odds where it is."""
    by_chance: float
    """What rows of one distribution reach in one case of twenty, at a level of 95%."""


class Drift(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What moved between training and audit."""

    terms: tuple[TermDrift, ...]
    """The largest differences first."""
    n_terms: int
    """All terms; those that are not listed moved less."""
    n_moved: int
    """Terms whose interval leaves out 0."""
    classes: tuple[ClassDrift, ...]
    scores: ScoreDrift | None
    sentence: str


def drift(given: DriftInputs, classes: Sequence[str], level: float = 0.95) -> Drift:
    """What moved, and which term most.

    Raises:
        InputError: shapes disagree, a deviation is not positive, or there are no rows of one role.
    """
    _check(given, classes)
    terms, moved = _terms(given, level)
    of_train, of_audit = math.fsum(given.train_counts), math.fsum(given.audit_counts)
    each = tuple(
        ClassDrift(
            label,
            float(trained) / of_train,
            float(audited) / of_audit,
            share_difference(float(trained), of_train, float(audited), of_audit, level),
        )
        for label, trained, audited in zip(classes, given.train_counts, given.audit_counts, strict=True)
    )
    scores = None
    if given.train_scores is not None and given.audit_scores is not None:
        scores = score_drift(given.train_scores, given.audit_scores, level)
    return Drift(
        terms=terms,
        n_terms=len(given.terms),
        n_moved=moved,
        classes=each,
        scores=scores,
        sentence=" ".join(
            [_of_terms(terms, moved, len(given.terms)), _of_classes(each), *_of_scores(scores)]
        ),
    )


def score_drift(train: ScoreTable, audit: ScoreTable, level: float = 0.95) -> ScoreDrift:
    """The distance of two distributions of scores, weighted.

    Raises:
        InputError: a table is empty.
    """
    if not (len(train.eta) and len(audit.eta)):
        raise InputError("no scores to compare: give at least one row of both roles.")
    ends = np.union1d(train.eta, audit.eta)
    below = []
    for table in (train, audit):
        share = np.cumsum(table.weight_positive + table.weight_negative) / table.weight
        below.append(np.append(0.0, share)[np.searchsorted(table.eta, ends, side="right")])
    gap = np.abs(below[0] - below[1])
    at = int(gap.argmax())
    numbers = [
        effective_number(
            table.weight, float((table.squared_weight_positive + table.squared_weight_negative).sum())
        )
        for table in (train, audit)
    ]
    chance = math.sqrt(math.log(2.0 / (1.0 - level)) / 2.0 * sum(1.0 / number for number in numbers))
    return ScoreDrift(float(gap[at]), float(ends[at]), min(1.0, chance))


def share_difference(k_train: float, train: float, k_audit: float, audit: float, level: float) -> Interval:
    """Newcombe's interval of the share k_audit / audit less k_train / train."""
    one, other = wilson_interval(k_train, train, level), wilson_interval(k_audit, audit, level)
    p, q = k_train / train, k_audit / audit
    low = q - p - math.hypot(q - other.low, one.high - p)
    high = q - p + math.hypot(other.high - q, p - one.low)
    return Interval(low, high, level, "square-and-add of Wilson")


def _terms(given: DriftInputs, level: float) -> tuple[tuple[TermDrift, ...], int]:
    p = len(given.terms)
    if not p:
        return (), 0
    each = 1.0 - (1.0 - level) / p
    difference = (given.audit_mean - given.train_mean) / given.train_scale
    relative = np.ones(p) if given.audit_scale is None else given.audit_scale / given.train_scale
    error = np.sqrt(1.0 / given.train_rows + relative**2 / given.audit_rows)
    estimates = [
        Estimate(value, spread, Interval(value - half, value + half, each, f"normal, one of {p:,} together"))
        for value, spread, half in zip(
            difference.tolist(), error.tolist(), (z_score((1.0 - each) / 2) * error).tolist(), strict=True
        )
    ]
    order = np.argsort(-np.abs(difference), kind="stable")[:MOST_TERMS]
    moved = sum(not found.interval.low <= 0.0 <= found.interval.high for found in estimates)
    return tuple(TermDrift(given.terms[j], estimates[j].value, estimates[j].interval) for j in order), moved


def _check(given: DriftInputs, classes: Sequence[str]) -> None:
    p, K = len(given.terms), len(classes)
    audit_scale = given.train_scale if given.audit_scale is None else given.audit_scale
    arrays = (given.train_mean, given.train_scale, given.audit_mean, audit_scale)
    if any(np.shape(array) != (p,) for array in arrays):
        raise InputError(f"drift: give a mean and a deviation of each role for each of the {p} terms.")
    if len(given.train_counts) != K or len(given.audit_counts) != K:
        raise InputError(f"drift: give the number of rows of each of the {K} classes, in both roles.")
    if not (
        given.train_rows > 0
        and given.audit_rows > 0
        and math.fsum(given.train_counts)
        and math.fsum(given.audit_counts)
    ):
        raise InputError("drift: no rows of one role. Give the rows of both, or leave drift out.")
    if not (np.isfinite(arrays).all() and (given.train_scale > 0).all() and (audit_scale >= 0).all()):
        raise InputError(
            "drift: means are finite, and deviations of training rows positive. Drop constant terms."
        )


def _of_terms(terms: Sequence[TermDrift], moved: int, p: int) -> str:
    if not terms:
        return "There are no terms."
    first = terms[0]
    told = f"'{visible(first.term)}' moved most, by {first.difference:+.2f} training deviations"
    span = f"({first.interval.low:+.2f} to {first.interval.high:+.2f})"
    if not moved:
        return f"{told} {span}: no term moved further than chance explains."
    return f"{told} {span}; {moved:,} of {p:,} terms moved further than chance explains."


def _of_classes(classes: Sequence[ClassDrift]) -> str:
    most = max(classes, key=lambda found: abs(found.audit - found.train))
    apart = not most.interval.low <= 0.0 <= most.interval.high
    told = f"The share of '{visible(most.label)}' is {most.audit:.3f}, in training {most.train:.3f}"
    return told + (
        ": further apart than chance explains." if apart else ", no further apart than chance explains."
    )


def _of_scores(scores: ScoreDrift | None) -> list[str]:
    if scores is None:
        return []
    beyond = "more than" if scores.distance > scores.by_chance else "within"
    return [
        f"The distributions of scores are {scores.distance:.3f} apart, {beyond} the {scores.by_chance:.3f} "
        "that chance explains."
    ]
