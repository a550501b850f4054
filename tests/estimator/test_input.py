"""What the estimator takes, and the sentence for what it doesn't."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import oddsmith
from oddsmith import FitWarning, InputError, LogisticRegression
from oddsmith.workflow.arrays import coded

from .data import BINARY, NAMES, THREE, WEIGHT, N, X

FRAME = pd.DataFrame(X, columns=NAMES)
YES_NO = np.where(BINARY, "yes", "no").astype(object)


def fitted(X=X, y=BINARY, sample_weight=None, **options):
    return LogisticRegression(**options).fit(X, y, sample_weight=sample_weight)


EXPECTED = fitted()


@pytest.mark.parametrize(
    "frame",
    [FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME), FRAME.convert_dtypes(), FRAME.astype(object)],
    ids=["pandas", "polars", "arrow", "pandas extension types", "pandas objects"],
)
def test_frames_with_names(frame):
    found = fitted(frame)
    assert found.coef_.tolist() == EXPECTED.coef_.tolist()
    assert found.n_features_in_ == 4
    assert list(found.feature_names_in_) == NAMES
    np.testing.assert_array_equal(found.predict_proba(frame), EXPECTED.predict_proba(X))


def test_columns_in_another_order_are_refused():
    found = fitted(FRAME)
    with pytest.raises(ValueError, match="feature names should match"):
        found.predict(FRAME[NAMES[::-1]])


def test_decimals_are_the_doubles_they_stand_for():
    rounded = pl.from_pandas(FRAME).cast(pl.Decimal(20, 6))
    doubles = rounded.cast(pl.Float64).to_numpy()
    for frame in (rounded, rounded.to_arrow()):
        assert fitted(frame).coef_.tolist() == fitted(doubles).coef_.tolist()


def _read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


@pytest.mark.parametrize(
    "rows",
    [
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        X[:, ::-1].copy()[:, ::-1],
        _read_only(X),
        X.tolist(),
    ],
    ids=["Fortran", "every other row", "columns backwards", "read-only", "lists"],
)
@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "three"])
def test_the_layout_of_an_array_changes_no_bit(rows, y):
    expected = fitted(y=y, sample_weight=WEIGHT, alpha=0.1)
    found = fitted(rows, y, WEIGHT, alpha=0.1)
    assert found.coef_.tobytes() == expected.coef_.tobytes()
    assert found.intercept_.tobytes() == expected.intercept_.tobytes()
    np.testing.assert_array_equal(found.predict_proba(rows), expected.predict_proba(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.longdouble, np.int32, np.int8, np.uint16, bool])
def test_numbers_of_every_width_are_the_doubles_they_stand_for(dtype):
    rows = (np.abs(X) > np.abs(X).mean(axis=0)) if dtype is bool else X.round() % 100
    rows = rows.astype(dtype)
    found, expected = fitted(rows), fitted(rows.astype(np.float64))
    assert found.coef_.tobytes() == expected.coef_.tobytes()
    np.testing.assert_array_equal(found.predict_proba(rows), expected.predict_proba(rows.astype(np.float64)))


@pytest.mark.slow
def test_single_precision_is_never_copied_whole_to_double():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60_000, 50)).astype(np.float32)
    y = (rows[:, 0] + rng.logistic(size=len(rows)) > 0).astype(np.int64)
    fitted(rows[:30_000], y[:30_000], n_threads=1)  # a thread keeps workspaces of the size of a block
    tracemalloc.start()
    found = fitted(rows, y, n_threads=1)
    found.predict_proba(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * rows.nbytes


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.where(BINARY, "yes", "no"), ["no", "yes"]),
        (pd.Series(np.where(BINARY, "yes", "no"), dtype="category"), ["no", "yes"]),
        (pl.Series(np.where(BINARY, "yes", "no")), ["no", "yes"]),
        (BINARY > 0, [False, True]),
        (BINARY * 7.0 - 2.0, [-2.0, 5.0]),
        (list(BINARY), [0, 1]),
        (pd.Series(BINARY, dtype="Int64"), [0, 1]),
        (pd.Series(BINARY > 0, dtype="boolean"), [False, True]),
        (pd.Series(BINARY, dtype="int64[pyarrow]"), [0, 1]),
        (pd.Series(YES_NO, dtype="string"), ["no", "yes"]),
        (pa.chunked_array([pa.array(YES_NO)]), ["no", "yes"]),
        ((BINARY > 0).astype(object), [False, True]),
        (BINARY.astype(object), [0, 1]),
        ((BINARY / 1.0).astype(object), [0.0, 1.0]),
    ],
    ids=[
        *[
            "text",
            "category",
            "polars",
            "booleans",
            "floats",
            "list",
            "pandas whole numbers",
            "pandas booleans",
        ],
        *[
            "arrow numbers in pandas",
            "pandas texts",
            "arrow",
            "boolean objects",
            "integer objects",
            "float objects",
        ],
    ],
)
def test_labels_of_every_kind(y, classes):
    found = fitted(y=y)
    assert found.classes_.tolist() == classes
    assert list(map(type, found.classes_.tolist())) == list(map(type, classes))
    assert found.coef_.tolist() == EXPECTED.coef_.tolist()
    assert found.predict(X).tolist() == [classes[k] for k in EXPECTED.predict(X)]


def with_cell(value):
    rows = X.copy()
    rows[33, 1] = value
    return rows


TEXT = (
    "which is no number. Encode it as numbers in a pipeline, or use oddsmith.train, which reads text columns"
)
BEYOND = scipy.sparse.csr_array(X)
BEYOND.indices[7] = 1000
REFUSED = {
    "NaN": (
        with_cell(np.nan),
        "X contains NaN in row 33 (from 0) of column 'x1'. Impute it in a pipeline, or use oddsmith.train, which "
        "imputes missing cells by itself.",
    ),
    "infinity": (with_cell(-np.inf), "X contains infinity in row 33 (from 0) of column 'x1'."),
    "null": (
        pl.from_pandas(FRAME).with_columns(pl.lit(None, pl.Float64).alias("rate")),
        "X contains NaN in row 0 (from 0) of column 'rate'.",
    ),
    "text in pandas": (FRAME.assign(city="Rome"), "column 'city' of X holds String, " + TEXT),
    "text in objects": (
        FRAME.assign(city=pd.Series(["Rome"] * N, dtype=object)),
        "column 'city' of X holds String, " + TEXT,
    ),
    "text in Polars": (
        pl.from_pandas(FRAME).with_columns(city=pl.lit("Rome")),
        "column 'city' of X holds String",
    ),
    "a hostile name": (FRAME.assign(**{"a\n\x1b[2J": "Rome"}), r"column 'a\n\x1b[2J' of X holds String"),
    "categories": (FRAME.assign(city=pd.Categorical(["Rome"] * N)), "column 'city' of X holds Categorical"),
    "dates": (FRAME.assign(day=pd.Timestamp("2020-01-01")), "column 'day' of X holds Datetime"),
    "text array": (X.astype(str), "X holds <U32, " + TEXT),
    "text list": ([["Rome", 1]] * N, "X holds text: dtype='numeric' is not compatible with"),
    "objects that are text": (np.full((N, 2), "a", dtype=object), "could not convert string to float: 'a'"),
    "dates array": (np.zeros((N, 1), "datetime64[s]"), "X holds datetime64[s], which is no number."),
    "lazy": (pl.from_pandas(FRAME).lazy(), "X is a lazy table. Give X.collect()."),
    "two columns of one name": (
        pd.DataFrame(X, columns=["a", "b", "a", "c"]),
        "X has two columns of one name: Expected unique column names, got: - 'a' 2 times. Rename one of them.",
    ),
    "sparse columns": (
        pd.get_dummies(pd.Series(YES_NO), sparse=True),
        "X has sparse columns. Give one sparse matrix, in pandas X.sparse.to_coo(), or dense columns, "
        "X.sparse.to_dense().",
    ),
    "booleans with a gap": (
        pl.DataFrame({"a": BINARY > 0}).with_columns(b=pl.lit(None, pl.Boolean)),
        "X contains NaN in row 0 (from 0) of column 'b'.",
    ),
    "a sparse matrix with a gap": (
        scipy.sparse.csr_matrix(with_cell(np.nan)),
        "X contains NaN in row 33 (from 0) of column 'x1'. Impute it in a pipeline",
    ),
    "a sparse matrix with infinity": (
        scipy.sparse.coo_array(with_cell(np.inf)),
        "X contains infinity in row 33 (from 0) of column 'x1'.",
    ),
    "a sparse row": (scipy.sparse.coo_array(X[0]), "X is sparse in 1 dimension(s). Give rows and columns."),
    "sparse complex numbers": (scipy.sparse.csr_array(X * 1j), "X holds complex128, which is no number."),
    "a sparse matrix that points beyond itself": (BEYOND, "X is no sound sparse matrix: "),
    "too large": (
        with_cell(1e260),
        "column 'x1' of X holds numbers as large as 1e+260, which leave a double no room to compute. "
        "Give it in another unit.",
    ),
    "too close": (
        X * [1.0, 1.0, 1e-252, 1.0],
        "column 'x2' of X holds numbers that differ by 5.1e-254 only",
    ),
    "long double": (X.astype(np.longdouble) * np.longdouble("1e2000"), "holds numbers as large as inf"),
}


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "i8", "u8", "f8", "?"])
@pytest.mark.parametrize(
    "labels", [[0, 1], [1, 2], [0, 1, 2, 3], [7, 3, 100], [0, 255], [-128, 127], [0, 2**63], [5]]
)
def test_labels_are_numbered_in_order(kind, labels):
    if kind == "?":
        labels = [bool(label) for label in labels]
    elif kind[0] in "iu" and not all(np.iinfo(kind).min <= label <= np.iinfo(kind).max for label in labels):
        pytest.skip("the type doesn't hold them")
    y = np.tile(np.array(labels, dtype=kind), 3)
    classes, codes = coded(y)
    expected, places = np.unique(y, return_inverse=True)
    assert classes.dtype == y.dtype
    np.testing.assert_array_equal(classes, expected)
    np.testing.assert_array_equal(codes, places)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_told_why(name):
    rows, sentence = REFUSED[name]
    with pytest.raises(InputError) as caught:
        fitted(rows)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["NaN", "infinity"])
def test_gaps_are_refused_in_prediction_too(name):
    rows, sentence = REFUSED[name]
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(InputError) as caught:
            getattr(EXPECTED, method)(rows)
        assert sentence in str(caught.value)


def test_log_odds_that_no_double_can_hold_are_refused():
    found = fitted()
    found.coef_ = found.coef_ * 1e300
    with pytest.raises(InputError, match="the log-odds of row 3 are beyond the range of a double"):
        found.predict(np.where(np.arange(5)[:, None] == 3, np.full((5, 4), 1e200), 0.0))


def _no_label(row, count):
    return (
        f"y has no label in row {row} (from 0), {count} of {N} rows in all. Leave out rows without a label."
    )


LABELS = {
    "one class": (np.ones(N), f"y has one class, 1.0, in all of {N} rows. Two are needed."),
    "measurements": (X[:, 0], "Unknown label type: continuous"),
    "none": (None, "requires y to be passed"),
    "gaps": (np.where(BINARY, np.nan, 1.0), _no_label(int(BINARY.argmax()), int(BINARY.sum()))),
    "no text": (np.r_[YES_NO[:7], [None], YES_NO[8:]], _no_label(7, 1)),
    "no text in pandas": (pd.Series([pd.NA, *YES_NO[1:]], dtype="string"), _no_label(0, 1)),
    "no boolean in Polars": (
        pl.Series([*map(bool, BINARY[:9]), None, *map(bool, BINARY[10:])]),
        _no_label(9, 1),
    ),
    "no whole number": (pd.Series([*BINARY[:-1], None], dtype="Int64"), _no_label(N - 1, 1)),
    "different kinds": (
        np.array([1, *YES_NO[1:]], dtype=object),
        f"y has labels of different kinds, such as 1 and {YES_NO[1]!r}. Give all as one kind, for example as texts.",
    ),
    "one row": ([1], "inconsistent numbers of samples"),
    "too few": (BINARY[:5], "inconsistent numbers of samples"),
    "two columns": (np.column_stack([BINARY, BINARY]), "y should be a 1d array"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_are_refused(name):
    y, sentence = LABELS[name]
    with pytest.raises(ValueError, match=sentence.split("(")[0]) as caught:
        fitted(y=y)
    assert sentence in str(caught.value)


WEIGHTS = {
    "negative": (
        {"sample_weight": -WEIGHT},
        f"sample_weight: row 0 (from 0) has -{WEIGHT[0]:.4g}. Weights are finite numbers",
    ),
    "NaN": (
        {"sample_weight": np.full(N, np.nan)},
        "sample_weight: row 0 (from 0) has nan. Weights are finite numbers, 0 or more.",
    ),
    "text": (
        {"sample_weight": ["a"] * N},
        f"sample_weight holds something that is no number. Give one number for each of {N} rows.",
    ),
    "complex": ({"sample_weight": np.ones(N) + 1j}, "sample_weight holds something that is no number."),
    "shape": (
        {"sample_weight": np.ones((N, 1))},
        f"sample_weight has the shape ({N}, 1). Give one number for each of {N} rows.",
    ),
    "zero": ({"sample_weight": np.zeros(N)}, "sample_weight: every weight is zero. Some row must count."),
    "a class of none": (
        {"sample_weight": BINARY.astype(float)},
        "all rows of class '0' have weight 0, so there is nothing to learn. Give them some, or leave them out.",
    ),
    "huge": (
        {"sample_weight": np.full(N, 1e300)},
        "the weights add up to 1.5e+302. Give them in another unit.",
    ),
    "a class by none": ({"class_weight": {1: 0}}, "all rows of class '1' have weight 0"),
    "negative class": ({"class_weight": {1: -1}}, "class_weight: 1 has -1. Weights are finite numbers"),
    "text class": (
        {"class_weight": {1: "a"}},
        "class_weight: 1 has 'a'. Weights are finite numbers, 0 or more.",
    ),
    "unknown class": (
        {"class_weight": {"a": 1.0, 1: 2.0}},
        "class_weight names 'a', which is no class of y: it has 0, 1.",
    ),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_refused(name):
    options, sentence = WEIGHTS[name]
    with pytest.raises(InputError) as caught:
        fitted(**options)
    assert sentence in str(caught.value)


def test_one_weight_for_all_rows_and_none_are_the_same():
    np.testing.assert_allclose(fitted(sample_weight=2.5).coef_, EXPECTED.coef_, rtol=1e-9)
    assert fitted(class_weight={}).coef_.tolist() == EXPECTED.coef_.tolist()
    fold = {0: 2.0, 1: 1.0, "in another fold": 5.0}
    assert fitted(class_weight=fold).coef_.tolist() == fitted(class_weight={0: 2.0}).coef_.tolist()


PARAMETERS = [
    ("alpha", [-1, np.inf, np.nan, "1", None, True], "give a finite number, 0 or more."),
    ("l1_ratio", [-0.1, 1.1, None], "give a number from 0 to 1."),
    ("standardize", ["yes", None, 1], "give True or False."),
    ("fit_intercept", ["no", None, 0], "give True or False."),
    (
        "solver",
        ["liblinear", None],
        "give 'auto' or one of 'newton', 'sketched-newton', 'proximal-newton', 'lbfgs', 'gradient-descent', 'sgd', 'mini-batch'.",
    ),
    ("multi_class", ["auto", None], "give 'softmax' or 'ovr'."),
    (
        "class_weight",
        ["equal", [1, 2], np.ones(2)],
        "give None, 'balanced' or a mapping from labels to weights.",
    ),
    ("max_iter", [0, -1, 2.5, "9", True], "give None or a whole number, 1 or more."),
    ("tol", [0, -1e-9, np.inf, None], "give a finite number above 0."),
    ("n_threads", [0, -1, 1.5], "give None, for all cores, or a whole number, 1 or more."),
    (
        "random_state",
        ["a", -1, 1.5, True, 2**32],
        "give None, a whole number from 0 to 4294967295, or a numpy.random.RandomState.",
    ),
]


@pytest.mark.parametrize(("name", "values", "wanted"), PARAMETERS, ids=[row[0] for row in PARAMETERS])
def test_parameters_that_are_refused(name, values, wanted):
    for value in values:
        with pytest.raises(InputError) as caught:
            fitted(**{name: value})
        assert str(caught.value) == f"{name}={value!r}: {wanted}"


def test_without_alpha_there_is_no_penalty_of_any_kind():
    assert fitted(l1_ratio=0.5).coef_.tolist() == EXPECTED.coef_.tolist()


def test_solvers_that_cannot_leave_anything_out_say_so():
    with pytest.raises(InputError) as caught:
        fitted(l1_ratio=0.5, alpha=0.1, solver="sgd")
    assert str(caught.value) == (
        "sgd needs an objective without kinks, and a penalty with l1_ratio 0.5 has some. Use one of newton, "
        "proximal-newton, gradient-descent, or an l1_ratio of 0."
    )


@pytest.mark.parametrize("power", [-240, -160, -100, 100, 160, 240])
@pytest.mark.parametrize("options", [{}, {"alpha": 0.1, "standardize": True}], ids=["bare", "ridge"])
def test_units_of_any_size(power, options, tmp_path):
    """Squares of these overflow or vanish."""
    unit = 10.0**power
    found, expected = fitted(X * [unit, 1.0, 1.0, 1.0], **options), fitted(**options)
    np.testing.assert_allclose(found.coef_ * [unit, 1.0, 1.0, 1.0], expected.coef_, rtol=1e-9)
    np.testing.assert_allclose(
        found.predict_proba(X * [unit, 1.0, 1.0, 1.0]), expected.predict_proba(X), rtol=1e-9
    )
    found.to_model().save(tmp_path / "model.json")
    shipped = oddsmith.load(tmp_path / "model.json").record
    assert shipped.fit.mean_loss == pytest.approx(expected.to_model().record.fit.mean_loss, rel=1e-12)


def test_a_penalty_on_columns_too_narrow_to_square_is_refused():
    with pytest.raises(InputError, match="a column's numbers differ by 1e-160 only, and a penalty"):
        fitted(X / X.std(axis=0) * [1.0, 1e-160, 1.0, 1.0], alpha=0.1)


def test_separable_rows_end_in_a_warning_and_finite_coefficients():
    x = np.arange(20.0)[:, None]
    for y, classes in ((x[:, 0] > 7, 2), (x[:, 0] // 7, 3)):
        with pytest.warns(FitWarning, match=r"no finite optimum: the classes can be told apart .*'x0'"):
            found = fitted(x, y)
        assert found.status_ == "no_finite_optimum"
        assert found.message_.endswith("penalty (such as alpha=5e-02) gives a finite fit")
        assert np.isfinite(found.coef_).all()
        assert found.score(x, y) == 1.0
        assert len(found.classes_) == classes
    assert fitted(x, x[:, 0] > 7, alpha=0.01).status_ == "converged"


def test_weights_and_repeated_rows_part_separable_data_at_the_same_step():
    rng = np.random.default_rng(42)
    rows, y, times = rng.normal(size=(15, 30)), rng.integers(0, 3, 15), rng.integers(1, 5, 15)
    with pytest.warns(FitWarning):
        weighted = fitted(rows, y, times)
    with pytest.warns(FitWarning):
        repeated = fitted(np.repeat(rows, times, axis=0), np.repeat(y, times))
    assert weighted.n_iter_ == repeated.n_iter_
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-7)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(2, 12), st.integers(1, 4)),
        elements=st.floats(-1e300, 1e300) | st.sampled_from([0.0, 1.0, -1.0]),
    ),
    st.data(),
)
@pytest.mark.filterwarnings("ignore::oddsmith.errors.FitWarning")
def test_whatever_the_numbers_there_is_a_fit_or_a_sentence(rows, data):
    y = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))))
    alpha = data.draw(st.sampled_from([0.0, 0.1]))
    try:
        found = fitted(rows, y, alpha=alpha, standardize=data.draw(st.booleans()))
    except InputError:
        return
    assert np.isfinite(found.coef_).all()
    proba = found.predict_proba(rows)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-14)
