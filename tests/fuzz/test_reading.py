"""Hostile text is read as a slow reader reads it, or refused with a sentence: never anything else."""

import csv
import gzip
import io
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oddsmith.data.read import Reading

from .mutations import TEXT_PIECES, bytes_changed
from .oracles import Broken, check_table
from .reference import expected

pytestmark = pytest.mark.slow

READINGS = st.builds(
    Reading,
    delimiter=st.sampled_from([",", ",", ",", ";", "\t", " ", "|", "tab", "space", "x", ",,", "é"]),
    quote=st.sampled_from(['"', '"', '"', "'", "", "none", "`", " ", '""']),
    header=st.booleans(),
    strip=st.booleans(),
    format=st.sampled_from(["csv", "csv", "csv", "auto", "svmlight", "parquet"]),
    encoding=st.sampled_from(
        ["utf-8", "utf-8", "utf-8", "utf-8-sig", "latin-1", "cp1252", "ascii", "utf-16", "utf-16-le", "no"]
    ),
)
PLAIN = Reading(format="csv")
NAMES = st.sampled_from(
    ["a", "b", "c", "", " ", "a ", "7", "é", "\u202ename", "\x1b[2J", "sep=x", "=1", "n" * 80]
)
CELLS = st.text(alphabet='ab1,;"\n\r\t é\u2028\u00a0\u0663\x0b', max_size=5) | st.sampled_from(
    ["", "NA", "x" * 400]
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "rows.csv"


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.sampled_from(TEXT_PIECES) | st.sampled_from([b"a", b"b", b"1", b",", b"\n"]), max_size=25),
    READINGS,
)
@example([b"a,b\n", b"\r", b"1,2\r", b"3,4"], PLAIN)
@example([b"\xef\xbb\xbf", b'"a"\n', b'""\n', b"\n", b'""'], PLAIN)
@example([b"\t\r", b"a,b\n", b"1,2\n"], Reading(strip=True, format="csv"))
@example([b'""\t'], Reading(delimiter=",", header=False, strip=True, format="csv"))
@example([b"a b\n", b' "x ""y"" z"\t  1 \n'], Reading(delimiter=" ", strip=True, format="csv"))
def test_soup_of_hostile_pieces(path, pieces, reading):
    check_table(b"".join(pieces), reading, path)


@st.composite
def tables(draw):
    """A table that the csv module wrote, as bytes, and how it is to be read."""
    reading = draw(
        READINGS.filter(lambda r: len(r.delimiter) == 1 and r.delimiter != "x" and r.quote in ('"', "'"))
    )
    width = draw(st.integers(1, 4))
    names = draw(st.lists(NAMES, min_size=width, max_size=width))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=5))
    target = io.StringIO(newline="")
    writer = csv.writer(
        target,
        delimiter=reading.delimiter if reading.delimiter.isascii() else ",",
        quotechar=reading.quote,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )
    writer.writerows([names, *rows])
    text = target.getvalue() if draw(st.booleans()) else target.getvalue().rstrip("\r\n")
    encoding = "utf-8" if reading.encoding in ("no", "ascii") else reading.encoding
    raw = text.encode(encoding, "replace")
    return (gzip.compress(raw, mtime=0) if draw(st.booleans()) else raw), reading


@settings(max_examples=200, deadline=None)
@given(tables())
def test_what_the_csv_module_writes(path, table):
    check_table(*table, path)


@settings(max_examples=250, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_changes_of_valid_files(path, table, chance):
    raw, reading = table
    check_table(bytes_changed(raw, chance, TEXT_PIECES), reading, path)


def test_the_oracle_notices_a_reader_that_errs(path, monkeypatch):
    """Each of these is a reader that people have met."""
    from . import oracles

    read_table = oracles.read_table

    def with_frame(change):
        def read(*arguments):
            from dataclasses import replace

            found = read_table(*arguments)
            return replace(found, frame=change(found.frame))

        return read

    check_table(b"a,b\n1,2\n,x\n", PLAIN, path)
    for change in (
        lambda frame: frame.head(1),
        lambda frame: frame.with_columns(b=frame["b"].str.to_uppercase()),
        lambda frame: frame.rename({"a": "A"}),
        lambda frame: frame.fill_null(""),
    ):
        monkeypatch.setattr(oracles, "read_table", with_frame(change))
        with pytest.raises(Broken):
            check_table(b"a,b\n1,2\n,x\n", PLAIN, path)


def test_the_slow_reader_by_hand():
    """Against tables that a person can check."""
    found = expected(b'\xef\xbb\xbfa,"b ""x""",\r\n\r1,"2\n3",\n', PLAIN)
    assert (found.names, found.rows, found.n_lines) == (["a", 'b "x"'], [["1", "2\n3"]], 5)
    found = expected(b" a \t b\n\n1  '2 3'\t \n", Reading(delimiter=" ", quote="'", strip=True, format="csv"))
    assert (found.names, found.rows) == (["a", "b"], [["1", "2 3"]])
    chance = random.Random(0)
    assert bytes_changed(b"a,b\n1,2\n", chance, TEXT_PIECES) != b"a,b\n1,2\n"
