"""What would the figure have been on other rows like these? Rows drawn again, with replacement.

    n units, of k kinds that occur n_1 .. n_k times:    (d_1 .. d_k) ~ Multinomial(n; n_1/n .. n_k/n)
    sums of weights in a replicate                 =    sum over kinds of  d_kind * (what one such unit weighs there)

The distinct scores stay and only the positive and negative weights at them change, so that a replicate costs
sums and no sorting. What is drawn again is a row with its weight, or all rows of a group together.

A table knows its rows where those at one score with one label weigh the same, as unweighted rows do: these are
the kinds. Otherwise only the rows tell, and the kinds are their distinct scores, labels and weights; with groups
each group is a kind. The same rows give the same bits for the same seed, in whatever order they come.

Source: Efron and Tibshirani (1993), chapters 6 and 13 (percentile interval).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.errors import InputError, counted
from oddsmith.evaluate.intervals import Interval, require_level
from oddsmith.evaluate.score_table import Floats, Integers, ScoreTable, row_weights

Statistic = Callable[[Floats, Floats], Floats]
"""From weights of positives and of negatives at the distinct scores, (r, m) each, one row a replicate, to (r,)
or (r, q) figures; NaN where one does not exist."""

_MOST_NUMBERS = 1 << 21
"""Weights of one class that a statistic is given at a time."""
_SAME = 1e-9
"""Relative difference below which weights are one."""


@dataclass(frozen=True, eq=False)
class Resampling:
    """Rows, as units that can be drawn again. Entry e: a unit of kind `kind[e]` weighs `weight[e]` in `cell[e]`."""

    eta: Floats
    """(m,) distinct scores, rising."""
    count: Integers
    """(k,) units of each kind."""
    kind: Integers
    """(e,) positions in `count`."""
    cell: Integers
    """(e,) from 0 to m - 1 for positives at each score, from m on for negatives."""
    weight: Floats
    """(e,)"""

    @classmethod
    def of_table(cls, table: ScoreTable) -> Resampling:
        """The rows of a table that knows them.

        Raises:
            InputError: the table is empty, or rows of different weights share a score and a label.
        """
        count = np.concatenate([table.count_positive, table.count_negative])
        sums = np.concatenate([table.weight_positive, table.weight_negative])
        squares = np.concatenate([table.squared_weight_positive, table.squared_weight_negative])
        # By the inequality of Cauchy and Schwarz they are equal only where all weights are.
        if np.any(count * squares > sums**2 * (1.0 + _SAME)):
            raise InputError(
                "rows of different weights share a score: a table of scores can't draw them again. "
                "Give the rows, with Resampling.of_rows."
            )
        (cell,) = np.nonzero(count)
        return cls._of(table.eta, count[cell], np.arange(len(cell)), cell, sums[cell] / count[cell])

    @classmethod
    def of_rows(
        cls,
        eta: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        group: ArrayLike | None = None,
    ) -> Resampling:
        """Rows as for `ScoreTable.from_scores`, all scores kept apart; those of one `group` (n,) are drawn together.

        Raises:
            InputError: as `ScoreTable.from_scores`, there is not one group a row, or no row has a positive weight.
        """
        scores, labels = np.asarray(eta, dtype=np.float64), np.asarray(y)
        table = ScoreTable.from_scores(scores, labels, sample_weight, max(1, scores.size))
        weight = row_weights(sample_weight, len(scores))
        kept = weight > 0
        place = np.searchsorted(table.eta, scores[kept])
        cell = np.where(labels[kept] == 1, place, len(table.eta) + place)
        weight = weight[kept]
        if group is None:
            order = np.lexsort((weight, cell))
            cell, weight = cell[order], weight[order]
            first = np.ones(len(cell), dtype=np.bool_)
            first[1:] = (np.diff(cell) > 0) | (np.diff(weight) > 0)
            starts = np.flatnonzero(first)
            count = np.diff(starts, append=len(cell))
            return cls._of(table.eta, count, np.arange(len(starts)), cell[starts], weight[starts])
        groups = np.asarray(group)
        if groups.shape != scores.shape:
            raise InputError(
                f"groups have shape {groups.shape}. Give one for each of the {len(scores)} rows."
            )
        distinct, kind = np.unique(groups[kept], return_inverse=True)
        order = np.lexsort((weight, cell, kind))
        return cls._of(
            table.eta, np.ones(len(distinct), dtype=np.int64), kind[order], cell[order], weight[order]
        )

    @classmethod
    def _of(
        cls,
        eta: Floats,
        count: Integers,
        kind: NDArray[np.signedinteger],
        cell: NDArray[np.signedinteger],
        weight: Floats,
    ) -> Resampling:
        if not len(count):
            raise InputError(
                "no rows to draw from: give at least one row with a label and a positive weight."
            )
        return cls(eta, count.astype(np.int64), kind.astype(np.int64), cell.astype(np.int64), weight)

    def original(self, statistic: Statistic) -> Floats:
        """The statistic of the rows themselves: () or (q,)."""
        found: Floats = statistic(*self._weights([self.count]))[0]
        return found

    def replicates(self, statistic: Statistic, n_replicates: int = 1000, seed: int = 0) -> Floats:
        """The statistic of rows drawn again so many times: (n_replicates,) or (n_replicates, q).

        Raises:
            InputError: `n_replicates` is below 1.
        """
        at_once = max(1, _MOST_NUMBERS // len(self.eta))
        found, drawn = [], []
        for redraw in redraws(self.count, n_replicates, seed):
            drawn.append(redraw)
            if len(drawn) == at_once:
                found.append(statistic(*self._weights(drawn)))
                drawn = []
        if drawn:
            found.append(statistic(*self._weights(drawn)))
        return np.concatenate(found)

    def _weights(self, drawn: list[Integers]) -> tuple[Floats, Floats]:
        m = len(self.eta)
        sums = np.empty((len(drawn), 2 * m))
        for row, units in zip(sums, drawn, strict=True):
            row[:] = np.bincount(self.cell, weights=units[self.kind] * self.weight, minlength=2 * m)
        return sums[:, :m], sums[:, m:]


def redraws(count: ArrayLike, n_replicates: int, seed: int) -> Iterator[Integers]:
    """How often units of each kind are drawn, (k,) for each replicate, where there are `count` (k,) of them.

    For figures that need rows side by side: with ones for counts, the multiplicities of n rows.

    Raises:
        InputError: `n_replicates` is below 1.
    """
    if n_replicates < 1:
        raise InputError(
            f"{n_replicates} replicates: there must be at least one. Some 1,000 give an interval."
        )
    counts = np.asarray(count, dtype=np.int64)
    return _redraws(counts, n_replicates, np.random.default_rng(seed))


def _redraws(count: Integers, n_replicates: int, rng: np.random.Generator) -> Iterator[Integers]:
    k, n = len(count), int(count.sum())
    if 8 * k < n:
        for _ in range(n_replicates):
            yield rng.multinomial(n, count / n)
        return
    # The same law; where kinds have few units, drawing each unit costs less.
    kind = np.repeat(np.arange(k), count)
    for _ in range(n_replicates):
        yield np.bincount(kind[rng.integers(n, size=n)], minlength=k)


def percentile_interval(replicates: Floats, level: float = 0.95) -> Interval:
    """The middle share `level` of replicates (r,), those left out in which the figure does not exist.

    Raises:
        InputError: the figure exists in none of them, or `level` does not lie between 0 and 1.
    """
    require_level(level)
    defined = replicates[~np.isnan(replicates)]
    if not len(defined):
        raise InputError("the figure exists in none of the replicates: give more rows of either class.")
    low, high = np.quantile(defined, [(1.0 - level) / 2, (1.0 + level) / 2]).tolist()
    method = f"percentiles of {counted(len(replicates), 'bootstrap replicate')}"
    missing = len(replicates) - len(defined)
    return Interval(low, high, level, f"{method}, {missing:,} of them undefined" if missing else method)
