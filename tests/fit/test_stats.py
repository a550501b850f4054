"""Sums over rows: exact where they can be checked exactly, and the same however the rows are cut."""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.data.block import BLOCK_BYTES, ArraySource, Block
from oddsmith.data.moments import Moments, extent, measures, moments
from oddsmith.engines import reduce
from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.matrix import (
    Standardisation,
    coupled_gram,
    gram,
    log_odds,
    predictors,
    pulled_back,
)
from oddsmith.fit.stats import accumulate, reach

EPS = np.finfo(float).eps
LOSSES = pytest.mark.parametrize("loss", [Bernoulli(), Bernoulli((0, 1, 2)), Softmax(3), Softmax(4)], ids=str)
QUICK = settings(max_examples=40, deadline=None)


def rows(loss, n=90, p=3, seed=0):
    rng = np.random.default_rng(seed)
    block = Block(
        rng.normal(size=(n, p)) + 5.0,
        rng.integers(4, size=n),
        rng.uniform(0.0, 3.0, n) * (rng.random(n) < 0.8),
    )
    coef = rng.normal(size=(loss.n_problems * loss.n_coupled, p + 1))
    return block, coef, block.X.mean(axis=0)


@LOSSES
def test_sums_are_those_of_a_loop_over_rows(loss):
    block, coef, centre = rows(loss, n=12)
    found = accumulate(
        block, coef, loss=loss, standardisation=Standardisation(centre, np.ones_like(centre)), order=2
    )
    losses, gradient = np.zeros_like(found.loss), np.zeros_like(found.gradient)
    for x, y, w in zip(block.X, block.y, block.sample_weight, strict=True):
        a = np.concatenate([[1.0], x - centre])
        eta = (coef @ a)[:, None]
        truth = loss.truth(np.array([y]))
        losses += w * loss.loss(eta, truth)[:, 0]
        gradient += w * np.outer(loss.derivatives(eta, truth)[1][:, 0], a).reshape(gradient.shape)
    assert found.weight == pytest.approx(math.fsum(block.sample_weight), rel=4 * EPS)
    np.testing.assert_allclose(found.loss, losses, rtol=1e-14)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-12, atol=1e-13)


@LOSSES
def test_gradient_and_hessian_are_slopes_of_the_sums(loss):
    block, coef, centre = rows(loss)
    at = partial(accumulate, block, loss=loss, standardisation=Standardisation(centre, np.ones_like(centre)))
    stats, step = at(coef, order=2), 1e-5
    per_problem = loss.n_coupled * coef.shape[1]
    for j in range(coef.size):
        nudge = np.zeros(coef.size)
        nudge[j] = step
        nudge = nudge.reshape(coef.shape)
        problem, inner = divmod(j, per_problem)
        up, down = at(coef + nudge, order=1), at(coef - nudge, order=1)
        slope = (up.loss - down.loss) / (2 * step)
        np.testing.assert_allclose(stats.gradient[problem, inner], slope[problem], rtol=1e-7, atol=1e-6)
        bend = (up.gradient - down.gradient) / (2 * step)
        np.testing.assert_allclose(stats.hessian[problem, inner], bend[problem], rtol=1e-7, atol=1e-6)
    largest = np.abs(stats.hessian).max()
    np.testing.assert_allclose(
        stats.hessian, stats.hessian.transpose(0, 2, 1), rtol=0.0, atol=1e-14 * largest
    )


@LOSSES
def test_what_was_not_asked_for_is_empty_and_the_rest_is_unchanged(loss):
    block, coef, centre = rows(loss)
    full = accumulate(
        block, coef, loss=loss, standardisation=Standardisation(centre, np.ones_like(centre)), order=2
    )
    one = accumulate(
        block, coef, loss=loss, standardisation=Standardisation(centre, np.ones_like(centre)), order=1
    )
    zero = accumulate(
        block, coef, loss=loss, standardisation=Standardisation(centre, np.ones_like(centre)), order=0
    )
    assert (zero.gradient.size, zero.hessian.size, one.hessian.size) == (0, 0, 0)
    np.testing.assert_array_equal(zero.loss, full.loss)
    np.testing.assert_array_equal(one.gradient, full.gradient)


@LOSSES
@pytest.mark.parametrize("block_rows", [1, 7, 64, 89, 90, 1000])
def test_blocks_add_up_to_the_whole(loss, block_rows):
    block, coef, centre = rows(loss)
    kernel = partial(
        accumulate,
        coef=coef,
        loss=loss,
        standardisation=Standardisation(centre, np.ones_like(centre)),
        order=2,
    )
    whole = kernel(block)
    source = ArraySource(block.X, block.y, block.sample_weight, block_rows)
    added = reduce(source, kernel)
    for name in ("weight", "loss", "gradient", "hessian"):
        expected = np.asarray(getattr(whole, name))
        tolerance = 1e-13 * np.abs(expected).max()
        np.testing.assert_allclose(getattr(added, name), expected, rtol=0.0, atol=tolerance)
    step = coef[::-1]
    far = partial(
        reach, coef=coef, step=step, loss=loss, standardisation=Standardisation(centre, np.ones_like(centre))
    )
    np.testing.assert_allclose(reduce(source, far).move, far(block).move, rtol=1e-13)
    np.testing.assert_allclose(reduce(source, far).strain, far(block).strain, rtol=1e-12)
    np.testing.assert_allclose(reduce(source, far).margin, far(block).margin, rtol=1e-13, atol=1e-14)


def test_reach_ignores_rows_of_weight_zero():
    block = Block(np.array([[1.0], [2.0], [50.0]]), np.array([0, 1, 0]), np.array([1.0, 1.0, 0.0]))
    found = reach(
        block,
        np.array([[-3.0, 2.0]]),
        np.array([[0.0, 1.0]]),
        loss=Bernoulli(),
        standardisation=Standardisation(np.zeros(1), np.ones(1)),
    )
    np.testing.assert_array_equal(found.move, [2.0])
    np.testing.assert_allclose(found.strain, [4.0 * np.exp(1.0) / (1.0 + np.exp(1.0)) ** 2], rtol=1e-14)
    np.testing.assert_array_equal(found.margin, [1.0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("k", [1, 2, 4, 5, 9])
@pytest.mark.parametrize("p", [3, 201])
def test_matrix_products_are_what_they_say(k, p, dtype):
    """The ways that are fastest for few and many predictors and columns give one result."""
    rng = np.random.default_rng(1)
    X, centre, scale = rng.normal(size=(40, p)), rng.normal(size=p), rng.uniform(1.0, 2.0, p)
    Z = Standardisation(centre, scale).columns(X).astype(dtype)
    np.testing.assert_allclose(Z, (X - centre) / scale, rtol=1e-6 if dtype == np.float32 else 4 * EPS)
    A = np.column_stack([np.ones(40), Z])
    coef, r, d = rng.normal(size=(k, p + 1)), rng.normal(size=(k, 40)), rng.uniform(size=40)
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(predictors(Z, coef), np.einsum("ij,kj->ki", A, coef), **close)
    np.testing.assert_allclose(pulled_back(Z, r.astype(dtype)), np.einsum("ki,ij->kj", r, A), **close)
    np.testing.assert_allclose(gram(Z, d.astype(dtype)), np.einsum("ij,i,ik->jk", A, d, A), **close)
    if k * p < 700:
        coupled = np.einsum("ki,ij,mi,il->kjml", r, A, r, A)
        coupled[range(k), :, range(k)] = 0.0
        found = coupled_gram(Z, r.astype(dtype))
        np.testing.assert_allclose(found, coupled.reshape(k * (p + 1), -1), **close)


def test_coefficients_and_sums_change_between_scales_without_a_copy_of_the_columns():
    rng = np.random.default_rng(2)
    X, coef, r = rng.normal(3.0, 2.0, size=(30, 4)), rng.normal(size=(2, 5)), rng.normal(size=(2, 30))
    scaling = Standardisation(X.mean(axis=0), X.std(axis=0))
    Z = scaling.columns(X)
    np.testing.assert_allclose(predictors(X, scaling.raw(coef)), predictors(Z, coef), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        scaling.standardised(pulled_back(X, r)), pulled_back(Z, r), rtol=1e-12, atol=1e-12
    )
    assert Standardisation(np.zeros(4), np.ones(4)).columns(X) is X
    far = Standardisation(np.full(4, 20.0), np.ones(4))
    assert (far.is_near(np.dtype(np.float64)), far.is_near(np.dtype(np.float32))) == (True, False)


def test_reduce_adds_in_order_and_refuses_nothing():
    assert reduce([1e16, 1.0, -1e16, 1.0], float) == 1.0
    assert reduce(["a", "b", "c"], str.upper) == "ABC"
    with pytest.raises(ValueError, match="no sum"):
        reduce([], float)


def test_blocks_are_views_that_cover_every_row_once():
    X = np.arange(210_000.0).reshape(70_000, 3)
    source = ArraySource(X, np.arange(70_000))
    blocks = list(source)
    assert [len(block.y) for block in blocks] == [32_768, 32_768, 4464]
    assert all(np.shares_memory(block.X, X) for block in blocks)
    np.testing.assert_array_equal(np.concatenate([block.y for block in blocks]), np.arange(70_000))
    wide = next(iter(ArraySource(np.zeros((600, 1000)), np.zeros(600, dtype=np.int64))))
    assert len(wide.y) == 512
    middle = next(iter(ArraySource(np.zeros((9000, 50)), np.zeros(9000, dtype=np.int64))))
    assert len(middle.y) == BLOCK_BYTES // (8 * 50)


values = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@QUICK
@given(
    st.lists(st.tuples(values, st.sampled_from([0.0, 0.5, 1.0, 1.0, 3.0])), min_size=2, max_size=30),
    st.data(),
)
def test_moments_of_parts_merge_into_the_exact_moments(cells, data):
    x, w = np.array(cells).T
    cut = data.draw(st.integers(1, len(x) - 1))
    parts = [Block(x[s, None], np.zeros(len(x[s])), w[s]) for s in (slice(cut), slice(cut, None))]
    found = moments(parts[0]) + moments(parts[1])
    total = sum(map(Fraction, w))
    assert found.weight == total
    if total:
        mean = sum(Fraction(a) * Fraction(b) for a, b in zip(x, w, strict=True)) / total
        scatter = sum(Fraction(b) * (Fraction(a) - mean) ** 2 for a, b in zip(x, w, strict=True))
        size = np.abs(x[w > 0]).max()
        assert abs(Fraction(found.mean[0]) - mean) <= 8 * EPS * size
        slack = 1e-14 * float(scatter) + float(total) * (8 * EPS * size) ** 2
        assert abs(Fraction(found.scatter[0]) - scatter) <= slack


def test_moments_far_from_zero_keep_what_the_mean_can_hold():
    """A block loses nothing; a merge loses what rounding of the two means takes from their gap."""
    x = 1e9 + np.random.default_rng(2).normal(size=(5000, 2))
    source = ArraySource(x, np.zeros(5000, dtype=np.int64), None, 700)
    found = reduce(source, moments)
    exact = x - x[0]
    mean = np.array([math.fsum(column) / 5000 for column in exact.T])
    scatter = [math.fsum((c - m) ** 2) for c, m in zip(exact.T, mean, strict=True)]
    np.testing.assert_allclose(found.mean, x[0] + mean, rtol=2 * EPS)
    sigma = np.sqrt(np.array(scatter) / 5000)
    whole = moments(Block(x, np.zeros(5000, dtype=np.int64), None))
    np.testing.assert_allclose(whole.sigma, sigma, rtol=1e-13)
    np.testing.assert_allclose(found.sigma, sigma, rtol=0.02 * EPS * 1e9)


@pytest.mark.parametrize("value", [0.1, 1e15 + 0.25, -1e-300])
def test_a_constant_column_has_sigma_zero_exactly(value):
    source = ArraySource(np.full((100, 1), value), np.zeros(100, dtype=np.int64), np.linspace(0, 1, 100), 7)
    found = reduce(source, moments)
    assert found.sigma[0] == 0.0
    assert found.mean[0] == value


def test_a_part_of_weight_zero_adds_nothing():
    some = moments(Block(np.array([[3.0], [5.0]]), np.zeros(2), None))
    none = moments(Block(np.array([[1e300]]), np.zeros(1), np.zeros(1)))
    for merged in (some + none, none + some):
        assert (merged.weight, merged.mean[0], merged.scatter[0]) == (2.0, 4.0, 2.0)
    assert isinstance(none + none, Moments)
    assert (none + none).weight == 0.0


@pytest.mark.parametrize("power", [-300, -160, -120, 0, 120, 160, 300])
def test_measures_of_columns_whose_squares_no_double_holds(power):
    """They are those of the column in ordinary units; a power of two changes no digit."""
    x = np.random.default_rng(3).normal([0.0, 5.0], size=(500, 2))
    w = np.random.default_rng(4).uniform(size=500)
    unit = 2.0 ** (power / np.log10(2.0) // 1)
    plain = measures(ArraySource(x, np.zeros(500, dtype=np.int64), w, 70))
    found = measures(ArraySource(x * [unit, 1.0], np.zeros(500, dtype=np.int64), w, 70))
    assert (plain.largest >= np.abs(x).max(axis=0)).all()
    if abs(power) > 150:
        np.testing.assert_array_equal(found.largest, np.abs(x * [unit, 1.0]).max(axis=0))
    for name in ("mean", "sigma"):
        np.testing.assert_allclose(getattr(found, name), getattr(plain, name) * [unit, 1.0], rtol=1e-14)


def test_measures_show_cells_that_are_no_finite_numbers():
    x = np.ones((40, 4))
    x[17, 1], x[30, 2], x[31, 3] = np.nan, -np.inf, np.inf
    found = measures(ArraySource(x, np.zeros(40, dtype=np.int64), None, 9)).largest
    np.testing.assert_array_equal(found, [1.0, np.nan, np.inf, np.inf])
    weightless = extent(Block(np.array([[-7.0], [3.0]]), np.zeros(2), np.zeros(2)))
    np.testing.assert_array_equal(weightless.largest, [7.0])


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.float64])
@pytest.mark.parametrize("layout", ["C", "F", "every other", "reversed"])
def test_blocks_are_views_where_products_can_use_them(dtype, layout):
    """Doubles and single precision stay; other types and gaps become contiguous, a block at a time."""
    X = np.arange(600).reshape(200, 3).astype(dtype)
    given = {
        "C": X,
        "F": np.asfortranarray(X),
        "every other": np.repeat(X, 2, axis=1)[:, ::2],
        "reversed": X[::-1].copy()[::-1],
    }[layout]
    source = ArraySource(given, np.arange(200), None, 64)
    blocks = list(source)
    wanted = np.float32 if dtype == np.float32 else np.float64
    assert source.dtype == wanted
    assert all(block.X.dtype == wanted and block.X.itemsize in block.X.strides for block in blocks)
    viewed = dtype == wanted and layout != "every other"
    assert all(np.shares_memory(block.X, given) == viewed for block in blocks)
    np.testing.assert_array_equal(np.concatenate([block.X for block in blocks]), X)
    np.testing.assert_array_equal(source.take(np.array([2, 5])).X, X[[2, 5]])


@QUICK
@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32 - 1), st.data())
def test_a_rows_log_odds_are_its_own_to_the_bit(n, p, k, seed, data):
    """Whatever rows are scored with it, in whatever layout; BLAS would not give that."""
    rng = np.random.default_rng(seed)
    X, mean, coef, average = (
        rng.normal(size=(n, p)),
        rng.normal(size=p),
        rng.normal(size=(k, p)),
        rng.normal(size=k),
    )
    whole = log_odds(X, mean, coef, average)
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start + 1, n))
    np.testing.assert_array_equal(log_odds(X[start:stop], mean, coef, average), whole[start:stop])
    np.testing.assert_array_equal(log_odds(np.asfortranarray(X), mean, coef, average), whole)
    exact = [[math.fsum([a, *(b * (x - mean))]) for a, b in zip(average, coef, strict=True)] for x in X]
    np.testing.assert_allclose(
        whole, exact, rtol=0.0, atol=4 * EPS * p * (1.0 + np.abs(X - mean).max() * 4.0)
    )


def test_log_odds_of_many_rows_and_of_no_column():
    """More rows than a block holds; a model without columns gives each row its average."""
    rng = np.random.default_rng(5)
    X, coef = rng.normal(size=(BLOCK_BYTES // 16 + 10, 2)), rng.normal(size=(1, 2))
    found = log_odds(X, np.zeros(2), coef, np.zeros(1))
    np.testing.assert_allclose(found[:, 0], X @ coef[0], rtol=1e-12, atol=1e-15)
    bare = log_odds(np.empty((3, 0)), np.empty(0), np.empty((2, 0)), np.array([0.5, -0.5]))
    np.testing.assert_array_equal(bare, [[0.5, -0.5]] * 3)
