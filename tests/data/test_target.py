"""Targets: labels against pandas and scikit-learn, expressions, mapped labels, refusals."""

import random
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder

from oddsmith.data.cells import MissingMarkers
from oddsmith.data.table import Table
from oddsmith.data.target import Target, TargetOptions, read_target
from oddsmith.errors import InputError

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not here")


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


def target_of(
    table: Table,
    target: str = "y",
    positive: str | None = None,
    map_label: tuple[str, ...] = (),
    classes: tuple[str, ...] | None = None,
    missing: tuple[str, ...] = (),
) -> Target:
    markers = MissingMarkers.from_options(missing, table.frame.columns)
    return read_target(table, TargetOptions(target, positive, map_label), markers, classes)


def counts(target: Target) -> dict[str, int]:
    return {label: int((target.codes == code).sum()) for code, label in enumerate(target.classes)}


def refusal(table: Table, target: str = "y", **options: object) -> str:
    with pytest.raises(InputError) as caught:
        target_of(table, target, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


@given(
    st.lists(st.sampled_from(["cat", "dog", "Eel", "ant", "ü"]), min_size=2).filter(lambda y: len(set(y)) > 1)
)
def test_text_labels_are_coded_as_scikit_learn_codes_them(labels: list[str]) -> None:
    peer = LabelEncoder().fit(labels)
    ours = target_of(text_table(y=list(labels)))
    assert ours.classes == tuple(peer.classes_)
    assert ours.codes.tolist() == peer.transform(labels).tolist()
    assert ours.label_type == "text"


@given(st.lists(st.integers(-12, 12), min_size=2).filter(lambda y: 1 < len(set(y)) <= 20))
def test_whole_numbers_are_coded_alike_as_text_integers_and_floats(labels: list[int]) -> None:
    peer = LabelEncoder().fit(labels)
    for cells in (labels, [float(label) for label in labels], [str(label) for label in labels]):
        ours = target_of(Table(pl.DataFrame({"y": cells}), "table"))
        assert [int(label) for label in ours.classes] == peer.classes_.tolist()
        assert ours.codes.tolist() == peer.transform(labels).tolist()
        assert ours.label_type == "integer"


@given(st.lists(st.sampled_from(["2", "10", "a", None, "NA"]), min_size=3), st.randoms())
def test_classes_do_not_depend_on_the_order_of_rows(labels: list[str | None], source: random.Random) -> None:
    order = list(range(len(labels)))
    source.shuffle(order)

    def outcome(cells: list[str | None]) -> Target | str:
        try:
            return target_of(text_table(y=cells))
        except InputError as error:
            return str(error)

    first, second = outcome(labels), outcome([labels[row] for row in order])
    if isinstance(first, str) or isinstance(second, str):
        assert first == second
    else:
        assert first.classes == second.classes
        assert first.codes[order].tolist() == second.codes.tolist()


@pytest.mark.parametrize(
    ("cells", "classes", "label_type"),
    [
        (["10", "9", "-1"], ("-1", "9", "10"), "integer"),
        (["10", "9", "x"], ("10", "9", "x"), "text"),
        (["1.5", "0.5"], ("0.5", "1.5"), "text"),
        (["1.0", "0.0"], ("0", "1"), "integer"),
        (["+1", "-1", "1", "1e0"], ("-1", "1"), "integer"),
        (["0.50", "2.5e0", "-0"], ("0", "0.5", "2.5"), "text"),
        (["1e300", "1"], ("1", "1e+300"), "text"),
        (["1.0", "2", "n/a"], ("1.0", "2", "n/a"), "text"),
        (["02", "10", "1"], ("02", "1", "10"), "text"),
        (["True", "False"], ("False", "True"), "boolean"),
        (["TRUE", "FALSE"], ("False", "True"), "boolean"),
        (["true", "false"], ("False", "True"), "boolean"),
        (["true", "False"], ("False", "true"), "text"),
        ([" a", "a ", "b"], ("a", "b"), "text"),
        (["9007199254740993", "9007199254740992"], ("9007199254740992", "9007199254740993"), "integer"),
    ],
)
def test_the_order_and_the_type_of_classes(
    cells: list[str], classes: tuple[str, ...], label_type: str
) -> None:
    found = target_of(text_table(y=[*cells, None, "NA"]))
    assert (found.classes, found.label_type) == (classes, label_type)
    assert found.codes[-2:].tolist() == [-1, -1]
    assert found.codes.dtype == np.int16


def test_the_positive_class_comes_last() -> None:
    table = text_table(y=["1", "2", "1", None])
    assert target_of(table).classes == ("1", "2")
    turned = target_of(table, positive="1")
    assert turned.classes == ("2", "1")
    assert turned.codes.tolist() == [1, 0, 1, -1]


def test_a_column_by_name_by_position_and_with_an_operator_in_its_name() -> None:
    columns = {"x": ["5", "6"], "x > 5": ["b", "a"], "2": ["c", "d"], "two words": ["e", "f"]}
    table = text_table(**columns)
    assert target_of(table, "x > 5").classes == ("a", "b")
    assert target_of(table, "x > 5").columns == ("x > 5",)
    assert target_of(table, "2").classes == ("c", "d")
    assert target_of(table, "-1").name == "two words"
    assert target_of(table, '"two words"').name == "two words"
    expression = target_of(table, "x >5")
    assert (expression.name, expression.columns, expression.classes) == ("x >5", ("x",), ("False", "True"))


NUMERIC = {
    "a": ["1", "2", None, "0.5", "3e0"],
    "b": ["0", "2", "5", "1", "NA"],
    "Annual Income": ["49", "50", "51", "5e1", "1"],
    "word": ["it's", "no", "yes", None, "yes"],
    "code": ["01", "2", "3", "4", "5"],
}


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("a > 1", ["False", "True", None, "False", "True"]),
        ("a != 1", ["False", "True", None, "True", "True"]),
        ('"Annual Income" >= 50 AND a < 2', ["False", "False", None, "True", "False"]),
        ("a IS NULL", ["False", "False", "True", "False", "False"]),
        ("a + b > 2", ["False", "True", None, "False", None]),
        ("b BETWEEN 1 AND 2", ["False", "True", "False", "True", None]),
        ("b IN (1, 2, 3, 4, 5)", ["False", "True", "True", "True", None]),
        ("word = 'yes'", ["False", "False", "True", None, "True"]),
        ("word = 'it''s'", ["True", "False", "False", None, "False"]),
        ("word LIKE '%s'", ["True", "False", "True", None, "True"]),
        ("code = '01'", ["True", "False", "False", "False", "False"]),
        ("CASE WHEN a > 1 THEN 'high' WHEN a <= 1 THEN 'low' END", ["low", "high", None, "low", "high"]),
        ("CASE WHEN a > 1 THEN 2 ELSE 1 END", ["1", "2", "1", "1", "2"]),
        ("CASE WHEN b > 1 THEN b ELSE 0 END", ["0", "2", "5", "0", "0"]),
        ("a / NULLIF(b, 0) > 0.5", [None, "True", None, "False", None]),
    ],
)
def test_an_expression_gives_the_labels_of_its_rows(expression: str, labels: list[str | None]) -> None:
    found = target_of(text_table(**NUMERIC), expression)
    assert [found.classes[code] if code >= 0 else None for code in found.codes] == labels
    assert found.name == expression


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("a >", "neither a column nor an SQL expression"),
        ("", "neither a column nor an SQL expression"),
        ("a > 0; DROP TABLE b", "neither a column nor an SQL expression"),
        ("income > 5", "'income' is none of the table's columns"),
        ("Anual Income", "Did you mean 'Annual Income'?"),
        ("annual.income > 5", "stands in double quotes"),
        ("a > 0 b > 1", "neither a column nor an SQL expression"),
        ("a > 0 and_more", "ends in a name for the result, 'and_more'"),
        ("1 = 1", "reads no column"),
        ("a + 0.5", "gives Float64 values, not classes"),
        ("word > 5", "'word' holds text"),
        ("a = '1'", "'a' holds numbers"),
        ("a > AVG(a)", "looks at other rows"),
        ("FIRST(a) > 1", "looks at other rows"),
        ("ROW_NUMBER() OVER (ORDER BY a) > 2", "looks at other rows"),
        ("LAG(b) OVER (ORDER BY b) > 1", "looks at other rows"),
        ("a > (SELECT 1)", "cannot be computed"),
    ],
)
def test_a_wrong_expression_is_a_sentence(expression: str, words: str) -> None:
    message = refusal(text_table(**NUMERIC), expression)
    assert message.startswith("requests.csv: ")
    assert words in message


def test_zero_divided_by_zero_is_no_label() -> None:
    table = text_table(a=["0", "1", "2"], b=["0", "1", "0"])
    assert "divides zero by zero" in refusal(table, "a / b > 1")
    assert target_of(table, "a / NULLIF(b, 0) > 1 OR a = 2").codes.tolist() == [-1, 0, 1]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1", "1", None], "target 'y' has one class: 1 (rows with a label: 2)"),
        ([None, "NA", ""], "target 'y' has no label in any of 3 rows"),
        (
            [str(row / 8) for row in range(60)] * 4,
            "target 'y' has 60 different values in 240 rows: a measurement",
        ),
        ([str(row) for row in range(40)], "--target 'y > 19'"),
        ([f"name {row}" for row in range(40)], "Choose another column"),
        (["1", "1.0", "+1"], "target 'y' has one class: 1 (rows with a label: 3)"),
    ],
)
def test_columns_that_are_no_target(cells: list[str | None], words: str) -> None:
    assert words in refusal(text_table(y=cells))


def test_the_remedy_for_a_measurement_works_as_it_is_written() -> None:
    table = text_table(**{"Annual Income": [str(row) for row in range(40)]})
    found = re.search(r"--target '([^']*)'", refusal(table, "Annual Income"))
    assert found is not None
    assert counts(target_of(table, found.group(1))) == {"False": 20, "True": 20}


@pytest.mark.parametrize("labels", [["1", "2", "3"], ["Gryffindor", "Hufflepuff", "Ravenclaw"]])
def test_the_remedy_for_positive_among_many_works_as_it_is_written(labels: list[str]) -> None:
    table = text_table(y=labels * 2)
    message = refusal(table, positive=labels[1])
    found = re.search(r"--target (['\"])(.*)\1\.$", message)
    assert found is not None
    assert target_of(table, found.group(2)).codes.tolist() == [0, 1, 0] * 2


def test_an_unknown_positive_label_is_met_with_the_labels_there_are() -> None:
    assert "--positive 'yes' is none of its labels 'n', 'y'." in refusal(
        text_table(y=["y", "n"]), positive="yes"
    )


def test_twenty_classes_of_few_rows_and_many_classes_of_many_rows_are_classes() -> None:
    assert len(target_of(text_table(y=[f"c{row}" for row in range(20)])).classes) == 20
    assert len(target_of(text_table(y=[f"c{row}" for row in range(60)] * 2)).classes) == 60
    assert len(target_of(text_table(y=[str(row) for row in range(20)] * 2)).classes) == 20


def test_more_numbers_than_twenty_are_a_measurement_however_often_they_occur() -> None:
    assert "21 different values in 210 rows: a measurement" in refusal(
        text_table(y=[str(row) for row in range(21)] * 10)
    )


ADULT = ["<=50K.", ">50K.", "<=50K.", None]


@pytest.mark.parametrize(
    ("cells", "mappings", "labels"),
    [
        (ADULT, ("x.=x",), ["<=50K", ">50K", "<=50K", None]),
        (ADULT, ("<=50K.=<=50K",), ["<=50K", ">50K.", "<=50K", None]),
        (ADULT, ("<=50K.=<=50K", ">50K.=>50K"), ["<=50K", ">50K", "<=50K", None]),
        (["a", "b"], ("a=b", "b=a"), ["b", "a"]),  # at once, not one after the other
        (["a", "b", "c"], ("c=b",), ["a", "b", "b"]),
        (["x.", "y.", "z"], ("x.=x",), ["x", "y.", "z"]),  # a label that occurs wins over the pattern
        (["class_a", "class_b", "c"], ("class_x=x",), ["a", "b", "c"]),
        (["a-1", "b-1"], ("x-1=1 x",), ["1 a", "1 b"]),
        (["1.0", "2.0"], ("x.0=x",), ["1", "2"]),
        (["a=b", "c"], ("a=b=d",), ["d", "c"]),
        ([" a ", "b"], (" a = c ",), ["c", "b"]),
    ],
)
def test_mapped_labels(cells: list[str | None], mappings: tuple[str, ...], labels: list[str | None]) -> None:
    found = target_of(text_table(y=cells), map_label=mappings)
    assert [found.classes[code] if code >= 0 else None for code in found.codes] == labels


@pytest.mark.parametrize(
    ("cells", "mappings", "words"),
    [
        (["a", "b"], ("nothing",), "not of the form FROM=TO"),
        (["a", "b"], ("=",), "not of the form FROM=TO"),
        (["a", "b"], ("c=a",), "fits none of the labels 'a', 'b'"),
        (["foo", "bar"], ("fox=ox",), "fits none of the labels"),  # an x within a word is a letter
        (["a", "a=b", "c"], ("a=b=c",), "can mean that 'a' becomes 'b=c' or 'a=b' becomes 'c'"),
        (["a", "b", "c"], ("a=b", "a=c"), "makes both 'b' and 'c' of the label 'a'"),
        (["a=", "b"], ("a==",), "give it to --missing"),
        (["a", "b"], ("a=b",), "has one class: b"),
    ],
)
def test_mappings_that_fit_nothing_or_too_much(
    cells: list[str], mappings: tuple[str, ...], words: str
) -> None:
    assert words in refusal(text_table(y=cells), map_label=mappings)


def test_evaluation_keeps_the_classes_of_the_model() -> None:
    classes = ("no", "maybe", "yes")
    found = target_of(text_table(y=["yes", "no", None, "yes"]), classes=classes, map_label=("y=yes", "x.=x"))
    assert found.classes == classes
    assert found.codes.tolist() == [2, 0, -1, 2]
    assert target_of(text_table(y=["yes", "yes"]), classes=classes).codes.tolist() == [2, 2]


def test_evaluation_names_the_first_unknown_label_and_the_mapping_that_mends_it() -> None:
    table, classes = text_table(x=["1", "2", "3"], y=[None, ">50K", "<=50K."]), ("<=50K", ">50K")
    message = refusal(table, classes=classes)
    assert message.startswith("requests.csv:4:2: label '<=50K.' of target 'y' is none of the model's classes")
    found = re.search(r"--map-label '([^']*)'", message)
    assert found is not None
    assert target_of(table, classes=classes, map_label=(found.group(1),)).codes.tolist() == [-1, 1, 0]


def test_a_filtered_table_names_the_line_in_the_file() -> None:
    table = text_table(y=["a", "b", "c", "b"]).take(np.array([1, 2, 3]))
    assert refusal(table, classes=("a", "b")).startswith("requests.csv:4:1: label 'c'")


def test_evaluation_refuses_another_positive_class() -> None:
    table = text_table(y=["a", "b"])
    assert "positive class is 'b', not 'a'" in refusal(table, classes=("a", "b"), positive="a")
    assert target_of(table, classes=("b", "a"), positive="a").codes.tolist() == [1, 0]


@given(st.lists(st.none() | st.floats(0, 3, width=16), min_size=4))
def test_expressions_agree_with_pandas(values: list[float | None]) -> None:
    expected = pd.DataFrame({"a": pd.Series(values, dtype="Float64")}).eval("a * 2 - 1 > 1 and a < 2.5")
    if expected.dropna().nunique() == 2:
        found = target_of(Table(pl.DataFrame({"a": values}), "table"), "a * 2 - 1 > 1 AND a < 2.5")
        assert found.codes.tolist() == expected.astype("Int64").fillna(-1).tolist()


@needs_data
def test_adult_train_and_test() -> None:
    train = from_file(DATA / "csv/adult-train.csv", header=False)
    test = from_file(DATA / "csv/adult-test.csv", header=False)
    fitted = target_of(train, "-1")
    assert counts(fitted) == {"<=50K": 24720, ">50K": 7841}
    for mappings in (("x.=x",), ("<=50K.=<=50K", ">50K.=>50K")):
        again = target_of(test, "-1", classes=fitted.classes, map_label=mappings)
        assert counts(again) == {"<=50K": 12435, ">50K": 3846}
    assert "csv:1:15: label '<=50K.'" in refusal(test, "-1", classes=fitted.classes)


@needs_data
@pytest.mark.parametrize(
    ("name", "target", "positives"),
    [
        ("fair", "affairs > 0", 2053),
        ("titanic", "survived", 342),
        ("titanic", "alive = 'yes'", 342),
        ("UCI_Credit_Card", "default.payment.next.month", 6636),
        ("UCI_Credit_Card", '"default.payment.next.month" = 1', 6636),
    ],
)
def test_published_counts_of_positives(name: str, target: str, positives: int) -> None:
    found = target_of(from_file(DATA / f"csv/{name}.csv"), target)
    assert len(found.classes) == 2
    assert int((found.codes == 1).sum()) == positives


@needs_data
def test_hogwarts_houses() -> None:
    found = target_of(from_file(DATA / "hogwarts/dataset_train.csv"), "2")
    frame = pd.read_csv(DATA / "hogwarts/dataset_train.csv")
    assert counts(found) == frame["Hogwarts House"].value_counts().to_dict()
    assert "has no label in any of 400 rows" in refusal(from_file(DATA / "hogwarts/dataset_test.csv"), "2")


@needs_data
def test_affairs_themselves_are_a_measurement() -> None:
    assert "Make two classes of it" in refusal(from_file(DATA / "csv/fair.csv"), "affairs")
