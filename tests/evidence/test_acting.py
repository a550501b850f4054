import numpy as np
import pytest

from oddsmith.decision.choosing import (
    analytic_policy,
    deferral_policy,
    given_policy,
    matrix_policy,
    row_policy,
)
from oddsmith.decision.costs import CostMatrix, RowCosts
from oddsmith.errors import InputError
from oddsmith.evaluate.intervals import clopper_pearson_interval
from oddsmith.evaluate.metrics import Cost
from oddsmith.evidence.acting import MANY, acting
from oddsmith.evidence.rows import AuditRows
from oddsmith.fit.losses import expit

PROBA = np.array([0.061, 0.169, 0.595, 0.624, 0.971, 0.325, 0.99, 0.244])
Y = np.array([0, 0, 1, 0, 1, 0, 1, 1])
ETA = np.log(PROBA / (1 - PROBA))
COST = Cost(fn=120, fp=18)


def some_rows(n, seed=0, **options):
    random = np.random.default_rng(seed)
    eta = random.normal(-0.5, 1.5, n)
    return AuditRows(eta, eta, (random.random(n) < expit(eta)).astype(int), **options)


def test_the_eight_rows_by_hand():
    # At 1/2: rows 2, 3, 4, 6 are called; one false alarm and one miss, 138 in 8. All: 4 * 18. None: 4 * 120.
    found = acting(AuditRows(ETA, ETA, Y), given_policy(None, 0.5, COST))
    assert found.counts == ((3, 1), (1, 3))
    assert found.cost.value == 138 / 8
    assert {one.name: (one.cost, one.difference) for one in found.comparisons} == {
        "'auto' for all": (60.0, -42.75),
        "'review' for all": (9.0, 8.25),
        "a threshold of 1/2": (17.25, 0.0),
    }
    assert (found.best_single.name, found.best_single.difference) == ("'review' for all", 8.25)
    assert (found.recall.value, found.precision.value, found.f1) == (0.75, 0.75, 0.75)
    assert found.recall.interval == clopper_pearson_interval(3, 4)
    # 3 / 8 - 1 / 8 at even odds.
    assert (found.net_benefit.model, found.net_benefit.treat_all) == (0.25, 0.0)
    half = found.comparisons[-1]
    assert (half.interval.low, half.interval.high) == (0.0, 0.0)


def test_rows_in_another_order_and_rows_alone_in_groups_say_the_same():
    rows = some_rows(400)
    order = np.random.default_rng(1).permutation(400)
    policy = analytic_policy(None, COST)
    other = AuditRows(rows.eta[order], rows.eta[order], rows.y[order])
    one, two = acting(rows, policy), acting(other, policy)
    assert (one.comparisons, one.best_single, one.counts) == (two.comparisons, two.best_single, two.counts)
    alone = acting(AuditRows(rows.eta, rows.eta, rows.y, groups=np.arange(400)), policy)
    for one, two in zip(acting(rows, policy).comparisons, alone.comparisons, strict=True):
        assert one.difference == pytest.approx(two.difference)
        assert one.interval.high - one.interval.low == pytest.approx(
            two.interval.high - two.interval.low, rel=0.1
        )


def test_the_bootstrap_is_as_wide_as_the_central_limit_says():
    # Above `MANY` rows heaps are drawn, below it kinds, with weights rows: all of them 2 * 1.96 standard errors.
    for n, weight in ((2 * MANY, None), (2 * MANY, np.random.default_rng(3).random(2 * MANY)), (2000, None)):
        rows = some_rows(n, sample_weight=weight)
        found = acting(rows, analytic_policy(None, COST)).comparisons[1]
        flagged = rows.eta >= COST.log_odds
        difference = np.where(
            flagged, 0.0, np.where(rows.y == 1, 120.0, 0.0) - np.where(rows.y == 0, 18.0, 0.0)
        )
        w = rows.weight / rows.weight.sum()
        error = np.sqrt(np.sum((w * (difference - w @ difference)) ** 2))
        assert found.difference == pytest.approx(w @ difference)
        assert found.interval.high - found.interval.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_groups_that_repeat_one_row_are_one_row():
    rows = some_rows(300)
    policy = analytic_policy(None, COST)
    eta, y, groups = np.tile(rows.eta, 6), np.tile(rows.y, 6), np.tile(np.arange(300), 6)
    often = acting(AuditRows(eta, eta, y, groups=groups), policy)
    once = acting(AuditRows(rows.eta, rows.eta, rows.y, groups=np.arange(300)), policy)
    for one, two in zip(often.comparisons, once.comparisons, strict=True):
        assert (one.interval.low, one.interval.high) == pytest.approx((two.interval.low, two.interval.high))
        assert one.interval.method.endswith("by group")
    assert often.recall.interval.low == pytest.approx(once.recall.interval.low)


@pytest.mark.slow
def test_the_difference_covers():
    policy = analytic_policy(None, COST)
    whole = acting(some_rows(2_000_000, 99), policy, n_resamples=10).comparisons
    hits = np.zeros(len(whole))
    for seed in range(400):
        found = acting(some_rows(300, [7, seed]), policy, n_resamples=400).comparisons
        hits += [a.interval.low <= b.difference <= a.interval.high for a, b in zip(found, whole, strict=True)]
    # Percentiles of 300 skewed costs miss a little more often than one in twenty.
    assert (hits / 400 >= 0.91).all(), hits / 400


@pytest.mark.slow
def test_noise_saves_nothing():
    # Scores that know nothing, errors of one price, classes of one size: each way costs 1/2 a case. The interval of the
    # difference to the best single action may lie below 0 by chance in .025 of samples; in fewer, for that action is
    # the best in hindsight.
    policy, below = analytic_policy(None, Cost(fn=1, fp=1)), 0
    for seed in range(500):
        random = np.random.default_rng([3, seed])
        eta = random.normal(size=200)
        rows = AuditRows(eta, eta, random.integers(2, size=200))
        below += acting(rows, policy, n_resamples=300, seed=seed).best_single.interval.high < 0.0
    assert below / 500 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 500)


def test_columns_of_costs():
    rows = some_rows(200, cost_columns={"loss": np.linspace(1, 9, 200)})
    found = acting(rows, row_policy(RowCosts(fn="loss", fp=1.0)))
    flagged = rows.eta >= -np.log(np.linspace(1, 9, 200))
    cost = np.where(rows.y == 1, np.where(flagged, 0.0, np.linspace(1, 9, 200)), flagged * 1.0)
    assert found.cost.value == pytest.approx(cost.mean())
    assert found.comparisons[0].cost == pytest.approx((rows.y * np.linspace(1, 9, 200)).mean())
    assert found.net_benefit is None


def test_deferring_and_more_classes():
    rows = some_rows(500)
    found = acting(rows, deferral_policy(None, Cost(fn=5, fp=1, defer=0.3)))
    assert [len(row) for row in found.counts] == [3, 3]
    # A positive that a person sees was not passed over.
    (_, (passed, seen, stopped)) = found.counts
    assert found.recall.value == pytest.approx((seen + stopped) / (passed + seen + stopped))
    random = np.random.default_rng(5)
    scores = random.normal(size=(300, 3))
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    y = np.argmax(scores + random.gumbel(size=scores.shape), axis=1)
    matrix = CostMatrix(["a", "b", "c"], ["a", "b", "c", "ask"], [[0, 1, 5, 1], [2, 0, 1, 1], [9, 3, 0, 1]])
    found = acting(AuditRows(scores, logs, y), matrix_policy(matrix))
    assert len(found.comparisons) == 4
    assert found.cost.value == pytest.approx((np.array(found.counts) * np.array(matrix.cost)).sum() / 300)
    assert found.recall is None


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="actions lie outside"):
        acting(AuditRows(ETA, ETA, Y, actions=Y + 1), given_policy(None, 0.5))
    scores = np.log(np.full((4, 3), 1 / 3))
    with pytest.raises(InputError, match="policy for 2 classes"):
        acting(AuditRows(scores, scores, np.zeros(4, dtype=int)), given_policy(None, 0.5))
    with pytest.raises(InputError, match="no column 'loss'"):
        acting(AuditRows(ETA, ETA, Y), row_policy(RowCosts(fn="loss", fp=1.0)))
