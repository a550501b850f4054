import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evidence.drift import MOST_TERMS, DriftInputs, drift, score_drift, share_difference


def inputs(train, audit, counts=((60, 40), (55, 45)), **more):
    return DriftInputs(
        terms=[f"x{j}" for j in range(train.shape[1])],
        train_mean=train.mean(axis=0),
        train_scale=train.std(axis=0),
        train_rows=len(train),
        audit_mean=audit.mean(axis=0),
        audit_scale=audit.std(axis=0),
        audit_rows=len(audit),
        train_counts=counts[0],
        audit_counts=counts[1],
        **more,
    )


def test_the_term_that_moved_is_first_and_its_interval_is_that_of_welch():
    random = np.random.default_rng(0)
    train, audit = random.normal(size=(5000, 3)) * [1, 5, 2], random.normal(size=(4000, 3)) * [1, 5, 2]
    audit[:, 1] += 1.5
    found = drift(inputs(train, audit), ["no", "yes"])
    assert [found.terms[0].term, found.n_terms, found.n_moved] == ["x1", 3, 1]
    # Bonferroni over three terms; Welch's interval of scipy, in training deviations.
    welch = stats.ttest_ind(audit[:, 1], train[:, 1], equal_var=False).confidence_interval(1 - 0.05 / 3)
    assert found.terms[0].difference == pytest.approx((audit - train.mean(0)).mean(0)[1] / train.std(0)[1])
    assert found.terms[0].interval.low == pytest.approx(welch.low / train[:, 1].std(), rel=1e-3)
    assert found.terms[0].interval.high == pytest.approx(welch.high / train[:, 1].std(), rel=1e-3)
    assert found.sentence.startswith("'x1' moved most, by +0.3")
    assert "1 of 3 terms moved further than chance explains" in found.sentence


def test_terms_that_did_not_move_are_said_not_to():
    rows = np.random.default_rng(1).normal(size=(500, MOST_TERMS + 5))
    found = drift(inputs(rows, rows), ["no", "yes"])
    assert (found.n_moved, len(found.terms), found.n_terms) == (0, MOST_TERMS, MOST_TERMS + 5)
    assert "no term moved further than chance explains" in found.sentence


def test_shares_of_classes_have_newcombes_interval():
    # statsmodels' confint_proportions_2indep(..., method="newcomb").
    low, high = confint_proportions_2indep(45, 100, 40, 120, method="newcomb")
    found = share_difference(40, 120, 45, 100, 0.95)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_the_distance_of_scores_is_scipys_ties_and_weights_included():
    random = np.random.default_rng(2)
    train, audit = np.round(random.normal(size=700), 1), np.round(random.normal(0.3, 1.2, size=500), 1)
    found = score_drift(*(ScoreTable.from_scores(eta, np.zeros(len(eta))) for eta in (train, audit)))
    expected = stats.ks_2samp(train, audit)
    assert found.distance == pytest.approx(expected.statistic)
    assert found.at == expected.statistic_location
    weight = random.integers(1, 4, size=500)
    heavy = score_drift(
        ScoreTable.from_scores(train, np.zeros(700)), ScoreTable.from_scores(audit, np.zeros(500), weight)
    )
    assert heavy.distance == pytest.approx(stats.ks_2samp(train, np.repeat(audit, weight)).statistic)
    assert heavy.by_chance > found.by_chance


@pytest.mark.slow
def test_chance_exceeds_its_bound_in_one_case_of_twenty_at_most():
    beyond = []
    for seed in range(600):
        random = np.random.default_rng(seed)
        tables = [ScoreTable.from_scores(random.normal(size=n), np.zeros(n)) for n in (300, 150)]
        found = score_drift(*tables)
        beyond.append(found.distance > found.by_chance)
    assert 0.01 < np.mean(beyond) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


def test_what_is_no_drift_is_refused():
    rows = np.random.default_rng(3).normal(size=(20, 2))
    flat = np.column_stack([rows[:, 0], np.ones(20)])
    for given in (
        inputs(flat, rows),
        inputs(rows, rows, ((60, 40), (0, 0))),
        inputs(rows, rows, ((60, 40, 1), (1, 2, 3))),
    ):
        with pytest.raises(InputError, match="drift:"):
            drift(given, ["no", "yes"])
