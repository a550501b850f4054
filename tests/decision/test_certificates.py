from math import ceil, comb, log

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from oddsmith.decision import binomial
from oddsmith.decision.band import cost_band
from oddsmith.decision.certificates import (
    Certificate,
    cost_certificate,
    mean_p_value,
    mean_upper_bound,
    order_of_tests,
    precision_certificate,
    recall_certificate,
)
from oddsmith.decision.thresholds import cost_curve
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost, confusion_at
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit

COST = Cost(fn=5, fp=1)


def scores(seed, n, shift=0.0):
    draws = np.random.default_rng(seed)
    eta = draws.normal(-1, 1.5, n)
    return ScoreTable.from_scores(eta, draws.random(n) < expit(eta - shift))


def positives(eta):
    return ScoreTable.from_scores(eta, np.ones(len(eta)))


@pytest.mark.parametrize(
    ("k", "n", "p"), [(0, 5, 0.3), (3, 8, 0.9), (8, 8, 0.5), (9, 8, 0.5), (120, 200, 0.55)]
)
def test_tails_of_counts_are_exact_sums(k, n, p):
    def tail(counts):
        return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in counts)

    assert binomial.at_least(k, n, p) == pytest.approx(tail(range(k, n + 1)), rel=1e-12)
    assert binomial.at_most(k, n, p) == pytest.approx(tail(range(min(k, n) + 1)), rel=1e-12)


@pytest.mark.parametrize(("recall", "needed"), [(0.9, 29), (0.95, 59), (0.99, 299)])
def test_the_positives_that_a_recall_needs(recall, needed):
    assert binomial.trials_needed(recall, 0.95) == needed
    enough, too_few = (recall_certificate(positives(np.arange(n)), recall) for n in (needed, needed - 1))
    assert (enough.holds, enough.eta, enough.errors, enough.rows) == (True, 0.0, 0, needed)
    assert (too_few.holds, too_few.needed, too_few.eta) == (False, needed, None)
    assert too_few.sentence == (
        f"too few rows: recall of at least {recall} with 95% confidence takes {needed} positives "
        f"even if none is missed; there are {needed - 1}."
    )


@pytest.mark.parametrize(
    ("n", "recall", "confidence"), [(100, 0.9, 0.95), (359, 0.95, 0.9), (2000, 0.99, 0.95)]
)
def test_the_threshold_is_the_largest_order_statistic_that_the_beta_law_allows(n, recall, confidence):
    found = recall_certificate(positives(np.arange(n)), recall, confidence)
    quantiles = stats.beta.ppf(1 - confidence, n - np.arange(1, n + 1) + 1, np.arange(1, n + 1))
    k = np.flatnonzero(quantiles >= recall)[-1] + 1
    assert found.errors == k - 1
    assert k - 2 < found.eta <= k - 1
    assert found.holds


def test_tied_positives_are_missed_together_or_not_at_all():
    # 100 positives at .9 may lose 4; the fifth lowest ties with two that are lower.
    found = recall_certificate(positives([0, 1, 2, 2, 2, *range(3, 98)]), 0.9)
    untied = recall_certificate(positives(np.arange(100)), 0.9)
    assert untied.errors == 4
    assert (found.errors, found.eta) == (2, 1.5)


def test_negatives_have_no_say_in_recall_but_in_where_the_gap_is():
    table = positives(np.arange(100)) + ScoreTable.from_scores([3.5, 3.9, 50.0], [0, 0, 0])
    found = recall_certificate(table, 0.9)
    assert (found.errors, found.eta) == (4, pytest.approx((3.9 + 4) / 2, abs=1e-12))


@settings(max_examples=40)
@given(st.integers(0, 99), st.sampled_from([0.5, 0.8]))
def test_weight_2_is_a_row_twice_and_order_does_not_matter(seed, level):
    draws = np.random.default_rng(seed)
    eta, weight = draws.integers(-5, 6, 60), draws.integers(1, 4, 60)
    y, order = (draws.random(60) < expit(eta)).astype(int), draws.permutation(60)
    tables = (
        ScoreTable.from_scores(eta, y, weight),
        ScoreTable.from_scores(np.repeat(eta, weight), np.repeat(y, weight)),
        ScoreTable.from_scores(eta[order], y[order], weight[order]),
    )
    for certify in (
        lambda table: recall_certificate(table, level),
        lambda table: precision_certificate(table, scores(1, 300), level),
        lambda table: cost_certificate(table, [COST.log_odds], COST, 3.0),
        lambda table: cost_band(table, COST).upper.tolist(),
    ):
        first, *others = map(certify, tables)
        assert others == [first, first]


@pytest.mark.parametrize(
    "certify",
    [
        lambda table, **kind: recall_certificate(table, 0.9, **kind),
        lambda table, **kind: precision_certificate(table, scores(1, 300), 0.5, **kind),
        lambda table, **kind: cost_certificate(table, [COST.log_odds], COST, 1.0, **kind),
    ],
)
def test_rows_that_are_not_independent_certify_nothing(certify):
    table = scores(0, 2000)
    assert certify(table).holds
    grouped = certify(table, grouped=True)
    assert (grouped.holds, grouped.withheld, grouped.eta) == (False, True, None)
    assert grouped.sentence.startswith("withheld: rows of one group")
    weighted = ScoreTable.from_scores([0.0, 1.0] * 500, [0, 1] * 500, [0.5, 1.5] * 500)
    assert certify(weighted).sentence.startswith("withheld: weights that are not whole numbers")
    # Halves that add up to whole numbers at each score, with the squares of whole numbers, are no rows either.
    halves = ScoreTable.from_scores([0.0] * 4 + [1.0] * 4, [0] * 4 + [1] * 4, [0.5, 1.5, 1.5, 1.5] * 2)
    assert certify(halves).withheld
    assert certify(table, by_time=True).sentence.count("for rows like those of the select period") == 1


def test_the_order_of_tests_comes_from_the_calibrate_rows_alone():
    calibrate, select = scores(1, 1000), scores(2, 1000)
    order = order_of_tests(calibrate, select.n_rows, 0.6, 0.95)
    assert (np.diff(order) < 0).all()
    counts = confusion_at(calibrate, order[0])
    assert counts.tp + counts.fp >= log(0.05) / log(0.6)
    found = precision_certificate(select, calibrate, 0.6)
    assert found.holds
    assert found.eta in order
    # By hand: one exact test after the other until one fails.
    last = None
    for eta in order:
        called = confusion_at(select, eta)
        tail = stats.binomtest(called.tp, called.tp + called.fp, 0.6, alternative="greater").pvalue
        if tail > 0.05:
            break
        last = eta
    assert found.eta == last
    assert len(order) > 10


def test_a_precision_that_is_not_there_is_not_proved():
    found = precision_certificate(scores(2, 1000, shift=2), scores(1, 1000), 0.8)
    assert (found.holds, found.withheld, found.needed) == (False, False, None)
    assert found.sentence.startswith("not proved: precision of at least 0.8 with 95% confidence; already at")
    few = precision_certificate(scores(0, 8), scores(1, 100), 0.9)
    assert few.needed == 29


def test_one_cost_is_certified_where_its_bound_says_so():
    table = scores(0, 1000)
    curve = cost_curve(table, COST)
    mean = curve.cost[np.searchsorted(table.eta, COST.log_odds)] / 1000
    bound = mean_upper_bound(mean, 1000, 0.0, 5.0)
    assert mean < bound < mean + 5 * np.sqrt(log(1 / 0.05) / 2000)
    assert cost_certificate(table, [COST.log_odds], COST, bound + 1e-9).holds
    assert not cost_certificate(table, [COST.log_odds], COST, bound - 1e-9).holds
    too_few = cost_certificate(scores(0, 8), [COST.log_odds], COST, 0.4)
    assert too_few.needed == ceil(log(0.05) / log(1 - 0.08))
    assert not cost_certificate(table, [COST.log_odds], COST, 0.0).holds
    assert cost_certificate(table, [COST.log_odds], COST, 5.0).holds


def test_a_cost_is_certified_down_a_fixed_order_until_one_threshold_fails():
    table = scores(0, 1000)
    found = cost_certificate(table, [-1.0, -1.2, 4.0, -1.1], COST, 0.9)
    assert (found.holds, found.eta) == (True, -1.2)
    assert not cost_certificate(table, [4.0, -1.0], COST, 0.9).holds


@pytest.mark.parametrize(
    ("k", "n", "bound"), [(0, 100, 0.02), (3, 100, 0.1), (10, 1000, 0.02), (400, 1000, 0.5)]
)
def test_the_bound_of_a_mean_is_the_smaller_of_its_two_formulas(k, n, bound):
    risk = k / n
    entropy = (risk * log(risk / bound) if k else 0.0) + (1 - risk) * log((1 - risk) / (1 - bound))
    hoeffding, bentkus = np.exp(-n * entropy), np.e * stats.binom.cdf(k, n, bound)
    assert mean_p_value(risk, n, bound, 0.0, 1.0) == pytest.approx(min(hoeffding, bentkus, 1.0), rel=1e-9)


@pytest.mark.parametrize("n", [10, 60, 400])
@pytest.mark.parametrize("bound", [0.02, 0.1, 0.5, 0.9])
def test_a_mean_above_its_bound_passes_no_more_often_than_agreed(n, bound):
    # Costs of 0 or 1 are the worst case, and their mean has an exact law.
    passes = [mean_p_value(k / n, n, bound, 0.0, 1.0) <= 0.05 for k in range(n + 1)]
    law = stats.binom.pmf(np.arange(n + 1), n, bound)
    assert law @ passes <= 0.05
    assert mean_p_value(0.0, n, bound, 0.0, 1.0) <= (1 - bound) ** n * (1 + 1e-9)
    shifted = mean_p_value(7 + 3 * 0.01, n, 7 + 3 * bound, 7.0, 10.0)
    assert shifted == pytest.approx(mean_p_value(0.01, n, bound, 0.0, 1.0), rel=1e-6)


def test_levels_that_are_none_are_refused():
    table = scores(0, 100)
    for ask in (
        lambda: recall_certificate(table, 1.0),
        lambda: recall_certificate(table, 0.9, 0.0),
        lambda: precision_certificate(table, table, np.nan),
        lambda: cost_certificate(table, [], COST, 1.0),
        lambda: cost_certificate(table, [0.0], COST, np.inf),
        lambda: cost_band(table, COST, 1.0),
        lambda: cost_band(table, COST, share=1.5),
        lambda: cost_band(table, COST, grouped=True),
        lambda: cost_band(positives([0.0, 1.0]), COST),
    ):
        with pytest.raises(InputError, match=r"give|resample|row"):
            ask()


def test_a_certificate_that_its_own_figures_contradict_is_refused():
    sound = recall_certificate(positives(np.arange(100)), 0.9)
    assert msgspec.json.decode(msgspec.json.encode(sound), type=Certificate) == sound
    for change in (
        {"errors": 11},
        {"errors": 101},
        {"rows": 28},
        {"eta": None},
        {"withheld": True},
        {"level": 1.0},
        {"level": 0.97},
        {"confidence": 1 - 1e-6},
        {"needed": 29},
    ):
        with pytest.raises(InputError, match="certificate of recall"):
            Certificate(**(msgspec.structs.asdict(sound) | change))
    assert sound.is_proved
    assert not msgspec.structs.replace(sound, errors=5).is_proved


def test_the_band_is_that_of_its_formula():
    table = scores(3, 500)
    n_1, n_0 = table.count_positive.sum(), table.count_negative.sum()
    curve = cost_curve(table, COST)
    known = cost_band(table, COST, 0.9, share=0.3)
    reach = 5 * 0.3 * np.sqrt(log(40) / (2 * n_1)) + 0.7 * np.sqrt(log(40) / (2 * n_0))
    centre = 0.3 * 5 * curve.fn / n_1 + 0.7 * curve.fp / n_0
    assert known.estimate == pytest.approx(centre, abs=1e-12)
    e_1, e_0 = np.sqrt(log(40) / (2 * n_1)), np.sqrt(log(40) / (2 * n_0))
    fnr, fpr = curve.fn / n_1, curve.fp / n_0
    free = (fnr + e_1 < 1) & (fpr + e_0 < 1) & (fnr > e_1) & (fpr > e_0)
    assert free.sum() > 20
    assert known.upper[free] == pytest.approx((centre + reach)[free], abs=1e-12)
    assert known.lower[free] == pytest.approx((centre - reach)[free], abs=1e-12)
    assert np.all(known.upper <= centre + reach + 1e-12)
    assert np.all(known.lower >= centre - reach - 1e-12)
    estimated = cost_band(table, COST, 0.9)
    assert estimated.estimate == pytest.approx(curve.cost / 500, abs=1e-12)
    # Between the ends, where no rate is clipped, the reach is that of the formula at the worse end of pi.
    e_1, e_0 = np.sqrt(log(60) / (2 * n_1)), np.sqrt(log(60) / (2 * n_0))
    free = (fnr + e_1 < 1) & (fpr + e_0 < 1) & (fnr > e_1) & (fpr > e_0)
    assert free.sum() > 20
    theirs = stats.binomtest(int(n_1), 500).proportion_ci(1 - 0.1 / 3, method="exact")
    ends = theirs.low, theirs.high
    envelope = [
        [5 * pi * (fnr + sign * e_1) + (1 - pi) * (fpr + sign * e_0) for pi in ends] for sign in (-1, 1)
    ]
    assert estimated.lower[free] == pytest.approx(np.min(envelope[0], axis=0)[free], abs=1e-12)
    assert estimated.upper[free] == pytest.approx(np.max(envelope[1], axis=0)[free], abs=1e-12)


MISSES = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
"""Of 2000 samples, at an error of .05, with three standard errors."""


@pytest.mark.slow
def test_recall_certificates_hold_at_their_level_and_not_by_waste():
    draws = np.random.default_rng(0)
    missed = [
        stats.norm.sf(recall_certificate(positives(draws.normal(size=200)), 0.9).eta) < 0.9
        for _ in range(2000)
    ]
    assert 0.02 < np.mean(missed) < MISSES


@pytest.mark.slow
def test_with_groups_of_ten_a_recall_certificate_would_miss_its_level():
    draws = np.random.default_rng(1)
    missed = 0
    for _ in range(2000):
        eta = np.sqrt(0.9) * np.repeat(draws.normal(size=20), 10) + np.sqrt(0.1) * draws.normal(size=200)
        missed += stats.norm.sf(recall_certificate(positives(eta), 0.9).eta) < 0.9
    assert missed / 2000 > 0.15


GRID = np.linspace(-4, 4, 161)
MASS = stats.norm.pdf(GRID, -0.5, 1.5) / stats.norm.pdf(GRID, -0.5, 1.5).sum()
TRUE = expit(1.3 * GRID - 0.4)
PRECISION = np.cumsum((MASS * TRUE)[::-1])[::-1] / np.cumsum(MASS[::-1])[::-1]


def drawn(draws, n):
    eta = draws.choice(GRID, size=n, p=MASS)
    return ScoreTable.from_scores(eta, draws.random(n) < expit(1.3 * eta - 0.4))


@pytest.mark.slow
def test_precision_certificates_hold_at_their_level():
    draws = np.random.default_rng(2)
    wrong = found = 0
    for _ in range(2000):
        calibrate, select = drawn(draws, 400), drawn(draws, 400)
        certificate = precision_certificate(select, calibrate, 0.75)
        if certificate.holds:
            found += 1
            wrong += PRECISION[np.searchsorted(GRID, certificate.eta)] < 0.75
    assert wrong / 2000 < MISSES
    assert found / 2000 > 0.5


@pytest.mark.slow
def test_a_search_over_the_rows_of_the_proof_would_find_luck():
    # Scores that say nothing, and a share of positives that is just not the precision asked for.
    draws = np.random.default_rng(5)
    proved = lucky = 0
    for _ in range(2000):
        calibrate, select = (
            ScoreTable.from_scores(draws.normal(size=300), draws.random(300) < 0.6) for _ in "ab"
        )
        proved += precision_certificate(select, calibrate, 0.61).holds
        curve = cost_curve(select, COST)
        lucky += (stats.binom.sf(curve.tp - 1, curve.tp + curve.fp, 0.61)[:-1] <= 0.05).any()
    assert proved / 2000 < MISSES
    assert lucky / 2000 > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
def test_the_band_holds_the_whole_true_curve(known):
    draws = np.random.default_rng(3)
    share = float(MASS @ TRUE)
    missed = np.concatenate([[0.0], np.cumsum(MASS * TRUE)])
    alarmed = np.concatenate([np.cumsum((MASS * (1 - TRUE))[::-1])[::-1], [0.0]])
    true_cost = 5 * missed + alarmed
    outside = 0
    for _ in range(2000):
        table = drawn(draws, 150)
        band = cost_band(table, COST, 0.8, share=share if known else None)
        cut = np.searchsorted(table.eta, [*GRID, np.inf])
        outside += ((true_cost < band.lower[cut]) | (true_cost > band.upper[cut])).any()
    assert 0.0 < outside / 2000 < 0.2 + 3 * np.sqrt(0.2 * 0.8 / 2000)


@pytest.mark.slow
def test_cost_certificates_hold_at_their_level():
    draws = np.random.default_rng(4)
    at = np.searchsorted(GRID, 0.0)
    true = 5 * (MASS * TRUE)[:at].sum() + (MASS * (1 - TRUE))[at:].sum()
    proved = [cost_certificate(drawn(draws, 200), [0.0], COST, true).holds for _ in range(2000)]
    assert np.mean(proved) < MISSES
    assert (
        np.mean([cost_certificate(drawn(draws, 200), [0.0], COST, 2.2 * true).holds for _ in range(50)]) > 0.9
    )
