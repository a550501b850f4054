"""What a calibration is, drawn: the maps, what else was tried, and how well probabilities fit before it and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oddsmith.calibration.class_maps import OneVsRest
from oddsmith.calibration.maps import Beta, Isotonic, Platt, PriorShift, Temperature, VennAbers
from oddsmith.errors import counted, figure, visible
from oddsmith.report.terminal import Column, draw_table, heading

if TYPE_CHECKING:
    from rich.console import Console

    from oddsmith.model.probabilities import AnyMap
    from oddsmith.model.records import CalibrationFigures, CalibrationRecord

MEASURES = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "smooth_ece": "smooth ECE",
    "mean_proba": "mean probability",
    "observed_share": "observed share",
    "intercept": "intercept (ideal 0)",
    "slope": "slope (ideal 1)",
}


def map_sentence(mapping: AnyMap) -> str:
    """A map as the equation that it is, or in words where it is a table."""
    if isinstance(mapping, Platt):
        return f"platt: log-odds = {mapping.slope:.4g} eta {mapping.intercept:+.4g}"
    if isinstance(mapping, Temperature):
        return f"temperature: log-odds = eta / {mapping.temperature:.4g}"
    if isinstance(mapping, Beta):
        return f"beta: log-odds = {mapping.a:.4g} log p - {mapping.b:.4g} log(1 - p) {mapping.c:+.4g}"
    if isinstance(mapping, Isotonic):
        return f"isotonic: {len(mapping.knots)} knots"
    if isinstance(mapping, VennAbers):
        return f"venn-abers: {len(mapping.p0_knots)} and {len(mapping.p1_knots)} knots"
    if isinstance(mapping, PriorShift):
        return f"prior-shift: from a share of {mapping.before:.4g} positives to {mapping.after:.4g}"
    if isinstance(mapping, OneVsRest):
        return f"{mapping.method}: a map for each class, renormalised"
    return "identity: scores are taken as they are"


def draw_calibration(record: CalibrationRecord, console: Console) -> None:
    """The maps and why, the candidates, and figures of rows that the map had not seen."""
    from rich.text import Text

    for line in calibration_lines(record):
        console.print(Text(line))
    if record.candidates:
        _draw_candidates(record, console)
    if record.before is not None and record.after is not None:
        _draw_figures([("before", record.before), ("after", record.after)], record.folds, console)
    else:
        heading(console, "Too few rows of a class to judge the map on rows that it has not seen.")


def calibration_lines(record: CalibrationRecord) -> list[str]:
    """The maps, the reason for the first, and the rows that it was learned from."""
    return [
        *(visible(map_sentence(mapping), 400) for mapping in record.maps),
        visible(f"learned from {counted(record.rows.rows, 'row')}; {record.reason}", 600),
    ]


def _draw_candidates(record: CalibrationRecord, console: Console) -> None:
    judged = [candidate for candidate in record.candidates if candidate.log_loss is not None]
    heading(console, f"Maps by log loss on rows that they have not seen, {record.folds} folds")
    draw_table(
        console,
        [
            Column("", [">" if c.method == record.maps[0].method else "" for c in judged], left=True),
            Column("map", [visible(c.method) for c in judged], left=True),
            Column("log loss", [f"{c.log_loss:.6f}" for c in judged]),
            Column("above the least", [f"{c.excess:.6f}" for c in judged]),
            Column("standard error", [f"{c.standard_error:.6f}" for c in judged]),
        ],
    )
    from rich.text import Text

    for candidate in record.candidates:
        if candidate.note:
            console.print(Text(visible(f"{candidate.method}: {candidate.note}", 400)))


def _draw_figures(columns: Sequence[tuple[str, CalibrationFigures]], folds: int, console: Console) -> None:
    names = [name for name in MEASURES if any(getattr(found, name) is not None for _, found in columns)]
    heading(console, f"On rows that the map had not seen, {folds} folds")
    draw_table(
        console,
        [
            Column("", [MEASURES[name] for name in names], left=True),
            *(Column(title, [figure(getattr(found, name)) for name in names]) for title, found in columns),
        ],
    )
