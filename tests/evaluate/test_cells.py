import numpy as np
import pytest

from oddsmith.evaluate.cells import MOST_CELLS, Cells, cell_starts
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit

COLUMNS = ("weight_positive", "weight_negative")


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


def test_cells_of_one_mass_begin_where_it_is():
    # Two cells of 3 positives each: at the first positive from below and at the fourth; before them what has none.
    mass = np.array([0, 0, 1, 0, 2, 1, 0, 1, 1, 0])
    assert cell_starts(mass, 2).tolist() == [0, 2, 5]
    assert cell_starts(mass, 10).tolist() == list(range(10))
    assert cell_starts(np.array([4, 1, 1, 2]), 2).tolist() == [0, 1]


def test_drawn_labels_have_the_probabilities_of_their_scores_and_the_number_of_their_rows():
    cells = Cells.of(ScoreTable.from_scores(np.repeat([-1.0, 2.0], [10, 40]), np.zeros(50)))
    random = np.random.default_rng(3)
    draws = np.array([cells.drawn_shares(random) for _ in range(20_000)])
    p = expit(np.array([-1.0, 2.0]))
    assert draws.mean(axis=0) == pytest.approx(p, abs=0.004)
    assert draws.var(axis=0) == pytest.approx(p * (1 - p) / [10, 40], rel=0.05)
