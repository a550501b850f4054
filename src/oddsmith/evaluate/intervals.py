"""How far a figure made from n rows may lie from what more rows would show.

    Wilson           the p with |k/n - p| = z sqrt(p (1 - p) / n)
    Clopper-Pearson  low: P(Binomial(n, p) >= k) = tail          high: P(Binomial(n, p) <= k) = tail
    Newcombe         the A with |AUC - A| = z sqrt(V(A)),
                     V(A) = A (1 - A) [1 + (N - 1) ((1 - A)/(2 - A) + A/(1 + A))] / (n_+ n_-),  N = (n_+ + n_-)/2
    logit scale      expit(logit p -+ z se / (p (1 - p)))

Wilson is for display: near its level on average. Clopper-Pearson is for certificates: never below its level.
Of nothing nothing is known: where n is 0 the interval is [0, 1].

Rows that weigh differently tell less than as many that weigh the same: a weighted share is treated as one of
(sum w)^2 / sum w^2 rows, their effective number, and the method says so.

Sources: Wilson (1927); Clopper and Pearson (1934); Newcombe (2006), part 2, method 5; Kish (1965) for the
effective number.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from oddsmith.errors import InputError
from oddsmith.fit.losses import expit

Side = Literal["both", "lower", "upper"]
"""Which ends are wanted; the whole error probability goes to a single one, and the other end is 0 or 1."""


class Interval(msgspec.Struct, frozen=True):
    """From `low` to `high`, made by a `method` that covers the true figure in a share `level` of samples."""

    low: float
    high: float
    level: float
    method: str


class Estimate(msgspec.Struct, frozen=True):
    """A figure, its standard error where the method has one, and its interval."""

    value: float
    standard_error: float | None
    interval: Interval


def wilson_interval(k: float, n: float, level: float = 0.95, side: Side = "both") -> Interval:
    """Score interval of a proportion, k of n; either may be the effective number of weighted rows.

    Raises:
        InputError: k does not lie between 0 and n, or `level` not between 0 and 1.
    """
    _require_share(k, n)
    below, above = _tails(level, side)
    return Interval(
        _wilson_low(k, n, z_score(below)),
        1.0 - _wilson_low(n - k, n, z_score(above)),
        level,
        _named("Wilson", side),
    )


def clopper_pearson_interval(k: int, n: int, level: float = 0.95, side: Side = "both") -> Interval:
    """Exact interval of a proportion, k of n independent rows: covers the true one with at least `level`.

    Raises:
        InputError: k or n is no whole number, k does not lie between 0 and n, or `level` not between 0 and 1.
    """
    from scipy.special import betaincinv

    _require_share(k, n)
    if k != int(k) or n != int(n):
        raise InputError(f"{k} of {n}: an exact interval counts rows. Weighted rows have a Wilson interval.")
    below, above = _tails(level, side)
    low = float(betaincinv(k, n - k + 1, below)) if k > 0 and below > 0 else 0.0
    high = 1.0 - float(betaincinv(n - k, k + 1, above)) if k < n and above > 0 else 1.0
    return Interval(low, high, level, _named("Clopper-Pearson", side))


def effective_number(weight: float, squared_weight: float) -> float:
    """(sum w)^2 / sum w^2: how many rows of one weight tell as much; the number of rows where they all weigh the same."""
    return weight**2 / squared_weight if squared_weight else 0.0


def share_interval(part: float, weight: float, squared_weight: float, level: float = 0.95) -> Interval:
    """Wilson interval of the share `part` / `weight` of rows whose weights and squared weights sum to these.

    Raises:
        InputError: `part` does not lie between 0 and `weight`, or `level` not between 0 and 1.
    """
    _require_share(part, weight)
    if weight == squared_weight:
        return wilson_interval(part, weight, level)
    n = effective_number(weight, squared_weight)
    found = wilson_interval(min(part / weight * n, n), n, level)
    return msgspec.structs.replace(found, method=f"{found.method}, on the effective number of rows")


def newcombe_interval(auc: float, n_positive: float, n_negative: float, level: float = 0.95) -> Interval:
    """Interval of an AUC of so many positives and negatives, which has a width at 0 and 1 too.

    The variance is that of exponential scores, with the mean of both numbers in place of each. Weighted
    rows: the effective numbers.

    Raises:
        InputError: `auc` is no share, a class has no rows, or `level` does not lie between 0 and 1.
    """
    if not 0.0 <= auc <= 1.0:
        raise InputError(f"AUC {auc}: not a share of pairs. Give a number from 0 to 1.")
    if not (n_positive > 0 and n_negative > 0):
        raise InputError(
            f"{n_positive} positives and {n_negative} negatives: an AUC needs rows of both classes."
        )
    z = z_score(_tails(level, "both")[0])
    low = _newcombe_low(auc, n_positive, n_negative, z)
    # The variance is the same at A and 1 - A.
    return Interval(low, 1.0 - _newcombe_low(1.0 - auc, n_positive, n_negative, z), level, "Newcombe")


def logit_interval(
    share: float, standard_error: float, level: float = 0.95, method: str = "normal on the logit scale"
) -> Interval:
    """Normal interval of a figure between 0 and 1, made on its log-odds, so that it stays between them.

    Raises:
        InputError: `share` is 0 or 1 or beyond, where log-odds do not exist, or `level` does not lie between 0 and 1.
    """
    if not 0.0 < share < 1.0:
        raise InputError(f"{share}: log-odds need a figure strictly between 0 and 1. Use an exact interval.")
    centre = math.log(share) - math.log1p(-share)
    half = z_score(_tails(level, "both")[0]) * standard_error / (share * (1.0 - share))
    low, high = expit(np.array([centre - half, centre + half])).tolist()
    return Interval(low, high, level, method)


def z_score(tail: float) -> float:
    """The standard normal number that is exceeded with probability `tail`; infinite at 0."""
    from scipy.special import ndtri

    return float(-ndtri(tail))


def require_level(level: float) -> None:
    """Raise InputError unless `level` lies between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise InputError(f"level {level}: not a confidence. Give a number between 0 and 1, as in 0.95.")


def _tails(level: float, side: Side) -> tuple[float, float]:
    require_level(level)
    outside = 1.0 - level
    return {"both": (outside / 2, outside / 2), "lower": (outside, 0.0), "upper": (0.0, outside)}[side]


def _named(method: str, side: Side) -> str:
    return method if side == "both" else f"{method}, {side} bound"


def _require_share(k: float, n: float) -> None:
    if not (0 <= k <= n and math.isfinite(n)):
        raise InputError(f"{k} of {n}: not a share. The part lies between 0 and the whole.")


def _wilson_low(k: float, n: float, z: float) -> float:
    if k == 0 or z == math.inf:
        return 0.0
    # The product of both ends is k^2 / (n (n + z^2)): the lower one without a difference of equal numbers.
    return k * k / n / (k + z * z / 2 + z * math.sqrt(k * (n - k) / n + z * z / 4))


def _newcombe_low(auc: float, n_positive: float, n_negative: float, z: float) -> float:
    mean, pairs = (n_positive + n_negative) / 2, n_positive * n_negative
    low, high = 0.0, auc
    # At `high` the variance is the larger side, at `low` the distance is, until no number lies between them.
    while low < (area := (low + high) / 2) < high:
        clustering = (mean - 1) * ((1 - area) / (2 - area) + area / (1 + area))
        variance = area * (1 - area) * (1 + clustering) / pairs
        if (auc - area) ** 2 > z**2 * variance:
            low = area
        else:
            high = area
    return low
