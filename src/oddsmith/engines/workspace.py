"""Arrays that a thread uses again for each block, for memory that is new each time costs more than what is
computed in it: the system hands it over page by page, and takes it back at once.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SMALL, LARGE = 1 << 16, 1 << 23
"""Bytes below which an array is as cheap anew, and beyond which none is kept."""

_own = threading.local()


def workspace(place: int, shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """An array of this shape with any content, this thread's until it asks for the same `place` again.

    What is returned to a caller beyond the block must be another one.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if not SMALL <= size <= LARGE:
        return np.empty(shape, kind)
    kept: dict[int, NDArray[np.uint8]] = _own.__dict__.setdefault("kept", {})
    held = kept.get(place)
    if held is None or held.nbytes < size:
        held = kept[place] = np.empty(size, np.uint8)
    return held[:size].view(kind).reshape(shape)
