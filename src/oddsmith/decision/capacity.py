"""At most q of n cases can have an action: who gets it, and what one more would be worth.

    two actions    those of highest probability; the last one served and the first one refused say the price
    deferral       those of largest expected saving, min(p c_fn, (1 - p) c_fp) - cost of deferring

Serving the largest savings is the cheapest assignment there is. It is also what an unlimited policy does when the action
costs more by the shadow price, which is what the first refused case would have saved: one more place is worth that.

A stored threshold holds the expected share of cases, and a batch may have more of them. `overflow` says how likely that
is; `within_capacity` never lets it happen, and of cases that are worth the same it serves the earlier ones.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from oddsmith.decision import binomial
from oddsmith.decision.costs import PERFECT, Actions, Reviewer
from oddsmith.decision.deferral import saving, zone
from oddsmith.decision.thresholds import cut_of, cut_thresholds
from oddsmith.errors import InputError, visible
from oddsmith.evaluate.intervals import clopper_pearson_interval
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit

Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Capacity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most `most` of `of` cases get `action`.

    Raises:
        InputError: `most` is not a whole number from 0 to `of`, or `of` is none from 1.
    """

    action: str
    most: int
    of: int

    def __post_init__(self) -> None:
        if not (self.of >= 1 and 0 <= self.most <= self.of):
            raise InputError(
                f"capacity {visible(self.action)}={self.most}/{self.of}: give how many of how many cases, "
                f"as in review=200/1000."
            )

    def allowed(self, n: int) -> int:
        """How many of a batch of n cases get the action: the same share, rounded down."""
        return n * self.most // self.of


class Rationed(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds that hold a share."""

    thresholds: tuple[float, ...]
    """Rising log-odds: one for two actions, two for a zone."""
    shadow_price: float | None
    """What one more place would be worth; 0.0 where there is room, None where there are no costs."""
    sentence: str


class Overflow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How likely a batch of `n` independent cases has more than `most` for an action.

    The bounds are what the chance would be at both ends of the interval of the rate.
    """

    n: Annotated[int, Meta(ge=1)]
    most: Annotated[int, Meta(ge=0)]
    rate: Share
    rate_lower: Share
    rate_upper: Share
    chance: Share
    chance_lower: Share
    chance_upper: Share
    level: Annotated[float, Meta(gt=0.0, lt=1.0)]
    sentence: str


def parse_capacity(text: str) -> Capacity:
    """The capacity of "review=200/1000".

    Raises:
        InputError: it is not written so, or the numbers are refused by `Capacity`.
    """
    found = re.fullmatch(r"\s*(.+?)\s*=\s*([0-9]{1,15})\s*/\s*([0-9]{1,15})\s*", text)
    if not found:
        raise InputError(
            f"--capacity '{visible(text)}': give an action and how many of how many cases may have it, "
            f"as in review=200/1000."
        )
    action, most, of = found.groups()
    return Capacity(action, int(most), int(of))


def top_threshold(
    table: ScoreTable, capacity: Capacity, cost: Cost | None = None, *, positive: bool = True
) -> Rationed:
    """The threshold of two actions, of which the positive one has a capacity, or the negative one.

    With costs nobody gets the action who is not worth it. Scores that are equal are served together or not at all.

    Raises:
        InputError: the table is empty.
    """
    eta, weight = cut_thresholds(table), table.weight_positive + table.weight_negative
    below = np.concatenate([[0.0], np.cumsum(weight)])
    served = below[-1] - below if positive else below
    fits = served * capacity.of <= capacity.most * below[-1]
    cut = int(fits.argmax()) if positive else int(np.flatnonzero(fits)[-1])
    if cost is None:
        return Rationed(thresholds=(float(eta[cut]),), shadow_price=None, sentence=_room(None))
    analytic = cut_of(table, cost.log_odds)
    if fits[analytic]:
        return Rationed(thresholds=(cost.log_odds,), shadow_price=0.0, sentence=_room(0.0))
    refused = table.eta[cut - 1 if positive else cut]
    gain = float(expit(refused[None])[0] * cost.excess_fn - expit(-refused[None])[0] * cost.excess_fp)
    price = max(gain if positive else -gain, 0.0)
    return Rationed(thresholds=(float(eta[cut]),), shadow_price=price, sentence=_room(price))


def zone_thresholds(
    table: ScoreTable, capacity: Capacity, cost: Cost, reviewer: Reviewer = PERFECT
) -> Rationed:
    """The zone of deferral that holds a share: cases of largest expected saving, both thresholds at one shadow price.

    Raises:
        InputError: the table is empty, or deferring has no cost.
    """
    borders, free = cut_thresholds(table), zone(cost, reviewer)
    below = np.concatenate([[0.0], np.cumsum(table.weight_positive + table.weight_negative)])
    room = capacity.most * below[-1]
    wanted = below[cut_of(table, free.upper)] - below[cut_of(table, free.lower)]
    if wanted * capacity.of <= room:
        return Rationed(thresholds=(free.lower, free.upper), shadow_price=0.0, sentence=_room(0.0))
    worth = saving(table.eta, cost, reviewer)
    order = np.argsort(-worth, kind="stable")
    first, last = np.minimum.accumulate(order), np.maximum.accumulate(order)
    n_served = int(np.count_nonzero((below[last + 1] - below[first]) * capacity.of <= room))
    price = max(float(worth[order[n_served]]), 0.0)
    if not n_served:
        return Rationed(thresholds=(cost.log_odds,) * 2, shadow_price=price, sentence=_room(price))
    between = zone(cost, reviewer, (price + float(worth[order[n_served - 1]])) / 2)
    cuts = int(first[n_served - 1]), int(last[n_served - 1]) + 1
    lower, upper = (
        edge if cut_of(table, edge) == cut else float(borders[cut])
        for edge, cut in zip((between.lower, between.upper), cuts, strict=True)
    )
    return Rationed(thresholds=(lower, upper), shadow_price=price, sentence=_room(price))


def within_capacity(
    actions: Actions, worth: ArrayLike, instead: NDArray[np.integer], action: int, most: int
) -> Actions:
    """Actions (n,) of which at most `most` are `action`.

    Those of largest `worth` (n,) keep it, the earlier row of ties; the others get `instead` (n,).
    """
    wanted = np.flatnonzero(actions == action)
    refused = wanted[np.argsort(-np.asarray(worth, dtype=np.float64)[wanted], kind="stable")[most:]]
    result = np.array(actions)
    result[refused] = instead[refused]
    return result


def overflow(served: int, of: int, capacity: Capacity, n: int | None = None, level: float = 0.95) -> Overflow:
    """The chance that a batch of n cases overflows, after `served` of `of` cases were for the action.

    `n` is that of the capacity by itself. The cases are independent, and the interval of their rate is exact.

    Raises:
        InputError: there are no cases to learn the rate from.
    """
    if of < 1:
        raise InputError("no rows to learn a rate from: give at least one row.")
    size = capacity.of if n is None else n
    most, rate = capacity.allowed(size), served / of
    known = clopper_pearson_interval(served, of, level)
    lower, upper = known.low, known.high
    chance, least, largest = (binomial.at_least(most + 1, size, p) for p in (rate, lower, upper))
    return Overflow(
        n=size,
        most=most,
        rate=rate,
        rate_lower=lower,
        rate_upper=upper,
        chance=chance,
        chance_lower=least,
        chance_upper=largest,
        level=level,
        sentence=(
            f"a batch of {size:,} has more than {most:,} for {visible(capacity.action)} with a chance of "
            f"{chance:.2g} ({least:.2g} to {largest:.2g}, since their share is only known to lie between "
            f"{lower:.4g} and {upper:.4g})."
        ),
    )


def _room(price: float | None) -> str:
    if price is None:
        return "the capacity is used by those of highest probability; without costs it has no price."
    return (
        f"one more place is worth {price:.4g}."
        if price
        else "there is room: one more place is worth nothing."
    )
