"""The same coefficients as scikit-learn's LogisticRegression, where C = 1 / (alpha * total weight)."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

import oddsmith
from oddsmith import LogisticRegression

from .data import BINARY, NAMES, TARGETS, THREE, WEIGHT, X

CLOSE = {"rtol": 1e-8, "atol": 1e-9}
CLASS_WEIGHTS = {"none": None, "balanced": "balanced", "by label": {0: 0.4, 1: 2.5}}


def peer(alpha, total, **options):
    C = 1.0 / (alpha * total) if alpha else np.inf
    return Peer(C=C, solver="newton-cholesky", tol=1e-13, max_iter=1000, **options)


def total_weight(y, sample_weight, class_weight):
    """Weights of the rows times those of their classes, as scikit-learn's guide defines them."""
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    if class_weight is None:
        return weight.sum()
    classes = np.unique(y)
    if class_weight == "balanced":
        class_weight = {k: weight.sum() / (len(classes) * weight[y == k].sum()) for k in classes}
    return (weight * np.array([class_weight.get(k, 1.0) for k in y])).sum()


def centred(intercept, coef):
    """Softmax coefficients that sum to zero; without a penalty only their differences mean something."""
    full = np.column_stack([intercept, coef])
    return full if len(full) == 1 else full - full.mean(axis=0)


@pytest.mark.parametrize("alpha", [0.0, 0.01, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("class_weight", CLASS_WEIGHTS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_agrees_with_scikit_learn(target, alpha, weighted, class_weight, fit_intercept):
    y, weight, by_class = TARGETS[target], WEIGHT if weighted else None, CLASS_WEIGHTS[class_weight]
    options = {"class_weight": by_class, "fit_intercept": fit_intercept}
    ours = LogisticRegression(alpha=alpha, **options).fit(X, y, sample_weight=weight)
    theirs = peer(alpha, total_weight(y, weight, by_class), **options).fit(X, y, sample_weight=weight)
    assert ours.status_ == "converged"
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == np.shape(ours.coef_)[:1]
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    expected = centred(np.broadcast_to(theirs.intercept_, len(theirs.coef_)), theirs.coef_)
    np.testing.assert_allclose(centred(ours.intercept_, ours.coef_), expected, **CLOSE)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), **CLOSE)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_vs_rest_agrees_with_scikit_learns(alpha, fit_intercept):
    ours = LogisticRegression(alpha=alpha, multi_class="ovr", fit_intercept=fit_intercept).fit(X, THREE)
    theirs = OneVsRestClassifier(peer(alpha, len(X), fit_intercept=fit_intercept)).fit(X, THREE)
    for k, estimator in enumerate(theirs.estimators_):
        np.testing.assert_allclose(ours.coef_[k], estimator.coef_[0], **CLOSE)
        np.testing.assert_allclose(ours.intercept_[k], np.ravel(estimator.intercept_)[0], **CLOSE)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), **CLOSE)


@pytest.mark.parametrize("target", TARGETS)
def test_standardize_is_scikit_learns_behind_a_scaler(target):
    ours = LogisticRegression(alpha=0.05, standardize=True).fit(X, TARGETS[target], sample_weight=WEIGHT)
    scaler = StandardScaler().fit(X, sample_weight=WEIGHT)
    theirs = peer(0.05, WEIGHT.sum()).fit(scaler.transform(X), TARGETS[target], sample_weight=WEIGHT)
    np.testing.assert_allclose(ours.coef_ * scaler.scale_, theirs.coef_, **CLOSE)


@pytest.mark.parametrize("multi_class", ["softmax", "ovr"])
@pytest.mark.parametrize("alpha", [0.0, 0.05])
def test_the_estimator_and_train_fit_the_same_model(multi_class, alpha):
    table = {**dict(zip(NAMES, X.T, strict=True)), "y": THREE}
    model = oddsmith.train(table, "y", multi_class=multi_class, alpha=alpha)
    ours = LogisticRegression(alpha=alpha, multi_class=multi_class, standardize=True).fit(X, THREE)
    np.testing.assert_allclose(ours.coef_, model.coef, rtol=1e-9)
    np.testing.assert_allclose(ours.intercept_, model.intercept, rtol=1e-9)
    shipped, trained = ours.to_model(NAMES, target_name="y").record, model.record
    assert shipped.training.class_counts == trained.training.class_counts
    assert shipped.training.null_loss == trained.training.null_loss
    assert shipped.fit.mean_loss == pytest.approx(trained.fit.mean_loss, rel=1e-12)
    assert shipped.fit.penalty == trained.fit.penalty


def test_a_class_weight_is_a_weight_of_its_rows():
    by_class = LogisticRegression(alpha=0.1, class_weight={0: 3.0}).fit(X, BINARY, sample_weight=WEIGHT)
    by_row = LogisticRegression(alpha=0.1).fit(
        X, BINARY, sample_weight=np.where(BINARY == 0, 3.0, 1.0) * WEIGHT
    )
    np.testing.assert_array_equal(by_class.coef_, by_row.coef_)
