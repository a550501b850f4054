"""--offset on the command line: trained beside a column, which is asked for whenever the model is used."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from oddsmith.data import pieces
from oddsmith.workflow import training

TRAIN = "train rows.csv --target y --offset prior -o model.json"
REMEDY = (
    "Offsets are log-odds: finite numbers, at most 1,000,000 either way, none missing. Correct the cell, or leave the "
    "row out.\n"
)


@pytest.fixture
def offsets(command):
    """Rows with an offset and a model of them."""
    draws = np.random.default_rng(1)
    x, prior = draws.normal(size=(2, 200))
    y = draws.random(200) < 1.0 / (1.0 + np.exp(-x - prior + 0.5))
    table = pl.DataFrame({"x": x, "prior": prior, "y": np.where(y, "yes", "no")})
    table.write_csv("rows.csv")
    lines = Path("rows.csv").read_text().splitlines(keepends=True)
    for name, cell in {"gap": "", "words": "much", "far": "2e6", "endless": "1e999"}.items():
        cells = lines[6].split(",")
        Path(f"{name}.csv").write_text(
            "".join([*lines[:6], ",".join([cells[0], cell, cells[2]]), *lines[7:]])
        )
    table.drop("prior").write_csv("without.csv")
    outcome = command(TRAIN)
    assert outcome.code == 0, outcome.err
    assert " with the offset alone\n" in outcome.err
    return command


@pytest.mark.parametrize("size", [300, 2000])
def test_nothing_depends_on_where_a_file_is_cut(offsets, monkeypatch, size):
    lines = [
        *(f"{verb} model.json rows.csv" for verb in ("predict --proba --explain", "evaluate --json")),
        *(TRAIN.replace("rows", name) for name in ("gap", "words", "far", "endless")),
        *(f"predict model.json {name}.csv -o never.csv" for name in ("gap", "far", "endless")),
        TRAIN,
    ]
    expected, before = [offsets(line) for line in lines], Path("model.json").read_bytes()
    monkeypatch.setattr(pieces, "piece_size", lambda memory=None: size)
    for line, outcome in zip(lines, expected, strict=True):
        assert offsets(line) == outcome
    assert Path("model.json").read_bytes() == before


def test_predictions_are_those_of_a_stream_and_of_little_memory(offsets):
    plain = offsets("predict model.json rows.csv --proba --explain")
    assert plain.code == 0
    found = pl.read_csv(plain.stdout)
    assert found.columns[-2:] == ["contribution_x", "contribution_prior"]
    rows = pl.read_csv("rows.csv")
    np.testing.assert_array_equal(found["contribution_prior"], rows["prior"])
    together = found["average_log_odds"] + found["contribution_x"] + found["contribution_prior"]
    np.testing.assert_allclose(together, found["log_odds"], rtol=1e-12, atol=1e-12)
    for line, stdin in (
        ("predict model.json --stream --proba --explain", Path("rows.csv").read_bytes()),
        ("predict model.json rows.csv --proba --explain --memory 2GB", b""),
    ):
        assert offsets(line, stdin=stdin).stdout == plain.stdout


def test_the_model_is_the_same_in_little_memory(offsets, monkeypatch):
    monkeypatch.setattr(training, "KEPT", 0.0)
    monkeypatch.setattr(training, "HELD", 0.0)
    before = Path("model.json").read_bytes()
    for option in ("--memory 2GB", "--no-cache"):
        assert offsets(f"{TRAIN} {option}").code == 0
        assert Path("model.json").read_bytes() == before


def test_show_and_the_file_name_the_column(offsets):
    card = offsets("show model.json").out
    assert "rather than 'no', from 1 column and the offset 'prior'." in card
    assert "'prior' is added to the log-odds as it is" in card
    assert "and of the average row, before the offset" in card
    assert json.loads(offsets("show model.json --json").out)["offset"] == "prior"
    assert [column["name"] for column in json.loads(Path("model.json").read_text())["columns"]] == ["x"]
    assert "not used by the model" not in offsets("predict model.json rows.csv").err


def test_an_evaluation_scores_with_the_offset(offsets):
    found = json.loads(offsets("evaluate model.json rows.csv --json").out)
    document = json.loads(Path("model.json").read_text())
    assert found["log_loss"] == pytest.approx(document["fit"]["mean_loss"][0], rel=1e-12)
    assert found["log_loss"] < document["training"]["null_loss"]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("gap", "gap.csv:7:2: a missing cell is no offset. "),
        ("far", "far.csv:7:2: 2e+06 is no offset. "),
        ("words", "words.csv:7:2: 'much' in numeric column 'prior' (199 of 200 cells are numbers). "),
        ("endless", "endless.csv:7:2: '1e999' in numeric column 'prior' is beyond the range of a double. "),
    ],
)
def test_an_offset_that_is_none_is_an_error_with_its_place(offsets, name, fault):
    for line in (TRAIN, "predict model.json rows.csv", "evaluate model.json rows.csv"):
        outcome = offsets(line.replace("rows.csv", f"{name}.csv"))
        assert (outcome.code, outcome.out, outcome.err) == (2, "", f"oddsmith: {fault}{REMEDY}")
    rejects = Path(f"{name}-rejects.csv")
    stream = f"predict model.json --stream --rejects {rejects}"
    assert offsets(stream, stdin=Path(f"{name}.csv").read_bytes()).out.count("\n") == 200
    [rejected] = pl.read_csv(rejects).iter_rows(named=True)
    assert rejected["line"] == 7
    assert "Offsets are log-odds" in rejected["reason"]


def test_files_without_the_column_are_refused(offsets):
    sentence = (
        ": no column called 'prior', the offset that this model adds to the log-odds. Add it; with 0 in each row they are "
        "those of the other columns alone.\n"
    )
    for line in ("predict model.json without.csv", "evaluate model.json without.csv"):
        outcome = offsets(line)
        assert (outcome.code, outcome.out, outcome.err) == (2, "", f"oddsmith: without.csv{sentence}")
    outcome = offsets("predict model.json --stream", stdin=Path("without.csv").read_bytes())
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"oddsmith: standard input{sentence}")


def test_three_classes_are_refused(offsets):
    pl.read_csv("rows.csv").with_columns(y=pl.Series(["a", "b", "c", "a"] * 50)).write_csv("three.csv")
    outcome = offsets(TRAIN.replace("rows.csv", "three.csv"))
    assert outcome.code == 2
    assert outcome.err.startswith("oddsmith: an offset is one number a row, ")
    assert len(outcome.err) <= 600
    again = TRAIN.replace("rows.csv", "three.csv").replace("--target y", "--target \"y = 'a'\"")
    assert offsets(again).code == 0
