"""A lasso on few of many columns: exact Newton on a working set, and one look at all columns.

    guess      columns whose slope was at least 2 weight - weight before at the last penalty (the strong rule)
    solve      Newton with exact Hessians on them: n |W|^2 multiplications and not n p^2
    look       the gradient of all columns; those steeper than their weight join, and it is solved again

What is found is the optimum of all columns, since every column is looked at in the end.

Source: Tibshirani, Bien, Friedman, Hastie, Simon, Taylor and Tibshirani (2012), Strong rules for discarding
predictors in lasso-type problems.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import ArraySource, Floats, SparseRows
from oddsmith.data.memory import require
from oddsmith.data.sparse import SparseSource, stacked
from oddsmith.fit.matrix import Standardisation, written_out
from oddsmith.fit.objective import Evaluation, Objective
from oddsmith.fit.optimality import Nearby
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.solvers.newton import Newton
from oddsmith.fit.solvers.solution import Progress

FEW = 64
"""Columns up to which all of them are the working set, and by which it may always grow."""
MODERATE = 2000
"""Coefficients whose Hessians are no question of memory."""
HESSIANS = 12
"""Hessians that are held at once, their factors among them."""
STEEPER = 1e-9
"""Relative excess of a slope over its weight that is not worth another round."""


class WorkingSet:
    """Where a fit is, (G, d), and the gradient there, as it moves from penalty to penalty."""

    def __init__(self, objective: Objective, max_iter: int, progress: Progress) -> None:
        self.max_iter, self.progress = max_iter, progress
        self.n_iter = 0
        self.whole = replace(objective)
        self.theta = objective.null
        self.value: Floats = np.empty(0)
        self.given = objective.source
        self.last: Nearby | Evaluation | None = None
        self.gradient: Floats | None = None
        self.before: ElasticNet | None = None

    @property
    def n_passes(self) -> float:
        """Reads of the data so far; of some columns, by their share."""
        return self.whole.n_passes

    def held(self) -> None:
        """As the objective finds."""

    def nearby(self) -> Nearby | Evaluation | None:
        """The last evaluation, where all columns had a part in it."""
        return self.last

    def on_the_way(self, points: int) -> Floats:
        """Strengths of the penalty between the one that leaves no coefficient and the one asked for."""
        if self.whole.source.n_columns <= FEW or self.whole.penalty.is_smooth:
            return np.empty(0)
        last = self.whole.penalty.alpha
        self.gradient = self.whole.gradient(self.theta)
        first = max(strongest(self.whole, self.gradient), last)
        return np.geomspace(first, last, points + 1)[1:-1]

    def move_to(self, penalty: ElasticNet, tolerance: float, *, exact: bool = False) -> Floats:
        """The optimum (G, d) of another penalty, sought from the last one's."""
        whole = self.whole = self.whole.with_penalty(penalty)
        whole.tolerance = tolerance
        columns = self._guess(penalty)
        while True:
            places = whole.places(columns)
            self._solve(columns, places, exact)
            if len(columns) == whole.source.n_columns:
                self.gradient = None
                break
            self.gradient = whole.gradient(self.theta)
            excess = np.abs(self.gradient) - penalty.weight * (1.0 + STEEPER)
            excess[:, places] = 0.0
            joining = _steepest(whole, excess, max(FEW, self._n_nonzero()))
            if not len(joining):
                break
            columns = np.union1d(columns, joining)
        self.before = penalty
        return self.theta

    def _guess(self, penalty: ElasticNet) -> NDArray[np.intp]:
        p = self.whole.source.n_columns
        if p <= FEW or penalty.is_smooth:
            return np.arange(p)
        if self.gradient is None:
            self.gradient = self.whole.gradient(self.theta)
        before = np.inf if self.before is None else self.before.weight
        least = np.maximum(2.0 * penalty.weight - before, 0.0)
        excess = np.where(self.theta != 0.0, np.inf, np.abs(self.gradient) - least)
        return _steepest(self.whole, excess, max(FEW, 2 * self._n_nonzero()))

    def _solve(self, columns: NDArray[np.intp], places: NDArray[np.intp], exact: bool) -> None:
        whole = self.whole
        if len(places) > MODERATE:
            require(
                HESSIANS * 8.0 * whole.n_problems * len(places) ** 2,
                f"a fit in which {len(columns):,} columns count",
                "Use a stronger penalty, or a machine with more memory.",
            )
        narrow = whole if len(columns) == whole.source.n_columns else _gathered(whole, columns)
        here = self.theta[:, places]
        newton = Newton(max(1, self.max_iter - self.n_iter), to_the_floor=exact)
        path = newton.descend(narrow, here, narrow.evaluate(here, order=2), self.progress)
        self.n_iter += path.n_iter
        if narrow is not whole:
            whole.n_passes += narrow.n_passes * len(columns) / whole.source.n_columns
        self.value = path.history[-1][1]
        self.last = path.nearby if narrow.source is self.given else None
        self.theta = np.zeros_like(self.theta)
        self.theta[:, places] = path.theta

    def _n_nonzero(self) -> int:
        return int(np.count_nonzero(self.theta))


def strongest(objective: Objective, gradient: Floats) -> float:
    """The least alpha at which all penalised coefficients are zero; `gradient` (G, d) is that of intercepts alone."""
    penalty = replace(objective.penalty, alpha=1.0)
    weighed = penalty.weight > 0.0
    return float((np.abs(gradient[:, weighed]) / penalty.weight[weighed]).max(initial=0.0))


def _gathered(whole: Objective, columns: NDArray[np.intp]) -> Objective:
    """The objective of some columns, held in memory, and standardised unless they are sparse: one pass."""
    whole.n_passes += 1
    narrow = whole.narrowed(columns)
    parts = [block.X for block in narrow.source]
    source = whole.source
    if sparse := [X for X in parts if isinstance(X, SparseRows)]:
        X = stacked(sparse)
        return replace(narrow, source=SparseSource(X, source.y, source.sample_weight, offset=source.offset))
    blocks = [written_out(X) for X in parts]
    Z = blocks[0].astype(np.float64) if len(blocks) == 1 else np.concatenate(blocks, dtype=np.float64)
    Z -= narrow.standardisation.centre
    Z /= narrow.standardisation.scale
    as_is = np.ones(len(columns))
    return replace(
        narrow,
        source=ArraySource(Z, source.y, source.sample_weight, offset=source.offset),
        standardisation=Standardisation(0.0 * as_is, as_is),
    )


def _steepest(objective: Objective, excess: Floats, most: int) -> NDArray[np.intp]:
    """Columns with a positive excess (G, d), at most so many, in order."""
    q = objective.source.n_columns + 1
    of_column = excess.reshape(-1, q).max(axis=0)[1:]
    wanting = np.flatnonzero(of_column > 0.0)
    if len(wanting) > most:
        wanting = np.sort(wanting[np.argpartition(-of_column[wanting], most)[:most]])
    return wanting
