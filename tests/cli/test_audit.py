"""oddsmith audit: verdicts on rows that had no part in the model, and none on others."""

import json
import warnings
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

import oddsmith
from oddsmith.data.native import as_table
from oddsmith.data.read import read_table
from oddsmith.data.roles import Role
from oddsmith.data.samples import access_requests, students
from oddsmith.errors import DataWarning, InputError
from oddsmith.evaluate.delong import auc_estimate
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evidence.audit import Audit
from oddsmith.evidence.verdicts import Bars

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "access_requests.json"


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """A model with roles for rows, calibrated and decided, and its rows."""
    path = tmp_path_factory.mktemp("split") / "requests.csv"
    path.write_text(access_requests(1500, seed=5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = oddsmith.train(path, "needs_review", id="request", split="40/20/10/30")
        model = oddsmith.calibrate(model, path, method="platt")
        return oddsmith.decide(model, path, cost=oddsmith.Cost(fn=120, fp=18)), read_table(path)


@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_the_figures_are_those_of_the_rows_to_audit(split):
    model, table = split
    kept = model.record.training.roles.split.roles(table, model.record.missing.markers()) == Role.audit
    found = oddsmith.audit(model, table, slices=["department", "ambiguity"], bars=Bars(recall=0.8)).audit
    y = (table.frame["needs_review"].to_numpy() == "1").astype(int)[kept]
    scores = model.score(table)
    assert found.sample_size.class_counts == tuple(np.bincount(y))
    expected = ScoreTable.from_scores(scores.log_odds[kept, 0], y)
    assert found.ranking.classes[0].auc == auc_estimate(expected)
    proba = model.predict_proba(table)[kept]
    assert found.calibration.log_loss.value == pytest.approx(-np.log(proba[np.arange(len(y)), y]).mean())
    review = model.act(table)[kept] == "review"
    assert found.policy.counts == tuple(
        (int((~review & (y == k)).sum()), int((review & (y == k)).sum())) for k in (0, 1)
    )
    assert found.policy.cost.value == pytest.approx(
        (120 * ((y == 1) & ~review) + 18 * ((y == 0) & review)).mean()
    )
    departments = table.frame["department"].to_numpy()[kept]
    assert {one.level: one.n_rows for one in found.slices[0].levels} == dict(
        zip(*np.unique(departments, return_counts=True), strict=True)
    )
    assert len(found.slices[1].levels) <= 6
    ambiguity = model.terms.index("ambiguity")
    moved = next(term for term in found.drift.terms if term.term == "ambiguity")
    mean = scores.centred[kept, ambiguity].mean() / model.design.scale[ambiguity]
    assert moved.difference == pytest.approx(mean)
    assert [verdict.name for verdict in found.verdicts] == [
        "fit", "ranking", "calibration", "policy", "recall", "sample size",
    ]  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(found), type=Audit) == found


def test_rows_of_other_roles_are_left_out_and_it_is_said(split):
    model, table = split
    with pytest.warns(DataWarning, match="rows to audit the model on; left out"):
        oddsmith.audit(model, table)


@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_groups_of_the_split_are_the_units(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text(access_requests(600, seed=6))
    model = oddsmith.train(path, "needs_review", id="request", split="50/20/30", group="opened")
    found = oddsmith.audit(model, path).audit
    assert 1 < found.sample_size.n_groups < found.sample_size.n_rows
    assert "by group" in found.ranking.classes[0].auc.interval.method


@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_costs_that_are_columns(tmp_path):
    table = pl.read_csv(access_requests(600, seed=7).encode(), infer_schema=False)
    amount = np.random.default_rng(0).exponential(100, 600) + 1
    table = table.with_columns(pl.Series("amount", amount))
    model = oddsmith.train(table, "needs_review", id="request", drop=["amount"], split="50/20/30")
    model = oddsmith.decide(model, table, row_costs=oddsmith.RowCosts(fn="amount", fp=18))
    found = oddsmith.audit(model, table).audit
    kept = (
        model.record.training.roles.split.roles(as_table(table), model.record.missing.markers()) == Role.audit
    )
    y, review = (table["needs_review"].to_numpy() == "1")[kept], model.act(table)[kept] == "review"
    cost = np.where(y, np.where(review, 0.0, amount[kept]), np.where(review, 18.0, 0.0))
    assert found.policy.cost.value == pytest.approx(cost.mean())


@pytest.mark.parametrize("form", ["softmax", "ovr"])
def test_four_classes(shop, tmp_path, form):
    (tmp_path / "later-students.csv").write_text(students(300, seed=8))
    model = {"softmax": "softmax.json", "ovr": "houses.json"}[form]
    outcome = shop(f"audit {model} later-students.csv --slice 'Best Hand' --json")
    assert outcome.code == 0, outcome.err
    found = msgspec.json.decode(outcome.stdout, type=Audit)
    assert [entry.label for entry in found.ranking.classes] == oddsmith.load(model).record.target.classes
    assert {one.level for one in found.slices[0].levels} == {"Left", "Right"}
    proba = oddsmith.load(model).predict_proba("later-students.csv")
    labels = read_table("later-students.csv").frame["Hogwarts House"].to_list()
    truth = [found.classes.index(label) for label in labels]
    assert found.calibration.log_loss.value == pytest.approx(-np.log(proba[np.arange(300), truth]).mean())


def test_the_exit_code_is_1_on_fail_alone(shop):
    passed = shop("audit review.json later.csv")
    assert (passed.code, passed.out.split()[0]) == (0, "INSUFFICIENT")
    failed = shop("audit review.json later.csv --bar auc=.999 -q")
    assert (failed.code, failed.out.split()[0]) == (1, "FAIL")
    assert failed.err == ""


def test_the_audit_is_kept_in_the_model_file(shop, tmp_path):
    before = (tmp_path / "review.json").read_bytes()
    outcome = shop("audit review.json later.csv --slice department -o audited.json --json")
    assert outcome.code == 0, outcome.err
    assert "wrote audited.json" in outcome.err
    assert (tmp_path / "review.json").read_bytes() == before
    model = oddsmith.load("audited.json")
    assert model.audit == msgspec.json.decode(outcome.stdout, type=Audit)
    assert model.record.audit.rows.rows == 60
    # The same rows may audit it again, and nothing else.
    assert shop("audit audited.json later.csv -q").code == 0
    refused = shop("calibrate audited.json later.csv")
    assert "these are the rows that it was audited on" in refused.err
    assert shop("audit review.json later.csv -o later.csv").code == 2


def test_files_that_made_the_model_are_refused_with_a_remedy(shop):
    refused = shop("audit review.json requests.csv")
    assert refused.code == 2
    assert "requests.csv: these are the rows that the model was trained on" in refused.err
    assert "--split 60/20/20" in refused.err
    assert shop("calibrate review.json later.csv --method platt -o mine.json -q").code == 0
    refused = shop("audit mine.json later.csv")
    assert refused.code == 2
    assert "these are the rows that its calibration was learned from" in refused.err


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference figures are not here")
def test_eight_requests_certify_nothing(command, tmp_path):
    reference = json.loads(REFERENCE.read_text("utf-8"))

    def write(name, rows):
        lines = [f"{row['ambiguity']},{row['support']},{row['needs_review']}" for row in rows]
        (tmp_path / name).write_text("\n".join(["ambiguity,support,needs_review", *lines]) + "\n")

    validation = reference["validation"]["rows"]
    write("train.csv", reference["train"]["rows"])
    write("validation.csv", validation)
    write("others.csv", [{**row, "ambiguity": round(row["ambiguity"] + 0.05, 2)} for row in validation])
    assert command("train train.csv --target needs_review -o model.json -q").code == 0
    decided = command("decide model.json validation.csv --cost fn=120,fp=18 -q")
    assert decided.code == 0, decided.err
    refused = command("audit model.json validation.csv")
    assert refused.code == 2
    assert "validation.csv: these are the rows that its policy was chosen on" in refused.err
    outcome = command("audit model.json others.csv")
    assert outcome.code == 0, outcome.err
    first = outcome.out.splitlines()[0]
    assert first.startswith("INSUFFICIENT on ranking, calibration, policy and sample size. 8 rows, 4 events")
    assert "0.90 takes 29, 0.95 takes 59, 0.99 takes 299 positives; there are 4 of '1'." in first


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--bar accuracy=.9", "--bar 'accuracy=.9': give it as auc=.7,recall=.9"),
        ("--bar recall=1.5", "bar recall=1.5: out of range"),
        ("--slice nothing", "no column called 'nothing'"),
    ],
)
def test_options_that_are_none(shop, options, sentence):
    outcome = shop(f"audit review.json later.csv {options}")
    assert outcome.code == 2
    assert sentence in outcome.err


def test_slices_are_a_list(split):
    model, table = split
    with pytest.raises(InputError, match=r"as in \['department'\]"):
        oddsmith.audit(model, table, slices="department")


def test_the_terminal_shows_every_section(shop):
    shown = shop("audit review.json later.csv --slice department").out
    for title in (
        "Ranking, by the raw scores",
        "Calibration of",
        "Slices by department",
        "Drift since",
        "If labels",
    ):
        assert title in shown


@pytest.mark.parametrize("model", ["softmax.json", "houses.json"])
def test_classes_are_ranked_as_evaluate_ranks_them(shop, tmp_path, model):
    (tmp_path / "later-students.csv").write_text(students(300, seed=8))
    loaded = oddsmith.load(model)
    found = oddsmith.audit(loaded, tmp_path / "later-students.csv").audit
    expected = [report.auc for report in loaded.evaluate(tmp_path / "later-students.csv").per_class]
    assert [entry.auc.value for entry in found.ranking.classes] == pytest.approx(expected, rel=1e-12)
