"""Many sparse columns: L-BFGS in a metric of head and tail, and Newton steps at the end that prove where it is.

    start     the classes' shares
    descent   gradients alone, in the metric of `fit/sparse_metric.py`, made anew after steps 2 and 5
    finish    from a decrement of 1e-5 on, as that metric sees it: Newton steps by conjugate gradients

No array has p^2 numbers, and X is never written out. The decrement that is reported is one that products with the
Hessian of all rows have found, not the metric's.

Without a penalty, columns that are constant are held at zero and named. Columns that explain each other are not looked
for, which would take a factor of p^2 numbers: the log-odds of rows are unique then, and the coefficients are those of
one optimum among many.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Block, Floats
from oddsmith.data.sparse import FEW_COLUMNS, has_sparse_rows
from oddsmith.fit.matrix import LEAST_SQUARE, Standardisation, squared_lengths
from oddsmith.fit.metrics import Metric
from oddsmith.fit.objective import Objective
from oddsmith.fit.solvers.conjugate import finish
from oddsmith.fit.solvers.descent import Plan, descend
from oddsmith.fit.solvers.solution import Path, Progress
from oddsmith.fit.sparse_metric import Look

REBUILT = (2, 5)
"""Steps after which the metrics are made anew."""
ROUGH = 1e-5
"""Decrement at which conjugate gradients take over."""

LONG = 200
"""Steps of descent after which they take over wherever it is."""


def is_sparse(objective: Objective) -> bool:
    """Whether the rows are sparse and of so many columns that no sample is written out whole."""
    return has_sparse_rows(objective.source) and objective.source.n_columns > FEW_COLUMNS


def descend_sparse(
    objective: Objective, draws: np.random.Generator, max_iter: int, progress: Progress
) -> Path:
    """Minimise over sparse rows in `max_iter` passes at most; `draws` takes the sample."""
    theta = objective.null
    flat = np.zeros(objective.source.n_columns + 1, dtype=bool)
    if objective.alpha == 0.0:
        flat = _flat(objective)
    flat[0] = not objective.fit_intercept
    look = Look.at(objective, flat, draws)

    def metrics(theta: Floats) -> Sequence[Metric]:
        return look.metrics(theta, objective.diagonal(theta) - objective.penalty.diagonal)

    # One curvature for all rows: then the diagonal is that of standardised columns, and no pass is needed.
    alike = objective.fit_intercept and objective.source.offset is None
    first = look.metrics(theta, _spread(objective)) if alike else metrics(theta)
    plan = Plan(first, metrics, due=REBUILT, rescaled=True, rough=ROUGH)
    theta, n_iter, nearby, memories = descend(objective, theta, plan, min(max_iter, LONG), progress)
    theta, more, nearby = finish(objective, theta, nearby, memories, max_iter - n_iter)
    n_iter += more
    held = np.tile(flat, (objective.n_problems, objective.loss.n_coupled))
    return Path.from_zero(objective, theta, n_iter, nearby.now.value, held, nearby)


def _spread(objective: Objective) -> Floats:
    """The curvature where every row has the classes' shares, for each coefficient (G, d)."""
    shape = (objective.n_problems, objective.loss.n_coupled, objective.source.n_columns + 1)
    weight = np.bincount(objective.source.y, objective.source.sample_weight)
    truth = objective.loss.truth(np.arange(len(weight)))
    share = (truth @ weight / weight.sum()).reshape(shape[:2])
    spread = np.broadcast_to((share * (1.0 - share))[:, :, None], shape)
    return spread.reshape(len(spread), -1)


def _flat(objective: Objective) -> NDArray[np.bool_]:
    """Which columns (q,), the intercept in front, are constant in all rows that count."""
    objective.n_passes += 1
    centred, raw = objective.engine(objective.source, partial(_lengths, by=objective.standardisation))
    raw[1:] /= objective.standardisation.scale**2
    return np.asarray(centred <= 2.0 * LEAST_SQUARE * raw)


def _lengths(block: Block, by: Standardisation) -> Floats:
    """Sums of squares about the centre and about zero, (2, q)."""
    w = (np.ones(len(block.X)) if block.sample_weight is None else block.sample_weight)[None]
    return np.concatenate([squared_lengths(by.columns(block.X), w), squared_lengths(block.X, w)])
