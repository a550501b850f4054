import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Confusion, auc, auc_error, brier, confusion, log_loss, mean_proba
from oddsmith.evaluate.score_table import ScoreTable, log_odds
from oddsmith.fit.losses import expit

ARRAYS = (
    "eta",
    "count_positive",
    "count_negative",
    "weight_positive",
    "weight_negative",
    "squared_weight_positive",
    "squared_weight_negative",
)


def assert_same(one: ScoreTable, other: ScoreTable):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert getattr(one, name).dtype == getattr(other, name).dtype, name


# Scores on a coarse grid, so that ties are common; whole weights, so that sums are exact.
rows = st.tuples(st.integers(-6, 6).map(lambda k: k / 2), st.integers(0, 1), st.integers(0, 3))
tables = st.lists(rows, max_size=30)


def table_of(cells) -> ScoreTable:
    eta, y, weight = np.array(cells, dtype=float).reshape(-1, 3).T
    return ScoreTable.from_scores(eta, y, weight)


@settings(max_examples=60, deadline=None)
@given(tables, tables)
def test_tables_of_parts_add_to_the_table_of_the_whole(first, second):
    assert_same(table_of(first) + table_of(second), table_of(first + second))


@settings(max_examples=60, deadline=None)
@given(tables, st.randoms())
def test_order_of_rows_does_not_matter(cells, random):
    shuffled = list(cells)
    random.shuffle(shuffled)
    assert_same(table_of(shuffled), table_of(cells))


@settings(max_examples=60, deadline=None)
@given(tables, st.sampled_from([3, 1 << 20]))
def test_no_weights_are_weights_of_one(cells, most):
    eta, y, _ = np.array(cells, dtype=float).reshape(-1, 3).T
    assert_same(
        ScoreTable.from_scores(eta, y, None, most), ScoreTable.from_scores(eta, y, np.ones(len(y)), most)
    )


@settings(max_examples=60, deadline=None)
@given(tables)
def test_a_row_of_weight_zero_leaves_no_trace(cells):
    assert_same(table_of(cells), table_of([cell for cell in cells if cell[2] > 0]))


def test_sums_at_a_tie():
    table = ScoreTable.from_scores([1.0, -2.0, 1.0, 1.0], [1, 0, 0, 1], [0.5, 1.0, 3.0, 2.0])
    np.testing.assert_array_equal(table.eta, [-2.0, 1.0])
    np.testing.assert_array_equal(table.count_positive, [0, 2])
    np.testing.assert_array_equal(table.count_negative, [1, 1])
    np.testing.assert_array_equal(table.weight_positive, [0.0, 2.5])
    np.testing.assert_array_equal(table.weight_negative, [1.0, 3.0])
    np.testing.assert_array_equal(table.squared_weight_positive, [0.0, 4.25])
    np.testing.assert_array_equal(table.squared_weight_negative, [1.0, 9.0])
    assert table.n_rows == 4
    assert table.weight == 6.5


def test_weights_that_only_add_up_to_counts_are_still_weights():
    assert ScoreTable.from_scores([0, 0, 1], [1, 1, 0]).unweighted
    assert ScoreTable.from_scores([0, 0, 1], [1, 1, 0], [1, 1, 1]).unweighted
    assert not ScoreTable.from_scores([0, 0, 1], [1, 1, 0], [0.5, 1.5, 1]).unweighted


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0]), max_size=12), st.integers(0, 12))
def test_whole_weights_are_known_from_the_rows_whatever_they_add_up_to(weight, cut):
    def of(some):
        return ScoreTable.from_scores(np.zeros(len(some)), np.ones(len(some)), some)

    whole = all(of_row % 1 == 0 for of_row in weight)
    assert of(weight).whole_weights == (of(weight[:cut]) + of(weight[cut:])).whole_weights == whole


def test_rows_that_are_not_whole_pass_for_whole_in_no_sum():
    fractions, whole = (
        ScoreTable.from_scores(np.zeros(4), np.ones(4), weight)
        for weight in ([0.5, 1.5, 1.5, 1.5], [1, 1, 1, 2])
    )
    assert_same(fractions, whole)
    assert (fractions.whole_weights, whole.whole_weights) == (False, True)
    # Above 2^53 a sum of doubles is not that of the rows.
    assert not ScoreTable.from_scores([0.0], [1], [2.0**54]).whole_weights
    assert ScoreTable.from_scores([0.0], [1]).whole_weights


def test_a_score_at_the_threshold_is_positive():
    for threshold in (0.1, 0.2, 18 / 138, 0.5, 0.7, 0.9):
        eta = log_odds(threshold)
        table = ScoreTable.from_scores([np.nextafter(eta, -np.inf), eta], [0, 1])
        assert confusion(table, threshold) == Confusion(tp=1, fp=0, fn=0, tn=1)


def test_the_ends_call_all_and_none_even_where_the_probability_is_exactly_0_or_1():
    table = ScoreTable.from_scores([-1000.0, 1000.0], [0, 1])
    np.testing.assert_array_equal(table.proba, [0.0, 1.0])
    assert confusion(table, 0.0) == Confusion(tp=1, fp=1, fn=0, tn=0)
    assert confusion(table, 1.0) == Confusion(tp=0, fp=0, fn=1, tn=1)


def test_scores_that_are_one_probability_but_two_log_odds_stay_apart():
    table = ScoreTable.from_scores([40.0, 41.0], [0, 1])
    np.testing.assert_array_equal(table.proba, [1.0, 1.0])
    assert len(table.eta) == 2


@settings(max_examples=60, deadline=None)
@given(st.floats(-740, 740))
def test_expit_is_the_inverse_of_log_odds_and_symmetric(eta):
    p, q = expit(np.array([eta, -eta]))
    assert p + q == pytest.approx(1.0, abs=1e-15)
    assert min(p, q) == pytest.approx(math.exp(-abs(eta)) / (1 + math.exp(-abs(eta))), rel=1e-15)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([0.0, math.nan], [0, 1]), "row 2: score nan"),
        (([0.0, math.inf], [0, 1]), "row 2: score inf"),
        (([0.0, 1.0], [0, 2]), "row 2: label 2.0"),
        (([0.0, 1.0], [0, 1, 1]), "scores have shape (2,) and labels (3,)"),
        (([[0.0], [1.0]], [[0], [1]]), "scores have shape (2, 1)"),
        (([0.0, 1.0], [0, 1], [1.0, -0.5]), "row 2: weight -0.5"),
        (([0.0, 1.0], [0, 1], [math.inf, 1.0]), "row 1: weight inf"),
        (([0.0, 1.0], [0, 1], [1.0]), "weights have shape (1,)"),
    ],
)
def test_bad_rows_are_named(arguments, said):
    with pytest.raises(InputError) as caught:
        ScoreTable.from_scores(*arguments)
    assert said in str(caught.value)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, math.inf])
def test_a_threshold_is_a_probability(threshold):
    with pytest.raises(InputError, match="not a probability"):
        log_odds(threshold)


def coarse_of(eta, y, weight, most):
    return ScoreTable.from_scores(eta, y, weight, most)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=60),
    st.integers(1, 20),
    st.integers(4, 12),
)
def test_merged_scores_are_those_of_one_grid_in_whatever_order_they_come(cells, size, most):
    eta, y, weight = np.array(cells, dtype=float).reshape(-1, 3).T
    whole = coarse_of(eta, y, weight, most)
    parts = [
        coarse_of(eta[at : at + size], y[at : at + size], weight[at : at + size], most)
        for at in range(0, len(eta), size)
    ]
    for found in (ScoreTable.sum(parts), ScoreTable.sum(parts[::-1]), sum(parts[1:], parts[0])):
        assert found.step == whole.step
        for name in ARRAYS[1:]:
            np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
        np.testing.assert_allclose(found.eta, whole.eta, rtol=1e-13, atol=1e-300)
    assert len(whole.eta) <= most
    assert whole.n_rows == len(eta)
    if whole.step == 0.0:
        assert_same(whole, ScoreTable.from_scores(eta, y, weight))
    else:
        assert math.log2(whole.step).is_integer()
        distinct = np.unique(eta)
        finer = np.unique(np.floor(distinct / (whole.step / 2)))
        assert len(finer) > most or whole.step == 2.0**-30
    # Zero is a border: nobody changes sides.
    assert confusion(whole, 0.5) == confusion(ScoreTable.from_scores(eta, y, weight), 0.5)


def test_the_least_negative_score_stays_on_its_side_of_zero():
    eta = np.array([0.0] * 6 + [1.0, 2.0, 3.0, -5e-324])
    y, weight = np.zeros(10), np.ones(10)
    whole = coarse_of(eta, y, weight, 4)
    added = ScoreTable.sum([coarse_of(eta[i : i + 1], y[:1], weight[:1], 4) for i in range(10)])
    np.testing.assert_array_equal(added.count_negative, whole.count_negative)
    assert (whole.eta < 0).sum() == 1


def test_merged_scores_tell_what_all_scores_tell_within_what_is_said():
    rng = np.random.default_rng(0)
    eta = rng.normal(size=20_000) * 3
    y = (rng.random(20_000) < expit(eta)).astype(float)
    exact, coarse = ScoreTable.from_scores(eta, y), ScoreTable.from_scores(eta, y, most=500)
    assert coarse.step > 0.01
    assert log_loss(coarse) == pytest.approx(log_loss(exact), rel=3e-4)
    assert brier(coarse) == pytest.approx(brier(exact), rel=3e-4)
    assert mean_proba(coarse) == pytest.approx(mean_proba(exact), rel=1e-4)
    assert 0 < abs(auc(coarse) - auc(exact)) <= auc_error(coarse) < 3e-3
    assert auc_error(exact) == 0.0


@pytest.mark.parametrize(("spread", "most"), [(1e-12, 50), (1e-3, 50), (1.0, 1000), (1e9, 7), (1e14, 2)])
def test_the_grid_is_the_finest_that_is_coarse_enough(spread, most):
    # Scores with far outliers: neither their range nor their number tells the step.
    eta = spread * np.random.default_rng(0).standard_cauchy(size=3000)
    eta = np.clip(eta, -1e15, 1e15)
    step = ScoreTable.from_scores(eta, np.zeros(3000), most=most).step
    counts = {k: len(np.unique(np.floor(eta / 2.0**k))) for k in range(-30, 52)}
    assert step == 2.0 ** min(k for k, cells in counts.items() if cells <= most)


@pytest.mark.parametrize("size", [1e15, 1e308])
def test_scores_far_out_are_merged_too(size):
    eta = np.array([-size, -1.0, 0.0, 1.0, size, size / 2])
    table = ScoreTable.from_scores(eta, [0, 0, 0, 1, 1, 1], most=3)
    assert np.isfinite(table.eta).all()
    assert (table.n_rows, auc(table) is not None) == (6, True)
    assert np.all(np.diff(table.eta) > 0)
