import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from oddsmith.evaluate.delong import auc_estimate
from oddsmith.evaluate.intervals import clopper_pearson_interval
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evidence.estimates import auc_of_rows, mean_estimate, number_of_units, share_estimate
from oddsmith.fit.losses import expit

rows = st.lists(
    st.tuples(st.integers(-4, 4), st.integers(0, 1), st.integers(1, 3), st.integers(0, 4)),
    min_size=4,
    max_size=30,
).map(lambda cells: tuple(np.array(cells).T))


def test_a_mean_has_students_interval():
    values = np.random.default_rng(0).exponential(size=12)
    found = mean_estimate(values, np.ones(12), None, 0.9)
    low, high = stats.t.interval(0.9, 11, values.mean(), stats.sem(values))
    assert (found.value, found.interval.low, found.interval.high) == pytest.approx((values.mean(), low, high))


def test_the_mean_of_groups_has_the_error_of_a_clustered_regression():
    # statsmodels' cluster covariance of a weighted constant, whose factor is g / (g - 1) * (n - 1) / (n - 1) here.
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(15), 4)
    values, weight = random.normal(size=60) + random.normal(size=15)[groups], random.random(60) + 0.5
    fitted = sm.WLS(values, np.ones(60), weights=weight).fit(cov_type="cluster", cov_kwds={"groups": groups})
    found = mean_estimate(values, weight, groups)
    assert found.standard_error == pytest.approx(float(fitted.bse[0]))


@given(rows)
def test_a_group_a_row_is_no_group(cells):
    eta, y, weight, _ = cells
    alone = np.arange(len(eta))
    one, other = (mean_estimate(eta * 1.0, weight * 1.0, groups) for groups in (None, alone))
    assert (one.value, one.interval.low) == pytest.approx((other.value, other.interval.low))
    shares = [share_estimate(y == 1, weight * 1.0, groups) for groups in (None, alone)]
    assert shares[0].interval.low == pytest.approx(shares[1].interval.low, abs=1e-9)
    areas = [auc_of_rows(eta * 1.0, y, weight * 1.0, groups) for groups in (None, alone)]
    assert (areas[0] is None) == (areas[1] is None)
    if areas[0] is not None:
        assert areas[0].value == pytest.approx(areas[1].value)


def test_the_auc_of_rows_alone_has_delongs_error():
    # With as many rows of either class the factor u / (u - 1) is that of DeLong.
    random = np.random.default_rng(2)
    y = np.repeat([0, 1], 200)
    eta = random.normal(size=400) + y
    one = auc_estimate(ScoreTable.from_scores(eta, y))
    other = auc_of_rows(eta, y, np.ones(400), np.arange(400))
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-12)


def test_rows_repeated_as_a_group_tell_nothing_new():
    random = np.random.default_rng(3)
    y = np.repeat([0, 1], 40)
    eta = random.normal(size=80) + y
    single = auc_of_rows(eta, y, np.ones(80), np.arange(80))
    groups = np.tile(np.arange(80), 5)
    often = auc_of_rows(np.tile(eta, 5), np.tile(y, 5), np.ones(400), groups)
    assert often.standard_error == pytest.approx(single.standard_error)
    inside = np.tile(eta > 0, 5)
    of_groups = share_estimate(inside, np.ones(400), groups)
    exact = clopper_pearson_interval(int((eta > 0).sum()), 80)
    assert (of_groups.interval.low, of_groups.interval.high) == pytest.approx((exact.low, exact.high))
    assert number_of_units(np.ones(400), groups) == pytest.approx(80)


def test_a_share_without_a_miss_has_a_width_in_groups_too():
    # Ten groups of ten, all inside: as ten of ten rows, 0.025^(1/10).
    found = share_estimate(np.ones(100, dtype=bool), np.ones(100), np.repeat(np.arange(10), 10))
    assert found.interval.low == pytest.approx(0.025 ** (1 / 10))
    assert found.interval.high == 1.0


def test_nothing_is_said_of_nothing():
    none = np.empty(0)
    assert share_estimate(np.empty(0, dtype=bool), none, None) is None
    assert mean_estimate(none, none, None) is None
    assert mean_estimate(np.ones(1), np.ones(1), None) is None
    assert auc_of_rows(np.ones(3), np.ones(3, dtype=int), np.ones(3), None) is None


@pytest.mark.slow
def test_intervals_of_groups_cover():
    # Groups of ten that share most of their score's error; the truth from 40,000 groups.
    def sample(random, n_groups):
        shared = np.repeat(random.normal(size=n_groups), 10)
        eta = shared + 0.5 * random.normal(size=10 * n_groups)
        return eta, (random.random(10 * n_groups) < expit(eta + shared)).astype(int)

    eta, y = sample(np.random.default_rng(9), 40_000)
    truth = auc_estimate(ScoreTable.from_scores(eta, y)).value, float((eta > 0).mean()), float(eta.mean())
    hits = np.zeros((2, 3))
    for seed in range(400):
        eta, y = sample(np.random.default_rng([1, seed]), 60)
        groups = np.repeat(np.arange(60), 10)
        for row, by in enumerate((groups, None)):
            found = (
                auc_of_rows(eta, y, np.ones(600), by),
                share_estimate(eta > 0, np.ones(600), by),
                mean_estimate(eta, np.ones(600), by),
            )
            hits[row] += [
                one.interval.low <= value <= one.interval.high
                for one, value in zip(found, truth, strict=True)
            ]
    # A coverage of .95 in 400 trials has a standard error of .011.
    assert (hits[0] / 400 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)).all()
    assert (hits[1] / 400 < 0.85).all()
