"""L-BFGS in a metric: gradient passes alone, from a point and a metric that a look at few rows has given.

    step      = H~^-1 gradient, H~ the metric, corrected by what each pass has shown of the true Hessian
    decrement = gradient' step / 2, in standard errors squared
    stop      when decrement * min(1, decrement / the one before) <= tolerance; then the step is taken

What is known of the end is measured one step before it, in a pass that was foreseen to be the last and asked for the
loss too: the step lowers it by the decrement, and leaves of that as much as the one before has left. A last pass that
was not foreseen is followed by one that measures the end itself.

A step is accepted when the slope along it has fallen to half or less, else it is shortened by a secant; on
most data the whole step passes. Slopes alone don't prove that a convex loss falls, so that as soon as
progress stalls, steps are checked by the loss (Armijo), and descent is guaranteed whatever the data.

Sources: Nocedal (1980), Updating quasi-Newton matrices with limited storage; Byrd, Chin, Neveitt and Nocedal
(2011), On the use of stochastic Hessian information.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.fit.metrics import Metric
from oddsmith.fit.objective import Evaluation, Objective
from oddsmith.fit.optimality import Nearby
from oddsmith.fit.solvers.solution import Progress

MEMORY = 30
"""Pairs of steps and gradient changes that correct the metric."""
FLOOR = 1e-18
"""The decrement to which cheap descents go on."""
STALLED = 0.25
"""A decrement within the user's tolerance that falls no further than this has met rounding."""
RELATIVE = 1e-10
"""Of the objective, what may be left where it is known: the losses of rare events sum to little."""
LATER = 5
"""Passes with a metric before those to come are foretold."""
PATIENCE = 12
"""Passes without a halved decrement after which the loss is asked."""
EARLY = 2.0
"""How far beyond the tolerance the foretold decrement may be for a pass to ask for the loss."""
KNOWN = 1e3
"""Tolerances that a decrement may measure for the step to be taken without looking where it leads."""
SHORTEST = 1e-6
SUFFICIENT = 1e-4
NOISE = 1e-13
SINGLE = 1e-14
"""The decrement, for each row, that coefficients rounded to single precision can leave."""


@dataclass
class Memory:
    """One problem's corrections: s = change of coefficients, y = change of gradient."""

    metric: Metric
    rescaled: bool
    """Whether the metric's size is only a guess, to be set by the last pair."""
    pairs: deque[tuple[Floats, Floats, float]] = field(default_factory=lambda: deque(maxlen=MEMORY))
    size: float = 1.0

    def solve(self, gradient: Floats) -> Floats:
        """H~^-1 gradient, (d,), by the two-loop recursion."""
        rest = gradient.copy()
        shares = []
        for s, y, inverse in reversed(self.pairs):
            share = inverse * (s @ rest)
            shares.append(share)
            rest -= share * y
        step = self.metric.solve(rest)
        step *= self.size
        for (s, y, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            step += (share - inverse * (y @ step)) * s
        return step

    def learn(self, s: Floats, y: Floats) -> None:
        """Take in a pair, unless rounding has made its curvature worthless."""
        bend = float(s @ y)
        if not bend > 1e-14 * np.sqrt((s @ s) * (y @ y)):
            return
        self.pairs.append((s, y, 1.0 / bend))
        if self.rescaled:
            self.size = bend / float(y @ self.metric.solve(y))


@dataclass(frozen=True)
class Plan:
    """How a descent gets its metrics: one for each problem at first, and better ones when they pay."""

    metrics: Sequence[Metric]
    rebuild: Callable[[Floats], Sequence[Metric]] | None = None
    """Metrics at some coefficients (G, d)."""
    worth: float = np.inf
    """Passes still to come, as the decrements foretell, that a rebuild is cheaper than."""
    first_look: int = LATER
    """Passes with the first metric before those to come are foretold."""
    rescaled: bool = False
    """Whether the first metrics are right in shape and not in size, and those due as well."""
    due: tuple[int, ...] = ()
    """Passes after which they are rebuilt whatever is foretold."""
    rough: float = 0.0
    """A decrement at which another way is the faster one."""
    gives_up: bool = False
    """Whether another way is the better one where slopes make no progress."""


def descend(
    objective: Objective, theta: Floats, plan: Plan, max_iter: int, progress: Progress
) -> tuple[Floats, int, Nearby, Sequence[Memory]]:
    """From `theta` (G, d) to the optimum: where it ended, after how many passes, and what is known of that place.

    Once `plan` has shown no progress, each step is that of a new metric, and checked by the loss, unless it gives up.
    """
    tolerance = max(objective.tolerance, plan.rough)
    if objective.source.dtype == np.float32:
        tolerance = max(tolerance, SINGLE * objective.n_rows)
    elif not plan.rough and objective.is_cheap:
        tolerance = min(tolerance, FLOOR)
    memories = [Memory(metric, plan.rescaled) for metric in plan.metrics]
    unknown = np.full(len(theta), np.inf)
    active = np.ones(len(theta), dtype=bool)
    before = first = best = least = unknown
    risen = np.ones(len(theta))
    since, best_at, n_iter, checked, lost = 0, 0, 0, False, False
    looks = plan.first_look
    look = _look(objective, theta, False)
    while True:
        gradient = look.gradient
        steps, decrement = _steps(objective, memories, gradient, active)
        foretold = since >= looks and _to_come(decrement, first, before, since, tolerance)[active].max()
        pays = foretold > plan.worth or (checked and plan.worth < np.inf)
        due = n_iter in plan.due
        if plan.rebuild is not None and (pays or due):
            memories = [
                Memory(metric, due and plan.rescaled, size=memory.size if due else 1.0)
                for metric, memory in zip(plan.rebuild(theta), memories, strict=True)
            ]
            steps, decrement = _steps(objective, memories, gradient, active)
            since, looks = 0, max(plan.first_look, LATER)
            least, risen = unknown, np.ones(len(theta))
        if since <= 1:
            first = decrement
        least, risen = _risen(decrement, least, risen)
        gain = _gain(decrement, before)
        arrived = decrement * gain * risen <= tolerance
        arrived |= (
            (decrement <= max(objective.tolerance, plan.rough)) & (gain >= STALLED) & np.isfinite(before)
        )
        if look.value.size and not plan.rough:
            arrived &= ~_matters(objective, decrement * gain * risen, look.value, gain)
        moves = np.where(active[:, None], steps, 0.0)
        if arrived.all() and active.all() and look.value.size and (decrement <= KNOWN * tolerance).all():
            return theta - moves, n_iter, _foretold(objective, look, moves, decrement, gain * risen), memories
        if arrived[active].all() or lost or n_iter >= max_iter:
            theta = theta - np.where(arrived[:, None], moves, 0.0)
            now = objective.survey(theta)
            steps, left = _steps(objective, memories, now.gradient, np.ones_like(active))
            again = active & (left > max(objective.tolerance, plan.rough))
            if not plan.rough:
                again |= active & _matters(objective, left, now.value, _gain(left, decrement))
            if not again.any() or lost or n_iter >= max_iter or n_iter - best_at > PATIENCE:
                return theta, n_iter, Nearby(now, steps), memories
            lengths, look = np.asarray(active, dtype=np.float64), replace(now, value=np.empty(0))
            active = again
        else:
            last = not plan.rough and bool((decrement * gain**2 <= EARLY * tolerance).all())
            lengths, look = (
                _by_loss(objective, theta, look, moves)
                if checked
                else _by_slope(objective, theta, look, moves, last)
            )
            theta = theta - lengths[:, None] * moves
        for k in np.flatnonzero(lengths > 0.0).tolist():
            memories[k].learn(-lengths[k] * moves[k], look.gradient[k] - gradient[k])
        before = decrement
        n_iter += 1
        since += 1
        progress(n_iter, max_iter, np.full(len(theta), np.nan))
        if (decrement < 0.5 * best)[active].any():
            best, best_at = np.minimum(best, decrement), n_iter
        if not lengths.any() or n_iter - best_at > PATIENCE:
            if plan.gives_up or (checked and not lengths.any()):
                lost = True
            elif not checked:
                theta, look = _restarted(objective, theta)
                before, checked = unknown, True


def _look(objective: Objective, theta: Floats, whole: bool) -> Evaluation:
    """The gradient at `theta` (G, d), and where the `whole` is asked for the objective."""
    if whole:
        return objective.survey(theta)
    return Evaluation(np.empty(0), objective.gradient(theta), np.empty(0))


def _foretold(
    objective: Objective, look: Evaluation, moves: Floats, decrement: Floats, gain: Floats
) -> Nearby:
    """What is known of the place to which `moves` (G, d) lead, by a look where they begin."""
    value = look.value - decrement / objective.n_rows
    return Nearby(replace(look, value=value), np.sqrt(gain)[:, None] * moves, gain * decrement)


def _restarted(objective: Objective, theta: Floats) -> tuple[Floats, Evaluation]:
    """`theta` (G, d), or zero where that is better, and the gradient there."""
    value = objective.evaluate(theta, order=0).value
    theta = np.where((value <= objective.value_at_zero)[:, None], theta, 0.0)
    return theta, _look(objective, theta, False)


def _gain(decrement: Floats, before: Floats) -> Floats:
    """What the next step makes of a decrement if it gains as much as the last one; 1 where none was taken."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isfinite(before), np.fmin(1.0, decrement / before), 1.0)


def _matters(objective: Objective, left: Floats, value: Floats, gain: Floats) -> NDArray[np.bool_]:
    """Whether a decrement `left` (G,) is more than objectives of this `value` may lack, and another pass would tell."""
    exact = objective.source.dtype == np.float64
    return exact & (gain < STALLED) & (left > RELATIVE * value * objective.n_rows)


def _risen(decrement: Floats, least: Floats, risen: Floats) -> tuple[Floats, Floats]:
    """The least decrement so far, and the most by which one was above an earlier one: a metric that is too large in
    some direction hides what is left there until the others are done, and has been wrong by so much.
    """
    least = np.minimum(least, decrement)
    with np.errstate(invalid="ignore", divide="ignore"):
        return least, np.fmax(risen, decrement / least)


def _to_come(decrement: Floats, first: Floats, before: Floats, since: int, tolerance: float) -> Floats:
    """Passes (G,) that are still to come at the rate of the last `since`; a metric's first is left out, if it can be."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = (decrement / first) ** (1.0 / (since - 1)) if since > 1 else decrement / before
        rate = np.clip(rate, 1e-3, 0.999)
        return np.nan_to_num(np.log(np.maximum(decrement / tolerance, 1.0)) / -np.log(rate))


def _steps(
    objective: Objective, memories: Sequence[Memory], gradient: Floats, active: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Steps (G, d) of the active problems and their decrements (G,); 0 for the others."""
    steps = np.zeros_like(gradient)
    for k in np.flatnonzero(active).tolist():
        steps[k] = memories[k].solve(gradient[k])
    return steps, 0.5 * (steps * gradient).sum(axis=1) * objective.n_rows


def _by_slope(
    objective: Objective, theta: Floats, look: Evaluation, moves: Floats, whole: bool
) -> tuple[Floats, Evaluation]:
    """Lengths (G,) at which the slopes have fallen to half, and a look at that place; 0 where none is found."""
    slope = (look.gradient * moves).sum(axis=1)
    lengths = np.asarray(moves.any(axis=1), dtype=np.float64)
    while True:
        after = _look(objective, theta - lengths[:, None] * moves, whole)
        rising = -(after.gradient * moves).sum(axis=1)
        fine = rising <= 0.5 * slope
        if fine.all():
            return lengths, after
        with np.errstate(all="ignore"):
            secant = slope / (slope + rising)
        lengths = np.where(fine, lengths, lengths * np.clip(np.nan_to_num(secant), 0.1, 0.7))
        if (lengths[~fine] < SHORTEST).any():
            return np.zeros_like(lengths), look


def _by_loss(
    objective: Objective, theta: Floats, look: Evaluation, moves: Floats
) -> tuple[Floats, Evaluation]:
    """Lengths (G,) at which the objective has fallen enough, and a look at that place; 0 where none is found."""
    slope = (look.gradient * moves).sum(axis=1)
    lengths = np.asarray(moves.any(axis=1), dtype=np.float64)
    now = objective.evaluate(theta, order=0).value
    noise = NOISE * (1.0 + np.abs(now))
    while True:
        value = objective.evaluate(theta - lengths[:, None] * moves, order=0).value
        fell = value <= now - SUFFICIENT * lengths * slope + noise
        if fell.all():
            return lengths, _look(objective, theta - lengths[:, None] * moves, False)
        lengths = np.where(fell, lengths, 0.5 * lengths)
        lengths[~fell & (lengths < SHORTEST)] = 0.0
        if not lengths.any():
            return lengths, look
