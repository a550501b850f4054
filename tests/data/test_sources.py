"""Several files as one table: which files, matched columns, places, and one meaning for every format."""

import datetime
import io
import os
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import oddsmith
from oddsmith.data.pieces import as_pieces
from oddsmith.data.read import Reading, read_table
from oddsmith.data.sources import files_of
from oddsmith.errors import InputError
from oddsmith.model.evaluating import evaluate_pieces


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**contents):
    """Files by name, `_` standing for a dot: CSV text, or a table for Parquet."""
    for name, content in contents.items():
        path = Path(name.replace("_", "."))
        if isinstance(content, str):
            path.write_text(content)
        else:
            pq.write_table(pa.table(content), path)


def refusal(paths, **reading):
    with pytest.raises(InputError) as caught:
        read_table(paths, Reading(**reading))
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) <= 600
    return message


def test_a_pattern_names_files_in_the_order_of_their_names(here):
    (here / "sub").mkdir()
    for name in ("part-2.csv", "part-10.csv", "part-1.csv", "other.csv", ".part-0.csv", "sub/part-3.csv"):
        (here / name).write_text("a,b\n1,2\n")
    assert files_of("part-*.csv") == ("part-1.csv", "part-10.csv", "part-2.csv")
    assert files_of(["other.csv", "part-?.csv"]) == ("other.csv", "part-1.csv", "part-2.csv")
    assert files_of("part-[2-9].csv") == ("part-2.csv",)
    assert files_of("**/part-3.csv") == ("sub/part-3.csv",)
    assert files_of(Path("part-*.csv")) == files_of(("part-*.csv",))
    assert files_of([str(here / "other.csv")]) == (str(here / "other.csv"),)
    assert read_table("part-*.csv").name == "part-1.csv and 2 more files"
    assert read_table(["part-1.csv", "other.csv"]).name == "part-1.csv and 1 more file"


def test_a_file_that_exists_wins_over_a_pattern(here):
    for name in ("a[1].csv", "a1.csv", "b*.csv", "bb.csv", "what?.csv"):
        (here / name).write_text(f"x\n{name}\n")
        assert files_of(name) == (name,)
    assert files_of("[") == ("[",)
    assert read_table("a[1].csv").frame["x"].to_list() == ["a[1].csv"]
    (here / "a[1].csv").unlink()
    assert files_of("a[1].csv") == ("a1.csv",)


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        (
            "nothing-*.csv",
            "nothing-*.csv: there is no such file, and none whose name fits this pattern. Check",
        ),
        ("\x1b[31m-*", "\\x1b[31m-*: there is no such file, and none"),
        ("a\0*", "a\\x00*: there is no such file"),
        ([], "no file is named."),
        (["a.csv", "-"], "standard input (-) is read alone."),
        (["-", "-"], "standard input (-) is read alone."),
        (
            ["a.csv", "a.csv"],
            "a.csv: this file is named twice, so that its rows would count twice. Name it once.",
        ),
        (["a.csv", "./a.csv"], "./a.csv: this file is named twice, also as a.csv, so that"),
        (["a.csv", "link.csv"], "link.csv: this file is named twice, also as a.csv"),
        (["a.csv", "hard.csv"], "hard.csv: this file is named twice, also as a.csv"),
        (["b.csv", "?.csv"], "b.csv: this file is named twice, so that"),
        (["a.csv", "absent.csv"], "absent.csv: there is no such file. Check the path."),
        (["a.csv", "folder"], "folder: this is a folder."),
        (
            ["a.csv", "more.csv"],
            "a.csv: no column called 'z', which more.csv has. Files that are read together",
        ),
        (["more.csv", "a.csv"], "a.csv: no column called 'z', which more.csv has."),
        (["a.csv", "other.csv"], "other.csv: no column called 'x' (and 1 more), which a.csv has."),
        (["a.csv", "short.csv"], "short.csv:3: line 3 has 1 field, the header has 2."),
        (["a.csv", "svm"], "svm: no column called 'x' (and 1 more), which a.csv has."),
    ],
)
def test_files_that_cannot_be_read_together(here, paths, sentence):
    write(a_csv="x,y\n1,2\n", b_csv="x,y\n3,4\n", more_csv="x,y,z\n1,2,3\n", other_csv="u,v\n1,2\n")
    write(short_csv="x,y\n1,2\n3\n", svm="1 1:2\n")
    (here / "link.csv").symlink_to("a.csv")
    os.link("a.csv", "hard.csv")
    (here / "folder").mkdir()
    assert refusal(paths).startswith(sentence)


def test_rows_follow_one_another_and_columns_are_matched_by_name(here):
    write(a_csv="x,y\n1,2\n3,4\n", b_csv="y,x\n6,5\n", c_csv="x,y\n", d_parquet={"y": ["8"], "x": ["7"]})
    table = read_table(["a.csv", "b.csv", "c.csv", "d.parquet"])
    assert table.frame.to_dict(as_series=False) == {"x": ["1", "3", "5", "7"], "y": ["2", "4", "6", "8"]}
    assert [name for name, _ in table.digests] == ["a.csv", "b.csv", "c.csv", "d.parquet"]
    assert len({digest for _, digest in table.digests}) == 4


def test_a_message_names_the_file_and_the_line_in_it(here):
    write(
        a_csv='x,t,y\n1,"u\nv",2\n',
        b_csv='y,x,t\n\n2,"3\r\n",u\n4,5,w\n',
        c_parquet={c: ["6"] for c in "xty"},
    )
    table = read_table(["a.csv", "b.csv", "c.parquet"])
    found = [[table.place(row, column) for column in ("x", "t", "y")] for row in range(4)]
    assert found == [
        ["a.csv:2:1", "a.csv:2:2", "a.csv:3:3"],
        ["b.csv:3:2", "b.csv:4:3", "b.csv:3:1"],
        ["b.csv:5:2", "b.csv:5:3", "b.csv:5:1"],
        [f"c.parquet: row 1, column '{column}'" for column in ("x", "t", "y")],
    ]
    taken = table.take(np.array([3, 2]))
    assert [taken.place(row, "y") for row in (0, 1)] == ["c.parquet: row 1, column 'y'", "b.csv:5:1"]
    write(d_csv="x,y\n" + "1,0\n2,1\n" * 9, e_csv="y,x\n" + "1,3\n0,4\n" * 9 + "1,many\n")
    with pytest.raises(InputError, match=r"^e\.csv:20:2: 'many' in numeric column 'x' \(36 of 37 cells"):
        oddsmith.train(["d.csv", "e.csv"], "y")


@pytest.mark.parametrize(
    ("parts", "cells"),
    [
        ([pa.array([1, None]), pa.array([2**60 + 1])], [1, None, 2**60 + 1]),
        ([pa.array([1], pa.int8()), pa.array([2**60 + 1])], ["1", str(2**60 + 1)]),
        ([pa.array([2**53 + 1]), pa.array([0.5, 2.0])], [str(2**53 + 1), "0.5", "2"]),
        ([pa.array([0.5], pa.float32()), pa.array([0.1])], ["0.5", "0.1"]),
        ([pa.array([0.1], pa.float32()), pa.array([1])], ["0.10000000149011612", "1"]),
        ([pa.array([1]), "0x1F,007"], ["1", "0x1F", "007"]),
        ([pa.array([True, None]), "false,TRUE,maybe"], ["True", None, "False", "True", "maybe"]),
        ([pa.array([True]), pa.array([1])], ["True", "1"]),
        ([pa.array([None, None]), pa.array([0.5])], [None, None, 0.5]),
        ([pa.array([], pa.string()), pa.array([0.5])], [0.5]),
        ([pa.array([datetime.date(2020, 1, 2)]), "2020-01-03"], ["2020-01-02", "2020-01-03"]),
        ([pa.array([Decimal("1.50")]), pa.array([Decimal("2.500")])], ["1.5", "2.5"]),
        ([pa.array(["a"]).dictionary_encode(), "b"], ["a", "b"]),
        ([pa.array([[1]]), "b"], [[1], "b"]),
        ([pa.array([b"a"]), pa.array([[1]])], [b"a", [1]]),
        ([pa.array([[Decimal(1)]], pa.list_(pa.decimal256(60, 0))), pa.nulls(1)], [[Decimal(1)], None]),
    ],
)
def test_columns_of_different_types_keep_every_digit(here, parts, cells):
    for number, part in enumerate(parts):
        if isinstance(part, str):
            Path(f"part-{number}").write_text("x,y\n" + "".join(f"{cell},0\n" for cell in part.split(",")))
        else:
            pq.write_table(pa.table({"x": part, "y": ["0"] * len(part)}), f"part-{number}")
    found = read_table("part-*").frame["x"].to_list()
    assert found == cells
    assert [type(cell) for cell in found] == [type(cell) for cell in cells]


def test_notes_name_their_file_and_are_few(here):
    write(**{f"f{number}_csv": f"a,b,\n{number},2,\n" for number in range(7)})
    notes = read_table("f*.csv").notes
    assert notes[0] == "f0.csv: column 3 has no name and no cells; left out."
    assert len(notes) == 5
    assert notes[-1] == "3 more such notes on the other files."
    write(g1_csv="a,b\n1,2\n", g2_csv="a,b\n1,2\n", g3_csv="a,b\n3,4\n", g4_csv="a,b\n", g5_csv="a,b\n")
    assert read_table("g*.csv").notes == ("g2.csv: the same bytes as g1.csv: its rows count once more.",)


def test_svmlight_files_and_others_of_the_same_columns(here):
    write(
        a_svm="1 1:2\n0 3:4\n",
        b_svm="1 2:5\n",
        c_csv="x3,label,x1,x2\n6,1,7,8\n",
        d_csv="x3,label,x1,x9\n6,1,7,8\n",
    )
    table = read_table(["a.svm", "b.svm"])
    assert table.frame.to_dict(as_series=False) == {
        "label": ["1", "0", "1"],
        "x1": [2.0, 0.0, 0.0],
        "x2": [0.0, 0.0, 5.0],
        "x3": [0.0, 4.0, 0.0],
    }
    assert read_table(["b.svm", "a.svm"]).frame.columns == ["label", "x1", "x2", "x3"]
    assert table.completed(["x5"]).frame.columns == ["label", "x1", "x2", "x3", "x5"]
    mixed = read_table(["b.svm", "c.csv"])
    assert mixed.frame.to_dict(as_series=False) == {
        "label": ["1", "1"],
        "x1": ["0", "7"],
        "x2": ["5", "8"],
        "x3": ["0", "6"],
    }
    assert mixed.completed(["x5"]) is mixed
    assert refusal(["b.svm", "d.csv"]).startswith("d.csv: no column called 'x2', which b.svm has.")


def test_parts_train_and_predict_as_the_whole_does(here):
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(
        {"x": rng.normal(size=90), "g": rng.choice(["a", "b"], 90), "y": rng.integers(0, 2, 90)}
    )
    frame.write_csv("whole.csv")
    frame[:30].write_csv("part-1.csv")
    frame[30:31].select("y", "g", "x").write_csv("part-2.csv")
    frame[31:].write_parquet("part-3.parquet")
    whole, parts = oddsmith.train("whole.csv", "y"), oddsmith.train("part-*", "y")
    assert parts.record.equations == whole.record.equations
    assert len(parts.record.training.digests) == 3
    np.testing.assert_array_equal(parts.predict_proba("part-*"), whole.predict_proba("whole.csv"))
    again = oddsmith.train(["part-1.csv", "part-2.csv", "part-3.parquet"], "y")
    assert again.record == parts.record


def test_rows_that_were_trained_on_are_noticed_in_any_company(here):
    rows = [f"{i % 7},{i * i % 5 > 1}\n" for i in range(60)]
    for number in range(3):
        Path(f"part-{number}.csv").write_text("x,y\n" + "".join(rows[number * 20 : number * 20 + 20]))
    Path("later.csv").write_text("x,y\n" + "".join(rows[5:25]))
    model = oddsmith.train(["part-0.csv", "part-1.csv"], "y")

    def said(paths):
        _, notes = evaluate_pieces(model, as_pieces(paths))
        return notes

    every = ["these are the rows that the model was trained on: its figures flatter it."]
    assert said("part-1.csv") == said(["part-1.csv", "part-0.csv"]) == every
    assert said(["later.csv", "part-1.csv"]) == [
        "the model was trained on rows of part-1.csv: its figures flatter it."
    ]
    assert said("later.csv") == said(["part-2.csv", "later.csv"]) == []


N = 150
RNG = np.random.default_rng(1)


def gaps(cells):
    return [None if RNG.random() < 0.1 else cell for cell in cells]


COLUMNS = {
    "count": gaps(RNG.integers(-5, 9, N).tolist()),
    "amount": gaps((RNG.normal(size=N) * 10.0 ** RNG.integers(-8, 8, N)).tolist()),
    "whole": gaps(RNG.integers(0, 4, N).astype(float).tolist()),
    "flag": gaps((RNG.random(N) < 0.4).tolist()),
    "level": gaps(RNG.choice(["a", "b b", "ü,\n"], N).tolist()),
    "grade": gaps(RNG.choice([1.0, 2.0, 10.0, 2.5], N).tolist()),
    "day": [datetime.date(2020, 1, 1 + k % 3) for k in range(N)],
    "at": gaps([datetime.datetime(2020, 1, 1, k % 3) for k in range(N)]),
    "clock": gaps([datetime.time(k % 3, 30) for k in range(N)]),
    "price": pl.Series(gaps([Decimal(k * k % 977) / 100 for k in range(N)]), dtype=pl.Decimal(10, 2)),
    "code": [f"{k % 5:03d}" for k in range(N)],
    "large": pl.Series(RNG.integers(0, 2**50, N).tolist(), dtype=pl.UInt64),
    "nothing": pl.Series([None] * N, dtype=pl.Null),
    "id": [2**53 + 1 + 2 * k for k in range(N)],
}
TARGETS = {
    "whole numbers": (RNG.integers(0, 2, N).tolist(), [0, 1]),
    "signed": (gaps(RNG.choice([-1, 1], N).tolist()), [-1, 1]),
    "floats": (gaps(RNG.integers(0, 2, N).astype(float).tolist()), [0, 1]),
    "halves": (gaps(RNG.choice([0.5, 1.0, 2.0], N).tolist()), ["0.5", "1", "2"]),
    "booleans": ((RNG.random(N) < 0.5).tolist(), [False, True]),
    "booleans with gaps": (gaps((RNG.random(N) < 0.5).tolist()), [False, True]),
    "texts": (RNG.choice(["a", "b", "c"], N).tolist(), ["a", "b", "c"]),
}
OPTIONS = {
    "floats": {"categorical": ["grade", "whole", "flag", "count"]},
    "booleans": {"missing_indicator": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_a_table_means_the_same_in_every_format(here, target):
    cells, classes = TARGETS[target]
    frame = pl.DataFrame({**COLUMNS, "y": cells})
    pandas = frame.to_pandas()
    frame.write_csv("polars.csv")
    pandas.to_csv("pandas.csv", index=False)
    frame.write_csv("true.csv")
    Path("true.csv").write_text(
        Path("true.csv").read_text().replace("true", "True").replace("false", "False")
    )
    pq.write_table(frame.to_arrow(), "arrow.parquet")
    frame.write_parquet("polars.parquet")
    pandas.to_parquet("pandas.parquet")
    frame[:70].write_csv("part-1")
    frame[70:].write_parquet("part-2")
    forms = [
        "polars.csv",
        "pandas.csv",
        "true.csv",
        "arrow.parquet",
        "polars.parquet",
        "pandas.parquet",
        "part-?",
    ]
    models = {
        name: oddsmith.train(data, "y", id="id", alpha=0.01, **OPTIONS.get(target, {}))
        for name, data in [
            *((form, form) for form in forms),
            ("polars", frame),
            ("pandas", pandas),
            ("arrow", frame.to_arrow()),
        ]
    }
    first = models["polars.csv"]
    assert first.classes.tolist() == classes
    expected = first.predict_proba("polars.csv")
    figures = evaluate_pieces(first, as_pieces("polars.csv"))[0]
    for name, model in models.items():
        found, wanted = msgspec.to_builtins(model.record), msgspec.to_builtins(first.record)
        for record in (found, wanted):
            del record["training"]["digests"], record["digest"]
        assert found == wanted, name
        assert model.classes.dtype == first.classes.dtype
        data = {"polars": frame, "pandas": pandas, "arrow": frame.to_arrow()}.get(name, name)
        np.testing.assert_array_equal(first.predict_proba(data), expected)
        assert evaluate_pieces(first, as_pieces(data))[0] == figures


def test_standard_input_is_one_source(here, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x,y\n1,2\n")))
    assert read_table(["-"]).name == "standard input"
