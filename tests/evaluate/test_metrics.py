import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import (
    Confusion,
    Cost,
    auc,
    brier,
    confusion,
    log_loss,
    mean_proba,
    observed_share,
)
from oddsmith.evaluate.score_table import ScoreTable, log_odds
from oddsmith.fit.losses import expit

THRESHOLDS = (0.0, 0.05, 0.2, 0.5, 0.731, 0.95)


def scores(seed: int, ties: bool, weighted: bool):
    random = np.random.default_rng(seed)
    eta = random.normal(scale=2, size=300)
    if ties:
        eta = np.round(eta)
    y = (random.random(300) < expit(eta)).astype(int)
    weight = random.exponential(size=300) if weighted else None
    return eta, y, weight


CASES = [(seed, ties, weighted) for seed in (0, 1) for ties in (False, True) for weighted in (False, True)]


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
def test_summaries_agree_with_scikit_learn(seed, ties, weighted):
    eta, y, weight = scores(seed, ties, weighted)
    proba = expit(eta)
    table = ScoreTable.from_scores(eta, y, weight)
    assert log_loss(table) == pytest.approx(peer.log_loss(y, proba, sample_weight=weight), abs=1e-12)
    assert brier(table) == pytest.approx(peer.brier_score_loss(y, proba, sample_weight=weight), abs=1e-12)
    assert auc(table) == pytest.approx(peer.roc_auc_score(y, eta, sample_weight=weight), abs=1e-12)
    assert mean_proba(table) == pytest.approx(np.average(proba, weights=weight), abs=1e-12)
    assert observed_share(table) == pytest.approx(np.average(y, weights=weight), abs=1e-12)


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_counts_at_a_threshold_agree_with_scikit_learn(seed, ties, weighted, threshold):
    eta, y, weight = scores(seed, ties, weighted)
    counts = confusion(ScoreTable.from_scores(eta, y, weight), threshold)
    called = (eta >= log_odds(threshold)).astype(int)
    (tn, fp), (fn, tp) = peer.confusion_matrix(y, called, labels=[0, 1], sample_weight=weight)
    assert (counts.tn, counts.fp, counts.fn, counts.tp) == pytest.approx((tn, fp, fn, tp), abs=1e-11)
    assert all(isinstance(count, float if weighted else int) for count in (counts.tn, counts.tp))
    precision, recall, f1, _ = peer.precision_recall_fscore_support(
        y, called, average="binary", sample_weight=weight, zero_division=0
    )
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx((precision, recall, f1), abs=1e-12)
    assert counts.accuracy == pytest.approx(peer.accuracy_score(y, called, sample_weight=weight), abs=1e-12)


whole_rows = st.lists(
    st.tuples(st.integers(-8, 8), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
).map(lambda cells: tuple(np.array(cells).T))


@settings(max_examples=60, deadline=None)
@given(whole_rows)
def test_weight_2_is_a_row_twice(cells):
    eta, y, weight = cells
    weighted = ScoreTable.from_scores(eta, y, weight)
    repeated = ScoreTable.from_scores(np.repeat(eta, weight), np.repeat(y, weight))
    for summary in (log_loss, brier, auc, mean_proba, observed_share):
        assert summary(weighted) == summary(repeated), summary.__name__
    for threshold in THRESHOLDS:
        assert confusion(weighted, threshold) == confusion(repeated, threshold)


@settings(max_examples=60, deadline=None)
@given(whole_rows)
def test_the_scale_of_the_weights_does_not_matter(cells):
    eta, y, weight = cells
    table, scaled = (ScoreTable.from_scores(eta, y, weight * scale) for scale in (1.0, 2.0**-400))
    for summary in (log_loss, brier, auc, mean_proba, observed_share):
        assert summary(scaled) == summary(table), summary.__name__


@settings(max_examples=60, deadline=None)
@given(
    whole_rows, st.sampled_from([lambda x: 3 * x + 1, lambda x: x**3, lambda x: np.sinh(x / 5), np.arctan])
)
def test_a_rising_transform_keeps_the_auc(cells, transform):
    eta, y, weight = cells
    assert auc(ScoreTable.from_scores(transform(eta), y, weight)) == auc(
        ScoreTable.from_scores(eta, y, weight)
    )


@settings(max_examples=60, deadline=None)
@given(whole_rows)
def test_swapped_labels_or_signs_turn_the_auc_over(cells):
    eta, y, weight = cells
    area = auc(ScoreTable.from_scores(eta, y, weight))
    assume(area is not None)
    assert auc(ScoreTable.from_scores(eta, 1 - y, weight)) == pytest.approx(1 - area, abs=1e-14)
    assert auc(ScoreTable.from_scores(-eta, y, weight)) == pytest.approx(1 - area, abs=1e-14)


@settings(max_examples=60, deadline=None)
@given(whole_rows)
def test_auc_is_the_share_of_pairs_that_are_ordered(cells):
    eta, y, weight = cells
    area = auc(ScoreTable.from_scores(eta, y, weight))
    difference = eta[y == 1][:, None] - eta[y == 0][None, :]
    pairs = weight[y == 1][:, None] * weight[y == 0][None, :]
    if pairs.size == 0:
        assert area is None
    else:
        assert area == pytest.approx((pairs * (np.sign(difference) + 1) / 2).sum() / pairs.sum(), abs=1e-14)


def test_auc_of_a_perfect_and_of_a_useless_score_is_exact():
    y = np.arange(30) % 3 == 0
    assert auc(ScoreTable.from_scores(y * 1.0, y)) == 1.0
    assert auc(ScoreTable.from_scores(y * -1.0, y)) == 0.0
    assert auc(ScoreTable.from_scores(np.zeros(30), y)) == 0.5


def test_log_loss_is_finite_a_thousand_log_odds_away():
    # softplus(1000) = 1000 to the last digit; 4.018 and 0.127 are softplus(4) and softplus(-2).
    assert log_loss(ScoreTable.from_scores([1000.0, -1000.0], [0, 1])) == 1000.0
    assert log_loss(ScoreTable.from_scores([-4.0], [1])) == pytest.approx(4.018, abs=5e-4)
    assert log_loss(ScoreTable.from_scores([2.0], [1])) == pytest.approx(0.127, abs=5e-4)


def test_ratios_of_nothing_are_zero_and_named():
    nothing_called = Confusion(tp=0, fp=0, fn=3, tn=5)
    assert (nothing_called.precision, nothing_called.recall, nothing_called.f1) == (0.0, 0.0, 0.0)
    assert nothing_called.undefined == ("precision",)
    nothing_there = Confusion(tp=0, fp=2, fn=0, tn=5)
    assert nothing_there.undefined == ("recall",)
    assert Confusion(tp=0, fp=0, fn=0, tn=5).undefined == ("precision", "recall", "f1")
    assert Confusion(tp=1, fp=0, fn=0, tn=0).undefined == ()


def test_calling_everything_negative_is_accurate_and_finds_nothing():
    # 4 positives among 100: accuracy .96, recall 0.
    counts = confusion(ScoreTable.from_scores(np.full(100, -9.0), np.arange(100) < 4), 0.5)
    assert (counts.accuracy, counts.recall) == (0.96, 0.0)


def test_the_threshold_of_a_miss_at_120_and_a_false_alarm_at_18():
    assert Cost(fn=120, fp=18).threshold == 0.13043478260869565  # 18 / 138


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(0, 1))
def test_at_the_analytic_threshold_both_actions_cost_the_same(fn, fp, proba):
    cost = Cost(fn=fn, fp=fp)
    call_negative, call_positive = proba * fn, (1 - proba) * fp
    assume(abs(call_negative - call_positive) > 1e-9 * (fn + fp))
    assert (proba >= cost.threshold) == (call_positive < call_negative)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 99), st.floats(0.01, 99), st.floats(-99, 99), st.floats(-99, 99))
def test_right_answers_may_cost_or_gain_too(excess_fn, excess_fp, tn, tp):
    cost = Cost(fn=tp + excess_fn, fp=tn + excess_fp, tn=tn, tp=tp)
    proba = cost.threshold
    positive, negative = proba * tp + (1 - proba) * cost.fp, proba * cost.fn + (1 - proba) * tn
    assert positive == pytest.approx(negative, abs=1e-9)
    assert cost.log_odds == pytest.approx(log_odds(proba), abs=1e-9)
    counts = Confusion(tp=1, fp=2, fn=3, tn=4)
    assert cost.total(counts) == pytest.approx(tp + 2 * cost.fp + 3 * cost.fn + 4 * tn, abs=1e-9)


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({"fn": 5, "fp": 1, "tp": 5}, "cost fn=5.0: not more than that of the right answer, tp=5.0"),
        ({"fn": 5, "fp": 1, "tn": 2}, "cost fp=1.0: not more than that of the right answer, tn=2.0"),
        ({"fn": 1e308, "fp": 1, "tp": -1e308}, "cost fn="),
        ({"fn": 5, "fp": 1, "tn": math.nan}, "cost tn=nan: not a finite number"),
        ({"fn": 5, "fp": 1, "defer": -1}, "cost defer=-1.0: negative"),
    ],
)
def test_costs_under_which_being_wrong_pays_are_refused(costs, message):
    with pytest.raises(InputError, match=message):
        Cost(**costs)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_cost_is_a_positive_number(value):
    with pytest.raises(InputError, match="cost fn"):
        Cost(fn=value, fp=1.0)
    with pytest.raises(InputError, match="cost fp"):
        Cost(fn=1.0, fp=value)


@pytest.mark.parametrize("summary", [log_loss, brier, mean_proba, observed_share])
def test_no_rows_have_no_mean(summary):
    with pytest.raises(InputError, match="no rows to evaluate"):
        summary(ScoreTable.from_scores([], []))
    with pytest.raises(InputError, match="no rows to evaluate"):
        summary(ScoreTable.from_scores([1.0], [1], [0.0]))
