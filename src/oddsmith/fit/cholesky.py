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


@dataclass(frozen=True)
class Factor:
    """A Cholesky factor of the Hessian over the columns that are not held."""

    free: NDArray[np.bool_]
    scale: Floats
    lower: Floats

    @classmethod
    def of(cls, hessian: Floats, held: NDArray[np.bool_]) -> "Factor":
        """Factor `hessian` (d, d) without the `held` columns (d,).

        Where rounding has left it indefinite (rows so far out that their curvature vanishes), the
        smallest multiple of the unit diagonal that mends it is added.

        Raises:
            InputError: the Hessian overflows, and nothing can mend that.
        """
        from scipy.linalg.lapack import dpotrf

        free = ~held
        if free.all():
            part = hessian
        elif free.any():
            part = hessian[np.ix_(free, free)]
        else:
            return cls(free, np.empty(0), np.empty((0, 0)))
        refuse_overflow(part)
        diagonal = part.diagonal()
        scale = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
        unit = part / scale
        unit /= scale[:, None]
        ridge = 0.0
        while True:
            lower, fault = dpotrf(unit + ridge * np.eye(len(unit)) if ridge else unit, lower=1)
            if not fault:
                return cls(free, scale, lower)
            ridge = max(10.0 * ridge, 1e-15)

    def solve(self, gradient: Floats) -> Floats:
        """H^-1 gradient (d,), 0 for held columns."""
        from scipy.linalg.lapack import dpotrs

        if self.free.all():
            inner, _ = dpotrs(self.lower, gradient / self.scale, lower=1)
            return np.asarray(inner / self.scale)
        step = np.zeros(len(gradient))
        if self.free.any():
            inner, _ = dpotrs(self.lower, gradient[self.free] / self.scale, lower=1)
            step[self.free] = inner / self.scale
        return step
