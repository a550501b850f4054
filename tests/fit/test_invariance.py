"""What must not matter doesn't: order, blocks, units, repeated rows, the names of the classes.

Data are whole multiples of 2^-20 and changes of units are powers of two, so that both sides see exactly
the same numbers and what differs is the code's rounding alone.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.optimality import Status

from .problems import PROBLEMS, Problem, drawn, fitted

pytestmark = pytest.mark.slow

QUICK = settings(max_examples=12, deadline=None)
SAME = {"rtol": 1e-8, "atol": 1e-9}


@st.composite
def problems(draw, classes=2, weighted=None, alpha=None, shifted=False):
    """Random problems with a finite optimum; binary, or softmax when there are more classes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, p = draw(st.integers(60, 100)), draw(st.integers(1, 3))
    X = np.round(rng.normal(size=(n, p)) * 2.0**20) / 2.0**20
    eta = X @ rng.normal(scale=0.7, size=(p, classes)) + rng.normal(scale=0.3, size=classes)
    weight = None
    if weighted or (weighted is None and draw(st.booleans())):
        weight = rng.integers(0, 4, n).astype(np.float64)
    loss = Bernoulli() if classes == 2 else Softmax(classes)
    if alpha is None:
        alpha = draw(st.sampled_from([0.0, 0.01, 1.0]))
    offset = np.round(rng.normal(scale=2.0, size=n) * 2.0**20) / 2.0**20 if shifted else None
    y = drawn(X, eta, draw(st.integers(0, 2**32 - 1)))
    problem = Problem("drawn", X, y, loss, weight, alpha, standardize=draw(st.booleans()), offset=offset)
    assume(fitted(problem)[2].status is Status.converged)
    return problem


def flat(fit):
    intercepts, coef, _ = fit
    return np.column_stack([intercepts, coef])


@QUICK
@given(problems(weighted=True))
def test_a_weight_is_a_number_of_repetitions(problem):
    times = problem.weight.astype(np.int64)
    repeated = problem.changed(
        X=np.repeat(problem.X, times, axis=0), y=np.repeat(problem.y, times), weight=None
    )
    np.testing.assert_allclose(flat(fitted(problem)), flat(fitted(repeated)), **SAME)


@QUICK
@given(problems(weighted=True), st.sampled_from([1e-300, 1e-6, 0.1, 7.0, 1e12, 1e290]))
def test_the_scale_of_the_weights_does_not_matter(problem, factor):
    scaled = problem.changed(weight=problem.weight * factor)
    np.testing.assert_allclose(flat(fitted(problem)), flat(fitted(scaled)), **SAME)
    (_, _, ours), (_, _, theirs) = (fitted(q, "gradient-descent", iterations=9) for q in (problem, scaled))
    np.testing.assert_allclose(
        ours.optimality.newton_decrement, theirs.optimality.newton_decrement, rtol=1e-6
    )
    np.testing.assert_allclose(ours.optimality.mean_loss, theirs.optimality.mean_loss, rtol=1e-12)


@QUICK
@given(problems(classes=3), st.integers(0, 2**32 - 1), st.integers(1, 120))
def test_neither_order_nor_blocks_matter(problem, seed, block_rows):
    order = np.random.default_rng(seed).permutation(len(problem.y))
    weight = None if problem.weight is None else problem.weight[order]
    shuffled = problem.changed(X=problem.X[order], y=problem.y[order], weight=weight, block_rows=block_rows)
    np.testing.assert_allclose(flat(fitted(problem)), flat(fitted(shuffled)), **SAME)


@QUICK
@given(problems(classes=3), st.randoms())
def test_the_order_of_the_columns_does_not_matter(problem, random):
    order = list(range(problem.X.shape[1]))
    random.shuffle(order)
    _, coef, _ = fitted(problem)
    _, permuted, _ = fitted(problem.changed(X=problem.X[:, order]))
    np.testing.assert_allclose(coef[:, order], permuted, **SAME)


@QUICK
@given(problems(), st.integers(-(10**6), 10**6), st.integers(-60, 60))
def test_units_and_origin_of_a_column_do_not_matter(problem, shift, power):
    """x becomes (x + shift) 2^power: exact in double precision, for a shift of up to 1e6 sigma."""
    problem = problem.changed(standardize=True)
    unit = 2.0**power
    moved = problem.changed(X=np.column_stack([(problem.X[:, 0] + shift) * unit, problem.X[:, 1:]]))
    (b, coef, _), (c, other, _) = fitted(problem), fitted(moved)
    np.testing.assert_allclose(other[:, 0] * unit, coef[:, 0], **SAME)
    np.testing.assert_allclose(other[:, 1:], coef[:, 1:], **SAME)
    np.testing.assert_allclose(moved.X @ other[0] + c, problem.X @ coef[0] + b, rtol=0.0, atol=1e-7)
    (_, _, ours), (_, _, theirs) = (fitted(q, "gradient-descent", iterations=9) for q in (problem, moved))
    np.testing.assert_allclose(
        ours.optimality.newton_decrement, theirs.optimality.newton_decrement, rtol=1e-5
    )


@QUICK
@given(problems())
def test_swapped_labels_flip_signs(problem):
    swapped = problem.changed(y=1 - problem.y)
    np.testing.assert_allclose(flat(fitted(problem)), -flat(fitted(swapped)), **SAME)


@QUICK
@given(problems(shifted=True), st.integers(-50, 50))
def test_a_constant_in_all_offsets_moves_the_intercept_alone(problem, constant):
    """As far as the fit's start at zero allows: what is further out, faces take from the offsets before."""
    intercepts, coef, _ = fitted(problem)
    moved, same, solution = fitted(problem.changed(offset=problem.offset + constant / 8.0))
    np.testing.assert_allclose(moved + constant / 8.0, intercepts, **SAME)
    np.testing.assert_allclose(same, coef, **SAME)
    assert solution.status is Status.converged


@QUICK
@given(problems(shifted=True), st.integers(0, 2**32 - 1), st.integers(1, 120))
def test_offsets_go_with_their_rows_and_change_sign_with_the_labels(problem, seed, block_rows):
    order = np.random.default_rng(seed).permutation(len(problem.y))
    weight = None if problem.weight is None else problem.weight[order]
    turned = problem.changed(
        X=problem.X[order],
        y=1 - problem.y[order],
        weight=weight,
        offset=-problem.offset[order],
        block_rows=block_rows,
    )
    np.testing.assert_allclose(flat(fitted(problem)), -flat(fitted(turned)), **SAME)


@QUICK
@given(problems(classes=4))
def test_one_vs_rest_is_each_class_against_the_rest(problem):
    together = problem.changed(loss=Bernoulli((0, 1, 2, 3)))
    apart = [problem.changed(y=(problem.y == k).astype(np.int64), loss=Bernoulli()) for k in range(4)]
    alone = [fitted(q) for q in apart]
    assume(all(solution.status is Status.converged for _, _, solution in alone))
    np.testing.assert_allclose(
        flat(fitted(together)), np.vstack([flat(one) for one in alone]), rtol=1e-10, atol=1e-11
    )


@QUICK
@given(problems(classes=4), st.permutations(range(4)))
def test_softmax_does_not_care_which_class_is_the_reference(problem, codes):
    """Class k becomes class codes[k]; coefficients are compared centred over all four classes."""
    renamed = problem.changed(y=np.array(codes)[problem.y])

    def centred(fit):
        full = np.vstack([np.zeros(problem.X.shape[1] + 1), flat(fit)])
        return full - full.mean(axis=0)

    np.testing.assert_allclose(centred(fitted(problem)), centred(fitted(renamed))[codes], **SAME)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("block_rows", [1, 33])
def test_every_problem_ends_the_same_in_any_blocks(name, block_rows):
    problem = PROBLEMS[name]
    whole, parts = fitted(problem)[2], fitted(problem.changed(block_rows=block_rows))[2]
    assert whole.status is parts.status
    np.testing.assert_array_equal(whole.held, parts.held)
    close = 1e-7 if whole.status is Status.converged else 1e-3
    np.testing.assert_allclose(whole.theta, parts.theta, rtol=close, atol=1e-9)


def test_the_same_fit_twice_is_the_same_to_the_bit():
    for problem in PROBLEMS.values():
        np.testing.assert_array_equal(fitted(problem)[2].theta, fitted(problem)[2].theta)
