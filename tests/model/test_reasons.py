"""Why a row has its action: what adds up, and what by trial would have changed it."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_expit, logit, softmax

from oddsmith.calibration.class_maps import OneVsRest
from oddsmith.calibration.maps import Beta, Identity, Isotonic, Platt, PriorShift, Temperature, calibrated
from oddsmith.data.cells import MissingMarkers
from oddsmith.data.design import Design
from oddsmith.data.encoding import BooleanColumn, CategoricalColumn, Level, NumericColumn, Term
from oddsmith.data.native import as_table
from oddsmith.decision.actions import act, expected
from oddsmith.decision.choosing import (
    analytic_policy,
    deferral_policy,
    given_policy,
    matrix_policy,
    row_policy,
)
from oddsmith.decision.costs import CostMatrix, RowCosts
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.fit.matrix import log_odds
from oddsmith.model.acting import Deciding
from oddsmith.model.probabilities import probabilities
from oddsmith.model.reasons import Reasons, reasons

COLUMNS = [
    NumericColumn("x", 2.5, 1.5),
    NumericColumn("gaps", -40.0, 20.0, Term(0.1, 0.3)),
    BooleanColumn("flag", 0.25, 0.43),
    CategoricalColumn("level", "a", [Level("b", 0.3, 0.46), Level(None, 0.1, 0.3)]),
]
DESIGN = Design(COLUMNS, MissingMarkers(frozenset({"", "-999"}), {}))
DEFER = Cost(fn=5, fp=1, defer=0.3)
POLICIES = [
    None,
    analytic_policy(None, Cost(fn=120, fp=18)),
    given_policy(None, 0.4),
    given_policy(None, 0.0),
    deferral_policy(None, DEFER),
    matrix_policy(CostMatrix(["0", "1"], ["auto", "ask", "review"], [[0, 1, 3], [9, 4, 0]])),
]
MAPS = [
    [],
    [Platt(0.7, -0.4), PriorShift(0.4, 0.1)],
    [Beta(0.4, 1.9, 0.1)],
    [Isotonic([-3.0, -1.0, 0.5, 2.0], [-2.5, -1.0, -1.0, 3.0])],
]
PLAIN = {"x": 3.0, "gaps": -35.0, "flag": False, "level": "a"}
coefs = st.lists(st.floats(-3, 3), min_size=6, max_size=6).map(
    lambda b: np.array([b]) / [1.5, 20, 1, 1, 1, 1]
)
rows = st.fixed_dictionaries(
    {
        "x": st.floats(-4, 9) | st.none(),
        "gaps": st.floats(-120, 40) | st.none(),
        "flag": st.sampled_from([True, False, None]),
        "level": st.sampled_from(["a", "b", None]),
    }
)


def deciding(coef=((1.1, 0.02, 0.5, -0.8, 0.9, -1.2),), average=(-0.6,), **options):
    options = {"classes": ["0", "1"], **options}
    return Deciding(design=DESIGN, coef=np.array(coef), average=np.array(average), **options)


def of_model(model, **options):
    record = model.record
    return Deciding(
        design=model.design,
        coef=model.coef,
        average=model.average,
        classes=record.target.classes,
        multi_class=record.multi_class,
        offset=record.offset,
        **options,
    )


def score(how, rows):
    """Log-odds (n, k) of rows as a table, without any of the code under test."""
    table = as_table({name: [row[name] for row in rows] for name in rows[0]})
    X, _ = how.design.matrix(table)
    eta = log_odds(X, how.design.mean, how.coef, how.average)
    return eta if how.offset is None else eta + table.frame[how.offset].to_numpy()[:, None]


def decide(how, eta, rows):
    """Actions of log-odds (n, 1) of two classes."""
    eta = eta[:, 0]
    for mapping in how.maps:
        eta = calibrated(mapping, eta)
    if how.policy is None:
        return [how.classes[int(value >= 0)] for value in eta]
    seen = eta if how.policy.matrix is None else probabilities(eta[:, None], "binary")
    costs = {} if how.policy.row_costs is None else how.policy.row_costs.columns
    codes = act(how.policy, seen, {name: [row[name] for row in rows] for name in costs})
    return [how.policy.actions[code] for code in codes]


def actions(how, rows):
    """Actions of rows as a table, of two classes."""
    return decide(how, score(how, rows), rows)


def alone(how, rows):
    """Actions of rows, each summed by itself as `Model.log_odds_of` does."""
    found = []
    for row in rows:
        eta = how.coef @ (np.array(how.design.vector(row)) - how.design.mean) + how.average
        if how.offset is not None:
            eta = eta + row[how.offset]
        found += decide(how, eta[None], [row])
    return found


def holds(how, row, found, *ways):
    """Each stated change is one in all ways of scoring, half of it is in none, and all but the last digit not in all."""
    changed, half, nearly = [], [], []
    for reason in found.columns:
        for change in reason.changes:
            name, to = reason.column, change.to
            assert change.action != found.action
            changed.append(({**row, name: to}, change.action))
            if isinstance(to, float) and reason.cell is not None:
                half.append({**row, name: (reason.cell + to) / 2})
                nearly.append({**row, name: math.nextafter(to, reason.cell)})
                assert change.side == ("less" if to < reason.cell else "more")
    tried = [way(how, [row, *(each for each, _ in changed), *half, *nearly]) for way in ways]
    expected_actions = [found.action, *(action for _, action in changed), *([found.action] * len(half))]
    for actions_found in tried:
        assert actions_found[: len(expected_actions)] == expected_actions
    ends = [actions_found[len(expected_actions) :] for actions_found in tried]
    assert all(found.action in each for each in zip(*ends, strict=True))


@settings(max_examples=40)
@given(coefs, st.floats(-3, 3), rows, st.sampled_from(POLICIES), st.sampled_from(MAPS))
def test_every_change_changes_the_action_and_half_of_it_does_not(coef, average, row, policy, maps):
    how = deciding(coef, (average,), policy=policy, maps=maps)
    found = reasons(how, row)
    holds(how, row, found, actions, alone)
    named = {reason.column: reason for reason in found.columns}
    for name, others in {"flag": [False, True], "level": ["a", "b", None], "gaps": [None]}.items():
        tried = dict(zip(others, actions(how, [{**row, name: cell} for cell in others]), strict=True))
        stated = {c.to: c.action for c in named[name].changes if not isinstance(c.to, float)}
        assert stated == {cell: action for cell, action in tried.items() if action != found.action}
    for column in COLUMNS[:2]:
        onwards = {change.side: change for change in named[column.name].changes if change.side is not None}
        for side, sign in (("less", -1), ("more", 1)):
            far = {**row, column.name: column.mean + sign * 2.0**39 * column.scale}
            if side not in onwards or onwards[side].onwards:
                expected_there = onwards[side].action if side in onwards else found.action
                assert actions(how, [far]) == [expected_there]


@settings(max_examples=20)
@given(coefs, st.floats(-3, 3), rows, st.sampled_from(MAPS))
def test_contributions_add_up_to_the_log_odds(coef, average, row, maps):
    how = deciding(coef, (average,), maps=maps)
    found = reasons(how, row)
    total = found.average + math.fsum(reason.contribution for reason in found.columns)
    assert found.log_odds == score(how, [row])[0, 0]
    assert total == pytest.approx(found.log_odds, rel=1e-12, abs=1e-12)
    sizes = [abs(reason.contribution) for reason in found.columns]
    assert sizes == sorted(sizes, reverse=True)


def test_a_model_s_reasons_are_those_of_its_table(any_model, rows_of):
    model = any_model
    table = rows_of(model)
    why = model.explain(table)
    for i in (0, 7, 100):
        row = dict(zip(table.frame.columns, table.frame.row(i), strict=True))
        found = reasons(of_model(model), row)
        assert found.action == str(why.label[i])
        named = {reason.column: reason.contribution for reason in found.columns}
        np.testing.assert_allclose([named[name] for name in why.columns], why.contributions[i], rtol=1e-12)
        assert found.average == why.average[i]
        np.testing.assert_allclose(found.log_odds, why.log_odds[i], rtol=1e-12)
        proba = model.predict_proba(row)
        before = [chance.before for chance in found.chances]
        np.testing.assert_allclose(before, proba[1:] if len(proba) == 2 else proba, rtol=1e-12)
        assert all(chance.after == chance.before for chance in found.chances)

        def labels(_, rows):
            texts = {
                name: [None if row[name] is None else str(row[name]) for row in rows] for name in rows[0]
            }
            return [str(label) for label in model.predict(as_table(texts))]

        def labels_alone(_, rows):
            return [str(model.predict(row)) for row in rows]

        holds(None, row, found, labels, labels_alone)


def test_the_figures_of_one_row_by_hand():
    # eta = -0.6 + 1.1 (3 - 2.5) + 0.02 (-35 + 40) + 0.5 (0 - 0.1) - 0.8 (0 - 0.25) + 0.9 (0 - 0.3) - 1.2 (0 - 0.1)
    #     = -0.6 + 0.55 + 0.05 + 0.2 - 0.15 = 0.05; Platt halves it and adds 1.
    how = deciding(maps=[Platt(0.5, 1.0)], policy=analytic_policy(None, Cost(fn=3, fp=1)))
    found = reasons(how, PLAIN)
    assert found.log_odds == pytest.approx(0.05)
    contributions = {reason.column: reason.contribution for reason in found.columns}
    assert contributions == pytest.approx({"x": 0.55, "flag": 0.2, "level": -0.15, "gaps": 0.05})
    [chance] = found.chances
    assert (chance.label, chance.before, chance.after) == (
        "1",
        pytest.approx(expit(0.05)),
        pytest.approx(expit(1.025)),
    )
    assert found.costs == pytest.approx({"auto": 3 * expit(1.025), "review": expit(-1.025)})
    # Review begins where eta / 2 + 1 = log(1 / 3): at eta = -4.197, which is 4.247 or 3.861 units of x below.
    [begins] = found.begins
    assert begins.action == found.action == "review"
    assert begins.log_odds == pytest.approx(2 * (math.log(1 / 3) - 1))
    assert (begins.before, begins.after) == (pytest.approx(expit(begins.log_odds)), pytest.approx(1 / 4))
    named = {reason.column: reason.changes for reason in found.columns}
    [change] = named["x"]
    assert change.to == pytest.approx(3.0 - (0.05 - begins.log_odds) / 1.1)
    assert (change.action, change.side, change.onwards, change.beyond_training) == (
        "auto",
        "less",
        True,
        False,
    )
    assert named["flag"] == named["level"] == []
    [far] = named["gaps"]
    assert far.to == pytest.approx(-35.0 - (0.05 - begins.log_odds) / 0.02)
    assert far.beyond_training


def test_a_calibration_that_changes_nothing_is_not_spoken_of():
    policy = analytic_policy(None, Cost(fn=3, fp=1))
    for maps, changes in (([], False), ([Identity()], False), ([Identity(), Platt(0.5, 1.0)], True)):
        found = reasons(deciding(maps=maps, policy=policy), PLAIN)
        assert found.calibrated == changes
        assert ("before calibration" in str(found)) == changes
    assert "'review' begins at a probability of 0.25 (0.015 before calibration)" in str(found)
    plain = reasons(deciding(policy=policy), PLAIN)
    assert "'review' begins at a probability of 0.25; this row has 0.512." in str(plain)
    three = {"coef": np.eye(3, 6), "average": np.zeros(3), "classes": ["a", "b", "c"], "multi_class": "ovr"}
    for part, changes in ((Identity(), False), (Platt(0.5, 1.0), True)):
        found = reasons(deciding(maps=[OneVsRest([part] * 3)], **three), PLAIN)
        assert found.calibrated == changes
        assert (
            [chance.before for chance in found.chances] != pytest.approx([c.after for c in found.chances])
        ) == changes


def test_of_three_actions_the_nearest_either_way_is_stated():
    how = deciding(average=(-1.0,), policy=deferral_policy(None, DEFER))
    found = reasons(how, PLAIN)
    assert found.action == "defer"
    assert [begins.action for begins in found.begins] == ["defer", "review"]
    changes = {reason.column: reason.changes for reason in found.columns}["x"]
    assert {change.side: change.action for change in changes} == {"less": "auto", "more": "review"}
    assert abs(changes[0].to - 3.0) < abs(changes[1].to - 3.0)
    auto = reasons(how, {**PLAIN, "x": 0.0})
    [change] = {reason.column: reason.changes for reason in auto.columns}["x"]
    assert (auto.action, change.action, change.onwards) == ("auto", "defer", False)


def test_a_missing_number_may_become_known_and_a_known_one_missing():
    how = deciding(coef=[[0.0, 0.02, 2.0, 0.0, 0.0, 0.0]], average=(0.0,))
    missing = reasons(how, {**PLAIN, "gaps": None})
    gaps = next(reason for reason in missing.columns if reason.column == "gaps")
    # Missing adds 2 of itself; any number from 10 below the mean down does not make up for it.
    assert (gaps.cell, missing.action) == (None, "1")
    assert [change.to for change in gaps.changes] == [-40.0, -40.0]
    holds(how, {**PLAIN, "gaps": None}, missing, actions, alone)
    known = reasons(how, {**PLAIN, "gaps": -60.0})
    changes = next(reason for reason in known.columns if reason.column == "gaps").changes
    assert [(change.to, change.action) for change in changes][-1] == (None, "1")


def test_a_number_that_means_missing_is_no_change():
    # The mean makes a positive; no number below 0 does, and -999 counts as the mean.
    design = Design([NumericColumn("x", 5.0, 501.0)], MissingMarkers(frozenset({"-999"}), {}))
    how = Deciding(design=design, coef=np.array([[1.0]]), average=np.array([0.0]), classes=["0", "1"])
    found = reasons(how, {"x": 3.0})
    [change] = found.columns[0].changes
    assert (found.action, change.to, change.side) == ("0", 5.0, "more")


def test_offsets_and_costs_of_the_row_count_and_may_be_what_changes():
    policy = row_policy(RowCosts(fn="loss", fp="x"))
    how = deciding(policy=policy, offset="known")
    row = {**PLAIN, "known": 0.3, "loss": "2.0"}
    found = reasons(how, row)
    plain = {**row, "loss": 2.0}
    assert found.log_odds == score(how, [plain])[0, 0] == pytest.approx(0.35)
    eta = score(how, [plain])[:, 0]
    np.testing.assert_array_equal(
        list(found.costs.values()), expected(policy, eta, {"loss": [2.0], "x": [3.0]})[0]
    )
    assert found.begins[0].log_odds == pytest.approx(math.log(3 / 2))
    assert found.action == "auto"
    named = {reason.column: reason for reason in found.columns}
    assert (named["known"].contribution, named["known"].cell, named["loss"].contribution) == (0.3, 0.3, 0.0)
    holds(how, plain, found, actions, alone)
    assert named["loss"].changes[0].to == pytest.approx(3 / math.exp(0.35))
    assert named["known"].changes[0].to == pytest.approx(0.3 + math.log(1.5) - 0.35)
    # A false alarm costs x, next to nothing near 0; further up the log-odds rise by more than log x.
    assert {change.side: change.action for change in named["x"].changes} == {
        "less": "review",
        "more": "review",
    }
    for name in ("loss", "known"):
        with pytest.raises(InputError, match=f"the row has no '{name}'"):
            reasons(how, {other: cell for other, cell in row.items() if other != name})
    with pytest.raises(InputError, match="no offset"):
        reasons(how, {**row, "known": 1e7})


def by_formula(how, rows):
    """Actions and probabilities of more than two classes, from scipy's functions."""
    eta = score(how, rows)
    logits = eta if how.multi_class == "softmax" else log_expit(eta)
    for mapping in how.maps:
        if isinstance(mapping, OneVsRest):
            against = logit(softmax(eta, axis=1)) if how.multi_class == "softmax" else eta
            parts = [calibrated(part, against[:, k]) for k, part in enumerate(mapping.maps)]
            logits = log_expit(np.column_stack(parts))
        else:
            logits = logits / mapping.temperature
    proba = softmax(logits, axis=1)
    if how.policy is None:
        return [how.classes[k] for k in logits.argmax(axis=1)], proba
    return [how.policy.actions[a] for a in (proba @ np.array(how.policy.matrix.cost)).argmin(axis=1)], proba


def in_a_table(how, rows):
    """Actions of rows as a table, to the bit."""
    X, _ = how.design.matrix(as_table({name: [row[name] for row in rows] for name in rows[0]}))
    return [how.actions[code] for code in how.codes(X, {})]


def one_by_one(how, rows):
    """The same of rows alone."""
    X = np.array([how.design.vector(row) for row in rows])
    return [how.actions[code] for code in how.codes(X, {}, alone=True)]


MATRIX = matrix_policy(
    CostMatrix(["a", "b", "c"], ["a", "b", "c", "ask"], [[0, 5, 9, 1], [6, 0, 3, 1], [9, 3, 0, 1]])
)
PARTS = OneVsRest([Platt(0.8, 0.2), Platt(1.4, -0.5), Isotonic([-3.0, 0.0, 3.0], [-2.0, 0.5, 2.0])])


@pytest.mark.parametrize("multi_class", ["softmax", "ovr"])
@pytest.mark.parametrize("maps", [[], [Temperature(1.7)], [PARTS]], ids=["none", "temperature", "parts"])
@pytest.mark.parametrize("policy", [None, MATRIX], ids=["label", "matrix"])
def test_three_classes_and_costs_of_a_matrix(multi_class, maps, policy):
    coef = np.random.default_rng(4).normal(size=(3, 6)) * [1.0, 0.1, 1, 1, 1, 1]
    how = deciding(
        coef, (0.3, 0.0, -0.2), classes=["a", "b", "c"], multi_class=multi_class, maps=maps, policy=policy
    )

    for row in (PLAIN, {**PLAIN, "x": 8.0}, {**PLAIN, "gaps": None, "level": "b"}):
        found = reasons(how, row)
        holds(how, row, found, in_a_table, one_by_one)
        own, proba = by_formula(how, [row])
        assert own == [found.action]
        np.testing.assert_allclose([chance.after for chance in found.chances], proba[0], rtol=1e-12)
        total = found.average + math.fsum(reason.contribution for reason in found.columns)
        assert total == pytest.approx(found.log_odds, rel=1e-12)
        assert found.begins == []
        for column, sigma in (("x", 1.5), ("gaps", 20.0)):
            [reason] = [reason for reason in found.columns if reason.column == column]
            if reason.cell is None:
                continue
            numbers = {change.side: change.to for change in reason.changes}
            low = numbers.get("less", reason.cell - 9 * sigma)
            high = numbers.get("more", reason.cell + 9 * sigma)
            between = np.linspace(low, high, 2001)[1:-1].tolist()
            assert set(by_formula(how, [{**row, column: x} for x in between])[0]) == {found.action}


def test_two_equations_for_two_classes_as_a_flat_file_has_them():
    # The odds are those of expit(eta_1) against expit(eta_0), which no equation gives alone.
    coef = np.array([[-0.9, 0.01, 0.2, 0.4, -0.1, 0.3], [1.1, 0.02, 0.5, -0.8, 0.9, -1.2]])
    for policy in (None, analytic_policy(None, Cost(fn=3, fp=1))):
        for maps in ([], [Platt(0.7, -0.4)]):
            how = deciding(coef, (0.1, -0.6), multi_class="ovr", maps=maps, policy=policy)
            found = reasons(how, PLAIN)
            holds(how, PLAIN, found, in_a_table, one_by_one)
            eta = log_expit(score(how, [PLAIN]))
            odds = 0.7 * (eta[0, 1] - eta[0, 0]) - 0.4 if maps else eta[0, 1] - eta[0, 0]
            [chance] = found.chances
            assert (chance.label, chance.after) == ("1", pytest.approx(expit(odds), rel=1e-12))
            assert found.action == how.actions[int(odds >= (math.log(1 / 3) if policy else 0.0))]
            total = found.average + math.fsum(reason.contribution for reason in found.columns)
            assert total == pytest.approx(found.log_odds, rel=1e-12)


def test_reasons_are_json(binary):
    row = {"department": "sales", "privileged": "True", "ambiguity": "3.1", "support": None}
    found = reasons(of_model(binary, policy=analytic_policy(None, Cost(fn=120, fp=18))), row)
    again = msgspec.json.decode(msgspec.json.encode(found), type=Reasons)
    assert again == found
    cells = {reason.column: reason.cell for reason in found.columns}
    assert cells == {"department": "sales", "privileged": True, "ambiguity": 3.1, "support": None}


def test_a_threshold_that_all_or_none_reach_has_no_border():
    for threshold, action in ((0.0, "review"), (1.0, "auto")):
        found = reasons(deciding(policy=given_policy(None, threshold)), PLAIN)
        assert (found.action, found.begins) == (action, [])
        assert not any(reason.changes for reason in found.columns)


def test_a_row_that_cannot_be_scored_is_refused():
    with pytest.raises(InputError, match="beyond the range of a double"):
        reasons(deciding(coef=[[1e300, 0.0, 0.0, 0.0, 0.0, 0.0]]), {**PLAIN, "x": 1e30})
    with pytest.raises(InputError, match="the row has no 'x'"):
        reasons(deciding(), {"gaps": 1.0})
    # Far numbers leave the range of a double, and the search ends there.
    found = reasons(deciding(coef=[[1e300, 0.0, 0.0, 0.0, 0.0, 0.0]]), {**PLAIN, "x": 2.0})
    assert (found.action, found.columns[0].changes[0].to) == ("0", math.nextafter(2.5, 3.0))
