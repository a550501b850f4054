"""A sample leads near the optimum and the descent there: proved by Newton's own evidence, with every Hessian.

The exact decrement of all rows, which no part of the descent has computed, says how far it stopped short.
"""

from dataclasses import replace

import numpy as np
import pytest

from oddsmith.data.block import ArraySource
from oddsmith.data.moments import measures
from oddsmith.engines import threads
from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.matrix import Standardisation
from oddsmith.fit.metrics import Diagonal, Kronecker
from oddsmith.fit.objective import Objective
from oddsmith.fit.optimality import Status, optimality
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.sample import drawn, systematic
from oddsmith.fit.solvers import SOLVERS, chosen, solve
from oddsmith.fit.solvers.sketched_newton import is_wide, sketch

N = 20_000


def columns(n=N, p=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p))


def classes(X, K, seed=1, strength=0.5):
    """Drawn from a softmax whose coefficients have this size."""
    draws = np.random.default_rng(seed)
    eta = X @ draws.normal(scale=strength, size=(X.shape[1], K))
    return (eta + draws.gumbel(size=(len(X), K))).argmax(axis=1)


def objective(X, y, loss=None, alpha=0.0, *, weight=None, standardize=True, intercept=True, tolerance=1e-7):
    source = ArraySource(X, y, weight)
    loss = loss or Bernoulli()
    standardisation = Standardisation.of(measures(source), fit_intercept=intercept)
    ridge = ElasticNet.of(alpha, standardisation.scale, loss.n_coupled, standardize=standardize)
    return Objective(source, loss, standardisation, ridge, fit_intercept=intercept, tolerance=tolerance)


def troubles():
    """Name -> (objective, status of its optimum)."""
    X = columns()
    y = classes(X, 2)
    five = classes(X, 5)
    rare = np.where(X[:, 0] > 3.4, 1, 0)
    rare[np.random.default_rng(3).choice(N, 8, replace=False)] ^= 1
    by_label = np.argsort(y, kind="stable")
    heavy = np.random.default_rng(4).standard_t(1.5, size=(N, 6))
    lever = X.copy()
    lever[:5] *= 1e5
    traps = np.column_stack([X, np.full(N, 3.0), X[:, 0] - X[:, 1]])
    sparse = (np.random.default_rng(5).random((N, 6)) < 0.0005) * 1.0
    periodic = X.copy()
    periodic[::4] = periodic[::4] * 5.0 + 3.0
    apart = (X[:, 0] > 0.3).astype(np.int64)
    weight = 10.0 ** np.random.default_rng(6).uniform(-3.0, 3.0, N)
    few = np.ones(N)
    few[:4] = 1e6
    one_rare = five.copy()
    one_rare[one_rare == 4] = 3
    one_rare[np.random.default_rng(7).choice(N, 12, replace=False)] = 4
    far = np.array([1e3, 1e6, -1e9, 1e2, 0.0, 1.0])
    units = np.array([1e-8, 1e8, 1.0, 1e3, 1e-3, 1.0])
    ovr = Bernoulli(tuple(range(5)))
    fine, none = Status.converged, Status.no_finite_optimum
    return {
        "plain": (objective(X, y), fine),
        "ridge": (objective(X, y, alpha=0.1), fine),
        "ridge, user's scale": (objective(X * units, y, alpha=0.1, standardize=False), fine),
        "units": (objective(X * units, y), fine),
        "far from zero": (objective(X + far, y), fine),
        "no intercept": (objective(X + 0.5, y, intercept=False), fine),
        "sorted by label": (objective(X[by_label], y[by_label]), fine),
        "periodic": (objective(periodic, y), fine),
        "few positives": (objective(X, rare), fine),
        "heavy tails": (objective(heavy, classes(heavy, 2)), fine),
        "five rows of size 1e5": (objective(lever, y, alpha=1e-6), fine),
        "constant and dependent columns": (objective(traps, y), fine),
        "constant and dependent columns, ridge": (objective(traps, y, alpha=1e-3), fine),
        "columns that hardly any row has": (objective(sparse, y, alpha=1e-4), fine),
        "weights over six decades": (objective(X, y, weight=weight), fine),
        "four rows of weight 1e6": (objective(X, y, weight=few), fine),
        "half of the rows weigh nothing": (objective(X, y, weight=(np.arange(N) % 2) * 1.0), fine),
        "weights that sum to 1e-6": (objective(X, y, weight=np.full(N, 1e-6 / N)), fine),
        "separated": (objective(X, apart), none),
        "separated, ridge": (objective(X, apart, alpha=1e-6), fine),
        "one-vs-rest": (objective(X, five, ovr), fine),
        "one-vs-rest, a rare class": (objective(X, one_rare, ovr, 1e-4), fine),
        "softmax": (objective(X, five, Softmax(5)), fine),
        "softmax, a rare class": (objective(X, one_rare, Softmax(5), 1e-4), fine),
        "softmax, dependent columns": (objective(traps, five, Softmax(5)), fine),
        "column order": (objective(np.asfortranarray(X), y), fine),
        "gaps between columns": (objective(np.repeat(X, 2, axis=1)[:, ::2], y), fine),
    }


TROUBLES = troubles()


def value(problem, found):
    """The objective (G,) where a solver ended; the loss alone has a slope there if there is a penalty."""
    return found.optimality.mean_loss + problem.penalty.value(found.theta)


@pytest.mark.parametrize("solver", ["sketched-newton", "lbfgs"])
@pytest.mark.parametrize("name", TROUBLES)
def test_descents_end_within_their_tolerance_of_the_optimum(name, solver):
    problem, status = TROUBLES[name]
    if solver == "lbfgs" and status is not Status.converged:
        pytest.skip("a diagonal metric takes its time to tell classes apart")
    found = solve(replace(problem), solver)
    if solver == "sketched-newton":
        assert found.held.tolist() == problem.held.tolist()
    exact = optimality(replace(problem), found.theta)
    assert found.status is status
    if status is Status.converged:
        assert exact.newton_decrement.max() <= 3.0 * problem.tolerance
        best = solve(replace(problem), "newton")
        np.testing.assert_allclose(value(problem, found), value(problem, best), rtol=1e-9)
    np.testing.assert_allclose(found.optimality.mean_loss, exact.mean_loss, rtol=1e-11)


@pytest.mark.parametrize("name", ["plain", "softmax", "one-vs-rest"])
def test_a_sketch_is_a_fraction_of_newtons_passes(name, monkeypatch):
    """The descent reads all rows a few times, and a Hessian of all rows never."""
    problem = replace(TROUBLES[name][0], tolerance=1e-4)
    seen = []
    monkeypatch.setattr(problem, "evaluate", lambda theta, order: seen.append(order))
    solution = solve(problem, "sketched-newton")
    assert solution.n_passes < 14.0
    assert not seen


def test_where_few_rows_count_one_hessian_of_all_rows_saves_passes(monkeypatch):
    problem = replace(TROUBLES["weights over six decades"][0], tolerance=1e-4)
    seen, evaluate = [], problem.evaluate
    monkeypatch.setattr(
        problem, "evaluate", lambda theta, order: (seen.append(order), evaluate(theta, order))[1]
    )
    solution = solve(problem, "sketched-newton")
    assert solution.n_passes < 12.0
    assert seen == [2]


def test_single_precision_comes_within_its_own_rounding():
    X = columns(200_000, 5)
    y = classes(X, 2)
    for shift in (0.0, 5.0, 300.0):
        single = (X + shift).astype(np.float32)
        found = solve(objective(single, y), "sketched-newton")
        exact = optimality(objective(single.astype(np.float64), y), found.theta)
        assert exact.newton_decrement[0] <= 1e-8
        assert found.status is Status.converged


@pytest.mark.parametrize("n_threads", [2, 8])
@pytest.mark.parametrize("name", ["plain", "softmax", "one-vs-rest, a rare class", "heavy tails"])
def test_descents_have_the_bits_of_one_thread(name, n_threads):
    problem = TROUBLES[name][0]
    alone = solve(replace(problem), "sketched-newton")
    with threads(n_threads) as engine:
        found = solve(replace(problem, engine=engine), "sketched-newton")
    assert found.theta.tobytes() == alone.theta.tobytes()
    assert found.optimality.newton_decrement.tobytes() == alone.optimality.newton_decrement.tobytes()


def test_wide_rows_take_a_sampled_hessian_only_where_it_pays():
    """Independent columns don't need one; neighbours that correlate by 0.95 do."""
    X = columns(5000, 450)
    alike = X.copy()
    for j in range(1, 450):
        alike[:, j] = 0.95 * alike[:, j - 1] + np.sqrt(1.0 - 0.95**2) * X[:, j]
    for rows, more in ((X, 0.0), (alike, 1.0)):
        y = classes(rows, 2, strength=0.1)
        problem = objective(rows, y, alpha=1e-3)
        assert chosen(problem)[0] == "sketched-newton"
        found = solve(problem, "sketched-newton")
        assert optimality(replace(problem), found.theta).newton_decrement[0] <= 3e-7
        assert (found.n_passes % 1.0 > 0.5) == (more > 0.0) or found.n_passes < 40


@pytest.mark.slow
def test_many_classes_take_the_kronecker_metric():
    X = columns(30_000, 60)
    y = classes(X, 14, strength=0.2)
    for alpha in (0.0, 0.01):
        problem = objective(X, y, Softmax(14), alpha)
        found = solve(problem, "sketched-newton")
        assert found.status is Status.converged
        assert found.n_passes < 40.0
        assert optimality(replace(problem), found.theta).newton_decrement[0] <= 1e-6


def test_the_kronecker_metric_is_the_hessian_where_probabilities_do_not_differ_between_rows():
    X = columns(500, 4)
    problem = objective(X, classes(X, 3), Softmax(3), 0.2)
    zero = np.zeros((1, problem.n_coefficients))
    standard = replace(
        problem,
        source=ArraySource(problem.standardisation.columns(X), problem.source.y),
        standardisation=Standardisation(np.zeros(4), np.ones(4)),
    )
    metric = Kronecker.of(standard, zero, np.zeros(10, dtype=bool))
    gradient = np.random.default_rng(1).normal(size=10)
    expected = np.linalg.solve(problem.evaluate(zero, order=2).hessian[0], gradient)
    np.testing.assert_allclose(metric.solve(gradient), expected, rtol=1e-10)


def test_the_diagonal_is_the_hessian_at_zero_of_independent_columns():
    X = np.linalg.qr(columns(400, 3) - columns(400, 3).mean(axis=0))[0]
    problem = objective(X, classes(X, 2), alpha=0.3)
    metric = Diagonal.of(problem, np.zeros(4, dtype=bool))
    np.testing.assert_allclose(1.0 / metric.inverse, np.diag(problem.start.hessian[0]), rtol=1e-2)


def test_a_sample_is_sorted_distinct_and_one_from_each_stretch():
    draws = np.random.default_rng(0)
    for n, m in ((10, 10), (10, 30), (1000, 7), (12345, 1234)):
        rows = systematic(n, m, draws)
        assert len(rows) == min(m, n)
        assert (np.diff(rows) > 0).all()
        borders = np.arange(len(rows) + 1) * n // len(rows)
        assert ((borders[:-1] <= rows) & (rows < borders[1:])).all()


def test_a_rare_class_has_places_of_its_own_and_weights_that_make_up_for_it():
    y = np.zeros(100_000, dtype=np.int64)
    y[::500] = 1
    sample = drawn(y, 2, 1000, np.random.default_rng(0))
    found = np.bincount(y[sample.rows])
    assert found[1] == 200
    assert (np.diff(sample.rows) > 0).all()
    totals = np.bincount(y[sample.rows], sample.weight)
    np.testing.assert_allclose(totals, [99_800, 200], rtol=1e-12)
    assert drawn(np.arange(1000) % 2, 2, 100, np.random.default_rng(0)).weight is None


def test_a_sketch_estimates_the_objective_of_all_rows_without_bias():
    problem, _ = TROUBLES["few positives"]
    theta = np.full((1, 7), 0.3)
    whole = problem.evaluate(theta, order=1)
    values = [
        sketch(problem, drawn(problem.source.y, 2, 4000, np.random.default_rng(seed))).evaluate(theta, 1)
        for seed in range(30)
    ]
    gradients = np.array([value.gradient[0] for value in values])
    standard_error = gradients.std(axis=0) / np.sqrt(30)
    assert (np.abs(gradients.mean(axis=0) - whole.gradient[0]) < 4.0 * standard_error + 1e-6).all()


@pytest.mark.parametrize(
    ("n", "p", "loss", "solver"),
    [
        (1600, 13, Bernoulli(), "newton"),
        (5_000, 13, Bernoulli(), "newton"),
        (6_000, 13, Bernoulli(), "sketched-newton"),
        (3000, 600, Bernoulli(), "sketched-newton"),
        (2000, 600, Bernoulli(), "sketched-newton"),
        (6000, 5500, Bernoulli(), "lbfgs"),
        (1000, 600, Softmax(10), "sketched-newton"),
        (20_000, 600, Softmax(10), "sketched-newton"),
    ],
)
def test_the_rule_by_which_auto_chooses(n, p, loss, solver):
    X = np.zeros((n, p))
    source = ArraySource(X, np.arange(n) % 10)
    scale = np.ones(p)
    found, why = chosen(Objective(source, loss, Standardisation(0 * scale, scale), ElasticNet.of(0.0, scale)))
    assert found == solver
    assert f"{n:,} rows" in why


def test_every_solver_of_the_table_is_bounded_by_its_limit():
    problem = TROUBLES["plain"][0]
    assert solve(replace(problem), "sketched-newton", **{SOLVERS["sketched-newton"].limit: 2}).n_iter <= 2


@pytest.mark.parametrize("alpha", [0.0, 1e-6, 1e-3])
def test_levels_that_hardly_any_row_has_among_many_columns(alpha):
    draws = np.random.default_rng(12)
    levels = np.minimum(draws.exponential(90.0, 4000).astype(np.int64), 405)
    X = np.column_stack([columns(4000, 8), levels[:, None] == np.unique(levels)[1:]]).astype(np.float64)
    X = np.column_stack([X, draws.normal(size=(4000, max(0, 402 - X.shape[1])))])
    problem = objective(X, classes(X[:, :8], 2), alpha=alpha)
    assert is_wide(problem)
    found, best = (solve(replace(problem), solver) for solver in ("sketched-newton", "newton"))
    assert found.status is best.status
    np.testing.assert_allclose(value(problem, found), value(problem, best), rtol=1e-9)
    exact = optimality(replace(problem), found.theta)
    if alpha:
        assert exact.newton_decrement.max() <= 3.0 * problem.tolerance


def test_small_sums_of_losses_are_found_to_their_own_digits():
    X = columns(200_000, 20, seed=11)
    rare = np.zeros(len(X), dtype=np.int64)
    rare[np.random.default_rng(12).choice(np.flatnonzero(X[:, 0] > 0.0), 20, replace=False)] = 1
    problem = objective(X, rare, alpha=1e-6, tolerance=1e-5)
    assert not problem.is_cheap
    found, best = solve(problem, "sketched-newton"), solve(replace(problem), "newton")
    np.testing.assert_allclose(value(problem, found), value(problem, best), rtol=1e-9)


def test_rows_that_come_in_order_are_read_once_for_a_sample_which_is_the_same():
    class InOrder(ArraySource):
        taken = 0
        in_order = True

        def take(self, rows):
            InOrder.taken += 1
            return super().take(rows)

    X = columns(60_000, 40)
    at_hand = objective(X, classes(X, 2))
    in_order = replace(at_hand, source=InOrder(X, at_hand.source.y))
    sample = drawn(at_hand.source.y, 2, 5000, np.random.default_rng(0))
    found, expected = (sketch(of, sample).source.X for of in (in_order, at_hand))
    assert found.tobytes() == expected.tobytes()
    assert InOrder.taken == 1
