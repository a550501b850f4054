from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.decision.choosing import (
    analytic_policy,
    deferral_policy,
    given_policy,
    matrix_policy,
    row_policy,
)
from oddsmith.decision.costs import CostMatrix, RowCosts
from oddsmith.decision.policy import Policy
from oddsmith.errors import InputError
from oddsmith.evaluate.intervals import Interval
from oddsmith.evaluate.metrics import Cost
from oddsmith.evidence.contenders import Contender
from oddsmith.evidence.gate import Gate, gate
from oddsmith.evidence.margins import SAID, Margins, judged, parse_margins
from oddsmith.evidence.paired import Paired, Units, mean_difference, ranking_difference
from oddsmith.evidence.rows import AuditRows
from oddsmith.fit.losses import expit, log_softmax

COST = Cost(fn=120, fp=18)


class Said(NamedTuple):
    """What a model says of rows, before anything is known of them."""

    eta: np.ndarray
    log_proba: np.ndarray | None = None
    policy: Policy | None = None
    actions: np.ndarray | None = None


def contenders(n=400, seed=0, worse=0.6):
    """A model, one with noise, and labels."""
    rng = np.random.default_rng(seed)
    eta = rng.normal(-1, 1.5, n)
    y = (rng.random(n) < expit(eta)).astype(int)
    return Said(eta), Said(eta + rng.normal(0, worse, n)), y


def contender(said, y, **common):
    calibrated = said.eta if said.log_proba is None else said.log_proba
    return Contender(AuditRows(said.eta, calibrated, y, actions=said.actions, **common), said.policy)


def compared(candidate, incumbent, y, n_resamples=20, **options):
    common = {name: options.pop(name) for name in list(options) if name in AuditRows.__dataclass_fields__}
    pair = (contender(said, y, **common) for said in (candidate, incumbent))
    return gate(*pair, n_resamples=n_resamples, **options)


def figure(found, name):
    return next(difference for difference in found.differences if difference.name == name)


@pytest.mark.parametrize(
    ("low", "high", "margin", "expected"),
    [
        (-2, 0.9, 1, "PASS"),
        (-2, 1, 1, "INSUFFICIENT"),
        (1, 2, 1, "FAIL"),
        (-2, -1, 0, "PASS"),
        (0, 0, 0, "FAIL"),
        (-1, 0, 0, "INSUFFICIENT"),
    ],
)
@pytest.mark.parametrize(("name", "sign"), [("log_loss", 1), ("auc", -1)])
def test_the_rule(name, sign, low, high, margin, expected):
    ends = sorted((sign * low, sign * high))
    found = judged(name, Paired(sign * (low + high) / 2, 0.0, Interval(*ends, 0.95, "")), margin, n_rows=100)
    assert (found.verdict, found.better) == (expected, high < 0)


def test_the_rows_that_a_verdict_takes():
    # A harm of 0 with a reach of 0.04 on 100 rows is within a margin of 0.01 on 16 times as many.
    alike = Paired(0.0, 0.0, Interval(-0.04, 0.04, 0.95, ""))
    assert judged("log_loss", alike, 0.01, n_rows=100).needed == 1600
    # A fall of 0.03 is beyond it once the nearer end, 0.03 away, is 0.02 away: 100 * 9 / 4, rounded up.
    fall = Paired(0.80, 0.83, Interval(-0.05, 0.0, 0.95, ""))
    assert judged("auc", fall, 0.01, n_rows=100).needed == 230
    assert judged("auc", fall, 0.01, n_rows=100, enough=700).needed == 700


def test_harm_of_what_should_be_high_is_a_loss_of_it():
    fall = Paired(0.8, 0.85, Interval(-0.07, -0.03, 0.95, ""))
    assert [judged(name, fall, 0.01, n_rows=9).verdict for name in ("auc", "log_loss")] == ["FAIL", "PASS"]
    assert [judged(name, fall, 0.01, n_rows=9).better for name in ("auc", "log_loss")] == [False, True]
    assert judged("brier", fall, None, n_rows=9).verdict is None


@pytest.mark.parametrize("n", [8, 400])
@pytest.mark.parametrize("options", [{}, {"sample_weight": "weight", "groups": "group"}])
def test_a_model_passes_against_itself_and_differs_by_exactly_nothing(n, options):
    model, _, y = contenders(n)
    drawn = {"weight": np.random.default_rng(1).exponential(size=n), "group": np.arange(n) // 3}
    common = {name: drawn[of] for name, of in options.items()}
    found = compared(model, model, y, price=COST, slices={"half": np.arange(n) % 2}, **common)
    assert (found.verdict, found.sentence.endswith("none is proved better.")) == ("PASS", True)
    assert {difference.name for difference in found.differences} == set(SAID)
    for difference in [*found.differences, *(d for part in found.parts for d in part.differences)]:
        assert (difference.difference, difference.interval.low, difference.interval.high) == (0.0, 0.0, 0.0)
        assert not difference.better
    # Of which nobody asks that it be better than itself.
    assert compared(model, model, y, margins=Margins(log_loss=0.0)).verdict == "FAIL"


rows = st.lists(
    st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.integers(0, 1), st.integers(1, 3)),
    min_size=2,
    max_size=20,
)


@settings(max_examples=15, deadline=None)
@given(rows)
def test_swapped_models_turn_every_difference(cells):
    a, b, y, weight = np.array(cells, dtype=float).T
    models = Said(a), Said(b)
    there, back = (
        compared(*pair, y.astype(int), n_resamples=3, sample_weight=weight, price=COST, slices={"w": weight})
        for pair in (models, models[::-1])
    )
    assert [part.level for part in there.parts] == [part.level for part in back.parts]
    pairs = [(there.differences, back.differences)]
    pairs += [
        (one.differences, other.differences) for one, other in zip(there.parts, back.parts, strict=True)
    ]
    for ours, theirs in pairs:
        for one, other in zip(ours, theirs, strict=True):
            assert (one.difference, one.candidate) == (-other.difference, other.incumbent)
            assert (one.interval is None) == (other.interval is None)
            if one.interval is not None:
                assert (one.interval.low, one.interval.high) == (-other.interval.high, -other.interval.low)
    assert msgspec.json.decode(msgspec.json.encode(there), type=Gate) == there


@settings(max_examples=10, deadline=None)
@given(rows)
def test_weight_2_is_a_row_twice_and_weight_0_none_for_estimates(cells):
    a, b, y, weight = np.array(cells, dtype=float).T
    often = [np.repeat(values, weight.astype(int)) for values in (a, b, y)]
    extra = [np.append(values, [1.0, 0.0]) for values in (a, b, y)]
    found = [
        compared(
            Said(one),
            Said(other),
            labels.astype(int),
            n_resamples=1,
            price=COST,
            **more,
        )
        for (one, other, labels), more in (
            (extra, {"sample_weight": np.append(weight, [0, 0])}),
            (often, {}),
        )
    ]
    assert found[0].n_rows == len(cells)
    for one, other in zip(found[0].differences, found[1].differences, strict=True):
        expected = (other.candidate, other.incumbent)
        near = 1e-5 if one.name == "smooth_ece" else 1e-12
        assert (one.candidate, one.incumbent) == pytest.approx(expected, abs=near)


def test_figures_are_those_of_the_rows():
    candidate, incumbent, y = contenders()
    found = compared(candidate, incumbent, y, price=COST)
    one, other = (model.eta >= COST.log_odds for model in (candidate, incumbent))
    costs = [np.where(y == 1, 120.0 * ~called, 18.0 * called) for called in (one, other)]
    units = Units(np.ones(len(y)))
    expected = {
        "cost": mean_difference(*costs, units, step=120.0),
        "recall": mean_difference(one * 1.0, other * 1.0, units, among=y == 1, step=1.0, most=1.0),
        "brier": mean_difference((expit(candidate.eta) - y) ** 2, (expit(incumbent.eta) - y) ** 2, units),
        "auc": ranking_difference(candidate.eta, incumbent.eta, y, units),
    }
    for name, paired in expected.items():
        ours = figure(found, name)
        assert (ours.candidate, ours.incumbent) == pytest.approx((paired.a, paired.b), abs=1e-12)
        assert (ours.interval.low, ours.interval.high) == pytest.approx(
            (paired.interval.low, paired.interval.high), abs=1e-9
        )
    # To alarm always costs 18 for each negative, never to do so 120 for each positive; a twentieth of the lesser.
    assert figure(found, "cost").margin == pytest.approx(0.05 * min(18 * (1 - y.mean()), 120 * y.mean()))
    assert found.price == "fn=120, fp=18, as given"


def test_a_worse_model_fails_a_better_one_passes_and_few_rows_tell_nothing():
    good, bad, y = contenders(2000, worse=2.0)
    worse, better = compared(bad, good, y, price=COST), compared(good, bad, y, price=COST)
    assert worse.verdict == "FAIL"
    assert (
        worse.sentence
        == "the candidate is worse than the margin allows: log loss, AUC, cost a case, smooth ECE."
    )
    assert (better.verdict, figure(better, "auc").better) == ("PASS", True)
    assert compared(good, bad, y, margins=Margins(log_loss=0.0), price=COST).verdict == "PASS"
    good, bad, y = contenders(8)
    few = compared(good, bad, y)
    assert few.verdict == "INSUFFICIENT"
    assert all(found.needed >= 8 * 20 / few.events for found in few.differences if found.verdict)
    assert not any(found.better for found in few.differences)
    assert "too few rows" in figure(few, "log_loss").sentence


def test_groups_that_move_together_tell_less():
    good, bad, y = contenders(400)
    often = [Said(np.repeat(m.eta, 5)) for m in (good, bad)]
    single = compared(*often, np.repeat(y, 5))
    grouped = compared(*often, np.repeat(y, 5), groups=np.repeat(np.arange(400), 5))
    assert (grouped.n_groups, single.n_groups) == (400, None)
    assert grouped.events == pytest.approx(y.sum())
    for name in ("log_loss", "auc", "smooth_ece"):
        one, other = (figure(found, name).interval for found in (single, grouped))
        assert 1.5 < (other.high - other.low) / (one.high - one.low) < 3.0


def test_a_part_of_the_rows_can_fail_the_gate_and_a_small_one_does_not_hold_it_up():
    good, _, y = contenders(4000)
    rng = np.random.default_rng(1)
    region = rng.choice(["north", "south", "islands"], size=4000, p=[0.795, 0.2, 0.005])
    eta = np.where(region == "south", good.eta + 1.2, good.eta - 0.3)
    incumbent = Said(eta)
    loose = Margins(log_loss=0.5, auc=0.5, smooth_ece=0.5)
    assert compared(incumbent, good, y, slices={"region": region}, margins=loose).verdict == "PASS"
    strict = Margins(log_loss=0.05, auc=0.5, smooth_ece=0.5)
    fails = compared(incumbent, good, y, slices={"region": region}, margins=strict)
    assert figure(fails, "log_loss").verdict in ("PASS", "INSUFFICIENT")
    assert fails.sentence == "the candidate is worse than the margin allows: log loss where region is south."
    better = compared(good, incumbent, y, slices={"region": region}, margins=strict)
    assert better.verdict == "PASS"
    assert [part.level for part in better.parts] == ["north", "south", "islands"]
    assert [part.small for part in better.parts] == [False, False, True]
    # Two intervals at 97.5% hold together with 95%.
    level = better.parts[0].differences[0].interval.level
    assert (level, better.multiplicity.count("97.5%")) == (pytest.approx(0.975), 1)
    inside = region == "north"
    expected = mean_difference(
        *(contender(said, y).rows.losses for said in (good, incumbent)),
        Units(np.ones(4000)),
        among=inside,
        level=level,
    )
    assert better.parts[0].differences[0].interval == expected.interval


def test_a_figure_that_is_asked_for_and_is_not_there_is_no_pass():
    model, _, y = contenders(400)
    found = compared(model, model, y, margins=Margins(recall=0.02))
    assert found.verdict == "INSUFFICIENT"
    assert found.sentence == "the rows can't tell of recall."
    assert set(found.left_out) == {"cost", "recall", "precision"}
    one_class = compared(model, model, np.zeros(400, dtype=int))
    assert (one_class.verdict, "auc" in one_class.left_out) == ("INSUFFICIENT", True)


def acting(model, policy):
    return model._replace(policy=policy)


def test_each_acts_by_its_own_policy_and_both_at_the_price_of_the_candidate():
    good, bad, y = contenders()
    cheap = analytic_policy(None, Cost(fn=5, fp=1))
    low, high = (given_policy(None, t) for t in (0.1, 0.9))
    found = compared(acting(good, low), acting(bad, high), y, price=COST)
    assert figure(found, "recall").candidate > 0.9 > 0.3 > figure(found, "recall").incumbent
    assert compared(acting(good, low), acting(bad, cheap), y).price == "fn=5, fp=1, the incumbent's"
    assert compared(acting(good, cheap), acting(bad, low), y).price == "fn=5, fp=1, the candidate's"
    assert "cost" in compared(acting(good, low), acting(bad, high), y).left_out
    # Given actions go before those of the policy.
    none = acting(good, low)._replace(actions=np.zeros(len(y), dtype=int))
    assert figure(compared(none, acting(bad, low), y), "recall").candidate == 0.0


def test_other_thresholds_that_act_alike_on_these_rows_may_not_do_so_on_others():
    good, _, y = contenders()
    one, other = (acting(good, given_policy(None, t)) for t in (0.5, 0.5 + 1e-9))
    found = compared(one, other, y, price=COST)
    assert (figure(found, "cost").difference, figure(found, "log_loss").interval.high) == (0.0, 0.0)
    # Student's quantile, and two unseen misses among 400 rows.
    assert figure(found, "cost").interval.high == pytest.approx(1.966 * 120 * np.sqrt(2) / 400, rel=1e-3)
    assert figure(compared(one, one, y, price=COST), "cost").interval.high == 0.0


def test_where_no_model_can_save_anything_costs_are_not_judged():
    good, _, y = contenders()
    found = compared(good, good, np.zeros_like(y), price=COST)
    assert (figure(found, "cost").verdict, found.verdict) == (None, "INSUFFICIENT")
    assert set(found.left_out) == {"auc", "recall"}


def test_deferred_cases_cost_a_look_and_need_a_price():
    good, bad, y = contenders()
    defers = deferral_policy(None, Cost(fn=120, fp=80, defer=4))
    found = compared(acting(good, defers), bad, y)
    codes = np.digitize(good.eta, defers.thresholds)
    each = np.select([codes == 1, (codes == 0) & (y == 1), (codes == 2) & (y == 0)], [4, 120, 80], 0)
    assert figure(found, "cost").candidate == pytest.approx(each.mean())
    # A person who looks at a positive has it; only what is called positive without a look is precise or not.
    assert figure(found, "recall").candidate == pytest.approx((codes > 0)[y == 1].mean())
    assert figure(found, "precision").candidate == pytest.approx(y[codes == 2].mean())
    with pytest.raises(InputError, match="'defer' has no cost"):
        compared(acting(good, defers), bad, y, price=COST)


def test_costs_in_columns_are_those_of_each_row():
    good, bad, y = contenders()
    amount = np.random.default_rng(0).uniform(20, 90, size=len(y))
    policy = row_policy(RowCosts(fn="amount", fp=18))
    found = compared(acting(good, policy), acting(bad, policy), y, cost_columns={"amount": amount})
    called = good.eta >= np.log(18 / amount)
    assert figure(found, "cost").candidate == pytest.approx(
        np.where(y, ~called * amount, called * 18.0).mean()
    )
    assert found.price == "fn=amount, fp=18, the candidate's"
    with pytest.raises(InputError, match="no column 'amount'"):
        compared(acting(good, policy), bad, y)


def test_a_cost_matrix_of_two_classes_prices_actions_by_their_names():
    good, bad, y = contenders()
    matrix = matrix_policy(CostMatrix(["no", "yes"], ["pass", "stop"], [[0, 18], [120, 0]]))
    by_matrix = compared(acting(good, matrix), acting(bad, matrix), y)
    assert figure(by_matrix, "cost").candidate == figure(compared(good, bad, y, price=COST), "cost").candidate
    assert set(by_matrix.left_out) == {"recall", "precision"}
    with pytest.raises(InputError, match="do not price its actions"):
        compared(acting(good, matrix), bad, y, price=COST)


def three_classes(n=500, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    eta = np.eye(3)[y] * 1.5 + rng.normal(size=(n, 3))
    noisy = eta + rng.normal(size=(n, 3))
    return (Said(scores, log_softmax(scores)) for scores in (eta, noisy)), y


def test_more_classes_have_a_macro_auc_and_a_cost_matrix():
    (good, bad), y = three_classes()
    matrix = CostMatrix(
        ["a", "b", "c"], ["a", "b", "c", "ask"], (9 * (1 - np.eye(3, 4)) - [0, 0, 0, 7]).tolist()
    )
    wide = Margins(smooth_ece=0.2)
    found = compared(acting(good, matrix_policy(matrix)), bad, y, slices={"odd": y % 2}, margins=wide)
    taken = (np.exp(good.log_proba) @ np.array(matrix.cost)).argmin(axis=1)
    assert figure(found, "cost").candidate == pytest.approx(np.array(matrix.cost)[y, taken].mean())
    assert figure(found, "brier").candidate == pytest.approx(
        ((np.exp(good.log_proba) - np.eye(3)[y]) ** 2).sum(axis=1).mean()
    )
    assert figure(found, "auc").difference > 0.05
    assert set(found.left_out) == {"recall", "precision"}
    assert found.verdict == "PASS"
    back = compared(bad, acting(good, matrix_policy(matrix)), y)
    assert (back.verdict, figure(back, "cost").difference) == ("FAIL", -figure(found, "cost").difference)
    with pytest.raises(InputError, match="costs are of 2 classes, and there are 3"):
        compared(good, bad, y, price=COST)
    other = CostMatrix(["a", "b", "c"], ["a", "b"], [[0, 1], [1, 0], [1, 1]])
    with pytest.raises(InputError, match="action 'c' has no column"):
        compared(acting(good, matrix_policy(other)), acting(bad, matrix_policy(matrix)), y)


def test_margins_are_read_and_refused():
    found = parse_margins(["log_loss=.002, auc=none", "recall=0"])
    assert parse_margins([]) == Margins()
    assert (found.log_loss, found.auc, found.recall, found.cost) == (0.002, None, 0.0, Margins().cost)
    for text, cause in (
        ("loss=1", "--margin 'loss=1'"),
        ("auc=.1,auc=.2", "each name once"),
        ("auc=x", "give it as"),
        ("auc=nan", "give it as"),
        ("auc", "give it as"),
        ("auc=-1", "margin auc=-1.0"),
        ("log_loss=none,auc=none,cost=none,smooth_ece=none", "no margins"),
    ):
        with pytest.raises(InputError, match=cause):
            parse_margins([text])


def test_other_rows_and_classes_are_refused():
    good, bad, y = contenders(10)
    (three, _), of_three = three_classes(10)
    for call, cause in (
        (lambda: gate(contender(good, y), contender(three, of_three)), "2 classes and the incumbent 3"),
        (
            lambda: gate(contender(good, y), contender(bad, 1 - y)),
            "labels or weights are not those of the incumbent",
        ),
        (
            lambda: gate(contender(good, y), contender(bad, y, sample_weight=y + 1)),
            "labels or weights are not",
        ),
        (lambda: compared(good, bad, y, level=1.5), "level 1.5"),
    ):
        with pytest.raises(InputError, match=cause):
            call()
