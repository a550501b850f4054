"""Intercepts beside offsets: the optimum where no column counts.

    sum_i w_i (expit(intercept + offset_i) - y_i) = 0

Probabilities grow with the intercept, so that it is no further from the one without offsets than the offsets are from 0.
Newton's method finds it, and bisection where that leads out of what is left of the interval; first on a few of the
rows, from where few steps are left for all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from oddsmith.data.block import ArraySource, Floats, of_rows

if TYPE_CHECKING:
    from oddsmith.fit.objective import Objective

MOST = 100
"""Steps in which an interval is down to rounding, however long it was."""
NEAR = 1e-5
"""A step of this length leaves half its square at most, for the curvature's slope is no larger than the curvature."""
FEW, THINNED = 4096, 16
"""Rows below which all are looked at from the beginning, and the part that is looked at before the others."""


def beside_offsets(columnless: Objective, alike: Floats) -> tuple[Floats, Floats]:
    """Intercepts (G,), and the mean losses (G,) there, of an objective without columns.

    They give its rows the shares that the intercepts `alike` (G,) would give them without offsets.
    """
    source = columnless.source
    offset = source.offset
    assert offset is not None
    low, high = alike - offset.max(), alike - offset.min()
    now = 0.5 * (low + high)
    rows = slice(None, None, THINNED)
    weight = of_rows(source.sample_weight, rows)
    if source.n_rows > THINNED * FEW and (weight is None or weight.any()):
        y = source.y[rows]
        few = ArraySource(np.empty((len(y), 0)), y, weight, offset=offset[rows])
        now = np.clip(beside_offsets(replace(columnless, source=few), alike)[0], low, high)
    for _ in range(MOST):
        found = columnless.evaluate(now[:, None], order=2)
        slope, bend = found.gradient[:, 0], found.hessian[:, 0, 0]
        high, low = np.where(slope > 0.0, now, high), np.where(slope > 0.0, low, now)
        after = now - np.divide(slope, bend, out=np.full_like(slope, np.inf), where=bend > 0.0)
        after = np.where((after >= low) & (after <= high), after, 0.5 * (low + high))
        move, now = now - after, after
        if (np.abs(move) <= NEAR).all():
            break
    return now, found.value - 0.5 * slope * move
