"""Log-odds, probabilities and labels are one thing said in three ways, to the bit and far into the tails."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import special

from oddsmith import LogisticRegression
from oddsmith.fit.losses import expit, log_softmax, softmax

from .data import BINARY, THREE, X

FAR = X * 40.0 - X.mean(axis=0) * 39.0
"""Rows 40 times as far from the mean: log-odds of hundreds."""


@pytest.fixture(scope="module")
def binary():
    return LogisticRegression().fit(X, BINARY)


@pytest.fixture(scope="module", params=["softmax", "ovr"])
def three(request):
    return LogisticRegression(multi_class=request.param).fit(X, THREE)


@pytest.mark.parametrize("rows", [X, FAR], ids=["near", "far"])
def test_binary_probability_is_expit_of_the_log_odds_to_the_bit(binary, rows):
    eta = binary.decision_function(rows)
    proba = binary.predict_proba(rows)
    np.testing.assert_array_equal(proba[:, 1], expit(eta))
    np.testing.assert_array_equal(proba[:, 0], expit(-eta))
    np.testing.assert_allclose(proba[:, 1], special.expit(eta), rtol=4e-16)
    np.testing.assert_array_equal(binary.predict(rows), (eta >= 0).astype(int))
    np.testing.assert_allclose(eta, rows @ binary.coef_[0] + binary.intercept_[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rows", [X, FAR], ids=["near", "far"])
def test_probabilities_of_three_classes_are_those_of_the_formulas(three, rows):
    eta = three.decision_function(rows)
    proba = three.predict_proba(rows)
    assert eta.shape == proba.shape == (len(rows), 3)
    if three.multi_class == "softmax":
        np.testing.assert_array_equal(proba, softmax(eta))
        np.testing.assert_allclose(proba, special.softmax(eta, axis=1), rtol=1e-13, atol=1e-300)
    else:
        shares = expit(eta)
        np.testing.assert_array_equal(proba, shares / shares.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(three.predict(rows), three.classes_[eta.argmax(axis=1)])
    winners = np.take_along_axis(proba, eta.argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(winners, proba.max(axis=1))
    np.testing.assert_array_equal(three.predict(X), three.classes_[three.predict_proba(X).argmax(axis=1)])


def test_log_probabilities_keep_their_digits_where_probabilities_are_0_or_1(binary, three):
    eta = binary.decision_function(FAR)
    assert (binary.predict_proba(FAR) == 1.0).any()
    assert np.abs(eta).max() > 100.0
    np.testing.assert_allclose(
        binary.predict_log_proba(FAR),
        np.column_stack([special.log_expit(-eta), special.log_expit(eta)]),
        rtol=1e-14,
    )
    odds = three.decision_function(FAR)
    for row, found in zip(odds, three.predict_log_proba(FAR), strict=True):
        scores = row if three.multi_class == "softmax" else special.log_expit(row)
        for k, value in enumerate(found):
            others = [score - scores[k] for j, score in enumerate(scores) if j != k]
            exact = -math.log1p(sum(map(math.exp, others))) if max(others) < 700 else -max(others)
            assert value == pytest.approx(exact, rel=1e-11, abs=0.0)


def test_log_softmax_of_a_certain_class_is_minus_the_others_share():
    found = log_softmax(np.array([[0.0, -50.0, -60.0], [3.0, 3.0, -1000.0]]))
    others = Fraction(math.exp(-50.0)) + Fraction(math.exp(-60.0))
    assert found[0, 0] == pytest.approx(-float(others - others**2 / 2), rel=1e-15)
    assert found[1].tolist() == pytest.approx([-math.log(2.0), -math.log(2.0), -1003.0 - math.log(2.0)])


def test_log_odds_further_apart_than_a_double_reaches():
    eta = np.array([[0.0, 1e308, -1e308]])
    assert softmax(eta).tolist() == [[0.0, 1.0, 0.0]]
    assert log_softmax(eta).tolist() == [[-1e308, 0.0, np.finfo(np.float64).min]]


def test_one_vs_rest_shares_out_what_no_class_claims():
    """All three log-odds below -700, where each expit alone is 0 or nearly."""
    found = LogisticRegression(multi_class="ovr").fit(X, THREE)
    found.coef_ = np.zeros((3, 4))
    found.intercept_ = np.array([-800.0, -801.0, -2000.0])
    np.testing.assert_allclose(
        found.predict_proba(X)[0], [expit(np.array(1.0)), expit(np.array(-1.0)), 0.0], rtol=1e-12, atol=1e-300
    )
    assert found.predict_log_proba(X)[0, 2] == pytest.approx(-1200.0 - math.log1p(math.exp(-1.0)), rel=1e-14)


def test_a_rows_scores_depend_on_that_row_alone(binary, three):
    for estimator in (binary, three):
        whole = estimator.decision_function(X)
        for part in (slice(0, 1), slice(7, 8), slice(3, 90), slice(None, None, -1)):
            np.testing.assert_array_equal(estimator.decision_function(X[part]), whole[part])
        np.testing.assert_array_equal(estimator.decision_function(np.asfortranarray(X)), whole)


def test_coefficients_set_by_hand_are_those_that_predict():
    """A shift of the intercept is how people correct for another prevalence."""
    estimator = LogisticRegression().fit(X, BINARY)
    before = estimator.decision_function(X)
    estimator.intercept_ = estimator.intercept_ + 1.5
    np.testing.assert_allclose(estimator.decision_function(X), before + 1.5, rtol=1e-9)
    with pytest.raises(ValueError, match="was changed after the fit"):
        estimator.to_model()
