"""oddsmith explain: a row as it is typed, and what is said of it."""

import json
import re
from pathlib import Path

import msgspec
import pytest

import oddsmith
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


def test_without_a_row_there_is_nothing_to_explain(shop):
    assert "Missing option '--row'" in shop("explain review.json").err
