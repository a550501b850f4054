import math

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oddsmith.decision.costs import (
    CostMatrix,
    Reviewer,
    RowCosts,
    expected_costs,
    parse_cost,
    parse_reviewer,
)
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import log_odds

excess = st.floats(0.01, 100)
free = st.floats(-50, 50)
costs = st.builds(
    lambda more_fn, more_fp, tn, tp: Cost(fn=tp + more_fn, fp=tn + more_fp, tn=tn, tp=tp),
    excess,
    excess,
    free,
    free,
)


def test_costs_are_read_as_they_are_written():
    assert parse_cost("fn=120,fp=18") == Cost(fn=120, fp=18)
    assert parse_cost(" fp = 18 , fn=1.2e2, defer=6,tn=-1,tp=2") == Cost(fn=120, fp=18, tn=-1, tp=2, defer=6)
    assert parse_reviewer("fn=.02,fp=.05") == Reviewer(fn=0.02, fp=0.05)
    assert parse_reviewer("fp=.05") == Reviewer(fn=0.0, fp=0.05)


@pytest.mark.parametrize(
    "text",
    ["", "fn=120", "fn=120,fp=18,fp=18", "fn=120,fp=18,tq=1", "fn,fp", "fn=1,fp=x", "120,18", "fn=1,fp=1,"],
)
def test_costs_that_cannot_be_read_show_how(text):
    with pytest.raises(InputError, match="fn=120,fp=18"):
        parse_cost(text)


@pytest.mark.parametrize("text", ["", "fn=1", "fn=-.1", "fn=nan", "fx=.1", "fn=.1,fn=.1"])
def test_error_rates_that_cannot_be_are_refused(text):
    with pytest.raises(InputError, match="reviewer"):
        parse_reviewer(text)


@settings(max_examples=80)
@given(costs, st.floats(-20, 20))
def test_the_positive_action_is_the_cheaper_one_from_the_threshold_on(cost, eta):
    assume(abs(eta - cost.log_odds) > 1e-6)
    negative, positive = expected_costs([eta], cost)[0]
    assume(abs(negative - positive) > 1e-10)
    assert (positive < negative) == (eta >= cost.log_odds)


@settings(max_examples=80)
@given(costs, st.floats(0, 50), st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.001, 0.999))
def test_expected_costs_are_sums_over_what_can_happen(cost, defer, miss, alarm, proba):
    cost = msgspec.structs.replace(cost, defer=defer)
    of_person = {
        1: defer + miss * cost.fn + (1 - miss) * cost.tp,
        0: defer + alarm * cost.fp + (1 - alarm) * cost.tn,
    }
    enumerated = [
        proba * cost.fn + (1 - proba) * cost.tn,
        proba * of_person[1] + (1 - proba) * of_person[0],
        proba * cost.tp + (1 - proba) * cost.fp,
    ]
    found = expected_costs([log_odds(proba)], cost, Reviewer(fn=miss, fp=alarm))
    assert found[0] == pytest.approx(enumerated, abs=1e-10)


def test_rows_with_their_own_costs_have_their_own_thresholds():
    columns = {"loss": [120.0, 5.0, 1.0], "effort": np.array([18.0, 1.0, 20.0])}
    costs = RowCosts(fn="loss", fp="effort", tn=-1, tp=0.5)
    each = [Cost(fn=fn, fp=fp, tn=-1, tp=0.5).log_odds for fn, fp in zip(*columns.values(), strict=True)]
    assert costs.columns == ["loss", "effort"]
    assert costs.thresholds(columns, 3) == pytest.approx(each, abs=1e-14)
    assert RowCosts(fn=5, fp=1).thresholds({}, 2).tolist() == [Cost(fn=5, fp=1).log_odds] * 2


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (RowCosts(fn="loss", fp=1, tp="gain"), r"row 2: cost fn less tp -1\.0\. In each row"),
        (RowCosts(fn=5, fp="gap"), r"row 3: cost fp nan\. Costs are finite"),
        (RowCosts(fn=5, fp="short"), r"column 'short' has shape \(2,\)"),
        (RowCosts(fn="absent", fp=1), "no column 'absent' for the cost fn"),
    ],
)
def test_costs_of_rows_that_cannot_be_used_are_refused(costs, message):
    columns = {
        "loss": [9.0, 5.0, 1.0],
        "gain": [0.0, 6.0, 0.0],
        "gap": [1.0, 1.0, math.nan],
        "short": [1.0, 1.0],
    }
    with pytest.raises(InputError, match=message):
        costs.thresholds(columns, 3)


matrices = st.integers(2, 4).flatmap(
    lambda k: st.integers(2, 5).flatmap(
        lambda a: st.lists(st.lists(st.integers(-9, 9), min_size=a, max_size=a), min_size=k, max_size=k)
    )
)


def matrix_of(cost):
    return CostMatrix([f"c{k}" for k in range(len(cost))], [f"a{a}" for a in range(len(cost[0]))], cost)


@settings(max_examples=80)
@given(matrices, st.integers(0, 2**32 - 1))
def test_the_cheapest_action_is_that_of_direct_enumeration(cost, seed):
    proba = np.random.default_rng(seed).dirichlet(np.ones(len(cost)), size=12)
    matrix = matrix_of(cost)
    for row, action in zip(proba.tolist(), matrix.cheapest(proba), strict=True):
        totals = [
            math.fsum(p * of_class[a] for p, of_class in zip(row, cost, strict=True))
            for a in range(len(cost[0]))
        ]
        assert totals[action] == pytest.approx(min(totals), abs=1e-12)


def test_of_actions_that_cost_the_same_the_first_is_taken():
    matrix = matrix_of([[2, 1, 1], [2, 1, 1]])
    assert matrix.cheapest([[0.5, 0.5], [1.0, 0.0]]).tolist() == [1, 1]


def test_a_person_is_one_more_column_of_the_matrix():
    matrix = CostMatrix(["ok", "fraud"], ["pass", "stop", "defer"], [[0, 18, 6], [120, 0, 6]])
    cost = Cost(fn=120, fp=18, defer=6)
    eta = np.linspace(-6, 6, 101)
    proba = np.stack([1 / (1 + np.exp(eta)), 1 / (1 + np.exp(-eta))], axis=1)
    by_two_classes = expected_costs(eta, cost)[:, [0, 2, 1]]
    assert matrix.expected(proba) == pytest.approx(by_two_classes, abs=1e-12)
    assert set(matrix.cheapest(proba)) == {0, 1, 2}


def test_no_row_changes_what_another_one_costs():
    draws = np.random.default_rng(0)
    matrix = matrix_of(draws.normal(size=(7, 6)).tolist())
    proba = draws.dirichlet(np.ones(7), size=301)
    whole = matrix.expected(proba)
    alone = np.concatenate([matrix.expected(proba[i : i + 1]) for i in range(len(proba))])
    assert whole.tobytes() == alone.tobytes()


@pytest.mark.parametrize(
    ("classes", "actions", "cost", "message"),
    [
        (["a"], ["x", "y"], [[0, 1]], "class names"),
        (["a", "b"], ["x", "x"], [[0, 1], [1, 0]], "action names"),
        (["a", "b"], ["x", "y"], [[0, 1]], "2 rows of 2 costs"),
        (["a", "b"], ["x", "y"], [[0, 1], [1]], "2 rows of 2 costs"),
        (["a", "b"], ["x", "y"], [[0, 1], [1, math.inf]], "class 'b', action 'y': inf"),
    ],
)
def test_a_matrix_that_is_none_is_refused(classes, actions, cost, message):
    with pytest.raises(InputError, match=message):
        CostMatrix(classes, actions, cost)


def test_probabilities_that_are_none_are_refused():
    matrix = matrix_of([[0, 1], [1, 0]])
    with pytest.raises(InputError, match=r"shape \(1, 3\)"):
        matrix.cheapest([[0.2, 0.3, 0.5]])
    with pytest.raises(InputError, match=r"row 2: probability 2\.0"):
        matrix.cheapest([[0.5, 0.5], [2.0, -2.0]])
