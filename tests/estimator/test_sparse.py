"""Sparse rows in, the fit of dense rows out: every format, every setting, and scikit-learn's own fits."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import oddsmith.data.sparse
import oddsmith.fit.matrix
from oddsmith import FitWarning, InputError, LogisticRegression, LogisticRegressionCV

N, P = 900, 420
RNG = np.random.default_rng(8)
X = np.where(RNG.random((N, P)) < 0.3 / (1.0 + np.arange(P) / 40.0), RNG.gamma(4.0, 0.25, (N, P)), 0.0)
X[31] = 0.0
X[:, 77] = 0.0
SCORES = X @ RNG.normal(size=(P, 3)) * 0.6
BINARY = (SCORES[:, 0] + RNG.logistic(size=N) > 0.0).astype(int)
THREE = (SCORES + RNG.gumbel(size=(N, 3))).argmax(axis=1)
WEIGHT = RNG.uniform(0.2, 3.0, N) * (RNG.random(N) < 0.9)
ROWS = sp.csr_matrix(X)
ALPHA = 1.0 / N


@pytest.fixture
def _always_sparse(monkeypatch):
    monkeypatch.setattr(oddsmith.data.sparse, "FEW_CELLS", 0)


def agree(found, expected, rtol=1e-9):
    scores, wanted = found.decision_function(ROWS), expected.decision_function(X)
    np.testing.assert_allclose(scores, wanted, rtol=0.0, atol=rtol * np.abs(wanted).max())


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["bare", "weighted"])
@pytest.mark.parametrize(
    ("y", "options"),
    [
        (BINARY, {}),
        (BINARY, {"fit_intercept": False}),
        (BINARY, {"standardize": True, "alpha": 0.01}),
        (BINARY, {"class_weight": "balanced"}),
        pytest.param(THREE, {}, marks=pytest.mark.slow),
        pytest.param(THREE, {"multi_class": "ovr"}, marks=pytest.mark.slow),
        pytest.param(THREE, {"fit_intercept": False, "class_weight": {1: 3.0}}, marks=pytest.mark.slow),
    ],
    ids=["binary", "no intercept", "standardized", "balanced", "softmax", "ovr", "softmax, class weights"],
)
def test_sparse_is_dense(y, options, weight):
    options = {"alpha": ALPHA, "tol": 1e-17, **options}
    found = LogisticRegression(**options).fit(ROWS, y, weight)
    expected = LogisticRegression(solver="newton", **options).fit(X, y, weight)
    assert (found.status_, found.solver_) == ("converged", "sketched-newton")
    agree(found, expected)
    assert found.not_estimable_ == []


@pytest.mark.usefixtures("_always_sparse")
@pytest.mark.parametrize("alpha", [0.0, ALPHA])
@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}], ids=str)
@pytest.mark.parametrize(
    ("y", "multi_class"),
    [(BINARY, "softmax"), (THREE, "softmax"), (THREE, "ovr")],
    ids=["binary", "softmax", "ovr"],
)
def test_few_columns_are_fitted_as_dense_ones(y, multi_class, options, alpha):
    some = np.array([*range(12), 77])
    found, expected = (
        LogisticRegression(alpha=alpha, multi_class=multi_class, **options).fit(rows[:, some], y, WEIGHT)
        for rows in (ROWS, X)
    )
    scores = found.decision_function(ROWS[:, some])
    np.testing.assert_allclose(scores, expected.decision_function(X[:, some]), rtol=1e-9, atol=1e-9)
    assert found.not_estimable_ == expected.not_estimable_ == ([] if alpha else ["x12"])


def test_small_sparse_problems_are_the_dense_ones_to_the_bit():
    found, expected = (LogisticRegression().fit(rows[:, :30], BINARY) for rows in (ROWS, X))
    assert found.coef_.tobytes() == expected.coef_.tobytes()


def test_no_penalty_and_many_columns():
    y = np.random.default_rng(1).integers(0, 2, 6000)
    tall = np.vstack([X[:, :405]] * 7)[:6000]
    found = LogisticRegression(tol=1e-17).fit(sp.csr_array(tall), y)
    expected = LogisticRegression(solver="newton", tol=1e-17).fit(tall, y)
    assert found.status_ == expected.status_ == "converged"
    assert found.not_estimable_ == expected.not_estimable_ == ["x77"]
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-7, atol=1e-9)


def test_separated_rows_are_told_apart():
    with pytest.warns(FitWarning, match="no finite optimum: the classes can be told apart without error"):
        found = LogisticRegression().fit(sp.csr_array(X[:150]), BINARY[:150])
    assert found.status_ == "no_finite_optimum"


@pytest.mark.parametrize(("solver", "near"), [("newton-cg", 1e-7), ("lbfgs", 3e-6)])
def test_agrees_with_scikit_learn(solver, near):
    """Its L-BFGS stops some 1e-6 short, however small `tol` is."""
    found = LogisticRegression(alpha=ALPHA, tol=1e-17).fit(ROWS, BINARY, WEIGHT)
    total = WEIGHT.sum()
    theirs = Peer(C=N / total, solver=solver, tol=1e-11, max_iter=20_000).fit(ROWS, BINARY, WEIGHT)
    np.testing.assert_allclose(found.coef_, theirs.coef_, rtol=0.0, atol=near)
    np.testing.assert_allclose(found.predict_proba(ROWS), theirs.predict_proba(ROWS), rtol=0.0, atol=near)


def _disordered():
    """Each row backwards, and its first cell in two halves."""
    data, columns, borders = [], [], [0]
    for row in ROWS:
        cells, places = row.data[::-1], row.indices[::-1]
        data += [*cells[:1] / 2.0, *cells[1:], *cells[:1] / 2.0]
        columns += [*places, *places[:1]]
        borders.append(len(data))
    return sp.csr_matrix((data, columns, borders), shape=X.shape)


def _with_zeros():
    rows = ROWS.tolil()
    rows[5, 100:110] = 3.0
    rows = rows.tocsr()
    for j in range(100, 110):
        rows[5, j] = X[5, j]
    return rows


FORMS = {
    "csr_array": sp.csr_array(X),
    "csc": ROWS.tocsc(),
    "coo": ROWS.tocoo(),
    "disordered and doubled": _disordered(),
    "explicit zeros": _with_zeros(),
    "indices of 8 bytes": sp.csr_matrix(
        (ROWS.data, ROWS.indices.astype(np.int64), ROWS.indptr.astype(np.int64)), X.shape
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_rows(form):
    rows = FORMS[form]
    before = [
        getattr(rows, name).copy() for name in ("data", "indices", "indptr", "row") if hasattr(rows, name)
    ]
    found, expected = (
        LogisticRegression(alpha=ALPHA, tol=1e-15).fit(given, BINARY) for given in (rows, ROWS)
    )
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.predict_proba(rows), found.predict_proba(X), rtol=1e-12)
    after = [getattr(rows, name) for name in ("data", "indices", "indptr", "row") if hasattr(rows, name)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_single_precision_is_the_doubles_it_stands_for():
    single = ROWS.astype(np.float32)
    found, expected = (
        LogisticRegression(alpha=ALPHA).fit(rows, BINARY) for rows in (single, single.astype(float))
    )
    assert found.coef_.tobytes() == expected.coef_.tobytes()
    assert found.predict_proba(single).tobytes() == found.predict_proba(single.astype(float)).tobytes()


def test_threads_change_no_bit():
    one, two = (LogisticRegression(alpha=ALPHA, n_threads=k).fit(ROWS, THREE, WEIGHT) for k in (1, 2))
    assert one.coef_.tobytes() == two.coef_.tobytes()


def test_the_model_scores_dense_rows_alike(tmp_path):
    found = LogisticRegression(alpha=ALPHA).fit(ROWS, np.where(BINARY, "yes", "no"))
    model = found.to_model()
    table = dict(zip(model.design.terms, X[:50].T, strict=True))
    np.testing.assert_allclose(model.predict_proba(table), found.predict_proba(ROWS[:50]), rtol=1e-10)
    assert found.predict(ROWS[:50]).tolist() == model.predict(table).tolist()


def test_more_columns_than_a_hessian_could_hold():
    rng = np.random.default_rng(2)
    places = rng.integers(0, 60_000, (2, 90_000))
    rows = sp.csr_array((rng.random(90_000), (places[0] % 3000, places[1])), shape=(3000, 60_000))
    y = rng.integers(0, 2, 3000)
    found = LogisticRegression(alpha=1e-3).fit(rows, y)
    gradient = (found.predict_proba(rows)[:, 1] - y) @ rows / 3000 + 1e-3 * found.coef_[0]
    assert found.status_ == "converged"
    assert np.abs(gradient).max() < 1e-7
    with pytest.raises(InputError, match=r"60,001 coefficients .* are more than the 5,000"):
        LogisticRegression(alpha=1e-3, solver="newton").fit(rows, y)


@pytest.mark.parametrize(
    ("l1_ratio", "weight"),
    [(1.0, None), (1.0, WEIGHT), (0.4, WEIGHT)],
    ids=["bare", "weighted", "elastic net"],
)
@pytest.mark.parametrize(
    ("y", "options"),
    [
        (BINARY, {}),
        (BINARY, {"fit_intercept": False}),
        (BINARY, {"standardize": True, "alpha": 0.02}),
        (BINARY, {"class_weight": "balanced"}),
        pytest.param(THREE, {}, marks=pytest.mark.slow),
        pytest.param(THREE, {"multi_class": "ovr"}, marks=pytest.mark.slow),
    ],
    ids=["binary", "no intercept", "standardized", "balanced", "softmax", "ovr"],
)
def test_a_lasso_of_sparse_rows_is_that_of_dense_ones(y, options, weight, l1_ratio):
    options = {"alpha": 0.005, "tol": 1e-17, "l1_ratio": l1_ratio, **options}
    found, expected = (LogisticRegression(**options).fit(rows, y, weight) for rows in (ROWS, X))
    assert (found.status_, found.solver_) == ("converged", "proximal-newton")
    np.testing.assert_array_equal(found.coef_ != 0.0, expected.coef_ != 0.0)
    assert 0 < np.count_nonzero(found.coef_) < found.coef_.size
    agree(found, expected)


@pytest.mark.usefixtures("_always_sparse")
def test_a_lasso_of_few_sparse_columns_and_one_far_from_zero_is_that_of_dense_ones():
    rows = np.column_stack([X[:, 200:260], 5e4 + 3.0 * X[:, 30]])
    assert (rows != 0.0).mean() < oddsmith.fit.matrix.THIN
    options = {"alpha": 0.005, "l1_ratio": 1.0, "standardize": True, "tol": 1e-17}
    found, expected = (LogisticRegression(**options).fit(of, BINARY) for of in (sp.csr_array(rows), rows))
    np.testing.assert_allclose(found.decision_function(rows), expected.decision_function(rows), atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.02])
def test_a_lasso_of_more_columns_than_a_hessian_could_hold_is_optimal_in_all_of_them(share):
    rng = np.random.default_rng(3)
    n, p = 40_000, 20_000
    often = 1.0 / (10.0 + np.arange(p))
    rows = sp.csr_array(
        (np.ones(20 * n), (np.repeat(np.arange(n), 20), rng.choice(p, 20 * n, p=often / often.sum()))),
        shape=(n, p),
    )
    y = (rows @ (rng.normal(size=p) * (rng.random(p) < 0.02)) + rng.logistic(size=n) > 0.0).astype(int)
    alpha = share * np.abs(rows.T @ (y - y.mean())).max() / n
    found = LogisticRegression(alpha=alpha, l1_ratio=1.0).fit(rows, y)
    assert found.status_ == "converged"
    residual = found.predict_proba(rows)[:, 1] - y
    slope, coef = rows.T @ residual / n, found.coef_[0]
    on = coef != 0.0
    assert 20 < on.sum() < p
    np.testing.assert_allclose(slope[on], -alpha * np.sign(coef[on]), rtol=1e-4)
    assert np.abs(slope[~on]).max() <= alpha * (1.0 + 1e-6)
    assert abs(residual.mean()) < 1e-6


@pytest.mark.parametrize("l1_ratio", [1.0, 0.0])
def test_a_cross_validation_of_sparse_rows_is_that_of_dense_ones(l1_ratio):
    options = {"alphas": [0.1, 0.03, 0.01], "cv": 3, "l1_ratio": l1_ratio}
    found, expected = (LogisticRegressionCV(**options).fit(rows, BINARY) for rows in (ROWS, X))
    np.testing.assert_allclose(found.deviances_, expected.deviances_, rtol=1e-6)
    assert found.alpha_ == expected.alpha_
    agree(found, expected, rtol=1e-5)


def test_a_small_lasso_of_sparse_rows_is_the_dense_one_to_the_bit():
    found, expected = (
        LogisticRegression(alpha=0.01, l1_ratio=1.0).fit(rows[:, :30], BINARY) for rows in (ROWS, X)
    )
    np.testing.assert_array_equal(found.coef_, expected.coef_)


def test_behind_the_steps_of_a_pipeline():
    words = np.array(["rain", "sun", "wind", "snow", "fog", "hail"])
    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice(words, 4)) for _ in range(80)]
    y = [("sun" in text) != (rng.random() < 0.2) for text in texts]
    weather = make_pipeline(CountVectorizer(), LogisticRegression(alpha=0.1)).fit(texts, y)
    assert weather.predict(["sun sun sun rain"]).tolist() == [True]
    cities = rng.choice(["Rome", "Oslo", "Lima"], (80, 1))
    encoded = make_pipeline(OneHotEncoder(), LogisticRegression(alpha=0.1)).fit(cities, y)
    dense = make_pipeline(OneHotEncoder(sparse_output=False), LogisticRegression(alpha=0.1)).fit(cities, y)
    np.testing.assert_array_equal(encoded[-1].coef_, dense[-1].coef_)
    np.testing.assert_allclose(encoded.predict_proba(cities), dense.predict_proba(cities), rtol=1e-13)
