"""oddsmith gate: a candidate against an incumbent, on rows that neither has learned from."""

import json

import msgspec
import numpy as np
import polars as pl
import pytest

import oddsmith
from oddsmith.data.read import read_table
from oddsmith.data.roles import Role
from oddsmith.data.samples import access_requests, students
from oddsmith.errors import DataWarning, InputError
from oddsmith.evidence.gate import Gate
from oddsmith.evidence.margins import Margins

TARGET = "--target needs_review --id request"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with rows, a model of them, one that lacks a column, and models with roles for rows."""
    from .conftest import run

    folder = tmp_path_factory.mktemp("desk")
    (folder / "requests.csv").write_text(access_requests(1500, seed=3))
    (folder / "validation.csv").write_text(access_requests(1200, seed=4, first=1501))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for options in (
            "-o new.json",
            "--drop ambiguity -o old.json",
            "--split 60/20/20 --seed 0 -o split.json",
            "--split 40/20/40 --seed 1 --drop ambiguity -o other.json",
        ):
            outcome = run(f"train requests.csv {TARGET} {options}")
            assert outcome.code == 0, outcome.err
    return folder


@pytest.fixture
def gates(desk, command, tmp_path):
    """`command`, in a folder that holds links to all of the desk's files."""
    for path in desk.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return command


def figure(found, name):
    return next(difference for difference in found.differences if difference.name == name)


def roles_of(model, table):
    return model.record.training.roles.split.roles(table, model.record.missing.markers())


def losses(model, table):
    y = table.frame["needs_review"].to_numpy() == "1"
    proba = model.predict_proba(table)[:, 1]
    return -np.log(np.where(y, proba, 1.0 - proba))


def test_a_better_model_passes_a_worse_one_fails_and_the_exit_code_says_so(gates):
    passed = gates("gate new.json old.json validation.csv --cost fn=120,fp=18 --json")
    assert (passed.code, passed.err) == (0, "")
    found = msgspec.json.decode(passed.stdout, type=Gate)
    new, old = oddsmith.load("new.json"), oddsmith.load("old.json")
    cost = oddsmith.Cost(fn=120, fp=18)
    assert found == oddsmith.gate(new, old, "validation.csv", cost=cost)
    assert (found.verdict, found.n_rows) == ("PASS", 1200)
    for at, model in (("candidate", new), ("incumbent", old)):
        alone = model.evaluate("validation.csv", cost=cost)
        for name, value in (
            ("log_loss", alone.log_loss),
            ("auc", alone.auc),
            ("brier", alone.brier),
            ("cost", alone.thresholds[0].cost / 1200),
            ("recall", alone.thresholds[0].recall),
            ("precision", alone.thresholds[0].precision),
            ("smooth_ece", alone.calibration.smooth_ece.value),
        ):
            assert getattr(figure(found, name), at) == pytest.approx(value, rel=1e-12)
    failed = gates("gate old.json new.json validation.csv")
    assert failed.code == 1
    assert failed.out.startswith("FAIL: the candidate is worse than the margin allows: log loss, AUC")
    assert failed.err == ""


def test_too_few_rows_do_not_open_the_gate(gates, tmp_path):
    (tmp_path / "few.csv").write_text(access_requests(20, seed=9, first=9001))
    found = gates("gate new.json old.json few.csv")
    assert found.code == 1
    assert found.out.startswith("INSUFFICIENT: the rows can't tell of log loss, AUC, smooth ECE.")
    # A model against itself is one model, however few the rows are.
    assert gates("gate new.json new.json few.csv").code == 0


def test_rows_that_audit_both_models_count_and_others_are_counted(gates):
    table = read_table("requests.csv")
    models = [oddsmith.load(name) for name in ("split.json", "other.json")]
    new, old = (roles_of(model, table) == Role.audit for model in models)
    kept = new & old
    assert 50 < kept.sum() < new.sum() < old.sum()
    with pytest.warns(DataWarning) as caught:
        found = oddsmith.gate(*models, "requests.csv")
    assert [str(warning.message) for warning in caught][-3:] == [
        f"{kept.sum()} rows to compare the models on; left out: {1500 - kept.sum():,} rows.",
        f"of these, {(new & ~kept).sum()} rows would audit the candidate, but may have served to make the incumbent.",
        f"of these, {(old & ~kept).sum()} rows would audit the incumbent, but may have served to make the candidate.",
    ]
    assert found.n_rows == kept.sum()
    for model, value in zip(
        models, (figure(found, "log_loss").candidate, figure(found, "log_loss").incumbent), strict=True
    ):
        assert value == pytest.approx(losses(model, table)[kept].mean(), rel=1e-12)
    # Of whole files the other one counts, and of the one with roles its audit rows there.
    mixed = gates("gate split.json old.json validation.csv --json")
    there = roles_of(models[0], read_table("validation.csv")) == Role.audit
    assert json.loads(mixed.stdout)["n_rows"] == there.sum()


def test_rows_that_taught_a_model_are_refused(gates):
    for line, words in (
        (
            "gate new.json old.json requests.csv",
            "the candidate on requests.csv: these are the rows that the model was trained on",
        ),
        (
            "gate split.json old.json requests.csv",
            "the incumbent on requests.csv: these are the rows that the model was",
        ),
    ):
        found = gates(line)
        assert (found.code, found.stdout) == (2, b"")
        assert words in found.err
        assert "--split 60/20/20" in found.err
    assert gates("calibrate new.json validation.csv --method platt -q -o calibrated.json").code == 0
    assert "its calibration was learned from" in gates("gate calibrated.json old.json validation.csv").err
    assert (
        gates("decide new.json validation.csv --cost fn=120,fp=18 --empirical -q -o decided.json").code == 0
    )
    assert "the candidate on validation.csv: these are the rows that its policy was chosen on" in (
        gates("gate decided.json old.json validation.csv").err
    )


def test_two_splits_without_a_common_row_are_refused(gates):
    table = read_table("requests.csv")
    new, old = (roles_of(oddsmith.load(name), table) == Role.audit for name in ("split.json", "other.json"))
    table.frame.filter(new & ~old).write_csv("apart.csv")
    found = gates("gate split.json other.json apart.csv")
    assert found.code == 2
    assert found.err == (
        f"oddsmith: apart.csv: no row is there to audit both models. {(new & ~old).sum()} rows would audit the candidate and "
        f"0 rows the incumbent, but served the other one. Train both with the same --split and --seed, or give rows of a "
        f"file that neither has seen.\n"
    )


def test_policies_act_and_the_candidates_costs_price_both(gates):
    assert gates("decide new.json requests.csv --cost fn=120,fp=18 -q -o priced.json").code == 2
    table = read_table("requests.csv")
    table.frame.head(700).write_csv("early.csv")
    table.frame.tail(800).with_columns(amount=pl.int_range(800) % 7 * 20 + 30).write_csv("late.csv")
    rows = read_table("validation.csv").frame.with_columns(amount=pl.int_range(1200) % 11 * 10 + 25)
    rows.write_csv("validation-with-amounts.csv")
    for line in (
        f"train early.csv {TARGET} -q -o own.json",
        "decide own.json late.csv --cost fp=18 --cost-column fn=amount -q",
        f"train early.csv {TARGET} -q -o fixed.json",
        "decide fixed.json late.csv --threshold 0.5 -q",
    ):
        outcome = gates(line)
        assert outcome.code == 0, outcome.err
    found = oddsmith.gate(
        oddsmith.load("own.json"), oddsmith.load("fixed.json"), "validation-with-amounts.csv"
    )
    assert found.price == "fn=amount, fp=18, the candidate's"
    y = (rows["needs_review"] == "1").to_numpy()
    amount = rows["amount"].to_numpy()
    proba = oddsmith.load("own.json").predict_proba("validation-with-amounts.csv")[:, 1]
    for at, called in (("candidate", proba >= 18 / (18 + amount)), ("incumbent", proba >= 0.5)):
        each = np.where(y, ~called * amount, called * 18.0)
        assert getattr(figure(found, "cost"), at) == pytest.approx(each.mean(), rel=1e-12)
    lacking = gates("gate own.json fixed.json validation.csv")
    assert (lacking.code, "no column called 'amount'" in lacking.err) == (2, True)


def test_slices_are_levels_or_quantile_groups_and_missing_cells_are_a_part(gates):
    frame = read_table("validation.csv").frame
    gaps = pl.when(pl.int_range(1200) % 3 == 0).then(pl.lit("NA")).otherwise(pl.col("department"))
    frame.with_columns(place=gaps).write_csv("gaps.csv")
    found = json.loads(
        gates("gate new.json old.json gaps.csv --slice place --slice support --slice place --json").stdout
    )
    by_column = {
        name: [part for part in found["parts"] if part["column"] == name] for name in ("place", "support")
    }
    assert sum(part["n_rows"] for part in by_column["place"]) == 1200
    (gaps,) = (part for part in by_column["place"] if part["level"] == "missing")
    assert gaps["n_rows"] == 400
    *fifths, gaps = by_column["support"]
    assert len(fifths) == 5
    assert all(" to " in part["level"] for part in fifths)
    assert (gaps["level"], gaps["small"]) == ("missing", True)
    absent = gates("gate new.json old.json gaps.csv --slice region")
    assert (absent.code, absent.err) == (
        2,
        "oddsmith: the candidate on gaps.csv: no column called 'region'.\n",
    )


def test_rows_of_a_group_are_one_unit_and_weights_count(gates):
    rng = np.random.default_rng(0)
    n = 900
    x, customer = rng.normal(size=n).round(3), rng.integers(150, size=n)
    y = rng.random(n) < 1 / (1 + np.exp(-x - rng.normal(size=150)[customer]))
    pl.DataFrame(
        {
            "x": x,
            "z": rng.normal(size=n),
            "customer": customer,
            "w": rng.integers(1, 4, n),
            "y": y.astype(int),
        }
    ).write_csv("rows.csv")
    train = "train rows.csv --target y --split 40/20/40 --group customer --weight w -q"
    for options in ("-o one.json", "--drop z -o two.json"):
        assert gates(f"{train} {options}").code == 0
    one, two = oddsmith.load("one.json"), oddsmith.load("two.json")
    with pytest.warns(DataWarning) as caught:
        found = oddsmith.gate(one, two, "rows.csv")
    assert [str(warning.message) for warning in caught] == [
        "rows count by their weight in 'w'.",
        f"{found.n_rows} rows to compare the models on; left out: {900 - found.n_rows} rows.",
    ]
    table = read_table("rows.csv")
    audit = roles_of(one, table) == Role.audit
    weight = table.frame["w"].cast(float).to_numpy()[audit]
    assert found.n_groups == len(np.unique(customer[audit]))
    proba = one.predict_proba(table)[audit, 1]
    loss = -np.log(np.where(y[audit], proba, 1 - proba))
    assert figure(found, "log_loss").candidate == pytest.approx(np.average(loss, weights=weight), rel=1e-12)
    assert figure(found, "log_loss").interval.method == "Student, paired, by group"


@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_more_classes_have_the_macro_auc_of_evaluate(shop, tmp_path):
    (tmp_path / "later-students.csv").write_text(students(200, seed=8))
    one, other = oddsmith.load("houses.json"), oddsmith.load("softmax.json")
    found = oddsmith.gate(one, other, "later-students.csv", slices=["Best Hand"])
    assert figure(found, "auc").incumbent == pytest.approx(
        other.evaluate("later-students.csv").average_auc.macro, rel=1e-9
    )
    for at, model in (("candidate", one), ("incumbent", other)):
        alone = model.evaluate("later-students.csv")
        assert getattr(figure(found, "log_loss"), at) == pytest.approx(alone.log_loss, rel=1e-12)
        assert getattr(figure(found, "brier"), at) == pytest.approx(alone.brier, rel=1e-12)
    assert {part.level for part in found.parts} == {"Left", "Right"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--margin loss=1", "--margin 'loss=1': give it as log_loss=.002,recall=none"),
        ("--margin auc=-1", "margin auc=-1.0: not a harm"),
        ("--cost fn=120", "--cost 'fn=120': give it as fn=120,fp=18"),
    ],
)
def test_options_that_are_none(gates, options, words):
    found = gates(f"gate new.json old.json validation.csv {options}")
    assert (found.code, words in found.err) == (2, True), found.err


def test_margins_are_those_that_were_given(gates):
    found = json.loads(
        gates(
            "gate new.json old.json validation.csv --margin log_loss=0,auc=none --margin recall=.5 --cost fn=9,fp=1 --json"
        ).stdout
    )
    assert found["margins"] == msgspec.to_builtins(Margins(log_loss=0.0, auc=None, recall=0.5))
    verdicts = {difference["name"]: difference["verdict"] for difference in found["differences"]}
    assert (verdicts["log_loss"], verdicts["auc"], verdicts["recall"]) == ("PASS", None, "PASS")


def test_options_that_are_none_in_python(gates):
    new, old = oddsmith.load("new.json"), oddsmith.load("old.json")
    for options, words in (
        ({"slices": "department"}, r"slices are one text. Give a list of columns, as in \['department'\]"),
        ({"seed": -1}, "--seed -1: give a whole number"),
        ({"level": 95}, "level 95"),
        ({"n_resamples": 0}, "0 resamples"),
    ):
        with pytest.raises(InputError, match=words):
            oddsmith.gate(new, old, "validation.csv", **options)


def test_models_of_other_targets_and_classes_are_refused(shop, workshop):
    review, houses = oddsmith.load("review.json"), oddsmith.load("houses.json")
    with pytest.raises(
        InputError, match="the candidate predicts 'needs_review' and the incumbent 'Hogwarts House'"
    ):
        oddsmith.gate(review, houses, "later.csv")
    assert (
        shop("train requests.csv --target needs_review --id request --positive 0 -q -o turned.json").code == 0
    )
    found = shop("gate review.json turned.json later.csv")
    assert (found.code, found.err) == (
        2,
        "oddsmith: the candidate's classes are 0, 1 and the incumbent's 1, 0. Compare models of the same classes, in one "
        "order.\n",
    )
