"""Counts that tell a regular text from any other, at the speed of memory.

    delimiters = (fields of the first line - 1) x lines

proves, where nothing quotes a delimiter and every CR is followed by LF, that no line is too short unless
another is too long. The last line, if nothing ends it, is counted by itself: there the parser forgives one
delimiter too many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_CHUNK = 1 << 20
_LF, _CR = 10, 13


@dataclass(frozen=True)
class Counted:
    """Lines and fields of a text that is regular by its counts."""

    n_records: int
    n_fields: int
    longest: int
    """No line has more bytes than this."""


def counted(body: bytes, start: int, delimiter: str, quote: str, n_fields: int = 0) -> Counted | None:
    """The counts of the text from `start`; None where they prove nothing. `n_fields` is 0 where the first line says it.

    That is where `body` holds a quote or a lone CR, a blank line or a line of a single cell, a line of more
    than a chunk, or delimiters that do not add up.
    """
    separator = delimiter.encode()
    end = body.find(b"\n", start)
    n_inner = n_fields - 1 if n_fields else body.count(separator, start, end if end >= 0 else len(body))
    last = max(start, body.rfind(b"\n") + 1)
    unended = last < len(body)
    if not n_inner or (unended and body.count(separator, last) != n_inner):
        return None
    if quote and quote.encode() in body:
        return None
    if b"\r" in body and not _ends_lines_only(body):
        return None
    text = np.frombuffer(body, dtype=np.uint8)
    n_lines, n_delimiters = int(unended), 0
    for at in range(start, len(text), _CHUNK):
        chunk = text[at : at + _CHUNK]
        ends = int(np.count_nonzero(chunk == _LF))
        if not ends and len(chunk) == _CHUNK:
            return None
        n_lines += ends
        n_delimiters += int(np.count_nonzero(chunk == ord(delimiter)))
    if n_delimiters != n_inner * n_lines:
        return None
    return Counted(n_lines, n_inner + 1, min(2 * _CHUNK, len(body)))


def _ends_lines_only(body: bytes) -> bool:
    """Whether LF follows every CR."""
    text = np.frombuffer(body, dtype=np.uint8)
    for at in range(0, len(text), _CHUNK):
        after = text[at + 1 : at + 1 + _CHUNK]
        returns = text[at : at + _CHUNK] == _CR
        if returns[len(after) :].any() or (returns[: len(after)] & (after != _LF)).any():
            return False
    return True
