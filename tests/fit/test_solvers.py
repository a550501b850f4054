"""Every solver meets every problem, and its evidence is checked by means that share no code with it."""

import numpy as np
import pytest

from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.objective import TOLERANCE
from oddsmith.fit.optimality import Status
from oddsmith.fit.solvers import SOLVERS, solve
from oddsmith.fit.solvers.newton import VANISHED

from .problems import PROBLEMS, ROUNDING, SETTINGS, fitted, stops_at

EVERY = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
EXACT = ("newton", "sketched-newton", "proximal-newton", "lbfgs")
FIRST_ORDER = [solver for solver in SOLVERS if solver not in EXACT]


def standardised(problem):
    """Weights, sigma and [1, (x - mean) / sigma].

    The package's own centre is taken, once it is seen to be the mean: far from zero two roundings of a
    mean differ, and an intercept is meant at one of them.
    """
    w = np.ones(len(problem.y)) if problem.weight is None else problem.weight
    centre = problem.objective().standardisation.centre
    mean = np.average(problem.X, axis=0, weights=w)
    np.testing.assert_allclose(centre, mean if problem.fit_intercept else 0.0, rtol=1e-13, atol=1e-16)
    from_first = problem.X - problem.X[0]
    sigma = np.sqrt(
        np.average((from_first - np.average(from_first, axis=0, weights=w)) ** 2, axis=0, weights=w)
    )
    sigma[sigma == 0.0] = 1.0
    return w, sigma, np.column_stack([np.ones(len(w)), (problem.X - centre) / sigma])


def offsets(problem):
    """(n, 1)."""
    return np.zeros((len(problem.y), 1)) if problem.offset is None else problem.offset[:, None]


def gradient_by_hand(problem, theta):
    """Gradient (G, d) of mean loss plus penalty, and the predictors; analytic, so theta may be complex."""
    w, sigma, Z = standardised(problem)
    b = theta.reshape(-1, Z.shape[1])
    odds = np.exp(Z @ b.T + offsets(problem))
    metric = np.concatenate([[0.0], np.ones_like(sigma) if problem.standardize else sigma**-2])
    if isinstance(problem.loss, Softmax):
        proba = odds / (1.0 + odds.sum(axis=1, keepdims=True))
        classes = np.arange(1, problem.loss.n_classes)
        pulled = b - b.sum(axis=0) / problem.loss.n_classes
    else:
        proba, classes, pulled = odds / (1.0 + odds), np.array(problem.loss.classes), b
    residual = proba - (problem.y[:, None] == classes)
    gradient = (residual * w[:, None]).T @ Z / w.sum() + problem.alpha * metric * pulled
    gradient[:, 0] *= problem.fit_intercept
    return gradient.reshape(theta.shape)


def decrement_by_hand(problem, theta):
    """g' H^+ g / 2 of each problem times the rows that count; H by complex steps through the gradient."""
    gradient = gradient_by_hand(problem, theta)
    columns = []
    for j in range(theta.shape[1]):
        step = np.zeros(theta.shape, dtype=complex)
        step[:, j] = 1e-30j if problem.fit_intercept or j % (problem.X.shape[1] + 1) else 0.0
        columns.append(gradient_by_hand(problem, theta + step).imag / 1e-30)
    hessians = np.stack(columns, axis=2)
    rows = len(problem.y) if problem.weight is None else np.count_nonzero(problem.weight)
    inverses = np.linalg.pinv(hessians, rcond=1e-12, hermitian=True)
    return 0.5 * rows * np.einsum("gi,gij,gj->g", gradient, inverses, gradient)


def separates(problem, theta):
    """Is every row on the right side, for each problem?"""
    w, _, Z = standardised(problem)
    eta = Z @ theta.reshape(-1, Z.shape[1]).T
    if isinstance(problem.loss, Bernoulli):
        right = (eta > 0) == (problem.y[:, None] == np.array(problem.loss.classes))
        return right[w > 0].all(axis=0)
    eta = np.column_stack([np.zeros(len(eta)), eta])
    return np.array([(eta.argmax(axis=1) == problem.y)[w > 0].all()])


@EVERY
def test_newton_ends_where_the_gradient_is_rounding(problem):
    _, coef, solution = fitted(problem, "newton")
    assert solution.status is problem.status
    assert np.isfinite(coef).all()
    assert solution.n_iter < 30
    if problem.status is Status.converged:
        w, _, Z = standardised(problem)
        eta = np.abs(Z @ solution.theta.reshape(-1, Z.shape[1]).T + offsets(problem)).max(axis=1)
        unit = np.finfo(float).eps * np.average(np.abs(Z) * (1.0 + eta[:, None]), axis=0, weights=w)
        gradient = gradient_by_hand(problem, solution.theta).reshape(-1, Z.shape[1])
        assert (np.abs(gradient) <= 2.0 * unit).all()


@EVERY
@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_first_order_solvers_stop_as_far_from_the_optimum_as_they_say(problem, solver):
    _, _, solution = fitted(problem, solver, **SETTINGS[solver])
    found = solution.optimality.newton_decrement
    stated = stops_at(problem.name, solver)
    assert found.max() <= stated
    assert stated == ROUNDING or found.max() > stated / 10.0
    by_hand = decrement_by_hand(problem, solution.theta)
    np.testing.assert_allclose(found, by_hand, rtol=1e-6, atol=ROUNDING)
    apart = separates(problem, solution.theta)
    np.testing.assert_array_equal(solution.optimality.separated, apart)
    hopeless = apart & (problem.alpha == 0.0)
    expected = [
        Status.no_finite_optimum if lost else Status.converged if d <= TOLERANCE else Status.iteration_limit
        for lost, d in zip(hopeless, by_hand, strict=True)
    ]
    assert list(solution.optimality.status) == expected


@EVERY
def test_the_reported_mean_loss_and_gradient_are_those_of_the_solution(problem):
    _, _, solution = fitted(problem, "gradient-descent", iterations=7)
    gradient = np.where(solution.held, 0.0, gradient_by_hand(problem, solution.theta))
    np.testing.assert_allclose(
        solution.optimality.largest_gradient, np.abs(gradient).max(axis=1), rtol=1e-9, atol=1e-15
    )
    w, _, Z = standardised(problem)
    eta = Z @ solution.theta.reshape(-1, Z.shape[1]).T + offsets(problem)
    if isinstance(problem.loss, Softmax):
        eta = np.column_stack([np.zeros(len(eta)), eta])
        losses = (np.log(np.exp(eta).sum(axis=1)) - eta[np.arange(len(eta)), problem.y])[:, None]
    else:
        truth = problem.y[:, None] == np.array(problem.loss.classes)
        losses = np.log(1.0 + np.exp(eta)) - truth * eta
    mean = np.average(losses, axis=0, weights=w)
    np.testing.assert_allclose(solution.optimality.mean_loss, mean, rtol=1e-13)


def test_dependent_and_constant_columns_are_named_and_stay_at_zero():
    _, coef, solution = fitted(PROBLEMS["constant and dependent columns"])
    np.testing.assert_array_equal(solution.held, [[False, False, False, False, True, True]])
    np.testing.assert_array_equal(coef[0, 3:], 0.0)
    _, alone, _ = fitted(PROBLEMS["small"])
    np.testing.assert_allclose(coef[0, :3], alone[0], rtol=1e-12)


def test_separation_names_the_column_that_drifts():
    solution = fitted(PROBLEMS["quasi-separated"])[2]
    assert solution.optimality.drifting.tolist() == [1]


def test_too_large_a_learning_rate_is_called_diverged():
    solution = fitted(PROBLEMS["correlated columns"], "gradient-descent", learning_rate=100.0)[2]
    assert solution.status is Status.diverged
    assert np.isfinite(solution.theta).all()
    assert np.isinf(solution.optimality.newton_decrement).all()


def test_a_problem_that_diverges_does_not_taint_its_neighbours():
    problem = PROBLEMS["one-vs-rest, 4 classes"]
    odd = np.where(np.arange(len(problem.y)) == 0, 4, problem.y)
    both = problem.changed(y=odd, loss=Bernoulli((3, 4)))
    alone = both.changed(loss=Bernoulli((4,)))
    settings = {"learning_rate": 30.0, "iterations": 200}
    found = fitted(both, "gradient-descent", **settings)[2].optimality
    expected = fitted(alone, "gradient-descent", **settings)[2].optimality
    assert found.status == (Status.diverged, Status.iteration_limit)
    np.testing.assert_allclose(found.newton_decrement, [np.inf, expected.newton_decrement[0]], rtol=1e-9)
    np.testing.assert_allclose(found.largest_gradient, [np.inf, expected.largest_gradient[0]], rtol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_progress_and_history_agree(solver):
    problem, seen = PROBLEMS["softmax, 3 classes"], []
    settings = {name: 3 for name in ("iterations", "epochs") if name in SOLVERS[solver].settings}
    solution = solve(
        problem.objective(), solver, lambda done, most, value: seen.append((done, most, *value)), **settings
    )
    assert [done for done, _, _ in seen] == list(range(1, solution.n_iter + 1))
    known = [(done, value) for done, _, value in seen if not np.isnan(value)]
    if known:
        assert [(done, *value) for done, value in solution.history[1:]] == known
    else:  # a solver that goes by gradients knows the objective at its end alone
        [(done, value)] = solution.history[1:]
        assert (done, value) == (solution.n_iter, solution.optimality.mean_loss)
    assert solution.history[0][1][0] == pytest.approx(np.log(3.0), rel=1e-15)
    assert all(done <= most for done, most, _ in seen)


class CountingSource:
    """A source that counts how much of it is read."""

    def __init__(self, source):
        self.source, self.reads = source, 0.0

    n_rows = property(lambda self: self.source.n_rows)
    n_columns = property(lambda self: self.source.n_columns)
    dtype = property(lambda self: self.source.dtype)
    y = property(lambda self: self.source.y)
    sample_weight = property(lambda self: self.source.sample_weight)
    offset = property(lambda self: self.source.offset)
    in_order = property(lambda self: self.source.in_order)

    def __iter__(self):
        for block in self.source:
            self.reads += len(block.y) / self.n_rows
            yield block

    def take(self, rows):
        self.reads += len(rows) / self.n_rows
        return self.source.take(rows)


@EVERY
@pytest.mark.parametrize("solver", SOLVERS)
def test_passes_are_counted_honestly(problem, solver):
    settings = {name: 2 for name in ("iterations", "epochs") if name in SOLVERS[solver].settings}
    objective = problem.changed(block_rows=50).objective()
    objective.source = CountingSource(objective.source)
    solution = solve(objective, solver, **settings)
    assert solution.n_passes == pytest.approx(objective.source.reads, rel=1e-12)
    again = solve(objective, solver, **settings)
    assert solution.n_passes + again.n_passes == pytest.approx(objective.source.reads, rel=1e-12)


def test_one_vs_rest_needs_no_more_passes_than_its_slowest_class():
    problem = PROBLEMS["one-vs-rest, 4 classes"]
    """One more at most: rounding may let a problem reach the noise floor a step sooner or later."""
    together = fitted(problem)[2].n_passes
    alone = [fitted(problem.changed(loss=Bernoulli((k,))))[2].n_passes for k in problem.loss.classes]
    assert together <= max(alone) + 1


@pytest.mark.parametrize("solver", ["sgd", "mini-batch"])
def test_stochastic_descent_is_a_function_of_its_seed(solver):
    problem = PROBLEMS["weights, some zero"]
    thetas = [fitted(problem, solver, epochs=2, seed=seed)[2].theta for seed in (5, 5, 6)]
    np.testing.assert_array_equal(thetas[0], thetas[1])
    assert (thetas[0] != thetas[2]).all()


@pytest.mark.parametrize("name", ["small", "weights, some zero", "softmax with ridge"])
def test_one_epoch_of_one_batch_is_a_gradient_step(name):
    problem = PROBLEMS[name]
    step = fitted(problem, "gradient-descent", learning_rate=0.7, iterations=1)[2].theta
    epoch = fitted(problem, "mini-batch", learning_rate=0.7, epochs=1, batch_size=len(problem.y))[2].theta
    np.testing.assert_allclose(epoch, step, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("name", ["weights, some zero", "softmax with ridge"])
def test_the_gradient_of_single_rows_is_that_of_all_rows_on_average(name):
    problem = PROBLEMS[name]
    objective = problem.objective()
    theta = np.full((1, objective.n_coefficients), 0.3)
    single = [objective.evaluate_rows(theta, np.array([i])) for i in range(len(problem.y))]
    whole = objective.evaluate(theta, order=1)
    np.testing.assert_allclose(np.mean([s.gradient for s in single], axis=0), whole.gradient, rtol=1e-12)
    np.testing.assert_allclose(np.mean([s.value for s in single], axis=0), whole.value, rtol=1e-13)


@pytest.mark.parametrize("name", ["separated", "softmax, separated"])
def test_separated_rows_stop_newton_by_their_loss_however_they_are_counted(name):
    """Ten copies of every row are ten times as many, and the proof is the same."""
    problem = PROBLEMS[name]
    copies = problem.changed(X=np.repeat(problem.X, 10, axis=0), y=np.repeat(problem.y, 10))
    heavy = problem.changed(weight=np.full(len(problem.y), 10.0))
    solutions = [fitted(each)[2] for each in (problem, copies, heavy)]
    assert len({solution.n_iter for solution in solutions}) == 1
    for solution in solutions:
        assert solution.optimality.separated.all()
        assert solution.history[-1][1][0] <= VANISHED < solution.history[-2][1][0]


def test_a_loose_tolerance_is_heeded_by_solver_and_verdict():
    objective = PROBLEMS["correlated columns"].objective()
    descent = solve(objective, "gradient-descent", iterations=400)
    distance = float(descent.optimality.newton_decrement[0])
    assert descent.status is Status.iteration_limit
    for tolerance, status in ((2.0 * distance, Status.converged), (0.5 * distance, Status.iteration_limit)):
        objective = PROBLEMS["correlated columns"].objective()
        objective.tolerance = tolerance
        assert solve(objective, "gradient-descent", iterations=400).status is status


def test_newton_stops_after_max_iter():
    for most in (1, 2, 3):
        solution = fitted(PROBLEMS["small"], max_iter=most)[2]
        assert solution.n_iter == most
    assert fitted(PROBLEMS["small"], max_iter=1)[2].status is Status.iteration_limit


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_limit_of_each_solver_bounds_its_iterations(solver):
    most = 1 if solver == "sketched-newton" else 2  # two are all that it needs
    assert fitted(PROBLEMS["small"], solver, **{SOLVERS[solver].limit: most})[2].n_iter == most
