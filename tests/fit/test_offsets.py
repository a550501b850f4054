"""Offsets: the part of the log-odds that is known, eta_i = intercept + x_i coef + o_i.

A column with a coefficient of 1 that nobody fits: whatever is known of columns says what offsets must do.
"""

import numpy as np
import pytest
import scipy.sparse as sp

from oddsmith.data.block import ArraySource
from oddsmith.data.moments import measures
from oddsmith.data.sparse import SparseSource
from oddsmith.fit.intercepts import FEW, THINNED
from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.matrix import Standardisation
from oddsmith.fit.objective import Objective
from oddsmith.fit.optimality import Status
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.solvers import SOLVERS, chosen, proximal_newton, solve

from .problems import PROBLEMS, drawn, fitted

EXACT = ("newton", "sketched-newton", "proximal-newton", "lbfgs")


def large(n, p, alpha=0.0, *, l1_ratio=0.0, sparse=False, single=False, spread=1.5):
    """Rows of which half the log-odds are known, weighted, with a rare class."""
    draws = np.random.default_rng(n + p)
    X = draws.normal(1.0, 1.0, (n, p)) * np.geomspace(0.1, 10.0, p)
    if sparse:
        X = np.where(draws.random((n, p)) < 0.05, X, 0.0)
    offset = draws.normal(0.3, spread, n)
    y = drawn(X, 0.3 * X @ (draws.normal(size=p) / np.sqrt(p) / X.std(axis=0)) + offset - 2.0, 1)
    weight = draws.uniform(0.0, 3.0, n)
    if sparse:
        source = SparseSource(sp.csr_array(X), y, weight, offset=offset)
    else:
        source = ArraySource(X.astype(np.float32) if single else X, y, weight, offset=offset)
    scaling = Standardisation.of(measures(source))
    penalty = ElasticNet.of(alpha, scaling.scale, 1, standardize=True, l1_ratio=l1_ratio)
    return Objective(source, Bernoulli(), scaling, penalty)


@pytest.mark.parametrize("solver", EXACT)
def test_a_column_with_a_known_coefficient_is_an_offset(solver):
    """Fixed where the fit puts it, a column leaves all other coefficients as they are; elsewhere X'(p - y) is 0."""
    problem = PROBLEMS["weights, some zero"]
    X, z, w = problem.X[:, :2], problem.X[:, 2], problem.weight
    intercept, coef, _ = fitted(problem)
    rest = problem.changed(X=X, offset=coef[0, 2] * z)
    found_intercept, found, solution = fitted(rest, solver)
    np.testing.assert_allclose(
        [*found_intercept, *found[0]], [*intercept, *coef[0, :2]], rtol=1e-9, atol=1e-10
    )
    assert solution.status is Status.converged
    b, (slopes,), _ = fitted(problem.changed(X=X, offset=-0.7 * z + 3.0), solver)
    proba = 1.0 / (1.0 + np.exp(-(b + X @ slopes - 0.7 * z + 3.0)))
    residual = w * (proba - problem.y) / w.sum()
    np.testing.assert_allclose([residual.sum(), *(residual @ X)], 0.0, atol=1e-10)


@pytest.mark.parametrize("name", ["offsets", "offsets, weights, ridge"])
@pytest.mark.parametrize("constant", [-7.0, 0.25, 12.0])
def test_a_constant_in_all_offsets_moves_the_intercept_alone(name, constant):
    problem = PROBLEMS[name]
    intercept, coef, _ = fitted(problem)
    moved, same, _ = fitted(problem.changed(offset=problem.offset + constant))
    np.testing.assert_allclose(moved, intercept - constant, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(same, coef, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_agrees_with_statsmodels_glm(weighted):
    sm = pytest.importorskip("statsmodels.api")
    problem = PROBLEMS["offsets"]
    counts = np.arange(120) % 4 if weighted else np.ones(120)
    design = sm.add_constant(problem.X)
    family = sm.families.Binomial()
    theirs = sm.GLM(problem.y, design, family=family, offset=problem.offset, freq_weights=counts)
    theirs = theirs.fit(tol=1e-14, maxiter=100)
    intercepts, coef, solution = fitted(problem.changed(weight=counts.astype(np.float64)))
    np.testing.assert_allclose([*intercepts, *coef[0]], theirs.params, rtol=1e-8, atol=1e-9)
    assert solution.optimality.mean_loss[0] * counts.sum() == pytest.approx(-theirs.llf, rel=1e-12)


WAYS = {
    "a sample, then gradients": ("sketched-newton", large(20_000, 6), 1e-5),
    "a sample, single precision": ("sketched-newton", large(20_000, 6, single=True), 1e-3),
    "wide": ("sketched-newton", large(3000, 420, alpha=0.01), 1e-5),
    "sparse, few columns": ("sketched-newton", large(30_000, 60, sparse=True), 1e-4),
    "sparse, many columns": ("sketched-newton", large(3000, 450, alpha=0.01, sparse=True), 1e-5),
    "large spread": ("sketched-newton", large(20_000, 6, spread=12.0), 1e-5),
    "gradients alone": ("lbfgs", large(20_000, 6), 1e-5),
    "lasso": ("proximal-newton", large(3000, 40, alpha=0.01, l1_ratio=1.0), 1e-5),
}


@pytest.mark.parametrize(("solver", "objective", "near"), WAYS.values(), ids=WAYS)
def test_large_data_arrive_where_newton_does(solver, objective, near):
    """Within a thousandth of a standard error, as the decrement says, which is checked against Newton's own figures."""
    found = solve(objective, solver)
    exact = solve(objective.with_penalty(objective.penalty), "newton")
    assert found.status is exact.status is Status.converged
    np.testing.assert_allclose(found.theta, exact.theta, rtol=0.0, atol=near)
    assert exact.theta[:, 1:].any()
    assert found.optimality.mean_loss[0] == pytest.approx(exact.optimality.mean_loss[0], rel=1e-6)


def test_a_lasso_by_a_sample_arrives_too(monkeypatch):
    monkeypatch.setattr(proximal_newton, "CHEAP", 0.0)
    monkeypatch.setattr(proximal_newton, "LEAST", 600)
    monkeypatch.setattr(proximal_newton, "FOR_EACH", 2)
    solver, objective, _ = WAYS["lasso"]
    found = solve(objective.with_penalty(objective.penalty), solver)
    exact = solve(objective.with_penalty(objective.penalty), "newton")
    np.testing.assert_allclose(found.theta, exact.theta, atol=1e-4)
    assert found.status is Status.converged


def test_softmax_of_two_classes_is_the_binary_model():
    problem = PROBLEMS["offsets, weights, ridge"]
    (b, coef, _), (c, other, _) = fitted(problem), fitted(problem.changed(loss=Softmax(2)))
    np.testing.assert_allclose(np.append(b, coef), np.append(c, other), rtol=1e-11)


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0, 700.0])
def test_intercepts_beside_offsets_are_an_optimum(spread):
    problem = PROBLEMS["offsets, weights, ridge"].changed(X=np.zeros((120, 0)), alpha=0.0)
    offset = spread * (problem.offset - 3.0)
    objective = problem.changed(offset=offset).objective()
    [[intercept]] = objective.null
    with np.errstate(over="ignore"):
        proba = 1.0 / (1.0 + np.exp(-(intercept + offset)))
    share = np.average(problem.y, weights=problem.weight)
    assert np.average(proba, weights=problem.weight) == pytest.approx(share, rel=1e-10)
    now = objective.evaluate(objective.null, order=0).value
    assert objective.null_value == pytest.approx(now, rel=1e-14)
    zero = objective.evaluate(np.zeros((1, 1)), order=0).value
    assert objective.value_at_zero == pytest.approx(zero, rel=1e-14)
    if spread:
        assert now[0] < zero[0]


def test_without_an_intercept_none_is_looked_for():
    objective = PROBLEMS["offsets"].changed(fit_intercept=False).objective()
    assert not objective.null.any()
    assert objective.null_value == pytest.approx(objective.value_at_zero, rel=1e-14)


@pytest.mark.parametrize("solver", EXACT)
def test_offsets_that_tell_the_classes_apart_leave_an_optimum(solver):
    """Only what coefficients can do proves that there is none: here a column speaks against the offsets."""
    problem = PROBLEMS["offsets"]
    offset = 8.0 * (2.0 * problem.y - 1.0)
    found = fitted(problem.changed(offset=offset), solver)[2]
    assert found.status is Status.converged
    assert not found.optimality.separated.any()
    apart = PROBLEMS["separated"]
    for against in (1.0, -1.0):
        offset = against * np.where(apart.y == 1, 2.0, -2.0)
        lost = fitted(apart.changed(offset=offset), solver)[2]
        assert lost.status is Status.no_finite_optimum
        assert lost.optimality.separated.all()


def test_offsets_without_doubt_hold_no_column_back():
    """Rows whose offsets leave no curvature at zero are no reason to call a column constant."""
    problem = PROBLEMS["small"]
    sure = np.where(problem.X[:, 0] > 0.0, 900.0, -900.0)
    found = fitted(problem.changed(offset=sure))[2]
    assert not found.held.any()


def test_a_fit_without_offsets_is_the_fit_with_zeros():
    problem = PROBLEMS["weights, some zero"]
    for solver in SOLVERS:
        few = {SOLVERS[solver].limit: 3}
        one, other = (fitted(p, solver, **few)[2] for p in (problem, problem.changed(offset=np.zeros(120))))
        np.testing.assert_allclose(one.theta, other.theta, rtol=1e-13, atol=1e-15)


def test_auto_does_not_mind():
    """The rule counts rows and columns."""
    for _, objective, _ in WAYS.values():
        bare = Objective(
            ArraySource(np.zeros((objective.source.n_rows, objective.source.n_columns)), objective.source.y),
            objective.loss,
            objective.standardisation,
            objective.penalty,
        )
        if not isinstance(objective.source, SparseSource):
            assert chosen(objective)[0] == chosen(bare)[0]


@pytest.mark.parametrize("unweighted", ["none", "all of the rows that are looked at first"])
def test_the_intercept_beside_many_offsets_is_found_from_few_of_them(unweighted):
    draws = np.random.default_rng(9)
    n = THINNED * FEW + 1
    offset, y = np.sort(draws.normal(2.0, 3.0, n)), (draws.random(n) < 0.1).astype(np.int64)
    weight = draws.uniform(0.0, 2.0, n)
    if unweighted != "none":
        weight[::THINNED] = 0.0
    problem = PROBLEMS["small"].changed(X=np.zeros((n, 0)), y=y, weight=weight, offset=offset)
    objective = problem.objective()
    now = objective.evaluate(objective.null, order=1)
    assert abs(now.gradient[0, 0]) < 1e-11
    assert objective.null_value == pytest.approx(now.value, rel=1e-13)
