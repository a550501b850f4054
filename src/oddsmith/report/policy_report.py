"""A policy, drawn: its rule in one sentence, what it does on rows, what else was possible, what was proved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oddsmith.decision.stability import Range
from oddsmith.decision.thresholds import ALL, NONE, probability
from oddsmith.errors import counted, figure, visible
from oddsmith.report.terminal import Column, draw_table, heading

if TYPE_CHECKING:
    from rich.console import Console

    from oddsmith.decision.policy import Policy
    from oddsmith.decision.thresholds import Candidate
    from oddsmith.model.records import DecisionRecord


def rule_sentence(policy: Policy, classes: Sequence[str]) -> str:
    """Which action is taken when."""
    names = [visible(name, 40) for name in policy.actions]
    if policy.matrix is not None:
        return f"the cheapest of {', '.join(names)} by the cost matrix"
    if policy.row_costs is not None:
        return f"{names[1]} where a row's own costs make that the cheaper action, else {names[0]}"
    parts = [names[0]]
    for name, threshold in zip(names[1:], policy.probabilities, strict=True):
        parts.append(f"{name} from a probability of '{visible(classes[-1], 40)}' of {_proba(threshold)} on")
    return ", ".join(parts)


def draw_policy(record: DecisionRecord, classes: Sequence[str], console: Console) -> None:
    """The rule, why, its counts and cost, the candidates, stability, capacity and certificates."""
    from rich.text import Text

    policy, rows = record.policy, record.rows
    for line in policy_lines(record, classes):
        console.print(Text(line))
    if rows is not None and policy.counts:
        heading(console, f"On {counted(rows.rows, 'row')}: true class, and the action")
        draw_table(
            console,
            [
                Column("true", [visible(name, 40) for name in classes], left=True),
                *(
                    Column(visible(action, 40), [_amount(row[place]) for row in policy.counts])
                    for place, action in enumerate(policy.actions)
                ),
            ],
        )
    _draw_costs(policy, console)
    if policy.candidates:
        _draw_candidates(policy.candidates, policy.thresholds[0], console)
    for line in _evidence(policy):
        console.print(Text(line))


def policy_lines(record: DecisionRecord, classes: Sequence[str]) -> list[str]:
    """The rule and why, for a card."""
    policy = record.policy
    lines = [visible(rule_sentence(policy, classes), 600), visible(policy.sentence, 600)]
    if record.rows is None:
        return lines
    role = {"select": "to select on", "calibrate": "to calibrate on", "audit": "to audit"}
    of = f" {role[record.rows.role]}" if record.rows.role in role else ""
    taught = (
        ", which served the calibration too: their costs flatter it"
        if record.rows.role == "calibrate"
        else ""
    )
    return [*lines, f"seen on {counted(record.rows.rows, 'row')}{of}{taught}"]


def draw_ratios(policy: Policy, console: Console) -> None:
    """The thresholds of a miss that is worth 1, 5 and 20 false alarms, and what each would do on the rows."""
    heading(console, "What a miss may be worth in false alarms, and the threshold that follows")
    _draw_candidates([row for row in policy.candidates if row.name.endswith(":1")], None, console)


def _draw_costs(policy: Policy, console: Console) -> None:
    total, rows = policy.total, sum(map(sum, policy.counts))
    if total is None or not rows:
        return
    names = ["this policy", *(f"{visible(name, 40)} for all" for name in policy.alternatives)]
    totals = [total, *policy.alternatives.values()]
    heading(console, "What that costs")
    draw_table(
        console,
        [
            Column("", names, left=True),
            Column("total", [figure(value) for value in totals]),
            Column("a case", [figure(value / rows) for value in totals]),
        ],
    )


def _draw_candidates(rows: Sequence[Candidate], chosen: float | None, console: Console) -> None:
    if chosen is not None:
        heading(console, "Thresholds on the same rows")
    columns = [
        Column("", [">" if row.eta == chosen else "" for row in rows], left=True),
        Column("threshold of", [visible(row.name) for row in rows], left=True),
        Column("probability", [_at(row.eta, row.threshold) for row in rows]),
        *(Column(name, [_amount(getattr(row, name)) for row in rows]) for name in ("tp", "fp", "fn", "tn")),
    ]
    if rows and rows[0].cost is not None:
        columns.append(Column("cost", [figure(row.cost) for row in rows]))
    draw_table(console, columns)


def _evidence(policy: Policy) -> list[str]:
    lines = []
    if policy.stability is not None:
        found = policy.stability
        ends = Range(found.near_optimal[0].lower, found.near_optimal[-1].upper)
        gaps = ", but for gaps between them" if len(found.near_optimal) > 1 else ""
        lines += [
            f"Thresholds of {_range(ends)} cost as little, as far as these rows can tell{gaps}.",
            f"Resamples of the rows put the cheapest threshold at {_range(found.span)} "
            f"({found.n_resamples:,} resamples, {found.level:.0%} of them).",
        ]
    if policy.shadow_price is not None and policy.capacity is not None:
        lines.append(
            f"One more place for {visible(policy.capacity.action, 40)} is worth {figure(policy.shadow_price)}."
        )
    if policy.overflow is not None:
        lines.append(visible(policy.overflow.sentence, 600))
    lines += [visible(certificate.sentence, 600) for certificate in policy.certificates]
    lines += [visible(bound.sentence, 600) for bound in policy.bounds]
    return lines


def _range(part: Range) -> str:
    low, high = (_at(eta, probability(eta)) for eta in (part.lower, part.upper))
    return low if part.lower == part.upper else f"{low} to {high}"


def _at(eta: float, proba: float) -> str:
    if eta >= NONE:
        return "above all"
    return "0" if eta <= ALL else _proba(proba)


def _proba(value: float) -> str:
    return f"{value:.4f}" if 1e-3 <= value <= 1.0 - 1e-3 else f"{value:.6g}"


def _amount(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else figure(value)
