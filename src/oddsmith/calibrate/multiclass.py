"""Calibration of more than two classes: scores of each class in, logits of a softmax out.

    temperature    logits / temperature, which keeps each row's order of classes
    one-vs-rest    proba_k = expit(map_k(eta_k)) / sum_j expit(map_j(eta_j))

where eta_k are the log-odds of class k against all others. Each of the maps rises, but together they may put
another class first: `argmax_moved` says in which rows. A row's result doesn't depend on its neighbours.

Sources: Guo, Pleiss, Sun and Weinberger (2017); Zadrozny and Elkan (2002), Transforming classifier scores into
accurate multiclass probability estimates.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.calibrate.fitting import fit_map
from oddsmith.calibrate.maps import FARTHEST, Identity, Map, Temperature, calibrated
from oddsmith.calibrate.newton import minimum
from oddsmith.data.block import Codes, Floats
from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import ScoreTable, row_weights
from oddsmith.fit.losses import log_softmax, softmax, softplus


class OneVsRest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="one-vs-rest"
):
    """A map for each class against all others, renormalised."""

    maps: Annotated[list[Map], msgspec.Meta(min_length=3)]


ClassMap = Identity | Temperature | OneVsRest


def calibrated_classes(mapping: ClassMap, scores: ArrayLike) -> Floats:
    """Logits (n, K), whose softmax are the calibrated probabilities: finite for all finite scores.

    `scores` (n, K) are the logits of a softmax or, for one-vs-rest, the log-odds of each class against all others.

    Raises:
        InputError: `scores` has another shape than the map, or one of them is not finite.
    """
    eta = _finite(scores)
    if isinstance(mapping, OneVsRest):
        if eta.shape[1] != len(mapping.maps):
            raise InputError(
                f"scores are of {eta.shape[1]} classes, and the map is of {len(mapping.maps)}. "
                "Learn the map from scores of this model."
            )
        columns = [-softplus(-calibrated(part, eta[:, k])) for k, part in enumerate(mapping.maps)]
        return np.stack(columns, axis=1)
    return np.asarray(calibrated(mapping, eta.ravel()).reshape(eta.shape))


def class_log_odds(logits: ArrayLike) -> Floats:
    """Log-odds (n, K) of each class against all others, of logits (n, K) of a softmax.

    Raises:
        InputError: `logits` is no table of at least two classes, or one of them is not finite.
    """
    eta = _finite(logits)
    columns = []
    for k in range(eta.shape[1]):
        others = np.delete(eta, k, axis=1)
        top = others.max(axis=1)
        with np.errstate(over="ignore"):
            rest = top + np.log(np.exp(others - top[:, None]).sum(axis=1))
            columns.append(eta[:, k] - rest)
    largest = np.finfo(np.float64).max
    return np.asarray(np.clip(np.stack(columns, axis=1), -largest, largest))


def argmax_moved(before: ArrayLike, after: ArrayLike) -> NDArray[np.bool_]:
    """In which rows (n,) of two tables of scores (n, K) another class is the first of the largest."""
    return np.asarray(np.argmax(before, axis=1) != np.argmax(after, axis=1))


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


def _finite(scores: ArrayLike) -> Floats:
    eta = np.ascontiguousarray(scores, dtype=np.float64)
    if eta.ndim != 2 or eta.shape[1] < 2:
        raise InputError(
            f"scores have shape {eta.shape}. Give one row of numbers, one a class, for each row."
        )
    if not np.isfinite(eta).all():
        row = int(np.argmin(np.isfinite(eta).all(axis=1)))
        raise InputError(f"row {row + 1}: a score is not finite. Scores must be finite.")
    return eta


def _rows(
    scores: ArrayLike, y: Codes, sample_weight: ArrayLike | None
) -> tuple[Floats, NDArray[np.intp], Floats]:
    """Scores, codes and weights of the rows whose weight is positive."""
    eta = _finite(scores)
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
