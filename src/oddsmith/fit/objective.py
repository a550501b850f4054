"""What a solver sees: mean loss plus penalty, in coefficients on the standardised scale.

    objective(theta) = (sum of losses) / (sum of weights) + penalty(theta)
    eta = intercept + sum_j theta_j (x_j - centre_j) / scale_j

Scaling is this change of coefficients and never a scaled copy of the data. One objective may hold several
independent problems (one-vs-rest), which share every pass over the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Block, Floats, Source
from oddsmith.data.moments import moments
from oddsmith.engines import reduce
from oddsmith.fit.losses import Loss
from oddsmith.fit.penalties import Ridge, softmax_coupling
from oddsmith.fit.stats import Reach, Stats, accumulate, reach


@dataclass(frozen=True)
class Standardisation:
    """Where the columns are centred and by what they are divided: `centre`, `scale`, (p,) each."""

    centre: Floats
    scale: Floats

    @classmethod
    def none(cls, n_columns: int) -> "Standardisation":
        """The user's own scale."""
        return cls(np.zeros(n_columns), np.ones(n_columns))

    @classmethod
    def of(cls, source: Source, *, fit_intercept: bool = True) -> "Standardisation":
        """Weighted mean and population sigma of the source's columns; sigma 0 counts as 1.

        Without an intercept the columns are not centred: that would change the model.
        """
        found = reduce(source, moments)
        scale = np.where(found.sigma > 0.0, found.sigma, 1.0)
        return cls(found.mean if fit_intercept else np.zeros_like(scale), scale)


@dataclass(frozen=True)
class Evaluation:
    """Objective, gradient and Hessian of G problems: (G,), (G, d), (G, d, d) or size 0 if not asked."""

    value: Floats
    gradient: Floats
    hessian: Floats


@dataclass
class Objective:
    """Mean loss plus ridge for G independent problems with d coefficients each, intercept first.

    `standardize` says whether `alpha` acts on standardised columns or on the user's.
    """

    source: Source
    loss: Loss
    standardisation: Standardisation
    alpha: float = 0.0
    standardize: bool = True
    fit_intercept: bool = True
    n_passes: float = field(default=0.0, init=False)
    """Reads of the data so far: the honest cost of a fit."""

    @property
    def n_problems(self) -> int:
        """G: independent problems that share the passes."""
        return self.loss.n_problems

    @property
    def n_coefficients(self) -> int:
        """d: coefficients of one problem, intercepts included."""
        return self.loss.n_coupled * (self.source.n_columns + 1)

    @property
    def n_rows(self) -> int:
        """Rows with positive weight."""
        return int(self._totals[0])

    @property
    def mean_weight(self) -> float:
        """Weight of a row on average, rows of weight 0 included."""
        return float(self._totals[1]) / self.source.n_rows

    @cached_property
    def _totals(self) -> Floats:
        self.n_passes += 1
        return reduce(self.source, _rows_and_weight)

    @cached_property
    def penalty(self) -> Ridge:
        """Ridge in standardised coefficients."""
        scale = self.standardisation.scale
        metric = np.ones_like(scale) if self.standardize else scale**-2
        coupled = self.loss.n_coupled
        coupling = np.ones((1, 1)) if coupled == 1 else softmax_coupling(coupled + 1)
        return Ridge(self.alpha, np.concatenate([[0.0], metric]), coupling)

    @cached_property
    def free(self) -> NDArray[np.bool_]:
        """Which of the d coefficients may move."""
        free = np.ones((self.loss.n_coupled, self.source.n_columns + 1), dtype=bool)
        free[:, 0] = self.fit_intercept
        return free.ravel()

    @cached_property
    def start(self) -> Evaluation:
        """The objective at zero, where every solver begins, with its Hessian."""
        return self.evaluate(np.zeros((self.n_problems, self.n_coefficients)), order=2)

    def evaluate(self, theta: Floats, order: int) -> Evaluation:
        """The objective at `theta` (G, d) from one pass over the rows."""
        self.n_passes += 1
        return self._mean(reduce(self.source, self._kernel(theta, order)), theta, order)

    def evaluate_rows(self, theta: Floats, rows: NDArray[np.intp]) -> Evaluation:
        """The objective and gradient at `theta` (G, d) as these rows alone estimate them, without bias.

        The divisor is what this many rows weigh on average: divided by their own weight, a single row
        would count the same whatever it weighs.
        """
        self.n_passes += len(rows) / self.source.n_rows
        stats = self._kernel(theta, 1)(self.source.take(rows))
        return self._mean(replace(stats, weight=len(rows) * self.mean_weight), theta, 1)

    def reach(self, theta: Floats, step: Floats) -> Reach:
        """max |A step| and the least margin at `theta`, over all rows: one pass."""
        self.n_passes += 1
        kernel = partial(
            reach,
            coef=self._raw(theta),
            step=self._raw(step),
            loss=self.loss,
            centre=self.standardisation.centre,
        )
        return reduce(self.source, kernel)

    def on_user_scale(self, theta: Floats) -> tuple[Floats, Floats]:
        """Intercepts (k,) and coefficients (k, p) for the columns as the user has them."""
        raw = self._raw(theta)
        return raw[:, 0] - raw[:, 1:] @ self.standardisation.centre, raw[:, 1:]

    def _raw(self, theta: Floats) -> Floats:
        """Coefficients of [1, x - centre]: (n_problems * n_coupled, p + 1)."""
        return theta.reshape(-1, self.source.n_columns + 1) * self._unscale

    @cached_property
    def _unscale(self) -> Floats:
        return np.concatenate([[1.0], 1.0 / self.standardisation.scale])

    def _kernel(self, theta: Floats, order: int) -> Callable[[Block], Stats]:
        return partial(
            accumulate,
            coef=self._raw(theta),
            loss=self.loss,
            centre=self.standardisation.centre,
            order=order,
        )

    def _mean(self, stats: Stats, theta: Floats, order: int) -> Evaluation:
        """Divide the sums once, change to standardised coefficients, add the penalty."""
        unscale = np.tile(self._unscale, self.loss.n_coupled)
        value = stats.loss / stats.weight + self.penalty.value(theta)
        gradient = hessian = np.empty(0)
        if order >= 1:
            gradient = stats.gradient * unscale / stats.weight + self.penalty.gradient(theta)
            gradient = np.where(self.free, gradient, 0.0)
        if order >= 2:
            hessian = stats.hessian * np.outer(unscale, unscale) / stats.weight + self.penalty.hessian()
            hessian = np.where(np.outer(self.free, self.free), hessian, 0.0)
        return Evaluation(value, gradient, hessian)


def _rows_and_weight(block: Block) -> Floats:
    w = np.ones(len(block.X)) if block.sample_weight is None else block.sample_weight
    return np.array([np.count_nonzero(w), w.sum()])
