"""Rows told apart by a column: its levels, or quarters of its numbers.

text, true and false, few numbers    one part a level, the largest `MOST_LEVELS` of them, and one of all others
more numbers                         one part a quarter of the rows, equal numbers together
missing cells                        a part of their own
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.errors import counted

MOST_LEVELS = 20
FEW_NUMBERS = 8
"""Distinct numbers that are levels rather than a scale."""


def levels(column: ArrayLike) -> list[tuple[str, NDArray[np.bool_]]]:
    """Each part of a column (n,) of text, truth values or numbers: its name, and which rows are in it (n,).

    Every row is in one part. Cells that are None or nan are missing.
    """
    values = np.asarray(column)
    if values.dtype.kind in "iuf":
        return _of_numbers(values.astype(np.float64))
    missing = np.array([value is None or value != value for value in values.tolist()], dtype=np.bool_)
    text = np.where(missing, "", values.astype(str))
    return _largest(text, missing)


def _of_numbers(values: NDArray[np.float64]) -> list[tuple[str, NDArray[np.bool_]]]:
    missing = np.isnan(values)
    distinct = np.unique(values[~missing])
    if len(distinct) <= FEW_NUMBERS:
        return _largest(np.array([f"{value:.6g}" for value in values.tolist()]), missing)
    borders = np.unique(np.quantile(values[~missing], [0.25, 0.5, 0.75], method="inverted_cdf"))
    quarter = np.searchsorted(borders, values)
    parts = []
    for q in range(len(borders) + 1):
        inside = (quarter == q) & ~missing
        if inside.any():
            parts.append((f"{values[inside].min():.4g} to {values[inside].max():.4g}", inside))
    return [*parts, *_missing(missing)]


def _largest(text: NDArray[np.str_], missing: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.bool_]]]:
    names, code, count = np.unique(text[~missing], return_inverse=True, return_counts=True)
    # Alphabetical among levels of one size, so that the order of the rows does not matter.
    kept = np.sort(np.argsort(-count, kind="stable")[:MOST_LEVELS])
    of_row = np.full(len(text), -1)
    of_row[~missing] = code
    parts = [(str(names[k]), of_row == k) for k in kept.tolist()]
    others = ~missing & ~np.isin(of_row, kept)
    if others.any():
        parts.append((f"{counted(len(names) - len(kept), 'other level')}", others))
    return [*parts, *_missing(missing)]


def _missing(missing: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.bool_]]]:
    return [("missing", missing)] if missing.any() else []
