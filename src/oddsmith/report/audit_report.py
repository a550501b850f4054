"""An audit drawn for a terminal: the verdict, one sentence a section, then the figures behind them.

Nothing is computed here, and nothing is cut off: what is too wide continues below, what is too long is wrapped.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from oddsmith.errors import counted, figure, visible
from oddsmith.report.terminal import GAP, UNBOUNDED, Column, draw_table, heading

if TYPE_CHECKING:
    from rich.console import Console

    from oddsmith.evaluate.intervals import Estimate, Interval
    from oddsmith.evidence.acting import Acting, Comparison
    from oddsmith.evidence.audit import Audit
    from oddsmith.evidence.drift import Drift
    from oddsmith.evidence.flips import LabelFlips
    from oddsmith.evidence.headlines import Calibration, Ranking
    from oddsmith.evidence.slices import Slice, Slicing

STYLES = {"PASS": "green", "INSUFFICIENT": "yellow", "FAIL": "red"}
_WIDEST_VERDICT = len("INSUFFICIENT")


def draw_audit(audit: Audit, console: Console) -> None:
    """The verdict strip, then ranking, calibration, policy, slices, drift and label flips."""
    draw_strip(audit, console)
    _draw_ranking(audit.ranking, console)
    _draw_calibration(audit.calibration, console)
    if audit.policy is not None:
        _draw_policy(audit.policy, audit.classes, console)
    draw_slices(audit, console)
    if audit.drift is not None:
        _draw_drift(audit.drift, console)
    _draw_flips(audit.label_flips, console)


def draw_strip(audit: Audit, console: Console) -> None:
    """The verdict, and one sentence each on what it rests on."""
    from rich.text import Text

    widest = max(len(verdict.name) for verdict in audit.verdicts)
    indent = _WIDEST_VERDICT + widest + 2 * len(GAP)
    for line in _wrapped(audit.sentence, console.width):
        console.print(Text(line, style="bold"), soft_wrap=True)
    console.print()
    for verdict in audit.verdicts:
        first, *others = _wrapped(verdict.sentence, console.width - indent)
        head = Text(f"{verdict.verdict:<{_WIDEST_VERDICT}}", style=STYLES[verdict.verdict])
        head.append(f"{GAP}{verdict.name:<{widest}}{GAP}{first}", style="default")
        console.print(head, soft_wrap=True)
        for other in others:
            console.print(Text(" " * indent + other), soft_wrap=True)


def draw_slices(audit: Audit, console: Console) -> None:
    """A table for each column by whose levels rows were told apart; nothing where there is none."""
    for slicing in audit.slices:
        _draw_slicing(slicing, audit, console)


def _wrapped(sentence: str, width: int) -> list[str]:
    """Lines of whole words: a word that is longer than a line is not broken."""
    return textwrap.wrap(
        visible(sentence, UNBOUNDED), max(20, width), break_long_words=False, break_on_hyphens=False
    )


def _draw_ranking(ranking: Ranking, console: Console) -> None:
    heading(console, "Ranking, by the raw scores")
    columns = [
        Column("class", [_name(entry.label) for entry in ranking.classes], left=True),
        Column("AUC", [_value(entry.auc) for entry in ranking.classes]),
        *_interval_columns([entry.auc for entry in ranking.classes]),
    ]
    draw_table(console, columns)


def _draw_calibration(found: Calibration, console: Console) -> None:
    report, fitted = found.report, found.report.recalibration
    ratio = report.observed_expected
    rows: list[tuple[str, str, Interval | None, str]] = []
    if found.log_loss is not None:
        rows.append(("log loss", _value(found.log_loss), found.log_loss.interval, "of all classes"))
    told = f"{figure(ratio.observed)} / {figure(ratio.expected)}"
    rows.append(("observed / expected", figure(ratio.ratio), ratio.interval, told))
    if fitted is not None:
        for name, estimate, why in (
            ("slope", fitted.slope, fitted.no_slope),
            ("intercept", fitted.intercept, fitted.no_intercept),
        ):
            interval = None if estimate is None else estimate.interval
            rows.append((name, _value(estimate), interval, why or f"calibrated: {int(name == 'slope')}"))
    if report.spiegelhalter is not None:
        p_value = f"p-value {figure(report.spiegelhalter.p_value)}"
        rows.append(("Spiegelhalter's z", figure(report.spiegelhalter.z), None, p_value))
    if report.smooth_ece is not None:
        rows.append(("smooth ECE", figure(report.smooth_ece.value), report.smooth_ece.interval, ""))
    heading(console, f"Calibration of {_plain(found.of)}")
    _say(console, report.sentence)
    draw_table(
        console,
        [
            Column("", [row[0] for row in rows], left=True),
            Column("", [row[1] for row in rows]),
            Column("low", [_end(row[2], "low") for row in rows]),
            Column("high", [_end(row[2], "high") for row in rows]),
            Column("", [row[3] for row in rows], left=True),
        ],
    )
    _say(console, found.note)


def _draw_policy(policy: Acting, classes: tuple[str, ...], console: Console) -> None:
    heading(console, "Policy: rows true classes, columns actions")
    columns = [Column("true", [*map(_name, classes), "share", "low", "high"], left=True)]
    for a, action in enumerate(policy.actions):
        share = policy.shares[a]
        cells = [figure(row[a]) for row in policy.counts]
        columns.append(Column(_name(action), [*cells, _value(share), *_ends(share.interval)]))
    draw_table(console, columns)
    first, *between, last = map(_name, policy.actions)
    shares = [
        (f"recall: not {first}" if between else "recall", policy.recall),
        (f"precision of {last}" if between else "precision", policy.precision),
        ("cost a case", policy.cost),
    ]
    there = [(name, estimate) for name, estimate in shares if estimate is not None]
    if there:
        heading(console, "What it comes to" + ("" if policy.f1 is None else f"; F1 {figure(policy.f1)}"))
        columns = [
            Column("", [name for name, _ in there], left=True),
            Column("", [_value(estimate) for _, estimate in there]),
            *_interval_columns([estimate for _, estimate in there]),
        ]
        draw_table(console, columns)
    if policy.best_single is not None:
        rows = [_comparison(other) for other in policy.comparisons]
        # Where one action is the best in every resample, its own row says the same.
        if (best := _comparison(policy.best_single)) not in rows:
            rows.append(("the best single action", *best[1:]))
        heading(console, "Cost a case: the policy less what else could be done")
        titles = ("instead", "cost", "difference", "low", "high")
        columns = [
            Column(title, cells, left=title == "instead")
            for title, cells in zip(titles, zip(*rows, strict=True), strict=True)
        ]
        draw_table(console, columns)
    if policy.net_benefit is not None:
        benefit = policy.net_benefit
        _say(
            console,
            f"Net benefit at the threshold {benefit.threshold:.4g}: {figure(benefit.model)}, acting on all "
            f"{figure(benefit.treat_all)}, on none 0.",
        )


def _comparison(other: Comparison) -> tuple[str, ...]:
    return _plain(other.name), figure(other.cost), figure(other.difference), *_ends(other.interval)


def _draw_slicing(slicing: Slicing, audit: Audit, console: Console) -> None:
    action = "" if audit.policy is None else audit.policy.actions[-1]
    happened = "events" if len(audit.classes) == 2 else "right"
    levels = slicing.levels
    heading(console, f"Slices by {_name(slicing.column)}")
    _say(console, slicing.sentence)
    columns = [
        Column("level", [_name(found.level) for found in levels], left=True),
        Column("rows", [figure(found.n_rows) for found in levels]),
        Column(happened, [figure(found.events) for found in levels]),
        Column("", [_marks(found) for found in levels], left=True),
    ]
    for name, field in (
        ("observed / expected", "observed_expected"),
        ("AUC", "auc"),
        ("log loss", "log_loss"),
        ("recall", "recall"),
        (f"share {_name(action)}", "action_share"),
        ("cost a case", "cost"),
    ):
        estimates: list[Estimate | None] = [getattr(found, field) for found in levels]
        if any(estimate is not None for estimate in estimates):
            columns.append(Column(name, [_with_interval(estimate) for estimate in estimates]))
    draw_table(console, columns)


def _draw_drift(drift: Drift, console: Console) -> None:
    heading(console, "Drift since training")
    _say(console, drift.sentence)
    if drift.terms:
        columns = [
            Column("term", [_name(found.term) for found in drift.terms], left=True),
            Column("moved by", [f"{found.difference:+.3f}" for found in drift.terms]),
            Column("low", [f"{found.interval.low:+.3f}" for found in drift.terms]),
            Column("high", [f"{found.interval.high:+.3f}" for found in drift.terms]),
        ]
        draw_table(console, columns)
        if drift.n_terms > len(drift.terms):
            _say(console, f"The other {counted(drift.n_terms - len(drift.terms), 'term')} moved less.")
    console.print()
    columns = [
        Column("class", [_name(found.label) for found in drift.classes], left=True),
        Column("training", [figure(found.train) for found in drift.classes]),
        Column("audit", [figure(found.audit) for found in drift.classes]),
        Column("difference", [f"{found.audit - found.train:+.4f}" for found in drift.classes]),
        Column("low", [f"{found.interval.low:+.4f}" for found in drift.classes]),
        Column("high", [f"{found.interval.high:+.4f}" for found in drift.classes]),
    ]
    draw_table(console, columns)


def _draw_flips(found: LabelFlips, console: Console) -> None:
    heading(console, "If labels are wrong")
    _say(console, found.procedure)
    columns = [
        Column("figure", [flip.figure for flip in found.flips], left=True),
        Column("labels", [figure(flip.k) for flip in found.flips]),
        Column("now", [figure(flip.value) for flip in found.flips]),
        Column("lowest", [figure(flip.lowest) for flip in found.flips]),
        Column("highest", [figure(flip.highest) for flip in found.flips]),
        Column(
            "audited rows for the lowest",
            [_rows(flip.rows_lowest, flip.k) for flip in found.flips],
            left=True,
        ),
        Column("for the highest", [_rows(flip.rows_highest, flip.k) for flip in found.flips], left=True),
    ]
    draw_table(console, columns)


def _rows(numbers: tuple[int, ...], k: int) -> str:
    """Rows as a person counts them, from 1."""
    if not numbers:
        return "none moves it"
    return ", ".join(f"{number + 1:,}" for number in numbers) + (", ..." if k > len(numbers) else "")


def _marks(found: Slice) -> str:
    return "too small to tell" if found.small else ", ".join(found.stands_out)


def _interval_columns(estimates: list[Estimate | None]) -> list[Column]:
    intervals = [None if estimate is None else estimate.interval for estimate in estimates]
    return [Column(end, [_end(interval, end) for interval in intervals]) for end in ("low", "high")]


def _end(interval: Interval | None, end: str) -> str:
    return "-" if interval is None else figure(getattr(interval, end))


def _ends(interval: Interval) -> tuple[str, str]:
    return figure(interval.low), figure(interval.high)


def _value(estimate: Estimate | None) -> str:
    return "-" if estimate is None else figure(estimate.value)


def _with_interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    low, high = _ends(estimate.interval)
    return f"{figure(estimate.value)} ({low} to {high})"


def _name(text: str) -> str:
    return visible(text) or '""'


def _plain(text: str) -> str:
    """A sentence whose names were made visible where it was written."""
    return visible(text, UNBOUNDED)


def _say(console: Console, sentence: str) -> None:
    from rich.text import Text

    if sentence:
        for line in _wrapped(sentence, console.width):
            console.print(Text(line), soft_wrap=True)
