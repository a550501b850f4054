"""Count, mean and spread of every column, as sums that add.

    weight = sum w        mean = sum w x / weight        scatter = sum w (x - mean)^2
    sigma  = sqrt(scatter / weight)      (the population sigma)

Two parts merge without cancellation: the scatter about the joint mean is the sum of the scatters plus
`w1 w2 / (w1 + w2) * (mean1 - mean2)^2` (Chan, Golub and LeVeque 1983).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from oddsmith.data.block import Block, Floats


@dataclass(frozen=True)
class Moments:
    """Weighted moments of p columns: arrays of shape (p,); `weight` is the total."""

    weight: float
    mean: Floats
    scatter: Floats

    @property
    def sigma(self) -> Floats:
        """Population standard deviation (p,); 0 for a constant column."""
        return np.sqrt(self.scatter / self.weight)

    def __add__(self, other: Self) -> Self:
        weight = self.weight + other.weight
        if weight == 0.0:
            return self
        gap = other.mean - self.mean
        return type(self)(
            weight,
            self.mean + gap * (other.weight / weight),
            self.scatter + other.scatter + gap * gap * (self.weight * other.weight / weight),
        )


def moments(block: Block) -> Moments:
    """The moments of one block: a kernel for `reduce`."""
    n, p = block.X.shape
    w = np.ones(n) if block.sample_weight is None else block.sample_weight
    weight = float(w.sum())
    if weight == 0.0:
        return Moments(0.0, np.zeros(p), np.zeros(p))
    mean = block.X[int(np.argmax(w > 0))] * 1.0
    mean += w @ (block.X - mean) / weight
    centred = block.X - mean
    return Moments(weight, mean, w @ (centred * centred))
