"""Which rows train, calibrate, select and audit: a pure function of what a row says.

    by rows    u = hash of the row / 2^64       audit 0 <= u < a,  calibrate < a + c,  select < a + c + s,  train the rest
    by time    the earliest rows train, later ones calibrate, then select, and the latest audit

So a row has the same role in every file and on every machine, rows that say the same never have two, and rows of one
group - a customer, a patient - stay together. A part to select on is taken from the rows that would train: the others
keep their roles. Rows of one time have one role; a border lies where two times differ, next to the share asked for.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddsmith.data.cells import MissingMarkers, numbers, shown, texts
from oddsmith.data.row_hash import row_hashes
from oddsmith.data.times import Clock, point, spelt, times
from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    from oddsmith.data.batches import Batches
    from oddsmith.data.table import Table

Roles = NDArray[np.int8]
RoleName = Literal["train", "calibrate", "select", "audit"]
ROLES: tuple[RoleName, ...] = ("train", "calibrate", "select", "audit")


class Role(IntEnum):
    """What a row is for; the order is that of time."""

    train = 0
    calibrate = 1
    select = 2
    audit = 3


class Shares(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of the rows that are set apart; the rest trains."""

    calibrate: float = 0.2
    select: float = 0.0
    audit: float = 0.2

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Of percentages: "60/20/20" for train, calibrate and audit; four numbers name select before audit.

        Raises:
            InputError: it is neither, or they do not add up to 100.
        """
        try:
            percent = [Decimal(part) for part in text.split("/")]
        except InvalidOperation:
            percent = []
        if len(percent) not in (3, 4) or not all(part.is_finite() for part in percent) or sum(percent) != 100:
            raise InputError(
                f"--split '{visible(text)}': give percentages that add up to 100, as in 60/20/20 for train, calibrate and "
                f"audit, or 45/20/15/20 with rows to select on before the last."
            )
        calibrate, select, audit = percent[1], percent[2] if len(percent) == 4 else Decimal(0), percent[-1]
        shares = cls(*(float(part / 100) for part in (calibrate, select, audit)))
        shares.require_sound()
        return shares

    @property
    def train(self) -> float:
        """What is left."""
        return 1.0 - self.calibrate - self.select - self.audit

    def require_sound(self) -> None:
        """Raise InputError unless each is from 0 on, and there are rows to audit and some that are left to train."""
        given = (self.calibrate, self.select, self.audit)
        if not (all(0.0 <= share < 1.0 for share in given) and self.audit > 0.0 and self.train > 0.0):
            said = ", ".join(f"{name} {getattr(self, name):g}" for name in ("calibrate", "select", "audit"))
            raise InputError(
                f"shares of the rows: {said}, train {self.train:g}. Those to train and to audit are above 0, the others from 0 "
                f"on."
            )


class ByRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="rows"):
    """Roles by a hash of what a row says in the columns `key`, or in `group` where that is not missing."""

    key: tuple[str, ...]
    """Rising."""
    shares: Shares = Shares()
    seed: int = 0
    group: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads of a row."""
        return self.key if self.group is None or self.group in self.key else (*self.key, self.group)

    @property
    def is_sound(self) -> bool:
        """Whether it says what a split can say: a model file may be anything."""
        with suppress(InputError):
            self.shares.require_sound()
            return bool(self.key) and list(self.key) == sorted(set(self.key)) and 0 <= self.seed < 2**63
        return False

    def roles(self, table: Table, markers: MissingMarkers) -> Roles:
        """The role (n,) of each row.

        Raises:
            InputError: the table lacks a column that tells rows apart, or one is nested.
        """
        return self.roles_of(self.hashes(table, markers))

    def roles_of(self, hashes: NDArray[np.uint64]) -> Roles:
        """The role (n,) that each hash leads to."""
        # The 53 highest bits are a double without rounding, so that no u is 1.
        u = (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
        borders = np.cumsum([self.shares.audit, self.shares.calibrate, self.shares.select])
        in_order = np.array([Role.audit, Role.calibrate, Role.select, Role.train], dtype=np.int8)
        return np.asarray(in_order[np.searchsorted(borders, u, side="right")])

    def hashes(self, table: Table, markers: MissingMarkers) -> NDArray[np.uint64]:
        """The hash (n,) that a row's role follows from: rows of one group have the same.

        Raises:
            InputError: as `roles`.
        """
        _require_columns(table, self.columns)
        hashes = row_hashes(table, self.key if self.group is None else (self.group,), markers, self.seed)
        if self.group is not None and len(alone := np.flatnonzero(missing(table, self.group, markers))):
            hashes[alone] = row_hashes(table.take(alone), self.key, markers, self.seed)
        return hashes


class ByTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="time"):
    """Roles by the time in a column: from the first of `starts` on, rows calibrate, then select, then audit."""

    column: str
    clock: Clock
    starts: tuple[str | None, str | None, str]
    """Where calibrate, select and audit begin, as `times.spelt` writes them; None where there is no such part."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads of a row."""
        return (self.column,)

    @property
    def is_sound(self) -> bool:
        """Whether the borders are times, one after the other."""
        with suppress(ValueError, OverflowError):
            borders = [point(start, self.clock) for start in self.starts if start is not None]
            return all(map(math.isfinite, borders)) and all(a < b for a, b in pairwise(borders))
        return False

    @classmethod
    def learn(cls, tables: Iterable[Table], column: str, markers: MissingMarkers, shares: Shares) -> ByTime:
        """The borders that give these rows their shares, as nearly as their times allow.

        Raises:
            InputError: a cell is no time, or there are too few different ones.
        """
        found = [times(table, column, markers) for table in tables]
        clocks = {clock for _, clock in found}
        if len(clocks) != 1:
            raise InputError(
                f"column {shown(column)} holds dates in some rows and numbers in others. Write all of them alike."
            )
        (clock,) = clocks
        different, counts = np.unique(
            np.concatenate([values.to_numpy() for values, _ in found]), return_counts=True
        )
        before = np.cumsum(counts) - counts
        total = int(counts.sum())
        parts = [("calibrate", shares.calibrate), ("select", shares.select), ("audit", shares.audit)]
        starts: list[float | None] = []
        wanted = shares.train
        for _, share in parts:
            place = int(np.argmin(np.abs(before[1:] - wanted * total))) + 1 if len(different) > 1 else 0
            starts.append(float(different[place]) if share > 0.0 else None)
            wanted += share
        borders = [start for start in starts if start is not None]
        if len(different) <= len(borders) or not all(a < b for a, b in pairwise(borders)):
            raise InputError(
                f"column {shown(column)} has {counted(len(different), 'different time')} in {total:,} rows: too few for "
                f"{len(borders) + 1} parts, each with times of its own. Use a finer time, or tell rows apart without it."
            )
        calibrate, select, audit = (None if start is None else spelt(start, clock) for start in starts)
        assert audit is not None
        return cls(column, clock, (calibrate, select, audit))

    def roles(self, table: Table, markers: MissingMarkers) -> Roles:
        """The role (n,) of each row.

        Raises:
            InputError: the table lacks the column, or a cell is no such time.
        """
        _require_columns(table, (self.column,))
        values, clock = times(table, self.column, markers)
        if clock != self.clock:
            raise InputError(
                f"{visible(table.name, 200)}: column {shown(self.column)} holds {clock}s, and the borders between "
                f"roles are {self.clock}s. Write its times as the training rows had them."
            )
        at, found = values.to_numpy(), np.full(len(values), Role.train, dtype=np.int8)
        for role, start in zip((Role.calibrate, Role.select, Role.audit), self.starts, strict=True):
            if start is not None:
                found[at >= point(start, self.clock)] = role
        return found


Split = ByRow | ByTime
"""How rows get their roles."""


@dataclass(frozen=True)
class SplitOptions:
    """What the user says about roles; columns are names."""

    shares: Shares
    seed: int = 0
    group: str | None = None
    time: str | None = None

    def learn(self, rows: Batches, markers: MissingMarkers, no_key: Collection[str]) -> Split:
        """How these rows, and any others, get their roles; `no_key` are columns that say nothing about it.

        Raises:
            InputError: the cells of the time column are no times, too few differ, or no column is left to tell by.
        """
        if self.time is not None:
            tables = (table for _, table in rows.read([self.time]))
            return ByTime.learn(tables, self.time, markers, self.shares)
        key = tuple(sorted(name for name in rows.head.frame.columns if name not in no_key))
        if not key:
            raise InputError(
                f"{visible(rows.head.name, 200)}: no column is left to tell rows apart by. Add one, or say --group."
            )
        return ByRow(key, self.shares, self.seed, self.group)


def missing(table: Table, column: str, markers: MissingMarkers) -> NDArray[np.bool_]:
    """Which cells (n,) of a column are missing."""
    series, own = table.frame[column], markers.of(column)
    found = numbers(series, own)
    if found.texts is None:
        return np.asarray(found.values.is_null().to_numpy())
    return np.asarray(texts(series, own).is_null().to_numpy())


def _require_columns(table: Table, columns: Iterable[str]) -> None:
    lacking = [name for name in columns if name not in table.frame.columns]
    if lacking:
        raise InputError(
            f"{visible(table.name, 200)}: column {shown(lacking[0])} is not there, and rows are told apart by it. Add "
            f"it as it was in the training rows."
        )
