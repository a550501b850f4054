r"""Rows of a delimited text that is still arriving: each is handed on as soon as its line end has come.

    bytes -> physical lines -> records, each whole or at fault -> (several at once) a Table, as of a file

A line without quotes is a record. One that opens a quoted cell goes on until a line closes it; that is known
line by line, so that neither an answer nor a fault waits for what comes later. A record is at fault where
`scan.prove` says so. A wrong number of cells spoils that record alone. A quote that stands where none may,
or is never closed, spoils what the record has up to the end of the line on which its cell begins: the next
line is taken for a new record, and no row after it is lost. "Never closed" is known at the end of the text,
or when the record outgrows `LONGEST`, which bounds the memory.

The same records come out wherever the pieces are cut. A lone CR ends a line once the byte after it is known.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from oddsmith.data.decode import decoded, utf8_text
from oddsmith.data.delimited import Delimited, line_ends, refuse_other_dialect
from oddsmith.data.lines import QuotedLines
from oddsmith.data.read import Reading, dialect, is_svmlight
from oddsmith.data.scan import BYTE_ORDER_MARK, MAX_FIELDS, Before, prove
from oddsmith.data.strip import strip_blanks
from oddsmith.data.table import Table
from oddsmith.errors import InputError, visible

LONGEST, EACH_CELL = 1 << 20, 64
"""A record is oversized beyond so many bytes, and so many more for each of its cells."""
_INSIDE = 2
"""Not the first line of a text: a byte order mark on it is none."""
_DELIMITED_ONLY = "A stream is delimited text. Predict from a file, without --stream."


class Arrived(NamedTuple):
    """A record, or a part of the text that is at fault."""

    line: int
    """Physical line (from 1) on which it begins."""
    raw: bytes
    """Its bytes as they came, with the line end."""
    fault: str | None = None
    """The sentence that says what is wrong with it, as `prove` says it."""
    more: bool = False
    """Whether the bytes of this fault go on in the next one, which has the same line."""


class Arriving:
    """The records of a text that comes in pieces; a header is kept for `table`.

    Raises, also while it is fed:
        InputError: the text is no delimited text, or its header is at fault.
    """

    def __init__(self, name: str, reading: Reading) -> None:
        self.name = name
        self.reading = reading
        self.dialect = dialect(reading, name)
        _refuse_options(reading, name)
        self.n_fields = 0
        """Cells of the first record; 0 until it has come."""
        self.blank_lines = 0
        """Lines between records that held nothing, and were no records."""
        self._head = bytearray()
        self._header = b""
        self._tail = bytearray()
        self._line = 1
        self._blank = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._opened = 0
        self._spilling = False
        self._decodes = True
        self._quotes = QuotedLines(self.dialect.delimiter, self.dialect.quote, strip=reading.strip)
        blanks = b" " if self.dialect.delimiter == "\t" else b" \t"
        self._nothing = b"\r\n" + (blanks if reading.strip else b"")

    def feed(self, piece: bytes) -> Iterator[Arrived]:
        """Records that `piece` completes, in order."""
        after_cr = self._tail.endswith(b"\r")
        self._tail += piece
        if b"\n" in piece or b"\r" in piece or after_cr:
            text = bytes(self._tail)
            lines = text.splitlines(keepends=True)
            last = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
            self._tail = bytearray(last)
            yield from self._proved_to_decode(text[: len(text) - len(last)], lines)
        if len(self._tail) > self._longest or self._spilling:
            yield from self._spilled()

    def finish(self) -> Iterator[Arrived]:
        """Records that the end of the text completes."""
        last = bytes(self._tail)
        self._tail.clear()
        if last or self._spilling:
            yield from self._proved_to_decode(last, last.splitlines(keepends=True) or [b""])
        while self._held:
            yield from self._broken_off(len(self._held))
        if not self.n_fields:
            self._delimited(self._text_of_head())

    def table(self, rows: Sequence[Arrived]) -> Table:
        """The cells of rows that are not known to be at fault, read as those of a file, under the header's names.

        The first record must have come. No rows give a table with the columns.

        Raises:
            InputError: a row is at fault.
        """
        text = decoded(b"".join(row.raw for row in rows), self.name, self.reading.encoding, _INSIDE)
        if not rows and not self.reading.header:
            text = self.dialect.delimiter.join("x" * self.n_fields).encode()
        table = Delimited(self.dialect, strip=self.reading.strip).whole(self._header + text)
        if not rows:
            return table.take(np.arange(0))
        columns, frame = table.frame.columns, table.frame

        def place_of(row: int, column: str) -> str:
            position = columns.index(column)
            line = rows[row].line + line_ends(frame.row(row)[:position])
            return f"{self.name}:{line}:{position + 1}"

        return replace(table, place_of=place_of, notes=())

    @property
    def _longest(self) -> int:
        return LONGEST + EACH_CELL * (self.n_fields or MAX_FIELDS)

    def _proved_to_decode(self, text: bytes, lines: Sequence[bytes]) -> Iterator[Arrived]:
        """Records among the lines of `text`; where it does not decode, each is looked at by itself."""
        decodes = True
        try:
            decoded(text, self.name, self.reading.encoding, _INSIDE)
        except InputError:
            decodes = False
        self._decodes = decodes and (self._decodes or not self._held)
        yield from self._records(deque(lines))

    def _records(self, waiting: deque[bytes]) -> Iterator[Arrived]:
        """Records among physical lines, to which a fault may give some back."""
        # Where there are no quotes, no line can hold this.
        quote, lines = self.dialect.quote.encode() or b"\n\n", self._quotes
        while waiting:
            line = waiting.popleft()
            if self._spilling or (not self._held and len(line) > self._longest):
                self._spilling = False
                yield Arrived(self._line, line, self._oversize)
                self._line += 1
            elif not self._held:
                start = line.removeprefix(BYTE_ORDER_MARK) if self._line == 1 else line
                if quote not in line or lines.whole(start):
                    yield from self._record(line, 1, sound=True)
                elif lines.opens(start):
                    self._held, self._held_size, self._opened = [line], len(line), 0
                else:
                    yield from self._record(line, 1, sound=False)
            else:
                self._held.append(line)
                self._held_size += len(line)
                if self._held_size > self._longest:
                    yield from self._broken_off(len(self._held) - 1, waiting)
                elif quote not in line or lines.goes_on(line):
                    continue
                elif lines.closes(line):
                    record, n_lines = b"".join(self._held), len(self._held)
                    self._held = []
                    yield from self._record(record, n_lines, sound=True)
                elif lines.reopens(line):
                    self._opened = len(self._held) - 1
                else:
                    if lines.closes_first(line):
                        self._opened = len(self._held) - 1
                    yield from self._broken_off(len(self._held), waiting)

    def _record(self, raw: bytes, n_lines: int, *, sound: bool) -> Iterator[Arrived]:
        """A record of so many physical lines, `sound` by its quotes: has it as many cells as the first?"""
        line = self._line
        self._line += n_lines
        if not self.n_fields:
            self._head += raw
            if len(self._head) > self._longest:
                raise InputError(self._oversize)
            if raw.strip(self._nothing) not in (b"", BYTE_ORDER_MARK):
                self._first(raw)
                if not self.reading.header:
                    yield Arrived(line, raw)
        elif not raw.strip(self._nothing):
            self._blank += 1
        else:
            self.blank_lines, self._blank = self.blank_lines + self._blank, 0
            sound = sound and self._quotes.n_cells(raw) == self.n_fields
            yield Arrived(line, raw, None if sound and self._decodes else self._fault(raw, line, sound=sound))

    def _first(self, raw: bytes) -> None:
        """The first record, `raw`, says how many cells a record has; where there is a header, it is this one."""
        text = self._text_of_head()
        self._delimited(text)
        self.n_fields = prove(self._stripped(text), self.dialect).n_fields
        if self.dialect.header:
            text = decoded(raw, self.name, self.reading.encoding, _INSIDE)
            self._header = text if text.endswith((b"\n", b"\r")) else text + b"\n"
        self._head.clear()

    def _stripped(self, text: bytes) -> bytes:
        if not self.reading.strip:
            return text
        marks = {"delimiter": self.dialect.delimiter, "quote": self.dialect.quote}
        return b"".join(strip_blanks((text,), **marks))

    def _delimited(self, text: bytes) -> Table:
        """The table in what has come so far.

        Raises:
            InputError: it is none.
        """
        refuse_other_dialect(text, self.dialect, strip=self.reading.strip)
        return Delimited(self.dialect, strip=self.reading.strip).whole(text)

    def _text_of_head(self) -> bytes:
        """What has come so far as UTF-8, proved to be delimited text.

        Raises:
            InputError: it is something else.
        """
        head = bytes(self._head)
        if head.startswith(b"\x1f\x8b"):
            raise InputError(
                f"{self.name}: this is compressed with gzip, which --stream does not unpack. Put gzip -dc before "
                f"the pipe."
            )
        text = utf8_text(head, self.name, self.reading.encoding)
        if is_svmlight(text, "", self.reading):
            raise InputError(f"{self.name}: these are svmlight rows. {_DELIMITED_ONLY}")
        return text

    def _broken_off(self, n_seen: int, waiting: deque[bytes] | None = None) -> Iterator[Arrived]:
        """The record that is held is at fault up to the line that opened its cell; what follows begins anew.

        The first `n_seen` of its lines show the fault.
        """
        held, self._held = self._held, []
        line, n_bad = self._line, self._opened + 1
        seen = b"".join(held[:n_seen])
        if not self.n_fields:
            self._head += seen
            self._delimited(self._text_of_head())
        self._line += n_bad
        yield Arrived(line, b"".join(held[:n_bad]), self._fault(seen, line, sound=False))
        if waiting is None:
            yield from self._records(deque(held[n_bad:]))
        else:
            waiting.extendleft(reversed(held[n_bad:]))

    def _fault(self, raw: bytes, line: int, *, sound: bool) -> str | None:
        """What is wrong with a record, whose structure is or isn't `sound`; None where nothing is."""
        try:
            if not sound:
                prove(self._stripped(raw), self.dialect, Before(line, self.n_fields, at_start=line == 1))
            decoded(raw, self.name, self.reading.encoding, line)
        except InputError as error:
            return str(error)
        return None

    def _spilled(self) -> Iterator[Arrived]:
        """The unended line is too long: it is handed on as it comes, and takes no memory."""
        while self._held:
            yield from self._broken_off(len(self._held))
        if not self.n_fields:
            raise InputError(self._oversize)
        self._spilling = True
        # Whether a CR ends the line alone is known with the next byte.
        raw = bytes(self._tail.removesuffix(b"\r"))
        del self._tail[: len(raw)]
        if raw:
            yield Arrived(self._line, raw, self._oversize, more=True)

    @property
    def _oversize(self) -> str:
        line = self._line
        return (
            f"{self.name}:{line}: line {line} has more than {self._longest:,} bytes. Check the delimiter and the "
            f"line ends, or predict from a file, without --stream."
        )


def _has_ascii_bytes(encoding: str) -> bool:
    """Whether a byte below 128 is that character of ASCII wherever it stands, and no part of another one."""
    ascii_bytes = bytes(range(128))
    with contextlib.suppress(UnicodeError):
        if ascii_bytes.decode(encoding) == ascii_bytes.decode("ascii"):
            return all(map(partial(_ends_in_ascii, encoding), range(128, 256)))
    return False


def _ends_in_ascii(encoding: str, first: int) -> bool:
    """Whether no character of `encoding` consists of this byte and a letter, as those of GBK and Shift JIS do."""
    with contextlib.suppress(UnicodeError):
        return bytes([first, ord("a")]).decode(encoding).endswith("a")
    return True


def _refuse_options(reading: Reading, name: str) -> None:
    """Stop where the text could not be cut at its line ends, delimiters and quotes."""
    if reading.format not in ("auto", "csv"):
        raise InputError(f"--format {reading.format}: {_DELIMITED_ONLY}")
    decoded(b"", name, reading.encoding)
    if not _has_ascii_bytes(reading.encoding):
        raise InputError(
            f"--encoding {visible(reading.encoding)!r}: --stream reads encodings in which each byte below 128 is that "
            f"character of ASCII. Put iconv -t utf-8 before the pipe."
        )
