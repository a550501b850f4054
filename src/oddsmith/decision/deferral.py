"""When a third action pays: a person looks, at the price of c_r a case, between two automatic actions.

    defer where t_lo <= p < t_hi        c_fn and c_fp here beyond the costs of right answers

    t_lo = (c_r + h_fp c_fp) / (c_fn (1 - h_fn) + h_fp c_fp)
    t_hi = (c_fp (1 - h_fp) - c_r) / (c_fp (1 - h_fp) + h_fn c_fn)

for a person who errs at the rates h_fn and h_fp. Both lie on their own side of the analytic threshold exactly if

    c_r < (1 - h_fn - h_fp) c_fn c_fp / (c_fn + c_fp)

and otherwise a person pays nowhere. (A positive action that itself is a person's review, priced by c_fp, needs no
third action.)

Source: the cheapest of three lines in p; Chow (1970) for the perfect person.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from oddsmith.decision.costs import PERFECT, Reviewer
from oddsmith.decision.thresholds import probability, stored
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import Floats
from oddsmith.fit.losses import expit


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """Where a person looks: log-odds in [lower, upper), which are equal where there is no such place."""

    lower: float
    upper: float
    most: float
    """A person pays somewhere if a case costs less than this; not above 0 where it never does."""
    sentence: str

    @property
    def exists(self) -> bool:
        """Whether there are probabilities at which a person is the cheapest."""
        return self.lower < self.upper


def zone(cost: Cost, reviewer: Reviewer = PERFECT, price: float = 0.0) -> Zone:
    """Where handing a case to a person is the cheapest; `price` is added to what that costs.

    Raises:
        InputError: deferring has no cost.
    """
    if cost.defer is None:
        raise InputError("no cost of deferring. Give it with the others, as in fn=120,fp=18,defer=6.")
    c_r, c_fn, c_fp = cost.defer + price, cost.excess_fn, cost.excess_fp
    most = (1.0 - reviewer.fn - reviewer.fp) * c_fn / (1.0 + c_fn / c_fp)
    lower = upper = cost.log_odds
    if c_r < most:
        lower = stored(_log(c_r + reviewer.fp * c_fp) - _log(c_fn * (1.0 - reviewer.fn) - c_r))
        upper = stored(_log(c_fp * (1.0 - reviewer.fp) - c_r) - _log(reviewer.fn * c_fn + c_r))
    if lower < upper:
        sentence = (
            f"a person looks at cases from {probability(lower):.4g} to below {probability(upper):.4g}, "
            f"at {c_r:.6g} each."
        )
    elif most > 0.0:
        sentence = f"no case is worth a person's {c_r:.6g}: it pays below {most:.6g}."
    else:
        sentence = "no case is worth a person: one who errs so often would not pay at any price."
    return Zone(lower=lower, upper=max(lower, upper), most=most, sentence=sentence)


def saving(eta: ArrayLike, cost: Cost, reviewer: Reviewer = PERFECT, price: float = 0.0) -> Floats:
    """What a person is expected to save at log-odds (n,), against the cheaper automatic action; below 0 where nothing.

    Rises up to the analytic threshold, and falls from there.

    Raises:
        InputError: deferring has no cost.
    """
    if cost.defer is None:
        raise InputError("no cost of deferring. Give it with the others, as in fn=120,fp=18,defer=6.")
    scores = np.asarray(eta, dtype=np.float64)
    missed, alarmed = expit(scores) * cost.excess_fn, expit(-scores) * cost.excess_fp
    errors = reviewer.fn * missed + reviewer.fp * alarmed
    return np.asarray(np.minimum(missed, alarmed) - errors - (cost.defer + price))


def _log(value: float) -> float:
    return math.log(value) if value > 0.0 else -math.inf
