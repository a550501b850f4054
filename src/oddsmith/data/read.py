"""Rows in: a file gives exactly the cells that a person sees, or stops with a sentence.

    files (sources.py) -> bytes (content.py) -> Parquet (parquet.py)
                                             -> text (decode.py) -> svmlight rows (svmlight.py)
                                                                 -> cells (delimited.py) -> Table, or Tables

A file's content says what it is. Nothing is shifted, padded, dropped, renamed, recoded or rounded in silence.
What is left out of delimited text has no content: the byte order mark, blank lines, and nameless empty columns
at the end of every line (trailing delimiters).
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, get_args

from oddsmith.data.content import HEAD, START, InMemory, content_at, digest_of, ended, read_bytes
from oddsmith.data.decode import utf8_chunks
from oddsmith.data.delimited import Delimited, refuse_other_dialect
from oddsmith.data.doubles import Doubles
from oddsmith.data.parquet import is_parquet, parquet_tables
from oddsmith.data.scan import Dialect
from oddsmith.data.sources import Paths, files_of, joined
from oddsmith.data.svmlight import has_row, looks_svmlight, read_svmlight
from oddsmith.data.table import Table
from oddsmith.errors import InputError, visible

Format = Literal["auto", "csv", "parquet", "svmlight"]

_SVMLIGHT_NAMES = (".svm", ".svmlight", ".libsvm")
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
    return joined([File(path, reading or Reading()).whole() for path in files_of(paths)])


class File:
    """One file, as tables of consecutive rows: of about `size` bytes of it each, or of all of it where that is None.

    It can be read again and again, as long as it does not change. What only all of it tells - `digest`, `n_rows`,
    `notes` - is known once it has been read to its end.
    """

    digest: str | None = None
    """SHA-256 of its bytes as they lie on disk, in hexadecimal."""
    n_rows = 0
    expected = 0.0
    """About how many rows there are, once the first ones have been read."""
    notes: tuple[str, ...] = ()

    def __init__(self, path: str, reading: Reading, size: int | None = None) -> None:
        if reading.format not in get_args(Format):
            known = ", ".join(get_args(Format))
            raise InputError(f"--format '{visible(str(reading.format))}': unknown. There are {known}.")
        self.path = path
        self.name = "standard input" if path == "-" else visible(path, limit=200)
        self.reading = reading
        self.size = size
        self._content = (
            InMemory(read_bytes(path, self.name), self.name) if size is None else content_at(path, self.name)
        )
        self._text = Delimited(dialect(reading, self.name), strip=reading.strip)
        self._svmlight: Table | None = None

    @property
    def is_long(self) -> bool:
        """Whether it has more bytes than one of its tables."""
        return self.size is not None and self._content.n_bytes > self.size

    def whole(self) -> Table:
        """All rows at once, as one table with all that is known of the file."""
        (table,) = self.tables()
        return replace(table, digests=((self.name, str(self.digest)),), notes=self.notes)

    def tables(self, only: Collection[str] | None = None, doubles: Doubles | None = None) -> Iterator[Table]:
        """The rows in order; of a file without rows one table with none.

        `only` these columns are parsed, from the second reading on: the first one looks at everything. Of a text,
        columns may come as `doubles`, in any of the tables.

        Raises:
            InputError: as for `read_table`; or the file has changed since it was first opened.
        """
        self._content.refuse_changes()
        if self.digest is not None:
            yield from self._tables(only, self.size, doubles, ahead=self.is_long)
            self._content.refuse_changes()
            return
        digest, n_rows = digest_of(self._content), 0
        try:
            for table in self._tables(None, self.size, doubles, ahead=self.is_long):
                n_rows += table.frame.height
                yield table if only is None else table.only(only)
            self._content.refuse_changes()
            self.n_rows, self.digest = n_rows, digest.hexdigest()
        finally:
            digest.stop()

    def head(self) -> Table:
        """The first rows; none where the file has none. What follows them has not been looked at."""
        size = START if self.size is None else min(self.size, START)
        found = next(self._tables(None, size))
        self.expected = found.frame.height * max(self._content.n_bytes / size, 1.0)
        return found

    def _tables(
        self,
        only: Collection[str] | None,
        size: int | None,
        doubles: Doubles | None = None,
        *,
        ahead: bool = False,
    ) -> Iterator[Table]:
        if self._svmlight is not None:
            yield self._svmlight if only is None else self._svmlight.only(only)
            return
        with self._content.open() as stream:
            head = stream.read(2 * HEAD)
        if is_parquet(head) or self.reading.format == "parquet":
            _refuse_other_format(head, self.name, self.reading.format)
            yield from parquet_tables(self._content, size, only)
            return
        if is_parquet(_first_unzipped(head)):
            raise InputError(
                f"{self.name}: this is a Parquet file, compressed once more with gzip. Unpack it and read it as it is."
            )
        start, chunks = _with_start(utf8_chunks(self._content.open, self.name, self.reading.encoding, size))
        if start and is_svmlight(start, self.path, self.reading):
            table = read_svmlight(b"".join(chunks), self.name)
            self.notes, self._svmlight = table.notes, table
            yield table
            return
        refuse_other_dialect(start, self._text.dialect, strip=self.reading.strip)
        yield from self._text.tables(chunks, only, doubles, ahead=ahead)
        self.notes = self._text.notes


def is_svmlight(start: bytes, path: str, reading: Reading) -> bool:
    """Whether that is asked for, or else said by the first row of a text or by its file's name."""
    if reading.format != "auto":
        return reading.format == "svmlight"
    named = path.lower().removesuffix(".gz").endswith(_SVMLIGHT_NAMES)
    return named or (dialect(reading, "").delimiter not in " \t:" and looks_svmlight(start))


def _with_start(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The start of a text with its first line that says anything, and all of its chunks."""
    start, held, pairs = b"", list[bytes](), ended(chunks)
    for chunk, last in pairs:
        held.append(chunk)
        # A line without end is looked at whenever it has doubled, and not with every chunk.
        if last or sum(map(len, held)) >= len(start):
            start, held = b"".join([start, *held]), []
            if last or has_row(start):
                break
    return start, chain((start,), (chunk for chunk, _ in pairs))


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


def dialect(reading: Reading, name: str) -> Dialect:
    """How delimited text is divided; messages call it `name`.

    Raises:
        InputError: delimiter and quote are not two different characters.
    """
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
    return Dialect(name, delimiter, quote, reading.header)
