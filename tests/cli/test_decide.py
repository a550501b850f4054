"""oddsmith decide: policies from costs and rows, stored with what they did there, and what they then do in predict."""

import contextlib
import json
import os
import pty
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import oddsmith
from oddsmith.data.pieces import OnePiece
from oddsmith.data.roles import Role
from oddsmith.decision.actions import act_within
from oddsmith.errors import DataWarning, InputError
from oddsmith.model.role_rows import role_rows
from oddsmith.model.served import TRAINED

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "access_requests.json"

POLICIES = {
    "analytic": "--cost fn=120,fp=18",
    "gains": "--cost fn=120,fp=18,tp=-3,tn=-1",
    "empirical": "--cost fn=120,fp=18 --empirical",
    "given": "--threshold .3",
    "given with costs": "--threshold .3 --cost fn=5,fp=1",
    "recall": "--recall .8",
    "recall with costs": "--recall .8 --cost fn=120,fp=18",
    "precision": "--precision .5 --confidence .9",
    "capacity": "--capacity review=20/100",
    "capacity with costs": "--capacity review=20/100 --cost fn=120,fp=18",
    "capacity of the other": "--capacity auto=30/100 --actions auto,review",
    "deferral": "--cost fn=120,fp=18,defer=3 --reviewer-error fn=.02,fp=.05",
    "deferral with a capacity": "--cost fn=120,fp=18,defer=3 --capacity look=10/100 --actions pass,look,stop",
    "row costs": "--cost fp=18 --cost-column fn=amount",
    "matrix": "--cost-matrix costs.csv",
}


def rows_with_ties(n, seed):
    """CSV of two classes whose scores take few values, each in many rows."""
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 4, n), random.integers(0, 3, n)
    y = random.random(n) < 1.0 / (1.0 + np.exp(2.0 - a - 0.5 * b))
    amount = np.round(np.exp(random.normal(4.0, 1.0, n)), 2) + 20.0
    frame = pl.DataFrame({"a": a, "b": b, "amount": amount, "y": np.where(y, "bad", "good")})
    return frame.with_row_index("id", 1).write_csv()


@pytest.fixture(scope="module")
def ties(tmp_path_factory):
    """A folder of rows with many ties, a calibrated model with roles for rows, and a cost matrix."""
    from .conftest import run

    folder = tmp_path_factory.mktemp("ties")
    (folder / "rows.csv").write_text(rows_with_ties(4000, 5))
    (folder / "other.csv").write_text("y,wave,ask\ngood,0,2\nworse,30,5\n")
    (folder / "costs.csv").write_text("y,wave,ask,stop\ngood,0,2,9\nbad,30,5,1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train = (
            "train rows.csv --target y --id id --positive bad --drop amount --split 45/20/15/20 -o raw.json"
        )
        for line in (train, "calibrate raw.json rows.csv --method isotonic -o model.json"):
            outcome = run(line)
            assert outcome.code == 0, outcome.err
    return folder


@pytest.fixture
def table(ties, command, tmp_path):
    for path in ties.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return command


def predicted(table, options="", model="mine.json"):
    """The rows that `predict` writes, with their labels and roles beside."""
    outcome = table(f"predict {model} rows.csv --action {options}")
    assert outcome.code == 0, outcome.err
    model = oddsmith.load(model)
    rows = oddsmith.read_table("rows.csv")
    found = pl.read_csv(outcome.stdout, infer_schema=False).with_columns(
        truth=rows.frame["y"],
        role=model.record.training.roles.split.roles(rows, model.record.missing.markers()),
    )
    return model, found


@pytest.mark.parametrize("name", POLICIES)
def test_stored_counts_are_those_of_predict_to_the_row(table, name):
    outcome = table(f"decide model.json rows.csv {POLICIES[name]} -o mine.json --json")
    assert outcome.code == 0, outcome.err
    model, found = predicted(table, "--explain")
    record = model.record.decision
    assert json.loads(outcome.stdout)["policy"]["counts"] == record.policy.counts
    rows = found.filter(pl.col("role") == 2)
    counts = [
        [
            rows.filter((pl.col("truth") == label) & (pl.col("action") == action)).height
            for action in record.policy.actions
        ]
        for label in model.record.target.classes
    ]
    assert counts == record.policy.counts
    assert sum(map(sum, counts)) == record.rows.rows == rows.height
    np.testing.assert_array_equal(found["action"].to_numpy(), model.act("rows.csv"))
    if record.policy.prices is not None:
        costs = rows.select(pl.col("^expected_cost_.*$").cast(float)).to_numpy()
        assert (costs >= 0.0).all() or "gains" in name
        if record.policy.kind in ("analytic", "deferral", "matrix") and len(record.policy.thresholds) != 0:
            chosen = [record.policy.actions.index(action) for action in rows["action"]]
            np.testing.assert_allclose(costs[np.arange(len(chosen)), chosen], costs.min(axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", ["capacity with costs", "deferral with a capacity"])
def test_a_capacity_is_held_exactly_where_the_threshold_only_expects_it(table, name):
    assert table(f"decide model.json rows.csv {POLICIES[name]} -o mine.json").code == 0
    model, found = predicted(table, "--capacity")
    policy = model.policy
    served = found.filter(pl.col("action") == policy.capacity.action).height
    assert served <= policy.capacity.allowed(found.height)
    scores, _ = model.policy_inputs(
        oddsmith.read_table("rows.csv"), model.score(oddsmith.read_table("rows.csv"))
    )
    np.testing.assert_array_equal(
        found["action"].to_numpy(), np.array(policy.actions)[act_within(policy, scores)]
    )


@pytest.mark.parametrize("name", ["analytic", "deferral", "row costs", "matrix"])
def test_a_stream_takes_the_same_actions(table, name, tmp_path):
    assert table(f"decide model.json rows.csv {POLICIES[name]} -o mine.json").code == 0
    rows = (tmp_path / "rows.csv").read_bytes()
    whole = table("predict mine.json rows.csv --action --explain")
    assert table("predict mine.json --stream --action --explain", rows).stdout == whole.stdout


def test_a_stream_rejects_the_row_whose_cost_is_none(table, tmp_path):
    assert table(f"decide model.json rows.csv {POLICIES['row costs']} -o mine.json").code == 0
    lines = (tmp_path / "rows.csv").read_text().splitlines()[:6]
    lines[3] = lines[3].rsplit(",", 2)[0] + ",?,good"
    outcome = table(
        "predict mine.json --stream --action --rejects bad.csv", "\n".join(lines).encode() + b"\n"
    )
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("\n") == 5
    rejected = pl.read_csv(tmp_path / "bad.csv")
    assert rejected["line"].to_list() == [4]
    assert "'?' in numeric column 'amount'" in rejected["reason"][0]
    refused = table("predict mine.json rows.csv --action --capacity")
    assert refused.code == 2
    assert "this policy has no capacity" in refused.err


def test_a_policy_without_rows_is_the_one_that_costs_give(binary):
    found = oddsmith.decide(binary, cost=oddsmith.Cost(fn=120, fp=18))
    assert found.record.decision.rows is None
    assert found.policy.probabilities == [18 / 138]
    assert found.policy.counts == []
    with pytest.raises(InputError, match="--empirical learns from rows: give some"):
        oddsmith.decide(binary, cost=oddsmith.Cost(fn=120, fp=18), empirical=True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--cost fn=1", "--cost 'fn=1': give it as fn=120,fp=18"),
        ("--cost fn=1,fp=0", "fp"),
        ("--recall .9 --precision .9", "--recall and --precision choose a threshold in two ways"),
        ("--empirical", "--empirical looks for the least cost: add --cost"),
        ("--cost fn=9,fp=1,defer=.5 --recall .9", "--recall is for two actions"),
        ("--reviewer-error fn=.1 --cost fn=9,fp=1", "add defer to --cost"),
        ("--cost fn=9,fp=1 --actions one", "--actions are 1, and 2 are needed"),
        ("--cost-column amount", "the cost fp is missing"),
        ("--cost fp=1 --cost-column other", "no column called 'other'"),
        ("--cost fp=1 --cost-column xx=amount", "give one of fn, fp, tn and tp"),
        ("--cost fp=1 --cost-column amount --empirical", "--cost-column has none"),
        ("--cost-matrix rows.csv", "in numeric column"),
        ("--cost-matrix other.csv", "Give each class one row"),
        ("--cost-matrix nowhere.csv", "nowhere.csv: there is no such file"),
        ("--threshold 2", "2"),
        ("--capacity review", "--capacity 'review': give an action"),
        ("--capacity other=1/2", "capacity of 'other'"),
        ("--recall 1.5", "1.5"),
        ("--recall .999", "takes 2,995 positives even if none is missed; there are"),
    ],
)
def test_wishes_that_cannot_be_fulfilled_change_nothing(table, options, sentence, tmp_path):
    outcome = table(f"decide model.json rows.csv {options} -o mine.json")
    assert outcome.code == 2
    assert sentence in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "mine.json").exists()


def test_without_costs_it_asks_and_shows_what_a_miss_may_be_worth(table, tmp_path):
    outcome = table("decide model.json rows.csv -o mine.json")
    assert outcome.code == 2
    assert "what does a miss cost, relative to a false alarm?" in outcome.err
    assert [line.split()[:2] for line in outcome.out.splitlines()[-3:]] == [
        ["1:1", "0.5000"],
        ["5:1", "0.1667"],
        ["20:1", "0.0476"],
    ]
    assert not (tmp_path / "mine.json").exists()


def test_a_model_that_keeps_no_rows_to_select_on_learns_no_policy(table):
    assert table("train rows.csv --target y --id id --drop amount --split 60/20/20 -o mine.json").code == 0
    refused = table("decide mine.json rows.csv --recall .9")
    assert refused.code == 2
    assert "--split 45/20/15/20" in refused.err
    checked = table("decide mine.json rows.csv --cost fn=5,fp=1 --json")
    assert checked.code == 0
    assert json.loads(checked.stdout)["rows"]["role"] == "calibrate"


def test_with_groups_nothing_is_proved(table):
    train = "train rows.csv --target y --id id --positive bad --split 45/20/15/20 --group amount -o mine.json"
    assert table(train).code == 0
    refused = table("decide mine.json rows.csv --recall .8")
    assert refused.code == 2
    assert "groups" in refused.err


def test_another_calibration_drops_the_policy(table):
    assert table("decide model.json rows.csv --cost fn=5,fp=1 -o mine.json").code == 0
    outcome = table("calibrate mine.json rows.csv --method platt")
    assert "the policy is dropped" in outcome.err
    assert oddsmith.load("mine.json").policy is None
    refused = table("predict mine.json rows.csv --action")
    assert refused.code == 2
    assert "this model has no policy" in refused.err


def test_card_says_what_is_done_and_why(table):
    assert table("decide model.json rows.csv --cost fn=120,fp=18 -o mine.json").code == 0
    shown = table("show mine.json").out
    assert "policy        auto, review from a probability of 'bad' of 0.1304 on" in shown
    assert "calibration   isotonic:" in shown


@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
@pytest.mark.parametrize("name", ["binary", "softmax", "ovr"])
def test_a_policy_reads_the_very_probabilities_that_are_predicted(name, request, rows_of):
    model = request.getfixturevalue(name)
    table = rows_of(model)
    rows = role_rows(model, OnePiece(table), (Role.audit,), "to look at", TRAINED)
    np.testing.assert_array_equal(rows.proba, model.predict_proba(table), strict=True)
    if name == "binary":
        scores, _ = model.policy_inputs(table, model.score(table))
        np.testing.assert_array_equal(rows.proba, scores, strict=True)  # without a policy
        decided = oddsmith.decide(model, threshold=0.3)
        scores, _ = decided.policy_inputs(table, decided.score(table))
        np.testing.assert_array_equal(rows.calibrated, scores, strict=True)


@pytest.mark.parametrize("form", ["softmax", "ovr"])
def test_cost_matrices_of_more_classes(students_csv, form, tmp_path, command):
    (tmp_path / "costs.csv").write_text(
        "house,owl,visit,none\nSlytherin,8,8,1\nGryffindor,0,5,9\nRavenclaw,3,4,0\nHufflepuff,3,0,9\n"
    )
    command(
        f"train '{students_csv}' --target 'Hogwarts House' --id Index --alpha .01 --multi-class {form} --split 60/20/20 "
        f"-o houses.json"
    )
    refused = command(f"decide houses.json '{students_csv}' --cost fn=1,fp=1")
    assert refused.code == 2
    assert "4 classes: give --cost-matrix FILE" in refused.err
    outcome = command(f"decide houses.json '{students_csv}' --cost-matrix costs.csv")
    assert outcome.code == 0, outcome.err
    model = oddsmith.load("houses.json")
    costs = np.array([[0, 5, 9], [3, 0, 9], [3, 4, 0], [8, 8, 1]])
    assert model.policy.matrix.classes == ["Gryffindor", "Hufflepuff", "Ravenclaw", "Slytherin"]
    expected = np.array(["owl", "visit", "none"])[(model.predict_proba(students_csv) @ costs).argmin(axis=1)]
    np.testing.assert_array_equal(model.act(students_csv), expected)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference figures are not beside this checkout")
class TestAccessRequests:
    """The eight requests to train on and the eight to validate."""

    @pytest.fixture
    def decided(self, command, tmp_path):
        facts = json.loads(REFERENCE.read_text())
        for name in ("train", "validation"):
            pl.DataFrame(facts[name]["rows"]).write_csv(tmp_path / f"{name}.csv")
        train = "--solver gradient-descent --learning-rate .2 --iterations 3000 --positive 1"
        assert command(f"train train.csv --target needs_review --id request {train} -o model.json").code == 0
        outcome = command("decide model.json validation.csv --cost fn=120,fp=18 --json")
        assert outcome.code == 0, outcome.err
        return facts, oddsmith.load("model.json"), command

    def test_the_policy_and_its_counts(self, decided):
        facts, model, _ = decided
        assert model.policy.probabilities == [18 / 138] == [facts["costs"]["analytic_threshold"]]
        (tn, fp), (fn, tp) = model.policy.counts
        assert (tp, fp, fn, tn) == (4, 3, 0, 1)
        for row in facts["validation_thresholds"]:
            given = oddsmith.decide(
                model, "validation.csv", threshold=row["threshold"], cost=oddsmith.Cost(fn=120, fp=18)
            )
            (tn, fp), (fn, tp) = given.policy.counts
            assert {"tp": tp, "fp": fp, "fn": fn, "tn": tn, "cost": given.policy.total} == {
                name: row[name] for name in ("tp", "fp", "fn", "tn", "cost")
            }

    def test_rows_that_chose_the_policy_serve_nothing_else(self, decided):
        _, model, command = decided
        refused = command("calibrate model.json validation.csv")
        assert refused.code == 2
        assert "validation.csv: these are the rows that its policy was chosen on" in refused.err
        with pytest.warns(
            DataWarning, match="these are the rows that its policy was chosen on: its figures flatter it"
        ):
            model.evaluate("validation.csv")
        refused = command("decide model.json train.csv --cost fn=120,fp=18")
        assert refused.code == 2
        assert "train.csv: these are the rows that the model was trained on" in refused.err


@pytest.mark.slow
def test_at_a_terminal_it_asks_and_takes_the_answer(table, tmp_path):
    program = "from oddsmith.cli import main; main('decide model.json rows.csv -o mine.json'.split())"
    process, terminal = pty.fork()
    if not process:
        os.execv(sys.executable, [sys.executable, "-c", program])
    shown = b""
    while b"How many false alarms is a miss worth?" not in shown:
        shown += os.read(terminal, 4096)
    os.write(terminal, b"5\n")
    with contextlib.suppress(OSError):
        while os.read(terminal, 4096):
            pass
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert b"20:1" in shown
    assert oddsmith.load("mine.json").policy.probabilities == [1 / 6]
