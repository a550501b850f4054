"""Rows that arrive: the records of a file, wherever the pieces are cut, and every fault with the file's sentence."""

import contextlib
import itertools
import re
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oddsmith.data.arriving as arriving_module
from oddsmith.data.arriving import Arrived, Arriving
from oddsmith.data.delimited import Delimited, refuse_other_dialect
from oddsmith.data.read import Reading, dialect
from oddsmith.data.table import Table
from oddsmith.errors import InputError

NAME = "standard input"


def arrived(text: bytes, cuts: tuple[int, ...] = (), reading: Reading | None = None) -> list[Arrived]:
    """What comes out of `text`, fed in pieces; the parts of an oversized line put together."""
    rows = Arriving(NAME, reading or Reading())
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    found: list[Arrived] = []
    for start, stop in itertools.pairwise(borders):
        found += rows.feed(text[start:stop])
    found += rows.finish()
    whole: list[Arrived] = []
    for row in found:
        if whole and whole[-1].more:
            assert (row.line, row.fault) == (whole[-1].line, whole[-1].fault)
            row = row._replace(raw=whole.pop().raw + row.raw)
        whole.append(row)
    assert not any(row.more for row in whole)
    return whole


def as_file(raw: bytes) -> Table:
    """The table of a file with these bytes."""
    marks = dialect(Reading(), NAME)
    refuse_other_dialect(raw, marks, strip=False)
    return Delimited(marks, strip=False).whole(raw)


def texts(sound: bool) -> st.SearchStrategy[str]:
    """Tables of three columns, with every kind of line end, quotes and blank lines; or pieces of such in any order."""
    inside = st.lists(st.sampled_from(["a", ",", "\n", "\r\n", "\r", '""', " ", "é"]), max_size=4)
    cell = st.sampled_from(["1", "2.5", "", "naïve", "t "]) | inside.map(lambda parts: f'"{"".join(parts)}"')
    row = st.tuples(cell, cell, cell).map(",".join)
    end = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
    lines = st.lists(st.tuples(row, end).map("".join), max_size=6).map("".join)
    last = st.one_of(st.just(""), row)
    body = st.tuples(lines, last).map("".join)
    if not sound:
        parts = st.sampled_from(["a,b,c\n", "1,2\n", '"', '"', "\n", "\r", ",", "x", 'y,"z\n', '""', "é"])
        body = st.lists(parts, max_size=30).map("".join)
    return body.map(lambda rows: "h,i,j\n" + rows)


@given(texts(sound=True), st.lists(st.integers(0, 80), max_size=6))
def test_sound_rows_are_those_of_a_file(text: str, cuts: list[int]) -> None:
    raw = text.encode()
    rows = arrived(raw, tuple(cuts))
    assert [row.fault for row in rows] == [None] * len(rows)
    taker = Arriving(NAME, Reading())
    list(taker.feed(b"h,i,j\n"))
    found, expected = taker.table(rows), as_file(raw)
    assert found.frame.equals(expected.frame)
    for row in range(len(rows)):
        for column in "hij":
            assert found.place(row, column) == expected.place(row, column)


@given(texts(sound=False), st.lists(st.integers(0, 80), max_size=6), st.sampled_from([9, 20, 1 << 20]))
def test_the_cuts_change_nothing_and_nothing_is_lost(text: str, cuts: list[int], longest: int) -> None:
    raw = text.encode()
    with mock.patch.multiple(arriving_module, LONGEST=longest, EACH_CELL=0):
        rows = arrived(raw)
        assert arrived(raw, tuple(cuts)) == rows
        assert arrived(raw, tuple(range(len(raw)))) == rows
    kept = [line for line in b"".join(row.raw for row in rows).splitlines(keepends=True) if line.strip()]
    came = [line for line in raw.splitlines(keepends=True)[1:] if line.strip()]
    assert kept == came


@given(texts(sound=False))
def test_the_first_fault_is_the_one_that_a_file_is_refused_for(text: str) -> None:
    raw = text.encode()
    faults = [row.fault for row in arrived(raw) if row.fault is not None]
    with contextlib.nullcontext() if not faults else pytest.raises(InputError) as refused:
        as_file(raw)
    assert not faults or str(refused.value) == faults[0]


FAULTS = [
    (b"1,2\n", "2: line 2 has 2 fields, the header has 3. Complete the line or remove it."),
    (b"1,2,3,4\n", '2: line 2 has 4 fields, the header has 3. Quote the cells that contain ",", or mend'),
    (b'1,5" pipe,3\n', '2:2: a quote (") inside an unquoted cell.'),
    (b'1,"a"b,3\n', '2:2: text after the closing quote (") of a cell that begins on line 2.'),
    (b"1,\xff,3\n", "2: byte 0xff on line 2 is not UTF-8. Name the file's encoding"),
    (b"1,\0,3\n", "2: a NUL byte on line 2: this is not plain text."),
]


@pytest.mark.parametrize(("bad", "sentence"), FAULTS)
def test_a_row_at_fault_spoils_no_other_one(bad: bytes, sentence: str) -> None:
    rows = arrived(b"h,i,j\n" + bad + b"4,5,6\n")
    assert [(row.line, row.raw) for row in rows] == [(2, bad), (3, b"4,5,6\n")]
    assert str(rows[0].fault).startswith(f"{NAME}:{sentence}")
    assert rows[1].fault is None


def test_an_unclosed_quote_ends_with_its_line() -> None:
    at_the_end = arrived(b'h,i\n1,"a\n2,b\n3,c\n')
    assert [(row.line, row.raw, row.fault is None) for row in at_the_end] == [
        (2, b'1,"a\n', False),
        (3, b"2,b\n", True),
        (4, b"3,c\n", True),
    ]
    assert str(at_the_end[0].fault).startswith(f'{NAME}:2:2: a quote (") opens here and is never closed.')
    # The quote that opens the next quoted cell would close this one.
    misplaced = arrived(b'h,i\n1,"a\n2,b\n3,"c"\n')
    assert [(row.line, row.raw) for row in misplaced if row.fault is None] == [(3, b"2,b\n"), (4, b'3,"c"\n')]
    assert str(misplaced[0].fault).startswith(f"{NAME}:4:2: text after the closing quote")
    # A cell before it, of several lines, is part of the row that is spoilt.
    later = arrived(b'h,i\n"a\nb","c\n2,b\n')
    assert [(row.line, row.raw) for row in later] == [(2, b'"a\nb","c\n'), (4, b"2,b\n")]


def test_a_fault_is_known_as_soon_as_its_line_has_come() -> None:
    rows = Arriving(NAME, Reading())
    assert list(rows.feed(b"h,i\n1,")) == []
    assert list(rows.feed(b"2\n")) == [Arrived(2, b"1,2\n")]
    (fault,) = rows.feed(b'1,5" pipe\n')
    assert (fault.line, fault.raw) == (3, b'1,5" pipe\n')
    assert list(rows.feed(b'1,"open\n')) == []
    assert [row.raw for row in rows.feed(b'"\n')] == [b'1,"open\n"\n']


def test_an_oversized_line_is_handed_on_as_it_comes() -> None:
    rows = Arriving(NAME, Reading())
    longest = arriving_module.LONGEST + 2 * arriving_module.EACH_CELL
    assert list(rows.feed(b"h,i\n")) == []
    sent = b"1," + b"x" * (1 << 18)
    while not (found := list(rows.feed(sent))):
        assert len(rows._tail) <= longest
    assert found[0].more
    assert len(found[0].raw) > longest
    assert found[0].fault == (
        f"{NAME}:2: line 2 has more than 1,048,704 bytes. Check the delimiter and the line ends, or predict from "
        f"a file, without --stream."
    )
    assert [(row.line, len(row.raw), row.more) for row in rows.feed(sent)] == [(2, len(sent), True)]
    assert [row.raw for row in rows.feed(b"end\n3,4\n")] == [b"end\n", b"3,4\n"]
    assert list(rows.finish()) == []


def test_a_quote_that_is_never_closed_holds_back_no_more_than_the_longest_row(monkeypatch) -> None:
    monkeypatch.setattr(arriving_module, "LONGEST", 1 << 16)
    rows = Arriving(NAME, Reading())
    list(rows.feed(b'h,i\n1,"open\n'))
    line, n_lines = b"2,3\n", 0
    while not (found := list(rows.feed(line * 1000))):
        n_lines += 1000
        assert 4 * n_lines < 2 * arriving_module.LONGEST
    assert str(found[0].fault).startswith(f'{NAME}:2:2: a quote (") opens here and is never closed.')
    assert found[0].raw == b'1,"open\n'
    assert [row.line for row in found] == list(range(2, n_lines + 1000 + 3))
    assert {row.raw for row in found[1:]} == {line}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "euc_jp", "utf-8-sig", "ascii"])
def test_encodings_whose_ascii_is_ascii_are_read(encoding: str) -> None:
    word = {"euc_jp": "魔法", "ascii": "magic"}.get(encoding, "naïve")
    reading = Reading(encoding=encoding)
    text = f"h,i\n{word},1\n".encode(encoding)
    rows = Arriving(NAME, reading)
    assert rows.table(list(rows.feed(text))).frame.rows() == [(word, "1")]


def test_a_byte_that_an_encoding_lacks_spoils_its_row_alone() -> None:
    rows = arrived(b"h,i\n\x81,1\n\xe9,2\n\xff\xfe,3\n", reading=Reading(encoding="cp1252"))
    assert [row.fault for row in rows] == [
        f"{NAME}:2: byte 0x81 on line 2 is not cp1252. Name the file's encoding with --encoding.",
        None,
        None,
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "gbk", "shift_jis", "utf-7", "cp037"])
def test_encodings_that_cannot_be_cut_at_ascii_bytes_are_refused(encoding: str) -> None:
    with pytest.raises(InputError, match=r"each byte below 128 is that character of ASCII\. Put iconv"):
        Arriving(NAME, Reading(encoding=encoding))


REFUSED = [
    (b"", Reading(), "the file is empty."),
    (b"\n\n", Reading(), "no header and no rows"),
    (b"\x1f\x8b\x08\x00\n", Reading(), "this is compressed with gzip, which --stream does not unpack."),
    (b"PK\x03\x04\n", Reading(), "this is a zip or Excel file."),
    (b"\xff\xfeh\x00\n", Reading(), "a byte order mark says that this file is UTF-16, not utf-8."),
    (b"1 1:0.5 3:2\n", Reading(), "these are svmlight rows. A stream is delimited text."),
    (b"h;i\n", Reading(), '1: one column, for "," is not in this line.'),
    (b"h,h\n", Reading(), "1:2: 'h' names both column 1 and column 2."),
    (b'\nh,"i\n1,2\n', Reading(), '2:2: a quote (") opens here and is never closed.'),
    (b"1,2\n", Reading(format="parquet"), "--format parquet: A stream is delimited text."),
    (b"1,2\n", Reading(encoding="x"), "--encoding 'x': unknown."),
]


@pytest.mark.parametrize(("text", "reading", "sentence"), REFUSED)
def test_what_is_no_delimited_text_is_refused(text: bytes, reading: Reading, sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        arrived(text, reading=reading)


def test_a_header_has_its_limits() -> None:
    with (
        mock.patch.multiple(arriving_module, LONGEST=10, EACH_CELL=0),
        pytest.raises(InputError, match="line 1 has more than 10 bytes"),
    ):
        arrived(b"a_header,without_end")


@pytest.mark.parametrize(
    ("text", "reading", "expected"),
    [
        (b"\xef\xbb\xbfh,i\r\n1,2\r\n", Reading(), [("1", "2")]),
        (b'\xef\xbb\xbf"h\n",i\n1,2', Reading(), [("1", "2")]),
        (b"1,2\n3,4\n", Reading(header=False), [("1", "2"), ("3", "4")]),
        (b" h ; i \n 1 ; 'a;b' \n", Reading(delimiter=";", quote="'", strip=True), [("1", "a;b")]),
        (b'h i\n 1   "a b" \n2\t 3\n', Reading(delimiter="space", strip=True), [("1", "a b"), ("2", "3")]),
        (b'h\ti\n1\t"2\n', Reading(delimiter="tab", quote=""), [("1", '"2')]),
        (b"h,i,,\n1,2,,\n", Reading(), [("1", "2")]),
    ],
)
def test_dialects(text: bytes, reading: Reading, expected: list[tuple[str, str]]) -> None:
    rows = Arriving(NAME, reading)
    found = [*rows.feed(text), *rows.finish()]
    assert rows.table(found).frame.rows() == expected
    assert rows.table([]).frame.rows() == []
    assert rows.table([]).frame.columns == rows.table(found).frame.columns


def test_blank_lines_between_rows_are_counted() -> None:
    rows = Arriving(NAME, Reading())
    found = list(rows.feed(b"\nh\n\n1\n\n\n2\n\n"))
    assert [row.line for row in found] == [4, 7]
    assert rows.blank_lines == 3
