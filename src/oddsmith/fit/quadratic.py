"""The lasso of a quadratic, solved in finitely many steps:

    minimise  w' B w / 2 - c' w + sum_j v_j |w_j|,      B positive semi-definite, v >= 0

Once the signs of the optimum are known it is a linear system on the face of the coefficients that aren't zero:

    B_FF w_F = c_F - v_F sign_F

So guess the face, solve, and mend the guess:

1. Coefficients at zero whose slope |c - B w| exceeds v want to move: they enter, with the sign they want.
2. Solve on the face; who has entered and would take the other sign leaves again.
3. If no sign changed, that is the face's optimum. If some did, set those to zero where that pays; else go
   along the line to the best point at which some coefficient becomes zero.
4. Done after a full step that leaves nobody who wants to enter.

Every step lowers the objective, and there are finitely many faces.

Source: Lee, Battle, Raina and Ng (2007), Efficient sparse coding algorithms (feature-sign search).
"""

import contextlib

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.fit.cholesky import Triangle, refuse_overflow

SLACK = 1e-13
"""Relative excess of a slope over its weight that is rounding."""
FIRST = 20
"""Coefficients that may enter at once, or as many as there are on the face."""
PAYS = 0.1
"""Share of the whole step's promise that setting crossed coefficients to zero must keep."""
STEPS = 30
"""Steps beyond three for each coefficient, after which rounding is all that moves."""
SINGULAR = 1e-14
"""A unit-diagonal pivot below this is a column that others explain."""


def lasso(B: Floats, c: Floats, v: Floats, start: Floats) -> Floats:
    """The minimiser (d,) for `B` (d, d), `c` (d,) and `v` (d,), sought from `start` (d,); v = 0 is no penalty.

    Coefficients without curvature stay where they are.

    Raises:
        InputError: `B` overflows.
    """
    refuse_overflow(B)
    diagonal = np.diag(B)
    curved = diagonal > 0.0
    scale = np.sqrt(np.where(curved, diagonal, 1.0))
    w = _with_unit_diagonal(B / np.outer(scale, scale), c / scale, v / scale, start * scale, curved)
    return w / scale


def _with_unit_diagonal(B: Floats, c: Floats, v: Floats, w: Floats, curved: NDArray[np.bool_]) -> Floats:
    penalised = v > 0.0
    room, settled = len(w), False
    for _ in range(3 * len(w) + STEPS):
        support = np.flatnonzero(w)
        slope = B[:, support] @ w[support] - c
        face = ((w != 0.0) | ~penalised) & curved
        entrants = _entrants(slope, v, face | ~curved, min(room, max(FIRST, int(face.sum()))))
        if settled and not len(entrants):
            break
        sign = np.sign(w)
        sign[entrants] = -np.sign(slope[entrants])
        face[entrants] = True
        # Who enters and would take the other sign leaves again.
        while True:
            places = np.flatnonzero(face)
            part = B[np.ix_(places, places)]
            goal = _solve(part, (c - v * sign)[places])
            turned = (goal * sign[places] < 0.0) & penalised[places]
            wrong = turned & (w[places] == 0.0)
            if not wrong.any():
                break
            face[places[wrong]] = False
        if settled and not face[entrants].any():
            # All together were wrong; the one that wants most is right by itself, but for rounding.
            if room == 1:
                break
            room = 1
            continue
        room, settled = len(w), not turned.any()
        if turned.any():
            goal = _cut(part, slope[places], v[places], sign[places], w[places], goal, turned)
        w = w.copy()
        w[places] = goal
    return w


def _entrants(slope: Floats, v: Floats, out: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """Coefficients at zero that want to move, at most so many: those that want it most; none that are `out`."""
    excess = np.where(out, 0.0, np.abs(slope) - v * (1.0 + SLACK))
    wanting = np.flatnonzero(excess > 0.0)
    if len(wanting) > most:
        wanting = wanting[np.argpartition(-excess[wanting], most)[:most]]
    return wanting


def _cut(
    B: Floats, slope: Floats, v: Floats, sign: Floats, here: Floats, goal: Floats, turned: NDArray[np.bool_]
) -> Floats:
    """The way on one face from `here` to `goal`, (f,) both, cut where coefficients have `turned` their sign."""
    step = goal - here
    bend, fall = 0.5 * step @ (B @ step), slope @ step
    projected = np.where(turned, 0.0, goal)
    shorter = projected - here
    change = shorter @ (0.5 * (B @ shorter) + slope) + v @ (np.abs(projected) - np.abs(here))
    promise = bend + fall + (v * sign) @ step
    if change < 0.0 and change <= PAYS * promise:
        return projected
    # The moments at which one of them is zero, and the end.
    moments = np.where(turned, -here / np.where(turned, step, 1.0), 1.0)
    times = np.unique(moments)
    values = bend * times**2 + fall * times + v @ np.abs(here[:, None] + step[:, None] * times)
    best = times[np.argmin(values)]
    reached = here + best * step
    reached[turned & (moments == best)] = 0.0
    return np.asarray(reached)


def _solve(B: Floats, target: Floats) -> Floats:
    """B^-1 target (f,) for `B` (f, f) of unit diagonal; columns that explain each other share what is theirs."""
    if not len(target):
        return target
    ridge = 0.0
    while True:
        with contextlib.suppress(np.linalg.LinAlgError):
            triangle = Triangle(B + ridge * np.eye(len(B)) if ridge else B)
            if triangle.least_pivot > SINGULAR:
                return triangle.solve_transposed(triangle.solve(target))
        ridge = max(10.0 * ridge, 10.0 * SINGULAR)
