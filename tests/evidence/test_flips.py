import json
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, log_loss, recall_score, roc_auc_score

from oddsmith.decision.choosing import given_policy, matrix_policy, row_policy
from oddsmith.decision.costs import CostMatrix, RowCosts
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.reliability import reliability
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evidence.flips import figures_of, label_flips
from oddsmith.evidence.rows import AuditRows
from oddsmith.fit.losses import expit

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "access_requests.json"
POLICY = given_policy(None, 0.5, Cost(fn=120, fp=18))

cells = st.lists(
    st.tuples(st.integers(-3, 3), st.integers(0, 1), st.integers(1, 2)), min_size=3, max_size=12
).map(lambda found: tuple(np.array(found).T))


def by_name(rows, policy=POLICY):
    return {figure.name: figure for figure in figures_of(rows, policy)}


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference figures are not here")
def test_the_flip_of_the_reference():
    reference = json.loads(REFERENCE.read_text("utf-8"))
    proba = np.array(reference["validation_proba"])
    needs_review = np.array([row["needs_review"] for row in reference["validation"]["rows"]])
    eta = np.log(proba / (1 - proba))
    rows = AuditRows(eta, eta, needs_review)
    figures, expected = by_name(rows), reference["one_label_flip_row_index_3"]
    flipped = needs_review.copy()
    flipped[3] = 1 - flipped[3]
    for labels, which in ((needs_review, "base"), (flipped, "flipped")):
        assert figures["F1"].value(labels) == pytest.approx(expected[which]["f1"], abs=5e-4)
        assert figures["ECE of 4 bins"].value(labels) == pytest.approx(expected[which]["ece"], abs=5e-4)
    # It is the one that helps F1 most, and the search finds it.
    found = next(flip for flip in label_flips(rows, POLICY).flips if flip.figure == "F1")
    assert (found.k, found.rows_highest) == (1, (3,))
    assert found.highest == pytest.approx(8 / 9)


def test_figures_are_those_of_others():
    random = np.random.default_rng(0)
    eta = random.normal(size=300)
    y = (random.random(300) < expit(eta)).astype(int)
    w = random.random(300) + 0.5
    figures = by_name(AuditRows(eta, eta, y, sample_weight=w))
    called = eta >= 0
    table = ScoreTable.from_scores(eta, y, w)
    assert figures["AUC"].value(y) == pytest.approx(roc_auc_score(y, eta, sample_weight=w))
    assert figures["log loss"].value(y) == pytest.approx(log_loss(y, expit(eta), sample_weight=w))
    assert figures["recall"].value(y) == pytest.approx(recall_score(y, called, sample_weight=w))
    assert figures["F1"].value(y) == pytest.approx(f1_score(y, called, sample_weight=w))
    assert figures["ECE of 4 bins"].value(y) == pytest.approx(reliability(table, 4, "p").ece)
    cost = 120 * w[(y == 1) & ~called].sum() + 18 * w[(y == 0) & called].sum()
    assert figures["cost a case"].value(y) == pytest.approx(cost / w.sum())


@settings(max_examples=40)
@given(cells)
def test_one_flip_is_the_best_of_all_rows(found):
    eta, y, w = found
    rows = AuditRows(eta * 1.0, eta * 1.0, y, sample_weight=w)
    for figure in figures_of(rows, POLICY):
        base = figure.value(y)
        if base is None:
            continue
        tried = []
        for i in range(len(y)):
            labels = y.copy()
            labels[i] = 1 - labels[i]
            value = figure.value(labels)
            tried.append(base if value is None else value)
        for sign, best in ((1, max(tried)), (-1, min(tried))):
            ((value, flipped),) = figure.path(sign, [1])
            if figure.name == "ECE of 4 bins" and (w != w[0]).any():
                assert sign * base <= sign * value <= max(sign * base, sign * best) + 1e-12
            else:
                assert value == pytest.approx(max(sign * base, sign * best) * sign, abs=1e-12), figure.name
            labels = y.copy()
            labels[flipped] = 1 - labels[flipped]
            assert figure.value(labels) == pytest.approx(value, abs=1e-12)


@settings(max_examples=40)
@given(cells, st.integers(2, 5))
def test_many_flips_are_what_they_say_and_never_beyond_the_best_set(found, k):
    eta, y, _ = found
    k = min(k, len(y))
    rows = AuditRows(eta * 1.0, eta * 1.0, y)
    for figure in figures_of(rows, POLICY):
        if figure.value(y) is None:
            continue
        of_sets = [figure.value(y)]
        for count in range(1, k + 1):
            for chosen in combinations(range(len(y)), count):
                labels = y.copy()
                labels[list(chosen)] = 1 - labels[list(chosen)]
                of_sets.append(figure.value(labels))
        there = [value for value in of_sets if value is not None]
        for sign, best in ((1, max(there)), (-1, min(there))):
            *_, (value, flipped) = figure.path(sign, [1, k])
            labels = y.copy()
            labels[flipped] = 1 - labels[flipped]
            assert len(set(flipped)) == len(flipped) <= k
            assert figure.value(labels) == pytest.approx(value, abs=1e-12), figure.name
            assert sign * value <= sign * best + 1e-12
            if figure.name in ("log loss", "cost a case"):
                assert value == pytest.approx(best, abs=1e-12)


def test_many_rows_move_further_with_more_flips():
    random = np.random.default_rng(1)
    eta = random.normal(size=20_000)
    y = (random.random(20_000) < expit(eta)).astype(int)
    found = label_flips(AuditRows(eta, eta, y), POLICY).flips
    for name in {flip.figure for flip in found}:
        of_name = [flip for flip in found if flip.figure == name]
        assert [flip.k for flip in of_name] == [1, 20, 200]
        for a, b in pairwise(of_name):
            assert b.lowest <= a.lowest <= a.value <= a.highest <= b.highest


@pytest.mark.parametrize(
    ("n", "numbers", "said"),
    [
        (100, [1], "1."),
        (101, [1, 2], "1, then 1% of the rows, rounded up."),
        (1000, [1, 10], "1, then 1% of the rows, rounded up."),
        (1001, [1, 2, 11], "1, then 0.1% and 1% of the rows, rounded up."),
    ],
)
def test_it_is_said_how_many_labels_are_wrong(n, numbers, said):
    eta = np.linspace(-2.0, 2.0, n)
    found = label_flips(AuditRows(eta, eta, np.arange(n) % 2), None)
    assert sorted({flip.k for flip in found.flips}) == numbers
    assert found.procedure.startswith(f"Wrong labels: {said} One label: ")


def test_more_classes_and_costs_of_rows():
    random = np.random.default_rng(2)
    scores = random.normal(size=(40, 3))
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    y = random.integers(3, size=40)
    matrix = CostMatrix(["a", "b", "c"], ["a", "b", "c"], [[0, 1, 5], [2, 0, 1], [9, 3, 0]])
    rows = AuditRows(scores, logs, y)
    policy = matrix_policy(matrix)
    for figure in figures_of(rows, policy):
        tried = []
        for i in range(40):
            for k in range(3):
                labels = y.copy()
                labels[i] = k
                tried.append(figure.value(labels))
        assert next(figure.path(1, [1]))[0] == pytest.approx(max(tried))
        assert next(figure.path(-1, [1]))[0] == pytest.approx(min(tried))
    assert [figure.name for figure in figures_of(rows, policy)] == ["log loss", "cost a case"]
    eta, y = random.normal(size=30), random.integers(2, size=30)
    rows = AuditRows(eta, eta, y, cost_columns={"loss": random.random(30) + 1})
    cost = by_name(rows, row_policy(RowCosts(fn="loss", fp=1.0)))["cost a case"]
    flipped = [cost.value(np.where(np.arange(30) == i, 1 - y, y)) for i in range(30)]
    assert next(cost.path(1, [1]))[0] == pytest.approx(max(flipped))


def test_rows_are_named_as_they_were_given():
    eta = np.array([0.0, 3.0, -2.0, 2.0, 1.0])
    rows = AuditRows(eta, eta, np.array([1, 1, 0, 0, 1]), sample_weight=[0, 1, 1, 1, 1])
    found = next(flip for flip in label_flips(rows, POLICY).flips if flip.figure == "log loss")
    # By far the most is lost when the row at 3 turns out negative; most is gained at 2.
    assert (found.rows_highest, found.rows_lowest) == ((1,), (3,))
