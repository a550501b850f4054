"""Columns: numbers against Python's float, rules one by one, and the public data sets."""

import csv
import datetime
import random
import re
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oddsmith.data.batches import Batches
from oddsmith.data.cells import (
    DEFAULT_MISSING,
    MissingMarkers,
    as_argument,
    exact_number,
    numbers,
    require_numbers,
    texts,
)
from oddsmith.data.columns import RULES, ColumnOptions, ColumnPlan, classify, resolve
from oddsmith.data.expression import target_reader
from oddsmith.data.table import Table
from oddsmith.errors import DataWarning, InputError

SHARED = Path(__file__).parents[3] / "shared"
DATA = SHARED / "data"
HOSTILE = SHARED / "corpora" / "hostile"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not here")
needs_hostile = pytest.mark.skipif(not HOSTILE.is_dir(), reason="the hostile files are not here")

MARKERS = frozenset(DEFAULT_MISSING)


def text_table(**columns: list[str | None]) -> Table:
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return Table(
        frame,
        "requests.csv",
        place_of=lambda row, name: f"requests.csv:{row + 2}:{frame.columns.index(name) + 1}",
    )


def from_file(path: Path, *, header: bool = True) -> Table:
    frame = pl.read_csv(path, infer_schema=False, has_header=header)

    def place_of(row: int, column: str) -> str:
        return f"{path.name}:{row + 1 + header}:{frame.columns.index(column) + 1}"

    return Table(frame, path.name, place_of=place_of)


def kinds(plan: ColumnPlan) -> dict[str, str]:
    return {feature.name: feature.kind for feature in plan.features}


def decision(cells: list[str | None], name: str = "x", **options: tuple[str, ...]) -> tuple[str | None, str]:
    """Kind of a column and the sentence about it, beside a column that keeps the table usable."""
    other = [str((7 * row) % 5) for row in range(len(cells))]
    plan = classify(text_table(**{name: cells, "other": other}), ColumnOptions(**options))
    return kinds(plan).get(name), dict(plan.left_out).get(name, "")


NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*", re.ASCII)


@settings(max_examples=400)
@given(
    st.lists(
        st.text(alphabet=" \t+-.0123456789eEdDxXa_infty,٣٤½−", max_size=9)
        | st.sampled_from(["inf", "-Infinity", "NAN", "nan", "+nan", "0x1F", "1_000", "1D3", "1e400", "5."])
        | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    )
)
@example(["1e309", "-1e309", "4.9e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "1e-9999"])
def test_a_number_is_what_the_stated_pattern_says_and_has_the_value_that_python_reads(
    cells: list[str],
) -> None:
    found = numbers(pl.Series(cells, dtype=pl.String), frozenset())
    expected = [float(cell) if NUMBER.fullmatch(cell) else None for cell in cells]
    assert found.values.to_list() == expected
    assert found.n_cells == len(cells)
    assert found.n_numbers == len([x for x in expected if x is not None])
    assert found.first_text == next((i for i, x in enumerate(expected) if x is None), None)
    infinite = (i for i, x in enumerate(expected) if x in (float("inf"), -float("inf")))
    assert found.first_infinite == next(infinite, None)


def test_random_doubles_are_read_to_the_last_bit() -> None:
    source = random.Random(1)
    bits = [struct.unpack("<d", source.randbytes(8))[0] for _ in range(20_000)]
    doubles = [x for x in bits if np.isfinite(x)]
    for form in ("{!r}", "{:.17e}", "{:.25e}", "{:.5g}"):
        cells = [form.format(x) for x in doubles]
        ours = numbers(pl.Series(cells), MARKERS).values.to_numpy()
        assert (ours.view(np.int64) == np.array([float(cell) for cell in cells]).view(np.int64)).all()


def test_halfway_cases_round_to_even() -> None:
    cells = ["9007199254740993", "9007199254740995", "9007199254740992.99999999999999999999", "1.5e-323"]
    assert numbers(pl.Series(cells), MARKERS).values.to_list() == [float(cell) for cell in cells]


def test_every_default_marker_is_missing_with_and_without_blanks() -> None:
    cells = [*DEFAULT_MISSING, *(f" {marker}\t" for marker in DEFAULT_MISSING), None]
    series = pl.Series(cells, dtype=pl.String)
    assert numbers(series, MARKERS).n_cells == 0
    assert texts(series, MARKERS).null_count() == len(cells)


@pytest.mark.parametrize(
    ("token", "cells", "missing"),
    [
        ("0", ["0", "0.0", "-0", "0e5", " 0 ", "00", "1", "a0"], [0, 1, 2, 3, 4]),
        ("-9.50", ["-9.5", "-9.50", "9.5", "-95e-1", "-9.5x"], [0, 1, 3]),
        ("9007199254740993", ["9007199254740993", "9007199254740992", "9007199254740993.0"], [0, 2]),
        ("007", ["007", "7", "07"], [0]),
        ("?", ["?", " ?", "??", "0"], [0, 1]),
        (" ?", ["?", " ?", "  ?"], [1]),
        ("n/a", ["n/a", "N/A", "n/a "], [0, 2]),
        ("1e400", ["1e400", "1E+400", "1e401"], [0, 1]),
        ("1e99999999999999999999", ["1e99999999999999999999", "1"], [0]),
    ],
)
def test_a_marker_matches_its_text_and_equal_numbers_only(
    token: str, cells: list[str], missing: list[int]
) -> None:
    found = texts(pl.Series(cells), frozenset({token}))
    assert found.is_null().arg_true().to_list() == missing


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([0, 1, 2], dtype=pl.Int64),
        pl.Series([0, 1, 2], dtype=pl.UInt8),
        pl.Series([0.0, 1.0, 2.0], dtype=pl.Float32),
        pl.Series([0, 1, 2], dtype=pl.Decimal(10, 2)),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_number_marks_equal_cells_of_typed_columns(series: pl.Series) -> None:
    assert numbers(series, MARKERS | {"0.00"}).values.to_list() == [None, 1.0, 2.0]


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64])
def test_an_infinity_of_a_typed_column_is_missing_where_that_is_told(dtype: type[pl.DataType]) -> None:
    series = pl.Series([1.5, float("inf"), -float("inf"), 0.0], dtype=dtype)
    found = numbers(series, MARKERS | {"inf"})
    assert found.values.to_list() == [1.5, None, -float("inf"), 0.0]
    assert (found.n_cells, found.first_infinite) == (3, 2)
    assert numbers(series, MARKERS | {"inf", "-inf", "0"}).values.to_list() == [1.5, None, None, None]


def test_nan_in_a_typed_column_is_missing_and_infinity_is_named() -> None:
    series = pl.Series("x", [1.5, float("nan"), None, float("inf")])
    found = numbers(series, MARKERS)
    assert found.values.to_list() == [1.5, None, None, float("inf")]
    assert (found.n_cells, found.first_infinite) == (2, 3)
    with pytest.raises(
        InputError, match=r"table: row 4, column 'x': 'inf' in numeric column 'x' is beyond .* double\. "
    ):
        require_numbers(Table(series.to_frame(), "table"), "x", MARKERS)


def test_columns_take_markers_by_name_by_position_or_all_together() -> None:
    columns = ["a", "b", "k=v"]
    markers = MissingMarkers.from_options(("?", "b=0", "1=-", "k=v=x", "other=1", "-1=="), columns)
    default = {*DEFAULT_MISSING, "?", "other=1"}
    assert markers.of("a") == default | {"-"}
    assert markers.of("b") == default | {"0"}
    assert markers.of("k=v") == default | {"x", "="}
    assert markers.of("elsewhere") == default


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (pl.Series([True, False, None]), ["True", "False", None]),
        (pl.Series([1.0, -0.0, 2.5, 1e15, float("nan")]), ["1", "0", "2.5", "1000000000000000", None]),
        (pl.Series([1, -2, 9007199254740993]), ["1", "-2", "9007199254740993"]),
        (pl.Series([0.1], dtype=pl.Float32), ["0.1"]),
        (pl.Series([1, 10, None], dtype=pl.Decimal(10, 3)), ["1", "10", None]),
        (pl.Series(["a ", "b"], dtype=pl.Categorical), ["a", "b"]),
        (pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])), ["a", "b"]),
        (pl.Series([datetime.date(2024, 1, 31)]), ["2024-01-31"]),
        (pl.Series([" 1.0", "NA", "00123"]), ["1.0", None, "00123"]),
        (pl.Series([None, None]), [None, None]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_labels_are_written_as_a_person_would(series: pl.Series, expected: list[str | None]) -> None:
    assert texts(series, MARKERS).to_list() == expected


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_a_whole_number_has_one_spelling_in_every_type(values: list[int]) -> None:
    spelt = [str(value) for value in values]
    for series in (pl.Series(values), pl.Series(values).cast(pl.Float64), pl.Series(spelt)):
        assert texts(series, MARKERS).to_list() == spelt
        assert numbers(series, MARKERS).values.to_list() == values


def test_a_column_is_found_by_name_before_position() -> None:
    table = text_table(a=["1"], **{"2": ["1"], "-1": ["1"], "c": ["1"]})
    assert [resolve(table, name) for name in ("a", "2", "-1", "1", "3", "4", "-2", "-4")] == [
        *("a", "2", "-1", "a", "-1", "c", "-1", "a"),
    ]


@pytest.mark.parametrize("name", ["0", "5", "-5", "1.0", "", "٢", "99999999999999999999"])
def test_no_other_position_is_a_column(name: str) -> None:
    table = text_table(a=["1"], b=["1"], c=["1"], d=["1"])
    with pytest.raises(InputError, match=r"^requests\.csv: .* is none of its 4 columns\."):
        resolve(table, name)


def test_a_misspelt_column_is_met_with_the_near_ones() -> None:
    table = text_table(**{"Best Hand": ["1"], "ambiguity": ["1"]})
    with pytest.raises(InputError, match=r"Did you mean 'Best Hand'\?"):
        resolve(table, "besthand")


@pytest.mark.parametrize(
    ("column", "argument"),
    [("age", "age"), ("Best Hand", "'Best Hand'"), ("", "1"), ("-x", "1"), ("it's", "1"), ("a\x1b[31m", "1")],
)
def test_remedies_name_a_column_as_it_can_be_typed(column: str, argument: str) -> None:
    table = text_table(**{column: ["1"]})
    assert as_argument(table, column) == argument
    assert resolve(table, argument.strip("'")) == column


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "-3e2", " 4 "] * 3, "numeric"),
        (["1", "2", None, "NA"] * 3, "numeric"),
        (["3", "1", "2", "5", "4", "8", "7", "6"], "numeric"),  # all different, in no order
        (["0", "1", "2", "3", "4", "5", "6"], "numeric"),  # counting, but too few
        (["1", "2", "3", "4", "5", "6", "7", "8", None], "numeric"),  # counting, but one is missing
        (["10", "11", "12", "13", "14", "15", "16", "18"], "numeric"),
        (["0.5", "1.5", "2.5", "3.5", "4.5", "5.5", "6.5", "7.5"], "numeric"),
        (["True", "False"] * 3, "boolean"),
        (["true", "false", None] * 3, "boolean"),
        (["TRUE", "FALSE"] * 3, "boolean"),
        (["True", "FALSE"] * 3, "categorical"),
        (["True", "False", "true", "false"] * 3, "categorical"),
        (["yes", "no"] * 3, "categorical"),
        (["True", None] * 3, "categorical"),
        (["a", None] * 3, "categorical"),
        (["a", None, None], "categorical"),
        (["00123", "10115", "00123", "10115"], "categorical"),
        (["007", None, None], "categorical"),
        (["1", "a", "a", "b", "b", "b"], "categorical"),  # a minority of numbers
        ([f"level {row % 50}" for row in range(100)], "categorical"),
        (["2024-13-01", "2024-12-99"] * 3, "categorical"),  # no dates
        (["1.2.34", "1.2.35"] * 3, "categorical"),
    ],
)
def test_the_kind_of_a_column(cells: list[str | None], kind: str) -> None:
    assert decision(cells) == (kind, "")


@pytest.mark.parametrize(
    "cells",
    [
        ["9007199254740993", "7", None],
        [str(10**25 + row * 10**12) for row in (1, 2, 3)],
        pl.Series([2**53 + 1, 7, None], dtype=pl.Int64),
        pl.Series([2**64 - 1, 7, None], dtype=pl.UInt64),
    ],
)
def test_whole_numbers_that_lose_digits_as_doubles_are_named(cells: list[str] | pl.Series) -> None:
    table = text_table(x=cells) if isinstance(cells, list) else Table(pl.DataFrame({"x": cells}), "table")
    with pytest.warns(
        DataWarning, match=r"'9?1?[0-9]{16,}' has more digits than a double holds.*--categorical x"
    ):
        plan = classify(table, ColumnOptions(features=("x",)))
    assert kinds(plan) == {"x": "numeric"}


@pytest.mark.parametrize("cells", [["9007199254740992", "1e300", "7"], pl.Series([2.0**70, 1e300, 7.0])])
def test_large_numbers_that_a_double_holds_are_no_cause_for_a_word(cells: list[str] | pl.Series) -> None:
    assert kinds(classify(Table(pl.DataFrame({"x": cells}), "table"), ColumnOptions())) == {"x": "numeric"}


@pytest.mark.parametrize(
    ("cells", "cause", "remedy"),
    [
        ([None, "NA", ""], "empty", ""),
        (["5", "5.0", "5e0"], "constant", ""),
        (["5", None, "5"], "constant", ""),
        (["a", "a ", " a"], "constant", ""),
        (["True"] * 3, "constant", ""),
        ([str(row) for row in range(5, 13)], "an identifier", "--numeric x"),
        ([str(row) for row in range(13, 5, -1)], "an identifier", "--numeric x"),
        ([str(9007199254740993 + row) for row in range(8)], "an identifier", "--numeric x"),
        ([str(2**80 * row) for row in (1, 2, 3)], "", ""),
        ([f"user{row}" for row in range(8)], "an identifier", "--categorical x"),
        ([f"{row:05d}" for row in range(8)], "an identifier", "--categorical x"),
        ([f"level {row % 51}" for row in range(200)], "text of more than 50 levels", "--categorical x"),
        (["a", "a", "b", "c"], "free text", "--categorical x"),
        (["2024-01-31", "2024-2-1"], "dates", "--categorical x"),
        (["2024/01/31", None, "2024/02/01"], "dates", "--categorical x"),
        (["31.01.2024", "1.2.2024"], "dates", "--categorical x"),
        (["31/01/2024", "01/31/2024"], "dates", "--categorical x"),
        (["2024-01-31T23:59:59.123Z", "2024-01-31 23:59"], "dates", "--categorical x"),
        (["2024-01-31 23:59:59+02:00", "2024-01-30"], "dates", "--categorical x"),
        (["23:59:59.123", "1:05", None], "dates or times", "--categorical x"),
        (["01/31/2024 11:59 PM", "01/31/2024 01:59 AM"], "dates", "--categorical x"),
    ],
)
def test_a_column_left_out_says_why_and_what_to_do(cells: list[str | None], cause: str, remedy: str) -> None:
    kind, sentence = decision(cells)
    if not cause:
        assert (kind, sentence) == ("numeric", "")
        return
    assert kind is None
    assert sentence.startswith(f"'x' is left out: {cause}")
    assert remedy in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("name", "is_identifier"),
    [
        *((name, True) for name in ("id", "ID", "Id", "customer_id", "customerId", "CustomerID", "row id")),
        *(
            (name, True)
            for name in ("user-uuid", "UserUUID", "Phone No", "account.number", "primaryKey", "id_2")
        ),
        *((name, False) for name in ("paid", "humid", "number of rooms", "casino", "index_level", "keyword")),
    ],
)
def test_names_that_make_different_whole_numbers_an_identifier(name: str, is_identifier: bool) -> None:
    cells = ["31", "7", "19", "3", "88", "54", "21", "10"]
    kind, sentence = decision(cells, name)
    assert (kind is None) == is_identifier
    assert ("and named so" in sentence) == is_identifier
    assert decision([*cells, "7"], name)[0] == "numeric"


def test_the_first_identifier_is_echoed_unless_another_is_named() -> None:
    table = text_table(
        x=["1", "2", "2", "1"] * 2, key=[f"k{row}" for row in range(8)], row=[str(row) for row in range(8)]
    )
    plan = classify(table, ColumnOptions())
    assert plan.id == "key"
    assert [("echo" in sentence) for _, sentence in plan.left_out] == [True, False]
    named = classify(table, ColumnOptions(id="-1"))
    assert named.id == "row"
    assert named.left_out == (("key", plan.left_out[0][1].removesuffix(" Predictions echo it as their id.")),)


def test_options_of_the_users_decide_before_the_rules() -> None:
    table = text_table(
        code=["1", "2", "1", "2"] * 2,
        row=[str(row) for row in range(8)],
        day=["2024-01-31", "2024-02-01"] * 4,
        w=["1", "2", "3", "9"] * 2,
        known=["-0.5", "2"] * 4,
        y=["0", "1"] * 4,
    )
    plan = classify(
        table,
        ColumnOptions(categorical=("code", "day"), numeric=("2",), weight="w", offset="-2"),
        reserved=("y",),
    )
    assert kinds(plan) == {"code": "categorical", "row": "numeric", "day": "categorical"}
    assert (plan.weight, plan.offset, plan.id, plan.left_out) == ("w", "known", None, ())
    assert kinds(classify(table, ColumnOptions(drop=("day", "row", "-1")), reserved=("y",))) == {
        "code": "numeric",
        "w": "numeric",
        "known": "numeric",
    }


def test_naming_a_feature_forces_no_kind_except_for_numbers_that_look_like_identifiers() -> None:
    table = text_table(
        row=[str(row) for row in range(8)], name=[f"n{row}" for row in range(8)], z=["1", "2"] * 4
    )
    plan = classify(table, ColumnOptions(features=("row", "name")))
    assert kinds(plan) == {"row": "numeric"}
    assert [name for name, _ in plan.left_out] == ["name"]


def test_a_text_in_a_numeric_column_is_named_with_its_place_and_remedies() -> None:
    cells = [str(row % 7) for row in range(1199)] + ["n/a"]
    table = text_table(a=["1", "2"] * 600, ambiguity=cells)
    with pytest.raises(InputError) as caught:
        classify(table, ColumnOptions())
    assert str(caught.value) == (
        "requests.csv:1201:2: 'n/a' in numeric column 'ambiguity' (1,199 of 1,200 cells are numbers). "
        "Add it to --missing, or say --categorical ambiguity, or drop the column with --drop ambiguity."
    )
    for remedy in ({"missing": ("n/a",)}, {"categorical": ("ambiguity",)}, {"drop": ("ambiguity",)}):
        assert classify(table, ColumnOptions(**remedy)).features


@pytest.mark.parametrize(
    "cell", ["inf", "-Infinity", "1e400", "0x1F", "1_000", "1D3", "1,5", "٣", "NAN", "N/A"]
)
def test_a_cell_that_is_no_finite_number_stops_a_numeric_column(cell: str) -> None:
    with pytest.raises(InputError, match=r"^requests\.csv:4:1: '.*' in numeric column 'x'"):
        decision(["1", "2", cell, "3"])
    with pytest.raises(InputError, match=r"^requests\.csv:4:1: '.*' in numeric column 'x'"):
        decision(["1", "2", cell, "3"], numeric=("x",))


def test_half_of_the_cells_being_numbers_makes_a_numeric_column() -> None:
    assert decision(["1", "2", "a", "a", "b", "b"])[1].startswith("'x' is left out: free text")
    with pytest.raises(InputError, match=r":4:1: 'a' in numeric column 'x' \(2 of 4 cells are numbers\)"):
        decision(["1", "2", "a", "a"])


def test_forced_numbers_may_have_leading_zeros_but_no_text() -> None:
    assert decision(["007", "008", "007"], numeric=("x",)) == ("numeric", "")
    with pytest.raises(InputError, match=r"^requests\.csv:2:1: 'a' in numeric column 'x' \(1 of 3 cells"):
        decision(["a", "b", "1"], numeric=("x",))


def test_a_line_number_survives_filtering_twice() -> None:
    table = text_table(x=[str(row) for row in range(10)])
    once = table.take(np.array([9, 4, 2, 7]))
    twice = once.take(np.array([3, 0]))
    assert twice.frame["x"].to_list() == ["7", "9"]
    assert [twice.place(row, "x") for row in (0, 1)] == ["requests.csv:9:1", "requests.csv:11:1"]
    in_memory = Table(table.frame, "table").take(np.array([9, 4]))
    assert in_memory.place(1, "x") == "table: row 5, column 'x'"


@pytest.mark.parametrize(
    "options",
    [
        {"drop": ("x",), "categorical": ("x",)},
        {"drop": ("x",), "features": ("1",)},
        {"categorical": ("x",), "numeric": ("1",)},
        {"id": "x", "weight": "x"},
        {"id": "y"},
        {"weight": "y"},
        {"offset": "y"},
        {"offset": "x", "weight": "x"},
        {"features": ("y",)},
        {"numeric": ("y",)},
        {"features": ("x",), "id": "x"},
        {"features": ("x",), "categorical": ("z",)},
    ],
)
def test_contradicting_options_are_refused(options: dict[str, tuple[str, ...]]) -> None:
    table = text_table(x=["1", "2"], z=["1", "2"], y=["0", "1"])
    with pytest.raises(InputError, match=r"is named by --\w+ (and by|but not by) --\w+"):
        classify(table, ColumnOptions(**options), reserved=("y",))


def test_options_that_say_the_same_twice_are_fine() -> None:
    table = text_table(x=["1", "2"], z=["1", "2"], y=["0", "1"])
    options = ColumnOptions(drop=("y",), features=("x", "1"), categorical=("x",))
    assert kinds(classify(table, options, reserved=("y",))) == {"x": "categorical"}


def test_a_table_without_a_feature_says_why() -> None:
    table = text_table(c=["1", "1"], x=[None, None], y=["0", "1"])
    with pytest.raises(InputError, match=r"no column is left as a feature\. 'c' is left out: constant"):
        classify(table, ColumnOptions(), reserved=("y",))
    with pytest.raises(InputError, match=r"no column is left as a feature\. Drop fewer columns"):
        classify(table, ColumnOptions(drop=("c", "x")), reserved=("y",))


def test_a_table_of_constants_is_a_table_without_features() -> None:
    plan = classify(text_table(x=["1", "1"], y=["0", "1"]), ColumnOptions(), reserved=("y",))
    assert plan.features == ()
    assert [name for name, _ in plan.left_out] == ["x"]


def test_nested_columns_are_refused_by_name_unless_dropped() -> None:
    table = Table(pl.DataFrame({"l": [[1], [2]], "x": [1, 2]}), "table")
    with pytest.raises(InputError, match=r"column 'l' holds List\(Int64\).*--drop l\."):
        classify(table, ColumnOptions())
    assert kinds(classify(table, ColumnOptions(drop=("l",)))) == {"x": "numeric"}


typed_columns = st.sampled_from(
    [
        [1, 2, None, 1],
        [0.5, float("nan"), 2.0, 2.0],
        [True, False, True, None],
        [True, True, True, True],
        ["a", "b", "a", "b"],
        [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), None, datetime.date(2024, 1, 3)],
        [None, None, None, None],
        [7, 7, None, 7],
    ]
)


@given(typed_columns, typed_columns)
def test_a_typed_table_and_its_csv_are_decided_alike(first: list[object], second: list[object]) -> None:
    typed = pl.DataFrame({"a": first, "b": second, "c": [3, 1, 2, 2]})
    rows = csv.reader(typed.write_csv().splitlines())
    names, *cells = list(rows)
    read = pl.DataFrame(
        {name: [row[at] or None for row in cells] for at, name in enumerate(names)},
        schema=dict.fromkeys(names, pl.String),
    )
    by_type = classify(Table(typed, "t"), ColumnOptions())
    by_text = classify(Table(read, "t"), ColumnOptions())
    assert by_type.features == by_text.features
    assert [name for name, _ in by_type.left_out] == [name for name, _ in by_text.left_out]


cells_of_any_kind = st.lists(
    st.none() | st.sampled_from(["1", "2.5", "a", "b", "True", "False", "2024-01-01", "NA", "007"]),
    min_size=1,
    max_size=12,
)


@given(cells_of_any_kind, st.randoms())
def test_decisions_do_not_depend_on_the_order_of_rows(cells: list[str | None], source: random.Random) -> None:
    def outcome(order: list[str | None]) -> object:
        try:
            kind, sentence = decision(order)
        except InputError as error:
            return re.sub(r":\d+:1: '[^']*'", "", str(error))
        return kind, sentence

    shuffled = [*cells]
    source.shuffle(shuffled)
    assert outcome(shuffled) == outcome(cells)


def test_expressions_see_numbers_only_where_all_cells_are() -> None:
    table = text_table(n=["1", None, "2"], t=["1", "a", "2"], code=["01", "2", "3"], big=["1", "2", "1e999"])
    markers = MissingMarkers.from_options((), table.frame.columns)

    def labels(target: str) -> list[str | None]:
        return target_reader(Batches.of(table), target, markers)[2](table).to_list()

    assert labels("n > 1") == ["False", None, "True"]
    assert labels("t || '!'") == ["1!", "a!", "2!"]
    assert labels("code || '!'") == ["01!", "2!", "3!"]
    with pytest.raises(InputError, match=r"^requests\.csv:4:4: '1e999'"):
        labels("big > 1")


def test_exact_numbers_keep_every_digit_and_refuse_codes() -> None:
    assert exact_number("9007199254740993") != exact_number("9007199254740992")
    assert exact_number("1.50") == exact_number("15e-1")
    assert [exact_number(text) for text in ("007", "", "a", "1e99999999999999999999")] == [None] * 4


def test_the_rules_are_numbered_and_fit_a_terminal() -> None:
    lines = RULES.splitlines()
    numbered = [int(line[:2]) for line in lines if line[2] == "."]
    assert numbered == list(range(1, 14))
    assert max(len(line) for line in lines) <= 104


@needs_data
def test_hogwarts() -> None:
    plan = classify(
        from_file(DATA / "hogwarts/dataset_train.csv"), ColumnOptions(), reserved=("Hogwarts House",)
    )
    assert plan.id == "Index"
    assert [name for name, _ in plan.left_out] == ["Index", "First Name", "Last Name", "Birthday"]
    assert dict(plan.left_out)["Birthday"] == (
        "'Birthday' is left out: dates or times. To use it, derive a number from it, or say --categorical Birthday."
    )
    assert plan.features[0].name == "Best Hand"
    assert [feature.kind for feature in plan.features] == ["categorical"] + ["numeric"] * 13


@needs_data
def test_titanic() -> None:
    plan = classify(from_file(DATA / "csv/titanic.csv"), ColumnOptions(), reserved=("survived",))
    assert {name for name, kind in kinds(plan).items() if kind == "boolean"} == {"adult_male", "alone"}
    assert {name for name, kind in kinds(plan).items() if kind == "numeric"} == {
        *("pclass", "age", "sibsp", "parch", "fare"),
    }
    assert plan.left_out == ()


@needs_data
def test_credit_card_identifier() -> None:
    table = from_file(DATA / "csv/UCI_Credit_Card.csv")
    plan = classify(table, ColumnOptions(), reserved=("default.payment.next.month",))
    assert plan.id == "ID"
    assert set(kinds(plan).values()) == {"numeric"}
    assert len(plan.features) == 23


@needs_data
def test_question_marks_of_the_breast_cancer_file_are_named_with_line_and_column() -> None:
    table = from_file(DATA / "csv/breast-cancer-wisconsin.csv", header=False)
    with pytest.raises(
        InputError, match=r"csv:24:6: '\?' in numeric column .* \(683 of 699 cells are numbers\)"
    ):
        classify(table, ColumnOptions(), reserved=table.frame.columns[-1:])
    assert len(classify(table, ColumnOptions(missing=("?",))).features) == 10


@needs_data
def test_german_credit_has_the_published_kinds() -> None:
    table = from_file(DATA / "csv/german.csv", header=False)
    plan = classify(table, ColumnOptions(), reserved=(table.frame.columns[-1],))
    counts = list(kinds(plan).values())
    assert (counts.count("numeric"), counts.count("categorical")) == (7, 13)  # german.names


@needs_hostile
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("inf_values", "5:1: 'inf'"),
        ("overflow_1e400", "5:1: '1e400'"),
        ("underscore_number", "5:1: '1_000'"),
        ("unicode_digits", "5:1: '١٢.٣'"),
        ("hex_and_d_exponent", "5:1: '0x10'"),
        ("mixed_dtype_column", "32:1: 'tall'"),
        ("nan_spellings", "5:1: 'N/A'"),
    ],
)
def test_hostile_cells_are_named_with_line_and_column(name: str, place: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{name}.csv:{place} in numeric column 'x1'")):
        classify(from_file(HOSTILE / f"{name}.csv"), ColumnOptions(), reserved=("y",))


@needs_hostile
@pytest.mark.parametrize(
    ("name", "features", "left_out"),
    [
        ("bool_spellings", {"b": "categorical", "x": "numeric"}, []),
        ("leading_zeros", {"zip": "categorical", "x": "numeric"}, []),
        ("constant_column", {"x1": "numeric"}, ["c"]),
        ("all_nan_column", {"x1": "numeric"}, ["n"]),
        ("date_column", {"x": "numeric"}, ["d"]),
        ("high_cardinality", {"x": "numeric"}, ["u"]),
        ("int_beyond_2_53", {"x": "numeric"}, ["id"]),
    ],
)
def test_hostile_columns(name: str, features: dict[str, str], left_out: list[str]) -> None:
    plan = classify(from_file(HOSTILE / f"{name}.csv"), ColumnOptions(), reserved=("y",))
    assert kinds(plan) == features
    assert [column for column, _ in plan.left_out] == left_out


def test_the_documentation_states_the_rules():
    page = Path(__file__).parents[2] / "docs" / "columns.md"
    assert RULES in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "cell",
    [
        "25,9",
        "-0,5",
        "1.234,5",
        "1,234",
        "1,234,567.8",
        "1'234",
        "1\u202f234",
        "$1.50",
        "-$3",
        "12%",
        "3,5%",
        "1EUR",
        "€7",
        "(7)",
        "($1,200)",
        "−3",
    ],
)
def test_numbers_written_another_way_are_refused_with_their_place(cell: str) -> None:
    table = text_table(x=["1", None, cell, "18-24", "other", "3"] * 3, y=["0", "1"] * 9)
    kept = table.take(np.array([3, 2, 2, 4]))
    with pytest.raises(InputError, match=r"4:1: .* looks like a number written another way .*--drop x"):
        classify(kept, ColumnOptions(), reserved=("y",))
    plan = classify(table, ColumnOptions(categorical=("x",)), reserved=("y",))
    assert kinds(plan) == {"x": "categorical"}


@pytest.mark.parametrize(
    "cell",
    ["18-24", "1,2,3", "10.0.0.1", "555 0100", "12:30", "1/2", "3rd", "5 kg", "A1", "%", "00,1x", "1e3,5"],
)
def test_other_texts_with_digits_are_levels(cell: str) -> None:
    table = text_table(x=[cell, "other"] * 8, y=["0", "1"] * 8)
    assert kinds(classify(table, ColumnOptions(), reserved=("y",))) == {"x": "categorical"}


def test_a_few_leading_zeros_among_numbers_are_asked_about() -> None:
    ages = ["05", *(str(20 + i) for i in range(9)), *(str(20 + i) for i in range(9)), "7"]
    table = text_table(x=ages, y=["0", "1"] * 10)
    with pytest.raises(InputError, match=r":2:1: '05' has leading zeros.*--numeric x if.*--categorical x if"):
        classify(table, ColumnOptions(), reserved=("y",))
    for kind in ("numeric", "categorical"):
        plan = classify(table, ColumnOptions(**{kind: ("x",)}), reserved=("y",))
        assert kinds(plan) == {"x": kind}


def test_codes_of_one_length_or_mostly_with_zeros_stay_texts() -> None:
    for cells in (["00501", "10001", "94110", "60601"], ["007", "0012", "019", "4"]):
        table = text_table(x=cells * 4, y=["0", "1"] * 8)
        assert kinds(classify(table, ColumnOptions(), reserved=("y",))) == {"x": "categorical"}


def test_a_marker_in_most_cells_does_not_make_numbers_levels() -> None:
    cells = ["?"] * 24 + [str(20 + i % 9) for i in range(16)]
    table = text_table(x=cells, y=["0", "1"] * 20)
    with pytest.raises(InputError, match=r":2:1: '\?' in numeric column 'x' \(16 of 40 cells are numbers\)"):
        classify(table, ColumnOptions(), reserved=("y",))
    assert kinds(classify(table, ColumnOptions(missing=("?",)), reserved=("y",))) == {"x": "numeric"}
    few = text_table(x=(["a", "b", "1", "2", "3"] * 8), y=["0", "1"] * 20)
    with pytest.raises(InputError, match="in numeric column 'x'"):  # 24 of 40 are numbers
        classify(few, ColumnOptions(), reserved=("y",))
    grades = text_table(x=(["A", "B", "A", "1", "2"] * 8), y=["0", "1"] * 20)
    assert kinds(classify(grades, ColumnOptions(), reserved=("y",))) == {"x": "categorical"}
