"""Exact figures of numbers that come in parts, whatever the parts and their order.

    sum        x = h + m + r + rest, multiples of 2^-26, 2^-53 and 2^-80: each of the three adds without rounding
    k-th       keys of 64 bits in the order of the numbers; count in 2^16 brackets, then look only into the one that
               holds the k-th: a pass over the numbers for every 16 bits, fewer where a bracket's numbers fit in memory
    different  the k smallest of hashes that no two numbers share: all of them where there are no more than k, else
               (k - 1) / (the largest of them as a share of all hashes), with a standard error of 1 / sqrt(k)

Source of the last: Bar-Yossef et al. (2002), with the unbiased estimator of Beyer et al. (2007).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats

Keys = NDArray[np.uint64]

BITS = 16
_GRID = (26, 53, 80)
_SIGN = np.uint64(1 << 63)


class ExactSum:
    """The sum of numbers from -1 to 1; parts add exactly down to 2^-80, and what is left of them almost so."""

    def __init__(self) -> None:
        self._whole = [0, 0, 0]
        self._rest = 0.0

    def add(self, values: Floats) -> None:
        """Take in some more (n,), at most 2^26 at a time."""
        left = values
        for level, bits in enumerate(_GRID):
            part = np.rint(np.ldexp(left, bits))
            self._whole[level] += int(part.sum())
            left = left - np.ldexp(part, -bits)
        self._rest += float(left.sum())

    @property
    def total(self) -> Fraction:
        """Their sum."""
        parts = (Fraction(whole, 1 << bits) for whole, bits in zip(self._whole, _GRID, strict=True))
        return sum(parts, Fraction(self._rest))


class Different:
    """How many different hashes (of 64 bits) there are among those that come in parts."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.exact = True
        self._least: Keys = np.empty(0, dtype=np.uint64)

    def add(self, hashes: Keys) -> None:
        """Take in some more (n,)."""
        if not self.exact:
            hashes = hashes[hashes < self._least[-1]]
        if not len(hashes):
            return
        least = np.sort(np.concatenate([self._least, hashes]))
        least = least[np.append(True, least[1:] != least[:-1])]
        self.exact = self.exact and len(least) <= self.most
        self._least = least[: self.most]

    @property
    def count(self) -> int:
        """Their number; an estimate unless it is `exact`."""
        if self.exact:
            return len(self._least)
        return round((self.most - 1) / (float(self._least[-1]) / 2.0**64))


def mixed(values: Floats) -> Keys:
    """A hash (n,) of each number, another one for each other number.

    Source: the finaliser of SplitMix64, by Steele, Lea and Flood (2014): each step can be undone.
    """
    bits = (values + 0.0).view(np.uint64)  # -0.0 is 0.0
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(bits ^ (bits >> np.uint64(31)))


def keys_of(values: Floats) -> Keys:
    """Whole numbers of 64 bits (n,) in the order of finite numbers; 0.0 and -0.0 are the same."""
    bits = (values + 0.0).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def numbers_of(keys: Keys) -> Floats:
    """The numbers (n,) that `keys_of` made keys of."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float64)


@dataclass
class _Bracket:
    """Keys from `low` to `high`, both included."""

    low: int
    high: int
    below: int
    """How many numbers come before them in order."""
    count: int
    """How many they are."""
    ranks: list[int]
    """Places in the order of all numbers, from 0, that are looked for here."""
    counts: NDArray[np.int64] | None = None
    kept: list[Keys] = field(default_factory=list)

    @property
    def shift(self) -> int:
        """Bits of a key that do not tell which of the 2^16 brackets inside of this one it is in."""
        return max((self.high - self.low).bit_length() - BITS, 0)


class Ranks:
    """The numbers at some places in the order of n numbers, found in as many readings as it takes.

    Each reading gives all the numbers to `add`, and ends with `narrow`; it is over when `done`.
    """

    def __init__(self, lowest: float, highest: float, n: int, ranks: list[int], room: int) -> None:
        """`room` is how many numbers may be held in memory."""
        low, high = (int(keys_of(np.array([value]))[0]) for value in (lowest, highest))
        self._room = room
        self._brackets = [_Bracket(low, high, 0, n, sorted(set(ranks)))]
        self.found: dict[int, float] = {}
        self._settle()

    @property
    def done(self) -> bool:
        """Whether every place has its number in `found`."""
        return not self._brackets

    def add(self, values: Floats) -> None:
        """Take in some more (n,) of a reading."""
        keys = keys_of(values)
        for bracket in self._brackets:
            inside = keys[(keys >= np.uint64(bracket.low)) & (keys <= np.uint64(bracket.high))]
            if bracket.count <= self._room:
                bracket.kept.append(inside)
                continue
            which = (inside - np.uint64(bracket.low)) >> np.uint64(bracket.shift)
            counts = np.bincount(which.astype(np.int64), minlength=1 << BITS)
            bracket.counts = counts if bracket.counts is None else bracket.counts + counts

    def narrow(self) -> None:
        """After a reading: look into the brackets that hold the places that are looked for."""
        inner: list[_Bracket] = []
        for bracket in self._brackets:
            if bracket.counts is None:
                ordered = np.sort(np.concatenate(bracket.kept))
                for rank in bracket.ranks:
                    self.found[rank] = float(numbers_of(ordered[[rank - bracket.below]])[0])
                continue
            after = np.cumsum(bracket.counts)
            for rank in bracket.ranks:
                which = int(np.searchsorted(after, rank - bracket.below, side="right"))
                low = bracket.low + (which << bracket.shift)
                if inner and inner[-1].low == low:
                    inner[-1].ranks.append(rank)
                    continue
                high = min(low + (1 << bracket.shift) - 1, bracket.high)
                count = int(bracket.counts[which])
                inner.append(_Bracket(low, high, bracket.below + int(after[which]) - count, count, [rank]))
        self._brackets = inner
        self._settle()

    def _settle(self) -> None:
        """Of a bracket of a single number all places are known."""
        for bracket in self._brackets:
            if bracket.low == bracket.high:
                number = float(numbers_of(np.array([bracket.low], dtype=np.uint64))[0])
                self.found |= dict.fromkeys(bracket.ranks, number)
        self._brackets = [bracket for bracket in self._brackets if bracket.low < bracket.high]


def quartile_ranks(n: int) -> list[int]:
    """Places in the order of n numbers between which the quartiles lie."""
    return [min(int(share * (n - 1)) + step, n - 1) for share in (0.25, 0.5, 0.75) for step in (0, 1)]


def quartiles(found: dict[int, float], n: int, exponent: int) -> list[float]:
    """The quartiles, interpolated between neighbours in units of 2^`exponent` as `np.quantile` does."""
    values = []
    for share in (0.25, 0.5, 0.75):
        at = share * (n - 1)
        low = int(at)
        pair = np.ldexp([found[low], found[min(low + 1, n - 1)]], -exponent)
        values.append(math.ldexp(float(np.quantile(pair, at - low)), exponent))
    return values
