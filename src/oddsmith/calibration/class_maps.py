"""Calibration maps of more than two classes: scores of each class in, logits of a softmax out.

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

from oddsmith.calibration.maps import Identity, Map, Temperature, calibrated
from oddsmith.data.block import Floats
from oddsmith.errors import InputError
from oddsmith.fit.losses import softplus


class OneVsRest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="one-vs-rest"
):
    """A map for each class against all others, renormalised."""

    maps: Annotated[list[Map], msgspec.Meta(min_length=3)]

    @property
    def method(self) -> str:
        """What the map is called: by that of its classes."""
        return f"one-vs-rest {self.maps[0].method}"


ClassMap = Identity | Temperature | OneVsRest


def calibrated_classes(mapping: ClassMap, scores: ArrayLike) -> Floats:
    """Logits (n, K), whose softmax are the calibrated probabilities: finite for all finite scores.

    `scores` (n, K) are the logits of a softmax or, for one-vs-rest, the log-odds of each class against all others.

    Raises:
        InputError: `scores` has another shape than the map, or one of them is not finite.
    """
    eta = finite_scores(scores)
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
    eta = finite_scores(logits)
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


def finite_scores(scores: ArrayLike) -> Floats:
    """Scores (n, K) of at least two classes as doubles.

    Raises:
        InputError: another shape, or a score that is not finite.
    """
    eta = np.ascontiguousarray(scores, dtype=np.float64)
    if eta.ndim != 2 or eta.shape[1] < 2:
        raise InputError(
            f"scores have shape {eta.shape}. Give one row of numbers, one a class, for each row."
        )
    if not np.isfinite(eta).all():
        row = int(np.argmin(np.isfinite(eta).all(axis=1)))
        raise InputError(f"row {row + 1}: a score is not finite. Scores must be finite.")
    return eta
