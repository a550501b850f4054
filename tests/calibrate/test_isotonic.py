import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from oddsmith.calibrate.isotonic import pav

cells = st.lists(st.tuples(st.integers(-4, 4), st.integers(1, 5)), min_size=1, max_size=40)


@settings(max_examples=200)
@given(cells)
def test_pooling_agrees_with_scikit_learn(rows):
    mean, weight = np.array(rows, dtype=float).T
    np.testing.assert_allclose(
        pav(mean, weight), isotonic_regression(mean, sample_weight=weight), rtol=1e-13, atol=1e-13
    )


@settings(max_examples=200)
@given(cells)
def test_blocks_are_their_means_and_no_block_hides_a_rise(rows):
    # The optimality conditions: the partial sums of what is left are never negative, and 0 where a block ends.
    mean, weight = np.array(rows, dtype=float).T
    fitted = pav(mean, weight)
    assert (np.diff(fitted) >= 0.0).all()
    left = np.cumsum(weight * (mean - fitted))
    assert left.min() > -1e-11
    ends = np.append(np.flatnonzero(np.diff(fitted) > 0.0), len(fitted) - 1)
    np.testing.assert_allclose(left[ends], 0.0, atol=1e-11)


@pytest.mark.parametrize("shape", ["random", "falling", "one falls", "sawtooth"])
def test_long_sequences_agree_with_scikit_learn(shape):
    n = 50_000
    rng = np.random.default_rng(0)
    weight = rng.exponential(size=n)
    mean = {
        "random": (rng.random(n) < np.linspace(0, 1, n)).astype(float),
        "falling": -np.arange(n) / n,
        "one falls": np.append(np.arange(n - 1) / n, 0.0),
        "sawtooth": np.arange(n) / n + 0.01 * (np.arange(n) % 7),
    }[shape]
    np.testing.assert_allclose(
        pav(mean, weight), isotonic_regression(mean, sample_weight=weight), rtol=1e-11, atol=1e-12
    )


def test_a_block_is_one_value_to_the_bit():
    rng = np.random.default_rng(1)
    fitted = pav(rng.random(1000), rng.exponential(size=1000))
    assert len(np.unique(fitted)) == 1 + np.count_nonzero(np.diff(fitted) > 1e-12)
