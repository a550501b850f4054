"""Learn a calibration map from scores and labels: rows that did not train the model.

    platt         minimise the log loss of slope eta + intercept against the targets
                  (N+ + 1) / (N+ + 2) for positives and 1 / (N- + 2) for negatives
    temperature   minimise the log loss of s eta, s = 1 / temperature
    beta          minimise the log loss of a log p - b log(1 - p) + c over a >= 0, b >= 0
    isotonic      the rising sequence nearest to the labels
    venn-abers    two of them for every score, see venn_abers.py

All of them read one ScoreTable, so that a weight of 2 is a row twice and order does not matter. Weights count as rows
where labels are smoothed. The first three problems are convex, and solved to the last digits by Newton's method. A map
that would have to fall is refused, for it would turn the ranking round.

Sources: Platt (1999), with the targets of Lin, Lin and Weng (2007); Guo et al. (2017); Kull, Silva Filho and Flach
(2017); Zadrozny and Elkan (2002).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from oddsmith.calibration.maps import (
    FARTHEST,
    Beta,
    Identity,
    Isotonic,
    Map,
    Platt,
    Temperature,
    VennAbers,
)
from oddsmith.calibration.newton import minimum
from oddsmith.calibration.venn_abers import intervals
from oddsmith.data.block import Floats
from oddsmith.errors import InputError, counted
from oddsmith.evaluate.isotonic import pav
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit, softplus

NOISE = 1e-12
"""A gain that is this small beside its terms is none."""
BACKWARDS = (
    "these scores rank backwards, or tell nothing: as they rise, positives do not become more frequent. "
    "Check which class is the positive one, or train a model on columns that tell the classes apart."
)
_TOLD_APART = (
    "all positives score above all negatives, so that the best {method} map is infinitely steep. "
    "Give more rows, or use platt, which smooths the labels."
)


def fit_map(method: str, table: ScoreTable) -> Map:
    """The map of this method, a name in `FITS`, learned from the rows of a table.

    Raises:
        InputError: there is no such method, or the rows cannot teach it: a class is missing, there are too few
            distinct scores, or the scores rank backwards.
    """
    if method not in FITS:
        raise InputError(f"calibration method '{method}': unknown. Choose one of {', '.join(FITS)}.")
    return FITS[method](table)


def fit_platt(table: ScoreTable) -> Platt:
    """Slope and intercept, from at least two distinct scores with both classes.

    Raises:
        InputError: see `fit_map`.
    """
    _require_rows(table, "platt", 2)
    positive, negative = table.weight_positive, table.weight_negative
    sure = (positive.sum() + 1.0) / (positive.sum() + 2.0)
    unsure = 1.0 / (negative.sum() + 2.0)
    columns = np.stack([np.ones_like(table.eta), table.eta])
    # The smoothed labels of one score are those of two rows.
    found = _logistic(
        columns,
        positive * sure + negative * unsure,
        positive * (1.0 - sure) + negative * (1.0 - unsure),
    )
    if found is None:
        raise _untold("platt")
    intercept, slope = found.tolist()
    if slope <= 0.0:
        raise InputError(BACKWARDS)
    return Platt(slope, intercept)


def fit_temperature(table: ScoreTable) -> Temperature:
    """One number, from rows of which not all are on their side of even odds.

    Raises:
        InputError: see `fit_map`; also where the best temperature would be negative because the log-odds are on the
            wrong side of 0, or 0 because none is.
    """
    _require_rows(table, "temperature", 1)
    positive, negative, eta = table.weight_positive, table.weight_negative, table.eta
    if positive @ eta <= negative @ eta:
        raise InputError(
            "these scores rank backwards, or lie on the wrong side of even odds: no temperature mends that. "
            "Check which class is the positive one, or use platt, which shifts the log-odds too."
        )
    if not (positive[eta < 0.0].any() or negative[eta > 0.0].any()):
        raise InputError(
            "no score is on the wrong side of even odds, so that the best temperature is 0. "
            "Give more rows, or use platt, which smooths the labels."
        )
    found = _logistic(eta[None, :], positive, negative)
    if found is None:
        raise _untold("temperature")
    return Temperature(1.0 / float(found[0]))


def fit_beta(table: ScoreTable) -> Beta:
    """a, b and c, from at least three distinct scores, with no a or b below 0.

    An optimum on the border, where a or b is 0, is tried first: the log loss is convex, so that a border where
    the other number would not rise is the optimum, and without such a border it lies inside.

    Raises:
        InputError: see `fit_map`.
    """
    _require_rows(table, "beta", 3)
    positive, negative = table.weight_positive, table.weight_negative
    columns = np.stack([np.ones_like(table.eta), -softplus(-table.eta), softplus(table.eta)])
    share = positive.sum() / (positive.sum() + negative.sum())
    gain = columns @ (positive * (1.0 - share) - negative * share)
    if not (gain[1:] > 0.0).any():
        raise InputError(BACKWARDS)
    if table.eta[negative > 0.0].max() <= table.eta[positive > 0.0].min():
        raise InputError(_TOLD_APART.format(method="beta"))
    for kept, left in ((1, 2), (2, 1)):
        if gain[kept] > 0.0:
            found = _logistic(columns[[0, kept]], positive, negative)
            if found is None:
                continue
            eta = found @ columns[[0, kept]]
            missed, feared = positive * expit(-eta), negative * expit(eta)
            if columns[left] @ (missed - feared) <= NOISE * (np.abs(columns[left]) @ (missed + feared)):
                c, coef = found.tolist()
                return Beta(coef, 0.0, c) if kept == 1 else Beta(0.0, coef, c)
    inside = _logistic(columns, positive, negative)
    if inside is None or not (inside[1:] > 0.0).all():
        raise _untold("beta")
    c, a, b = inside.tolist()
    return Beta(a, b, c)


def fit_isotonic(table: ScoreTable) -> Isotonic:
    """Knots at the ends of the blocks that pooling leaves.

    A first block of n rows that holds no positive has the share 1 / (n + 2), or half of the second block's where
    that is less; a last block without negatives likewise. So no log-odds and no log loss is infinite.

    Raises:
        InputError: see `fit_map`.
    """
    _require_rows(table, "isotonic", 2)
    weight = table.weight_positive + table.weight_negative
    fitted, _ = pav(table.weight_positive / weight, weight)
    starts = np.flatnonzero(np.diff(fitted, prepend=-1.0))
    if len(starts) == 1:
        raise InputError(BACKWARDS)
    positive = np.add.reduceat(table.weight_positive, starts)
    negative = np.add.reduceat(table.weight_negative, starts)
    odds = np.stack([positive, negative])
    if positive[0] == 0.0:
        odds[:, 0] = _rarer((1.0, negative[0] + 1.0), (positive[1], positive[1] + 2.0 * negative[1]))
    if negative[-1] == 0.0:
        odds[::-1, -1] = _rarer((1.0, positive[-1] + 1.0), (negative[-2], negative[-2] + 2.0 * positive[-2]))
    values = np.maximum.accumulate(np.log(odds[0]) - np.log(odds[1]))
    last = np.append(starts[1:], len(fitted)) - 1
    knots = np.stack([table.eta[starts], table.eta[last]], axis=1).ravel()
    distinct = np.stack([np.full(len(starts), True), last > starts], axis=1).ravel()
    return Isotonic(knots[distinct].tolist(), np.repeat(values, 2)[distinct].tolist())


def fit_venn_abers(table: ScoreTable) -> VennAbers:
    """p0 and p1 of every score there can be, from at least two distinct scores.

    The interval holds for rows that count once each; with weights it is that of rows repeated as often.

    Raises:
        InputError: see `fit_map`.
    """
    _require_rows(table, "venn-abers", 2)
    weight = table.weight_positive + table.weight_negative
    fitted, _ = pav(table.weight_positive / weight, weight)
    if fitted[0] == fitted[-1]:
        raise InputError(BACKWARDS)
    p0, p1 = intervals(table.weight_positive, table.weight_negative)
    from_here = np.diff(p0, prepend=-1.0) > 0.0
    up_to_here = np.diff(p1, append=2.0) > 0.0
    return VennAbers(
        table.eta[from_here].tolist(),
        p0[from_here].tolist(),
        table.eta[up_to_here].tolist(),
        p1[up_to_here].tolist(),
    )


def _identity(_: ScoreTable) -> Identity:
    return Identity()


FITS: dict[str, Callable[[ScoreTable], Map]] = {
    "identity": _identity,
    "temperature": fit_temperature,
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
    "venn-abers": fit_venn_abers,
}
"""From the simplest map to the most flexible one."""


def _logistic(columns: Floats, positive: Floats, negative: Floats) -> Floats | None:
    """Coefficients (d,) of columns (d, m) that make the log loss least; None where they can't be told.

    `positive` and `negative` (m,) are the weights with which each score is one and the other. A first column of
    ones is an intercept; the others then count from their middle value, beside which they differ more.
    """
    mass = positive.sum() + negative.sum()
    positive, negative = positive / mass, negative / mass
    total = positive + negative
    middle = columns[:, columns.shape[1] // 2].copy()
    middle[0] = 0.0
    columns = columns - middle[:, None]
    scale = np.abs(columns).max(axis=1)
    if not (scale > 0.0).all():
        return None
    columns = columns / scale[:, None]
    d = range(len(columns))

    def evaluate(theta: Floats) -> tuple[float, Floats, Floats]:
        eta = (theta[:, None] * columns).sum(axis=0)
        small = np.exp(-np.abs(eta))
        near = 1.0 / (1.0 + small)
        far = small * near
        below = eta < 0.0
        wrong, right = np.where(below, positive, negative), np.where(below, negative, positive)
        value = (total * np.log1p(small) + wrong * np.abs(eta)).sum()
        residual = wrong * near - right * far
        np.negative(residual, out=residual, where=below)
        curvature = total * near * far
        bent = [column * curvature for column in columns]
        hessian = [[(bent[max(k, m)] * columns[min(k, m)]).sum() for m in d] for k in d]
        return float(value), (columns * residual).sum(axis=1), np.array(hessian)

    found = minimum(evaluate, np.zeros(len(columns)))
    if found is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        coef = found / scale
        coef[0] -= (coef * middle).sum()
    return coef if np.isfinite(coef).all() else None


def _rarer(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Of two pairs, odds for and against, the one that is less for."""
    return min(one, other, key=lambda odds: odds[0] / odds[1])


def _require_rows(table: ScoreTable, method: str, distinct: int) -> None:
    """Raise InputError unless both classes occur, at so many distinct scores, none of them absurdly far out."""
    for name, count in (("positive", table.count_positive.sum()), ("negative", table.count_negative.sum())):
        if count == 0:
            raise InputError(
                f"none of {counted(table.n_rows, 'row')} to calibrate on is {name}. "
                f"A {method} map needs at least one row of each class; give more rows."
            )
    if len(table.eta) < distinct:
        raise InputError(
            f"the rows to calibrate on have {counted(len(table.eta), 'distinct score')}. "
            f"A {method} map needs at least {distinct}; give more rows."
        )
    if max(-table.eta[0], table.eta[-1]) > FARTHEST:
        raise InputError(
            f"a score is beyond {FARTHEST:.0e}, no log-odds to calibrate. Train the model with a penalty."
        )


def _untold(method: str) -> InputError:
    return InputError(
        f"the numbers of a {method} map cannot be told from these scores, which lie too close together or too far "
        f"apart. Use isotonic, or give more rows."
    )
