from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from oddsmith.errors import InputError
from oddsmith.evaluate.isotonic import pav

# Means on a coarse grid, so that ties are common.
cells = st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 5)), min_size=1, max_size=60).map(
    lambda rows: tuple(np.array(rows, dtype=float).T)
)


@settings(max_examples=200, deadline=None)
@given(cells)
def test_the_fit_is_optimal(case):
    # Karush, Kuhn and Tucker: values rise, and within a block no part from the left lies below its value.
    mean, weight = case
    fitted, borders = pav(mean, weight)
    values = fitted[borders[:-1]]
    assert (np.diff(values) > 0).all()
    assert (borders[0], borders[-1]) == (0, len(mean))
    np.testing.assert_array_equal(fitted, np.repeat(values, np.diff(borders)))
    for start, end in pairwise(borders):
        surplus = np.cumsum(weight[start:end] * (mean[start:end] - fitted[start:end]))
        assert (surplus >= -1e-12).all()
        assert surplus[-1] == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(cells)
def test_weight_2_is_a_cell_twice_and_the_scale_of_weights_does_not_matter(case):
    mean, weight = case
    fitted, _ = pav(mean, weight)
    times = weight.astype(int)
    repeated, _ = pav(np.repeat(mean, times), np.ones(times.sum()))
    np.testing.assert_allclose(np.repeat(fitted, times), repeated, atol=1e-13)
    np.testing.assert_array_equal(pav(mean, weight * 2.0**-300)[0], fitted)


@settings(max_examples=60, deadline=None)
@given(cells, cells)
def test_a_fit_of_a_fit_changes_nothing(first, second):
    mean, weight = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    fitted, borders = pav(mean, weight)
    again, same = pav(fitted, weight)
    np.testing.assert_allclose(again, fitted, atol=1e-13)
    np.testing.assert_array_equal(same, borders)


@pytest.mark.parametrize("shape", ["labels", "noise", "falling", "saw"])
@pytest.mark.parametrize("weighted", [False, True])
def test_fits_agree_with_scikit_learn(shape, weighted):
    random = np.random.default_rng(5)
    m = 3000
    mean = {
        "labels": (random.random(m) < np.linspace(0, 1, m)).astype(float),
        "noise": random.normal(size=m) + np.linspace(0, 3, m),
        "falling": -np.arange(m, dtype=float),
        "saw": np.tile([0.0, 1.0, 0.5], m // 3) + np.arange(m) / 1e4,
    }[shape]
    weight = random.exponential(size=m) if weighted else np.ones(m)
    peer = IsotonicRegression().fit_transform(np.arange(m), mean, sample_weight=weight)
    np.testing.assert_allclose(pav(mean, weight)[0], peer, rtol=1e-12, atol=1e-13)


def test_a_sequence_of_which_a_pass_pools_two_cells_is_pooled_from_left_to_right():
    # 0, 1, ..., m - 2 and then a trap: every pass lets the last block fall below one more.
    m = 20_000
    mean = np.append(np.arange(m - 1.0), -1e5)
    peer = IsotonicRegression().fit_transform(np.arange(m), mean)
    fitted, borders = pav(mean, np.ones(m))
    np.testing.assert_allclose(fitted, peer, rtol=1e-13)
    pooled = m - (len(borders) - 2)
    assert pooled > 2
    assert fitted[-1] == pytest.approx(mean[-pooled:].mean())


def test_cells_that_rise_keep_their_means_to_the_bit():
    mean = np.sort(np.random.default_rng(1).random(500))
    weight = np.random.default_rng(2).random(500) + 0.1
    assert not np.array_equal(mean * weight / weight, mean)
    np.testing.assert_array_equal(pav(mean, weight)[0], mean)
    mean[250:252] = mean[251:249:-1]
    fitted, borders = pav(mean, weight)
    assert len(borders) == 500
    np.testing.assert_array_equal(np.delete(fitted, [250, 251]), np.delete(mean, [250, 251]))


def test_blocks_of_one_label_are_exactly_0_and_1():
    weight = np.full(9, 0.1)
    fitted, borders = pav(np.array([0.0, 0, 0, 1, 0, 1, 1, 1, 1]), weight)
    np.testing.assert_array_equal(fitted[[0, 3, 8]], [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(borders, [0, 3, 5, 9])


def test_nothing_has_an_empty_fit():
    fitted, borders = pav(np.array([]), np.array([]))
    assert (len(fitted), borders.tolist()) == (0, [0])


@pytest.mark.parametrize(
    ("mean", "weight", "said"),
    [
        ([0.0, 1.0], [1.0], "means have shape"),
        ([0.0, np.nan], [1.0, 1.0], "a mean is not finite"),
        ([0.0, 1.0], [1.0, 0.0], "a weight is not positive"),
        ([0.0, 1.0], [1.0, np.inf], "a weight is not positive"),
    ],
)
def test_cells_without_a_mean_or_a_weight_are_refused(mean, weight, said):
    with pytest.raises(InputError, match=said):
        pav(np.array(mean), np.array(weight))
