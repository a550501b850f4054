"""Many scores in fewer cells of neighbours, for figures that are made again and again.

    cell    the scores eta_i, ..., eta_j as one: their summed weights, and their weighted mean probability
    border  where the mass below passes a whole multiple of the mass of all / number of cells

A figure of hundreds of resamples is drawn from at most `MOST_CELLS` cells. Where there are no more scores than that,
each is its own cell and nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddsmith.evaluate.score_table import Floats, ScoreTable

MOST_CELLS = 1 << 12


@dataclass(frozen=True, eq=False)
class Cells:
    """Sums over each score, or over neighbouring ones; arrays (c,) in rising order of `proba`."""

    starts: NDArray[np.intp]
    """Positions in the table at which they begin."""
    proba: Floats
    """Weighted mean probability."""
    weight_positive: Floats
    weight_negative: Floats
    squared_weight: Floats

    @classmethod
    def of(cls, table: ScoreTable) -> Cells:
        """The scores of a table, or at most `MOST_CELLS` cells of as many rows each."""
        starts = cell_starts(table.count_positive + table.count_negative)
        positive, negative, squared = (
            np.add.reduceat(column, starts)
            for column in (
                table.weight_positive,
                table.weight_negative,
                table.squared_weight_positive + table.squared_weight_negative,
            )
        )
        proba = table.proba
        if len(starts) < len(proba):
            weight = table.weight_positive + table.weight_negative
            proba = np.clip(np.add.reduceat(weight * proba, starts) / (positive + negative), 0.0, 1.0)
        return cls(starts, proba, positive, negative, squared)

    @property
    def weight(self) -> Floats:
        """Summed weight of the rows of each cell."""
        return self.weight_positive + self.weight_negative

    def drawn_shares(self, random: np.random.Generator) -> Floats:
        """Shares of positives if every row were positive with the probability of its cell.

        Rows of unequal weight in one cell count as their effective number, W^2 / S, rounded.
        """
        n_rows = np.maximum(1, np.rint(self.weight**2 / self.squared_weight)).astype(np.int64)
        return np.asarray(random.binomial(n_rows, self.proba) / n_rows)


def cell_starts(mass: NDArray[np.float64 | np.int64], most: int = MOST_CELLS) -> NDArray[np.intp]:
    """Positions at which cells of about as much `mass` (m,) each begin, the first at 0: `most` of them, or one more.

    Each but the first begins with a score that has mass, so that those without are in one cell with the last before
    them that has.
    """
    if len(mass) <= most:
        return np.arange(len(mass))
    rank = np.cumsum(mass)
    shares = np.arange(most) * (rank[-1] / most)
    return np.unique(np.append(0, np.searchsorted(rank, shares, side="right")))
