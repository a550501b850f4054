"""Blanks around cells taken away, with every line end left where it is.

    chunk -> blocks that end in a sign -> runs of blanks -> those at an edge of a cell go

Inside quotes blanks are part of the cell. What a block or a chunk ends in may go on in the next, so it is cut
before its last blanks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from oddsmith.data.content import ended
from oddsmith.data.scan import BLOCK, LF, Bytes, Mask, members, parity, text_start


def strip_blanks(chunks: Iterable[bytes], *, delimiter: str, quote: str) -> Iterator[bytes]:
    """Chunks of a text without the spaces and tabs around its cells, outside quotes.

    When the delimiter is a space, a run of blanks that holds one is one delimiter, and none at either end of
    a line. When it is a tab, only spaces are blanks. Line ends stay where they are.
    """
    is_blank = members(b" " if delimiter == "\t" else b" \t")
    held, previous, quoted, start = b"", LF, False, None
    for chunk, last in ended(chunks):
        body = held + chunk if held else chunk
        if start is None:
            start = text_start(body)
            pieces = [body[:start]]
        else:
            start, pieces = 0, []
        text = np.frombuffer(body, dtype=np.uint8)
        size = BLOCK
        while start < len(text):
            block = text[start : start + size]
            if start + len(block) < len(text) or not last:
                # What ends in blanks is cut before them: what follows them decides.
                solid = np.flatnonzero(~is_blank[block])
                if not len(solid):
                    if start + len(block) == len(text):
                        break
                    size *= 2
                    continue
                block = block[: solid[-1] + 1]
            stop = start + len(block)
            stripped, inside = _stripped(block, is_blank, delimiter, quote, previous, quoted)
            pieces.append(stripped)
            start, size, previous, quoted = stop, BLOCK, int(block[-1]), inside
        held = body[start:]
        yield b"".join(pieces)


def _stripped(
    block: Bytes, is_blank: Mask, delimiter: str, quote: str, previous: int, quoted: bool
) -> tuple[bytes, bool]:
    """A block without blanks around cells, and whether it ends inside quotes; it ends solid, or ends the text.

    `previous` is the byte before it, or LF; `quoted` says whether it begins inside quotes.
    """
    separator, is_break = ord(delimiter), members(b"\r\n")
    blank = is_blank[block]
    if quote:
        inside = parity(block == ord(quote)) ^ quoted
        blank = blank & ~inside
        quoted = bool(inside[-1])
    edges = np.diff(blank.astype(np.int8), prepend=0, append=0)
    first, past = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    left = np.where(first == 0, previous, block[first - 1])
    right = np.where(past == len(block), LF, block[np.minimum(past, len(block) - 1)])
    gone = is_break[left] | is_break[right]
    if delimiter == " ":
        holding = np.concatenate([[0], np.cumsum(block == separator)])
        separates = ~gone & (holding[past] > holding[first])
        block = block.copy()
        block[first[separates]] = separator
        gone |= separates
        first = first + separates
    else:
        gone |= (left == separator) | (right == separator)
    marks = np.zeros(len(block) + 1, dtype=np.int8)
    marks[first[gone]] += 1
    marks[past[gone]] -= 1
    return block[np.cumsum(marks[:-1], dtype=np.int8) == 0].tobytes(), quoted
