"""Exact tails of counts: X successes in n independent trials, each with probability p.

    P(X >= k) = I_p(k, n - k + 1)        the regularised incomplete beta function

The intervals of a share that follow from them are in `oddsmith.evaluate.intervals`.
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


def trials_needed(p: float, confidence: float) -> int:
    """Trials without a failure that prove a probability of success of at least p: ln(1 - confidence) / ln p."""
    return math.ceil(math.log1p(-confidence) / math.log(p))
