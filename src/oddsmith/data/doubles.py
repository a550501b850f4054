"""Columns of a text that are parsed as doubles at once, where a double says all that their cells say.

    first piece           its cells as texts -> columns of bare numbers, and the one text that means missing in each
    every other piece     doubles, unless its bytes or its numbers show what a double does not keep

A double does not keep leading zeros (00123 is a code), digits of whole numbers beyond 2^53, words such as nan,
nor the spelling. A column that shows any of these is text from that piece on, and so is one with blanks or words
in it: every cell is then looked at as if nobody had wished for doubles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.cells import BLANKS, EXACT, LEADING_ZEROS, exact_number
from oddsmith.data.scan import LF, Dialect, Structure, members, parity

if TYPE_CHECKING:
    import polars as pl

_CHUNK = 1 << 18
"""Bytes that are looked at together: what is made of them stays in a core's cache."""
_ZERO, _NINE, _POINT = ord("0"), ord("9"), ord(".")
_WORD = members(b"0123456789.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_SIGN = members(b"+-")


class Doubles:
    """The columns that one reading wishes to have as doubles, and what is known of them so far."""

    def __init__(self, columns: Mapping[str, frozenset[str]]) -> None:
        """`columns` are those wished for, with the texts that mean missing in each."""
        self._markers = {
            name: markers
            for name, markers in columns.items()
            if all(exact_number(marker.strip(BLANKS)) is None for marker in markers)
        }
        self.missing = dict.fromkeys(self._markers, "")
        """Columns that may still be doubles, and the text beside the empty one that means missing in each."""

    def leave_all_but(self, columns: Collection[str]) -> None:
        """Any other column is text."""
        self.missing = {name: text for name, text in self.missing.items() if name in columns}

    def of(self, texts: pl.DataFrame, *, tried: bool) -> pl.DataFrame:
        """These texts, with columns as doubles that can be; `tried`: they could not be parsed as such at once."""
        before, frame = dict(self.missing), texts
        for name in [name for name in before if name in texts.columns]:
            found = _bare_numbers(texts[name], self._markers[name], before[name])
            if found is None:
                del self.missing[name]
                continue
            values, self.missing[name] = found
            frame = frame.with_columns(values)
        if tried and self.missing == before:
            self.missing.clear()  # there is no telling why, and it would be so for ever
        return frame

    def leave(self, columns: Iterable[str]) -> None:
        """These columns are text from now on."""
        for name in columns:
            self.missing.pop(name, None)

    def leave_others(self, frame: pl.DataFrame) -> list[str]:
        """Columns parsed as doubles in which one is none, or stands for other digits; they are text from now on."""
        others = [name for name in frame.columns if name in self.missing and not _are_exact(frame[name])]
        self.leave(others)
        return others


def _bare_numbers(series: pl.Series, markers: frozenset[str], missing: str) -> tuple[pl.Series, str] | None:
    """The numbers (n,) of texts that are nothing else, null where one is missing, and what it says there."""
    import polars as pl

    values = series.cast(pl.Float64, strict=False)
    odd = ~values.is_finite().fill_null(value=False) & series.is_not_null()
    words = series.filter(odd).unique().to_list()
    if any(word not in markers for word in words) or len({*words, missing} - {""}) > 1:
        return None
    values = values.set(odd, None)
    if not _are_exact(values) or series.str.contains(LEADING_ZEROS).any():
        return None
    return values, words[0] if words else missing


def _are_exact(values: pl.Series) -> bool:
    """Whether all numbers (n,) that are there are finite, and none is a whole number beyond 2^53."""
    found = (values.drop_nulls() if values.null_count() else values).to_numpy()
    # Neither holds where one is NaN.
    return not len(found) or bool(found.min() > -EXACT and found.max() < EXACT)


def columns_with_codes(structure: Structure, dialect: Dialect) -> set[int]:
    """Positions of the columns in which a cell begins with a zero and another digit, after a sign or none."""
    text = np.frombuffer(structure.body, dtype=np.uint8)
    found = [part for start in range(0, len(text), _CHUNK) if len(part := _zeros_before_digits(text, start))]
    if not found:
        return set()
    zeros = np.concatenate(found)
    before = zeros - 1
    before -= (before >= 0) & _SIGN[text[before]]
    zeros = zeros[(before < 0) | ~_WORD[text[before]]]
    if not len(zeros):
        return set()
    ends = (text == ord(dialect.delimiter)) | (text == LF)
    if structure.quoted:
        ends &= ~parity(text == ord(dialect.quote))
    return set((np.searchsorted(np.flatnonzero(ends), zeros) % structure.n_fields).tolist())


def _zeros_before_digits(text: NDArray[np.uint8], start: int) -> NDArray[np.int64]:
    """Places of a zero, in a chunk, with a digit behind it and neither a digit nor a point before it."""
    first = max(start - 1, 0)
    part = text[first : start + _CHUNK + 1]
    if not start:
        part = np.concatenate([[np.uint8(LF)], part])
        first = -1
    # Unsigned: what is below the point wraps round and is above the nine.
    alone = part[:-2] - np.uint8(_POINT) > _NINE - _POINT
    alone &= part[1:-1] == _ZERO
    alone &= part[2:] >= _ZERO
    if not alone.any():
        return np.empty(0, dtype=np.int64)
    places = np.flatnonzero(alone)
    return first + 1 + places[part[places + 2] <= _NINE]
