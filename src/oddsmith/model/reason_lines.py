"""About ten lines for the person who reviews one row: what is done, why, and what alone would have changed it.

Numbers are rounded away from where they change the action, never towards it: what is said of "2.2 or less" holds at 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING

from oddsmith.errors import counted, figure, visible

if TYPE_CHECKING:
    from oddsmith.model.changes import Cell, Change
    from oddsmith.model.reasons import ColumnReason, Reasons

SHOWN = 4
"""Columns, and changes of others, that are shown, the strongest first; all are in the JSON."""
_MOST_NAMES = 8
_DECIMALS, _MOST_DECIMALS = 3, 16
"""Of a probability, at least, and where fewer do not tell it from a threshold."""
_END = 0.001
"""Nearer than this to 0 or 1 a probability is written as it is from there."""
_ROOM = 0.02
"""By how much of a change its number may be rounded."""


def reason_lines(found: Reasons) -> list[str]:
    """The action and its costs, the probability, what the columns do to the log-odds, and what would have changed it."""
    return [_decision(found), _chances(found), *_contributions(found), *_borders(found), *_changes(found)]


def _decision(found: Reasons) -> str:
    name = _quoted(found.action)
    if not found.by_policy:
        return f"Predicted: {name}."
    if not found.costs:
        return f"Action: {name}."
    others = [
        f"{_quoted(action)} {figure(cost)}" for action, cost in found.costs.items() if action != found.action
    ]
    return (
        f"Action: {name}, at an expected cost of {figure(found.costs[found.action])} ({', '.join(others)})."
    )


def _chances(found: Reasons) -> str:
    ranked = sorted(found.chances, key=lambda chance: -chance.after)
    told = [
        f"{_quoted(chance.label)} {_proba(chance.after)}"
        + (f" ({_proba(chance.before)} before calibration)" if found.calibrated else "")
        for chance in ranked[:SHOWN]
    ]
    more = f", {counted(len(ranked) - SHOWN, 'other')} less" if len(ranked) > SHOWN else ""
    return f"Probability of {', '.join(told)}{more}."


def _contributions(found: Reasons) -> list[str]:
    """The strongest columns one a line, and the sum of the rest; all of the log-odds that a calibration starts from."""
    strongest = [reason for reason in found.columns[:SHOWN] if reason.contribution]
    rest = found.columns[len(strongest) :]
    lines = [
        f"The log-odds of {_quoted(found.label)} are {_signed(found.log_odds)}"
        f"{' before calibration' if found.calibrated else ''}, those of an average row {_signed(found.average)}."
    ]
    for reason in strongest:
        verb = "raises" if reason.contribution > 0.0 else "lowers"
        lines.append(f"  {_column(reason)} {verb} the log-odds by {_signed(abs(reason.contribution))[1:]}")
    if any(reason.contribution for reason in rest):
        total = math.fsum(reason.contribution for reason in rest)
        what = f"{counted(len(rest), 'other column')} together" if len(rest) > 1 else _column(rest[0])
        lines.append(f"  {what}: {_signed(total)}")
    return lines


def _borders(found: Reasons) -> list[str]:
    """Where actions begin, on the scale that is decided on, with as many decimals as tell it from the row."""
    if not found.begins:
        return []
    [row] = found.chances
    after = _decimals(row.after, [begins.after for begins in found.begins])
    before = _decimals(row.before, [begins.before for begins in found.begins])
    places = [
        _shortest(_proba(begins.after, max(after, _DECIMALS + 1)))
        + (f" ({_proba(begins.before, before)} before calibration)" if found.calibrated else "")
        for begins in found.begins
    ]
    own = _proba(row.after, after) + (f" ({_proba(row.before, before)})" if found.calibrated else "")
    told = " and ".join(
        f"{_quoted(begins.action)} begins at a probability of {place}"
        for begins, place in zip(found.begins, places, strict=True)
    )
    return [f"{told}; this row has {own}."]


def _changes(found: Reasons) -> list[str]:
    """The changes that were seen in training first, each a line; and the columns that change nothing by themselves."""
    all_changes = [(reason, change) for reason in found.columns for change in reason.changes]
    ordered = sorted(all_changes, key=lambda pair: pair[1].beyond_training)
    lines = [f"  {_would_be(reason, change)}" for reason, change in ordered[:SHOWN]]
    if lines:
        lines.insert(0, "With one column changed alone it")
    others = sum(not change.beyond_training for _, change in ordered[SHOWN:])
    if others:
        lines.append(f"  and {counted(others, 'other change')} of one column would do")
    idle = [visible(reason.column) for reason in found.columns if not reason.changes]
    if idle:
        lines.append(f"No other cell of {_listed(idle)} alone changes it.")
    return lines


def _would_be(reason: ColumnReason, change: Change) -> str:
    action = f"would be {_quoted(change.action)}"
    name = visible(reason.column)
    note = " (beyond what training saw)" if change.beyond_training else ""
    if change.side is None or not isinstance(change.to, float):
        return f"{action} with {name} {_cell(change.to)}{note}"
    if not change.onwards:
        return f"{action} at {name} {change.to!r}{note}"
    number = rounded_away(change.to, reason.cell, up=change.side == "more")
    return f"{action} at {name} {number} or {change.side}{note}"


def rounded_away(number: float, cell: Cell, *, up: bool) -> str:
    """The shortest decimal on the far side of `number` that is nearly as near to the row's `cell`."""
    exact = Decimal(number)
    size = abs(number - cell) if isinstance(cell, float) else abs(number)
    for digits in range(1, 18):
        text = Context(prec=digits, rounding=ROUND_CEILING if up else ROUND_FLOOR).plus(exact)
        holds = float(text) >= number if up else float(text) <= number
        if holds and abs(float(text) - number) <= _ROOM * size:
            return _plainly(text)
    return repr(number)


def _plainly(number: Decimal) -> str:
    return f"{number:f}" if -5 <= number.adjusted() < 15 else repr(float(number))


def _column(reason: ColumnReason) -> str:
    return f"{visible(reason.column)} {_cell(reason.cell)}"


def _cell(cell: Cell) -> str:
    if cell is None:
        return "missing"
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return f"{cell:.6g}" if isinstance(cell, float) else _quoted(cell)


def _quoted(text: str) -> str:
    return f"'{visible(text)}'"


def _signed(eta: float) -> str:
    """Log-odds with their sign: two decimals where they say something."""
    return f"{eta:+.2f}" if 0.005 <= abs(eta) < 1e5 or not eta else f"{eta:+.2e}"


def _proba(proba: float, decimals: int = _DECIMALS) -> str:
    if 0.0 < proba < _END or 1.0 - _END < proba < 1.0:
        return f"{proba:.{decimals}e}" if proba < 0.5 else f"1 - {1.0 - proba:.{decimals - 2}e}"
    return f"{proba:.{decimals}f}"


def _decimals(proba: float, others: Sequence[float]) -> int:
    """How many decimals tell a probability from others; of one that is the same, as many as a threshold has."""
    apart = [other for other in others if other != proba]
    tries = range(_DECIMALS + (proba in others), _MOST_DECIMALS)
    enough = (n for n in tries if all(_proba(proba, n) != _proba(other, n) for other in apart))
    return next(enough, _MOST_DECIMALS)


def _shortest(proba: str) -> str:
    """Without zeros at the end of its decimals."""
    return proba if "e" in proba else proba.rstrip("0").rstrip(".")


def _listed(names: Sequence[str]) -> str:
    more = f" or {counted(len(names) - _MOST_NAMES, 'other column')}" if len(names) > _MOST_NAMES else ""
    if more or len(names) == 1:
        return ", ".join(names[:_MOST_NAMES]) + more
    return f"{', '.join(names[:-1])} or {names[-1]}"
