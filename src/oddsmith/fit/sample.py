"""A few rows that stand for all: sorted, distinct, in O(n), and safe where rows are sorted or periodic.

    row_i = b_i + floor(u_i (b_{i+1} - b_i)),  b_i = floor(i n / m),  u_i uniform on [0, 1):

one row from each of m stretches of equal length.

A class with less than 0.3 / K of the rows gets up to m / K places of its own, and each row stands for as many
of its class as there are to each place: `weight` n_c / m_c, so that sums over the sample estimate sums over
all rows without bias.

Source: systematic sampling with jitter, Cochran (1977), Sampling Techniques, chapter 8.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Codes, Floats, class_counts

RARE = 0.3
"""A class of this share of an even split is rare."""


@dataclass(frozen=True)
class Sample:
    """`rows` (m,), sorted row numbers; `weight` (m,), how many rows each stands for in relation to others."""

    rows: NDArray[np.intp]
    weight: Floats | None

    def thinned(self, m: int, draws: np.random.Generator) -> NDArray[np.intp]:
        """Places (about m,) in this sample of a smaller one, spread evenly."""
        step = max(1, len(self.rows) // m)
        return np.arange(int(draws.integers(step)), len(self.rows), step)


def systematic(n: int, m: int, draws: np.random.Generator) -> NDArray[np.intp]:
    """m of n row numbers, sorted and distinct; all of them where m >= n."""
    if m >= n:
        return np.arange(n)
    borders = np.arange(m + 1) * n // m
    return np.asarray(borders[:-1] + (draws.random(m) * np.diff(borders)).astype(np.intp))


def drawn(y: Codes, n_classes: int, m: int, draws: np.random.Generator) -> Sample:
    """About `m` rows of those whose class codes are `y` (n,), rare classes overrepresented."""
    n = len(y)
    counts = class_counts(y, n_classes)
    rare = np.flatnonzero((counts > 0) & (counts < RARE * n / n_classes))
    if m >= n or not len(rare):
        return Sample(systematic(n, m, draws), None)
    places = [
        of_class[systematic(len(of_class), m // n_classes, draws)]
        for of_class in (np.flatnonzero(y == c) for c in rare)
    ]
    others = systematic(n, m - sum(map(len, places)), draws)
    rows = np.sort(np.concatenate([others[~np.isin(y[others], rare)], *places]))
    found = np.bincount(y[rows], minlength=n_classes)
    shares = np.where(np.isin(np.arange(n_classes), rare), counts / np.maximum(found, 1), 0.0)
    common = ~np.isin(np.arange(n_classes), rare)
    shares[common] = counts[common].sum() / max(int(found[common].sum()), 1)
    return Sample(rows, shares[y[rows]])
