import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from rich.cells import cell_len
from rich.console import Console

from oddsmith.data.describing import describe
from oddsmith.data.table import Table
from oddsmith.evaluate.evaluation import evaluation
from oddsmith.evaluate.metrics import Cost
from oddsmith.report.terminal import console_for, description_like_pandas, draw_description, draw_evaluation

SHARED = Path(__file__).parents[3] / "shared"


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def drawn(draw, what, width=None) -> str:
    stream = io.StringIO()
    console = console_for(stream) if width is None else Console(file=stream, width=width, highlight=False)
    draw(what, console)
    return stream.getvalue()


def two_classes(classes=("auto", "review"), **options):
    eta = np.array([-2.7, -1.6, 0.4, 0.5, 3.5, -0.7, 4.6, -1.1])
    log_proba = np.column_stack([-np.logaddexp(0, eta), -np.logaddexp(0, -eta)])
    y = np.array([0, 0, 1, 0, 1, 0, 1, 1])
    return evaluation(eta[:, None], log_proba, y, classes, **options)


def many_classes(K, **options):
    random = np.random.default_rng(2)
    eta = random.normal(scale=3, size=(50 * K, K))
    y = np.argmax(eta + random.gumbel(size=eta.shape), axis=1)
    log_proba = eta - np.logaddexp.reduce(eta, axis=1, keepdims=True)
    return evaluation(eta, log_proba, y, [f"class number {k}" for k in range(K)], **options)


def test_an_evaluation_of_two_classes_reads_as_it_should():
    # Counted by hand: of the scores at or above 0, three of four are positive; at .2 the row at -1.1
    # (probability .2497) joins the positives, and the row at -.7 (.3318) is a second false alarm. The interval of 6
    # in 8 is statsmodels' proportion_confint(6, 8, method="wilson"), as are those at the thresholds. The 2.5 percentile
    # of scikit-learn's average precision over 20,000 resamples of the eight rows is .41, over our 1,000 .40.
    shown = drawn(draw_evaluation, two_classes(thresholds=[0.2, 1.0], cost=Cost(fn=120, fp=18)))
    lines = [re.sub(r"\s+", " ", line).strip() for line in shown.splitlines()]
    for line in [
        "accuracy 0.7500 6 / 8 correct; 95% interval 0.4093 to 0.9285",
        "AUC 0.8125 of review; 95% interval 0.3293 to 0.9745",
        "avg precision 0.8542 of review; 95% interval 0.4000 to 1.0000",
        "auto 3 / 4 0.7500 0.7500 0.7500 0.8125",
        "true auto review",
        "auto 3 1",
        "review 1 3",
        "Thresholds for review; a miss (FN) costs 120, a false alarm (FP) 18",
        "0.2 4 2 0 2 0.6667 1.0000 0.8000 36",
        "1 0 0 4 4 undefined 0.0000 0.0000 480",
        "0.1304 4 3 0 1 0.5714 1.0000 0.7273 54 = FP cost / both costs",
        "95% intervals at each threshold, and net benefit a row",
        "0.2 0.3000 to 0.9032 0.5101 to 1.0000 0.1500 to 0.8500 0.4615 to 0.9492 0.4375 0.3750",
        "1 0.0000 to 1.0000 0.0000 to 0.4899 0.5101 to 1.0000 0.0000 to 0.6576 - -",
        "Reliability: 4 equal-width bins of the probability of 'review'",
        "Calibration on 4 events of the rarer class. Below 20 events nothing can be certified.",
    ]:
        assert line in lines, f"{line!r} is not among:\n{shown}"


def test_columns_are_aligned():
    shown = drawn(draw_evaluation, two_classes(thresholds=[0.05, 0.5, 0.999]))
    block = shown.split("Thresholds for review\n")[1].split("\n\n")[0].splitlines()
    assert len(block) == 4
    assert len({len(line) for line in block}) == 1
    for heading in ("threshold", "TP", "precision", "F1"):
        end = block[0].index(heading) + len(heading)
        assert all(line[end - 1] != " " and line[end : end + 2].strip() == "" for line in block)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_or_wrapped_on_a_screen(width):
    result = many_classes(9)
    shown = drawn(draw_evaluation, result, width)
    assert max(map(len, shown.splitlines())) <= width
    matrix = shown.split("columns predicted\n")[1].split("Reliability")[0]
    blocks = [block.splitlines() for block in matrix.strip().split("\n\n")]
    counts = []
    for k in range(9):
        rows = [block[k + 1] for block in blocks]
        assert all(row.startswith(f"class number {k}") for row in rows)
        counts.append(tuple(int(count) for row in rows for count in row.split()[3:]))
    assert tuple(counts) == result.confusion
    assert "…" not in shown


def test_a_pipe_gets_each_row_on_one_line_however_long():
    frame = pl.DataFrame({f"a column with a long name, number {k}": [k + 0.5, 2.0 * k] for k in range(200)})
    summaries = describe(Table(frame, "table"))
    lines = drawn(draw_description, summaries).splitlines()
    assert len([line for line in lines if line.startswith("a column")]) == 200
    shown = drawn(draw_evaluation, many_classes(20))
    assert len([line for line in shown.splitlines() if line.startswith("class number 19")]) == 2


def test_a_matrix_that_nobody_can_read_is_left_to_the_json():
    assert "The confusion matrix of 21 classes is in the JSON output." in drawn(
        draw_evaluation, many_classes(21)
    )


def test_names_cannot_steer_the_terminal_or_be_markup():
    hostile = "[red]a\x1b[31m\nb\u202ec[/red] :smile:"
    frame = pl.DataFrame({hostile: [1.0, 2.0], "other": [hostile, hostile]})
    summaries = describe(Table(frame, "table"))
    results = [
        drawn(draw_evaluation, two_classes(classes=("plain", hostile), thresholds=[0.5])),
        drawn(draw_description, summaries),
        description_like_pandas(summaries),
    ]
    for shown in results:
        assert r"[red]a\x1b[31m\nb\u202ec[/red] :smile:" in shown
        assert not {"\x1b", "\u202e"} & set(shown)


def test_an_empty_name_is_seen_and_wide_characters_keep_their_columns():
    frame = pl.DataFrame({"": [1, 2], "蛇蛇": [10, 20], "é": [3, 4]})
    shown = drawn(draw_description, describe(Table(frame, "table")))
    lines = shown.splitlines()[2:]
    assert lines[1].startswith('""')
    assert len({cell_len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (49634.5702, "49,635"),
        (-1.1410195, "-1.141"),
        (-0.05342713, "-0.05343"),
        (999.96, "1,000"),
        (1e-9, "1.000e-09"),
        (2.5e12 + 0.5, "2.500e+12"),
        (1234567890123.0, "1,234,567,890,123"),
        (0.0, "0"),
    ],
)
def test_figures_have_four_digits(value, shown):
    [line] = [
        line
        for line in drawn(draw_description, describe(Table(pl.DataFrame({"x": [value]}), "t"))).splitlines()
        if line.startswith("x ")
    ]
    name, count, missing, distinct, mean, *others = line.split()
    assert (name, count, missing, distinct, mean) == ("x", "1", "0", "1", shown)
    assert others == ["-", "-", shown, shown, shown, shown, shown]


def test_weights_are_named_where_counts_are_sums():
    shown = drawn(draw_evaluation, two_classes(sample_weight=np.full(8, 0.5)))
    assert shown.splitlines()[1] == "8 rows, counted by their weight of 4"
    assert re.search(r"review +1.500 / 2 ", shown)


def test_a_console_is_plain_off_screen_quiet_on_request_and_writes_what_it_can():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    draw_evaluation(two_classes(classes=("no", "é")), console_for(stream))
    stream.flush()
    assert rb"\xe9" in raw.getvalue()
    assert b"\x1b" not in raw.getvalue()
    silent = io.StringIO()
    draw_evaluation(two_classes(), console_for(silent, quiet=True))
    assert silent.getvalue() == ""


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_on_a_screen_unless_it_is_refused(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Screen()
    draw_evaluation(two_classes(), console_for(screen))
    assert "\x1b[" in screen.getvalue()
    monkeypatch.setenv("TERM", "dumb")
    plain = Screen()
    draw_evaluation(two_classes(), console_for(plain))
    assert "\x1b" not in plain.getvalue()


def normalised(text: str) -> list[str]:
    return [re.sub(r" +", " ", line).strip() for line in text.splitlines()]


def test_description_like_pandas_undefined_figures_and_other_columns():
    frame = pl.DataFrame({"x": [1.5, None, 1e9 + 0.25], "one": [None, 7, None], "text": ["a", "b", None]})
    peer = frame.to_pandas().describe().to_string(float_format="{:.6f}".format)
    assert normalised(description_like_pandas(describe(Table(frame, "table")))) == normalised(peer)
    assert description_like_pandas([]) == "No column is numeric."


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data sets")
def test_description_of_hogwarts_is_what_pandas_prints():
    path = SHARED / "data" / "hogwarts" / "dataset_train.csv"
    ours = description_like_pandas(describe(Table(pl.read_csv(path, infer_schema=False), "students")))
    peer = pd.read_csv(path).describe().to_string(float_format="{:.6f}".format)
    assert normalised(ours) == normalised(peer)
    lines = ours.splitlines()
    assert len({len(line) for line in lines}) == 1
