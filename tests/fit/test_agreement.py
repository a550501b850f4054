"""Agreement with scikit-learn and statsmodels where the settings are equal, to 1e-8 or better."""

import warnings

import numpy as np
import pytest

from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.optimality import Status

from .problems import PROBLEMS, fitted

linear_model = pytest.importorskip("sklearn.linear_model")
CLOSE = {"rtol": 1e-8, "atol": 1e-9}


def peer(problem, **settings):
    """scikit-learn's fit of the same objective: C = 1 / (alpha * total weight)."""
    total = len(problem.y) if problem.weight is None else problem.weight.sum()
    C = 1.0 / (problem.alpha * total) if problem.alpha else np.inf
    return linear_model.LogisticRegression(
        C=C,
        solver="newton-cholesky",
        tol=1e-12,
        fit_intercept=problem.fit_intercept,
        max_iter=500,
        **settings,
    )


def compare(problem, X=None):
    """Coefficients of both, the peer's on `X`; softmax's are compared as differences from class 0."""
    theirs = peer(problem).fit(problem.X if X is None else X, problem.y, problem.weight)
    intercepts, coef, solution = fitted(problem)
    assert solution.status is Status.converged
    their_intercepts, their_coef = np.atleast_1d(theirs.intercept_), theirs.coef_
    if isinstance(problem.loss, Softmax):
        their_intercepts = (their_intercepts - their_intercepts[0])[1:]
        their_coef = (their_coef - their_coef[0])[1:]
    return (intercepts, coef), (their_intercepts, their_coef)


@pytest.mark.parametrize("alpha", [0.0, 1e-3, 0.5])
@pytest.mark.parametrize(
    "name",
    [
        "small",
        "correlated columns",
        "weights, some zero",
        "1% positives",
        "no intercept",
        "one column",
        "softmax, 3 classes",
        "softmax, 5 classes",
    ],
)
def test_agrees_with_scikit_learn_on_the_users_scale(name, alpha):
    problem = PROBLEMS[name].changed(alpha=alpha, standardize=False)
    ours, theirs = compare(problem)
    np.testing.assert_allclose(ours[0], theirs[0], **CLOSE)
    np.testing.assert_allclose(ours[1], theirs[1], **CLOSE)


@pytest.mark.parametrize("name", ["correlated columns", "weights, some zero", "softmax, 3 classes"])
def test_agrees_with_scikit_learn_behind_its_standard_scaler(name):
    from sklearn.preprocessing import StandardScaler

    units = np.logspace(-2, 2, PROBLEMS[name].X.shape[1])
    problem = PROBLEMS[name].changed(X=PROBLEMS[name].X * units + 10.0 * units, alpha=0.05)
    scaler = StandardScaler().fit(problem.X, sample_weight=problem.weight)
    (intercepts, coef), (their_intercepts, their_coef) = compare(problem, scaler.transform(problem.X))
    np.testing.assert_allclose(coef * scaler.scale_, their_coef, **CLOSE)
    np.testing.assert_allclose(intercepts + coef @ scaler.mean_, their_intercepts, **CLOSE)


@pytest.mark.parametrize("alpha", [0.0, 0.02])
def test_agrees_with_scikit_learn_one_vs_rest(alpha):
    from sklearn.multiclass import OneVsRestClassifier

    problem = PROBLEMS["one-vs-rest, 4 classes"].changed(alpha=alpha, standardize=False)
    theirs = OneVsRestClassifier(peer(problem)).fit(problem.X, problem.y)
    intercepts, coef, _ = fitted(problem)
    for k, estimator in enumerate(theirs.estimators_):
        np.testing.assert_allclose(intercepts[k], estimator.intercept_[0], **CLOSE)
        np.testing.assert_allclose(coef[k], estimator.coef_[0], **CLOSE)


def statsmodels():
    """Its import may warn about its own dependencies, which is not what is tested here."""
    pytest.importorskip("statsmodels")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import statsmodels.api
    return statsmodels.api


@pytest.mark.parametrize("name", ["small", "correlated columns", "1% positives", "no intercept"])
def test_agrees_with_statsmodels_logit(name):
    problem = PROBLEMS[name]
    sm = statsmodels()
    Z = sm.add_constant(problem.X) if problem.fit_intercept else problem.X
    theirs = sm.Logit(problem.y, Z).fit(method="newton", maxiter=100, disp=0, tol=1e-14).params
    intercepts, coef, _ = fitted(problem)
    ours = np.concatenate([intercepts, coef[0]]) if problem.fit_intercept else coef[0]
    np.testing.assert_allclose(ours, theirs, **CLOSE)


def test_agrees_with_statsmodels_glm_with_frequencies():
    sm, problem = statsmodels(), PROBLEMS["weights, some zero"]
    counts = np.ceil(problem.weight)
    problem = problem.changed(weight=counts)
    family = sm.families.Binomial()
    theirs = sm.GLM(problem.y, sm.add_constant(problem.X), family=family, freq_weights=counts)
    theirs = theirs.fit(tol=1e-14, maxiter=100)
    intercepts, coef, solution = fitted(problem)
    np.testing.assert_allclose(np.concatenate([intercepts, coef[0]]), theirs.params, **CLOSE)
    assert solution.optimality.mean_loss[0] * counts.sum() == pytest.approx(-theirs.llf, rel=1e-12)


@pytest.mark.parametrize("name", ["softmax, 3 classes", "softmax, 5 classes"])
def test_agrees_with_statsmodels_mnlogit(name):
    sm, problem = statsmodels(), PROBLEMS[name]
    theirs = sm.MNLogit(problem.y, sm.add_constant(problem.X)).fit(
        method="newton", maxiter=100, disp=0, tol=1e-14
    )
    intercepts, coef, solution = fitted(problem)
    np.testing.assert_allclose(np.column_stack([intercepts, coef]), theirs.params.T, **CLOSE)
    assert solution.optimality.mean_loss[0] * len(problem.y) == pytest.approx(-theirs.llf, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_softmax_of_two_classes_is_the_binary_model(alpha):
    """Its ridge too: of one coefficient a column, not of two that sum to zero."""
    binary = PROBLEMS["small"].changed(alpha=alpha, loss=Bernoulli())
    softmax = binary.changed(loss=Softmax(2))
    (b, coef, _), (c, other, _) = fitted(binary), fitted(softmax)
    np.testing.assert_allclose(np.append(b, coef), np.append(c, other), rtol=1e-12)
