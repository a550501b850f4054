from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oddsmith.decision.capacity import (
    Capacity,
    overflow,
    parse_capacity,
    top_threshold,
    within_capacity,
    zone_thresholds,
)
from oddsmith.decision.costs import PERFECT, Reviewer, expected_costs
from oddsmith.decision.deferral import saving, zone
from oddsmith.decision.thresholds import ALL
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit

eighths = st.lists(st.integers(-24, 24).map(lambda k: k / 8), min_size=1, max_size=8)
prices = st.builds(Cost, fn=st.floats(1, 50), fp=st.floats(1, 50), defer=st.floats(0.05, 3))
reviewers = st.builds(Reviewer, st.sampled_from([0.0, 0.03]), st.sampled_from([0.0, 0.1]))


def least_cost(eta, cost, reviewer, action, most, n_actions):
    """Over all assignments of actions to cases."""
    each = expected_costs(eta, cost, reviewer)
    if n_actions == 2:
        each = each[:, [0, -1]]
    cases = range(len(eta))
    return min(
        sum(each[i, a] for i, a in zip(cases, chosen, strict=True))
        for chosen in product(range(n_actions), repeat=len(eta))
        if chosen.count(action) <= most
    )


@settings(max_examples=40)
@given(eighths.filter(lambda eta: len(eta) <= 6), prices, reviewers, st.integers(0, 6))
def test_serving_the_largest_savings_is_the_cheapest_assignment(eta, cost, reviewer, most):
    eta = np.array(eta)
    free = zone(cost, reviewer)
    actions = np.searchsorted([free.lower, free.upper], eta, side="right")
    instead = 2 * (eta >= cost.log_odds)
    held = within_capacity(actions, saving(eta, cost, reviewer), instead, 1, most)
    assert (held == 1).sum() == min(most, (actions == 1).sum())
    total = expected_costs(eta, cost, reviewer)[np.arange(len(eta)), held].sum()
    assert total == pytest.approx(least_cost(eta, cost, reviewer, 1, most, 3), abs=1e-9)


@settings(max_examples=40)
@given(eighths, prices, st.integers(0, 8), st.booleans())
def test_a_threshold_for_the_top_is_the_cheapest_assignment_that_ties_allow(eta, cost, most, positive):
    eta = np.unique(eta)
    most = min(most, len(eta))
    table = ScoreTable.from_scores(eta, np.zeros(len(eta)))
    found = top_threshold(table, Capacity("review", most, len(eta)), cost, positive=positive)
    called = (eta >= found.thresholds[0]).astype(int)
    assert (called == positive).sum() <= most
    each = expected_costs(eta, cost)[:, [0, -1]]
    total = each[np.arange(len(eta)), called].sum()
    assert total == pytest.approx(least_cost(eta, cost, PERFECT, int(positive), most, 2), abs=1e-9)


@settings(max_examples=100)
@given(eighths, prices, st.integers(0, 7), st.booleans())
def test_two_actions_are_those_of_a_cost_raised_by_the_shadow_price(eta, cost, most, positive):
    eta = np.unique(eta)
    assume(most < len(eta))
    table = ScoreTable.from_scores(eta, np.zeros(len(eta)))
    found = top_threshold(table, Capacity("review", most, len(eta)), cost, positive=positive)
    # The price of the last refused case itself leaves both actions equal for it: a hair more refuses it.
    price = found.shadow_price + 1e-9
    assume(np.abs(eta - cost.log_odds).min() > 1e-6)
    raised = (
        Cost(fn=cost.fn, fp=cost.fp + price, tp=price)
        if positive
        else Cost(fn=cost.fn + price, fp=cost.fp, tn=price)
    )
    assert ((eta >= found.thresholds[0]) == (eta >= raised.log_odds)).all()


@settings(max_examples=100)
@given(eighths, prices, reviewers, st.integers(0, 7))
def test_a_zone_with_a_capacity_is_the_zone_of_a_price_raised_by_the_shadow_price(eta, cost, reviewer, most):
    eta = np.unique(eta)
    assume(most < len(eta))
    worth = saving(eta, cost, reviewer)
    assume(len(worth) < 2 or np.diff(np.sort(worth)).min() > 1e-6)
    table = ScoreTable.from_scores(eta, np.zeros(len(eta)))
    found = zone_thresholds(table, Capacity("defer", most, len(eta)), cost, reviewer)
    inside = (eta >= found.thresholds[0]) & (eta < found.thresholds[1])
    assert inside.sum() == min(most, (worth > 0).sum())
    unlimited = zone(cost, reviewer, found.shadow_price + 1e-7)
    assert (inside == ((eta >= unlimited.lower) & (eta < unlimited.upper))).all()
    refused = worth[~inside]
    assert found.shadow_price == pytest.approx(max([0.0, *refused]), abs=1e-12)


def test_both_ends_of_a_zone_with_a_capacity_are_at_one_price_between_the_last_served_and_the_first_refused():
    cost, eta = Cost(fn=50, fp=10, defer=1), np.array([-3.5, -3.0, -2.0, -1.0, 0.0, 1.0, 1.5])
    found = zone_thresholds(ScoreTable.from_scores(eta, eta > 0), Capacity("defer", 3, 7), cost)
    worth = np.sort(saving(eta, cost))[::-1]
    ends = saving(found.thresholds, cost)
    assert ends == pytest.approx([(worth[2] + worth[3]) / 2] * 2, abs=1e-12)
    assert found.shadow_price == worth[3]


@pytest.mark.parametrize("far", [0.3, 0.7, 1.0, 1.3, 1.9, 2.2, 2.6])
def test_of_two_sides_that_are_worth_the_same_one_is_served(far):
    # Saving is even in the score where both errors cost the same: a price alone can't tell the two apart.
    cost, eta = Cost(fn=10, fp=10, defer=0.1), np.array([-far, far])
    lower, upper = zone_thresholds(
        ScoreTable.from_scores(eta, [0, 1]), Capacity("defer", 1, 2), cost
    ).thresholds
    assert ((eta >= lower) & (eta < upper)).tolist() == [True, False]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(-6, 6), st.integers(1, 3)), min_size=1, max_size=12),
    st.integers(0, 10),
    prices,
)
def test_ties_are_served_together_and_weight_2_is_a_row_twice(cells, most, cost):
    eta, weight = np.array(cells).T
    capacity = Capacity("defer", most, 10)
    weighted = ScoreTable.from_scores(eta, np.zeros(len(eta)), weight)
    rows = np.repeat(eta, weight)
    repeated = ScoreTable.from_scores(rows, np.zeros(len(rows)))
    assert zone_thresholds(weighted, capacity, cost) == zone_thresholds(repeated, capacity, cost)
    assert top_threshold(weighted, capacity, cost) == top_threshold(repeated, capacity, cost)
    lower, upper = zone_thresholds(repeated, capacity, cost).thresholds
    assert ((rows >= lower) & (rows < upper)).sum() * 10 <= most * len(rows)
    assert (rows >= top_threshold(repeated, capacity).thresholds[0]).sum() * 10 <= most * len(rows)


def test_where_there_is_room_the_thresholds_stay_as_they_are(requests, price):
    found = top_threshold(requests, Capacity("review", 8, 8), price)
    assert (found.thresholds, found.shadow_price) == ((price.log_odds,), 0.0)
    assert found.sentence == "there is room: one more place is worth nothing."
    assert top_threshold(requests, Capacity("review", 8, 8)).thresholds == (ALL,)


def test_the_worth_of_one_more_review_by_hand(requests, price):
    # Three of eight: .99, .971 and .624 are served; .595 is refused and would save .595 * 120 - .405 * 18 = 64.11.
    found = top_threshold(requests, Capacity("review", 3, 8), price)
    assert found.shadow_price == pytest.approx(64.11, abs=1e-9)
    assert found.sentence == "one more place is worth 64.11."
    assert 0.595 < expit(np.array(found.thresholds))[0] < 0.624


def test_of_cases_worth_the_same_the_earlier_ones_are_served():
    actions, worth = np.array([1, 1, 0, 1, 1]), [2.0, 3.0, 9.0, 2.0, 2.0]
    held = within_capacity(actions, worth, np.array([0, 0, 0, 2, 2]), 1, 2)
    assert held.tolist() == [1, 1, 0, 2, 2]
    assert within_capacity(actions, worth, np.zeros(5, dtype=int), 1, 9).tolist() == actions.tolist()
    assert within_capacity(actions, worth, np.zeros(5, dtype=int), 1, 0).tolist() == [0, 0, 0, 0, 0]


def test_the_chance_of_overflow_is_a_binomial_tail():
    found = overflow(20, 100, Capacity("review", 4, 10))
    exact = sum(comb(10, k) * 0.2**k * 0.8 ** (10 - k) for k in range(5, 11))
    assert found.chance == pytest.approx(exact, rel=1e-12)
    # Clopper and Pearson's interval of 20 in 100, as in any table of it.
    assert (found.rate_lower, found.rate_upper) == pytest.approx((0.1267, 0.2918), abs=5e-5)
    assert found.chance_lower < found.chance < found.chance_upper
    assert found.sentence.startswith("a batch of 10 has more than 4 for review with a chance of 0.033 (")
    larger = overflow(20, 100, Capacity("review", 4, 10), n=25)
    assert (larger.n, larger.most) == (25, 10)
    assert overflow(10, 10, Capacity("review", 10, 10)).chance == 0.0
    with pytest.raises(InputError, match="no rows"):
        overflow(0, 0, Capacity("review", 4, 10))


def test_a_capacity_is_read_as_it_is_written():
    assert parse_capacity(" review = 200 / 1000 ") == Capacity("review", 200, 1000)
    assert parse_capacity("a=b=2/3") == Capacity("a=b", 2, 3)
    for text in ("", "review", "review=200", "=2/3", "review=2/x", "review=-1/5", "review=.2/1"):
        with pytest.raises(InputError, match="review=200/1000"):
            parse_capacity(text)
    for text in ("review=6/5", "review=0/0"):
        with pytest.raises(InputError, match="how many of how many"):
            parse_capacity(text)
    assert Capacity("review", 200, 1000).allowed(37) == 7
