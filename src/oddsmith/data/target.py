"""The target: which class each row belongs to, from a column or from an expression over columns.

    codes[i] = k  where row i has the label classes[k];   -1 where it has none

Two classes are (negative, positive). Labels are texts. Where all are numbers, or all truth values, they have
one spelling each: 1, +1 and 1.0 are the label 1, true and TRUE the label True. Numbers are sorted as such: so
the order depends on which labels there are, never on the order of rows, nor on the type of the column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.batches import Batches
from oddsmith.data.cells import MissingMarkers, by_meaning, exact_number, places_of, plain, plainly, shown
from oddsmith.data.expression import as_shell_word, sql_name, target_reader
from oddsmith.errors import InputError, visible

if TYPE_CHECKING:
    from oddsmith.data.table import Table

MAX_CLASSES = 20
"""More numbers than this are measurements, and so are more texts, if they are half as many as the rows."""

MOST_CLASSES = 1000
"""More classes than this are out of proportion: every row has a probability of each."""

MOST_SEEN = 100_000
"""Different labels that are told apart: more of them can't be classes."""

LabelType = Literal["integer", "boolean", "text"]

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
"""Whole numbers that 64 bits hold, as they are written."""
_ANY_TEXT = re.compile(r"(?<![^\W_])x(?![^\W_])")


@dataclass(frozen=True)
class TargetOptions:
    """What the user says about the target."""

    target: str
    """A column's name, its position as `resolve` reads it, or an SQL expression such as `affairs > 0`."""
    positive: str | None = None
    map_label: tuple[str, ...] = ()
    """Each "FROM=TO"; see `read_target`."""


@dataclass(frozen=True)
class Target:
    """The class of each row."""

    name: str
    """The column's name, or the expression as it was given."""
    columns: tuple[str, ...]
    """The columns that it reads: never features."""
    classes: tuple[str, ...]
    codes: NDArray[np.int16]
    """(n,) position in `classes`; -1 where the row has no target."""
    label_type: LabelType


class Labels:
    """The labels of a target, gathered batch after batch: which different ones, and the place of each row's."""

    def __init__(self, rows: Batches, options: TargetOptions, markers: MissingMarkers) -> None:
        """Raise InputError where there is no such column, or the expression is wrong."""
        self.rows, self.options = rows, options
        self.name, self.columns, self.reader = target_reader(rows, options.target, markers)
        self.where = f"{visible(rows.head.name, 200)}: target {shown(self.name)}"
        self.seen: dict[str, int] = {}
        """Different labels in the order of the rows; those beyond `MOST_SEEN` share a place."""
        self.places: list[NDArray[np.int32]] = []
        """For each batch, the place in `seen` of each row's label; -1 where there is none."""

    @property
    def n_labels(self) -> int:
        """Rows that have a label."""
        return sum(int((places >= 0).sum()) for places in self.places)

    def add(self, table: Table) -> NDArray[np.bool_]:
        """Take in a batch; returns which of its rows (n,) have a label."""
        labels = self.reader(table)
        found = places_of(labels, self.seen)
        if found.null_count() > labels.null_count() and len(self.seen) <= MOST_SEEN:
            for label in labels.filter(found.is_null()).drop_nulls().unique(maintain_order=True):
                self.seen[label] = len(self.seen)
                if len(self.seen) > MOST_SEEN:
                    break
            found = places_of(labels, self.seen)
        places = found.fill_null(MOST_SEEN).set(labels.is_null(), -1).to_numpy()
        self.places.append(places.astype(np.min_scalar_type(-1 - len(self.seen))))
        return np.asarray(places >= 0)

    def concluded(self, classes: tuple[str, ...] | None = None) -> Target:
        """The classes that labels are, once all are known; or the codes of theirs in `classes`.

        An exact column name wins over a position, and both over an expression. In an expression, columns
        whose cells are all numbers are numbers, any others texts; its result is true or false, text, or
        whole numbers, and rows where it is null have no target.

        `--map-label FROM=TO` replaces the label FROM by TO. Labels may contain "=": FROM is the part before
        a "=" that occurs as a label. If none does, and FROM and TO each contain one x that stands alone,
        then x stands for any text: "x.=x" takes the dot from the end of each label that has one.

        Raises:
            InputError: no such column, or a wrong expression; no label or, for training, one class only;
                a measurement instead of classes; a label that `classes` lacks; an option that fits nothing.
        """
        name, columns, where, n_labels = self.name, self.columns, self.where, self.n_labels
        options = self.options
        seen = list(self.seen)
        if not seen:
            n_rows = sum(map(len, self.places))
            raise InputError(f"{where} has no label in any of {n_rows:,} rows. Choose another column.")
        renamed = _mapping(options.map_label, seen, where, must_match=classes is None)
        if classes is None:
            spelling = plainly(renamed.values())
            renamed = {label: spelling[after] for label, after in renamed.items()}
            present = list(dict.fromkeys(renamed.values()))
            _refuse_measurement(
                where, name if columns == (name,) else None, present, n_labels, len(seen) > MOST_SEEN
            )
            classes = _ordered(where, present, n_labels)
            if options.positive is not None:
                subject = sql_name(name) if columns == (name,) else f"({name})"
                classes = _with_positive_last(where, subject, classes, options.positive.strip())
        else:
            if options.positive is not None and plain(options.positive.strip()) != plain(classes[-1]):
                raise InputError(
                    f"{where}: the model's positive class is {shown(classes[-1])}, not "
                    f"{shown(options.positive)}. Leave out --positive."
                )
            same = by_meaning(classes)
            renamed = {
                label: after if after in classes else same.get(plain(after), after)
                for label, after in renamed.items()
            }
        code_of = {label: code for code, label in enumerate(classes)}
        strange = next((label for label in seen if renamed[label] not in code_of), None)
        if strange is not None:
            import difflib

            row = int(np.argmax(np.concatenate(self.places) == self.seen[strange]))
            is_number = exact_number(renamed[strange]) is not None
            near = [] if is_number else difflib.get_close_matches(renamed[strange], classes, n=1, cutoff=0.7)
            meant = f"{strange}={near[0]}" if near else "FROM=TO"
            raise InputError(
                f"{self.rows.place(row, columns[0])}: label {shown(strange)} of target {shown(name)} is none of the "
                f"model's classes {_listed(classes)}. If it means one of them, say so with "
                f"--map-label {as_shell_word(meant)}; else correct the cell."
            )
        # The place -1, of rows without a label, reads the last entry.
        code_at = np.array([*(code_of[renamed[label]] for label in seen), -1], dtype=np.int16)
        codes = np.concatenate([code_at[places] for places in self.places])
        return Target(name, columns, classes, codes, type_of_labels(classes))


def read_target(
    rows: Table | Batches,
    options: TargetOptions,
    markers: MissingMarkers,
    classes: tuple[str, ...] | None = None,
) -> Target:
    """The target of all rows, for training; or, with the `classes` of a model, for evaluation: see `Labels`."""
    rows = Batches.of(rows)
    labels = Labels(rows, options, markers)
    for _, batch in rows.read(labels.columns):
        labels.add(batch)
    return labels.concluded(classes)


def leads_to(mapping: str, classes: Sequence[str]) -> bool:
    """Whether "FROM=TO" makes some label one of the classes."""
    same = by_meaning(classes)
    for _, after in _splits(mapping):
        start, *end = _ANY_TEXT.split(after)
        fixed = len(after) - 1
        if (
            after in classes
            or plain(after) in same
            or (
                len(end) == 1
                and any(len(c) > fixed and c.startswith(start) and c.endswith(end[0]) for c in classes)
            )
        ):
            return True
    return False


def _splits(mapping: str) -> list[tuple[str, str]]:
    """All that FROM and TO can be in "FROM=TO"."""
    return [
        (mapping[: equals.start()].strip(), mapping[equals.end() :].strip())
        for equals in re.finditer("=", mapping)
    ]


def _mapping(
    map_label: tuple[str, ...], seen: Sequence[str], where: str, *, must_match: bool
) -> dict[str, str]:
    """What each label seen becomes; a label that no mapping names stays as it is."""
    renamed: dict[str, str] = {}
    spelling = plainly(seen)
    for mapping in map_label:
        splits = _splits(mapping)
        if not any(before and after for before, after in splits):
            raise InputError(f"--map-label {shown(mapping)} is not of the form FROM=TO.")
        exact = [split for split in splits if split[0] in seen or plain(split[0]) in spelling.values()]
        patterns = [split for split in splits if all(len(_ANY_TEXT.findall(side)) == 1 for side in split)]
        chosen = exact or patterns
        if len(chosen) > 1:
            readings = " or ".join(f"{shown(before)} becomes {shown(after)}" for before, after in chosen)
            raise InputError(
                f"{where}: --map-label {shown(mapping)} can mean that {readings}. Map another way."
            )
        if not chosen:
            changes = {}
        elif exact:
            ((before, after),) = exact
            changes = {label: after for label in seen if label == before or spelling[label] == plain(before)}
        else:
            changes = _pattern_changes(*patterns[0], seen)
        if not changes and must_match:
            raise InputError(
                f"{where}: --map-label {shown(mapping)} fits none of the labels {_listed(seen)}."
            )
        for before, after in changes.items():
            if not after:
                raise InputError(
                    f"{where}: to leave out the label {shown(before)}, give it to --missing instead."
                )
            if renamed.setdefault(before, after) != after:
                raise InputError(
                    f"{where}: --map-label makes both {shown(renamed[before])} and {shown(after)} of the "
                    f"label {shown(before)}. Keep one."
                )
    return {label: renamed.get(label, label) for label in seen}


def _pattern_changes(before: str, after: str, seen: Sequence[str]) -> dict[str, str]:
    """Labels that fit a pattern with one x, and what becomes of them."""
    start, end = _ANY_TEXT.split(before)
    new_start, new_end = _ANY_TEXT.split(after)
    fixed = len(start) + len(end)
    return {
        label: new_start + label[len(start) : len(label) - len(end)] + new_end
        for label in seen
        if len(label) > fixed and label.startswith(start) and label.endswith(end)
    }


def _refuse_measurement(
    where: str, column: str | None, labels: Sequence[str], n_labels: int, more: bool
) -> None:
    """Raise where the labels, or these and `more` of them, are no classes."""
    values = [value for label in labels if (value := exact_number(label)) is not None]
    numeric = len(values) == len(labels)
    remedy = "Choose another column, or an expression with few results."
    if not more and len(labels) <= (MAX_CLASSES if numeric else max(MAX_CLASSES, n_labels / 2)):
        if len(labels) > MOST_CLASSES:
            raise InputError(f"{where} has {len(labels):,} classes; {MOST_CLASSES:,} can be fitted. {remedy}")
        return
    if numeric and column is not None:
        expression = f"{sql_name(column)} > {sorted(values)[(len(values) - 1) // 2]}"
        remedy = f"Make two classes of it, for example --target {as_shell_word(expression)}."
    raise InputError(
        f"{where} has {'more than ' * more}{len(labels) - more:,} different values in {n_labels:,} rows: a measurement rather than a "
        f"class. {remedy}"
    )


def _ordered(where: str, labels: Sequence[str], n_labels: int) -> tuple[str, ...]:
    """Labels sorted as numbers where all are numbers, else as texts."""
    if len(labels) == 1:
        raise InputError(
            f"{where} has one class: {visible(labels[0])} (rows with a label: {n_labels:,}). Two are needed: add "
            f"rows of another one, or choose another target."
        )
    values = {label: value for label in labels if (value := exact_number(label)) is not None}
    if len(values) < len(labels):
        return tuple(sorted(labels))
    return tuple(sorted(labels, key=values.__getitem__))


def _with_positive_last(where: str, subject: str, classes: tuple[str, ...], positive: str) -> tuple[str, ...]:
    if positive not in classes:
        positive = by_meaning(classes).get(plain(positive), positive)
    if positive not in classes:
        raise InputError(f"{where}: --positive {shown(positive)} is none of its labels {_listed(classes)}.")
    if len(classes) > 2:
        quoted = "'" + positive.replace("'", "''") + "'"
        numeric = all(exact_number(label) is not None for label in classes)
        expression = f"{subject} = {positive if numeric else quoted}"
        raise InputError(
            f"{where} has {len(classes):,} classes; --positive is for two. For {shown(positive)} against "
            f"the rest, say --target {as_shell_word(expression)}."
        )
    return (*(label for label in classes if label != positive), positive)


def type_of_labels(classes: Sequence[str]) -> LabelType:
    """Whole numbers, booleans or texts: what labels in Python are."""
    if all(_INTEGER.fullmatch(label) for label in classes):
        return "integer"
    return "boolean" if {"True", "False"}.issuperset(classes) else "text"


def _listed(labels: Sequence[str]) -> str:
    some = ", ".join(shown(label) for label in labels[:6])
    return some if len(labels) <= 6 else f"{some} and {len(labels) - 6:,} more"
