"""The part of each row's log-odds that is known, as a fit wants it.

    offset = centre + (offset - centre),    centre = the median, of some rows; 0 without an intercept

A fit begins at zero, and what is far from there costs it steps and digits. The intercept makes up for the centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.row_numbers import FARTHEST, OFFSETS
from oddsmith.errors import InputError
from oddsmith.workflow.arrays import one_a_row

ENOUGH = 1 << 16
"""Rows that tell where the middle is, about."""


def row_offsets(offset: Any, n_rows: int) -> Floats | None:
    """Offsets (n,) as a caller in Python gives them: one for each row, a number for all rows, or None.

    Raises:
        InputError: one is no finite number, or far too large, or there are too many or too few.
    """
    if offset is None:
        return None
    found = one_a_row(offset, "offset", n_rows)
    fit = np.abs(found) <= FARTHEST
    if not fit.all():
        row = int(np.argmin(fit))
        raise InputError(f"offset: row {row} (from 0) has {found[row]:.4g}. {OFFSETS}.")
    return found


def refuse_several(n_classes: int) -> None:
    """Raise InputError where there are more than two classes, of whose log-odds one number a row can't speak."""
    if n_classes > 2:
        raise InputError(
            f"an offset is one number a row, the known part of the log-odds of one class against another, and there are "
            f"{n_classes:,} classes. Leave it out, or make the target one class against the rest, such as \"y = 'a'\"."
        )


def about_zero(offset: Floats | None, *, fit_intercept: bool = True) -> tuple[Floats | None, float]:
    """Offsets (n,) less their centre, and the centre."""
    if offset is None or not fit_intercept:
        return offset, 0.0
    centre = float(np.median(offset[:: max(1, len(offset) // ENOUGH)]))
    return offset - centre, centre
