import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import chi2

from oddsmith.errors import InputError
from oddsmith.evaluate.recalibration import recalibration
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit

rows = st.lists(
    st.tuples(st.integers(-8, 8), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
).map(lambda cells: tuple(np.array(cells, dtype=float).T))


def sample(n=300, slope=0.7, shift=0.4, seed=0, ties=False):
    random = np.random.default_rng(seed)
    eta = random.normal(scale=1.5, size=n)
    eta = np.round(eta) if ties else eta
    y = (random.random(n) < expit(slope * eta + shift)).astype(float)
    return eta, y, random.exponential(size=n) + 0.2


def glm(y, columns, offset=None, weight=None):
    family = sm.families.Binomial()
    return sm.GLM(y, columns, family=family, offset=offset, freq_weights=weight).fit(tol=1e-14, maxiter=200)


def profile(y, eta, level):
    """Both profile-likelihood intervals, by root finding over statsmodels' fits of the other parameter."""
    ones = np.ones((len(y), 1))
    both = glm(y, np.column_stack([eta, ones]))
    one = glm(y, ones, eta)
    drop = chi2.ppf(level, 1) / 2

    def ends(best, error, of):
        return [brentq(of, best, best + side * 8 * error, xtol=1e-12) for side in (-1, 1)]

    def of_slope(b):
        return glm(y, ones, b * eta).llf - both.llf + drop

    def of_intercept(a):
        p = expit(a + eta)
        return np.log(np.where(y == 1, p, 1 - p)).sum() - one.llf + drop

    return ends(one.params[0], one.bse[0], of_intercept), ends(both.params[0], both.bse[0], of_slope)


@pytest.mark.parametrize(
    ("n", "seed", "ties"), [(40, 1, False), (300, 0, False), (300, 2, True), (5000, 3, False)]
)
def test_estimates_and_standard_errors_are_those_of_statsmodels(n, seed, ties):
    eta, y, _ = sample(n, seed=seed, ties=ties)
    found = recalibration(ScoreTable.from_scores(eta, y))
    ones = np.ones((n, 1))
    intercept, both = glm(y, ones, eta), glm(y, np.column_stack([eta, ones]))
    assert (found.intercept.value, found.intercept.standard_error) == pytest.approx(
        (intercept.params[0], intercept.bse[0]), abs=1e-8
    )
    assert (found.slope.value, found.slope.standard_error) == pytest.approx(
        (both.params[0], both.bse[0]), abs=1e-7
    )


@pytest.mark.parametrize(("n", "seed", "level"), [(40, 1, 0.95), (300, 0, 0.9), (300, 2, 0.99)])
def test_intervals_are_the_profile_likelihoods_of_statsmodels(n, seed, level):
    eta, y, _ = sample(n, seed=seed)
    found = recalibration(ScoreTable.from_scores(eta, y), level)
    for estimate, ends in zip((found.intercept, found.slope), profile(y, eta, level), strict=True):
        assert (estimate.interval.low, estimate.interval.high) == pytest.approx(ends, abs=1e-6)
        assert (estimate.interval.level, estimate.interval.method) == (level, "profile likelihood")


def test_weighted_estimates_are_those_of_statsmodels_with_the_error_of_a_sandwich():
    eta, y, weight = sample(400)
    found = recalibration(ScoreTable.from_scores(eta, y, weight))
    ones = np.ones((len(y), 1))
    for estimate, columns, offset in (
        (found.intercept, ones, eta),
        (found.slope, np.column_stack([eta, ones]), None),
    ):
        peer = glm(y, columns, offset, weight)
        doubt = peer.fittedvalues * (1 - peer.fittedvalues)
        bread = np.linalg.inv(columns.T @ (columns * (weight * doubt)[:, None]))
        sandwich = bread @ (columns.T @ (columns * (weight**2 * doubt)[:, None])) @ bread
        assert estimate.value == pytest.approx(peer.params[0], abs=1e-8)
        assert estimate.standard_error == pytest.approx(np.sqrt(sandwich[0, 0]), rel=1e-6)
        assert estimate.interval.method == "profile likelihood, weighted"
        # In the quadratic part of the likelihood the ends are two standard errors away.
        half = (estimate.interval.high - estimate.interval.low) / 2
        assert half == pytest.approx(1.96 * estimate.standard_error, rel=0.01)


def parts(found, interval=True):
    """Numbers of both estimates, NaN where there is none."""
    of = (found.intercept, found.slope)
    names = [(e.value, e.standard_error, e.interval.low, e.interval.high) if e else (np.nan,) * 4 for e in of]
    return np.array(names)[:, : 4 if interval else 1]


@settings(max_examples=60, deadline=None)
@given(rows)
def test_weight_2_is_a_row_twice_for_the_estimates_and_the_scale_of_weights_is_nothing(cells):
    eta, y, weight = cells
    times = weight.astype(int)
    found = recalibration(ScoreTable.from_scores(eta, y, weight))
    repeated = recalibration(ScoreTable.from_scores(np.repeat(eta, times), np.repeat(y, times)))
    np.testing.assert_allclose(parts(found, False), parts(repeated, False), rtol=1e-6, atol=1e-6)
    scaled = recalibration(ScoreTable.from_scores(eta, y, weight * 2.0**-200))
    np.testing.assert_array_equal(parts(scaled), parts(found))
    even, plain = (recalibration(ScoreTable.from_scores(eta, y, w)) for w in (np.full(len(y), 8.0), None))
    np.testing.assert_array_equal(parts(even), parts(plain))


@settings(max_examples=60, deadline=None)
@given(rows, st.randoms(), st.integers(0, 25))
def test_neither_order_nor_blocks_matter(cells, shuffler, cut):
    eta, y, weight = cells
    order = list(range(len(y)))
    shuffler.shuffle(order)
    found = recalibration(ScoreTable.from_scores(eta, y, weight))
    blocks = [ScoreTable.from_scores(eta[part], y[part], weight[part]) for part in np.split(order, [cut])]
    assert recalibration(ScoreTable.sum(blocks)) == found


@settings(max_examples=100, deadline=None)
@given(rows)
def test_there_is_an_estimate_or_a_sentence_and_never_a_nan(cells):
    eta, y, weight = cells
    found = recalibration(ScoreTable.from_scores(eta, y, weight))
    for estimate, sentence in ((found.intercept, found.no_intercept), (found.slope, found.no_slope)):
        assert (estimate is None) == (sentence is not None)
        if estimate:
            assert estimate.interval.low < estimate.value < estimate.interval.high
            assert np.isfinite([estimate.value, estimate.standard_error, *parts(found)[0, 2:]]).all()
    # A slope is finite if and only if each class has a score beyond one of the other's, on both sides.
    positive, negative = eta[y == 1], eta[y == 0]
    overlap = (
        len(positive) > 0
        and len(negative) > 0
        and positive.min() < negative.max()
        and negative.min() < positive.max()
    )
    assert (found.slope is not None) == overlap


@settings(max_examples=60, deadline=None)
@given(rows, st.floats(0.1, 10))
def test_scores_drawn_out_have_a_slope_as_much_smaller(cells, times):
    eta, y, weight = cells
    one, other = (
        recalibration(ScoreTable.from_scores(eta * scale, y, weight)).slope for scale in (1.0, times)
    )
    if one is None:
        assert other is None
    else:
        drawn_out = np.array([other.value, other.interval.low, other.interval.high]) * times
        np.testing.assert_allclose(
            drawn_out, [one.value, one.interval.low, one.interval.high], rtol=1e-5, atol=1e-6
        )


@settings(max_examples=60, deadline=None)
@given(rows)
def test_recalibrated_scores_need_no_recalibration(cells):
    eta, y, weight = cells
    found = recalibration(ScoreTable.from_scores(eta, y, weight))
    if found.intercept:
        again = recalibration(ScoreTable.from_scores(eta + found.intercept.value, y, weight))
        assert again.intercept.value == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("eta", "y", "intercept", "slope"),
    [
        ([1.0, 2.0], [1, 1], "all rows are positive", "all rows are positive"),
        ([1.0, 2.0], [0, 0], "all rows are negative", "all rows are negative"),
        ([1.0, 1.0], [0, 1], None, "all rows have one score"),
        ([1.0, 2.0], [0, 1], None, "separate the classes: a steeper"),
        ([1.0, 2.0, 2.0], [0, 0, 1], None, "separate the classes: a steeper"),
        ([1.0, 2.0], [1, 0], None, "separate the classes the wrong way round"),
        ([-600.0, 500.0], [1, 0], "so far out that no row is in doubt: one intercept", "the wrong way round"),
        ([-1000.0, 1000.0], [0, 1], "so far out that no row is in doubt: one intercept", "a steeper"),
        (
            [-1000.0, 1000.0],
            [1, 0],
            "so far out that no row is in doubt: one intercept",
            "the wrong way round",
        ),
    ],
)
def test_what_cannot_be_estimated_is_said(eta, y, intercept, slope):
    found = recalibration(ScoreTable.from_scores(eta, y))
    for estimate, sentence, said in (
        (found.intercept, found.no_intercept, intercept),
        (found.slope, found.no_slope, slope),
    ):
        if said is None:
            assert estimate is not None
        else:
            assert said in sentence


@pytest.mark.parametrize("far", [50.0, 1e3, 1e15, 1e300])
def test_one_score_far_out_leaves_the_slope_to_the_others(far):
    # A negative far below is as it should be at any slope above 0, so the others' slope stands, and 0 is its end.
    eta, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0, 1, 0, 1])
    alone = recalibration(ScoreTable.from_scores(eta, y)).slope
    beside = recalibration(ScoreTable.from_scores(np.append(eta, -far), np.append(y, 0))).slope
    assert beside.value == pytest.approx(alone.value, abs=1e-3)
    assert beside.interval.high == pytest.approx(alone.interval.high, abs=1e-3)
    assert alone.interval.low < -0.5 < -0.1 < beside.interval.low < 0.1


def test_an_intercept_is_found_however_far_the_scores_are_off():
    # 1 of 4 positive: the log-odds of 1/4, less the score of all.
    found = recalibration(ScoreTable.from_scores(np.full(4, 700.0), [0, 0, 0, 1]))
    assert found.intercept.value == pytest.approx(-np.log(3) - 700.0, abs=1e-9)
    assert found.intercept.standard_error == pytest.approx(np.sqrt(1 / (4 * 3 / 16)))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "slope", "shift"), [(60, 1.0, 0.0), (60, 0.6, -1.0), (1000, 1.0, 0.0)])
def test_intervals_cover_within_two_points_of_their_level(n, slope, shift):
    random = np.random.default_rng(8)
    covered = []
    for _ in range(2500):
        eta = random.normal(scale=1.5, size=n)
        y = random.random(n) < expit(slope * eta + shift)
        found = recalibration(ScoreTable.from_scores(eta, y))
        # The intercept that would be right beside a slope of 1 is known where the slope is 1.
        inside = [found.slope.interval.low <= slope <= found.slope.interval.high]
        if slope == 1.0:
            inside.append(found.intercept.interval.low <= shift <= found.intercept.interval.high)
        covered.append(inside)
    assert np.mean(covered, axis=0) == pytest.approx(0.95, abs=0.02)


@pytest.mark.slow
def test_weighted_intervals_cover_within_two_points_of_their_level():
    random = np.random.default_rng(9)
    covered = []
    for _ in range(2500):
        eta = random.normal(scale=1.5, size=400)
        weight = np.exp(0.5 * eta) * random.choice([0.3, 1.0, 3.0], size=400)
        y = random.random(400) < expit(eta)
        found = recalibration(ScoreTable.from_scores(eta, y, weight))
        intervals = (found.intercept.interval, found.slope.interval)
        covered.append([i.low <= true <= i.high for i, true in zip(intervals, (0.0, 1.0), strict=True)])
    assert np.mean(covered, axis=0) == pytest.approx(0.95, abs=0.02)


def test_no_rows_and_no_level_are_refused():
    with pytest.raises(InputError, match="no rows to evaluate"):
        recalibration(ScoreTable.from_scores([], []))
    with pytest.raises(InputError, match=r"level 1\.5"):
        recalibration(ScoreTable.from_scores([0.0], [1]), 1.5)
