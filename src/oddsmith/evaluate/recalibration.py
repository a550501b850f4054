"""Are the log-odds right on average, and right in spread? The logistic regression of the labels on them.

    logit P(y = 1) = intercept + eta               intercept 0: as many positives as the scores expect
    logit P(y = 1) = level + slope eta             slope 1: neither too bold (below) nor too timid (above)

    interval    the b with 2 (logL(best) - logL(b, the other parameter at its best)) <= d chi2(level; 1 df)

The profile of a concave log-likelihood is concave: Newton's steps to either end come from outside and can't miss it.

Of rows of unequal weight the weighted log-likelihood is maximised, and its differences are measured in d, the ratio
of the sandwich variance to the inverse curvature:

    d = sum w^2 p (1 - p) x^2 / sum w p (1 - p) x^2        x: the column, less what the other parameter explains

So a weight is how much a row counts, not how often it was seen: rows that all weigh 2 tell what as many of weight 1
tell.

Sources: Cox (1958), Two further applications of a model for binary regression; Rao and Scott (1984) for d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from oddsmith.evaluate.intervals import Estimate, Interval, require_level
from oddsmith.evaluate.score_table import Floats, ScoreTable, require_rows

FAR = 1e15
"""Log-odds beyond which all are one."""
DOUBT = 1e-20
"""The summed p (1 - p) below which nothing is to be learnt: scores of 46 and more, all of them right."""
MOST_STEPS = 200
ARRIVED, NEARBY = 1e-20, 1e-12
"""Newton decrements, in units of one row's log-likelihood, that end a search, and one within a search."""
NEAR_END = 1e-6
"""The last step to an end, in units of its distance; it leaves its square."""
FARTHER = 10.0
"""How many times as far a step may lead, where the log-likelihood is all but flat."""

ONE_CLASS = "all rows are {}: recalibration needs both classes."
ONE_SCORE = "all rows have one score: no slope can be fitted through it."
SEPARATED = "the scores separate the classes: a steeper slope would fit better without end."
BACKWARDS = "the scores separate the classes the wrong way round: a slope further below 0 would fit better without end."
CERTAIN = "the scores are so far out that no row is in doubt: one {} fits as well as another."


class Recalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Calibration intercept and slope, in log-odds and in log-odds per log-odds."""

    intercept: Estimate | None
    """With the slope held at 1; above 0 where there are more positives than the scores expect."""
    slope: Estimate | None
    """Beside an intercept of its own."""
    no_intercept: str | None = None
    """Why there is none, in a sentence."""
    no_slope: str | None = None


def recalibration(table: ScoreTable, level: float = 0.95) -> Recalibration:
    """Intercept and slope with standard errors and profile-likelihood intervals.

    Raises:
        InputError: the table is empty, or `level` does not lie between 0 and 1.
    """
    require_rows(table)
    require_level(level)
    eta = np.clip(table.eta, -FAR, FAR)
    positive, negative = eta[table.count_positive > 0], eta[table.count_negative > 0]
    if not (len(positive) and len(negative)):
        sentence = ONE_CLASS.format("positive" if len(positive) else "negative")
        return Recalibration(intercept=None, slope=None, no_intercept=sentence, no_slope=sentence)
    labels = _Labels.of(table)
    intercept = _estimate(_Intercept(labels, eta), level)
    no_slope, slope = _no_slope(positive, negative), None
    if no_slope is None:
        slope = _estimate(_Slope(labels, eta), level)
        no_slope = None if slope else CERTAIN.format("slope")
    no_intercept = None if intercept else CERTAIN.format("intercept")
    return Recalibration(intercept=intercept, slope=slope, no_intercept=no_intercept, no_slope=no_slope)


def _no_slope(positive: Floats, negative: Floats) -> str | None:
    """Why no finite slope is the best one, of the rising scores of both classes; None where one is.

    Source: Albert and Anderson (1984), for one column.
    """
    if positive[0] == positive[-1] == negative[0] == negative[-1]:
        return ONE_SCORE
    if positive[0] >= negative[-1]:
        return SEPARATED
    return BACKWARDS if positive[-1] <= negative[0] else None


@dataclass(frozen=True)
class _Labels:
    """Summed weights and squared weights (m,) at each score, in units in which a row weighs 1 on average."""

    positive: Floats
    negative: Floats
    weight: Floats
    squared: Floats

    @classmethod
    def of(cls, table: ScoreTable) -> _Labels:
        unit = table.weight / table.n_rows
        positive, negative = table.weight_positive / unit, table.weight_negative / unit
        squared = (table.squared_weight_positive + table.squared_weight_negative) / unit / unit
        return cls(positive, negative, positive + negative, squared)

    def log_likelihood(self, eta: Floats) -> tuple[float, Floats, Floats]:
        """The log-likelihood of log-odds (m,), its derivatives in them, and the p (1 - p) of each."""
        power = np.exp(-np.abs(eta))
        less = power / (1.0 + power)
        more, low = 1.0 - less, eta < 0.0
        # Of each score, the labels that it is against, and those that it is for.
        against, of = np.where(low, self.positive, self.negative), np.where(low, self.negative, self.positive)
        loss = self.weight @ np.log1p(power) + against @ np.abs(eta)
        residual = against * more - of * less
        return -float(loss), np.where(low, residual, -residual), more * less

    def best_level(self, offset: Floats, start: float) -> tuple[float, float, Floats, Floats]:
        """The intercept that fits best beside an offset (m,), nearly, and what `log_likelihood` says there."""
        level, low, high = start, -math.inf, math.inf
        for _ in range(MOST_STEPS):
            value, residual, doubt = self.log_likelihood(level + offset)
            slope, bend = float(residual.sum()), float(self.weight @ doubt)
            if slope**2 <= NEARBY * bend:
                break
            low, high = (level, high) if slope > 0.0 else (low, level)
            level = _nearer(level, slope, bend, low, high)
        return level, value, residual, doubt


@dataclass(frozen=True)
class _Point:
    """A profile log-likelihood at `at`: its value, its slope and what it bends down by."""

    at: float
    value: float
    slope: float
    bend: float
    effect: float
    """d, the design effect."""
    doubt: float
    """The summed p (1 - p)."""
    level: float = 0.0
    drift: float = 0.0
    """The other parameter at its best, and how fast that moves."""


@dataclass(frozen=True)
class _Intercept:
    """The log-likelihood of an intercept beside the scores (m,)."""

    labels: _Labels
    eta: Floats
    start: float = 0.0

    def at(self, at: float, near: _Point | None = None) -> _Point:
        value, residual, doubt = self.labels.log_likelihood(at + self.eta)
        bend = float(self.labels.weight @ doubt)
        effect = float(self.labels.squared @ doubt) / bend if bend > 0.0 else 1.0
        return _Point(at, value, float(residual.sum()), bend, effect, bend)


@dataclass(frozen=True)
class _Slope:
    """The log-likelihood of a slope on the scores (m,), with an intercept at its best beside it."""

    labels: _Labels
    eta: Floats
    start: float = 1.0

    def at(self, at: float, near: _Point | None = None) -> _Point:
        level = near.level + near.drift * (at - near.at) if near else 0.0
        level, value, residual, doubt = self.labels.best_level(at * self.eta, level)
        weight = self.labels.weight * doubt
        total = float(weight.sum())
        if not total > 0.0:
            return _Point(at, value, float(residual @ self.eta), 0.0, 1.0, 0.0, level)
        # Less its mean, the column has nothing to do with the intercept, whose own error costs its square only.
        mean = float(weight @ self.eta) / total
        column = self.eta - mean
        bend = float(weight @ column**2)
        effect = float((self.labels.squared * doubt) @ column**2) / bend if bend > 0.0 else 1.0
        value += 0.5 * float(residual.sum()) ** 2 / total
        return _Point(at, value, float(residual @ column), bend, effect, total, level, -mean)


def _nearer(now: float, slope: float, bend: float, low: float, high: float) -> float:
    """A step towards the top of a concave function: Newton's, or half of what is left between `low` and `high`."""
    most = FARTHER * (1.0 + abs(now))
    step = slope / bend if abs(slope) < most * bend else math.copysign(most, slope)
    return now + step if low < now + step < high else 0.5 * low + 0.5 * high


def _best(profile: _Intercept | _Slope) -> _Point:
    """The top of a concave function."""
    now, low, high = profile.at(profile.start), -math.inf, math.inf
    for _ in range(MOST_STEPS):
        if now.slope**2 <= ARRIVED * now.bend:
            break
        low, high = (now.at, high) if now.slope > 0.0 else (low, now.at)
        now = profile.at(_nearer(now.at, now.slope, now.bend, low, high), now)
    return now


def _estimate(profile: _Intercept | _Slope, level: float) -> Estimate | None:
    """The parameter, its standard error and its interval; None where nothing tells one value from another."""
    from scipy.special import chdtri

    best = _best(profile)
    if not (best.doubt > DOUBT and best.bend > 0.0):
        return None
    drop = 0.5 * best.effect * float(chdtri(1, 1.0 - level))
    low, high = (_end(profile, best, drop, sign) for sign in (-1.0, 1.0))
    alike = math.isclose(best.effect, 1.0, rel_tol=1e-12)
    method = "profile likelihood" if alike else "profile likelihood, weighted"
    return Estimate(best.at, math.sqrt(best.effect / best.bend), Interval(low, high, level, method))


def _end(profile: _Intercept | _Slope, best: _Point, drop: float, sign: float) -> float:
    """Where, in the direction `sign` from its top, a concave function is lower by `drop`."""
    away, now = math.sqrt(2.0 * drop / best.bend), best
    for _ in range(MOST_STEPS):
        now = profile.at(best.at + sign * away, now)
        above, fall = now.value - best.value + drop, -sign * now.slope
        farther = away + above / fall if above < FARTHER * away * fall else FARTHER * away
        if abs(farther - away) <= NEAR_END * away:
            return best.at + sign * farther
        away = farther
    return best.at + sign * away
