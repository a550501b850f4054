import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from oddsmith.decision.choosing import given_policy, matrix_policy
from oddsmith.decision.costs import CostMatrix
from oddsmith.evaluate.metrics import Cost
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.slices import slicing
from oddsmith.fit.losses import expit

POLICY = given_policy(None, 0.3, Cost(fn=5, fp=1))


def calibrated_rows(kind, shift, seed=0, **options):
    """Scores that mean what they say; those of each kind (n,) lie elsewhere."""
    random = np.random.default_rng(seed)
    eta = random.normal(-0.5, 1.0, len(kind)) + np.asarray(shift)[kind]
    return AuditRows(eta, eta, (random.random(len(kind)) < expit(eta)).astype(int), **options)


def ends(estimate):
    return estimate.interval.low, estimate.interval.high


def test_a_level_is_compared_with_all_other_rows_by_newcombes_interval():
    kind = np.arange(1500) % 3
    rows = calibrated_rows(kind, [0.0, 0.4, -0.4])
    found = slicing("kind", kind, rows, POLICY)
    review, positive = rows.eta >= POLICY.thresholds[0], rows.y == 1
    for one in found.levels:
        inside = kind == int(one.level)
        for estimate, of in ((one.action_share_difference, kind >= 0), (one.recall_difference, positive)):
            counts = [
                number
                for part in (inside, ~inside)
                for number in (review[of & part].sum(), (of & part).sum())
            ]
            # A family of three at 95%.
            expected = confint_proportions_2indep(*counts, method="newcomb", alpha=0.05 / 3)
            assert ends(estimate) == pytest.approx(expected, abs=1e-12)
            assert estimate.value == pytest.approx(counts[0] / counts[1] - counts[2] / counts[3])
            assert estimate.interval.method == "square-and-add of Wilson"


def test_a_policy_that_treats_levels_differently_is_told_though_every_promise_is_kept():
    kind = np.repeat([0, 1], [3000, 2000])
    rows = calibrated_rows(kind, [0.0, 0.6])
    found = slicing("kind", np.array(["a", "b"])[kind], rows, POLICY)
    assert [one.stands_out for one in found.levels] == [(), ()]
    review, positive = rows.eta >= POLICY.thresholds[0], rows.y == 1
    shares = [100 * review[part].mean() for part in (kind == 0, kind == 1, kind >= 0)]
    recalls = [100 * review[part & positive].mean() for part in (kind == 0, kind == 1, kind >= 0)]
    assert found.sentence == (
        "'kind': observed / expected, log loss and cost are within chance of what is promised at every level "
        "(95% for all together). The share with 'review' differs beyond chance: "
        "{:.3g}% at 'a', {:.3g}% at 'b'; over all rows {:.3g}%. ".format(*shares)
        + "Recall differs beyond chance: {:.3g}% at 'a', {:.3g}% at 'b'; over all rows {:.3g}%.".format(
            *recalls
        )
    )


def test_what_was_not_tested_is_not_said():
    kind = np.arange(900) % 3
    rows = calibrated_rows(kind, [0.0, 0.0, 0.0])
    assert slicing("kind", kind, rows, POLICY).sentence.endswith(
        "The share with 'review' differs nowhere beyond chance. Recall differs nowhere beyond chance."
    )
    assert slicing("kind", kind, rows, None).sentence == (
        "'kind': observed / expected and log loss are within chance of what is promised at every level "
        "(95% for all together)."
    )
    # A threshold without costs; a single level, which has no other rows; levels of ten rows.
    free = given_policy(None, 0.3)
    assert "observed / expected and log loss are" in slicing("kind", kind, rows, free).sentence
    (one,) = slicing("kind", np.zeros(900), rows, POLICY).levels
    assert (one.action_share_difference, one.recall_difference) == (None, None)
    few = calibrated_rows(kind[:30], [0.0, 0.0, 0.0])
    assert slicing("kind", kind[:30], few, POLICY).sentence == "'kind': every level is too small to tell."


def test_the_furthest_are_named_first():
    kind = np.arange(8000) % 8
    rows = calibrated_rows(kind, np.linspace(-2.0, 2.0, 8))
    found = slicing("kind", kind, rows, POLICY)
    apart = {one.level: one.action_share_difference for one in found.levels}
    beyond = [name for name, one in apart.items() if one.interval.low > 0 or one.interval.high < 0]
    furthest = sorted(beyond, key=lambda name: -abs(apart[name].value))
    told = found.sentence.partition("The share with 'review' differs beyond chance: ")[2].partition(";")[0]
    assert [part.partition(" at ")[2] for part in told.split(", ")] == [f"'{name}'" for name in furthest[:3]]
    assert f"; and {len(beyond) - 3} more; over all rows" in found.sentence


def test_small_levels_are_not_compared_nor_is_what_has_only_them_beside_it():
    kind = np.repeat([0, 1], [15, 985])
    found = slicing("kind", kind, calibrated_rows(kind, [4.0, 0.0], seed=1), POLICY)
    assert [one.small for one in found.levels] == [False, True]
    for one in found.levels:
        assert (one.action_share_difference, one.recall_difference) == (None, None)
        assert one.action_share is not None
    assert "differs" not in found.sentence
    assert "at every level that is large enough" in found.sentence
    third = np.where(np.arange(1000) % 2, kind, 2 * kind)
    found = slicing("kind", third, calibrated_rows(kind, [4.0, 0.0]), POLICY)
    assert [one.action_share_difference is None for one in found.levels] == [
        one.small for one in found.levels
    ]


@given(st.integers(0, 10**6), st.floats(0.1, 20.0))
def test_weights_count_as_the_rows_that_they_tell_as_much_as(seed, unit):
    kind = np.random.default_rng(seed).integers(2, size=400)
    rows = calibrated_rows(kind, [0.0, 0.5], seed)
    plain = slicing("kind", kind, rows, POLICY).levels
    scaled = AuditRows(rows.eta, rows.eta, rows.y, sample_weight=np.full(400, unit))
    twice = AuditRows(
        *(np.repeat(a, 2) for a in (rows.eta, rows.eta, rows.y)), groups=np.repeat(np.arange(400), 2)
    )
    one, other = (level.action_share_difference for level in plain)
    assert ends(other) == pytest.approx((-one.interval.high, -one.interval.low))
    assert one.interval.low < one.value < one.interval.high
    for again, column, noun in ((scaled, kind, "rows"), (twice, np.repeat(kind, 2), "groups")):
        for level, same in zip(plain, slicing("kind", column, again, POLICY).levels, strict=True):
            for name in ("action_share_difference", "recall_difference"):
                found, expected = getattr(same, name), getattr(level, name)
                assert (found.value, *ends(found)) == pytest.approx((expected.value, *ends(expected)))
                if noun == "groups" or unit != 1.0:
                    assert found.interval.method.endswith(f"on the effective number of {noun}")


def test_of_more_classes_the_last_action_is_compared():
    random = np.random.default_rng(3)
    kind = np.repeat([0, 1], 1000)
    scores = random.normal(size=(2000, 3)) + np.outer(kind, [0.0, 0.0, 1.5])
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    rows = AuditRows(scores, logs, np.argmax(scores + random.gumbel(size=scores.shape), axis=1))
    policy = matrix_policy(CostMatrix(["a", "b", "c"], ["a", "b", "c"], [[0, 1, 1], [1, 0, 1], [1, 1, 0]]))
    found = slicing("kind", kind, rows, policy)
    assert [one.recall_difference for one in found.levels] == [None, None]
    shares = [100 * (logs[kind == k].argmax(axis=1) == 2).mean() for k in (0, 1)]
    assert (
        "The share with 'c' differs beyond chance: {:.3g}% at '0', {:.3g}% at '1'".format(*shares)
        in found.sentence
    )
    assert "ecall" not in found.sentence


@pytest.mark.slow
@pytest.mark.parametrize("weighting", ["rows", "weights", "groups"])
def test_levels_of_one_population_differ_in_few_columns(weighting):
    told = np.zeros(2)
    for seed in range(400):
        random = np.random.default_rng(seed)
        options = {}
        kind = random.integers(6, size=1200)
        if weighting == "weights":
            options["sample_weight"] = random.exponential(size=1200) + 0.1
        if weighting == "groups":
            # The rows of a group are one kind, and alike.
            group = np.repeat(np.arange(300), 4)
            kind, options["groups"] = kind[group], group
            eta = random.normal(-0.5, 1.0, 300)[group] + 0.3 * random.normal(size=1200)
        else:
            eta = random.normal(-0.5, 1.0, 1200)
        rows = AuditRows(eta, eta, (random.random(1200) < expit(eta)).astype(int), **options)
        levels = slicing("chance", kind, rows, POLICY).levels
        for j, name in enumerate(("action_share_difference", "recall_difference")):
            found = [getattr(one, name) for one in levels]
            told[j] += any(one.interval.low > 0 or one.interval.high < 0 for one in found if one is not None)
    # Each family at 95%, and sqrt(.05 * .95 / 400) = .011.
    assert (told / 400 <= 0.05 + 3 * 0.011).all()
