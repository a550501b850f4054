"""What would the figure have been on other rows like these? Rows drawn again, with replacement.

    n units, n_1 .. n_k of each of k kinds:    (d_1 .. d_k) ~ Multinomial(n; n_1/n .. n_k/n)
    sums of weights in a replicate        =    sum over kinds of  d_kind * (what one such unit weighs there)

The distinct scores stay and only the positive and negative weights at them change, so that a replicate costs
sums and no sorting. What is drawn again is a row with its weight, or all rows of a group together.

Of rows, the kinds are their distinct scores, labels and weights; with groups each group is a kind. Of a table, the
kinds are the rows of one label at one score, or in one cell of neighbouring scores. Where these weigh the same they
are drawn as the rows themselves would be. Where they differ, a table knows their sums W and S of weights and squared
weights alone: they count as their effective number W^2 / S of rows that weigh S / W, whose sum has the same mean, and
the same variance but for the share that is drawn of all. The same rows give the same bits for the same seed, in
whatever order they come.

Sources: Efron and Tibshirani (1993), chapters 6 and 13 (percentile interval); Kish (1965) for the effective number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    """(m,) distinct scores, or the lowest of each cell; rising."""
    count: Floats
    """(k,) units of each kind: whole numbers, but for rows of different weights that only a table tells of."""
    kind: Integers
    """(e,) positions in `count`."""
    cell: Integers
    """(e,) from 0 to m - 1 for positives at each score, from m on for negatives."""
    weight: Floats
    """(e,)"""

    @classmethod
    def of_table(cls, table: ScoreTable, starts: NDArray[np.intp] | None = None) -> Resampling:
        """The rows of a table, at each score or in cells that begin at `starts` (c,): rising positions, from 0 on.

        Raises:
            InputError: the table is empty.
        """
        count, sums, squares = (
            np.concatenate([_in_cells(column, starts) for column in pair])
            for pair in (
                (table.count_positive, table.count_negative),
                (table.weight_positive, table.weight_negative),
                (table.squared_weight_positive, table.squared_weight_negative),
            )
        )
        (cell,) = np.nonzero(count)
        count, sums, squares = count[cell].astype(np.float64), sums[cell], squares[cell]
        number = sums * np.divide(sums, squares, out=np.full_like(sums, np.inf), where=squares > 0)
        # By the inequality of Cauchy and Schwarz it is that of the rows only where they all weigh the same.
        count = np.where(number < count * (1.0 - _SAME), number, count)
        eta = table.eta if starts is None else table.eta[starts]
        return cls._of(eta, count, np.arange(len(cell)), cell, sums / count)

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
        distinct, kind = np.unique(row_groups(group, len(scores))[kept], return_inverse=True)
        order = np.lexsort((weight, cell, kind))
        kind, cell, weight = kind[order], cell[order], weight[order]
        # What a group weighs in a cell is one number, however many rows it is of.
        begins = np.flatnonzero((np.diff(kind, prepend=-1) > 0) | (np.diff(cell, prepend=-1) != 0))
        weight = np.add.reduceat(weight, begins) if len(begins) else weight
        return cls._of(table.eta, np.ones(len(distinct)), kind[begins], cell[begins], weight)

    @classmethod
    def _of(
        cls,
        eta: Floats,
        count: NDArray[np.float64 | np.int64],
        kind: NDArray[np.signedinteger],
        cell: NDArray[np.signedinteger],
        weight: Floats,
    ) -> Resampling:
        if not len(count):
            raise InputError(
                "no rows to draw from: give at least one row with a label and a positive weight."
            )
        return cls(eta, count.astype(np.float64), kind.astype(np.int64), cell.astype(np.int64), weight)

    def original(self, statistic: Statistic) -> Floats:
        """The statistic of the rows themselves: () or (q,)."""
        found: Floats = statistic(*self._weights([self.count]))[0]
        return found

    def replicates(self, statistic: Statistic, n_resamples: int = 1000, seed: int = 0) -> Floats:
        """The statistic of rows drawn again so many times: (n_resamples,) or (n_resamples, q).

        Raises:
            InputError: `n_resamples` is below 1.
        """
        at_once = max(1, _MOST_NUMBERS // len(self.eta))
        found, drawn = [], []
        for redraw in redraws(self.count, n_resamples, seed):
            drawn.append(redraw)
            if len(drawn) == at_once:
                found.append(statistic(*self._weights(drawn)))
                drawn = []
        if drawn:
            found.append(statistic(*self._weights(drawn)))
        return np.concatenate(found)

    def _weights(self, drawn: Sequence[Floats | Integers]) -> tuple[Floats, Floats]:
        m = len(self.eta)
        sums = np.empty((len(drawn), 2 * m))
        for row, units in zip(sums, drawn, strict=True):
            row[:] = np.bincount(self.cell, weights=units[self.kind] * self.weight, minlength=2 * m)
        return sums[:, :m], sums[:, m:]


def redraws(count: ArrayLike, n_resamples: int, seed: int) -> Iterator[Integers]:
    """How often units of each kind are drawn, (k,) for each replicate, where there are `count` (k,) of them.

    As many as there are in all, rounded where these are effective numbers. For figures that need rows side by side:
    with ones for counts, the multiplicities of n rows.

    Raises:
        InputError: `n_resamples` is below 1.
    """
    require_resamples(n_resamples)
    return _redraws(np.asarray(count, dtype=np.float64), n_resamples, np.random.default_rng(seed))


def _redraws(count: Floats, n_resamples: int, rng: np.random.Generator) -> Iterator[Integers]:
    k, total = len(count), float(count.sum())
    n = max(1, round(total))
    if 8 * k < n or (count % 1.0).any():
        for _ in range(n_resamples):
            yield rng.multinomial(n, count / total)
        return
    # The same law; where kinds have few units, drawing each unit costs less.
    kind = np.repeat(np.arange(k), count.astype(np.int64))
    for _ in range(n_resamples):
        yield np.bincount(kind[rng.integers(n, size=n)], minlength=k)


def row_groups(group: ArrayLike, n_rows: int) -> NDArray[np.generic]:
    """The groups of `n_rows` rows, (n,).

    Raises:
        InputError: there is not one group a row.
    """
    groups = np.asarray(group)
    if groups.shape != (n_rows,):
        raise InputError(f"groups have shape {groups.shape}. Give one for each of the {n_rows} rows.")
    return groups


def require_resamples(n_resamples: int) -> None:
    """Raise InputError unless `n_resamples` is a number of samples."""
    if n_resamples < 1:
        raise InputError(f"{n_resamples} resamples: there must be at least one. Give a whole number from 1.")


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


def _in_cells(
    column: NDArray[np.float64 | np.int64], starts: NDArray[np.intp] | None
) -> NDArray[np.float64 | np.int64]:
    return column if starts is None else np.add.reduceat(column, starts)
