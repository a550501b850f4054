"""A model at work: every kind of table, one row alone, and reasons that add up."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit, softmax

import oddsmith
from oddsmith import Cost
from oddsmith.data.native import as_table
from oddsmith.data.pieces import OnePiece
from oddsmith.errors import DataWarning, InputError
from oddsmith.evaluate.evaluation import evaluation
from oddsmith.model.evaluating import evaluate_pieces

RNG = np.random.default_rng(8)
N = 80
X1 = RNG.normal(size=N).round(3)
FLAG = RNG.random(N) < 0.5
LEVEL = RNG.choice(["a", "b", "c"], N)
GAPS = RNG.random(N) < 0.1
ETA = 1.2 * X1 - FLAG + (LEVEL == "b") + RNG.logistic(size=N)


def frame(y):
    """A Polars table with a number, a number with gaps, a boolean, a category and the labels `y`."""
    whole = [None if gap else round(10 * x) for gap, x in zip(GAPS, X1, strict=True)]
    return pl.DataFrame(
        {"x": X1, "whole": pl.Series(whole, dtype=pl.Int64), "flag": FLAG, "level": LEVEL, "y": y}
    )


LABELS = {
    "integers": np.where(ETA > 0, 1, 0),
    "other integers": np.where(ETA > 0, 4, 2),
    "booleans": ETA > 0,
    "texts": np.where(ETA > 0, "yes", "no"),
    "three integers": np.digitize(ETA, [-1, 1]),
    "three texts": np.array(["low", "mid", "top"])[np.digitize(ETA, [-1, 1])],
}


@pytest.fixture(scope="module", params=LABELS)
def labelled(request):
    """(model, its table as Polars)"""
    table = frame(LABELS[request.param])
    return oddsmith.train(table, "y", alpha=0.02, missing_indicator=True), table


def shapes(table, folder):
    """The same rows in every shape in which they can come."""
    cells = table.to_dict(as_series=False)
    pandas = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in cells.items()})
    path = folder / "rows.csv"
    if table.schema["y"] == pl.Boolean:  # labels are the texts that they are: "True" is not "true"
        table = table.with_columns(pl.col("y").cast(pl.String).str.to_titlecase())
    table.write_csv(path)
    return {
        "polars": pl.DataFrame(cells),
        "arrow": pl.DataFrame(cells).to_arrow(),
        "mapping of lists": cells,
        "mapping of arrays": {**cells, "x": np.array(cells["x"]), "flag": np.array(cells["flag"])},
        "pandas of objects": pandas,
        "pandas": pandas.infer_objects(),
        "pandas nullable": pandas.convert_dtypes(),
        "path": path,
        "path as text": str(path),
    }


def test_every_shape_of_the_same_rows_gives_the_same_answers(labelled, tmp_path):
    model, table = labelled
    proba, labels = model.predict_proba(table), model.predict(table)
    why, evaluated = model.explain(table), model.evaluate(table)
    assert proba.shape == (N, len(model.classes))
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(labels, model.classes[proba.argmax(axis=1)])
    for name, rows in shapes(table, tmp_path).items():
        np.testing.assert_array_equal(model.predict_proba(rows), proba, err_msg=name)
        np.testing.assert_array_equal(model.predict(rows), labels, err_msg=name, strict=True)
        np.testing.assert_array_equal(model.explain(rows).contributions, why.contributions, err_msg=name)
        assert model.evaluate(rows) == evaluated, name


def test_every_shape_of_the_same_rows_teaches_the_same(tmp_path):
    table = frame(LABELS["texts"])
    expected = oddsmith.train(table, "y", alpha=0.02)
    for name, rows in shapes(table, tmp_path).items():
        record = oddsmith.train(rows, "y", alpha=0.02).record
        assert record.equations == expected.record.equations, name
        assert record.columns == expected.record.columns, name
        assert record.fit == expected.record.fit, name


def test_labels_come_back_as_they_were_given(labelled):
    model, table = labelled
    expected = table["y"].to_numpy()
    assert model.classes.dtype.kind == (expected.dtype.kind if expected.dtype.kind in "ib" else "U")
    np.testing.assert_array_equal(model.classes, np.unique(expected))
    row = dict(zip(table.columns, table.row(0), strict=True))
    label = model.predict(row)
    assert label == model.predict(table[:1])[0]
    assert isinstance(label, {"i": np.integer, "b": np.bool_, "U": str}[model.classes.dtype.kind])


def test_one_row_alone_scores_as_in_a_table(labelled):
    model, table = labelled
    proba, why = model.predict_proba(table), model.explain(table)
    for i in range(0, N, 7):
        row = dict(zip(table.columns, table.row(i), strict=True))
        np.testing.assert_allclose(model.predict_proba(row), proba[i], rtol=1e-12, atol=1e-300)
        alone = model.explain(row)
        np.testing.assert_allclose(alone.contributions, why.contributions[i : i + 1], rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(alone.log_odds, why.log_odds[i : i + 1], rtol=1e-12)
        assert alone.label == why.label[i : i + 1]
        as_text = {name: "" if cell is None else str(cell) for name, cell in row.items()}
        np.testing.assert_allclose(model.predict_proba(as_text), proba[i], rtol=1e-12, atol=1e-300)


def test_probabilities_are_those_of_the_formulas(any_model, rows_of):
    """Against SciPy, from the coefficients alone."""
    rows = rows_of(any_model)
    eta = any_model.design.matrix(rows)[0] @ any_model.coef.T + any_model.intercept
    expected = {
        "binary": lambda: np.column_stack([expit(-eta), expit(eta)]),
        "softmax": lambda: softmax(eta, axis=1),
        "ovr": lambda: expit(eta) / expit(eta).sum(axis=1, keepdims=True),
    }[any_model.record.multi_class]()
    np.testing.assert_allclose(any_model.predict_proba(rows), expected, rtol=1e-12)


def test_contributions_and_the_average_add_up_to_the_log_odds(any_model, rows_of):
    rows = rows_of(any_model)
    why, scores = any_model.explain(rows), any_model.score(rows)
    np.testing.assert_allclose(
        why.contributions.sum(axis=1) + why.average, why.log_odds, rtol=1e-10, atol=1e-10
    )
    assert why.columns == tuple(column.name for column in any_model.record.columns)
    n = len(scores.codes)
    chosen = np.zeros(n, int) if scores.log_odds.shape[1] == 1 else scores.codes
    np.testing.assert_array_equal(why.log_odds, scores.log_odds[np.arange(n), chosen])
    np.testing.assert_array_equal(why.label, any_model.predict(rows))


def test_contributions_add_up_one_vs_rest_with_categories_too():
    table = frame(LABELS["three texts"])
    model = oddsmith.train(table, "y", multi_class="ovr", alpha=0.02, missing_indicator=True)
    why = model.explain(table)
    np.testing.assert_allclose(
        why.contributions.sum(axis=1) + why.average, why.log_odds, rtol=1e-11, atol=1e-12
    )
    np.testing.assert_array_equal(why.log_odds, model.score(as_table(table)).log_odds.max(axis=1))
    coef = dict(zip(model.terms, model.coef[list(model.classes).index(why.label[0])], strict=True))
    shares = {item.level: item.mean for item in model.record.columns[3].levels}
    level = table["level"][0]
    expected = sum(coef[f"level={name}"] * ((name == level) - share) for name, share in shares.items())
    assert why.contributions[0, 3] == pytest.approx(expected, rel=1e-12)


def test_a_column_at_its_training_mean_contributes_nothing(any_model, rows_of):
    """A category is not at its mean in any row; over the training rows its contributions cancel all the same."""
    rows = rows_of(any_model)
    row = dict(any_model.record.golden.row)
    for column, contribution in zip(
        any_model.record.columns, any_model.explain(row).contributions[0], strict=True
    ):
        if not hasattr(column, "levels") and getattr(column, "indicator", None) is None:
            assert contribution == pytest.approx(0.0, abs=1e-12)
    if any_model.record.multi_class == "binary":
        means = any_model.explain(rows).contributions.mean(axis=0)
        np.testing.assert_allclose(means, 0.0, atol=1e-10)


@pytest.mark.parametrize("kind", ["softmax", "ovr"])
def test_certainty_does_not_overflow(kind, request, rows_of):
    """Marks a thousand times too large give probabilities that add to 1, by table and alone."""
    model = request.getfixturevalue(kind)
    table = rows_of(model).frame[:5]
    names = [column.name for column in model.record.columns if hasattr(column, "scale")]
    wild = table.with_columns(pl.col(names).cast(pl.Float64) * 1e4)
    proba = model.predict_proba(wild)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-12)
    for i, expected in enumerate(proba):
        row = dict(zip(wild.columns, wild.row(i), strict=True))
        np.testing.assert_allclose(model.predict_proba(row), expected, atol=1e-12)
        assert model.predict(row) == model.predict(wild)[i]


def test_log_odds_beyond_a_double_are_refused(labelled):
    _, table = labelled
    oversized = oddsmith.train(table.with_columns(pl.col("x") / 1e90), "y", alpha=0.02)
    row = {"x": 1e308, "whole": 1, "flag": True, "level": "a"}
    with pytest.raises(InputError, match="the log-odds of this row are beyond the range of a double"):
        oversized.predict(row)
    with pytest.raises(InputError, match=r"^table: row 2, column '.*': the log-odds of this row are beyond"):
        oversized.predict(pl.DataFrame([{**row, "x": 0.0}, row]))


def test_a_table_of_no_rows_has_no_predictions(labelled):
    model, table = labelled
    empty = table.drop("y").clear()
    assert model.predict(empty).shape == (0,)
    assert model.predict_proba(empty).shape == (0, len(model.classes))
    assert model.explain(empty).contributions.shape == (0, 4)
    with pytest.raises(InputError):
        model.evaluate(table.clear())


def test_new_levels_are_reported_once_with_their_number(labelled):
    model, table = labelled
    new = table.with_columns(pl.lit("new").alias("level"))
    for verb in (model.predict, model.predict_proba, model.explain):
        with pytest.warns(
            DataWarning, match=f"'level': {N} rows have a level that training never saw"
        ) as caught:
            verb(new)
        assert len(caught) == 1
        assert caught[0].filename == __file__
    row = dict(zip(new.columns, new.row(0), strict=True))
    with pytest.warns(DataWarning, match="never saw: 'new'") as caught:
        model.predict(row)
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("ignore:these are the rows that the model was trained on")
def test_evaluation_is_that_of_the_scores(any_model, rows_of):
    rows = rows_of(any_model)
    record = any_model.record
    labels = rows.frame[record.target.name].to_list()
    y = np.array([record.target.classes.index(label) for label in labels])
    scores = any_model.score(rows)
    extra = {"thresholds": [0.2, 0.5], "cost": Cost(fn=5, fp=1)} if len(record.target.classes) == 2 else {}
    expected = evaluation(scores.log_odds, scores.log_proba, y, record.target.classes, n_bins=7, **extra)
    assert any_model.evaluate(rows, n_bins=7, **extra) == expected
    proba = any_model.predict_proba(rows)
    assert expected.log_loss == pytest.approx(-np.log(proba[np.arange(len(y)), y]).mean(), rel=1e-12)


def test_rows_without_a_label_are_left_out_of_an_evaluation(labelled):
    model, table = labelled
    gaps = pl.Series([i % 3 == 0 for i in range(N)])
    some = table.with_columns(pl.when(~gaps).then(pl.col("y")))
    found, notes = evaluate_pieces(model, OnePiece(as_table(some)))
    assert found == model.evaluate(table.filter(~gaps))
    assert notes == [f"left out, for want of a label: {gaps.sum()} rows."]


def test_labels_can_be_renamed_for_an_evaluation(labelled):
    model, table = labelled
    marked = table.with_columns(pl.col("y").cast(pl.String).str.to_titlecase() + "!")
    if model.classes.dtype.kind == "U":
        marked = marked.with_columns(pl.col("y").str.to_lowercase())
    with pytest.raises(InputError, match="is none of the model's classes"):
        model.evaluate(marked)
    assert model.evaluate(marked, map_label=["x!=x"]) == model.evaluate(table)


@pytest.mark.parametrize("verb", ["predict", "predict_proba", "explain"])
def test_what_a_row_or_table_lacks_is_named(labelled, verb):
    model, table = labelled
    with pytest.raises(InputError, match=r"^table: no column called 'whole', which the model needs."):
        getattr(model, verb)(table.drop("whole"))
    row = dict(zip(table.columns, table.row(0), strict=True))
    with pytest.raises(
        InputError,
        match=r"^the row has no 'whole', which the model needs\. Where a value is not known, give None\.$",
    ):
        getattr(model, verb)({name: cell for name, cell in row.items() if name != "whole"})
    with pytest.raises(InputError, match=r"no table that can be read"):
        getattr(model, verb)([1.0, 2.0])


def test_an_evaluation_needs_the_labels(labelled):
    model, table = labelled
    with pytest.raises(InputError, match=r"^table: no column called 'y', which holds the labels. Give rows"):
        model.evaluate(table.drop("y"))
    with pytest.raises(InputError, match=r"target 'y' has no label in any of 80 rows"):
        model.evaluate(table.with_columns(pl.lit(None, dtype=pl.String).alias("y")))


def test_a_label_column_called_by_a_number_is_no_position():
    """A model whose target is the column "2" must not take the second column of a table that lacks it."""
    rows = {"1": [1.0, 2.0, 3.0, 4.0, 5.0], "2": [0, 1, 0, 1, 1]}
    model = oddsmith.train(rows, "2", alpha=0.1)
    with pytest.raises(InputError, match="no column called '2', which holds the labels"):
        model.evaluate({"1": [1.0, 2.0], "other": [0, 1]})


def test_markers_of_a_column_called_by_a_number_stay_with_it():
    """With "2=0", zeros in the column "2" are missing, which is dropped: never zeros of the second column."""
    array = np.array([[0.0, 1.0, 0.0, 3.0], [1, 5, 0, 1], [0, 2, 1, 8], [1, 0, 5, 2], [1, 7, 1, 0]])
    model = oddsmith.train(pd.DataFrame(array), 0, missing=["2=0"], drop=["2"], alpha=0.1)
    assert model.terms == ("1", "3")
    np.testing.assert_array_equal(model.design.matrix(as_table(pd.DataFrame(array)))[0], array[:, [1, 3]])
    np.testing.assert_array_equal(model.design.vector({"1": 0.0, "3": 0.0}), [0.0, 0.0])


@pytest.mark.filterwarnings("ignore:these are the rows that the model was trained on")
def test_a_file_is_read_as_the_training_file_was(tmp_path):
    lines = [f"{x} ; {'yes' if e > 0 else 'no'}" for x, e in zip(X1, ETA, strict=True)]
    (tmp_path / "rows.txt").write_text("\n".join(lines))
    reading = oddsmith.Reading(delimiter=";", header=False, strip=True)
    model = oddsmith.train(tmp_path / "rows.txt", "-1", reading=reading)
    model.save(tmp_path / "model.json")
    again = oddsmith.load(tmp_path / "model.json")
    for verb in ("predict", "predict_proba"):
        expected = getattr(model, verb)({"column_1": X1})
        np.testing.assert_array_equal(getattr(again, verb)(tmp_path / "rows.txt"), expected)
    assert again.evaluate(str(tmp_path / "rows.txt")).n_rows == N
    assert again.explain(tmp_path / "rows.txt").log_odds.shape == (N,)


def test_a_model_says_what_it_is(any_model):
    text = repr(any_model)
    assert text.startswith("<oddsmith.Model of '")
    assert f"{len(any_model.classes)} classes" in text
    assert any_model.record.fit.status in text


def test_predicting_leaves_the_data_alone(labelled):
    model, table = labelled
    pandas = table.to_pandas()
    before = pandas.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(pandas)
        model.explain(pandas)
    pd.testing.assert_frame_equal(pandas, before)
