"""What nobody may be told: rows counted twice, a share that is not theirs, a proof without independence."""

import numpy as np
import polars as pl
import pytest

import oddsmith
from oddsmith.data.roles import Role

pytestmark = pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")


def written(path, n, seed, **columns):
    random = np.random.default_rng(seed)
    x, z = random.normal(size=n), random.normal(size=n)
    y = random.random(n) < 1.0 / (1.0 + np.exp(1.0 - x - 0.5 * z))
    frame = pl.DataFrame({"x": x, "z": z, "y": np.where(y, "bad", "good"), **columns})
    frame.with_row_index("id", 1).write_csv(path)
    return path


def test_rows_that_say_the_same_are_one_unit(command, tmp_path):
    """They have one role, so that a role holds whole patterns: as groups, of which nothing is proved."""
    random = np.random.default_rng(4)
    a, b = random.integers(0, 6, 3000), random.integers(0, 5, 3000)
    effect = random.normal(size=(6, 5))
    y = random.random(3000) < 1.0 / (1.0 + np.exp(-effect[a, b]))
    pl.DataFrame({"a": [f"a{i}" for i in a], "b": [f"b{i}" for i in b], "y": y}).write_csv(
        tmp_path / "rows.csv"
    )
    assert command("train rows.csv --target y --split 45/20/15/20 -o model.json").code == 0
    refused = command("decide model.json rows.csv --recall .8")
    assert refused.code == 2
    assert "rows of one group resemble each other" in refused.err
    outcome = command("audit model.json rows.csv")
    assert "differ in what they say, and rows that say the same have one role" in outcome.err
    model = oddsmith.audit(oddsmith.load("model.json"), "rows.csv")
    assert model.audit.sample_size.n_groups <= 30


def test_a_few_repeated_rows_among_many_make_no_groups(command, tmp_path):
    path = written(tmp_path / "rows.csv", 2000, 1)
    frame = pl.read_csv(path, infer_schema=False)
    pl.concat([frame, frame.head(20)]).write_csv(path)
    assert (
        command("train rows.csv --target y --id id --positive bad --split 45/20/15/20 -o model.json").code
        == 0
    )
    assert command("decide model.json rows.csv --recall .6").code == 0


def test_a_shift_of_the_prior_goes_on_to_what_comes_after(command, tmp_path):
    """Rows of 30% positives speak for those of 5% when each class counts as much less or more."""
    written(tmp_path / "rows.csv", 6000, 2)
    build = "build rows.csv --target y --id id --positive bad --cost fn=5,fp=1 -o"
    assert command(f"{build} plain.json").code in (0, 1)
    assert command(f"{build} shifted.json --prior .05").code in (0, 1)
    plain, shifted = oddsmith.load("plain.json"), oddsmith.load("shifted.json")
    assert "agree with it" in shifted.policy.sentence
    (tn, fp), (fn, tp) = shifted.policy.counts
    assert (fn + tp) / (tn + fp + fn + tp) == pytest.approx(0.05, abs=1e-9)
    ratio = shifted.audit.calibration.report.observed_expected
    assert ratio.interval.low < 1.0 < ratio.interval.high
    # Recall and specificity are of one class each: the same rows, the same action, the same shares.
    rows = oddsmith.read_table("rows.csv")
    audit = plain.record.training.roles.split.roles(rows, plain.record.missing.markers()) == Role.audit
    bad = (rows.frame["y"].to_numpy() == "bad") & audit
    assert shifted.audit.policy.recall.value == pytest.approx((shifted.act(rows) == "review")[bad].mean())


def test_rows_of_the_new_kind_stay_as_they_are(command, tmp_path):
    written(tmp_path / "rows.csv", 3000, 3)
    assert (
        command("train rows.csv --target y --id id --positive bad --split 60/20/20 -o model.json").code == 0
    )
    assert command("calibrate model.json rows.csv --prior .32").code == 0
    outcome = command("decide model.json rows.csv --cost fn=5,fp=1")
    assert "probabilities were shifted" not in outcome.err
    assert all(isinstance(value, int) for row in oddsmith.load("model.json").policy.counts for value in row)


def test_rows_of_weight_0_are_no_rows(command, tmp_path):
    for part, n in enumerate((600, 300, 300)):
        weight = np.random.default_rng(part).integers(0, 2, n)
        written(tmp_path / f"w{part}.csv", n, part, w=weight)
    assert command("train w0.csv --target y --id id --positive bad --weight w -o model.json").code == 0
    assert command("calibrate model.json w1.csv").code == 0
    assert command("decide model.json w2.csv --cost fn=5,fp=1").code == 0
    model = oddsmith.load("model.json")
    assert model.record.decision.rows.rows == int(np.random.default_rng(2).integers(0, 2, 300).sum())
    pl.read_csv(tmp_path / "w2.csv").with_columns(w=0).write_csv(tmp_path / "none.csv")
    refused = command("decide model.json none.csv --cost fn=5,fp=1")
    assert refused.code == 2
    assert "all rows have weight 0" in refused.err


def test_a_capacity_is_judged_by_what_it_allows(command, tmp_path):
    written(tmp_path / "rows.csv", 4000, 5)
    assert command(
        "build rows.csv --target y --id id --positive bad --cost fn=20,fp=1 --capacity review=50/1000 -o model.json"
    ).code in (0, 1)
    policy = oddsmith.load("model.json").audit.policy
    assert policy.best_single.name == "'auto' for all"
    assert policy.best_single.difference < 0.0


def test_data_that_tell_nothing_are_judged_and_not_refused(command, tmp_path):
    random = np.random.default_rng(6)
    frame = pl.DataFrame(
        {"x": random.normal(size=1500), "y": np.where(random.random(1500) < 0.3, "bad", "good")}
    )
    frame.write_csv(tmp_path / "rows.csv")
    outcome = command("build rows.csv --target y --cost fn=5,fp=1 -o model.json")
    assert outcome.code in (0, 1), outcome.err
    by_name = {verdict.name: verdict.verdict for verdict in oddsmith.load("model.json").audit.verdicts}
    assert by_name["ranking"] != "PASS"
    assert by_name["policy"] != "PASS"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("decide model.json b.csv --cost fn=5,fp=1 --seed 99999999999999999999", "--seed"),
        ("decide model.json b.csv --cost fn=5,fp=1 -o -", "-o -: a model is kept in a file"),
        ("calibrate model.json b.csv -o -", "-o -: a model is kept in a file"),
        ("audit model.json b.csv -o -", "-o -: a model is kept in a file"),
        ("decide model.json b.csv --cost-matrix costs.csv -o costs.csv", "the result would replace it"),
        ("build b.csv --target y --cost-matrix costs.csv -o costs.csv", "the result would replace it"),
        ("decide model.json b.csv --cost fn=1e300,fp=1e300", "give costs in another unit"),
        (
            "decide model.json bad.csv --cost fp=2 --cost-column w",
            "bad.csv:91:5: fn costs -3 and tp 0 in this row.",
        ),
    ],
)
def test_refused_before_anything_is_written(command, tmp_path, line, sentence):
    written(tmp_path / "a.csv", 300, 1)
    written(tmp_path / "b.csv", 200, 2)
    weight = np.where(np.arange(200) == 89, -3.0, 5.0)
    written(tmp_path / "bad.csv", 200, 3, w=weight)
    (tmp_path / "costs.csv").write_text("y,ask,stop\ngood,0,2\nbad,5,1\n")
    assert command("train a.csv --target y --id id --positive bad -o model.json").code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    outcome = command(line)
    assert outcome.code == 2
    assert sentence in outcome.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"cost": {"fn": 5, "fp": 1}}, "give an oddsmith.Cost"),
        ({"cost": 5}, "give an oddsmith.Cost"),
        ({"cost": oddsmith.Cost(fn=5, fp=1), "actions": "auto,review"}, "give a list of names"),
        ({"cost": oddsmith.Cost(fn=5, fp=1), "seed": -3}, "--seed -3"),
    ],
)
def test_wishes_in_python_are_checked(binary, wishes, sentence):
    with pytest.raises(oddsmith.InputError, match=sentence):
        oddsmith.decide(binary, **wishes)


def test_a_table_in_memory_is_not_told_from_the_training_rows_and_that_is_said(binary, rows_of):
    with pytest.warns(oddsmith.DataWarning, match="no digest"):
        oddsmith.calibrate(binary, rows_of(binary).frame)
