"""Columns that are parsed as doubles say what their texts say, cell by cell; what a double cannot say stays text."""

import random
import re
import warnings
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import oddsmith
from oddsmith.data import content, pieces, survey
from oddsmith.data.batches import Batches
from oddsmith.data.cells import DEFAULT_MISSING, EXACT, LEADING_ZEROS, numbers
from oddsmith.data.delimited import Delimited
from oddsmith.data.doubles import Doubles, columns_with_codes
from oddsmith.data.pieces import Pieces
from oddsmith.data.read import Reading
from oddsmith.data.scan import Dialect, prove
from oddsmith.errors import InputError

MARKERS = frozenset({*DEFAULT_MISSING, "?"})
COMMA = Dialect("t.csv", ",", '"', True)

PLAIN = [
    "1",
    "-2.5",
    "+3",
    "1e3",
    "1e-05",
    "1.0e+05",
    ".5",
    "5.",
    "0",
    "0.07",
    "-0.0",
    "100",
    "9007199254740991",
    "",
]
ODD = ["007", "-01", "+00.5", " 1", "1 ", "\t2", " 008", "NA", "nan", "NaN", "NAN", "null", "?", "inf", "-Infinity",
       "9007199254740992", "-12345678901234567890", "1e400", "1e-400", "1,5", "1_000", "0x1F", "01/02/2024", "2024-01-05",
       "a", "٣", "  ", "é 07", '"', "1\n2", "true"]  # fmt: skip


def quoted(cell: str, always: bool) -> str:
    return '"' + cell.replace('"', '""') + '"' if always or set(cell) & set(',"\n') else cell


def csv(columns: list[list[str]], *, quotes: bool = False, end: str = "\n") -> bytes:
    names = [f"c{j}" for j in range(len(columns))]
    rows = [names, *map(list, zip(*columns, strict=True))]
    return "".join(",".join(quoted(cell, quotes) for cell in row) + end for row in rows).encode()


def read(text: bytes, size: int, doubles: Doubles | None, **options):
    file = Delimited(COMMA, strip=options.get("strip", False))
    return list(file.tables((text[at : at + size] for at in range(0, len(text), size)), None, doubles))


def same(text: pl.Series, found: pl.Series) -> bool:
    """Whether a column of doubles says no more and no less than its texts."""
    said = numbers(text, MARKERS)
    return (
        said.values.equals(found)
        and said.n_numbers == said.n_cells
        and said.first_infinite is None
        and not said.has_codes
        and not any((found.abs() >= EXACT).drop_nulls())
    )


@st.composite
def columns(draw):
    n_rows, seed = draw(st.integers(1, 40)), draw(st.integers(0, 2**32))
    chosen = random.Random(seed)
    shares = draw(st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.3]), min_size=2, max_size=4))
    return [
        [chosen.choice(ODD if chosen.random() < share else PLAIN) for _ in range(n_rows)] for share in shares
    ]


@given(columns(), st.integers(15, 300), st.booleans(), st.booleans(), st.sampled_from(["\n", "\r\n"]))
@example([["1", "2", "NA", "4"], ["1", "2", "3", "007"]], 12, False, False, "\n")
@example([["1", "2", " 3", "4"] * 9, ["01/02/2024", "a\nb", "c", "d"] * 9], 30, False, True, "\n")
@settings(max_examples=40, deadline=None)
def test_doubles_say_what_the_texts_say(cells, size, quotes, strip, end):
    text = csv(cells, quotes=quotes, end=end)
    plain = read(text, size, None, strip=strip)
    doubles = Doubles(dict.fromkeys(plain[0].frame.columns, MARKERS))
    found = read(text, size, doubles, strip=strip)
    assert [table.frame.shape for table in found] == [table.frame.shape for table in plain]
    for one, other in zip(plain, found, strict=True):
        assert [one.place(0, name) for name in one.frame.columns] == [
            other.place(0, name) for name in one.frame.columns
        ]
        for name in one.frame.columns:
            column = other.frame[name]
            assert (
                same(one.frame[name], column)
                if column.dtype == pl.Float64
                else one.frame[name].equals(column)
            )
            assert other.written(name).equals(one.frame[name])


def dtypes(column: list[str], *, markers=MARKERS, before: int = 4) -> str:
    """Of pieces of `before` rows each, which were doubles (d) and which were texts (t)."""
    text = csv([column, ["x"] * len(column)])
    header, *lines = text.splitlines(keepends=True)
    chunks = [b"".join(lines[at : at + before]) for at in range(0, len(lines), before)]
    file = Delimited(COMMA, strip=False)
    tables = file.tables([header + chunks[0], *chunks[1:]], None, Doubles({"c0": markers}))
    return "".join("d" if table.frame["c0"].dtype == pl.Float64 else "t" for table in tables)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1"] * 12, "ddd"),
        (["1", "", "3", "4"] * 3, "ddd"),
        (["1", "NA", "3", "4"] * 3, "ddd"),
        (["1"] * 4 + ["NA"] + ["1"] * 7, "ddd"),  # learned when it comes
        ([""] * 4 + ["1"] * 8, "ddd"),
        (["1", "NA", "nan", "4"] * 3, "ttt"),  # two markers
        (["1"] * 4 + ["NA"] * 4 + ["null"] * 4 + ["1"] * 4, "ddtt"),
        (["1"] * 7 + ["007"] + ["1"] * 8, "dttt"),
        (["1"] * 7 + ["-00.7"] + ["1"] * 8, "dttt"),
        (["1"] * 7 + ["1e05"] + ["1.5e+07"] + ["1"] * 7, "dddd"),
        (["1"] * 7 + ["9007199254740992"] + ["1"] * 8, "dttt"),
        (["1"] * 7 + ["NAN"] + ["1"] * 8, "dttt"),
        (["1"] * 7 + ["1e999"] + ["1"] * 8, "dttt"),
        (["1"] * 7 + ["1 "] + ["1"] * 8, "dttt"),
        (["1"] * 7 + [" 1"] + ["1"] * 8, "dddd"),
        (["1"] * 7 + ["one"] + ["1"] * 8, "dttt"),
        (["one"] * 4 + ["1"] * 8, "ttt"),
    ],
)
def test_a_column_is_doubles_until_a_cell_says_more_than_a_double(cells, expected):
    assert dtypes(cells) == expected


def test_a_marker_that_is_a_number_leaves_its_column_text():
    assert dtypes(["1"] * 12, markers=MARKERS | {"-999"}) == "ttt"


@given(
    st.lists(st.lists(st.sampled_from([*PLAIN, *ODD]), min_size=3, max_size=3), min_size=1, max_size=40),
    st.booleans(),
)
def test_codes_are_found_where_they_stand(rows, quotes):
    cells = [list(column) for column in zip(*rows, strict=True)]
    structure = prove(csv(cells, quotes=quotes), COMMA)
    expected = {
        j for j, column in enumerate(cells) if any(re.match(LEADING_ZEROS, cell.strip()) for cell in column)
    }
    found = columns_with_codes(structure, COMMA)
    assert expected <= found
    # Beside them, texts in which digits stand behind a blank or a line end.
    assert all(re.search(r"[^0-9A-Za-z.]0[0-9]", "\n".join(["", *cells[j]])) for j in found - expected)


def test_codes_are_found_across_the_borders_of_chunks(monkeypatch):
    body = b"1.005,2\n" * 40 + b"1,-07\n" + b"00,2\n" + b"100,200\n" * 40
    structure = prove(body, Dialect("t.csv", ",", '"', False))
    for chunk in range(1, 40):
        monkeypatch.setattr("oddsmith.data.doubles._CHUNK", chunk)
        assert columns_with_codes(structure, COMMA) == {0, 1}
    assert columns_with_codes(prove(b"00,2\n", COMMA), COMMA) == {0}
    assert columns_with_codes(prove(b"0,2\n10,20", COMMA), COMMA) == set()


def files(folder, *texts: bytes) -> list[str]:
    paths = [str(folder / f"{number}.csv") for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        Path(path).write_bytes(text)
    return paths


def outcome(paths, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            record = oddsmith.train(Batches(Pieces(paths, Reading())), **options).record
        except InputError as error:
            return str(error)
    return msgspec.json.encode(record), [str(item.message) for item in caught]


@pytest.fixture
def short_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "piece_size", lambda memory=None: 400)
    monkeypatch.setattr(content, "START", 100)


@pytest.mark.parametrize(
    "late", ["", "7", "007", "NA", "nan", "n/a", " 4.5 ", "9007199254740993", "1e999", "x"]
)
@pytest.mark.parametrize(
    "options", [{}, {"numeric": ["a"]}, {"categorical": ["a"]}, {"missing": ["b=2"]}, {"weight": "c"}]
)
def test_a_model_does_not_know_whether_doubles_were_parsed(
    tmp_path, monkeypatch, short_pieces, late, options
):
    chosen = random.Random(4)
    n = 130
    column = [[f"{chosen.gauss(0, 1):.15g}" for _ in range(n)] for _ in range(2)]
    column += [[str(chosen.randrange(1, 9)) for _ in range(n)], [chosen.choice("01") for _ in range(n)]]
    column[0][100] = late
    rows = list(zip(*column, strict=True))
    text = "a,b,c,y\n" + "".join(",".join(row) + "\n" for row in rows)
    other = "y,c,b,a\n" + "".join(",".join(row[::-1]) + "\n" for row in rows[::-1])
    # One file by itself reads no differently under options: it is the beginning of both.
    both = files(tmp_path, text.encode(), other.encode())
    for paths in (both,) if options else (both[:1], both):
        with pytest.MonkeyPatch.context() as patch:
            found = outcome(paths, target="y", **options)
            patch.setattr(survey, "Doubles", lambda columns: None)
            assert outcome(paths, target="y", **options) == found


def test_the_constant_that_a_sentence_tells_is_written_as_in_the_file(tmp_path, short_pieces):
    text = "a,b,y\n" + "".join(f"{'' if i < 50 else '1.50'},{i % 7},{i % 2}\n" for i in range(200))
    (path,) = files(tmp_path, text.encode())
    (left_out,) = oddsmith.train(path, "y", missing_indicator=False).record.left_out
    assert left_out.reason.startswith("'a' is left out: constant, every value is '1.50'.")


@pytest.mark.parametrize(
    "wrong", [b"1,2\n1,2,3,4\n", b"1,2,3,4\n1,2\n", b"1,2,3,\n1,2\n", b'1,2,"3\n4,5,6\n']
)
@pytest.mark.parametrize("end", [b"", b"1,2,3\n" * 9])
def test_a_record_that_is_too_long_is_refused_among_doubles_too(wrong, end):
    chunks = [b"a,b,c\n" + b"1,2,3\n" * 9, b"1,2,3\n" * 9, wrong + end]
    said = []
    for doubles in (None, Doubles(dict.fromkeys("abc", MARKERS))):
        with pytest.raises(InputError) as refusal:
            list(Delimited(COMMA, strip=False).tables(chunks, None, doubles))
        said.append(str(refusal.value))
    assert said[0] == said[1]
    assert re.match(r"t\.csv:(20|21)[: ]", said[0])
