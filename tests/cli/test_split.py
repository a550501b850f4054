"""--split: some rows train, others are kept for what comes after, in every file that the model meets."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from oddsmith.data import pieces
from oddsmith.data.cells import MissingMarkers
from oddsmith.data.roles import ByRow, Role, Shares
from oddsmith.data.table import Table

TRAIN = "train rows.csv --target y --split 60/20/20 -o model.json"


@pytest.fixture
def rows(command):
    """A file of rows, with a weight, a group, a day, gaps and some rows without a label."""
    draws = np.random.default_rng(4)
    n = 1500
    x, z = draws.normal(size=(2, n)).round(3)
    kind = draws.choice(["a", "b", "c"], n)
    y = draws.random(n) < 1.0 / (1.0 + np.exp(-x + 0.5 * z - (kind == "a")))
    pl.DataFrame(
        {
            "x": x,
            "z": pl.Series(z).set(pl.Series(draws.random(n) < 0.05), None),
            "kind": kind,
            "customer": [f"customer {at}" for at in draws.integers(0, 300, n)],
            "day": [date(2024, 1, 1) + timedelta(int(at)) for at in draws.integers(0, 400, n)],
            "y": pl.Series(np.where(y, "yes", "no")).set(pl.Series(draws.random(n) < 0.03), ""),
        }
    ).write_csv("rows.csv")
    return command


def roles_of(name, key, **options):
    frame = pl.read_csv(name, infer_schema=False)
    markers = MissingMarkers.from_options([], frame.columns)
    return frame, ByRow(tuple(sorted(key)), **options).roles(Table(frame, name), markers)


def figures(path):
    record = json.loads(Path(path).read_text())
    return record["columns"], record["equations"], record["fit"]["mean_loss"], record["golden"]


def test_a_split_trains_on_its_training_rows_and_on_nothing_else(rows):
    assert rows(TRAIN).code == 0
    frame, roles = roles_of("rows.csv", ["x", "z", "kind", "customer", "day"])
    frame.filter(pl.Series(roles == Role.train)).write_csv("some.csv")
    assert rows("train some.csv --target y -o some.json").code == 0
    split, some = json.loads(Path("model.json").read_text()), json.loads(Path("some.json").read_text())
    assert split["columns"] == some["columns"]
    assert split["equations"] == some["equations"]
    assert split["training"]["class_counts"] == some["training"]["class_counts"]
    labelled = frame["y"].is_in(["yes", "no"])
    for role in Role:
        of_role = frame.filter(pl.Series(roles == role) & labelled)["y"]
        counts = [int((of_role == label).sum()) for label in ("no", "yes")]
        assert split["training"]["roles"]["class_counts"][role.name] == counts
    assert split["training"]["rows_without_target"] == int((~labelled).sum())


def test_later_verbs_leave_out_rows_of_other_roles_and_say_how_many(rows):
    rows(TRAIN)
    frame, roles = roles_of("rows.csv", ["x", "z", "kind", "customer", "day"])
    frame.filter(pl.Series(roles == Role.audit)).write_csv("audit.csv")
    whole, part = rows("evaluate model.json rows.csv --json"), rows("evaluate model.json audit.csv --json")
    assert whole.code == part.code == 0
    assert json.loads(whole.stdout) == json.loads(part.stdout)
    n = json.loads(whole.stdout)["n_rows"]
    n_labelled = int(frame["y"].is_in(["yes", "no"]).sum())
    assert f"{n} rows to audit the model on; left out: {n_labelled - n:,} rows of other roles." in whole.err
    assert f"{n} rows to audit the model on; left out: 0 rows of other roles." in part.err
    frame.filter(pl.Series(roles == Role.train)).write_csv("train.csv")
    refused = rows("evaluate model.json train.csv")
    assert refused.code == 2
    assert "none of its" in refused.err
    assert rows("predict model.json rows.csv").stdout.count(b"\n") == 1 + frame.height


def test_a_row_keeps_its_role_in_another_format_and_in_another_file(rows):
    rows(TRAIN)
    expected = rows("evaluate model.json rows.csv --json").stdout
    frame = pl.read_csv("rows.csv", try_parse_dates=True)
    frame.sample(fraction=1.0, shuffle=True, seed=1).select(reversed(frame.columns)).write_parquet(
        "rows.parquet"
    )
    found, wanted = (
        json.loads(text) for text in (rows("evaluate model.json rows.parquet --json").stdout, expected)
    )
    assert found["confusion"] == wanted["confusion"]
    assert found["auc"] == wanted["auc"]
    assert found["log_loss"] == pytest.approx(wanted["log_loss"], rel=1e-12)


@pytest.mark.parametrize("options", ["", "--group customer", "--time day", "--seed 3"])
def test_no_role_depends_on_where_a_file_is_cut(rows, monkeypatch, options):
    lines = [f"{TRAIN} {options}", "evaluate model.json rows.csv --json"]
    expected = [rows(line) for line in lines]
    assert [outcome.code for outcome in expected] == [0, 0]
    before = Path("model.json").read_bytes()
    monkeypatch.setattr(pieces, "piece_size", lambda memory=None: 3000)
    assert [rows(line) for line in lines] == expected
    assert Path("model.json").read_bytes() == before


def test_a_group_stays_together_and_is_no_feature(rows):
    told = rows(f"{TRAIN} --group customer --verbose")
    record = json.loads(Path("model.json").read_text())
    assert told.code == 0
    assert "customer" not in [column["name"] for column in record["columns"]] + record["dropped"]
    frame, roles = roles_of("rows.csv", ["x", "z", "kind", "customer", "day"], group="customer")
    assert (
        frame.with_columns(role=pl.Series(roles))
        .group_by("customer")
        .agg(pl.col("role").n_unique())["role"]
        .max()
        == 1
    )
    labelled = frame["y"].is_in(["yes", "no"])
    assert record["training"]["rows"] == int((pl.Series(roles == Role.train) & labelled).sum())


def test_by_time_the_latest_rows_audit(rows):
    assert rows(f"{TRAIN} --time day").code == 0
    split = json.loads(Path("model.json").read_text())["training"]["roles"]["split"]
    frame = pl.read_csv("rows.csv")
    start = split["starts"][2].removesuffix("T00:00:00")
    n = json.loads(rows("evaluate model.json rows.csv --json").stdout)["n_rows"]
    assert n == frame.filter((pl.col("day") >= start) & pl.col("y").is_in(["yes", "no"])).height
    assert abs((frame["day"] >= start).sum() - 300) <= 4


def test_dates_that_pandas_and_polars_write_their_own_way_are_the_same_rows(rows):
    frame = pl.read_csv("rows.csv", try_parse_dates=True).with_columns(
        day=pl.col("day").cast(pl.Datetime("ns"))
        + pl.duration(hours=pl.col("x").round().cast(pl.Int64).abs())
    )
    frame.write_parquet("typed.parquet")
    frame.to_pandas().to_csv("pandas.csv", index=False)
    frame.write_csv("polars.csv")
    for options in ("", "--group day"):
        assert rows(f"train typed.parquet --target y --split 60/20/20 {options} -o model.json").code == 0
        found = [
            json.loads(rows(f"evaluate model.json {name} --json").stdout)
            for name in ("typed.parquet", "pandas.csv", "polars.csv")
        ]
        assert found[0]["confusion"] == found[1]["confusion"] == found[2]["confusion"]


@pytest.mark.parametrize("weight", ["1e300", "1e-300"])
def test_weights_whose_squares_no_double_holds_are_refused(rows, weight):
    frame = pl.read_csv("rows.csv")
    frame.with_columns(w=pl.lit(2.0)).write_csv("rows.csv")
    rows("train rows.csv --target y --weight w -o model.json")
    frame.with_columns(w=pl.lit(float(weight))).write_csv("later.csv")
    outcome = rows("evaluate model.json later.csv")
    assert outcome.code == 2
    assert f"later.csv: a weight in 'w' is {float(weight):.2g}. Give them in another unit." in outcome.err


def test_one_number_among_dates_is_the_cell_at_fault(rows):
    lines = Path("rows.csv").read_text().splitlines()
    day = lines[0].split(",").index("day")
    cells = lines[100].split(",")
    lines[100] = ",".join([*cells[:day], "2024", *cells[day + 1 :]])
    Path("rows.csv").write_text("\n".join(lines) + "\n")
    outcome = rows(f"{TRAIN} --time day")
    assert (
        f"rows.csv:101:{day + 1}: '2024' in column 'day', by whose dates rows are told apart." in outcome.err
    )


def test_what_each_role_has_and_would_need_is_told(rows):
    told = rows("train rows.csv --target y --split 45/20/15/20 -o model.json").err
    record = json.loads(Path("model.json").read_text())
    for role, counts in record["training"]["roles"]["class_counts"].items():
        assert f"{role:<9} {sum(counts)} rows (no {counts[0]}, yes {counts[1]})" in told
    rarest = min(record["training"]["roles"]["class_counts"]["audit"])
    assert (
        f"{rarest} of the rarest class: too few for narrow measures of calibration, which takes 200" in told
    )
    assert b"kept for      calibrate " in rows("show model.json").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--split 80/20/0",
            "calibrate 0.2, select 0, audit 0, train 0.8. Those to train and to audit are above 0",
        ),
        ("--split 0.0001/50/49.9999", "rows.csv: no row is left to train on. Give training a larger share"),
        ("--split 60/20/20 --features x --flat", "the flat form has no place for roles of rows (--split)."),
        ("--split 60/20", "--split '60/20': give percentages that add up to 100"),
        ("--split 60/20/30", "--split '60/20/30': give percentages"),
        ("--split 1e999/0/0", "--split '1e999/0/0': give percentages"),
        ("--split 0/50/50", "Those to train and to audit are above 0"),
        (
            "--split 60/-10/50",
            "calibrate -0.1, select 0, audit 0.5, train 0.6. Those to train and to audit are above 0, the others from 0",
        ),
        (
            "--group customer",
            "--group customer is for --split, which says how many rows train. Add --split 60/20/20.",
        ),
        ("--time day", "--time day is for --split"),
        ("--split 60/20/20 --time day --group customer", "--group and --time tell rows apart in two ways."),
        ("--split 60/20/20 --group nobody", "rows.csv: 'nobody' is none of its 6 columns."),
        ("--split 60/20/20 --group x --weight x", "column 'x' is named by --weight and by --group"),
        ("--split 60/20/20 --time kind", "in column 'kind', by whose dates rows are told apart."),
        ("--split 60/20/20 --time z", "a missing cell in column 'z', by whose numbers rows are told apart."),
    ],
)
def test_what_cannot_be_split_is_refused_and_nothing_is_written(rows, options, message):
    outcome = rows(f"train rows.csv --target y {options} -o model.json")
    assert outcome.code == 2
    assert message in outcome.err
    assert not Path("model.json").exists()


def test_a_class_that_no_row_trains_is_refused(command):
    Path("rows.csv").write_text("x,y\n" + "".join(f"{at},{int(at == 7)}\n" for at in range(40)))
    codes = [
        command(f"train rows.csv --target y --split 20/40/40 --seed {seed} -o m.json") for seed in range(6)
    ]
    refused = [outcome.err for outcome in codes if outcome.code == 2]
    assert refused
    assert all("no row of class '1' is among the" in err for err in refused)


def test_a_model_with_roles_asks_for_the_columns_that_tell_rows_apart(rows):
    rows(f"{TRAIN} --drop customer")
    pl.read_csv("rows.csv").drop("customer").write_csv("fewer.csv")
    outcome = rows("evaluate model.json fewer.csv")
    assert outcome.code == 2
    assert "fewer.csv: column 'customer' is not there, and rows are told apart by it." in outcome.err


def test_shares_are_read_as_percentages():
    assert Shares.parsed("60/20/20") == Shares()
    assert Shares.parsed("45/20/15/20") == Shares(select=0.15)
    assert Shares.parsed("99.5/.25/0.25") == Shares(calibrate=0.0025, audit=0.0025)
