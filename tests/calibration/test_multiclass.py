import math

import msgspec
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from oddsmith.calibration.class_maps import (
    ClassMap,
    OneVsRest,
    argmax_moved,
    calibrated_classes,
    class_log_odds,
)
from oddsmith.calibration.fitting import fit_map, fit_temperature
from oddsmith.calibration.maps import Identity, Platt, Temperature, calibrated
from oddsmith.calibration.multiclass import fit_class_temperature, fit_one_vs_rest
from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit, log_softmax, softmax


def drawn(seed, n=500, n_classes=4, weighted=False):
    """Logits that are too sure of themselves by a factor of two."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(n, n_classes))
    cumulated = np.cumsum(softmax(logits / 2), axis=1)
    y = (rng.random((n, 1)) > cumulated).sum(axis=1)
    return logits, y, rng.exponential(size=n) if weighted else None


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_no_slope_is_left_at_the_temperature(seed, weighted):
    logits, y, weight = drawn(seed, weighted=weighted)
    found = fit_class_temperature(logits, y, weight)
    weight = np.ones(len(y)) if weight is None else weight
    proba = softmax(logits / found.temperature)
    terms = weight * ((proba * logits).sum(axis=1) - logits[np.arange(len(y)), y])
    assert abs(terms.sum()) <= 1e-14 * np.abs(terms).sum()
    best = minimize_scalar(
        lambda s: -(weight * log_softmax(s * logits)[np.arange(len(y)), y]).sum(), bounds=(0.01, 5)
    )
    assert found.temperature == pytest.approx(1 / best.x, rel=1e-4)
    assert found.temperature == pytest.approx(2.0, rel=0.2)


def test_temperature_agrees_with_scikit_learn():
    logits, y, weight = drawn(0)
    # A model that gives its columns back as logits.
    model = LogisticRegression().fit(np.eye(4), range(4))
    model.coef_, model.intercept_ = np.eye(4), np.zeros(4)
    peer = CalibratedClassifierCV(FrozenEstimator(model), method="temperature", ensemble=False)
    peer.fit(logits, y)
    found = softmax(calibrated_classes(fit_class_temperature(logits, y, weight), logits))
    np.testing.assert_allclose(found, peer.predict_proba(logits), atol=1e-6)


def test_two_classes_have_the_temperature_of_their_log_odds():
    logits, y, weight = drawn(2, n_classes=2, weighted=True)
    eta = logits[:, 1] - logits[:, 0]
    found = fit_class_temperature(logits, y, weight)
    assert found.temperature == pytest.approx(
        fit_temperature(ScoreTable.from_scores(eta, y, weight)).temperature, rel=1e-13
    )
    after = calibrated_classes(found, logits)
    np.testing.assert_allclose(after[:, 1] - after[:, 0], calibrated(found, eta), rtol=1e-13, atol=1e-15)


def test_temperature_moves_no_argmax_and_weight_2_is_a_row_twice():
    logits, y, _ = drawn(3)
    assert not argmax_moved(logits, calibrated_classes(Temperature(3.7), logits)).any()
    weight = np.random.default_rng(0).integers(0, 4, size=len(y))
    again = np.repeat(np.arange(len(y)), weight)
    one, other = fit_class_temperature(logits, y, weight), fit_class_temperature(logits[again], y[again])
    assert one.temperature == pytest.approx(other.temperature, rel=1e-13)


def test_log_odds_of_a_class_keep_their_digits_in_both_tails():
    logits = np.array([[900.0, 0.0, -900.0], [1.0, 2.0, 3.0], [-1e308, 0.0, 1e308], [5.0, 5.0, 5.0]])
    found = class_log_odds(logits)
    for row in (0, 1, 3):
        for k in range(3):
            assert found[row, k] == pytest.approx(
                logits[row, k] - logsumexp(np.delete(logits[row], k)), rel=1e-15
            )
    assert np.isfinite(found).all()
    proba = softmax(logits[1:2])
    np.testing.assert_allclose(expit(found[1:2]), proba, rtol=1e-14)


def test_one_vs_rest_is_each_class_calibrated_and_renormalised():
    logits, y, weight = drawn(4, weighted=True)
    eta = class_log_odds(logits)
    found = fit_one_vs_rest("platt", eta, y, weight)
    columns = []
    for k in range(4):
        mapping = fit_map("platt", ScoreTable.from_scores(eta[:, k], y == k, weight))
        assert found.maps[k] == mapping
        columns.append(expit(calibrated(mapping, eta[:, k])))
    shares = np.stack(columns, axis=1)
    after = calibrated_classes(found, eta)
    np.testing.assert_allclose(softmax(after), shares / shares.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_array_equal(argmax_moved(logits, after), logits.argmax(axis=1) != after.argmax(axis=1))


def test_one_vs_rest_says_where_another_class_comes_first():
    shifted = OneVsRest([Identity(), Identity(), Platt(1.0, 2.0)])
    eta = np.array([[1.0, 0.0, -0.5], [1.0, 0.0, -1.5], [-3.0, 0.0, 1.0]])
    assert argmax_moved(eta, calibrated_classes(shifted, eta)).tolist() == [True, False, False]


@pytest.mark.parametrize(
    "mapping",
    [Identity(), Temperature(0.1), OneVsRest([Platt(2.0, 1.0), Identity(), Temperature(3.0), Identity()])],
    ids=["identity", "temperature", "one-vs-rest"],
)
def test_rows_are_finite_independent_and_the_same_after_json(mapping):
    rng = np.random.default_rng(0)
    eta = np.concatenate([rng.normal(scale=10, size=(99, 4)), np.full((1, 4), 1.7e308), [[-1.7e308] * 4]])
    again = msgspec.json.decode(msgspec.json.encode(mapping), type=ClassMap)
    assert again == mapping
    whole = calibrated_classes(again, eta)
    assert np.isfinite(whole).all()
    alone = np.concatenate([calibrated_classes(mapping, row[None, :]) for row in eta])
    np.testing.assert_array_equal(whole, alone)
    ordered = eta[:99]
    np.testing.assert_array_equal(
        class_log_odds(ordered), np.concatenate([class_log_odds(row[None, :]) for row in ordered])
    )
    assert math.isclose(softmax(whole[:1]).sum(), 1.0, rel_tol=1e-15)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([[1.0, 2.0, math.nan]], [0]), "row 1: a score is not finite"),
        (([1.0, 2.0], [0, 1]), "scores have shape"),
        (([[1.0, 2.0, 3.0]], [3]), "not all from 0 to 2"),
        (([[1.0, 2.0, 3.0]], [0, 1]), "labels have shape"),
        (([[1.0, 2.0, 3.0]], [2], [0.0]), "no rows"),
        (([[1.0, 2.0, 3.0]], [2]), "the best temperature is 0"),
        (([[1.0, 2.0, 3.0]], [0]), "rank backwards"),
        (([[1.0, 1.0, 1.0]], [0]), "rank backwards, or tell nothing"),
        (([[1.0, 2.0, 3e16]], [0]), "beyond 1e\\+15"),
    ],
)
def test_rows_that_teach_no_temperature_are_refused(arguments, said):
    scores, y, *weight = arguments
    with pytest.raises(InputError, match=said):
        fit_class_temperature(scores, np.array(y), *weight)


def test_a_class_that_teaches_no_map_is_named():
    logits, y, _ = drawn(5)
    with pytest.raises(InputError, match="class 4 against all others: none of 500 rows"):
        fit_one_vs_rest("platt", class_log_odds(logits), np.minimum(y, 2))


def test_a_map_of_other_classes_is_refused():
    with pytest.raises(InputError, match="scores are of 2 classes, and the map is of 3"):
        calibrated_classes(OneVsRest([Identity()] * 3), [[0.0, 1.0]])
    with pytest.raises(msgspec.ValidationError, match="length >= 3"):
        msgspec.json.decode('{"method":"one-vs-rest","maps":[]}', type=ClassMap)
