import datetime
import json
import math
import re
import statistics
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oddsmith.data.cells import MissingMarkers
from oddsmith.data.describe import ColumnSummary, LevelSummary, NumericSummary
from oddsmith.data.describing import describe
from oddsmith.data.table import Table
from oddsmith.errors import InputError

SHARED = Path(__file__).parents[3] / "shared"
QUANTILES = {"min": 0, "q25": 0.25, "q50": 0.5, "q75": 0.75, "max": 1}


def summary_of(cells, dtype=None) -> ColumnSummary:
    [summary] = describe(Table(pl.DataFrame({"x": pl.Series(cells, dtype=dtype)}), "table"))
    return summary


@pytest.mark.parametrize("offset", [0.0, 1e9])
@pytest.mark.parametrize("shape", ["normal", "exponential", "integers"])
def test_numbers_agree_with_pandas(shape, offset):
    random = np.random.default_rng(5)
    draw = {
        "normal": random.normal(3, 2, 501),
        "exponential": random.exponential(7, 500),
        "integers": random.integers(-4, 9, 499).astype(float),
    }[shape]
    # Multiples of 2^-20 stay what they are 1e9 further on, so that the figures do too; the peer is asked
    # near zero, because its own skewness loses half its digits out there.
    values = np.round(draw * 2**20) / 2**20
    values[[3, 70]] = np.nan
    series = pd.Series(values)
    summary = summary_of(values + offset)
    assert summary.count == series.count()
    assert summary.missing == 2
    assert summary.distinct == series.nunique()
    assert summary.mean == pytest.approx(series.mean() + offset, rel=1e-15)
    assert summary.std == pytest.approx(series.std(), rel=1e-12)
    assert summary.skewness == pytest.approx(series.skew(), rel=1e-12, abs=1e-14)
    for name, share in QUANTILES.items():
        assert getattr(summary, name) == pytest.approx(series.quantile(share) + offset, rel=1e-15, abs=1e-12)


numbers = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(numbers)
@example([0.1] * 10)
@example([1e9 + 1, 1e9 + 2, 1e9 + 4])
def test_mean_and_standard_deviation_are_those_of_exact_arithmetic(values):
    summary = summary_of(values)
    exact = [Fraction(value) for value in values]
    assert summary.mean == pytest.approx(float(sum(exact) / len(exact)), rel=4e-16, abs=0)
    if len(values) > 1:
        assert summary.std == pytest.approx(statistics.stdev(exact), rel=1e-12, abs=1e-15)
    else:
        assert summary.std is None


@settings(max_examples=60, deadline=None)
@given(numbers.filter(lambda values: len(values) > 2), st.integers(-900, 900))
def test_a_power_of_two_is_only_another_unit(values, exponent):
    one = summary_of(values)
    other = summary_of([math.ldexp(value, exponent) for value in values])
    assert other.skewness == one.skewness
    for name in ("mean", "std", *QUANTILES):
        assert getattr(other, name) == math.ldexp(getattr(one, name), exponent), name


@settings(max_examples=60, deadline=None)
@given(numbers.filter(lambda values: len(values) > 2))
def test_the_mirror_image_has_the_opposite_skewness(values):
    one, other = summary_of(values), summary_of([-value for value in values])
    assert other.skewness == pytest.approx(-one.skewness, rel=1e-9, abs=1e-9)
    assert (other.min, other.max, other.q25) == (-one.max, -one.min, pytest.approx(-one.q75, rel=1e-12))


def test_equal_numbers_have_no_spread():
    summary = summary_of([0.1] * 7)
    assert (summary.mean, summary.std, summary.skewness, summary.distinct) == (0.1, 0.0, 0.0, 1)


def test_few_numbers_leave_undefined_figures_out():
    assert (summary_of([2.5]).std, summary_of([2.5]).skewness) == (None, None)
    assert (summary_of([2.5, 3.5]).std, summary_of([2.5, 3.5]).skewness) == (math.sqrt(0.5), None)


def test_text_that_reads_as_numbers_is_a_column_of_numbers():
    cells = [" 1", "+2.5\t", "-3e-1", ".5", "5.", "1E3", None, "", "NA", " nan ", "NULL", "null", "NaN"]
    summary = summary_of(cells)
    assert isinstance(summary, NumericSummary)
    assert (summary.count, summary.missing) == (6, 7)
    assert (summary.min, summary.max) == (-0.3, 1000.0)


@pytest.mark.parametrize(
    "cell",
    [
        "inf",
        "-Infinity",
        "1e400",
        "NAN",
        "0x1F",
        "1_000",
        "1D3",
        "1,5",
        "١",
        "1 2",
        "e5",
        "+",
        ".",
        "--1",
    ],
)
def test_one_cell_that_is_no_number_makes_a_column_of_levels(cell):
    summary = summary_of(["1", "2", cell])
    assert isinstance(summary, LevelSummary)
    assert summary.count == 3


# The grammar of the module's promise, written a second time.
NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*\Z")


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="0123456789+-.eEinfa_x \t", max_size=6))
def test_the_grammar_of_numbers(cell):
    if cell.strip(" \t") in ("", "nan"):
        return
    is_number = NUMBER.match(cell) is not None and math.isfinite(float(cell))
    summary = summary_of([cell])
    assert isinstance(summary, NumericSummary) == is_number
    if is_number:
        assert summary.mean == float(cell)


def test_levels_are_counted_as_they_are_written():
    summary = summary_of(["b", "a", "a", "b", "c", None, "NA"])
    assert summary == LevelSummary(
        name="x", count=5, missing=2, distinct=3, most_common="b", most_common_count=2
    )


def test_further_markers_can_concern_one_column():
    frame = pl.DataFrame(
        {"x": ["1", "?", " ? ", "NA"], "y": ["-9", "1", "-9.0", "?"], "z": ["-9", "1", "?", None]}
    )
    markers = MissingMarkers.from_options(["?", "y=-9"], frame.columns)
    x, y, z = describe(Table(frame, "table"), markers)
    assert [(type(s), s.count, s.missing) for s in (x, y, z)] == [
        (NumericSummary, 1, 3),
        (NumericSummary, 1, 3),
        (NumericSummary, 2, 2),
    ]


def test_typed_columns():
    day = datetime.date(2024, 2, 29)
    frame = pl.DataFrame(
        {
            "integer": pl.Series([3, 1, None], dtype=pl.UInt8),
            "decimal": [Decimal("1.10"), Decimal("2.20"), None],
            "boolean": [True, False, True],
            "date": [day, day, None],
            "length": [datetime.timedelta(hours=1)] * 3,
            "level": pl.Series(["a", "NA", "a"], dtype=pl.Categorical),
            "infinite": [1.0, math.inf, math.nan],
            "empty": [None, None, None],
            "no number": [math.nan, None, math.nan],
        }
    )
    kinds = {summary.name: summary for summary in describe(Table(frame, "table"))}
    assert list(kinds) == frame.columns
    assert (kinds["integer"].mean, kinds["integer"].missing) == (2.0, 1)
    assert kinds["decimal"].max == 2.2
    most_common = {
        name: (kinds[name].most_common, kinds[name].most_common_count) for name in frame.columns[2:]
    }
    assert most_common["boolean"] == ("True", 2)
    assert most_common["date"] == ("2024-02-29", 2)
    assert most_common["length"] == ("PT1H", 3)
    assert most_common["level"] == ("a", 2)
    assert most_common["infinite"] == ("1", 1)
    assert most_common["empty"] == most_common["no number"] == (None, 0)
    assert (kinds["empty"].missing, kinds["no number"].missing, kinds["infinite"].missing) == (3, 3, 1)


@pytest.mark.parametrize("cells", [[[1, 2]], [{"a": 1}], [b"\x00"], [object()]])
def test_what_is_not_a_cell_is_refused_by_name(cells):
    with pytest.raises(InputError, match=r"table: column 'x' holds .*, not single cells"):
        summary_of(cells)


def test_no_rows():
    [summary] = describe(Table(pl.DataFrame({"x": []}, schema={"x": pl.String}), "table"))
    assert (summary.count, summary.missing) == (0, 0)
    assert describe(Table(pl.DataFrame(), "table")) == []


def test_summaries_survive_json():
    frame = pl.DataFrame({"x": [1.5, None, 2.0], "y": ["a", "b", None]})
    summaries = describe(Table(frame, "table"))
    assert msgspec.json.decode(msgspec.json.encode(summaries), type=list[ColumnSummary]) == summaries


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data sets")
def test_hogwarts_agrees_with_pandas_and_the_reference():
    path = SHARED / "data" / "hogwarts" / "dataset_train.csv"
    reference = json.loads((SHARED / "reference" / "hogwarts.json").read_text())["describe"]
    summaries = describe(Table(pl.read_csv(path, infer_schema=False), "dataset_train.csv"))
    peer = pd.read_csv(path)
    numeric = [summary for summary in summaries if isinstance(summary, NumericSummary)]
    assert [summary.name for summary in numeric] == list(peer.describe().columns)
    assert [summary.name for summary in numeric if summary.name != "Index"] == list(reference)
    for summary in numeric:
        values = peer[summary.name]
        assert (summary.count, summary.missing) == (values.count(), values.isna().sum())
        assert summary.distinct == values.nunique()
        assert summary.skewness == pytest.approx(values.skew(), rel=1e-12, abs=1e-12)
        figures = [summary.count, summary.mean, summary.std, *(getattr(summary, name) for name in QUANTILES)]
        assert figures == pytest.approx(values.describe().tolist(), rel=1e-12)
        for name, figure in reference.get(summary.name, {}).items():
            assert getattr(summary, name) == pytest.approx(figure, rel=1e-12), (summary.name, name)
    house = next(summary for summary in summaries if summary.name == "Hogwarts House")
    assert (house.most_common, house.most_common_count, house.distinct) == ("Hufflepuff", 529, 4)
