"""From log-odds to probabilities of classes: the one place where that is computed.

    binary    proba(positive) = expit(eta)                   one column of eta
    softmax   proba_k = exp(eta_k) / sum exp(eta)            one column a class
    ovr       proba_k = expit(eta_k) / sum expit(eta)        one column a class

Calibration maps change eta before that: those of two classes the log-odds of the positive one, and those of more the
logits of a softmax (temperature) or the log-odds of each class against all others (one-vs-rest). What comes out is
binary or softmax.

Finite for every finite eta, and each row sums to 1.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from oddsmith.calibration.class_maps import ClassMap, OneVsRest, calibrated_classes, class_log_odds
from oddsmith.calibration.maps import Map, calibrated
from oddsmith.data.block import Floats
from oddsmith.fit.losses import expit, log_softmax, softmax, softplus

_FAINT = -37.0
"""Below this expit and exp are the same to the last digit, and shares of exp do not underflow together."""


AnyMap = Map | ClassMap
Form = Literal["binary", "softmax", "ovr"]


def after(maps: Sequence[AnyMap], eta: Floats, multi_class: Form, n_classes: int) -> tuple[Floats, Form]:
    """Log-odds (n, k) after calibration, and the form that they have then; the same where there are no maps.

    Raises:
        InputError: a score is beyond what a map takes.
    """
    for mapping in maps:
        if n_classes == 2:
            assert not isinstance(mapping, OneVsRest)
            eta, multi_class = calibrated(mapping, ranking(eta, multi_class)[:, 0])[:, None], "binary"
            continue
        if isinstance(mapping, OneVsRest):
            scores = class_log_odds(eta) if multi_class == "softmax" else eta
        else:
            scores = eta if multi_class == "softmax" else -softplus(-eta)
        assert isinstance(mapping, ClassMap)
        eta, multi_class = calibrated_classes(mapping, scores), "softmax"
    return eta, multi_class


def ranking(eta: Floats, multi_class: Form) -> Floats:
    """What rows of two classes are ranked by, (n, 1): the log-odds of the positive class.

    A flat file may hold two equations for two classes: the odds are then those of their probabilities.
    """
    if multi_class == "binary":
        return eta
    log_shares = -np.logaddexp(0.0, -eta)
    return np.asarray(log_shares[:, 1:] - log_shares[:, :1])


def probabilities(eta: Floats, multi_class: Form) -> Floats:
    """Probabilities (n, K) from log-odds (n, k)."""
    if multi_class == "binary":
        return np.column_stack([expit(-eta[:, 0]), expit(eta[:, 0])])
    if multi_class == "softmax":
        return softmax(eta)
    shares = expit(eta)
    faint = eta.max(axis=1) < _FAINT
    if faint.any():
        shares[faint] = softmax(eta[faint])
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def log_probabilities(eta: Floats, multi_class: Form) -> Floats:
    """Logarithms (n, K) of `probabilities`, which keep their digits where those round to 0 or 1."""
    if multi_class == "binary":
        return -softplus(np.column_stack([eta[:, 0], -eta[:, 0]]))
    return log_softmax(eta if multi_class == "softmax" else -softplus(-eta))


def predicted_codes(eta: Floats) -> NDArray[np.intp]:
    """The predicted class (n,) of log-odds (n, k): the first of the largest; from 0 on the positive one."""
    return (eta[:, 0] >= 0.0).astype(np.intp) if eta.shape[1] == 1 else eta.argmax(axis=1)


def probabilities_of_row(eta: list[float], multi_class: Form) -> list[float]:
    """`probabilities` of one row (k,), in plain Python: quicker than an array of this size."""
    if multi_class == "binary":
        return [_expit(-eta[0]), _expit(eta[0])]
    top = max(eta)
    if multi_class == "softmax" or top < _FAINT:
        parts = [math.exp(value - top) for value in eta]
    else:
        parts = [_expit(value) for value in eta]
    total = sum(parts)
    return [part / total for part in parts]


def _expit(eta: float) -> float:
    if eta >= 0.0:
        return 1.0 / (1.0 + math.exp(-eta))
    small = math.exp(eta)
    return small / (1.0 + small)
