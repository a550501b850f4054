"""oddsmith build: four verbs on one table, each on rows of its own; what it stores is what they would store."""

import msgspec
import polars as pl
import pytest

import oddsmith
from oddsmith.data.roles import Role
from oddsmith.data.samples import access_requests
from oddsmith.evidence.audit import Audit

from .test_decide import rows_with_ties
from .test_reference import SHARED

VERDICTS = ["fit", "ranking", "calibration", "policy", "sample size"]


def shares(model, table):
    """The rows of each role."""
    roles = model.record.training.roles.split.roles(table, model.record.missing.markers())
    return {role.name: int((roles == role).sum()) for role in Role}


def test_build_is_the_four_verbs_one_after_the_other(command, tmp_path):
    (tmp_path / "rows.csv").write_text(access_requests(900, seed=7))
    outcome = command(
        "build rows.csv --target needs_review --id request --cost fn=120,fp=18 -o built.json --json"
    )
    assert outcome.code in (0, 1), outcome.err
    for line in (
        "train rows.csv --target needs_review --id request --split 60/20/20 -o model.json",
        "calibrate model.json rows.csv",
        "decide model.json rows.csv --cost fn=120,fp=18",
        "audit model.json rows.csv -o model.json",
    ):
        assert command(line).code in (0, 1)
    assert (tmp_path / "built.json").read_bytes() == (tmp_path / "model.json").read_bytes()
    model = oddsmith.load("built.json")
    assert model.audit == msgspec.json.decode(outcome.stdout, type=Audit)
    assert [verdict.name for verdict in model.audit.verdicts] == VERDICTS
    record, counts = model.record, shares(model, oddsmith.read_table("rows.csv"))
    assert record.training.rows == counts["train"]
    assert record.calibration.rows.rows == record.decision.rows.rows == counts["calibrate"]
    assert record.audit.rows.rows == counts["audit"]
    assert sum(counts.values()) == 900


@pytest.mark.parametrize(
    ("options", "split"),
    [
        ("--recall .8", "45/20/15/20"),
        ("--cost fn=5,fp=1 --empirical", "45/20/15/20"),
        ("--cost fn=5,fp=1", "60/20/20"),
    ],
)
def test_rows_to_select_on_are_kept_apart_where_a_policy_learns(command, tmp_path, options, split):
    (tmp_path / "rows.csv").write_text(rows_with_ties(3000, 6))
    outcome = command(f"build rows.csv --target y --id id --positive bad {options} -o model.json")
    assert outcome.code in (0, 1), outcome.err
    model = oddsmith.load("model.json")
    parts = model.record.training.roles.split.shares
    assert parts == oddsmith.data.roles.Shares.parsed(split)
    assert model.record.decision.rows.role == ("select" if parts.select else "calibrate")
    asked = model.audit.bars.recall
    assert asked == (0.8 if "recall" in options else None)


def test_it_ends_with_a_sentence_on_each_and_fails_where_one_fails(command, tmp_path):
    (tmp_path / "rows.csv").write_text(access_requests(900, seed=7))
    build = "build rows.csv --target needs_review --id request --cost fn=120,fp=18 -o model.json"
    outcome = command(f"{build} --slice department")
    before, _, after = outcome.out.partition("Slices by department")
    assert "Audit, on " in before
    assert oddsmith.load("model.json").audit.slices[0].sentence in after
    strip = [line.split() for line in outcome.out.splitlines()[-5:]]
    assert [
        " ".join(words[1 : 1 + len(name.split())]) for words, name in zip(strip, VERDICTS, strict=True)
    ] == VERDICTS
    assert {words[0] for words in strip} <= {"PASS", "FAIL", "INSUFFICIENT"}
    assert "wrote model.json" in outcome.err
    failed = command(f"{build} --bar auc=.999")
    assert failed.code == 1
    assert oddsmith.load("model.json").record.audit.verdict == "FAIL"


@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_in_python_with_a_frame_groups_and_four_classes(students_csv):
    frame = pl.read_csv(rows_with_ties(1500, 8).encode())
    model = oddsmith.build(
        frame, "y", cost=oddsmith.Cost(fn=5, fp=1), id="id", group="amount", positive="bad", slices=["b"]
    )
    assert model.audit.slices[0].column == "b"
    assert model.record.training.digests == []
    assert set(model.act(frame)) <= {"auto", "review"}
    houses = oddsmith.CostMatrix(
        ["Gryffindor", "Hufflepuff", "Ravenclaw", "Slytherin"],
        ["owl", "visit", "none"],
        [[0, 5, 9], [3, 0, 9], [3, 4, 0], [8, 8, 1]],
    )
    model = oddsmith.build(students_csv, "Hogwarts House", cost_matrix=houses, alpha=0.01, id="Index")
    assert model.policy.kind == "matrix"
    assert model.audit.classes == tuple(houses.classes)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("", "what does a miss cost, relative to a false alarm?"),
        ("--cost fn=5", "--cost 'fn=5'"),
        ("--cost fn=5,fp=1 --split 60/40", "--split '60/40'"),
        ("--cost fn=5,fp=1 --split 60/20/20 --empirical", "--split 45/20/15/20"),
        ("--cost fn=5,fp=1 --recall .999", "takes 2,995 positives even if none is missed"),
        ("--cost fn=5,fp=1 --slice nothing", "no column called 'nothing'"),
        ("--cost fn=5,fp=1 --bar speed=1", "--bar 'speed=1'"),
        ("--cost fn=5,fp=1 --method best", "--method"),
        ("--cost-matrix rows.csv", "in numeric column"),
    ],
)
def test_what_cannot_be_built_leaves_no_file(command, tmp_path, options, sentence):
    (tmp_path / "rows.csv").write_text(rows_with_ties(400, 9))
    outcome = command(f"build rows.csv --target y --id id {options} -o model.json")
    assert outcome.code == 2
    assert sentence in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "model.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference figures are not here")
@pytest.mark.parametrize(
    ("name", "options", "positive"),
    [
        ("german.csv", "--no-header --target -1 --alpha auto", "2"),
        ("UCI_Credit_Card.csv", "--target -1 --id ID", "1"),
    ],
)
def test_real_cost_matrices_end_to_end(command, tmp_path, name, options, positive):
    """Official costs of 5:1: what a case costs on audit rows under the policy, none, all and a threshold of 1/2."""
    path = SHARED / "data" / "csv" / name
    outcome = command(f"build {path} {options} --cost fn=5,fp=1 -o model.json --json")
    assert outcome.code == 0, outcome.err
    model = oddsmith.load("model.json")
    found = model.audit.policy
    rows = oddsmith.read_table(path, model.record.reading)
    roles = model.record.training.roles.split.roles(rows, model.record.missing.markers())
    audit = roles == Role.audit
    y = (rows.frame[rows.frame.columns[-1]].cast(str).to_numpy() == positive)[audit]
    review = model.act(path)[audit] == "review"
    assert found.cost.value == pytest.approx((5 * (y & ~review) + (~y & review)).mean(), rel=1e-12)
    others = {each.name: each.cost for each in found.comparisons}
    half = model.predict_proba(path)[audit, 1] >= 0.5
    assert others["'auto' for all"] == pytest.approx(5 * y.mean(), rel=1e-12)
    assert others["'review' for all"] == pytest.approx((~y).mean(), rel=1e-12)
    assert others["a threshold of 1/2"] == pytest.approx((5 * (y & ~half) + (~y & half)).mean(), rel=1e-12)
    assert found.cost.value < min(others.values())
