import io
import math

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oddsmith.model.changes import Change
from oddsmith.model.reason_lines import SHOWN, reason_lines, rounded_away
from oddsmith.model.reasons import Begins, Chance, ColumnReason, Reasons
from oddsmith.report.reasons_report import draw_reasons
from oddsmith.report.terminal import console_for


def change(to, action="auto", side=None, onwards=True, beyond=False):
    return Change(to, action, side, onwards=onwards, beyond_training=beyond)


FOUND = Reasons(
    action="review",
    by_policy=True,
    costs={"auto": 62.4, "review": 8.64},
    label="yes",
    average=-0.61,
    log_odds=0.4421,
    chances=[Chance("yes", 0.6087, 0.52)],
    calibrated=True,
    begins=[Begins("review", -1.9, 0.1301, 1 / 6)],
    columns=[
        ColumnReason("ambiguity", 3.1, 2.0421, [change(2.2043, side="less")]),
        ColumnReason("department", "sales", -1.1, [change("research"), change(None)]),
        ColumnReason("privileged", True, 0.3, [change(False)]),
        ColumnReason("support", None, -0.19, []),
        ColumnReason("amount", 12.0, 0.0, [change(9e6, side="more", beyond=True)]),
    ],
)


def test_the_lines_of_a_policy_s_action():
    assert reason_lines(FOUND) == [
        "Action: 'review', at an expected cost of 8.640 ('auto' 62.40).",
        "Probability of 'yes' 0.520 (0.609 before calibration).",
        "The log-odds of 'yes' are +0.44 before calibration, those of an average row -0.61.",
        "  ambiguity 3.1 raises the log-odds by 2.04",
        "  department 'sales' lowers the log-odds by 1.10",
        "  privileged true raises the log-odds by 0.30",
        "  support missing lowers the log-odds by 0.19",
        "'review' begins at a probability of 0.1667 (0.130 before calibration); this row has 0.520 (0.609).",
        "With one column changed alone it",
        "  would be 'auto' at ambiguity 2.2 or less",
        "  would be 'auto' with department 'research'",
        "  would be 'auto' with department missing",
        "  would be 'auto' with privileged false",
        "No other cell of support alone changes it.",
    ]


def test_a_label_without_policy_or_maps_and_many_columns():
    columns = [ColumnReason(f"x{j}", 1.0, 1.0 / (j + 1), []) for j in range(12)]
    found = msgspec.structs.replace(
        FOUND, action="yes", by_policy=False, costs={}, calibrated=False, begins=[], columns=columns
    )
    assert reason_lines(found) == [
        "Predicted: 'yes'.",
        "Probability of 'yes' 0.520.",
        "The log-odds of 'yes' are +0.44, those of an average row -0.61.",
        *(f"  x{j} 1 raises the log-odds by {1 / (j + 1):.2f}" for j in range(SHOWN)),
        f"  8 other columns together: +{sum(1 / (j + 1) for j in range(SHOWN, 12)):.2f}",
        "No other cell of x0, x1, x2, x3, x4, x5, x6, x7 or 4 other columns alone changes it.",
    ]


def test_what_training_saw_comes_first_and_a_stretch_is_given_to_the_last_digit():
    columns = [
        ColumnReason("far", 0.0, 2.0, [change(41.27, side="more", beyond=True)]),
        ColumnReason("near", 1.0, 1.0, [change(1.2345678901234567, side="more", onwards=False)]),
    ]
    lines = reason_lines(msgspec.structs.replace(FOUND, columns=columns))
    assert lines[-2:] == [
        "  would be 'auto' at near 1.2345678901234567",
        "  would be 'auto' at far 42 or more (beyond what training saw)",
    ]


def test_only_changes_that_training_saw_are_counted():
    seen = [change(str(number)) for number in range(SHOWN + 2)]
    far = [change(9e6, side="more", beyond=True)] * 3
    columns = [ColumnReason("far", 0.0, 2.0, far), ColumnReason("near", "a", 1.0, seen)]
    lines = reason_lines(msgspec.structs.replace(FOUND, columns=columns))
    assert lines[-1] == "  and 2 other changes of one column would do"
    columns = [ColumnReason("far", 0.0, 2.0, far), ColumnReason("near", "a", 1.0, seen[:2])]
    lines = reason_lines(msgspec.structs.replace(FOUND, columns=columns))
    assert lines[-3:] == ["  would be 'auto' with near '1'", *[FAR] * 2]


FAR = "  would be 'auto' at far 9000000 or more (beyond what training saw)"


def begun(after, *begins, calibrated=False):
    """The line about where actions begin, of a row with this probability."""
    found = msgspec.structs.replace(
        FOUND, chances=[Chance("yes", 0.5, after)], begins=list(begins), calibrated=calibrated
    )
    [line] = [line for line in reason_lines(found) if "begins at" in line]
    return line


def test_where_actions_begin_is_told_apart_from_the_row():
    # Without a calibration that changes anything there is one scale, and its name is not said.
    line = begun(0.51, Begins("review", 0.0, 0.5, 0.5))
    assert line == "'review' begins at a probability of 0.5; this row has 0.510."
    line = begun(0.16668, Begins("review", 0.0, 0.1, 1 / 6))
    assert line == "'review' begins at a probability of 0.16667; this row has 0.16668."
    line = begun(1e-5, Begins("review", 0.0, 0.1, 0.000641))
    assert line == "'review' begins at a probability of 6.4100e-04; this row has 1.000e-05."
    line = begun(1 - 2e-6, Begins("review", 0.0, 0.1, 1 - 3e-6))
    assert line == "'review' begins at a probability of 1 - 3.00e-06; this row has 1 - 2.0e-06."
    two = Begins("defer", 0.0, 0.1, 0.2), Begins("review", 0.0, 0.5001, 0.9)
    assert begun(0.4, *two, calibrated=True) == (
        "'defer' begins at a probability of 0.2 (0.1000 before calibration) and "
        "'review' begins at a probability of 0.9 (0.5001 before calibration); this row has 0.400 (0.5000)."
    )


def number(text):
    """A probability as it is told."""
    whole, _, less = text.partition(" - ")
    return float(whole) - float(less or 0.0)


probas = st.floats(0.0, 1.0) | st.integers(0, 4000).map(lambda place: place / 4000)


@given(probas, probas | st.sampled_from([1e-4, -1e-5, 1e-7]))
def test_a_row_and_a_threshold_stand_in_their_order_as_they_are_told(threshold, row):
    # Some rows lie near the threshold.
    row = row if row >= 1e-3 else min(max(threshold + row, 0.0), 1.0)
    line = begun(row, Begins("review", 0.0, 0.5, threshold))
    told, own = (number(text) for text in line[:-1].removeprefix(LEAD).split("; this row has "))
    assert (own >= told) if row >= threshold else (own <= told)
    if abs(row - threshold) > 1e-6:
        assert own != told


LEAD = "'review' begins at a probability of "


def test_reasons_are_printed_as_their_lines():
    assert str(FOUND).splitlines() == reason_lines(FOUND)


def test_probabilities_at_the_ends_keep_their_digits():
    chances = [Chance("a", 1.0, 1.0), Chance("b", 1e-9, 0.0), Chance("c", 0.0, 3e-7)]
    chances += [Chance("d", 0.1, 1 - 2e-6), Chance("e", 0.1, 0.0)]
    line = reason_lines(msgspec.structs.replace(FOUND, chances=chances, calibrated=False, begins=[]))[1]
    assert line == "Probability of 'a' 1.000, 'd' 1 - 2.0e-06, 'c' 3.000e-07, 'b' 0.000, 1 other less."


def test_log_odds_that_two_decimals_do_not_tell():
    columns = [ColumnReason("x", 1e300, -2e299, []), ColumnReason("z", 1.0, 0.0004, [])]
    lines = reason_lines(msgspec.structs.replace(FOUND, columns=columns, log_odds=-2e299, begins=[]))
    assert lines[2:5] == [
        "The log-odds of 'yes' are -2.00e+299 before calibration, those of an average row -0.61.",
        "  x 1e+300 lowers the log-odds by 2.00e+299",
        "  z 1 raises the log-odds by 4.00e-04",
    ]


def test_all_but_names_is_ascii_and_names_cannot_steer_a_terminal():
    columns = [ColumnReason("a\x1b[2Jb", "c\nd", 1.0, [change("e\u202ef")])]
    stream = io.StringIO()
    draw_reasons(msgspec.structs.replace(FOUND, columns=columns), console_for(stream))
    assert stream.getvalue().isascii()
    assert stream.getvalue().splitlines() == reason_lines(msgspec.structs.replace(FOUND, columns=columns))
    assert "\x1b" not in stream.getvalue()


@given(st.floats(-1e200, 1e200), st.floats(-1e200, 1e200))
def test_a_rounded_number_lies_beyond_and_near(cell, number):
    assume(cell != number)
    text = rounded_away(number, cell, up=number > cell)
    assert float(text) >= number if number > cell else float(text) <= number
    assert abs(float(text) - number) <= 0.02 * abs(number - cell) or float(text) == number


@pytest.mark.parametrize(
    ("number", "cell", "text"),
    [
        (2.2043, 3.1, "2.2"),
        (4.3, 2.0, "4.3"),
        (4.37, 2.0, "4.4"),
        (4.312, 2.0, "4.32"),
        (-3.21, 5.0, "-3.3"),
        (0.00001234, 1.0, "0.00001"),
        (9e6, 12.0, "9000000"),
        (math.nextafter(1.0, 2.0), 1.0, "1.0000000000000003"),
        (5.0, None, "5"),
        (1.504e40, 0.0, "1.51e+40"),
    ],
)
def test_numbers_are_rounded_as_far_as_the_change_allows(number, cell, text):
    up = cell is not None and number > cell
    found = rounded_away(number, cell, up=up)
    assert found == text
