"""Size, count, mean and spread of every column, as sums that add.

    largest = max |x|
    weight = sum w        mean = sum w x / weight        scatter = sum w (x - mean)^2
    sigma  = sqrt(scatter / weight)      (the population sigma)

Two parts merge without cancellation: the scatter about the joint mean is the sum of the scatters plus
`w1 w2 / (w1 + w2) * (mean1 - mean2)^2` (Chan, Golub and LeVeque 1983). Squares neither overflow nor vanish
where columns are measured in units of their own size.
"""

from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from oddsmith.data.block import Block, Floats, Source
from oddsmith.engines import Engine, reduce, workspace

CLOSE = 16.0
"""Variances between a block's mean and its first row that cost two digits at most."""


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


def moments(block: Block, unit: Floats | None = None) -> Moments:
    """The moments of one block with its columns divided by `unit` (p,): a kernel for `reduce`."""
    w = block.sample_weight
    weight = float(len(block.X)) if w is None else float(w.sum())
    if weight == 0.0:
        return Moments(0.0, np.zeros(block.X.shape[1]), np.zeros(block.X.shape[1]))
    first = 0 if w is None else int(np.argmax(w > 0))
    origin = block.X[first].astype(np.float64)
    if unit is not None:
        origin /= unit
    centred = workspace(0, block.X.shape)
    _centre(block.X, origin, unit, centred)
    w = np.ones(len(centred)) if w is None else w
    shift = w @ centred / weight
    squares = weight * shift**2
    scatter = w @ np.square(centred, out=centred) - squares
    if (squares > CLOSE * scatter).any():
        _centre(block.X, origin, unit, centred)
        centred -= shift
        scatter = w @ np.square(centred, out=centred)
    return Moments(weight, origin + shift, scatter)


def _centre(X: Floats, origin: Floats, unit: Floats | None, out: Floats) -> None:
    if unit is None:
        np.subtract(X, origin, out=out)
    else:
        np.divide(X, unit, out=out)
        out -= origin


@dataclass(frozen=True)
class Extent:
    """The largest absolute value of each column (p,), whatever a row weighs; NaN where a cell is NaN."""

    largest: Floats

    def __add__(self, other: Self) -> Self:
        return type(self)(np.maximum(self.largest, other.largest))


@dataclass(frozen=True)
class Measures:
    """What is known of p columns before a fit: arrays (p,), `largest` NaN or infinite where a cell is."""

    largest: Floats
    """Largest absolute value, or a bound of it where none can come near the end of a double's range."""
    mean: Floats
    sigma: Floats


def measures(source: Source, engine: Engine = reduce) -> Measures:
    """Size, weighted mean and population sigma of a source's columns, whatever their size.

    One pass, where sums of squares show that nothing is out of range; more where they don't, or where rows
    without weight have no part in them.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # where a cell is no finite double
        found = engine(source, moments)
        squares, size = found.scatter, np.abs(found.mean)
        sound = np.isfinite(squares) & ((squares > 1e-200) | (size > 1e-100)) & (size < 1e100)
        w = source.sample_weight
        if sound.all() and (w is None or w.min(initial=1.0) > 0.0):
            least = 1.0 if w is None else float(w.min(initial=1.0))
            return Measures(size + np.sqrt(squares / least), found.mean, found.sigma)
        largest = engine(source, extent).largest
        ordinary = ~np.isfinite(largest) | ((largest < 1e100) & (largest > 1e-100)) | (largest == 0.0)
        if not ordinary.all():
            unit = np.ldexp(1.0, np.where(ordinary, 0, np.frexp(largest)[1] - 1))
            found = engine(source, partial(moments, unit=unit))
            return Measures(largest, found.mean * unit, found.sigma * unit)
        return Measures(largest, found.mean, found.sigma)


def extent(block: Block) -> Extent:
    """The extent of one block: a kernel for `reduce`."""
    X = block.X
    return Extent(np.maximum(X.max(axis=0, initial=0.0), -X.min(axis=0, initial=0.0)).astype(np.float64))
