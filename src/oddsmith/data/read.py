"""Rows in: a file gives exactly the cells that a person sees, or stops with a sentence.

    files (sources.py) -> bytes -> Parquet (parquet.py)
                                -> text (decode.py) -> svmlight rows (svmlight.py)
                                                    -> structure proved (scan.py) -> cells parsed by Polars -> Table

A file's content says what it is. Nothing is shifted, padded, dropped, renamed, recoded or rounded in silence.
What is left out of delimited text has no content: the byte order mark, blank lines, and nameless empty columns
at the end of every line (trailing delimiters).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from oddsmith.data.cells import NUMBER
from oddsmith.data.decode import read_bytes, utf8_text
from oddsmith.data.memory import require
from oddsmith.data.parquet import is_parquet, read_parquet
from oddsmith.data.scan import Structure, line_at, scan, strip_blanks, text_start
from oddsmith.data.sources import Paths, files_of, joined
from oddsmith.data.svmlight import looks_svmlight, read_svmlight
from oddsmith.data.table import Table
from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    import polars as pl

Format = Literal["auto", "csv", "parquet", "svmlight"]

_SVMLIGHT_NAMES = (".svm", ".svmlight", ".libsvm")
_BYTE, _RECORD, _CELL, _COLUMN = 2, 4, 24, 8192
"""Memory that parsing takes for a byte, for one of the longest record, for a cell and for a column, at most."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_DELIMITER_NAMES = {"comma": ",", "semicolon": ";", "space": " ", "tab": "\t", "\\t": "\t"}


@dataclass(frozen=True)
class Reading:
    """How a file is to be read; the defaults are RFC 4180 with UTF-8 and a header, where it is delimited text."""

    delimiter: str = ","
    """One ASCII character, or one of the names comma, semicolon, space, tab and \\t."""
    quote: str = '"'
    """One ASCII character; empty, or "none", where quotes are ordinary characters."""
    header: bool = True
    """Whether the first record names the columns; otherwise they are column_1, column_2, ..."""
    strip: bool = False
    """Remove spaces and tabs around every cell and name. With a space as delimiter a run of blanks is one."""
    encoding: str = "utf-8"
    """A Python codec; every byte must decode."""
    format: Format = "auto"
    """What the file is; by itself what its content says."""


def read_table(paths: Paths, reading: Reading | None = None) -> Table:
    """The table in a file or in several: delimited text or svmlight, gzipped or not, or Parquet.

    `paths` are a path or a pattern such as "part-*.csv", or a list of them; "-" is standard input. Several files
    have the same columns, in any order, and their rows follow one another. Columns of delimited text are all
    text, and an empty cell is a null, quoted or not. A file with a header and no rows gives a table of no rows.

    Raises:
        InputError: a file cannot be read, is damaged, is not text in this encoding, is not a table with these
            delimiter and quote, or its header does not name the columns; files have different columns, or
            one is named twice; the message says where.
    """
    reading = reading or Reading()
    if reading.format not in get_args(Format):
        known = ", ".join(get_args(Format))
        raise InputError(f"--format '{visible(str(reading.format))}': unknown. There are {known}.")
    dialect(reading)
    return joined([_read_file(path, reading) for path in files_of(paths)])


def _read_file(path: str, reading: Reading) -> Table:
    name = "standard input" if path == "-" else visible(path, limit=200)
    raw = read_bytes(path, name)
    digest = hashlib.sha256(raw).hexdigest()
    if is_parquet(raw) or reading.format == "parquet":
        _refuse_other_format(raw, name, reading.format)
        return read_parquet(raw, name, digest)
    if is_parquet(_first_unzipped(raw)):
        raise InputError(
            f"{name}: this is a Parquet file, compressed once more with gzip. Unpack it and read it as it is."
        )
    text = utf8_text(raw, name, reading.encoding)
    if text and is_svmlight(text, path, reading):
        return read_svmlight(text, name, digest)
    return delimited(text, name, digest, reading)


def _refuse_other_format(raw: bytes, name: str, wanted: Format) -> None:
    if not is_parquet(raw):
        raise InputError(
            f"{name}: this is no Parquet file: it does not open with PAR1. Say --format auto to read it as what it is."
        )
    if wanted not in ("auto", "parquet"):
        raise InputError(
            f"{name}: this is a Parquet file, not {wanted}. Say --format auto to read it as such."
        )


def _first_unzipped(raw: bytes) -> bytes:
    """The first bytes inside a gzip file; none if it is damaged or no such file."""
    try:
        return zlib.decompressobj(wbits=31).decompress(raw[:1024], 8)
    except zlib.error:
        return b""


def is_svmlight(text: bytes, path: str, reading: Reading) -> bool:
    """Whether that is asked for, or else said by the file's first row or by its name."""
    if reading.format != "auto":
        return reading.format == "svmlight"
    delimiter, _ = dialect(reading)
    named = path.lower().removesuffix(".gz").endswith(_SVMLIGHT_NAMES)
    return named or (delimiter not in " \t:" and looks_svmlight(text))


def delimited(text: bytes, name: str, digest: str, reading: Reading) -> Table:
    """The table in delimited text, in UTF-8."""
    delimiter, quote = dialect(reading)
    blanks = (b" " if delimiter == "\t" else b" \t") if reading.strip else b""
    first = re.compile(rb"[\r\n" + blanks + rb"]*([^\r\n]*)").match(text, text_start(text))
    if first is None or not first[1]:
        raise InputError(
            f"{name}: the file is empty."
            if not text
            else f"{name}: no header and no rows: the file holds only empty lines."
        )
    _refuse_other_dialect(first[1], f"{name}:{line_at(text, first.start(1))}", delimiter, quote)
    return table_of_records(text, name, digest, reading)


def table_of_records(text: bytes, name: str, digest: str, reading: Reading) -> Table:
    """The table in delimited text whose first line, here or before, has been seen to be divided by this delimiter."""
    delimiter, quote = dialect(reading)
    if reading.strip:
        text = strip_blanks(text, delimiter=delimiter, quote=quote)
    structure = scan(text, name, delimiter=delimiter, quote=quote, header=reading.header)
    if not structure.n_records:
        raise InputError(f"{name}: no header and no rows: the file holds only blanks.")
    frame = _cells(structure, name, delimiter, quote, reading.strip)
    notes = _blank_lines(structure, quote)
    rows = frame
    if reading.header:
        names = ["" if cell is None else str(cell) for cell in frame.row(0)]
        rows = _named(frame.slice(1), names, name, structure.line_of(0))
        notes += _notes(rows.width, names)
    position_of = {column: position for position, column in enumerate(rows.columns, start=1)}
    line_of, header = structure.line_of, int(reading.header)
    # Kept where cells may hold line ends, which move those that follow to a line below their record's first.
    quoted = rows if quote and quote.encode() in structure.body else None

    def place_of(row: int, column: str) -> str:
        position, line = position_of[column], line_of(row + header)
        if quoted is not None:
            line += line_ends(quoted.row(row)[: position - 1])
        return f"{name}:{line}:{position}"

    return Table(rows, name, ((name, digest),), place_of, tuple(f"{name}: {note}" for note in notes))


def dialect(reading: Reading) -> tuple[str, str]:
    """The delimiter and the quote, each one character; no quote is the empty text."""
    delimiter = _DELIMITER_NAMES.get(reading.delimiter, reading.delimiter)
    quote = "" if reading.quote == "none" else reading.quote
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in "\r\n\0":
        raise InputError(
            f"--delimiter {visible(reading.delimiter)!r}: a delimiter is one ASCII character, or one of "
            f"{', '.join(sorted(_DELIMITER_NAMES))}."
        )
    if len(quote) > 1 or not quote.isascii() or (quote and quote in "\r\n\0 \t"):
        raise InputError(
            f"--quote {visible(reading.quote)!r}: a quote is one visible ASCII character, or none."
        )
    if delimiter == quote:
        raise InputError(f"--delimiter {delimiter!r}: the delimiter and the quote are the same. Change one.")
    return delimiter, quote


def _refuse_other_dialect(first: bytes, place: str, delimiter: str, quote: str) -> None:
    """Stop at Excel's `sep=` line, and at a first line that another delimiter would divide and this does not."""
    if (line := re.fullmatch(rb'"?sep=(.)"?,*', first, flags=re.IGNORECASE)) is not None:
        given = visible(line[1].decode("ascii", errors="replace")).replace("\\t", "tab")
        raise InputError(
            f'{place}: Excel\'s "sep=" line is no header. Remove it, and add --delimiter "{given}".'
        )
    sign = re.escape(quote.encode())
    bare = re.sub(sign + rb"[^" + sign + rb"]*(" + sign + rb"|$)", b"", first) if quote else first
    if delimiter.encode() in bare:
        return
    counts = {other: bare.count(other.encode()) for other in "\t;|," if other != delimiter}
    guess = max(counts, key=counts.__getitem__)
    if counts[guess]:
        shown = "tab" if guess == "\t" else guess
        raise InputError(
            f'{place}: one column, for "{visible(delimiter)}" is not in this line. Its delimiter may be another: add '
            f'--delimiter "{shown}". If it is one column, quote the line.'
        )


def _cells(structure: Structure, name: str, delimiter: str, quote: str, strip: bool) -> pl.DataFrame:
    """Every record, the header too, parsed by Polars; its shape must be the one that was found."""
    import polars as pl

    n_records, n_fields, body = structure.n_records, structure.n_fields, structure.body
    columns = [f"column_{position}" for position in range(1, n_fields + 1)]
    quote_char = quote if quote and quote.encode() in body else None
    copies = 2 if strip and quote_char else 1
    require(
        copies * (_BYTE * len(body) + _RECORD * structure.longest + n_fields * (_CELL * n_records + _COLUMN)),
        f"{name}: reading {counted(n_records, 'line')} of {counted(n_fields, 'cell')}",
    )
    unfaithful = f"{name}: the file could not be read faithfully"
    report = "Please report this, with the file if you may."
    try:
        frame = pl.read_csv(
            body,
            has_header=False,
            schema=dict.fromkeys(columns, pl.String),
            separator=delimiter,
            quote_char=quote_char,
            null_values=[""],
        )
    except pl.exceptions.PolarsError as error:
        structure.recheck()
        cause = visible(str(error).partition("\n")[0], limit=120)
        raise InputError(f"{unfaithful}: the parser says: {cause}. {report}") from error
    if frame.shape != (n_records, n_fields):
        structure.recheck()
        raise InputError(
            f"{unfaithful}: {n_records} records of {n_fields} fields became "
            f"{frame.height} of {frame.width}. {report}"
        )
    if strip and quote_char:
        stripped = pl.all().str.strip_chars(" \t")
        frame = frame.with_columns(pl.when(stripped != "").then(stripped))
    return frame


def line_ends(cells: Iterable[str | None]) -> int:
    """Line ends inside cells: those that follow on their record stand so many lines below its first."""
    return sum(len(_LINE_END.findall(cell)) for cell in cells if cell)


def _named(rows: pl.DataFrame, names: list[str], name: str, line: int) -> pl.DataFrame:
    """The rows under the header's names, without nameless empty columns at the end; the header is on `line`."""

    def place(position: int) -> str:
        return f"{name}:{line + line_ends(names[: position - 1])}:{position}"

    width = len(names)
    while width and not names[width - 1] and rows.to_series(width - 1).null_count() == rows.height:
        width -= 1
    seen: dict[str, int] = {}
    for position, column in enumerate(names[:width], start=1):
        if not column.strip():
            raise InputError(
                f"{place(position)}: column {position} has no name. Give it one in the header, or remove the column."
            )
        if column in seen:
            raise InputError(
                f"{place(position)}: '{visible(column)}' names both column {seen[column]} and column {position}. "
                "Rename one of them."
            )
        seen[column] = position
    if not width:
        raise InputError(f"{place(1)}: the header has no names. Name the columns.")
    rows = rows[:, :width]
    rows.columns = names[:width]
    return rows


def _blank_lines(structure: Structure, quote: str) -> tuple[str, ...]:
    """In a single column a blank line might mean a missing cell: say that it counts as no row."""
    blank = structure.line_of(structure.n_records - 1) - structure.n_records
    if structure.n_fields > 1 or blank <= 0 or (quote and quote.encode() in structure.body):
        return ()
    return (blank_lines_skipped(blank),)


def blank_lines_skipped(n_lines: int) -> str:
    """What is said of blank lines where a row is a single cell."""
    return f"{counted(n_lines, 'blank line')} skipped. A missing cell in a single column is written as NA."


def _notes(kept: int, names: list[str]) -> tuple[str, ...]:
    """What was left out of the file, and what looks odd about its header, in sentences."""
    notes = []
    if kept < len(names):
        columns = (
            f"column {len(names)} has"
            if kept + 1 == len(names)
            else f"columns {kept + 1} to {len(names)} have"
        )
        notes.append(f"{columns} no name and no cells; left out.")
    numbers = [name.strip() for name in names if NUMBER.fullmatch(name.strip())]
    if numbers:
        shown = ", ".join(visible(name) for name in numbers[:3])
        notes.append(f"the header names columns {shown}. If the first line is data, add --no-header.")
    return tuple(notes)
