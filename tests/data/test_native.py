"""Tables of Python: the same cells from pandas, Polars, Arrow and mappings, whatever type they came in."""

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.data.native import as_table, is_missing
from oddsmith.data.read import Reading
from oddsmith.data.table import Table
from oddsmith.errors import InputError

CELLS: dict[str, list[Any]] = {
    "count": [1, None, 3],
    "amount": [0.5, None, -2.25],
    "text": ["x, y", None, 'a "b"'],
    "flag": [True, None, False],
    "day": [datetime.date(2024, 2, 29), None, datetime.date(1999, 12, 31)],
}
TYPES = {"count": pl.Int64, "amount": pl.Float64, "text": pl.String, "flag": pl.Boolean}

SAME: dict[str, Any] = {
    "mapping": CELLS,
    "mapping of tuples": {name: tuple(cells) for name, cells in CELLS.items()},
    "mapping of Polars": {name: pl.Series(cells) for name, cells in CELLS.items()},
    "mapping of pandas": {name: pd.Series(cells, dtype=object) for name, cells in CELLS.items()},
    "mapping of Arrow": {name: pa.array(cells) for name, cells in CELLS.items()},
    "polars": pl.DataFrame(CELLS),
    "arrow": pa.table(CELLS),
    "pandas object": pd.DataFrame(CELLS, dtype=object),
    "pandas nullable": pd.DataFrame(CELLS).astype(
        {"count": "Int64", "amount": "Float64", "text": "string", "flag": "boolean", "day": object}
    ),
    "pandas arrow": pa.table(CELLS).to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("name", SAME)
def test_every_kind_of_table_gives_the_same_cells_and_types(name: str) -> None:
    table = as_table(SAME[name])
    assert table.frame.to_dict(as_series=False) == CELLS
    assert {name: table.frame.schema[name] for name in TYPES} == TYPES
    assert table.frame.schema["day"].is_temporal()
    assert (table.name, table.digests) == ("table", ())
    assert table.place(1, "text") == "table: row 2, column 'text'"


def test_pandas_floats_that_stand_for_whole_numbers_with_gaps_stay_numbers() -> None:
    frame = as_table(pd.DataFrame({"count": [1, None, 3], "text": ["a", None, "b"]})).frame
    assert frame.to_dict(as_series=False) == {"count": [1.0, None, 3.0], "text": ["a", None, "b"]}


def test_columns_named_by_numbers_are_columns_and_not_rows() -> None:
    """A pandas table made from an array has the names 0, 1, ...: they are no row numbers."""
    array = np.arange(6.0).reshape(3, 2)
    frame = as_table(pd.DataFrame(array)).frame
    assert frame.columns == ["0", "1"]
    np.testing.assert_array_equal(frame.to_numpy(), array)
    assert as_table({0: [1], 1: [2]}).frame.to_dict(as_series=False) == {"0": [1], "1": [2]}


def test_columns_of_two_levels_have_readable_names() -> None:
    names = pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])
    assert as_table(pd.DataFrame(np.ones((1, 2)), columns=names)).frame.columns == [
        "('a', 'b')",
        "('a', 'c')",
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([1, "a", 2.5, True, None], ["1", "a", "2.5", "True", None]),
        ([True, 1], ["True", "1"]),
        ([True, 0.5], ["True", "0.5"]),
        ([np.bool_(True), False], [True, False]),
        ([np.int8(3), 4, np.uint64(5)], [3, 4, 5]),
        ([np.float32(0.5), np.float64(0.25)], [0.5, 0.25]),
        ([Decimal("1.50"), Decimal("NaN"), Decimal("sNaN")], [1.5, None, None]),
        ([float("nan"), np.nan, pd.NA, pd.NaT, None, 2], [None, None, None, None, None, 2]),
        ([2**63, -(2**63), 1], ["9223372036854775808", "-9223372036854775808", "1"]),
        ([2**63 - 1, None], [2**63 - 1, None]),
        ([10**400, 0.5], ["1" + "0" * 400, "0.5"]),
        ([None, None], [None, None]),
        ([], []),
        ([np.str_("a"), "b"], ["a", "b"]),
        ([datetime.date(2024, 1, 1), "later"], ["2024-01-01", "later"]),
    ],
)
def test_a_column_has_the_type_of_all_its_cells_or_is_text(cells: list[Any], expected: list[Any]) -> None:
    for data in ({"x": cells}, pd.DataFrame({"x": pd.Series(cells, dtype=object)})):
        found = as_table(data).frame["x"].to_list()
        assert found == expected
        assert [type(cell) for cell in found] == [type(cell) for cell in expected]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_whole_numbers_of_any_width_keep_every_digit(dtype: str) -> None:
    extremes = [np.iinfo(dtype).min, np.iinfo(dtype).max]
    found = as_table(pd.DataFrame({"x": np.array(extremes, dtype=dtype)})).frame["x"].to_list()
    assert [int(cell) for cell in found] == extremes


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | st.integers() | st.floats() | st.booleans() | st.text(max_size=3) | st.decimals())
)
def test_a_mapping_and_an_object_column_of_pandas_say_the_same(cells: list[Any]) -> None:
    mapping = as_table({"x": cells}).frame
    pandas = as_table(pd.DataFrame({"x": pd.Series(cells, dtype=object)})).frame
    assert mapping.equals(pandas)
    assert [cell is None for cell in mapping["x"]] == [is_missing(cell) for cell in cells]


@pytest.mark.parametrize(
    "cells", [[[1], [2, 3]], [{"a": 1}], [b"1"], [np.arange(2), np.arange(3)], [(1,), None], [{1, 2}]]
)
def test_cells_that_hold_many_values_are_kept_for_the_refusal_that_names_the_column(cells: list[Any]) -> None:
    assert as_table({"x": cells}).frame.schema["x"] == pl.Object


def test_categories_and_times_of_pandas() -> None:
    frame = as_table(
        pd.DataFrame(
            {
                "level": pd.Categorical(["x", None, "y"]),
                "code": pd.Categorical([1, 2, 1]),
                "when": pd.to_datetime(["2020-01-01", None, "2021-06-01"]).tz_localize("UTC"),
                "took": pd.to_timedelta([1, None, 2], unit="s"),
            }
        )
    ).frame
    assert frame["level"].to_list() == ["x", None, "y"]
    assert frame["code"].to_list() == [1, 2, 1]
    assert frame["when"].dtype.is_temporal()
    assert frame["when"].null_count() == 1
    assert frame["took"].to_list() == [datetime.timedelta(seconds=1), None, datetime.timedelta(seconds=2)]


def test_a_table_and_a_file_go_the_way_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_text("1;x\n2;y\n")
    table = as_table(path, Reading(delimiter=";", header=False))
    assert table.frame.to_dict(as_series=False) == {"column_1": ["1", "2"], "column_2": ["x", "y"]}
    assert as_table(str(path), Reading(delimiter=";")).frame.columns == ["1", "x"]
    assert as_table([path], Reading(delimiter=";")).frame.columns == ["1", "x"]
    assert as_table(tmp_path / "tab*", Reading(delimiter=";")).frame.columns == ["1", "x"]
    assert as_table(table) is table
    frame = pl.DataFrame({"x": [1]})
    assert as_table(frame).frame is frame


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((2, 2)), "a ndarray is no table that can be read. Give a pandas, Polars or Arrow table, "),
        ([{"x": 1}], "a list is no table"),
        (None, "a NoneType is no table"),
        (pd.Series([1]), "a Series is no table"),
        (pl.LazyFrame({"x": [1]}), "a LazyFrame is no table"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns of one name"),
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), "two columns of one name"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "two columns called '1'. Rename one of them."),
        ({}, "the table has no columns."),
        (pd.DataFrame(), "the table has no columns."),
        ({"x": 1}, "column 'x' of the mapping is one int. Give a list of its cells."),
        ({"x": "abc"}, "column 'x' of the mapping is one str."),
        ({"x": np.array(1.0)}, "column 'x' of the mapping is one ndarray."),
        ({"x": {"a": 1}}, "column 'x' of the mapping is one dict."),
        ({"x": [1, 2], "y": [1]}, "columns 'y' and 'x' have 1 and 2 cells. Give one for each row."),
        ("absent.csv", "absent.csv: there is no such file."),
        (["absent.csv"], "absent.csv: there is no such file."),
        ("absent-*.csv", "absent-*.csv: there is no such file, and none whose name fits this pattern."),
        ([], "no file is named. Give the path of one."),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(data: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        as_table(data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_is_passed_through() -> None:
    table = Table(pl.DataFrame({"x": [1]}), "mine.csv")
    assert as_table(table) is table
