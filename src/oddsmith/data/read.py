"""Rows in: a text file gives exactly the cells that a person sees, or stops with a sentence.

    bytes -> text (decode.py) -> structure proved (scan.py) -> cells parsed by Polars, all of them text -> Table

Nothing is shifted, padded, dropped, renamed, recoded or rounded in silence. What is left out has no content:
the byte order mark, blank lines, and nameless empty columns at the end of every line (trailing delimiters).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oddsmith.data.cells import NUMBER
from oddsmith.data.decode import read_bytes, utf8_text
from oddsmith.data.scan import Structure, line_at, scan, strip_blanks, text_start
from oddsmith.data.table import Table
from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    import polars as pl

_DELIMITER_NAMES = {"comma": ",", "semicolon": ";", "space": " ", "tab": "\t", "\\t": "\t"}


@dataclass(frozen=True)
class Reading:
    """How a text file is to be read; the defaults are RFC 4180 with UTF-8 and a header."""

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


def read_table(path: str | Path, reading: Reading | None = None) -> Table:
    """Read delimited text, gzipped or not, as a table whose columns are all text.

    An empty cell is a null, quoted or not. A file with a header and no rows gives a table of no rows. The
    path "-" reads standard input.

    Raises:
        InputError: the file cannot be read, is not text in this encoding, is not a table with these
            delimiter and quote, or its header does not name the columns; the message says where.
    """
    reading = reading or Reading()
    name = "standard input" if str(path) == "-" else visible(str(path), limit=200)
    delimiter, quote = _dialect(reading)
    raw = read_bytes(path, name)
    digest = hashlib.sha256(raw).hexdigest()
    text = utf8_text(raw, name, reading.encoding)
    first = re.compile(rb"[\r\n]*([^\r\n]*)").match(text, text_start(text))
    if first is None or not first[1]:
        raise InputError(
            f"{name}: the file is empty."
            if not raw
            else f"{name}: no header and no rows: the file holds only empty lines."
        )
    _refuse_other_dialect(first[1], f"{name}:{line_at(text, first.start(1))}", delimiter, quote)
    if reading.strip:
        text = strip_blanks(text, delimiter=delimiter, quote=quote)
    structure = scan(text, name, delimiter=delimiter, quote=quote, header=reading.header)
    if not structure.n_records:
        raise InputError(f"{name}: no header and no rows: the file holds only blanks.")
    frame = _cells(structure, name, delimiter, quote, reading.strip)
    notes = _blank_lines(structure, quote)
    if not reading.header:
        return Table(frame, name, digest, structure.line_of, notes)
    names = ["" if cell is None else str(cell) for cell in frame.row(0)]
    rows = _named(frame.slice(1), names, f"{name}:{structure.line_of(0)}")
    notes += _notes(rows.width, names)
    return Table(rows, name, digest, lambda row: structure.line_of(row + 1), notes)


def _dialect(reading: Reading) -> tuple[str, str]:
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
    """Every record, the header too, parsed by Polars; its shape must be the one that was proved."""
    import polars as pl

    columns = [f"column_{position}" for position in range(1, structure.n_fields + 1)]
    quote_char = quote if quote and quote.encode() in structure.body else None
    unfaithful = f"{name}: the file could not be read faithfully"
    report = "Please report this, with the file if you may."
    try:
        frame = pl.read_csv(
            structure.body,
            has_header=False,
            schema=dict.fromkeys(columns, pl.String),
            separator=delimiter,
            quote_char=quote_char,
            null_values=[""],
        )
    except pl.exceptions.PolarsError as error:
        cause = visible(str(error).partition("\n")[0], limit=120)
        raise InputError(f"{unfaithful}: the parser says: {cause}. {report}") from error
    if frame.shape != (structure.n_records, structure.n_fields):
        raise InputError(
            f"{unfaithful}: {structure.n_records} records of {structure.n_fields} fields became "
            f"{frame.height} of {frame.width}. {report}"
        )
    if strip and quote_char:
        stripped = pl.all().str.strip_chars(" \t")
        frame = frame.with_columns(pl.when(stripped != "").then(stripped))
    return frame


def _named(rows: pl.DataFrame, names: list[str], place: str) -> pl.DataFrame:
    """The rows under the header's names, without nameless empty columns at the end."""
    width = len(names)
    while width and not names[width - 1] and rows.to_series(width - 1).null_count() == rows.height:
        width -= 1
    seen: dict[str, int] = {}
    for position, column in enumerate(names[:width], start=1):
        if not column.strip():
            raise InputError(
                f"{place}:{position}: column {position} has no name. Give it one in the header, or remove the column."
            )
        if column in seen:
            raise InputError(
                f"{place}:{position}: '{visible(column)}' names both column {seen[column]} and column {position}. "
                "Rename one of them."
            )
        seen[column] = position
    if not width:
        raise InputError(f"{place}:1: the header has no names. Name the columns.")
    rows = rows[:, :width]
    rows.columns = names[:width]
    return rows


def _blank_lines(structure: Structure, quote: str) -> tuple[str, ...]:
    """In a single column a blank line might mean a missing cell: say that it counts as no row."""
    blank = structure.line_of(structure.n_records - 1) - structure.n_records
    if structure.n_fields > 1 or blank <= 0 or (quote and quote.encode() in structure.body):
        return ()
    return (f"{counted(blank, 'blank line')} skipped. A missing cell in a single column is written as NA.",)


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
