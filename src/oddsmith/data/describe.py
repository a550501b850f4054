"""What is in each column, before anything is decided about it.

    mean = sum x / n        std = sqrt(sum (x - mean)^2 / (n - 1))
    skewness = sqrt(n (n - 1)) / (n - 2) * m3 / m2^1.5        m_k = sum (x - mean)^k / n

First the mean, from a sum without rounding, then powers of what is left of each number without it, so that a
column of small differences far from zero keeps its digits. Quartiles interpolate between neighbours. A column is
numeric when every cell that is not missing is a finite number, and there is one; any other column is summarised
by its cells as they are written, without the blanks around them.

Numbers that fit into the memory there is are held and sorted. Of others everything is exact too, but for the
number of distinct ones, and takes more readings (`describing.py`).
"""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddsmith.data.memory import require
from oddsmith.errors import visible

if TYPE_CHECKING:
    import polars as pl

_PIECE = 1 << 16
_SORTING = 6
"""Copies of a column's numbers while they are summarised."""


class NumericSummary(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="numeric"):
    """A column of numbers, in its own unit; `missing` cells are left out of everything else."""

    name: str
    count: int
    missing: int
    distinct: int
    distinct_exact: bool = True
    """Otherwise `distinct` is an estimate, with a standard error of 0.4%."""
    mean: float
    std: float | None
    """Of a sample, n - 1 in the denominator; None for a single number."""
    min: float
    q25: float
    q50: float
    q75: float
    max: float
    skewness: float | None
    """Adjusted Fisher-Pearson; None for fewer than three numbers, 0 where all are equal."""


class LevelSummary(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="levels"):
    """A column of anything else: text, booleans, dates, numbers mixed with text, or nothing at all."""

    name: str
    count: int
    missing: int
    distinct: int
    distinct_exact: bool = True
    """Otherwise `distinct` is an estimate, with a standard error of 0.4%."""
    most_common: str | None
    """The cell that occurs most often, the first seen of equals; None where every cell is missing, or where so many
    are different that none stands out."""
    most_common_count: int
    """How often that is; or, where none stands out, what no cell exceeds."""


ColumnSummary = NumericSummary | LevelSummary


def numeric_summary(name: str, values: NDArray[np.float64], *, missing: int) -> NumericSummary:
    """Summary of `values` (n,), n at least 1, all finite."""
    require(_SORTING * values.nbytes, f"column '{visible(name)}': sorting its {len(values):,} numbers")
    ordered = np.sort(values)
    n, lowest, highest = len(ordered), float(ordered[0]), float(ordered[-1])
    # A power of two changes no digit, and keeps squares and cubes away from overflow and underflow.
    _, exponent = np.frexp(max(abs(lowest), abs(highest)))
    scaled = np.ldexp(ordered, -exponent)
    mean = _exact_sum(scaled) / n
    # A mean far from zero is rounded coarsely; what is left of it would show in the skewness.
    rest = scaled - mean
    rest -= _exact_sum(rest) / n
    std: float | None = None
    skewness: float | None = None
    if n > 1:
        std = math.sqrt(float(rest @ rest) / (n - 1)) if lowest < highest else 0.0
    if n > 2:
        skewness = _skewness(rest) if lowest < highest else 0.0
    q25, q50, q75 = np.ldexp(np.quantile(scaled, [0.25, 0.5, 0.75]), exponent).tolist()
    return NumericSummary(
        name=name,
        count=n,
        missing=missing,
        distinct=1 + int(np.count_nonzero(np.diff(ordered))),
        mean=float(np.ldexp(mean, exponent)) if lowest < highest else lowest,
        std=float(np.ldexp(std, exponent)) if std is not None else None,
        min=lowest,
        q25=q25,
        q50=q50,
        q75=q75,
        max=highest,
        skewness=skewness,
    )


def _exact_sum(values: NDArray[np.float64]) -> float:
    """The sum, rounded once; a Python number takes four times the memory of NumPy's, so piece by piece."""
    pieces = (values[at : at + _PIECE].tolist() for at in range(0, len(values), _PIECE))
    return math.fsum(chain.from_iterable(pieces))


def _skewness(rest: NDArray[np.float64]) -> float:
    n = len(rest)
    m2, m3 = float(np.mean(rest**2)), float(np.mean(rest**3))
    return math.sqrt(n * (n - 1)) / (n - 2) * m3 / (m2 * math.sqrt(m2))


def level_summary(name: str, levels: pl.DataFrame, *, missing: int) -> LevelSummary:
    """Summary of different cells and how often each occurs, "cell" and "len", in the order of their first rows."""
    if levels.is_empty():
        return LevelSummary(
            name=name, count=0, missing=missing, distinct=0, most_common=None, most_common_count=0
        )
    counts = levels["len"].to_numpy()
    first = int(np.argmax(counts))
    return LevelSummary(
        name=name,
        count=int(counts.sum()),
        missing=missing,
        distinct=len(levels),
        most_common=str(levels["cell"][first]),
        most_common_count=int(counts[first]),
    )
