import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from oddsmith.errors import InputError
from oddsmith.evaluate.bootstrap import Resampling
from oddsmith.evaluate.cells import MOST_CELLS, cell_starts
from oddsmith.evaluate.curves import (
    average_precision,
    average_precision_estimate,
    average_precision_of_table,
    average_precisions,
    net_benefits,
    precision_recall_curve,
    roc_curve,
)
from oddsmith.evaluate.metrics import auc, confusion
from oddsmith.evaluate.score_table import ScoreTable, log_odds
from oddsmith.fit.losses import expit


def scores(seed: int, ties: bool, weighted: bool):
    random = np.random.default_rng(seed)
    eta = random.normal(scale=2, size=300)
    if ties:
        eta = np.round(eta)
    y = (random.random(300) < expit(eta)).astype(int)
    return eta, y, random.exponential(size=300) if weighted else None


CASES = [(seed, ties, weighted) for seed in (0, 1) for ties in (False, True) for weighted in (False, True)]


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
def test_curves_agree_with_scikit_learn(seed, ties, weighted):
    eta, y, weight = scores(seed, ties, weighted)
    table = ScoreTable.from_scores(eta, y, weight)
    ours = roc_curve(table)
    fpr, recall, thresholds = peer.roc_curve(y, eta, sample_weight=weight, drop_intermediate=False)
    np.testing.assert_array_equal(ours.threshold, thresholds)
    np.testing.assert_allclose(ours.false_positive_rate, fpr, atol=1e-13)
    np.testing.assert_allclose(ours.recall, recall, atol=1e-13)
    ours = precision_recall_curve(table)
    # Theirs rise, and end in a point of precision 1 that no threshold has.
    precision, recall, thresholds = peer.precision_recall_curve(y, eta, sample_weight=weight)
    np.testing.assert_array_equal(ours.threshold, thresholds[::-1])
    np.testing.assert_allclose(ours.precision, precision[-2::-1], atol=1e-13)
    np.testing.assert_allclose(ours.recall, recall[-2::-1], atol=1e-13)


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
def test_areas_agree_with_scikit_learn(seed, ties, weighted):
    eta, y, weight = scores(seed, ties, weighted)
    table = ScoreTable.from_scores(eta, y, weight)
    expected = peer.average_precision_score(y, eta, sample_weight=weight)
    assert average_precision(table) == pytest.approx(expected, abs=1e-12)
    curve = roc_curve(table)
    assert np.trapezoid(curve.recall, curve.false_positive_rate) == pytest.approx(auc(table), abs=1e-12)


whole_rows = st.lists(
    st.tuples(st.integers(-5, 5), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
)


def summaries(table: ScoreTable) -> list[np.ndarray]:
    roc, pr = roc_curve(table), precision_recall_curve(table)
    found = [np.array([average_precision(table)], dtype=float)]
    found.append(np.array([[row.model, row.treat_all] for row in net_benefits(table, (0.0, 0.2, 0.5, 0.9))]))
    if roc is not None:
        found += [roc.threshold, roc.false_positive_rate, roc.recall]
    if pr is not None:
        found += [pr.threshold, pr.precision, pr.recall]
    return found


@settings(max_examples=60, deadline=None)
@given(whole_rows, st.randoms())
def test_weight_2_is_a_row_twice_in_any_order_and_in_any_parts(cells, random):
    shuffled = list(cells)
    random.shuffle(shuffled)
    eta, y, weight = np.array(cells).T
    expected = summaries(ScoreTable.from_scores(np.repeat(eta, weight), np.repeat(y, weight)))
    other, of_other, weight_of_other = np.array(shuffled).T
    parts = [ScoreTable.from_scores(eta[at::3], y[at::3], weight[at::3]) for at in range(3)]
    for table in (
        ScoreTable.from_scores(eta, y, weight),
        ScoreTable.from_scores(other, of_other, weight_of_other),
        ScoreTable.sum(parts),
    ):
        for ours, theirs in zip(summaries(table), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=60, deadline=None)
@given(whole_rows)
def test_every_point_is_a_confusion_at_its_threshold(cells):
    eta, y, weight = np.array(cells).T
    table = ScoreTable.from_scores(eta / 4, y, weight)
    roc, pr = roc_curve(table), precision_recall_curve(table)
    for at, threshold in enumerate(table.eta[::-1]):
        counts = confusion(ScoreTable.from_scores(eta / 4 - threshold, y, weight), 0.5)
        if pr is not None:
            assert (pr.threshold[at], pr.precision[at], pr.recall[at]) == (
                threshold,
                counts.precision,
                counts.recall,
            )
        if roc is not None:
            assert (roc.recall[at + 1], roc.false_positive_rate[at + 1]) == (
                counts.recall,
                counts.fp / (counts.fp + counts.tn),
            )


def test_the_ends_of_the_curves():
    curve = roc_curve(ScoreTable.from_scores(*scores(0, True, True)))
    assert (curve.threshold[0], curve.false_positive_rate[0], curve.recall[0]) == (np.inf, 0.0, 0.0)
    assert (curve.false_positive_rate[-1], curve.recall[-1]) == (1.0, 1.0)
    assert roc_curve(ScoreTable.from_scores([1.0, 2.0], [1, 1])) is None
    assert precision_recall_curve(ScoreTable.from_scores([1.0, 2.0], [0, 0])) is None
    assert average_precision(ScoreTable.from_scores([1.0, 2.0], [0, 0])) is None
    assert average_precision(ScoreTable.from_scores([], [])) is None
    assert precision_recall_curve(ScoreTable.from_scores([1.0], [1])).precision.tolist() == [1.0]


def test_average_precision_by_hand():
    # From the top: +, -, then + and - tied: 1/2 * 1/1 + 1/2 * 2/4.
    assert average_precision(ScoreTable.from_scores([3.0, 2.0, 1.0, 1.0], [1, 0, 1, 0])) == 0.75


@pytest.mark.parametrize("weighted", [False, True])
def test_average_precision_of_replicates_is_that_of_the_rows_drawn(weighted):
    eta, y, weight = scores(0, True, weighted)
    units = Resampling.of_rows(eta, y, weight)
    replicates = units.replicates(lambda positive, negative: np.hstack([positive, negative]), 20, seed=5)
    m = len(units.eta)
    expected = [
        peer.average_precision_score(np.repeat([1, 0], m), np.tile(units.eta, 2), sample_weight=row)
        for row in replicates
    ]
    assert units.replicates(average_precisions, 20, seed=5) == pytest.approx(expected, abs=1e-12)


def test_average_precision_has_a_reproducible_interval():
    eta, y, weight = scores(0, False, True)
    table, units = ScoreTable.from_scores(eta, y, weight), Resampling.of_rows(eta, y, weight)
    found = average_precision_estimate(units, seed=1)
    assert found == average_precision_estimate(units, seed=1) != average_precision_estimate(units, seed=2)
    assert found.value == pytest.approx(average_precision(table), abs=1e-15)
    assert found.interval.low < found.value < found.interval.high
    assert 3.5 < (found.interval.high - found.interval.low) / found.standard_error < 4.3
    assert found.interval.method == "percentiles of 1,000 bootstrap replicates"
    assert average_precision_estimate(Resampling.of_rows([1.0], [0])) is None


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_average_precision_of_many_scores_is_drawn_in_cells_and_is_that_of_the_rows(share):
    rng = np.random.default_rng(3)
    y = rng.random(12_000) < share
    eta = rng.normal(size=12_000) + 1.5 * y
    table = ScoreTable.from_scores(eta, y)
    cells = Resampling.of_table(table, cell_starts(table.count_positive))
    assert len(cells.eta) <= MOST_CELLS + 1
    # One positive a cell loses nothing; two change some ten-thousandth of the precision, which is made good.
    lost = 1e-12 if share < 0.3 else 1e-3
    assert float(cells.original(average_precisions)) == pytest.approx(average_precision(table), abs=lost)
    found = average_precision_of_table(table)
    of_rows = average_precision_estimate(Resampling.of_rows(eta, y), n_resamples=300)
    assert found.value == of_rows.value == average_precision(table)
    assert found.interval.method.startswith("percentiles of ")
    # A deviation of 240 replicates is known to 5%, and an end of theirs to 0.16 of it.
    assert found.standard_error == pytest.approx(of_rows.standard_error, rel=0.25)
    assert found.interval.low == pytest.approx(of_rows.interval.low, abs=0.8 * found.standard_error)
    assert found.interval.high == pytest.approx(of_rows.interval.high, abs=0.8 * found.standard_error)


def test_few_positives_are_sometimes_not_drawn_at_all():
    found = average_precision_estimate(Resampling.of_rows(np.arange(10.0), np.arange(10) == 8))
    # (9/10)^10 of replicates have no positive: 349 of 1,000, give or take 15.
    missing = int(found.interval.method.split(", ")[-1].split()[0])
    assert 274 < missing < 424


def test_net_benefit_by_hand():
    # Ten rows, threshold 0.2: a false alarm costs 1/4 of a miss. 3 found with 4 alarms: 3/10 - 4/10/4 = 0.2.
    eta = [log_odds(0.2)] * 7 + [-5.0] * 3
    (found,) = net_benefits(ScoreTable.from_scores(eta, [1, 1, 1, 0, 0, 0, 0, 1, 0, 0]), [0.2])
    assert found.model == pytest.approx(0.2, abs=1e-15)
    assert found.treat_all == pytest.approx(4 / 10 - 6 / 10 / 4, abs=1e-15)


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
def test_net_benefit_is_what_errors_cost_less_than_acting_on_none(seed, ties, weighted):
    eta, y, weight = scores(seed, ties, weighted)
    weight = np.ones(300) if weight is None else weight
    thresholds = (0.0, 0.1, 0.5, 0.73, 0.99)
    found = net_benefits(ScoreTable.from_scores(eta, y, weight), thresholds)
    for threshold, row in zip(thresholds, found, strict=True):
        # A miss costs 1, a false alarm the odds of the threshold, a row.
        called = eta >= log_odds(threshold)
        cost = np.where(called & (y == 0), threshold / (1 - threshold), 0.0) + (~called & (y == 1))
        assert row.model == pytest.approx(np.average(y - cost, weights=weight), abs=1e-12)
        cost = (y == 0) * threshold / (1 - threshold)
        assert row.treat_all == pytest.approx(np.average(y - cost, weights=weight), abs=1e-12)
    assert found[0].model == found[0].treat_all


@pytest.mark.parametrize(
    ("threshold", "said"),
    [(1.0, "odds are infinite"), (1.5, "not a probability"), (np.nan, "not a probability")],
)
def test_a_net_benefit_needs_a_probability_below_1(threshold, said):
    with pytest.raises(InputError, match=said):
        net_benefits(ScoreTable.from_scores([0.0], [1]), [0.5, threshold])


def test_a_net_benefit_needs_rows():
    with pytest.raises(InputError, match="no rows"):
        net_benefits(ScoreTable.from_scores([], []), [0.5])


@pytest.mark.slow
def test_the_interval_of_average_precision_covers_within_two_points():
    # Normal scores 1.5 apart, 30% positive, 500 rows, 300 replicates, 1,500 samples. The true value is that of
    # a million rows; percentiles of an upward biased figure lean upwards, which is part of what is measured.
    rng = np.random.default_rng(0)

    def drawn(n):
        y = rng.random(n) < 0.3
        return rng.normal(size=n) + 1.5 * y, y

    true = average_precision(ScoreTable.from_scores(*drawn(1_000_000)))
    covered = 0
    for seed in range(1500):
        interval = average_precision_estimate(
            Resampling.of_rows(*drawn(500)), n_resamples=300, seed=seed
        ).interval
        covered += interval.low <= true <= interval.high
    assert covered / 1500 == pytest.approx(0.95, abs=0.02)
