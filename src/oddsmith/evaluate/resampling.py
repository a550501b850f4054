"""A table of scores as something to draw from, many times and quickly.

    share of labels   Binomial(n, p) / n                       in each cell, where the probabilities p are right
    weights of rows   Gamma(shape W^2 / S, scale S / W)        in each cell and class, where nothing is assumed

W and S are sums of weights and of squared weights. The second is the Bayesian bootstrap: every row's weight is
multiplied by an exponential number, and the sum over c rows of weight 1 is Gamma(c). Rows of other weights have a sum
of the same mean W and variance S. Every score keeps some weight, so no draw is without positives that has them.

Source: Rubin (1981).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oddsmith.errors import InputError
from oddsmith.evaluate.intervals import require_level
from oddsmith.evaluate.score_table import Floats, ScoreTable

MOST_CELLS = 8192
"""More scores are put into so many cells of neighbours, of as many rows each."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Sums over each score, or over neighbouring ones; arrays (m,) in rising order of `proba`."""

    proba: Floats
    """Weighted mean probability."""
    weight_positive: Floats
    weight_negative: Floats
    squared_weight_positive: Floats
    squared_weight_negative: Floats

    @classmethod
    def of(cls, table: ScoreTable) -> Cells:
        """The scores of a table, or at most `MOST_CELLS` cells of them."""
        sums = (
            table.weight_positive,
            table.weight_negative,
            table.squared_weight_positive,
            table.squared_weight_negative,
        )
        if len(table.eta) <= MOST_CELLS:
            return cls(table.proba, *sums)
        rank = np.cumsum(table.count_positive + table.count_negative)
        ends = np.arange(MOST_CELLS) * (rank[-1] / MOST_CELLS)
        starts = np.unique(np.searchsorted(rank, ends, side="right"))
        weight = table.weight_positive + table.weight_negative
        mean = np.add.reduceat(weight * table.proba, starts) / np.add.reduceat(weight, starts)
        return cls(np.clip(mean, 0.0, 1.0), *(np.add.reduceat(column, starts) for column in sums))

    @property
    def weight(self) -> Floats:
        """Summed weight of the rows of each cell."""
        return self.weight_positive + self.weight_negative

    def drawn_shares(self, random: np.random.Generator) -> Floats:
        """Shares of positives if every row were positive with the probability of its cell.

        Rows of unequal weight in one cell count as their effective number, W^2 / S, rounded.
        """
        squared = self.squared_weight_positive + self.squared_weight_negative
        n_rows = np.maximum(1, np.rint(self.weight**2 / squared)).astype(np.int64)
        return np.asarray(random.binomial(n_rows, self.proba) / n_rows)

    def drawn_weights(self, random: np.random.Generator) -> tuple[Floats, Floats]:
        """Weights of the positives and of the negatives of each cell in a sample of the Bayesian bootstrap."""
        return (
            _drawn(self.weight_positive, self.squared_weight_positive, random),
            _drawn(self.weight_negative, self.squared_weight_negative, random),
        )


def _drawn(weight: Floats, squared: Floats, random: np.random.Generator) -> Floats:
    there = weight > 0
    scale = np.divide(squared, weight, out=np.zeros_like(weight), where=there)
    shape = np.divide(weight, scale, out=np.zeros_like(weight), where=there)
    return np.asarray(random.standard_gamma(shape) * scale)


def require_resampling(level: float, n_resamples: int) -> None:
    """Raise InputError unless `level` is a confidence and `n_resamples` a number of samples."""
    require_level(level)
    if n_resamples < 1:
        raise InputError(f"{n_resamples} resamples: there must be at least one. Give a whole number from 1.")


def require_rows(table: ScoreTable) -> None:
    """Raise InputError if the table is empty."""
    if not len(table.eta):
        raise InputError("no rows to evaluate: give at least one row with a label and a positive weight.")
