"""scikit-learn's tools around the estimator: pipelines, searches, routing, cloning, pickling, diagrams."""

import doctest
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import BaggingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import oddsmith.estimator as estimator_module
from oddsmith import FitWarning, LogisticRegression

from .data import BINARY, NAMES, THREE, WEIGHT, X

FRAME = pd.DataFrame(X, columns=NAMES)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_a_pipeline_that_imputes_encodes_and_scales():
    table = FRAME.assign(city=np.where(BINARY + THREE > 1, "Rome", "Oslo"))
    table.loc[::7, "salary"] = np.nan
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NAMES),
        (OneHotEncoder(drop="first", sparse_output=False), ["city"]),
    )
    pipeline = make_pipeline(columns, LogisticRegression(alpha=0.01)).set_output(transform="pandas")
    pipeline.fit(table, THREE)
    assert list(pipeline[-1].feature_names_in_) == [
        *(f"pipeline__{name}" for name in NAMES),
        "onehotencoder__city_Rome",
    ]
    assert pipeline.score(table, THREE) > 0.6
    assert pipeline.predict_proba(table).shape == (len(X), 3)


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_set_output_hands_over_names(frames):
    pipeline = (
        make_pipeline(StandardScaler(), LogisticRegression()).set_output(transform=frames).fit(FRAME, BINARY)
    )
    assert list(pipeline[-1].feature_names_in_) == NAMES
    bare = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, BINARY)
    np.testing.assert_allclose(pipeline.predict_proba(FRAME), bare.predict_proba(X), rtol=1e-12)


def test_a_grid_search_over_its_parameters():
    grid = {
        "alpha": [1e-4, 0.01, 10.0],
        "multi_class": ["softmax", "ovr"],
        "class_weight": [None, "balanced"],
    }
    search = GridSearchCV(LogisticRegression(), grid, scoring="neg_log_loss", cv=3).fit(X, THREE)
    assert search.best_params_["alpha"] < 10.0
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.predict(X).shape == THREE.shape


def test_a_grid_search_on_threads_gives_the_same_scores():
    """Fits that overlap in time, each of which sets BLAS to one thread."""
    rows, y = np.tile(X, (60, 1)), np.tile(THREE, 60)
    found = []
    for jobs in (1, 4):
        with joblib.parallel_config("threading", n_jobs=jobs):
            search = GridSearchCV(LogisticRegression(n_threads=2), {"alpha": [0.001, 0.01, 1.0]}, cv=3).fit(
                rows, y
            )
        found.append((search.cv_results_["mean_test_score"].tolist(), search.best_estimator_.coef_.tobytes()))
    assert found[0] == found[1]


def test_cross_validation():
    scores = cross_val_score(LogisticRegression(alpha=0.01), X, BINARY, cv=5, scoring="roc_auc")
    assert scores.shape == (5,)
    assert scores.mean() > 0.7


def test_weights_reach_the_estimator_without_routing():
    direct = LogisticRegression().fit(StandardScaler().fit_transform(X), BINARY, sample_weight=WEIGHT)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    pipeline.fit(X, BINARY, logisticregression__sample_weight=WEIGHT)
    assert pipeline[-1].coef_.tolist() == direct.coef_.tolist()


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_through_a_pipeline():
    estimator = LogisticRegression().set_fit_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    found = make_pipeline(scaler, estimator).fit(X, BINARY, sample_weight=WEIGHT)
    direct = LogisticRegression().fit(StandardScaler().fit_transform(X), BINARY, sample_weight=WEIGHT)
    assert found[-1].coef_.tolist() == direct.coef_.tolist()
    with pytest.raises(ValueError, match="sample_weight"):
        make_pipeline(scaler, LogisticRegression()).fit(X, BINARY, sample_weight=WEIGHT)


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_through_searches_and_scores():
    estimator = LogisticRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), estimator)
    weight = WEIGHT + 0.1
    search = GridSearchCV(pipeline, {"logisticregression__alpha": [0.01, 1.0]}, cv=3)
    search.fit(X, BINARY, sample_weight=weight)
    alpha = search.best_params_["logisticregression__alpha"]
    direct = clone(pipeline).set_params(logisticregression__alpha=alpha).fit(X, BINARY, sample_weight=weight)
    assert search.best_estimator_[-1].coef_.tolist() == direct[-1].coef_.tolist()
    weighted = cross_validate(pipeline, X, BINARY, cv=3, params={"sample_weight": weight})["test_score"]
    plain = cross_validate(LogisticRegression(), X, BINARY, cv=3)["test_score"]
    assert weighted.tolist() != plain.tolist()


def test_other_estimators_build_on_it():
    assert (
        SelectFromModel(LogisticRegression(alpha=0.1), threshold=-np.inf, max_features=2)
        .fit(X, BINARY)
        .transform(X)
        .shape[1]
        == 2
    )
    bag = BaggingClassifier(LogisticRegression(alpha=0.01), n_estimators=3, random_state=0).fit(X, THREE)
    assert bag.score(X, THREE) > 0.5


def test_the_docstring_holds_every_parameter_and_its_example_runs():
    text = LogisticRegression.__doc__
    for name in LogisticRegression().get_params():
        assert f"\n        {name}: " in text
    for name in vars(LogisticRegression().fit(FRAME, BINARY)):
        assert name.startswith("_") or not name.endswith("_") or name in text
    assert doctest.testmod(estimator_module).failed == 0
    assert doctest.testmod(estimator_module).attempted > 2


def test_clones_have_the_parameters_and_not_the_fit():
    estimator = LogisticRegression(alpha=0.3, class_weight={0: 2.0}, multi_class="ovr").fit(X, BINARY)
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    assert not hasattr(copy, "coef_")
    with pytest.raises(sklearn.exceptions.NotFittedError):
        copy.to_model()


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "three"])
def test_pickled_fits_are_small_and_predict_the_same_bits(y):
    rows = np.tile(X, (40, 1))
    estimator = LogisticRegression(alpha=0.01).fit(rows, np.tile(y, 40))
    content = pickle.dumps(estimator)
    assert len(content) < 8_000 < rows.nbytes
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
    assert again.to_model().record == estimator.to_model().record


def test_the_diagram_has_odds_ratios_under_it():
    estimator = LogisticRegression().fit(FRAME, np.where(BINARY, "yes", "no"))
    page = estimator._repr_html_()
    table = page[page.index("<table><caption>Odds ratios") :]
    for name, coef in zip(NAMES, estimator.coef_[0], strict=True):
        assert f"<tr><td>{name}</td><td>{np.exp(coef):.4g}</td></tr>" in table
    assert "<th>column</th><th>yes</th>" in table
    assert "converged, " in table
    strongest = np.abs(estimator.coef_[0] * X.std(axis=0)).argmax()
    assert table.index(f"<td>{NAMES[strongest]}</td>") < min(
        table.index(f"<td>{name}</td>") for name in NAMES if name != NAMES[strongest]
    )


def test_the_diagram_of_three_classes_and_many_columns_stays_small():
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(600, 50)), rng.integers(0, 3, 600)
    page = LogisticRegression(alpha=0.1).fit(rows, y)._repr_html_()
    table = page[page.index("<table><caption>Odds ratios") :]
    assert "the strongest 20 of 50 columns" in table
    assert table.count("<tr>") == 21
    assert "<th>0</th><th>1</th><th>2</th>" in table


def test_names_in_the_diagram_are_escaped():
    estimator = LogisticRegression(alpha=0.1)
    names = ["<script>alert(1)</script>", "a&b", "\x1b[31m", "'\""]
    estimator.fit(pd.DataFrame(X, columns=names), np.where(BINARY, "<b>yes</b>", "&no"))
    page = estimator._repr_html_()
    table = page[page.index("<table><caption>Odds ratios") :]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in table
    assert "&lt;b&gt;yes&lt;/b&gt;" in table
    assert "a&amp;b" in table
    assert r"\x1b[31m" in table
    assert not any(piece in table for piece in ("<script>", "<b>", "\x1b"))


def test_a_warning_with_a_hostile_name_is_escaped_too():
    x = pd.DataFrame({"<img src=x>": np.arange(20.0)})
    with pytest.warns(FitWarning, match="<img src=x>"):
        estimator = LogisticRegression().fit(x, x.iloc[:, 0] > 7)
    page = estimator._repr_html_()
    assert "<img" not in page[page.index("<table><caption>Odds ratios") :]


def test_the_diagram_before_the_fit_and_in_text_mode():
    assert "Odds ratios" not in LogisticRegression(alpha=0.5)._repr_html_()
    assert "LogisticRegression" in LogisticRegression()._repr_mimebundle_()["text/html"]
    assert "Odds ratios" not in make_pipeline(StandardScaler(), LogisticRegression())._repr_html_()
    with sklearn.config_context(display="text"):
        assert not hasattr(LogisticRegression(), "_repr_html_")
        assert list(LogisticRegression().fit(X, BINARY)._repr_mimebundle_()) == ["text/plain"]
    assert repr(LogisticRegression(alpha=0.5)) == "LogisticRegression(alpha=0.5)"
