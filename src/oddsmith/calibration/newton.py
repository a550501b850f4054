"""Newton's method for a convex function of few parameters, down to the noise of the arithmetic.

    theta <- theta - t H^-1 gradient,   t = 1, halved until the function falls (Armijo)

The decrement gradient' H^-1 gradient is squared at each step near the optimum; where it stops falling
nothing is left but rounding. A row far out on the right side says farewell slowly, by about 1 a step in its
log-odds, while the decrement may look small: so nothing has arrived that still moves.
"""

from collections.abc import Callable

import numpy as np

from oddsmith.data.block import Floats

Evaluate = Callable[[Floats], tuple[float, Floats, Floats]]
"""Value, gradient (d,) and Hessian (d, d) of a mean loss at theta (d,)."""

MOST = 200
"""Evaluations: a row far out may take seventy; all others take ten."""
NEAR, FLOOR, STALLED = 1e-10, 1e-32, 0.25
STILL_MOVING, RELATIVELY = 0.1, 1e-9
SUFFICIENT, NOISE = 1e-4, 1e-15


def minimum(evaluate: Evaluate, theta: Floats) -> Floats | None:
    """Where the function is least, (d,), from `theta` on; None where it bends too little for that to be told.

    A change of `theta` moves no row's log-odds by more than the sum of its absolute values.
    """
    value, gradient, hessian = evaluate(theta)
    step, length, decrement, before = np.zeros_like(theta), 0.0, np.inf, np.inf
    for _ in range(MOST):
        if length == 0.0:
            bend = np.sqrt(np.diag(hessian))
            if not (bend > 0.0).all():
                return None
            try:
                factor = np.linalg.cholesky(hessian / bend[:, None] / bend)
            except np.linalg.LinAlgError:
                return None
            half = np.linalg.solve(factor, gradient / bend)
            step = np.linalg.solve(factor.T, half) / bend
            before, decrement, length = decrement, float(half @ half), 1.0
            stalled = decrement <= FLOOR or (decrement <= NEAR and decrement > STALLED * before)
            if stalled and np.abs(step).sum() < STILL_MOVING + RELATIVELY * np.abs(theta).sum():
                return theta
        after = evaluate(theta - length * step)
        if after[0] <= value - SUFFICIENT * length * decrement + NOISE * (1.0 + abs(value)):
            theta = theta - length * step
            value, gradient, hessian = after
            length = 0.0
        else:
            length *= 0.5
    return theta if decrement <= NEAR else None
