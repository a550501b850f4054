import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from oddsmith.calibration.fitting import fit_venn_abers
from oddsmith.calibration.maps import calibrated
from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit


def by_definition(eta, y, weight, score, label):
    """What isotonic regression gives a row of this score and label once it is added."""
    eta, y, weight = np.append(eta, score), np.append(y, label), np.append(weight, 1.0)
    distinct, place = np.unique(eta, return_inverse=True)
    sums = np.bincount(place, weight)
    fitted = isotonic_regression(np.bincount(place, weight * y) / sums, sample_weight=sums)
    return fitted[np.searchsorted(distinct, score)]


def assert_is_the_definition(eta, y, weight):
    try:
        mapping = fit_venn_abers(ScoreTable.from_scores(eta, y, weight))
    except InputError:
        return
    distinct = np.unique(eta)
    scores = np.concatenate([distinct, (distinct[1:] + distinct[:-1]) / 2, [-1e9, 1e9]])
    low, high = mapping.interval(scores)
    np.testing.assert_allclose(low, [by_definition(eta, y, weight, s, 0.0) for s in scores], atol=1e-14)
    np.testing.assert_allclose(high, [by_definition(eta, y, weight, s, 1.0) for s in scores], atol=1e-14)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 1), st.integers(1, 3)), min_size=2, max_size=30))
def test_every_interval_is_two_regressions_with_the_row_added(cells):
    assert_is_the_definition(*np.array(cells, dtype=float).T)


def test_so_it_is_with_many_rows_and_any_weights():
    rng = np.random.default_rng(0)
    for n in (50, 300):
        eta = rng.normal(size=n)
        y = (rng.random(n) < expit(2 * eta)).astype(float)
        assert_is_the_definition(eta, y, np.ones(n))
        assert_is_the_definition(eta, y, rng.exponential(size=n))
        assert_is_the_definition(np.round(eta, 1), y, rng.exponential(size=n))


def test_intervals_agree_with_the_venn_abers_package():
    # Made with venn-abers 1.5.4:
    #   model = VennAbers(); model.fit(np.column_stack([1 - share, share]), y)
    #   model.predict_proba(np.column_stack([1 - asked, asked]))
    share = np.array([0.1, 0.2, 0.2, 0.35, 0.4, 0.55, 0.6, 0.6, 0.7, 0.8, 0.85, 0.95])
    y = np.array([0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1])
    asked = np.array([0.05, 0.1, 0.15, 0.2, 0.37, 0.4, 0.57, 0.6, 0.65, 0.82, 0.95, 0.99])
    p0 = [0, 0, 0, 1 / 4, 1 / 4, 1 / 3, 1 / 3, 1 / 2, 1 / 2, 3 / 5, 3 / 4, 3 / 4]
    p1 = [2 / 5, 2 / 5, 1 / 2, 1 / 2, 2 / 3, 2 / 3, 3 / 4, 3 / 4, 3 / 4, 1, 1, 1]
    merged = [
        0.28571429, 0.28571429, 0.33333333, 0.4, 0.47058824, 0.5, 0.52941176, 0.6, 0.6, 0.71428571, 0.8, 0.8,
    ]  # fmt: skip

    def log_odds(p):
        return np.log(p / (1 - p))

    mapping = fit_venn_abers(ScoreTable.from_scores(log_odds(share), y))
    low, high = mapping.interval(log_odds(asked))
    np.testing.assert_array_equal(low, p0)
    np.testing.assert_array_equal(high, p1)
    np.testing.assert_allclose(expit(calibrated(mapping, log_odds(asked))), merged, atol=5e-9)


def test_only_the_steps_are_kept():
    rng = np.random.default_rng(1)
    eta = rng.normal(scale=2, size=20_000)
    y = (rng.random(20_000) < expit(eta)).astype(float)
    mapping = fit_venn_abers(ScoreTable.from_scores(eta, y))
    for values in (mapping.p0, mapping.p1):
        assert (np.diff(values) > 0.0).all()
        assert len(values) < 4_000
    low, high = mapping.interval(eta)
    assert (low < high).all()
    # A row more moves a fit of many rows little.
    assert np.mean(high - low) < 0.02


def test_one_of_the_two_probabilities_is_right_on_average():
    # Validity: whichever of p0 and p1 belongs to the row's own label is calibrated, so its mean is the share.
    rng = np.random.default_rng(2)
    gaps = []
    for _ in range(400):
        eta = rng.normal(size=31)
        y = (rng.random(31) < expit(3 * eta)).astype(float)
        try:
            mapping = fit_venn_abers(ScoreTable.from_scores(eta[1:], y[1:]))
        except InputError:
            continue
        low, high = mapping.interval(eta[:1])
        gaps.append((high if y[0] else low)[0] - y[0])
    error = np.std(gaps) / np.sqrt(len(gaps))
    assert error < 0.03
    assert abs(np.mean(gaps)) < 3 * error


@pytest.mark.slow
def test_a_million_rows_take_seconds():
    rng = np.random.default_rng(3)
    eta = rng.normal(scale=2, size=1_000_000)
    table = ScoreTable.from_scores(eta, (rng.random(1_000_000) < expit(eta)).astype(float))
    started = time.process_time()
    fit_venn_abers(table)
    assert time.process_time() - started < 10.0
