"""Is a share at one level another one than that of all other rows?

    difference     q - p, of so many of n and of m units        q of the level, p of all other rows
    interval       from q - p - sqrt((q - low_q)^2 + (high_p - p)^2)
                   to   q - p + sqrt((high_q - q)^2 + (p - low_p)^2)        ends of Wilson's intervals

The units are rows, their effective number where weights differ, or groups. A group on both sides makes both shares move
alike, which the interval leaves out of account: it is too wide then.

What differs is told, not judged: a share may be larger where more of the rows are positive.

Source: Newcombe (1998), method 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddsmith.decision.policy import Policy
from oddsmith.errors import visible
from oddsmith.evaluate.intervals import Estimate, Interval
from oddsmith.evidence.acting import actions_of
from oddsmith.evidence.drift import share_difference
from oddsmith.evidence.estimates import number_of_units, share_estimate
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.verdicts import percent

Flags = NDArray[np.bool_]

NAMED = 3
"""Levels that a sentence names at most."""


@dataclass(frozen=True, eq=False)
class Share:
    """Of some rows, those that have something."""

    said: str
    of: Flags
    """(n,)"""
    having: Flags
    """(n,)"""

    def estimate(self, rows: AuditRows, inside: Flags, level: float) -> Estimate | None:
        """Of the rows `inside` (n,); None where they are none of those."""
        part = self.of & inside
        groups = None if rows.units is None else rows.units[part]
        return share_estimate(self.having[part], rows.weight[part], groups, level)

    def difference(self, rows: AuditRows, inside: Flags, level: float) -> Estimate | None:
        """Of the rows `inside` (n,), less that of all others; None where either are none of those."""
        parts = [self.of & ~inside, self.of & inside]
        if not all(part.any() for part in parts):
            return None
        (p, m), (q, n) = (self._counted(rows, part) for part in parts)
        interval = share_difference(p * m, m, q * n, n, level)
        if rows.units is not None or not rows.unweighted:
            noun = "rows" if rows.units is None else "groups"
            method = f"{interval.method}, on the effective number of {noun}"
            interval = msgspec.structs.replace(interval, method=method)
        return Estimate(q - p, None, interval)

    def told(self, rows: AuditRows, levels: Iterable[tuple[str, Estimate | None, Estimate | None]]) -> str:
        """At which levels it differs beyond chance, of (name, estimate, difference); "" where none was compared."""
        said = self.said[0].upper() + self.said[1:]
        compared = [(name, one.value, apart) for name, one, apart in levels if one and apart]
        if not compared:
            return ""
        beyond = [entry for entry in compared if not _holds_0(entry[2].interval)]
        if not beyond:
            return f"{said} differs nowhere beyond chance."
        beyond.sort(key=lambda entry: -abs(entry[2].value))
        named = ", ".join(f"{percent(share)} at '{visible(name)}'" for name, share, _ in beyond[:NAMED])
        of_all, _ = self._counted(rows, self.of)
        return f"{said} differs beyond chance: {named}{more(len(beyond))}; over all rows {percent(of_all)}."

    def _counted(self, rows: AuditRows, part: Flags) -> tuple[float, float]:
        """The share, and the effective number of units that it is of."""
        weight, groups = rows.weight[part], None if rows.units is None else rows.units[part]
        share = float(weight @ self.having[part]) / float(weight.sum())
        return min(share, 1.0), number_of_units(weight, groups)


def shares_of(rows: AuditRows, policy: Policy) -> dict[str, Share]:
    """What is compared: `action_share`, of the last action, and of two classes the `recall`.

    Raises:
        InputError: actions are not as the policy needs them.
    """
    actions, last = actions_of(rows, policy), len(policy.actions) - 1
    said = f"the share with '{visible(policy.actions[last])}'"
    found = {"action_share": Share(said, np.ones(rows.n, dtype=np.bool_), actions == last)}
    if rows.n_classes == 2:
        found["recall"] = Share("recall", rows.y == 1, actions > 0)
    return found


def more(number: int) -> str:
    """How many levels there are beyond those that are named."""
    return f"; and {number - NAMED:,} more" if number > NAMED else ""


def _holds_0(interval: Interval) -> bool:
    return interval.low <= 0.0 <= interval.high
