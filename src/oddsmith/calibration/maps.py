"""Calibration maps as plain data: log-odds in, calibrated log-odds out.

    identity      eta
    platt         slope eta + intercept
    temperature   eta / temperature
    beta          a log p - b log(1 - p) + c            p = expit(eta)
    isotonic      linear between knots, flat beyond the first and the last
    venn-abers    log p1 - log(1 - p0)                  the odds of p1 / (1 - p0 + p1)
    prior-shift   eta + logit(after) - logit(before)

Each is finite for every finite eta and never falls, so that a decision is still the comparison of two log-odds;
beta alone holds this but for the last digits of its logarithm. A row's result doesn't depend on its neighbours, to
the bit.

Isotonic and Venn-Abers maps make ties: whoever ranks, ranks the scores that went in. The others make none but by
rounding. That is what `makes_ties` says.

Sources: Platt (1999); Guo, Pleiss, Sun and Weinberger (2017) for temperature; Kull, Silva Filho and Flach (2017) for
beta; Zadrozny and Elkan (2002) for isotonic; Vovk, Petej and Fedorova (2015) for Venn-Abers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.data.block import Floats
from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import require

FARTHEST = 1e15
"""Log-odds beyond this, either way, are nothing that a map is learned from."""
_LARGEST = float(np.finfo(np.float64).max)
AGAIN = "Learn the map again."


class _Map(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method"):
    """A map; fields that are not listed are refused.

    Each has `log_odds`: calibrated log-odds (n,) of finite, contiguous log-odds (n,), infinite where they leave the doubles.
    """

    makes_ties: ClassVar[bool] = False

    @property
    def method(self) -> str:
        """What the map is called in a file."""
        return str(self.__struct_config__.tag)


class Identity(_Map, frozen=True, tag="identity"):
    """Scores that are probabilities already."""

    def log_odds(self, eta: Floats) -> Floats:
        """The same."""
        return eta


class Platt(_Map, frozen=True, tag="platt"):
    """A straight line in the log-odds."""

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        _require_positive(self, slope=self.slope)
        _require_finite(self, intercept=self.intercept)

    def log_odds(self, eta: Floats) -> Floats:
        """slope eta + intercept."""
        return self.slope * eta + self.intercept


class Temperature(_Map, frozen=True, tag="temperature"):
    """Log-odds, or the logits of a softmax, divided by one number: above 1 where a model is too sure of itself."""

    temperature: float

    def __post_init__(self) -> None:
        _require_positive(self, temperature=self.temperature)

    def log_odds(self, eta: Floats) -> Floats:
        """eta / temperature."""
        return eta / self.temperature


class Beta(_Map, frozen=True, tag="beta"):
    """The odds of two beta densities: `a` bends the map below p = 1/2 and `b` above.

    With a = b it is a straight line. Where one is 0 the map is nearly flat on its side, and far out to the last digit.
    """

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        _require_finite(self, a=self.a, b=self.b, c=self.c)
        if min(self.a, self.b) < 0.0 or max(self.a, self.b) == 0.0:
            raise InputError(
                f"beta map: a {self.a!r} and b {self.b!r}: not two numbers from 0 up, one of them positive. {AGAIN}"
            )

    def log_odds(self, eta: Floats) -> Floats:
        """a log p - b log(1 - p) + c, where the nearer of the logarithms is log(1 + exp(-|eta|))."""
        near = np.log1p(np.exp(-np.abs(eta)))
        return np.where(eta < 0.0, self.a, self.b) * eta + (self.b - self.a) * near + self.c


class Isotonic(_Map, frozen=True, tag="isotonic"):
    """Straight between knots (eta, calibrated log-odds), and flat beyond the first and the last.

    Straight in log-odds, not in probabilities: so the map never falls, to the bit, and no logarithm is taken.
    """

    makes_ties: ClassVar[bool] = True
    knots: list[float]
    """Rising; at most `FARTHEST` from 0."""
    values: list[float]
    """One a knot, never falling; at most `FARTHEST` from 0."""

    def __post_init__(self) -> None:
        _require_knots(self, "knots", self.knots)
        _require_values(self, "values", self.values, len(self.knots), -FARTHEST, FARTHEST)
        if len(self.knots) < 2 or self.values[0] == self.values[-1]:
            raise InputError(f"isotonic map: it is flat. {AGAIN}")

    def log_odds(self, eta: Floats) -> Floats:
        """Between the values of the two knots around eta, never beyond the upper one by rounding."""
        knots, values = np.array(self.knots), np.array(self.values)
        inside = np.clip(eta, knots[0], knots[-1])
        place = np.minimum(np.searchsorted(knots, inside, side="right"), len(knots) - 1)
        low, high = values[place - 1], values[place]
        part = (inside - knots[place - 1]) / (knots[place] - knots[place - 1])
        return np.asarray(np.minimum(low + part * (high - low), high))


class VennAbers(_Map, frozen=True, tag="venn-abers"):
    """Two isotonic regressions for every score, one with the row itself as a negative and one as a positive.

    p0(eta) is that of the last p0_knot up to eta, and 0 before the first; p1(eta) that of the first p1_knot from eta
    on, and 1 after the last.
    """

    makes_ties: ClassVar[bool] = True
    p0_knots: list[float]
    p0: list[float]
    p1_knots: list[float]
    p1: list[float]

    def __post_init__(self) -> None:
        _require_knots(self, "p0_knots", self.p0_knots)
        _require_knots(self, "p1_knots", self.p1_knots)
        _require_values(self, "p0", self.p0, len(self.p0_knots), 0.0, math.nextafter(1.0, 0.0))
        _require_values(self, "p1", self.p1, len(self.p1_knots), math.ulp(0.0), 1.0)
        low, high = self.interval(np.array(self.p0_knots))
        if not (low <= high).all():
            raise InputError(f"venn-abers map: p0 is above p1. {AGAIN}")

    def interval(self, eta: Floats) -> tuple[Floats, Floats]:
        """Probabilities p0 <= p1 of rows of these log-odds, (n,) each: one of them is calibrated."""
        low = np.array([0.0, *self.p0])[self._places_of_p0(eta)]
        high = np.array([*self.p1, 1.0])[self._places_of_p1(eta)]
        return low, high

    def log_odds(self, eta: Floats) -> Floats:
        """log p1 - log(1 - p0), whose regret in log loss is the same whichever of the two is right."""
        against = np.minimum.accumulate(np.log1p(-np.array([0.0, *self.p0])))
        in_favour = np.maximum.accumulate(np.log(np.array([*self.p1, 1.0])))
        return np.asarray(in_favour[self._places_of_p1(eta)] - against[self._places_of_p0(eta)])

    def _places_of_p0(self, eta: Floats) -> NDArray[np.intp]:
        return np.searchsorted(np.array(self.p0_knots), eta, side="right")

    def _places_of_p1(self, eta: Floats) -> NDArray[np.intp]:
        return np.searchsorted(np.array(self.p1_knots), eta, side="left")


class PriorShift(_Map, frozen=True, tag="prior-shift"):
    """From rows of which a share `before` is positive to rows of which a share `after` is."""

    before: float
    after: float

    def __post_init__(self) -> None:
        for name, share in (("before", self.before), ("after", self.after)):
            if not 0.0 < share < 1.0:
                raise InputError(
                    f"prior-shift map: {name} {share!r}: not a share. Give a number between 0 and 1, such as 0.02."
                )

    def log_odds(self, eta: Floats) -> Floats:
        """The prior odds changed, the likelihood ratio kept: eta + logit(after) - logit(before)."""
        return eta + (logit(self.after) - logit(self.before))


class MapCandidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A method, and what it is worth on rows that its maps have not seen."""

    method: str
    log_loss: float | None
    """Cross-validated, in nats; None where the method was left out."""
    excess: float | None
    """By how much this is above the least log loss."""
    standard_error: float | None
    """Of the excess, as rows differ."""
    note: str
    """Why it was left out; else empty."""


Map = Identity | Platt | Temperature | Beta | Isotonic | VennAbers | PriorShift


def calibrated(mapping: Map, eta: ArrayLike) -> Floats:
    """Calibrated log-odds (n,) of log-odds `eta` (n,): finite, and in the same order.

    Raises:
        InputError: `eta` has another shape, or a score is not finite.
    """
    scores = np.ascontiguousarray(eta, dtype=np.float64)
    if scores.ndim != 1 or np.ndim(eta) != 1:
        raise InputError(f"scores have shape {np.shape(eta)}. Give one log-odds for each row.")
    require(np.isfinite(scores), scores, "score", "Scores are log-odds and must be finite.")
    with np.errstate(over="ignore", under="ignore"):
        return np.clip(mapping.log_odds(scores), -_LARGEST, _LARGEST)


def logit(share: float) -> float:
    """log(share / (1 - share)) of a share between 0 and 1."""
    return math.log(share) - math.log1p(-share)


def _require_finite(mapping: _Map, **numbers: float) -> None:
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise InputError(f"{mapping.method} map: {name} {number!r} is not finite. {AGAIN}")


def _require_positive(mapping: _Map, **numbers: float) -> None:
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0.0):
            raise InputError(f"{mapping.method} map: {name} {number!r} is not a positive number. {AGAIN}")


def _require_knots(mapping: _Map, name: str, knots: Sequence[float]) -> None:
    if not knots:
        raise InputError(f"{mapping.method} map: {name} are none. {AGAIN}")
    if not all(abs(knot) <= FARTHEST for knot in knots):
        raise InputError(f"{mapping.method} map: {name} are not all log-odds up to {FARTHEST:.0e}. {AGAIN}")
    if not all(left < right for left, right in pairwise(knots)):
        raise InputError(f"{mapping.method} map: {name} do not rise. {AGAIN}")


def _require_values(
    mapping: _Map, name: str, values: Sequence[float], count: int, least: float, most: float
) -> None:
    if len(values) != count:
        raise InputError(f"{mapping.method} map: {name} are {len(values)} of {count} knots. {AGAIN}")
    if not all(least <= value <= most for value in values):
        raise InputError(f"{mapping.method} map: {name} do not lie from {least} to {most}. {AGAIN}")
    if not all(left <= right for left, right in pairwise(values)):
        raise InputError(f"{mapping.method} map: {name} fall. {AGAIN}")
