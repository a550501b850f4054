"""Isotonic regression: the rising sequence that is nearest to a sequence of means.

    minimise  sum_i weight_i (fitted_i - mean_i)^2    over    fitted_1 <= fitted_2 <= ... <= fitted_m

Neighbours that do not rise have one value in the optimum, so all of a run that falls is pooled at once, until the
pooled means rise. Where a pass pools little, as it may a million times on a sequence made for it, the rest is
pooled from left to right: m steps are enough, whatever comes.

The optimum is the same for every Bregman loss, so of labels 0 and 1 it is that of the Brier score and of the log
loss at once.

Source: pool-adjacent-violators, Ayer, Brunk, Ewing, Reid and Silverman (1955).
"""

import numpy as np

from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import Floats, Integers

WORTH_A_PASS = 0.8
"""The part of the blocks that a pass may leave for another one to follow: all passes then cost five at most."""


def pav(mean: Floats, weight: Floats) -> tuple[Floats, Integers]:
    """The rising fit (m,) to means (m,) of positive weight (m,), and the borders (B + 1,) of its blocks.

    Block b, whose value is the weighted mean of its cells, is `fitted[borders[b] : borders[b + 1]]`; values rise
    strictly from block to block. A cell that is alone keeps its mean to the bit.

    Raises:
        InputError: lengths differ, a mean is not finite, or a weight is not positive and finite.
    """
    if mean.ndim != 1 or mean.shape != weight.shape:
        raise InputError(
            f"means have shape {mean.shape} and weights {weight.shape}. Give one of each for a cell."
        )
    if not np.isfinite(mean).all():
        raise InputError("a mean is not finite. Leave out cells of which no mean is known.")
    if not ((weight > 0) & np.isfinite(weight)).all():
        raise InputError("a weight is not positive and finite. Leave out cells that hold no rows.")
    value, total, mass = mean.astype(np.float64), mean * weight, weight.astype(np.float64)
    borders: Integers = np.arange(len(mean) + 1)
    worth = True
    while worth and not (rises := value[1:] > value[:-1]).all():
        starts = np.concatenate([[0], 1 + np.flatnonzero(rises)])
        worth = len(starts) <= WORTH_A_PASS * len(value)
        alone = np.diff(starts, append=len(value)) == 1
        total, mass = np.add.reduceat(total, starts), np.add.reduceat(mass, starts)
        value = np.where(alone, value[starts], total / mass)
        borders = np.append(borders[starts], len(mean))
    if not worth:
        value, borders = _left_to_right(value, total, mass, borders)
    return np.repeat(value, np.diff(borders)), borders


def _left_to_right(value: Floats, total: Floats, mass: Floats, borders: Integers) -> tuple[Floats, Integers]:
    """Values and borders when each block in turn is pooled with those before it that are not below it."""
    values: list[float] = []
    totals: list[float] = []
    masses: list[float] = []
    starts: list[int] = []
    for level, amount, size, start in zip(
        value.tolist(), total.tolist(), mass.tolist(), borders[:-1].tolist(), strict=True
    ):
        while values and values[-1] >= level:
            values.pop()
            amount += totals.pop()
            size += masses.pop()
            start = starts.pop()
            level = amount / size
        values.append(level)
        totals.append(amount)
        masses.append(size)
        starts.append(start)
    return np.array(values), np.array([*starts, borders[-1]])
