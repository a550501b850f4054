"""Columns that say one thing of every row: what it weighs, and the part of its log-odds that is known.

    weight    finite, 0 or more
    offset    finite, at most 1,000,000 either way: probabilities are 0 and 1 long before
    cost      finite

None may be missing, for nothing stands for a row's own number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import EMPTY_IF_UNKNOWN, first_of, numbers, require_numbers
from oddsmith.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.table import Table

FARTHEST = 1e6
"""The largest offset: a log-odds beyond is a mistake in its unit, and would take digits from others."""
OFFSETS = f"Offsets are log-odds: finite numbers, at most {FARTHEST:,.0f} either way, none missing"


@dataclass(frozen=True)
class Meaning:
    """What the numbers of such a column are: `is_unfit` tells those that they cannot be."""

    is_unfit: Callable[[pl.Series], pl.Series]
    rule: str
    """What is said after such a number."""
    remedy: str
    """What is said after a cell that is no number."""

    def first_wrong(self, values: pl.Series) -> int | None:
        """The first row whose number is missing or unfit."""
        return first_of((values.is_null() | self.is_unfit(values)).fill_null(value=True))

    def sentence(self, place: str, value: float | None) -> str:
        """On a number that is missing or unfit."""
        what = "a missing cell" if value is None else f"{value:g}"
        return f"{place}: {what} {self.rule}"


WEIGHT = Meaning(
    lambda values: values.is_infinite() | (values < 0.0),
    "is no weight. Weights are 0 or more.",
    EMPTY_IF_UNKNOWN,
)
OFFSET = Meaning(
    lambda values: values.is_nan() | (values.abs() > FARTHEST),
    f"is no offset. {OFFSETS}. Correct the cell, or leave the row out.",
    f"{OFFSETS}. Correct the cell, or leave the row out.",
)


COST = Meaning(
    lambda values: values.is_nan() | values.is_infinite(),
    "is no cost. Costs are finite numbers, none missing.",
    "Costs are finite numbers, none missing. Correct the cell, or leave the row out.",
)


@dataclass
class RowNumbers:
    """Such a column, gathered batch after batch; whether all can be used is asked at the end."""

    name: str
    meaning: Meaning
    markers: frozenset[str]
    parts: list[Floats] = field(default_factory=list)
    """For each batch, the numbers of its rows; zeros from the first wrong one on."""
    is_wrong: bool = False

    def add(self, series: pl.Series) -> None:
        """Take in a batch."""
        found = numbers(series, self.markers).values
        self.is_wrong |= self.meaning.first_wrong(found) is not None
        values = np.asarray(found.fill_null(0.0).to_numpy(), dtype=np.float64)
        self.parts.append(np.zeros(len(values)) if self.is_wrong else values)

    @property
    def whole(self) -> Floats:
        """Of all rows, (n,)."""
        return np.concatenate(self.parts)


def row_numbers(table: Table, column: str, markers: frozenset[str], meaning: Meaning) -> Floats:
    """Such a column of a table, (n,).

    Raises:
        InputError: a cell is no number, is missing or unfit; the message names its place.
    """
    found = require_numbers(table, column, markers, meaning.remedy)
    row = meaning.first_wrong(found)
    if row is not None:
        raise InputError(meaning.sentence(table.place(row, column), found[row]))
    return np.asarray(found.to_numpy(), dtype=np.float64)
