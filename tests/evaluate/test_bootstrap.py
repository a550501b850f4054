import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2

from oddsmith.errors import InputError
from oddsmith.evaluate.bootstrap import Resampling, percentile_interval, redraws
from oddsmith.evaluate.delong import auc_estimate
from oddsmith.evaluate.metrics import auc
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit


def sums(positive, negative):
    """All weights of each replicate, side by side."""
    return np.hstack([positive, negative])


def share(positive, negative):
    return positive.sum(axis=1) / (positive.sum(axis=1) + negative.sum(axis=1))


def areas(positive, negative):
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(invalid="ignore"):
        return (positive * below).sum(axis=1) / positive.sum(axis=1) / negative.sum(axis=1)


def sample(n, seed=0):
    rng = np.random.default_rng(seed)
    eta = np.round(rng.normal(size=n), 1)
    return (
        eta,
        (rng.random(n) < expit(eta)).astype(int),
        rng.exponential(size=n),
        rng.integers(n // 5 + 1, size=n),
    )


row = st.tuples(st.integers(-3, 3), st.integers(0, 1), st.integers(0, 3), st.integers(0, 4))
rows = st.lists(row, min_size=1, max_size=30).filter(lambda cells: any(cell[2] for cell in cells))


@settings(max_examples=60, deadline=None)
@given(rows, st.booleans())
def test_all_rows_drawn_once_are_the_table(cells, grouped):
    eta, y, weight, group = np.array(cells).T
    table = ScoreTable.from_scores(eta, y, weight)
    units = Resampling.of_rows(eta, y, weight, group if grouped else None)
    np.testing.assert_array_equal(units.eta, table.eta)
    np.testing.assert_array_equal(
        units.original(sums), np.concatenate([table.weight_positive, table.weight_negative])
    )


@settings(max_examples=60, deadline=None)
@given(rows, st.sampled_from(["rows", "weights", "groups"]), st.randoms())
def test_the_same_rows_give_the_same_bits_in_whatever_order_they_come(cells, kind, random):
    shuffled = list(cells)
    random.shuffle(shuffled)
    found = []
    for some in (cells, shuffled, cells):
        eta, y, weight, group = np.array(some).T
        kept = weight > 0
        if kind == "rows":
            units = Resampling.of_rows(eta[kept], y[kept])
        else:
            units = Resampling.of_rows(eta, y, weight / 7, group if kind == "groups" else None)
        found.append(units.replicates(sums, 20, seed=7))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_weights_that_round_are_added_in_one_order_too():
    weight, group, y = np.random.default_rng(0).exponential(size=60), np.arange(60) % 2, np.ones(60)
    one, other = (
        Resampling.of_rows(np.zeros(60), y, weight[::step], group[::step]).replicates(sums, 20)
        for step in (1, -1)
    )
    np.testing.assert_array_equal(one, other)


def test_another_seed_gives_other_replicates():
    units = Resampling.of_table(ScoreTable.from_scores(*sample(100)[:2]))
    one, other = (units.replicates(share, 50, seed) for seed in (0, 1))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("n", [40, 4000])  # units drawn one by one, and kinds drawn at once
def test_a_table_draws_as_its_rows_do_and_a_batch_as_single_replicates(n, monkeypatch):
    eta, y, *_ = sample(n)
    of_table = Resampling.of_table(ScoreTable.from_scores(eta, y)).replicates(sums, 30, seed=3)
    np.testing.assert_array_equal(of_table, Resampling.of_rows(eta, y).replicates(sums, 30, seed=3))
    assert (of_table.sum(axis=1) == n).all()
    monkeypatch.setattr("oddsmith.evaluate.bootstrap._MOST_NUMBERS", 1)
    np.testing.assert_array_equal(of_table, Resampling.of_rows(eta, y).replicates(sums, 30, seed=3))


def test_weights_that_only_say_the_class_are_known_to_a_table():
    eta, y, *_ = sample(60)
    weight = np.where(y == 1, 0.3, 1.7)
    of_table = Resampling.of_table(ScoreTable.from_scores(eta, y, weight)).replicates(sums, 30)
    np.testing.assert_allclose(of_table, Resampling.of_rows(eta, y, weight).replicates(sums, 30), rtol=1e-12)


def test_in_cells_a_table_draws_what_its_rows_do():
    # Scores of three cells as three scores, and all of the rows that any of them has.
    eta, y, *_ = sample(400)
    table = ScoreTable.from_scores(eta, y)
    starts = np.array([0, 11, 30])
    cell = np.searchsorted(table.eta[starts], eta, side="right")
    of_cells = Resampling.of_table(table, starts)
    np.testing.assert_array_equal(of_cells.eta, table.eta[starts])
    np.testing.assert_array_equal(
        of_cells.replicates(sums, 30), Resampling.of_rows(cell, y).replicates(sums, 30)
    )


def test_rows_of_different_weights_at_one_score_have_the_mean_and_the_variance_of_theirs():
    # Against the rows themselves, of which each is a kind; 10 replicate errors of a variance, 5 of a mean.
    rng = np.random.default_rng(2)
    eta, y, weight = rng.integers(-2, 3, 200), rng.integers(0, 2, 200), rng.exponential(size=200)
    table, r = ScoreTable.from_scores(eta, y, weight), 20_000
    drawn = Resampling.of_table(table).replicates(sums, r, seed=1)
    total = np.concatenate([table.weight_positive, table.weight_negative])
    np.testing.assert_allclose(Resampling.of_table(table).original(sums), total, rtol=1e-12)
    squared = np.concatenate([table.squared_weight_positive, table.squared_weight_negative])
    assert np.abs(drawn.mean(axis=0) - total).max() < 0.02 * total.max()
    # Of all rows n a share is drawn here, which takes as much off the variance, and a little more of n.
    assert (drawn.var(axis=0) < squared * 1.05).all()
    assert (drawn.var(axis=0) > squared * 0.75).all()
    of_rows = Resampling.of_rows(eta, y, weight).replicates(share, r)
    assert Resampling.of_table(table).replicates(share, r).std() == pytest.approx(of_rows.std(), rel=0.05)


@pytest.mark.parametrize("counts", [[1] * 12, [500, 300, 200], [3, 1, 40]])
def test_draws_have_the_multinomial_means_and_covariances(counts):
    counts = np.array(counts)
    n, r = counts.sum(), 20_000
    drawn = np.array(list(redraws(counts, r, seed=0)))
    assert (drawn.sum(axis=1) == n).all()
    p = counts / n
    covariance = n * (np.diag(p) - np.outer(p, p))
    # Five standard errors of a mean, and of a covariance of nearly normal counts.
    assert np.abs(drawn.mean(axis=0) - counts).max() < 5 * np.sqrt(covariance.diagonal().max() / r)
    assert np.abs(np.cov(drawn.T) - covariance).max() < 5 * np.sqrt(2 / r) * covariance.diagonal().max() * 1.5


def test_one_row_drawn_again_is_binomial():
    # How often a replicate of 6 rows holds a given row: Binomial(6, 1/6), by a chi-square test at 1 in 10,000.
    drawn = np.array(list(redraws(np.ones(6), 6000, seed=1)))[:, 0]
    expected = 6000 * np.append(binom.pmf(range(4), 6, 1 / 6), binom.sf(3, 6, 1 / 6))
    seen = np.bincount(np.minimum(drawn, 4), minlength=5)
    assert ((seen - expected) ** 2 / expected).sum() < chi2.isf(1e-4, 4)


def test_a_group_stays_together():
    _, y, weight, group = sample(80)
    units = Resampling.of_rows(np.arange(80.0), y, weight, group)
    drawn = units.replicates(lambda positive, negative: positive + negative, 40)
    times = drawn / weight
    for members in (np.flatnonzero(group == g) for g in np.unique(group)):
        np.testing.assert_allclose(np.ptp(times[:, members], axis=1), 0.0, atol=1e-12)
    assert len(np.unique(times.round(9))) > 2
    assert len({str(g) for g in group}) == len(units.count)
    named = Resampling.of_rows(np.arange(80.0), y, weight, [f"customer {g:03d}" for g in group])
    np.testing.assert_array_equal(named.replicates(share, 40), units.replicates(share, 40))


def test_the_spread_of_a_mean_is_that_of_theory():
    # Weighted share of positives: sum w^2 (y - share)^2 / (sum w)^2 by linearisation; 5 sd of its estimate from 4,000.
    eta, y, weight, group = sample(2000)
    mean = np.average(y, weights=weight)
    of_rows = np.sqrt((weight**2 * (y - mean) ** 2).sum()) / weight.sum()
    of_groups = np.sqrt((np.bincount(group, weight * (y - mean)) ** 2).sum()) / weight.sum()
    for groups, theory in ((None, of_rows), (group, of_groups)):
        replicates = Resampling.of_rows(eta, y, weight, groups).replicates(share, 4000)
        assert replicates.std() == pytest.approx(theory, rel=5 / np.sqrt(2 * 4000))
        assert replicates.mean() == pytest.approx(mean, abs=5 * theory / np.sqrt(4000))


@pytest.mark.parametrize("weighted", [False, True])
def test_on_many_rows_the_percentile_interval_of_the_auc_is_that_of_delong(weighted):
    eta, y, weight, _ = sample(5000)
    weight = weight if weighted else None
    units = Resampling.of_rows(eta, y, weight)
    table = ScoreTable.from_scores(eta, y, weight)
    assert float(units.original(areas)) == pytest.approx(auc(table), abs=1e-12)
    found, expected = percentile_interval(units.replicates(areas, 2000)), auc_estimate(table)
    # An end of 2,000 replicates has a standard error of 0.06 of theirs.
    tolerance = 5 * 0.06 * expected.standard_error
    assert found.low == pytest.approx(expected.interval.low, abs=tolerance)
    assert found.high == pytest.approx(expected.interval.high, abs=tolerance)


def test_percentiles_leave_out_what_does_not_exist_and_say_so():
    values = np.append(np.arange(101.0), [np.nan] * 9)
    found = percentile_interval(values, 0.9)
    assert (found.low, found.high) == pytest.approx((5.0, 95.0))
    assert found.method == "percentiles of 110 bootstrap replicates, 9 of them undefined"
    assert percentile_interval(np.arange(5.0)).method == "percentiles of 5 bootstrap replicates"
    with pytest.raises(InputError, match="exists in none"):
        percentile_interval(np.array([np.nan]))
    with pytest.raises(InputError, match="level 0"):
        percentile_interval(values, 0)


def test_several_figures_come_at_once():
    eta, y, *_ = sample(50)
    units = Resampling.of_rows(eta, y)
    both = units.replicates(
        lambda positive, negative: np.column_stack([share(positive, negative), areas(positive, negative)]), 30
    )
    assert both.shape == (30, 2)
    np.testing.assert_array_equal(both[:, 0], units.replicates(share, 30))


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(InputError, match="no rows to draw from"):
        Resampling.of_table(ScoreTable.from_scores([], []))
    with pytest.raises(InputError, match="no rows to draw from"):
        Resampling.of_rows([1.0], [1], [0.0])
    with pytest.raises(InputError, match="groups have shape"):
        Resampling.of_rows([1.0], [1], group=[1, 2])
    with pytest.raises(InputError, match="0 resamples"):
        Resampling.of_rows([1.0], [1]).replicates(share, 0)
