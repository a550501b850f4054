"""What a seed may be: every verb that draws asks the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from oddsmith.errors import InputError, visible


def checked_seed(seed: Any) -> int:
    """A seed as a model file holds it.

    Raises:
        InputError: it is no whole number from 0 to below 2^63.
    """
    if not (isinstance(seed, int | np.integer) and 0 <= seed < 2**63):
        raise InputError(f"--seed {visible(str(seed))}: give a whole number from 0 to below 2^63.")
    return int(seed)
