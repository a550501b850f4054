from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from oddsmith.errors import InputError
from oddsmith.evaluate.expected import observed_expected, spiegelhalter
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit

rows = st.lists(
    st.tuples(st.integers(-8, 8), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
).map(lambda cells: tuple(np.array(cells, dtype=float).T))


def sample(n=200, seed=0):
    random = np.random.default_rng(seed)
    eta = np.round(random.normal(scale=2, size=n), 1)
    y = (random.random(n) < expit(0.7 * eta)).astype(float)
    return eta, y, random.exponential(size=n) + 0.1


@pytest.mark.parametrize("weighted", [False, True])
def test_z_is_its_formula_over_rows(weighted):
    eta, y, weight = sample()
    weight = weight if weighted else np.ones(len(y))
    p = 1 / (1 + np.exp(-eta))
    z = np.sum(weight * (y - p) * (1 - 2 * p)) / np.sqrt(np.sum(weight**2 * (1 - 2 * p) ** 2 * p * (1 - p)))
    found = spiegelhalter(ScoreTable.from_scores(eta, y, weight))
    assert found.z == pytest.approx(z, rel=1e-12)
    assert found.p_value == pytest.approx(2 * norm.sf(abs(z)), rel=1e-10)


def test_z_is_the_brier_score_less_what_it_should_be_in_standard_errors():
    # Of Brier scores over all 2^8 labels that calibrated scores can have, the mean and the deviation.
    eta, weight = np.linspace(-2.5, 1.9, 8), np.linspace(0.5, 2.0, 8)
    p = expit(eta)
    labels = np.array(list(product([0, 1], repeat=8)))
    chance = np.where(labels == 1, p, 1 - p).prod(axis=1)
    brier = ((labels - p) ** 2) @ weight
    mean = chance @ brier
    deviation = np.sqrt(chance @ (brier - mean) ** 2)
    for i in (0, 17, 100, 255):
        found = spiegelhalter(ScoreTable.from_scores(eta, labels[i], weight))
        assert found.z == pytest.approx((brier[i] - mean) / deviation, rel=1e-10)


def test_a_label_against_all_odds_is_as_many_standard_errors_off_as_the_root_of_the_odds():
    # One row: z = (y - p)(1 - 2p) / (|1 - 2p| sqrt(p (1 - p))), where 1 - p is not 1 less a rounded p.
    for eta, y in ((40.0, 0), (-40.0, 1)):
        assert spiegelhalter(ScoreTable.from_scores([eta], [y])).z == pytest.approx(np.exp(20.0), rel=1e-12)


def test_bold_scores_have_a_large_z_and_timid_ones_a_small_one():
    random = np.random.default_rng(1)
    eta = random.normal(scale=2, size=2000)
    y = random.random(2000) < expit(eta)
    z = [spiegelhalter(ScoreTable.from_scores(eta * scale, y)).z for scale in (1.4, 1.0, 0.7)]
    assert z[0] > 3
    assert abs(z[1]) < 2
    assert z[2] < -3


def test_probabilities_that_no_label_contradicts_have_no_z():
    assert spiegelhalter(ScoreTable.from_scores([0.0, 0.0], [0, 1])) is None
    assert spiegelhalter(ScoreTable.from_scores([-1000.0, 1000.0], [0, 1])) is None
    assert np.isfinite(spiegelhalter(ScoreTable.from_scores([-300.0, 300.0], [1, 1])).z)


@settings(max_examples=60, deadline=None)
@given(rows, st.randoms())
def test_neither_order_nor_the_scale_of_weights_matters_and_weight_2_is_a_row_twice_in_the_ratio(
    cells, shuffler
):
    eta, y, weight = cells
    order = list(range(len(y)))
    shuffler.shuffle(order)
    times = weight.astype(int)
    table = ScoreTable.from_scores(eta, y, weight)
    shuffled = ScoreTable.from_scores(eta[order], y[order], weight[order])
    repeated = ScoreTable.from_scores(np.repeat(eta, times), np.repeat(y, times))
    scaled = ScoreTable.from_scores(eta, y, weight * 2.0**-200)
    assert spiegelhalter(shuffled) == spiegelhalter(table) == spiegelhalter(scaled)
    found = observed_expected(table)
    assert observed_expected(shuffled) == found
    assert observed_expected(scaled).interval == found.interval
    assert observed_expected(repeated).ratio == found.ratio
    assert observed_expected(repeated).observed == found.observed
    assert found.interval.low <= found.ratio <= found.interval.high


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_of_rows_is_the_exact_one_of_scipy(seed):
    eta, y, _ = sample(60, seed)
    found = observed_expected(ScoreTable.from_scores(eta, y), 0.9)
    share = binomtest(int(y.sum()), 60).proportion_ci(0.9, "exact")
    times = 60 / expit(eta).sum()
    assert (found.observed, found.expected) == (y.sum(), pytest.approx(expit(eta).sum()))
    assert found.ratio == pytest.approx(y.sum() / expit(eta).sum())
    assert (found.interval.low, found.interval.high) == pytest.approx((share.low * times, share.high * times))
    assert isinstance(found.observed, int)


@pytest.mark.parametrize("scale", [0.3, 2.0, 6.0])
def test_of_unequal_coins_the_interval_covers_with_its_level_at_least(scale):
    # The number of positives among 30 rows, exactly: the product of their generating polynomials.
    eta = np.linspace(-2, 1, 30) * scale
    p = expit(eta)
    chance = np.array([1.0])
    for share in p:
        chance = np.convolve(chance, [1 - share, share])
    missed = 0.0
    for k in range(31):
        interval = observed_expected(ScoreTable.from_scores(eta, np.arange(30) < k)).interval
        missed += chance[k] * (not interval.low <= 1.0 <= interval.high)
    assert missed <= 0.05


def test_rows_of_unequal_weight_have_the_interval_of_their_effective_number():
    # 20 rows of weight 6 and 80 of 1 are 200^2 / (20 * 36 + 80) = 50 rows; 100 of 200 are positive: 25.
    weight = np.where(np.arange(100) < 20, 6.0, 1.0)
    y = np.where(np.arange(100) < 10, 1, np.arange(100) >= 60)
    table = ScoreTable.from_scores(np.zeros(100), y, weight)
    found = observed_expected(table)
    share = binomtest(25, 50).proportion_ci(0.95, "exact")
    assert (found.interval.low, found.interval.high) == pytest.approx((share.low * 2, share.high * 2))
    assert found.interval.method == "Clopper-Pearson, on the effective number of rows"
    even = observed_expected(ScoreTable.from_scores(np.zeros(50), np.arange(50) < 25, np.full(50, 0.1)))
    assert (even.interval.low, even.interval.high) == pytest.approx((found.interval.low, found.interval.high))
    assert even.interval.method == "Clopper-Pearson"


def test_none_and_all_positive_have_an_interval_that_ends_there():
    for y, ratio in ((0, 0.0), (1, 2.0)):
        for weight in (None, [1.0, 2.0, 3.0]):
            found = observed_expected(ScoreTable.from_scores(np.zeros(3), np.full(3, y), weight))
            assert found.ratio == ratio
            assert (found.interval.high if y else found.interval.low) == ratio


def test_scores_that_expect_nothing_have_no_ratio():
    found = observed_expected(ScoreTable.from_scores([-1000.0, -1000.0], [0, 1]))
    assert (found.observed, found.expected, found.ratio, found.interval) == (1, 0.0, None, None)


def test_no_rows_and_no_level_are_refused():
    for measure in (observed_expected, spiegelhalter):
        with pytest.raises(InputError, match="no rows to evaluate"):
            measure(ScoreTable.from_scores([], []))
    with pytest.raises(InputError, match=r"level 0\.0"):
        observed_expected(ScoreTable.from_scores([0.0], [1]), 0.0)
