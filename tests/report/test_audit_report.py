import io

import numpy as np
import pytest
from rich.console import Console

from oddsmith.decision.choosing import analytic_policy, deferral_policy, given_policy
from oddsmith.evaluate.metrics import Cost
from oddsmith.evidence.audit import audit_of
from oddsmith.evidence.drift import DriftInputs
from oddsmith.evidence.headlines import FitFacts
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.verdicts import Bars
from oddsmith.fit.losses import expit
from oddsmith.report.audit_report import draw_audit, draw_slices
from oddsmith.report.terminal import console_for

FIT = FitFacts("converged", "converged, newton decrement 3e-13")


def drawn(audit, width=None) -> str:
    stream = io.StringIO()
    console = console_for(stream) if width is None else Console(file=stream, width=width, highlight=False)
    draw_audit(audit, console)
    return stream.getvalue()


def large(classes=("auto", "review"), **options):
    random = np.random.default_rng(0)
    n = 1000
    eta = random.normal(-0.5, 1.5, n)
    y = (random.random(n) < expit(eta)).astype(int)
    rows = AuditRows(
        eta, eta, y, slices={"kind": random.choice(["a", "b"], n), "size": random.normal(size=n)}
    )
    terms = [f"term {j}" for j in range(25)]
    given = DriftInputs(
        terms,
        np.zeros(25),
        np.ones(25),
        1000,
        np.linspace(0, 1, 25),
        n,
        [600, 400],
        np.bincount(y),
    )
    policy = analytic_policy(None, Cost(fn=120, fp=18), (classes[0], classes[1]))
    return audit_of(rows, classes, fit=FIT, policy=policy, drift_inputs=given, n_resamples=100, **options)


def test_eight_rows_read_as_they_should():
    proba = np.array([0.061, 0.169, 0.595, 0.624, 0.971, 0.325, 0.99, 0.244])
    eta = np.log(proba / (1 - proba))
    rows = AuditRows(eta, eta, np.array([0, 0, 1, 0, 1, 0, 1, 1]))
    audit = audit_of(rows, ["auto", "review"], fit=FIT, policy=given_policy(None, 0.5, Cost(fn=120, fp=18)))
    lines = [" ".join(line.split()) for line in drawn(audit).splitlines()]
    for line in [
        "PASS fit The fit: converged, newton decrement 3e-13.",
        "review 0.8125 0.3293 0.9745",
        "auto 3 1",
        "review 1 3",
        "'review' for all 9 8.250 -11.31 40.56",
        "a threshold of 1/2 17.25 0 0 0",
        "F1 1 0.7500 0.5714 0.8889 3 4",
    ]:
        assert any(line in shown for shown in lines), f"{line!r} is not in:\n" + "\n".join(lines)
    assert lines[0].startswith("INSUFFICIENT on ranking, calibration, policy and sample size. 8 rows")


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_off_on_a_screen(width):
    audit = large()
    shown = drawn(audit, width)
    assert max(map(len, shown.splitlines())) <= width
    assert shown.isascii()
    flat = " ".join(shown.split())
    for verdict in audit.verdicts:
        assert verdict.verdict in shown
    for sentence in [
        audit.sentence,
        audit.drift.sentence,
        audit.label_flips.procedure,
        *(s.sentence for s in audit.slices),
    ]:
        assert sentence in flat
    assert "The other 5 terms moved less." in shown


def test_a_pipe_has_a_line_a_verdict_and_no_trailing_blanks():
    audit = large()
    lines = drawn(audit).splitlines()
    assert lines[0] == audit.sentence
    for verdict in audit.verdicts:
        assert any(line.endswith(verdict.sentence) and line.startswith(verdict.verdict) for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_the_best_single_action_has_a_row_only_where_that_says_more():
    audit = large()
    assert audit.policy.best_single in audit.policy.comparisons
    assert "the best single action" not in drawn(audit)
    # Where both actions cost the same, luck in finding the best one widens its interval.
    random = np.random.default_rng(2)
    eta, y = random.normal(size=400), np.repeat([0, 1], 200)
    policy = given_policy(None, 0.5, Cost(fn=1, fp=1))
    other = audit_of(AuditRows(eta, eta, y), ["no", "yes"], fit=FIT, policy=policy)
    assert other.policy.best_single not in other.policy.comparisons
    assert drawn(other).count("the best single action") == 1


def test_slices_are_drawn_alone():
    stream = io.StringIO()
    audit = large()
    draw_slices(audit, console_for(stream))
    lines = stream.getvalue().splitlines()
    assert [line for line in lines if line.startswith("Slices by ")] == ["Slices by kind", "Slices by size"]
    assert {slicing.sentence for slicing in audit.slices} <= set(lines)
    assert stream.getvalue() in drawn(audit)


def test_with_a_third_action_it_is_said_which_one_counts():
    random = np.random.default_rng(1)
    eta = random.normal(-0.5, 2.0, 400)
    y = (random.random(400) < expit(eta)).astype(int)
    policy = deferral_policy(None, Cost(fn=120, fp=18, defer=3))
    shown = drawn(audit_of(AuditRows(eta, eta, y, slices={"y": y}), ["no", "yes"], fit=FIT, policy=policy))
    for title in ("recall: not auto", "precision of review", "share review", "true auto defer review"):
        assert title in " ".join(shown.split())


def test_names_cannot_steer_the_terminal():
    hostile = "[red]a\x1b[31m\nb\u202ec[/red]"
    shown = drawn(large(classes=("plain", hostile), bars=Bars(recall=0.9)))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[red]a" in shown
