"""Fits at the edge of what data can be: each ends with a verdict, finite figures and no warning."""

import numpy as np
import pytest

from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.optimality import Status

from .problems import PROBLEMS, Problem, fitted

SMALL = PROBLEMS["small"]
WIDE = np.random.default_rng(0).normal(size=(10, 20))
HALF = np.arange(10) % 2
LINE = np.arange(3.0)[:, None]


def outcome(problem):
    intercepts, coef, solution = fitted(problem)
    assert np.isfinite(intercepts).all()
    assert np.isfinite(coef).all()
    return solution


@pytest.mark.parametrize(
    "problem",
    [
        Problem("more columns than rows", WIDE, HALF),
        Problem("one row a class", LINE[:2], np.arange(2)),
        Problem("one row a class, softmax", LINE, np.arange(3), Softmax(3)),
        Problem("one row a class, one-vs-rest", LINE, np.arange(3), Bernoulli((0, 1, 2))),
        Problem("one row", LINE[:1], np.ones(1, dtype=np.int64)),
        Problem("one class", SMALL.X, np.ones(len(SMALL.y), dtype=np.int64)),
        SMALL.changed(name="all the weight on one class", weight=SMALL.y.astype(np.float64)),
    ],
    ids=lambda problem: problem.name,
)
def test_what_has_no_finite_optimum_says_so(problem):
    assert outcome(problem).status is Status.no_finite_optimum


@pytest.mark.parametrize("alpha", [1e-6, 0.1, 1e6])
def test_ridge_makes_more_columns_than_rows_estimable(alpha):
    solution = outcome(Problem("more columns than rows", WIDE, HALF, alpha=alpha))
    assert solution.status is Status.converged
    assert not solution.held.any()


def test_rows_that_are_all_alike_give_the_log_odds_of_the_classes():
    problem = Problem("alike", np.ones((8, 2)), np.array([0, 0, 1, 0, 0, 0, 1, 0]))
    intercepts, coef, solution = fitted(problem)
    assert solution.status is Status.converged
    assert intercepts[0] == pytest.approx(np.log(2 / 6), rel=1e-14)
    np.testing.assert_array_equal(coef, 0.0)
    assert solution.held.tolist() == [[False, True, True]]


@pytest.mark.parametrize("light", [1e-3, 1e-6, 1e-9, 1e-12])
def test_a_column_known_only_from_light_rows_is_still_estimated(light):
    """Two rows alone have the last column, with weights `light` and 3 `light`: its log-odds are log 3."""
    X = np.column_stack([SMALL.X[:, 0], np.zeros(len(SMALL.y))])
    X[:2] = [0.0, 1.0]
    y, weight = SMALL.y.copy(), np.ones(len(SMALL.y))
    y[:2], weight[:2] = [0, 1], [light, 3.0 * light]
    intercepts, coef, solution = fitted(Problem("light rows", X, y, weight=weight))
    assert solution.status is Status.converged
    assert intercepts[0] + coef[0, 1] == pytest.approx(np.log(3.0), rel=1e-9)


@pytest.mark.parametrize("size", [1e-100, 1e100])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_columns_of_any_size_that_can_be_squared(size, alpha):
    units = np.array([size, 1.0, 1.0])
    intercepts, coef, solution = fitted(SMALL.changed(alpha=alpha, X=SMALL.X * units))
    expected_intercepts, expected, _ = fitted(SMALL.changed(alpha=alpha))
    assert solution.status is Status.converged
    np.testing.assert_allclose(coef * units, expected, rtol=1e-11)
    np.testing.assert_allclose(intercepts, expected_intercepts, rtol=1e-11)


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_a_row_so_far_out_that_it_is_certain_costs_steps_and_changes_nothing(size):
    outlier = np.flatnonzero(SMALL.y == 1)[0]
    X, rest = SMALL.X.copy(), np.arange(len(SMALL.y)) != outlier
    X[outlier, 0] = size
    _, coef, solution = fitted(SMALL.changed(X=X))
    assert solution.status is Status.converged
    _, without, _ = fitted(SMALL.changed(X=SMALL.X[rest], y=SMALL.y[rest]))
    np.testing.assert_allclose(coef, without, rtol=1e-8)


def test_a_newton_step_that_overshoots_is_halved():
    """Six rows of very unequal weight, found by a search over random ones: full steps do not descend."""
    x = np.array([0.7, 3.9, -0.8, 9.1, 1.7, 0.9])
    y = np.array([1, 0, 0, 0, 0, 1])
    w = np.array([0.051, 0.065, 0.001, 113.453, 240.678, 1.275])
    intercepts, coef, solution = fitted(Problem("overshoot", x[:, None], y, weight=w))
    assert solution.status is Status.converged
    assert solution.n_passes > solution.n_iter + 4
    values = np.array([value[0] for _, value in solution.history])
    assert (np.diff(values) <= 1e-14).all()
    residual = 1.0 / (1.0 + np.exp(-(intercepts[0] + coef[0, 0] * x))) - y
    np.testing.assert_allclose([w @ residual, w @ (residual * x)], 0.0, atol=1e-11)
