"""Newton's method on a sample, then a handful of cheap looks at all rows.

    sample    m rows find the neighbourhood of the optimum and its curvature
    descent   L-BFGS on all rows, gradients alone, in the metric of the sample's Hessian

The optimum of a statistical problem needs few looks at all its rows: 1e6 x 50 costs about ten products with
X, where Newton pays p^2 multiplications a row. How many rows the sample has, and which metric, is a matter of
the numbers of rows n, columns p and classes K; q = p + 1:

    binary, one-vs-rest, p <= 400    m = max(50 q, min(n / 12, 4 n / (q K), M), 4096); the sample's Hessian, and all
                                     rows' where that saves as many passes as it costs
    binary, one-vs-rest, p > 400     no sample; a diagonal, and the Hessian of 8 q rows where that saves 14
    softmax, (K - 1) q <= 700        m = max(30 q, min(n / 16, 2 n / (q (K - 1)^2), M), 4096); the sample's Hessian
    sparse rows, p <= 400            m = max(20 q, 4096) unless softmax, whose samples are as above: here passes cost
                                     less than Hessians
    sparse rows, p > 400             metrics of head and tail, conjugate gradients at the end: `sparse_descent.py`
    softmax, beyond                  m = max(6 q, min(n / 16, 2 n / q, M), 4096); the Kronecker metric

M = 2^24 / q: a sample takes 64 MB at most, however many rows there are.

Where the sample would be 0.3 n or more it is all rows, in single precision: that halves what Newton's Hessians cost,
of which a thinned sample's first steps leave few, and the descent in double precision makes the optimum exact. Where
a descent in a sampled Hessian makes no progress, Newton's method goes on.

Sources: Erdogdu and Montanari (2015), Convergence rates of sub-sampled Newton methods; Martens and Grosse
(2015), Optimizing neural networks with Kronecker-factored approximate curvature, for the last row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import ArraySource, Block, Codes, Floats, of_rows
from oddsmith.data.sparse import SparseSource
from oddsmith.fit.cholesky import dependent_columns
from oddsmith.fit.matrix import Standardisation, gram, written_out
from oddsmith.fit.metrics import Diagonal, Kronecker, Metric, factored
from oddsmith.fit.objective import Evaluation, Objective
from oddsmith.fit.sample import Sample, drawn, systematic
from oddsmith.fit.solvers.descent import Plan, descend
from oddsmith.fit.solvers.newton import Newton
from oddsmith.fit.solvers.solution import Path, Progress, silent
from oddsmith.fit.solvers.sparse_descent import descend_sparse, is_sparse
from oddsmith.fit.sparse_metric import GROUPS, HEAD
from oddsmith.fit.stats import spread

WIDE = 400
"""Columns beyond which a sampled Hessian has to show that it pays."""
MOST_COUPLED = 700
"""Coupled coefficients up to which their Hessian is sampled whole."""
LEAST = 4096
MOST = 1 << 24
"""Rows of a sample times q, at most, unless so few would not do."""
WORTH_ALL = 0.3
"""Share of the rows from which on a sample saves nothing."""
LOOSE = 0.1
"""Decrement for each coefficient at which a sample has told what it knows."""
SUSPECT = 1e-4
"""A pivot in single precision from which on a column may be one that others explain."""
FINE = 1e-3
"""Decrement at which all rows in single precision have."""
RARE = 0.5
"""Of the median curvature of standardised columns: one that has less on a sample is one that few rows have."""
SHORT = 30
"""Passes after which, of so few rows, Newton's Hessians are the faster way."""
EXACT = 1e-14
"""A decrement with which a cheap fit is content."""
HALVINGS = 12
SLICE = 1_000_000
"""Bytes of a sample's rows that a thread has in double precision at once, unless each time is a pass."""


@dataclass(frozen=True)
class SketchedNewton:
    """`max_iter` passes at most after the sample's; `seed` draws the sample."""

    max_iter: int = 1000
    seed: int = 0
    sample_rows: int | None = None
    """Rows of the sample; by itself the rule above."""

    def __call__(self, objective: Objective, progress: Progress = silent) -> Path:
        """Minimise, from zero on the sample and from its optimum on all rows."""
        draws = np.random.default_rng(self.seed)
        if is_sparse(objective):
            return descend_sparse(objective, draws, self.max_iter, progress)
        if is_wide(objective):
            theta, plan, held = _wide(objective, draws)
            return self._to_the_end(objective, theta, plan, held, self.max_iter, progress)
        m = self.sample_rows or sample_rows(objective)
        theta, plan, held = _sampled(objective, m, draws)
        if not is_kronecker(objective):
            most = SHORT if m == objective.source.n_rows else self.max_iter
            return self._to_the_end(objective, theta, plan, held, min(most, self.max_iter), progress)
        theta, n_iter, nearby, _ = descend(objective, theta, plan, self.max_iter, progress)
        return Path.from_zero(objective, theta, n_iter, nearby.now.value, held, nearby)

    def _to_the_end(
        self,
        objective: Objective,
        theta: Floats,
        plan: Plan,
        held: NDArray[np.bool_],
        most: int,
        progress: Progress,
    ) -> Path:
        """A descent of `most` passes from a sample's optimum, and Newton's method where that isn't enough."""
        theta, n_iter, nearby, _ = descend(objective, theta, plan, most, progress)
        left = nearby.decrement
        if left is None:
            left = 0.5 * (nearby.steps * nearby.now.gradient).sum(axis=1) * objective.n_rows
        exact = objective.is_cheap and objective.source.dtype == np.float64
        path = Path.from_zero(objective, theta, n_iter, nearby.now.value, held, nearby)
        enough = (left <= (EXACT if exact else objective.tolerance)).all()
        if enough or path.n_iter >= self.max_iter:
            return path
        theta = np.where((nearby.now.value <= objective.value_at_zero)[:, None], theta, 0.0)
        newton = Newton(min(self.max_iter - path.n_iter, Newton.max_iter))
        further = newton.descend(objective, theta, objective.evaluate(theta, order=2), progress)
        later = [(path.n_iter + n, value) for n, value in further.history]
        return replace(further, n_iter=path.n_iter + further.n_iter, history=[path.history[0], *later])


def is_wide(objective: Objective) -> bool:
    """Whether there are so many columns that a Hessian, even a sample's, has to show that it pays."""
    n, p = objective.source.n_rows, objective.source.n_columns
    return objective.loss.n_coupled == 1 and p > WIDE and n > 4 * p


def is_kronecker(objective: Objective) -> bool:
    """Whether the classes' Hessian is too large to be sampled whole."""
    coupled = objective.loss.n_coupled
    return coupled > 1 and coupled * (objective.source.n_columns + 1) > MOST_COUPLED


def width(objective: Objective) -> int:
    """How many coefficients the largest matrix has that is factored."""
    if is_sparse(objective):
        return HEAD + GROUPS + 1
    return objective.source.n_columns + 1 if is_kronecker(objective) else objective.n_coefficients


def sample_rows(objective: Objective) -> int:
    """Rows that a sample has to find the neighbourhood and the curvature of the optimum: all, where most are needed."""
    n, m = objective.source.n_rows, _needed(objective)
    return n if m >= WORTH_ALL * n else m


def _needed(objective: Objective) -> int:
    n, q, coupled = objective.source.n_rows, objective.source.n_columns + 1, objective.loss.n_coupled
    if coupled == 1 and isinstance(objective.source, SparseSource):
        return max(20 * q, LEAST)
    if coupled == 1:
        return int(max(50 * q, min(n / 12, 4 * n / (q * objective.n_problems), MOST / q), LEAST))
    if not is_kronecker(objective):
        return int(max(30 * q, min(n / 16, 2 * n / (q * coupled**2), MOST / q), LEAST))
    return int(max(6 * q, min(n / 16, 2 * n / q, MOST / q), LEAST))


def sketch(objective: Objective, sample: Sample) -> Objective:
    """The objective as a sample of its rows estimates it: standardised columns in single precision."""
    source, rows = objective.source, sample.rows
    Z = np.empty((len(rows), source.n_columns), dtype=np.float32)
    each = len(rows) if source.in_order else max(1, SLICE // (8 * max(source.n_columns, 1)))

    def fill(start: int) -> int:
        part = slice(start, start + each)
        Z[part] = written_out(objective.standardisation.columns(source.take(rows[part]).X))
        return len(Z[part])

    objective.engine(range(0, len(rows), each), fill)
    objective.n_passes += len(rows) / source.n_rows
    weight = of_rows(source.sample_weight, rows)
    if sample.weight is not None:
        weight = sample.weight if weight is None else sample.weight * weight
    return _of_rows(objective, Z, source.y[rows], weight, of_rows(source.offset, rows))


def _of_rows(
    objective: Objective, Z: NDArray[Any], y: Codes, weight: Floats | None, offset: Floats | None
) -> Objective:
    zero = np.zeros(Z.shape[1])
    as_is = Standardisation(zero, np.ones_like(zero))
    return replace(objective, source=ArraySource(Z, y, weight, offset=offset), standardisation=as_is)


def _sampled(
    objective: Objective, m: int, draws: np.random.Generator
) -> tuple[Floats, Plan, NDArray[np.bool_]]:
    """Where a sample puts the optimum (G, d), the metrics it gives, and which coefficients are held."""
    q = objective.source.n_columns + 1
    n_classes = max(objective.loss.n_coupled + 1, objective.n_problems)
    sample = drawn(objective.source.y, n_classes, m, draws)
    whole = sketch(objective, sample)
    held = _held(objective, whole)
    theta = np.zeros((objective.n_problems, objective.n_coefficients))
    kronecker = is_kronecker(objective)
    places = sample.thinned(max(12 * q, LEAST), draws)
    if len(places) < 0.5 * len(sample.rows):
        until = LOOSE * objective.n_coefficients
        theta, _ = _newton(_part(whole, places), theta, held, kronecker, most=20, until=until)
    until = FINE if len(sample.rows) == objective.source.n_rows else LOOSE * objective.n_coefficients
    theta, metrics = _newton(whole, theta, held, kronecker, most=4 if kronecker else 20, until=until)
    if kronecker:
        return theta, Plan(metrics), held

    def all_rows(theta: Floats) -> Sequence[Metric]:
        return [
            factored(hessian, h)
            for hessian, h in zip(objective.evaluate(theta, order=2).hessian, held, strict=True)
        ]

    return theta, Plan(metrics, all_rows, worth=_hessian_passes(objective), first_look=1, gives_up=True), held


def _hessian_passes(objective: Objective) -> float:
    """Passes that the Hessian of all rows costs as much as, and two that follow it.

    It has (M + 1) / 2 blocks for each of M coupled predictors; several problems share a pass, and no Hessian.
    """
    block = 4.0 + (objective.source.n_columns + 1) / 25.0
    shared = 2.0 if objective.n_problems > 1 else 1.0
    return 2.0 + 0.5 * (objective.loss.n_coupled + 1) * block * shared


def _wide(objective: Objective, draws: np.random.Generator) -> tuple[Floats, Plan, NDArray[np.bool_]]:
    """Zero, a diagonal, and sampled Hessians for later."""
    p = objective.source.n_columns
    look = sketch(objective, Sample(systematic(objective.source.n_rows, 2 * p, draws), None))
    held = _held(objective, look)

    def of_sample(theta: Floats) -> Sequence[Metric]:
        rows = systematic(objective.source.n_rows, 8 * (p + 1), draws)
        ridge = objective.penalty.hessian
        found = sketch(objective, Sample(rows, None)).evaluate(theta, order=2).hessian - ridge
        own = np.diagonal(found, axis1=1, axis2=2)
        if (own < RARE * np.median(own, axis=1, keepdims=True)).any():
            exact = objective.diagonal(theta) - objective.penalty.diagonal
            found = np.stack([_with(*pair) for pair in zip(found, exact, strict=True)])
        found = found / (1.0 - (p + 1) / (len(rows) + 1)) + ridge
        return [factored(hessian, h) for hessian, h in zip(found, held, strict=True)]

    zero = np.zeros((objective.n_problems, objective.n_coefficients))
    return (
        zero,
        Plan(
            [Diagonal.of(objective, h) for h in held],
            of_sample,
            worth=14.0,
            first_look=4,
            rescaled=True,
            gives_up=True,
        ),
        held,
    )


def _with(hessian: Floats, diagonal: Floats) -> Floats:
    """A sampled Hessian (d, d) with the diagonal (d,) of all rows: a column that few rows have is rare in a sample."""
    own = np.diag(hessian)
    scale = np.sqrt(np.divide(diagonal, own, out=np.zeros_like(own), where=own > 0.0))
    found: Floats = hessian * np.outer(scale, scale)
    np.fill_diagonal(found, diagonal)
    return found


def _part(whole: Objective, places: NDArray[np.intp]) -> Objective:
    block = whole.source.take(places)
    return _of_rows(whole, written_out(block.X), block.y, block.sample_weight, block.offset)


def _held(objective: Objective, sketched: Objective) -> NDArray[np.bool_]:
    """Coefficients (G, d) that stay at zero: those of `objective.held`, whose passes a sample may save.

    Columns that others explain on all rows are explained on a sample too.
    """
    if objective.alpha > 0.0:
        squares = sketched.engine(sketched.source, partial(spread, standardisation=sketched.standardisation))
        suspicious = not (squares > 0.0).all()
    else:
        found = sketched.engine(sketched.source, _gram_of)
        if not objective.fit_intercept:
            found[0] = found[:, 0] = 0.0
        suspicious = bool(dependent_columns(found, SUSPECT)[objective.free[: len(found)]].any())
    return objective.held if suspicious else np.tile(~objective.free, (objective.n_problems, 1))


def _gram_of(block: Block) -> Floats:
    w = np.ones(len(block.X)) if block.sample_weight is None else block.sample_weight
    return gram(block.X, w.astype(block.X.dtype))


def _newton(
    sketched: Objective, theta: Floats, held: NDArray[np.bool_], kronecker: bool, most: int, until: float
) -> tuple[Floats, Sequence[Metric]]:
    """Damped Newton steps on a sample until it has told what it knows: coefficients (G, d) and metrics."""
    now = sketched.evaluate(theta, order=1 if kronecker else 2)
    metrics: Sequence[Metric] = []
    for _ in range(most):
        metrics = _metrics(sketched, theta, now, held, kronecker)
        steps = np.stack([metric.solve(g) for metric, g in zip(metrics, now.gradient, strict=True)])
        decrement = 0.5 * (steps * now.gradient).sum(axis=1) * sketched.n_rows
        if (decrement < until).all():
            return theta - steps, metrics
        lengths = np.ones(len(theta))
        for _ in range(HALVINGS):
            after = sketched.evaluate(theta - lengths[:, None] * steps, order=1 if kronecker else 2)
            fell = after.value <= now.value + 1e-6 * np.abs(now.value)
            if fell.all():
                break
            lengths = np.where(fell, lengths, 0.4 * lengths)
        theta, now = theta - lengths[:, None] * steps, after
    return theta, metrics


def _metrics(
    sketched: Objective, theta: Floats, now: Evaluation, held: NDArray[np.bool_], kronecker: bool
) -> Sequence[Metric]:
    if kronecker:
        return [Kronecker.of(sketched, theta, held[0])]
    return [factored(hessian, h) for hessian, h in zip(now.hessian, held, strict=True)]
