from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddsmith.decision.choosing import given_policy
from oddsmith.evaluate.delong import auc_estimate
from oddsmith.evaluate.expected import observed_expected
from oddsmith.evaluate.metrics import Cost, log_loss
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.slices import MOST_LEVELS, levels_of, slicing
from oddsmith.fit.losses import expit

POLICY = given_policy(None, 0.3, Cost(fn=5, fp=1))


def some_rows(n, seed=0, **options):
    random = np.random.default_rng(seed)
    eta = random.normal(-0.5, 1.5, n)
    return AuditRows(eta, eta, (random.random(n) < expit(eta)).astype(int), **options), random


def test_a_slice_has_the_figures_of_its_rows():
    rows, random = some_rows(900)
    kind = random.choice(["a", "b", "c"], 900)
    found = slicing("kind", kind, rows, POLICY)
    assert [one.n_rows for one in found.levels] == sorted(np.unique(kind, return_counts=True)[1])[::-1]
    each = 1 - 0.05 / 3
    for one in found.levels:
        inside = kind == one.level
        eta, y = rows.eta[inside], rows.y[inside]
        table = ScoreTable.from_scores(eta, y)
        expected = observed_expected(table, each)
        assert one.observed_expected.value == pytest.approx(expected.ratio)
        assert one.observed_expected.interval.high == pytest.approx(expected.interval.high)
        assert one.auc == auc_estimate(table, each)
        assert one.log_loss.value == pytest.approx(log_loss(table))
        flagged = eta >= POLICY.thresholds[0]
        assert one.recall.value == pytest.approx(flagged[y == 1].mean())
        assert one.action_share.value == pytest.approx(flagged.mean())
        assert one.cost.value == pytest.approx(np.mean(5.0 * (y & ~flagged) + 1.0 * ((y == 0) & flagged)))
        assert (one.events, one.small, one.stands_out) == (y.sum(), False, ())


def test_a_level_that_the_model_does_not_know_stands_out():
    rows, random = some_rows(4000)
    kind = random.choice(["common", "rare"], 4000, p=[0.8, 0.2])
    wrong = AuditRows(rows.eta, rows.eta, np.where(kind == "rare", random.integers(2, size=4000), rows.y))
    found = slicing("kind", kind, wrong, POLICY)
    assert {one.level: bool(one.stands_out) for one in found.levels} == {"common": False, "rare": True}
    assert "'rare' by observed / expected, log loss, cost" in found.sentence


def test_small_levels_are_marked_and_never_stand_out():
    rows, _ = some_rows(500)
    kind = np.where(np.arange(500) < 15, "few", "many")
    y = np.where(kind == "few", 1, rows.y)
    found = slicing("kind", kind, AuditRows(rows.eta - 9, rows.eta - 9, y), None)
    few = next(one for one in found.levels if one.level == "few")
    assert few.small
    assert few.stands_out == ()
    assert "1 of the 2 levels are too small to tell." in found.sentence
    assert few.cost is None
    assert few.recall is None


@pytest.mark.slow
def test_levels_of_pure_chance_stand_out_in_few_columns():
    out = 0
    for seed in range(200):
        rows, random = some_rows(3000, seed)
        found = slicing("chance", random.integers(10, size=3000).astype(str), rows, None)
        out += any(one.stands_out for one in found.levels)
    # Two figures a level, each family at 95%: at most one column in ten, and sqrt(.1 * .9 / 200) = .021.
    assert out / 200 <= 0.10 + 3 * 0.021


def test_columns_become_levels():
    names, place = levels_of(np.array(["b", "a", "b", None], dtype=object))
    assert [names[j] for j in place] == ["b", "a", "b", "missing"]
    names, place = levels_of(np.array([3.0, np.nan, 1.0, 3.0]))
    assert [names[j] for j in place] == ["3", "missing", "1", "3"]
    names, place = levels_of(np.array([True, False]))
    assert sorted(names) == ["False", "True"]
    many = np.repeat([f"level {j}" for j in range(30)], np.arange(30, 0, -1))
    names, place = levels_of(many)
    assert len(names) == MOST_LEVELS
    assert names[0] == "level 0"
    assert names[-1] == "(11 smaller levels)"
    assert (place == MOST_LEVELS - 1).sum() == sum(range(1, 12))


@given(st.lists(st.integers(0, 60) | st.none(), min_size=1, max_size=200))
def test_every_row_has_one_level_and_numbers_keep_their_order(cells):
    column = np.array([np.nan if cell is None else cell for cell in cells])
    names, place = levels_of(column)
    assert len(names) == len(set(names))
    assert np.bincount(place, minlength=len(names)).all()
    if len(np.unique(column[~np.isnan(column)])) > 10:
        there = [column[place == j] for j, name in enumerate(names) if name != "missing"]
        assert all(a.max() < b.min() for a, b in pairwise(there))
        assert len(there) <= 5
