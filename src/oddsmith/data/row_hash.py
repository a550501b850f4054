"""A 64-bit hash of rows: the same for the same row in every file, format, batch and machine.

    mix(z)     z ^= z >> 30;  z *= 0xBF58476D1CE4E5B9;  z ^= z >> 27;  z *= 0x94D049BB133111EB;  z ^= z >> 31
    number     mix(1 + bits of the double)                        0 for -0, so that 1, +1.0, 1e0 and a typed 1 are one
    text       mix(2 + length ^ sum_k mix(word_k + (k + 1) G))    words of 8 bytes of UTF-8, low byte first
    missing    mix(3)
    date       mix(4 + bits of the microseconds since 1970 as a double)    with a time or without, UTC where it has a zone
    row        h = mix(seed), then for each column in the order of names  h = mix(h + G ^ hash of name ^ hash of cell)

All in integers modulo 2^64, with G = 0x9E3779B97F4A7C15. Cells are what `cells.py` takes them for: blanks around them
and the spelling of numbers, truth values and dates (as `times.py` reads them) say nothing. Libraries change their hashes from version to version, and a
row would change its role; this one is fixed by golden values.

Source: the finaliser and the constant of SplitMix, Steele, Lea and Flood (2014), Fast splittable pseudorandom number
generators.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.cells import TRUTH, MissingMarkers, as_written, numbers, refuse_nested
from oddsmith.data.times import moments

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.table import Table

Hashes = NDArray[np.uint64]

GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_NUMBER, _TEXT, _MISSING, _DATE = np.array([1, 2, 3, 4], dtype=np.uint64)
_TRUTH = {spelling: str(bool(truth)) for spelling, truth in TRUTH.items()}
_WORD = 8


def row_hashes(table: Table, columns: Collection[str], markers: MissingMarkers, seed: int = 0) -> Hashes:
    """The hash (n,) of what each row says in these columns, in whatever order they are named.

    Raises:
        InputError: a column is nested.
    """
    import polars as pl

    found = np.full(table.frame.height, mixed(np.array([seed % 2**64], dtype=np.uint64))[0])
    for name in sorted(columns):
        refuse_nested(table, name)
        cells = cell_hashes(table.frame[name], markers.of(name))
        found = mixed(found + GAMMA ^ _of_texts(pl.Series([name])) ^ cells)
    return found


def cell_hashes(series: pl.Series, markers: frozenset[str]) -> Hashes:
    """The hash (n,) of what each cell of a column says."""
    import polars as pl

    found = np.full(series.len(), mixed(np.array([_MISSING]))[0])
    if series.dtype in (pl.Date, pl.Datetime):
        is_told = series.is_not_null()
        found[is_told.to_numpy()] = _of_dates(moments(series.filter(is_told)))
        return found
    # A number in single precision or decimal is the one that its digits say, as it would be in a text.
    if not (series.dtype in (pl.String, pl.Float64) or series.dtype.is_integer()):
        series = as_written(series)
    read = numbers(series, markers)
    is_number = read.values.is_not_null()
    values = read.values.filter(is_number).to_numpy() + 0.0  # of the zeros one
    found[is_number.to_numpy()] = mixed(_NUMBER + values.view(np.uint64))
    if read.texts is not None:
        is_text = read.texts.is_not_null() & ~is_number
        texts = read.texts.filter(is_text).replace(_TRUTH)
        dates = moments(texts)
        hashes = _of_texts(texts)
        hashes[dates.is_not_null().to_numpy()] = _of_dates(dates.drop_nulls())
        found[is_text.to_numpy()] = hashes
    return found


def mixed(z: Hashes) -> Hashes:
    """Each of `z` (n,) with all its bits spread over all others, one to one."""
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return np.asarray(z ^ (z >> np.uint64(31)))


def _of_dates(microseconds: pl.Series) -> Hashes:
    """The hash (n,) of points in time, none missing."""
    return mixed(_DATE + (microseconds.to_numpy() + 0.0).view(np.uint64))


def _of_texts(texts: pl.Series) -> Hashes:
    """The hash (n,) of texts, none missing."""
    lengths = texts.str.len_bytes().to_numpy().astype(np.int64)
    written = np.frombuffer("".join(texts.to_list()).encode(), dtype=np.uint8)
    n_words = -(-lengths // _WORD)
    ends = np.cumsum(n_words)
    starts, begun = ends - n_words, np.cumsum(lengths) - lengths
    total = int(n_words.sum())
    filled = np.zeros(_WORD * total, dtype=np.uint8)
    filled[np.repeat(_WORD * starts - begun, lengths) + np.arange(len(written))] = written
    place = np.arange(1, total + 1) - np.repeat(starts, n_words)
    words = mixed(filled.view("<u8").astype(np.uint64) + place.astype(np.uint64) * GAMMA)
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(words, dtype=np.uint64)])
    return mixed(_TEXT + lengths.astype(np.uint64) ^ (sums[ends] - sums[starts]))
