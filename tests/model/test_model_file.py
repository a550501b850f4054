"""The model file: what is loaded is what was saved, to the bit, or the file is refused."""

import base64
import json
import pickle
import re
import sys
from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oddsmith
from oddsmith.data.cells import MissingMarkers
from oddsmith.data.design import Design
from oddsmith.data.encoding import CategoricalColumn, Level, NumericColumn
from oddsmith.decision.choosing import analytic_policy, matrix_policy
from oddsmith.decision.costs import CostMatrix
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.fit.solvers import SOLVERS
from oddsmith.model import load
from oddsmith.model.afterwards import CHECKS_AFTERWARDS
from oddsmith.model.consistency import CHECKS, CHECKS_IF_NOT, CHECKS_IF_TRAINED_HERE
from oddsmith.model.golden import golden_rows, verify
from oddsmith.model.records import (
    Answer,
    CalibrationFigures,
    Equation,
    Golden,
    GoldenChange,
    ModelRecord,
    Setting,
    Solver,
)

from .forge import changed, leaves, objects, refusal, sealed, with_value, written

pytestmark = pytest.mark.slow


SHARES = {"calibrate": 0.2, "select": 0.0, "audit": 0.2}
BY_ROW = {"by": "rows", "key": ["flag", "x"], "shares": SHARES, "seed": 0, "group": None}
COUNTS = {"train": [5, 3], "calibrate": [1, 1], "select": [0, 0], "audit": [2, 1]}


def roles(class_counts=None, **changes):
    """What a model says of roles that has some."""
    return {"split": BY_ROW | changes, "class_counts": COUNTS | (class_counts or {})}


def by_time(audit, clock, calibrate=None):
    split = {"by": "time", "column": "x", "clock": clock, "starts": [calibrate, None, audit]}
    return {"split": split, "class_counts": COUNTS}


ROWS = {"role": None, "rows": 8, "class_counts": [5, 3], "digests": ["0" * 64]}
FIGURES = dict.fromkeys(field.name for field in msgspec.structs.fields(CalibrationFigures)) | {
    "log_loss": 0.5,
    "brier": 0.2,
    "smooth_ece": 0.1,
}
CANDIDATE = {"method": "platt", "log_loss": 0.5, "excess": 0.0, "standard_error": 0.0, "note": ""}
OF_THREE = {"method": "one-vs-rest", "maps": [{"method": "identity"}] * 3}
CONTRADICTING_ROWS = "$.calibration.rows, $.decision.rows or $.audit.rows contradict themselves, $.target"
POLICY = msgspec.to_builtins(analytic_policy(None, Cost(fn=120, fp=18))) | {"counts": [[3, 2], [0, 3]]}
OF_OTHERS = msgspec.to_builtins(matrix_policy(CostMatrix(["a", "b"], ["c", "d"], [[0, 1], [1, 0]])))


def calibration(**changes):
    """What a model says of its calibration: a map that nothing else in the file contradicts but its golden rows."""
    return {
        "maps": [{"method": "platt", "slope": 2.0, "intercept": 0.5}],
        "reason": "",
        "candidates": [],
        "folds": 0,
        "seed": 0,
        "rows": ROWS,
        "before": None,
        "after": None,
    } | changes


@pytest.fixture
def saved(any_model, tmp_path):
    """(path of a model file, its document)"""
    any_model.save(tmp_path / "model.json")
    return tmp_path / "model.json", json.loads((tmp_path / "model.json").read_text())


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(folder, bytes, document) of a small model with a column of each kind."""
    folder = tmp_path_factory.mktemp("small")
    rows = {
        "x": [0.5, 1.5, None, 2.0, 3.5, 1.0, 2.5, 0.1],
        "flag": [True, False, True, None, False, True, False, True],
        "level": ["a", "b", "a", "b", None, "a", "b", "a"],
        "y": ["no", "yes", "no", "yes", "yes", "no", "no", "no"],
        "name": ["Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hal"],
    }
    oddsmith.train(rows, "y", alpha=0.1, missing=["?", "x=-9"], missing_indicator=True).save(folder / "saved")
    content = (folder / "saved").read_bytes()
    return folder, content, json.loads(content)


def test_what_is_loaded_is_what_was_saved(any_model, saved, rows_of, tmp_path):
    loaded = load(saved[0])
    assert loaded.record == any_model.record
    np.testing.assert_array_equal(loaded.coef, any_model.coef, strict=True)
    np.testing.assert_array_equal(loaded.intercept, any_model.intercept, strict=True)
    rows = rows_of(any_model)
    np.testing.assert_array_equal(loaded.predict_proba(rows), any_model.predict_proba(rows), strict=True)
    np.testing.assert_array_equal(loaded.predict(rows), any_model.predict(rows), strict=True)
    row = dict(zip(rows.frame.columns, rows.frame.row(5), strict=True))
    np.testing.assert_array_equal(loaded.predict_proba(row), any_model.predict_proba(row), strict=True)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == saved[0].read_bytes()


def test_the_file_is_text_that_people_and_tools_read(any_model, saved):
    path, document = saved
    text = path.read_text("utf-8")
    assert text.endswith("}\n")
    assert max(map(len, text.splitlines())) < 300
    fields = [field.name for field in msgspec.structs.fields(ModelRecord)]
    assert list(document) == fields
    assert document == msgspec.to_builtins(any_model.record)


def test_the_same_rows_give_the_same_bytes(requests_csv, tmp_path):
    for name in ("first", "second"):
        oddsmith.train(requests_csv, "needs_review", alpha=0.01).save(tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_change_of_any_number_is_refused(small):
    folder, _, document = small
    for path, value in leaves(document):
        if isinstance(value, int | float) and not isinstance(value, bool):
            for other in (value + 1, -value - 1, float(np.nextafter(value, np.inf))):
                assert refusal(written(folder / "forged", with_value(document, path, other))), path


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_change_of_any_byte_is_refused_unless_it_says_the_same(small, data):
    folder, content, document = small
    position = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.sampled_from(b'0123456789eE.+-"{}[],:\\ aZ\n\x00\xff') | st.integers(0, 255))
    forged = content[:position] + bytes([byte]) + content[position + 1 :]
    try:
        same = json.loads(forged) == document
    except ValueError:
        same = False
    path = written(folder / "forged", forged)
    if same:
        assert load(path)
    else:
        assert refusal(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_cut_short_is_refused(small, data):
    folder, content, _ = small
    length = data.draw(st.integers(0, len(content) - 3))
    sentence = refusal(written(folder / "forged", content[:length]))
    assert "truncated" in sentence or "is empty" in sentence


def test_a_key_that_is_taken_away_or_added_is_refused_even_with_a_new_digest(small):
    folder, _, document = small
    for path, found in objects(document):
        for key in found:
            forged = changed(document, f"{path}.{key}", lambda parent, name: parent.pop(name))
            assert refusal(written(folder / "forged", forged)), (path, key)
            if (path, key) not in {("$", "digest"), ("$.columns[2].levels[0]", "level")}:
                assert refusal(written(folder / "forged", sealed(forged))), (path, key)
        if found:
            last = f"{path}.{list(found)[-1]}"
            forged = changed(document, last, lambda parent, name: parent.update(unknown=1))
            assert refusal(written(folder / "forged", forged)), path
            if path != "$.fit.settings":
                assert refusal(written(folder / "forged", sealed(forged))), path


# Here texts and numbers both have their place, so that only the digest, or another sentence, tells.
BOUND_BY_DIGEST = (
    "$.format",
    "$.version",
    "$.id",
    "$.weight",
    "$.offset",
    "$.reading",
    "$.columns[2].reference",
    "$.columns[2].levels",
    "$.columns[0].type",
    "$.columns[1].type",
    "$.columns[2].type",
    "$.fit.settings",
    "$.fit.status",
    "$.fit.penalty.selection",
    "$.multi_class",
    "$.target.label_type",
    "$.training.digests",
    "$.training.roles",
    "$.calibration",
    "$.decision",
    "$.audit",
    "$.golden.row",
    "$.digest",
)


def test_a_value_of_another_type_is_refused_with_its_path(small):
    folder, _, document = small
    for path, value in leaves(document):
        for other in ({}, [], "text" if not isinstance(value, str) else 17):
            forged = with_value(document, path, other)
            sentence = refusal(written(folder / "forged", forged))
            if path.startswith(BOUND_BY_DIGEST) or path.endswith((".cell", ".action")):
                continue
            place = re.sub(r"\.(coef|proba)\..*", r".\1[...]", path)
            assert sentence.startswith("not a sound model file: Expected"), (path, other)
            assert sentence.endswith(f" - at `{place}`."), (path, other)


LARGER = lambda parent, key: parent.__setitem__(key, parent[key] + 2e-12 * max(1.0, abs(parent[key])))  # noqa: E731
SMALLER = lambda parent, key: parent.__setitem__(key, parent[key] - 4e-13 * max(1.0, abs(parent[key])))  # noqa: E731


def test_golden_rows_bind_to_twelve_digits_even_with_a_new_digest(saved):
    path, document = saved
    places = [
        place
        for place, value in leaves(document["golden"], "$.golden")
        if ".answer." in place and value is not None
    ]
    figures = len(document["equations"]) + len(document["target"]["classes"])
    assert len(places) == figures * (1 + len(document["golden"]["changes"]))
    for place in places:
        sentence = refusal(written(path, sealed(changed(document, place, LARGER))))
        assert sentence.startswith("the golden row")
        assert sentence.endswith("The file was changed after training, or damaged; train the model again.")
        load(written(path, sealed(changed(document, place, SMALLER))))


def test_every_coefficient_is_bound_by_a_golden_row(saved):
    """A coefficient that is changed by 1e-9 of itself, and the digest with it, is found out."""
    path, document = saved
    for k, equation in enumerate(document["equations"]):
        for name, value in [("intercept", equation["intercept"]), *equation["coef"].items()]:
            forged = json.loads(json.dumps(document))
            where = forged["equations"][k] if name == "intercept" else forged["equations"][k]["coef"]
            where[name] = value * (1 + 1e-9)
            # The cell that moves this term may be small: then its log-odds hardly show the change.
            term = [column for column in document["columns"] if column["name"] == name]
            reach = abs(value) * (term[0]["scale"] + abs(term[0]["mean"]) if term else 1.0)
            if reach > 0.1:
                said = refusal(written(path, sealed(forged)))
                assert "golden row" in said or "intercept and average do not fit" in said, name


def test_golden_rows_are_what_they_say(any_model):
    """Against a sum in plain Python over the words of the record."""
    record = any_model.record
    means = {column.name: column for column in record.columns}
    assert list(record.golden.row) == list(means)
    row = dict(record.golden.row)
    seen = []
    for k, equation in enumerate(record.equations):

        def log_odds(cells, equation=equation):
            total = equation.intercept
            for name, cell in cells.items():
                column = means[name]
                if hasattr(column, "levels"):
                    label = f"{name}={'(missing)' if cell is None else cell}"
                    total += equation.coef.get(label, 0.0)
                    continue
                total += equation.coef[name] * (column.mean if cell is None else float(cell))
                if cell is None and getattr(column, "indicator", None) is not None:
                    total += equation.coef[f"{name} is missing"]
            return total

        assert record.golden.answer.log_odds[k] == pytest.approx(log_odds(row), rel=1e-10, abs=1e-10)
        for change in record.golden.changes:
            expected = log_odds({**row, change.column: change.cell})
            assert change.answer.log_odds[k] == pytest.approx(expected, rel=1e-10, abs=1e-10)
            seen.append((change.column, change.cell))
    expected_changes = []
    for column in record.columns:
        if hasattr(column, "levels"):
            expected_changes += [(column.name, item.level) for item in column.levels]
        elif column.name == "privileged":
            expected_changes += [(column.name, False), (column.name, True)]
        else:
            expected_changes.append((column.name, column.mean + column.scale))
            if column.indicator is not None:
                expected_changes.append((column.name, None))
    assert seen == expected_changes * len(record.equations)
    made_anew = golden_rows(any_model.design, record.equations, record.target.classes, record.multi_class)
    assert made_anew == record.golden


def test_golden_rows_state_what_is_predicted(any_model):
    """By the two ways of predicting: one row alone, and a table."""
    golden = any_model.record.golden
    changes = [({}, golden.answer), *(({item.column: item.cell}, item.answer) for item in golden.changes)]
    for change, answer in changes:
        row = {**golden.row, **change}
        assert list(answer.proba) == any_model.record.target.classes
        expected = list(answer.proba.values())
        np.testing.assert_allclose(any_model.log_odds_of(row), answer.log_odds, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(any_model.predict_proba(row), expected, rtol=1e-10)
        table = {name: [cell] for name, cell in row.items()}
        np.testing.assert_allclose(any_model.predict_proba(table)[0], expected, rtol=1e-10)


def test_the_order_of_coefficients_is_part_of_the_file(saved):
    """Keys of a JSON object have no order for the digest; the design matrix has one."""
    path, document = saved
    coef = document["equations"][-1]["coef"]
    document["equations"][-1]["coef"] = dict(reversed(coef.items()))
    assert (
        refusal(written(path, document)) == f"$.equations have a coef that does not fit $.columns.{CHANGED}"
    )


CHANGED = " The file was changed after training, or damaged; train the model again."
ROLES = (
    "one column has two roles in $.columns, $.target.columns, $.weight, $.offset, $.left_out and $.dropped."
)
CONTRADICTIONS = [
    ("$.target.classes", ["no", "no"], "$.target.classes names one class twice."),
    ("$.target.classes", ["no", "yes", "?"], "$.multi_class does not fit the number of $.target.classes."),
    ("$.target.classes", ["yes", "no"], "$.equations do not fit $.target.classes."),
    (
        "$.target.classes",
        ["maybe", "yes"],
        "$.golden states probabilities of other classes than $.target.cla",
    ),
    ("$.target.classes", ["yes"], "not a sound model file: Expected `array` of length >= 2 - at `$.target"),
    ("$.target.label_type", "integer", "$.target.label_type does not fit $.target.classes."),
    ("$.target.label_type", "boolean", "$.target.label_type does not fit $.target.classes."),
    ("$.target.name", "z", "$.target.name does not speak of $.target.columns."),
    ("$.target.columns", [], "$.target.name does not speak of $.target.columns."),
    ("$.target.columns", ["x"], "$.target.name does not speak of $.target.columns."),
    ("$.target.map_label", ["yup=yep"], "$.target.map_label leads to none of $.target.classes."),
    ("$.target.map_label", ["x.=x!"], "$.target.map_label leads to none of $.target.classes."),
    ("$.target.map_label", ["yes"], "$.target.map_label leads to none of $.target.classes."),
    ("$.multi_class", "ovr", "$.equations do not fit $.target.classes."),
    ("$.multi_class", "softmax", "$.multi_class does not fit the number of $.target.classes."),
    ("$.multi_class", "probit", "not a sound model file: Invalid enum value 'probit' - at `$.multi_class`"),
    ("$.id", "x", "$.id has another role as well."),
    ("$.id", "y", "$.id has another role as well."),
    ("$.weight", "y", ROLES),
    ("$.weight", "flag", ROLES),
    ("$.offset", "flag", ROLES),
    ("$.offset", "z", "$.golden.row does not fit $.columns."),
    ("$.dropped", ["level"], ROLES),
    ("$.dropped", ["name"], ROLES),
    ("$.left_out[0].column", "y", ROLES),
    (
        "$.missing.columns[0].column",
        "z",
        "$.missing.columns names a column twice, or one that is in no other",
    ),
    (
        "$.missing.everywhere",
        ["?", "NA"],
        "$.missing has markers that are not sorted, that stand twice, or th",
    ),
    (
        "$.missing.everywhere",
        ["?", "?"],
        "$.missing has markers that are not sorted, that stand twice, or tha",
    ),
    ("$.left_out[0].column", "nome", "$.left_out has a reason that does not begin with the column's name."),
    ("$.missing.columns[0].tokens", ["0"], "$.golden.changes does not fit $.columns."),
    ("$.missing.everywhere", ["!"], "$.golden.changes does not fit $.columns."),
    ("$.missing.everywhere", ["?", "a"], "$.golden.changes does not fit $.columns."),
    ("$.equations", [], "not a sound model file: Expected `array` of length >= 1 - at `$.equations`."),
    ("$.equations[0].label", "maybe", "$.equations do not fit $.target.classes."),
    ("$.equations[0].coef", {"x": 1.0}, "$.equations have a coef that does not fit $.columns."),
    ("$.equations[0].intercept", 1e308, "$.equations: intercept and average do not fit each other."),
    ("$.equations[0].intercept", -0.25, "$.equations: intercept and average do not fit each other."),
    ("$.columns", [], "$.missing.columns names a column twice, or one that is in no other record."),
    ("$.columns[1].name", "x", ROLES),
    ("$.columns[1].name", "x is missing", "two terms of $.columns would be called the same."),
    ("$.columns[1].name", "z", "$.equations have a coef that does not fit $.columns."),
    (
        "$.columns[0].type",
        "spline",
        "not a sound model file: Invalid value 'spline' - at `$.columns[0].type`.",
    ),
    ("$.columns[0].scale", 0.0, "$.columns has a scale that is not positive."),
    (
        "$.columns[0].indicator.scale",
        0.5,
        "$.columns has an indicator whose mean and scale do not fit each ot",
    ),
    (
        "$.columns[0].indicator.mean",
        0.5,
        "$.columns has an indicator whose mean and scale do not fit each ot",
    ),
    ("$.columns[1].scale", 0.75, "$.columns has a boolean whose mean and scale do not fit each other."),
    ("$.columns[1].mean", 1.5, "$.columns has a boolean whose mean and scale do not fit each other."),
    (
        "$.columns[2].levels[0].scale",
        0.25,
        "$.columns has a level whose mean and scale do not fit each other",
    ),
    (
        "$.columns[2].levels[0].mean",
        0.25,
        "$.columns has a level whose mean and scale do not fit each other.",
    ),
    (
        "$.columns[2].levels[0].level",
        "a",
        "$.columns has a category whose reference is not its most frequent",
    ),
    (
        "$.columns[2].reference",
        "b",
        "$.columns has a category whose reference is not its most frequent level.",
    ),
    ("$.columns[2].reference", "c", "$.golden.row does not fit $.columns."),
    ("$.golden.row", {}, "$.golden.row does not fit $.columns."),
    ("$.golden.row.x", "high", "$.golden.row does not fit $.columns."),
    ("$.golden.changes", [], "$.golden.changes does not fit $.columns."),
    ("$.golden.changes[0].column", "z", "$.golden.changes does not fit $.columns."),
    ("$.golden.changes[0].cell", 0.0, "$.golden.changes does not fit $.columns."),
    ("$.golden.answer.log_odds", [], "the golden row gives log-odds "),
    ("$.golden.answer.proba", {}, "$.golden states probabilities of other classes than $.target.classes."),
    ("$.golden.answer.proba.yes", 0.5, "the golden row gives probabilities "),
    ("$.golden.changes[2].answer.proba.no", 0.5, "the golden row with 'flag' changed gives probabilities "),
    ("$.fit.solver", "adam", "not a sound model file: Invalid enum value 'adam' - at `$.fit.solver`."),
    ("$.fit.solver", "unknown", "$.fit and $.training state figures of an unknown solver."),
    (
        "$.fit.settings",
        {"momentum": 0.5},
        "not a sound model file: Invalid enum value 'momentum' - at `key` i",
    ),
    (
        "$.fit.settings",
        {"epochs": 0},
        "not a sound model file: Expected `int` >= 1 - at `$.fit.settings[...]",
    ),
    ("$.fit.settings", {"max_iter": 1}, "$.fit.iterations are more than $.fit.settings allow."),
    ("$.fit.penalty.alpha", -0.5, "not a sound model file: Expected `float` >= 0.0 - at `$.fit.penalty"),
    ("$.fit.penalty.alpha", 0.2, "$.fit.loss_history does not end at the mean loss plus the penalty."),
    ("$.fit.penalty.standardize", False, "$.fit.loss_history does not end at the mean loss plus the penalty"),
    ("$.fit.status", "no_finite_optimum", "$.fit.status: with a penalty there is a finite optimum."),
    ("$.fit.status", "iteration_limit", "$.fit.message does not say what $.fit.status says."),
    ("$.fit.message", "perfect", "$.fit.message does not say what $.fit.status says."),
    ("$.fit.iterations", 99, "$.fit.loss_history does not go from 0 up to $.fit.iterations."),
    ("$.fit.tolerance", 0.0, "$.fit.newton_decrement is too large for a fit that converged."),
    ("$.fit.newton_decrement[0]", 1e-5, "$.fit.newton_decrement is too large for a fit that converged."),
    ("$.fit.newton_decrement", [], "$.fit has figures of another number of problems than $.multi_class."),
    ("$.fit.mean_loss", [0.1, 0.1], "$.fit has figures of another number of problems than $.multi_class."),
    ("$.fit.mean_loss[0]", 0.5, "$.fit.loss_history does not end at the mean loss plus the penalty."),
    (
        "$.fit.not_estimable",
        ["x"],
        "$.fit.not_estimable names a term that has a coefficient, or none of $.co",
    ),
    (
        "$.fit.not_estimable",
        ["z"],
        "$.fit.not_estimable names a term that has a coefficient, or none of $.co",
    ),
    (
        "$.fit.penalty.selection",
        {
            "rule": "bic",
            "folds": 0,
            "candidates": [
                {"alpha": 2.0, "nonzero": 1, "mean_loss": 0.1, "deviance": None, "standard_error": None}
            ],
        },
        "$.fit.penalty.alpha is not the candidate that $.fit.penalty.selection chooses.",
    ),
    ("$.fit.loss_history", [], "$.fit.loss_history does not go from 0 up to $.fit.iterations."),
    ("$.fit.loss_history[1].iteration", 0, "$.fit.loss_history does not go from 0 up to $.fit.iterations."),
    (
        "$.fit.loss_history[1].objective",
        [],
        "$.fit has figures of another number of problems than $.multi_cl",
    ),
    ("$.fit.loss_history[0].objective[0]", 0.7, "$.fit.loss_history does not begin at the loss of even odds"),
    ("$.training.rows", -1, "not a sound model file: Expected `int` >= 0 - at `$.training.rows`."),
    (
        "$.training.rows",
        9,
        "$.training.class_counts do not add up to $.training.rows, or a class has no row.",
    ),
    (
        "$.training.class_counts",
        [4],
        "$.training has figures of another number of classes than $.target.clas",
    ),
    ("$.training.class_counts", [8, 0], "$.training.class_counts do not add up to $.training.rows, or a cla"),
    (
        "$.training.class_counts[0]",
        6,
        "$.training.class_counts do not add up to $.training.rows, or a class ",
    ),
    (
        "$.training.class_weights",
        [3.0, 5.0],
        "$.training.class_weights and $.training.class_counts are in differ",
    ),
    ("$.training.class_weights", [0.0, 0.0], "$.training.class_weights do not add up to a positive number."),
    ("$.training.class_weights[0]", 6.0, "$.training.null_loss is not the loss of a fit without columns."),
    ("$.training.null_loss", 0.5, "$.training.null_loss is not the loss of a fit without columns."),
    ("$.training.digests", ["abc"], "$.training.digests has an entry that is no SHA-256."),
    ("$.training.roles", roles(key=[]), "$.training.roles.split tells no rows apart."),
    ("$.training.roles", roles(key=["x", "flag"]), "$.training.roles.split tells no rows apart."),
    (
        "$.training.roles",
        roles(shares=SHARES | {"audit": 0.9}),
        "$.training.roles.split tells no rows apart.",
    ),
    ("$.training.roles", roles(seed=-1), "$.training.roles.split tells no rows apart."),
    ("$.training.roles", by_time("2024-13-01", "date"), "$.training.roles.split tells no rows apart."),
    ("$.training.roles", by_time("nan", "number"), "$.training.roles.split tells no rows apart."),
    ("$.training.roles", by_time("1.0", "number", "2.0"), "$.training.roles.split tells no rows apart."),
    ("$.training.roles", roles(key=["x", "y"]), "$.training.roles.split reads the target or the weight."),
    ("$.training.roles", roles(group="y"), "$.training.roles.split reads the target or the weight."),
    (
        "$.training.roles",
        roles({"train": [4, 4]}),
        "$.training.roles.class_counts are not those of each role",
    ),
    ("$.training.roles", roles({"audit": [1]}), "$.training.roles.class_counts are not those of each role"),
    (
        "$.training.roles",
        {"split": BY_ROW, "class_counts": {"train": [5, 3]}},
        "$.training.roles.class_counts are not those of each role and class.",
    ),
    ("$.calibration", calibration(maps=[OF_THREE]), "$.calibration.maps are not of as many classes as"),
    (
        "$.calibration",
        calibration(maps=[{"method": "prior-shift", "before": 0.5, "after": 0.1}]),
        "$.calibration.maps are not of as many classes as $.target.classes.",
    ),
    (
        "$.calibration",
        calibration(maps=[{"method": "platt", "slope": -1.0, "intercept": 0.0}]),
        "not a sound model file: platt map: slope -1.0 is not a positive number.",
    ),
    ("$.calibration", calibration(), "the golden row gives probabilities"),
    (
        "$.calibration",
        calibration(candidates=[CANDIDATE | {"method": "beta"}]),
        "$.calibration.candidates do not name the map that was taken, or one of them twice.",
    ),
    (
        "$.calibration",
        calibration(candidates=[CANDIDATE, CANDIDATE]),
        "$.calibration.candidates do not name the map that was taken, or one of them twice.",
    ),
    ("$.calibration", calibration(folds=2), "$.calibration.before is beside no folds."),
    (
        "$.calibration",
        calibration(folds=2, before=FIGURES),
        "$.calibration has figures before it or after it, and not both.",
    ),
    ("$.calibration", calibration(rows=ROWS | {"rows": 7}), CONTRADICTING_ROWS),
    ("$.calibration", calibration(rows=ROWS | {"role": "calibrate"}), CONTRADICTING_ROWS),
    ("$.calibration", calibration(rows=ROWS | {"digests": ["abc"]}), CONTRADICTING_ROWS),
    ("$.decision", {"policy": POLICY, "rows": ROWS | {"class_counts": [5]}}, CONTRADICTING_ROWS),
    (
        "$.decision",
        {"policy": POLICY | {"thresholds": [0.0], "probabilities": [0.5]}, "rows": ROWS},
        "not a sound model file: policy: the thresholds are not those of its costs.",
    ),
    ("$.decision", {"policy": OF_OTHERS, "rows": None}, "$.decision.policy is of other classes than"),
    (
        "$.decision",
        {"policy": POLICY, "rows": None},
        "$.decision.policy.counts are not those of $.decision.rows.",
    ),
    (
        "$.decision",
        {"policy": POLICY, "rows": ROWS},
        "the golden rows state other actions than $.decision.policy t",
    ),
    (
        "$.decision",
        {"policy": POLICY | {"counts": [[3, 2], [0, 2]]}, "rows": ROWS},
        "$.decision.policy.counts are not those of $.decision.rows.",
    ),
    (
        "$.audit",
        {"verdict": "PASS", "found": {}, "rows": ROWS},
        "$.audit.verdict is not that of $.audit.found.",
    ),
    (
        "$.audit",
        {"verdict": "PASS", "found": {"verdict": "PASS"}, "rows": ROWS | {"role": "audit"}},
        CONTRADICTING_ROWS,
    ),
    ("$.reading", {"delimiter": ";"}, "$.reading lacks keys, or has keys that are not known."),
]


@pytest.mark.parametrize(("path", "value", "sentence"), CONTRADICTIONS)
def test_contradictions_are_refused_even_with_a_new_digest(small, path, value, sentence):
    folder, _, document = small
    assert refusal(written(folder / "forged", sealed(with_value(document, path, value)))).startswith(sentence)


@pytest.mark.parametrize(
    "stated", [roles(), roles(group="x"), by_time("2024-05-31", "date"), by_time("2.0", "number", "1.0")]
)
def test_roles_that_contradict_nothing_are_read(small, stated):
    folder, _, document = small
    path = written(folder / "forged", sealed(with_value(document, "$.training.roles", stated)))
    assert msgspec.to_builtins(load(path).record.training.roles, str_keys=True) == stated | {
        "split": {
            **stated["split"],
            **{k: tuple(v) for k, v in stated["split"].items() if isinstance(v, list)},
        }
    }


def test_roles_that_leave_something_unsaid_are_refused(small):
    folder, _, document = small
    stated = roles()
    for kept in (stated["split"], stated["split"]["shares"]):
        for key in list(kept):
            left = {name: value for name, value in kept.items() if name != key}
            split = left if kept is stated["split"] else stated["split"] | {"shares": left}
            forged = sealed(with_value(document, "$.training.roles", stated | {"split": split}))
            assert refusal(written(folder / "forged", forged)), key


def test_the_solvers_of_a_file_are_those_of_the_table():
    assert {*get_args(Solver)} == {*SOLVERS, "unknown"}
    named = {name for row in SOLVERS.values() for name in (*row.settings, row.limit)}
    assert {*get_args(Setting)} == named


def test_every_check_is_met_by_a_contradiction():
    """A check that nothing here trips might as well not be there."""
    sentences = [sentence for _, _, sentence in CONTRADICTIONS]
    for _, fault in (*CHECKS, *CHECKS_IF_TRAINED_HERE, *CHECKS_IF_NOT, *CHECKS_AFTERWARDS):
        assert any(fault.startswith(sentence.rstrip(".")) for sentence in sentences), fault


def test_golden_rows_that_cannot_be_computed_are_refused():
    markers = MissingMarkers.from_options(["b"], [])
    for column, coef, fault in (
        (NumericColumn("x", 0.0, 1e10), {"x": 1e300}, "gives log-odds beyond the range of a double."),
        (
            CategoricalColumn("x", "a", [Level("b", 0.5, 0.5)]),
            {"x=b": 1.0},
            "cannot be read: 'x' has a level that training never saw: an empty cell. It counts as",
        ),
    ):
        cells = (0.0, 1e10) if isinstance(column, NumericColumn) else ("a", "b")
        answer = Answer([0.0], {"no": 0.5, "yes": 0.5}, None)
        changes = [GoldenChange("x", cells[1], answer)]
        if isinstance(column, NumericColumn):
            changes.append(GoldenChange("x", "b", answer))
        with pytest.raises(InputError) as caught:
            verify(
                Golden({"x": cells[0]}, answer, changes),
                Design([column], markers),
                [Equation("yes", 0.0, 0.0, coef)],
                ["no", "yes"],
                "binary",
                "m.json",
            )
        assert str(caught.value).startswith(f"m.json: $.golden {fault}")


CODE = [
    "__import__('os').system('touch harmed')",
    "!!python/object/apply:os.system ['touch harmed']",
    base64.b64encode(pickle.dumps(print)).decode(),
    "${jndi:ldap://127.0.0.1/a}",
    "<script>alert(1)</script>",
    "{{7*7}} %(x)s {0.__class__}",
    "'; DROP TABLE models; --",
    "../../../../etc/passwd",
    "\x1b]0;title\x07\x1b[2J",
]


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    """Names and labels that look like code stay names and labels, and loading them runs and imports nothing."""
    monkeypatch.chdir(tmp_path)
    n = 4 * len(CODE)
    rows = {
        CODE[0]: [float((7 * i) % 11) for i in range(n)],
        CODE[1]: [CODE[i % 5] for i in range(n)],
        CODE[3]: [CODE[(i + i // 7) % len(CODE)] for i in range(n)],
    }
    trained = oddsmith.train(rows, CODE[3], alpha=1.0)
    trained.save("model.json")
    load("model.json")
    forbidden = {"import", "exec", "compile", "os.system", "os.exec", "subprocess.Popen", "pickle.find_class"}
    seen, listening = [], True

    def hook(event, _):
        if listening:
            seen.append(event)

    sys.addaudithook(hook)
    try:
        loaded = load("model.json")
    finally:
        listening = False
    assert "open" in seen
    assert not forbidden & set(seen)
    assert loaded.record == trained.record
    assert sorted(loaded.record.target.classes) == sorted(CODE)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_actions_are_bound_by_golden_rows(binary, tmp_path):
    """Actions that were swapped, thresholds that were given otherwise: a new digest does not make them the model's."""
    oddsmith.decide(binary, threshold=0.3).save(tmp_path / "m.json")
    document = json.loads((tmp_path / "m.json").read_text())
    assert document["golden"]["answer"]["action"] in ("auto", "review")
    policy = document["decision"]["policy"]
    for forged_policy in (
        policy | {"actions": ["review", "auto"]},
        policy | {"thresholds": [9.0], "probabilities": [1 / (1 + np.exp(-9.0))]},
    ):
        forged = sealed(with_value(document, "$.decision.policy", forged_policy))
        assert "state other actions" in refusal(written(tmp_path / "forged", forged))
