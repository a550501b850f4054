import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from oddsmith.decision.costs import Reviewer
from oddsmith.decision.thresholds import (
    ALL,
    NONE,
    best_cut,
    candidate,
    candidates,
    cost_curve,
    cut_of,
    cut_thresholds,
    empirical_threshold,
    given_threshold,
    probability,
    ratio_candidates,
)
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost, confusion_at
from oddsmith.evaluate.score_table import ScoreTable, log_odds
from oddsmith.fit.losses import expit

SHARED = Path(__file__).parents[3] / "shared"

rows = st.lists(
    st.tuples(st.integers(-6, 6), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
).map(lambda cells: tuple(np.array(cells).T))
prices = st.builds(Cost, st.integers(1, 30), st.integers(1, 30), st.integers(-5, 0), st.integers(-5, 0))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference figures are not here")
def test_the_reference_table_of_thresholds():
    known = json.loads((SHARED / "reference" / "access_requests.json").read_text("utf-8"))
    eta = [log_odds(proba) for proba in known["validation_proba"]]
    y = [row["needs_review"] for row in known["validation"]["rows"]]
    table = ScoreTable.from_scores(eta, y)
    costs = known["costs"]
    cost = Cost(fn=costs["false_negative"], fp=costs["false_positive"])
    assert cost.threshold == costs["analytic_threshold"]
    for row in known["validation_thresholds"]:
        found = candidate("", table, given_threshold(row["threshold"]), cost)
        assert {name: getattr(found, name) for name in ("tp", "fp", "fn", "tn", "cost")} == {
            name: row[name] for name in ("tp", "fp", "fn", "tn", "cost")
        }


def test_eight_requests_by_hand(requests, price):
    # In rising order the labels are 0 0 1 0 1 0 1 1; the cheapest cut misses nothing and alarms twice.
    by_name = {row.name: row for row in candidates(requests, price)}
    assert {name: row.cost for name, row in by_name.items()} == {
        "none": 480.0,
        "all": 72.0,
        "one half": 138.0,
        "analytic": 54.0,
        "empirical": 36.0,
    }
    assert by_name["analytic"].threshold == 18 / 138
    empirical = by_name["empirical"]
    assert empirical.eta == pytest.approx((log_odds(0.169) + log_odds(0.244)) / 2, abs=1e-12)
    assert (empirical.tp, empirical.fp, empirical.fn, empirical.tn) == (4, 2, 0, 2)


def test_costs_that_nobody_has_said_are_shown_as_ratios(requests):
    found = ratio_candidates(requests)
    assert [row.name for row in found] == ["1:1", "5:1", "20:1"]
    assert [row.threshold for row in found] == [1 / 2, 1 / 6, 1 / 21]
    assert [row.cost for row in found] == [
        row.fp + r * row.fn for row, r in zip(found, (1, 5, 20), strict=True)
    ]
    assert [row.cost for row in found] == [2, 3, 4]


@settings(max_examples=100)
@given(rows, prices)
def test_the_minimiser_is_the_best_of_all_cuts(cells, cost):
    eta, y, weight = cells
    table = ScoreTable.from_scores(eta, y, weight)
    dense = [*np.unique(eta), *(np.unique(eta) - 0.5), 7.0]

    def total(threshold):
        called = eta >= threshold
        each = np.where(
            y == 1, np.where(called, int(cost.tp), int(cost.fn)), np.where(called, int(cost.fp), int(cost.tn))
        )
        return int((each * weight).sum())

    chosen = empirical_threshold(table, cost)
    assert total(chosen) == min(map(total, dense))


@settings(max_examples=100)
@given(rows, prices)
def test_every_cut_counts_as_its_threshold_does(cells, cost):
    eta, y, weight = cells
    table = ScoreTable.from_scores(eta, y, weight)
    curve = cost_curve(table, cost)
    assert np.all(curve.eta[1:] > curve.eta[:-1])
    assert (curve.eta[0], curve.eta[-1]) == (ALL, NONE)
    for i, threshold in enumerate(curve.eta):
        counts = confusion_at(table, threshold)
        assert (counts.tp, counts.fp, counts.fn, counts.tn) == (
            curve.tp[i],
            curve.fp[i],
            curve.fn[i],
            curve.tn[i],
        )
        assert curve.cost[i] == cost.total(counts)
    assert (curve.all, curve.none) == (curve.cost[0], curve.cost[-1])


@settings(max_examples=60)
@given(rows, prices, st.integers(0, 2**32 - 1))
def test_weight_2_is_a_row_twice_and_order_does_not_matter(cells, cost, seed):
    eta, y, weight = cells
    order = np.random.default_rng(seed).permutation(len(eta))
    table = ScoreTable.from_scores(eta, y, weight)
    repeated = ScoreTable.from_scores(np.repeat(eta, weight), np.repeat(y, weight))
    shuffled = ScoreTable.from_scores(eta[order], y[order], weight[order])
    for other in (repeated, shuffled):
        assert candidates(other, cost) == candidates(table, cost)


@pytest.mark.parametrize("cost", [Cost(fn=5, fp=1), Cost(fn=1, fp=3), Cost(fn=7, fp=2, tn=-1)])
def test_agreement_with_the_threshold_search_of_scikit_learn(cost):
    draws = np.random.default_rng(1)
    X = draws.normal(size=(400, 3))
    y = (draws.random(400) < expit(X @ [1.0, -1.0, 0.5] - 1)).astype(int)

    def gain(true, called):
        (tn, fp), (fn, tp) = confusion_matrix(true, called, labels=[0, 1])
        return -(fn * cost.fn + fp * cost.fp + tn * cost.tn + tp * cost.tp)

    fitted = LogisticRegression().fit(X, y)
    eta = fitted.decision_function(X)
    # 0, 1 and every score: a grid as fine as the cuts are.
    grid = np.concatenate([[-100.0], np.unique(eta), [100.0]])
    peer = TunedThresholdClassifierCV(
        fitted,
        scoring=make_scorer(gain),
        thresholds=grid,
        cv="prefit",
        refit=False,
        response_method="decision_function",
    ).fit(X, y)
    table = ScoreTable.from_scores(eta, y)
    ours = candidate("", table, empirical_threshold(table, cost), cost)
    assert ours.cost == -peer.best_score_
    by_peer = FixedThresholdClassifier(
        fitted, threshold=empirical_threshold(table, cost), response_method="decision_function"
    )
    assert ours.cost == -gain(y, by_peer.fit(X, y).predict(X))


@settings(max_examples=100)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=9, unique=True))
def test_a_threshold_lies_in_the_gap_below_a_score(eta):
    table = ScoreTable.from_scores(eta, np.arange(len(eta)) % 2)
    cuts = cut_thresholds(table)
    for i, (lower, upper) in enumerate(zip(table.eta, table.eta[1:], strict=False), start=1):
        assert lower < cuts[i] <= upper
        middle = (Fraction(lower) + Fraction(upper)) / 2
        assert cuts[i] == upper or abs(Fraction(cuts[i]) - middle) <= Fraction(
            math.ulp(max(abs(lower), abs(upper)))
        )
        assert cut_of(table, cuts[i]) == i


def test_between_neighbouring_doubles_the_threshold_is_the_upper_score():
    below = 1.0
    above = math.nextafter(below, 2.0)
    assert cut_thresholds(ScoreTable.from_scores([below, above], [0, 1])).tolist() == [ALL, above, NONE]


def test_merged_scores_are_cut_where_their_rows_agree():
    draws = np.random.default_rng(2)
    eta = draws.normal(size=5000) * 2
    y = (draws.random(5000) < expit(eta)).astype(int)
    table = ScoreTable.from_scores(eta, y, most=64)
    assert table.step > 0
    curve = cost_curve(table, Cost(fn=3, fp=1))
    for i, threshold in enumerate(curve.eta[:-1]):
        assert (curve.tp[i], curve.fp[i]) == ((eta >= threshold) @ y, (eta >= threshold) @ (1 - y))


def test_of_cuts_that_cost_the_same_the_one_nearest_to_the_analytic_threshold_is_taken():
    # A negative between positives, a miss as dear as an alarm: two cuts are equally far, the lower one is taken.
    table = ScoreTable.from_scores([-3.0, -1.0, 1.0, 3.0], [0, 1, 0, 1])
    cost = Cost(fn=1, fp=1)
    curve = cost_curve(table, cost)
    assert curve.cost.tolist() == [2, 1, 2, 1, 2]
    assert curve.eta[best_cut(table, curve, cost)] == -2.0
    low = ScoreTable.from_scores([-6.0, -4.0, -2.0, -1.0], [0, 1, 0, 1])
    assert empirical_threshold(low, Cost(fn=1, fp=1)) == -1.5


def test_rounding_does_not_choose_between_equal_costs():
    # Three misses at .1 and one alarm at .3 cost the same, though 3 * .1 is more than .3 in doubles.
    cost = Cost(fn=0.1, fp=0.3)
    table = ScoreTable.from_scores([-3.0, -2.0, -2.0, -2.0, -1.0], [0, 1, 1, 1, 0])
    curve = cost_curve(table, cost)
    assert curve.cost[1] < curve.cost[3]
    assert cut_of(table, cost.log_odds) == best_cut(table, curve, cost) == 3


def test_handing_every_case_to_a_person_has_a_price(requests):
    cost = Cost(fn=120, fp=18, defer=6)
    assert cost_curve(requests, cost).defer_all == 48.0
    assert cost_curve(requests, cost, Reviewer(fn=0.5, fp=0.25)).defer_all == 48.0 + 4 * 60 + 4 * 4.5
    assert cost_curve(requests, Cost(fn=120, fp=18)).defer_all is None


def test_thresholds_at_the_ends_are_finite_and_mean_all_and_none():
    assert (given_threshold(0.0), given_threshold(1.0)) == (ALL, NONE)
    assert (probability(ALL), probability(NONE)) == (0.0, 1.0)
    assert json.loads(json.dumps([ALL, NONE])) == [ALL, NONE]
    table = ScoreTable.from_scores([ALL, NONE], [0, 1])
    assert candidate("", table, NONE, None).tp == 0
    assert candidate("", table, ALL, None).fp == 1


def test_no_rows_choose_no_threshold():
    with pytest.raises(InputError, match="no rows to choose a threshold from"):
        empirical_threshold(ScoreTable.from_scores([], []), Cost(fn=1, fp=1))
