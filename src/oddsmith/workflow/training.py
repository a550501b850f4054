"""The verbs as functions: rows in, a model out.

    table -> target -> columns -> design -> objective -> solver -> record

Each step learns from the training rows only, and what it learned goes into the model.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from oddsmith.data.batches import Batches
from oddsmith.data.block import Codes, Floats, class_counts
from oddsmith.data.cells import MissingMarkers
from oddsmith.data.columns import ColumnOptions, ColumnPlan, classify
from oddsmith.data.design import LARGEST, Design
from oddsmith.data.memory import available, limited, size_of
from oddsmith.data.passes import source_of
from oddsmith.data.read import Reading
from oddsmith.data.roles import Shares, SplitOptions
from oddsmith.data.target import Labels, Target, TargetOptions
from oddsmith.errors import DataWarning, FitWarning, InputError, visible
from oddsmith.fit.optimality import Status
from oddsmith.fit.solvers import MOST_COEFFICIENTS, SOLVERS, Progress, silent
from oddsmith.model import Model
from oddsmith.model.records import RolesRecord, TargetRecord
from oddsmith.workflow.account import COMMAND_LINE, divergence
from oddsmith.workflow.fitting import Task, fit, threads_for
from oddsmith.workflow.offsets import about_zero
from oddsmith.workflow.record import model_of
from oddsmith.workflow.seeds import checked_seed
from oddsmith.workflow.selection import Rule, select_alpha

KEPT, HELD = 0.25, 0.6
"""Of the memory that is left: the part that cells may keep for the design matrix, and of the rest the matrix's part."""


RULES: dict[str, Rule] = {"auto": "one_standard_error", "path": "bic"}
"""What `alpha` may be beside a number, and how it is then chosen."""


def train(
    data: Any,
    target: str,
    *,
    positive: str | None = None,
    map_label: Sequence[str] = (),
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    id: str | None = None,  # noqa: A002 - the word that the command line and the file use
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    missing: Sequence[str] = (),
    missing_indicator: bool = False,
    weight: str | None = None,
    offset: str | None = None,
    multi_class: Literal["softmax", "ovr"] = "softmax",
    alpha: float | Literal["auto", "path"] = 0.0,
    l1_ratio: float = 0.0,
    standardize: bool = True,
    solver: str = "auto",
    learning_rate: float | None = None,
    iterations: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    split: str | None = None,
    group: str | None = None,
    time: str | None = None,
    reading: Reading | None = None,
    memory: str | float | None = None,
    cache: bool = True,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> Model:
    """Train on every row that has a target; of a split, on those whose role it is.

    Args:
        data: a pandas, Polars or Arrow table, a mapping of columns, a `Table`, a file's path, a pattern such as
            "part-*.csv", or a list of paths and patterns.
        target: a column's name or position, or an expression such as "affairs > 0".
        positive: of two labels, the one that probabilities speak of; by itself the last in order.
        map_label: "FROM=TO" renames a label; "x.=x" takes a dot from the end of every label.
        features: the columns to use; by itself all that the rules of `data/columns.py` keep.
        drop: columns to leave out.
        id: the column that predictions echo.
        categorical: columns whose cells are categories, whatever they look like.
        numeric: columns whose cells must be numbers.
        missing: markers of missing cells beside the default ones: "TOKEN" or "COLUMN=TOKEN".
        missing_indicator: give each numeric column with missing cells a term that says so.
        weight: the column of sample weights, finite and not negative.
        offset: of two classes, the column of the part of each row's log-odds that is known, to which coefficients are
            fitted in addition: its own is 1. Whoever predicts with the model gives that column too.
        multi_class: for three classes or more, "softmax" or "ovr" (one-vs-rest).
        alpha: strength of the penalty on the mean loss, never on the intercept: a number; "auto" for the strongest
            within one standard error of the least deviance in cross-validation; or "path" for the least BIC.
        l1_ratio: alpha * (l1_ratio * sum of |coef| + (1 - l1_ratio) / 2 * sum of squares): 0 is ridge, 1 lasso.
        standardize: whether `alpha` acts on columns divided by their sigma (glmnet's meaning).
        solver: "auto", by the rule of `oddsmith.fit.solvers`, or a row of its table; the next four are settings.
        learning_rate: step on the mean loss of standardised columns.
        iterations: steps of gradient descent.
        epochs: passes of stochastic and mini-batch descent.
        batch_size: rows of a mini-batch.
        seed: of all randomness: samples, the shuffles of stochastic descent, folds, and the roles of a split.
        split: percentages of the rows that train, calibrate and audit, as in "60/20/20", or train, calibrate, select and
            audit; by itself every row trains. A row's role follows from what it says, and the model remembers how.
        group: with a split, the column whose rows of one value stay together; it is no feature.
        time: with a split, the column by which the earliest rows train and the latest audit.
        reading: how the text of a file is read, to be remembered for files to be predicted.
        memory: that the process may take, in bytes or as in "1GB"; by itself what the machine can give. Files are
            read in pieces, and what a fit reads again and again and has no room is packed into a temporary file.
        cache: False to read the data in every pass rather than to pack it.
        n_threads: threads that share the rows; None is as many as there are cores. No bit of the model depends on it.
        progress: called after each iteration.

    Warns:
        FitWarning: the fit ended without an optimum: none exists, or the solver stopped early.
        DataWarning: every column is constant.

    Raises:
        InputError: the data or an option cannot be used, or descent diverged.
    """
    l1_ratio, given = _share(l1_ratio), alpha
    alpha = _strength(alpha)
    settings = _settings(
        solver,
        learning_rate=learning_rate,
        iterations=iterations,
        epochs=epochs,
        batch_size=batch_size,
    )
    seed = checked_seed(seed)
    if n_threads is not None and not (isinstance(n_threads, int | np.integer) and n_threads >= 1):
        raise InputError(f"--threads {visible(str(n_threads))}: give a whole number, 1 or more.")
    if multi_class not in ("softmax", "ovr"):
        raise InputError(f"multi_class '{visible(str(multi_class))}' is neither softmax nor ovr.")
    bytes_given = size_of(memory) if isinstance(memory, str) else memory
    with limited(bytes_given):
        rows = Batches.of(data, reading, bytes_given)
        table = rows.head
        markers = MissingMarkers.from_options(_texts(missing), table.frame.columns)
        if not table.frame.height:
            raise InputError(f"{visible(table.name)}: no rows to train on, only a header.")
        labels = Labels(
            rows,
            TargetOptions(str(target), None if positive is None else str(positive), _texts(map_label)),
            markers,
        )
        options = ColumnOptions(
            None if features is None else _texts(features),
            _texts(drop),
            None if id is None else str(id),
            _texts(categorical),
            _texts(numeric),
            None if weight is None else str(weight),
            None if offset is None else str(offset),
            _texts(missing),
            _split(split, seed, group, time),
        )
        left = available()
        plan = classify(
            rows,
            options,
            reserved=labels.columns,
            labels=labels,
            most_features=MOST_COEFFICIENTS,
            room=KEPT * left,
        )
        if not plan.features:
            warnings.warn(
                "every column is constant, so the model gives each row the class shares",
                DataWarning,
                stacklevel=2,
            )
        found = plan.survey.target
        assert found is not None
        codes = plan.survey.codes()
        _require_classes(table.name, codes, found)
        sample_weight = _sample_weight(plan, codes, found)
        offsets, centre = about_zero(plan.survey.offsets())
        design = Design.learn(plan, markers, missing_indicator=missing_indicator)
        room = HELD * (left - plan.survey.held)
        if not cache and "epochs" in settings and design.need(len(codes)) > room:
            raise InputError(
                f"--no-cache: --solver {solver} takes rows in any order, and each step would read all the data. Leave "
                f"out one of the two."
            )
        with (
            source_of(design, plan.survey, codes, sample_weight, offsets, room=room, cache=cache) as source,
            threads_for(n_threads, source, len(found.classes), multi_class) as engine,
        ):
            task = Task(
                source,
                len(found.classes),
                mean=design.mean,
                scale=design.scale,
                multi_class=multi_class,
                alpha=alpha,
                l1_ratio=l1_ratio,
                standardize=standardize,
                engine=engine,
                offset_centre=centre,
            )
            selection = None
            if isinstance(given, str) and given in RULES:
                selection = select_alpha(task.objective(), RULES[given], seed=seed, progress=progress)
                task = replace(task, alpha=selection.alpha)
            fitted = fit(task, solver=solver, settings=settings, seed=seed, progress=progress)
    if fitted.status is Status.diverged:
        remedy = "Give columns in other units, or add a penalty (--alpha 0.01)."
        if "learning_rate" in settings:
            remedy = f"Try --learning-rate {settings['learning_rate'] / 10:g}, or --solver newton."
        raise InputError(f"{divergence(fitted)} {remedy}")
    used = {feature.name for feature in plan.features} | {name for name, _ in plan.left_out}
    used |= {*found.columns, plan.id or "", plan.weight or "", plan.offset or ""}
    used |= {getattr(plan.survey.split, "group", None) or ""}
    model = model_of(
        fitted,
        design,
        TargetRecord(
            found.name, list(found.columns), list(found.classes), found.label_type, list(_texts(map_label))
        ),
        COMMAND_LINE,
        id_column=plan.id,
        weight=plan.weight,
        offset=plan.offset,
        reading=reading,
        left_out=plan.left_out,
        dropped=[name for name in table.frame.columns if name not in used],
        rows_without_target=int(np.count_nonzero(found.codes < 0)),
        digests=[digest for _, digest in rows.pieces.digests],
        selection=None if selection is None else selection.record,
        roles=None
        if plan.survey.split is None
        else RolesRecord(split=plan.survey.split, class_counts=plan.survey.class_counts()),
    )
    if model.record.fit.status != "converged":
        warnings.warn(model.record.fit.message, FitWarning, stacklevel=2)
    return model


def _settings(solver: str, **given: float | None) -> dict[str, float]:
    """The solver's settings, its defaults filled in; a setting it doesn't take is refused."""
    if solver != "auto" and solver not in SOLVERS:
        known = "; ".join(f"{name}, {row.about}" for name, row in SOLVERS.items())
        raise InputError(f"no solver is called '{visible(solver)}'. There are: {known}.")
    settings = {} if solver == "auto" else dict(SOLVERS[solver].settings)
    for name, value in given.items():
        if value is None:
            continue
        option = "--" + name.replace("_", "-")
        if name not in settings:
            takes = ", ".join("--" + key.replace("_", "-") for key in settings) or "no settings"
            raise InputError(f"{option} is not for --solver {solver}, which takes {takes}.")
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{option} {value}: give a positive number.")
        counted = isinstance(settings[name], int)
        if counted and not (value == int(value) and value < 2**63):
            raise InputError(f"{option} {value}: give a whole number below 2^63.")
        settings[name] = int(value) if counted else float(value)
    return settings


def _split(split: str | None, seed: int, group: str | None, time: str | None) -> SplitOptions | None:
    """What the options say about roles."""
    if split is None:
        for option, column in (("--group", group), ("--time", time)):
            if column is not None:
                raise InputError(
                    f"{option} {visible(column)} is for --split, which says how many rows train. Add --split 60/20/20."
                )
        return None
    if group is not None and time is not None:
        raise InputError("--group and --time tell rows apart in two ways. Keep one of them.")
    return SplitOptions(Shares.parsed(split), seed, group, time)


def _require_classes(name: str, codes: Codes, target: Target) -> None:
    """Raise InputError where a class has no row that trains."""
    counts = class_counts(codes, len(target.classes))
    if not counts.all():
        lacking = target.classes[int(np.argmin(counts))]
        raise InputError(
            f"{visible(name, 200)}: no row of class '{visible(lacking)}' is among the {len(codes):,} that train. Give "
            f"training a larger share, another --seed, or more rows of it."
        )


def _strength(alpha: Any) -> float:
    """`alpha` as a number; 1 where it is still to be chosen."""
    if isinstance(alpha, str) and alpha in RULES:
        return 1.0
    try:
        number = float(alpha)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0.0):
        raise InputError(f"--alpha {visible(str(alpha))}: give a finite number, 0 or more, or auto or path.")
    return number


def _share(l1_ratio: Any) -> float:
    try:
        number = float(l1_ratio)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 <= number <= 1.0:
        raise InputError(f"--l1-ratio {visible(str(l1_ratio))}: give a number from 0, ridge, to 1, lasso.")
    return number


def _texts(given: Sequence[str] | str) -> tuple[str, ...]:
    """Names as texts; one alone is a text and not a sequence of letters."""
    return (given,) if isinstance(given, str) else tuple(str(text) for text in given)


def _sample_weight(plan: ColumnPlan, codes: Codes, target: Target) -> Floats | None:
    """The weight column (n,), checked; None if there is none."""
    weight = plan.survey.sample_weight()
    if weight is None or plan.weight is None:
        return None
    totals = np.bincount(codes, weights=weight, minlength=len(target.classes))
    if not (totals > 0.0).all():
        empty = target.classes[int(np.argmin(totals))]
        raise InputError(f"all rows of class '{visible(empty)}' have weight 0, so there is nothing to learn.")
    total = float(totals.sum())
    if not 1.0 / LARGEST <= total <= LARGEST:
        raise InputError(
            f"{visible(plan.survey.rows.head.name)}: the weights in '{visible(plan.weight)}' add up to {total:.2g}. "
            f"Give them in another unit."
        )
    return weight
