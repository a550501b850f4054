"""Figures drawn for a terminal: nothing is computed here, and nothing is cut off.

Columns that do not fit side by side continue in a further block under the same first column. Where the
output is a file or a pipe, lines are as long as they need to be. Names come from the data and are shown as
plain text, with control characters made visible; everything else that is drawn is ASCII.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING

from oddsmith.data.describe import ColumnSummary, LevelSummary, NumericSummary
from oddsmith.errors import figure, visible

if TYPE_CHECKING:
    from rich.console import Console

    from oddsmith.evaluate.evaluation import Evaluation
    from oddsmith.evaluate.intervals import Interval
    from oddsmith.evaluate.metrics import Count

GAP = "  "
UNBOUNDED = 10_000_000
"""Characters a line may have where there is no screen."""
READABLE_CLASSES = 20


@dataclass(frozen=True)
class Column:
    """One column of a drawn table: its heading, its cells, and the side that they are aligned to."""

    heading: str
    cells: Sequence[str]
    left: bool = False

    @cached_property
    def width(self) -> int:
        """Terminal cells of the widest entry; some characters take two, some none."""
        from rich.cells import cell_len

        return max(cell_len(text) for text in (self.heading, *self.cells))

    def padded(self, text: str) -> str:
        """`text` filled up with blanks to the width of the column."""
        from rich.cells import cell_len

        blanks = " " * (self.width - cell_len(text))
        return text + blanks if self.left else blanks + text


def console_for(stream: IO[str], *, quiet: bool = False) -> Console:
    """A console that writes to `stream`, or nowhere if `quiet`.

    Colour: rich's own rules; none where the stream is not a terminal or NO_COLOR is set. Characters that
    the stream's encoding lacks are written as escapes rather than refused.
    """
    from rich.console import Console

    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")
    return Console(
        file=stream,
        quiet=quiet,
        width=None if stream.isatty() else UNBOUNDED,
        highlight=False,
        markup=False,
        emoji=False,
    )


def draw_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Headline figures, classes, confusion matrix, thresholds, reliability and calibration, in this order."""
    _draw_headline(evaluation, console)
    _draw_classes(evaluation, console)
    _draw_confusion(evaluation, console)
    if evaluation.thresholds:
        _draw_thresholds(evaluation, console)
    _draw_reliability(evaluation, console)
    _draw_calibration(evaluation, console)


def draw_description(summaries: Sequence[ColumnSummary], console: Console) -> None:
    """Numeric columns in one table, all others in another, one line each."""
    numeric = [summary for summary in summaries if isinstance(summary, NumericSummary)]
    others = [summary for summary in summaries if isinstance(summary, LevelSummary)]
    if numeric:
        heading(console, "Numeric columns")
        columns = [
            Column("column", [_name(summary.name) for summary in numeric], left=True),
            Column("count", [_count(summary.count) for summary in numeric]),
            Column("missing", [_count(summary.missing) for summary in numeric]),
            Column("distinct", [_distinct(summary) for summary in numeric]),
            Column("mean", [figure(summary.mean) for summary in numeric]),
            Column("std", [figure(summary.std) for summary in numeric]),
            Column("skewness", [figure(summary.skewness) for summary in numeric]),
            Column("min", [figure(summary.min) for summary in numeric]),
            Column("25%", [figure(summary.q25) for summary in numeric]),
            Column("50%", [figure(summary.q50) for summary in numeric]),
            Column("75%", [figure(summary.q75) for summary in numeric]),
            Column("max", [figure(summary.max) for summary in numeric]),
        ]
        draw_table(console, columns)
    if others:
        heading(console, "Other columns")
        columns = [
            Column("column", [_name(summary.name) for summary in others], left=True),
            Column("count", [_count(summary.count) for summary in others]),
            Column("missing", [_count(summary.missing) for summary in others]),
            Column("distinct", [_distinct(summary) for summary in others]),
            Column("most common", [_most_common(summary) for summary in others], left=True),
        ]
        draw_table(console, columns)


def description_like_pandas(summaries: Iterable[ColumnSummary]) -> str:
    """Numeric columns side by side, statistics as rows, six decimals: as `DataFrame.describe()` prints them.

    Nothing is truncated or wrapped; what is undefined is `NaN`. A sentence where no column is numeric.
    """
    numeric = [summary for summary in summaries if isinstance(summary, NumericSummary)]
    if not numeric:
        return "No column is numeric."
    statistics = ["count", "mean", "std", "min", "25%", "50%", "75%", "max"]
    columns = [Column("", statistics, left=True)]
    for summary in numeric:
        values = [summary.count, summary.mean, summary.std, summary.min]
        values += [summary.q25, summary.q50, summary.q75, summary.max]
        cells = ["NaN" if value is None else f"{value:.6f}" for value in values]
        columns.append(Column(visible(summary.name, limit=UNBOUNDED), cells))
    return "\n".join(_lines(columns))


def _draw_headline(evaluation: Evaluation, console: Console) -> None:
    accuracy, binned = evaluation.accuracy, evaluation.reliability
    rows = [
        (
            "accuracy",
            _share(accuracy.share),
            f"{_count(accuracy.correct)} / {_count(accuracy.of)} correct{_between(accuracy.interval)}",
        ),
        ("log loss", figure(evaluation.log_loss), ""),
        ("Brier score", figure(evaluation.brier), evaluation.brier_definition),
    ]
    if evaluation.positive is not None:
        positive = _name(evaluation.positive)
        rows.append(
            (
                "AUC",
                _share(evaluation.auc),
                f"of {positive}{_between(evaluation.auc_interval)}"
                if evaluation.auc is not None
                else "one class",
            )
        )
        if evaluation.average_precision is not None:
            between = _between(evaluation.average_precision_interval)
            rows.append(("avg precision", _share(evaluation.average_precision), f"of {positive}{between}"))
        rows.append(("mean proba", _share(evaluation.mean_proba), f"of {positive}"))
        rows.append(("observed", _share(evaluation.observed_share), f"share of {positive}"))
    if evaluation.averages is not None and evaluation.average_auc is not None:
        f1, area = evaluation.averages.f1, evaluation.average_auc
        rows.append(("macro F1", _share(f1.macro), "mean over classes, each against the rest"))
        rows.append(("macro AUC", _share(area.macro), f"mean over {area.n_classes} classes"))
        rows.append(("micro AUC", _share(area.micro), "of each row's every class against the rest"))
    rows.append(("ECE", _share(binned.ece), visible(binned.binning, limit=120)))
    heading(console, f"{_count(evaluation.n_rows)} rows" + _weighing(evaluation))
    names, figures, notes = zip(*rows, strict=True)
    columns = [Column("", names, left=True), Column("", figures), Column("", notes, left=True)]
    draw_table(console, columns)


def _draw_calibration(evaluation: Evaluation, console: Console) -> None:
    report = evaluation.calibration
    expected, fitted, area = report.observed_expected, report.recalibration, report.smooth_ece
    rows = [
        (
            "observed / expected",
            _share(expected.ratio),
            f"{_count(expected.observed)} / {figure(expected.expected)}{_between(expected.interval)}",
        )
    ]
    if fitted is not None:
        for name, estimate, why in (
            ("slope", fitted.slope, fitted.no_slope),
            ("intercept", fitted.intercept, fitted.no_intercept),
        ):
            meant = f"calibrated: {int(name == 'slope')}"
            told = "" if estimate is None else f"{meant}{_between(estimate.interval)}"
            rows.append((name, _share(None if estimate is None else estimate.value), why or told))
    if report.spiegelhalter is not None:
        rows.append(
            (
                "Spiegelhalter's z",
                _share(report.spiegelhalter.z),
                f"p-value {figure(report.spiegelhalter.p_value)}",
            )
        )
    for parts in (report.brier_parts, report.log_loss_parts):
        if parts is not None:
            lost = f"of {parts.loss.replace('_', ' ')}; discrimination {figure(parts.discrimination)}"
            rows.append(("miscalibration", figure(parts.miscalibration), lost))
    if area is not None:
        rows.append(("smooth ECE", _share(area.value), _between(area.interval).removeprefix("; ")))
    title = (
        f"Calibration on {_count(report.events)} events of the rarer class"
        if evaluation.positive is not None
        else f"Calibration of the largest probability on {_count(report.events)} calls of the rarer kind, right or wrong"
    )
    heading(console, f"{title}. {report.sentence}")
    names, figures, notes = zip(*rows, strict=True)
    draw_table(console, [Column("", names, left=True), Column("", figures), Column("", notes, left=True)])


def _between(interval: Interval | None) -> str:
    """An interval at the end of a note."""
    if interval is None:
        return ""
    return f"; {interval.level:.0%} interval {_range(interval)}"


def _range(interval: Interval) -> str:
    return f"{_share(interval.low)} to {_share(interval.high)}"


def _draw_classes(evaluation: Evaluation, console: Console) -> None:
    reports = evaluation.per_class
    correct = Column("", [_count(report.correct) for report in reports])
    total = Column("", [_count(report.total) for report in reports])
    of_total = [
        f"{correct.padded(_count(report.correct))} / {total.padded(_count(report.total))}"
        for report in reports
    ]
    columns = [
        Column("class", [_name(report.label) for report in reports], left=True),
        Column("correct", of_total),
        Column("precision", [_ratio(report.precision, "precision", report.undefined) for report in reports]),
        Column("recall", [_ratio(report.recall, "recall", report.undefined) for report in reports]),
        Column("F1", [_ratio(report.f1, "f1", report.undefined) for report in reports]),
        Column("AUC", [_share(report.auc) for report in reports]),
    ]
    heading(console, "Each class against the rest")
    draw_table(console, columns)


def _draw_confusion(evaluation: Evaluation, console: Console) -> None:
    labels = [_name(label) for label in evaluation.classes]
    if len(labels) > READABLE_CLASSES:
        heading(console, f"The confusion matrix of {len(labels)} classes is in the JSON output.")
        return
    columns = [Column("true", labels, left=True)]
    for k, label in enumerate(labels):
        columns.append(Column(label, [_count(row[k]) for row in evaluation.confusion]))
    heading(console, "Confusion: rows true, columns predicted")
    draw_table(console, columns)


def _draw_thresholds(evaluation: Evaluation, console: Console) -> None:
    reports, cost = evaluation.thresholds, evaluation.cost
    columns = [
        Column("threshold", [f"{report.threshold:.4g}" for report in reports]),
        Column("TP", [_count(report.tp) for report in reports]),
        Column("FP", [_count(report.fp) for report in reports]),
        Column("FN", [_count(report.fn) for report in reports]),
        Column("TN", [_count(report.tn) for report in reports]),
        Column("precision", [_ratio(report.precision, "precision", report.undefined) for report in reports]),
        Column("recall", [_ratio(report.recall, "recall", report.undefined) for report in reports]),
        Column("F1", [_ratio(report.f1, "f1", report.undefined) for report in reports]),
    ]
    if cost is not None:
        columns.append(Column("cost", [figure(report.cost) for report in reports]))
        why = "= FP cost / both costs" if cost.tn == cost.tp == 0.0 else "follows from the costs"
        columns.append(Column("", [why if report.analytic else "" for report in reports], left=True))
    title = f"Thresholds for {_name(evaluation.positive or '')}"
    if cost is not None:
        title += f"; a miss (FN) costs {figure(cost.fn)}, a false alarm (FP) {figure(cost.fp)}"
    heading(console, title)
    draw_table(console, columns)
    benefits = [report.net_benefit for report in reports]
    columns = [
        columns[0],
        Column("precision", [_range(report.precision_interval) for report in reports]),
        Column("recall", [_range(report.recall_interval) for report in reports]),
        Column("specificity", [_range(report.specificity_interval) for report in reports]),
        Column("F1", [_range(report.f1_interval) for report in reports]),
        Column("net benefit", ["-" if row is None else _signed(row.model) for row in benefits]),
        Column("acting on all", ["-" if row is None else _signed(row.treat_all) for row in benefits]),
    ]
    heading(
        console,
        f"{reports[0].precision_interval.level:.0%} intervals at each threshold, and net benefit a row",
    )
    draw_table(console, columns)


def _draw_reliability(evaluation: Evaluation, console: Console) -> None:
    binned = evaluation.reliability
    bins = binned.bins
    closing = ["]" if row.upper == 1 else ")" for row in bins]
    ranges = [f"[{row.lower:.4g}, {row.upper:.4g}{end}" for row, end in zip(bins, closing, strict=True)]
    observed = "observed share" if evaluation.positive is not None else "share correct"
    columns = [
        Column("probability", ranges, left=True),
        Column(
            "rows" if isinstance(evaluation.weight, int) else "weight", [_count(row.count) for row in bins]
        ),
        Column("mean proba", [_share(row.mean_proba) for row in bins]),
        Column(observed, [_share(row.observed_share) for row in bins]),
    ]
    heading(console, f"Reliability: {visible(binned.binning, limit=120)}")
    draw_table(console, columns)


def heading(console: Console, title: str) -> None:
    """A title above what follows, after an empty line; on a narrow screen it is broken between words."""
    from rich.text import Text

    console.print()
    console.print(Text(title, style="bold"))


def draw_table(console: Console, columns: Sequence[Column]) -> None:
    """Columns side by side, in as many blocks as the console's width asks for."""
    from rich.text import Text

    for position, block in enumerate(_blocks(columns, console.width)):
        if position:
            console.print()
        head, *body = _lines(block)
        if head:
            console.print(Text(head, style="dim"), soft_wrap=True)
        for line in body:
            console.print(Text(line), soft_wrap=True)


def _blocks(columns: Sequence[Column], width: int) -> list[list[Column]]:
    """Columns in as few blocks of at most `width` terminal cells as will do, about equally wide."""
    blocks = _packed(columns, width)
    while len(blocks) > 1:
        widest = max(_width(block) for block in blocks)
        narrower = _packed(columns, widest - 1)
        if len(narrower) > len(blocks) or max(_width(block) for block in narrower) >= widest:
            break
        blocks = narrower
    return blocks


def _packed(columns: Sequence[Column], width: int) -> list[list[Column]]:
    first, *others = columns
    blocks = [[first]]
    for column in others:
        if len(blocks[-1]) > 1 and _width([*blocks[-1], column]) > width:
            blocks.append([first])
        blocks[-1].append(column)
    return blocks


def _width(block: Sequence[Column]) -> int:
    return sum(column.width for column in block) + len(GAP) * (len(block) - 1)


def _lines(columns: Sequence[Column]) -> list[str]:
    rows = zip(*([column.heading, *column.cells] for column in columns), strict=True)
    return [
        GAP.join(column.padded(text) for column, text in zip(columns, row, strict=True)).rstrip()
        for row in rows
    ]


def _name(text: str) -> str:
    return visible(text) or '""'


def _distinct(summary: ColumnSummary) -> str:
    return _count(summary.distinct) if summary.distinct_exact else f"about {summary.distinct:,}"


def _most_common(summary: LevelSummary) -> str:
    if summary.most_common is None and summary.count:
        return f"none stands out ({_count(summary.most_common_count)} at most)"
    if summary.most_common is None:
        return "every cell is missing"
    return f"{_name(summary.most_common)} ({_count(summary.most_common_count)})"


def _weighing(evaluation: Evaluation) -> str:
    return (
        ""
        if isinstance(evaluation.weight, int)
        else f", counted by their weight of {figure(evaluation.weight)}"
    )


def _count(value: Count) -> str:
    return f"{value:,}" if isinstance(value, int) else figure(value)


def _ratio(value: float, name: str, undefined: Sequence[str]) -> str:
    return "undefined" if name in undefined else _share(value)


def _share(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3e}" if 0 < value < 1e-3 else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"-{_share(-value)}" if value < 0 else _share(value)
