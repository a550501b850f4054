import math
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oddsmith.calibration.inverse import border, turn
from oddsmith.calibration.maps import (
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
from tests.calibration.test_maps import finite, maps, moderate

LARGEST = sys.float_info.max


def through(applied: list[Map], eta: list[float]) -> np.ndarray:
    scores = np.array(eta)
    for mapping in applied:
        scores = calibrated(mapping, scores)
    return scores


@settings(max_examples=200)
@given(st.lists(maps, max_size=3), st.one_of(moderate, finite), st.lists(finite, max_size=10))
def test_the_border_decides_as_the_calibrated_log_odds_do(applied, threshold, others):
    found = border(applied, threshold)
    below, at = math.nextafter(found, -math.inf), found
    if math.isfinite(found):
        assert through(applied, [at])[0] >= threshold
        assert math.isinf(below) or through(applied, [below])[0] < threshold
    assume(not any(isinstance(mapping, Beta) for mapping in applied))
    eta = [*others, -LARGEST, LARGEST, 0.0, 5e-324, *(x for x in (below, at) if math.isfinite(x))]
    np.testing.assert_array_equal(through(applied, eta) >= threshold, np.array(eta) >= found)


@settings(max_examples=100)
@given(st.lists(maps, max_size=2), moderate, moderate)
def test_a_higher_threshold_has_no_lower_border(applied, one, other):
    assume(not any(isinstance(mapping, Beta) for mapping in applied))
    assert border(applied, min(one, other)) <= border(applied, max(one, other))


def test_borders_that_have_a_formula():
    assert border([], -1.25) == border([Identity()], -1.25) == -1.25
    assert border([Platt(2.0, 1.0)], 4.0) == 1.5
    assert border([Temperature(4.0)], 0.5) == 2.0
    assert border([Platt(2.0, 1.0), Temperature(4.0)], 1.0) == 1.5
    assert border([PriorShift(0.3, 0.02)], 0.0) == pytest.approx(logit(0.3) - logit(0.02), rel=1e-15)
    assert border([Beta(0.5, 2.0, 0.0)], -400.0) == -800.0


def test_steps_are_left_where_they_step_and_flat_stretches_where_they_begin():
    isotonic = Isotonic([-2.0, -1.0, 0.5, 3.0], [-1.5, -1.5, 0.25, 4.0])
    # Just below a knot the value rounds to that of the knot.
    assert border([isotonic], 0.25) == pytest.approx(0.5, rel=1e-15)
    assert border([isotonic], -1.5) == -math.inf
    assert border([isotonic], 4.0) == pytest.approx(3.0, rel=1e-15)
    assert border([isotonic], math.nextafter(4.0, 5.0)) == math.inf
    # p0 steps at its knot and p1 just behind its own.
    venn_abers = VennAbers([0.0], [0.2], [0.0], [0.5])
    low, middle, high = calibrated(venn_abers, [-1.0, 0.0, 1.0])
    assert border([venn_abers], low) == -math.inf
    assert border([venn_abers], middle) == 0.0
    assert border([venn_abers], high) == 5e-324
    assert border([venn_abers], math.nextafter(high, 9.0)) == math.inf


def test_infinite_thresholds_are_reached_by_all_or_none():
    assert border([Platt(1.0, 0.0)], -math.inf) == -math.inf
    assert border([Platt(1.0, 0.0)], math.inf) == math.inf
    with pytest.raises(InputError, match="not a number"):
        border([], math.nan)


@given(finite, finite, finite)
def test_a_turn_is_found_from_either_side(one, other, at):
    low, high = min(one, other), max(one, other)
    assume(low < at <= high)
    assert turn(lambda x: [each >= at for each in x], low, high) == at
    assert turn(lambda x: [each < at for each in x], high, low) == math.nextafter(at, -math.inf)
