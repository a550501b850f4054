import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from oddsmith.decision.grouped import GroupedBound, grouped_bound
from oddsmith.errors import InputError
from oddsmith.evaluate.bootstrap import Resampling


def test_the_shares_are_counted_by_hand():
    # At 0: positives found 3 of 4 in groups a, b and c; called positive 5, of which 3 are, in groups a, b and d.
    eta, y = [1.0, 2.0, 0.0, -1.0, 0.5, 3.0, -2.0], [1, 1, 1, 1, 0, 0, 0]
    group = ["a", "a", "b", "c", "d", "b", "e"]
    recall, precision = (grouped_bound(kind, 0.0, eta, y, group) for kind in ("recall", "precision"))
    assert (recall.value, recall.rows, recall.groups) == (0.75, 4, 3)
    assert (precision.value, precision.rows, precision.groups) == (0.6, 5, 3)
    assert recall.lower < 0.75 < recall.upper
    assert recall.sentence.startswith("recall at 0.5 is 0.75, and lies between ")
    assert "with 95% confidence, by resamples of 3 groups with 4 positives;" in recall.sentence
    assert "of 3 groups with 5 flagged rows;" in precision.sentence


def test_without_an_error_the_width_is_that_of_the_further_group():
    # Of 31 draws from 30 groups and the one that is wrong, its number is Binomial(31, 1/31): 3 at the 97.5 percentile.
    found = grouped_bound("recall", 0.0, np.ones(300), np.ones(300), np.arange(300) // 10)
    wrong = stats.binom.ppf(0.975, 31, 1 / 31)
    assert (found.value, found.upper) == (1.0, 1.0)
    assert found.lower == pytest.approx(1 - wrong / 31, abs=1e-12)
    one_group = grouped_bound("recall", 0.0, np.ones(300), np.ones(300), np.zeros(300))
    assert (one_group.lower, one_group.upper, one_group.groups) == (0.0, 1.0, 1)


@pytest.mark.parametrize(("k", "n"), [(180, 200), (30, 60), (398, 400)])
def test_groups_of_one_row_have_nearly_the_exact_interval(k, n):
    eta = np.where(np.arange(n) < k, 1.0, -1.0)
    found = grouped_bound("recall", 0.0, eta, np.ones(n), np.arange(n), n_resamples=4000)
    exact = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    spread = np.sqrt(max(k * (n - k), n) / n**3)
    # Counts instead of exponential weights, which the skewness of rare errors tells apart by some of a spread.
    assert (found.lower, found.upper) == pytest.approx((exact.low, exact.high), abs=0.35 * spread)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-2, 2), st.integers(0, 1), st.integers(0, 3), st.integers(0, 4)),
        min_size=1,
        max_size=20,
    ),
    st.randoms(),
)
def test_order_names_and_repeated_rows_do_not_matter(cells, random):
    def bound(cells, kind, group=lambda name: name, weighted=True):
        eta, y, weight, names = np.array(cells).T
        times = np.ones_like(weight) if weighted else weight
        rows = [np.repeat(column, times) for column in (eta, y, [group(name) for name in names])]
        found = grouped_bound(kind, 0.0, *rows, weight if weighted else None, n_resamples=30, seed=3)
        return None if found is None else (found.value, found.lower, found.upper, found.groups)

    shuffled = list(cells)
    random.shuffle(shuffled)
    for kind in ("recall", "precision"):
        first = bound(cells, kind)
        assert bound(shuffled, kind) == first
        assert bound(cells, kind, lambda name: f"customer {name}") == first
        assert bound(cells, kind, weighted=False) == first


def test_where_there_is_nothing_to_have_a_share_of_nothing_is_said():
    assert grouped_bound("recall", 0.0, [1.0], [0], ["a"]) is None
    assert grouped_bound("precision", 0.0, [-1.0], [1], ["a"]) is None
    assert grouped_bound("recall", 0.0, [1.0, 1.0], [1, 0], ["a", "b"], [0.0, 1.0]) is None


def test_rows_that_are_none_are_refused():
    for arguments, said in (
        (([np.nan], [1], ["a"]), "score nan"),
        (([0.0], [2], ["a"]), "label"),
        (([0.0], [1], ["a", "b"]), "groups have shape"),
        (([0.0], [1], ["a"], [-1.0]), "weight"),
    ):
        with pytest.raises(InputError, match=said):
            grouped_bound("recall", 0.0, *arguments)
    with pytest.raises(InputError, match="level 1"):
        grouped_bound("recall", 0.0, [0.0], [1], ["a"], confidence=1)
    with pytest.raises(InputError, match="0 resamples"):
        grouped_bound("recall", 0.0, [0.0], [1], ["a"], n_resamples=0)


def test_the_record_is_checked_like_any_input():
    found = grouped_bound("recall", 0.0, np.arange(60) - 6.0, np.ones(60), np.arange(60) // 3)
    assert msgspec.json.decode(msgspec.json.encode(found), type=GroupedBound) == found
    for change in ({"value": 0.1}, {"lower": 0.99}, {"upper": 0.2}, {"groups": 61}, {"eta": np.inf}):
        with pytest.raises(InputError, match="recall by group"):
            GroupedBound(**(msgspec.structs.asdict(found) | change))


@pytest.mark.slow
@pytest.mark.parametrize("resemblance", [0.1, 0.9])
@pytest.mark.parametrize(("n_groups", "recall"), [(20, 0.9), (100, 0.9), (100, 0.98)])
def test_with_groups_of_ten_the_interval_covers_where_a_certificate_would_not(n_groups, recall, resemblance):
    # Normal scores that share so much of their variance within a group; the recall at a fixed threshold is known.
    # Each end is to miss in 2.5% of 400 samples; three standard errors are another 2.3%.
    rng = np.random.default_rng(7)
    group, threshold = np.repeat(np.arange(n_groups), 10), stats.norm.isf(recall)
    too_high = too_low = 0
    for seed in range(400):
        shared, own = rng.normal(size=n_groups)[group], rng.normal(size=len(group))
        eta = np.sqrt(resemblance) * shared + np.sqrt(1 - resemblance) * own
        found = grouped_bound("recall", threshold, eta, np.ones(len(eta)), group, n_resamples=400, seed=seed)
        too_high += found.lower > recall
        too_low += found.upper < recall
    assert too_high / 400 < 0.048
    assert too_low / 400 < 0.048


@pytest.mark.slow
def test_a_plain_bootstrap_of_few_groups_misses_far_more_often():
    # Ten groups of ten whose errors come together: often none is seen, and the plain interval has no width.
    # 2.5% of 200 samples and three standard errors are 5.8%.
    rng = np.random.default_rng(8)
    group, recall = np.repeat(np.arange(10), 10), 0.98
    missed = plainly = 0
    for seed in range(200):
        eta = np.sqrt(0.9) * rng.normal(size=10)[group] + np.sqrt(0.1) * rng.normal(size=100)
        rows = (eta >= stats.norm.isf(recall)).astype(float), np.ones(100), group
        units = Resampling.of_rows(rows[0], rows[1], group=group)
        drawn = units.replicates(lambda found, _: found[:, -1] / found.sum(axis=1), 200, seed)
        plainly += np.quantile(drawn, 0.025) > recall
        missed += grouped_bound("recall", 0.5, *rows, n_resamples=200, seed=seed).lower > recall
    assert plainly / 200 > 0.4
    assert missed / 200 < 0.058
