"""From the share of positives that scores were calibrated at to another one.

    logit p' = logit p + logit after - logit before

holds where the classes look as they did and only their shares differ. A share that nobody knows is estimated from
unlabelled rows, as the one that makes their scores likeliest:

    maximise sum_i w_i log(after a_i + (1 - after) b_i),   a_i = p_i / before,   b_i = (1 - p_i) / (1 - before)

EM climbs to it by after <- mean of p'_i. The logarithms are concave in `after`, so the same point is found in a few
steps of Newton's method, kept inside a shrinking interval.

Source: Saerens, Latinne and Decaestecker (2002), Adjusting the outputs of a classifier to new a priori
probabilities: a simple procedure.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from oddsmith.calibration.maps import PriorShift, logit
from oddsmith.data.block import Floats
from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import require, row_weights

_MOST = 200


class PriorEstimate(msgspec.Struct, frozen=True):
    """The share of positives among unlabelled rows, as their calibrated scores tell it."""

    prior: float
    standard_error: float
    """As other rows would have it, were the scores calibrated exactly."""
    n_rows: int
    """Rows of positive weight."""


def estimate_prior(eta: ArrayLike, before: float, sample_weight: ArrayLike | None = None) -> PriorEstimate:
    """The share of positives among unlabelled rows with log-odds `eta` (n,), calibrated at the share `before`.

    Raises:
        InputError: no row, a score or weight that is none, `before` is not between 0 and 1; or the likeliest share
            is 0 or 1, or any share is as likely.
    """
    PriorShift(before, before)
    scores = np.asarray(eta, dtype=np.float64)
    if scores.ndim != 1:
        raise InputError(f"scores have shape {scores.shape}. Give one log-odds for each row.")
    require(np.isfinite(scores), scores, "score", "Scores are log-odds and must be finite.")
    weight = row_weights(sample_weight, len(scores))
    kept = weight > 0.0
    ratio, weight = scores[kept] - logit(before), weight[kept]
    if not len(ratio):
        raise InputError("no rows to estimate a share from: give at least one row with a positive weight.")
    weight = weight / weight.sum()
    with np.errstate(over="ignore", divide="ignore"):
        if not ((weight * _slopes(ratio, 0.0)).sum() > 0.0 > (weight * _slopes(ratio, 1.0)).sum()):
            raise InputError(
                "these scores fit a share of positives of 0 or 1 best, or any share alike, so that it cannot be "
                "estimated. Give the share if it is known, or more rows of the same kind."
            )
    low, high, now = 0.0, 1.0, before
    for _ in range(_MOST):
        slopes = _slopes(ratio, now)
        slope, bend = float((weight * slopes).sum()), float((weight * slopes**2).sum())
        low, high = (now, high) if slope > 0.0 else (low, now)
        after = now + slope / bend
        if not low <= after <= high:
            after = 0.5 * (low + high)
        arrived = abs(after - now) <= 4.0 * math.ulp(now)
        now = after
        if arrived:
            break
    slopes = _slopes(ratio, now)
    error = math.sqrt(((weight * slopes) ** 2).sum()) / float((weight * slopes**2).sum())
    return PriorEstimate(now, error, len(ratio))


def _slopes(ratio: Floats, after: float) -> Floats:
    """Slope (n,) of each row's log-likelihood in `after`: (r - 1) / (1 + after (r - 1)) where log r is `ratio`."""
    small = np.exp(-np.abs(ratio))
    near = np.where(ratio > 0.0, after, 1.0 - after)
    return np.copysign(-np.expm1(-np.abs(ratio)), ratio) / (near + (1.0 - near) * small)
