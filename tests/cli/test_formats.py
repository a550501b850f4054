"""Every format and several files on the command line, as a person would type it."""

import gzip
import json
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_svmlight_file

from oddsmith.model import load

LIBSVM = Path(__file__).parents[3] / "shared" / "data" / "libsvm"

BIG = Decimal("12345678901234567890123456789012345678")
ROWS = [f"{i % 7},{'ab'[i % 2]},{int(i * i % 5 > 1)}\n" for i in range(60)]


def write(name, lines, header="x,g,y\n"):
    Path(name).write_text(header + "".join(lines))


@pytest.fixture
def parts(command):
    """Three parts of one table, in CSV, gzip and Parquet."""
    write("part-1.csv", ROWS[:20])
    Path("part-2.csv.gz").write_bytes(gzip.compress(("x,g,y\n" + "".join(ROWS[20:40])).encode()))
    write("rest.csv", ROWS[40:])
    pl.read_csv("rest.csv", infer_schema_length=None).write_parquet("part-3.parquet")
    Path("rest.csv").unlink()
    return command


@pytest.mark.parametrize(
    "data", ["part-1.csv part-2.csv.gz part-3.parquet", "'part-*'", "part-1.csv 'part-[23].*'"]
)
def test_every_verb_takes_several_files_and_patterns(parts, data):
    write("whole.csv", ROWS)
    assert parts("train whole.csv --target y -o whole.json").code == 0
    outcome = parts(f"train {data} --target y -o model.json -v")
    assert outcome.code == 0, outcome.err
    assert "part-1.csv and 2 more files: 60 rows, 3 columns" in outcome.err
    assert outcome.err.count("sha256") == 3
    assert load("model.json").record.equations == load("whole.json").record.equations
    assert (
        parts(f"predict model.json {data} --proba").out == parts("predict whole.json whole.csv --proba").out
    )
    assert parts(f"describe {data} --json").out == parts("describe whole.csv --json").out
    outcome = parts(f"evaluate model.json {data} --json")
    assert outcome.out == parts("evaluate whole.json whole.csv --json").out
    assert "these are the rows that the model was trained on" in outcome.err


def test_the_output_never_replaces_a_file_that_a_pattern_names(parts):
    before = Path("part-1.csv").read_bytes()
    for line in ("train 'part-*' --target y -o part-1.csv", "predict model.json 'part-*' -o ./part-1.csv"):
        assert parts("train 'part-*' --target y -o model.json").code == 0
        outcome = parts(line)
        assert outcome.code == 2
        assert "part-1.csv: this file is read, and the result would replace it" in outcome.err
    assert Path("part-1.csv").read_bytes() == before


def test_rows_of_several_files_are_numbered_through(parts):
    assert parts("train 'part-*' --target y -o model.json").code == 0
    numbers = [
        line.split(",")[0] for line in parts("predict model.json part-3.parquet part-1.csv").out.splitlines()
    ]
    assert numbers == ["row", *map(str, range(1, 41))]


def test_standard_input_may_be_any_format(parts):
    assert parts("train 'part-*' --target y -o model.json").code == 0
    expected = parts("predict model.json part-3.parquet").out
    assert parts("predict model.json -", Path("part-3.parquet").read_bytes()).out == expected
    write("rest.csv", ROWS[40:])
    assert parts("predict model.json -", Path("rest.csv").read_bytes()).out == expected


def test_a_format_is_asked_for_and_remembered(command):
    Path("rows.txt").write_text(
        "".join(f"{i * i % 5 // 2}\n" if i % 7 == 0 else f"{i * i % 5 // 2} 1:{i % 7}\n" for i in range(60))
    )
    assert "--format" in command("train --help").out
    outcome = command("train rows.txt --target label -o model.json")
    assert outcome.code == 2
    assert command("train rows.txt --format svmlight --target label -o model.json").code == 0
    assert load("model.json").record.reading.format == "svmlight"
    assert command("evaluate model.json rows.txt").code == 0
    Path("rows.csv").write_text("x1\n3\n")
    outcome = command("predict model.json rows.csv")
    assert (outcome.code, outcome.out) == (2, "")
    assert (
        "rows.csv:1: 'x1' is no label: a row begins with one number. Mend the line, or say --format csv"
        in outcome.err
    )
    assert command("predict model.json rows.csv --format auto").code == 0


@pytest.mark.slow
def test_text_is_read_without_pyarrow(command):
    write("rows.csv", ROWS)
    Path("rows.svm").write_text("1 1:2\n0 1:3\n")
    program = "import sys, oddsmith; [oddsmith.read_table(p) for p in sys.argv[1:]]; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program, "rows.csv", "rows.svm"], timeout=60).returncode == 0


def test_identifiers_come_back_exactly(command):
    ids = {
        "int64": pa.array([2**53 + 1 + 2 * i for i in range(40)], pa.int64()),
        "uint64": pa.array([2**64 - 1 - i for i in range(40)], pa.uint64()),
        "decimal": pa.array([BIG + i for i in range(40)], pa.decimal128(38, 0)),
        "wide": pa.array([BIG * 10 + i for i in range(40)], pa.decimal256(50, 0)),
        "text": pa.array([f"{i:03d}" for i in range(40)]),
    }
    rows = {"x": [i % 7 for i in range(40)], "y": [i * i % 5 > 1 for i in range(40)]}
    for name, cells in ids.items():
        pq.write_table(pa.table({name: cells, **rows}), "rows.parquet")
        assert command(f"train rows.parquet --target y --id {name} -o model.json").code == 0
        lines = command("predict model.json rows.parquet").out.splitlines()[1:]
        assert [line.rpartition(",")[0] for line in lines] == [str(cell) for cell in cells.to_pylist()]


AWKWARD = {
    "bytes": pa.array([b"a"] * 40),
    "list": pa.array([[1]] * 40),
    "map": pa.array([[("a", 1)]] * 40, pa.map_(pa.string(), pa.int64())),
    "objects": pa.array([[BIG]] * 40, pa.list_(pa.decimal256(60, 0))),
    "duration": pa.array(range(40), pa.duration("ns")),
    "time": pa.array(range(40), pa.time64("us")),
    "zoned": pa.array(range(40), pa.timestamp("ns", "Europe/Paris")),
    "half": pa.array([np.float16(i / 2) for i in range(40)], pa.float16()),
    "uuid": pa.array([bytes(16)] * 40, pa.uuid()),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_a_column_of_any_type_in_any_role_works_or_gives_a_sentence(command, name):
    rows = {"z": [i % 7 for i in range(40)], "y": [i * i % 5 > 1 for i in range(40)]}
    pq.write_table(pa.table({"x": AWKWARD[name], **rows}), "rows.parquet")
    lines = ["describe rows.parquet", "train rows.parquet --target x -o target.json"]
    lines += [f'train rows.parquet --target "{target}" -o target.json' for target in ("x > 1", "x = 'a'")]
    for role in ("--id", "--weight", "--categorical", "--numeric", "--drop"):
        lines += [f"train rows.parquet --target y {role} x -o model.json", "predict model.json rows.parquet"]
    for line in lines:
        outcome = command(line)
        assert outcome.code in (0, 2), outcome.err
        assert len(outcome.err) <= 600
        if outcome.code:
            assert outcome.err.startswith("oddsmith: "), outcome.err
    assert outcome.code == 0


def test_whole_numbers_that_lose_digits_are_said_once(command):
    lines = [f"{2**53 + 1 + i % 3},{i % 5},{int(i * i % 7 > 3)}\n" for i in range(60)]
    write("rows.csv", lines, header="big,x,y\n")
    outcome = command("train rows.csv --target y -o model.json")
    assert outcome.code == 0
    said = "rows.csv:2:1: '9007199254740993' has more digits than a double holds; as a number it is rounded (40 such"
    assert outcome.err.count(said) == 1
    assert "--categorical big, or leave it out with --drop big" in outcome.err
    assert "newton converged" in outcome.err
    assert "digits" not in command("train rows.csv --target y --categorical big -o model.json").err


@pytest.mark.slow
@pytest.mark.skipif(not LIBSVM.is_dir(), reason="the public data sets are not here")
def test_a9a_trains_and_evaluates_as_scikit_learn_reads_it(command):
    from oddsmith.data.read import read_table

    start = time.perf_counter()
    table = read_table(LIBSVM / "a9a")
    assert time.perf_counter() - start < 5.0
    X, y = load_svmlight_file(str(LIBSVM / "a9a"))
    np.testing.assert_array_equal(table.frame.drop("label").to_numpy(), X.toarray())
    np.testing.assert_array_equal(table.frame["label"].cast(float).to_numpy(), y)
    outcome = command(f"train {LIBSVM / 'a9a'} --target label --alpha 1e-4 -o model.json")
    assert outcome.code == 0, outcome.err
    model = load("model.json")
    assert model.classes.tolist() == [-1, 1]
    assert model.record.training.class_counts == [24720, 7841]
    outcome = command(f"evaluate model.json {LIBSVM / 'a9a.t'} --json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["n_rows"] == 16281
    X_test, y_test = load_svmlight_file(str(LIBSVM / "a9a.t"), n_features=123)
    eta = (
        X_test @ np.array([model.record.equations[0].coef.get(f"x{j}", 0.0) for j in range(1, 124)])
        + model.intercept[0]
    )
    assert found["accuracy"]["correct"] == int(((eta >= 0) == (y_test > 0)).sum())
    assert found["log_loss"] == pytest.approx(np.logaddexp(0.0, -y_test * eta).mean(), rel=1e-10)
