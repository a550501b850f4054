"""Ways in which a tool of this kind can lie, each found once by trying: a test a trap."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import oddsmith
from oddsmith.data.target import TargetOptions


def write(name, text):
    Path(name).write_text(text)


def rows(n, seed=0):
    """CSV lines of x, flag and y."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n).round(3)
    flag = rng.random(n) < 0.5
    y = (x + rng.logistic(size=n) > 0).astype(int)
    return "x,flag,y\n" + "".join(f"{a},{b},{c}\n" for a, b, c in zip(x, flag, y, strict=True))


def test_the_tutorial_never_overwrites_a_model_that_is_not_its_own(command):
    Path("t").mkdir()
    write("t/houses.json", "mine")
    outcome = command("tutorial t")
    assert outcome.code == 2
    assert "houses.json: exists and is not the tutorial's" in outcome.err
    assert Path("t/houses.json").read_text() == "mine"
    assert sorted(path.name for path in Path("t").iterdir()) == ["houses.json"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("--target y --missing -99", "markers of missing cells"),
        ("--target y --missing x=-99", "markers of missing cells"),
        ("--target 'y > 0'", "a target that is an expression"),
        ("--target y --map-label 1=yes", "renamed labels"),
    ],
)
def test_the_flat_form_refuses_what_it_would_lose(command, options, what):
    write("rows.csv", rows(60))
    outcome = command(f"train rows.csv {options} --drop flag --flat -o flat.json")
    assert outcome.code == 2
    assert f"the flat form has no place for {what}" in outcome.err
    assert not Path("flat.json").exists()


@pytest.mark.parametrize("target", ["0 < x < 1", "(0 < x < 1) OR flag", "x = 0 = flag"])
def test_comparisons_in_a_row_are_refused(command, target):
    write("rows.csv", rows(60))
    outcome = command(f"train rows.csv --target '{target}' -o model.json")
    assert outcome.code == 2
    assert "compares twice in a row" in outcome.err


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("flag", lambda x, flag, y: flag),
        ("flag = true", lambda x, flag, y: flag),
        ("flag IS TRUE", lambda x, flag, y: flag),
        ("flag = 'True'", lambda x, flag, y: flag),
        ("flag OR x > 1", lambda x, flag, y: flag | (x > 1)),
        ("NOT flag AND y = 1", lambda x, flag, y: ~flag & (y == 1)),
        ("x > 0 AND x < 1", lambda x, flag, y: (x > 0) & (x < 1)),
        ("(x >= 0) = (y = 1)", lambda x, flag, y: (x >= 0) == (y == 1)),
    ],
)
def test_truth_values_count_as_such_in_expressions(command, target, expected):
    from oddsmith.data.cells import MissingMarkers
    from oddsmith.data.read import read_table
    from oddsmith.data.target import read_target

    write("rows.csv", rows(90))
    table = read_table("rows.csv")
    columns = [table.frame[name].to_list() for name in ("x", "flag", "y")]
    x, flag, y = np.array(columns[0], float), np.array(columns[1]) == "True", np.array(columns[2], int)
    found = read_target(table, TargetOptions(target), MissingMarkers.from_options((), table.frame.columns))
    assert found.classes == ("False", "True")
    np.testing.assert_array_equal(found.codes, expected(x, flag, y).astype(int))


@pytest.mark.parametrize("houses", [("A", "B"), ("A", "B", "C")])
def test_far_out_rows_are_evaluated_as_they_are_predicted(command, houses):
    flat = {
        "thetas_dict": {house: [0.0, 3.0 - place] for place, house in enumerate(houses)},
        "houses": houses,
        "subjects": ["x"],
        "mu": [0.0],
        "sigma": [1.0],
        "target": "y",
        "id": None,
    }
    write("flat.json", json.dumps(flat))
    write("rows.csv", f"x,y\n50,A\n60,A\n700,A\n-3,{houses[-1]}\n")
    assert command("predict flat.json rows.csv").out.split() == [
        "row,y",
        "1,A",
        "2,A",
        "3,A",
        f"4,{houses[-1]}",
    ]
    found = json.loads(command("evaluate flat.json rows.csv --json").out)
    accuracy = found["accuracy"]
    assert (accuracy["correct"], accuracy["of"], accuracy["share"]) == (4, 4, 1.0)
    assert accuracy["interval"]["high"] == 1.0


def test_a_label_is_the_same_number_or_truth_however_it_is_written(command):
    write("rows.csv", "x,y\n" + "".join(f"{i % 7},{i % 2}.0\n" for i in range(40)))
    assert command("train rows.csv --target y -o model.json").code == 0
    assert oddsmith.load("model.json").predict({"x": [3]}).dtype == np.int64
    found = [command("evaluate model.json rows.csv --json").out]
    for one, zero in (("1", "0"), ("+1", "-0"), ("1e0", "0.00")):
        write("later.csv", "x,y\n" + "".join(f"{i % 7},{one if i % 2 else zero}\n" for i in range(40)))
        found.append(command("evaluate model.json later.csv --json").out)
    assert set(found) == {found[0]}
    write("later.csv", "x,y\n1,7\n")
    assert "--map-label 'FROM=TO'" in command("evaluate model.json later.csv").err

    write("rows.csv", "x,y\n" + "".join(f"{i % 7},{'true' if i % 2 else 'false'}\n" for i in range(40)))
    assert command("train rows.csv --target y --positive false -o model.json").code == 0
    model = oddsmith.load("model.json")
    assert model.classes.tolist() == [True, False]
    assert model.evaluate({"x": [1, 2], "y": [True, False]}).n_rows == 2


def test_ids_and_columns_that_differ_beyond_double_precision_are_different(command):
    uids = [1234567890123456780 + i for i in range(4)]
    write("rows.csv", "uid,x,y\n" + "".join(f"{uids[i % 4]},{i % 5},{i // 2 % 2}\n" for i in range(40)))
    summaries = json.loads(command("describe rows.csv --json").out)
    assert summaries[0]["distinct"] == 4
    assert "constant" not in command("train rows.csv --target y -o model.json").err


def test_markers_with_equals_signs_and_commas_mean_one_thing(command):
    write("rows.csv", '"x,y",z,y\n' + "".join(f"{i % 3},{i % 5},{i // 2 % 2}\n" for i in range(60)))
    assert command("train rows.csv --target y --missing 'x,y=0' --missing '=foo' -o model.json").code == 0
    missing = oddsmith.load("model.json").record.missing
    assert [(item.column, item.tokens) for item in missing.columns] == [("x,y", ["0"])]
    assert missing.everywhere == ["=foo"]
    assert command("predict model.json rows.csv").code == 0


def test_a_level_with_a_control_character_survives_the_model_file(command):
    write("rows.csv", "g,y\n" + "".join(f"{'a' + chr(28) if i % 3 else 'b'},{i % 2}\n" for i in range(40)))
    assert command("train rows.csv --target y -o model.json").code == 0
    outcome = command("predict model.json rows.csv")
    assert (outcome.code, outcome.err) == (0, "")


def test_seeds_are_whole_numbers(command):
    table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1]}
    assert oddsmith.train(table, "y", seed=np.int64(3)).record.fit.seed == 3
    with pytest.raises(oddsmith.InputError, match=r"--seed 1\.5: give a whole number"):
        oddsmith.train(table, "y", seed=1.5)


def test_equal_costs_of_any_size_have_the_threshold_one_half():
    assert oddsmith.Cost(fn=1e308, fp=1e308).threshold == 0.5
    assert oddsmith.Cost(fn=1e-308, fp=1e-308).threshold == 0.5


@pytest.mark.parametrize(
    ("redirection", "sentence"),
    [
        (">/dev/full", "standard output: cannot be written: no space left on device"),
        (">&-", "standard output: cannot be written"),
        ("<&-", "standard input: cannot be read"),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_stream_that_cannot_be_used_is_no_bug(tmp_path, redirection, sentence):
    (tmp_path / "rows.csv").write_text(rows(30))
    data = "-" if redirection.startswith("<") else "rows.csv"
    line = f"{sys.executable} -m oddsmith describe {data} {redirection}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_columns_far_from_zero_are_scored_as_they_were_fitted():
    rng = np.random.default_rng(5)
    x = rng.integers(0, 9, 200) / 4.0
    y = (x + rng.logistic(size=200) > 1.0).astype(int)
    near, far = oddsmith.train({"x": x, "y": y}, "y"), oddsmith.train({"x": x + 1e12, "y": y}, "y")
    expected = near.predict_proba({"x": x})
    np.testing.assert_allclose(far.predict_proba({"x": x + 1e12}), expected, rtol=1e-10)
    np.testing.assert_allclose(far.predict_proba({"x": x[0] + 1e12}), expected[0], rtol=1e-10)
    scored = far.evaluate({"x": x + 1e12, "y": y}).log_loss
    assert scored == pytest.approx(far.record.fit.mean_loss[0], rel=1e-12)


def test_a_category_of_numbers_is_the_same_from_text_and_from_pandas(command):
    import pandas as pd

    grades = ["1.0", "2.0", "3.0", ""]
    write("rows.csv", "grade,x,y\n" + "".join(f"{grades[i % 4]},{i % 7},{i // 3 % 2}\n" for i in range(80)))
    frame = pd.read_csv("rows.csv")
    frame.to_csv("again.csv", index=False)
    for source in ("rows.csv", frame):
        model = oddsmith.train(source, "y", categorical=["grade"])
        expected = model.predict_proba("rows.csv")
        np.testing.assert_array_equal(model.predict_proba(frame), expected)
        np.testing.assert_array_equal(model.predict_proba("again.csv"), expected)
        for grade in ("2.0", "2", 2, 2.0):
            found = model.predict_proba({"grade": grade, "x": 1})
            np.testing.assert_allclose(
                found, model.predict_proba({"grade": ["2.0"], "x": [1]})[0], rtol=1e-14
            )


def test_blank_lines_of_a_single_column_are_no_rows_and_that_is_said(command):
    write("rows.csv", "x,y\n1,0\n2,1\n3,0\n4,1\n2,0\n3,1\n")
    assert command("train rows.csv --target y -o model.json").code == 0
    outcome = command("predict model.json -", stdin=b"x\n1\n\n3\n")
    assert outcome.out == "row,y\n1,0\n2,1\n"
    assert (
        "standard input: 1 blank line skipped. A missing cell in a single column is written as NA."
        in outcome.err
    )
    assert command("predict model.json -", stdin=b"x\n1\nNA\n3\n\n").err == ""


def test_a_forged_message_cannot_steer_the_terminal(command):
    import msgspec

    from oddsmith.model.document import canonical_digest

    write("rows.csv", "x,y\n1,0\n2,1\n3,0\n4,1\n2,0\n3,1\n")
    assert command("train rows.csv --target y -o model.json").code == 0
    honest = json.loads(Path("model.json").read_text())
    for key in ("message", "solver"):
        forged = {**honest, "fit": {**honest["fit"], key: honest["fit"][key] + "\x1b[2J"}}
        forged["digest"] = canonical_digest(forged)
        Path("model.json").write_bytes(msgspec.json.encode(forged))
        outcome = command("show model.json -v")
        assert outcome.code in (0, 2)
        assert "\x1b" not in outcome.out + outcome.err
