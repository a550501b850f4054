"""Every cell as a person sees it, or a sentence: against csv, known cells, and files that fight back."""

import codecs
import csv
import gzip
import hashlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.data import scan as scan_module
from oddsmith.data.read import Reading, read_table
from oddsmith.errors import InputError

pytestmark = pytest.mark.slow

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
needs_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not here")


@pytest.fixture(scope="module")
def reads(tmp_path_factory):
    """Reads bytes as the file t.csv."""
    path = tmp_path_factory.mktemp("read") / "t.csv"

    def reads(content: bytes, **reading):
        path.write_bytes(content)
        return read_table(path, Reading(**reading))

    return reads


@pytest.fixture
def refused(reads):
    """The sentence that refuses these bytes, from the file's name on."""

    def refused(content: bytes, **reading) -> str:
        with pytest.raises(InputError) as refusal:
            reads(content, **reading)
        return str(refusal.value).rpartition("/")[2]

    return refused


def line_of(table, row, column=None):
    """The physical line that messages name for a cell; by itself for the first one of the row."""
    return int(table.place(row, column or table.frame.columns[0]).split(":")[-2])


def cells(table) -> list[list[str]]:
    return [["" if cell is None else cell for cell in row] for row in table.frame.rows()]


@needs_corpora
@pytest.mark.parametrize("path", sorted(CORPORA.glob("csv-spectrum/csvs/*.csv")), ids=lambda path: path.stem)
def test_csv_spectrum_cells_are_exact(path):
    known = json.loads((path.parents[1] / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
    known = known if isinstance(known, list) else [known]
    if path.stem == "newlines_crlf":  # this copy of the file has lost its CRs
        assert b"\r" not in path.read_bytes()
        known[1]["a"] = known[1]["a"].replace("\r", "")
    if path.stem == "location_coordinates":  # the published JSON has another telephone number
        known[0]["Contact Phone Number"] = "2095257564"
    # Its coordinates hold seconds of arc ("): quotes inside an unquoted cell are refused until told otherwise.
    literal = path.stem == "location_coordinates"
    if literal:
        with pytest.raises(InputError, match=r":2:2: a quote .* --quote none"):
            read_table(path)
    table = read_table(path, Reading(quote="none" if literal else '"'))
    assert table.frame.columns == list(known[0])
    assert cells(table) == [list(row.values()) for row in known]


LOADED = {
    **dict.fromkeys(["plain.csv", "bom.csv", "crlf.csv", "cr_only.csv", "mixed_newlines.csv"], (40, 3)),
    **dict.fromkeys(["no_final_newline.csv", "blank_lines_inside.csv", "trailing_commas.csv"], (40, 3)),
    **dict.fromkeys(["plain.csv.gz", "gzip_two_members.csv.gz", "gzip_named_csv.csv"], (40, 3)),
    **dict.fromkeys(["csv_named_gz.csv.gz", "=1+1.csv", "-rf.csv"], (40, 3)),
}
LOADED_NAMED = {
    "duplicate_after_strip.csv": ["x", " x", "y"],
    "unicode_confusable_columns.csv": ["p\u0430y", "pay", "y"],
    "unicode_nfc_nfd.csv": ["caf\u00e9", "cafe\u0301", "y"],
    "bidi_and_zero_width_names.csv": ["x\u202e1", "x\u200b2", "y"],
    "ansi_escape_names.csv": ["\x1b[31mx1\x1b[0m", "x2\x07", "y"],
    "smart_quotes.csv": ["\u201cx1\u201d", "x2", "y"],
    "quoted_newlines.csv": ["name", "x", "y"],
    "very_long_field_1MB.csv.gz": ["t", "x", "y"],
}
REFUSED = {
    "truncated_mid_row.csv": [":41: line 41 has 2 fields, the header has 3", "cut short"],
    "truncated_mid_number.csv": [":41: line 41 has 2 fields, the header has 3", "cut short"],
    "truncated_mid_quote.csv": [":42:2: a quote", "never closed"],
    "utf16le.csv": ["UTF-16", "--encoding utf-16"],
    "utf16be.csv": ["UTF-16", "--encoding utf-16"],
    "utf32.csv": ["UTF-32", "--encoding utf-32"],
    "latin1.csv": [":1: byte 0xf6 on line 1", "--encoding latin-1"],
    "invalid_utf8_row30.csv": [":30: byte 0xff on line 30", "--encoding latin-1"],
    "nul_bytes.csv": [":11: a NUL byte on line 11"],
    "nul_tail.csv": [":42: NUL bytes from line 42 to the end of the file"],
    "empty.csv": ["the file is empty"],
    "only_newlines.csv": ["no header"],
    "duplicate_columns.csv": [":1:2: 'x' names both column 1 and column 2"],
    "duplicate_target.csv": [":1:3: 'y' names both column 1 and column 3"],
    "empty_column_name.csv": [":1:2: column 2 has no name"],
    "thousands_and_decimal_comma.csv": ['--delimiter ";"'],
    "tabs_as_csv.csv": ["one column", '--delimiter "tab"'],
    "semicolon.csv": ["one column", '--delimiter ";"'],
    "sep_line.csv": [":1: Excel's"],
    "comment_lines.csv": [":2: line 2 has 3 fields, the header has 1"],
    "ragged_short_row20.csv": [":20: line 20 has 2 fields, the header has 3"],
    "ragged_long_row20.csv": [":20: line 20 has 4 fields, the header has 3"],
    "quote_inside_number.csv": [":20:1: a quote", "--quote none"],
    "gzip_truncated.csv.gz": ["ends early"],
    "gzip_trailing_garbage.csv.gz": ["after the compressed data"],
    "zip_named_csv.csv": ["this is a zip or Excel file"],
    "parquet_named_csv.csv": ["this is a Parquet file"],
    "png_named_csv.csv": ["not text"],
    "html_named_csv.csv": ["web page"],
    "git_lfs_pointer.csv": ["a Git LFS pointer, not the data"],
}


@needs_corpora
@pytest.mark.parametrize("file", [*LOADED, *LOADED_NAMED])
def test_hostile_files_that_load(file):
    table = read_table(CORPORA / "hostile" / file)
    if file in LOADED:
        plain = list(csv.reader((CORPORA / "hostile" / "plain.csv").read_text().splitlines()))
        assert [table.frame.columns, *cells(table)] == plain
    else:
        assert table.frame.columns == LOADED_NAMED[file]
        assert table.frame.height == 40
    assert set(table.frame.dtypes) == {pl.String}


@needs_corpora
@pytest.mark.parametrize("file", list(REFUSED))
def test_hostile_files_that_are_refused(file):
    with pytest.raises(InputError) as refusal:
        read_table(CORPORA / "hostile" / file)
    message = str(refusal.value)
    assert all(fragment in message for fragment in REFUSED[file])
    assert message.startswith(str(CORPORA / "hostile" / file))
    assert len(message) <= 600
    assert message.isprintable()


@needs_corpora
def test_no_hostile_file_with_structural_fault_is_loaded():
    with (CORPORA / "hostile_EXPECT.csv").open(newline="", encoding="utf-8") as stream:
        verdicts = {row["file"]: row["verdict"] for row in csv.DictReader(stream)}
    assert {file for file in [*LOADED, *LOADED_NAMED] if verdicts[file] == "refuse"} == set()
    assert {file for file in REFUSED if verdicts[file] == "load"} == set()


@needs_corpora
def test_lines_stay_right_past_blank_lines_and_line_ends_inside_quotes():
    table = read_table(CORPORA / "hostile" / "quoted_newlines.csv")
    assert [line_of(table, row, "name") for row in (0, 1, 19)] == [2, 4, 40]
    assert [line_of(table, row, "x") for row in (0, 1, 19)] == [3, 5, 41]
    table = read_table(CORPORA / "hostile" / "blank_lines_inside.csv")
    lines = (CORPORA / "hostile" / "blank_lines_inside.csv").read_text().split("\n")
    assert [lines[line_of(table, row) - 1] for row in range(40)] == [",".join(row) for row in cells(table)]


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
NASTY = st.text(alphabet="a1 ,;\"\n\r\t\ufeff\u00e9'\\#", max_size=6)


@st.composite
def written_tables(draw):
    """(bytes, names, rows, delimiter) as csv.writer writes them."""
    width = draw(st.integers(1, 4))
    names = [f"c{position}{draw(NASTY)}" for position in range(width)]
    row = st.lists(TEXT | NASTY, min_size=width, max_size=width)
    rows = draw(st.lists(row, max_size=6))
    delimiter = draw(st.sampled_from(",;\t|: "))
    quoting = draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]))
    # With minimal quotes the writer quotes only its own line end, and other readers split at the other ones.
    ends = ["\r\n"] if quoting == csv.QUOTE_MINIMAL else ["\n", "\r\n", "\r"]
    target = io.StringIO(newline="")
    writer = csv.writer(
        target, delimiter=delimiter, quoting=quoting, lineterminator=draw(st.sampled_from(ends))
    )
    writer.writerows([names, *rows])
    mark = draw(st.sampled_from([b"", codecs.BOM_UTF8]))
    return mark + target.getvalue().encode(), names, rows, delimiter


@given(written_tables(), st.sampled_from([1, 7, 1 << 20]))
@settings(max_examples=400, deadline=None)
def test_a_table_comes_back_cell_by_cell(reads, written, size):
    content, names, rows, delimiter = written
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_module, "BLOCK", size)
        try:
            table = reads(content, delimiter=delimiter)
        except InputError as error:
            # A lone unquoted name that holds another likely delimiter is refused on purpose.
            assert len(names) == 1 and "one column, for" in str(error)  # noqa: PT017, PT018
            return
    assert table.frame.columns == names
    assert cells(table) == rows
    assert table.frame.null_count().sum_horizontal().sum() == sum(cell == "" for row in rows for cell in row)


@given(st.text(alphabet='ab1,"\n\r \t\ufeff\u00e9#', max_size=40), st.booleans())
@settings(max_examples=800, deadline=None)
def test_what_is_accepted_the_csv_module_reads_alike(reads, text, quoted):
    try:
        table = reads(text.encode(), header=False, quote='"' if quoted else "none")
    except InputError:
        return
    bare = text.removeprefix("\ufeff")
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(bare, newline=""), strict=True, quoting=quoting)
    expected, before = [], 0
    for row in reader:
        if row:
            expected.append((before + 1, row))
        before = reader.line_num
    assert [(line_of(table, row), record) for row, record in enumerate(cells(table))] == expected
    assert table.frame.columns == [f"column_{position + 1}" for position in range(table.frame.width)]


@pytest.mark.parametrize(
    "cell",
    ["007", "1e3", "1.10", "NA", "null", "true", "2020-01-01", "-0", "+1", "0x1F", "1_000", " 1", "#1"],
)
def test_no_cell_is_taken_for_a_number_a_date_or_a_missing_value(reads, cell):
    assert reads(f"a,b\n{cell},x\n".encode()).frame.rows() == [(cell, "x")]


@pytest.mark.parametrize(
    ("content", "names", "rows"),
    [
        (b"a\n1\n2", ["a"], [("1",), ("2",)]),
        (b'a\n""\n\n2\n', ["a"], [(None,), ("2",)]),
        (b"a,b\n", ["a", "b"], []),
        (b"a,b", ["a", "b"], []),
        (b'\n\n"a\nb","c""d"\n1,2', ["a\nb", 'c"d'], [("1", "2")]),
        (b"a,b,,\n1,,,\n", ["a", "b"], [("1", None)]),
        (b"a,\n", ["a"], []),
        (b"a,b\n\xef\xbb\xbf1,2\n", ["a", "b"], [("\ufeff1", "2")]),
        (b'"a;b"\n1\n', ["a;b"], [("1",)]),
        (b'"a;\nb",c\n1,2\n', ["a;\nb", "c"], [("1", "2")]),
        (b"PAR1,x\n1,2\n", ["PAR1", "x"], [("1", "2")]),
        (b"sep=,x\n1,2\n", ["sep=", "x"], [("1", "2")]),
    ],
)
def test_small_files(reads, content, names, rows):
    table = reads(content)
    assert table.frame.columns == names
    assert table.frame.rows() == rows
    assert table.frame.schema == dict.fromkeys(names, pl.String())


def test_a_cell_is_placed_at_its_line_and_column(reads):
    table = reads(b'a,b\n\n"1\n1",2\r\n\r\n3,4\n')
    assert table.place(0, "a").endswith("t.csv:3:1")
    assert table.place(1, "b").endswith("t.csv:6:2")
    bare = reads(b"1,2\n\n3,4\n", header=False)
    assert bare.place(1, "column_2").endswith("t.csv:3:2")
    with pytest.raises(IndexError):
        table.place(2, "a")


def test_strip_reads_blanks_around_cells(reads):
    adult = b" age,  class \n39, State-gov\n50,\tPrivate \n ,x\n\n"
    assert reads(adult, strip=True).frame.rows() == [("39", "State-gov"), ("50", "Private"), (None, "x")]
    assert reads(adult, strip=True).frame.columns == ["age", "class"]
    assert reads(adult).frame.columns == [" age", "  class "]
    assert reads(b'a,b\n1, " x, y " \n', strip=True).frame.rows() == [("1", "x, y")]
    spaced = reads(b"  1.5   a \n 20   'b\n", delimiter="space", strip=True, header=False)
    assert spaced.frame.rows() == [("1.5", "a"), ("20", "'b")]
    assert line_of(spaced, 1) == 2


@pytest.mark.parametrize(
    ("given_name", "sign"),
    [("tab", "\t"), ("\\t", "\t"), ("space", " "), ("comma", ","), ("semicolon", ";"), ("|", "|")],
)
def test_delimiters_have_names(reads, given_name, sign):
    assert reads(f"a{sign}b\n1{sign}2\n".encode(), delimiter=given_name).frame.rows() == [("1", "2")]


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ({"delimiter": ";;"}, "one ASCII character"),
        ({"delimiter": ""}, "one ASCII character"),
        ({"delimiter": "\u00a7"}, "one ASCII character"),
        ({"delimiter": "\n"}, "one ASCII character"),
        ({"quote": "''"}, "--quote"),
        ({"quote": ","}, "the same"),
        ({"encoding": "no-such"}, "--encoding 'no-such'"),
        ({"encoding": "rot13"}, "--encoding"),
    ],
)
def test_impossible_readings_are_refused(refused, reading, message):
    assert message in refused(b"a,b\n1,2\n", **reading)


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]
)
def test_encodings_are_decoded_strictly(reads, encoding):
    table = reads("n\u00e4me,b\nf\u00fcr,2\n".encode(encoding), encoding=encoding)
    assert table.frame.columns == ["n\u00e4me", "b"]
    assert table.frame.rows() == [("f\u00fcr", "2")]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        ("a\nb\n\u00e9\n".encode("latin-1"), "ascii", "t.csv:3: byte 0xe9 on line 3 is not ascii"),
        ("a\nb\n".encode("utf-16-le") + b"\x00\xd8", "utf-16-le", "t.csv:3: byte 0x00"),
        (codecs.BOM_UTF8 + b"a\n", "latin-1", "this file is UTF-8, not iso8859-1"),
        ("a,b\n".encode("utf-16-le"), "utf-8", "t.csv:1: a NUL byte on line 1"),
        (b"a,b\r\r\n\xff,1\n", "utf-8", "t.csv:3: byte 0xff on line 3 is not UTF-8"),
    ],
)
def test_bytes_that_are_not_text_in_the_encoding(refused, content, encoding, message):
    assert message in refused(content, encoding=encoding)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b",x\n1,2\n", "t.csv:1:1: column 1 has no name"),
        (b"a,\n1,2\n", "t.csv:1:2: column 2 has no name"),
        (b"\n\na, \n1,\n", "t.csv:3:2: column 2 has no name"),
        (b",,\n,,\n", "t.csv:1:1: the header has no names"),
        (b'a\x1b,"a\x1b"\n', "'a\\x1b' names both column 1 and column 2"),
        (b'"x";"y"\n"1";"2"\n', '--delimiter ";"'),
        (b"sep=;\na;b\n", '--delimiter ";"'),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\xef\xbb\xbf <!doctype html>", "a web page"),
        (gzip.compress(gzip.compress(b"a\n1\n")), "compressed twice"),
        (gzip.compress(b"a,b\n1,2\n")[:-5] + b"\0\0\0\0\0", "damaged"),
        (b"\x1f\x8b", "ends early"),
        (gzip.compress(b""), "empty"),
    ],
)
def test_refusals(refused, content, message):
    assert message in refused(content)


def test_gzip_is_known_by_its_bytes_and_the_digest_is_of_the_file(reads):
    packed = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n")
    table = reads(packed)
    assert table.frame.rows() == [("1", "2"), ("3", "4")]
    assert table.digests == ((table.name, hashlib.sha256(packed).hexdigest()),)


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"a,b\n1\n")))
    with pytest.raises(InputError, match=r"^standard input:2: line 2 has 1 field"):
        read_table("-")


def test_paths_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="this is a folder"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_table("a\0b")
    with pytest.raises(InputError, match=r"^\\x1b\[31m: there is no such file"):
        read_table("\x1b[31m")


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="no permission"):
        read_table(tmp_path / "x.csv")


def test_one_very_long_cell_and_very_many_columns(reads):
    long = "x, \n" * 500_000
    assert reads(f'a,b\n"{long}",1\n'.encode()).frame.rows() == [(long, "1")]
    names = [f"c{position}" for position in range(20_000)]
    wide = reads((",".join(names) + "\n" + ",".join("1" * 20_000)).encode())
    assert wide.frame.columns == names


def test_nameless_empty_columns_at_the_end_are_left_out_with_a_sentence(tmp_path):
    path = tmp_path / "trailing.csv"
    path.write_text("a,b,\n1,2,\n3,4,\n")
    table = read_table(path)
    assert table.frame.columns == ["a", "b"]
    assert table.notes == (f"{path}: column 3 has no name and no cells; left out.",)


def test_a_header_of_numbers_is_taken_as_it_is_with_a_hint(tmp_path):
    path = tmp_path / "headerless.csv"
    path.write_text("39,Private,0\n50,State,1\n")
    (note,) = read_table(path).notes
    assert note == f"{path}: the header names columns 39, 0. If the first line is data, add --no-header."
