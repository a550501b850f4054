"""Lasso and elastic net: optimality conditions on all columns, agreement, certified values, invariances."""

import json
from pathlib import Path

import numpy as np
import pytest

from oddsmith.data.block import ArraySource
from oddsmith.engines import threads
from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.matrix import Standardisation
from oddsmith.fit.objective import Objective
from oddsmith.fit.optimality import Status
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.solvers import proximal_newton, solve

from .problems import PROBLEMS, Problem, drawn, fitted

PENALISED = Path(__file__).parents[3] / "shared" / "reference" / "published" / "penalised.json"
SPARSE = np.random.default_rng(0)
MANY = SPARSE.normal(size=(900, 40)) * np.logspace(-1, 1, 40) + 3.0
TRUTH = np.where(np.arange(40) % 7 == 0, 0.6, 0.0) / np.logspace(-1, 1, 40)
Y = drawn(MANY, (MANY - 3.0) @ TRUTH - 0.4, 1)
SEVERAL = drawn(MANY, (MANY - 3.0) @ (TRUTH[:, None] * [[1.0, -1.0, 0.5, 0.0]]) + [0.0, 0.5, -0.5, 0.2], 2)
WEIGHT = np.where(SPARSE.random(900) < 0.2, 0.0, SPARSE.uniform(0.1, 4.0, 900))
OFFSET = SPARSE.normal(1.0, 2.0, 900)

BINARY = Problem("binary", MANY, Y, alpha=0.01, l1_ratio=1.0)
LASSOS = {
    problem.name: problem
    for problem in [
        BINARY,
        BINARY.changed(name="elastic net", l1_ratio=0.5),
        BINARY.changed(name="user's scale", standardize=False),
        BINARY.changed(name="weights, some zero", weight=WEIGHT),
        BINARY.changed(name="offsets", offset=OFFSET, weight=WEIGHT),
        BINARY.changed(name="offsets, elastic net", offset=OFFSET, l1_ratio=0.5),
        BINARY.changed(name="no intercept", fit_intercept=False),
        BINARY.changed(name="strong: nothing is left", alpha=1.0),
        BINARY.changed(name="weak: everything is left", alpha=1e-5),
        BINARY.changed(name="constant column", X=np.column_stack([MANY, np.full(900, 2.0)])),
        BINARY.changed(name="copied column", X=np.column_stack([MANY, MANY[:, 7]])),
        BINARY.changed(name="one-vs-rest", y=SEVERAL, loss=Bernoulli((0, 1, 2, 3))),
        BINARY.changed(name="softmax", y=SEVERAL, loss=Softmax(4, symmetric=True)),
        BINARY.changed(name="softmax elastic net", y=SEVERAL, loss=Softmax(4, symmetric=True), l1_ratio=0.3),
        BINARY.changed(
            name="softmax without intercepts",
            y=SEVERAL,
            loss=Softmax(4, symmetric=True),
            fit_intercept=False,
        ),
        Problem(
            "more columns than rows",
            np.random.default_rng(3).normal(size=(60, 300)),
            np.arange(60) % 2,
            alpha=0.03,
            l1_ratio=1.0,
        ),
        PROBLEMS["separated"].changed(name="separated", alpha=0.01, l1_ratio=1.0, status=Status.converged),
    ]
}
EVERY = pytest.mark.parametrize("problem", LASSOS.values(), ids=LASSOS)


@pytest.fixture
def by_sample(monkeypatch):
    """Small problems by the way of large ones: a sample, then looks at all rows."""
    monkeypatch.setattr(proximal_newton, "CHEAP", 0.0)
    monkeypatch.setattr(proximal_newton, "LEAST", 200)
    monkeypatch.setattr(proximal_newton, "FOR_EACH", 2)
    monkeypatch.setattr(proximal_newton, "FOR_EACH_OF_MANY", 2)


def slopes_by_hand(problem, theta):
    """Gradient (k, p + 1) of mean loss and ridge, weights of absolute values (p + 1,), from scratch."""
    w = np.ones(len(problem.y)) if problem.weight is None else problem.weight
    mean = np.average(problem.X, axis=0, weights=w)
    sigma = np.sqrt(np.average((problem.X - mean) ** 2, axis=0, weights=w))
    sigma[sigma < 1e-12] = 1.0
    Z = np.column_stack([np.ones(len(w)), (problem.X - (mean if problem.fit_intercept else 0.0)) / sigma])
    b = theta.reshape(-1, Z.shape[1])
    odds = np.exp(Z @ b.T + (0.0 if problem.offset is None else problem.offset[:, None]))
    if isinstance(problem.loss, Softmax):
        proba, truth = odds / odds.sum(axis=1, keepdims=True), problem.y[:, None] == np.arange(len(b))
    else:
        proba, truth = odds / (1.0 + odds), problem.y[:, None] == np.array(problem.loss.classes)
    unit = np.concatenate([[0.0], np.ones_like(sigma) if problem.standardize else 1.0 / sigma])
    gradient = ((proba - truth) * w[:, None]).T @ Z / w.sum()
    gradient += problem.alpha * (1.0 - problem.l1_ratio) * unit**2 * b
    if not problem.fit_intercept:
        gradient[:, 0] = 0.0
    return gradient, problem.alpha * problem.l1_ratio * unit


def violation_by_hand(problem, theta):
    gradient, weight = slopes_by_hand(problem, theta)
    b = theta.reshape(gradient.shape)
    return np.where(
        b == 0.0, np.maximum(np.abs(gradient) - weight, 0.0), np.abs(gradient + np.sign(b) * weight)
    )


@EVERY
@pytest.mark.parametrize("solver", ["proximal-newton", "newton"])
def test_small_problems_reach_the_last_digit_on_all_columns(problem, solver):
    _, _, solution = fitted(problem, solver)
    assert solution.status is Status.converged
    size = 1.0 if problem.fit_intercept else 30.0  # of the columns, which then aren't centred
    assert violation_by_hand(problem, solution.theta).max() < 2e-13 * size
    assert solution.optimality.largest_gradient.max() < 2e-13 * size


@EVERY
def test_a_sample_and_a_few_looks_reach_the_tolerance(problem, by_sample):
    exact = fitted(problem, "newton")[2]
    objective = problem.objective()
    objective.tolerance = 1e-10
    solution = solve(objective, "proximal-newton")
    assert solution.status is Status.converged
    value, least = (s.history[-1][1] for s in (solution, exact))
    assert (value <= least + 3e-10 / len(problem.y)).all()
    slope = violation_by_hand(problem, solution.theta).ravel()
    np.testing.assert_allclose(solution.optimality.largest_gradient.max(), slope.max(), rtol=1e-6, atol=1e-12)
    if "copied" not in problem.name:
        np.testing.assert_allclose(solution.theta, exact.theta, atol=2e-5)
        np.testing.assert_array_equal(solution.theta == 0.0, exact.theta == 0.0)


def test_gradient_descent_with_proximal_steps_ends_there_too():
    problem = LASSOS["elastic net"]
    exact = fitted(problem)[2]
    found = fitted(problem, "gradient-descent", iterations=3000)[2]
    assert found.status is Status.converged
    np.testing.assert_allclose(found.theta, exact.theta, atol=1e-5)
    np.testing.assert_array_equal(found.theta == 0.0, exact.theta == 0.0)


@pytest.mark.parametrize("solver", ["proximal-newton", "newton"])
def test_what_stops_early_says_how_far_it_is(solver):
    solution = fitted(BINARY, solver, max_iter=1)[2]
    assert solution.status is Status.iteration_limit
    assert solution.optimality.newton_decrement[0] > 1e-3
    assert solution.optimality.largest_gradient[0] == pytest.approx(
        violation_by_hand(BINARY, solution.theta).max(), rel=1e-9
    )


def test_of_optima_that_are_shifts_of_each_other_the_smallest_is_taken(by_sample):
    """Of four coefficients in one column, two on each side of zero, all may move while the middle two allow it."""
    problem = LASSOS["softmax"].changed(
        standardize=False, X=(MANY - 3.0) / np.logspace(-1, 1, 40), alpha=0.02
    )
    penalty = problem.objective().penalty
    shifted = np.zeros((1, 4 * 41))
    shifted[0, [8, 49, 90, 131]] = [0.22, -0.53, 0.03, -0.02]
    shifted[0, [0, 41, 82, 123]] = [0.1, 0.2, -0.4, 0.1]
    found = penalty.smallest(shifted)
    np.testing.assert_allclose(found[0, [8, 49, 90, 131]], [0.24, -0.51, 0.05, 0.0], atol=1e-15)
    np.testing.assert_array_equal(found[0, [0, 41, 82, 123]], shifted[0, [0, 41, 82, 123]])
    assert penalty.value(found)[0] == pytest.approx(penalty.value(shifted)[0], rel=1e-14)
    one, other = (fitted(problem, solver)[2].theta for solver in ("newton", "proximal-newton"))
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_where_a_sample_leads_nowhere_exact_hessians_take_over(by_sample, monkeypatch):
    """Rows that can be told apart, and next to no penalty: the curvature changes as fast as the coefficients."""
    apart = BINARY.changed(y=(MANY[:, 20] > 3.0).astype(np.int64), alpha=1e-6)
    taken = []
    exactly = proximal_newton.Sampled._descend_exactly
    monkeypatch.setattr(
        proximal_newton.Sampled, "_descend_exactly", lambda *args: taken.append(True) or exactly(*args)
    )
    found, exact = (fitted(apart, solver)[2] for solver in ("proximal-newton", "newton"))
    assert taken
    assert found.status is Status.converged
    assert found.history[-1][1][0] == pytest.approx(exact.history[-1][1][0], abs=1e-8)
    assert found.history[-1][0] == found.n_iter


def test_intercepts_of_softmax_sum_to_zero():
    intercepts, coef, solution = fitted(LASSOS["softmax"], "proximal-newton")
    assert abs(solution.theta.reshape(4, -1)[:, 0].sum()) < 1e-14
    assert coef.shape == (4, 40)
    assert intercepts.shape == (4,)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["user's scale", "elastic net", "weights, some zero", "softmax", "softmax elastic net"]
)
def test_agrees_with_scikit_learns_saga(name):
    linear_model = pytest.importorskip("sklearn.linear_model")
    problem = LASSOS[name].changed(standardize=False, X=(MANY - 3.0) / np.logspace(-1, 1, 40), alpha=0.02)
    if isinstance(problem.loss, Softmax):  # of an even number of classes the lasso may have many optima
        problem = problem.changed(y=SEVERAL % 3, loss=Softmax(3, symmetric=True))
    total = 900 if problem.weight is None else problem.weight.sum()
    theirs = linear_model.LogisticRegression(
        solver="saga", C=1.0 / (0.02 * total), l1_ratio=problem.l1_ratio, tol=1e-11, max_iter=20_000
    ).fit(problem.X, problem.y, problem.weight)
    intercepts, coef, _ = fitted(problem, "proximal-newton")
    np.testing.assert_allclose(coef, theirs.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(coef == 0.0, theirs.coef_ == 0.0)
    np.testing.assert_allclose(
        intercepts - intercepts.mean() * (len(intercepts) > 1),
        theirs.intercept_ - theirs.intercept_.mean() * (len(intercepts) > 1),
        atol=1e-7,
    )


@pytest.mark.skipif(not PENALISED.exists(), reason="the certified values are not here")
@pytest.mark.parametrize("number", range(13))
@pytest.mark.parametrize("solver", ["proximal-newton", "newton"])
def test_certified_values_to_ten_digits(number, solver):
    case = json.loads(PENALISED.read_text())["problems"][number]
    rows = (PENALISED.parent / case["data"]).read_text().splitlines()
    names = rows[0].split(",")
    table = np.array([[float(cell) for cell in row.split(",")] for row in rows[1:]])
    certified = np.array(case["certified"]["coef"], dtype=float)
    y = table[:, names.index("y")].astype(np.int64)
    columns = [name for name in case["columns"] if name != "(Intercept)"]
    X = table[:, [names.index(name) for name in columns]]
    if "lambda_" in case:
        alpha, l1_ratio, unit, fit_intercept = float(case["lambda_"]), float(case["l1_ratio"]), 1.0, False
    else:
        weights = np.array(case["alpha"], dtype=float)
        fit_intercept = weights[0] == 0.0
        X = X if fit_intercept else np.column_stack([np.ones(len(X)), X])
        unit = weights[1:] if fit_intercept else weights
        alpha, l1_ratio = 1.0 / len(y), 1.0
    Z = np.ascontiguousarray(X / unit)
    centre = Z.mean(axis=0) if fit_intercept else np.zeros(Z.shape[1])
    sigma = Z.std(axis=0)
    standardisation = Standardisation(centre, np.where(sigma > 0.0, sigma, 1.0))
    penalty = ElasticNet.of(alpha, standardisation.scale, standardize=False, l1_ratio=l1_ratio)
    objective = Objective(ArraySource(Z, y), Bernoulli(), standardisation, penalty, fit_intercept)
    solution = solve(objective, solver)
    assert solution.status is Status.converged
    intercepts, coef = objective.on_user_scale(solution.theta)
    ours = coef[0] / unit
    ours = np.r_[intercepts, ours] if fit_intercept else ours
    np.testing.assert_allclose(ours, certified, rtol=1e-10, atol=0.0)


def test_weight_two_is_a_row_twice_and_order_does_not_matter():
    counts = np.random.default_rng(5).integers(0, 3, 900)
    heavy = fitted(BINARY.changed(weight=counts.astype(float)), "proximal-newton")
    rows = np.random.default_rng(6).permutation(np.repeat(np.arange(900), counts))
    repeated = fitted(BINARY.changed(X=MANY[rows], y=Y[rows]), "proximal-newton")
    np.testing.assert_allclose(heavy[1], repeated[1], rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(heavy[1] == 0.0, repeated[1] == 0.0)


@pytest.mark.parametrize("name", ["weights, some zero", "softmax", "one-vs-rest", "more columns than rows"])
def test_threads_change_no_bit(name, by_sample):
    problem = LASSOS[name].changed(block_rows=64)
    alone = solve(problem.objective(), "proximal-newton")
    with threads(3) as engine:
        objective = problem.objective()
        objective.engine = engine
        shared = solve(objective, "proximal-newton")
    assert alone.theta.tobytes() == shared.theta.tobytes()
    assert alone.optimality.newton_decrement.tobytes() == shared.optimality.newton_decrement.tobytes()


def test_single_precision_stays_near(by_sample):
    exact = fitted(BINARY, "newton")[2].theta
    problem = BINARY.changed(X=(MANY - 3.0).astype(np.float32))
    objective = problem.objective()
    objective.source = ArraySource(problem.X, Y)
    objective.tolerance = 1e-10
    solution = solve(objective, "proximal-newton")
    np.testing.assert_allclose(solution.theta[0, 1:], exact[0, 1:], atol=2e-6)


def test_the_proximal_step_and_the_violation_agree_about_the_optimum():
    """A gradient step and then a proximal one leave the optimum where it is, and nothing else."""
    problem = LASSOS["elastic net"]
    objective = problem.objective()
    theta = solve(objective, "newton").theta
    for at, stays in ((theta, True), (theta + 0.01, False)):
        gradient = objective.evaluate(at, order=1).gradient
        moved = objective.penalty.shrunk(at - 0.5 * gradient, 0.5)
        assert np.allclose(moved, at, atol=1e-14, rtol=0.0) is stays
        assert np.allclose(objective.penalty.violation(at, gradient), 0.0, atol=1e-14) is stays


def test_columns_without_any_row_in_the_sample_are_not_lost(by_sample):
    """A flag that 6 of 900 rows have, all of them positive."""
    flag = np.zeros(900)
    flag[np.flatnonzero(Y)[[3, 50, 100, 150, 200, 250]]] = 1.0
    problem = BINARY.changed(X=np.column_stack([flag, MANY]), alpha=1e-3)
    objective = problem.objective()
    objective.tolerance = 1e-10
    exact, found = fitted(problem, "newton")[2], solve(objective, "proximal-newton")
    assert found.status is Status.converged
    assert exact.theta[0, 1] > 0.1
    np.testing.assert_allclose(found.theta, exact.theta, atol=1e-4)
