"""The design matrix: what training learns of each column, and that a row alone gives the same terms."""

import math
import warnings
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.data.cells import MissingMarkers, texts
from oddsmith.data.columns import ColumnOptions, classify
from oddsmith.data.design import Design
from oddsmith.data.encoding import BooleanColumn, CategoricalColumn, Level, NumericColumn, Term, _label
from oddsmith.data.native import as_table
from oddsmith.data.table import Table
from oddsmith.errors import DataWarning, InputError


def text_table(**columns: list[str | None]) -> Table:
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return Table(
        frame, "rows.csv", place_of=lambda row, name: f"rows.csv:{row + 2}:{frame.columns.index(name) + 1}"
    )


def learned(
    table: Table,
    *,
    weight: Any = None,
    indicator: bool = False,
    missing: tuple[str, ...] = (),
    **options: Any,
) -> tuple[Design, np.ndarray]:
    if weight is not None:
        weights = pl.Series("its weight", np.asarray(weight, dtype=np.float64))
        table = replace(table, frame=table.frame.with_columns(weights))
        options["weight"] = "its weight"
    plan = classify(table, ColumnOptions(missing=missing, **options))
    markers = MissingMarkers.from_options(missing, table.frame.columns)
    design = Design.learn(plan, markers, missing_indicator=indicator)
    return design, np.concatenate(list(design.parts(plan.survey)))


def column_of(cells: list[str | None], **how: Any) -> Any:
    """What is learned of one column, beside another that keeps the table usable."""
    other = [str((7 * row) % 5) for row in range(len(cells))]
    return learned(text_table(x=cells, other=other), **how)[0].columns[0]


numbers = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@st.composite
def gappy_columns(draw: st.DrawFn) -> tuple[list[float | None], list[int]]:
    cells = draw(st.lists(st.none() | numbers, min_size=2, max_size=30))
    cells[:2] = draw(st.sampled_from([[0.5, 2.0], [2.0, -1.25]]))
    weight = draw(st.lists(st.integers(1, 4), min_size=len(cells), max_size=len(cells)))
    return cells, weight


@settings(max_examples=60, deadline=None)
@given(gappy_columns())
def test_missing_numbers_count_as_the_mean_and_sigma_is_that_of_the_filled_column(
    drawn: tuple[list[float | None], list[int]],
) -> None:
    """Integer weights are repeated rows: means and sigmas are those that NumPy finds in the repeated column."""
    cells, weight = drawn
    table = as_table({"x": cells, "other": [float(i * i) for i in range(len(cells))]})
    repeated = np.repeat(np.array(cells, dtype=np.float64), weight)
    mean = np.nanmean(repeated)
    filled = np.where(np.isnan(repeated), mean, repeated)
    design, X = learned(table, weight=weight, numeric=("x", "other"))
    found = design.columns[0]
    assert found.mean == pytest.approx(mean, rel=1e-12, abs=1e-13 * np.nanmax(np.abs(repeated)))
    assert found.scale == pytest.approx(np.std(filled), rel=1e-12)
    np.testing.assert_array_equal(
        X[:, 0], [found.mean if cell is None else cell for cell in cells], strict=True
    )
    np.testing.assert_array_equal(design.matrix(table)[0], X)


def test_the_sigma_of_the_observed_cells_alone_would_be_another() -> None:
    cells = ["1", None, "3", None]
    found = column_of(cells)
    assert found == NumericColumn("x", 2.0, math.sqrt(0.5))
    assert np.std([1.0, 3.0]) == 1.0


def test_rows_of_weight_zero_teach_nothing() -> None:
    table = text_table(
        x=["1", "2", "5", "1000", None],
        level=["a", "b", "b", "c", "c"],
        flag=["true", "false", "true", "false", "false"],
    )
    weight = [1, 2, 1, 0, 0]
    with_zeros, X = learned(table, weight=weight, categorical=("level",))
    without, _ = learned(table.take(np.arange(3)), weight=weight[:3], categorical=("level",))
    assert (with_zeros.columns[0], with_zeros.columns[2]) == (without.columns[0], without.columns[2])
    level = with_zeros.columns[1]
    assert isinstance(level, CategoricalColumn)
    assert level.reference == "b"
    assert level.levels == [Level("a", 0.25, math.sqrt(0.1875)), Level("c", 0.0, 1.0)]
    assert np.isfinite(X).all()


def test_a_column_that_varies_only_where_rows_do_not_count_has_sigma_one() -> None:
    found = column_of(["3", "3", "3", "8", None], weight=[1, 2, 0.5, 0, 0])
    assert found == NumericColumn("x", 3.0, 1.0)


def test_a_column_with_values_only_where_rows_do_not_count_is_refused() -> None:
    with pytest.raises(InputError, match=r"column 'x' has no value in a row that counts. Say --drop for it."):
        column_of([None, None, "1", "2"], weight=[1, 1, 0, 0])


def test_the_indicator_says_which_numbers_were_missing_and_only_where_some_were() -> None:
    table = text_table(x=["1", None, "3", "4"], full=["1", "2", "5", "9"])
    design, X = learned(table, indicator=True)
    share = Term(0.25, pytest.approx(math.sqrt(0.1875), rel=1e-15))
    x, full = design.columns
    assert isinstance(x, NumericColumn)
    assert isinstance(full, NumericColumn)
    assert (x.indicator, full.indicator) == (share, None)
    assert design.terms == ["x", "x is missing", "full"]
    np.testing.assert_array_equal(X[:, 1], [0, 1, 0, 0])
    assert design.term_column == [0, 0, 1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([None, "b", "a", "c", "ä", "B"]), min_size=12, max_size=24),
    st.randoms(use_true_random=False),
)
def test_levels_reference_and_terms_are_those_of_a_count(cells: list[str | None], random: Any) -> None:
    weight = [random.randint(1, 3) for _ in cells]
    total = {level: sum(w for c, w in zip(cells, weight, strict=True) if c == level) for level in set(cells)}
    table = text_table(x=cells, other=[str(i % 7) for i in range(len(cells))])
    if len(set(cells)) == 1:
        return
    design, X = learned(table, weight=weight, categorical=("x",))
    found = design.columns[0]
    assert isinstance(found, CategoricalColumn)
    order = sorted(level for level in total if level is not None) + [None] * (None in total)
    # Of equally frequent levels the first by text, the missing cell after all texts.
    assert found.reference == min(order, key=lambda level: (-total[level], order.index(level)))
    assert [item.level for item in found.levels] == [level for level in order if level != found.reference]
    for j, item in enumerate(found.levels):
        share = total[item.level] / sum(weight)
        assert item.mean == pytest.approx(share, rel=1e-14)
        assert item.scale == pytest.approx(math.sqrt(share * (1 - share)), rel=1e-12)
        np.testing.assert_array_equal(X[:, j], [cell == item.level for cell in cells])
        assert design.terms[j] == ("x=(missing)" if item.level is None else f"x={item.level}")


def test_the_order_of_rows_changes_nothing_that_is_learned() -> None:
    rng = np.random.default_rng(0)
    cells = rng.choice(["a", "b", "c"], 30).tolist()
    x = [str(value) for value in rng.integers(0, 9, 30)]
    order = rng.permutation(30)
    first = learned(text_table(level=cells, x=x))[0].columns
    second = learned(text_table(level=[cells[i] for i in order], x=[x[i] for i in order]))[0].columns
    assert first[0] == second[0]
    assert (first[1].mean, first[1].scale) == pytest.approx((second[1].mean, second[1].scale), rel=1e-15)


def test_levels_that_training_never_saw_are_counted_and_named() -> None:
    design, _ = learned(text_table(level=[*"abacbcab"], x=[*"15224361"]))
    table = text_table(level=["a", "new", None, "new", "b"], x=["1"] * 5)
    X, unseen = design.matrix(table)
    np.testing.assert_array_equal(X[:, :2], [[0, 0], [0, 0], [0, 0], [0, 0], [1, 0]])
    assert [str(one) for one in unseen] == [
        "'level': 3 rows have a level that training never saw, such as 'new'. "
        "It counts as none of the known ones and scores like the reference level."
    ]
    assert str(design.matrix(table.take(np.array([2])))[1][0]).startswith(
        "'level': 1 row has a level that training never saw, such as an empty cell."
    )
    for cell, shown in (("new", "'new'"), (None, "an empty cell")):
        with pytest.warns(DataWarning, match=f"'level' has a level that training never saw: {shown}"):
            assert design.vector({"level": cell, "x": 1}) == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("spelling", [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_booleans_in_every_spelling(spelling: tuple[str, str]) -> None:
    true, false = spelling
    design, X = learned(text_table(x=[true, false, None, true], other=["1", "5", "5", "2"]))
    assert design.columns[0] == BooleanColumn("x", 2 / 3, pytest.approx(np.std([1, 0, 2 / 3, 1]), rel=1e-14))
    np.testing.assert_array_equal(X[:, 0], [1, 0, 2 / 3, 1])
    others = ["true", "False", "TRUE", " false ", None, "", "NA"]
    expected = [1, 0, 1, 0, 2 / 3, 2 / 3, 2 / 3]
    rest = ["1"] * len(others)
    np.testing.assert_array_equal(design.matrix(text_table(x=others, other=rest))[0][:, 0], expected)
    assert [design.vector({"x": cell, "other": 1})[0] for cell in others] == expected
    typed = [True, np.bool_(False), None]
    assert [design.vector({"x": cell, "other": 1})[0] for cell in typed] == [1, 0, 2 / 3]
    frame = as_table({"x": [True, False, None], "other": [1, 2, 3]})
    np.testing.assert_array_equal(design.matrix(frame)[0][:, 0], [1, 0, 2 / 3])


@pytest.mark.parametrize("cell", ["yes", "tRUE", "1", "0.5", 1, 0, 0.5, np.int64(1), b"true", [True]])
def test_what_is_neither_true_nor_false_is_refused_in_a_boolean_column(cell: Any) -> None:
    design, _ = learned(text_table(x=["true", "false", "true"], other=["1", "5", "2"]))
    with pytest.raises(InputError, match=r"in column 'x' of this row, which is true or false\. Give a bool"):
        design.vector({"x": cell, "other": 1})
    if isinstance(cell, str):
        with pytest.raises(InputError, match=r"^rows.csv:3:1: '.*' in column 'x', which is true or false"):
            design.matrix(text_table(x=["true", cell], other=["1", "1"]))
    elif not isinstance(cell, bytes | list):
        with pytest.raises(
            InputError, match=r"^table: row 2, column 'x': '.*' in column 'x', which is true or false"
        ):
            design.matrix(as_table(pl.DataFrame({"x": [None, cell], "other": [1, 1]})))


TRAINING = text_table(
    x=["1", "2.5", None, "-3", "7", "1e2", "4"],
    level=["a", "b", "a", "2", None, "b", "True"],
    flag=["true", "false", "true", None, "false", "true", "true"],
)
MISSING = ("?", "x=-9", "level=none", "level=8", "007")
DESIGN, _ = learned(TRAINING, missing=MISSING, indicator=True, categorical=("level",))

texts_as_written = st.sampled_from(
    [
        "",
        "NA",
        " nan ",
        "null",
        "?",
        " ? ",
        "-9",
        "-9.0",
        "-9e0",
        "8",
        "8.0",
        "007",
        "7",
        "1e3",
        " 2.5",
        ".5",
        "5.",
        "-0",
        "+4",
        "1e-400",
        "12345678901234567890",
    ]
)
levels_as_written = texts_as_written | st.sampled_from(["a", " b", "b ", "none", "2", "2.0", "True", "new"])
truths_as_written = st.sampled_from(
    ["true", "TRUE", "True", " false", "False", "FALSE", "", "NA", "?", "null"]
)


def same_terms(frame: pl.DataFrame, row: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        alone = DESIGN.vector(row)
    np.testing.assert_array_equal(DESIGN.matrix(as_table(frame))[0], [alone])


@settings(max_examples=150, deadline=None)
@given(texts_as_written, levels_as_written, truths_as_written)
def test_a_row_of_texts_gives_the_terms_of_a_table_of_texts(x: str, level: str, flag: str) -> None:
    row = {"x": x, "level": level, "flag": flag}
    same_terms(pl.DataFrame({name: [cell] for name, cell in row.items()}), row)


typed_numbers = st.one_of(
    st.none(),
    st.sampled_from([float("nan"), -9, -9.0, 7, 2.0, Decimal("-9.00"), Decimal("7"), 0.1, 1e-7, 1e20]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(-1e50, 1e50),
    st.decimals(-100, 100, places=2),
)
typed_levels = st.one_of(typed_numbers, st.booleans(), levels_as_written)


@settings(max_examples=150, deadline=None)
@given(typed_numbers, typed_levels, st.sampled_from([True, False, None]))
def test_a_row_of_typed_cells_gives_the_terms_of_a_typed_table(x: Any, level: Any, flag: bool | None) -> None:
    row = {"x": x, "level": level, "flag": flag}
    columns = [pl.Series("flag", [flag], dtype=pl.Boolean)]
    for name in ("x", "level"):
        nan = isinstance(row[name], Decimal) and row[name].is_nan()
        columns.append(pl.Series(name, [None if nan else row[name]]))
    same_terms(pl.DataFrame(columns), row)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (3, 3.0),
        (np.int8(3), 3.0),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.array(0.5), 0.5),
        (Decimal("1.25"), 1.25),
        (Fraction(1, 4), 0.25),
        (" 1e3 ", 1000.0),
        (2**70, float(2**70)),
    ],
)
def test_numbers_of_every_kind_are_numbers(cell: Any, expected: float) -> None:
    assert DESIGN.vector({"x": cell, "level": "a", "flag": None})[:2] == [expected, 0.0]


@pytest.mark.parametrize(
    "cell",
    [None, math.nan, np.float32("nan"), Decimal("NaN"), Decimal("sNaN"), pd.NA, pd.NaT, "", " NA ", -9, "?"],
)
def test_missing_numbers_of_every_kind_are_missing(cell: Any) -> None:
    row = {"x": cell, "level": "a", "flag": None}
    assert DESIGN.vector(row)[:2] == [DESIGN.columns[0].mean, 1.0]


@pytest.mark.parametrize("cell", [None, math.nan, pd.NA, pd.NaT, "", "none", "8.0", 8, 8.0, Decimal("8.0")])
def test_missing_levels_of_every_kind_are_missing(cell: Any) -> None:
    assert DESIGN.vector({"x": 1, "level": cell, "flag": None})[2:-1] == [
        float(term == "level=(missing)") for term in DESIGN.terms[2:-1]
    ]


@pytest.mark.parametrize(
    "cell", ["abc", "0x10", "1,5", "1_000", True, "True", b"1", [1.0], np.array([1.0]), 1j, {}, object()]
)
def test_what_is_no_number_is_refused_in_a_row(cell: Any) -> None:
    with pytest.raises(InputError, match=r"in numeric column 'x' of this row. Give a number or None."):
        DESIGN.vector({"x": cell, "level": "a", "flag": True})


@pytest.mark.parametrize("cell", [math.inf, -math.inf, "1e400", 10**400, np.float32("inf"), Decimal("1e999")])
def test_what_a_double_cannot_hold_is_refused(cell: Any) -> None:
    with pytest.raises(InputError, match=r"'x' is beyond the range of a double in this row"):
        DESIGN.vector({"x": cell, "level": "a", "flag": True})
    if isinstance(cell, float | str):
        frame = pl.DataFrame({"x": [cell], "level": ["a"], "flag": [True]})
        with pytest.raises(
            InputError, match=r"^table: row 1, column 'x': .* is beyond the range of a double"
        ):
            DESIGN.matrix(as_table(frame))


@pytest.mark.parametrize("cell", [["a"], {"a": 1}, b"a", np.array(["a"])])
def test_a_level_is_one_value(cell: Any) -> None:
    with pytest.raises(InputError, match=r"^'level' holds a .* in this row. Give one value.$"):
        DESIGN.vector({"x": 1, "level": cell, "flag": True})


def test_nested_columns_are_refused_when_a_model_reads_them() -> None:
    for name in ("x", "level", "flag"):
        frame = pl.DataFrame({"x": [1.0], "level": ["a"], "flag": [True]}).with_columns(
            pl.Series(name, [[1, 2]])
        )
        with pytest.raises(InputError, match=f"column '{name}' holds List.*, not one value a cell"):
            DESIGN.matrix(as_table(frame))


def test_an_absent_column_is_named() -> None:
    with pytest.raises(
        InputError,
        match=r"^the row has no 'flag', which the model needs\. Where a value is not known, give None\.$",
    ):
        DESIGN.vector({"x": 1, "level": "a"})
    with pytest.raises(
        InputError, match=r"^rows.csv: no column called 'x', 'level', which the model needs. "
    ):
        DESIGN.matrix(text_table(flag=["true"]))
    many, _ = learned(text_table(**{f"c{i}": [str((i + row) % 4) for row in range(6)] for i in range(8)}))
    with pytest.raises(InputError, match="'c0', 'c1', 'c2', 'c3', 'c4' and 3 more"):
        many.matrix(text_table(z=["1"]))


def test_names_of_terms_that_would_collide_are_refused() -> None:
    with pytest.raises(InputError, match=r"two terms of the model would be called 'x=a'. Rename a column."):
        learned(text_table(**{"x": ["a", "b", "b", "b"], "x=a": ["1", "4", "2", "2"]}))
    with pytest.raises(InputError, match=r"would be called 'x=\(missing\)'"):
        learned(text_table(x=["(missing)", None, "b", "b", "b", "b"], y=["1", "4", "2", "2", "3", "1"]))


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (["1e150", "-3e260", "5"], "as large as 3e\\+260"),
        (["1e-260", "3e-260", "5e-260"], "that differ by 1.6e-260 only"),
    ],
)
def test_numbers_that_leave_no_room_to_compute_are_refused_in_training(
    cells: list[str | None], what: str
) -> None:
    with pytest.raises(
        InputError, match=f"column 'x' holds numbers {what}, which leave a double no room to compute"
    ):
        column_of(cells)


def test_text_and_typed_cells_of_the_same_table_teach_the_same() -> None:
    columns: dict[str, list[Any]] = {
        "x": [0.1, 2.5, None, -3.25, 7.0, 1e-7],
        "n": [3, 1, 4, 1, 5, None],
        "flag": [True, False, None, True, True, False],
        "level": ["a", "b", None, "b", "c", "a"],
    }
    typed = pl.DataFrame(columns)
    as_text = {
        name: [None if cell is None else str(cell) for cell in cells] for name, cells in columns.items()
    }
    for table in (Table(pl.DataFrame(as_text), "text"), as_table(pd.DataFrame(columns))):
        design, X = learned(table)
        expected, Y = learned(as_table(typed))
        assert design.columns == expected.columns
        np.testing.assert_array_equal(X, Y)


@pytest.mark.parametrize(
    "cells",
    [
        [0, 1, -3, 2**62],
        [0.0, -0.0, 2.0, 1e15, 2.0**62],
        [0.5, 1e-7, 1.5e300, -2.25, 2.0**70],
        [True, False],
        [np.int64(4), np.int8(-4)],
        [np.float64(2.0), np.float64(0.1)],
        [np.bool_(True), np.bool_(False)],
        ["1", " 2 ", "a"],
    ],
)
def test_the_label_of_one_cell_is_that_of_a_column_of_such_cells(cells: list[Any]) -> None:
    for cell in cells:
        column = as_table({"g": [cell]}).frame["g"]
        assert _label(cell, "g").strip() == texts(column, frozenset())[0]


def test_a_row_of_numbers_in_categories_needs_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row is scored in microseconds; a table of one cell would cost a hundred of them."""
    column = CategoricalColumn(
        "g", "1", [Level("2", 0.5, 0.5), Level("0.5", 0.1, 0.3), Level("True", 0.1, 0.3)]
    )
    design = Design([column], MissingMarkers.from_options((), ()))
    warmed = design.vector({"g": 0.5})
    monkeypatch.setattr("oddsmith.data.encoding.as_series", None)
    assert (
        design.vector({"g": 2}) == design.vector({"g": 2.0}) == design.vector({"g": np.int64(2)}) == [1, 0, 0]
    )
    assert design.vector({"g": 0.5}) == warmed == [0, 1, 0]
    assert design.vector({"g": True}) == design.vector({"g": np.bool_(True)}) == [0, 0, 1]
