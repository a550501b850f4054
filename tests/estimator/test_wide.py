"""More columns than rows, under a penalty: the fit that is found among combinations of rows is the optimum of all."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

import oddsmith
from oddsmith import InputError, LogisticRegression
from oddsmith.fit.matrix import Standardisation, predictors
from oddsmith.fit.row_space import SPREAD, RowSpace

RNG = np.random.default_rng(11)
N, P = 40, 70
X = RNG.normal(size=(N, P)) * RNG.uniform(0.2, 5.0, size=P) + RNG.normal(size=P) * 4.0
SCORE = (X - X.mean(axis=0)) @ RNG.normal(size=P) / 8.0
TARGETS = {"binary": (SCORE > 0.1).astype(int), "three": np.digitize(SCORE, [-1.0, 1.0])}
WEIGHT = RNG.uniform(0.2, 3.0, size=N) * (np.arange(N) % 9 > 0)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["bare", "weighted"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_wide_fits_agree_with_scikit_learn(target, fit_intercept, weight):
    y, total = TARGETS[target], N if weight is None else weight.sum()
    ours = LogisticRegression(alpha=0.05, fit_intercept=fit_intercept).fit(X, y, sample_weight=weight)
    theirs = Peer(
        C=1.0 / (0.05 * total),
        solver="newton-cholesky",
        tol=1e-12,
        max_iter=1000,
        fit_intercept=fit_intercept,
    ).fit(X, y, sample_weight=weight)
    assert ours.status_ == "converged"
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-8, atol=1e-10)


def test_wide_one_vs_rest_and_a_penalty_on_standardised_columns_agree_too():
    y, scaler = TARGETS["three"], StandardScaler().fit(X)
    ours = LogisticRegression(alpha=0.05, multi_class="ovr", standardize=True).fit(X, y)
    theirs = OneVsRestClassifier(Peer(C=1.0 / (0.05 * N), solver="newton-cholesky", tol=1e-12)).fit(
        scaler.transform(X), y
    )
    for k, estimator in enumerate(theirs.estimators_):
        np.testing.assert_allclose(ours.coef_[k] * scaler.scale_, estimator.coef_[0], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("multi_class", ["softmax", "ovr"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("target", TARGETS)
def test_the_evidence_is_that_of_the_fit_in_all_columns(target, standardize, multi_class, monkeypatch):
    rows = np.column_stack([X, np.ones(N), X[:, 0]])
    estimator = LogisticRegression(alpha=0.02, multi_class=multi_class, standardize=standardize, max_iter=3)
    found = []
    for tall in (False, True):
        if tall:
            monkeypatch.setattr(RowSpace, "fits", staticmethod(lambda n_rows, weight: False))
        with pytest.warns(oddsmith.FitWarning, match="stopped after 3 iterations"):
            record = estimator.fit(rows, TARGETS[target]).to_model().record
        found.append((estimator.coef_, estimator.intercept_, record.fit))
    (coef, intercept, fit), (all_coef, all_intercept, all_fit) = found
    np.testing.assert_allclose(coef, all_coef, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(intercept, all_intercept, rtol=1e-8)
    assert fit.newton_decrement == pytest.approx(all_fit.newton_decrement, rel=1e-7)
    assert fit.mean_loss == pytest.approx(all_fit.mean_loss, rel=1e-10)
    assert fit.not_estimable == all_fit.not_estimable == []
    assert (coef[:, P] == 0.0).all()


def test_rows_keep_their_log_odds_and_coefficients_their_penalty():
    weight = RNG.uniform(0.5, 2.0, size=P)
    scaling = Standardisation(X.mean(axis=0), X.std(axis=0))
    space = RowSpace.of(X, scaling, weight)
    phi = RNG.normal(size=(3, N + 1))
    theta = space.standardised(phi)
    assert space.rows.shape == (N, N)
    np.testing.assert_allclose(
        predictors(scaling.columns(X), theta), phi[:, :1] + phi[:, 1:] @ space.rows.T, rtol=1e-10, atol=1e-11
    )
    # L has rank N - 1: the rows are centred, so that one coordinate is a matter of the penalty alone.
    np.testing.assert_allclose((theta[:, 1:] ** 2) @ weight, (phi[:, 1:] ** 2).sum(axis=1), rtol=1e-12)


def test_columns_of_very_different_size_are_not_rotated():
    even = np.ones(P)
    assert RowSpace.fits(N, even)
    assert not RowSpace.fits(P, even)
    assert RowSpace.fits(N, np.where(np.arange(P) == 3, 0.9 * SPREAD**2, 1.0))
    for weight in (np.where(np.arange(P) == 3, 1.1 * SPREAD**2, 1.0), 0.0 * even):
        assert not RowSpace.fits(N, weight)
    sizes = np.where(np.arange(P) < 5, 1e6, 1.0)
    ours = LogisticRegression(alpha=1e-3).fit(X * sizes, TARGETS["binary"])
    assert ours.status_ == "converged"


@pytest.mark.slow
def test_more_columns_than_a_hessian_could_hold(tmp_path):
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(rng.normal(size=(30, 6000))).add_prefix("gene ")
    y = np.where(rows["gene 7"] + rng.logistic(size=30) > 0, "ill", "well")
    found = LogisticRegression(alpha=0.1).fit(rows, y)
    assert found.status_ == "converged"
    gradient = (found.predict_proba(rows)[:, 1] - (y == "well")) @ rows.to_numpy() / 30 + 0.1 * found.coef_[0]
    assert np.abs(gradient).max() < 1e-12
    found.to_model().save(tmp_path / "model.json")
    np.testing.assert_array_equal(
        oddsmith.load(tmp_path / "model.json").predict_proba(rows), found.predict_proba(rows)
    )
    with pytest.raises(InputError) as caught:
        LogisticRegression(solver="newton").fit(rows, y)
    assert str(caught.value) == (
        "6,001 coefficients (6,000 terms, 2 classes) are more than the 5,000 that can be fitted at once. Leave "
        "columns out, or add a penalty, which needs no more coefficients than rows, or take the solver lbfgs."
    )
    some = LogisticRegression(alpha=0.1, l1_ratio=1.0).fit(rows, y)
    assert some.status_ == "converged"
    assert 1 < np.count_nonzero(some.coef_) < 30
    slope = (some.predict_proba(rows)[:, 1] - (y == "well")) @ rows.to_numpy() / 30
    assert np.abs(slope).max() <= 0.1 * (1.0 + 1e-9)
