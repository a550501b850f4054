import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from oddsmith.errors import InputError
from oddsmith.evaluate.delong import auc_difference, auc_estimate, delong_variance
from oddsmith.evaluate.intervals import newcombe_interval
from oddsmith.evaluate.score_table import ScoreTable


def placements(eta, y, weight):
    """V of each positive and each negative, pair by pair."""
    order = (np.sign(eta[y == 1][:, None] - eta[y == 0][None, :]) + 1) / 2
    return order @ weight[y == 0] / weight[y == 0].sum(), weight[y == 1] @ order / weight[y == 1].sum()


def direct_covariance(one, other, y, weight):
    """Of two AUCs on the same rows, from all pairs."""
    total = 0.0
    for a, b, w in zip(
        placements(one, y, weight),
        placements(other, y, weight),
        (weight[y == 1], weight[y == 0]),
        strict=True,
    ):
        a, b = a - np.average(a, weights=w), b - np.average(b, weights=w)
        total += (w**2 * a * b).sum() / (w.sum() ** 2 - (w**2).sum())
    return total


# Scores on a coarse grid, so that ties are common.
row = st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.integers(0, 1), st.integers(1, 5))
rows = st.lists(row, min_size=4, max_size=40).filter(
    lambda cells: 2 <= sum(cell[2] for cell in cells) <= len(cells) - 2
)


def test_a_case_by_hand():
    # V of 1, 3, 4 is 1/2, 1, 1; V of 0, 2 is 1, 2/3; AUC 5/6. The sums of squares are 1/6 and 1/18:
    # 1/6 / (3 * 2) + 1/18 / (2 * 1) = 1/18.
    table = ScoreTable.from_scores([1, 3, 4, 0, 2], [1, 1, 1, 0, 0])
    assert delong_variance(table) == pytest.approx(1 / 18, abs=1e-15)
    # A tie: V of 1, 2 is 3/4, 1 and of 1, 0 the same; AUC 7/8. 2 * (1/32) / (2 * 1) = 1/32.
    assert delong_variance(ScoreTable.from_scores([1, 2, 1, 0], [1, 1, 0, 0])) == pytest.approx(
        1 / 32, abs=1e-15
    )


@settings(max_examples=100, deadline=None)
@given(rows, st.booleans())
def test_the_variance_is_that_of_all_pairs(cells, weighted):
    eta, _, y, weight = np.array(cells, dtype=float).T
    weight = weight if weighted else np.ones(len(y))
    found = delong_variance(ScoreTable.from_scores(eta, y, weight))
    assert found == pytest.approx(direct_covariance(eta, eta, y, weight), abs=1e-14)
    if not weighted:
        covariances = (np.var(v, ddof=1) / len(v) for v in placements(eta, y, weight))
        assert found == pytest.approx(sum(covariances), abs=1e-14)


@settings(max_examples=100, deadline=None)
@given(rows, st.booleans())
def test_a_difference_has_the_variance_of_all_pairs(cells, weighted):
    a, b, y, weight = np.array(cells, dtype=float).T
    weight = weight if weighted else np.ones(len(y))
    found = auc_difference(a, b, y, weight)
    expected = roc_auc_score(y, a, sample_weight=weight) - roc_auc_score(y, b, sample_weight=weight)
    assert found.difference == pytest.approx(expected, abs=1e-12)
    variance = (
        direct_covariance(a, a, y, weight)
        + direct_covariance(b, b, y, weight)
        - 2 * direct_covariance(a, b, y, weight)
    )
    if found.p_value is not None:
        assert found.standard_error**2 == pytest.approx(variance, abs=1e-14)
        if variance > 1e-9:
            assert found.p_value == pytest.approx(2 * norm.sf(abs(expected) / np.sqrt(variance)), abs=1e-7)
            low, high = norm.interval(0.95, expected, np.sqrt(variance))
            assert found.interval.low == pytest.approx(max(low, -1), abs=1e-7)
            assert found.interval.high == pytest.approx(min(high, 1), abs=1e-7)
    else:
        assert found.interval.low <= found.difference <= found.interval.high
        assert found.interval.high - found.interval.low > 0.01


@settings(max_examples=60, deadline=None)
@given(rows, st.randoms())
def test_neither_order_nor_parts_nor_a_rising_transform_matter(cells, random):
    shuffled = list(cells)
    random.shuffle(shuffled)
    eta, _, y, weight = np.array(cells, dtype=float).T
    whole = auc_estimate(ScoreTable.from_scores(eta, y, weight))
    other, _, of_other, weight_of_other = np.array(shuffled, dtype=float).T
    assert auc_estimate(ScoreTable.from_scores(other, of_other, weight_of_other)) == whole
    assert auc_estimate(ScoreTable.from_scores(np.sinh(eta), y, weight)) == whole
    parts = [ScoreTable.from_scores(eta[at::3], y[at::3], weight[at::3]) for at in range(3)]
    assert auc_estimate(ScoreTable.sum(parts)) == whole


@settings(max_examples=60, deadline=None)
@given(rows)
def test_the_unit_of_the_weights_does_not_matter_but_repeating_rows_does(cells):
    eta, _, y, weight = np.array(cells, dtype=float).T
    variance = delong_variance(ScoreTable.from_scores(eta, y, weight))
    assert delong_variance(ScoreTable.from_scores(eta, y, weight * 8)) == variance
    once, twice = (ScoreTable.from_scores(np.tile(eta, k), np.tile(y, k)) for k in (1, 2))
    if delong_variance(once) > 0:
        assert delong_variance(twice) < delong_variance(once)


def test_weights_that_only_say_the_class_are_none():
    # Every AUC is of pairs, one of each class: a class that counts five times as much changes neither it nor its error.
    rng = np.random.default_rng(0)
    eta, y = rng.normal(size=50), np.arange(50) % 3 == 0
    plain, balanced = (auc_estimate(ScoreTable.from_scores(eta, y, w)) for w in (None, np.where(y, 5.0, 1.0)))
    assert balanced.value == pytest.approx(plain.value, abs=1e-15)
    assert balanced.standard_error == pytest.approx(plain.standard_error, abs=1e-15)


def test_a_perfect_or_useless_or_tiny_ranking_is_not_certain():
    y = np.arange(12) % 3 == 0
    for eta, area in ((y * 1.0, 1.0), (y * -1.0, 0.0), (np.zeros(12), 0.5)):
        table = ScoreTable.from_scores(eta, y)
        assert delong_variance(table) == 0.0
        found = auc_estimate(table)
        assert (found.value, found.standard_error) == (area, None)
        assert found.interval == newcombe_interval(area, 4, 8)
    one = ScoreTable.from_scores([1.0, 0.0, 2.0], [1, 0, 0])
    assert delong_variance(one) is None
    assert auc_estimate(one).interval == newcombe_interval(0.5, 1, 2)


def test_weights_that_do_not_add_exactly_leave_no_variance_of_rounding():
    weight = np.full(30, 0.1) + np.arange(30) / 7
    y = np.arange(30) % 2
    found = auc_estimate(ScoreTable.from_scores(y, y, weight))
    assert found.standard_error is None
    assert found.interval.method == "Newcombe"


def test_rows_of_weight_zero_leave_no_trace():
    rng = np.random.default_rng(0)
    a, b, y = rng.normal(size=60), rng.normal(size=60), np.arange(60) % 2
    weight = np.where(
        np.abs(a) > 1.2, 0.0, 1.0 + np.arange(60) % 3
    )  # the highest and the lowest are among them
    kept = weight > 0
    assert auc_difference(a, b, y, weight) == auc_difference(a[kept], b[kept], y[kept], weight[kept])


def test_one_class_has_no_auc():
    assert auc_estimate(ScoreTable.from_scores([1.0, 2.0], [1, 1])) is None
    assert auc_estimate(ScoreTable.from_scores([], [])) is None
    assert auc_difference([1.0, 2.0], [2.0, 1.0], [0, 0]) is None


def test_a_model_does_not_differ_from_itself():
    rng = np.random.default_rng(0)
    eta, y = rng.normal(size=80), np.arange(80) % 2
    for other in (eta, 3 * eta + 1):
        same = auc_difference(eta, other, y)
        assert (same.difference, same.standard_error, same.p_value) == (0.0, 0.0, 1.0)
        assert (same.interval.low, same.interval.high) == (0.0, 0.0)
    perfect = auc_difference(y + 0.1 * eta / 5, 3.0 * (y + 0.1 * eta / 5), y)
    assert (perfect.a.value, perfect.difference, perfect.p_value) == (1.0, 0.0, 1.0)
    assert perfect.interval.low == perfect.interval.high == 0.0
    better = eta + 2.0 * y
    forth, back = auc_difference(better, eta, y), auc_difference(eta, better, y)
    assert forth.p_value == back.p_value < 0.05
    assert (forth.difference, forth.interval.low) == (-back.difference, -back.interval.high)


def test_another_order_within_a_class_is_no_difference():
    # Runs of ten positives and ten negatives; the other model turns every run around. Weights whose sums round.
    y, weight = np.arange(200) // 10 % 2, np.random.default_rng(0).exponential(size=200)
    eta = np.arange(200.0)
    found = auc_difference(eta, eta.reshape(20, 10)[:, ::-1].ravel(), y, weight)
    assert found.difference == pytest.approx(0.0, abs=1e-15)
    assert (found.standard_error, found.p_value) == (0.0, 1.0)


def test_a_perfect_model_is_compared_without_a_p_value():
    y = np.arange(20) % 2
    found = auc_difference(y * 1.0, np.arange(20.0), y)
    assert (found.p_value, found.standard_error) == (None, None)
    assert found.interval.low < found.difference < found.interval.high <= 1.0
    assert "square-and-add" in found.interval.method


def test_bad_rows_are_refused():
    with pytest.raises(InputError, match="row 2: score nan"):
        auc_difference([0.0, 1.0], [0.0, np.nan], [0, 1])
    with pytest.raises(InputError, match="level 2"):
        auc_estimate(ScoreTable.from_scores([0.0, 1.0, 2.0, 3.0], [0, 1, 0, 1]), level=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_positive", "n_negative", "weighted"), [(30, 100, False), (100, 100, False), (150, 150, True)]
)
@pytest.mark.parametrize("shift", [0.5, 1.2, 2.0])
def test_the_interval_covers_within_two_points(n_positive, n_negative, weighted, shift):
    # Normal scores a distance apart: AUC = Phi(shift / sqrt 2) = 0.64, 0.80, 0.92. 4,000 samples.
    rng = np.random.default_rng(0)
    true, y = norm.cdf(shift / np.sqrt(2)), np.repeat([1, 0], [n_positive, n_negative])
    covered = 0
    for _ in range(4000):
        eta = rng.normal(size=len(y)) + shift * y
        weight = rng.uniform(0.2, 1.8, size=len(y)) if weighted else None
        interval = auc_estimate(ScoreTable.from_scores(eta, y, weight)).interval
        covered += interval.low <= true <= interval.high
    assert covered / 4000 == pytest.approx(0.95, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [1.0, 1.5])
def test_the_interval_of_a_difference_covers_within_two_points(shift):
    # 100 positives and 200 negatives, scores of both models correlated 0.6. 4,000 samples.
    rng = np.random.default_rng(0)
    y = np.repeat([1, 0], [100, 200])
    true = norm.cdf(1.0 / np.sqrt(2)) - norm.cdf(shift / np.sqrt(2))
    covered = rejected = 0
    for _ in range(4000):
        shared = rng.normal(size=300) * np.sqrt(0.6)
        a, b = (shared + rng.normal(size=300) * np.sqrt(0.4) + s * y for s in (1.0, shift))
        found = auc_difference(a, b, y)
        covered += found.interval.low <= true <= found.interval.high
        rejected += found.p_value < 0.05
    assert covered / 4000 == pytest.approx(0.95, abs=0.02)
    assert rejected / 4000 == pytest.approx(0.05, abs=0.02) if shift == 1.0 else rejected / 4000 > 0.9
