"""Reliability without bins (CORP): isotonic regression of the labels on the scores, and a loss taken apart by it.

    curve            c(s)  the rising function of the score that is nearest to the labels
    score            S(p) = mean loss of the probabilities p
    miscalibration   S(p) - S(c)         what is lost because p is not c; 0 or more
    discrimination   S(share) - S(c)     what the order of the scores is worth; 0 or more
    uncertainty      S(share)            the loss of the share of positives, said of every row

    S(p) = miscalibration - discrimination + uncertainty

The bins are the flat parts of the curve, which the data choose. Discrimination depends on the order of the scores alone.

The band is a consistency band: where the curve of *calibrated* scores would lie, point by point, in the stated
share of samples. Labels are drawn anew from the probabilities as they stand, seeded, and each sample gets its own
curve. So the curve leaves the band where the scores are not what they say; how well the curve itself is known, the
band does not tell.

Source: Dimitriadis, Gneiting and Jordan (2021), PNAS 118(8), sections 2 and 3; bands: Bröcker and Smith (2007).
"""

from typing import Literal

import msgspec
import numpy as np

from oddsmith.evaluate.bootstrap import require_resamples
from oddsmith.evaluate.cells import Cells
from oddsmith.evaluate.intervals import require_level
from oddsmith.evaluate.isotonic import pav
from oddsmith.evaluate.metrics import Count, brier, log_loss
from oddsmith.evaluate.score_table import Floats, Integers, ScoreTable, require_rows

ProperLoss = Literal["brier", "log_loss"]
MOST_POINTS = 256
"""Scores at which the band is told."""


class Decomposition(msgspec.Struct, frozen=True):
    """Mean loss in three parts: score = miscalibration - discrimination + uncertainty."""

    loss: ProperLoss
    """`brier`, or `log_loss` in nats."""
    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float


class Step(msgspec.Struct, frozen=True):
    """Scores whose labels were pooled: the curve is `observed_share` from `lower` to `upper`."""

    lower: float
    """Probability of the lowest score."""
    upper: float
    """Probability of the highest score."""
    count: Count
    mean_proba: float
    observed_share: float


class ConsistencyBand(msgspec.Struct, frozen=True):
    """Where the curve of calibrated scores lies, at each point by itself, in a share `level` of the samples."""

    level: float
    n_resamples: int
    seed: int
    proba: tuple[float, ...]
    """Scores at which it is told, as probabilities, rising: all of them, or some spread evenly over the rows."""
    lower: tuple[float, ...]
    upper: tuple[float, ...]


class ReliabilityCurve(msgspec.Struct, frozen=True):
    """The CORP reliability diagram."""

    steps: tuple[Step, ...]
    """In rising order of scores and of observed shares."""
    band: ConsistencyBand


def decomposition(table: ScoreTable, loss: ProperLoss) -> Decomposition:
    """The mean loss of the scores and its three parts, weighted.

    Raises:
        InputError: the table is empty.
    """
    score = brier(table) if loss == "brier" else log_loss(table)
    borders = _calibrated(table)[1]
    positive = np.add.reduceat(table.weight_positive, borders[:-1])
    negative = np.add.reduceat(table.weight_negative, borders[:-1])
    of_curve = _least(positive, negative, loss) / table.weight
    of_share = _least(positive.sum(keepdims=True), negative.sum(keepdims=True), loss) / table.weight
    # Neither difference is below 0 but by rounding.
    return Decomposition(loss, score, max(0.0, score - of_curve), max(0.0, of_share - of_curve), of_share)


def reliability_curve(
    table: ScoreTable, *, level: float = 0.9, n_resamples: int = 200, seed: int = 0
) -> ReliabilityCurve:
    """The curve, in the steps that the data choose, and its consistency band.

    Raises:
        InputError: the table is empty, `level` is not between 0 and 1, or `n_resamples` is below 1.
    """
    require_level(level)
    require_resamples(n_resamples)
    require_rows(table)
    borders = _calibrated(table)[1]
    starts = borders[:-1]
    weight, proba, unweighted = table.weight_positive + table.weight_negative, table.proba, table.unweighted
    mass = np.add.reduceat(weight, starts)
    share = np.add.reduceat(table.weight_positive, starts) / mass
    # A mean may leave the range of what it is a mean of by rounding.
    mean = np.clip(np.add.reduceat(weight * proba, starts) / mass, proba[starts], proba[borders[1:] - 1])
    steps = tuple(
        Step(
            lower=float(proba[first]),
            upper=float(proba[after - 1]),
            count=round(float(mass[b])) if unweighted else float(mass[b]),
            mean_proba=float(mean[b]),
            observed_share=float(share[b]),
        )
        for b, (first, after) in enumerate(zip(starts, borders[1:], strict=True))
    )
    return ReliabilityCurve(steps, _consistency_band(table, level, n_resamples, seed))


def _calibrated(table: ScoreTable) -> tuple[Floats, Integers]:
    weight = table.weight_positive + table.weight_negative
    return pav(table.weight_positive / weight, weight)


def _least(positive: Floats, negative: Floats, loss: ProperLoss) -> float:
    """The sum of losses over groups (B,) of summed weights, when each row is told the share of its group."""
    weight = positive + negative
    if loss == "brier":
        return float(positive @ (negative / weight))
    of_groups = (part @ np.log(np.where(part > 0, part / weight, 1.0)) for part in (positive, negative))
    return -float(sum(of_groups))


def _consistency_band(table: ScoreTable, level: float, n_resamples: int, seed: int) -> ConsistencyBand:
    cells = Cells.of(table)
    weight = cells.weight
    rank = np.cumsum(weight)
    spread = np.linspace(rank[0], rank[-1], min(MOST_POINTS, len(rank)))
    points = np.arange(len(rank)) if len(rank) <= MOST_POINTS else np.unique(np.searchsorted(rank, spread))
    random = np.random.default_rng(seed)
    curves = np.empty((n_resamples, len(points)))
    for curve in curves:
        curve[:] = pav(cells.drawn_shares(random), weight)[0][points]
    lower, upper = np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return ConsistencyBand(
        level,
        n_resamples,
        seed,
        tuple(cells.proba[points].tolist()),
        tuple(lower.tolist()),
        tuple(upper.tolist()),
    )
