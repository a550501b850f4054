"""From a notebook's fit to a file that others predict with: the same bits."""

import csv
import subprocess
import sys

import msgspec
import numpy as np
import pandas as pd
import pytest

import oddsmith
from oddsmith import FitWarning, InputError, LogisticRegression

from .data import BINARY, NAMES, TARGETS, THREE, WEIGHT, X

FRAME = pd.DataFrame(X, columns=NAMES)
NOTEBOOK = """
import numpy as np
import pandas as pd
from oddsmith import LogisticRegression

rows = pd.read_csv("rows.csv", float_precision="round_trip")
labels = pd.read_csv("labels.csv")
for name, estimator in {
    "verdict": LogisticRegression(alpha=0.01, standardize=True),
    "softmax": LogisticRegression(),
    "ovr": LogisticRegression(multi_class="ovr", alpha=0.001, fit_intercept=False),
}.items():
    estimator.fit(rows, labels[name]).to_model(target_name=name).save(f"{name}.json")
    np.save(f"{name}.npy", estimator.predict_proba(rows))
"""


def run(folder, *arguments):
    found = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.slow
def test_a_notebooks_fits_ship_with_their_bits(tmp_path):
    labels = {"verdict": np.where(BINARY, "yes", "no"), "softmax": THREE, "ovr": THREE}
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    pd.DataFrame(labels).to_csv(tmp_path / "labels.csv", index=False)
    (tmp_path / "notebook.py").write_text(NOTEBOOK)
    run(tmp_path, "notebook.py")
    for name, given in labels.items():
        text = run(tmp_path, "-m", "oddsmith", "predict", f"{name}.json", "rows.csv", "--proba", "-q")
        table = list(csv.DictReader(text.splitlines()))
        expected = np.load(tmp_path / f"{name}.npy")
        classes = sorted(set(given.tolist()))
        found = np.array([[float(row[f"proba_{label}"]) for label in classes] for row in table])
        assert found.tobytes() == expected.tobytes()
        assert [row[name] for row in table] == [str(classes[k]) for k in expected.argmax(axis=1)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alpha": 0.1, "standardize": True},
        {"alpha": 0.1},
        {"multi_class": "ovr"},
        {"fit_intercept": False},
        {"class_weight": "balanced"},
        {"tol": 1e-4, "max_iter": 4},
        {"tol": 1e-40},
        {"max_iter": 2},
        {"solver": "gradient-descent", "max_iter": 30},
        {"solver": "mini-batch", "max_iter": 3, "standardize": True, "random_state": 7},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::oddsmith.errors.FitWarning")
def test_every_kind_of_fit_is_a_sound_model_file(tmp_path, options, target):
    """Far from zero as well, where an intercept alone would lose the digits."""
    rows = FRAME.assign(salary=FRAME["salary"] + 1e7)
    estimator = LogisticRegression(**options).fit(rows, TARGETS[target], sample_weight=WEIGHT)
    model = estimator.to_model()
    model.save(tmp_path / "model.json")
    loaded = oddsmith.load(tmp_path / "model.json")
    assert loaded.record == model.record
    np.testing.assert_array_equal(loaded.predict_proba(rows), estimator.predict_proba(rows))
    np.testing.assert_array_equal(loaded.predict(rows), estimator.predict(rows))
    record = loaded.record
    assert record.fit.status == estimator.status_
    assert record.fit.message == estimator.message_
    assert record.fit.newton_decrement == estimator.newton_decrement_.tolist()
    assert record.fit.iterations == estimator.n_iter_[0]
    assert record.fit.tolerance == estimator.tol
    assert record.fit.penalty.alpha == estimator.alpha
    assert record.fit.penalty.standardize is estimator.standardize
    assert record.fit.seed == options.get("random_state", 0)
    assert record.training.rows == len(X)
    if "class_weight" not in options:
        assert sum(record.training.class_weights) == pytest.approx(WEIGHT.sum(), rel=1e-12)


@pytest.mark.parametrize("solver", ["auto", "sketched-newton", "proximal-newton", "lbfgs"])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(10_000, 79), (20_000, 40), (400, 2)])
def test_a_fit_that_is_at_its_optimum_at_once_ships_all_the_same(tmp_path, shape, alpha, solver):
    rows = np.random.default_rng(0).normal(size=shape)
    told = (rows[:, 0] + np.random.default_rng(1).logistic(size=len(rows)) > 0).astype(int)
    if len(rows) == 400:  # nothing is told: the optimum is where every solver begins
        rows, told = np.repeat(np.sign(rows[:200]), 2, axis=0), np.tile([0, 1], 200)
    fitted = LogisticRegression(alpha=alpha, solver=solver).fit(rows, told)
    fitted.to_model().save(tmp_path / "m.json")
    frame = pd.DataFrame(rows[:50], columns=[f"x{j}" for j in range(shape[1])])
    found = oddsmith.load(tmp_path / "m.json").predict_proba(frame)
    assert found.tolist() == fitted.predict_proba(rows[:50]).tolist()


def test_a_fit_without_an_optimum_ships_with_its_verdict(tmp_path):
    x = pd.DataFrame({"x": np.arange(20.0), "noise": np.cos(np.arange(20.0))})
    with pytest.warns(FitWarning):
        estimator = LogisticRegression().fit(x, x["x"] > 7)
    estimator.to_model().save(tmp_path / "model.json")
    assert oddsmith.load(tmp_path / "model.json").record.fit.status == "no_finite_optimum"


def test_terms_that_others_explain_are_named_in_the_file():
    estimator = LogisticRegression().fit(FRAME.assign(twice=FRAME["x"] * 2.0, one=1.0), BINARY)
    assert estimator.to_model().record.fit.not_estimable == ["twice", "one"]
    without = LogisticRegression(fit_intercept=False).fit(FRAME, BINARY).to_model().record
    assert without.fit.not_estimable == []
    assert without.equations[0].intercept == 0.0


@pytest.mark.parametrize(
    ("y", "classes", "label_type", "labels"),
    [
        (BINARY, ["0", "1"], "integer", [0, 1]),
        (BINARY - 5, ["-5", "-4"], "integer", [-5, -4]),
        (BINARY * 1.0, ["0", "1"], "integer", [0, 1]),
        (BINARY > 0, ["False", "True"], "boolean", [False, True]),
        (np.where(BINARY, "yes", "no"), ["no", "yes"], "text", ["no", "yes"]),
    ],
    ids=["integers", "negative", "whole floats", "booleans", "text"],
)
def test_labels_become_what_a_file_shows(y, classes, label_type, labels):
    model = LogisticRegression().fit(X, y).to_model()
    assert model.record.target.classes == classes
    assert model.record.target.label_type == label_type
    assert set(model.predict(pd.DataFrame(X, columns=model.terms)).tolist()) == set(labels)


def test_names_of_columns_classes_and_target():
    model = LogisticRegression().fit(X, BINARY).to_model(NAMES, ["no", "yes"], target_name="late")
    assert model.terms == tuple(NAMES)
    assert model.record.target.name == "late"
    assert model.classes.tolist() == ["no", "yes"]
    assert model.record.equations[0].label == "yes"
    assert [column.scale for column in model.record.columns] == pytest.approx(
        X.std(axis=0).tolist(), rel=1e-12
    )
    bare = LogisticRegression().fit(X, BINARY).to_model()
    assert bare.terms == ("x0", "x1", "x2", "x3")
    evaluation = model.evaluate(FRAME.assign(late=np.where(BINARY, "yes", "no")))
    assert evaluation.n_rows == len(X)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"feature_names": NAMES[:3]}, "feature_names: 3 names, where 4 are needed."),
        ({"feature_names": ["a", "b", "a", "c"]}, "feature_names: 'a' is there twice."),
        ({"feature_names": "abcd"}, "feature_names is one text. Give a list of names."),
        ({"class_names": ["a"]}, "class_names: 1 name, where 2 are needed."),
        ({"class_names": ["a", "a"]}, "class_names: 'a' is there twice."),
        ({"class_names": "ab"}, "class_names is one text."),
        ({"feature_names": ["a", "b", " ", "c"]}, "feature_names: ' ' is no name that a file can hold."),
        (
            {"feature_names": ["a", "b", "\ud800", "c"]},
            r"feature_names: '\ud800' is no name that a file can hold.",
        ),
        ({"class_names": {0: "a", 1: "b"}}, "class_names is of type dict. Give a list of names, in order."),
        ({"feature_names": 4}, "feature_names is of type int. Give a list of names, in order."),
        (
            {"class_names": ["a ", "b"]},
            "class_names: 'a ' has blanks at its ends, which do not count in a file.",
        ),
        ({"class_names": ["a", ""]}, "class_names: '' is no name that a file can hold."),
        ({"class_names": ["a", "NA"]}, "class_names: 'NA' in a file says that there is no label."),
        ({"target_name": ""}, "target_name: '' is no name that a file can hold."),
        ({"target_name": "salary"}, "target_name: 'salary' is the name of a feature too."),
    ],
    ids=str,
)
def test_names_that_do_not_fit_are_refused(names, sentence):
    with pytest.raises(InputError) as caught:
        LogisticRegression().fit(FRAME, BINARY).to_model(**names)
    assert sentence in str(caught.value)


def test_the_file_holds_nothing_of_threads_or_time(tmp_path):
    files = []
    for threads in (1, 3):
        path = tmp_path / f"{threads}.json"
        LogisticRegression(n_threads=threads).fit(FRAME, THREE).to_model().save(path)
        files.append(path.read_bytes())
    assert files[0] == files[1]
    assert "thread" not in msgspec.json.decode(files[0])


def test_hostile_names_ship_as_they_are(tmp_path):
    names = ["__proto__", "<script>", 'a\nb,"', "\x1b[2J"]
    estimator = LogisticRegression().fit(X, BINARY)
    estimator.to_model(names, ["=1+1", "x" * 5000]).save(tmp_path / "model.json")
    loaded = oddsmith.load(tmp_path / "model.json")
    assert list(loaded.terms) == names
    found = loaded.predict_proba(pd.DataFrame(X, columns=names))
    np.testing.assert_array_equal(found, estimator.predict_proba(X))
