"""What each row counts: its own weight times that of its class.

balanced    weight of class k = sum of all weights / (K * sum of the weights of class k)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Codes, Floats
from oddsmith.data.design import LARGEST
from oddsmith.errors import InputError, visible
from oddsmith.workflow.arrays import one_a_row

_WEIGHTS = "Weights are finite numbers, 0 or more."


def row_weights(
    sample_weight: Any, class_weight: Mapping[Any, float] | str | None, codes: Codes, classes: NDArray[Any]
) -> Floats | None:
    """Weights (n,) of rows of the classes with these `codes` (n,); None where every row counts once.

    `sample_weight` (n,), a number for all rows, or None; `class_weight` "balanced", weights by label, or None.

    Raises:
        InputError: a weight is no finite number of 0 or more, a class has no weight, or a label is unknown.
    """
    weight = None if sample_weight is None else _given(sample_weight, len(codes))
    if class_weight is not None:
        alone = np.bincount(codes, weight, len(classes)).astype(np.float64)
        of_class = _class_weights(class_weight, alone, classes)[codes]
        weight = of_class if weight is None else weight * of_class
    if weight is None:
        return None
    totals = np.bincount(codes, weight, len(classes))
    if not (totals > 0.0).all():
        empty = visible(str(classes[int(np.argmin(totals))]))
        raise InputError(
            f"all rows of class '{empty}' have weight 0, so there is nothing to learn. Give them some, or leave "
            f"them out."
        )
    if not 1.0 / LARGEST <= totals.sum() <= LARGEST:
        raise InputError(f"the weights add up to {totals.sum():.2g}. Give them in another unit.")
    return weight


def _given(sample_weight: Any, n_rows: int) -> Floats:
    weight = one_a_row(sample_weight, "sample_weight", n_rows)
    if not (np.isfinite(weight).all() and (weight >= 0.0).all()):
        row = int(np.argmin(np.isfinite(weight) & (weight >= 0.0)))
        raise InputError(f"sample_weight: row {row} (from 0) has {weight[row]:.4g}. {_WEIGHTS}")
    if not weight.any():
        raise InputError("sample_weight: every weight is zero. Some row must count.")
    return weight


def _class_weights(given: Mapping[Any, float] | str, totals: Floats, classes: NDArray[Any]) -> Floats:
    """The weight of each class (K,), whose rows weigh `totals` (K,) by themselves."""
    if isinstance(given, str):
        return np.asarray(totals.sum() / (len(totals) * np.where(totals > 0.0, totals, 1.0)))
    labels = classes.tolist()
    unknown = [label for label in given if label not in labels]
    # A fold of a cross-validation may lack a class; a slip of the pen leaves another one without a weight.
    if unknown and len(given) - len(unknown) < len(labels):
        known = ", ".join(visible(repr(label)) for label in labels[:6])
        raise InputError(
            f"class_weight names {visible(repr(unknown[0]))}, which is no class of y: it has {known}"
            f"{', ...' if len(labels) > 6 else ''}."
        )
    weights = np.ones(len(labels))
    for k, label in enumerate(labels):
        try:
            weights[k] = float(given.get(label, 1.0))
        except (TypeError, ValueError):
            weights[k] = np.nan
        if not 0.0 <= weights[k] < np.inf:
            raise InputError(
                f"class_weight: {visible(repr(label))} has {visible(repr(given[label]))}. {_WEIGHTS}"
            )
    return weights
