"""Numbers, expressions and options that mean harm."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oddsmith.data.cells import MissingMarkers
from oddsmith.data.native import as_table
from oddsmith.data.target import TargetOptions, read_target
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost

from .mutations import NUMBERS, WORDS
from .oracles import check_cells, check_command, check_expression, check_message

pytestmark = pytest.mark.slow

NUMBERISH = st.text(
    alphabet="0123456789+-.eE_ xXdDinfatyNA\u0663\u00a0\u2212\uff11,'", max_size=12
) | st.sampled_from([*NUMBERS.split(" "), "NaN ", "0.1" + "0" * 400, "9" * 400])


@settings(max_examples=300, deadline=None)
@given(st.lists(NUMBERISH, min_size=1, max_size=6))
@example(["9" * 309, "1"])
@example(["1", "2", "inf"])
def test_numbers_are_those_of_the_grammar_correctly_rounded(cells):
    check_cells(cells)


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.decimals(allow_nan=False, allow_infinity=False))
def test_whatever_python_writes_comes_back(number):
    check_cells([str(number), repr(float(number)), f"{float(number):.17e}"])


@settings(max_examples=250, deadline=None)
@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=9).map(" ".join) | st.text(max_size=12))
@example("a > 0 AND b = 'x'")
@example("flag")
@example("(" * 300)
@example("a" + " + a" * 60 + " > 3")
@example("a" + " + a" * 30_000 + " > 3")
@example("CASE WHEN a > 1 THEN 'hi' ELSE 'lo' END")
def test_expressions_are_answered_or_refused(target):
    check_expression(target)


LABELS = ["yes", "no", "no.", "x", "a=b", "", "=", "1", "1.0", "\x1b[2J", "é"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(LABELS), min_size=2, max_size=6),
    st.lists(st.text(alphabet="xyesno.=1 \x1b", max_size=8), max_size=3),
    st.none() | st.sampled_from(LABELS),
    st.lists(st.text(alphabet="y=?-1,x\x1b ", max_size=6), max_size=2),
)
def test_options_of_the_target(labels, map_label, positive, missing):
    table = as_table({"y": labels, "x": [str(n) for n in range(len(labels))]})
    try:
        markers = MissingMarkers.from_options(missing, table.frame.columns)
        found = read_target(table, TargetOptions("y", positive, tuple(map_label)), markers)
    except InputError as error:
        check_message(error)
    else:
        assert len(found.classes) >= 2
        assert set(found.codes.tolist()) == {*range(len(found.classes)), *({-1} & set(found.codes.tolist()))}


STRANGE_FIGURES = "fn=1,fp=1e999 fn=nan,fp=1 fn=1,fn=2 fp=0,fn=1 fn=1e308,fp=1e-308 0.5,1.0000001 0,1 1e-400 inf x,c x=1 1e3 \u202e 99 -1"
FIGURES = st.text(alphabet="fnp=.,-+0123456789e naif\x1b", max_size=14) | st.sampled_from(
    STRANGE_FIGURES.split(" ")
)
TRAINING_OPTIONS = (
    "--alpha --seed --missing --drop --features --id --weight --offset --positive --target --iterations --learning-rate"
    " --categorical --numeric --delimiter --quote --encoding"
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """(folder with a model and its rows)"""
    folder = tmp_path_factory.mktemp("shop")
    chance = random.Random(1)
    rows = [f"{chance.random():.3f},{chance.choice('ab')},{chance.choice(['yes', 'no'])}" for _ in range(40)]
    (folder / "rows.csv").write_text("\n".join(["x,c,y", *rows]) + "\n")
    assert check_command(["train", folder / "rows.csv", "--target", "y", "-o", folder / "m.json"])[0] == 0
    return folder


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["--cost", "--threshold", "--map-label"]), FIGURES)
@example("--threshold", "0.2,0.5")
@example("--cost", "fn=5,fp=1")
def test_options_of_an_evaluation(shop, option, text):
    check_command(["evaluate", shop / "m.json", shop / "rows.csv", f"{option}={text}"])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TRAINING_OPTIONS.split(" ")), FIGURES | st.sampled_from(["x", "y", "c"]))
def test_options_of_training(shop, option, text):
    target = [] if option == "--target" else ["--target", "y"]
    check_command(["train", shop / "rows.csv", *target, f"{option}={text}", "-o", shop / "other.json"])


@settings(max_examples=200, deadline=None)
@given(st.floats(), st.floats())
def test_costs_have_a_threshold_or_are_refused(fn, fp):
    try:
        cost = Cost(fn=fn, fp=fp)
    except InputError as error:
        check_message(error)
    else:
        assert 0.0 <= cost.threshold <= 1.0
