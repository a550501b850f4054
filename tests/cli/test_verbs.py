"""What the verbs write: exact bytes, JSON that parses, messages apart from data."""

import csv
import gzip
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import oddsmith
import oddsmith.cli
from oddsmith.data.native import as_table
from oddsmith.model import Model


def done(outcome):
    assert outcome.code == 0, outcome.err
    return outcome


def test_predictions_are_the_bytes_that_were_promised(shop):
    expected = oddsmith.load("houses.json").predict("new-students.csv")
    lines = [f"{i},{house}\n" for i, house in enumerate(expected)]
    content = ("Index,Hogwarts House\n" + "".join(lines)).encode()
    outcome = done(shop("predict houses.json new-students.csv"))
    assert (outcome.stdout, outcome.err) == (content, "")
    assert done(shop("predict houses.json new-students.csv -o -")).stdout == content
    outcome = done(shop("predict houses.json new-students.csv -o houses.csv"))
    assert (outcome.stdout, outcome.err) == (b"", "wrote 40 predictions to houses.csv\n")
    assert Path("houses.csv").read_bytes() == content
    piped = done(shop("predict houses.json -", stdin=Path("new-students.csv").read_bytes()))
    zipped = done(shop("predict houses.json -", stdin=gzip.compress(Path("new-students.csv").read_bytes())))
    assert piped.stdout == zipped.stdout == content


IDS = [
    "00003",
    "9007199254740993",
    "1e5",
    "O'Hara",
    'said "no"',
    "Doe, Jane",
    "two\nlines",
    "carriage\rreturn",
    " padded ",
    "naïve 魔法",
    "=1+1",
    "NA",
    "",
    "1.0",
    "-",
    "'",
]


def test_ids_come_back_as_they_were_written(command):
    rows = [[id_, str((7 * i) % 5), "ab"[i % 2]] for i, id_ in enumerate(IDS)]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([["who", "x", "y"], *rows])
    Path("rows.csv").write_bytes(buffer.getvalue().encode())
    done(command("train rows.csv --target y --id who --alpha 1 -o model.json"))
    outcome = done(command("predict model.json rows.csv --raw"))
    assert b"\r\n" not in outcome.stdout
    assert outcome.stdout.endswith(b"\n")
    found = list(csv.reader(io.StringIO(outcome.out, newline="")))
    assert [row[0] for row in found] == ["who", *IDS]
    plain = [line for line in outcome.out.split("\n") if line.startswith(("00003", "9007", "1e5", "NA", ","))]
    assert [line.rsplit(",", 1)[0] for line in plain] == ["00003", "9007199254740993", "1e5", "NA", ""]
    for i, line in enumerate(done(command("predict model.json rows.csv --json")).out.splitlines()):
        assert json.loads(line)["who"] == (IDS[i] or None)


def test_rows_are_numbered_from_one_where_there_is_no_id(command):
    Path("rows.csv").write_text("x,y\n1,a\n3,b\n2,a\n5,b\n4,a\n2,b\n")
    done(command("train rows.csv --target y --alpha 1 -o model.json"))
    lines = done(command("predict model.json rows.csv")).out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["row", "1", "2", "3", "4", "5", "6"]


def test_probabilities_and_reasons_are_those_of_the_model(shop):
    model = oddsmith.load("review.json")
    rows = as_table("later.csv")
    proba, why = model.predict_proba(rows), model.explain(rows)
    found = list(
        csv.DictReader(io.StringIO(done(shop("predict review.json later.csv --proba --explain")).out))
    )
    assert list(found[0])[:6] == [
        "request",
        "needs_review",
        "proba_0",
        "proba_1",
        "log_odds",
        "average_log_odds",
    ]
    assert list(found[0])[6:] == [f"contribution_{name}" for name in why.columns]
    for i, row in enumerate(found):
        np.testing.assert_array_equal([float(row["proba_0"]), float(row["proba_1"])], proba[i])
        contributions = [float(row[f"contribution_{name}"]) for name in why.columns]
        np.testing.assert_array_equal(contributions, why.contributions[i])
        assert float(row["average_log_odds"]) + sum(contributions) == pytest.approx(float(row["log_odds"]))
        assert row["needs_review"] == str(int(float(row["proba_1"]) >= 0.5))
    lines = done(shop("predict review.json later.csv --proba --explain --json")).out.splitlines()
    for row, line in zip(found, lines, strict=True):
        as_json = json.loads(line)
        assert list(as_json) == list(row)
        assert float(row["log_odds"]) == as_json["log_odds"]


def test_columns_that_the_model_does_not_know_are_mentioned_once(shop):
    text = Path("later.csv").read_text().splitlines()
    Path("more.csv").write_text("\n".join([text[0] + ",extra", *(line + ",1" for line in text[1:])]))
    outcome = done(shop("predict review.json more.csv"))
    assert outcome.err == "not used by the model: 'extra'\n"
    assert outcome.stdout == done(shop("predict review.json later.csv")).stdout


def test_levels_never_seen_are_reported_beside_the_predictions(shop):
    Path("new.csv").write_text(Path("later.csv").read_text().replace("finance", "magic"))
    outcome = done(shop("predict review.json new.csv"))
    assert re.fullmatch(
        r"'department': \d+ rows have a level that training never saw, such as 'magic'\..*\n", outcome.err
    )
    assert len(outcome.out.splitlines()) == 61


def test_training_says_what_it_did(shop):
    outcome = done(shop("train requests.csv --target needs_review --alpha 0.01 -o model.json"))
    assert outcome.stdout == b""
    lines = outcome.err.splitlines()
    assert [line for line in lines if "is left out" in line] == [
        "'request' is left out: an identifier (300 different texts in 300 cells). "
        "To use it, say --categorical request. Predictions echo it as their id.",
        "'opened' is left out: dates or times. To use it, derive a number from it, or say --categorical opened.",
    ]
    assert re.fullmatch(r"300 rows, 4 columns, 7 terms; 0 \d+, 1 \d+\.", lines[-5])
    assert lines[-4] == "probabilities are those of 1; for 0, say --positive."
    record = oddsmith.load("model.json").record
    assert lines[-3] == f"newton {record.fit.message}, {record.fit.iterations} iterations."
    assert lines[-2].startswith(f"mean loss {record.fit.mean_loss[0]:.8f}")
    assert lines[-1] == "wrote model.json"


def test_an_unfinished_fit_is_a_warning_and_a_model_all_the_same(command):
    Path("rows.csv").write_text("x,y\n1,a\n2,a\n3,b\n4,b\n")
    outcome = done(command("train rows.csv --target y -o model.json"))
    warning = next(line for line in outcome.err.splitlines() if line.startswith("warning: "))
    assert warning.startswith("warning: no finite optimum: the classes can be told apart without error")
    assert oddsmith.load("model.json").record.fit.status == "no_finite_optimum"
    Path("rows.csv").write_text("x,y\n1,a\n2,b\n3,a\n4,b\n")
    stopped = done(command("train rows.csv --target y --solver sgd --epochs 1 -o model.json"))
    assert "warning: stopped after 1 iteration" in stopped.err
    assert "--solver newton goes on to it." in stopped.err


QUIET = [
    "describe requests.csv",
    "train requests.csv --target needs_review --alpha 0.01 -o model.json",
    "show review.json",
    "evaluate review.json requests.csv",
    "predict review.json later.csv -o out.csv",
    "predict houses.json new-students.csv",
]


@pytest.mark.parametrize("line", QUIET)
def test_quiet_silences_messages_and_nothing_else(line, shop):
    loud = done(shop(line))
    written = {path.name: path.read_bytes() for path in Path().iterdir()}
    quiet = done(shop(f"{line} -q"))
    assert quiet.err == ""
    assert quiet.stdout == loud.stdout
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == written


@pytest.mark.parametrize("line", QUIET)
def test_verbose_adds_messages_and_changes_no_data(line, shop):
    loud, verbose = done(shop(line)), done(shop(f"{line} -v"))
    if not line.startswith("show"):
        assert verbose.stdout == loud.stdout
    assert len(verbose.err) > len(loud.err)


@pytest.mark.parametrize(
    "line",
    [
        "describe requests.csv --json",
        "describe requests.csv --like-pandas --json",
        "train requests.csv --target needs_review -o model.json --json",
        "train students.csv --target 'Hogwarts House' --alpha 1 -o model.json --json -v",
        "show review.json --json",
        "evaluate review.json later.csv --json",
        "evaluate review.json later.csv --threshold .2,.5 --cost fn=120,fp=18 --bins 10 --json",
        "evaluate softmax.json students.csv --json",
        "predict review.json later.csv --json",
        "predict softmax.json new-students.csv --proba --explain --json",
    ],
)
def test_json_of_every_verb_parses_strictly(line, shop):
    def refuse(constant):
        raise AssertionError(constant)

    outcome = done(shop(line))
    documents = outcome.out.splitlines() if line.startswith("predict") else [outcome.out]
    for document in documents:
        assert json.loads(document, parse_constant=refuse)
    assert outcome.out.endswith("\n")
    assert not outcome.out.endswith("\n\n")


def test_shown_and_evaluated_json_is_that_of_the_api(shop):
    model = oddsmith.load("review.json")
    assert json.loads(done(shop("show review.json --json")).out) == json.loads(
        Path("review.json").read_text()
    )
    found = json.loads(
        done(shop("evaluate review.json later.csv --threshold 0.3 --cost fn=5,fp=2 --json")).out
    )
    expected = model.evaluate("later.csv", thresholds=[0.3], cost=oddsmith.Cost(fn=5, fp=2))
    assert found["log_loss"] == expected.log_loss
    assert found["thresholds"][0]["cost"] == expected.thresholds[0].cost
    assert found["confusion"] == [list(row) for row in expected.confusion]


def test_evaluation_on_the_training_file_says_so(shop):
    sentence = "these are the rows that the model was trained on: its figures flatter it."
    assert sentence in done(shop("evaluate review.json requests.csv")).err
    assert sentence not in done(shop("evaluate review.json later.csv")).err


def test_files_of_another_dialect_are_read_as_in_training(command):
    rows = [f"{i % 7} ;{'ab'[(i * i) % 3 > 0]}; '{'x;y' if i % 2 else 'z'}'" for i in range(20)]
    Path("rows.txt").write_bytes("\n".join(rows).encode("utf-16"))
    done(
        command(
            "train rows.txt --no-header --delimiter ';' --quote \"'\" --strip --encoding utf-16 "
            "--target 2 --alpha 1 -o m.json"
        )
    )
    assert oddsmith.load("m.json").terms == ("column_1", "column_3=z")
    assert len(done(command("predict m.json rows.txt")).out.splitlines()) == 21
    assert command("evaluate m.json rows.txt").code == 0
    Path("with-header.csv").write_text("column_1,column_3\n1,z\n")
    line = "predict m.json with-header.csv --header --delimiter , --encoding utf-8"
    assert len(done(command(line)).out.splitlines()) == 2


@pytest.mark.filterwarnings("ignore:these are the rows that the model was trained on")
def test_the_flat_form_goes_through_every_verb(shop):
    done(
        shop(
            "train students.csv --target 'Hogwarts House' --id Index --drop 'Best Hand' --multi-class ovr "
            "--alpha 0.01 --flat -o thetas.json"
        )
    )
    assert list(json.loads(Path("thetas.json").read_text())) == [
        "thetas_dict", "houses", "subjects", "mu", "sigma",
    ]  # fmt: skip
    assert "read from a flat file" in done(shop("show thetas.json")).out
    found = json.loads(done(shop("evaluate thetas.json students.csv --json")).out)
    ours = oddsmith.train("students.csv", "Hogwarts House", drop=["Best Hand"], multi_class="ovr", alpha=0.01)
    assert found["log_loss"] == pytest.approx(ours.evaluate("students.csv").log_loss, rel=1e-9)
    assert done(shop("predict thetas.json new-students.csv")).out.startswith("Index,Hogwarts House\n0,")


def test_a_column_whose_name_holds_a_comma_can_be_named(command):
    Path("rows.csv").write_text('"a, b",c,y\n1,5,no\n2,3,yes\n3,4,no\n4,1,yes\n2,2,yes\n')
    done(command('train rows.csv --target y --drop "a, b" --alpha 1 -o m.json'))
    assert oddsmith.load("m.json").terms == ("c",)
    done(command('train rows.csv --target y --features "a, b" --features c --alpha 1 -o m.json'))
    assert oddsmith.load("m.json").terms == ("a, b", "c")


def test_output_may_follow_a_link_and_keeps_permissions(shop):
    Path("real.csv").write_text("old")
    Path("real.csv").chmod(0o640)
    Path("out.csv").symlink_to("real.csv")
    done(shop("predict review.json later.csv -o out.csv"))
    assert Path("out.csv").is_symlink()
    assert Path("real.csv").stat().st_mode & 0o777 == 0o640
    assert Path("real.csv").read_text().startswith("request,needs_review\n")


@pytest.mark.parametrize("flag", ["", "-v", "--verbose"])
def test_our_bugs_are_called_bugs(shop, monkeypatch, flag):
    def fail(*_, **__):
        raise RuntimeError("a \x1b[2J thing\nthat should not be")

    monkeypatch.setattr(Model, "score", fail)
    Path("out.csv").write_text("old")
    outcome = shop(f"predict review.json later.csv -o out.csv {flag}")
    assert (outcome.code, outcome.stdout) == (101, b"")
    assert (
        "oddsmith: this is a bug in oddsmith, not in your data: RuntimeError: a \\x1b[2J thing\\n"
        in outcome.err
    )
    assert "Please report it with the command and its output" in outcome.err
    assert ("Traceback" in outcome.err) == bool(flag)
    assert Path("out.csv").read_text() == "old"


def test_an_interruption_leaves_with_130(shop, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "score", interrupt)
    Path("out.csv").write_text("old")
    outcome = shop("predict review.json later.csv -o out.csv")
    assert (outcome.code, outcome.stdout) == (130, b"")
    assert outcome.err.strip() == "oddsmith: interrupted."
    assert Path("out.csv").read_text() == "old"


def test_the_tutorial_runs_twice_and_leaves_foreign_files_alone(command):
    first, second = done(command("tutorial")), done(command("tutorial"))
    assert first.stdout == second.stdout
    commands = re.findall(r"^\$ oddsmith (\w+)", first.out, flags=re.MULTILINE)
    path = ["describe", "train", "show", "evaluate", "predict", "build", "predict", "explain", "audit"]
    assert commands == path
    assert json.loads(Path("oddsmith-tutorial/review.json").read_text())["target"]["name"] == "needs_review"
    Path("mine").mkdir()
    Path("mine/requests.csv").mkdir()
    outcome = command("tutorial mine")
    assert outcome.code == 2
    assert "mine/requests.csv: exists and is not the tutorial's." in outcome.err


def test_the_version_is_the_packages(command):
    assert done(command("--version")).out == f"oddsmith, version {oddsmith.__version__}\n"


def test_main_leaves_with_the_exit_code(shop):
    for line, code in (("show review.json -q", 0), ("show absent.json", 2)):
        command = [sys.executable, "-m", "oddsmith", *line.split()]
        assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == code


def test_the_tutorial_passes_json_quiet_and_verbose_on(command):
    outcome = done(command("tutorial --json"))
    decoder, text, documents = json.JSONDecoder(), outcome.out.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        documents.append(document)
        text = text[end:].strip()
    # describe, train, show, evaluate, 6 students, build, a request, explain, audit
    assert len(documents) == 4 + 6 + 4
    assert "1. Students" in outcome.err
    assert "1. Students" not in outcome.out
    quiet = done(command("tutorial -q"))
    assert (quiet.err, "1. Students" in quiet.out) == ("", False)
    assert "iteration      1" in done(command("tutorial -v")).err


def test_predictions_defuse_formulas_unless_raw(command):
    rows = "".join(f"{'=id+' if n % 2 else '-'}{n},{n % 3},{'@no' if n % 2 else 'yes'}\n" for n in range(12))
    Path("rows.csv").write_text("=id,x,y\n" + rows)
    done(command("train rows.csv --target y --id =id --alpha 1 -o model.json"))
    outcome = done(command("predict model.json rows.csv"))
    header, *lines = outcome.out.splitlines()
    assert header == "'=id,y"
    assert [line.split(",")[0] for line in lines] == [f"'=id+{n}" if n % 2 else f"-{n}" for n in range(12)]
    assert {line.split(",")[1] for line in lines} <= {"'@no", "yes"}
    assert "would run as a formula now begin with an apostrophe" in outcome.err
    raw = done(command("predict model.json rows.csv --raw"))
    assert raw.out == outcome.out.replace("'", "")
    assert "apostrophe" not in raw.err
    as_json = [
        json.loads(line) for line in done(command("predict model.json rows.csv --json")).out.splitlines()
    ]
    assert [row["=id"] for row in as_json[:2]] == ["-0", "=id+1"]


def test_messages_on_success_stay_short_unless_asked_for(command):
    names = [f"a constant column with a long name, number {i}" for i in range(30)]
    rows = ["x,y," + ",".join(f'"{name}"' for name in names)]
    rows += [f"{(7 * i) % 11},{'ab'[i % 2]}" + ",1" * 30 for i in range(40)]
    Path("rows.csv").write_text("\n".join(rows) + "\n")
    outcome = done(command("train rows.csv --target y -o model.json"))
    assert len(outcome.err) < 600
    first, *_ = outcome.err.splitlines()
    assert (
        first == "'a constant column with a long name, number 0' is left out: constant, every value is '1'."
    )
    assert re.search(r"^2\d more such notes; -v shows all\.$", outcome.err, flags=re.MULTILINE)
    told = done(command("train rows.csv --target y -o model.json -v")).err
    assert sum("is left out: constant" in line for line in told.splitlines()) == 30
    refused = command("train rows.csv --target y --alpha -1 -o model.json")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)


def test_a_description_says_which_numbers_it_rounds(command):
    Path("rows.csv").write_text("k\n9007199254740993\n9007199254740995\n9007199254740996\n")
    outcome = done(command("describe rows.csv --json"))
    assert outcome.err.startswith("rows.csv:2:1: '9007199254740993' has more digits than a double holds")
    Path("rows.csv").write_text("k\n9007199254740992\n9007199254740994\n")
    assert done(command("describe rows.csv")).err == ""
