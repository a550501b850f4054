"""Where calibrated log-odds reach a threshold: the inverse of maps that never fall, to the last bit.

    border = least eta with map_m(... map_1(eta)) >= threshold

A map may be a step function, or flat, and has no formula for its inverse then. But doubles lie in the order of their
bits: parting what is between the least and the largest of them in 16, 16 times, leaves no digit open.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Sequence

import numpy as np

from oddsmith.calibration.maps import Map, calibrated
from oddsmith.errors import InputError

_LARGEST = sys.float_info.max
_PARTS = 16


def border(maps: Sequence[Map], threshold: float) -> float:
    """The least double whose log-odds, after `maps` in their order, reach `threshold`; -inf where all do, inf where none.

    So `eta >= border(maps, threshold)` decides as the calibrated log-odds do. A beta map may fall by its last digits:
    there the border is one of the few neighbouring doubles that turn.

    Raises:
        InputError: `threshold` is not a number.
    """
    if math.isnan(threshold):
        raise InputError("a threshold that is not a number has no border. Give log-odds.")

    def reach(eta: Sequence[float]) -> list[bool]:
        score = np.array(eta)
        for mapping in maps:
            score = calibrated(mapping, score)
        found: list[bool] = (score >= threshold).tolist()
        return found

    all_do, some_do = reach([-_LARGEST, _LARGEST])
    if all_do:
        return -math.inf
    return turn(reach, -_LARGEST, _LARGEST) if some_do else math.inf


def turn(hold: Callable[[Sequence[float]], Sequence[bool]], without: float, within: float) -> float:
    """The first double after `without`, on the way to `within`, at which `hold` turns true.

    `hold` is asked of a few doubles at once, in their order on that way. It is false at `without` and true at `within`,
    both finite. Where it turns more than once, one of the turns.
    """
    low, high = _place(without), _place(within)
    while abs(high - low) > 1:
        between = dict.fromkeys(low + (high - low) * i // _PARTS for i in range(1, _PARTS))
        places = [low, *(place for place in between if place not in (low, high)), high]
        held = hold([_double(place) for place in places[1:-1]])
        at = next((at for at, true in enumerate(held) if true), len(places) - 2)
        low, high = places[at], places[at + 1]
    return _double(high)


def _place(number: float) -> int:
    """The place of a double among all, counted from 0.0: neighbours differ by 1."""
    bits = int.from_bytes(struct.pack(">d", abs(number)))
    return -bits if number < 0.0 else bits


def _double(place: int) -> float:
    (size,) = struct.unpack(">d", abs(place).to_bytes(8))
    return math.copysign(size, place)
