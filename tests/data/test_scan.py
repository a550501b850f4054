"""The vectorised scan says what a plain state machine says, and counting what the scan says."""

import csv
import io
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.data import counting
from oddsmith.data import scan as scan_module
from oddsmith.data import strip as strip_module
from oddsmith.data.counting import Counted, counted
from oddsmith.data.delimited import cells as cells_of
from oddsmith.data.scan import MAX_FIELDS, Dialect, Structure, line_at, prove, scan
from oddsmith.data.strip import strip_blanks
from oddsmith.errors import InputError, visible

pytestmark = pytest.mark.slow

SOUP = st.text(alphabet='ab,"\n\r é', max_size=40)
BLOCKS = st.sampled_from([1, 2, 3, 5, 8, 1 << 20])


@dataclass
class FaultError(Exception):
    line: int
    fault: str


def outcome(text: str, quote: str) -> list[tuple[int, list[str]]] | FaultError:
    try:
        return records_of(text, quote)
    except FaultError as fault:
        return fault


def records_of(text: str, quote: str = '"') -> list[tuple[int, list[str]]]:
    """(line, cells) of every record, one character at a time; raises FaultError at the first that is no record."""
    records: list[tuple[int, list[str]]] = []
    line, position, width = 1, 0, None
    while position < len(text):
        start, cells, ended = line, [], False
        first = position
        while not ended:
            if quote and text[position : position + 1] == quote:
                opened, cell, position = line, "", position + 1
                while True:
                    if position == len(text):
                        raise FaultError(opened, "never closed")
                    if text[position] == quote:
                        if text[position + 1 : position + 2] != quote:
                            position += 1
                            break
                        position += 1
                    elif text[position] == "\n" or (
                        text[position] == "\r" and text[position + 1 : position + 2] != "\n"
                    ):
                        line += 1
                    cell += text[position]
                    position += 1
                if position < len(text) and text[position] not in ",\r\n":
                    raise FaultError(line, "text after the closing quote")
            else:
                cell = ""
                while position < len(text) and text[position] not in ",\r\n":
                    if text[position] == quote:
                        raise FaultError(line, "inside an unquoted cell")
                    cell += text[position]
                    position += 1
            cells.append(cell)
            ended = position == len(text) or text[position] != ","
            if not ended:
                position += 1
        blank = position == first
        if position < len(text):
            position += 2 if text[position : position + 2] == "\r\n" else 1
            line += 1
        if blank:
            continue
        width = width or len(cells)
        if len(cells) != width:
            raise FaultError(start, f"line {start} has {len(cells)} field")
        records.append((start, cells))
    return records


def stripped_at_once(text: bytes, delimiter: str) -> bytes:
    return b"".join(strip_blanks([text], delimiter=delimiter, quote='"'))


def scanned(text: str | bytes, quote: str = '"') -> Structure:
    body = text if isinstance(text, bytes) else text.encode()
    return prove(body, Dialect("t.csv", ",", quote, header=True))


@pytest.fixture(scope="module")
def blocks():
    """Sets the size of a block, so that small texts are cut everywhere."""
    patch = pytest.MonkeyPatch()

    def cut(size: int) -> None:
        patch.setattr(scan_module, "BLOCK", size)
        patch.setattr(strip_module, "BLOCK", size)
        patch.setattr(counting, "_CHUNK", size)

    yield cut
    patch.undo()


@given(SOUP, BLOCKS, st.sampled_from(['"', ""]))
@settings(max_examples=1500, deadline=None)
def test_soup_is_accepted_or_refused_as_by_a_state_machine(blocks, text, size, quote):
    blocks(size)
    expected = outcome(text, quote)
    if isinstance(expected, FaultError):
        with pytest.raises(InputError) as refusal:
            scanned(text, quote)
        assert str(refusal.value).startswith(f"t.csv:{expected.line}:")
        assert expected.fault in str(refusal.value)
        return
    found = scanned(text, quote)
    assert found.n_records == len(expected)
    assert [found.line_of(record) for record in range(found.n_records)] == [line for line, _ in expected]
    assert {len(cells) for _, cells in expected} <= {found.n_fields}
    assert [cells for _, cells in records_of(found.body.decode(), quote)] == [cells for _, cells in expected]


@given(
    st.lists(st.lists(st.text(alphabet='a,"\n\r', max_size=4), min_size=2, max_size=2), max_size=6), BLOCKS
)
@settings(max_examples=300, deadline=None)
def test_lines_are_those_of_the_csv_module(blocks, rows, size):
    blocks(size)
    target = io.StringIO(newline="")
    for row in rows:
        csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(row)
        target.write("\r\n")
    found = scanned(target.getvalue())
    reader = csv.reader(io.StringIO(target.getvalue(), newline=""))
    starts, before = [], 0
    for row in reader:
        if row:
            starts.append(before + 1)
        before = reader.line_num
    assert [found.line_of(record) for record in range(found.n_records)] == starts


@pytest.mark.parametrize("rows", [["1,2", "3", "4,5,6"], ["1,2", "4,5,6", "3"], ["1,2", '"3"', "4,5,6"]])
def test_a_short_row_and_a_long_row_do_not_cancel(rows):
    with pytest.raises(InputError, match=r"^t.csv:2: line 2 has"):
        scanned("\n".join(rows) + "\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a,b\n1,5" pipe\n', 't.csv:2:2: a quote (") inside an unquoted cell.'),
        (
            'a,b\n1,2\n"x"y,1\n',
            't.csv:3:1: text after the closing quote (") of a cell that begins on line 3.',
        ),
        ('a,b\n"x\n""y""\nz,1\n4,"5"\n', "t.csv:5:1: text after the closing quote"),
        ('a,b\n1,2\n3,"4\n5,6\n', 't.csv:3:2: a quote (") opens here and is never closed.'),
        ('a,b\n1,"x ""y""\n', "t.csv:2:2: a quote"),
        ('a,b\n39, "x, y"\n', "add --strip"),
        ("a,b\n1\n", "t.csv:2: line 2 has 1 field, the header has 2. Complete"),
        ("a,b\n1,2\n3", "The file seems to be cut short"),
        ("a,b\n1,2,3\n", "t.csv:2: line 2 has 3 fields, the header has 2. Quote"),
        ("# note\na,b\n", "t.csv:2: line 2 has 2 fields, the header has 1."),
        ("\ufeff\ufeffa,b\n", "two byte order marks"),
        ("," * MAX_FIELDS, f"line 1 has {MAX_FIELDS + 1:,} fields; at most {MAX_FIELDS:,} columns"),
    ],
)
def test_refusals_name_place_and_remedy(text, message):
    with pytest.raises(InputError) as refusal:
        scanned(text)
    assert message in str(refusal.value)


def test_the_body_is_handed_on_uncopied_when_nothing_is_mended():
    body = b"a,b\r\n1,2\r\n"
    assert scanned(body).body is body


def test_blank_lines_and_lone_returns_are_mended_outside_quotes_only():
    assert scanned('\n\ra,b\r\n\n1,"\r\n\n"\r\r2,3').body == b'a,b\r\n1,"\r\n\n"\n2,3'


@st.composite
def nearly_regular(draw):
    """Rows of a few cells, of which some may have a cell too many or too few, ended in one way or several."""
    width = draw(st.integers(1, 3))
    ends = draw(st.lists(st.sampled_from(["\n", "\r\n", "\n\n", "\r", "\r\r\n"]), min_size=1, max_size=2))
    if draw(st.booleans()):
        ends = [draw(st.sampled_from(["\n", "\r\n"]))]
    cells = st.sampled_from(
        ["", "", "1", "22", "é", " ", '"x"', '"a,b"'] if draw(st.booleans()) else ["", "1", "22"]
    )
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=8))
    for _ in range(draw(st.integers(0, 2))):
        row = draw(st.sampled_from(rows))
        if draw(st.booleans()):
            row.append(draw(st.sampled_from(["", "3"])))
        elif row:
            row.pop()
    text = "".join(",".join(row) + draw(st.sampled_from(ends)) for row in rows)
    mark = "\ufeff" * draw(st.sampled_from([0, 0, 0, 1, 2]))
    return (mark + (text if draw(st.booleans()) else text.rstrip("\r\n"))).encode()


def parsed(find, body, quote):
    """The cells, and the line of each record, or the sentence that refuses them."""
    try:
        found = find(body, Dialect("t.csv", ",", quote, header=True))
        if not found.n_records:
            return []
        rows = cells_of(found, Dialect("t.csv", ",", quote, header=True), strip=False).rows()
    except InputError as refusal:
        return str(refusal)
    return [(found.line_of(record), *row) for record, row in enumerate(rows)]


@given(nearly_regular(), st.sampled_from([8, 16, 1 << 20]), st.sampled_from(['"', ""]))
@settings(max_examples=400, deadline=None)
def test_what_is_counted_and_parsed_is_what_is_proved_and_parsed(blocks, body, size, quote):
    blocks(size)
    assert parsed(scan, body, quote) == parsed(prove, body, quote)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"a,b\n1,2\n", Counted(2, 2, 8)),
        (b"a,b\r\n1,2\r\n3,", Counted(3, 2, 12)),
        (b"a,b\n1,2", Counted(2, 2, 7)),
        (b"a\n1\n", None),
        (b"a,b\n1,2\n\n", None),
        (b"\na,b\n1,2\n", None),
        (b"a,b\r1,2\n3,4\n", None),
        (b"a,b\n1,2\r", None),
        (b'a,b\n"1",2\n', None),
        (b"a,b\n1\n2,3,", None),
    ],
)
def test_only_regular_text_is_counted(blocks, body, found):
    blocks(1 << 20)
    assert counted(body, 0, ",", '"') == found


def test_a_line_of_more_than_a_chunk_is_not_counted(blocks):
    body = b"a,b\n1,2345678\n"
    blocks(1 << 20)
    assert counted(body, 0, ",", "") is not None
    blocks(4)
    assert counted(body, 0, ",", "") is None


def cancelling(row: bytes, end: bytes, n: int, at: int) -> tuple[bytes, int]:
    """A text whose counts are right: row `at` (from 0) has a delimiter too many, another one too few."""
    short = row.replace(b",", b"", 1)
    if at == n - 1:
        return (row + end) * (n - 2) + short + end + row + b",", n - 1
    return (row + end) * at + row + b"," + end + (row + end) * (n - at - 2) + short + end, at + 1


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("row", [b"12,34", b",,", b"1,2,3,4,5,6,7,8,9"])
def test_a_parser_refuses_a_long_row_wherever_a_short_one_hides(blocks, row, end):
    blocks(1 << 20)
    for n in (5, 100, 30_000, 300_000):
        for at in {1, 2, n // 3, n // 2 - 1, n // 2, n // 2 + 1, n - 2, n - 1}:
            body, line = cancelling(row, end, n, at)
            fault = parsed(scan, body, "")
            assert str(fault).startswith(f"t.csv:{line}: line {line} has"), (n, at)


MANY_THREADS = """
from tests.data.test_scan import cancelling, parsed
from oddsmith.data.scan import scan
import polars
assert polars.thread_pool_size() == 7
for at in range(1, 100_000, 997):
    body, line = cancelling(b"1234,5678", b"\\n", 100_000, at)
    assert str(parsed(scan, body, "")).startswith(f"t.csv:{line}: line {line} has"), at
print("refused")
"""


def test_a_parser_of_many_threads_refuses_long_rows_too():
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    run = subprocess.run(
        [sys.executable, "-c", MANY_THREADS],
        env={**os.environ, "POLARS_MAX_THREADS": "7"},
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert run.stdout == "refused\n", run.stderr


@given(st.text(alphabet="a\r\n", max_size=20))
def test_line_at_counts_as_universal_newlines_do(text):
    lines = list(io.StringIO(text + "x", newline=None))
    assert line_at((text + "x").encode(), len(text)) == len(lines)


PADDING = st.text(alphabet=" \t", max_size=3)
INNER = st.text(alphabet='a b\t,"\n', max_size=5)


@st.composite
def padded_rows(draw):
    """(text, cells): cells quoted where they must be, and blanks around them."""
    width = draw(st.integers(1, 3))
    text, cells = "", []
    for _ in range(draw(st.integers(1, 4))):
        row = [draw(INNER) for _ in range(width)]
        pieces = []
        for cell in row:
            bare = cell == cell.strip(" \t") and not set(cell) & set(',"\n') and (cell or width > 1)
            shown = cell if bare and draw(st.booleans()) else '"' + cell.replace('"', '""') + '"'
            pieces.append(draw(PADDING) + shown + draw(PADDING))
        text += ",".join(pieces) + draw(st.sampled_from(["\n", "\r\n", "\r"]))
        cells.append(row)
    return text, cells


@given(padded_rows(), BLOCKS)
@settings(max_examples=500, deadline=None)
def test_strip_removes_blanks_around_cells_and_nothing_else(blocks, rows, size):
    text, cells = rows
    blocks(size)
    stripped = stripped_at_once(text.encode(), ",")
    assert [row for _, row in records_of(stripped.decode())] == cells


@given(
    st.lists(st.lists(st.text(alphabet="ab", min_size=1, max_size=3), min_size=1, max_size=4), max_size=4),
    st.lists(st.sampled_from([" ", "  ", "\t ", " \t  "]), min_size=4, max_size=4),
    PADDING,
    BLOCKS,
)
@settings(deadline=None)
def test_runs_of_blanks_are_one_delimiter(blocks, rows, gaps, padding, size):
    blocks(size)
    lines = [padding + "".join(a + b for a, b in zip(row, gaps, strict=False)) + padding for row in rows]
    stripped = stripped_at_once("\n".join(lines).encode(), " ")
    assert stripped.decode() == "\n".join(" ".join(row) for row in rows)


def test_a_tab_inside_a_cell_stays_where_spaces_delimit():
    assert stripped_at_once(b"\ta\tb  c\t\n", " ") == b"a\tb c\n"


def test_a_tab_that_delimits_is_no_blank():
    assert stripped_at_once(b" a\t \t b \n", "\t") == b"a\t\tb\n"


@given(st.text())
def test_visible_text_is_one_short_printable_line(text):
    shown = visible(text, limit=20)
    assert shown.isprintable()
    assert len(shown) <= 20
    if text.isprintable() and len(text) <= 20:
        assert shown == text


def test_visible_writes_out_what_would_steer_a_terminal():
    assert visible("\x1b[31mx\u202e\n\u200b") == r"\x1b[31mx\u202e\n\u200b"
