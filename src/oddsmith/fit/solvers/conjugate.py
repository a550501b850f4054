"""Newton steps without a Hessian: conjugate gradients, in a metric, on products with it.

    H step = gradient,      decrement = gradient' step / 2 = sum_k a_k r_k' z_k / 2,     z_k = metric^-1 r_k

Every product is a pass over the rows. Each one adds to the decrement, so that what a few have found is a bound of
it from below, and what the last ones have added tells what is left. A metric that is wrong about some direction,
and the decrement it claims with it, is found out so.

Sources: Hestenes and Stiefel (1952); Strakos and Tichy (2002), On error estimation in the conjugate gradient method.
"""

from collections.abc import Sequence

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.fit.metrics import Metric
from oddsmith.fit.objective import Objective
from oddsmith.fit.optimality import Nearby

DELAY = 3
"""Products whose gain is taken for what is left after the ones before them."""
KNOWN = 0.1
"""The part of a decrement that may be left unknown."""
SHARP = 1e-5
"""The part of a decrement that a step may leave: less would be undone by the loss not being quadratic."""
ENOUGH = 0.1
"""The part of the tolerance below which nothing need be left."""
STALLED = 0.5
"""A decrement that falls no further than this has met rounding."""
PRODUCTS = 200
"""Products for a step at most."""
HALVINGS = 30
NOISE = 1e-13


def finish(
    objective: Objective, theta: Floats, nearby: Nearby, metrics: Sequence[Metric], max_iter: int
) -> tuple[Floats, int, Nearby]:
    """Newton steps from `theta` (G, d) until their decrement is within the tolerance, the last of them taken.

    Returns where it ended, after how many passes, and what is known of that place. It ends sooner where every margin is
    positive, for there is no optimum then, and where nothing makes the loss fall.
    """
    n_iter = 0
    now = nearby.now
    before = np.full(len(theta), np.inf)
    while True:
        steps, decrement, products = newton_steps(
            objective, theta, now.gradient, metrics, min(max(max_iter - n_iter, 1), PRODUCTS)
        )
        n_iter += products + 1
        lengths = np.ones(len(theta))
        for _ in range(HALVINGS):
            moves = lengths[:, None] * steps
            after = objective.survey(theta - moves)
            fell = after.value <= now.value + NOISE * (1.0 + np.abs(now.value))
            if fell.all():
                break
            lengths = np.where(fell, lengths, 0.5 * lengths)
        else:
            return theta, n_iter, Nearby(now, steps, decrement)
        theta, now = theta - moves, after
        apart = np.zeros(len(theta), dtype=bool)
        if objective.alpha == 0.0 and objective.may_be_separated(theta):
            apart = objective.reach(theta, 0.0 * theta).margin > 0.0
        done = (decrement <= objective.tolerance) | (decrement > STALLED * before) | apart
        before = decrement
        if done.all() or n_iter >= max_iter:
            return theta, n_iter, Nearby(now, steps, decrement)


def newton_steps(
    objective: Objective, theta: Floats, gradient: Floats, metrics: Sequence[Metric], most: int
) -> tuple[Floats, Floats, int]:
    """Newton steps (G, d) at `theta` (G, d), their decrements (G,), and how many products it took, `most` at most.

    Where the decrement is beyond the tolerance the steps are sharp enough to end within it. What the last of too few
    products leave open counts as part of the decrement.
    """
    steps, rest = np.zeros_like(gradient), gradient.copy()
    ahead = _solved(metrics, rest)
    size = (rest * ahead).sum(axis=1)
    direction = ahead
    gains: list[Floats] = []
    total = np.zeros(len(theta))
    for products in range(1, most + 1):
        turned = objective.bent(theta, direction)
        length = _ratio(size, (direction * turned).sum(axis=1))
        steps += length[:, None] * direction
        rest -= length[:, None] * turned
        gains.append(0.5 * length * size * objective.n_rows)
        total += gains[-1]
        spare = ENOUGH * (objective.tolerance - total)
        fine = np.where(
            spare > 0.0,
            np.maximum(KNOWN * total, spare),
            np.maximum(SHARP * total, ENOUGH * objective.tolerance),
        )
        if products >= DELAY and (sum(gains[-DELAY:]) <= fine).all():
            return steps, total, products
        ahead = _solved(metrics, rest)
        before, size = size, (rest * ahead).sum(axis=1)
        direction = ahead + _ratio(size, before)[:, None] * direction
    return steps, total + sum(gains[-DELAY:]) / ENOUGH, most


def _solved(metrics: Sequence[Metric], gradient: Floats) -> Floats:
    return np.stack([metric.solve(part) for metric, part in zip(metrics, gradient, strict=True)])


def _ratio(above: Floats, below: Floats) -> Floats:
    """above / below, 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)
