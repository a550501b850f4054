"""Exact in whatever parts numbers come: against fractions, sets and sorting."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.data.exact import (
    Different,
    ExactSum,
    Ranks,
    keys_of,
    mixed,
    numbers_of,
    quartile_ranks,
    quartiles,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
UNIT = st.floats(-1, 1)


def parts(values, size):
    return [np.array(values[at : at + size]) for at in range(0, len(values), size)]


@given(st.lists(UNIT, max_size=50), st.integers(1, 50))
@settings(deadline=None)
def test_a_sum_is_exact_whatever_its_parts(values, size):
    total = ExactSum()
    for part in parts(values, size):
        total.add(part)
    assert float(total.total) == pytest.approx(math.fsum(values), rel=1e-15, abs=1e-40)


def test_a_sum_keeps_what_is_left_of_numbers_that_cancel():
    values = [1.0, 2.0**-70, -1.0, 2.0**-79, 0.1, -0.1]
    total = ExactSum()
    for value in values:
        total.add(np.array([value]))
    assert total.total == sum(map(Fraction, values))


@given(st.lists(FINITE, min_size=1, max_size=50))
def test_keys_are_in_the_order_of_their_numbers(values):
    array = np.array(values)
    assert np.array_equal(np.argsort(keys_of(array), kind="stable"), np.argsort(array, kind="stable"))
    assert np.array_equal(numbers_of(keys_of(array)), array + 0.0)


def test_hashes_differ_where_numbers_do():
    values = np.concatenate(
        [np.arange(-50_000, 50_000) / 7, np.nextafter(1.0, 2.0) * 2.0 ** np.arange(-500, 500)]
    )
    assert len(np.unique(mixed(values))) == len(np.unique(values))
    assert mixed(np.array([0.0]))[0] == mixed(np.array([-0.0]))[0]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=200), st.integers(1, 60))
@settings(deadline=None)
def test_different_numbers_are_counted_exactly_where_they_fit(values, size):
    found = Different(41)
    for part in parts([float(value) for value in values], size):
        found.add(mixed(part))
    assert (found.count, found.exact) == (len(set(values)), True)


@pytest.mark.parametrize("n", [5_000, 50_000])
def test_more_different_numbers_are_estimated_whatever_their_parts(n):
    hashes = mixed(np.random.default_rng(0).permutation(np.tile(np.arange(n) / 3, 2)))
    whole, cut = Different(2048), Different(2048)
    whole.add(hashes)
    for at in range(0, len(hashes), 777):
        cut.add(hashes[at : at + 777])
    assert whole.count == cut.count
    assert not whole.exact
    assert abs(whole.count / n - 1) < 4 / math.sqrt(2048)


@given(
    st.lists(st.one_of(FINITE, st.sampled_from([0.0, -0.0, 1.5])), min_size=1, max_size=60),
    st.integers(1, 20),
    st.integers(1, 20),
)
@settings(deadline=None, max_examples=200)
def test_numbers_at_ranks_are_those_of_sorting(values, size, room):
    ordered = np.sort(np.array(values) + 0.0)
    ranks = Ranks(min(values), max(values), len(values), quartile_ranks(len(values)), room)
    readings = 0
    while not ranks.done:
        for part in parts(values, size):
            ranks.add(part)
        ranks.narrow()
        readings += 1
    assert readings <= 5
    assert all(ordered[rank] == value for rank, value in ranks.found.items())
    assert set(ranks.found) == set(quartile_ranks(len(values)))


def test_quartiles_are_interpolated_as_numpy_does():
    values = np.sort(np.random.default_rng(1).normal(size=1003)) * 1e5
    for n in (1, 2, 3, 4, 5, 6, 1003):
        _, exponent = np.frexp(np.abs(values[:n]).max())
        found = quartiles({rank: values[rank] for rank in quartile_ranks(n)}, n, int(exponent))
        scaled = np.ldexp(values[:n], -exponent)
        assert found == np.ldexp(np.quantile(scaled, [0.25, 0.5, 0.75]), exponent).tolist()
