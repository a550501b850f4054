"""Small hostile tables through the whole path: train, save, load, predict, and every verb of the command line."""

import csv
import io
import json
import re
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import oddsmith
from oddsmith.data.read import read_table
from oddsmith.errors import DataWarning, FitWarning, InputError

from .oracles import check_command, check_message

pytestmark = pytest.mark.slow

HOSTILE = [
    "=1+1",
    "@SUM(A1)",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "\x1b[2J\x1b]0;t\x07",
    "__proto__",
    "constructor",
]
HOSTILE += [
    "<script>alert(1)</script>",
    "&amp;",
    "{{7*7}}",
    "%s%n",
    "'; DROP TABLE x; --",
    "../../etc/passwd",
    "\u202eevil",
]
HOSTILE += [
    "a\nb",
    "a\r\nb",
    'a"b',
    "a,b",
    "a=b",
    "NA ",
    "nan",
    "null",
    "inf",
    "True",
    "0",
    "1",
    "1.0",
    "007",
    "1e3",
    "é" * 3,
]
HOSTILE += [
    "\U0001f600",
    "x" * 300,
    "e\u0301",
    "\u00e9",
    "\u200b",
    "\ufeff",
    "intercept",
    "(missing)",
    "c is missing",
    "label",
]
NAMES = st.lists(st.sampled_from(HOSTILE), min_size=3, max_size=4, unique_by=str.strip)


@st.composite
def tables(draw):
    """(names, rows): the last column is the target; the others numbers, texts, truths or a mixture, with gaps."""
    names = draw(NAMES)
    n = draw(st.integers(6, 24))
    labels = draw(st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3, unique=True))
    kinds = {
        "number": st.integers(-5, 5).map(str)
        | st.floats(-1e6, 1e6).map(repr)
        | st.sampled_from(["", "1e300", "1e-300"]),
        "text": st.sampled_from(draw(st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=4))),
        "truth": st.sampled_from(["True", "False", "True", "False", ""]),
        "mixture": st.sampled_from(["1", "2", "x", ""]),
    }
    columns = [
        draw(st.lists(kinds[draw(st.sampled_from(sorted(kinds)))], min_size=n, max_size=n)) for _ in names[1:]
    ]
    columns.append(draw(st.lists(st.sampled_from([*labels, *labels, ""]), min_size=n, max_size=n)))
    return names, [list(row) for row in zip(*columns, strict=True)]


def written(path, names, rows):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    path.write_text(text.getvalue(), "utf-8", newline="")
    return path


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "alpha": st.sampled_from([0.0, 0.01, 1.0]),
        "multi_class": st.sampled_from(["softmax", "ovr"]),
        "missing_indicator": st.booleans(),
        "missing": st.sampled_from([["?"], ["1"], ["0", "x"]]),
        "solver": st.sampled_from(["newton", "gradient-descent", "mini-batch"]),
        "standardize": st.booleans(),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), OPTIONS)
def test_a_table_gives_a_model_that_is_the_same_when_loaded(tmp_path_factory, table, options):
    folder = tmp_path_factory.getbasetemp()
    path = written(folder / "rows.csv", *table)
    if options.get("solver", "newton") != "newton":
        options = {**options, "epochs" if options["solver"] == "mini-batch" else "iterations": 20}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        warnings.simplefilter("ignore", DataWarning)
        try:
            model = oddsmith.train(path, "-1", **options)
        except InputError as error:
            check_message(error, str(path))
            return
        model.save(folder / "model.json")
        loaded = oddsmith.load(folder / "model.json")
        assert loaded.record == model.record
        rows = read_table(path)
        try:
            proba = model.predict_proba(rows)
        except InputError as error:
            # A row without a label taught nothing, so its cells may be anything.
            check_message(error, str(path))
            with pytest.raises(InputError, match=f"^{re.escape(str(error))}$"):
                loaded.predict_proba(rows)
            return
        np.testing.assert_array_equal(loaded.predict_proba(rows), proba, strict=True)
        np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows), strict=True)
        for i in range(rows.frame.height):
            row = dict(zip(rows.frame.columns, rows.frame.row(i), strict=True))
            np.testing.assert_allclose(loaded.predict_proba(row), proba[i], rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_no_verb_lets_text_steer_a_terminal(tmp_path_factory, table):
    folder = tmp_path_factory.getbasetemp()
    path, model = written(folder / "hostile.csv", *table), folder / "hostile.json"
    check_command(["describe", path])
    if check_command(["train", path, "--target=-1", "-o", model, "-v"])[0] == 2:
        return
    check_command(["show", model, "-v"])
    check_command(["evaluate", model, path])
    check_command(["predict", model, path, "--proba", "--explain", "-o", folder / "out.csv"])
    _, shown, _ = check_command(["show", model, "--json"], shown=False)
    assert json.loads(shown)["format"] == "oddsmith model"
    code, predicted, _ = check_command(["predict", model, path, "--json"], shown=False)
    assert code == 2 or predicted.count("\n") == len(table[1])
    assert not any(sign < " " for sign in (shown + predicted).replace("\n", ""))
