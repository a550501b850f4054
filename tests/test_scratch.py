"""The glass box gives the published arithmetic of the access requests to the digits printed, and agrees
with scikit-learn and SciPy where they compute the same thing.

The sixteen rows are a worked example: 1 means that a permission change needs a person's review. Figures
beside them were printed by the descent itself (rate 0.2, 3000 epochs, from zeros, ones first, unscaled);
`shared/reference/access_requests.json` holds them too.
"""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.preprocessing import StandardScaler

from oddsmith import scratch

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

TRAIN = np.array(
    [
        [1.0, 1.0, 0],
        [1.5, 2.0, 0],
        [2.0, 3.0, 1],
        [3.5, 6.0, 1],
        [4.0, 7.0, 1],
        [4.5, 5.0, 1],
        [2.8, 4.0, 0],
        [3.2, 8.0, 0],
    ]
)
VALIDATION = np.array(
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
X, Y = scratch.add_bias(TRAIN[:, :2]), TRAIN[:, 2]
X_VALIDATION, Y_VALIDATION = scratch.add_bias(VALIDATION[:, :2]), VALIDATION[:, 2]

SNAPSHOTS = {
    1: (0.682962, [0.0, 0.06875, 0.075]),
    201: (0.464814, [-2.205198, 1.614886, -0.461627]),
    501: (0.420588, [-3.523883, 2.451980, -0.686387]),
    1001: (0.409205, [-4.355843, 3.022997, -0.849858]),
    3000: (0.407211, [-4.894067, 3.398811, -0.959059]),
}
# scikit-learn 1.9: LogisticRegression(C=inf, solver="newton-cholesky", tol=1e-12).
OPTIMUM = [-4.916406676, 3.41443035, -0.963606449]
OPTIMUM_LOSS = 0.407207776195


def agree(actual: Any, printed: Any, digits: int) -> None:
    """Equal to the digits printed: half a unit of the last one."""
    np.testing.assert_allclose(actual, printed, rtol=0, atol=0.5000001 * 10.0**-digits)


@pytest.fixture(scope="module")
def w() -> scratch.Array:
    return scratch.fit_logistic(X, Y, verbose=False)


@pytest.fixture(scope="module")
def p_validation(w: scratch.Array) -> scratch.Array:
    return scratch.predict_proba(X_VALIDATION, w)


# The curve and its loss


def test_sigmoid_table() -> None:
    agree(scratch.sigmoid([-4, -1, 0, 1, 4]), [0.018, 0.269, 0.5, 0.731, 0.982], 3)


@given(st.floats(-1000, 1000))
def test_sigmoid_agrees_with_scipy_and_mirrors(z: float) -> None:
    assert float(scratch.sigmoid(z)) == pytest.approx(float(expit(z)), rel=1e-14, abs=1e-300)
    assert float(scratch.sigmoid(z) + scratch.sigmoid(-z)) == pytest.approx(1.0, abs=1e-15)


def test_sigmoid_at_both_ends_is_silent() -> None:
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        assert scratch.sigmoid([-1000.0, 1000.0]).tolist() == [0.0, 1.0]


def test_log_loss_from_logits() -> None:
    agree(scratch.log_loss_from_logits(1, 2), 0.127, 3)
    agree(scratch.log_loss_from_logits([1], [-4]), 4.018, 3)
    assert scratch.log_loss_from_logits([0, 1], [1000, -1000]) == 1000.0
    assert scratch.log_loss_from_logits([1, 0], [1000, -1000]) == 0.0


def test_logits_keep_what_probabilities_have_lost() -> None:
    z = np.array([[40.0]])
    loss_of_probabilities = scratch.LogisticRegression(1, lr=1.0).loss([1], scratch.sigmoid(z))
    assert loss_of_probabilities == 0.0
    assert scratch.log_loss_from_logits([1], z) == pytest.approx(np.exp(-40.0), rel=1e-12)


def test_loss_of_probabilities_is_finite_and_that_of_scikit_learn() -> None:
    model = scratch.LogisticRegression(1, lr=1.0)
    agree(model.loss([1], [0.82]), 0.198, 3)
    y, p = [0, 1, 1, 0, 1], [1.0, 0.0, 1.0, 0.0, 0.3]
    assert model.loss(y, p) == pytest.approx(metrics.log_loss(y, p), rel=1e-12)
    z = np.linspace(-20, 20, 9)
    y = (np.arange(9) % 2).tolist()
    assert model.loss(y, scratch.sigmoid(z)) == pytest.approx(scratch.log_loss_from_logits(y, z), rel=1e-8)


# The two models


def test_gradient_of_a_single_row() -> None:
    model = scratch.LogisticRegression(2, lr=0.2)
    row = [[3.5, 6.0]]
    z, y_hat = model.forward(row)
    dW, dB = model.backward(row, [1], y_hat)
    assert (z.tolist(), y_hat.tolist()) == ([[0.0]], [[0.5]])
    agree(model.loss([1], y_hat), 0.693147, 6)
    assert [dB, *dW.ravel()] == [-0.5, -1.75, -3.0]
    assert (dW.shape, type(dB)) == ((2, 1), float)


def test_model_and_fit_take_the_same_path(w: scratch.Array) -> None:
    model = scratch.LogisticRegression(2, lr=0.2)
    for epoch in range(1, 3001):
        _, y_hat = model.forward(TRAIN[:, :2])
        model.update(*model.backward(TRAIN[:, :2], Y, y_hat))
        if epoch in SNAPSHOTS:
            loss, weights = SNAPSHOTS[epoch]
            z, y_hat = model.forward(TRAIN[:, :2])
            agree(model.loss(Y, y_hat), loss, 6)
            agree(scratch.log_loss_from_logits(Y, z), loss, 6)
            agree([model.b, *model.W.ravel()], weights, 6)
    np.testing.assert_allclose([model.b, *model.W.ravel()], w, rtol=1e-10)


def test_flat_labels_mean_the_same_as_a_column_of_labels() -> None:
    model = scratch.LogisticRegression(2, lr=0.2)
    _, y_hat = model.forward(TRAIN[:, :2])
    flat, column = model.backward(TRAIN[:, :2], Y, y_hat), model.backward(TRAIN[:, :2], Y[:, None], y_hat)
    assert flat[0].shape == (2, 1)
    assert flat[0].tolist() == column[0].tolist()
    assert flat[1] == column[1]
    assert model.loss(Y, y_hat) == model.loss(Y[:, None], y_hat.ravel())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, s, x: m.backward(x, Y[:3], np.full((8, 1), 0.5)), "there are 8 rows"),
        (lambda m, s, x: m.backward(x, Y[None, :], np.full((8, 1), 0.5)), "one label a row"),
        (lambda m, s, x: m.backward(x, Y, np.full((8, 8), 0.5)), r"y_hat has shape \(8, 8\)"),
        (lambda m, s, x: m.loss(Y, np.full((8, 8), 0.5)), "there are 64 rows"),
        (lambda m, s, x: m.loss(2 * Y - 1, np.full(8, 0.5)), "other than 0 and 1"),
        (lambda m, s, x: m.loss(Y, np.full(8, -4.0)), "not log-odds"),
        (lambda m, s, x: m.forward(x[0]), "single row"),
        (lambda m, s, x: m.forward(x[:, :1]), "1 columns, the weights 2"),
        (lambda m, s, x: m.forward(x * np.nan), "replace_nan first"),
        (lambda m, s, x: m.update(np.zeros((2, 2)), 0.0), "dW has shape"),
        (lambda m, s, x: s.backward(x, Y[:3], np.full((8, 3), 1 / 3)), "8 whole numbers from 0 to 2"),
        (lambda m, s, x: s.backward(x, Y + 0.5, np.full((8, 3), 1 / 3)), "whole numbers"),
        (lambda m, s, x: s.backward(x, Y + 2, np.full((8, 3), 1 / 3)), "from 0 to 2"),
        (lambda m, s, x: s.backward(x, np.ones((8, 3)), np.full((8, 3), 1 / 3)), "one-hot"),
        (lambda m, s, x: s.loss(Y, np.full((8, 1), 1 / 3)), "y_hat has shape"),
        (lambda m, s, x: s.update(np.zeros((2, 3)), np.zeros(2)), "dB has shape"),
        (lambda m, s, x: scratch.log_loss_from_logits(Y, np.zeros(7)), "there are 7 rows"),
        (lambda m, s, x: scratch.fit_logistic(X, Y[:5], verbose=False), "there are 8 rows"),
        (lambda m, s, x: scratch.minibatch(X, Y, batch_size=0), "at least one row"),
        (lambda m, s, x: scratch.predict_proba(x, np.zeros(3)), "column of ones missing"),
        (lambda m, s, x: scratch.expected_calibration_error(Y, X[:, 1]), "not log-odds"),
        (lambda m, s, x: scratch.expected_calibration_error(Y, np.zeros(8), 0), "at least one bin"),
        (lambda m, s, x: scratch.roc_points(np.ones(2), [0.1, 0.9], [0.5]), "one class only"),
        (lambda m, s, x: scratch.replace_nan([[np.nan, 1.0]]), "Column 0"),
        (lambda m, s, x: scratch.replace_nan([[1.0, 2.0]], [1.0]), "one mean a column"),
        (lambda m, s, x: scratch.normalize(x, [0.0], [1.0, 1.0]), "mu has shape"),
    ],
)
def test_misuse_is_a_sentence_and_never_a_broadcast(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(scratch.LogisticRegression(2, lr=0.1), scratch.SoftmaxRegression(2, 3, lr=0.1), TRAIN[:, :2])


seeds = st.integers(0, 2**32 - 1)


def random_problem(seed: int, n_classes: int) -> tuple[np.random.Generator, Any, Any]:
    random = np.random.default_rng(seed)
    n, p = int(random.integers(1, 30)), int(random.integers(1, 6))
    return random, random.normal(size=(n, p)), random.integers(0, n_classes, size=n)


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_gradients_are_slopes(seed: int) -> None:
    random, x, y = random_problem(seed, 3)
    binary, softmax = scratch.LogisticRegression(x.shape[1], 1), scratch.SoftmaxRegression(x.shape[1], 3, 1)
    for model in (binary, softmax):
        model.W, model.b = random.normal(size=model.W.shape), random.normal(size=np.shape(model.b))
        before = np.copy(model.W), np.copy(model.b)
        assert scratch.check_gradient(model, x, y if model is softmax else y == 1) < 1e-6
        assert np.array_equal(model.W, before[0])
        assert np.array_equal(model.b, before[1])


def test_a_wrong_gradient_is_found() -> None:
    class SumForMean(scratch.LogisticRegression):
        def backward(self, X: Any, y: Any, y_hat: Any) -> tuple[scratch.Array, float]:
            dW, dB = super().backward(X, y, y_hat)
            return len(X) * dW, dB

    class NoIntercept(scratch.SoftmaxRegression):
        def backward(self, X: Any, y: Any, y_hat: Any) -> tuple[scratch.Array, scratch.Array]:
            dW, dB = super().backward(X, y, y_hat)
            return dW, 0 * dB

    assert scratch.check_gradient(SumForMean(2, 1), TRAIN[:, :2], Y) == pytest.approx(7 / 8, rel=1e-6)
    # Three classes of which the third never occurs: the slopes of b are not zero at zero weights.
    assert scratch.check_gradient(NoIntercept(2, 3, 1), TRAIN[:, :2], Y) == pytest.approx(1.0)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_softmax_of_two_classes_is_logistic_at_twice_the_rate(seed: int) -> None:
    """Both columns of W move, in opposite directions, so their difference moves twice as far."""
    _, x, y = random_problem(seed, 2)
    binary, softmax = (
        scratch.LogisticRegression(x.shape[1], 0.4),
        scratch.SoftmaxRegression(x.shape[1], 2, 0.2),
    )
    for _ in range(5):
        _, y_hat = binary.forward(x)
        _, y_hats = softmax.forward(x)
        np.testing.assert_allclose(y_hats[:, 1], y_hat[:, 0], rtol=1e-12)
        assert softmax.loss(y, y_hats) == pytest.approx(binary.loss(y, y_hat), rel=1e-12)
        binary.update(*binary.backward(x, y, y_hat))
        softmax.update(*softmax.backward(x, y, y_hats))
    np.testing.assert_allclose(np.diff(softmax.W), binary.W, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.diff(softmax.b), binary.b, rtol=1e-9, atol=1e-12)


def test_softmax_takes_codes_or_one_hot_rows_and_survives_large_scores() -> None:
    model = scratch.SoftmaxRegression(2, 3, lr=0.1)
    model.W = np.array([[1000.0, 0.0, -1000.0], [0.0, 0.0, 0.0]])
    x, codes = TRAIN[:, :2], np.array([0, 1, 2, 0, 1, 2, 0, 1])
    _, y_hat = model.forward(x)
    assert np.all(np.isfinite(y_hat))
    assert model.loss(codes, y_hat) == model.loss(np.eye(3)[codes], y_hat)
    for from_codes, from_rows in zip(
        model.backward(x, codes, y_hat), model.backward(x, np.eye(3)[codes], y_hat), strict=True
    ):
        assert from_codes.tolist() == from_rows.tolist()


# Descent


def test_snapshots_as_printed(capsys: pytest.CaptureFixture[str], w: scratch.Array) -> None:
    assert scratch.fit_logistic(X, Y).tolist() == w.tolist()
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [int(words[1]) for words in printed] == list(SNAPSHOTS)
    for words, (loss, weights) in zip(printed, SNAPSHOTS.values(), strict=True):
        assert float(words[3]) == loss
        assert [float(word) for word in words[5:]] == weights


@pytest.mark.parametrize("epochs", SNAPSHOTS)
def test_weights_and_loss_belong_to_the_same_update(epochs: int) -> None:
    loss, weights = SNAPSHOTS[epochs]
    w = scratch.fit_logistic(X, Y, epochs=epochs, verbose=False)
    agree(w, weights, 6)
    agree(scratch.log_loss_from_logits(Y, X @ w), loss, 6)


def test_converged_fit_is_the_optimum_and_that_of_scikit_learn() -> None:
    w = scratch.fit_logistic(X, Y, lr=0.4, epochs=10_000, verbose=False)
    agree(w, OPTIMUM, 8)
    agree(scratch.log_loss_from_logits(Y, X @ w), OPTIMUM_LOSS, 12)
    peer = Peer(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(TRAIN[:, :2], Y)
    np.testing.assert_allclose(w, [*peer.intercept_, *peer.coef_[0]], rtol=1e-8)


@given(seeds, st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_whole_batches_are_batch_descent(seed: int, epochs: int) -> None:
    _, x, y = random_problem(seed, 2)
    batch = scratch.fit_logistic(x, y, 0.3, epochs, verbose=False)
    whole = scratch.minibatch(x, y, 0.3, epochs, verbose=False, batch_size=len(x), decay=0, seed=seed)
    np.testing.assert_allclose(whole, batch, rtol=1e-9, atol=1e-12)
    first = scratch.minibatch(x, y, 0.3, 1, verbose=False, batch_size=len(x), seed=seed)
    np.testing.assert_allclose(first, scratch.fit_logistic(x, y, 0.3, 1, False), rtol=1e-9, atol=1e-12)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_swapped_labels_flip_every_sign(seed: int) -> None:
    _, x, y = random_problem(seed, 2)
    for fit in (scratch.fit_logistic, scratch.sgd):
        np.testing.assert_allclose(
            fit(x, 1 - y, epochs=5, verbose=False), -fit(x, y, epochs=5, verbose=False), rtol=1e-9, atol=1e-12
        )


def test_stochastic_path_is_seeded_and_follows_its_schedule() -> None:
    again = scratch.sgd(X, Y, epochs=3, verbose=False, seed=7)
    assert again.tolist() == scratch.minibatch(X, Y, epochs=3, verbose=False, batch_size=1, seed=7).tolist()
    assert again.tolist() != scratch.sgd(X, Y, epochs=3, verbose=False, seed=8).tolist()

    order, w = np.random.default_rng(7), np.zeros(3)
    for rate in (0.2, 0.2 / 1.01, 0.2 / 1.02):
        for i in order.permutation(8):
            w = w - rate * (scratch.predict_proba(X[[i]], w)[0] - Y[i]) * X[i]
    np.testing.assert_allclose(again, w, rtol=1e-12)


def test_shrinking_steps_settle_where_constant_steps_hover() -> None:
    """The worst of five seeds with the schedule is nearer to the optimum than the best without."""
    settled = [scratch.sgd(X, Y, epochs=1000, verbose=False, seed=seed) for seed in range(5)]
    hovering = [scratch.sgd(X, Y, epochs=1000, verbose=False, decay=0, seed=seed) for seed in range(5)]
    excess = [
        [scratch.log_loss_from_logits(Y, X @ w) - OPTIMUM_LOSS for w in ws] for ws in (settled, hovering)
    ]
    assert max(excess[0]) < min(excess[1])
    assert min(excess[0]) > 0


def test_one_vs_rest_is_one_fit_a_class(capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.array(["b", "b", "a", "a", "c", "c", "b", "a"])
    classes, weights = scratch.one_vs_rest(X, labels, epochs=50)
    assert classes.tolist() == ["a", "b", "c"]
    for k, label in enumerate(classes):
        alone = scratch.fit_logistic(X, labels == label, epochs=50, verbose=False)
        assert weights[:, k].tolist() == alone.tolist()
    assert capsys.readouterr().out.count("against the rest") == 3


# Reading the results


def test_training_rows(w: scratch.Array) -> None:
    p = scratch.predict_proba(X, w)
    agree(p, [0.079, 0.153, 0.274, 0.777, 0.880, 0.996, 0.687, 0.156], 3)
    assert scratch.predict_with_threshold(p, 0.5).tolist() == [0, 0, 0, 1, 1, 1, 1, 0]
    cm = scratch.confusion_matrix_at_threshold(Y, p, 0.5)
    assert cm == {"tp": 3, "fp": 1, "fn": 1, "tn": 3}
    assert all(type(count) is int for count in cm.values())
    assert scratch.precision_recall_f1(cm) == (0.75, 0.75, 0.75)
    agree(scratch.expected_calibration_error(Y, p), 0.268, 3)


def test_validation_rows(p_validation: scratch.Array) -> None:
    agree(p_validation, [0.061, 0.169, 0.595, 0.624, 0.971, 0.325, 0.990, 0.244], 3)
    agree(scratch.expected_calibration_error(Y_VALIDATION, p_validation), 0.139, 3)


@pytest.mark.parametrize(
    ("threshold", "tp", "fp", "fn", "tn", "cost"),
    [
        (0.2, 4, 2, 0, 2, 36),
        (0.35, 3, 1, 1, 3, 138),
        (0.5, 3, 1, 1, 3, 138),
        (0.65, 2, 0, 2, 4, 240),
        (0.8, 2, 0, 2, 4, 240),
    ],
)
def test_thresholds_and_their_cost(
    p_validation: scratch.Array, threshold: float, tp: int, fp: int, fn: int, tn: int, cost: int
) -> None:
    cm = scratch.confusion_matrix_at_threshold(Y_VALIDATION, p_validation, threshold)
    assert cm == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    assert 120 * cm["fn"] + 18 * cm["fp"] == cost


@pytest.mark.parametrize(
    ("low", "high", "count", "mean_proba", "share"),
    [
        (0.0, 0.25, 3, 0.158, 0.333),
        (0.25, 0.5, 1, 0.325, 0.0),
        (0.5, 0.75, 2, 0.609, 0.5),
        (0.75, 1.0, 2, 0.98, 1.0),
    ],
)
def test_calibration_bins(
    p_validation: scratch.Array, low: float, high: float, count: int, mean_proba: float, share: float
) -> None:
    """The printed means are those of the probabilities as printed: unrounded, the third one is 0.6097."""
    rows = (p_validation >= low) & (p_validation < high)
    assert np.sum(rows) == count
    agree(np.round(p_validation[rows], 3).mean(), mean_proba, 3)
    agree(Y_VALIDATION[rows].mean(), share, 3)
    gap = scratch.expected_calibration_error(Y_VALIDATION[rows], p_validation[rows])
    agree(gap, abs(p_validation[rows].mean() - Y_VALIDATION[rows].mean()), 12)


def test_area_under_the_roc_points(p_validation: scratch.Array) -> None:
    thresholds = [np.inf, *sorted(p_validation, reverse=True)]
    points = scratch.roc_points(Y_VALIDATION, p_validation, thresholds)
    assert [point[0] for point in points] == thresholds
    _, fpr, tpr = np.transpose(points)
    assert np.trapezoid(tpr, fpr) == 0.8125
    assert np.sum(Y_VALIDATION == 1) * np.sum(Y_VALIDATION == 0) == 16
    theirs = metrics.roc_curve(Y_VALIDATION, p_validation, drop_intermediate=False)
    assert (fpr.tolist(), tpr.tolist()) == (theirs[0].tolist(), theirs[1].tolist())


def test_one_wrong_label_moves_every_figure(p_validation: scratch.Array) -> None:
    flipped = Y_VALIDATION.copy()
    flipped[3] = 1 - flipped[3]
    for y, f1, ece in ((Y_VALIDATION, 0.75, 0.139), (flipped, 0.889, 0.209)):
        cm = scratch.confusion_matrix_at_threshold(y, p_validation, 0.5)
        agree(scratch.precision_recall_f1(cm)[2], f1, 3)
        agree(scratch.expected_calibration_error(y, p_validation), ece, 3)


def test_accuracy_flatters_who_never_says_yes() -> None:
    y = np.repeat([1, 0], [4, 96])
    cm = scratch.confusion_matrix_at_threshold(y, np.zeros(100), 0.5)
    assert cm == {"tp": 0, "fp": 0, "fn": 4, "tn": 96}
    assert (cm["tp"] + cm["tn"]) / 100 == 0.96
    assert scratch.precision_recall_f1(cm) == (0.0, 0.0, 0.0)


def test_a_probability_equal_to_the_threshold_is_positive() -> None:
    assert scratch.predict_with_threshold([0.3, 0.29999999, 0.30000001], 0.3).tolist() == [1, 0, 1]


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_counts_and_ratios_agree_with_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    y, p = random.integers(0, 2, size=12), random.integers(0, 11, size=12) / 10
    cm = scratch.confusion_matrix_at_threshold(y, p, 0.4)
    predicted = scratch.predict_with_threshold(p, 0.4)
    tn, fp, fn, tp = metrics.confusion_matrix(y, predicted, labels=[0, 1]).ravel().tolist()
    assert cm == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    theirs = metrics.precision_recall_fscore_support(y, predicted, average="binary", zero_division=0.0)
    assert scratch.precision_recall_f1(cm) == pytest.approx(theirs[:3])


def test_bins_are_half_open_and_the_last_is_closed() -> None:
    """At 0.25, 0.5 and 0.75 the upper bin takes the row; alone in its bin, a row errs by |p - y|."""
    assert scratch.expected_calibration_error([1, 1], [0.0, 0.25]) == (1 + 0.75) / 2
    assert scratch.expected_calibration_error([0, 1], [0.24, 0.25]) == pytest.approx((0.24 + 0.75) / 2)
    assert scratch.expected_calibration_error([0, 1], [0.75, 1.0]) == pytest.approx(0.75 / 2)
    assert scratch.expected_calibration_error([1, 0], [0.29, 0.28], n_bins=100) == pytest.approx(0.99 / 2)


@given(seeds, st.integers(1, 12))
@settings(max_examples=50, deadline=None)
def test_calibration_error_is_what_its_definition_says(seed: int, n_bins: int) -> None:
    random = np.random.default_rng(seed)
    p = random.random(40)
    y = (random.random(40) < p).astype(int)
    expected = 0.0
    for k in range(n_bins):
        rows = (p >= k / n_bins) & (p < (k + 1) / n_bins)
        if rows.any():
            expected += rows.sum() / 40 * abs(p[rows].mean() - y[rows].mean())
    assert scratch.expected_calibration_error(y, p, n_bins) == pytest.approx(expected, abs=1e-12)
    twice = scratch.expected_calibration_error(np.tile(y, 2), np.tile(p, 2), n_bins)
    assert twice == pytest.approx(expected, abs=1e-12)


# Preparing columns


def test_columns_are_prepared_as_scikit_learn_does() -> None:
    random = np.random.default_rng(3)
    train, later = random.normal(5, 3, size=(40, 4)), random.normal(size=(10, 4))
    train[random.random(train.shape) < 0.2] = np.nan
    later[random.random(later.shape) < 0.2] = np.nan
    filled, means = scratch.replace_nan(train)
    filled_later, means_again = scratch.replace_nan(later, means)
    mu, sigma = scratch.compute_mu_sigma(filled)
    imputer, scaler = SimpleImputer().fit(train), StandardScaler().fit(filled)
    assert means_again.tolist() == means.tolist()
    np.testing.assert_allclose(filled, imputer.transform(train), rtol=1e-12)
    np.testing.assert_allclose(filled_later, imputer.transform(later), rtol=1e-12)
    np.testing.assert_allclose(mu, means, rtol=1e-12)
    np.testing.assert_allclose(
        scratch.normalize(filled_later, mu, sigma), scaler.transform(filled_later), rtol=1e-9, atol=1e-12
    )
    assert scratch.add_bias(filled)[:, 0].tolist() == [1.0] * 40
    assert scratch.add_bias(filled)[:, 1:].tolist() == filled.tolist()


def test_a_constant_column_becomes_zeros_although_its_mean_is_rounded() -> None:
    x = np.full((3, 1), 0.1)
    mu, sigma = scratch.compute_mu_sigma(x)
    assert x.std() != 0, "rounding must be at work for this test to mean anything"
    assert sigma.tolist() == [1.0]
    np.testing.assert_allclose(scratch.normalize(x, mu, sigma), 0, atol=1e-15)


@pytest.mark.skipif(not (SHARED / "data/hogwarts").exists(), reason="the Hogwarts file is not here")
def test_hogwarts_houses() -> None:
    """Thirteen courses, mean imputation, z-scores, one-vs-rest: losses as published, by house."""
    reference = json.loads((SHARED / "reference/hogwarts.json").read_text())
    with (SHARED / "data/hogwarts/dataset_train.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    houses = np.array([row["Hogwarts House"] for row in rows])
    courses = reference["columns"][6:]
    marks = np.array([[float(row[course] or "nan") for course in courses] for row in rows])
    filled, means = scratch.replace_nan(marks)
    mu, sigma = scratch.compute_mu_sigma(filled)
    described = [reference["describe"][course] for course in courses]
    np.testing.assert_allclose(means, [d["mean"] for d in described], rtol=1e-9)
    # Filling in the mean adds nothing to the sum of squares, which is (count - 1) std^2 of the marks present.
    expected_sigma = [d["std"] * np.sqrt((d["count"] - 1) / len(rows)) for d in described]
    np.testing.assert_allclose(sigma, expected_sigma, rtol=1e-9)

    X_with_ones = scratch.add_bias(scratch.normalize(filled, mu, sigma))
    classes, weights = scratch.one_vs_rest(X_with_ones, houses, lr=0.5, epochs=1000, verbose=False)
    for house, loss in reference["gradient_descent_lr_0.5_1000_iterations_mean_loss"].items():
        scores = X_with_ones @ weights[:, classes.tolist().index(house)]
        agree(scratch.log_loss_from_logits(houses == house, scores), loss, 6)
    predicted = classes[np.argmax(X_with_ones @ weights, axis=1)]
    for house, (correct, of) in reference["accuracy_train"]["by_house"].items():
        assert (np.sum((predicted == house) & (houses == house)), np.sum(houses == house)) == (correct, of)


# Standing alone


def imported_modules(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return modules


def test_it_imports_numpy_alone_and_nothing_imports_it() -> None:
    source = Path(scratch.__file__)
    assert {module.split(".")[0] for module in imported_modules(source)} == {"numpy", "collections"}
    others = [path for path in source.parent.rglob("*.py") if path != source]
    assert not [path for path in others if any("scratch" in module for module in imported_modules(path))]
