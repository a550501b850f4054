"""Newton steps from a Hessian that may be singular.

    step = H^-1 gradient,  H = D L L' D  with D = sqrt(diag H)

Scaling to a unit diagonal makes the factor independent of the columns' units. A column that is a linear
combination of the ones before it (a dummy-variable trap, a copy) leaves a pivot of rounding size: it is
held where it is, as R's glm does, and the fit can name it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.errors import InputError

DEPENDENT = 1e-11
"""A unit-diagonal pivot at or below this is a column that the earlier ones explain: R^2 >= 1 - 1e-11."""
BLOCK = 64
"""Rows of a triangle that are solved for at once."""


def refuse_overflow(hessian: Floats) -> None:
    """Raise InputError where squares of a column are beyond the range of a double."""
    if not np.isfinite(hessian).all():
        raise InputError("a column's values are too large to be squared. Measure it in larger units.")


def dependent_columns(hessian: Floats, pivot: float = DEPENDENT) -> NDArray[np.bool_]:
    """Which columns (d,) are flat or combinations of earlier ones, by Cholesky in their order.

    A column is one where its pivot, 1 - R^2 of the earlier ones, is `pivot` or less.

    `hessian` (d, d) is positive semi-definite; at coefficients of zero it is the Gram matrix of the
    columns, so that the answer is about the design and not about the fit.
    """
    diagonal = np.diag(hessian)
    dependent = ~(diagonal > 0.0)
    scale = np.where(dependent, 1.0, np.sqrt(np.where(dependent, 1.0, diagonal)))
    rest = hessian / np.outer(scale, scale)
    for j in range(len(rest)):
        if dependent[j] or rest[j, j] <= pivot:
            dependent[j] = True
            continue
        tail = rest[j + 1 :, j]
        rest[j + 1 :, j + 1 :] -= np.outer(tail, tail / rest[j, j])
    return dependent


class Triangle:
    """The lower triangle L of a positive definite matrix L L' (d, d); NumPy raises LinAlgError where it is none.

    NumPy solves no triangles: the blocks on the diagonal are inverted once.
    """

    def __init__(self, matrix: Floats) -> None:
        lower: Floats = np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
        self._lower = lower
        self._parts = [slice(start, min(start + BLOCK, len(lower))) for start in range(0, len(lower), BLOCK)]
        self._inverses = [np.linalg.inv(lower[part, part]) for part in self._parts]

    @property
    def least_pivot(self) -> float:
        """The smallest square on its diagonal."""
        return float(self._lower.diagonal().min()) ** 2

    def solve(self, target: Floats) -> Floats:
        """L^-1 target, for `target` (d,) or (d, k)."""
        if len(self._inverses) == 1:
            return self._inverses[0] @ target
        found = np.array(target)
        for part, inverse in zip(self._parts, self._inverses, strict=True):
            if part.start:
                found[part] -= self._lower[part, : part.start] @ found[: part.start]
            found[part] = inverse @ found[part]
        return found

    def solve_transposed(self, target: Floats) -> Floats:
        """L'^-1 target, for `target` (d,) or (d, k)."""
        if len(self._inverses) == 1:
            return self._inverses[0].T @ target
        found = np.array(target)
        for part, inverse in zip(reversed(self._parts), reversed(self._inverses), strict=True):
            if part.stop < len(found):
                found[part] -= self._lower[part.stop :, part].T @ found[part.stop :]
            found[part] = inverse.T @ found[part]
        return found


@dataclass(frozen=True)
class Factor:
    """A Cholesky factor of the Hessian over the columns that are not held."""

    free: NDArray[np.bool_]
    scale: Floats
    triangle: Triangle

    @classmethod
    def of(cls, hessian: Floats, held: NDArray[np.bool_]) -> "Factor":
        """Factor `hessian` (d, d) without the `held` columns (d,).

        Where rounding has left it indefinite (rows so far out that their curvature vanishes), the
        smallest multiple of the unit diagonal that mends it is added.

        Raises:
            InputError: the Hessian overflows, and nothing can mend that.
        """
        free = ~held
        part = hessian if free.all() else hessian[np.ix_(free, free)]
        refuse_overflow(part)
        diagonal = part.diagonal()
        scale = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
        unit = part / scale
        unit /= scale[:, None]
        ridge = 0.0
        while True:
            try:
                triangle = Triangle(unit + ridge * np.eye(len(unit)) if ridge else unit)
            except np.linalg.LinAlgError:
                ridge = max(10.0 * ridge, 1e-15)
            else:
                return cls(free, scale, triangle)

    def solve(self, gradient: Floats) -> Floats:
        """H^-1 gradient (d,), 0 for held columns."""
        part = gradient if len(self.scale) == len(gradient) else gradient[self.free]
        inner = self.triangle.solve_transposed(self.triangle.solve(part / self.scale)) / self.scale
        if len(inner) == len(gradient):
            return np.asarray(inner)
        step = np.zeros(len(gradient))
        step[self.free] = inner
        return step
