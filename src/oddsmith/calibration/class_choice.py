"""Which map for three classes or more? As for two (choice.py): the simplest that can't be told from the best.

    identity, temperature      keep each row's order of classes
    one-vs-rest platt, beta, isotonic      a map for each class, renormalised

Each is judged on rows that its maps have not seen, by the log loss of the true class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.calibration.choice import FEWEST, FOLDS, MANY, MapChoice, simplest
from oddsmith.calibration.class_maps import ClassMap, OneVsRest, calibrated_classes
from oddsmith.calibration.maps import Identity
from oddsmith.calibration.multiclass import fit_class_temperature, fit_one_vs_rest
from oddsmith.data.block import Floats
from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import row_weights
from oddsmith.fit.losses import log_softmax

PER_CLASS = ("platt", "beta", "isotonic", "venn-abers")
METHODS = ("identity", "temperature", *(f"one-vs-rest {name}" for name in PER_CLASS[:3]))


def fit_class_map(
    method: str, logits: Floats, against: Floats, codes: NDArray[np.intp], weight: Floats
) -> ClassMap:
    """The map of this method: identity, temperature, or "one-vs-rest" and one of two classes.

    Args:
        method: its name.
        logits: (n, K) of a softmax.
        against: (n, K) log-odds of each class against all others.
        codes: (n,) true classes.
        weight: (n,).

    Raises:
        InputError: the rows cannot teach it.
    """
    if method == "identity":
        return Identity()
    if method == "temperature":
        return fit_class_temperature(logits, codes, weight)
    return fit_one_vs_rest(method.removeprefix("one-vs-rest "), against, codes, weight)


def class_logits(mapping: ClassMap, logits: Floats, against: Floats) -> Floats:
    """Calibrated logits (n, K); arguments as for `fit_class_map`."""
    return calibrated_classes(mapping, against if isinstance(mapping, OneVsRest) else logits)


def unseen_logits(
    method: str,
    logits: Floats,
    against: Floats,
    codes: NDArray[np.intp],
    weight: Floats,
    folds: NDArray[np.intp],
) -> Floats:
    """Calibrated logits (n, K) of rows by maps that were learned without their fold.

    Raises:
        InputError: the rows of other folds cannot teach a map.
    """
    found = np.empty_like(logits)
    for k in range(int(folds.max()) + 1):
        rest, own = folds != k, folds == k
        mapping = fit_class_map(method, logits[rest], against[rest], codes[rest], weight[rest])
        found[own] = class_logits(mapping, logits[own], against[own])
    return found


def choose_class_map(
    logits: Floats,
    against: Floats,
    codes: NDArray[np.intp],
    sample_weight: ArrayLike | None,
    folds: NDArray[np.intp] | None,
    unit: NDArray[np.intp],
    *,
    seed: int = 0,
) -> MapChoice:
    """The map for rows of K classes; `folds` (n,) or None where there are too few rows. Others as `fit_class_map`.

    Rows of one `unit` (n,) vary together.

    Raises:
        InputError: no row has a weight, or scores and codes do not fit.
    """
    weight = row_weights(sample_weight, len(codes))
    if folds is None:
        return MapChoice(Identity(), "identity: too few rows of a class to compare maps on.", [], 0, seed)
    fewest = int(np.bincount(codes[weight > 0.0], minlength=logits.shape[1]).min())
    losses: dict[str, Floats] = {}
    left_out: dict[str, str] = {}
    rows = np.arange(len(codes))
    for method in METHODS:
        if method.startswith("one-vs-rest") and fewest < FEWEST:
            left_out[method] = f"needs {FEWEST} rows of each class; one has {fewest}"
            continue
        if method.endswith("isotonic") and len(codes) <= MANY:
            left_out[method] = f"needs more than {MANY:,} rows to be a candidate; there are {len(codes):,}"
            continue
        try:
            found = unseen_logits(method, logits, against, codes, weight, folds)
        except InputError as error:
            left_out[method] = str(error)
            continue
        losses[method] = -log_softmax(found)[rows, codes]
    chosen, reason, candidates = simplest(METHODS, losses, left_out, weight / weight.sum(), unit)
    mapping = fit_class_map(chosen, logits, against, codes, weight)
    return MapChoice(mapping, reason, candidates, min(FOLDS, int(folds.max()) + 1), seed)
