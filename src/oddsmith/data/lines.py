r"""How a line of delimited text goes on, as far as its quotes say: enough to know where a record ends.

    cell = blanks quote (no quote | two quotes)* quote blanks  |  (no quote, delimiter, line end)*

    begins a record:              cell (delimiter cell)*                       the record ends here
                                  (cell delimiter)* quote (...)*               a quoted cell goes on
    begins inside a quoted cell:  (...)*                                       the same one goes on
                                  (...)* quote (delimiter cell)*               the record ends here
                                  (...)* quote delimiter (cell delimiter)* quote (...)*    another one goes on

There are blanks around quotes only where they are taken away (`strip`). With a space as delimiter a run of blanks
that holds one is one delimiter. Every repetition takes all it can and gives nothing back: what fails, fails in
one pass over the line.
"""

from __future__ import annotations

import re


class QuotedLines:
    """The patterns for one delimiter and one quote, each one character; no quote is the empty text."""

    def __init__(self, delimiter: str, quote: str, *, strip: bool) -> None:
        self._quote, self._delimiter = quote.encode(), delimiter.encode()
        mark, sign = re.escape(self._quote), re.escape(self._delimiter)
        by_blanks = strip and delimiter == " "
        around = b"" if not strip or by_blanks else rb"[ ]*+" if delimiter == "\t" else rb"[ \t]*+"
        between = rb"\t*+ [ \t]*+" if by_blanks else sign
        outer = rb"[ \t]*+" if by_blanks else b""
        self._between = re.compile(between) if by_blanks else None
        if not quote:
            return
        inner = rb"[^%b]*+(?:%b%b[^%b]*+)*+" % (mark, mark, mark, mark)
        opening, closing = around + mark + inner, mark + around
        cell = rb"(?>%b%b|[^%b%b\r\n]*+)" % (opening, closing, mark, sign)
        more, before = rb"(?:%b%b)*+" % (between, cell), rb"(?:%b%b)*+" % (cell, between)
        end = rb"(?:\r\n|\r|\n)?"
        self._whole = re.compile(outer + cell + more + end)
        self._opens = re.compile(outer + before + opening)
        self._goes_on = re.compile(inner)
        self._closes = re.compile(inner + closing + more + end)
        self._reopens = re.compile(inner + closing + between + before + opening)
        self._closes_first = re.compile(inner + closing + rb"(?:%b|[\r\n]|\Z)" % between)
        self._quoted = re.compile(rb"%b[^%b]*+%b" % (mark, mark, mark))

    def n_cells(self, record: bytes) -> int:
        """Cells of a record whose quotes are in their places."""
        if self._quote and self._quote in record:
            record = self._quoted.sub(b"x", record)
        if self._between is not None:
            return len(self._between.split(record.strip(b" \t\r\n")))
        return record.count(self._delimiter) + 1

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
