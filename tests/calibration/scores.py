"""Scores that are neither calibrated nor useless, with and without ties and weights."""

import numpy as np

from oddsmith.fit.losses import expit

CASES = [(seed, ties, weighted) for seed in (0, 1) for ties in (False, True) for weighted in (False, True)]


def drawn(seed: int, ties: bool, weighted: bool, n: int = 400):
    """Log-odds, labels and weights or None."""
    rng = np.random.default_rng(seed)
    eta = rng.normal(scale=2.5, size=n)
    if ties:
        eta = np.round(eta)
    y = (rng.random(n) < expit(0.6 * eta - 0.8)).astype(float)
    return eta, y, rng.exponential(size=n) if weighted else None
