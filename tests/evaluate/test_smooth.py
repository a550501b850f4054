import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evaluate.smooth import SmoothEce, own_error, smooth_ece, smooth_error
from oddsmith.fit.losses import expit

rows = st.lists(
    st.tuples(st.floats(-6, 6), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
).map(lambda cells: tuple(np.array(cells).T))


def sample(n=500, slope=0.6, shift=0.3, seed=7):
    random = np.random.default_rng(seed)
    eta = random.normal(scale=2, size=n)
    return eta, (random.random(n) < 1 / (1 + np.exp(-slope * eta - shift))).astype(float)


def error_by_pairs(eta, y, weight, bandwidth, points=20_000):
    """The integral by the midpoint rule, of every row's kernel with nine images on either side."""
    t = (np.arange(points) + 0.5) / points
    smoothed = np.zeros(points)
    for p, r in zip(expit(eta), weight * (y - expit(eta)), strict=True):
        for k in range(-9, 10):
            for image in (2 * k + p, 2 * k - p):
                smoothed += r * np.exp(-0.5 * ((t - image) / bandwidth) ** 2)
    return np.abs(smoothed).mean() / (bandwidth * np.sqrt(2 * np.pi) * weight.sum())


def value_of(table) -> SmoothEce:
    return smooth_ece(table, n_resamples=1)


@pytest.mark.parametrize("bandwidth", [0.003, 0.02, 0.1, 0.5, 2.0])
def test_the_error_at_a_bandwidth_is_the_integral_over_all_pairs(bandwidth):
    random = np.random.default_rng(0)
    eta, y, weight = random.normal(size=30) * 3, random.integers(0, 2, 30), random.random(30) + 0.1
    found = smooth_error(ScoreTable.from_scores(eta, y, weight), bandwidth)
    assert found == pytest.approx(error_by_pairs(eta, y, weight, bandwidth), abs=2e-5)


@pytest.mark.parametrize("bandwidth", [0.02, 0.3])
def test_scores_at_both_ends_of_the_grid_count_as_others_do(bandwidth):
    eta, y, weight = (
        np.array([-40.0, -40.0, 0.3, 40.0]),
        np.array([1, 0, 0, 0]),
        np.array([1.0, 2.0, 1.0, 0.5]),
    )
    found = smooth_error(ScoreTable.from_scores(eta, y, weight), bandwidth)
    assert found == pytest.approx(error_by_pairs(eta, y, weight, bandwidth), abs=2e-5)


def test_a_line_that_crosses_zero_has_two_triangles_below_it():
    # On a grid of two points the residual is a line from 2 exp(-(pi s)^2 / 2) down to as much below zero.
    true = brentq(lambda s: np.exp(-0.5 * (np.pi * s) ** 2) - s, 0.1, 1.0, xtol=1e-14)
    assert own_error(np.array([1.0, -1.0]), 1e-12) == pytest.approx(true, abs=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_at_its_own_bandwidth_the_error_over_all_pairs_is_the_bandwidth(seed):
    random = np.random.default_rng(seed)
    eta, y, weight = random.normal(size=40) * 2, random.integers(0, 2, 40), random.random(40) + 0.1
    found = value_of(ScoreTable.from_scores(eta, y, weight))
    assert error_by_pairs(eta, y, weight, found.value) == pytest.approx(found.value, rel=1e-5)
    assert found.grid_error < 1e-3 * found.value


# relplot 1.0.3: with eta, y = sample() and p = 1 / (1 + np.exp(-eta)),
#     relplot.smECE_sigma(p, y, s)  for each s, and  relplot.smECE(p, y).
# Its integral is a sum over a thousand points, and its bandwidth is found by ten halvings of [0, 1].
@pytest.mark.parametrize(
    ("bandwidth", "error"),
    [(0.01, 0.1265886020440747), (0.03, 0.11153960097988948), (0.1, 0.10434880172825613)],
)
def test_the_error_at_a_bandwidth_is_that_of_relplot(bandwidth, error):
    assert smooth_error(ScoreTable.from_scores(*sample()), bandwidth) == pytest.approx(error, rel=2e-3)


def test_the_smooth_ece_is_that_of_relplot():
    assert value_of(ScoreTable.from_scores(*sample())).value == pytest.approx(0.10390375687400746, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(rows, st.floats(1e-3, 1), st.floats(1, 4))
def test_the_error_falls_with_the_bandwidth_from_the_error_score_by_score_to_the_bias(cells, narrow, times):
    table = ScoreTable.from_scores(*cells)
    residual = table.weight_positive * expit(-table.eta) - table.weight_negative * expit(table.eta)
    bias, by_score = abs(residual.sum()) / table.weight, np.abs(residual).sum() / table.weight
    one, other = smooth_error(table, narrow), smooth_error(table, narrow * times)
    assert bias - 1e-12 <= other <= one + 6e-5
    assert one <= by_score + 1e-12
    assert smooth_error(table, 5.0) == pytest.approx(bias, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(rows, st.randoms(), st.integers(0, 25))
def test_weight_2_is_a_row_twice_and_neither_order_nor_blocks_nor_sides_matter(cells, shuffler, cut):
    eta, y, weight = cells
    order = list(range(len(y)))
    shuffler.shuffle(order)
    times = weight.astype(int)
    parts = (
        ScoreTable.from_scores(eta[part], y[part], weight[part])
        for part in np.split(np.arange(len(y)), [cut])
    )
    found = value_of(ScoreTable.from_scores(eta, y, weight))
    for other in (
        ScoreTable.from_scores(np.repeat(eta, times), np.repeat(y, times)),
        ScoreTable.from_scores(eta[order], y[order], weight[order]),
        ScoreTable.sum(list(parts)),
        ScoreTable.from_scores(-eta, 1 - y, weight),
    ):
        assert value_of(other).value == pytest.approx(found.value, rel=1e-6, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(*[st.lists(st.floats(-1, 1), min_size=65, max_size=65).map(np.array)] * 2)
def test_the_errors_of_two_measures_differ_by_no_more_than_the_error_of_their_difference(one, other):
    # What the lower end of the interval stands on.
    of_one, of_other, of_difference = (own_error(masses, 1e-9) for masses in (one, other, one - other))
    assert abs(of_one - of_other) <= of_difference * (1 + 1e-6) + 1e-9


def test_residuals_of_one_sign_have_the_bias_for_an_error_at_any_bandwidth():
    found = value_of(ScoreTable.from_scores([-1.0, 0.0, 2.0], [1, 1, 1]))
    assert found.value == pytest.approx(np.mean(expit(np.array([1.0, 0.0, -2.0]))), rel=1e-12)
    assert found.grid_error < 1e-15


def test_scores_that_hold_at_every_score_have_none():
    assert value_of(ScoreTable.from_scores([0.0, 0.0], [0, 1])).value == 0.0
    far = value_of(ScoreTable.from_scores([-1000.0, 1000.0], [0, 1]))
    assert (far.value, far.interval.low, far.interval.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("gap", [1e-9, 1e-7, 1e-5, 1e-3, 1e-1])
def test_two_scores_however_close_are_as_far_off_the_closed_form_as_is_said(gap):
    # A positive and, d above it, a negative: error(s) = |y - p| (2 Phi(d / 2s) - 1), mirrored at 1/2.
    eta = np.array([-gap, gap])
    found = value_of(ScoreTable.from_scores(eta, [1, 0]))
    distance = np.diff(expit(eta))[0]
    true = brentq(lambda s: 2 * expit(gap) * (norm.cdf(distance / 2 / s) - 0.5) - s, 1e-12, 0.5, xtol=1e-14)
    assert abs(found.value - true) <= found.grid_error + 1e-9
    assert found.grid_error < (2e-3 * true if gap > 1e-6 else 0.5)


def test_errors_far_below_the_grid_are_found_where_kernels_do_not_meet():
    eta = np.array([-14.0, 14.0])
    found = value_of(ScoreTable.from_scores(eta, [0, 1]))
    assert abs(found.value - expit(eta[:1])[0]) <= found.grid_error + 1e-15 < 1e-6


def test_the_seed_decides_the_interval_and_the_estimate_lies_in_it():
    table = ScoreTable.from_scores(*sample(300))
    one, same, other = (smooth_ece(table, n_resamples=30, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.value == other.value
    assert one.interval != other.interval
    assert one.interval.low < one.value < one.interval.high


def test_an_interval_narrows_with_rows_and_not_with_the_scale_of_weights():
    widths = []
    for n in (500, 8000):
        eta, y = sample(n)
        intervals = [
            smooth_ece(ScoreTable.from_scores(eta, y, np.full(n, weight)), n_resamples=100).interval
            for weight in (1.0, 4.0)
        ]
        assert intervals[0].low == pytest.approx(intervals[1].low, abs=1e-12)
        assert intervals[0].high == pytest.approx(intervals[1].high, abs=1e-12)
        widths.append(intervals[0].high - intervals[0].low)
    # Noise falls as n^(-1/3) where it chooses the bandwidth, and as n^(-1/2) elsewhere.
    assert 16 ** (-1 / 2) * 0.9 < widths[1] / widths[0] < 16 ** (-1 / 3) * 1.1


def test_unequal_weights_widen_the_interval_as_fewer_rows_do():
    eta, y = sample(4000)
    weight = np.where(np.arange(4000) % 4 == 0, 7.0, 1.0)  # 1,923 rows' worth
    widths = [
        (interval := smooth_ece(ScoreTable.from_scores(*rows), n_resamples=100).interval).high - interval.low
        for rows in ((eta, y, weight), (eta[:1923], y[:1923]))
    ]
    assert widths[0] == pytest.approx(widths[1], rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.8, 0.0), (1.0, 0.5)])
def test_the_interval_covers_the_error_of_the_population_of_calibrated_scores_too(slope, shift):
    grid = np.linspace(-9, 9, 4001)
    density = np.exp(-0.5 * (grid / 1.5) ** 2)
    proba = expit(slope * grid + shift)
    eta, y = np.repeat(grid, 2), np.tile([1, 0], len(grid))
    weight = (density[:, None] * np.column_stack([proba, 1 - proba])).ravel()
    true = value_of(ScoreTable.from_scores(eta, y, weight)).value
    random = np.random.default_rng(4)
    missed = 0
    for _ in range(80):
        scores = random.normal(scale=1.5, size=500)
        labels = random.random(500) < expit(slope * scores + shift)
        interval = smooth_ece(ScoreTable.from_scores(scores, labels), n_resamples=100).interval
        missed += not interval.low - 1e-9 <= true <= interval.high
    # 4 are to be expected of 80 at most; 9 or more would be one chance in fifty.
    assert missed <= 8


def test_bad_arguments_are_named():
    table = ScoreTable.from_scores([0.0], [1])
    with pytest.raises(InputError, match="no rows to evaluate"):
        smooth_ece(ScoreTable.from_scores([], []))
    with pytest.raises(InputError, match=r"level 0\.0"):
        smooth_ece(table, level=0.0)
    with pytest.raises(InputError, match="0 resamples"):
        smooth_ece(table, n_resamples=0)
    with pytest.raises(InputError, match=r"bandwidth 0\.0: not positive"):
        smooth_error(table, 0.0)
