import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import logit
from sklearn import metrics as peer
from statsmodels.stats.proportion import proportion_confint

from oddsmith.errors import InputError
from oddsmith.evaluate.bootstrap import Resampling
from oddsmith.evaluate.curves import average_precision_estimate
from oddsmith.evaluate.evaluation import Evaluation, evaluation
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evaluate.smooth import smooth_ece

# Ambiguity, support, needs review: eight requests for access. The weights are those that 3000 steps of
# gradient descent at rate 0.2 reach from zero on eight others; every figure below follows by hand.
REQUESTS = np.array(
    [
        [1.2, 2.0, 0],
        [2.1, 4.0, 0],
        [2.4, 3.0, 1],
        [3.0, 5.0, 0],
        [3.6, 4.0, 1],
        [3.2, 7.0, 0],
        [4.2, 5.0, 1],
        [2.8, 6.0, 1],
    ]
)
ETA = -4.894067 + REQUESTS[:, :2] @ [3.398811, -0.959059]
NEEDS_REVIEW = REQUESTS[:, 2].astype(int)


def of_two(eta, y, classes=("auto", "review"), **options) -> Evaluation:
    eta = np.asarray(eta, dtype=float)
    log_proba = np.column_stack([-np.logaddexp(0, eta), -np.logaddexp(0, -eta)])
    return evaluation(eta[:, None], log_proba, y, classes, **options)


def of_many(eta, y, classes, **options) -> Evaluation:
    return evaluation(eta, log_softmax(eta), y, classes, **options)


def log_softmax(eta):
    shifted = eta - eta.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def test_access_requests_at_every_threshold():
    result = of_two(ETA, NEEDS_REVIEW, thresholds=[0.2, 0.35, 0.5, 0.65, 0.8], cost=Cost(fn=120, fp=18))
    rows = [(row.threshold, row.tp, row.fp, row.fn, row.tn, row.cost) for row in result.thresholds]
    assert rows == [
        (0.2, 4, 2, 0, 2, 36),
        (0.35, 3, 1, 1, 3, 138),
        (0.5, 3, 1, 1, 3, 138),
        (0.65, 2, 0, 2, 4, 240),
        (0.8, 2, 0, 2, 4, 240),
        (0.13043478260869565, 4, 3, 0, 1, 54),
    ]
    assert [row.analytic for row in result.thresholds] == [False] * 5 + [True]
    at_half = result.thresholds[2]
    assert (at_half.precision, at_half.recall, at_half.f1) == (0.75, 0.75, 0.75)


def test_access_requests_auc_and_reliability():
    result = of_two(ETA, NEEDS_REVIEW)
    assert result.auc == 0.8125  # 13 of the 16 pairs
    assert result.reliability.ece == pytest.approx(0.139, abs=5e-4)
    bins = [msgspec.structs.astuple(row) for row in result.reliability.bins]
    expected = [
        (0.0, 0.25, 3, 0.158, 0.333),
        (0.25, 0.5, 1, 0.325, 0.0),
        (0.5, 0.75, 2, 0.609, 0.5),
        (0.75, 1.0, 2, 0.980, 1.0),
    ]
    for row, figures in zip(bins, expected, strict=True):
        # The mean of .595 and .624, each already rounded to three digits, is what gives .609.
        assert row == pytest.approx(figures, abs=1e-3)


def test_one_label_moves_the_figures_of_eight_rows():
    flipped = NEEDS_REVIEW.copy()
    flipped[3] = 1
    before, after = of_two(ETA, NEEDS_REVIEW), of_two(ETA, flipped)
    assert before.per_class[1].f1 == pytest.approx(0.75)
    assert after.per_class[1].f1 == pytest.approx(0.889, abs=5e-4)
    assert before.reliability.ece == pytest.approx(0.139, abs=5e-4)
    assert after.reliability.ece == pytest.approx(0.209, abs=5e-4)


def test_calling_everything_negative_says_so():
    result = of_two(np.full(100, -9.0), np.arange(100) < 4)
    assert (result.accuracy.correct, result.accuracy.of, result.accuracy.share) == (96, 100, 0.96)
    assert result.per_class[1].recall == 0.0
    assert result.per_class[1].undefined == ("precision",)
    assert result.auc == 0.5


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("K", [2, 3, 5])
def test_evaluation_agrees_with_scikit_learn(K, weighted):
    random = np.random.default_rng(K)
    eta = random.normal(scale=2, size=(250, K))
    y = np.argmax(eta + random.gumbel(size=eta.shape), axis=1)
    weight = random.exponential(size=250) if weighted else None
    names = [f"class {k}" for k in range(K)]
    if K == 2:
        result = of_two(eta[:, 1] - eta[:, 0], y, names, sample_weight=weight)
    else:
        result = of_many(eta, y, names, sample_weight=weight)
    proba, called = np.exp(log_softmax(eta)), np.argmax(eta, axis=1)
    matrix = peer.confusion_matrix(y, called, sample_weight=weight)
    np.testing.assert_allclose(result.confusion, matrix, atol=1e-11)
    assert result.log_loss == pytest.approx(peer.log_loss(y, proba, sample_weight=weight), abs=1e-12)
    accuracy = peer.accuracy_score(y, called, sample_weight=weight)
    assert result.accuracy.share == pytest.approx(accuracy, abs=1e-12)
    assert result.accuracy.correct == pytest.approx(np.trace(matrix), abs=1e-11)
    labels = proba[:, 1] if K == 2 else proba
    scale = {} if K == 2 else {"labels": range(K)}
    score = peer.brier_score_loss(y, labels, sample_weight=weight, **scale)
    assert result.brier == pytest.approx(score, abs=1e-12)
    peers = peer.precision_recall_fscore_support(y, called, sample_weight=weight)
    for k, (report, precision, recall, f1) in enumerate(zip(result.per_class, *peers[:3], strict=True)):
        assert (report.label, report.undefined) == (names[k], ())
        assert (report.precision, report.recall, report.f1) == pytest.approx(
            (precision, recall, f1), abs=1e-12
        )
        assert report.total == pytest.approx(matrix[k].sum(), abs=1e-11)
        area = peer.roc_auc_score(y == k, proba[:, k], sample_weight=weight)
        assert report.auc == pytest.approx(area, abs=1e-12)
    assert result.n_rows == 250
    assert isinstance(result.weight, float if weighted else int)
    assert {type(count) for row in result.confusion for count in row} == {float if weighted else int}


def test_multiclass_calibration_error_is_of_the_largest_probability():
    random = np.random.default_rng(9)
    eta = random.normal(scale=2, size=(300, 3))
    y = random.integers(0, 3, size=300)
    result = of_many(eta, y, "abc", n_bins=6)
    proba = np.exp(log_softmax(eta))
    top, right = proba.max(axis=1), proba.argmax(axis=1) == y
    place = np.digitize(top, np.arange(1, 6) / 6)
    gaps = [abs(top[place == b].sum() - right[place == b].sum()) / 300 for b in range(6)]
    assert result.reliability.ece == pytest.approx(sum(gaps), abs=1e-12)
    assert result.reliability.binning == "6 equal-width bins of the largest probability"


def test_ties_go_to_the_first_class_and_zero_log_odds_to_the_positive_one():
    assert of_many(np.zeros((1, 3)), [0], "abc").confusion == ((1, 0, 0), (0, 0, 0), (0, 0, 0))
    assert of_two([0.0], [0]).confusion == ((0, 1), (0, 0))


def test_ranks_survive_where_probabilities_are_all_1():
    # Log-odds 39 to 50 are one probability, 1.0, and still in the right order.
    eta = np.zeros((12, 3))
    eta[:, 0] = np.arange(12) + 40
    y = np.repeat([1, 0], 6)
    assert of_many(eta, y, "abc").per_class[0].auc == 1.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.integers(-5, 5)] * 3, st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=20
    ).filter(lambda cells: any(cell[4] for cell in cells))
)
def test_weight_2_is_a_row_twice_and_weight_0_is_none(cells):
    cells = np.array(cells)
    weight = cells[:, 4]
    weighted = of_many(cells[:, :3] / 2, cells[:, 3], "abc", sample_weight=weight)
    repeated = np.repeat(cells, weight, axis=0)
    plain = of_many(repeated[:, :3] / 2, repeated[:, 3], "abc")
    assert weighted.n_rows == np.count_nonzero(weight)
    for name in ("confusion", "weight", "averages"):
        assert getattr(weighted, name) == getattr(plain, name)
    one, other = weighted.accuracy, plain.accuracy
    assert (one.correct, one.of, one.share) == (other.correct, other.of, other.share)
    # A weight says how much a row counts, not that it was seen twice: there is less evidence than in twice the rows.
    assert one.interval.high - one.interval.low >= other.interval.high - other.interval.low - 1e-12
    assert weighted.log_loss == pytest.approx(plain.log_loss, abs=1e-13)
    assert weighted.brier == pytest.approx(plain.brier, abs=1e-13)
    assert weighted.reliability.ece == pytest.approx(plain.reliability.ece, abs=1e-13)
    for one, other in zip(weighted.per_class, plain.per_class, strict=True):
        assert (one.correct, one.total, one.f1, one.undefined) == (
            other.correct,
            other.total,
            other.f1,
            other.undefined,
        )
        assert one.auc == other.auc


@settings(max_examples=60, deadline=None)
@example([(-710.0, 0)])
@given(st.lists(st.tuples(st.floats(-900, 900), st.integers(0, 1)), min_size=1, max_size=8))
def test_the_record_survives_json_without_nan(cells):
    eta, y = np.array(cells).T
    result = of_two(eta, y.astype(int), thresholds=[0, 0.3, 1], cost=Cost(fn=2, fp=1))
    text = msgspec.json.encode(result)
    assert msgspec.json.decode(text, type=Evaluation) == result
    figures = [value for value in flat(json.loads(text)) if isinstance(value, float)]
    assert all(map(math.isfinite, figures))
    assert (result.auc is None) == (len(set(y)) == 1)


def flat(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


def test_figures_of_ranking_are_those_of_scikit_learn():
    rng = np.random.default_rng(8)
    eta = rng.normal(size=(300, 4))
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    scores = eta[:, 0].round(1)  # with ties
    two = of_two(scores, (y == 0).astype(int))
    assert two.average_precision == pytest.approx(peer.average_precision_score(y == 0, scores), rel=1e-12)
    assert two.auc_interval.low < peer.roc_auc_score(y == 0, scores) < two.auc_interval.high
    many = of_many(eta, y, "abcd")
    called = many.confusion
    predicted = eta.argmax(axis=1)
    assert np.array(called).tolist() == peer.confusion_matrix(y, predicted).tolist()
    for name, score in (
        ("precision", peer.precision_score),
        ("recall", peer.recall_score),
        ("f1", peer.f1_score),
    ):
        average = getattr(many.averages, name)
        for kind in ("macro", "micro"):
            assert getattr(average, kind) == pytest.approx(score(y, predicted, average=kind), rel=1e-12)
    proba = np.exp(log_softmax(eta))
    macro = peer.roc_auc_score(y, proba, multi_class="ovr", average="macro")
    micro = peer.roc_auc_score(y, proba, multi_class="ovr", average="micro")
    assert many.average_auc.macro == pytest.approx(macro, rel=1e-9)
    assert many.average_auc.micro == pytest.approx(micro, rel=1e-9)


def test_one_class_has_no_auc():
    result = of_two([1.0, -2.0], [1, 1])
    assert result.auc is result.auc_interval is None
    assert result.average_precision == 1.0
    assert [report.auc for report in result.per_class] == [None, None]
    many = of_many(np.eye(3), [0, 0, 1], "abc")
    assert [report.auc is None for report in many.per_class] == [False, False, True]


def test_what_needs_two_classes_is_none_for_three():
    result = of_many(np.eye(3), [0, 1, 2], "abc")
    assert (result.positive, result.auc, result.mean_proba, result.observed_share) == (None,) * 4
    assert result.thresholds == ()
    assert "sum over classes" in result.brier_definition


THREE = {"eta": np.eye(3), "log_proba": log_softmax(np.eye(3)), "y": [0, 1, 2], "classes": "abc"}
TWO = {"eta": [[0.0]], "log_proba": np.log([[0.5, 0.5]]), "y": [1], "classes": ["no", "yes"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (THREE | {"thresholds": [0.5]}, "thresholds need two classes, and there are 3"),
        (THREE | {"cost": Cost(fn=1, fp=1)}, "costs fn and fp need two classes"),
        (THREE | {"y": [0, 1, 3]}, "row 3: class code 3.0. Codes go from 0 to 2"),
        (THREE | {"y": [0, -1, 2]}, "row 2: class code -1.0"),
        (THREE | {"eta": np.zeros((3, 1))}, "need (3, 3) and (3, 3)"),
        (THREE | {"log_proba": np.zeros((3, 3))}, "row 1: sum of probabilities 3.0"),
        (THREE | {"sample_weight": [0, 0, 0]}, "no rows to evaluate"),
        (TWO | {"eta": [[math.nan]]}, "row 1: eta nan"),
        (TWO | {"log_proba": [[0.0, -math.inf]]}, "row 1: log_proba inf"),
        (TWO | {"thresholds": [1.5]}, "threshold 1.5: not a probability"),
        (TWO | {"n_bins": 0}, "0 bins"),
        (TWO | {"y": [[1]]}, "labels have shape (1, 1)"),
        (TWO | {"classes": ["no"]}, "1 class"),
        (TWO | {"eta": np.zeros((0, 1)), "log_proba": np.zeros((0, 2)), "y": []}, "no rows to evaluate"),
    ],
)
def test_bad_input_is_a_sentence(arguments, said):
    with pytest.raises(InputError) as caught:
        evaluation(**arguments)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"thresholds": 0.5}, r"thresholds 0\.5: give a list of probabilities"),
        ({"thresholds": ".2,.5"}, r"thresholds '\.2,\.5': give a list of probabilities"),
        ({"cost": (120, 18)}, r"cost \(120, 18\): give an oddsmith\.Cost"),
    ],
)
def test_thresholds_and_costs_of_another_kind_are_refused(given, sentence):
    with pytest.raises(InputError, match=sentence):
        evaluation([[0.5], [-0.5]], np.log([[0.4, 0.6], [0.6, 0.4]]), [1, 0], ("no", "yes"), **given)


def test_shares_at_a_threshold_have_wilson_intervals_and_a_net_benefit():
    result = of_two(ETA, NEEDS_REVIEW, thresholds=[0.35, 1.0], cost=Cost(fn=120, fp=18))
    given, everything, analytic = result.thresholds
    # 3 of 4 called and 3 of 4 positives are right, 3 of 4 negatives too; of 5 rows that are one or the other J is 3 / 5.
    three_of_four = pytest.approx(proportion_confint(3, 4, method="wilson"), abs=1e-12)
    for interval in (given.precision_interval, given.recall_interval, given.specificity_interval):
        assert (interval.low, interval.high) == three_of_four
    ends = np.array(proportion_confint(3, 5, method="wilson"))
    assert (given.f1_interval.low, given.f1_interval.high) == pytest.approx(2 * ends / (1 + ends), abs=1e-12)
    # 3/8 - 1/8 * .35/.65, and of all 4/8 - 4/8 * .35/.65.
    assert given.net_benefit.model == pytest.approx(3 / 8 - 0.35 / 0.65 / 8, abs=1e-15)
    assert given.net_benefit.treat_all == pytest.approx(0.5 - 0.5 * 0.35 / 0.65, abs=1e-15)
    assert everything.net_benefit is None
    # 4 of 4 found at 3 false alarms, each of which costs 18 / 120 of a miss.
    assert analytic.net_benefit.model == pytest.approx(4 / 8 - 3 / 8 * 18 / 120, abs=1e-15)
    assert everything.undefined == ("precision",)
    assert (everything.precision_interval.low, everything.precision_interval.high) == (0.0, 1.0)


def test_average_precision_has_an_interval_but_not_of_a_perfect_ranking():
    result = of_two(ETA, NEEDS_REVIEW)
    rows = Resampling.of_rows(ETA, NEEDS_REVIEW)
    expected = average_precision_estimate(rows)
    assert result.average_precision == pytest.approx(expected.value, abs=1e-15)
    found = result.average_precision_interval
    assert (found.low, found.high) == pytest.approx(
        (expected.interval.low, expected.interval.high), abs=1e-14
    )
    assert found.method == expected.interval.method
    perfect = of_two(np.arange(100) - 50.5, np.arange(100) > 50)
    assert (perfect.average_precision, perfect.average_precision_interval) == (1.0, None)
    assert of_two([1.0], [0]).average_precision_interval is None


def test_three_classes_have_a_calibration_report_of_the_call():
    rng = np.random.default_rng(4)
    eta = rng.normal(scale=2, size=(2000, 3))
    y = (eta / 2 + rng.gumbel(size=eta.shape)).argmax(axis=1)
    found = of_many(eta, y, "abc").calibration
    called, proba = eta.argmax(axis=1), np.exp(log_softmax(eta)).max(axis=1)
    right = called == y
    assert found.events == min(right.sum(), (~right).sum())
    assert found.observed_expected.observed == right.sum()
    assert found.observed_expected.expected == pytest.approx(proba.sum(), rel=1e-12)
    assert found.smooth_ece.value == pytest.approx(
        smooth_ece(ScoreTable.from_scores(logit(proba), right)).value
    )
    # Twice the logits that the rows were made with are too bold, and half of them too timid.
    assert found.recalibration.slope.interval.high < 1.0
    assert of_many(eta / 4, y, "abc").calibration.recalibration.slope.interval.low > 1.0
