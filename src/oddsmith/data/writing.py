"""How the texts of a column are written: as numbers, as codes, as dates, or as numbers of another kind.

Counted by cells, from the different texts and how many cells each has, so that it adds over batches; sets are
of different texts, and stop where the rules of `columns.py` ask no further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.cells import LEADING_ZEROS, numbers

if TYPE_CHECKING:
    import polars as pl

MIN_NUMBERS, MOST_MARKERS = 8, 2
"""So many different numbers beside so few other texts are numbers with markers of missing cells."""

_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12][0-9]|3[01])"
_TIME = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
_DATE = (
    rf"^(?:[0-9]{{4}}-{_MONTH}-{_DAY}|[0-9]{{4}}/{_MONTH}/{_DAY}"
    rf"|{_DAY}[./-]{_MONTH}[./-][0-9]{{4}}|{_MONTH}/{_DAY}/[0-9]{{4}})"
    rf"(?:[T ]{_TIME}(?: ?(?:Z|UTC|[AaPp][Mm]|[+-][0-9]{{2}}:?[0-9]{{2}}))?)?$"
    rf"|^{_TIME}$"
)

# A decimal comma; thousands; and either with a currency, a percent sign or an accountant's brackets.
_GROUPED = (
    r"(?:[0-9]+,[0-9]+|[0-9]{1,3}(?:[.\u00a0\u2009\u202f'’][0-9]{3})+,[0-9]+"
    r"|[0-9]{1,3}(?:[,\u00a0\u2009\u202f'’][0-9]{3})+(?:\.[0-9]+)?)"
)
_DIGITS, _CURRENCY = rf"(?:{_GROUPED}|[0-9]+(?:\.[0-9]+)?)", r"(?:[$€£¥]|USD|EUR|GBP|CHF|JPY)"
OTHER_NUMBER = (
    rf"^(?:[+\-−]?{_GROUPED}|−{_DIGITS}|[+\-−]?{_CURRENCY}\s?[+\-−]?{_DIGITS}"
    rf"|[+\-−]?{_DIGITS}\s?(?:%|{_CURRENCY})|\({_CURRENCY}?\s?{_DIGITS}\))$"
)
"""A number as people and offices write it, which is read neither as a number nor as a level."""


@dataclass(frozen=True)
class Writing:
    """How texts are written, counted by cells; sets are of different texts, and small."""

    n_numbers: int = 0
    has_codes: bool = False
    """Whether a number has leading zeros."""
    n_digits: int = 0
    """Cells of digits and points alone."""
    n_codes: int = 0
    """Those among them with leading zeros."""
    lengths: frozenset[int] = frozenset()
    """Different lengths of cells of digits, up to two."""
    n_other_numbers: int = 0
    """Cells that are numbers written another way."""
    all_dates: bool = True
    numbers: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    """Texts that are numbers, and texts that are not: as many as it takes to tell a level from a marker."""

    @classmethod
    def of(cls, levels: pl.Series, counts: NDArray[np.int64]) -> Self:
        """That of different texts, each in so many cells."""
        digits, codes = digits_and_codes(levels)
        found = numbers(levels, frozenset())
        is_number = found.values.is_not_null()
        return cls(
            n_numbers=int(counts[is_number.to_numpy()].sum()),
            has_codes=found.has_codes,
            n_digits=int(counts[digits.to_numpy()].sum()),
            n_codes=int(counts[codes.to_numpy()].sum()),
            lengths=frozenset(levels.filter(digits).str.strip_chars().str.len_chars().unique().head(2)),
            n_other_numbers=int(counts[levels.str.contains(OTHER_NUMBER).to_numpy()].sum()),
            all_dates=bool(levels.str.contains(_DATE).all()),
            numbers=frozenset(levels.filter(is_number).head(MIN_NUMBERS)),
            others=frozenset(levels.filter(~is_number).head(MOST_MARKERS + 1)),
        )

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.n_numbers + other.n_numbers,
            self.has_codes or other.has_codes,
            self.n_digits + other.n_digits,
            self.n_codes + other.n_codes,
            _some(self.lengths | other.lengths, 2),
            self.n_other_numbers + other.n_other_numbers,
            self.all_dates and other.all_dates,
            _some(self.numbers | other.numbers, MIN_NUMBERS),
            _some(self.others | other.others, MOST_MARKERS + 1),
        )

    @property
    def levels_are_numbers(self) -> bool:
        """Whether most different texts are numbers, and one or two are not, such as ? in most cells."""
        return len(self.numbers) >= MIN_NUMBERS and len(self.others) <= MOST_MARKERS


def _some(items: frozenset[Any], most: int) -> frozenset[Any]:
    return frozenset(list(items)[:most])


def digits_and_codes(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Which cells (n,) are digits and points alone, and which of these have leading zeros."""
    digits = cells.str.contains(r"^\s*[+-]?[0-9.]+\s*$").fill_null(value=False)
    zeros = cells.str.strip_chars().str.contains(LEADING_ZEROS).fill_null(value=False)
    return digits, digits & zeros
