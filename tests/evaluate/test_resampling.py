import numpy as np
import pytest
from scipy.stats import gamma, kstest

from oddsmith.evaluate.resampling import MOST_CELLS, Cells
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit

COLUMNS = ("weight_positive", "weight_negative", "squared_weight_positive", "squared_weight_negative")


def test_few_scores_are_drawn_from_as_they_are():
    table = ScoreTable.from_scores([0.5, -1.0, 0.5], [1, 0, 0], [2.0, 1.0, 3.0])
    cells = Cells.of(table)
    np.testing.assert_array_equal(cells.proba, table.proba)
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(cells, column), getattr(table, column))


def test_many_scores_are_drawn_from_in_cells_of_as_many_rows():
    random = np.random.default_rng(0)
    n = 5 * MOST_CELLS
    eta, y, weight = random.normal(size=n), random.integers(0, 2, n), random.integers(1, 4, n)
    table = ScoreTable.from_scores(eta, y, weight)
    cells = Cells.of(table)
    assert len(cells.proba) == MOST_CELLS
    assert (np.diff(cells.proba) > 0).all()
    for column in COLUMNS:
        assert getattr(cells, column).sum() == getattr(table, column).sum()
    assert cells.weight @ cells.proba == pytest.approx(weight @ expit(eta))
    ranks = np.searchsorted(np.sort(expit(eta)), cells.proba)
    assert np.abs(ranks - 5 * np.arange(MOST_CELLS)).max() < 10


def test_many_scores_of_which_one_has_half_of_the_rows_are_in_fewer_cells():
    eta = np.append(np.linspace(-3, 3, 2 * MOST_CELLS), np.zeros(2 * MOST_CELLS))
    cells = Cells.of(ScoreTable.from_scores(eta, eta > 0))
    assert MOST_CELLS / 2 <= len(cells.proba) <= MOST_CELLS
    assert cells.weight.sum() == len(eta)
    assert cells.weight.max() >= 2 * MOST_CELLS


def test_rows_of_weight_1_are_multiplied_by_exponential_numbers():
    # Three positives at one score: the sum of three exponentials; and no negative appears from nowhere.
    cells = Cells.of(ScoreTable.from_scores([0.0, 0.0, 0.0, 1.0], [1, 1, 1, 0]))
    random = np.random.default_rng(1)
    draws = np.array([cells.drawn_weights(random) for _ in range(4000)])
    assert kstest(draws[:, 0, 0], gamma(3).cdf).pvalue > 0.01
    assert kstest(draws[:, 1, 1], gamma(1).cdf).pvalue > 0.01
    assert (draws[:, 0, 1] == 0).all()
    assert (draws[:, 1, 0] == 0).all()


def test_rows_of_other_weights_have_the_mean_and_the_variance_of_theirs():
    weight = np.array([0.5, 1.0, 4.0])
    cells = Cells.of(ScoreTable.from_scores(np.zeros(3), np.ones(3), weight))
    random = np.random.default_rng(2)
    draws = np.array([cells.drawn_weights(random)[0][0] for _ in range(20_000)])
    assert draws.mean() == pytest.approx(weight.sum(), rel=0.02)
    assert draws.var() == pytest.approx((weight**2).sum(), rel=0.05)


def test_drawn_labels_have_the_probabilities_of_their_scores_and_the_number_of_their_rows():
    cells = Cells.of(ScoreTable.from_scores(np.repeat([-1.0, 2.0], [10, 40]), np.zeros(50)))
    random = np.random.default_rng(3)
    draws = np.array([cells.drawn_shares(random) for _ in range(20_000)])
    p = expit(np.array([-1.0, 2.0]))
    assert draws.mean(axis=0) == pytest.approx(p, abs=0.004)
    assert draws.var(axis=0) == pytest.approx(p * (1 - p) / [10, 40], rel=0.05)
