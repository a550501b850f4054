"""A model's card: one English sentence on what it does, then what it rests on and its odds ratios.

    odds ratio = exp(coef * step)

The step is one sigma for a number, false to true for a boolean, and the reference to the level for a
category: how many times the odds become when that alone changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oddsmith.data.encoding import BooleanColumn, CategoricalColumn, NumericColumn
from oddsmith.errors import counted, figure, visible
from oddsmith.report.calibration_report import calibration_lines
from oddsmith.report.policy_report import policy_lines
from oddsmith.report.terminal import Column, draw_table, heading

if TYPE_CHECKING:
    from rich.console import Console

    from oddsmith.data.encoding import Column as DesignColumn
    from oddsmith.model import Model
    from oddsmith.model.records import ModelRecord, PenaltyRecord

MOST_TERMS = 60
"""Terms shown, the strongest first; the rest is in the JSON."""
MOST_CLASSES = 12
NEEDS = {
    "calibrate": ("a map of two numbers", 20),
    "select": ("a certificate of 95% recall", 59),
    "audit": ("narrow measures of calibration", 200),
}
"""What the rows of a role are for, and of how many of the rarest class that takes at least."""


def sentence(record: ModelRecord) -> str:
    """What the model does, in one sentence."""
    classes = record.target.classes
    columns = counted(len(record.columns), "column")
    if record.offset is not None:
        columns += f" and the offset '{visible(record.offset)}'"
    target = f"'{visible(record.target.name)}'"
    if len(classes) == 2:
        negative, positive = (f"'{visible(label)}'" for label in classes)
        return f"This model gives the probability that {target} is {positive} rather than {negative}, from {columns}."
    names = ", ".join(f"'{visible(label)}'" for label in classes[:MOST_CLASSES])
    more = f" and {len(classes) - MOST_CLASSES} more" if len(classes) > MOST_CLASSES else ""
    return (
        f"This model sorts rows into the {len(classes)} classes of {target} ({names}{more}), from {columns}."
    )


def penalty_name(penalty: PenaltyRecord) -> str:
    """As the field calls it."""
    if penalty.l1_ratio in (0.0, 1.0):
        return "lasso" if penalty.l1_ratio else "ridge"
    return f"elastic net, l1_ratio {penalty.l1_ratio:g}"


def selection_sentence(penalty: PenaltyRecord) -> str:
    """How alpha was chosen, with the figures."""
    selection = penalty.selection
    if selection is None:
        return "alpha was given"
    candidates = selection.candidates
    chosen = next(candidate for candidate in candidates if candidate.alpha == penalty.alpha)
    of = (
        f"of {counted(len(candidates), 'alpha')} from {candidates[0].alpha:.3g} to {candidates[-1].alpha:.3g}"
    )
    if chosen.deviance is None or chosen.standard_error is None:
        return f"alpha {chosen.alpha:.4g} by the least BIC {of}: {counted(chosen.nonzero, 'term')}"
    figures = f"deviance {chosen.deviance:.5g}, standard error {chosen.standard_error:.2g}"
    least = min(candidates, key=lambda candidate: candidate.deviance or 0.0)
    how = f"alpha {chosen.alpha:.4g} by cross-validation in {selection.folds} folds, {of}: {figures}"
    if selection.rule == "least_deviance":
        return f"{how}, the least"
    return f"{how}, the strongest within one of the least, {least.deviance:.5g} at alpha {least.alpha:.4g}"


def draw_path(penalty: PenaltyRecord, console: Console) -> None:
    """The candidates for alpha, one a line; the one that was taken is marked."""
    selection = penalty.selection
    if selection is None:
        return
    candidates = selection.candidates
    columns = [
        Column("", [">" if candidate.alpha == penalty.alpha else "" for candidate in candidates], left=True),
        Column("alpha", [f"{candidate.alpha:.4g}" for candidate in candidates]),
        Column("terms", [f"{candidate.nonzero:,}" for candidate in candidates]),
        Column("mean loss", [f"{candidate.mean_loss:.6f}" for candidate in candidates]),
        Column("deviance", [f"{2.0 * candidate.mean_loss:.6f}" for candidate in candidates]),
    ]
    if selection.folds:
        columns += [
            Column("unseen deviance", [f"{candidate.deviance:.6f}" for candidate in candidates]),
            Column("standard error", [f"{candidate.standard_error:.6f}" for candidate in candidates]),
        ]
    draw_table(console, columns)


def _terms_that_count(record: ModelRecord) -> tuple[int, int]:
    """Terms with a coefficient in some equation, and all terms."""
    names = list(record.equations[0].coef)
    return sum(any(equation.coef[name] for equation in record.equations) for name in names), len(names)


def draw_card(model: Model, console: Console, *, coefficients: bool = False) -> None:
    """The sentence, the facts behind it, the odds ratios, and the columns that were left out.

    `coefficients` adds every coefficient on the scale of the user's columns.
    """
    from rich.text import Text

    record = model.record
    console.print(Text(sentence(record)))
    console.print()
    for name, text in _facts(model):
        console.print(Text(f"{name:<14}{visible(text, 2000)}"))
    if model.terms:
        _draw_odds_ratios(model, console)
    if coefficients:
        _draw_coefficients(model, console)
    if record.left_out:
        heading(console, "Left out")
        for item in record.left_out:
            console.print(Text(visible(item.reason, limit=400)))


def role_lines(record: ModelRecord) -> list[str]:
    """How many rows each role has, and whether they are enough for what it is for; nothing where every row trained."""
    roles = record.training.roles
    lines = []
    for role, counts in (roles.class_counts if roles is not None else {}).items():
        if role == "select" and not sum(counts):
            continue
        need = NEEDS.get(role)
        rarest = min(counts)
        enough = ""
        if need is not None:
            purpose, least = need
            word = "enough" if rarest >= least else "too few"
            enough = f"; {rarest:,} of the rarest class: {word} for {purpose}, which takes {least}"
        lines.append(f"{role:<9} {counted(sum(counts), 'row')} ({_by_class(record, counts)}){enough}")
    return lines


def _by_class(record: ModelRecord, counts: Sequence[int]) -> str:
    listed = zip(record.target.classes[:MOST_CLASSES], counts, strict=False)
    more = ", ..." if len(record.target.classes) > MOST_CLASSES else ""
    return ", ".join(f"{visible(label)} {count:,}" for label, count in listed) + more


def _facts(model: Model) -> list[tuple[str, str]]:
    record = model.record
    training, fit, penalty = record.training, record.fit, record.fit.penalty
    facts = []
    if training.rows:
        left_out = (
            f"; {training.rows_without_target:,} without a label" if training.rows_without_target else ""
        )
        by_class = _by_class(record, training.class_counts)
        facts.append(("trained on", f"{training.rows:,} rows ({by_class}){left_out}"))
    facts += [("kept for" if at == 1 else "", line) for at, line in enumerate(role_lines(record)) if at]
    settings = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in fit.settings.items())
    how = {"binary": "binary", "softmax": "softmax", "ovr": "one-vs-rest"}[record.multi_class]
    facts.append(("fit", f"{fit.solver}, {how}" + (f" ({settings})" if settings else "")))
    if fit.choice:
        facts.append(("chosen for", fit.choice))
    facts.append(("status", fit.message))
    if fit.passes:
        facts.append(
            ("cost", f"{counted(fit.iterations, 'iteration')}, the rows read {fit.passes:.3g} times")
        )
    if fit.mean_loss:
        losses = ", ".join(f"{loss:.6g}" for loss in fit.mean_loss[:MOST_CLASSES])
        facts.append(("mean loss", f"{losses} on its training rows"))
    if penalty.alpha:
        scale = "standardised" if penalty.standardize else "unscaled"
        facts.append(("penalty", f"{penalty_name(penalty)}, alpha {penalty.alpha:g} on {scale} columns"))
    if penalty.selection is not None:
        facts.append(("alpha", selection_sentence(penalty)))
    if penalty.alpha * penalty.l1_ratio:
        counting, terms = _terms_that_count(record)
        facts.append(
            ("terms", f"{counting:,} of {terms:,} have a coefficient; the penalty holds the others at 0")
        )
    if fit.not_estimable:
        names = ", ".join(visible(name) for name in fit.not_estimable[:8])
        facts.append(
            (
                "not estimable",
                f"{names}: other terms explain them (R^2 of 1 to eleven digits), so they are held at 0",
            )
        )
    if record.calibration is not None:
        lines = calibration_lines(record.calibration)
        facts += [("calibration" if not at else "", line) for at, line in enumerate(lines)]
    if record.decision is not None:
        lines = policy_lines(record.decision, record.target.classes)
        facts += [("policy" if not at else "", line) for at, line in enumerate(lines)]
    if model.audit is not None:
        facts.append(("audit", model.audit.sentence))
    if record.offset is not None:
        facts.append(("offset", f"'{visible(record.offset)}' is added to the log-odds as it is"))
    if record.id is not None:
        facts.append(("id", f"'{visible(record.id)}' is echoed in predictions"))
    return facts


def _draw_odds_ratios(model: Model, console: Console) -> None:
    record = model.record
    steps = [step for column in record.columns for step in _steps(column)]
    strength = abs(model.coef * [size for _, size in steps]).max(axis=0)
    order = sorted(range(len(steps)), key=lambda j: (-strength[j], j))[:MOST_TERMS]
    shown = record.equations[:MOST_CLASSES]
    columns = [
        Column("term", [visible(model.terms[j]) for j in order], left=True),
        Column("step", [steps[j][0] for j in order], left=True),
    ]
    if len(record.equations) == 1:
        columns.append(Column("odds ratio", [_ratio(model.coef[0, j] * steps[j][1]) for j in order]))
        columns.append(Column("coefficient", [_coefficient(model.coef[0, j]) for j in order]))
        title = f"Odds of '{visible(record.equations[0].label)}': times this for one step"
    else:
        for k, equation in enumerate(shown):
            cells = [_ratio(model.coef[k, j] * steps[j][1]) for j in order]
            columns.append(Column(visible(equation.label, limit=24), cells))
        against = (
            "each class against the rest" if record.multi_class == "ovr" else "each class against the mean"
        )
        title = f"Odds of {against}: times this for one step"
    if len(record.equations) > len(shown):
        title += f" ({len(shown)} of {len(record.equations)} classes: all are in the JSON output)"
    if record.fit.status != "converged" and record.fit.solver != "unknown":
        title += " (not an optimum: read with care)"
    heading(console, title)
    draw_table(console, columns)
    if len(steps) > len(order):
        heading(console, f"The other {len(steps) - len(order):,} terms: -v shows their coefficients.")
    intercepts = [(visible(equation.label), equation.intercept, equation.average) for equation in shown]
    before = "" if record.offset is None else ", before the offset"
    heading(console, f"Log-odds where every term is 0, and of the average row{before}")
    draw_table(
        console,
        [
            Column("class", [name for name, _, _ in intercepts], left=True),
            Column("intercept", [_coefficient(value) for _, value, _ in intercepts]),
            Column("average row", [_coefficient(value) for _, _, value in intercepts]),
        ],
    )


def _draw_coefficients(model: Model, console: Console) -> None:
    heading(console, "Coefficients, on the scale of the columns")
    columns = [Column("term", [visible(term) for term in model.terms], left=True)]
    for k, equation in enumerate(model.record.equations):
        cells = [_coefficient(value) for value in model.coef[k]]
        columns.append(Column(visible(equation.label, limit=24), cells))
    draw_table(console, columns)


def _steps(column: DesignColumn) -> list[tuple[str, float]]:
    """For each term of a column, what one step is, in words and as a number."""
    if isinstance(column, CategoricalColumn):
        reference = "a missing cell" if column.reference is None else f"'{visible(column.reference)}'"
        return [(f"from {reference}", 1.0) for _ in column.levels]
    if isinstance(column, BooleanColumn):
        return [("false to true", 1.0)]
    steps = [(f"+{figure(column.scale)} (1 sd)", column.scale)]
    if isinstance(column, NumericColumn) and column.indicator is not None:
        steps.append(("missing", 1.0))
    return steps


def _ratio(log_ratio: float) -> str:
    if abs(log_ratio) > 20.0:
        return f"e^{log_ratio:+.0f}"
    return figure(math.exp(log_ratio))


def _coefficient(value: float) -> str:
    return f"{value:+.4g}"
