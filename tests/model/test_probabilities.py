"""Probabilities are one function of the log-odds, for tables, single rows and golden rows alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_expit, log_softmax, softmax

from oddsmith.model.probabilities import (
    log_probabilities,
    predicted_codes,
    probabilities,
    probabilities_of_row,
)

FORMS = {"binary": 1, "softmax": 3, "ovr": 3}
ETA = st.floats(-800.0, 800.0) | st.sampled_from(
    [0.0, -0.0, 37.0, -745.2, -36.9, -37.1, 1e308, -1e308, 5e-324]
)


@given(st.sampled_from([*FORMS]), st.lists(ETA, min_size=3, max_size=3))
def test_rows_alone_and_in_a_table_agree_and_sum_to_one(form, eta):
    eta = eta[: FORMS[form]]
    proba = probabilities(np.array([eta]), form)[0]
    assert np.isfinite(proba).all()
    assert proba.sum() == pytest.approx(1.0, rel=1e-14)
    np.testing.assert_allclose(probabilities_of_row(eta, form), proba, rtol=1e-13, atol=1e-290)
    logs = log_probabilities(np.array([eta]), form)[0]
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs), proba, rtol=1e-10, atol=1e-290)
    code = predicted_codes(np.array([eta]))[0]
    assert proba[code] == proba.max()


def test_against_scipy():
    eta = np.random.default_rng(2).normal(scale=30.0, size=(200, 3))
    np.testing.assert_array_equal(
        probabilities(eta[:, :1], "binary")[:, 0], probabilities(-eta[:, :1], "binary")[:, 1]
    )
    np.testing.assert_allclose(probabilities(eta[:, :1], "binary")[:, 1], expit(eta[:, 0]), rtol=1e-14)
    np.testing.assert_allclose(probabilities(eta, "softmax"), softmax(eta, axis=1), rtol=1e-13)
    np.testing.assert_allclose(
        log_probabilities(eta, "softmax"), log_softmax(eta, axis=1), rtol=1e-13, atol=1e-15
    )
    shares = expit(eta)
    np.testing.assert_allclose(
        probabilities(eta, "ovr"), shares / shares.sum(axis=1, keepdims=True), rtol=1e-13
    )
    np.testing.assert_allclose(
        log_probabilities(eta[:, :1], "binary")[:, 1], log_expit(eta[:, 0]), rtol=1e-13
    )


def test_one_vs_rest_keeps_its_digits_where_every_class_is_unlikely():
    """Far below zero expit is exp, so that shares are those of softmax."""
    eta = np.array([[-700.0, -701.0, -703.0], [-1e6, -1e6, -1e6 - 1.0]])
    np.testing.assert_allclose(probabilities(eta, "ovr"), softmax(eta, axis=1), rtol=1e-13)
    np.testing.assert_allclose(log_probabilities(eta, "ovr"), log_softmax(eta, axis=1), rtol=1e-9)
