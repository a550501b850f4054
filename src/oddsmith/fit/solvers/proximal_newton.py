"""Lasso and elastic net: the optimum of a quadratic model and the absolute values, again and again.

    step       to the minimiser of gradient'(b - b0) + (b - b0)' B (b - b0) / 2 + penalty(b)      (`quadratic.lasso`)
    look       the gradient there, one cheap pass over the rows, which corrects B (BFGS)

Zeros come from the model, so that the first of them are found on a sample of the rows: B is the Hessian of its
optimum, and is sampled anew where progress is slow. A fit that moves along a path of penalties keeps where it
is, the gradient and B, and needs about one look for each penalty. How much the model promises is the Newton
decrement, in standard errors squared; descent ends when decrement * min(1, decrement / the one before) is
within the tolerance, and takes the last step.

A step is accepted when the slope along it has turned by half at most, else it is shortened by a secant. Slopes
alone don't prove that the objective falls: where progress stalls, Newton takes over, with exact Hessians and
steps that the objective itself approves of.

Where a sample would be most of the rows, there are more columns than rows, or many of them that are sparse:
`working_set`, with exact Hessians.

Sources: Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite functions; Nocedal
and Wright (2006), Numerical Optimization, chapter 6 (BFGS).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import ArraySource, Floats
from oddsmith.data.sparse import FEW_COLUMNS
from oddsmith.fit.cholesky import Factor
from oddsmith.fit.matrix import written_out
from oddsmith.fit.objective import Evaluation, Objective
from oddsmith.fit.optimality import Nearby
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.quadratic import lasso
from oddsmith.fit.sample import drawn
from oddsmith.fit.solvers.newton import Newton
from oddsmith.fit.solvers.sketched_newton import sketch
from oddsmith.fit.solvers.solution import Path, Progress, silent
from oddsmith.fit.solvers.sparse_descent import is_sparse
from oddsmith.fit.solvers.working_set import WorkingSet

CHEAP = 1e8
"""n d^2 below which Newton with exact Hessians, to the last digit, costs nothing worth saving."""
MODERATE, FOR_EACH, FOR_EACH_OF_MANY, LEAST = 200, 50, 16, 8192
"""Rows of a sample: 50 for each coefficient up to 200 of them, 16 beyond; 8192 at least."""
WORTH_ALL = 0.5
"""Share of the rows from which on a sample saves nothing."""
MOST = 5000
"""Coefficients beyond which their Hessian is out of proportion, unless those of few columns are made of sparse rows."""
POINTS = 6
"""Penalties on the way from the largest to a small one, at least, where columns are many."""
ON_THE_WAY = 1e-2
"""The decrement that is near enough for a penalty on the way."""
LOOSE = 0.1
"""Decrement for each coefficient at which a sample has told what it knows."""
SAMPLED_ANEW, FAR = 5, 100.0
"""Looks after which the Hessian is made anew, if the decrement is that many tolerances: sampled, then of all rows."""
PATIENCE = 8
"""Looks without a halved decrement after which Newton takes over."""
STALLED = 0.9
"""What is left of a decrement that has met rounding, or that nothing more can be done about."""
RARE = 0.1
"""A column whose sampled curvature is less than this share of what its sigma promises was hardly sampled."""
ROUNDING = 1e-6
"""Of a sampled column's curvature, what single precision makes of none."""
SHORTEST = 1e-6
SINGLE = 1e-14
"""The decrement, for each row, that coefficients rounded to single precision can leave."""


class Walk(Protocol):
    """A fit that moves from penalty to penalty, each time from where it is."""

    n_iter: int
    theta: Floats
    """Where it is, (G, d)."""
    value: Floats
    """The objective there, (G,)."""

    @property
    def n_passes(self) -> float:
        """Reads of the data so far."""
        ...

    def move_to(self, penalty: ElasticNet, tolerance: float, *, exact: bool = False) -> Floats:
        """The optimum (G, d) of another penalty; where it is cheap, and `exact`, to the last digit."""
        ...

    def held(self) -> NDArray[np.bool_] | None:
        """Coefficients (G, d) that can't be estimated, where that is not for the objective to find out."""
        ...

    def nearby(self) -> Nearby | Evaluation | None:
        """What is known of the last optimum."""
        ...


@dataclass(frozen=True)
class ProximalNewton:
    """`max_iter` looks at all rows at most; `seed` draws the sample."""

    max_iter: int = 1000
    seed: int = 0

    def __call__(self, objective: Objective, progress: Progress = silent) -> Path:
        """Minimise from zero; without a penalty this is Newton's method."""
        if objective.alpha == 0.0:
            return Newton(self.max_iter)(objective, progress)
        walk = walk_for(objective, self.seed, self.max_iter, progress)
        penalty, tolerance = objective.penalty, objective.tolerance
        if isinstance(walk, WorkingSet):
            for strength in walk.on_the_way(POINTS):
                walk.move_to(replace(penalty, alpha=strength), max(ON_THE_WAY, tolerance))
        walk.move_to(penalty, tolerance, exact=True)
        nearby = walk.nearby()
        objective.n_passes += walk.n_passes
        return Path.from_zero(objective, walk.theta, walk.n_iter, walk.value, walk.held(), nearby)


def walk_for(objective: Objective, seed: int = 0, max_iter: int = 1000, progress: Progress = silent) -> Walk:
    """A walk at zero, of the kind that suits the numbers of rows and coefficients."""
    n, d = objective.source.n_rows, objective.n_coefficients
    m = max((FOR_EACH if d <= MODERATE else FOR_EACH_OF_MANY) * d, LEAST)
    most = FEW_COLUMNS if is_sparse(objective) else MOST
    if n * d**2 < CHEAP or m >= WORTH_ALL * n or d > most:
        return WorkingSet(objective, max_iter, progress)
    return Sampled(objective, m, np.random.default_rng(seed), max_iter, progress)


class Sampled:
    """A walk by a sample's Hessian, corrected at each look at all rows. Coefficients are (G, d)."""

    def __init__(
        self, objective: Objective, m: int, draws: np.random.Generator, max_iter: int, progress: Progress
    ) -> None:
        loss = objective.loss
        self.objective = replace(objective)
        self.max_iter, self.progress = max_iter, progress
        self.n_iter = 0
        sample = drawn(objective.source.y, max(loss.n_choices, loss.n_problems), m, draws)
        self.sketch = sketch(self.objective, sample)
        d = objective.n_coefficients
        self.thin = sample.thinned(max(12 * d, LEAST // 4), draws)
        self.at: Floats = objective.null
        """Where the gradient was last seen, and the centre of the model."""
        self.slope: Floats = np.empty(0)
        """Gradient of the mean loss there."""
        self.bend: Floats = np.empty(0)
        """Hessians of the mean loss, as far as they are known, (G, d, d)."""
        self.theta = self.at
        self.tolerance = objective.tolerance
        self.value: Floats = np.empty(0)

    @property
    def n_passes(self) -> float:
        """Reads of the data so far, the sample's included."""
        return self.objective.n_passes

    def move_to(self, penalty: ElasticNet, tolerance: float, *, exact: bool = False) -> Floats:
        """The optimum (G, d) of another penalty, to within the tolerance; of all precision there is no `exact`."""
        self.objective = self.objective.with_penalty(penalty)
        self.sketch = self.sketch.with_penalty(penalty)
        if not self.slope.size:
            self._begin()
        if self.objective.source.dtype == np.float32:
            tolerance = max(tolerance, SINGLE * self.objective.n_rows)
        self.tolerance = tolerance
        self._descend(tolerance)
        return self.theta

    def held(self) -> NDArray[np.bool_] | None:
        """Those that are fixed, unless the sample has a column that never changes."""
        return (
            None
            if self.sketch.held[:, self.sketch.free].any()
            else np.tile(~self.sketch.free, (len(self.at), 1))
        )

    def nearby(self) -> Nearby:
        """What a look at the last optimum tells; where that is more than was expected, descent goes on."""
        objective, penalty = self.objective, self.objective.penalty
        before = np.full(len(self.at), np.inf)
        while True:
            now = objective.survey(self.theta)
            slope = penalty.violation(self.theta, now.gradient)
            steps = np.stack(
                [
                    _on_face(bend + penalty.hessian, theta == 0.0, downhill)
                    for bend, theta, downhill in zip(self.bend, self.theta, slope, strict=True)
                ]
            )
            left = 0.5 * (steps * slope).sum(axis=1) * objective.n_rows
            self.value = now.value
            again = (left > self.tolerance) & (left < STALLED * before)
            if not again.any() or self.n_iter >= self.max_iter:
                return Nearby(now, steps)
            before = left
            self._learn(self.theta, now.gradient - penalty.gradient(self.theta))
            self._descend(self.tolerance)

    def _begin(self) -> None:
        """To the optimum of a part of the sample, then of all of it, by Newton; its Hessian is the first B."""
        whole = self.sketch
        if len(self.thin) < 0.4 * whole.source.n_rows:
            part = whole.source.take(self.thin)
            thin = ArraySource(written_out(part.X), part.y, part.sample_weight, offset=part.offset)
            self._newton(replace(whole, source=thin), most=12)
        self._newton(whole, most=12)
        self.slope = self._look(self.at)

    def _newton(self, sketched: Objective, most: int) -> None:
        until = LOOSE * sketched.n_coefficients
        for iteration in range(most):
            now = sketched.evaluate(self.at, order=2)
            self.bend = _floored(now.hessian - sketched.penalty.hessian, sketched)
            slope = now.gradient - sketched.penalty.gradient(self.at)
            goals, decrement = _goals(sketched, self.at, slope, self.bend)
            if (decrement < until).all():
                self.at = goals
                break
            step, length = goals - self.at, 1.0
            while iteration and length > SHORTEST:
                value = sketched.evaluate(self.at + length * step, order=0).value
                if (value <= now.value + 1e-6 * np.abs(now.value)).all():
                    break
                length *= 0.5
            self.at = goals if length == 1.0 else self.at + length * step

    def _look(self, theta: Floats) -> Floats:
        """Gradient of the mean loss, (G, d)."""
        return self.objective.gradient(theta) - self.objective.penalty.gradient(theta)

    def _descend_exactly(self, tolerance: float) -> None:
        """By exact Hessians and steps that the objective itself approves of, from where it was last seen."""
        exact = self.objective.with_penalty(self.objective.penalty)
        exact.tolerance = tolerance
        newton = Newton(max(1, self.max_iter - self.n_iter), to_the_floor=False)
        path = newton.descend(exact, self.at, exact.evaluate(self.at, order=2), self.progress)
        assert isinstance(path.nearby, Evaluation)
        self.objective.n_passes = exact.n_passes
        self.n_iter += path.n_iter
        self.at = self.theta = path.theta
        self.slope = path.nearby.gradient - exact.penalty.gradient(path.theta)
        self.bend = path.nearby.hessian - exact.penalty.hessian

    def _descend(self, tolerance: float) -> None:
        before = best = np.full(len(self.at), np.inf)
        best_at = first = self.n_iter
        while True:
            self.theta, decrement = _goals(self.objective, self.at, self.slope, self.bend)
            gain = np.minimum(1.0, decrement / np.where(before > 0.0, before, np.inf))
            gain[np.isinf(before)] = 1.0
            active = (decrement * gain > tolerance) & (decrement > 1e-2 * tolerance)
            if not active.any() or self.n_iter - first >= self.max_iter:
                return None
            if (decrement < 0.5 * best)[active].any():
                best, best_at = np.minimum(best, decrement), self.n_iter
            lengths, slope = self._by_slope(np.where(active[:, None], self.theta - self.at, 0.0), decrement)
            if self.n_iter - best_at >= PATIENCE or not lengths.any():
                return self._descend_exactly(tolerance)
            there = np.where(
                (lengths == 1.0)[:, None], self.theta, self.at + lengths[:, None] * (self.theta - self.at)
            )
            there = np.where(active[:, None], there, self.at)
            self.n_iter += 1
            self.progress(self.n_iter, self.max_iter, np.full(len(there), np.nan))
            anew = (self.n_iter - first) % SAMPLED_ANEW == 0 and (decrement > FAR * tolerance).any()
            if anew:
                # What a sample has not shown once it will not show again.
                rows = self.sketch if self.n_iter - first == SAMPLED_ANEW else self.objective
                found = rows.evaluate(there, order=2).hessian - rows.penalty.hessian
                self.at, self.slope, self.bend = there, slope, _floored(found, rows)
                before = np.full(len(there), np.inf)
            else:
                self._learn(there, slope)
                before = decrement

    def _learn(self, there: Floats, slope: Floats) -> None:
        """Make `there` (G, d), where the mean loss has this slope, the centre of the model, corrected by it."""
        moves, turns = there - self.at, slope - self.slope
        self.bend = np.stack([_corrected(*seen) for seen in zip(self.bend, moves, turns, strict=True)])
        self.at, self.slope = there, slope

    def _by_slope(self, step: Floats, decrement: Floats) -> tuple[Floats, Floats]:
        """Lengths (G,) at which the slope along `step` (G, d) has turned by half at most, and the gradients there."""
        penalty = self.objective.penalty
        promised = np.maximum(2.0 * decrement / self.objective.n_rows, np.finfo(float).tiny)
        lengths = np.asarray(step.any(axis=1), dtype=np.float64)
        while True:
            there = self.at + lengths[:, None] * step
            slope = self._look(there)
            rising = penalty.slope_along(there, slope + penalty.gradient(there), step)
            fine = (rising <= 0.5 * promised) | (lengths == 0.0)
            if fine.all():
                return lengths, slope
            secant = np.clip(promised / (promised + np.maximum(rising, 0.0)), 0.1, 0.7)
            lengths = np.where(fine, lengths, lengths * secant)
            if (lengths[~fine] < SHORTEST).any():
                return np.zeros_like(lengths), slope


def _goals(objective: Objective, at: Floats, slope: Floats, bend: Floats) -> tuple[Floats, Floats]:
    """Minimisers (G, d) of the model around `at`, and by how much it falls, (G,), times the rows."""
    penalty = objective.penalty
    gradient = slope + penalty.gradient(at)
    goals, falls = np.empty_like(at), np.empty(len(at))
    for k, (here, downhill) in enumerate(zip(at, gradient, strict=True)):
        B = bend[k] + penalty.hessian
        goals[k] = lasso(B, B @ here - downhill, penalty.weight, here)
        step = goals[k] - here
        falls[k] = -(step @ (downhill + 0.5 * (B @ step)))
        falls[k] -= penalty.weight @ (np.abs(goals[k]) - np.abs(here))
    return goals, np.maximum(falls, 0.0) * objective.n_rows


def _corrected(bend: Floats, step: Floats, turn: Floats) -> Floats:
    """BFGS: the matrix nearest to `bend` (d, d), in its own measure, that turns the gradient as was seen."""
    shown = bend @ step
    seen, believed = float(step @ turn), float(step @ shown)
    if not (believed > 0.0 and seen > 1e-12 * believed):
        return bend
    return np.asarray(bend + np.outer(turn, turn / seen) - np.outer(shown, shown / believed))


def _floored(bend: Floats, sketched: Objective) -> Floats:
    """Sampled Hessians (G, d, d) in which every direction bends, and every column that is not flat as it should.

    They are sums in single precision, whose rounding may leave a direction without curvature bending downwards.
    A standardised column has a mean square of 1, so that its curvature is about that of the intercept. One that
    is zero in nearly all rows may have none in a sample, and could then never move.
    """
    diagonal = np.arange(bend.shape[1])
    q = sketched.source.n_columns + 1
    bent = bend[:, diagonal, diagonal]
    typical = np.repeat(np.median(bent.reshape(len(bent), -1, q), axis=2), q, axis=1)
    bend = bend.copy()
    lacking = (bent < RARE * typical) & sketched.free
    bend[:, diagonal, diagonal] += np.where(lacking, typical, ROUNDING * bent)
    return bend


def _on_face(bend: Floats, at_zero: NDArray[np.bool_], slope: Floats) -> Floats:
    """B^-1 slope (d,) on the face of what is not `at_zero` or moves."""
    return Factor.of(bend, at_zero & (slope == 0.0)).solve(slope)
