"""Inductive Venn-Abers: for each score, isotonic regression with one row more, once a negative and once a positive.

With P_j = (weight, positives) of the scores up to the j-th, and a positive of weight 1 added at the i-th, what is
fitted there is the slope of the bridge between the points on its left, one step back, and those on its right:

    p1_i = max_{a < i} min_{b >= i} slope(P_a - (1, 1), P_b) = max_{a < i} T_a
    T_a  = min_{b > a} slope(P_a - (1, 1), P_b)                  the tangent from P_a - (1, 1)

For P_a - (1, 1) lies on or below the line through P_a of any slope up to 1, so that a P_b which P_a hides from the
lower convex hull is never touched: the tangents go to the ends of the blocks of one isotonic regression, and each
of them is found by bisection among those. O(m log m) for all scores together. The added row as a negative is the
same with the order and the labels turned round.

A score between two of the table behaves like the upper one for p1 and the lower one for p0, as the added row is pooled
with that neighbour in any case. So both are step functions, of which only the steps are kept.

Source: Vovk, Petej and Fedorova (2015), Large-scale probabilistic predictors with and without guarantees of
validity, section 2.
"""

import math

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.evaluate.isotonic import pav


def intervals(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """p0 and p1 at each of the distinct scores, (m,) each, from their weights (m,) in rising order."""
    against, among = _with_a_positive(negative[::-1], positive[::-1])
    in_favour, of = _with_a_positive(positive, negative)
    p1 = np.maximum.accumulate(np.minimum(in_favour / of, 1.0))
    p0 = np.maximum.accumulate(np.clip((among - against) / among, 0.0, math.nextafter(1.0, 0.0))[::-1])
    return np.minimum(p0, p1), p1


def _with_a_positive(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Positives and weight (m,) of the block around each score to which a positive of weight 1 is added."""
    weight = positive + negative
    fitted, _ = pav(positive / weight, weight)
    block = np.cumsum(np.diff(fitted, prepend=fitted[0]) > 0.0)
    ends = np.append(np.flatnonzero(np.diff(block)), len(block) - 1)
    x, y = np.cumsum(weight), np.cumsum(positive)
    from_x, from_y = x - weight - 1.0, y - positive - 1.0
    to_x, to_y = x[ends], y[ends]
    run, rise = np.diff(to_x), np.diff(to_y)
    low, high = block, np.full_like(block, len(ends) - 1)
    while (low < high).any():
        middle = np.minimum((low + high) // 2, len(run) - 1)
        touches = (to_y[middle] - from_y) * run[middle] <= rise[middle] * (to_x[middle] - from_x)
        low, high = (
            np.where(touches | (low == high), low, middle + 1),
            np.where(touches & (low < high), middle, high),
        )
    slope = (to_y[low] - from_y) / (to_x[low] - from_x)
    steepest = slope == np.maximum.accumulate(slope)
    touched = np.maximum.accumulate(np.where(steepest, np.arange(len(slope)), 0))
    return (to_y[low] - from_y)[touched], (to_x[low] - from_x)[touched]
