"""Mean loss plus ridge on the standardised scale, against the textbook's on the user's."""

import numpy as np
import pytest

from oddsmith.fit.cholesky import Factor, dependent_columns
from oddsmith.fit.losses import Softmax
from oddsmith.fit.penalties import ElasticNet, softmax_coupling

from .problems import PROBLEMS, Problem

EVERY = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


def somewhere(objective, size=0.3):
    rng = np.random.default_rng(11)
    theta = rng.normal(scale=size, size=(objective.n_problems, objective.n_coefficients))
    return np.where(objective.free, theta, 0.0)


@EVERY
def test_gradient_and_hessian_are_slopes_of_the_objective(problem):
    objective = problem.objective()
    theta, step = somewhere(objective), 1e-5
    now = objective.evaluate(theta, order=2)
    for j in range(objective.n_coefficients):
        nudge = step * (np.arange(objective.n_coefficients) == j) * objective.free
        up = objective.evaluate(theta + nudge, order=1)
        down = objective.evaluate(theta - nudge, order=1)
        np.testing.assert_allclose(now.gradient[:, j], (up.value - down.value) / (2 * step), atol=1e-9)
        np.testing.assert_allclose(now.hessian[:, j], (up.gradient - down.gradient) / (2 * step), atol=1e-9)


@EVERY
def test_theta_and_the_users_coefficients_give_the_same_log_odds(problem):
    objective = problem.objective()
    theta = somewhere(objective)
    intercepts, coef = objective.on_user_scale(theta)
    centre, scale = objective.standardisation.centre, objective.standardisation.scale
    rows = theta.reshape(len(coef), -1)
    eta = rows[:, 0] + (problem.X - centre) / scale @ rows[:, 1:].T
    far = (np.abs(centre) / scale).max(initial=1.0)
    np.testing.assert_allclose(intercepts + problem.X @ coef.T, eta, atol=1e-14 * far, rtol=0.0)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("name", ["softmax, 5 classes", "weights, some zero", "one-vs-rest, 4 classes"])
def test_the_penalty_is_the_textbooks(name, standardize):
    """alpha / 2 times the sum of squares; for softmax over all K classes, centred to sum to zero."""
    problem = PROBLEMS[name]
    problem = problem.changed(
        X=problem.X * np.logspace(-2, 2, problem.X.shape[1]), alpha=0.3, standardize=standardize
    )
    objective = problem.objective()
    theta = somewhere(objective)
    _, coef = objective.on_user_scale(theta)
    if standardize:
        w = np.ones(len(problem.y)) if problem.weight is None else problem.weight
        mean = np.average(problem.X, axis=0, weights=w)
        coef = coef * np.sqrt(np.average((problem.X - mean) ** 2, axis=0, weights=w))
    if isinstance(problem.loss, Softmax):
        coef = np.vstack([np.zeros(coef.shape[1]), coef])
        coef = coef - coef.mean(axis=0)
    squares = (coef**2).reshape(objective.n_problems, -1).sum(axis=1)
    np.testing.assert_allclose(objective.penalty.value(theta), 0.15 * squares, rtol=1e-12)
    bare = problem.changed(alpha=0.0).objective().evaluate(theta, order=0)
    np.testing.assert_allclose(
        objective.evaluate(theta, order=0).value - bare.value, 0.15 * squares, rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_ridge_is_quadratic(n_classes):
    rng = np.random.default_rng(n_classes)
    ridge = ElasticNet(0.7, np.array([0.0, 1.0, np.sqrt(2.5)]), softmax_coupling(n_classes))
    b = rng.normal(size=(2, 3 * (n_classes - 1)))
    hessian = ridge.hessian
    np.testing.assert_allclose(ridge.gradient(b), b @ hessian, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(ridge.value(b), 0.5 * np.einsum("gi,ij,gj->g", b, hessian, b), rtol=1e-12)
    assert np.linalg.eigvalsh(hessian).min() > -1e-15
    np.testing.assert_array_equal(hessian[::3], 0.0)


def test_the_start_is_the_loss_of_knowing_nothing():
    for name, classes in {"small": 2, "softmax, 5 classes": 5, "softmax, 3 classes": 3}.items():
        assert PROBLEMS[name].objective().start.value[0] == pytest.approx(np.log(classes), rel=1e-15)


def test_rows_that_count_and_their_mean_weight():
    problem = PROBLEMS["weights, some zero"]
    objective = problem.objective()
    assert objective.n_rows == np.count_nonzero(problem.weight) < len(problem.y)
    assert objective.mean_weight == pytest.approx(problem.weight.mean(), rel=1e-14)
    assert PROBLEMS["small"].objective().mean_weight == 1.0


@EVERY
def test_no_row_with_weight_moves_further_than_the_bound(problem):
    objective = problem.objective()
    step = somewhere(objective, 0.01)
    moved = objective.reach(np.zeros_like(step), step).move
    assert (moved <= objective.most_moved(step)).all()
    if not objective.fit_intercept:
        assert np.isinf(objective.most_moved(step)).all()


def test_the_bound_is_met_where_one_row_has_all_the_weight_of_a_column():
    n = 400
    X = np.zeros((n, 1))
    X[0] = 1.0
    objective = Problem("", X, np.arange(n) % 2).objective()
    step = np.array([[0.0, 0.1]])
    moved = objective.reach(0.0 * step, step).move
    np.testing.assert_allclose(objective.most_moved(step), 2.0 * moved, rtol=2e-3)


@EVERY
@pytest.mark.parametrize("size", [0.3, 30.0])
def test_cheap_passes_see_what_exact_ones_see(problem, size):
    objective = problem.objective()
    theta = somewhere(objective, size)
    exact = objective.evaluate(theta, order=1)
    tolerance = 1e-13 * (1.0 + np.abs(exact.gradient).max())
    np.testing.assert_allclose(objective.gradient(theta), exact.gradient, atol=tolerance)
    whole = objective.survey(theta)
    np.testing.assert_allclose(whole.gradient, exact.gradient, atol=tolerance)
    np.testing.assert_allclose(whole.value, exact.value, rtol=1e-13)
    copied = objective.written_out().evaluate(theta, order=1)
    np.testing.assert_allclose(copied.gradient, exact.gradient, atol=tolerance)
    np.testing.assert_allclose(copied.value, exact.value, rtol=1e-13)


def test_cholesky_solves_whatever_the_units():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(30, 5))
    units = np.array([1e-60, 1.0, 1e3, 1e60, 1.0])
    hessian, step = (root * units).T @ (root * units), rng.normal(size=5) / units
    found = Factor.of(hessian, np.zeros(5, dtype=bool)).solve(hessian @ step)
    np.testing.assert_allclose(found, step, rtol=1e-12)
    held = np.array([False, True, False, False, True])
    inner = Factor.of(hessian, held).solve(hessian[:, 0] * step[0])
    np.testing.assert_array_equal(inner[held], 0.0)
    assert inner[0] == pytest.approx(step[0], rel=1e-12)


def test_dependent_columns_are_those_that_earlier_ones_explain():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(50, 3))
    A = np.column_stack(
        [np.ones(50), X[:, 0], 1e9 * X[:, 0] + 3.0, np.zeros(50), X[:, 1], X[:, 2], X.sum(axis=1)]
    )
    assert dependent_columns(A.T @ A).tolist() == [False, False, True, True, False, False, True]
    nearly = np.column_stack([X[:, 0], X[:, 0] + 1e-5 * X[:, 1]])
    assert not dependent_columns(nearly.T @ nearly).any()


def test_an_indefinite_hessian_is_mended_and_an_infinite_one_refused():
    indefinite = np.array([[1.0, 1.0 + 1e-13], [1.0 + 1e-13, 1.0]])
    step = Factor.of(indefinite, np.zeros(2, dtype=bool)).solve(np.ones(2))
    np.testing.assert_allclose(step, 0.5, rtol=1e-3)
    with pytest.raises(ValueError, match="larger units"):
        Factor.of(np.array([[np.inf, 0.0], [0.0, 1.0]]), np.zeros(2, dtype=bool))
