"""oddsmith explain: a row as it is typed, and what is said of it."""

import csv
import gzip
import json
import re
from datetime import date
from pathlib import Path

import msgspec
import polars as pl
import pytest

import oddsmith
from oddsmith.data import pieces
from oddsmith.decision.choosing import analytic_policy, row_policy
from oddsmith.decision.costs import RowCosts
from oddsmith.evaluate.metrics import Cost
from oddsmith.model.reasons import Reasons
from oddsmith.model.records import DecisionRecord
from oddsmith.workflow.record import resealed

ROW = "department=finance,privileged=True,ambiguity=3.1,support=4"
CELLS = {"department": "finance", "privileged": True, "ambiguity": 3.1, "support": 4}


def done(outcome):
    assert outcome.code == 0, outcome.err
    return outcome


def decided(shop, policy, options="--method platt"):
    """The workshop's model with a calibration and a policy, in decided.json."""
    done(shop(f"calibrate review.json later.csv {options} -o calibrated.json -q"))
    model = oddsmith.load("calibrated.json")
    resealed(
        model, calibration=model.record.calibration, decision=DecisionRecord(policy=policy, rows=None)
    ).save("decided.json")
    return oddsmith.load("decided.json")


def test_the_action_its_reasons_and_what_would_have_changed_it(shop):
    model = decided(shop, analytic_policy(None, Cost(fn=120, fp=18)))
    found = model.reasons(CELLS)
    outcome = done(shop(f"explain decided.json --row {ROW} --json"))
    assert outcome.err == ""
    assert msgspec.json.decode(outcome.stdout, type=Reasons) == found
    assert (found.by_policy, found.calibrated) == (True, True)
    [chance] = found.chances
    assert chance.after == pytest.approx(model.predict_proba(CELLS)[1], rel=1e-12)
    assert chance.before == pytest.approx(oddsmith.load("review.json").predict_proba(CELLS)[1], rel=1e-12)
    assert found.costs == pytest.approx({"auto": 120 * chance.after, "review": 18 * (1 - chance.after)})
    assert model.act(CELLS) == [found.action]
    n_changes = 0
    for reason in found.columns:
        for change in reason.changes:
            assert model.act({**CELLS, reason.column: change.to}) == [change.action]
            assert change.action != found.action
            n_changes += 1
    assert n_changes
    shown = done(shop(f"explain decided.json --row {ROW}")).out
    assert shown.startswith(f"Action: '{found.action}', at an expected cost of ")
    assert re.search(r"^  ambiguity 3.1 raises the log-odds by 0\.\d\d$", shown, flags=re.MULTILINE)
    assert "would be 'auto' at ambiguity " in shown
    assert 8 <= len(shown.splitlines()) <= 16
    assert shown.isascii()


def test_a_row_may_be_typed_in_pieces_and_in_quotes(shop):
    whole = done(shop(f"explain review.json --row {ROW} --json")).stdout
    for typed in (
        "--row department=finance --row privileged=true --row 'ambiguity=3.1, support=4'",
        '--row \' department = "finance","privileged"=TRUE ,ambiguity=3.10,,support=4.0\'',
        f"--row {ROW},request=R7",
    ):
        assert done(shop(f"explain review.json --row {typed.removeprefix('--row ')} --json")).stdout == whole


def test_commas_equals_signs_and_quotes_in_names_and_values(command):
    levels = ["sales, north", 'the "old" one', "c=d"]
    lines = [f'"{levels[i % 3].replace(chr(34), 2 * chr(34))}",{i % 7},{(i * i) % 5 // 3}' for i in range(60)]
    Path("rows.csv").write_text("\n".join(['"area, or=so",x,y', *lines]))
    done(command("train rows.csv --target y --alpha 0.1 -o model.json -q"))
    typed = ['"sales, north"', '"the ""old"" one"', "c=d"]
    for level, text in zip(levels, typed, strict=True):
        outcome = done(command(f"""explain model.json --row '"area, or=so"={text},x=3' --json"""))
        cells = {reason["column"]: reason["cell"] for reason in json.loads(outcome.stdout)["columns"]}
        assert (cells, outcome.err) == ({"area, or=so": level, "x": 3.0}, "")


def test_a_column_that_is_left_out_is_missing_and_that_is_said(shop):
    outcome = done(shop("explain review.json --row ambiguity=3.1,support= --json"))
    cells = {reason["column"]: reason["cell"] for reason in json.loads(outcome.stdout)["columns"]}
    assert cells == {"department": None, "privileged": None, "ambiguity": 3.1, "support": None}
    lines = outcome.err.splitlines()
    assert lines[0] == "taken as missing: 'department', 'privileged'"
    assert lines[1].startswith("'department' has a level that training never saw: an empty cell.")
    assert done(shop("explain review.json --row ambiguity=3.1 -q")).err == ""
    unused = done(shop(f"explain review.json --row {ROW},request=R7,opened=2020-01-01"))
    assert unused.err == "not used by the model: 'request', 'opened'\n"


def test_a_label_stands_for_the_action_where_there_is_no_policy(shop):
    typed = "--row 'Best Hand=Left,Charms=1169,Flying=-20'"
    found = json.loads(done(shop(f"explain houses.json {typed} --json")).stdout)
    model = oddsmith.load("houses.json")
    cells = {column.name: None for column in model.record.columns}
    cells |= {"Best Hand": "Left", "Charms": 1169.0, "Flying": -20.0}
    label = model.predict(cells)
    assert (found["by_policy"], found["action"], found["label"], found["costs"]) == (False, label, label, {})
    assert [chance["label"] for chance in found["chances"]] == list(model.classes)
    shown = done(shop(f"explain houses.json {typed}")).out
    assert shown.startswith(f"Predicted: '{label}'.\n")


def test_costs_are_part_of_the_row(shop):
    model = decided(shop, row_policy(RowCosts(fn="loss", fp=18)))
    found = json.loads(done(shop(f"explain decided.json --row {ROW},loss=120 --json")).stdout)
    assert found["costs"] == pytest.approx(
        {"auto": 120 * found["chances"][0]["after"], "review": 18 * (1 - found["chances"][0]["after"])}
    )
    assert model.reasons({**CELLS, "loss": 120}).action == found["action"]
    outcome = shop(f"explain decided.json --row {ROW}")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert "the row has no 'loss'" in outcome.err
    assert "Did you mean 'loss'?" in shop(f"explain decided.json --row {ROW},lost=120").err


def test_an_offset_is_part_of_the_row(command):
    lines = [f"{i % 7},{i % 5 - 2},{(i * i) % 5 // 3}" for i in range(60)]
    Path("rows.csv").write_text("\n".join(["x,known,y", *lines]))
    done(command("train rows.csv --target y --offset known --alpha 0.1 -o model.json -q"))
    found = json.loads(done(command("explain model.json --row x=3,known=1.5 --json")).stdout)
    columns = {reason["column"]: reason for reason in found["columns"]}
    assert (columns["known"]["cell"], columns["known"]["contribution"]) == (1.5, 1.5)
    [change] = columns["known"]["changes"]
    assert change["to"] == pytest.approx(1.5 - found["log_odds"])
    outcome = command("explain model.json --row x=3")
    assert (outcome.code, "the row has no 'known'" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ambiguity=3.1,suport=4", "the model has no column 'suport'. Did you mean 'support'?"),
        ("colour=red", "no column 'colour'. It reads 'department', 'privileged', 'ambiguity', 'support'."),
        (
            "needs_review",
            "'needs_review' is no COLUMN=VALUE. Put a value that holds a comma in double quotes",
        ),
        ('department="sales', "a quote is not closed"),
        ("support=4,support=5", "'support' is given twice. Give it once."),
        ("support=many", "'many' in numeric column 'support' of this row. Give a number or None."),
        ("privileged=perhaps", "'perhaps' in column 'privileged' of this row, which is true or false."),
        ("support=1e400", "beyond the range of a double"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_in_a_sentence(shop, typed, said):
    outcome = shop(f"explain review.json --row '{typed}'")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1


def row_of(path, **wanted):
    """The cells of a CSV row as its text says them."""
    with Path(path).open(newline="") as stream:
        [row] = [row for row in csv.DictReader(stream) if wanted.items() <= row.items()]
    return row


def test_a_row_of_a_file_is_found_by_its_id(shop):
    model = decided(shop, analytic_policy(None, Cost(fn=120, fp=18)))
    row = row_of("later.csv", request="R00317")
    found = model.reasons({column.name: row[column.name] or None for column in model.record.columns})
    pl.read_csv("later.csv").write_parquet("later.parquet")
    Path("later.csv.gz").write_bytes(gzip.compress(Path("later.csv").read_bytes()))
    Path("later.tsv").write_text(Path("later.csv").read_text().replace(",", "\t"))
    for data in (
        "later.csv --id R00317",
        "later.csv --id ' R00317'",
        "later.csv --id request=R00317",
        "later.parquet --id R00317",
        "later.csv.gz --id R00317",
        "requests.csv later.csv --id R00317",
        "later.tsv --delimiter tab --id R00317",
    ):
        outcome = done(shop(f"explain decided.json {data} --json"))
        assert (msgspec.json.decode(outcome.stdout, type=Reasons), outcome.err) == (found, "")
    shown = done(shop("explain decided.json later.csv --id R00317")).out
    assert shown == f"{found}\n"


@pytest.mark.parametrize("size", [300, 1000])
def test_a_row_is_looked_for_in_all_of_a_long_file(shop, monkeypatch, size):
    whole = done(shop("explain review.json later.csv --id R00317")).out
    lines = Path("later.csv").read_text().splitlines()
    Path("again.csv").write_text("\n".join([*lines, lines[17]]))
    monkeypatch.setattr(pieces, "piece_size", lambda memory=None: size)
    assert done(shop("explain review.json later.csv --id R00317")).out == whole
    outcome = shop("explain review.json again.csv --id R00317")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert "2 rows have 'R00317' in column 'request': again.csv:18:1, again.csv:62:1." in outcome.err


def test_files_are_read_as_the_training_data_was(command):
    lines = [f"{i:03d};{i % 7};{'ab'[i % 2]};{(i * i) % 5 // 3}" for i in range(60)]
    Path("rows.csv").write_text("\n".join(["id;x;level;y", *lines]))
    done(command("train rows.csv --delimiter ; --target y --id id --alpha 0.1 -o model.json -q"))
    typed = done(command("explain model.json --row x=2,level=b --json")).stdout
    assert done(command("explain model.json rows.csv --id 009 --json")).stdout == typed
    # 9 is another text than 009; and a column that is a number in one format is its digits.
    outcome = command("explain model.json rows.csv --id 9")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert outcome.err == (
        "oddsmith: rows.csv: no row has '9' in column 'id'. It has '000', '001', '002', '003', '004' and others. "
        "Give the whole text of one.\n"
    )
    pl.read_csv("rows.csv", separator=";").write_parquet("rows.parquet")
    assert done(command("explain model.json rows.parquet --id 9 --json")).stdout == typed
    assert "no row has '009'" in command("explain model.json rows.parquet --id 009").err


def test_a_day_or_a_text_with_equals_signs_may_name_a_row(command):
    days = pl.date_range(date(2025, 1, 1), date(2025, 3, 1), eager=True)
    i = pl.int_range(len(days), eager=True)
    frame = pl.DataFrame({"code": [f"y=x={n}" for n in i], "day": days, "x": i % 7, "y": (i * i) % 5 // 3})
    frame.write_parquet("rows.parquet")
    done(command("train rows.parquet --target y --id code --drop day --alpha 0.1 -o model.json -q"))
    typed = done(command("explain model.json --row x=2 --json")).stdout
    for named in ("code=y=x=9", "day=2025-01-10"):
        assert done(command(f"explain model.json rows.parquet --id {named} --json")).stdout == typed
    # An equals sign after the name of a column stands between the two.
    assert "no row has 'x=9' in column 'y'" in command("explain model.json rows.parquet --id y=x=9").err


def test_missing_cells_costs_and_an_offset_are_read_from_the_file(shop, command):
    model = decided(shop, row_policy(RowCosts(fn="loss", fp=18)))
    head, *lines = Path("later.csv").read_text().splitlines()
    Path("priced.csv").write_text("\n".join([f"{head},loss", *(f"{line},120" for line in lines)]))
    row = next(line.split(",") for line in lines if line.split(",")[5] == "")
    found = json.loads(done(shop(f"explain decided.json priced.csv --id {row[0]} --json")).stdout)
    cells = {"department": row[2], "privileged": row[3], "ambiguity": row[4], "support": None, "loss": 120}
    assert found == json.loads(msgspec.json.encode(model.reasons(cells)))
    outcome = shop(f"explain decided.json later.csv --id {row[0]}")
    assert (outcome.code, "no column called 'loss'" in outcome.err) == (2, True)
    lines = [f"{i},{i % 7},{i % 5 - 2},{(i * i) % 5 // 3}" for i in range(60)]
    Path("rows.csv").write_text("\n".join(["id,x,known,y", *lines]))
    done(command("train rows.csv --target y --id id --offset known --alpha 0.1 -o model.json -q"))
    typed = done(command("explain model.json --row x=2,known=2 --json")).stdout
    assert done(command("explain model.json rows.csv --id 9 --json")).stdout == typed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "twice.csv --id R1",
            "twice.csv: 2 rows have 'R1' in column 'request': twice.csv:2:2, twice.csv:4:2. "
            "Name one of them by another column: --id COLUMN=VALUE.",
        ),
        (
            "twice.parquet --id R1",
            "2 rows have 'R1' in column 'request': twice.parquet: row 1, column 'request', twice.parquet: row 3,",
        ),
        (
            "twice.csv --id R9",
            "twice.csv: no row has 'R9' in column 'request'. It has 'R1', 'R2'. Give the whole",
        ),
        ("twice.csv --id empty=", "no row has '' in column 'empty'. The column is empty. Name another."),
        (
            "other.csv --id R1",
            "other.csv: no column called 'request', which the model has as its id. Add it, or",
        ),
        ("twice.csv --id line=2", "twice.csv:3:6: 'many' in numeric column 'support'"),
        ("other.csv --id x=1", "no column called 'department', 'privileged', 'ambiguity', 'support'"),
        ("absent.csv --id R1", "absent.csv"),
    ],
)
def test_a_row_of_a_file_that_is_not_one_row_is_refused_in_a_sentence(shop, line, said):
    rows = ["1,R1,sales,true,3,4,", "2,R2,sales,true,3,many,", "3,R1,sales,false,3,4,"]
    Path("twice.csv").write_text(
        "\n".join(["line,request,department,privileged,ambiguity,support,empty", *rows])
    )
    pl.read_csv("twice.csv").write_parquet("twice.parquet")
    Path("other.csv").write_text("x,y\n1,2\n3,4\n")
    outcome = shop(f"explain review.json {line}")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_model_without_an_id_needs_a_column(command):
    lines = [f"{100 + i},{i % 7},{(i * i) % 5 // 3}" for i in range(60)]
    Path("rows.csv").write_text("\n".join(["number,x,y", *lines]))
    done(command("train rows.csv --target y --drop number --alpha 0.1 -o model.json -q"))
    outcome = command("explain model.json rows.csv --id 109")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert outcome.err == (
        "oddsmith: --id '109': the model has no id column. Say --id COLUMN=VALUE, with a column of rows.csv: "
        "'number', 'x', 'y'.\n"
    )
    typed = done(command("explain model.json --row x=2 --json")).stdout
    assert done(command("explain model.json rows.csv --id number=109 --json")).stdout == typed


def test_a_row_of_which_nothing_counts_is_not_explained(shop):
    outcome = shop("explain review.json --row request=R00317")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert outcome.err == (
        "oddsmith: --row: none of these is a column that the model predicts from. It reads 'department', 'privileged', "
        "'ambiguity', 'support'. For a row of a file, say oddsmith explain MODEL DATA --id VALUE.\n"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "There is no row to explain: name it by DATA --id VALUE, or type it with --row."),
        ("--id R1", "There is no row to explain"),
        ("later.csv", "DATA has many rows: name the one to explain by --id VALUE or --id COLUMN=VALUE."),
        ("later.csv --row ambiguity=3", "--row is the whole row: leave out DATA, --id"),
        ("--id R1 --row ambiguity=3", "--row is the whole row"),
        ("--delimiter ; --row ambiguity=3", "--row is the whole row"),
    ],
)
def test_a_row_is_typed_or_named_and_not_both(shop, line, said):
    outcome = shop(f"explain review.json {line}")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert said in outcome.err
