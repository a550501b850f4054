import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from oddsmith.errors import InputError
from oddsmith.evaluate.reliability import reliability
from oddsmith.evaluate.score_table import ScoreTable, log_odds
from oddsmith.fit.losses import expit


@pytest.mark.parametrize("n_bins", [1, 2, 4, 7, 10, 100])
def test_bins_agree_with_scikit_learn(n_bins):
    # Its bins are closed on the other side, so scores lie off the edges here.
    random = np.random.default_rng(3)
    eta = random.normal(scale=2, size=400)
    y = (random.random(400) < expit(eta)).astype(int)
    observed, expected = calibration_curve(y, expit(eta), n_bins=n_bins, strategy="uniform")
    binned = reliability(ScoreTable.from_scores(eta, y), n_bins)
    assert [row.observed_share for row in binned.bins] == pytest.approx(observed, abs=1e-12)
    assert [row.mean_proba for row in binned.bins] == pytest.approx(expected, abs=1e-12)
    shares = np.array([row.count for row in binned.bins]) / 400
    assert binned.ece == pytest.approx(shares @ np.abs(observed - expected), abs=1e-12)


def test_edges_belong_to_the_bin_above_and_1_to_the_last():
    eta = [-1000.0, log_odds(0.25), log_odds(0.5), log_odds(0.75), 1000.0]
    binned = reliability(ScoreTable.from_scores(eta, [0, 0, 1, 1, 1]), 4)
    assert [(row.lower, row.upper, row.count) for row in binned.bins] == [
        (0.0, 0.25, 1),
        (0.25, 0.5, 1),
        (0.5, 0.75, 1),
        (0.75, 1.0, 2),
    ]


def test_bin_edges_fall_where_thresholds_do():
    edges = [b / 10 for b in range(1, 10)]
    table = ScoreTable.from_scores([log_odds(edge) for edge in edges], np.ones(9))
    assert [row.lower for row in reliability(table, 10).bins] == edges


def test_empty_bins_are_skipped_and_the_binning_is_stated():
    binned = reliability(ScoreTable.from_scores([-5.0, 5.0], [0, 1]), 10)
    assert [(row.lower, row.count) for row in binned.bins] == [(0.0, 1), (0.9, 1)]
    assert binned.n_bins == 10
    assert binned.binning == "10 equal-width bins of the probability of the positive class"
    assert reliability(ScoreTable.from_scores([0.0], [1]), 1).binning.startswith("1 equal-width bin of")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-8, 8), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25),
    st.integers(1, 12),
)
def test_weight_2_is_a_row_twice_and_bins_hold_every_row(cells, n_bins):
    eta, y, weight = np.array(cells).T
    weighted = reliability(ScoreTable.from_scores(eta, y, weight), n_bins)
    repeated = reliability(ScoreTable.from_scores(np.repeat(eta, weight), np.repeat(y, weight)), n_bins)
    assert weighted == repeated
    assert sum(row.count for row in repeated.bins) == weight.sum()
    for row in repeated.bins:
        assert isinstance(row.count, int)
        assert row.lower <= row.mean_proba <= row.upper


def test_one_bin_is_calibration_in_the_large():
    eta, y = np.array([-1.0, 0.5, 2.0]), np.array([0, 1, 0])
    assert reliability(ScoreTable.from_scores(eta, y), 1).ece == pytest.approx(abs(expit(eta).mean() - 1 / 3))


def test_bins_need_a_number_and_rows():
    with pytest.raises(InputError, match="0 bins"):
        reliability(ScoreTable.from_scores([0.0], [1]), 0)
    with pytest.raises(InputError, match="no rows"):
        reliability(ScoreTable.from_scores([], []), 4)
