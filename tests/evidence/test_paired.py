import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t, ttest_rel
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from oddsmith.evaluate.delong import auc_difference
from oddsmith.evaluate.metrics import auc
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evaluate.smooth import smooth_ece
from oddsmith.evidence.paired import (
    Units,
    mean_difference,
    precision_difference,
    ranking_difference,
    smooth_ece_difference,
)
from oddsmith.fit.losses import expit, softplus


def sample(n, seed=0, n_groups=None):
    """Log-odds of two models, labels, weights and groups, whose rows resemble each other."""
    rng = np.random.default_rng(seed)
    group = rng.integers(n_groups or n, size=n)
    x = rng.normal(-1, 1.2, n) + rng.normal(size=n)[group]
    y = (rng.random(n) < expit(x)).astype(int)
    return (
        0.9 * x + rng.normal(0, 0.6, n),
        0.8 * x + rng.normal(0.5, 0.6, n),
        y,
        rng.uniform(0.5, 2, n),
        group,
    )


def ends(found):
    return np.array([found.interval.low, found.interval.high])


def half_width(found):
    return float(np.diff(ends(found))[0]) / 2


def drawn_again(figure, n, group, times=1500):
    """Standard deviation of a figure (rows -> number) over rows, or groups of them, drawn with replacement."""
    rng = np.random.default_rng(7)
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    return np.std(
        [
            figure(np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))]))
            for _ in range(times)
        ]
    )


def test_of_independent_rows_it_is_the_paired_t_interval():
    a, b, y, *_ = sample(60)
    losses = [softplus(eta) - y * eta for eta in (a, b)]
    found = mean_difference(*losses, Units(np.ones(60)))
    assert found.difference == pytest.approx(np.mean(losses[0] - losses[1]), abs=1e-12)
    assert ends(found) == pytest.approx(np.array(ttest_rel(*losses).confidence_interval(0.95)), abs=1e-12)


def test_of_equal_groups_it_is_the_t_interval_of_their_means():
    a, b, *_ = sample(60)
    group = np.arange(60) % 12
    found = mean_difference(a, b, Units(np.ones(60), group))
    means = [np.bincount(group, values) / 5 for values in (a, b)]
    assert ends(found) == pytest.approx(np.array(ttest_rel(*means).confidence_interval(0.95)), abs=1e-12)


def test_a_case_by_hand_with_weights():
    # Differences 1, 0, 2 weigh 1, 1, 2: mean 5/4; sum (w (d - 5/4))^2 = 1/16 + 25/16 + 36/16 = 62/16, of 16 a variance
    # of 62/256. The effective number is 16/6, which makes it 62/256 / (1 - 6/16) = 62/160 with 5/3 degrees of freedom.
    found = mean_difference(np.array([1.0, 0.0, 2.0]), np.zeros(3), Units(np.array([1.0, 1.0, 2.0])))
    assert found.difference == pytest.approx(1.25)
    assert half_width(found) == pytest.approx(t.ppf(0.975, 5 / 3) * np.sqrt(62 / 160), rel=1e-7)


def test_equal_actions_of_n_rows_leave_what_two_unseen_rows_could_change():
    # Variance 2 / n^2 of shares, by hand; of 30 rows, 20 of which count.
    called, among = np.ones(30), np.arange(30) < 20
    found = mean_difference(called, called, Units(np.ones(30)), among=among, step=1.0)
    assert (found.a, found.difference) == (1.0, 0.0)
    assert half_width(found) == pytest.approx(t.ppf(0.975, 19) * np.sqrt(2) / 20, rel=1e-9)
    # In groups of ten, two of which have such rows: an unseen group is a half of them, and shares differ by 1 at most.
    grouped = mean_difference(
        called, called, Units(np.ones(30), np.arange(30) // 10), among=among, step=1.0, most=1.0
    )
    assert ends(grouped).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("n_groups", [None, 80])
def test_intervals_are_as_wide_as_those_of_rows_drawn_again(n_groups):
    a, b, y, weight, group = sample(600, n_groups=n_groups)
    units = Units(weight, None if n_groups is None else np.unique(group, return_inverse=True)[1])
    of_row = np.arange(600) if n_groups is None else group
    one, other = a >= 0, b >= 0

    positive = y == 1
    shares = mean_difference(one * 1.0, other * 1.0, units, among=positive)
    exact = precision_difference(one, other, positive, units, step=0.0)
    for found, score, inside in (
        (shares, recall_score, (positive, positive)),
        (exact, precision_score, (one, other)),
    ):
        expected = [score(y, called, sample_weight=weight) for called in (one, other)]
        assert (found.a, found.b) == pytest.approx(expected, abs=1e-12)

        def difference(rows, inside=inside):
            hits = (weight * (called & positive) for called in (one, other))
            of = (weight * members for members in inside)
            of_one, of_other = (h[rows].sum() / w[rows].sum() for h, w in zip(hits, of, strict=True))
            return of_one - of_other

        # 1,500 draws tell a deviation to 2%; that of a ratio is linear only to first order.
        assert half_width(found) == pytest.approx(1.98 * drawn_again(difference, 600, of_row), rel=0.12)


def test_of_two_classes_the_auc_has_the_interval_of_delong():
    a, b, y, weight, _ = sample(200)
    found = ranking_difference(a, b, y, Units(weight))
    expected = auc_difference(a, b, y, weight)
    assert (found.a, found.b, found.interval) == (expected.a.value, expected.b.value, expected.interval)


def test_groups_of_one_row_have_nearly_the_interval_of_delong_and_repeated_rows_that_of_rows():
    a, b, y, *_ = sample(400)
    single = ranking_difference(a, b, y, Units(np.ones(400)))
    grouped = ranking_difference(a, b, y, Units(np.ones(400), np.arange(400)))
    assert grouped.difference == single.difference
    assert half_width(grouped) == pytest.approx(half_width(single), rel=0.01)
    often = [np.repeat(values, 5) for values in (a, b, y, np.arange(400))]
    repeated = ranking_difference(*often[:3], Units(np.ones(2000), often[3]))
    assert ends(repeated) == pytest.approx(ends(grouped), abs=1e-12)


def test_macro_auc_is_the_mean_of_classes_and_as_wide_as_rows_drawn_again():
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=300)
    a, b = (np.eye(3)[y] * strength + rng.normal(size=(300, 3)) for strength in (1.2, 1.0))

    def macro(scores, rows):
        return np.mean([auc(ScoreTable.from_scores(scores[rows, k], y[rows] == k)) for k in range(3)])

    found = ranking_difference(a, b, y, Units(np.ones(300)))
    every = np.arange(300)
    for of_model, scores in ((found.a, a), (found.b, b)):
        expected = np.mean([roc_auc_score(y == k, scores[:, k]) for k in range(3)])
        assert of_model == pytest.approx(expected, abs=1e-12)
    spread = drawn_again(lambda rows: macro(a, rows) - macro(b, rows), 300, every, times=300)
    assert half_width(found) == pytest.approx(1.97 * spread, rel=0.15)  # 4% a standard error of 300 draws


def test_perfect_rankings_are_not_told_for_certain():
    y = np.arange(40) % 2
    wrong = np.where(np.arange(40) == 7, 9.0, y)
    for a, b, units in (
        (y * 1.0, wrong, Units(np.ones(40), np.arange(40))),
        (np.eye(2)[y], np.column_stack([1 - wrong, wrong]), Units(np.ones(40))),
    ):
        found = ranking_difference(a, b, y, units)
        assert found.a == 1.0
        assert found.interval.low < found.difference < found.interval.high
        assert half_width(found) > 0.04
    assert ranking_difference(y * 1.0, wrong, np.ones(40, dtype=int), Units(np.ones(40))) is None


def test_the_smooth_ece_is_that_of_each_model():
    a, b, y, weight, _ = sample(300)
    found = smooth_ece_difference((a, y), (b, y), Units(weight), n_resamples=20)
    expected = [smooth_ece(ScoreTable.from_scores(eta, y, weight), n_resamples=1).value for eta in (a, b)]
    assert [found.a, found.b] == expected
    assert found.interval.low < found.difference < found.interval.high
    # Five rows for each, drawn together, tell no more; as single rows they do.
    often = [np.repeat(values, 5) for values in (a, b, y, weight, np.arange(300))]
    grouped, single = (
        smooth_ece_difference((often[0], often[2]), (often[1], often[2]), Units(often[3], of), n_resamples=60)
        for of in (often[4], None)
    )
    assert half_width(single) < 0.7 * half_width(grouped)


rows = st.lists(
    st.tuples(
        st.integers(-4, 4), st.integers(-4, 4), st.integers(0, 1), st.integers(1, 3), st.integers(0, 5)
    ),
    min_size=2,
    max_size=25,
)


def figures(a, b, y, units, n_resamples=4):
    losses = [softplus(eta) - y * eta for eta in (a, b)]
    flags = [eta >= 0 for eta in (a, b)]
    return {
        "loss": mean_difference(*losses, units),
        "recall": mean_difference(flags[0] * 1.0, flags[1] * 1.0, units, among=y == 1, step=1.0, most=1.0),
        "precision": precision_difference(*flags, y == 1, units),
        "auc": ranking_difference(a, b, y, units),
        "macro": ranking_difference(np.column_stack([-a, a]), np.column_stack([-b, b]), y, units),
        "smooth": smooth_ece_difference((a, y), (b, y), units, n_resamples=n_resamples),
    }


@settings(max_examples=15, deadline=None)
@given(rows, st.booleans())
def test_swapped_models_turn_every_sign(cells, grouped):
    a, b, y, weight, group = np.array(cells, dtype=float).T
    units = Units(weight, np.unique(group, return_inverse=True)[1] if grouped else None)
    there, back = figures(a, b, y, units), figures(b, a, y, units)
    for name, found in there.items():
        other = back[name]
        assert (found is None) == (other is None)
        if found is None:
            continue
        assert (found.a, found.b, found.difference) == (other.b, other.a, -other.difference)
        assert (found.interval is None) == (other.interval is None)
        if found.interval is not None:
            assert ends(found).tolist() == (-ends(other)[::-1]).tolist()
            assert found.interval.low <= found.difference <= found.interval.high


@settings(max_examples=15, deadline=None)
@given(rows)
def test_weight_2_is_a_row_twice_for_estimates_and_for_intervals_of_groups(cells):
    a, b, y, weight, group = np.array(cells, dtype=float).T
    times = weight.astype(int)
    group = np.unique(group, return_inverse=True)[1]
    often = [np.repeat(values, times) for values in (a, b, y)]
    for weighted, repeated, grouped in (
        (Units(weight), Units(np.ones(times.sum())), False),
        (Units(weight, group), Units(np.ones(times.sum()), np.repeat(group, times)), True),
    ):
        ours, theirs = figures(a, b, y, weighted), figures(*often, repeated)
        for name, found in ours.items():
            other = theirs[name]
            assert (found is None) == (other is None)
            if found is None:
                continue
            assert (found.a, found.b) == pytest.approx(
                (other.a, other.b), abs=1e-5 if name == "smooth" else 1e-12
            )
            if grouped and name in ("loss", "recall", "precision") and found.interval is not None:
                assert ends(found) == pytest.approx(ends(other), rel=1e-6, abs=1e-6)


def test_one_unit_tells_nothing_and_figures_beyond_doubles_neither():
    assert (
        mean_difference(np.ones(3), np.zeros(3), Units(np.ones(3), np.zeros(3, dtype=int))).interval is None
    )
    assert mean_difference(np.ones(1), np.ones(1), Units(np.ones(1))).interval.high == 0.0
    assert mean_difference(np.array([1e300, -1e300]), np.zeros(2), Units(np.ones(2))).interval is None
    assert mean_difference(np.ones(2), np.ones(2), Units(np.ones(2)), among=np.zeros(2, dtype=bool)) is None
    none = np.zeros(2, dtype=bool)
    assert precision_difference(~none, none, ~none, Units(np.ones(2))) is None


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_groups"), [(60, None), (300, None), (300, 30)])
def test_intervals_cover_within_two_points_or_more(n, n_groups):
    # The true differences are those of 400,000 rows, to a tenth of an interval. 1,000 samples: 0.7 points an error.
    def drawn(rng, size, per_group):
        group = np.arange(size) // per_group
        x = rng.normal(-1, 1.2, size) + (rng.normal(size=size)[group] if n_groups else 0.0)
        y = (rng.random(size) < expit(x)).astype(int)
        return 0.9 * x + rng.normal(-0.1, 0.6, size), 0.8 * x + rng.normal(0.6, 0.6, size), y, group

    def found(a, b, y, group):
        units = Units(np.ones(len(y)), group if n_groups else None)
        losses = [softplus(eta) - y * eta for eta in (a, b)]
        one, other = a >= -1.9, b >= -1.9
        return {
            "loss": mean_difference(*losses, units),
            "recall": mean_difference(one * 1.0, other * 1.0, units, among=y == 1, step=1.0, most=1.0),
            "precision": precision_difference(one, other, y == 1, units),
            "auc": ranking_difference(a, b, y, units),
        }

    rng = np.random.default_rng(1)
    per_group = n // n_groups if n_groups else 1
    true = {name: f.difference for name, f in found(*drawn(rng, 400_000, per_group)).items()}
    covered = dict.fromkeys(true, 0)
    for _ in range(1000):
        for name, f in found(*drawn(rng, n, per_group)).items():
            covered[name] += f.interval.low <= true[name] <= f.interval.high
    assert all(share >= 1000 * 0.93 for share in covered.values()), covered
    assert covered["loss"] <= 1000 * 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "shift"), [(1.2, 0.6), (1.0, 0.15)])
def test_the_interval_of_the_smooth_ece_covers(slope, shift):
    # One model is calibrated, so that noise is all of its error, and the other is not: a bootstrap that leaves this bias
    # as it is covers some 40%. 80 samples: 2.4 points an error.
    def found(rng, n, n_resamples):
        x = rng.normal(-1, 1.2, n)
        y = (rng.random(n) < expit(x)).astype(int)
        return smooth_ece_difference(
            (x, y), (slope * x + shift, y), Units(np.ones(n)), n_resamples=n_resamples
        )

    rng = np.random.default_rng(1)
    true = found(rng, 400_000, 1).difference
    intervals = [found(rng, 500, 80).interval for _ in range(80)]
    assert sum(interval.low <= true <= interval.high for interval in intervals) >= 0.92 * 80
    # And not by telling nothing: no more than 1.5 / sqrt(n) to each side.
    assert np.mean([interval.high - interval.low for interval in intervals]) < 3 / np.sqrt(500)
