"""What the cells of a column say, gathered batch after batch: all that rules and means ask, and no more.

    numbers    counts, extremes, spelling, steps from row to row; weight, mean and sigma of each batch
    levels     counts and weights of the different texts while they are few, else how many there are

Memory is bounded whatever the number of rows: levels are kept up to a limit, of more than `MOST_TOLD` different
cells it is only known that they are more, and moments take three numbers a batch:

    mean = sum W_b m_b / sum W_b        sigma^2 = sum W_b (s_b^2 + (m_b - mean)^2) / W
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.data.cells import LEADING_ZEROS, as_written, numbers, texts

if TYPE_CHECKING:
    import polars as pl

MOST_TOLD = 1 << 22
"""Of different cells: hashes of 64 bits tell so many apart with a chance of error of 5e-7."""
EXACT = 2.0**53
"""Whole numbers below are doubles; those above may differ where their doubles do not."""
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
class Moments:
    """Weight, mean and sigma of a batch's numbers in rows that count; their extremes."""

    weight: float
    mean: float
    rest: float
    """What rounding took from the mean: far from zero it may be more than sigma."""
    sigma: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Floats, weight: Floats | None) -> Self:
        """Those of `values` (n,), n at least 1, finite, of positive `weight` (n,) or of 1 each."""
        lowest, highest = float(values.min()), float(values.max())
        total = float(len(values) if weight is None else weight.sum())
        if lowest == highest:
            return cls(total, lowest, 0.0, 0.0, lowest, highest)
        none = np.zeros(1)
        found = _mean_and_sigma(values, none, none, weight, total, total, lowest, highest)
        return cls(total, *found, lowest, highest)


def joined(parts: list[Moments], total: float) -> Moments:
    """The moments of all batches; cells that are missing, of the rest of the weight `total`, are at the mean."""
    lowest, highest = min(part.lowest for part in parts), max(part.highest for part in parts)
    if lowest == highest:
        return Moments(total, lowest, 0.0, 0.0, lowest, highest)
    weight = np.array([part.weight for part in parts])
    found = _mean_and_sigma(
        np.array([part.mean for part in parts]),
        np.array([part.rest for part in parts]),
        np.array([part.sigma for part in parts]),
        weight,
        float(weight.sum()),
        total,
        lowest,
        highest,
    )
    return Moments(total, *found, lowest, highest)


def _mean_and_sigma(
    values: Floats,
    rests: Floats,
    sigmas: Floats,
    weight: Floats | None,
    present: float,
    total: float,
    lowest: float,
    highest: float,
) -> tuple[float, float, float]:
    """Mean, what rounding took from it, and sigma of parts that are `values` and `rests` with a sigma each.

    A power of two changes no digit, and keeps squares away from overflow and underflow.
    """
    exponent = math.frexp(max(abs(lowest), abs(highest)))[1]
    if abs(exponent) > 300:
        values, rests, sigmas = (np.ldexp(part, -exponent) for part in (values, rests, sigmas))
    else:
        exponent = 0
    share = None if weight is None else weight / present
    mean = float(values.sum() / present if share is None else (share * values).sum())
    rest = values - mean
    if rests.any():
        rest += rests
    shift = float(rest.sum() / present if share is None else (share * rest).sum())
    squares = np.square(rest - shift)
    rounded_mean = mean + shift
    lost = mean - rounded_mean + shift
    if sigmas.any():
        squares += np.square(sigmas)
    if share is not None:
        squares *= share
    scatter = float(squares.sum()) / (present if share is None else 1.0)
    sigma = math.sqrt(scatter * (present / total))
    return math.ldexp(rounded_mean, exponent), math.ldexp(lost, exponent), math.ldexp(sigma, exponent)


class NumberFacts:
    """A column's cells read as numbers."""

    def __init__(self, markers: frozenset[str], *, forced: bool, unique: bool, steps: bool) -> None:
        """`forced`: it must be numeric; `unique`: whether all cells differ is asked; `steps`: how they follow."""
        self.markers, self.forced = markers, forced
        self.n_rows = self.n_cells = self.n_numbers = 0
        self.is_finite, self.has_codes = True, False
        self.first: str | None = None
        """The first cell that is a number, as it is written."""
        self.lowest, self.highest = math.inf, -math.inf
        self.spellings: set[str] = set()
        """Of a number beyond 2^53 that is all the column holds: two of its spellings."""
        self.n_rounded = 0
        self.parts: list[Moments] = []
        self._steps = _Steps() if steps or unique else None
        self._cells: list[NDArray[np.int64] | Floats] | None = [] if unique else None

    @property
    def all_numbers(self) -> bool:
        """Whether every cell is a number, and none a code with leading zeros."""
        return self.n_numbers == self.n_cells and not self.has_codes

    def add(self, series: pl.Series, weight: Floats | None) -> Floats:
        """Take in a batch whose rows have these weights; returns its numbers (n,), NaN where there is none."""
        found = numbers(series, self.markers)
        self.n_rows += series.len()
        self.n_cells += found.n_cells
        self.n_numbers += found.n_numbers
        self.has_codes |= found.has_codes
        self.is_finite &= found.first_infinite is None
        values = np.asarray(found.values.fill_null(float("nan")).to_numpy(), dtype=np.float64)
        if not (found.n_numbers and (self.all_numbers or self.forced)):
            return values
        if self.first is None:
            at = int(np.argmin(np.isnan(values)))
            self.first = as_written(series.slice(at, 1))[0]
        if not self.is_finite:
            return values
        present = np.ones(len(values), dtype=bool) if found.n_numbers == len(values) else ~np.isnan(values)
        inside = values if found.n_numbers == len(values) else values[present]
        lowest, highest = float(inside.min()), float(inside.max())
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        if max(-lowest, highest) >= EXACT:
            self._look_at_large(series, found.values)
        if weight is not None:
            counts = present & (weight > 0.0)
            inside, weight = values[counts], weight[counts]
        if len(inside):
            self.parts.append(Moments.of(inside, weight))
        if self._steps is not None:
            self._look_at_steps(series, values)
        return values

    def _look_at_large(self, series: pl.Series, values: pl.Series) -> None:
        if self.lowest == self.highest and len(self.spellings) < 2:
            cells = texts(series, self.markers).drop_nulls().unique(maintain_order=True)
            self.spellings.update(cells.head(2).to_list())
        self.n_rounded += int(rounded(series, values, self.markers).sum())

    def _look_at_steps(self, series: pl.Series, values: Floats) -> None:
        """Whole numbers, none missing: do they count by one, and do they differ?"""
        assert self._steps is not None
        whole: NDArray[np.int64] | Floats | None = None
        if self.n_cells == self.n_rows and bool((values == np.floor(values)).all()):
            exact = max(-self.lowest, self.highest) < EXACT
            whole = values.astype(np.int64) if exact else _whole(series, self.markers, values)
            self._steps.add(whole)
            if self._cells is not None and sum(map(len, self._cells)) < MOST_TOLD:
                differ = len(np.unique(whole)) == len(whole)
                self._cells = [*self._cells, whole] if differ else None
        else:
            self._cells = None
        if whole is None or (not self._steps.by_one and self._cells is None):
            self._steps = None

    @property
    def counts_by_one(self) -> bool:
        """Whether the cells are whole numbers that count up or down by one from row to row."""
        return self.n_cells == self.n_rows and self._steps is not None and self._steps.by_one

    @property
    def all_differ(self) -> bool:
        """Whether the cells are whole numbers, none twice; of more than `MOST_TOLD`, so many decide."""
        if self._cells is None or self.n_cells < self.n_rows:
            return False
        together = np.concatenate(self._cells)
        return len(np.unique(together)) == len(together)


class _Steps:
    """Whether whole numbers go up, or down, by one from row to row, across batches."""

    def __init__(self) -> None:
        self.last: int | None = None
        self.steps: set[int] = set()
        """The different steps so far, up to two of them."""

    @property
    def by_one(self) -> bool:
        return self.steps in ({1}, {-1}, set())

    def add(self, whole: NDArray[np.int64] | Floats) -> None:
        if self.by_one:
            border = [] if self.last is None else [int(whole[0]) - self.last]
            self.steps.update(border, map(int, np.unique(np.diff(whole))[:2].tolist()))
        self.last = int(whole[-1])


def _whole(series: pl.Series, markers: frozenset[str], values: Floats) -> NDArray[np.int64] | Floats:
    """Whole numbers beyond 2^53 with all their digits, where 64 bits hold them."""
    import polars as pl

    exact = texts(series, markers).cast(pl.Int64, strict=False)
    return values if exact.null_count() else exact.to_numpy()


def rounded(series: pl.Series, values: pl.Series, markers: frozenset[str]) -> pl.Series:
    """Which cells (n,) are whole numbers beyond 2^53 that lose digits as the doubles `values`."""
    import polars as pl

    large = (values.abs() >= EXACT).fill_null(value=False)
    if not large.any() or series.dtype.is_float():
        return large & False
    cells = texts(series, markers)
    whole = cells.str.replace(r"\.0*$", "").cast(pl.Int128, strict=False)
    return large & (whole != values.cast(pl.Int128, strict=False)).fill_null(value=False)


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


@dataclass
class LevelFacts:
    """A column's cells as texts; `most` levels are kept, with the number of their cells and their weight."""

    markers: frozenset[str]
    most: int
    n_cells: int = 0
    codes: dict[str, int] | None = field(default_factory=dict)
    """Place of each level in `counts` and `weights`; None where there are more of them than `most`."""
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weights: Floats = field(default_factory=lambda: np.zeros(0))
    _writing: Writing = field(default_factory=Writing)
    _hashes: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    _all_differ: bool = True

    @property
    def n_levels(self) -> int:
        """Different texts; `MOST_TOLD` or more are not counted further."""
        return len(self._hashes) if self.codes is None else len(self.codes)

    @property
    def all_differ(self) -> bool:
        """Whether no text occurs twice; of more than `MOST_TOLD`, so many decide."""
        return self._all_differ if self.codes is None else len(self.codes) == self.n_cells

    @property
    def writing(self) -> Writing:
        """How the texts are written."""
        import polars as pl

        if self.codes is None:
            return self._writing
        return Writing.of(pl.Series(list(self.codes), dtype=pl.String), self.counts)

    def weight_of(self, *, weighted: bool) -> dict[str, float]:
        """The weight of each level's rows, or their number."""
        assert self.codes is not None
        found = self.weights if weighted else self.counts
        return dict(zip(self.codes, map(float, found), strict=True))

    def add(self, series: pl.Series, weight: Floats | None) -> pl.Series:
        """Take in a batch whose rows have these weights; returns its texts (n,), null where a cell is missing."""
        cells = texts(series, self.markers)
        self.n_cells += cells.len() - cells.null_count()
        if self.codes is not None:
            self._count(cells, weight)
        if self.codes is None:
            self._tell_apart(cells.drop_nulls())
        return cells

    def _count(self, cells: pl.Series, weight: Floats | None) -> None:
        """Add each level's cells to its own; or forget the levels where they are too many."""
        import polars as pl

        assert self.codes is not None
        found = _coded(cells, self.codes)
        if found.null_count() > cells.null_count():
            fresh = cells.filter(found.is_null()).drop_nulls().unique(maintain_order=True)
            if len(self.codes) + fresh.len() > self.most:
                levels = pl.Series(list(self.codes), dtype=pl.String)
                if levels.len():
                    self._writing += Writing.of(levels, self.counts)
                    self._hashes = np.sort(levels.hash().to_numpy())
                    self._all_differ = bool((self.counts == 1).all())
                self.codes = None
                return
            self.codes |= {level: len(self.codes) + k for k, level in enumerate(fresh)}
            found = _coded(cells, self.codes)
        codes = found.fill_null(len(self.codes)).to_numpy()
        size = len(self.codes)
        before = np.zeros(size - len(self.counts))
        self.counts = np.concatenate([self.counts, before.astype(np.int64)])
        self.counts += np.bincount(codes, minlength=size + 1)[:size]
        self.weights = np.concatenate([self.weights, before])
        if weight is not None:
            self.weights += np.bincount(codes, weight, size + 1)[:size]

    def _tell_apart(self, cells: pl.Series) -> None:
        import polars as pl

        if not cells.len():
            return
        found = cells.rename("level").value_counts(name="n")
        levels, counts = found["level"], found["n"].cast(pl.Int64).to_numpy()
        self._writing += Writing.of(levels, counts)
        if len(self._hashes) >= MOST_TOLD:
            return
        before = len(self._hashes)
        self._hashes = np.union1d(self._hashes, levels.hash().to_numpy())
        self._all_differ &= len(self._hashes) - before == cells.len()


def _coded(cells: pl.Series, codes: dict[str, int]) -> pl.Series:
    """Places (n,) of levels, null where a cell is missing or none of them."""
    import polars as pl

    if not codes:
        return pl.Series([None] * cells.len(), dtype=pl.Int32)
    return cells.cast(pl.Enum(list(codes)), strict=False).to_physical().cast(pl.Int32)
