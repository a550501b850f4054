import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.calibration.maps import PriorShift, calibrated, logit
from oddsmith.calibration.prior import estimate_prior
from oddsmith.errors import InputError
from oddsmith.fit.losses import expit


def unlabelled(seed, share, n, before=0.5, apart=1.5):
    """Log-odds calibrated at `before` of two normals that lie `apart`, of which the upper has this share of rows."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < share
    x = rng.normal(size=n) + apart * y
    return apart * x - apart**2 / 2 + logit(before), y


def by_em(eta, before, weight, steps):
    """The published iteration, on probabilities."""
    p, after = expit(eta), before
    for _ in range(steps):
        up, down = after / before * p, (1 - after) / (1 - before) * (1 - p)
        after = np.average(up / (up + down), weights=weight)
    return after


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.8])
def test_em_climbs_to_the_estimate(share, weighted):
    eta, _ = unlabelled(0, share, 800, before=0.4)
    weight = np.random.default_rng(1).exponential(size=800) if weighted else None
    found = estimate_prior(eta, 0.4, weight).prior
    assert by_em(eta, 0.4, weight, 5000) == pytest.approx(found, rel=1e-9)
    assert by_em(eta, 0.4, weight, 10) != pytest.approx(found, rel=1e-4)


def test_the_estimate_is_where_the_mean_of_the_shifted_probabilities_is_itself():
    eta, _ = unlabelled(2, 0.1, 5000)
    found = estimate_prior(eta, 0.5)
    assert expit(calibrated(PriorShift(0.5, found.prior), eta)).mean() == pytest.approx(
        found.prior, rel=1e-13
    )


def test_a_simulated_share_is_recovered_within_its_standard_error():
    for share in (0.15, 0.4, 0.7):
        distances = []
        for seed in range(200):
            eta, _ = unlabelled(seed, share, 1000)
            found = estimate_prior(eta, 0.5)
            distances.append((found.prior - share) / found.standard_error)
        assert abs(np.mean(distances)) < 0.3
        assert 0.85 < np.std(distances) < 1.15


@pytest.mark.slow
def test_a_rare_class_is_counted_among_a_million_rows():
    eta, y = unlabelled(3, 1e-3, 1_000_000, apart=3.0)
    found = estimate_prior(eta, 0.5)
    assert found.n_rows == 1_000_000
    assert found.prior == pytest.approx(y.mean(), abs=3 * found.standard_error)
    assert found.standard_error < 1e-4


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(-8, 8), st.integers(0, 3)), min_size=2, max_size=30), st.floats(0.05, 0.95)
)
def test_weight_2_is_a_row_twice_and_0_is_none(cells, before):
    eta, weight = np.array(cells, dtype=float).T
    again = np.repeat(eta, weight.astype(int))
    try:
        one = estimate_prior(eta, before, weight)
    except InputError:
        with pytest.raises(InputError):
            estimate_prior(again, before)
        return
    assert estimate_prior(again, before).prior == pytest.approx(one.prior, rel=1e-9)


def test_scores_far_out_are_no_trouble():
    eta = np.array([-1e308, -800.0, -1.0, 0.0, 1.0, 800.0])
    found = estimate_prior(eta, 0.5)
    assert 1 / 6 < found.prior < 1 / 2
    assert math.isfinite(found.standard_error)


@pytest.mark.parametrize("eta", [[-3.0, -2.0, -2.5], [3.0, 2.0], [0.0, 0.0], [-5.0] * 50 + [0.1]])
def test_scores_that_speak_for_no_share_in_between_are_refused(eta):
    with pytest.raises(InputError, match="cannot be estimated"):
        estimate_prior(eta, 0.5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([], 0.5), "no rows"),
        (([1.0], 0.5, [0.0]), "no rows"),
        (([1.0, math.inf], 0.5), "row 2: score inf"),
        (([1.0], 0.5, [-1.0]), "row 1: weight -1.0"),
        (([1.0], 1.0), "before 1.0: not a share"),
        (([[1.0]], 0.5), "shape"),
    ],
)
def test_bad_rows_are_named(arguments, said):
    with pytest.raises(InputError, match=said):
        estimate_prior(*arguments)
