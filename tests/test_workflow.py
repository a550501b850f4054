"""Training from rows to a model: against statsmodels and scikit-learn, and under changes that mean nothing."""

import io
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import oddsmith
from oddsmith.errors import FitWarning, InputError
from oddsmith.workflow.account import HISTORY

N = 120
RNG = np.random.default_rng(21)
X = RNG.normal(size=(N, 2)).round(2) * [1.0, 30.0] + [0.0, 500.0]
FLAG = RNG.random(N) < 0.4
LEVEL = RNG.choice(["a", "b", "c"], N, p=[0.2, 0.5, 0.3])
WEIGHT = RNG.integers(1, 4, N)
SCORE = X[:, 0] + (X[:, 1] - 500) / 30 - FLAG + (LEVEL == "c")
TABLE = pd.DataFrame(
    {
        "x": X[:, 0],
        "z": np.where(RNG.random(N) < 0.1, np.nan, X[:, 1]),
        "flag": FLAG,
        "level": LEVEL,
        "weight": WEIGHT,
        "y": np.where(SCORE + RNG.logistic(size=N) > 0, "yes", "no"),
        "three": np.array(["low", "mid", "top"])[np.digitize(SCORE + RNG.logistic(size=N), [-1, 1.5])],
    }
)
TERMS = ["x", "z", "flag", "level=a", "level=c"]
BINARY = {"target": "y", "drop": ["three", "weight"]}
THREE = {"target": "three", "drop": ["y", "weight"]}


def by_hand(table):
    """The design matrix as pandas makes it: means for gaps, `b` as reference."""
    dummies = pd.get_dummies(table["level"], prefix="level", prefix_sep="=")
    columns = [
        table["x"],
        table["z"].fillna(table["z"].mean()),
        table["flag"],
        dummies["level=a"],
        dummies["level=c"],
    ]
    return pd.concat(columns, axis=1).astype(float).to_numpy()


def coefficients(model):
    return np.column_stack([model.intercept, model.coef])


def test_binary_coefficients_are_those_of_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    model = oddsmith.train(TABLE, **BINARY)
    assert model.terms == tuple(TERMS)
    peer = sm.Logit(TABLE["y"] == "yes", sm.add_constant(by_hand(TABLE))).fit(
        disp=0, tol=1e-13, method="newton"
    )
    np.testing.assert_allclose(coefficients(model)[0], peer.params, rtol=1e-9)
    assert model.record.fit.mean_loss[0] == pytest.approx(-peer.llf / N, rel=1e-12)


def test_softmax_coefficients_are_those_of_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    model = oddsmith.train(TABLE, **THREE)
    design = sm.add_constant(by_hand(TABLE))
    peer = sm.MNLogit(TABLE["three"], design).fit(disp=0, method="newton", tol=1e-13)
    found = coefficients(model)
    np.testing.assert_allclose(found.sum(axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(found[1:] - found[0], peer.params.to_numpy().T, rtol=1e-7)
    assert model.record.fit.mean_loss == [pytest.approx(-peer.llf / N, rel=1e-12)]


def test_one_vs_rest_is_one_binary_model_a_class():
    model = oddsmith.train(TABLE, multi_class="ovr", **THREE)
    for k, label in enumerate(model.classes):
        alone = oddsmith.train(TABLE, f"three = '{label}'", drop=["y", "weight"])
        np.testing.assert_allclose(coefficients(model)[k], coefficients(alone)[0], rtol=1e-8)
        assert model.record.fit.mean_loss[k] == pytest.approx(alone.record.fit.mean_loss[0], rel=1e-12)


@pytest.mark.parametrize("target", ["y", "three"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_penalised_coefficients_are_those_of_scikit_learn(target, standardize, weighted):
    alpha = 0.03
    options = {"drop": [{"y": "three", "three": "y"}[target]] + ([] if weighted else ["weight"])}
    if weighted:
        options["weight"] = "weight"
    weight = WEIGHT if weighted else np.ones(N)
    model = oddsmith.train(TABLE, target, alpha=alpha, standardize=standardize, **options)
    mean, scale = (model.design.mean, model.design.scale) if standardize else (0.0, 1.0)
    table = TABLE.assign(z=TABLE["z"].fillna(model.design.mean[1]))
    peer = LogisticRegression(C=1 / (alpha * weight.sum()), solver="newton-cg", tol=1e-12, max_iter=1000)
    peer.fit((by_hand(table) - mean) / scale, TABLE[target], sample_weight=weight)
    ours = model.coef * scale
    if target == "three":
        ours = ours - ours.mean(axis=0)
    np.testing.assert_allclose(ours, peer.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        model.predict_proba(TABLE), peer.predict_proba((by_hand(table) - mean) / scale), atol=1e-7
    )


def test_a_weight_is_a_number_of_rows():
    """Also for means, sigmas, shares and the most frequent level."""
    weighted = oddsmith.train(TABLE, "y", drop=["three"], weight="weight", alpha=0.01).record
    repeated = oddsmith.train(TABLE.loc[TABLE.index.repeat(WEIGHT)], **BINARY, alpha=0.01).record
    for ours, theirs in zip(weighted.columns, repeated.columns, strict=True):
        assert ours.name == theirs.name
        if hasattr(ours, "levels"):
            assert ours.reference == theirs.reference
            for one, other in zip(ours.levels, theirs.levels, strict=True):
                assert (one.level, one.mean) == (other.level, pytest.approx(other.mean, rel=1e-12))
                assert one.scale == pytest.approx(other.scale, rel=1e-12)
        else:
            assert (ours.mean, ours.scale) == pytest.approx((theirs.mean, theirs.scale), rel=1e-12)
    one, other = weighted.equations[0], repeated.equations[0]
    assert one.coef == pytest.approx(other.coef, rel=1e-9)
    assert sum(weighted.training.class_weights) == repeated.training.rows == WEIGHT.sum()
    assert (weighted.training.rows, weighted.weight) == (N, "weight")


def test_the_order_of_rows_and_columns_changes_nothing():
    expected = oddsmith.train(TABLE, **BINARY)
    shuffled = oddsmith.train(TABLE.sample(frac=1, random_state=1), **BINARY)
    assert shuffled.terms == expected.terms
    np.testing.assert_allclose(coefficients(shuffled), coefficients(expected), rtol=1e-9)
    reversed_columns = oddsmith.train(TABLE[TABLE.columns[::-1]], **BINARY)
    for term in TERMS:
        ours, theirs = (m.coef[0, m.terms.index(term)] for m in (reversed_columns, expected))
        assert ours == pytest.approx(theirs, rel=1e-9)


def test_units_of_a_column_change_its_coefficient_alone():
    expected = oddsmith.train(TABLE, **BINARY, alpha=0.02)
    other = oddsmith.train(TABLE.assign(z=TABLE["z"] * 1e6 - 5e8), **BINARY, alpha=0.02)
    np.testing.assert_allclose(other.coef[0] * [1, 1e6, 1, 1, 1], expected.coef[0], rtol=1e-7)
    np.testing.assert_allclose(
        other.predict_proba(TABLE.assign(z=TABLE["z"] * 1e6 - 5e8)), expected.predict_proba(TABLE), rtol=1e-7
    )


def test_names_of_labels_change_names_alone():
    expected = oddsmith.train(TABLE, **THREE)
    renamed = oddsmith.train(TABLE, **THREE, map_label=["mid=a mid", "low=z low"])
    assert renamed.record.target.classes == ["a mid", "top", "z low"]
    np.testing.assert_allclose(
        renamed.predict_proba(TABLE)[:, [2, 0, 1]], expected.predict_proba(TABLE), rtol=1e-9
    )
    assert renamed.evaluate(TABLE).log_loss == pytest.approx(expected.evaluate(TABLE).log_loss, rel=1e-10)


def test_the_positive_label_turns_the_sign():
    expected = oddsmith.train(TABLE, **BINARY)
    other = oddsmith.train(TABLE, **BINARY, positive="no")
    assert other.classes.tolist() == ["yes", "no"]
    np.testing.assert_allclose(coefficients(other), -coefficients(expected), rtol=1e-9)


@pytest.mark.parametrize(
    ("positive", "classes"), [(1, [2, 1]), (np.int64(2), [1, 2]), ("1", [2, 1]), (None, [1, 2])]
)
def test_a_positive_label_can_be_given_as_it_stands_in_the_table(positive, classes):
    model = oddsmith.train(TABLE.assign(y=np.where(SCORE > 0, 2, 1)), **BINARY, positive=positive, alpha=0.1)
    assert model.classes.tolist() == classes


def test_one_name_alone_is_a_name_and_no_row_of_letters():
    model = oddsmith.train(TABLE, "y", drop="three", features="x", categorical=(), alpha=0.1)
    assert model.terms == ("x",)
    with pytest.raises(InputError, match=r"'thre' is none of its 7 columns. Did you mean 'three'"):
        oddsmith.train(TABLE, "y", drop="thre")


def test_rows_without_a_label_are_left_out_and_counted():
    gaps = TABLE.assign(y=TABLE["y"].where(np.arange(N) % 4 != 0))
    some, rest = (
        oddsmith.train(gaps, **BINARY).record,
        oddsmith.train(gaps.dropna(subset="y"), **BINARY).record,
    )
    assert (some.equations, some.columns) == (rest.equations, rest.columns)
    assert (some.training.rows, some.training.rows_without_target) == (90, 30)
    assert rest.training.rows_without_target == 0


def test_what_a_model_says_about_its_training():
    text = TABLE.assign(day="2024-01-01", name=[f"n{i}" for i in range(N)], empty=None).to_csv(index=False)
    path = io.StringIO(text)
    record = oddsmith.train(
        pl.read_csv(path, infer_schema=False), "y", drop=["three"], weight="weight"
    ).record
    assert [column.name for column in record.columns] == ["x", "z", "flag", "level"]
    assert [item.column for item in record.left_out] == ["day", "name", "empty"]
    assert (record.id, record.weight, record.dropped) == ("name", "weight", ["three"])
    assert record.training.class_counts == [int((TABLE["y"] == label).sum()) for label in ("no", "yes")]
    assert record.target.label_type == "text"
    fit = record.fit
    assert (fit.solver, fit.status, fit.settings) == ("newton", "converged", {})
    assert fit.loss_history[0].objective[0] == pytest.approx(math.log(2))
    assert fit.loss_history[-1].iteration == fit.iterations


def test_a_long_history_is_thinned_and_keeps_both_ends():
    with pytest.warns(FitWarning, match="stopped after 400 iterations"):
        record = oddsmith.train(
            TABLE, **BINARY, solver="gradient-descent", learning_rate=0.02, iterations=400
        ).record
    steps = [step.iteration for step in record.fit.loss_history]
    assert len(steps) <= HISTORY
    assert (steps[0], steps[-1]) == (0, 400)
    assert steps == sorted(set(steps))


def test_separable_classes_end_with_a_warning_that_names_the_remedy():
    rows = {"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "a", "b", "b"]}
    with pytest.warns(FitWarning, match=r"no finite optimum.*'x'.*--alpha") as caught:
        model = oddsmith.train(rows, "y")
    assert model.record.fit.status == "no_finite_optimum"
    assert caught[0].filename == __file__
    assert oddsmith.train(rows, "y", alpha=0.01).record.fit.status == "converged"


def test_rows_of_weight_zero_may_hold_what_they_like():
    """Where they alone make a column vary, it has no effect and the fit is that of the other rows."""
    heavy = TABLE.assign(weight=np.where(np.arange(N) < 20, 0.0, 1.0))
    heavy["z"] = np.where(heavy["weight"] > 0, 3.0, heavy["z"])
    model = oddsmith.train(heavy, "y", drop=["three"], weight="weight")
    assert model.record.fit.not_estimable == ["z"]
    rest = oddsmith.train(heavy[20:].drop(columns=["z"]), "y", drop=["three"], weight="weight")
    np.testing.assert_allclose(np.delete(model.coef, 1, axis=1), rest.coef, rtol=1e-9)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_model(seed):
    def trained():
        with pytest.warns(FitWarning, match="stopped after"):
            return oddsmith.train(TABLE, **BINARY, solver="mini-batch", epochs=2, seed=seed).record

    first = trained()
    assert first == trained()
    assert first.fit.seed == seed
    with pytest.warns(FitWarning, match="stopped after"):
        other = oddsmith.train(TABLE, **BINARY, solver="mini-batch", epochs=2, seed=seed + 1).record
    assert other.equations != first.equations


@pytest.mark.parametrize(
    "options", [{"iterations": 5.0}, {"iterations": np.int64(5)}, {"learning_rate": 1, "iterations": 5}]
)
def test_settings_of_other_number_types_make_sound_files(options, tmp_path):
    with pytest.warns(FitWarning):
        model = oddsmith.train(TABLE, **BINARY, solver="gradient-descent", alpha=np.float32(0.5), **options)
    model.save(tmp_path / "model.json")
    assert oddsmith.load(tmp_path / "model.json").record == model.record
    types = {name: type(value) for name, value in model.record.fit.settings.items()}
    assert types == {"learning_rate": float, "iterations": int}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"alpha": -1.0}, "--alpha -1.0: give a finite number, 0 or more, or auto or path."),
        ({"alpha": math.nan}, "--alpha nan: give a finite number, 0 or more, or auto or path."),
        ({"alpha": math.inf}, "--alpha inf: give a finite number, 0 or more, or auto or path."),
        ({"alpha": "often"}, "--alpha often: give a finite number, 0 or more, or auto or path."),
        ({"l1_ratio": 1.5}, "--l1-ratio 1.5: give a number from 0, ridge, to 1, lasso."),
        ({"l1_ratio": "half"}, "--l1-ratio half: give a number from 0, ridge, to 1, lasso."),
        ({"multi_class": "ovo"}, "multi_class 'ovo' is neither softmax nor ovr."),
        (
            {"solver": "adam"},
            "no solver is called 'adam'. There are: newton, Newton with Cholesky: exact in a handful of passes; "
            "sketched-newton, Newton on a sample, then few cheap passes: for many rows; proximal-newton, quadratic "
            "models and absolute values: for lasso and elastic net; lbfgs, L-BFGS: for more coefficients than a "
            "Hessian is worth; gradient-descent, full-batch gradient descent, one pass a step; sgd, stochastic "
            "gradient descent, one row a step; mini-batch, stochastic gradient descent, a batch of rows a step.",
        ),
        ({"iterations": 3}, "--iterations is not for --solver auto, which takes no settings."),
        (
            {"solver": "sgd", "batch_size": 3},
            "--batch-size is not for --solver sgd, which takes --learning-rate, --",
        ),
        ({"solver": "sgd", "epochs": 0}, "--epochs 0: give a positive number."),
        ({"solver": "sgd", "epochs": 1.5}, "--epochs 1.5: give a whole number below 2^63."),
        ({"solver": "sgd", "learning_rate": math.nan}, "--learning-rate nan: give a positive number."),
        ({"solver": "sgd", "learning_rate": -0.5}, "--learning-rate -0.5: give a positive number."),
        ({"seed": -1}, "--seed -1: give a whole number from 0 to below 2^63."),
        ({"seed": 2**63}, "--seed 9223372036854775808: give a whole number"),
        ({"weight": "level"}, "table: row 1, column 'level': '"),
        ({"weight": "absent"}, "table: 'absent' is none of its 7 columns."),
        ({"weight": "y"}, "table: column 'y' is named by --target and by --weight"),
        ({"id": "absent"}, "table: 'absent' is none of its 7 columns."),
        ({"features": ["x"], "drop": ["x"]}, "table: column 'x' is named by --features and by --drop"),
        ({"features": []}, "table: no column is left as a feature."),
    ],
)
def test_wrong_options_are_refused(options, sentence):
    with pytest.raises(InputError) as caught:
        oddsmith.train(TABLE, "y", **options)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("weight", "sentence"),
    [
        (
            np.where(np.arange(N) == 2, -1.0, 1.0),
            "table: row 3, column 'weight': -1 is no weight. Weights are 0 or more.",
        ),
        (
            np.where(np.arange(N) == 1, np.nan, 1.0),
            "table: row 2, column 'weight': a missing cell is no weight.",
        ),
        (
            np.where(TABLE["y"] == "yes", 0.0, 1.0),
            "all rows of class 'yes' have weight 0, so there is nothing",
        ),
        (np.full(N, 1e307), "table: the weights in 'weight' add up to inf. Give them in another unit."),
        (np.full(N, 1e-307), "table: the weights in 'weight' add up to 1.2e-305."),
    ],
)
def test_wrong_weights_are_refused(weight, sentence):
    with pytest.raises(InputError) as caught:
        oddsmith.train(TABLE.assign(weight=weight), "y", weight="weight")
    assert str(caught.value).startswith(sentence)


def test_descent_that_diverges_is_refused_with_a_smaller_step():
    for rate in (1e3, 1e300):
        with pytest.raises(InputError) as caught:
            oddsmith.train(TABLE, **BINARY, solver="gradient-descent", learning_rate=rate, iterations=30)
        sentence = str(caught.value)
        assert sentence.startswith("gradient-descent diverged: the mean loss went from 0.6931 to ")
        assert sentence.endswith(f"Try --learning-rate {rate / 10:g}, or --solver newton.")


def test_more_coefficients_than_can_be_fitted_are_refused(monkeypatch):
    monkeypatch.setattr("oddsmith.workflow.fitting.MOST_COEFFICIENTS", 11)
    oddsmith.train(TABLE, multi_class="ovr", **THREE)
    with pytest.raises(
        InputError, match=r"^12 coefficients \(5 terms, 3 classes\) are more than the 11 that"
    ):
        oddsmith.train(TABLE, **THREE)


def test_describe_takes_what_train_takes():
    for data in (TABLE, pl.from_pandas(TABLE), TABLE.to_dict(orient="list")):
        found = {summary.name: summary for summary in oddsmith.describe(data)}
        assert list(found) == list(TABLE.columns)
        assert found["z"].missing == int(TABLE["z"].isna().sum())
        assert found["x"].mean == pytest.approx(TABLE["x"].mean(), rel=1e-12)
        assert found["level"].most_common == "b"
    assert next(iter(oddsmith.describe({"x": ["?", 1.0]}, missing="?"))).missing == 1


_RNG = np.random.default_rng(11)
X1, X2 = _RNG.normal(size=(2, 150))
Y = (_RNG.random(150) < 1.0 / (1.0 + np.exp(-X1 + 0.5 * X2))).astype(int)


@pytest.mark.parametrize("unit", [1e-200, 1e-100, 1e100, 1e200])
def test_columns_of_any_size_give_the_same_fit(unit):
    columns = {"x1": X1, "x2": X2, "y": Y}
    plain = oddsmith.train(columns, "y")
    sized = oddsmith.train({**columns, "x1": X1 * unit}, "y")
    assert sized.record.fit.status == "converged"
    np.testing.assert_allclose(sized.coef * [[unit, 1.0]], plain.coef, rtol=1e-11)


def test_the_rows_of_training_are_recognised_in_an_evaluation(tmp_path):
    path = tmp_path / "rows.csv"
    pl.DataFrame({"x1": X1, "y": Y}).write_csv(path)
    model = oddsmith.train(path, "y")
    with pytest.warns(oddsmith.DataWarning, match="these are the rows that the model was trained on"):
        model.evaluate(path)


def test_an_evaluation_counts_rows_by_the_weights_of_training():
    rows = {"x1": X1, "y": Y, "w": np.arange(len(Y)) % 3}
    model = oddsmith.train(rows, "y", weight="w")
    repeated = np.repeat(np.arange(len(Y)), rows["w"])
    with pytest.warns(oddsmith.DataWarning, match="rows count by their weight in 'w'"):
        weighted = model.evaluate(rows)
    with pytest.warns(oddsmith.DataWarning, match="no weights in a column 'w'"):
        plain = model.evaluate({"x1": X1[repeated], "y": np.array(Y)[repeated]})
    assert weighted.log_loss == pytest.approx(plain.log_loss, rel=1e-13)
    assert weighted.auc == pytest.approx(plain.auc, rel=1e-13)
    with pytest.raises(oddsmith.InputError, match=r"table: row 2, column '.*': -1 is no weight"):
        model.evaluate({**rows, "w": [1, -1] + [1] * (len(Y) - 2)})


def test_constant_columns_give_each_row_the_class_shares(tmp_path):
    with pytest.warns(oddsmith.DataWarning, match="every column is constant"):
        model = oddsmith.train({"x": [1, 1, 1, 1], "y": ["no", "yes", "yes", "yes"]}, "y")
    model.save(tmp_path / "model.json")
    model = oddsmith.load(tmp_path / "model.json")
    np.testing.assert_allclose(model.predict_proba({"x": [1, 2]}), [[0.25, 0.75]] * 2, rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba({}), [0.25, 0.75], rtol=1e-12)
