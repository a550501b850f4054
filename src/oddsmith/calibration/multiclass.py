"""Learn a calibration map of more than two classes; what the maps do is in class_maps.py.

temperature    minimise the log loss of softmax(s logits), s = 1 / temperature
one-vs-rest    a map for each class against all others, see fitting.py
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.calibration.class_maps import OneVsRest, finite_scores
from oddsmith.calibration.fitting import fit_map
from oddsmith.calibration.maps import FARTHEST, Temperature
from oddsmith.calibration.newton import minimum
from oddsmith.data.block import Codes, Floats
from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import ScoreTable, row_weights
from oddsmith.fit.losses import log_softmax, softmax


def fit_class_temperature(logits: ArrayLike, y: Codes, sample_weight: ArrayLike | None = None) -> Temperature:
    """The temperature of least log loss for logits (n, K) and class codes (n,).

    With s = 1 / temperature and the lags d_k = logit_k - logit_y, the loss log sum_k exp(s d_k) is convex in s.

    Raises:
        InputError: shapes, codes or weights don't fit; the best s is not positive, because the true classes do not
            tend to have the larger logits; or it is infinite, because they always have the largest.
    """
    eta, codes, weight = _rows(logits, y, sample_weight)
    if np.abs(eta).max(initial=0.0) > FARTHEST:
        raise InputError(f"a logit is beyond {FARTHEST:.0e}, nothing to calibrate. Train with a penalty.")
    lags = eta - np.take_along_axis(eta, codes[:, None], axis=1)
    if (weight * lags.mean(axis=1)).sum() >= 0.0:
        raise InputError(
            "these scores rank backwards, or tell nothing: true classes do not have the larger logits. "
            "Check the order of the classes, or train a model on columns that tell them apart."
        )
    if not (lags > 0.0).any():
        raise InputError(
            "every row's true class has the largest logit, so that the best temperature is 0. Give more rows."
        )
    scale = float(np.abs(lags).max())
    lags, weight = lags / scale, weight / weight.sum()

    def evaluate(theta: Floats) -> tuple[float, Floats, Floats]:
        scaled = theta[0] * lags
        proba = softmax(scaled)
        mean = (proba * lags).sum(axis=1)
        bend = (proba * (lags - mean[:, None]) ** 2).sum(axis=1)
        value = -log_softmax(scaled)[np.arange(len(codes)), codes]
        return (
            float((weight * value).sum()),
            (weight * mean).sum(keepdims=True),
            (weight * bend).sum(keepdims=True)[:, None],
        )

    found = minimum(evaluate, np.zeros(1))
    if found is None:
        raise InputError("these logits lie too close together to tell a temperature. Give more rows.")
    return Temperature(scale / float(found[0]))


def fit_one_vs_rest(
    method: str, log_odds: ArrayLike, y: Codes, sample_weight: ArrayLike | None = None
) -> OneVsRest:
    """A map of this method for each class, from log-odds (n, K) against all others and class codes (n,).

    Raises:
        InputError: shapes, codes or weights don't fit, or a class's rows cannot teach its map.
    """
    eta, codes, weight = _rows(log_odds, y, sample_weight)
    maps = []
    for k in range(eta.shape[1]):
        try:
            maps.append(fit_map(method, ScoreTable.from_scores(eta[:, k], codes == k, weight)))
        except InputError as error:
            raise InputError(f"class {k + 1} against all others: {error}") from None
    return OneVsRest(maps)


def _rows(
    scores: ArrayLike, y: Codes, sample_weight: ArrayLike | None
) -> tuple[Floats, NDArray[np.intp], Floats]:
    """Scores, codes and weights of the rows whose weight is positive."""
    eta = finite_scores(scores)
    codes = np.asarray(y)
    if codes.shape != eta.shape[:1] or not np.isin(codes, np.arange(eta.shape[1])).all():
        raise InputError(
            f"labels have shape {codes.shape}, or are not all from 0 to {eta.shape[1] - 1}. "
            f"Give one class code for each of the {len(eta)} rows."
        )
    weight = row_weights(sample_weight, len(eta))
    kept = weight > 0.0
    if not kept.any():
        raise InputError("no rows to calibrate on: give at least one row with a positive weight.")
    return eta[kept], codes[kept].astype(np.intp), weight[kept]
