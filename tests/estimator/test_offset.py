"""`offset` in the estimators: part of the log-odds, in the fit and wherever it scores."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import oddsmith
from oddsmith import InputError, LogisticRegression, LogisticRegressionCV

from .data import BINARY, NAMES, THREE, WEIGHT, N, X

OFFSET = np.random.default_rng(5).normal(2.0, 1.5, N)


def residual(fitted, rows, offset, y=BINARY, w=WEIGHT):
    """A'(w (p - y)) / W for the rows and an intercept."""
    proba = 1.0 / (1.0 + np.exp(-(fitted.intercept_ + rows @ fitted.coef_[0] + offset)))
    pulled = w * (proba - y) / w.sum()
    return np.append(pulled.sum(), pulled @ rows)


@pytest.mark.parametrize("solver", ["auto", "newton", "sketched-newton", "proximal-newton", "lbfgs"])
def test_a_fit_is_optimal_beside_its_offsets(solver):
    fitted = LogisticRegression(solver=solver, class_weight={0: 2.0}).fit(X, BINARY, WEIGHT, OFFSET)
    w = WEIGHT * np.where(BINARY, 1.0, 2.0)
    slope = residual(fitted, X, OFFSET, w=w) / np.append(1.0, X.std(axis=0))
    np.testing.assert_allclose(slope, 0.0, atol=1e-8 if solver == "lbfgs" else 1e-10)


def test_a_constant_moves_the_intercept_alone():
    one, other = (
        LogisticRegression(alpha=0.01).fit(X, BINARY, offset=OFFSET + shift) for shift in (0.0, 1e5)
    )
    np.testing.assert_allclose(other.intercept_ + 1e5, one.intercept_, atol=1e-9)
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-8)
    alike = LogisticRegression(alpha=0.01).fit(X, BINARY, offset=1.5)
    plain = LogisticRegression(alpha=0.01).fit(X, BINARY)
    np.testing.assert_allclose(alike.intercept_ + 1.5, plain.intercept_, rtol=1e-12)
    np.testing.assert_allclose(alike.coef_, plain.coef_, rtol=1e-12)


def test_without_an_intercept_offsets_count_as_they_are():
    fitted = LogisticRegression(fit_intercept=False).fit(X, BINARY, WEIGHT, OFFSET)
    assert fitted.intercept_ == 0.0
    np.testing.assert_allclose(residual(fitted, X, OFFSET)[1:] / X.std(axis=0), 0.0, atol=1e-9)


def test_scores_add_the_offset_and_without_one_count_it_as_zero():
    fitted = LogisticRegression().fit(X, BINARY, offset=OFFSET)
    eta = fitted.intercept_ + X @ fitted.coef_[0]
    np.testing.assert_allclose(fitted.decision_function(X), eta, rtol=1e-9, atol=1e-9)
    known = fitted.decision_function(X, OFFSET)
    np.testing.assert_array_equal(known, fitted.decision_function(X) + OFFSET)
    np.testing.assert_array_equal(fitted.predict(X, OFFSET), (known >= 0.0).astype(int))
    np.testing.assert_allclose(
        fitted.predict_proba(X, OFFSET)[:, 1], 1.0 / (1.0 + np.exp(-known)), rtol=1e-13
    )
    np.testing.assert_allclose(
        fitted.predict_log_proba(X, offset=OFFSET), np.log(fitted.predict_proba(X, offset=OFFSET)), rtol=1e-12
    )
    assert fitted.score(X, BINARY, offset=OFFSET) == np.mean((known >= 0.0) == BINARY)
    assert fitted.score(X, BINARY, WEIGHT) == pytest.approx(
        np.average((eta >= 0.0) == BINARY, weights=WEIGHT), rel=1e-12
    )


@pytest.mark.parametrize("alpha", [0.01, 0.3])
def test_more_columns_than_rows_and_sparse_rows_take_offsets(alpha):
    rows = np.random.default_rng(6).normal(size=(60, 200))
    y, offset = BINARY[:60], OFFSET[:60]
    wide = LogisticRegression(alpha=alpha).fit(rows, y, offset=offset)
    sparse = LogisticRegression(alpha=alpha).fit(sp.csr_array(rows), y, offset=offset)
    slope = residual(wide, rows, offset, y, np.ones(60))
    np.testing.assert_allclose(slope, -alpha * np.append(0.0, wide.coef_[0]), atol=1e-10)
    np.testing.assert_allclose(sparse.coef_, wide.coef_, atol=1e-9)
    single = LogisticRegression(alpha=alpha).fit(rows.astype(np.float32), y, offset=offset)
    np.testing.assert_allclose(single.coef_, wide.coef_, atol=1e-4)


def test_cross_validation_measures_rows_with_their_offsets():
    fitted = LogisticRegressionCV(cv=3, alphas=[0.1, 0.01]).fit(X, BINARY, WEIGHT, OFFSET)
    shifted = LogisticRegressionCV(cv=3, alphas=[0.1, 0.01]).fit(X, BINARY, WEIGHT, OFFSET + 3.0)
    np.testing.assert_allclose(shifted.deviances_, fitted.deviances_, rtol=1e-6)
    np.testing.assert_allclose(shifted.intercepts_paths_ + 3.0, fitted.intercepts_paths_, atol=1e-4)
    alone = LogisticRegression(alpha=fitted.alpha_, l1_ratio=1.0).fit(X, BINARY, WEIGHT, OFFSET)
    np.testing.assert_allclose(fitted.coef_, alone.coef_, rtol=1e-12)
    place = fitted.alphas_.tolist().index(fitted.alpha_)
    np.testing.assert_allclose(fitted.intercepts_paths_[place], fitted.intercept_, atol=1e-3 * 300.0)
    other = LogisticRegressionCV(cv=3, alphas=[0.1, 0.01]).fit(X, BINARY, WEIGHT)
    assert abs(other.deviances_ - fitted.deviances_).max() > 0.01


def test_an_offset_goes_through_a_pipeline_and_folds():
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    pipeline.fit(X, BINARY, logisticregression__offset=OFFSET)
    plain = LogisticRegression().fit(X, BINARY, offset=OFFSET)
    np.testing.assert_allclose(pipeline[-1].coef_[0] / X.std(axis=0), plain.coef_[0], rtol=1e-9)
    found = cross_validate(
        LogisticRegression(), X, BINARY, params={"offset": OFFSET}, cv=3, return_estimator=True
    )
    assert all(estimator._has_offset for estimator in found["estimator"])


def test_a_fit_with_offsets_ships_with_the_columns_name(tmp_path):
    fitted = LogisticRegression().fit(pd.DataFrame(X, columns=NAMES), BINARY, offset=OFFSET)
    with pytest.raises(
        InputError, match=r"^the fit had an offset, .* to_model\(offset_name='log_odds_before'\)"
    ):
        fitted.to_model()
    fitted.to_model(target_name="y", offset_name="before").save(tmp_path / "model.json")
    model = oddsmith.load(tmp_path / "model.json")
    rows = pd.DataFrame(X, columns=NAMES)
    expected = fitted.predict_proba(rows, OFFSET)
    assert model.predict_proba(rows.assign(before=OFFSET)).tobytes() == expected.tobytes()
    with pytest.raises(InputError, match="no column called 'before'"):
        model.predict(rows)
    with pytest.raises(InputError, match=r"^offset_name: 'rate' is the name of another column too\."):
        fitted.to_model(offset_name="rate")
    with pytest.raises(InputError, match=r"^offset_name: 'target' is the name of another column too\."):
        fitted.to_model(offset_name="target")
    with pytest.raises(InputError, match=r"^offset_name: the fit had no offset\. Leave it out\.$"):
        LogisticRegression().fit(X, BINARY).to_model(offset_name="before")


@pytest.mark.parametrize(
    ("offset", "sentence"),
    [
        (
            np.where(np.arange(N) == 3, np.nan, 0.0),
            r"^offset: row 3 \(from 0\) has nan\. Offsets are log-odds: fin",
        ),
        (
            np.where(np.arange(N) == 2, -np.inf, 0.0),
            r"^offset: row 2 \(from 0\) has -inf\. Offsets are log-odds",
        ),
        (
            np.full(N, 2e6),
            r"^offset: row 0 \(from 0\) has 2e\+06\. .* at most 1,000,000 either way, none missing\.$",
        ),
        (np.zeros(N - 1), rf"^offset has the shape \({N - 1},\)\. Give one number for each of {N} rows\.$"),
        (np.zeros((N, 1)), rf"^offset has the shape \({N}, 1\)\."),
        (["much"] * N, r"^offset holds something that is no number\."),
    ],
)
def test_offsets_that_are_none_are_refused(offset, sentence):
    fitted = LogisticRegression().fit(X, BINARY)
    for ask in (
        lambda: LogisticRegression().fit(X, BINARY, offset=offset),
        lambda: fitted.predict(X, offset),
    ):
        with pytest.raises(InputError, match=sentence):
            ask()


@pytest.mark.parametrize("multi_class", ["softmax", "ovr"])
def test_three_classes_have_no_offset(multi_class):
    sentence = (
        r"^an offset is one number a row, .*, and there are 3 classes\. Leave it out, or make the target"
    )
    with pytest.raises(InputError, match=sentence):
        LogisticRegression(multi_class=multi_class).fit(X, THREE, offset=OFFSET)
    fitted = LogisticRegression(multi_class=multi_class).fit(X, THREE)
    with pytest.raises(InputError, match=sentence):
        fitted.predict_proba(X, OFFSET)
