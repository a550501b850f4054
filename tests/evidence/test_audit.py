import json
import math
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.decision.choosing import analytic_policy, given_policy, matrix_policy
from oddsmith.decision.costs import CostMatrix
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.evaluate.smooth import smooth_ece
from oddsmith.evidence.audit import Audit, audit_of
from oddsmith.evidence.drift import DriftInputs
from oddsmith.evidence.headlines import FitFacts, sample_size_of, sample_size_verdict
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.verdicts import Bars
from oddsmith.fit.losses import expit

FIT = FitFacts("converged", "converged, newton decrement 3e-13")
COST = Cost(fn=120, fp=18)
PROBA = np.array([0.061, 0.169, 0.595, 0.624, 0.971, 0.325, 0.99, 0.244])
Y = np.array([0, 0, 1, 0, 1, 0, 1, 1])
ETA = np.log(PROBA / (1 - PROBA))


def some_rows(n, seed=0, shift=0.0, **options):
    random = np.random.default_rng(seed)
    eta = random.normal(-0.5, 1.5, n)
    return AuditRows(eta, eta + shift, (random.random(n) < expit(eta)).astype(int), **options)


def three_classes(n=900, seed=1, **options):
    random = np.random.default_rng(seed)
    scores = 2 * random.normal(size=(n, 3))
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return AuditRows(scores, logs, np.argmax(scores + random.gumbel(size=scores.shape), axis=1), **options)


def named(audit):
    return {verdict.name: verdict for verdict in audit.verdicts}


def numbers_of(thing):
    if isinstance(thing, dict):
        thing = thing.values()
    if isinstance(thing, dict | list) or (hasattr(thing, "__iter__") and not isinstance(thing, str)):
        return [number for part in thing for number in numbers_of(part)]
    return [thing] if isinstance(thing, float) else []


def assert_survives(audit):
    text = msgspec.json.encode(audit)
    assert msgspec.json.decode(text, type=Audit) == audit
    assert all(map(math.isfinite, numbers_of(msgspec.to_builtins(audit))))
    assert all(verdict.sentence.endswith(".") and "nan" not in verdict.sentence for verdict in audit.verdicts)


def test_eight_rows_certify_nothing_and_say_what_would():
    audit = audit_of(
        AuditRows(ETA, ETA, Y),
        ["auto", "review"],
        fit=FIT,
        policy=analytic_policy(None, COST),
        bars=Bars(recall=0.9),
    )
    assert {name: verdict.verdict for name, verdict in named(audit).items()} == {
        "fit": "PASS",
        "ranking": "INSUFFICIENT",
        "calibration": "INSUFFICIENT",
        "policy": "INSUFFICIENT",
        "recall": "INSUFFICIENT",
        "sample size": "INSUFFICIENT",
    }
    assert audit.verdict == "INSUFFICIENT"
    # ln .05 / ln r, rounded up.
    assert (
        "0.90 takes 29, 0.95 takes 59, 0.99 takes 299 positives; there are 4 of 'review'." in audit.sentence
    )
    # 4 of 4 found: the one-sided lower bound of recall is .05^(1/4) = .4729.
    recall = named(audit)["recall"]
    assert recall.estimate == 1.0
    assert recall.interval.low == pytest.approx(0.05**0.25)
    assert recall.needed == 29
    assert_survives(audit)


@pytest.mark.parametrize(("positives", "verdict"), [(28, "INSUFFICIENT"), (29, "PASS")])
def test_a_recall_without_a_miss_passes_where_its_certificate_would(positives, verdict):
    y = np.repeat([0, 1], [40, positives])
    eta = np.where(y == 1, 2.0, -2.0) + np.linspace(0, 1, len(y))
    audit = audit_of(
        AuditRows(eta, eta, y), ["no", "yes"], fit=FIT, policy=given_policy(None, 0.5), bars=Bars(recall=0.9)
    )
    assert named(audit)["recall"].verdict == verdict


@pytest.mark.parametrize(
    ("positives", "bar", "listed"),
    [
        # ln .05 / ln r, rounded up: 28.4, 58.4, 298.1 and, of .999, 2,994.2.
        (28, None, "0.90 takes 29, 0.95 takes 59, 0.99 takes 299 positives; there are 28 of 'yes'."),
        (29, None, "0.95 takes 59, 0.99 takes 299 positives; there are 29 of 'yes'."),
        (298, 0.9, "0.99 takes 299 positives; there are 298 of 'yes'."),
        (299, 0.99, None),
        (299, 0.999, "0.999 takes 2,995 positives; there are 299 of 'yes'."),
        (58, 0.95, "0.95 takes 59, 0.99 takes 299 positives; there are 58 of 'yes'."),
    ],
)
def test_recalls_are_listed_that_the_positives_do_not_reach(positives, bar, listed):
    y = np.repeat([0, 1], [400, positives])
    eta = np.where(y == 1, 2.0, -2.0)
    size = sample_size_of(AuditRows(eta, eta, y), 0.95)
    verdict = sample_size_verdict(size, Bars(recall=bar), ["no", "yes"])
    _, _, rest = verdict.sentence.partition("calibration takes 200.")
    assert rest == ("" if listed is None else f" Even without a miss, at 95% confidence a recall of {listed}")
    assert (verdict.verdict == "PASS") == (positives >= 200 and bar != 0.999)


def test_a_good_model_passes_and_each_fault_fails_its_own_section():
    policy, bars = analytic_policy(None, COST), Bars(recall=0.8)

    def audited(rows, fit=FIT, bars=bars):
        audit = audit_of(rows, ["no", "yes"], fit=fit, policy=policy, bars=bars, n_resamples=100)
        assert_survives(audit)
        return audit.verdict, {name for name, verdict in named(audit).items() if verdict.verdict != "PASS"}

    good = some_rows(2000)
    assert audited(good) == ("PASS", set())
    stopped = FitFacts("iteration_limit", "stopped after 10 iterations")
    assert audited(good, fit=stopped) == ("FAIL", {"fit"})
    assert audited(good, bars=Bars(auc=0.9)) == ("FAIL", {"ranking"})
    assert audited(good, bars=Bars(recall=0.999)) == ("FAIL", {"recall", "sample size"})
    assert "calibration" in audited(some_rows(2000, shift=1.0))[1]
    silly = AuditRows(good.eta, good.calibrated, good.y, actions=np.zeros(2000, dtype=int))
    assert audited(silly) == ("FAIL", {"policy", "recall"})
    assert audited(some_rows(100))[0] == "INSUFFICIENT"


def test_a_fit_that_nobody_knows_is_no_pass():
    audit = audit_of(some_rows(1500), ["no", "yes"], fit=FitFacts("unknown", "read from a flat file"))
    assert (audit.verdict, named(audit)["fit"].verdict) == ("INSUFFICIENT", "INSUFFICIENT")
    assert set(named(audit)) == {"fit", "ranking", "calibration", "sample size"}


def test_a_recall_of_no_policy_is_asked_in_vain():
    audit = audit_of(some_rows(200), ["no", "yes"], fit=FIT, bars=Bars(recall=0.9))
    assert "carries no policy" in named(audit)["recall"].sentence


def test_groups_widen_and_are_counted():
    rows = some_rows(600)
    six = AuditRows(
        np.tile(rows.eta, 6), np.tile(rows.eta, 6), np.tile(rows.y, 6), groups=np.tile(np.arange(600), 6)
    )
    policy = analytic_policy(None, COST)
    once, often = (audit_of(one, ["no", "yes"], fit=FIT, policy=policy) for one in (rows, six))
    assert often.sample_size.n_groups == 600
    assert often.sample_size.events == pytest.approx(once.sample_size.events)
    for name in ("ranking", "policy"):
        one, two = named(once)[name].interval, named(often)[name].interval
        assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=0.1 * (one.high - one.low))
    one, two = (audit.calibration.report.smooth_ece for audit in (once, often))
    assert two.value == pytest.approx(one.value, rel=1e-6)
    assert two.interval.high == pytest.approx(one.interval.high, rel=0.15)
    assert "take rows for independent" in often.calibration.note
    assert_survives(often)


def test_the_smooth_ece_of_rows_alone_in_groups_is_that_of_rows():
    rows = some_rows(1500, shift=0.4)
    alone = AuditRows(rows.eta, rows.calibrated, rows.y, groups=np.arange(1500))
    found = audit_of(alone, ["no", "yes"], fit=FIT).calibration.report.smooth_ece
    expected = smooth_ece(ScoreTable.from_scores(rows.calibrated, rows.y))
    assert found.value == expected.value
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (expected.interval.low, expected.interval.high), abs=0.005
    )


def test_three_classes():
    matrix = CostMatrix(["a", "b", "c"], ["a", "b", "c"], [[0, 1, 5], [2, 0, 1], [9, 3, 0]])
    rows = three_classes(3000, slices={"half": np.arange(3000) % 2})
    audit = audit_of(rows, ["a", "b", "c"], fit=FIT, policy=matrix_policy(matrix))
    assert [entry.label for entry in audit.ranking.classes] == ["a", "b", "c"]
    assert all(entry.auc.interval.level == pytest.approx(1 - 0.05 / 3) for entry in audit.ranking.classes)
    assert audit.verdict == "PASS"
    assert audit.sample_size.recall == ()
    assert audit.slices[0].levels[0].auc is None
    assert_survives(audit)


def test_what_is_asked_is_in_the_record():
    random = np.random.default_rng(4)
    n = 800
    rows = some_rows(n, slices={"kind": random.choice(["a", "b"], n), "size": random.normal(size=n)})
    counts = np.bincount(rows.y)
    given = DriftInputs(
        ["x"],
        np.zeros(1),
        np.ones(1),
        1000,
        np.array([0.5]),
        n,
        [600, 400],
        counts,
        None,
        rows.table(),
        rows.table(),
    )
    audit = audit_of(rows, ["no", "yes"], fit=FIT, drift_inputs=given)
    assert [one.column for one in audit.slices] == ["kind", "size"]
    assert audit.drift.terms[0].term == "x"
    assert audit.drift.scores.distance == 0.0
    assert_survives(audit)


cells = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(0, 1), st.sampled_from([0.5, 1.0, 3.0]), st.integers(0, 3)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=30)
@given(cells, st.booleans(), st.booleans(), st.booleans())
def test_no_rows_are_too_odd(found, weighted, grouped, with_policy):
    eta, y, weight, groups = map(np.array, zip(*found, strict=True))
    rows = AuditRows(
        eta * 1.0,
        eta / 2,
        y,
        sample_weight=weight if weighted else None,
        groups=groups if grouped else None,
        slices={"g": groups, "e": eta},
    )
    policy = given_policy(None, 0.3, COST) if with_policy else None
    audit = audit_of(rows, ["no", "yes"], fit=FIT, policy=policy, bars=Bars(recall=0.9), n_resamples=20)
    # So few rows can show that a recall is missed, and nothing else.
    assert all(
        verdict.verdict == "INSUFFICIENT"
        for name, verdict in named(audit).items()
        if name not in ("fit", "recall")
    )
    assert_survives(audit)


def test_rows_that_are_none_are_refused():
    with pytest.raises(InputError, match="Give the same for every row"):
        AuditRows(ETA, ETA[:3], Y)
    with pytest.raises(InputError, match="row 1: raw score"):
        AuditRows(np.where(Y == 0, np.inf, ETA), ETA, Y)
    with pytest.raises(InputError, match="class code"):
        AuditRows(ETA, ETA, Y + 1)
    with pytest.raises(InputError, match="no rows to audit"):
        AuditRows(ETA, ETA, Y, sample_weight=np.zeros(8))
    with pytest.raises(InputError, match="kind has shape"):
        AuditRows(ETA, ETA, Y, slices={"kind": np.arange(7)})
    with pytest.raises(InputError, match="a recall is of two classes, and there are 3"):
        audit_of(three_classes(), ["a", "b", "c"], fit=FIT, bars=Bars(recall=0.9))
    with pytest.raises(InputError, match="3 class names"):
        audit_of(AuditRows(ETA, ETA, Y), ["a", "b", "c"], fit=FIT)


def test_the_same_seed_gives_the_same_record():
    rows = some_rows(500)
    policy = analytic_policy(None, COST)
    one, two, other = (
        json.loads(msgspec.json.encode(audit_of(rows, ["no", "yes"], fit=FIT, policy=policy, seed=seed)))
        for seed in (0, 0, 1)
    )
    assert one == two
    assert one != other


def test_an_audit_waits_for_no_terminal_and_no_tables():
    code = "import oddsmith.evidence.audit, sys; print({'rich', 'polars', 'narwhals', 'click'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
