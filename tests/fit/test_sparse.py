"""Sparse sums are dense sums; the metric is a metric; conjugate gradients find the decrement that a Hessian has."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp

from oddsmith.data.block import ArraySource, Block, SparseRows
from oddsmith.data.moments import measures
from oddsmith.data.sparse import SparseSource
from oddsmith.engines import reduce, threads
from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.matrix import Standardisation, log_odds, squared_lengths, written_out
from oddsmith.fit.metrics import Diagonal
from oddsmith.fit.objective import Objective
from oddsmith.fit.optimality import Status
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.solvers import SOLVERS, chosen, solve
from oddsmith.fit.solvers.conjugate import newton_steps
from oddsmith.fit.sparse_metric import GROUPS, HEAD, Look
from oddsmith.fit.stats import accumulate, bend, diagonal, pull, reach, survey

LOSSES = pytest.mark.parametrize("loss", [Bernoulli(), Bernoulli((0, 1, 2)), Softmax(3), Softmax(6)], ids=str)


def columns(n, p, density=0.1, seed=0):
    """Cells about 1, rarer from column to column."""
    rng = np.random.default_rng(seed)
    found = rng.random((n, p)) < density * 4.0 / (4.0 + np.arange(p) / p * 12.0)
    return np.where(found, rng.normal(1.0, 0.5, (n, p)), 0.0)


def problem(
    n, p, loss, *, sparse=True, alpha=None, weight=None, fit_intercept=True, seed=0, engine=reduce, signal=0.8
):
    rng = np.random.default_rng(seed)
    X = columns(n, p, seed=seed)
    K = max(loss.n_coupled + 1, loss.n_problems)
    y = (signal * X @ rng.normal(size=(p, K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    source = SparseSource(sp.csr_array(X), y, weight, 500) if sparse else ArraySource(X, y, weight)
    scaling = Standardisation.of(measures(source), fit_intercept=fit_intercept)
    ridge = ElasticNet.of(
        1.0 / n if alpha is None else alpha, scaling.scale, loss.n_coupled, standardize=False
    )
    return Objective(source, loss, scaling, ridge, fit_intercept=fit_intercept, engine=engine)


@LOSSES
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_over_sparse_rows_are_those_over_dense_ones(loss, weighted):
    rng = np.random.default_rng(5)
    X, p = columns(150, 11, 0.4), 11
    y, weight = rng.integers(3, size=150), rng.uniform(size=150) * (rng.random(150) < 0.8)
    blocks = [Block(rows, y, weight if weighted else None) for rows in (X, SparseRows(sp.csr_array(X)))]
    by = Standardisation(X.mean(axis=0), X.std(axis=0))
    coef, step = rng.normal(size=(2, loss.n_problems * loss.n_coupled, p + 1))
    kernels = [
        partial(accumulate, coef=coef, order=2),
        partial(pull, coef=coef, as_is=True),
        partial(pull, coef=coef, as_is=False),
        partial(survey, coef=coef, as_is=True),
        partial(reach, coef=coef, step=step),
        partial(bend, coef=coef, step=step, as_is=False),
        partial(diagonal, coef=coef),
    ]
    for kernel in kernels:
        dense, sparse = (kernel(block, loss=loss, standardisation=by) for block in blocks)
        for one, other in zip(
            *(vars(x).values() if hasattr(x, "__dict__") else [x] for x in (dense, sparse)), strict=True
        ):
            np.testing.assert_allclose(other, one, rtol=1e-10, atol=1e-11)


@LOSSES
def test_products_and_diagonals_are_those_of_the_hessian(loss):
    objective = problem(300, 8, loss, sparse=False, alpha=0.01)
    theta, step = np.random.default_rng(1).normal(size=(2, objective.n_problems, objective.n_coefficients))
    hessian = objective.evaluate(theta, order=2).hessian
    np.testing.assert_allclose(
        objective.bent(theta, step), np.einsum("gij,gj->gi", hessian, step), rtol=1e-11, atol=1e-13
    )
    np.testing.assert_allclose(objective.diagonal(theta), np.einsum("gii->gi", hessian), rtol=1e-11)


def test_a_constant_column_keeps_no_square_but_rounding():
    X = np.column_stack([np.full(50, 3e5), np.arange(50.0) % 3])
    by = Standardisation(X.mean(axis=0), np.array([1.0, X[:, 1].std()]))
    found = squared_lengths(by.columns(SparseRows(sp.csr_array(X))), np.ones((1, 50)))
    assert 0.0 < found[0, 1] <= 1.01e-11 * 50 * 9e10
    np.testing.assert_allclose(found[0, [0, 2]], 50.0, rtol=1e-12)


def test_scores_of_sparse_rows():
    X, rng = columns(300, 20), np.random.default_rng(2)
    mean, coef, average = X.mean(axis=0), rng.normal(size=(3, 20)), rng.normal(size=3)
    expected = log_odds(X, mean, coef, average)
    for dtype in (np.float64, np.float32):
        rows = sp.csr_array(X.astype(dtype))
        tolerance = 1e-12 if dtype == np.float64 else 1e-6
        np.testing.assert_allclose(
            log_odds(rows, mean, coef, average), expected, rtol=tolerance, atol=tolerance
        )
        alone = np.concatenate([log_odds(rows[[i]], mean, coef, average) for i in range(300)])
        assert log_odds(rows, mean, coef, average).tobytes() == alone.tobytes()


@pytest.mark.parametrize("loss", [Bernoulli(), Softmax(3)], ids=str)
@pytest.mark.parametrize("p", [40, 600])
def test_the_metric_is_symmetric_and_positive(loss, p):
    """Its matrix, column by column; with no more columns than the head has it is the sample's Hessian."""
    objective = problem(2000, p, loss)
    held = np.zeros(p + 1, dtype=bool)
    held[7] = True
    look = Look.at(objective, held, np.random.default_rng(0))
    theta = np.zeros((1, objective.n_coefficients))
    [metric] = look.metrics(theta, objective.diagonal(theta) - objective.penalty.diagonal)
    assert len(look.tail) == max(p - HEAD, 0)
    assert look.dense.shape[1] == min(p, HEAD) + (GROUPS if p > HEAD else 0)
    ends = np.random.default_rng(1).normal(size=(2, objective.n_coefficients))
    ends[:, np.tile(held, loss.n_coupled)] = 0.0
    a, b = (metric.solve(end) for end in ends)
    assert ends[1] @ a == pytest.approx(ends[0] @ b, rel=1e-9)
    assert ends[0] @ a > 0.0
    assert (a.reshape(-1, p + 1)[:, 7] == 0.0).all()
    if p <= HEAD and loss.n_coupled == 1:
        hessian = objective.evaluate(theta, order=2).hessian[0]
        np.testing.assert_allclose(hessian @ metric.solve(hessian @ ends[0]), hessian @ ends[0], atol=0.5)


@pytest.mark.parametrize("loss", [Bernoulli(), Bernoulli((0, 1, 2)), Softmax(3)], ids=str)
def test_conjugate_gradients_find_newtons_step_and_decrement_in_any_metric(loss):
    objective = problem(500, 12, loss, sparse=False)
    objective.tolerance = 1e-30
    theta = np.random.default_rng(1).normal(size=(objective.n_problems, objective.n_coefficients)) * 0.1
    now = objective.evaluate(theta, order=2)
    exact = np.stack([np.linalg.solve(h, g) for h, g in zip(now.hessian, now.gradient, strict=True)])
    decrement = 0.5 * (exact * now.gradient).sum(axis=1) * objective.n_rows
    metrics = [Diagonal.of(objective, np.zeros(objective.n_coefficients, dtype=bool))] * objective.n_problems
    steps, found, products = newton_steps(objective, theta, now.gradient, metrics, 100)
    assert products < 40
    np.testing.assert_allclose(found, decrement, rtol=1e-4)
    np.testing.assert_allclose(steps, exact, atol=1e-2 * np.abs(exact).max())
    objective.tolerance = 1.05 * decrement.max()
    assert (newton_steps(objective, theta, now.gradient, metrics, 1)[1] > objective.tolerance).any()


@pytest.mark.parametrize("alpha", [None, 0.0])
@pytest.mark.parametrize(
    "loss",
    [
        Bernoulli(),
        pytest.param(Bernoulli((0, 1, 2)), marks=pytest.mark.slow),
        pytest.param(Softmax(3), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_evidence_is_that_of_the_hessian(loss, alpha):
    """The decrement that is reported is no less than the one a factored Hessian finds there, and little is hidden."""
    objective = problem(2500, 410, loss, alpha=alpha, signal=0.2)
    assert chosen(objective)[0] == "sketched-newton"
    solution = solve(objective, "sketched-newton")
    assert solution.status is Status.converged
    exact = problem(2500, 410, loss, alpha=alpha, signal=0.2, sparse=False)
    now = exact.evaluate(solution.theta, order=2)
    steps = np.stack([np.linalg.solve(h, g) for h, g in zip(now.hessian, now.gradient, strict=True)])
    decrement = 0.5 * (steps * now.gradient).sum(axis=1) * exact.n_rows
    assert (decrement <= solution.optimality.newton_decrement).all()
    assert (solution.optimality.newton_decrement <= objective.tolerance).all()
    np.testing.assert_allclose(
        solution.optimality.mean_loss, now.value - exact.penalty.value(solution.theta), rtol=1e-12
    )


def test_fits_have_the_bits_of_one_thread():
    alone = solve(problem(3000, 420, Bernoulli()), "sketched-newton")
    for n_threads in (2, 5):
        with threads(n_threads) as engine:
            found = solve(problem(3000, 420, Bernoulli(), engine=engine), "sketched-newton")
        assert found.theta.tobytes() == alone.theta.tobytes()
        assert found.optimality.newton_decrement.tobytes() == alone.optimality.newton_decrement.tobytes()


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_takes_sparse_rows(solver):
    settings = {name: 1 for name in ("iterations", "epochs") if name in SOLVERS[solver].settings}
    for loss in (Bernoulli(), Softmax(3)):
        dense, sparse = (
            solve(problem(600, 15, loss, sparse=kind), solver, **settings).theta for kind in (False, True)
        )
        np.testing.assert_allclose(sparse, dense, rtol=1e-3, atol=1e-4)


def test_columns_that_are_constant_where_rows_count_are_held():
    weight = np.ones(1000)
    weight[:100] = 0.0
    objective = problem(1000, 402, Bernoulli(), alpha=0.01, weight=weight)
    X = objective.source.X.toarray()
    X[:, 5], X[:, 9], X[100:, 13] = 0.0, 2.5, 0.0
    source = SparseSource(sp.csr_array(X), objective.source.y, weight, 300)
    scaling = Standardisation.of(measures(source))
    free = Objective(source, Bernoulli(), scaling, ElasticNet.of(0.0, scaling.scale))
    path = solve(free, "sketched-newton", max_iter=3)
    assert np.flatnonzero(path.held[0]).tolist() == [6, 10, 14]
    assert (path.theta[0, [6, 10, 14]] == 0.0).all()
    uncentred = Standardisation.of(measures(source), fit_intercept=False)
    free = Objective(source, Bernoulli(), uncentred, ElasticNet.of(0.0, scaling.scale), fit_intercept=False)
    path = solve(free, "sketched-newton", max_iter=3)
    assert np.flatnonzero(path.held[0]).tolist() == [0, 6, 14]


def test_sparse_columns_are_written_out_a_few_rows_at_a_time():
    X = columns(50, 6, 0.5)
    by = Standardisation(X.mean(axis=0), X.std(axis=0))
    rows = SparseRows(sp.csr_array(X))
    np.testing.assert_allclose(
        written_out(by.columns(rows), slice(3, 9)), ((X - by.centre) / by.scale)[3:9], rtol=1e-14
    )
    np.testing.assert_array_equal(written_out(rows), X)
    assert written_out(X) is not None
    assert np.shares_memory(written_out(X), X)
