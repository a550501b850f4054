"""What stands for the Hessian of so many sparse columns that no look at few rows shows all of them.

    head     the most frequent columns and the intercept, and `GROUPS` sums of the other columns: the Hessian of a
             sample, as L L'
    tail     every other column by itself: the Hessian's own diagonal, of all rows

    solve(g) = head^-1 [g_head, S' g_tail], spread back by S,  +  g_tail / diagonal

S adds up the tail by frequency. Without the sums a direction in which all rare columns move together, the length of
a document, looks hundreds of times as steep as it is, and the decrement is believed to be as much smaller.

The tail's columns enter a sum with the weight sqrt(f_j) / scale_j, f_j the share of the rows where column j is not
zero: whatever its unit, each is then of the size of its frequency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import ArraySource, Block, Floats, SparseRows
from oddsmith.fit.cholesky import Factor
from oddsmith.fit.matrix import gram
from oddsmith.fit.metrics import Kronecker, Metric, class_pieces, factored, unit_trace
from oddsmith.fit.objective import Objective
from oddsmith.fit.sample import drawn
from oddsmith.fit.stats import predictors_of

HEAD = 256
"""Columns whose Hessian is sampled."""
GROUPS = 8
"""Sums of other columns beside them."""
ROWS_PER_COLUMN = 20
LEAST_ROWS = 8192


@dataclass(frozen=True)
class HeadAndTail:
    """A metric on d coefficients: `head` indices of those in the sampled block, `tail` the others.

    `sums` (tail,): the group of each, `weight` (tail,) what it counts there; `factor` of the block, groups last;
    `inverse` (tail,) of the diagonal, 0 where a coefficient is held.
    """

    head: NDArray[np.intp]
    tail: NDArray[np.intp]
    sums: NDArray[np.intp]
    weight: Floats
    factor: Factor
    inverse: Floats

    def solve(self, gradient: Floats) -> Floats:
        """Head and sums by their factor, and each of the tail by itself."""
        rest = gradient[self.tail]
        step = np.empty_like(gradient)
        k = len(self.head)
        groups = np.bincount(self.sums, self.weight * rest, len(self.factor.free) - k)
        coarse = self.factor.solve(np.append(gradient[self.head], groups))
        step[self.head] = coarse[:k]
        step[self.tail] = self.inverse * rest + self.weight * coarse[k:][self.sums]
        return step


@dataclass(frozen=True)
class Look:
    """A sample of the rows of an objective, and how its columns are told apart.

    `rows` the sample as it is, `dense` (m, head - 1 + groups) what the block is made of, in single precision;
    `represented` how many rows it stands for.
    """

    objective: Objective
    rows: Block
    dense: Floats
    represented: float
    head: NDArray[np.intp]
    tail: NDArray[np.intp]
    sums: NDArray[np.intp]
    weight: Floats
    held: NDArray[np.bool_]

    @classmethod
    def at(cls, objective: Objective, held: NDArray[np.bool_], draws: np.random.Generator) -> Self:
        """Look at some rows; `held` (q,) are the columns, the intercept among them, that stay at zero."""
        n, p = objective.source.n_rows, objective.source.n_columns
        n_classes = max(objective.loss.n_coupled + 1, objective.n_problems)
        k = min(p, HEAD)
        m = max(ROWS_PER_COLUMN * (k + GROUPS + 1), LEAST_ROWS)
        sample = drawn(objective.source.y, n_classes, m, draws)
        block = objective.source.take(sample.rows)
        objective.n_passes += len(sample.rows) / n
        w = np.ones(len(sample.rows)) if sample.weight is None else sample.weight
        X = block.X
        assert isinstance(X, SparseRows)
        found = np.bincount(X.matrix.indices, minlength=p)
        order = np.argsort(-found, kind="stable")
        common, rare = np.sort(order[:k]), order[k:]
        shares = (found[rare] + 0.5) / len(X)
        mass = np.cumsum(shares)
        sums = np.minimum((mass * (GROUPS / mass[-1])).astype(np.intp), GROUPS - 1) if len(rare) else rare
        scaling = objective.standardisation
        weight = np.where(held[1 + rare], 0.0, np.sqrt(shares))
        if len(rare):
            adding = _summing(rare, sums, weight / scaling.scale[rare], p)
            together = (X.matrix @ adding).toarray() - scaling.centre @ adding
        else:
            together = np.empty((len(X), 0))
        dense = np.empty((len(X), k + together.shape[1]), dtype=np.float32)
        dense[:, :k] = (X.matrix[:, common].toarray() - scaling.centre[common]) / scaling.scale[common]
        dense[:, k:] = together
        represented = float(w.sum())
        if block.sample_weight is not None:
            w = w * block.sample_weight
        rows = Block(X, block.y, w, block.offset)
        return cls(
            objective, rows, dense, represented, np.append(0, 1 + common), 1 + rare, sums, weight, held
        )

    @cached_property
    def _block_held(self) -> NDArray[np.bool_]:
        groups = self.dense.shape[1] + 1 - len(self.head)
        return np.concatenate([self.held[self.head], np.zeros(groups, dtype=bool)])

    def metrics(self, theta: Floats, diagonal: Floats) -> Sequence[Metric]:
        """One for each problem at `theta` (G, d), where the losses' own second derivatives are `diagonal` (G, d)."""
        objective, w = self.objective, self.rows.sample_weight
        loss = objective.loss
        coef = theta.reshape(-1, objective.source.n_columns + 1)
        assert w is not None
        eta = predictors_of(self.rows, objective.standardisation.columns(self.rows.X), coef)
        if loss.n_coupled == 1:
            own, _ = loss.curvature(eta)
            return [self._of(self._gram(own[g] * w), diagonal[g]) for g in range(len(theta))]
        covariance, spread = class_pieces(loss.squash(eta), w)
        covariance = unit_trace(covariance)
        block, tail = self._gram(spread), diagonal.reshape(coef.shape).sum(axis=0) / np.trace(covariance)
        return [
            Kronecker.mixed(covariance, objective.penalty, lambda size: self._of(size * block, size * tail))
        ]

    def _gram(self, d: Floats) -> Floats:
        """What the sample with weights `d` (m,) makes of the Hessian of the mean loss."""
        source = ArraySource(self.dense, self.rows.y, d.astype(np.float32))
        return self.objective.engine(source, _weighted_gram) / (self.represented * self.objective.mean_weight)

    def _of(self, block: Floats, diagonal: Floats) -> HeadAndTail:
        """The metric of one predictor, its penalty added: `block` of head and sums, `diagonal` (q,)."""
        ridge = self.objective.penalty.ridge
        tail = diagonal[self.tail] + ridge[self.tail]
        of_sums = np.bincount(self.sums, self.weight**2 * ridge[self.tail], len(block) - len(self.head))
        hessian = block + np.diag(np.append(ridge[self.head], of_sums))
        free = ~self.held[self.tail] & (tail > 0.0)
        return HeadAndTail(
            self.head,
            self.tail,
            self.sums,
            self.weight,
            factored(hessian, self._block_held),
            np.divide(1.0, tail, out=np.zeros_like(tail), where=free),
        )


def _weighted_gram(block: Block) -> Floats:
    assert block.sample_weight is not None
    return gram(np.asarray(block.X), block.sample_weight)


def _summing(columns: NDArray[np.intp], sums: NDArray[np.intp], weight: Floats, p: int) -> Any:
    """The matrix (p, groups) that adds up `columns`."""
    from scipy.sparse import csr_array

    return csr_array((weight, (columns, sums)), shape=(p, GROUPS))
