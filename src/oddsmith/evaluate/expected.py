"""Do as many positives occur as the scores expect, and where they expect them?

    observed / expected    sum w y / sum w p
    z                      sum w (y - p)(1 - 2p) / sqrt(sum w^2 (1 - 2p)^2 p (1 - p))       of the Brier score

Given the scores, the number of positives is a sum of unequal coins. Its tails are lighter than those of as many
equal coins with the same mean, so Clopper and Pearson's interval for the share of positives, divided by the
expected share, covers with its level or more; and it ends where every row is positive, which the interval of a
Poisson number does not.

Of calibrated scores z is standard normal in large samples, since in each row the Brier score departs from its
expectation by (y - p)(1 - 2p); fixed weights do not change that. It sees scores that are too bold or too timid; a
share that is wrong it sees where the probabilities lie on one side of 1/2.

Sources: Hoeffding (1956) for the tails; Spiegelhalter (1986) for z; Korn and Graubard (1998) for the effective
number in the interval.
"""

import math

import msgspec

from oddsmith.evaluate.intervals import Interval, clopper_pearson_interval, effective_number, require_level
from oddsmith.evaluate.metrics import Count
from oddsmith.evaluate.score_table import ScoreTable, require_rows
from oddsmith.fit.losses import expit


class ObservedExpected(msgspec.Struct, frozen=True):
    """Positives that occurred, and that the scores expected."""

    observed: Count
    expected: float
    ratio: float | None
    """Above 1 where the scores expect too few; None where they expect none at all, or next to none."""
    interval: Interval | None


class Spiegelhalter(msgspec.Struct, frozen=True):
    """Spiegelhalter's test of calibration."""

    z: float
    """Above 0 where labels are further from their probabilities than these say themselves."""
    p_value: float
    """Two-sided."""


def observed_expected(table: ScoreTable, level: float = 0.95) -> ObservedExpected:
    """Observed over expected positives, weighted, with an exact interval.

    Rows of unequal weights have the interval of their effective number, (sum w)^2 / sum w^2, which is not exact.

    Raises:
        InputError: the table is empty, or `level` does not lie between 0 and 1.
    """
    require_rows(table)
    require_level(level)
    weight = table.weight_positive + table.weight_negative
    observed, expected = float(table.weight_positive.sum()), float(weight @ table.proba)
    count = round(observed) if table.unweighted else observed
    times = table.weight / expected if expected > 0.0 else math.inf
    if not math.isfinite(times):
        return ObservedExpected(count, expected, None, None)
    share = _share_interval(table, level)
    interval = Interval(share.low * times, share.high * times, level, share.method)
    return ObservedExpected(count, expected, observed / expected, interval)


def spiegelhalter(table: ScoreTable) -> Spiegelhalter | None:
    """Spiegelhalter's z, weighted; None where every probability is 0, 1/2 or 1 to the last digit, and z is 0 / 0.

    Raises:
        InputError: the table is empty.
    """
    from scipy.special import ndtr

    require_rows(table)
    unit = table.weight / table.n_rows
    p, q = table.proba, expit(-table.eta)
    surplus = (table.weight_positive * q - table.weight_negative * p) / unit
    squared = (table.squared_weight_positive + table.squared_weight_negative) / unit / unit
    variance = float(squared @ ((q - p) ** 2 * p * q))
    if not variance > 0.0:
        return None
    z = float(surplus @ (q - p)) / math.sqrt(variance)
    return Spiegelhalter(z, 2.0 * float(ndtr(-abs(z))))


def _share_interval(table: ScoreTable, level: float) -> Interval:
    """Clopper and Pearson's interval of the share of positives."""
    squared = float(table.squared_weight_positive.sum() + table.squared_weight_negative.sum())
    n = effective_number(table.weight, squared)
    # By the inequality of Cauchy and Schwarz, the number of rows only where all weigh the same.
    if math.isclose(n, table.n_rows, rel_tol=1e-12):
        return clopper_pearson_interval(int(table.count_positive.sum()), table.n_rows, level)
    from scipy.special import betaincinv

    k = n * float(table.weight_positive.sum()) / table.weight
    tail = (1.0 - level) / 2
    low = float(betaincinv(k, n - k + 1.0, tail)) if table.weight_positive.any() else 0.0
    high = float(betaincinv(k + 1.0, n - k, 1.0 - tail)) if table.weight_negative.any() else 1.0
    return Interval(low, high, level, "Clopper-Pearson, on the effective number of rows")
