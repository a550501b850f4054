import json
import math
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.decision.actions import act, act_within, expected, tally, tally_table
from oddsmith.decision.capacity import Capacity
from oddsmith.decision.certificates import cost_certificate, precision_certificate, recall_certificate
from oddsmith.decision.choosing import (
    analytic_policy,
    bounded_policy,
    capacity_policy,
    certified_policy,
    deferral_policy,
    empirical_policy,
    given_policy,
    matrix_policy,
    row_policy,
)
from oddsmith.decision.costs import CostMatrix, Reviewer, RowCosts, expected_costs
from oddsmith.decision.grouped import grouped_bound
from oddsmith.decision.policy import Policy
from oddsmith.decision.stability import stability
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import ScoreTable, log_odds
from oddsmith.fit.losses import expit

COST = Cost(fn=5, fp=1, defer=0.3)
PERSON = Reviewer(fn=0.02, fp=0.05)


def tied_rows(seed=0, n=2000):
    """Log-odds of which fifty differ, half of them far out or neighbouring doubles, and labels."""
    draws = np.random.default_rng(seed)
    eta = np.round(draws.normal(-1, 1.5, n), 1)
    eta[:300] = draws.choice([-800.0, -40.0, 40.0, 41.0, 800.0], 300)
    eta[300:600] = draws.choice([-1.0, math.nextafter(-1.0, 0.0), math.nextafter(-1.0, -2.0)], 300)
    return eta, (draws.random(n) < expit(np.clip(eta, -3, 3))).astype(int)


def policies(table):
    """One of each kind on a table."""
    quick = {"n_resamples": 50}
    calibrate = ScoreTable.from_scores(*tied_rows(seed=1))
    return {
        "analytic": analytic_policy(table, COST, check=table, **quick),
        "given": given_policy(table, 0.3, COST),
        "given without costs": given_policy(table, 0.3),
        "given, all": given_policy(table, 0.0, COST),
        "given, none": given_policy(table, 1.0, COST),
        "empirical": empirical_policy(table, COST, ("pass", "stop"), **quick),
        "recall": certified_policy(table, recall_certificate(table, 0.8)),
        "recall with costs": certified_policy(table, recall_certificate(table, 0.5), COST),
        "precision": certified_policy(table, precision_certificate(table, calibrate, 0.6)),
        "capacity": capacity_policy(table, Capacity("review", 100, 1000), COST),
        "capacity without costs": capacity_policy(table, Capacity("auto", 3, 10)),
        "capacity of deferring": capacity_policy(
            table, Capacity("defer", 50, 1000), COST, PERSON, ("auto", "defer", "review")
        ),
        "deferral": deferral_policy(table, COST, PERSON),
        "deferral that pays nowhere": deferral_policy(table, Cost(fn=5, fp=1, defer=9)),
    }


def by_group(rows, groups):
    """A given threshold, with certificates that were withheld from rows in groups and their bounds."""
    table = ScoreTable.from_scores(*rows)
    certificates = [
        recall_certificate(table, 0.8, grouped=True),
        recall_certificate(table, 0.9, grouped=True),
        precision_certificate(table, table, 0.6, 0.9, grouped=True),
        cost_certificate(table, [0.0], COST, 2.0, grouped=True),
    ]
    return bounded_policy(given_policy(table, 0.3, COST), certificates, *rows, groups, n_resamples=50)


ROWS = tied_rows()
GROUPS = np.arange(len(ROWS[0])) // 20
POLICIES = policies(ScoreTable.from_scores(*ROWS)) | {"by group": by_group(ROWS, GROUPS)}


@pytest.mark.parametrize("name", POLICIES)
def test_stored_counts_are_those_of_the_rows_after_the_record_went_through_json(name):
    policy = POLICIES[name]
    text = msgspec.json.encode(policy)
    assert b"inf" not in text.lower()
    # Once as msgspec reads it, and once as a model file is read.
    for again in (
        msgspec.json.decode(text, type=Policy),
        msgspec.convert(json.loads(text), Policy),
    ):
        assert again == policy
        assert msgspec.json.encode(again) == text
        eta, y = ROWS
        actions = act(again, eta)
        assert tally(again, actions, y) == policy.counts
        direct = [[int(((y == k) & (actions == a)).sum()) for a in range(len(again.actions))] for k in (0, 1)]
        assert policy.counts == direct
        assert all(isinstance(value, int) for row in policy.counts for value in row)


@pytest.mark.parametrize("name", POLICIES)
def test_an_action_depends_on_nothing_but_its_row(name):
    policy, (eta, _) = POLICIES[name], ROWS
    whole = act(policy, eta)
    order = np.random.default_rng(5).permutation(len(eta))
    assert (act(policy, eta[order]) == whole[order]).all()
    assert [act(policy, eta[i : i + 1])[0] for i in range(650)] == whole[:650].tolist()


@pytest.mark.parametrize("name", POLICIES)
def test_actions_are_counts_of_thresholds_reached(name):
    policy, (eta, _) = POLICIES[name], ROWS
    assert act(policy, eta).tolist() == [sum(e >= t for t in policy.thresholds) for e in eta.tolist()]


def test_every_row_is_above_all_and_none_is_above_none():
    everything, nothing = POLICIES["given, all"], POLICIES["given, none"]
    far = [-math.inf, -1.7976931348623157e308, 0.0, 1.7976931348623157e308, math.inf]
    assert act(everything, far).tolist() == [1] * 5
    assert act(nothing, far).tolist() == [0] * 5
    assert (everything.probabilities, nothing.probabilities) == ([0.0], [1.0])


def test_a_score_at_the_threshold_is_positive():
    policy = POLICIES["analytic"]
    threshold = COST.log_odds
    assert policy.thresholds == [threshold]
    assert policy.probabilities == [COST.threshold] == [1 / 6]
    around = [math.nextafter(threshold, -9), threshold, math.nextafter(threshold, 9)]
    assert act(policy, around).tolist() == [0, 1, 1]
    assert POLICIES["given"].probabilities == [0.3]
    assert POLICIES["given"].thresholds == [log_odds(0.3)]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25),
    st.integers(0, 9),
)
def test_weight_2_is_a_row_twice_and_order_does_not_matter(cells, seed):
    eta, y, weight = np.array(cells).T
    order = np.random.default_rng(seed).permutation(len(eta))
    tables = (
        ScoreTable.from_scores(np.repeat(eta, weight), np.repeat(y, weight)),
        ScoreTable.from_scores(eta, y, weight),
        ScoreTable.from_scores(eta[order], y[order], weight[order]),
    )
    for choose in (
        lambda table: analytic_policy(table, COST, check=table, n_resamples=20),
        lambda table: empirical_policy(table, COST, n_resamples=20),
        lambda table: capacity_policy(table, Capacity("review", 3, 10), COST),
        lambda table: deferral_policy(table, COST, PERSON),
    ):
        first, *others = map(choose, tables)
        assert others == [first, first]


def test_the_empirical_policy_costs_no_more_than_any_candidate():
    policy = POLICIES["empirical"]
    assert policy.actions == ["pass", "stop"]
    assert policy.total == min(row.cost for row in policy.candidates)
    by_name = {row.name: row for row in policy.candidates}
    assert by_name["empirical"].eta == policy.thresholds[0]
    assert by_name["none"].cost > by_name["analytic"].cost > policy.total


def test_without_costs_the_candidates_are_ratios():
    names = [row.name for row in POLICIES["given without costs"].candidates]
    assert names == ["1:1", "5:1", "20:1", "given"]
    assert POLICIES["given without costs"].total is None
    assert POLICIES["given without costs"].candidates[-1].cost is None


def test_a_proved_recall_takes_the_analytic_threshold_where_that_is_lower():
    certified, (eta, y) = POLICIES["recall with costs"], ROWS
    assert certified.thresholds == [COST.log_odds]
    assert certified.thresholds[0] < certified.certificates[0].eta
    alone = POLICIES["recall"]
    assert alone.thresholds == [alone.certificates[0].eta]
    assert (eta[y == 1] >= alone.thresholds[0]).mean() > 0.8
    few = recall_certificate(ScoreTable.from_scores(eta, y), 0.9999)
    with pytest.raises(InputError, match=r"too few rows: recall of at least 0\.9999"):
        certified_policy(ScoreTable.from_scores(eta, y), few)


def test_certificates_that_are_withheld_from_groups_have_bounds_at_the_threshold_beside_them():
    policy, (eta, y) = POLICIES["by group"], ROWS
    assert [found.withheld for found in policy.certificates] == [True] * 4
    (threshold,) = policy.thresholds
    recall, precision = policy.bounds
    assert recall == grouped_bound("recall", threshold, eta, y, GROUPS, n_resamples=50)
    assert precision == grouped_bound("precision", threshold, eta, y, GROUPS, confidence=0.9, n_resamples=50)
    (_, fp), (fn, tp) = policy.counts
    assert (recall.value, recall.rows) == (tp / (tp + fn), tp + fn)
    assert (precision.value, precision.rows) == (tp / (tp + fp), tp + fp)
    nothing = given_policy(ScoreTable.from_scores(*ROWS), 1.0)
    alone = bounded_policy(nothing, policy.certificates, *ROWS, GROUPS, n_resamples=5)
    assert [bound.kind for bound in alone.bounds] == ["recall"]
    with pytest.raises(InputError, match="2 thresholds: a bound by group is of one"):
        bounded_policy(POLICIES["deferral"], policy.certificates, *ROWS, GROUPS)
    with pytest.raises(InputError, match="stands by itself"):
        bounded_policy(nothing, POLICIES["recall"].certificates, *ROWS, GROUPS)


def test_a_zone_costs_less_than_any_two_actions_where_probabilities_are_right():
    draws = np.random.default_rng(3)
    eta = draws.normal(-1, 1.5, 20_000)
    table = ScoreTable.from_scores(eta, draws.random(20_000) < expit(eta))
    policy = deferral_policy(table, COST, PERSON)
    assert policy.total < min(row.cost for row in policy.candidates)
    chosen = expected_costs(eta, COST, PERSON)[np.arange(len(eta)), act(policy, eta)]
    assert policy.total == pytest.approx(chosen.sum(), rel=0.03)
    assert (expected(policy, eta).argmin(axis=1) == act(policy, eta)).all()


def test_one_action_for_all_is_what_a_policy_is_measured_by(requests):
    cost = Cost(fn=120, fp=18, defer=6)
    policy = deferral_policy(requests, cost)
    # Thresholds .05 and 2/3: .061 to .624 are looked at (six cases, two positives), .971 and .99 are stopped.
    assert policy.counts == [[0, 4, 0], [0, 2, 2]]
    assert policy.total == 36.0
    assert policy.alternatives == {"auto": 480.0, "defer": 48.0, "review": 72.0}
    assert analytic_policy(None, cost).alternatives == {}
    assert given_policy(requests, 0.5).alternatives == {}


def test_where_a_person_pays_nowhere_two_actions_are_left():
    policy = POLICIES["deferral that pays nowhere"]
    assert (policy.kind, policy.actions, policy.thresholds) == (
        "analytic",
        ["auto", "review"],
        [COST.log_odds],
    )
    assert policy.sentence == "no case is worth a person's 9: it pays below 0.833333."
    assert expected(policy, [0.0]).shape == (1, 2)


@pytest.mark.parametrize("name", ["capacity", "capacity of deferring", "capacity without costs"])
def test_a_capacity_holds_on_average_and_is_enforced_exactly(name):
    policy, (eta, _) = POLICIES[name], ROWS
    capped = policy.actions.index(policy.capacity.action)
    share = policy.capacity.most / policy.capacity.of
    served = sum(row[capped] for row in policy.counts)
    assert 0 < served <= share * len(eta)
    assert policy.overflow.rate == served / len(eta)
    crowd = np.full(1000, eta[act(policy, eta) == capped][0])
    assert (act(policy, crowd) == capped).all()
    held = act_within(policy, crowd)
    assert np.flatnonzero(held == capped).tolist() == list(range(policy.capacity.allowed(1000)))
    assert (act_within(policy, crowd, most=3) == capped).sum() == 3
    # With room for all, everyone has the action who is worth it: without costs everyone.
    roomy = act_within(policy, eta, most=len(eta)) == capped
    if policy.cost is None:
        assert roomy.all()
    else:
        costs = expected(policy, eta)
        assert (roomy == (costs.argmin(axis=1) == capped)).all()
    # Places are filled as long as there is somebody to fill them.
    assert (act_within(policy, eta) == capped).sum() == min(policy.capacity.allowed(len(eta)), roomy.sum())


def test_each_action_with_a_capacity_goes_to_the_scores_that_call_for_it_most():
    table = ScoreTable.from_scores(*ROWS)
    eta = [0.5, -3.0, 2.0, -2.5, 1.0, -2.0]
    for action, served in (("auto", [1, 0, 1, 0, 1, 1]), ("review", [0, 0, 1, 0, 1, 0])):
        policy = capacity_policy(table, Capacity(action, 99, 100), Cost(fn=5, fp=1))
        assert act(policy, eta).tolist() == [1, 0, 1, 0, 1, 0]
        assert act_within(policy, eta, most=2).tolist() == served


def test_the_worth_of_one_more_place_is_stored():
    policy = POLICIES["capacity of deferring"]
    assert policy.shadow_price > 0
    assert policy.sentence == f"one more place is worth {policy.shadow_price:.4g}."
    assert POLICIES["capacity without costs"].shadow_price is None


def test_a_capacity_of_a_matrix_serves_those_it_saves_most_for():
    matrix = CostMatrix(["a", "b", "c"], ["x", "y", "z"], [[0, 5, 2], [6, 0, 2], [4, 4, 1]])
    draws = np.random.default_rng(7)
    proba = draws.dirichlet(np.ones(3), 60)
    policy = matrix_policy(matrix, proba, draws.integers(0, 3, 60), capacity=Capacity("z", 1, 10))
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
    assert math.fsum(map(sum, policy.counts)) == 60
    assert policy.total == pytest.approx((np.array(policy.counts) * np.array(matrix.cost)).sum())
    free, held = act(policy, proba), act_within(policy, proba)
    assert (free == 2).sum() > (held == 2).sum() == 6
    each = expected(policy, proba)
    # Taking a place from a row that has one and giving it to one that has none is never cheaper.
    without = each[:, :2].min(axis=1) - each[:, 2]
    assert without[held == 2].min() >= without[(free == 2) & (held != 2)].max()
    assert (held[held != 2] == each[held != 2, :2].argmin(axis=1)).all()


def test_costs_of_rows_lead_to_thresholds_of_rows():
    policy = row_policy(RowCosts(fn="loss", fp=2), capacity=Capacity("review", 1, 2))
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
    eta, loss = np.array([-1.0, -1.0, -1.0, 3.0]), np.array([1.0, 10.0, 100.0, 0.01])
    assert act(policy, eta, {"loss": loss}).tolist() == [0, 1, 1, 0]
    costs = expected(policy, eta, {"loss": loss})
    assert (costs.argmin(axis=1) == act(policy, eta, {"loss": loss})).all()
    assert act_within(policy, eta, 1, {"loss": loss}).tolist() == [0, 0, 1, 0]
    assert (policy.thresholds, policy.total, policy.sentence) == (
        [],
        None,
        "each row's threshold follows from its own costs, 'loss'.",
    )
    with pytest.raises(InputError, match="no column 'loss'"):
        act(policy, eta)


def test_fractional_weights_are_counted_as_they_are():
    table = ScoreTable.from_scores([-1.0, 0.5, 0.5, 2.0], [0, 0, 1, 1], [0.25, 0.5, 0.125, 1.0])
    policy = given_policy(table, 0.5, COST)
    assert policy.counts == [[0.25, 0.5], [0.0, 1.125]] == tally_table(policy, table)
    assert capacity_policy(table, Capacity("review", 1, 2)).overflow is None


def test_the_alarm_of_an_analytic_policy_is_its_sentence():
    draws = np.random.default_rng(0)
    eta = draws.normal(-1, 1.5, 1000)
    table = ScoreTable.from_scores(eta, draws.random(1000) < expit(eta - 1.5))
    policy = analytic_policy(table, Cost(fn=5, fp=1), check=table, n_resamples=100)
    assert policy.stability == stability(table, Cost(fn=5, fp=1), n_resamples=100)
    assert policy.sentence.endswith("look at the calibration.")
    assert analytic_policy(None, COST).sentence == "0.166667 = 1 / (1 + 5) follows from the costs alone."


def test_scores_that_are_none_have_no_action():
    with pytest.raises(InputError, match="row 2: score nan"):
        act(POLICIES["analytic"], [0.0, math.nan])
    with pytest.raises(InputError, match=r"shape \(1, 2\)"):
        act(POLICIES["analytic"], [[0.0, 1.0]])
    with pytest.raises(InputError, match="has no capacity"):
        act_within(POLICIES["analytic"], [0.0])
    for capacity in (Capacity("stop", 1, 2), Capacity("auto", 1, 2)):
        with pytest.raises(InputError, match="capacity of"):
            capacity_policy(
                ScoreTable.from_scores(*ROWS), capacity, COST, actions=("auto", "defer", "review")
            )


def edited(name, **changes):
    """The JSON of a policy with fields replaced; dots lead into records, numbers into lists."""
    document = json.loads(msgspec.json.encode(POLICIES[name]))
    for path, value in changes.items():
        place = document
        *way, last = [int(part) if part.isdigit() else part for part in path.split("__")]
        for part in way:
            place = place[part]
        assert isinstance(place, list) or place.get(last) != value
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("analytic", {"thresholds__0": -1.0}, "a probability is not that"),
        (
            "analytic",
            {"thresholds__0": -1.0, "probabilities__0": float(expit(np.array(-1.0)))},
            "those of its costs",
        ),
        ("analytic", {"cost__fn": 6.0}, "those of its costs"),
        ("analytic", {"cost__fn": 0.0}, "cost fn"),
        ("analytic", {"cost": None}, "needs costs"),
        ("analytic", {"actions": ["auto"]}, "length >= 2"),
        ("analytic", {"actions": ["auto", "auto"]}, "stands twice"),
        ("analytic", {"actions": ["auto", " "]}, "no name"),
        ("analytic", {"actions": ["a", "b", "c"]}, "one threshold fewer"),
        ("analytic", {"kind": "matrix"}, "cost matrix"),
        ("analytic", {"kind": "capacity"}, "needs a capacity"),
        ("analytic", {"kind": "certified"}, "no certificate holds"),
        ("analytic", {"kind": "anything"}, "Invalid enum"),
        ("analytic", {"extra": 1}, "unknown field"),
        ("analytic", {"counts__0__0": -1}, ">= 0"),
        ("analytic", {"counts__0__0": 5}, "other rows"),
        ("analytic", {"counts": [[1, 2]]}, "classes and actions"),
        ("analytic", {"candidates__0__fp": 9}, "other rows"),
        ("analytic", {"candidates__0__cost": 1.0}, "other rows"),
        ("analytic", {"candidates__3__threshold": 0.2}, "not the probability"),
        ("analytic", {"candidates__1__name": "none"}, "candidate stands twice"),
        ("analytic", {"stability__level": 1.0}, "< 1.0"),
        ("analytic", {"stability__span__lower": 99.0}, "not a range"),
        ("empirical", {"stability__best": -1.3}, "best"),
        ("given", {"thresholds__0": 1e999}, "finite"),
        ("given", {"shadow_price": 1.0}, "shadow price"),
        ("given, all", {"probabilities__0": 0.1}, "a probability is not that"),
        (
            "recall",
            {"thresholds__0": 2.0, "probabilities__0": float(expit(np.array(2.0)))},
            "no certificate holds",
        ),
        ("recall", {"certificates__0__errors": 300}, r"prove no 0\.8"),
        ("recall", {"certificates__0__withheld": True}, "of no threshold, or of no rows"),
        ("by group", {"bounds__0__eta": 0.5}, "bound by group is of another threshold"),
        ("by group", {"bounds__1__kind": "recall"}, "stands twice"),
        ("by group", {"certificates__2__withheld": False}, "no certificate that was withheld"),
        ("by group", {"bounds__0__lower": 0.999}, "is not between"),
        ("by group", {"bounds__0__groups": 1_000_000}, "not possible"),
        ("by group", {"bounds__0__confidence": 1.0}, "< 1.0"),
        ("capacity", {"capacity__most": 2000}, "how many of how many"),
        ("capacity", {"capacity__action": "defer"}, "not there"),
        ("capacity", {"overflow__rate": 0.5}, "overflow"),
        ("capacity", {"overflow__chance": 2.0}, "<= 1.0"),
        ("capacity", {"shadow_price": -1.0}, ">= 0.0"),
        ("deferral", {"cost__defer": 0.2}, "those of its costs"),
        ("deferral", {"reviewer__fn": 1.0}, "not a rate"),
        ("deferral", {"cost__defer": None}, "cost of deferring"),
        ("deferral", {"thresholds": [1.0, -1.0]}, "do not rise"),
    ],
)
def test_a_record_that_was_edited_is_refused(name, changes, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(edited(name, **changes), Policy)


def test_a_stored_policy_acts_without_waiting_for_scipy():
    documents = [json.loads(msgspec.json.encode(policy)) for policy in POLICIES.values()]
    code = (
        "import sys, json, msgspec; from oddsmith.decision.actions import act; "
        "from oddsmith.decision.policy import Policy; "
        "read = [msgspec.convert(document, Policy) for document in json.load(sys.stdin)]; "
        "print(sum(int(act(policy, [0.0])[0]) for policy in read), 'scipy' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    expected_sum = sum(int(act(policy, [0.0])[0]) for policy in POLICIES.values())
    assert found.stdout.split() == [str(expected_sum), "False"]


@settings(max_examples=300)
@given(st.sampled_from(sorted(POLICIES)), st.data())
def test_no_edit_of_a_number_breaks_anything_but_the_record(name, data):
    document = json.loads(msgspec.json.encode(POLICIES[name]))
    places = []

    def walk(value):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, dict | list):
                walk(item)
            elif isinstance(item, int | float) and not isinstance(item, bool):
                places.append((value, key))

    walk(document)
    place, key = data.draw(st.sampled_from(places))
    place[key] = data.draw(
        st.sampled_from(
            [0, -1, 1, 2**62, -(2**70), 1e308, -1e308, 5e-324, 0.5, math.nan, math.inf, None, True, "x"]
        )
        | st.floats()
        | st.integers()
    )
    try:
        policy = msgspec.convert(document, Policy)
    except msgspec.ValidationError:
        return
    assert set(act(policy, ROWS[0]).tolist()) <= set(range(len(policy.actions)))
