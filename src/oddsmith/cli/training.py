"""How a model is trained from the command line, as options and in words: by `train`, and by `build`, which trains first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oddsmith.cli.options import (
    Voice,
    column_names,
    memory_option,
    missing_option,
    missing_tokens,
    pieces_of,
    reading_from,
    reading_options,
    refuse_overwriting,
    refuse_stream,
)

if TYPE_CHECKING:
    from warnings import WarningMessage

    from oddsmith.data.batches import Batches
    from oddsmith.model import Model

MOST_CLASSES = 6
"""Classes whose figures are told; the model file has all."""

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--target",
        required=True,
        metavar="NAME|POSITION|EXPR",
        help="What to predict: a column's name, its position (1 is the first, -1 the last), or an expression.",
    ),
    click.option(
        "--positive",
        metavar="LABEL",
        help="Of two labels, the one that probabilities speak of. [default: the last]",
    ),
    click.option(
        "--map-label",
        multiple=True,
        metavar="FROM=TO",
        help="Rename a label; 'x.=x' takes a dot off every label.",
    ),
    click.option("--features", multiple=True, metavar="A,B", help="Use these columns only."),
    click.option("--drop", multiple=True, metavar="A,B", help="Leave these columns out."),
    click.option("--id", "id_column", metavar="COLUMN", help="The column that predictions echo."),
    click.option("--categorical", multiple=True, metavar="A,B", help="These columns are categories."),
    click.option("--numeric", multiple=True, metavar="A,B", help="These columns are numbers."),
    click.option("--weight", metavar="COLUMN", help="The column of sample weights."),
    click.option(
        "--offset",
        metavar="COLUMN",
        help="Of two classes: the column of the part of the log-odds that is known, to which all else is fitted.",
    ),
    missing_option,
    click.option(
        "--missing-indicator", is_flag=True, help="A term for each number that is missing in some rows."
    ),
    reading_options,
    click.option(
        "--multi-class",
        type=click.Choice(["softmax", "ovr"]),
        default="softmax",
        show_default=True,
        help="For three classes or more: one joint model, or each class against the rest.",
    ),
    click.option(
        "--alpha",
        metavar="NUMBER|auto|path",
        default="0",
        show_default=True,
        help="Strength of the penalty on the mean loss; auto: by cross-validation, the strongest within one standard "
        "error of the best; path: show the whole path and take the least BIC.",
    ),
    click.option(
        "--l1-ratio",
        type=float,
        default=0.0,
        show_default=True,
        help="Share of absolute values in the penalty: 0 is ridge, 1 lasso, which leaves terms out.",
    ),
    click.option(
        "--standardize/--no-standardize",
        default=True,
        show_default=True,
        help="Whether the penalty acts on standardised columns.",
    ),
    click.option(
        "--solver",
        type=click.Choice(
            [
                "auto",
                "newton",
                "sketched-newton",
                "proximal-newton",
                "lbfgs",
                "gradient-descent",
                "sgd",
                "mini-batch",
            ]
        ),
        default="auto",
        show_default=True,
        help="How the optimum is sought; auto chooses by the numbers of rows and coefficients.",
    ),
    click.option("--learning-rate", type=float, help="Step of the descents. [default: 0.5; sgd 0.05]"),
    click.option("--iterations", type=int, help="Steps of gradient-descent. [default: 1000]"),
    click.option("--epochs", type=int, help="Passes of sgd and mini-batch. [default: 50]"),
    click.option("--batch-size", type=int, help="Rows a step of mini-batch. [default: 32]"),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of all randomness."),
    click.option(
        "--split",
        metavar="T/C/A",
        help="Percentages of the rows that train, calibrate and audit (60/20/20), or train, calibrate, select and audit. "
        "What a row says is what decides, in this file and in any other. [default: every row trains]",
    ),
    click.option("--group", metavar="COLUMN", help="With --split: rows of one value stay together."),
    click.option("--time", metavar="COLUMN", help="With --split: the earliest rows train, the latest audit."),
    memory_option,
    click.option(
        "--no-cache",
        is_flag=True,
        help="What memory doesn't hold is read in every pass, not packed into a temporary file (in TMPDIR).",
    ),
    click.option(
        "--threads",
        "n_threads",
        type=int,
        metavar="N",
        help="Threads that share the rows; no bit of the model depends on it. [default: the machine's cores]",
    ),
)


def training_options(command: Command) -> Command:
    """Give a verb every option of training, in the order of help; `chosen` says how DATA is read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def learned(
    data: tuple[str, ...],
    output: str,
    voice: Voice,
    *,
    chosen: dict[str, Any],
    memory: str | None,
    work: Callable[..., Model],
    **options: Any,
) -> tuple[Model, list[WarningMessage]]:
    """What `work` makes of the rows of DATA, called as `oddsmith.train` is, and what was warned of.

    Raises:
        InputError: as for `oddsmith.train`; `output` is no file, or is one that is read.
    """
    import warnings

    from oddsmith.data.content import digest_ahead

    digest_ahead(data)

    from oddsmith.data.batches import Batches
    from oddsmith.errors import DataWarning, FitWarning, counted

    refuse_stream(output)
    refuse_overwriting(output, data)
    reading = reading_from(chosen)
    with (
        warnings.catch_warnings(record=True) as caught,
        voice.working("training") as working,
        pieces_of(data, reading, memory, voice) as pieces,
    ):
        rows = Batches(pieces, working.rows)
        voice.detail(f"{rows.head.name}: reading {counted(rows.head.frame.width, 'column')}")
        warnings.simplefilter("always", FitWarning)
        warnings.simplefilter("always", DataWarning)
        model = work(
            rows,
            **training_arguments(rows, **options),
            reading=reading,
            memory=memory,
            progress=working,
        )
    return model, caught


def training_arguments(
    rows: Batches,
    *,
    id_column: str | None,
    features: tuple[str, ...],
    drop: tuple[str, ...],
    categorical: tuple[str, ...],
    numeric: tuple[str, ...],
    missing: tuple[str, ...],
    no_cache: bool,
    **options: Any,
) -> dict[str, Any]:
    """What options say, as arguments of `oddsmith.train`: names of columns that hold commas stay whole."""
    table = rows.head
    return {
        "id": id_column,
        "features": column_names(features, table) or None,
        "drop": column_names(drop, table),
        "categorical": column_names(categorical, table),
        "numeric": column_names(numeric, table),
        "missing": missing_tokens(missing, table.frame.columns),
        "cache": not no_cache,
        **options,
    }


def tell_training(model: Model, caught: list[WarningMessage], voice: Voice) -> None:
    """The columns left out, warnings, how alpha was chosen, rows and roles, the fit and its loss."""
    from oddsmith.errors import DataWarning, FitWarning, counted, visible
    from oddsmith.report.card import draw_path, role_lines, selection_sentence

    record = model.record
    for item in record.left_out:
        voice.aside(item.reason)
    for warning in caught:
        if warning.category is DataWarning:
            voice.aside(f"{warning.message}")
    for warning in caught:
        if warning.category is not DataWarning:
            voice.note(f"warning: {warning.message}.")
    ended_well = not any(warning.category is FitWarning for warning in caught)
    penalty = record.fit.penalty
    if penalty.selection is not None:
        if penalty.selection.rule == "bic" and not voice.json:
            draw_path(penalty, voice.console())
        voice.note(f"{selection_sentence(penalty)}.")
    for step in record.fit.loss_history if voice.verbose else ():
        objectives = " ".join(f"{value:.8f}" for value in step.objective)
        voice.detail(f"iteration {step.iteration:>6,}  objective {objectives}")
    training = record.training
    without = (
        f" ({training.rows_without_target:,} more without a label)" if training.rows_without_target else ""
    )
    by_class = list(zip(record.target.classes, training.class_counts, strict=True))
    counts = ", ".join(f"{visible(label, 24)} {count:,}" for label, count in by_class[:MOST_CLASSES])
    counts += f" and {len(by_class) - MOST_CLASSES:,} more classes" if len(by_class) > MOST_CLASSES else ""
    voice.note(
        f"{counted(training.rows, 'row')}{without}, {counted(len(record.columns), 'column')}, "
        f"{counted(len(model.terms), 'term')}; {counts}."
    )
    for line in role_lines(record):
        voice.note(line)
    if training.roles is not None and record.id in training.roles.split.columns:
        voice.aside(
            f"'{visible(str(record.id))}' helps to tell rows apart: rows that differ in it alone may have different roles. "
            f"Say --id to leave it out of that."
        )
    if record.multi_class == "binary":
        negative, positive = (visible(label, 24) for label in record.target.classes)
        voice.note(f"probabilities are those of {positive}; for {negative}, say --positive.")
    if ended_well:
        voice.note(
            f"{record.fit.solver} {record.fit.message}, {counted(record.fit.iterations, 'iteration')}."
        )
    if record.fit.not_estimable:
        names = ", ".join(f"'{visible(name)}'" for name in record.fit.not_estimable[:3])
        more = f" and {len(record.fit.not_estimable) - 3} more" if len(record.fit.not_estimable) > 3 else ""
        voice.note(
            f"held at 0, for other terms explain them (R^2 of 1 to eleven digits) or no row that counts has them: {names}{more}."
        )
    losses = [f"{value:.8f}" for value in record.fit.mean_loss]
    if record.multi_class == "ovr":
        losses = [
            f"{visible(label, 24)} {loss}" for label, loss in zip(record.target.classes, losses, strict=True)
        ][:MOST_CLASSES]
    alone = "without any column" if record.offset is None else "with the offset alone"
    baseline = "" if record.multi_class == "ovr" else f"; {record.training.null_loss:.8f} {alone}"
    voice.note(f"mean loss {', '.join(losses)}{baseline}")
