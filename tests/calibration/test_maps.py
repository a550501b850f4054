import math
import time

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oddsmith.calibration.maps import (
    FARTHEST,
    Beta,
    Identity,
    Isotonic,
    Map,
    Platt,
    PriorShift,
    Temperature,
    VennAbers,
    calibrated,
    logit,
)
from oddsmith.errors import InputError
from oddsmith.fit.losses import expit, softplus

finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-50, 50)
shares = st.floats(1e-9, 1 - 1e-9)


def rising(elements, least=1):
    return st.lists(elements, min_size=least, max_size=8, unique=True).map(sorted)


@st.composite
def isotonic(draw):
    knots = draw(rising(st.floats(-FARTHEST, FARTHEST), 2))
    values = sorted(draw(st.lists(moderate, min_size=len(knots), max_size=len(knots))))
    assume(values[0] < values[-1])
    return Isotonic(knots, values)


@st.composite
def venn_abers(draw):
    knots = draw(rising(moderate))
    middle = sorted(draw(st.lists(shares, min_size=len(knots), max_size=len(knots))))
    wide = draw(st.floats(0, 1))
    p1 = np.maximum.accumulate([p + (1 - p) * wide for p in middle])
    return VennAbers(knots, [min(wide * p, p) for p in middle], knots, p1.tolist())


maps = st.one_of(
    st.just(Identity()),
    st.builds(Platt, st.floats(1e-3, 1e3), moderate),
    st.builds(Temperature, st.floats(1e-3, 1e3)),
    st.tuples(st.floats(0, 100), st.floats(0, 100), moderate)
    .filter(lambda abc: max(abc[:2]) > 0)
    .map(lambda abc: Beta(*abc)),
    isotonic(),
    venn_abers(),
    st.builds(PriorShift, shares, shares),
)
EXAMPLES = [
    Identity(),
    Platt(0.7, -1.25),
    Temperature(1.7),
    Beta(0.3, 2.1, -0.4),
    Beta(0.0, 1.3, 0.2),
    Isotonic([-2.0, -1.0, 0.5, 3.0], [-1.5, -1.5, 0.25, 4.0]),
    VennAbers([-1.0, 0.0, 2.0], [0.1, 0.3, 0.8], [-1.5, 0.0, 1.0], [0.15, 0.5, 0.9]),
    PriorShift(0.3, 0.02),
]


@settings(max_examples=300)
@given(maps, st.lists(finite, min_size=1, max_size=20))
def test_every_map_is_finite_and_never_falls(mapping, eta):
    scores = np.sort(np.array([*eta, -1.7e308, 1.7e308, 0.0, 5e-324]))
    found = calibrated(mapping, scores)
    assert np.isfinite(found).all()
    if not isinstance(mapping, Beta):
        assert (found[1:] >= found[:-1]).all()
    else:
        # Its logarithm may fall by a few units in the last place of the largest term.
        largest = np.maximum(np.abs(found) / 2, max(mapping.a, mapping.b, abs(mapping.c)))
        assert (np.diff(found / 2) >= -8 * np.finfo(float).eps * largest[1:]).all()


@settings(max_examples=100)
@given(maps, st.lists(finite, min_size=1, max_size=20))
def test_json_gives_the_same_map_and_the_same_bits(mapping, eta):
    text = msgspec.json.encode(mapping)
    again = msgspec.json.decode(text, type=Map)
    assert again == mapping
    assert msgspec.json.encode(again) == text
    np.testing.assert_array_equal(calibrated(again, eta), calibrated(mapping, eta))


@pytest.mark.parametrize("mapping", EXAMPLES, ids=str)
def test_a_row_does_not_depend_on_its_neighbours_to_the_bit(mapping):
    eta = np.random.default_rng(0).normal(scale=5, size=257)
    whole = calibrated(mapping, eta)
    alone = np.array([calibrated(mapping, eta[i : i + 1])[0] for i in range(257)])
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(calibrated(mapping, eta[::-1]), whole[::-1])
    np.testing.assert_array_equal(calibrated(mapping, np.repeat(eta, 3)[::3]), whole)


@pytest.mark.parametrize("mapping", EXAMPLES, ids=str)
def test_only_step_functions_say_that_they_make_ties(mapping):
    eta = np.linspace(-8.0, 8.0, 200)
    assert mapping.makes_ties == (len(np.unique(calibrated(mapping, eta))) < 200)


def test_what_each_map_computes():
    eta = np.array([-30.0, -2.0, -0.3, 0.0, 0.4, 3.0, 25.0])
    p = expit(eta)
    np.testing.assert_array_equal(calibrated(Identity(), eta), eta)
    np.testing.assert_allclose(calibrated(Platt(2.0, 0.5), eta), 2 * eta + 0.5, rtol=1e-15)
    np.testing.assert_allclose(calibrated(Temperature(4.0), eta), eta / 4, rtol=1e-15)
    by_density = p**0.7 / (1 - p) ** 1.6 * math.exp(0.3)
    np.testing.assert_allclose(np.exp(calibrated(Beta(0.7, 1.6, 0.3), eta)), by_density, rtol=1e-4)
    np.testing.assert_allclose(
        calibrated(Beta(0.7, 1.6, 0.3), eta), -0.7 * softplus(-eta) + 1.6 * softplus(eta) + 0.3, rtol=1e-14
    )
    np.testing.assert_allclose(calibrated(Beta(1.3, 1.3, 0.0), eta), 1.3 * eta, rtol=1e-15)
    np.testing.assert_allclose(
        calibrated(Isotonic([-2.0, 0.0, 4.0], [-1.0, 0.0, 1.0]), eta),
        np.interp(eta, [-2.0, 0.0, 4.0], [-1.0, 0.0, 1.0]),
        rtol=1e-15,
    )
    shifted = expit(calibrated(PriorShift(0.5, 0.1), eta))
    np.testing.assert_allclose(shifted, 0.1 * p / (0.1 * p + 0.9 * (1 - p)), rtol=1e-13)


def test_a_knot_is_met_to_the_bit_from_both_sides():
    low, high = -1.009618183538736, -0.20917557487171307
    assert low + (high - low) > high
    found = calibrated(Isotonic([0.0, 1.0, 2.0], [low, high, high]), [0.0, 1.0, 1.5, 2.0, 3.0])
    assert found.tolist() == [low, high, high, high, high]
    ends = calibrated(Isotonic([0.0, 1.0], [low, high]), [np.nextafter(1.0, 0.0), 1.0])
    assert ends[0] <= ends[1] == high


def test_a_venn_abers_map_is_a_pair_of_step_functions_closed_on_the_sides_where_they_step():
    mapping = VennAbers([0.0, 2.0], [0.2, 0.6], [0.0, 2.0], [0.5, 0.75])
    low, high = mapping.interval(np.array([-1.0, 0.0, 1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(low, [0.0, 0.2, 0.2, 0.6, 0.6])
    np.testing.assert_array_equal(high, [0.5, 0.5, 0.75, 0.75, 1.0])
    merged = high / (1 - low + high)
    np.testing.assert_allclose(expit(calibrated(mapping, [-1.0, 0.0, 1.0, 2.0, 3.0])), merged, rtol=1e-14)


def test_beta_keeps_its_digits_where_probabilities_are_0_or_1():
    assert calibrated(Beta(0.5, 2.0, 0.0), [-800.0, 800.0]).tolist() == [-400.0, 1600.0]


def test_a_shift_and_back_is_where_it_was():
    eta = np.linspace(-9, 9, 50)
    there = calibrated(PriorShift(0.4, 0.001), eta)
    np.testing.assert_allclose(calibrated(PriorShift(0.001, 0.4), there), eta, atol=1e-14)
    assert calibrated(PriorShift(0.5, 0.02), [0.0])[0] == logit(0.02)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"method":"platt","slope":0,"intercept":0}', "slope 0.0 is not a positive number"),
        ('{"method":"platt","slope":-1,"intercept":0}', "slope -1.0"),
        ('{"method":"platt","slope":1,"intercept":0,"shell":"rm"}', "unknown field"),
        ('{"method":"temperature","temperature":0}', "temperature 0.0"),
        ('{"method":"beta","a":-1,"b":1,"c":0}', "a -1.0 and b 1.0"),
        ('{"method":"beta","a":0,"b":0,"c":0}', "one of them positive"),
        ('{"method":"isotonic","knots":[0,0],"values":[0,1]}', "knots do not rise"),
        ('{"method":"isotonic","knots":[0,1],"values":[1,0]}', "values fall"),
        ('{"method":"isotonic","knots":[0,1],"values":[1,1]}', "flat"),
        ('{"method":"isotonic","knots":[],"values":[]}', "knots are none"),
        ('{"method":"isotonic","knots":[0],"values":[1]}', "flat"),
        ('{"method":"venn-abers","p0_knots":[0],"p0":[0],"p1_knots":[],"p1":[]}', "p1_knots are none"),
        ('{"method":"isotonic","knots":[0,1],"values":[1]}', "1 of 2 knots"),
        ('{"method":"isotonic","knots":[0,1e300],"values":[0,1]}', "up to 1e\\+15"),
        ('{"method":"isotonic","knots":[0,1],"values":[-1e300,1e300]}', "from -10000"),
        (
            '{"method":"venn-abers","p0_knots":[0],"p0":[1.0],"p1_knots":[0],"p1":[1.0]}',
            "p0 do not lie from 0",
        ),
        ('{"method":"venn-abers","p0_knots":[0],"p0":[0.5],"p1_knots":[0],"p1":[0.0]}', "p1 do not lie"),
        ('{"method":"venn-abers","p0_knots":[0],"p0":[0.5],"p1_knots":[0],"p1":[0.4]}', "p0 is above p1"),
        ('{"method":"prior-shift","before":0,"after":0.5}', "before 0.0: not a share"),
        ('{"method":"prior-shift","before":0.5,"after":1}', "after 1.0: not a share"),
        ('{"method":"pickle"}', "pickle"),
    ],
)
def test_a_file_with_impossible_numbers_is_refused(text, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.json.decode(text, type=Map)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(number):
    makers = [
        lambda: Platt(number, 0.0),
        lambda: Platt(1.0, number),
        lambda: Temperature(number),
        lambda: Beta(number, 1.0, 0.0),
        lambda: Beta(1.0, number, 0.0),
        lambda: Beta(1.0, 1.0, number),
        lambda: Isotonic([0.0, number], [0.0, 1.0]),
        lambda: Isotonic([0.0, 1.0], [0.0, number]),
        lambda: VennAbers([number], [0.1], [0.0], [0.2]),
        lambda: VennAbers([0.0], [number], [0.0], [0.2]),
        lambda: VennAbers([0.0], [0.1], [0.0], [number]),
        lambda: PriorShift(number, 0.5),
        lambda: PriorShift(0.5, number),
    ]
    for make in makers:
        with pytest.raises(InputError):
            make()


def test_scores_are_a_row_of_finite_numbers():
    with pytest.raises(InputError, match="row 2: score nan"):
        calibrated(Identity(), [0.0, math.nan])
    for shape in ((), (2, 1)):
        with pytest.raises(InputError, match="shape"):
            calibrated(Identity(), np.zeros(shape))
    assert calibrated(Platt(1.0, 1.0), []).shape == (0,)


@pytest.mark.slow
@pytest.mark.parametrize("mapping", EXAMPLES, ids=str)
def test_a_million_rows_take_well_under_a_second(mapping):
    eta = np.random.default_rng(0).normal(size=1_000_000)
    started = time.process_time()
    calibrated(mapping, eta)
    assert time.process_time() - started < 1.0
