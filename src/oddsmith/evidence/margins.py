"""How much worse a figure may become, and what an interval says of that.

    harm     = candidate - incumbent of what should be low, incumbent - candidate of what should be high
    PASS         the interval of the harm lies below the margin; better too where it lies below 0
    FAIL         it lies at the margin or above
    INSUFFICIENT it straddles the margin; `verdicts.py` says how many rows it takes

A margin is the harm that is not worth keeping the old model for. With a margin of 0 the new one has to be proved better.

Source: Blackwelder (1982).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from oddsmith.errors import InputError, visible
from oddsmith.evaluate.intervals import Interval
from oddsmith.evidence.paired import Paired
from oddsmith.evidence.verdicts import Outcome, outcome_of, percent, rows_needed, shown

Name = Literal["log_loss", "auc", "cost", "smooth_ece", "brier", "recall", "precision"]
SAID: dict[Name, str] = {
    "log_loss": "log loss",
    "auc": "AUC",
    "cost": "cost a case",
    "smooth_ece": "smooth ECE",
    "brier": "Brier score",
    "recall": "recall",
    "precision": "precision",
}
HIGH_IS_GOOD = {"auc", "recall", "precision"}


class Margins(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The harm of each figure that is put up with; None for a figure that is told and not judged.

    By default a hundredth: of the probability that what came true was given (1 - exp(-0.01), as a geometric mean), and of
    the pairs that are ranked. What varies more from row to row has more room: the smooth ECE as much as an audit bears at
    all, and costs a twentieth of what a model can save. Costs say what a missed positive is worth; so recall and precision
    are judged where somebody asks for it, and the Brier score says what the log loss does.

    Raises:
        InputError: a margin is negative or not finite, or there is none.
    """

    log_loss: float | None = 0.01
    """Nats a row."""
    auc: float | None = 0.01
    cost: float | None = 0.05
    """A share of what the cheapest single action for all would cost beyond right answers; not judged without costs."""
    smooth_ece: float | None = 0.05
    """Probabilities that are off by so much cost 2 * 0.05^2 = 0.005 nats or more: half of what the log loss puts up with."""
    brier: float | None = None
    recall: float | None = None
    """The share of positives that do not get the action of negatives; of two classes."""
    precision: float | None = None
    """The share of positives among rows with the positive action; of two classes."""

    def __post_init__(self) -> None:
        for name in SAID:
            margin = getattr(self, name)
            if margin is not None and not (0.0 <= margin < math.inf):
                raise InputError(
                    f"margin {name}={margin}: not a harm that can be put up with. Give 0, or a number above it."
                )
        if all(getattr(self, name) is None for name in SAID):
            raise InputError("no margins: nothing would be judged. Give one, as in log_loss=.01.")


def parse_margins(texts: Iterable[str]) -> Margins:
    """The margins of texts like "log_loss=.002,recall=.01", others as by default; `none` where nothing is to be judged.

    Raises:
        InputError: a name is unknown or stands twice, or a margin is refused by `Margins`.
    """
    given: dict[str, float | None] = {}
    for text in texts:
        for part in text.split(","):
            name, _, value = (piece.strip() for piece in part.partition("="))
            try:
                number = None if value == "none" else float(value)
            except ValueError:
                number = math.nan
            if name not in SAID or name in given or (number is not None and math.isnan(number)):
                raise InputError(
                    f"--margin '{visible(text)}': give it as log_loss=.002,recall=none, each name once "
                    f"(names: {', '.join(SAID)})."
                )
            given[name] = number
    return Margins(**{**msgspec.structs.asdict(Margins()), **given})


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A figure of both models, and what the difference comes to."""

    name: Name
    candidate: float
    incumbent: float
    difference: float
    """candidate - incumbent."""
    interval: Interval | None
    """Of the difference; None where the rows do not tell how far it may vary."""
    margin: float | None
    """The harm that is put up with, in the unit of the figure; None where nothing is judged."""
    verdict: Outcome | None
    better: bool
    """Whether the interval lies wholly on the good side."""
    needed: Annotated[int, Meta(ge=1)] | None
    """Rows that a verdict would take, if the difference stays; None where there is one, or no number is known."""
    sentence: str


def judged(
    name: Name, paired: Paired, margin: float | None, *, n_rows: int, enough: int | None = None
) -> Difference:
    """What a paired figure of so many rows comes to. `enough` rows are needed in any case, where there are too few."""
    interval, difference = paired.interval, paired.difference
    verdict: Outcome | None = None
    needed, better = None, False
    if interval is not None:
        harm, of_harm = (-difference, _turned(interval)) if name in HIGH_IS_GOOD else (difference, interval)
        better = of_harm.high < 0.0 and enough is None
        if margin is not None:
            verdict = outcome_of(of_harm, "below", margin)
            needed = rows_needed(harm, of_harm, margin, n_rows) if verdict == "INSUFFICIENT" else None
    if margin is not None and (interval is None or enough is not None):
        verdict, needed = "INSUFFICIENT", max(needed or 0, enough or 0) or None
    told = _told(verdict, margin, better, needed, n_rows, enough)
    between = (
        "how far the rows do not tell"
        if interval is None
        else f"{percent(interval.level)} interval {_signed(interval.low)} to {_signed(interval.high)}"
    )
    return Difference(
        name=name,
        candidate=paired.a,
        incumbent=paired.b,
        difference=difference,
        interval=interval,
        margin=margin,
        verdict=verdict,
        better=better,
        needed=needed,
        sentence=f"{said(name)} {shown(paired.a)} against {shown(paired.b)}, {_signed(difference)} ({between}): {told}.",
    )


def _turned(interval: Interval) -> Interval:
    return msgspec.structs.replace(interval, low=-interval.high, high=-interval.low)


def said(name: Name) -> str:
    """What a sentence about a figure begins with."""
    return SAID[name][0].upper() + SAID[name][1:]


def _signed(value: float) -> str:
    return shown(value) if value <= 0.0 else f"+{shown(value)}"


def _told(
    verdict: Outcome | None,
    margin: float | None,
    better: bool,
    needed: int | None,
    n_rows: int,
    enough: int | None,
) -> str:
    if margin is None or verdict is None:
        return "better; not judged" if better else "not judged"
    if verdict == "PASS":
        return "better" if better else f"no worse than the margin of {shown(margin)} allows"
    if verdict == "FAIL":
        return (
            f"worse than the margin of {shown(margin)} allows"
            if margin
            else "not better, as a margin of 0 asks"
        )
    why = "there are too few rows to tell" if enough is not None else "the rows can't tell"
    rest = f"that takes some {needed:,} rows instead of {n_rows:,}" if needed else "nor how many could"
    return f"{why} whether it is within the margin of {shown(margin)}, {rest}"
