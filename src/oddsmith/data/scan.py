"""Is this text really a table? Its structure is proved over its bytes before a cell is believed.

    record = cell delimiter cell ... cell line-end, and every record has as many cells as the first

Plain text is counted first (counting.py): as many delimiters as its lines must have. Then a short row could
hide behind a long one only, and the parser refuses a long one; where it does, and for any other text, every
record is looked at by itself.

Outside quotes a line ends at LF, CR LF or a lone CR. A byte is inside quotes when an odd number of quotes
stands before it in its record: a doubled quote closes and opens again, and so changes nothing. An opening
quote must begin its cell and a closing quote must end it, or the parity means nothing and the text is
refused. The body is taken in blocks of about a megabyte that end where a record ends, so that every block
starts outside quotes. So does every piece of a text that is read piece by piece.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.counting import counted
from oddsmith.data.memory import require
from oddsmith.errors import InputError, visible

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_FIELDS = 200_000
"""Columns cost time and memory however few rows they have: so many are described within a minute."""
BLOCK = 1 << 20
_LONG = 16 << 20
_BYTE, _MARK = 8, 48
"""Bytes of memory for each byte of a long record, and for each quote, delimiter and line end in it."""
LF, CR = 10, 13
_NEAR = 4096
_NOTHING = np.empty(0, dtype=np.int64)

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Dialect:
    """How text is divided, and what messages call it."""

    name: str
    delimiter: str
    """One ASCII character."""
    quote: str
    """One ASCII character, or none."""
    header: bool
    """Whether messages call the first record the header."""


@dataclass(frozen=True)
class Before:
    """What the text before a piece has told; the defaults are for a piece that begins the text."""

    next_line: int = 1
    """Physical line on which the piece begins."""
    n_fields: int = 0
    """Cells of each record; 0 where no record has been seen."""
    at_start: bool = True
    """Whether the piece begins the text, so that a byte order mark at its start belongs to no cell."""


@dataclass(frozen=True)
class Structure:
    """`n_records` records (the header among them) of `n_fields` cells each.

    Of counted text that is proved as soon as a parser has found no record too long.
    """

    n_records: int
    n_fields: int
    body: bytes
    """The text without blank lines and with LF for every lone CR outside quotes; otherwise as it came."""
    line_of: Callable[[int], int]
    """Physical line (from 1) on which a record (from 0) starts."""
    longest: int
    """No record has more bytes than this."""
    recheck: Callable[[], object]
    """For a text that the parser refuses: looks at each record, and raises InputError where one is at fault."""
    quoted: bool
    """Whether there is a quote in it."""
    broken: bool
    """Whether a cell may hold a line end."""
    end: int
    """Where in the text given the last whole record ends."""
    after: Before
    """For the piece that follows."""


def scan(body: bytes, dialect: Dialect, before: Before = Before(), *, plain: bool = False) -> Structure:
    """The number of records and cells in `body`, and the line of each record: counted, else proved.

    `plain`: it is known already to hold no quote.

    As `prove`, but in counted text a record too short goes unnoticed where another is too long: a parser
    that refuses long records has the last word, and `recheck` then names the first record at fault.
    """
    start = text_start(body) if before.at_start else 0
    found = counted(body, start, dialect.delimiter, "" if plain else dialect.quote, before.n_fields)
    if found is None or found.n_fields > MAX_FIELDS or body.startswith(2 * BYTE_ORDER_MARK):
        return prove(body, dialect, before)
    lines = range(before.next_line, before.next_line + found.n_records)
    return Structure(
        found.n_records,
        found.n_fields,
        body if before.at_start else _first_cell_kept(body),
        lambda record: lines[record],
        found.longest,
        lambda: prove(body, dialect, before),
        quoted=False,
        broken=False,
        end=len(body),
        after=Before(lines.stop, found.n_fields, at_start=False),
    )


def prove(
    body: bytes,
    dialect: Dialect,
    before: Before = Before(),
    *,
    last: bool = True,
) -> Structure:
    """Prove that every record of `body` has the same number of cells, and find the line of each.

    `body` is UTF-8 text; a byte order mark at the start of the text belongs to no cell. Blank lines outside
    quotes are no records. A body without records gives `n_records=0`. Unless it is the `last` piece of the
    text, what stands after its last whole record is left for the next piece.

    Raises:
        InputError: a record has fewer or more cells than the first; a quote stands inside an unquoted cell;
            text follows a closing quote; a quote is never closed; there are more than `MAX_FIELDS` fields; there
            are two byte order marks; a record is too long for the memory there is.
    """
    return _Scanner(body, dialect, before, last=last).structure()


def text_start(body: bytes) -> int:
    """Where the text begins: after the byte order mark, if there is one."""
    return len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0


def line_at(body: bytes, position: int) -> int:
    """Physical line (from 1) of the byte at `position`; LF, CR LF and a lone CR each end a line."""
    lone = body.count(b"\r", 0, position) - body.count(b"\r\n", 0, position)
    return 1 + body.count(b"\n", 0, position) + lone


def _first_cell_kept(body: bytes) -> bytes:
    """For a parser, which takes a byte order mark off at the start: one more where that belongs to the first cell."""
    return BYTE_ORDER_MARK + body if body.startswith(BYTE_ORDER_MARK) else body


class _Lines:
    """Line of each record, a segment for each block: a range where every record is one line."""

    def __init__(self) -> None:
        self.n_records = 0
        self._firsts: list[int] = []
        self._segments: list[range | NDArray[np.int64]] = []

    def append(self, lines: range | NDArray[np.int64]) -> None:
        self._firsts.append(self.n_records)
        self._segments.append(lines)
        self.n_records += len(lines)

    def __call__(self, record: int) -> int:
        if not 0 <= record < self.n_records:
            raise IndexError(record)
        segment = bisect.bisect_right(self._firsts, record) - 1
        return int(self._segments[segment][record - self._firsts[segment]])


class _Scanner:
    def __init__(self, body: bytes, dialect: Dialect, before: Before, *, last: bool) -> None:
        self.body = body
        self.text: Bytes = np.frombuffer(body, dtype=np.uint8)
        self.name = dialect.name
        self.delimiter = ord(dialect.delimiter)
        self.quote = ord(dialect.quote) if dialect.quote else -1
        self.first_record = "the header" if dialect.header else "the first line"
        self.is_edge = members(dialect.delimiter.encode() + b"\r\n")
        self.has_cr = b"\r" in body
        self.before = before
        self.last = last
        self.start = text_start(body) if before.at_start else 0
        self.n_fields = before.n_fields
        self.lines = _Lines()
        self.next_line = before.next_line
        self.pieces: list[memoryview | bytes] = []
        self.changed = False
        self.broken = False
        self.longest = 0

    def structure(self) -> Structure:
        position = self.start
        if position and self.body.startswith(BYTE_ORDER_MARK, position):
            raise InputError(
                f"{self.name}:1:1: two byte order marks at the start. Remove one of them, or both."
            )
        while position < len(self.text):
            stop, inside = self._records_from(position)
            if stop == position:
                break
            self._prove(position, stop, inside)
            self.longest = max(self.longest, stop - position)
            position = stop
        whole = not self.changed and position == len(self.body)
        body = self.body if whole else b"".join(self.pieces)
        return Structure(
            self.lines.n_records,
            self.n_fields,
            body if whole and self.start else _first_cell_kept(body),
            self.lines,
            self.longest,
            lambda: None,
            self.quote >= 0 and bytes([self.quote]) in body,
            self.broken,
            position if position > self.start else 0,
            Before(self.next_line, self.n_fields, at_start=self.before.at_start and position == self.start),
        )

    def _line_at(self, position: int) -> int:
        return self.before.next_line - 1 + line_at(self.body, position)

    def _records_from(self, start: int) -> tuple[int, Mask | None]:
        """End of a block of whole records from `start`, and which of its bytes are inside quotes.

        The end is `start` where the next piece of the text must be seen first.
        """
        size = BLOCK
        while True:
            stop = min(start + size, len(self.text))
            quotes = np.flatnonzero(self.text[start:stop] == self.quote) if self.quote >= 0 else _NOTHING
            if not len(quotes):
                inside, misplaced = None, None
            else:
                inside = _between(quotes, stop - start)
                misplaced = self._misplaced(start + quotes)
            # What stands before a misplaced quote is proved first, so that the first fault is the one named.
            limit = stop if misplaced is None else misplaced
            end = self._last_record_end(start, limit, inside)
            if end is not None:
                return end, None if inside is None else inside[: end - start]
            if misplaced is not None:
                raise self._misplaced_quote(start, misplaced, opening=bool(inside[misplaced - start]))  # type: ignore[index]
            if stop == len(self.text):
                if not self.last:
                    return start, None
                if inside is not None and inside[-1]:
                    raise self._unclosed_quote(start, start + quotes)
                return stop, inside
            size *= 2
            self._require_memory(start, size)

    def _require_memory(self, start: int, size: int) -> None:
        """Masks and positions of a record, where it is a long one."""
        if size > _LONG:
            line = self._line_at(start)
            marks = {self.quote, self.delimiter, LF, CR} - {-1}
            n_marks = sum(self.body.count(mark, start, start + size) for mark in marks)
            require(
                _BYTE * size + _MARK * n_marks,
                f"{self.name}:{line}: line {line} goes on for more than {size // 2_000_000:,} MB, and reading it",
                "Check the delimiter and the quotes, or take this line out.",
            )

    def _last_record_end(self, start: int, stop: int, inside: Mask | None) -> int | None:
        if inside is None:
            end = self.body.rfind(b"\n", start, stop) + 1
            if end or not self.has_cr:
                return end or None
        ends = self._breaks(start, stop)
        if inside is not None:
            ends &= ~inside[: stop - start]
        for first in (max(0, len(ends) - _NEAR), 0):
            where = np.flatnonzero(ends[first:])
            if len(where):
                return start + first + int(where[-1]) + 1
        return None

    def _breaks(self, start: int, stop: int) -> Mask:
        """Bytes that end a physical line: LF, and CR unless LF follows."""
        block = self.text[start:stop]
        breaks: Mask = block == LF
        if self.has_cr:
            lone = block == CR
            following = self.text[start + 1 : stop + 1]
            lone[: len(following)] &= following != LF
            breaks |= lone
        return breaks

    def _prove(self, start: int, stop: int, inside: Mask | None) -> None:
        """Every record in the block has `n_fields` cells; note their lines and what Polars should read."""
        block = self.text[start:stop]
        breaks = self._breaks(start, stop)
        special = breaks | (block == self.delimiter)
        broken = False
        if inside is not None:
            broken = bool((breaks & inside).any())
            self.broken |= broken
            special &= ~inside
        where = np.flatnonzero(special)
        is_end = breaks[where]
        unended = not len(where) or int(where[-1]) != len(block) - 1 or not is_end[-1]
        if unended:
            where, is_end = np.append(where, len(block)), np.append(is_end, True)
        if not broken and self._regular(where, is_end) and not self._other_line_ends(start, stop):
            n_records = len(where) // self.n_fields
            self.lines.append(range(self.next_line, self.next_line + n_records))
            self.next_line += n_records
            self.pieces.append(memoryview(self.body)[start:stop])
            return

        ends = where[is_end]
        starts = np.concatenate([[0], ends[:-1] + 1])
        counts = np.diff(np.flatnonzero(is_end), prepend=-1)
        blank = (ends == starts) | ((ends - starts == 1) & (block[starts] == CR))
        if not self.n_fields and not blank.all():
            self.n_fields = int(counts[~blank][0])
            if self.n_fields > MAX_FIELDS:
                line = self._line_at(start + int(starts[~blank][0]))
                raise InputError(
                    f"{self.name}:{line}: line {line} has {self.n_fields:,} fields; at most {MAX_FIELDS:,} columns are "
                    "read. Check the delimiter, or keep fewer columns."
                )
        ragged = np.flatnonzero(~blank & (counts != self.n_fields))
        if len(ragged):
            first = int(ragged[0])
            last_of_file = unended and first == len(ends) - 1
            raise self._ragged(start + int(starts[first]), int(counts[first]), cut_short=last_of_file)

        passed = np.searchsorted(np.flatnonzero(breaks), starts) if broken else np.arange(len(starts))
        self.lines.append(self.next_line + passed[~blank])
        self.next_line += int(np.count_nonzero(breaks))
        real_ends = ends[:-1] if unended else ends
        lone = real_ends[block[real_ends] == CR]
        if len(lone) or blank.any():
            self.changed = True
            mended, kept = block.copy(), np.ones(len(block), dtype=np.bool_)
            mended[lone] = LF
            kept[starts[blank]] = False
            kept[ends[blank]] = False
            self.pieces.append(mended[kept].tobytes())
        else:
            self.pieces.append(memoryview(self.body)[start:stop])

    def _regular(self, where: NDArray[np.int64], is_end: Mask) -> bool:
        """Whether delimiters and line ends come as in records of `n_fields` cells, none of them blank."""
        n_fields = self.n_fields
        if not n_fields or len(where) % n_fields or not is_end[n_fields - 1 :: n_fields].all():
            return False
        if n_fields == 1:
            return bool((np.diff(where, prepend=-1) > 1).all())
        return int(np.count_nonzero(is_end)) * n_fields == len(where)

    def _other_line_ends(self, start: int, stop: int) -> bool:
        """Whether a CR outside quotes needs a closer look: a lone one, or any where lines are single cells."""
        if not self.has_cr:
            return False
        block = self.text[start:stop]
        pairs = np.count_nonzero((block[:-1] == CR) & (block[1:] == LF))
        return self.n_fields == 1 or int(np.count_nonzero(block == CR)) != int(pairs)

    def _misplaced(self, quotes: NDArray[np.int64]) -> int | None:
        """The first quote that neither begins, ends nor is doubled within a quoted cell."""
        opening, closing = quotes[0::2], quotes[1::2]
        before = self.text[opening - 1]
        begins = self.is_edge[before] | (before == self.quote) | (opening == self.start)
        # At the very end of the text, or of a piece, a quote is followed, as it were, by itself.
        after = self.text[np.minimum(closing + 1, len(self.text) - 1)]
        ends = self.is_edge[after] | (after == self.quote)
        wrong = [*opening[~begins][:1].tolist(), *closing[~ends][:1].tolist()]
        return min(wrong) if wrong else None

    def _place(self, record: int, position: int) -> str:
        """`file:line:column` of the cell that holds the byte at `position`, in the record from `record`."""
        piece = self.text[record:position]
        delimiters = piece == self.delimiter
        if self.quote >= 0:
            delimiters &= ~parity(piece == self.quote)
        return f"{self.name}:{self._line_at(position)}:{1 + int(np.count_nonzero(delimiters))}"

    def _opened_at(self, quotes: NDArray[np.int64]) -> int:
        """The quote that began the last quoted cell among `quotes`, passing over doubled ones."""
        opening = quotes[0::2]
        doubled = np.concatenate([[False], opening[1:] == quotes[1::2][: len(opening) - 1] + 1])
        return int(opening[~doubled][-1])

    def _misplaced_quote(self, record: int, position: int, *, opening: bool) -> InputError:
        place, sign = self._place(record, position), chr(self.quote)
        blank = b" \t"
        if opening:
            fault = f"a quote ({sign}) inside an unquoted cell"
            stripped = self.body[position - 1] in blank
        else:
            quotes = record + np.flatnonzero(self.text[record : position + 1] == self.quote)
            opened = self._line_at(self._opened_at(quotes))
            fault = f"text after the closing quote ({sign}) of a cell that begins on line {opened}"
            stripped = self.body[position + 1] in blank
        blanks = "If there are blanks around quoted cells, add --strip. " if stripped else ""
        return InputError(
            f"{place}: {fault}. {blanks}Quote the whole cell and double the quotes inside it, or add "
            "--quote none where quotes are ordinary characters."
        )

    def _unclosed_quote(self, record: int, quotes: NDArray[np.int64]) -> InputError:
        return InputError(
            f"{self._place(record, self._opened_at(quotes))}: a quote ({chr(self.quote)}) opens here and is "
            "never closed. Close it, fetch the file again if it was cut short, or add --quote none where "
            "quotes are ordinary characters."
        )

    def _ragged(self, position: int, found: int, *, cut_short: bool) -> InputError:
        line = self._line_at(position)
        expected = self.n_fields
        if found < expected and cut_short:
            remedy = "The file seems to be cut short: fetch it again, or remove this line."
        elif found < expected:
            remedy = "Complete the line or remove it."
        elif expected == 1:
            remedy = "Remove what stands above the header, or name the delimiter with --delimiter."
        else:
            remedy = f'Quote the cells that contain "{visible(chr(self.delimiter))}", or mend the line.'
        return InputError(
            f"{self.name}:{line}: line {line} has {_fields(found)}, {self.first_record} has {expected}. {remedy}"
        )


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _between(quotes: NDArray[np.int64], size: int) -> Mask:
    """Which of `size` bytes an odd number of quotes stands at or before."""
    lengths = np.diff(quotes, prepend=0, append=size)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def parity(marks: Mask) -> Mask:
    """Whether an odd number of marks stands at or before each place."""
    return np.bitwise_xor.accumulate(marks.view(np.uint8)).view(np.bool_)


def members(characters: bytes) -> Mask:
    """Table of 256 answers: is this byte one of `characters`?"""
    table = np.zeros(256, dtype=np.bool_)
    table[list(characters)] = True
    return table
