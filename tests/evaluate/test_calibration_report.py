import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from oddsmith.errors import InputError
from oddsmith.evaluate.calibration_report import CalibrationReport, calibration_report, events, size_of
from oddsmith.evaluate.corp import decomposition, reliability_curve
from oddsmith.evaluate.expected import observed_expected, spiegelhalter
from oddsmith.evaluate.metrics import log_loss
from oddsmith.evaluate.recalibration import recalibration
from oddsmith.evaluate.reliability import reliability
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evaluate.smooth import smooth_ece
from oddsmith.fit.losses import expit

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "access_requests.json"
ALWAYS = {"log_loss", "observed_expected"}
FROM_20 = {"recalibration", "spiegelhalter", "curve"}
FROM_200 = {"brier_parts", "log_loss_parts", "smooth_ece"}


def table_of(n_events, n_rows=None, seed=0):
    """Calibrated scores with exactly so many positives, and at least as many negatives."""
    random = np.random.default_rng(seed)
    eta = random.normal(size=8 * n_events + 100)
    y = random.random(len(eta)) < expit(eta)
    kept = np.concatenate(
        [np.flatnonzero(y)[:n_events], np.flatnonzero(~y)[: (n_rows or 2 * n_events) - n_events]]
    )
    return ScoreTable.from_scores(eta[kept], y[kept])


def present(report):
    return {name for name in ALWAYS | FROM_20 | FROM_200 if getattr(report, name) is not None}


@pytest.mark.parametrize(
    ("n_events", "size", "figures"),
    [
        (4, "insufficient", ALWAYS),
        (19, "insufficient", ALWAYS),
        (20, "small", ALWAYS | FROM_20),
        (199, "small", ALWAYS | FROM_20),
        (200, "medium", ALWAYS | FROM_20 | FROM_200),
        (10_000, "medium", ALWAYS | FROM_20 | FROM_200),
        (10_001, "large", (ALWAYS | FROM_20 | FROM_200) - {"spiegelhalter"}),
    ],
)
def test_what_is_reported_follows_from_the_number_of_events(n_events, size, figures):
    report = calibration_report(table_of(n_events), n_resamples=2)
    assert (report.events, report.size) == (n_events, size)
    assert present(report) == figures
    assert set(report.left_out) == (ALWAYS | FROM_20 | FROM_200) - figures
    assert all(sentence.endswith(".") for sentence in [report.sentence, *report.left_out.values()])


def test_figures_are_those_of_the_measures():
    table = table_of(250, 700)
    found = calibration_report(table, level=0.9, n_resamples=20, seed=5)
    assert found.n_rows == 700
    assert found.log_loss == log_loss(table)
    assert found.observed_expected == observed_expected(table, 0.9)
    assert found.recalibration == recalibration(table, 0.9)
    assert found.spiegelhalter == spiegelhalter(table)
    assert found.curve == reliability_curve(table, level=0.9, n_resamples=20, seed=5)
    assert found.brier_parts == decomposition(table, "brier")
    assert found.log_loss_parts == decomposition(table, "log_loss")
    assert found.smooth_ece == smooth_ece(table, level=0.9, n_resamples=20, seed=5)


def test_the_smaller_class_counts_on_either_side():
    eta, y = np.zeros(100), np.arange(100) < 30
    assert events(ScoreTable.from_scores(eta, y)) == events(ScoreTable.from_scores(eta, ~y)) == 30
    assert events(ScoreTable.from_scores(eta, np.ones(100))) == 0


def test_events_of_unequal_weight_are_an_effective_number_and_of_equal_weight_are_rows():
    y = np.arange(200) < 100
    weight = np.where(np.arange(200) % 100 < 20, 6.0, 1.0)  # in each class 200^2 / (20 * 36 + 80)
    assert events(ScoreTable.from_scores(np.zeros(200), y, weight)) == pytest.approx(50)
    even = events(ScoreTable.from_scores(np.zeros(200), y, np.full(200, 0.1)))
    assert (even, type(even)) == (100, int)


def test_sizes_meet_where_the_table_says():
    assert [size_of(n) for n in (0, 19.9, 20, 199.9, 200, 10_000, 10_000.5)] == [
        "insufficient",
        "insufficient",
        "small",
        "small",
        "medium",
        "medium",
        "large",
    ]


def test_a_separated_sample_of_few_events_says_why_it_has_no_slope():
    table = ScoreTable.from_scores(np.linspace(-2, 2, 60), np.arange(60) >= 30)
    found = calibration_report(table, n_resamples=2)
    assert found.recalibration.slope is None
    assert "separate the classes" in found.recalibration.no_slope


def test_probabilities_of_a_half_have_no_z_and_a_sentence_for_it():
    found = calibration_report(ScoreTable.from_scores(np.zeros(60), np.arange(60) % 2), n_resamples=2)
    assert found.spiegelhalter is None
    assert "no label is nearer" in found.left_out["spiegelhalter"]


@pytest.mark.parametrize("n_events", [3, 30, 300])
def test_a_report_survives_json(n_events):
    report = calibration_report(table_of(n_events), n_resamples=5)
    assert msgspec.json.decode(msgspec.json.encode(report), type=CalibrationReport) == report


@pytest.mark.parametrize("seed", range(3))
def test_order_and_blocks_of_rows_do_not_matter(seed):
    random = np.random.default_rng(seed)
    eta, weight = np.round(random.normal(size=900), 1), random.integers(1, 4, 900)
    y = random.random(900) < expit(eta)
    whole = calibration_report(ScoreTable.from_scores(eta, y, weight), n_resamples=5)
    order = random.permutation(900)
    blocks = [
        ScoreTable.from_scores(eta[part], y[part], weight[part]) for part in np.split(order, [100, 650])
    ]
    assert calibration_report(ScoreTable.sum(blocks), n_resamples=5) == whole


@pytest.mark.parametrize(("n", "error"), [(8, 0.24), (100, 0.085), (1000, 0.027)])
def test_the_error_of_ten_bins_of_perfectly_calibrated_scores_is_noise(n, error):
    random = np.random.default_rng(0)
    found = []
    for _ in range(400):
        p = random.beta(1, 3, size=n)
        table = ScoreTable.from_scores(np.log(p / (1 - p)), random.random(n) < p)
        found.append(reliability(table, 10).ece)
    assert np.mean(found) == pytest.approx(error, abs=0.006 if n == 8 else 0.002)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference figures are not here")
def test_eight_access_requests_have_the_stated_bins_and_are_insufficient():
    reference = json.loads(REFERENCE.read_text("utf-8"))

    def table_of_rows(rows, probabilities, flipped=None):
        y = np.array([row["needs_review"] for row in rows])
        if flipped is not None:
            y[flipped] = 1 - y[flipped]
        p = np.array(probabilities)
        return ScoreTable.from_scores(np.log(p / (1 - p)), y)

    # The probabilities are given to three digits.
    rows, probabilities = reference["validation"]["rows"], reference["validation_proba"]
    table = table_of_rows(rows, probabilities)
    binned = reliability(table, 4)
    assert binned.ece == pytest.approx(reference["validation_ece_4_bins"], abs=1e-3)
    cells = [(b.lower, b.upper, b.count, b.mean_proba, b.observed_share) for b in binned.bins]
    assert np.array(cells) == pytest.approx(np.array(reference["validation_bins"]), abs=1e-3)
    flipped = table_of_rows(rows, probabilities, flipped=3)
    expected = reference["one_label_flip_row_index_3"]["flipped"]["ece"]
    assert reliability(flipped, 4).ece == pytest.approx(expected, abs=1e-3)
    train = table_of_rows(reference["train"]["rows"], reference["train_proba_after_3000"])
    assert reliability(train, 4).ece == pytest.approx(reference["train_ece_4_equal_width_bins"], abs=1e-3)
    report = calibration_report(table)
    assert (report.events, report.size) == (4, "insufficient")
    # 4 of 8, as expected: 4 / 3.979, and Clopper and Pearson's .157 to .843 of 8 rows.
    assert report.observed_expected.ratio == pytest.approx(1.005, abs=1e-3)
    interval = report.observed_expected.interval
    assert (interval.low * 3.979 / 8, interval.high * 3.979 / 8) == pytest.approx((0.157, 0.843), abs=1e-3)


def test_no_rows_have_no_report():
    with pytest.raises(InputError, match="no rows to evaluate"):
        calibration_report(ScoreTable.from_scores([], []))
    with pytest.raises(InputError, match="0 resamples"):
        calibration_report(ScoreTable.from_scores([0.0], [1]), n_resamples=0)
