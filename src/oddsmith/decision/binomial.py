"""Exact tails of counts: X successes in n independent trials, each with probability p.

    P(X >= k) = I_p(k, n - k + 1)        the regularised incomplete beta function

    Clopper-Pearson: the p at which the count seen would be too large, or too small, for chance.

Source: Clopper and Pearson (1934).
"""

from __future__ import annotations

import math


def at_least(k: int, n: int, p: float) -> float:
    """P(X >= k)."""
    from scipy.special import betainc

    if k <= 0:
        return 1.0
    return 0.0 if k > n else float(betainc(k, n - k + 1, p))


def at_most(k: int, n: int, p: float) -> float:
    """P(X <= k), with full relative precision where it is small."""
    return at_least(n - k, n, 1.0 - p)


def lower_bound(k: int, n: int, confidence: float) -> float:
    """The probability of success is at least this, with so much confidence, after k successes in n trials."""
    from scipy.special import betaincinv

    return float(betaincinv(k, n - k + 1, 1.0 - confidence)) if k > 0 else 0.0


def upper_bound(k: int, n: int, confidence: float) -> float:
    """The probability of success is at most this, with so much confidence, after k successes in n trials."""
    return 1.0 - lower_bound(n - k, n, confidence)


def interval(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Both bounds, each at half of the error; [0, 1] of no trials."""
    if not n:
        return 0.0, 1.0
    each = (1.0 + confidence) / 2.0
    return lower_bound(k, n, each), upper_bound(k, n, each)


def trials_needed(p: float, confidence: float) -> int:
    """Trials without a failure that prove a probability of success of at least p: ln(1 - confidence) / ln p."""
    return math.ceil(math.log1p(-confidence) / math.log(p))
