"""Weight, mean and sigma of a column's numbers, batch by batch, and what they are together.

    mean = sum W_b m_b / sum W_b        sigma^2 = sum W_b (s_b^2 + (m_b - mean)^2) / W

Two passes over the batches' figures, as over the numbers of each batch: nothing is cancelled, and the result
depends on the borders of the batches alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from oddsmith.data.block import Floats


@dataclass(frozen=True)
class ColumnMoments:
    """Weight, mean and sigma of a batch's numbers in rows that count; their extremes."""

    weight: float
    mean: float
    rest: float
    """What rounding took from the mean: far from zero it may be more than sigma."""
    sigma: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Floats, weight: Floats | None) -> Self:
        """Those of `values` (n,), n at least 1, finite, of positive `weight` (n,) or of 1 each."""
        lowest, highest = float(values.min()), float(values.max())
        total = float(len(values) if weight is None else weight.sum())
        if lowest == highest:
            return cls(total, lowest, 0.0, 0.0, lowest, highest)
        none = np.zeros(1)
        found = _mean_and_sigma(values, none, none, weight, total, total, lowest, highest)
        return cls(total, *found, lowest, highest)


def joined(parts: list[ColumnMoments], total: float) -> ColumnMoments:
    """The moments of all batches; cells that are missing, of the rest of the weight `total`, are at the mean."""
    lowest, highest = min(part.lowest for part in parts), max(part.highest for part in parts)
    if lowest == highest:
        return ColumnMoments(total, lowest, 0.0, 0.0, lowest, highest)
    weight = np.array([part.weight for part in parts])
    found = _mean_and_sigma(
        np.array([part.mean for part in parts]),
        np.array([part.rest for part in parts]),
        np.array([part.sigma for part in parts]),
        weight,
        float(weight.sum()),
        total,
        lowest,
        highest,
    )
    return ColumnMoments(total, *found, lowest, highest)


def _mean_and_sigma(
    values: Floats,
    rests: Floats,
    sigmas: Floats,
    weight: Floats | None,
    present: float,
    total: float,
    lowest: float,
    highest: float,
) -> tuple[float, float, float]:
    """Mean, what rounding took from it, and sigma of parts that are `values` and `rests` with a sigma each.

    A power of two changes no digit, and keeps squares away from overflow and underflow.
    """
    exponent = math.frexp(max(abs(lowest), abs(highest)))[1]
    if abs(exponent) > 300:
        values, rests, sigmas = (np.ldexp(part, -exponent) for part in (values, rests, sigmas))
    else:
        exponent = 0
    share = None if weight is None else weight / present
    mean = float(values.sum() / present if share is None else (share * values).sum())
    rest = values - mean
    if rests.any():
        rest += rests
    shift = float(rest.sum() / present if share is None else (share * rest).sum())
    squares = np.square(rest - shift)
    rounded_mean = mean + shift
    lost = mean - rounded_mean + shift
    if sigmas.any():
        squares += np.square(sigmas)
    if share is not None:
        squares *= share
    scatter = float(squares.sum()) / (present if share is None else 1.0)
    sigma = math.sqrt(scatter * (present / total))
    return math.ldexp(rounded_mean, exponent), math.ldexp(lost, exponent), math.ldexp(sigma, exponent)
