import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddsmith.errors import InputError
from oddsmith.evaluate.intervals import Interval
from oddsmith.evidence.verdicts import Bars, judged, outcome_of, parse_bars, rows_needed, undecided, worst


def between(low, high):
    return Interval(low, high, 0.95, "by hand")


@pytest.mark.parametrize(
    ("low", "high", "side", "bar", "outcome"),
    [
        (0.6, 0.8, "above", 0.5, "PASS"),
        (0.5, 0.8, "above", 0.5, "INSUFFICIENT"),
        (0.4, 0.5, "above", 0.5, "FAIL"),
        (0.9, 1.0, "at least", 0.9, "PASS"),
        (0.8, 0.9, "at least", 0.9, "INSUFFICIENT"),
        (0.8, 0.89, "at least", 0.9, "FAIL"),
        (0.0, 0.04, "below", 0.05, "PASS"),
        (0.0, 0.05, "below", 0.05, "INSUFFICIENT"),
        (0.05, 0.06, "below", 0.05, "FAIL"),
        (0.0, 0.0, "below", 0.0, "FAIL"),
    ],
)
def test_the_rule(low, high, side, bar, outcome):
    assert outcome_of(between(low, high), side, bar) == outcome


def test_the_rows_that_it_takes_follow_from_the_width():
    # The end at 0.45 is 0.10 from the estimate and the bar 0.05: half the width, so four times the rows.
    assert rows_needed(0.55, between(0.45, 0.65), 0.5, 100) == 400
    # 10,000 rows, 0.03 to 0.05: (3 / 5)^2 would be fewer, but these are enough then, and nothing straddles.
    assert rows_needed(0.03, between(0.02, 0.06), 0.05, 1000) == 2300  # 1000 * 1.5^2 = 2250, two digits, up
    assert rows_needed(0.5, between(0.4, 0.6), 0.5, 100) is None
    assert rows_needed(0.5 + 1e-9, between(0.4, 0.6), 0.5, 100) is None


@given(st.floats(0.0, 1.0), st.floats(0.0, 0.5), st.floats(0.01, 0.99), st.integers(1, 10**6))
def test_as_many_rows_decide(estimate, half, bar, n):
    interval = between(estimate - half, estimate + half)
    for side in ("above", "below"):
        found = judged("x", "X", estimate, interval, side, bar, n)
        if found.needed is not None:
            assert found.verdict == "INSUFFICIENT"
            assert found.needed > n
            narrower = half * math.sqrt(n / found.needed)
            after = between(estimate - narrower - 1e-12, estimate + narrower + 1e-12)
            assert (
                outcome_of(after, side, bar) != "INSUFFICIENT" or abs(abs(estimate - bar) - narrower) < 1e-9
            )


def test_the_worst_counts():
    passed = judged("a", "A", 0.7, between(0.6, 0.8), "above", 0.5, 10)
    failed = judged("b", "B", 0.3, between(0.2, 0.4), "above", 0.5, 10)
    open_ = undecided("c", "Too few.")
    assert worst([]) == "PASS"
    assert worst([passed, open_]) == "INSUFFICIENT"
    assert worst([failed, open_, passed]) == "FAIL"


def test_sentences_name_figure_interval_and_bar():
    found = judged("ranking", "AUC", 0.55, between(0.45, 0.65), "above", 0.5, 100)
    assert found.sentence == (
        "AUC 0.5500 (95% interval 0.4500 to 0.6500): only part of it is above 0.5000; "
        "to tell takes about 400 rows, if the estimate stays."
    )
    passed = judged("ranking", "AUC", 0.7, between(0.6, 0.8), "above", 0.5, 100)
    assert passed.sentence == (
        "AUC 0.7000 (95% interval 0.6000 to 0.8000): all of it is above 0.5000, as the bar asks."
    )
    failed = judged("ranking", "AUC", 0.4, between(0.3, 0.5), "above", 0.5, 100)
    assert failed.sentence.endswith("none of it is above 0.5000, which the bar asks.")


def test_bars_are_those_of_the_decisions_and_survive_json():
    bars = Bars()
    assert (bars.auc, bars.smooth_ece, bars.recall, bars.confidence) == (0.5, 0.05, None, 0.95)
    other = parse_bars(["auc=.7,smooth_ece=0.03", "recall=.9"])
    assert other == Bars(auc=0.7, smooth_ece=0.03, recall=0.9)
    assert msgspec.json.decode(msgspec.json.encode(other), type=Bars) == other
    assert parse_bars(["auc=.6"], other) == Bars(auc=0.6, smooth_ece=0.03, recall=0.9)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps({"accuracy": 0.9}), type=Bars)


@pytest.mark.parametrize(
    "text", ["auc", "auc=x", "auc=.5,auc=.6", "accuracy=.9", "auc=nan", "recall=1", "auc=2"]
)
def test_bars_that_are_none_are_refused(text):
    with pytest.raises(InputError, match=r"Give|give"):
        parse_bars([text])
