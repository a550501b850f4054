import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oddsmith.decision.costs import Reviewer, expected_costs
from oddsmith.decision.deferral import saving, zone
from oddsmith.decision.thresholds import ALL, NONE, probability
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost

rates = st.sampled_from([0.0, 0.02, 0.05, 0.2, 0.45])
priced = st.builds(
    lambda fn, fp, tn, tp, share: Cost(
        fn=tp + fn, fp=tn + fp, tn=tn, tp=tp, defer=share * fn * fp / (fn + fp)
    ),
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.floats(-9, 9),
    st.floats(-9, 9),
    st.floats(0.01, 1.5),
)
reviewers = st.builds(Reviewer, rates, rates)


def test_a_perfect_person_by_the_textbook():
    # c_r / c_fn and 1 - c_r / c_fp; worth it below 120 * 18 / 138 = 15.65.
    found = zone(Cost(fn=120, fp=18, defer=6))
    assert probability(found.lower) == pytest.approx(6 / 120, abs=1e-15)
    assert probability(found.upper) == pytest.approx(1 - 6 / 18, abs=1e-15)
    assert found.most == pytest.approx(120 * 18 / 138, abs=1e-12)
    assert found.sentence == "a person looks at cases from 0.05 to below 0.6667, at 6 each."


def test_a_person_who_errs_by_the_textbook():
    found = zone(Cost(fn=120, fp=18, defer=6), Reviewer(fn=0.02, fp=0.05))
    assert probability(found.lower) == pytest.approx((6 + 0.05 * 18) / (120 * 0.98 + 0.05 * 18), abs=1e-15)
    assert probability(found.upper) == pytest.approx((18 * 0.95 - 6) / (18 * 0.95 + 0.02 * 120), abs=1e-15)


@settings(max_examples=150)
@given(priced, reviewers)
def test_the_zone_is_where_deferring_is_the_cheapest_of_three(cost, reviewer):
    found = zone(cost, reviewer)
    for eta in np.linspace(-8, 8, 161):
        assume(min(abs(eta - found.lower), abs(eta - found.upper)) > 1e-9)
        negative, defer, positive = expected_costs([eta], cost, reviewer)[0]
        assume(abs(defer - min(negative, positive)) > 1e-12 * cost.fn)
        assert (defer < min(negative, positive)) == (found.lower <= eta < found.upper)


@settings(max_examples=150)
@given(priced, reviewers)
def test_a_zone_exists_exactly_below_the_price_that_is_named(cost, reviewer):
    found = zone(cost, reviewer)
    assume(abs(cost.defer - found.most) > 1e-9 * cost.defer)
    assert found.exists == (cost.defer < found.most)
    closed = (1 - reviewer.fn - reviewer.fp) / (1 / cost.excess_fn + 1 / cost.excess_fp)
    assert found.most == pytest.approx(closed, rel=1e-12)
    # The best place for a person is where both automatic actions cost the same.
    best = float(saving([cost.log_odds], cost, reviewer)[0])
    assume(abs(best) > 1e-9 * cost.fn)
    assert found.exists == (best > 0)
    if not found.exists:
        assert found.lower == found.upper == cost.log_odds


@settings(max_examples=100)
@given(priced, reviewers, st.floats(-8, 8), st.floats(0, 5))
def test_savings_are_differences_of_expected_costs(cost, reviewer, eta, price):
    negative, defer, positive = expected_costs([eta], cost, reviewer)[0]
    assert saving([eta], cost, reviewer, price)[0] == pytest.approx(
        min(negative, positive) - defer - price, abs=1e-9
    )


def test_sentences_where_a_person_pays_nowhere():
    dear = zone(Cost(fn=120, fp=18, defer=16))
    assert not dear.exists
    assert dear.sentence == "no case is worth a person's 16: it pays below 15.6522."
    careless = zone(Cost(fn=120, fp=18, defer=0), Reviewer(fn=0.6, fp=0.5))
    assert careless.most < 0
    assert careless.sentence.endswith("would not pay at any price.")


def test_a_free_and_perfect_person_sees_everything():
    found = zone(Cost(fn=5, fp=1, defer=0))
    assert (found.lower, found.upper) == (ALL, NONE)
    assert found.exists


def test_far_out_thresholds_keep_their_digits():
    found = zone(Cost(fn=1e20, fp=1, defer=1e-20))
    assert found.lower == pytest.approx(math.log(1e-40), abs=1e-12)
    assert found.upper == pytest.approx(math.log(1e20), abs=1e-12)


def test_without_a_price_there_is_no_zone():
    for question in (zone, lambda cost: saving([0.0], cost)):
        with pytest.raises(InputError, match="no cost of deferring"):
            question(Cost(fn=5, fp=1))
