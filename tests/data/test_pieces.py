"""The same rows, places and sentences, wherever a file is cut."""

import gzip
import hashlib
import os

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.data import content as content_module
from oddsmith.data import delimited
from oddsmith.data import pieces as pieces_module
from oddsmith.data.pieces import OnePiece, Pieces
from oddsmith.data.read import Reading, read_table
from oddsmith.data.table import Table
from oddsmith.errors import InputError

SIZES = (1, 2, 3, 7, 30, 1 << 20)


def in_pieces(paths, size, **reading):
    """Pieces of `size` bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces_module, "piece_size", lambda memory=None: size)
        return Pieces(paths, Reading(**reading))


def outcome(read):
    """What is read: columns, types, rows, the place of every cell, digests and notes; or the sentence that refuses it."""
    try:
        name, tables, digests, notes = read()
    except InputError as refusal:
        return str(refusal)
    frame = pl.concat([table.frame for table in tables])
    places = [
        table.place(row, column)
        for table in tables
        for row in range(table.frame.height)
        for column in frame.columns
    ]
    return name, frame.schema, frame.rows(), places, digests, notes


def at_once(paths, **reading):
    def read():
        table = read_table(paths, Reading(**reading))
        return table.name, [table], table.digests, table.notes

    return outcome(read)


def cut(paths, size, **reading):
    def read():
        pieces = in_pieces(paths, size, **reading)
        tables = list(pieces)
        assert {table.name for table in tables} == {pieces.name}
        assert pieces.n_rows == sum(table.frame.height for table in tables)
        again = list(pieces)
        assert [table.frame.rows() for table in again] == [table.frame.rows() for table in tables]
        return pieces.name, tables, pieces.digests, pieces.notes

    return outcome(read)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pieces")


def same_everywhere(path, content, **reading):
    path.write_bytes(content)
    expected = at_once(path, **reading)
    for size in SIZES:
        assert cut(path, size, **reading) == expected, (content, size)
    return expected


TEXTS = {
    "plain": b"a,b\n1,2\n3,4\n5,6\n",
    "no end": b"a,b\n1,2\n3,4",
    "crlf": b"a,b\r\n1,2\r\n\r\n3,4\r\n",
    "cr": b"a,b\r1,2\r\r3,4\r5,6",
    "mixed": b"a,b\r1,2\n3,4\r\n5,6\r\r\n7,8",
    "mark": b"\xef\xbb\xbfa,b\n1,2\n",
    "a mark in a cell": b"a,b\n\xef\xbb\xbf1,2\n\xef\xbb\xbf3,4\n",
    "marks": b"\xef\xbb\xbf\xef\xbb\xbfa,b\n1,2\n",
    "quoted": b'a,b\n"1","2\n3"\n"x ""y""","4\r\n\r5"\n6,7\n',
    "quoted names": b'"a\nb","c,d"\n1,2\n3,4\n',
    "blank lines": b"\n\na,b\n\n1,2\n\n\n3,4\n\n",
    "one column": b"a\n1\n\n2\n\n",
    "one column, quoted": b'a\n1\n""\n\n2\n',
    "trailing": b"a,b,,\n1,2,,\n3,4,,\n",
    "a cell without a name": b"a,b,,\n1,2,,\n3,4,,\n5,6,7,\n",
    "only a header": b"a,b\n",
    "only a header, blank lines": b"\na,b\n\n\n",
    "empty": b"",
    "blank": b"\n\n\r\n",
    "numbers for names": b"1,2\n3,4\n",
    "twice": b"a,b,a\n1,2,3\n",
    "no name": b"a,,b\n1,2,3\n",
    "no names": b",,\n,,\n",
    "short": b"a,b\n1,2\n3,4\n5\n6,7\n",
    "long": b"a,b\n1,2\n3,4\n5,6,7\n",
    "short and long": b"a,b\n1,2\n3\n4,5,6\n7,8\n",
    "cut short": b"a,b\n1,2\n3,4\n5",
    "long at the end": b"a,b\n1,2\n3,4,",
    "quote inside": b'a,b\n1,2\n3,4"5\n6,7\n',
    "text after a quote": b'a,b\n1,2\n"3"4,5\n6,7\n',
    "blank after a quote": b'a,b\n"3" ,5\n6,7\n',
    "never closed": b'a,b\n1,2\n"3,4\n5,6\n7,8\n',
    "nul": b"a,b\n1,2\n3,\x004\n5,6\n",
    "nul tail": b"a,b\n1,2\n\x00\x00\x00\x00\x00\x00\x00",
    "latin-1": "a,b\n1,2\né,4\n5,6\n".encode("latin-1"),
    "utf-8": "ä,b\n1,€\n😀,4\n".encode(),
    "a character cut off": "a,b\n1,€".encode()[:-1],
    "semicolons": b"a;b\n1;2\n",
    "sep": b"sep=;\na;b\n",
    "zip": b"PK\x03\x04abc",
    "svmlight": b"# rows\n\n1 1:2 3:4 # x\n-1 qid:2 2:1\n",
    "svmlight without a label": b"1 1:2\nx 2:1\n",
    "a tag": b"<html><body>",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_means_the_same_wherever_it_is_cut(folder, name):
    expected = same_everywhere(folder / "t.csv", TEXTS[name])
    same_everywhere(folder / "t.csv", TEXTS[name], header=False)
    packed = gzip.compress(TEXTS[name])
    zipped = same_everywhere(folder / "t.csv.gz", packed)
    if isinstance(expected, tuple):
        assert expected[4] == ((str(folder / "t.csv"), hashlib.sha256(TEXTS[name]).hexdigest()),)
        assert zipped[2] == expected[2]


BLANKED = (b' a , b \n 1 ,\t2\n" 3 " , 4\t \n', b"a  b\n 1   2 \n3 4\n", b" a \n\n \t\n 1 \n", b" \t \n ")


@pytest.mark.parametrize("text", BLANKED)
@pytest.mark.parametrize("delimiter", [",", " ", "tab"])
def test_blanks_are_stripped_wherever_a_text_is_cut(folder, text, delimiter):
    same_everywhere(folder / "t.csv", text, strip=True, delimiter=delimiter)


@pytest.mark.parametrize("codec", ["utf-16", "utf-32-be", "cp1252", "utf-8-sig", "utf-7", "idna", "hex"])
@pytest.mark.parametrize("text", ["a,b\né,2\n3,4\n5,6", "a,b\n1,\x002\n", "a,b\n1,2,3\n"])
def test_other_encodings_are_the_same_wherever_they_are_cut(folder, codec, text):
    content = text.encode("utf-8" if codec in ("idna", "hex") else codec)
    if codec != "idna":
        same_everywhere(folder / "t.csv", content, encoding=codec)
    if "\0" not in text:
        same_everywhere(folder / "t.csv", content + b"\xff\xff\xfe", encoding=codec)


@pytest.mark.parametrize("damage", ["cut", "bytes after it", "checksum"])
def test_a_damaged_archive_is_the_same_wherever_it_is_cut(folder, damage):
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 50)
    content = {
        "cut": packed[:-9],
        "bytes after it": packed + b"abc",
        "checksum": packed[:-8] + b"\0\0\0\0" + packed[-4:],
    }[damage]
    assert "compressed" in same_everywhere(folder / "t.csv.gz", content)


SOUP = st.text(alphabet='a1,"\n\r é\ufeff', max_size=40)


@pytest.mark.slow
@given(SOUP, st.sampled_from(SIZES), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=1500, deadline=None)
def test_soup_is_read_or_refused_wherever_it_is_cut(folder, text, size, quoted, header, strip):
    path = folder / "soup.csv"
    path.write_bytes(text.encode())
    reading = {"quote": '"' if quoted else "none", "header": header, "strip": strip}
    expected, found = at_once(path, **reading), cut(path, size, **reading)
    if expected != found:
        # Of two faults the header's may be said before one in a later piece.
        assert isinstance(expected, str)
        assert isinstance(found, str)
        assert " name" in found, (expected, found)


def frame_of_everything():
    n = 300
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "x": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "nan": np.where(rng.random(n) < 0.1, np.nan, 1.0),
            "i": np.arange(n),
            "t": pa.array([f"text {i % 7}" for i in range(n)]),
            "d": pa.array([f"text {i % 7}" for i in range(n)]).dictionary_encode(),
            "b": pa.array([i % 3 == 0 for i in range(n)]),
            "when": pa.array(np.datetime64("2020-01-01") + np.arange(n)),
            "nothing": pa.nulls(n),
            "list": pa.array([[i] for i in range(n)]),
        }
    )


@pytest.mark.parametrize("groups", [37, 1000])
def test_parquet_is_the_same_wherever_it_is_cut(folder, groups):
    path = folder / "t.parquet"
    pq.write_table(frame_of_everything(), path, row_group_size=groups, write_page_checksum=True)
    expected = at_once(path)
    for size in (1, 500, 6000, 1 << 20):
        assert cut(path, size) == expected
    assert len(list(in_pieces(path, 1000))) > 10
    pieces = in_pieces(path, 1000)
    borders = [table.frame.height for table in pieces]
    assert [table.frame.height for table in pieces.read(["t"])] == borders
    assert [table.place(0, "t") for table in pieces.read(["t"])][
        1
    ] == f"{path}: row {borders[0] + 1}, column 't'"


def test_faults_of_parquet_are_the_same_wherever_it_is_cut(folder):
    path = folder / "t.parquet"
    pq.write_table(pa.table({"x": range(500), "t": ["a"] * 400 + ["b\0"] + ["c"] * 99}), path)
    expected = at_once(path)
    assert f"{path}: row 401, column 't': a NUL in this text" in expected
    assert cut(path, 100) == expected
    pq.write_table(pa.table({"x": np.arange(5000) * 1.5}), path, write_page_checksum=True, compression="none")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "a page does not fit its checksum" in at_once(path)
    assert cut(path, 100) == at_once(path)
    path.write_bytes(content[:100])
    assert cut(path, 100) == at_once(path)


def test_a_few_columns_are_read_as_all_of_them(folder):
    path = folder / "t.csv"
    path.write_bytes(b'a,b,c,,\n1,"2\n",3,,\n4,5,"6",,\n7,8,9,,\n10,"1\r\n\r1",12,,\n')
    for size in SIZES:
        pieces = in_pieces(path, size)
        for _ in range(2):  # the first reading parses everything, the second what is asked for
            found = list(pieces.read(["c", "a"]))
            assert [row for table in found for row in table.frame.rows()] == [
                ("1", "3"),
                ("4", "6"),
                ("7", "9"),
                ("10", "12"),
            ]
            assert {tuple(table.frame.columns) for table in found} == {("a", "c")}
            places = [table.place(row, "c") for table in found for row in range(table.frame.height)]
            assert [place.removeprefix(f"{path}:") for place in places] == ["3:3", "4:3", "5:3", "8:3"]


def write(folder, **contents):
    for name, content in contents.items():
        path = folder / name.replace("_", ".")
        if isinstance(content, str):
            path.write_text(content)
        else:
            pq.write_table(pa.table(content), path)
    return [folder / name.replace("_", ".") for name in contents]


MIXED = [
    {"a_csv": "x,y\n1,a\n2,b\n", "b_csv": "y,x\nc,3\n"},
    {"a_csv": "x,y\n1,a\n", "b_csv": "x,y\n", "c_csv": "x,y\n1,a\n"},
    {"a_csv": "x,y\n", "b_csv": "y,x\n"},
    {"a_csv": "x,y\n1,a\n", "b_csv": "x,z\n3,c\n"},
    {"a_csv": "x,y\n1,true\n", "b_parquet": {"x": [1.5, 2.0, None], "y": [True, False, None]}},
    {"a_csv": "x,y\n", "b_parquet": {"x": [1, 2], "y": ["a", "b"]}},
    {"a_parquet": {"x": [1, 2], "y": [1.5, 2]}, "b_parquet": {"y": [1, 2], "x": [None, None]}},
    {"a_parquet": {"x": [[1], [2]]}, "b_csv": "x\n1\n2\n"},
    {"a_svm": "1 1:2 3:4\n", "b_svm": "-1 5:1\n", "c_svm": "1 qid:3 1:2\n"},
    {"a_svm": "1 1:2 3:4\n", "b_csv": "label,x1,x2,x3,x4\n1,2,3,4,5\n"},
    {"a_svm": "1 1:2 3:4\n", "b_svm": "-1 0:1\n"},
]


@pytest.mark.parametrize("contents", MIXED, ids=lambda contents: "-".join(contents))
def test_several_files_are_the_same_wherever_they_are_cut(tmp_path, contents):
    paths = write(tmp_path, **contents)
    expected = at_once(paths)
    for size in SIZES:
        assert cut(paths, size) == expected
    if isinstance(expected, tuple):
        assert in_pieces(paths, 3).columns == tuple(expected[1])


@pytest.mark.parametrize("when", ["between", "within"])
def test_a_file_that_changes_is_noticed(tmp_path, when):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    pieces = in_pieces(path, 5)
    rows = iter(pieces)
    if when == "between":
        list(rows)
        rows = iter(pieces)
    else:
        next(rows)
    path.write_text("a,b\n1,2\n3,5\n6,7\n")
    with pytest.raises(InputError) as refusal:
        list(rows)
    assert str(refusal.value) == (
        f"{path}: this file was changed while it was being read. Let nothing write to it, and start again."
    )


def test_a_file_that_changes_in_place_is_noticed_by_its_time(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    pieces = in_pieces(path, 5)
    list(pieces)
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputError, match="was changed while"):
        list(pieces)


def test_a_reading_that_is_given_up_leaves_the_next_one_whole(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 100)
    pieces = in_pieces(path, 10)
    next(iter(pieces))
    assert pieces.digests == ()
    assert sum(table.frame.height for table in pieces) == pieces.n_rows == 100
    assert pieces.digests[0][1] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_long_record_is_looked_at_few_times(tmp_path, monkeypatch):
    """Twice as much of it each time, or a record of a gigabyte would take hours."""
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"' + "x\n" * 5000 + '"\n3,4\n')
    looks = []

    def counting(*args, **options):
        looks.append(len(args[0]))
        return prove(*args, **options)

    prove = delimited.prove
    monkeypatch.setattr(delimited, "prove", counting)
    tables = list(in_pieces(path, 10))
    assert sum(table.frame.height for table in tables) == 2
    assert len(looks) < 20


def test_a_table_in_memory_is_one_piece():
    whole = Table(pl.DataFrame({"a": [1, 2], "b": [3, 4]}), "table")
    pieces = OnePiece(whole)
    assert [list(part.frame.columns) for part in pieces.read(["b"])] == [["b"]]
    assert list(pieces) == [whole]
    assert (pieces.n_rows, pieces.columns, pieces.digests, pieces.notes) == (2, ("a", "b"), (), ())


def test_a_digest_that_was_begun_ahead_is_that_of_the_file_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 50)
    monkeypatch.setattr(content_module, "_DIGESTED", 16)
    made = []

    class Counted(content_module.Digest):
        def __init__(self, of):
            made.append(of)
            super().__init__(of)

    monkeypatch.setattr(content_module, "Digest", Counted)
    for change in (b"", b"3,4\n"):
        made.clear()
        content_module.digest_ahead([str(path)])
        with path.open("ab") as stream:
            stream.write(change)
        pieces = Pieces(str(path))
        assert len(list(pieces)) == 1
        assert pieces.digests == ((str(path), hashlib.sha256(path.read_bytes()).hexdigest()),)
        assert not content_module._begun
        assert len(made) == 1 + bool(change)
    for strange in ("-", str(tmp_path / "none"), str(tmp_path), "\0"):
        content_module.digest_ahead([strange])
        assert not content_module._begun
