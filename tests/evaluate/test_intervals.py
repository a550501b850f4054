import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from statsmodels.stats.proportion import proportion_confint

from oddsmith.errors import InputError
from oddsmith.evaluate.intervals import (
    clopper_pearson_interval,
    effective_number,
    logit_interval,
    newcombe_interval,
    share_interval,
    wilson_interval,
    z_score,
)

SHARES = [(0, 1), (1, 1), (0, 12), (12, 12), (1, 12), (5, 12), (11, 12), (3, 1000), (998, 1000)]


def ends(interval) -> tuple[float, float]:
    return interval.low, interval.high


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(("k", "n"), SHARES)
def test_proportions_agree_with_statsmodels(k, n, level):
    for ours, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "beta")):
        found = ours(k, n, level)
        assert ends(found) == pytest.approx(proportion_confint(k, n, 1 - level, method), abs=1e-12)
        assert found.level == level


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize(
    ("side", "alternative"), [("both", "two-sided"), ("lower", "greater"), ("upper", "less")]
)
@pytest.mark.parametrize(("k", "n"), SHARES)
def test_bounds_of_either_side_agree_with_scipy(k, n, side, alternative, level):
    peer = binomtest(k, n, alternative=alternative)
    for ours, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "exact")):
        theirs = peer.proportion_ci(level, method=method)
        assert ends(ours(k, n, level, side)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_nothing_of_n_begins_at_0_and_all_of_n_ends_at_1():
    for interval in (wilson_interval, clopper_pearson_interval):
        for n in (1, 3, 7, 1_000_003):
            assert interval(0, n).low == 0.0 < interval(0, n).high
            assert interval(n, n).high == 1.0 > interval(n, n).low
        assert ends(interval(0, 0)) == (0.0, 1.0)


def test_the_smallest_share_keeps_its_digits():
    # Both ends solve n (k/n - p)^2 = z^2 p (1 - p); where p is near k^2 / (n z^2), far below k/n, this is n p z^2 = k^2.
    low = wilson_interval(1e-8, 10.0).low
    assert low == pytest.approx(1e-16 / 10 / z_score(0.025) ** 2, rel=1e-7)


def test_exact_bounds_are_where_the_binomial_tail_is_what_is_left():
    interval = clopper_pearson_interval(7, 40, 0.9)
    assert binom.sf(6, 40, interval.low) == pytest.approx(0.05, rel=1e-9)
    assert binom.cdf(7, 40, interval.high) == pytest.approx(0.05, rel=1e-9)


def test_the_rows_that_a_certificate_of_recall_takes():
    # decisions.md: 4 of 4 certify 0.47; 29, 59 and 299 of as many are the first to certify 0.90, 0.95 and 0.99.
    assert clopper_pearson_interval(4, 4, side="lower").low == pytest.approx(0.05**0.25, abs=1e-12)
    assert round(clopper_pearson_interval(4, 4, side="lower").low, 2) == 0.47
    for n, recall in ((29, 0.90), (59, 0.95), (299, 0.99)):
        enough, fewer = (clopper_pearson_interval(m, m, side="lower").low for m in (n, n - 1))
        assert fewer < recall <= enough


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.8, 0.95]))
def test_the_complement_has_the_mirrored_interval(hits, misses, level):
    for interval in (wilson_interval, clopper_pearson_interval):
        low, high = ends(interval(hits, hits + misses, level))
        assert ends(interval(misses, hits + misses, level)) == pytest.approx((1 - high, 1 - low), abs=1e-12)
        assert 0.0 <= low <= hits / max(1, hits + misses) <= high <= 1.0 or hits + misses == 0


def test_weights_of_one_count_and_others_by_their_effective_number():
    weight = np.array([1.0, 2.0, 0.5, 4.0])
    assert effective_number(4.0, 4.0) == 4.0
    assert effective_number(7.5, float((weight**2).sum())) == pytest.approx(56.25 / 21.25)
    assert share_interval(3.0, 4.0, 4.0) == wilson_interval(3, 4)
    weighted = share_interval(3.0, 7.5, 21.25)
    assert ends(weighted) == ends(wilson_interval(3.0 / 7.5 * 56.25 / 21.25, 56.25 / 21.25))
    assert "effective number" in weighted.method
    # The unit of the weights does not matter.
    assert ends(share_interval(30.0, 75.0, 2125.0)) == pytest.approx(ends(weighted), abs=1e-14)


def newcombe_polynomial(auc: float, m: float, n: float) -> tuple[float, float]:
    """Both ends as roots of (AUC - A)^2 = z^2 V(A), multiplied by (2 - A)(1 + A) m n."""
    A = np.polynomial.Polynomial([0.0, 1.0])
    both = (2 - A) * (1 + A)
    clustering = both + ((m + n) / 2 - 1) * ((1 - A) * (1 + A) + A * (2 - A))
    roots = ((auc - A) ** 2 * both * m * n - z_score(0.025) ** 2 * A * (1 - A) * clustering).roots()
    inside = [root.real for root in roots if abs(root.imag) < 1e-9 and -1e-9 <= root.real <= 1 + 1e-9]
    return min(inside), max(inside)


@pytest.mark.parametrize("auc", [0.0, 0.1, 0.5, 0.8125, 0.95, 1.0])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (4, 4), (3, 40), (200, 17.5)])
def test_newcombe_ends_are_roots_of_a_polynomial(auc, m, n):
    assert ends(newcombe_interval(auc, m, n)) == pytest.approx(newcombe_polynomial(auc, m, n), abs=1e-7)


def test_newcombe_has_a_width_where_the_ranking_is_perfect():
    # One pair that is ordered: (1 - A)^2 = z^2 A (1 - A), so A = 1 / (1 + z^2).
    assert newcombe_interval(1.0, 1, 1).low == pytest.approx(1 / (1 + z_score(0.025) ** 2), abs=1e-12)
    assert newcombe_interval(1.0, 1, 1).high == 1.0
    widths = [1 - newcombe_interval(1.0, n, n).low for n in (2, 5, 20, 100, 1000)]
    assert widths == sorted(widths, reverse=True)
    assert 0 < widths[-1] < 0.01
    low, high = ends(newcombe_interval(0.0, 9, 30))
    assert ends(newcombe_interval(1.0, 9, 30)) == pytest.approx((1 - high, 1 - low), abs=1e-15)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 1 - 1e-6), st.floats(0, 0.4))
def test_the_logit_interval_is_symmetric_in_log_odds_and_stays_inside(share, error):
    low, high = ends(logit_interval(share, error))
    assert 0.0 <= low <= share * (1 + 1e-9)
    assert share * (1 - 1e-9) <= high <= 1.0
    if low > 1e-9 and high < 1 - 1e-9:
        centre = (np.log(low / (1 - low)) + np.log(high / (1 - high))) / 2
        assert centre == pytest.approx(np.log(share / (1 - share)), abs=1e-5)


def test_a_small_error_gives_the_usual_normal_interval():
    low, high = ends(logit_interval(0.3, 1e-5))
    assert (high - low) / 2 == pytest.approx(1.959964e-5, rel=1e-5)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: wilson_interval(3, 2), "3 of 2: not a share"),
        (lambda: wilson_interval(-1, 2), "-1 of 2: not a share"),
        (lambda: wilson_interval(math.nan, 2), "not a share"),
        (lambda: clopper_pearson_interval(1.5, 3), "an exact interval counts rows"),
        (lambda: wilson_interval(1, 2, 1.0), "level 1.0: not a confidence"),
        (lambda: clopper_pearson_interval(1, 2, 95), "level 95: not a confidence"),
        (lambda: newcombe_interval(1.1, 3, 3), "AUC 1.1: not a share of pairs"),
        (lambda: newcombe_interval(0.5, 0, 3), "needs rows of both classes"),
        (lambda: logit_interval(1.0, 0.1), "strictly between 0 and 1"),
    ],
)
def test_what_has_no_interval_is_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 100, 400])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_over_all_shares_wilson_covers_within_two_points_and_clopper_pearson_never_below(n, level):
    # Coverage is a sum over k, no simulation; at single shares p it swings, so its mean over p from .05 to .95.
    shares = np.linspace(0.05, 0.95, 181)
    chances = binom.pmf(np.arange(n + 1)[:, None], n, shares)

    def coverage(interval):
        low, high = np.array([ends(interval(k, n, level)) for k in range(n + 1)]).T[:, :, None]
        return (chances * ((low <= shares) & (shares <= high))).sum(axis=0)

    assert coverage(wilson_interval).mean() == pytest.approx(level, abs=0.02)
    assert coverage(clopper_pearson_interval).min() >= level


@pytest.mark.slow
def test_the_effective_number_covers_within_two_points_where_weights_tell_nothing():
    # 400 rows, share 0.3, weights exponential and independent of the outcome: effectively 200 rows. 4,000 samples.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(4000):
        weight, hit = rng.exponential(size=400), rng.random(400) < 0.3
        interval = share_interval(float(weight[hit].sum()), float(weight.sum()), float((weight**2).sum()))
        covered += interval.low <= 0.3 <= interval.high
    assert covered / 4000 == pytest.approx(0.95, abs=0.02)
