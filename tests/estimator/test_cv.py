"""`LogisticRegressionCV`: scikit-learn's checks, its fit is the one with that alpha, and it ships with its figures."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

import oddsmith
from oddsmith import InputError, LogisticRegression, LogisticRegressionCV

EXPECTED = {
    f"check_sample_weight_equivalence_on_{kind}_data": "a row twice is in two folds, a heavy one in one"
    for kind in ("dense", "sparse")
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 12)) * np.logspace(-1, 1, 12)
ETA = X @ ((np.arange(12) % 4 == 0) / np.logspace(-1, 1, 12))
Y = np.where(ETA + RNG.logistic(size=400) > 0, "yes", "no")
THREE = np.array(["a", "b", "c"])[np.clip(np.round(ETA + RNG.logistic(size=400)), -1, 1).astype(int) + 1]


@pytest.mark.filterwarnings("ignore::oddsmith.errors.FitWarning")
@parametrize_with_checks(
    [LogisticRegressionCV(alphas=6, cv=2)], expected_failed_checks=lambda estimator: EXPECTED
)
def test_all_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "options",
    [{}, {"l1_ratio": 0.5, "standardize": True}, {"l1_ratio": 0.0, "rule": "least_deviance"}],
    ids=["lasso", "elastic net", "ridge"],
)
@pytest.mark.parametrize("y", [Y, THREE], ids=["binary", "softmax"])
def test_the_fit_is_the_one_with_the_chosen_alpha(options, y, tmp_path):
    found = LogisticRegressionCV(alphas=12, cv=4, **options).fit(X, y)
    shared = {name: value for name, value in options.items() if name != "rule"}
    alone = LogisticRegression(alpha=found.alpha_, **{"l1_ratio": 1.0, **shared}).fit(X, y)
    np.testing.assert_array_equal(found.coef_, alone.coef_)
    place = found.alphas_.tolist().index(found.alpha_)
    np.testing.assert_allclose(found.coefs_paths_[place], found.coef_, atol=5e-3 * np.abs(found.coef_).max())
    assert found.coefs_paths_.shape == (12, *found.coef_.shape)
    assert found.intercepts_paths_.shape == (12, *found.intercept_.shape)
    assert found.deviances_.shape == (4, 12)
    np.testing.assert_allclose(found.mean_deviance_, found.deviances_.mean(axis=0), rtol=1e-12)
    least = found.mean_deviance_.argmin()
    bound = found.mean_deviance_[least] + (options.get("rule") is None) * found.standard_error_[least]
    assert place == np.flatnonzero(found.mean_deviance_ <= bound)[0]
    model = found.to_model()
    model.save(tmp_path / "model.json")
    again = oddsmith.load(tmp_path / "model.json")
    assert again.record.fit.penalty.selection.folds == 4
    np.testing.assert_array_equal(
        again.predict_proba(pd.DataFrame(X).add_prefix("x")), found.predict_proba(X)
    )


def test_deviances_are_those_of_scikit_learn_on_the_same_folds():
    alphas = [0.2, 0.05, 0.01]
    found = LogisticRegressionCV(alphas=alphas, l1_ratio=0.5, cv=3).fit(X / X.std(axis=0), Y)
    np.testing.assert_array_equal(found.alphas_, alphas)
    from oddsmith.fit.path import folds_of

    folds = folds_of((Y == "yes").astype(int), None, 3, 0)
    for fold in range(3):
        train, test = folds != fold, folds == fold
        for place, alpha in enumerate(alphas):
            peer = Peer(
                solver="saga", C=1 / (alpha * train.sum()), l1_ratio=0.5, tol=1e-8, max_iter=5000
            ).fit((X / X.std(axis=0))[train], Y[train])
            proba = peer.predict_proba((X / X.std(axis=0))[test])
            expected = -2.0 * np.log(proba[np.arange(test.sum()), (Y[test] == "yes").astype(int)]).mean()
            assert found.deviances_[fold, place] == pytest.approx(expected, rel=1e-3)


def test_it_takes_part_in_searches_and_its_folds_are_a_function_of_the_seed():
    search = GridSearchCV(LogisticRegressionCV(alphas=5, cv=2), {"l1_ratio": [0.5, 1.0]}, cv=2).fit(X, Y)
    assert search.best_params_["l1_ratio"] in (0.5, 1.0)
    one, same, other = (
        LogisticRegressionCV(alphas=5, cv=3, random_state=seed).fit(X, Y).deviances_ for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_folds_are_no_more_than_rows_of_the_rarest_class():
    y = np.where(np.arange(400) < 3, "rare", "common")
    assert LogisticRegressionCV(alphas=4, cv=5).fit(X, y).deviances_.shape == (3, 4)
    with pytest.raises(InputError, match="one class has a single one"):
        LogisticRegressionCV(alphas=4).fit(X, np.where(np.arange(400) < 1, "rare", "common"))


def test_columns_that_tell_nothing_leave_the_class_shares():
    found = LogisticRegressionCV(cv=2).fit(np.ones((6, 2)), [0, 1, 0, 1, 1, 1])
    np.testing.assert_array_equal(found.coef_, 0.0)
    np.testing.assert_allclose(found.predict_proba(np.ones((1, 2))), [[1 / 3, 2 / 3]])


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [
        ("alphas", [1, True, [], [0.0], ["a"], None], "a whole number, 2 or more, or positive numbers"),
        ("cv", [1, 2.0, None], "a whole number, 2 or more"),
        ("rule", ["best", None], "one of 'one_standard_error', 'least_deviance'"),
        ("l1_ratio", [-0.1, 2], "a number from 0 to 1"),
    ],
)
def test_parameters_that_are_refused(name, values, wanted):
    for value in values:
        with pytest.raises(InputError) as caught:
            LogisticRegressionCV(**{name: value}).fit(X, Y)
        assert str(caught.value) == f"{name}={value!r}: give {wanted}."
