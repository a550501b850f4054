"""oddsmith calibrate: maps that were learned from rows that did not train the model, and are applied wherever it predicts."""

import json
from functools import cache

import numpy as np
import pytest

import oddsmith
from oddsmith.calibration.class_maps import calibrated_classes
from oddsmith.calibration.fitting import fit_map
from oddsmith.calibration.maps import PriorShift, calibrated
from oddsmith.data.read import read_table
from oddsmith.data.roles import Role
from oddsmith.errors import DataWarning, InputError
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit, softmax

METHODS = ("identity", "temperature", "platt", "beta", "isotonic", "venn-abers")


@pytest.fixture(scope="module")
def split(requests_csv):
    """A model with roles for rows, its rows, and which of them are there to calibrate on."""
    model = oddsmith.train(requests_csv, "needs_review", split="60/20/20")
    table = read_table(requests_csv)
    roles = model.record.training.roles.split.roles(table, model.record.missing.markers())
    return model, table, roles == Role.calibrate


@pytest.fixture(scope="module")
def four_classes(students_csv):
    """Models of four classes with roles for rows, by their form."""
    return cache(
        lambda form: oddsmith.train(
            students_csv, "Hogwarts House", id="Index", multi_class=form, alpha=0.01, split="60/20/20"
        )
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_the_map_is_the_one_that_the_calibrate_rows_give(split, method, tmp_path):
    model, table, kept = split
    found = oddsmith.calibrate(model, table, method=method)
    scores = model.score(table)
    y = (table.frame["needs_review"].to_numpy() == "1").astype(int)
    expected = fit_map(method, ScoreTable.from_scores(scores.log_odds[kept, 0], y[kept]))
    assert found.record.calibration.maps == [expected]
    after = calibrated(expected, scores.log_odds[:, 0])
    np.testing.assert_array_equal(found.predict_proba(table)[:, 1], expit(after), strict=True)
    np.testing.assert_array_equal(found.predict(table), np.where(after >= 0.0, 1, 0))
    np.testing.assert_array_equal(found.score(table).log_odds, scores.log_odds, strict=True)
    found.save(tmp_path / "m.json")
    again = oddsmith.load(tmp_path / "m.json")
    assert again.record == found.record
    row = dict(zip(table.frame.columns, table.frame.row(7), strict=True))
    np.testing.assert_array_equal(again.predict_proba(row), found.predict_proba(table)[7], strict=True)
    assert again.predict(row) == found.predict(table)[7]


@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_ranking_is_of_raw_scores_and_all_else_of_probabilities(split):
    model, table, _ = split
    found = oddsmith.calibrate(model, table, method="isotonic")
    before, after = model.evaluate(table), found.evaluate(table)
    assert (after.auc, after.auc_interval, after.average_precision) == (
        before.auc,
        before.auc_interval,
        before.average_precision,
    )
    roles = model.record.training.roles.split.roles(table, model.record.missing.markers())
    audit = np.flatnonzero(roles == Role.audit)
    proba, y = found.predict_proba(table)[audit, 1], (table.frame["needs_review"].to_numpy() == "1")[audit]
    assert after.log_loss == pytest.approx(-np.log(np.where(y, proba, 1.0 - proba)).mean(), rel=1e-12)
    assert after.brier == pytest.approx(((proba - y) ** 2).mean(), rel=1e-12)
    assert after.accuracy.correct == int(((proba >= 0.5) == y).sum())
    assert after.log_loss != before.log_loss


@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_a_prior_moves_the_log_odds_after_the_map(split):
    model, table, kept = split
    plain = oddsmith.calibrate(model, table, method="platt")
    moved = oddsmith.calibrate(model, table, method="platt", prior=0.02)
    y = (table.frame["needs_review"].to_numpy() == "1")[kept]
    assert moved.record.calibration.maps[1:] == [PriorShift(y.mean(), 0.02)]
    odds = [p[:, 1] / p[:, 0] for p in (plain.predict_proba(table), moved.predict_proba(table))]
    ratio = (0.02 / 0.98) / (y.mean() / (1.0 - y.mean()))
    np.testing.assert_allclose(odds[1], odds[0] * ratio, rtol=1e-12)


@pytest.mark.parametrize("form", ["softmax", "ovr"])
@pytest.mark.parametrize("method", ["auto", "identity", "temperature", "platt", "isotonic"])
@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_more_classes(students_csv, four_classes, form, method, tmp_path):
    model = four_classes(form)
    found = oddsmith.calibrate(model, students_csv, method=method)
    table = read_table(students_csv)
    (mapping,) = found.record.calibration.maps
    eta = model.score(table).log_odds
    if mapping.method.startswith("one-vs-rest"):
        against = eta if form == "ovr" else np.log(softmax(eta)) - np.log1p(-softmax(eta))
        expected = softmax(calibrated_classes(mapping, against))
    elif form == "softmax":
        expected = softmax(calibrated_classes(mapping, eta))
    else:
        expected = softmax(calibrated_classes(mapping, np.log(expit(eta))))
    np.testing.assert_allclose(found.predict_proba(table), expected, rtol=1e-8, atol=1e-15)
    np.testing.assert_array_equal(found.score(table).codes, found.predict_proba(table).argmax(axis=1))
    before, after = (m.evaluate(table) for m in (model, found))
    assert [c.auc for c in after.per_class] == pytest.approx([c.auc for c in before.per_class], abs=1e-12)
    found.save(tmp_path / "m.json")
    assert oddsmith.load(tmp_path / "m.json").record == found.record


def test_before_and_after_are_of_rows_that_the_map_had_not_seen(split):
    """An isotonic map is perfect on its own rows; what is shown is not of these."""
    model, table, kept = split
    with pytest.warns(DataWarning, match="rows to calibrate the model on; left out"):
        found = oddsmith.calibrate(model, table, method="isotonic")
    record = found.record.calibration
    y = (table.frame["needs_review"].to_numpy() == "1")[kept]
    proba = found.predict_proba(table)[kept, 1]
    own = -np.log(np.where(y, proba, 1.0 - proba)).mean()
    raw = model.predict_proba(table)[kept, 1]
    assert record.before.log_loss == pytest.approx(-np.log(np.where(y, raw, 1.0 - raw)).mean(), rel=1e-12)
    assert own < record.before.log_loss
    assert record.after.log_loss > own
    assert record.rows.class_counts == [int((~y).sum()), int(y.sum())]
    assert record.rows.role == "calibrate"


def test_whole_files_serve_once(shop, tmp_path):
    bytes_before = (tmp_path / "review.json").read_bytes()
    refused = shop("calibrate review.json requests.csv -o mine.json")
    assert refused.code == 2
    assert "requests.csv: these are the rows that the model was trained on" in refused.err
    assert "--split 60/20/20" in refused.err
    done = shop("calibrate review.json later.csv --method platt --json -o mine.json")
    assert done.code == 0, done.err
    shown = json.loads(done.stdout)
    assert oddsmith.load("mine.json").record.calibration.rows.rows == 60 == shown["rows"]["rows"]
    assert (tmp_path / "review.json").read_bytes() == bytes_before
    flattered = shop("evaluate mine.json later.csv")
    assert (
        "these are the rows that its calibration was learned from: its figures flatter it." in flattered.err
    )
    again = shop("calibrate mine.json later.csv --method beta")
    assert again.code == 0, again.err
    assert "beta: log-odds =" in shop("show mine.json").out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "best"}, "--method 'best': choose one of auto, identity"),
        ({"prior": 0.0}, "after 0.0: not a share"),
        ({"prior": 0.1, "prior_from": {"a": [1]}}, "--prior-from estimates it"),
        ({"seed": -1}, "--seed -1: give a whole number"),
    ],
)
def test_options_that_are_none(split, options, sentence):
    model, table, _ = split
    with pytest.raises(InputError, match=sentence):
        oddsmith.calibrate(model, table, **options)


def test_the_flat_form_has_no_place_for_it(ovr, students_csv, tmp_path):
    from oddsmith.data.samples import students

    (tmp_path / "later.csv").write_text(students(100, seed=8))
    with pytest.raises(InputError, match="no place for a calibration"):
        oddsmith.calibrate(ovr, tmp_path / "later.csv").save(tmp_path / "flat.json", flat=True)


@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_a_share_is_estimated_from_rows_without_labels(split):
    """Rows of which a class was thinned out: what is left of the labels is what the estimate comes near to."""
    model, table, _ = split
    plain = oddsmith.calibrate(model, table, method="platt")
    positive = table.frame["needs_review"].to_numpy() == "1"
    few = np.flatnonzero(~positive | (np.cumsum(positive) % 2 == 0))
    rows = table.take(few)
    shown = oddsmith.calibrate(model, table, method="platt", prior_from=rows.frame.drop("needs_review"))
    platt, shift = shown.record.calibration.maps
    eta = calibrated(platt, plain.score(rows).log_odds[:, 0])
    # The fixed point of EM: the mean of the shifted probabilities is the share.
    assert expit(calibrated(shift, eta)).mean() == pytest.approx(shift.after, rel=1e-9)
    assert shift.after < 0.7 * shift.before
