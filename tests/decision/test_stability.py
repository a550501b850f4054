import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.decision.stability import Range, Stability, stability
from oddsmith.decision.thresholds import cost_curve, cut_of
from oddsmith.errors import InputError
from oddsmith.evaluate.cells import MOST_CELLS
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit


def scores(seed, n, shift=0.0):
    draws = np.random.default_rng(seed)
    eta = draws.normal(-1, 1.5, n)
    return eta, (draws.random(n) < expit(eta - shift)).astype(int)


rows = st.lists(
    st.tuples(st.integers(-6, 6), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
).map(lambda cells: tuple(np.array(cells).T))


@settings(max_examples=25)
@given(rows)
def test_weight_2_is_a_row_twice(cells):
    eta, y, weight = cells
    weighted = ScoreTable.from_scores(eta, y, weight)
    repeated = ScoreTable.from_scores(np.repeat(eta, weight), np.repeat(y, weight))
    cost = Cost(fn=3, fp=1)
    assert stability(weighted, cost, n_resamples=40) == stability(repeated, cost, n_resamples=40)


@settings(max_examples=25)
@given(rows, st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(cells, seed):
    eta, y, weight = cells
    order = np.random.default_rng(seed).permutation(len(eta))
    tables = [
        ScoreTable.from_scores(eta, y, weight),
        ScoreTable.from_scores(eta[order], y[order], weight[order]),
    ]
    found = [stability(table, Cost(fn=3, fp=1), n_resamples=40, seed=seed) for table in tables]
    assert found[0] == found[1]


def test_few_rows_raise_no_alarm_and_whole_weights_are_rows():
    eta, y = scores(2, 60, shift=3.0)
    assert 4 <= y.sum() < 20
    cost = Cost(fn=5, fp=1)
    once, often = (
        stability(ScoreTable.from_scores(eta, y, np.full(60, w)), cost, n_resamples=99) for w in (1, 10)
    )
    assert not once.near_optimal[0].lower <= cost.log_odds <= once.near_optimal[-1].upper
    assert (once.alarm, often.alarm is None) == (None, False)


def test_the_near_optimal_set_is_where_the_paired_difference_can_be_zero():
    # The same question asked row by row: resample rows, cost of each at each cut, difference to the best.
    eta, y = scores(3, 300)
    cost = Cost(fn=5, fp=1)
    table = ScoreTable.from_scores(eta, y)
    curve = cost_curve(table, cost)
    found = stability(table, cost, n_resamples=2000, seed=1)
    best = cut_of(table, found.best)
    called = eta[:, None] >= curve.eta[None, :]
    each = np.where(y[:, None] == 1, ~called * cost.fn, called * cost.fp)
    draws = np.random.default_rng(9)
    difference = each - each[:, [best]]
    means = np.array([difference[draws.integers(0, 300, 300)].mean(axis=0) for _ in range(2000)])
    inside = np.quantile(means, 0.025, axis=0) <= 1e-12
    ours = np.zeros(len(curve.eta), dtype=bool)
    for part in found.near_optimal:
        ours |= (curve.eta >= part.lower) & (curve.eta <= part.upper)
    assert (ours != inside).mean() < 0.03
    assert 0.1 < inside.mean() < 0.7


def test_sharp_labels_leave_no_doubt():
    eta = np.concatenate([np.linspace(-3, -2, 200), np.linspace(2, 3, 200)])
    found = stability(ScoreTable.from_scores(eta, eta > 0), Cost(fn=5, fp=1), n_resamples=200)
    assert found.best == 0.0
    assert found.span == Range(0.0, 0.0)
    # A resample may lack the few rows beside the gap, and then doesn't mind on which side of them it is cut.
    (near,) = found.near_optimal
    assert -2.1 < near.lower <= 0.0 <= near.upper < 2.1
    assert found.alarm is None


def test_the_span_narrows_as_rows_become_more():
    def width(n):
        spans = [
            stability(ScoreTable.from_scores(*scores(seed, n)), Cost(fn=5, fp=1), n_resamples=200).span
            for seed in range(8)
        ]
        return np.mean([span.upper - span.lower for span in spans])

    # As n^(-1/3), so by a factor of 2.15.
    assert 1.4 < width(200) / width(2000) < 3


def test_probabilities_that_are_too_high_raise_the_alarm_and_right_ones_do_not():
    cost = Cost(fn=5, fp=1)
    assert stability(ScoreTable.from_scores(*scores(0, 1000)), cost, n_resamples=300).alarm is None
    alarm = stability(ScoreTable.from_scores(*scores(0, 1000, shift=1.5)), cost, n_resamples=300).alarm
    assert alarm.startswith("the costs alone put the threshold at 0.1667")
    assert alarm.endswith("look at the calibration.")


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 100, 500])
def test_the_alarm_is_rarely_false_and_on_enough_rows_rarely_silent(n):
    def raised(shift):
        tables = [ScoreTable.from_scores(*scores(seed, n, shift)) for seed in range(200)]
        return np.mean(
            [stability(table, Cost(fn=5, fp=1), n_resamples=200).alarm is not None for table in tables]
        )

    assert raised(0.0) <= 0.08
    assert n < 500 or raised(1.5) >= 0.95


def test_many_scores_are_resampled_between_fewer_cuts_with_the_chosen_one_among_them():
    table = ScoreTable.from_scores(*scores(1, 3 * MOST_CELLS))
    cost = Cost(fn=5, fp=1)
    found = stability(table, cost, n_resamples=30)
    curve = cost_curve(table, cost)
    assert curve.cost[cut_of(table, found.best)] == curve.cost.min()
    assert found.span.lower < cost.log_odds < found.span.upper
    assert stability(table, cost, n_resamples=30) == found
    assert stability(table, cost, n_resamples=30, seed=1).span != found.span


def test_records_that_contradict_themselves_are_refused():
    sound = {"best": 0.5, "span": Range(0, 1), "median": 0.5, "near_optimal": [Range(0, 1)], "level": 0.95}
    sound |= {"n_resamples": 10, "seed": 0, "alarm": None}
    assert Stability(**sound).best == 0.5
    for change in (
        {"median": 2.0},
        {"near_optimal": []},
        {"best": 3.0},
        {"near_optimal": [Range(0, 1), Range(0.5, 2)]},
    ):
        with pytest.raises(InputError, match="stability"):
            Stability(**(sound | change))
    for ends in ((1.0, 0.0), (0.0, np.inf), (np.nan, 1.0)):
        with pytest.raises(InputError, match="not a range"):
            Range(*ends)


def test_no_resamples_tell_nothing(requests, price):
    with pytest.raises(InputError, match="0 resamples"):
        stability(requests, price, n_resamples=0)
