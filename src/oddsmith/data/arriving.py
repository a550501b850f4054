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

import codecs
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from oddsmith.data.decode import decoded, utf8_text
from oddsmith.data.delimited import Delimited, line_ends, refuse_other_dialect
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
        self._tail: list[bytes] = []
        self._tail_size = 0
        self._line = 1
        self._blank = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._opened = 0
        self._spilling = False
        self._decodes = True
        self._grammar = _Grammar(self.dialect.delimiter, self.dialect.quote, strip=reading.strip)
        blanks = b" " if self.dialect.delimiter == "\t" else b" \t"
        self._nothing = b"\r\n" + (blanks if reading.strip else b"")

    def feed(self, piece: bytes) -> Iterator[Arrived]:
        """Records that `piece` completes, in order."""
        after_cr = bool(self._tail) and self._tail[-1].endswith(b"\r")
        self._tail.append(piece)
        self._tail_size += len(piece)
        if b"\n" in piece or b"\r" in piece or after_cr:
            text = b"".join(self._tail)
            lines = text.splitlines(keepends=True)
            last = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
            self._tail, self._tail_size = [last] if last else [], len(last)
            yield from self._proved_to_decode(text[: len(text) - len(last)], lines)
        if self._tail_size > self._longest or self._spilling:
            yield from self._spilled()

    def finish(self) -> Iterator[Arrived]:
        """Records that the end of the text completes."""
        last, self._tail = b"".join(self._tail), []
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
        quote, grammar = self.dialect.quote.encode() or b"\n\n", self._grammar
        while waiting:
            line = waiting.popleft()
            if self._spilling or (not self._held and len(line) > self._longest):
                self._spilling = False
                yield Arrived(self._line, line, self._oversize)
                self._line += 1
            elif not self._held:
                start = line.removeprefix(BYTE_ORDER_MARK) if self._line == 1 else line
                if quote not in line or grammar.whole(start):
                    yield from self._record(line, 1, sound=True)
                elif grammar.opens(start):
                    self._held, self._held_size, self._opened = [line], len(line), 0
                else:
                    yield from self._record(line, 1, sound=False)
            else:
                self._held.append(line)
                self._held_size += len(line)
                if self._held_size > self._longest:
                    yield from self._broken_off(len(self._held) - 1, waiting)
                elif quote not in line or grammar.goes_on(line):
                    continue
                elif grammar.closes(line):
                    record, n_lines = b"".join(self._held), len(self._held)
                    self._held = []
                    yield from self._record(record, n_lines, sound=True)
                elif grammar.reopens(line):
                    self._opened = len(self._held) - 1
                else:
                    if grammar.closes_first(line):
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
            sound = sound and self._grammar.n_cells(raw) == self.n_fields
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
        raw, self._tail, self._tail_size = b"".join(self._tail), [], 0
        # Whether a CR ends the line alone is known with the next byte.
        if raw.endswith(b"\r"):
            raw, self._tail, self._tail_size = raw[:-1], [b"\r"], 1
        if raw:
            yield Arrived(self._line, raw, self._oversize, more=True)

    @property
    def _oversize(self) -> str:
        line = self._line
        return (
            f"{self.name}:{line}: line {line} has more than {self._longest:,} bytes. Check the delimiter and the "
            f"line ends, or predict from a file, without --stream."
        )


class _Grammar:
    """How a physical line goes on, as far as its quotes say."""

    def __init__(self, delimiter: str, quote: str, *, strip: bool) -> None:
        mark, sign = re.escape(quote.encode()), re.escape(delimiter.encode())
        by_blanks = strip and delimiter == " "
        around = rb"" if not strip or by_blanks else rb"[ ]*" if delimiter == "\t" else rb"[ \t]*"
        between = rb"\t* [ \t]*" if by_blanks else sign
        outer = rb"[ \t]*" if by_blanks else rb""
        self._quote, self._sign = quote.encode(), delimiter.encode()
        self._between = re.compile(between) if by_blanks else None
        if not quote:
            return
        inner = rb"[^" + mark + rb"]*+(?:" + mark * 2 + rb"[^" + mark + rb"]*+)*+"
        closed = mark + inner + mark + around
        cell = rb"(?:" + around + closed + rb"|[^" + mark + sign + rb"\r\n]*+)"
        cells = rb"(?:" + between + cell + rb")*"
        end = outer + rb"(?:\r\n|\r|\n)?"
        opening = around + mark + inner
        start = outer + cell + cells
        self._whole = re.compile(start + end)
        self._opens = re.compile(outer + rb"(?:" + cell + cells + between + rb")?" + opening)
        self._closes = re.compile(inner + mark + around + cells + end)
        self._reopens = re.compile(inner + mark + around + cells + between + opening)
        self._goes_on = re.compile(inner)
        self._closes_first = re.compile(inner + mark + around + rb"(?:" + between + rb"|[\r\n]|$)")
        self._quoted = re.compile(mark + rb"[^" + mark + rb"]*+" + mark)

    def n_cells(self, record: bytes) -> int:
        """Cells of a record whose quotes are in their places."""
        if self._quote and self._quote in record:
            record = self._quoted.sub(b"x", record)
        if self._between is not None:
            return len(self._between.split(record.strip(b" \t\r\n")))
        return record.count(self._sign) + 1

    def whole(self, line: bytes) -> bool:
        """Whether a line from the start of a record is all of it."""
        return self._whole.fullmatch(line) is not None

    def opens(self, line: bytes) -> bool:
        """Whether a line from the start of a record ends inside a quoted cell."""
        return self._opens.fullmatch(line) is not None

    def closes(self, line: bytes) -> bool:
        """Whether a line that begins inside a quoted cell ends with its record."""
        return self._closes.fullmatch(line) is not None

    def reopens(self, line: bytes) -> bool:
        """Whether a line that begins inside a quoted cell ends inside another one."""
        return self._reopens.fullmatch(line) is not None

    def goes_on(self, line: bytes) -> bool:
        """Whether a line that begins inside a quoted cell ends inside the same one."""
        return self._goes_on.fullmatch(line) is not None

    def closes_first(self, line: bytes) -> bool:
        """Whether the cell in which a line begins is closed properly."""
        return self._closes_first.match(line) is not None


def _has_ascii_bytes(encoding: str) -> bool:
    """Whether a byte below 128 is that character of ASCII wherever it stands."""
    try:
        ascii_bytes = bytes(range(128))
        if ascii_bytes.decode(encoding) != ascii_bytes.decode("ascii"):
            return False
    except UnicodeError:
        return False
    pairs = [bytes([first, second]) for first in range(128, 256) for second in b'",;|\t 0a']
    for pair in pairs:
        shown = codecs.decode(pair, encoding, "replace")
        if not shown.endswith(chr(pair[1])):
            return False
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
