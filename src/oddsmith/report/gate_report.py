"""A gate in the terminal: the verdict, a sentence for each figure that is judged, then all figures and parts of the rows.

Nothing is computed here, and nothing is cut off. What comes from the data is shown as plain text; all else is ASCII.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oddsmith.errors import counted, figure, visible
from oddsmith.evidence.margins import SAID
from oddsmith.evidence.verdicts import percent
from oddsmith.report.terminal import Column, draw_table, heading

if TYPE_CHECKING:
    from rich.console import Console

    from oddsmith.evidence.gate import Gate, Part
    from oddsmith.evidence.margins import Difference


def draw_gate(gate: Gate, console: Console) -> None:
    """The verdict and its sentences, the figures, the parts, and what is left out, in this order."""
    from rich.text import Text

    console.print(Text(f"{gate.verdict}: {gate.sentence}", style="bold"), soft_wrap=True)
    _draw_sentences(gate, console)
    heading(console, f"Candidate against incumbent on {_rows(gate)}")
    found_all = gate.differences
    columns = [
        Column("", [SAID[found.name] for found in found_all], left=True),
        Column("candidate", [figure(found.candidate) for found in found_all]),
        Column("incumbent", [figure(found.incumbent) for found in found_all]),
        Column("difference", [_signed(found.difference) for found in found_all]),
        Column("interval", [_interval(found) for found in found_all], left=True),
        Column("margin", [figure(found.margin) for found in found_all]),
        Column("verdict", [_verdict(found) for found in found_all], left=True),
    ]
    draw_table(console, columns)
    if gate.price is not None:
        _line(console, f"Costs of both: {gate.price}.")
    if gate.parts:
        _draw_parts(gate, console)
    if gate.left_out:
        heading(console, "Left out")
        for name, why in gate.left_out.items():
            _line(console, f"{SAID[name]}: {why}")


def _draw_sentences(gate: Gate, console: Console) -> None:
    judged = [found for found in gate.differences if found.verdict is not None]
    width = max((len(str(found.verdict)) for found in judged), default=0)
    for found in judged:
        _line(console, f"  {found.verdict:<{width}}  {found.sentence}")


def _draw_parts(gate: Gate, console: Console) -> None:
    rows = [(part, found) for part in gate.parts for found in part.differences]
    heading(console, "Parts of the rows")
    columns = [
        Column("", [_part(part, found) for part, found in rows], left=True),
        Column("rows", [f"{part.n_rows:,}" for part, _ in rows]),
        Column("events", [figure(part.events) for part, _ in rows]),
        Column("difference", [_signed(found.difference) for _, found in rows]),
        Column("interval", [_interval(found) for _, found in rows], left=True),
        Column(
            "verdict", ["too small" if part.small else _verdict(found) for part, found in rows], left=True
        ),
    ]
    draw_table(console, columns)
    if gate.multiplicity is not None:
        _line(console, gate.multiplicity)


def _part(part: Part, found: Difference) -> str:
    return f"{visible(part.column)}: {visible(part.level)}, {SAID[found.name]}"


def _interval(found: Difference) -> str:
    if found.interval is None:
        return "unknown"
    return f"{_signed(found.interval.low)} to {_signed(found.interval.high)}"


def _verdict(found: Difference) -> str:
    said = [found.verdict or "", "better" if found.better else ""]
    return ", ".join(filter(None, said)) or "-"


def _rows(gate: Gate) -> str:
    of = "" if gate.n_groups is None else f" of {counted(gate.n_groups, 'group')}"
    return f"{counted(gate.n_rows, 'row')}{of}, {figure(gate.events)} events; {percent(gate.level)} intervals"


def _signed(value: float) -> str:
    return f"+{figure(value)}" if value > 0.0 else figure(value)


def _line(console: Console, text: str) -> None:
    from rich.text import Text

    console.print(Text(text), soft_wrap=True)
