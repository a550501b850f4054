"""One rule for every verdict.

    the interval lies inside the bar     PASS
    wholly outside                       FAIL
    it straddles the bar                 INSUFFICIENT, with the number of rows that it would take

An interval's width falls as 1 / sqrt(n): if the estimate stays where it is, the end that crosses the bar, at a distance
h from the estimate, reaches the bar at a distance d with n (h / d)^2 rows. The overall verdict is the worst one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from oddsmith.errors import InputError, visible
from oddsmith.evaluate.intervals import Interval

Outcome = Literal["PASS", "INSUFFICIENT", "FAIL"]
OUTCOMES: tuple[Outcome, ...] = ("PASS", "INSUFFICIENT", "FAIL")
"""From the best to the worst."""

Side = Literal["above", "at least", "below"]
"""Where a figure has to lie relative to the bar."""

_MOST_NEEDED = 10**12
"""More rows than that are no number to aim at."""

Share = Annotated[float, Meta(ge=0.0, lt=1.0)]


class Bars(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model has to reach. That the fit converged and the policy saves something is asked of every model.

    Raises:
        InputError: a bar lies outside the figures that it is for.
    """

    auc: Share = 0.5
    """The AUC lies above this."""
    smooth_ece: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.05
    """The smooth calibration error lies below this."""
    recall: Annotated[float, Meta(gt=0.0, lt=1.0)] | None = None
    """The recall of the policy is at least this; None where nobody asked."""
    confidence: Annotated[float, Meta(gt=0.5, lt=1.0)] = 0.95
    """Of every interval."""

    def __post_init__(self) -> None:
        for name, value, holds in (
            ("auc", self.auc, 0.0 <= self.auc < 1.0),
            ("smooth_ece", self.smooth_ece, 0.0 < self.smooth_ece <= 1.0),
            ("recall", self.recall, self.recall is None or 0.0 < self.recall < 1.0),
            ("confidence", self.confidence, 0.5 < self.confidence < 1.0),
        ):
            if not holds:
                raise InputError(f"bar {name}={value}: out of range. Give a share, as in 0.9.")


def parse_bars(texts: Iterable[str], defaults: Bars | None = None) -> Bars:
    """The bars of texts like "auc=.7,recall=.9", over the default ones.

    Raises:
        InputError: a name is unknown or stands twice, or a bar is refused by `Bars`.
    """
    names = Bars.__struct_fields__
    given: dict[str, float] = {}
    for text in texts:
        for part in text.split(","):
            name, _, value = part.partition("=")
            name = name.strip()
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if name not in names or name in given or math.isnan(number):
                raise InputError(
                    f"--bar '{visible(text)}': give it as auc=.7,recall=.9, each name once "
                    f"(names: {', '.join(names)})."
                )
            given[name] = number
    return Bars(**{**msgspec.structs.asdict(defaults or Bars()), **given})


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an interval says of a bar."""

    name: str
    verdict: Outcome
    estimate: float | None
    interval: Interval | None
    """None where the figure has none; then the verdict says why in its sentence."""
    bar: float | None
    needed: Annotated[int, Meta(ge=1)] | None
    """Rows, or what the sentence says, that it would take; None where the rows are enough, or no number is."""
    sentence: str


def outcome_of(interval: Interval, side: Side, bar: float) -> Outcome:
    """The rule."""
    if side == "below":
        inside, outside = interval.high < bar, interval.low >= bar
    elif side == "above":
        inside, outside = interval.low > bar, interval.high <= bar
    else:
        inside, outside = interval.low >= bar, interval.high < bar
    if inside:
        return "PASS"
    return "FAIL" if outside else "INSUFFICIENT"


def rows_needed(estimate: float, interval: Interval, bar: float, n: float) -> int | None:
    """Rows with which the interval would no longer straddle the bar, if the estimate stayed; None where none would do."""
    distance = abs(estimate - bar)
    reach = estimate - interval.low if estimate > bar else interval.high - estimate
    if distance == 0.0 or not reach > 0.0:
        return None
    # Never fewer than there are: the interval straddles the bar with these.
    needed = max(n * (reach / distance) ** 2, n + 1.0)
    return _rounded_up(needed) if needed <= _MOST_NEEDED else None


def judged(
    name: str,
    said: str,
    estimate: float,
    interval: Interval,
    side: Side,
    bar: float,
    n: float,
    noun: str = "rows",
) -> Verdict:
    """The verdict on an estimate from `n` rows, or other things with a `noun`; `said` names the figure."""
    outcome = outcome_of(interval, side, bar)
    needed = rows_needed(estimate, interval, bar, n) if outcome == "INSUFFICIENT" else None
    kind = "bounds" if "one-sided" in interval.method else "interval"
    between = f"{percent(interval.level)} {kind} {shown(interval.low)} to {shown(interval.high)}"
    asked = f"{side} {shown(bar)}"
    if outcome == "PASS":
        rest = f"all of it is {asked}, as the bar asks"
    elif outcome == "FAIL":
        rest = f"none of it is {asked}, which the bar asks"
    elif needed is None:
        rest = (
            f"only part of it is {asked}, and the estimate is too near to that for a number of {noun} to tell"
        )
    else:
        rest = f"only part of it is {asked}; to tell takes about {needed:,} {noun}, if the estimate stays"
    return Verdict(
        name=name,
        verdict=outcome,
        estimate=estimate,
        interval=interval,
        bar=bar,
        needed=needed,
        sentence=f"{said} {shown(estimate)} ({between}): {rest}.",
    )


def undecided(
    name: str,
    sentence: str,
    *,
    estimate: float | None = None,
    interval: Interval | None = None,
    bar: float | None = None,
    needed: int | None = None,
) -> Verdict:
    """Where the rows are not of a kind, or not as many, that an interval of them says anything."""
    return Verdict(
        name=name,
        verdict="INSUFFICIENT",
        estimate=estimate,
        interval=interval,
        bar=bar,
        needed=needed,
        sentence=sentence,
    )


def worst(verdicts: Iterable[Verdict]) -> Outcome:
    """FAIL before INSUFFICIENT before PASS; PASS of none."""
    return max((verdict.verdict for verdict in verdicts), key=OUTCOMES.index, default="PASS")


def shown(value: float) -> str:
    """Four digits behind the point of what lies between -1 and 1, four significant ones of the rest."""
    if value == 0.0:
        return "0"
    if 1e-3 <= abs(value) < 10.0:
        return f"{value:.4f}"
    if 10.0 <= abs(value) < 1e9:
        return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
    return f"{value:.3e}"


def percent(level: float) -> str:
    """A level as percent: 0.95 is "95%"."""
    return f"{100.0 * level:.3g}%"


def _rounded_up(number: float) -> int:
    """To two significant digits: a rule of thumb is no more precise."""
    unit = int(10 ** max(0, math.floor(math.log10(number)) - 1))
    return math.ceil(number / unit) * unit
