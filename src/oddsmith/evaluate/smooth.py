"""Smooth calibration error: how far the labels are from the probabilities once neighbours are averaged.

    residual(t)     = E[K_s(t, p) (y - p)]                K_s: a Gaussian of deviation s, reflected at 0 and at 1
    error(s)        = integral over [0, 1] of |residual(t)| dt
    smooth ECE      = the s at which error(s) = s

Reflected Gaussians are what heat does in a rod with insulated ends, so that they only damp cosines:

    a_k = E[cos(pi k p) (y - p)],    residual(t) = a_0 + 2 sum_k exp(-(pi k s)^2 / 2) a_k cos(pi k t)

and two cosine transforms on a grid of M + 1 points take the place of n^2 pairs. The error falls with s, from E|y - p|,
taken score by score, to |E[y - p]|; so it meets s once.

The grid takes two things for straight lines that are none: the kernel between the two points that share a score, and
the residual between two points of the integral. With h = 1 / M and R = E|y - p|, score by score, each costs at most
R (h / s)^2 / 8 times the integral of |phi''|, both together R (h / s)^2 phi(1). The grid is refined until that is a
thousandth of the error, or until it has `MOST_POINTS`; and as the error falls with s, the s that is found is no further
off than error(s) is.

Noise has a smooth ECE too: that of a sample of calibrated scores is not 0, and resamples, which have the noise twice,
have a larger one than the sample. So the quantiles of resamples serve as the upper end, where they err on the safe
side, and not as the lower one. There it helps that the smooth ECEs of two measures of residuals differ by no more
than the smooth ECE of their difference: a quantile of that of (resample - sample) is taken off the estimate.

Source: Blasiok and Nakkiran (2023), arXiv 2309.12236, definitions in its section 3.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from oddsmith.errors import InputError
from oddsmith.evaluate.bootstrap import Resampling, require_resamples
from oddsmith.evaluate.cells import Cells
from oddsmith.evaluate.intervals import Interval, require_level
from oddsmith.evaluate.score_table import Floats, ScoreTable, require_rows
from oddsmith.fit.losses import expit

FEWEST_POINTS, MOST_POINTS = 1 << 12, 1 << 20
MOST_POINTS_OF_RESAMPLES = 1 << 14
NEAR_ENOUGH = 1e-3
"""The part of the error that the grid may cost."""
PHI_1 = math.exp(-0.5) / math.sqrt(2 * math.pi)


class SmoothEce(msgspec.Struct, frozen=True):
    """The smooth calibration error, a distance between probabilities: 0.03 is three points in a hundred."""

    value: float
    """Both the error and the bandwidth at which it was taken."""
    interval: Interval
    grid_error: float
    """How far the grid can have moved `value`, at most."""
    n_resamples: int
    seed: int


def smooth_ece(table: ScoreTable, *, level: float = 0.95, n_resamples: int = 200, seed: int = 0) -> SmoothEce:
    """The smooth ECE, weighted, with an interval from a seeded bootstrap of the rows.

    In large samples the interval covers that of the population with `level` or more, of calibrated scores too.

    Raises:
        InputError: the table is empty, `level` is not between 0 and 1, or `n_resamples` is below 1.
    """
    require_rows(table)
    require_level(level)
    require_resamples(n_resamples)
    residual = _residuals(table.eta, table.weight_positive, table.weight_negative)
    M = FEWEST_POINTS
    value = own_error(_on_grid(table.proba, residual, M), 1e-9)
    while (error := _grid_error(residual, value, M)) > NEAR_ENOUGH * value and M < MOST_POINTS:
        M *= 4
        value = own_error(_on_grid(table.proba, residual, M), 1e-9)
    interval = _interval(table, value, min(M, MOST_POINTS_OF_RESAMPLES), level, n_resamples, seed)
    return SmoothEce(value, interval, error, n_resamples, seed)


def smooth_error(table: ScoreTable, bandwidth: float) -> float:
    """The integral of the absolute smoothed residual at one bandwidth s, to 6e-5 where s >= 6.2e-5.

    Raises:
        InputError: the table is empty, or the bandwidth is not positive.
    """
    require_rows(table)
    if not bandwidth > 0.0:
        raise InputError(
            f"bandwidth {bandwidth}: not positive. Give a distance between probabilities, as in 0.05."
        )
    finest = 2.0 ** math.ceil(math.log2(64.0 / min(bandwidth, 1.0)))
    M = int(min(max(finest, FEWEST_POINTS), MOST_POINTS))
    residual = _residuals(table.eta, table.weight_positive, table.weight_negative)
    return _error(_cosines(_on_grid(table.proba, residual, M)), bandwidth)


def _residuals(eta: Floats, positive: Floats, negative: Floats) -> Floats:
    """Net residuals y - p of summed weights (m,), as shares of the weight of all."""
    return np.asarray((positive * expit(-eta) - negative * expit(eta)) / (positive.sum() + negative.sum()))


def _on_grid(proba: Floats, residual: Floats, M: int) -> Floats:
    """Residuals (m,) at the points j / M, (M + 1,): each divided between its two neighbours."""
    place = proba * M
    left = np.minimum(place.astype(np.int64), M - 1)
    part = place - left
    at_left = np.bincount(left, weights=(1.0 - part) * residual, minlength=M + 1)
    return np.asarray(at_left + np.bincount(left + 1, weights=part * residual, minlength=M + 1))


def _cosines(masses: Floats) -> Floats:
    """The sums a_k = sum_j masses_j cos(pi k j / M), k = 0 ... M, of M + 1 masses."""
    from scipy.fft import dct

    halves = 0.5 * masses
    halves[[0, -1]] = masses[[0, -1]]
    return np.asarray(dct(halves, type=1))


def _error(cosines: Floats, bandwidth: float) -> float:
    """The integral of the absolute residual over straight lines between its values at M + 1 points."""
    from scipy.fft import dct

    M = len(cosines) - 1
    damping = np.exp(-0.5 * (np.pi * bandwidth * np.arange(M + 1)) ** 2)
    residual = dct(cosines * damping, type=1)
    one, other = np.abs(residual[:-1]), np.abs(residual[1:])
    both = one + other
    # Two triangles where a line crosses 0, a trapezium elsewhere; each twice as large as it is.
    crosses = (residual[:-1] < 0.0) != (residual[1:] < 0.0)
    areas = np.divide(one**2 + other**2, both, out=both.copy(), where=crosses & (both > 0.0))
    return float(areas.sum()) / (2 * M)


def own_error(masses: Floats, tolerance: float) -> float:
    """The bandwidth that is its own error, to `tolerance` of all residuals: `masses` (M + 1,) on a grid."""
    from scipy.optimize import brentq

    least, most = _ends(masses)
    if most - least <= tolerance * most:
        return least
    cosines = _cosines(masses)

    def excess(bandwidth: float) -> float:
        return min(max(_error(cosines, bandwidth), least), most) - bandwidth

    # With the error held between its own limits the ends have the signs that a bracket needs.
    return float(
        brentq(excess, max(least, tolerance * most), most, xtol=tolerance * most, rtol=1e-12 + tolerance)
    )


def _ends(residual: Floats) -> tuple[float, float]:
    """The error at a bandwidth without end, where all is averaged, and at 0."""
    return abs(float(residual.sum())), float(np.abs(residual).sum())


def _grid_error(residual: Floats, bandwidth: float, M: int) -> float:
    least, most = _ends(residual)
    # Where all residuals have one sign, both ends are the error at any bandwidth.
    if most - least <= 1e-9 * most:
        return most - least
    return min(PHI_1 * most / (M * bandwidth) ** 2, most - least)


def _interval(table: ScoreTable, value: float, M: int, level: float, n_resamples: int, seed: int) -> Interval:
    cells = Cells.of(table)
    sample = _of_cells(cells, cells.weight_positive, cells.weight_negative, M)

    def errors(positive: Floats, negative: Floats) -> Floats:
        found = np.empty((len(positive), 2))
        for row, weights in zip(found, zip(positive, negative, strict=True), strict=True):
            resample = _of_cells(cells, *weights, M)
            row[:] = own_error(resample, NEAR_ENOUGH), own_error(resample - sample, NEAR_ENOUGH)
        return found

    found = Resampling.of_table(table, cells.starts).replicates(errors, n_resamples, seed)
    upper, noise = np.quantile(found, (1 + level) / 2, axis=0)
    return Interval(max(0.0, value - float(noise)), max(value, float(upper)), level, "bootstrap of the rows")


def _of_cells(cells: Cells, positive: Floats, negative: Floats, M: int) -> Floats:
    weight = positive.sum() + negative.sum()
    return _on_grid(cells.proba, (positive * (1.0 - cells.proba) - negative * cells.proba) / weight, M)
