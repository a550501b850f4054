import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn import metrics as peer
from statsmodels.stats.proportion import proportion_confint

from oddsmith.errors import InputError
from oddsmith.evaluate.curves import average_precision
from oddsmith.evaluate.metrics import Confusion, auc, confusion
from oddsmith.evaluate.proportions import Average, average_of_tables, averages, threshold_measures
from oddsmith.evaluate.score_table import ScoreTable, log_odds
from oddsmith.fit.losses import expit

MEASURES = ("precision", "recall", "specificity", "f1")


def scores(seed: int, weighted: bool):
    random = np.random.default_rng(seed)
    eta = np.round(random.normal(scale=2, size=300), 1)
    y = (random.random(300) < expit(eta)).astype(int)
    return eta, y, random.exponential(size=300) if weighted else None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.2, 18 / 138, 0.9])
def test_measures_agree_with_scikit_learn(threshold, weighted):
    eta, y, weight = scores(0, weighted)
    found = threshold_measures(ScoreTable.from_scores(eta, y, weight), threshold)
    called = eta >= log_odds(threshold)
    expected = {
        "precision": peer.precision_score(y, called, sample_weight=weight),
        "recall": peer.recall_score(y, called, sample_weight=weight),
        "specificity": peer.recall_score(1 - y, ~called, sample_weight=weight),
        "f1": peer.f1_score(y, called, sample_weight=weight),
    }
    for name, value in expected.items():
        assert getattr(found, name).value == pytest.approx(value, abs=1e-12), name
        assert getattr(found, name).interval.low <= value <= getattr(found, name).interval.high, name


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9])
def test_intervals_agree_with_statsmodels(threshold):
    eta, y, _ = scores(1, False)
    table = ScoreTable.from_scores(eta, y)
    counts, found = confusion(table, threshold), threshold_measures(table, threshold, 0.9)
    for measure, part, whole in (
        (found.precision, counts.tp, counts.tp + counts.fp),
        (found.recall, counts.tp, counts.tp + counts.fn),
        (found.specificity, counts.tn, counts.tn + counts.fp),
    ):
        expected = proportion_confint(part, whole, 0.1, "wilson")
        assert (measure.interval.low, measure.interval.high) == pytest.approx(expected, abs=1e-12)
        assert (measure.interval.level, measure.interval.method) == (0.9, "Wilson")
    low, high = proportion_confint(counts.tp, counts.tp + counts.fp + counts.fn, 0.1, "wilson")
    expected = (2 * low / (1 + low), 2 * high / (1 + high))
    assert (found.f1.interval.low, found.f1.interval.high) == pytest.approx(expected, abs=1e-12)


def test_weights_widen_the_intervals_to_those_of_the_effective_number():
    eta, y, weight = scores(0, True)
    found = threshold_measures(ScoreTable.from_scores(eta, y, weight), 0.3)
    called = eta >= log_odds(0.3)
    for measure, inside, hits in (
        (found.precision, called, y == 1),
        (found.recall, y == 1, called),
        (found.specificity, y == 0, ~called),
        (found.f1, called | (y == 1), called & (y == 1)),
    ):
        w = weight[inside]
        n, share = w.sum() ** 2 / (w**2).sum(), np.average(hits[inside], weights=w)
        expected = np.array(proportion_confint(share * n, n, 0.05, "wilson"))
        if measure is found.f1:
            expected = 2 * expected / (1 + expected)
        assert (measure.interval.low, measure.interval.high) == pytest.approx(tuple(expected), abs=1e-12)
        assert measure.interval.method == "Wilson, on the effective number of rows"


whole_rows = st.lists(
    st.tuples(st.integers(-4, 4), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
)


@settings(max_examples=60, deadline=None)
@given(whole_rows, st.floats(0, 1))
def test_weight_2_has_the_measures_of_a_row_twice_but_not_their_certainty(cells, threshold):
    eta, y, weight = np.array(cells).T
    weighted = threshold_measures(ScoreTable.from_scores(eta, y, weight), threshold)
    repeated = threshold_measures(
        ScoreTable.from_scores(np.repeat(eta, weight), np.repeat(y, weight)), threshold
    )
    assert weighted.undefined == repeated.undefined
    for name in MEASURES:
        one, other = getattr(weighted, name), getattr(repeated, name)
        assert one.value == other.value
        width, of_repeated = (e.interval.high - e.interval.low for e in (one, other))
        assert width >= of_repeated - 1e-12


def test_what_has_no_rows_is_named_and_nothing_is_known_of_it():
    found = threshold_measures(ScoreTable.from_scores([-3.0, -2.0], [0, 0]), 0.5)
    assert found.undefined == ("precision", "recall", "f1")
    for name in found.undefined:
        estimate = getattr(found, name)
        assert (estimate.value, estimate.interval.low, estimate.interval.high) == (0.0, 0.0, 1.0)
    assert found.specificity.value == 1.0
    assert found.confusion == Confusion(tp=0, fp=0, fn=0, tn=2)


def multiclass(seed: int):
    random = np.random.default_rng(seed)
    y = random.integers(3, size=200)
    eta = random.normal(size=(200, 3)) + 1.2 * np.eye(3)[y]
    return y, eta


def against_rest(y, called, K):
    return [
        Confusion(
            tp=int(((y == k) & (called == k)).sum()),
            fp=int(((y != k) & (called == k)).sum()),
            fn=int(((y == k) & (called != k)).sum()),
            tn=int(((y != k) & (called != k)).sum()),
        )
        for k in range(K)
    ]


@pytest.mark.parametrize("K", [3, 5])  # of five, two never occur and are never called
def test_averages_agree_with_scikit_learn(K):
    y, eta = multiclass(0)
    called = eta.argmax(axis=1)
    found = averages(against_rest(y, called, K))
    for kind in ("macro", "micro"):
        expected = peer.precision_recall_fscore_support(
            y, called, labels=range(K), average=kind, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert getattr(getattr(found, name), kind) == pytest.approx(value, abs=1e-12), (kind, name)
    # Each row is called one class and is one: all micro averages are the share of right calls.
    assert found.f1.micro == pytest.approx((y == called).mean(), abs=1e-12)
    specificities = [((y != k) & (called != k)).sum() / (y != k).sum() for k in range(K)]
    assert found.specificity.macro == pytest.approx(np.mean(specificities), abs=1e-12)
    assert found.recall.n_classes == K


@pytest.mark.parametrize("weighted", [False, True])
def test_averages_of_areas_agree_with_scikit_learn(weighted):
    y, eta = multiclass(1)
    weight = np.random.default_rng(2).exponential(size=200) if weighted else None
    tables = [ScoreTable.from_scores(eta[:, k], y == k, weight) for k in range(3)]
    for ours, theirs in ((auc, peer.roc_auc_score), (average_precision, peer.average_precision_score)):
        found = average_of_tables(tables, ours)
        for kind in ("macro", "micro"):
            expected = theirs(np.eye(3)[y], eta, average=kind, sample_weight=weight)
            assert getattr(found, kind) == pytest.approx(expected, abs=1e-12), (kind, ours.__name__)
        assert found.n_classes == 3


def test_a_class_without_rows_is_left_out_of_a_mean_of_areas():
    y, eta = multiclass(1)
    tables = [ScoreTable.from_scores(eta[:, k], y == k) for k in (0, 1)]
    empty = ScoreTable.from_scores(eta[:, 2], np.zeros(200))
    found = average_of_tables([*tables, empty], auc)
    assert found.n_classes == 2
    assert found.macro == (auc(tables[0]) + auc(tables[1])) / 2
    assert average_of_tables([empty], auc) == Average(None, None, 0)
    backwards = ScoreTable.from_scores([0.0, 1.0], [1, 0])
    assert average_of_tables([backwards, empty, tables[0]], auc).macro == auc(tables[0]) / 2


def test_no_classes_have_no_average():
    with pytest.raises(InputError, match="no classes"):
        averages([])
    with pytest.raises(InputError, match="no classes"):
        average_of_tables([], auc)


@pytest.mark.slow
def test_the_interval_of_f1_covers_within_two_points():
    # Of n rows that are positive or called so, tp are Binomial(n, J): coverage is a sum, no simulation.
    n, shares = 60, np.linspace(0.05, 0.95, 91)
    low, high = np.array(
        [
            (found.f1.interval.low, found.f1.interval.high)
            for tp in range(n + 1)
            for found in [threshold_measures(ScoreTable.from_scores(np.ones(n), np.arange(n) < tp), 0.5)]
        ]
    ).T[:, :, None]
    f1 = 2 * shares / (1 + shares)
    chances = binom.pmf(np.arange(n + 1)[:, None], n, shares)
    assert (chances * ((low <= f1) & (f1 <= high))).sum(axis=0).mean() == pytest.approx(0.95, abs=0.02)
