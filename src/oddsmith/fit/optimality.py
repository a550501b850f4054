"""How far a fit is from its optimum, and whether there is one.

    newton_decrement = g' H^-1 g / 2  of the mean loss  x  number of rows with positive weight

is half the squared distance to the optimum in standard errors, whatever the columns' units or the scale
of the weights. With a lasso g is the slope that is left, which is checked on all columns, and H is that of the
coefficients that aren't zero or that it would move. A small decrement alone proves nothing on separated data, where the loss falls for ever:
there the rows keep moving. So

    converged           decrement <= tolerance and max |X step| < 0.1, or more as a loose tolerance allows
    no_finite_optimum   no penalty, and every margin is positive (a proof); or the decrement is small and
                        rows still move that have no curvature left
    diverged            the loss ended a hundredth or more above where it started, or isn't a number
    iteration_limit     everything else, with its distance
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.fit.cholesky import Factor
from oddsmith.fit.objective import Evaluation, Objective
from oddsmith.fit.quadratic import lasso

STILL_MOVING = 0.1
"""A step that changes some row's log-odds by this much has not arrived."""
STRAIN = 1e-6
"""A row that adds this much to the decrement is not one that separation drives away."""
CONTRADICTION = 1e4
"""A row's strain in units of the tolerance that a decrement within the tolerance can't leave."""

WANDERED = 0.01
"""The share of the first loss that stochastic steps may end above it, where there is little to learn."""


class Status(IntEnum):
    """How a fit ended, the better the smaller."""

    converged = 0
    iteration_limit = 1
    no_finite_optimum = 2
    diverged = 3


@dataclass(frozen=True)
class Optimality:
    """Evidence about each of G problems: statuses, and the figures (G,) they rest on."""

    status: tuple[Status, ...]
    newton_decrement: Floats
    largest_gradient: Floats
    mean_loss: Floats
    """Mean loss without the penalty."""
    drifting: NDArray[np.intp]
    """For each problem the coefficient that moves most in the next step, in standard deviations."""
    separated: NDArray[np.bool_]
    """Whether every margin is positive: a proof that the classes can be told apart without error."""


@dataclass(frozen=True)
class Nearby:
    """What a solver that takes no Hessian of all rows knows of where it ended.

    `now`: objective and gradient, or the gradient one step before. `steps` (G, d): its next ones, or the last ones.
    `decrement` (G,): that of the steps or, where it is given, what the last ones left.
    """

    now: Evaluation
    steps: Floats
    decrement: Floats | None = None


def newton_steps(objective: Objective, now: Evaluation, active: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Newton steps (G, d) and decrements (G,) of the active problems; 0 for the others."""
    steps = np.zeros(now.gradient.shape)
    for problem in active.nonzero()[0].tolist():
        factor = Factor.of(now.hessian[problem], objective.held[problem])
        steps[problem] = factor.solve(now.gradient[problem])
    return steps, 0.5 * (steps * now.gradient).sum(axis=1) * objective.n_rows


def lasso_steps(
    objective: Objective, theta: Floats, now: Evaluation, active: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Steps (G, d) to the optimum of the quadratic model with its absolute values, and by how much the model falls.

    The fall is (G,), of the mean loss times the rows: the Newton decrement, where no coefficient is at zero.
    """
    steps, falls = np.zeros_like(theta), np.zeros(len(theta))
    weight = objective.penalty.weight
    for k in np.flatnonzero(active):
        hessian, gradient, here = now.hessian[k], now.gradient[k], theta[k]
        goal = lasso(hessian, hessian @ here - gradient, weight, here)
        steps[k] = here - goal
        bend = 0.5 * steps[k] @ (hessian @ steps[k])
        falls[k] = steps[k] @ gradient - bend + weight @ (np.abs(here) - np.abs(goal))
    return steps, np.maximum(falls, 0.0) * objective.n_rows


def newton_steps_on_face(
    objective: Objective, theta: Floats, now: Evaluation, active: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Slopes and Newton steps (G, d), and decrements (G,), of a lasso; 0 for problems that aren't active.

    The face is the coefficients that aren't zero or that the slope would move: the others don't count, since
    to the first order they stay at zero. One pass over the columns of the face, unless their Hessian is known.
    """
    slope = np.where(active[:, None], objective.penalty.violation(theta, now.gradient), 0.0)
    on_face = ((theta != 0.0) | (slope != 0.0)) & active[:, None]
    columns = objective.columns_of(on_face)
    places = objective.places(columns)
    if now.hessian.size:
        hessian = now.hessian[:, places[:, None], places]
    else:
        narrow = objective.narrowed(columns)
        hessian = narrow.evaluate(theta[:, places], order=2).hessian
        objective.n_passes += narrow.n_passes
    steps = np.zeros_like(theta)
    for problem in np.flatnonzero(active):
        factor = Factor.of(hessian[problem], ~on_face[problem, places])
        steps[problem, places] = factor.solve(slope[problem, places])
    return slope, steps, 0.5 * (steps * slope).sum(axis=1) * objective.n_rows


def optimality(objective: Objective, theta: Floats, nearby: Nearby | Evaluation | None = None) -> Optimality:
    """What can be said of `theta` (G, d), whichever solver found it.

    Two passes over the rows and a Hessian, or three; fewer where the solver knows the objective there, or the
    neighbourhood.
    """
    unknown = np.full(len(theta), np.inf)
    move = strain = margin = unknown
    if isinstance(nearby, Nearby):
        now, steps = nearby.now, nearby.steps
        sound = _sound(objective, now)
        slope = objective.penalty.violation(theta, now.gradient)
        decrement = 0.5 * (steps * slope).sum(axis=1) * objective.n_rows
        if nearby.decrement is not None:
            decrement = nearby.decrement
        move = objective.most_moved(steps)
        margin = np.full(len(theta), -np.inf)
    elif objective.penalty.is_smooth:
        now = nearby or objective.evaluate(theta, order=2)
        sound = _sound(objective, now)
        slope = now.gradient
        steps, decrement = newton_steps(objective, now, sound)
    else:
        now = nearby or objective.evaluate(theta, order=1)
        sound = _sound(objective, now)
        slope, steps, decrement = newton_steps_on_face(objective, theta, now, sound)
    settled = (move < STILL_MOVING) & (decrement <= objective.tolerance)
    if not settled.all() or (sound.all() and objective.may_be_separated(theta)):
        reach = objective.reach(np.where(sound[:, None], theta, 0.0), steps)
        move, strain, margin = reach.move, reach.strain, reach.margin
    status = tuple(
        _verdict(objective, decrement[k], move[k], strain[k], margin[k]) if sound[k] else Status.diverged
        for k in range(len(decrement))
    )
    decrement = np.where(sound, decrement, np.inf)
    held = ~objective.free if isinstance(nearby, Nearby) else objective.held
    gradient = np.where(sound, np.where(held, 0.0, np.abs(slope)).max(axis=1), np.inf)
    intercepts = np.arange(steps.shape[1]) % (objective.source.n_columns + 1) == 0
    drifting = np.where(intercepts, 0.0, np.abs(steps)).argmax(axis=1)
    mean_loss = now.value - objective.penalty.value(theta)
    return Optimality(status, decrement, gradient, mean_loss, drifting, margin > 0.0)


def _sound(objective: Objective, now: Evaluation) -> NDArray[np.bool_]:
    """Whether the objective (G,) is a number, and not well above that of coefficients that are all 0."""
    return np.asarray(np.isfinite(now.value) & (now.value <= (1.0 + WANDERED) * objective.value_at_zero))


def _verdict(objective: Objective, decrement: float, move: float, strain: float, margin: float) -> Status:
    if objective.alpha == 0.0 and margin > 0.0:
        return Status.no_finite_optimum
    if decrement > objective.tolerance:
        return Status.iteration_limit
    if move < STILL_MOVING:
        return Status.converged
    if objective.alpha == 0.0 and strain < STRAIN:
        return Status.no_finite_optimum
    # A row whose strain is far beyond the decrement contradicts it: that is rounding.
    return Status.converged if strain < CONTRADICTION * objective.tolerance else Status.iteration_limit
