"""What a solver sees: mean loss plus penalty, in coefficients on the standardised scale.

    objective(theta) = (sum of losses) / (sum of weights) + penalty(theta)
    eta = intercept + sum_j theta_j (x_j - centre_j) / scale_j + offset

Values are those of the whole, gradients and Hessians those of its smooth part: all but the absolute values of
a lasso, whose slopes `penalty` knows.

Scaling is this change of coefficients and never a scaled copy of the data. One objective may hold several
independent problems (one-vs-rest), which share every pass over the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import ArraySource, Block, Floats, Narrowed, Source, WithoutOffset
from oddsmith.engines import Engine, reduce
from oddsmith.fit.cholesky import dependent_columns
from oddsmith.fit.intercepts import beside_offsets
from oddsmith.fit.losses import Loss
from oddsmith.fit.matrix import Standardisation, written_out
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.stats import (
    Reach,
    Stats,
    accumulate,
    bend,
    diagonal,
    losses_of,
    pull,
    reach,
    spread,
    survey,
)

TOLERANCE = 1e-6
"""Converged within sqrt(2e-6) = 1.4e-3 standard errors."""


CHEAP, FEW_CELLS = 1e8, 6e5
"""n d^2 and n d below which a fit costs so little that it goes on to the noise floor: a Hessian, and some ten passes."""


@dataclass(frozen=True)
class Evaluation:
    """Objective, and gradient and Hessian of its smooth part, of G problems: (G,), (G, d), (G, d, d) or size 0
    if not asked.
    """

    value: Floats
    gradient: Floats
    hessian: Floats


@dataclass
class Objective:
    """Mean loss plus penalty for G independent problems with d coefficients each, intercept first.

    A Newton decrement of at most `tolerance` is near enough to the optimum; `engine` does the work over the
    blocks.
    """

    source: Source
    loss: Loss
    standardisation: Standardisation
    penalty: ElasticNet
    fit_intercept: bool = True
    tolerance: float = TOLERANCE
    engine: Engine = reduce
    offset_centre: float = 0.0
    """What every offset of the source is short of, to be about zero; the user's intercept is less by as much."""
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
        return self._totals[0]

    @property
    def is_cheap(self) -> bool:
        """Whether the noise floor costs nothing worth saving."""
        cells = self.n_rows * self.n_coefficients
        return cells < FEW_CELLS and cells * self.n_coefficients < CHEAP

    @property
    def mean_weight(self) -> float:
        """Weight of a row on average, rows of weight 0 included."""
        return self._totals[1] / self.source.n_rows

    @cached_property
    def _totals(self) -> tuple[int, float]:
        w = self.source.sample_weight
        if w is None:
            return self.source.n_rows, float(self.source.n_rows)
        return int(np.count_nonzero(w)), float(w.sum())

    @cached_property
    def _least_weight(self) -> float:
        """The smallest weight above 0."""
        w = self.source.sample_weight
        return 1.0 if w is None else float(w[w > 0.0].min())

    @property
    def alpha(self) -> float:
        """Strength of the penalty on the mean loss."""
        return self.penalty.alpha

    @cached_property
    def free(self) -> NDArray[np.bool_]:
        """Which of the d coefficients may move."""
        free = np.ones((self.loss.n_coupled, self.source.n_columns + 1), dtype=bool)
        free[:, 0] = self.fit_intercept
        return free.ravel()

    @cached_property
    def held(self) -> NDArray[np.bool_]:
        """Coefficients (G, d) that stay at zero: fixed, flat, or explained by earlier columns.

        A penalty makes every coefficient estimable whose column is not flat; then its sigma counts as 1.
        """
        q = self.source.n_columns + 1
        if not self.penalty.is_smooth:
            flat = np.zeros(q, dtype=bool)
            flat[0] = not self.fit_intercept
            suspects = np.flatnonzero(self.standardisation.scale == 1.0)
            if len(suspects):
                self.n_passes += 1
                squares = self.engine(self.source, partial(spread, standardisation=self.standardisation))
                flat[1 + suspects] = ~(squares[suspects] > 0.0)
            return np.tile(flat, (self.n_problems, self.loss.n_coupled))
        # At zero every problem's Hessian is made of one Gram matrix, which is its first block.
        grams = [hessian[:q, :q] for hessian in self._even.start.hessian]
        held = [~(np.diag(gram) > 0.0) if self.alpha > 0.0 else dependent_columns(gram) for gram in grams]
        return np.tile(np.array(held), self.loss.n_coupled)

    @cached_property
    def _even(self) -> "Objective":
        """The same objective without offsets, so that all rows bend alike at zero; the passes are counted here."""
        if self.source.offset is None:
            return self
        self.n_passes += 1
        return replace(self, source=WithoutOffset(self.source))

    @cached_property
    def _columnless(self) -> "Objective":
        """The same objective without any column; what is left of a row is in memory, and takes no pass."""
        rows = self.source
        source = ArraySource(np.empty((rows.n_rows, 0)), rows.y, rows.sample_weight, offset=rows.offset)
        return replace(self.narrowed(np.empty(0, dtype=np.intp)), source=source)

    @cached_property
    def value_at_zero(self) -> Floats:
        """The objectives (G,) where all coefficients are 0: each class is as likely as another, but for offsets."""
        if self.source.offset is None:
            return np.full(self.n_problems, np.log(self.loss.n_choices))
        return self._columnless.evaluate(np.zeros((self.n_problems, self.loss.n_coupled)), order=0).value

    @property
    def null(self) -> Floats:
        """The optimum (G, d) where no column counts: intercepts alone, as the classes' shares want them."""
        theta = np.zeros((self.n_problems, self.n_coefficients))
        if self.fit_intercept:
            intercepts = self._of_shares if self.source.offset is None else self._beside_offsets[0]
            self._rows(theta)[:, 0] = intercepts
        return theta

    @property
    def null_value(self) -> Floats:
        """The mean losses (G,) of rows with offsets where no column counts."""
        return self._beside_offsets[1] if self.fit_intercept else self.value_at_zero

    @property
    def _of_shares(self) -> Floats:
        """Intercepts (k,) that give every row the classes' shares."""
        y, n_classes = self.source.y, max(self.loss.n_choices, self.n_problems)
        weight = np.bincount(y, self.source.sample_weight, n_classes).astype(np.float64)
        # A class that no row has is as rare as a number can be.
        return self.loss.of_shares(np.maximum(weight / weight.sum(), np.finfo(float).tiny))

    @cached_property
    def _beside_offsets(self) -> tuple[Floats, Floats]:
        """Intercepts (G,) that do so on average beside offsets, and the mean losses (G,) there."""
        return beside_offsets(self._columnless, self._of_shares)

    @cached_property
    def start(self) -> Evaluation:
        """The objective at zero, where every solver begins, with its Hessian."""
        return self.evaluate(np.zeros((self.n_problems, self.n_coefficients)), order=2)

    def evaluate(self, theta: Floats, order: int) -> Evaluation:
        """The objective at `theta` (G, d) from one pass over the rows."""
        self.n_passes += 1
        return self._mean(self.engine(self.source, self._kernel(theta, order)), theta, order)

    def gradient(self, theta: Floats) -> Floats:
        """The gradient (G, d) at `theta` (G, d) and no more: the cheapest pass over the rows."""
        self.n_passes += 1
        coef = (self.loss.unit * self._given(theta)).astype(self.source.dtype)
        return self._slope(self.engine(self.source, partial(pull, coef=coef, **self._columns)), theta)

    def survey(self, theta: Floats) -> Evaluation:
        """The objective and gradient at `theta` (G, d): a pass that is little dearer than the gradient's."""
        self.n_passes += 1
        found = self.engine(self.source, partial(survey, coef=self._given(theta), **self._columns))
        value = found.loss / self._totals[1] + self.penalty.value(theta)
        return Evaluation(value, self._slope(found.pulled, theta), np.empty(0))

    def most_moved(self, step: Floats) -> Floats:
        """A bound (G,) on how far `step` (G, d) moves the log-odds of any row with weight, without a pass.

        A standardised column has sum_i w_i z_i^2 = W, so that by the triangle inequality

            w_i (step a_i)^2 <= sum_i w_i (step a_i)^2 <= W (sum_j |step_j|)^2

        Doubled, for a part of the rows may be standardised as the whole. Infinite where columns aren't centred.
        """
        if not self.fit_intercept:
            return np.full(len(step), np.inf)
        most = np.abs(self._rows(step)).sum(axis=1).reshape(len(step), -1).max(axis=1)
        return np.asarray(2.0 * np.sqrt(self._totals[1] / self._least_weight) * most)

    def bent(self, theta: Floats, step: Floats) -> Floats:
        """The Hessian at `theta` times `step`, all of them (G, d), without the Hessian: one pass."""
        self.n_passes += 1
        pulled = self.engine(
            self.source, partial(bend, coef=self._given(theta), step=self._given(step), **self._columns)
        )
        return self._slope(pulled, step)

    def diagonal(self, theta: Floats) -> Floats:
        """The Hessians' diagonals (G, d) at `theta` (G, d): one pass."""
        self.n_passes += 1
        kernel = partial(
            diagonal, coef=self._rows(theta), loss=self.loss, standardisation=self.standardisation
        )
        found = self.engine(self.source, kernel).reshape(theta.shape) / self._totals[1]
        return found + self.penalty.diagonal

    def may_be_separated(self, theta: Floats) -> bool:
        """Whether no row says that some problem isn't separated at `theta` (G, d): as few blocks as it takes."""
        undecided = np.ones(self.n_problems, dtype=bool)
        coef = self._rows(theta)
        for block in self.source:
            self.n_passes += len(block.y) / self.source.n_rows
            still = reach(block, coef, 0.0 * coef, loss=self.loss, standardisation=self.standardisation)
            undecided &= still.margin > 0.0
            if not undecided.any():
                return False
        return True

    @cached_property
    def _columns(self) -> dict[str, Any]:
        """How a cheap pass sees the columns: as they are, wherever that keeps enough digits."""
        as_is = self.standardisation.is_near(self.source.dtype)
        return {"loss": self.loss, "standardisation": self.standardisation, "as_is": as_is}

    def _given(self, theta: Floats) -> Floats:
        """Coefficients (k, p + 1) of the columns as a cheap pass sees them."""
        coef = self._rows(theta)
        return self.standardisation.raw(coef) if self._columns["as_is"] else coef

    def _slope(self, pulled: Floats, theta: Floats) -> Floats:
        """The gradient (G, d) from a cheap pass's sums (k, p + 1)."""
        if self._columns["as_is"]:
            pulled = self.standardisation.standardised(pulled)
        gradient = pulled.reshape(theta.shape) / self._totals[1]
        if self.alpha > 0.0:
            gradient += self.penalty.gradient(theta)
        gradient[:, ~self.free] = 0.0
        return gradient

    def mean_losses(self, thetas: Floats) -> Floats:
        """Mean losses (A, G), without the penalty, of many fits (A, G, d): one pass."""
        self.n_passes += 1
        coef = thetas.reshape(len(thetas), -1, self.source.n_columns + 1)
        kernel = partial(losses_of, coef=coef, loss=self.loss, standardisation=self.standardisation)
        return self.engine(self.source, kernel) / self._totals[1]

    def evaluate_rows(self, theta: Floats, rows: NDArray[np.intp]) -> Evaluation:
        """The objective and gradient at `theta` (G, d) as these rows alone estimate them, without bias.

        The divisor is what this many rows weigh on average: divided by their own weight, a single row
        would count the same whatever it weighs.
        """
        self.n_passes += len(rows) / self.source.n_rows
        stats = self._kernel(theta, 1)(self.source.take(rows))
        return self._mean(replace(stats, weight=len(rows) * self.mean_weight), theta, 1)

    def reach(self, theta: Floats, step: Floats) -> Reach:
        """What `step` does to the rows at `theta`, both (G, d): one pass."""
        self.n_passes += 1
        kernel = partial(
            reach,
            coef=self._rows(theta),
            step=self._rows(step),
            loss=self.loss,
            standardisation=self.standardisation,
        )
        return self.engine(self.source, kernel)

    def with_penalty(self, penalty: ElasticNet) -> "Objective":
        """The same data under another penalty; the passes so far are counted on."""
        other = replace(self, penalty=penalty)
        other.n_passes = self.n_passes
        return other

    def written_out(self) -> "Objective":
        """The same objective on a standardised copy of its rows, for data so small that passes cost more than memory."""
        block = self.source.take(np.arange(self.source.n_rows))
        Z = np.array(written_out(self.standardisation.columns(block.X)), dtype=np.float64, order="C")
        as_is = Standardisation(np.zeros(Z.shape[1]), np.ones(Z.shape[1]))
        return replace(
            self,
            source=ArraySource(Z, block.y, block.sample_weight, offset=block.offset),
            standardisation=as_is,
        )

    def narrowed(self, columns: NDArray[np.intp]) -> "Objective":
        """The same objective where all coefficients but those of `columns` (in order), and intercepts, are zero."""
        part = np.concatenate([[0], 1 + columns])
        standardisation = Standardisation(
            self.standardisation.centre[columns], self.standardisation.scale[columns]
        )
        return replace(
            self,
            source=Narrowed(self.source, columns),
            standardisation=standardisation,
            penalty=replace(self.penalty, unit=self.penalty.unit[part]),
        )

    def places(self, columns: NDArray[np.intp]) -> NDArray[np.intp]:
        """Where coefficients of these columns, and intercepts, are among all d: those of `narrowed`, in its order."""
        q = self.source.n_columns + 1
        first = q * np.arange(self.loss.n_coupled)[:, None]
        return np.asarray((first + np.concatenate([[0], 1 + columns])).ravel(), dtype=np.intp)

    def columns_of(self, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Columns of which some coefficient is among the `chosen`, (G, d), in order."""
        q = self.source.n_columns + 1
        return np.flatnonzero(np.logical_or.reduce(chosen.reshape(-1, q))[1:])

    def on_user_scale(self, theta: Floats) -> tuple[Floats, Floats]:
        """Intercepts (k,) and coefficients (k, p) for the columns as the user has them."""
        intercept, coef = self.standardisation.on_user_scale(self._rows(theta))
        return intercept - self.offset_centre, coef

    def at_centre(self, theta: Floats) -> Floats:
        """Linear predictors (k,) of a row at the columns' centres."""
        return self._rows(theta)[:, 0]

    def _rows(self, theta: Floats) -> Floats:
        """One row a predictor: (n_problems * n_coupled, p + 1)."""
        return theta.reshape(-1, self.source.n_columns + 1)

    def _kernel(self, theta: Floats, order: int) -> Callable[[Block], Stats]:
        return partial(
            accumulate,
            coef=self._rows(theta),
            loss=self.loss,
            standardisation=self.standardisation,
            order=order,
        )

    def _mean(self, stats: Stats, theta: Floats, order: int) -> Evaluation:
        """Divide the sums once, add the penalty, and hold what may not move."""
        value, gradient, hessian = stats.loss, stats.gradient, stats.hessian
        for part in (value, gradient, hessian):
            part /= stats.weight
        if self.alpha > 0.0:
            slope = self.penalty.gradient(theta)
            value += self.penalty.value(theta, slope)
            if order >= 1:
                gradient += slope
            if order >= 2:
                hessian += self.penalty.hessian
        fixed = ~self.free if not self.fit_intercept else None
        if order >= 1 and fixed is not None:
            gradient[:, fixed] = 0.0
        if order >= 2 and fixed is not None:
            hessian[:, fixed] = 0.0
            hessian[:, :, fixed] = 0.0
        return Evaluation(value, gradient, hessian)
