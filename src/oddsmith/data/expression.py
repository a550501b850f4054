"""A target by name, by position, or as an SQL expression over columns, row by row.

    affairs > 0        "Annual Income" >= 50 AND age < 30        status IN ('late', 'lost')

Columns whose cells are all numbers are numbers, True and False are truth values, all others texts. A label
must not change with the rows around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from oddsmith.data.cells import (
    TRUTH,
    MissingMarkers,
    numbers,
    refuse_nested,
    require_numbers,
    shown,
    texts,
)
from oddsmith.data.columns import near_names, resolve
from oddsmith.errors import InputError, visible

if TYPE_CHECKING:
    import polars as pl
    from polars._typing import PolarsDataType

    from oddsmith.data.batches import Batches
    from oddsmith.data.table import Table


MOST_OPERATIONS = 200
"""Operators and functions in one expression: each is computed by itself, and the parser's stack is finite."""
DEEPEST = 12
"""Brackets within brackets: the parser reads some openings twice, and so takes time that doubles with each."""


LabelReader = Callable[["Table"], "pl.Series"]
"""From a batch to its (n,) String labels, null where a row has none."""


def target_reader(
    rows: Batches, target: str, markers: MissingMarkers
) -> tuple[str, tuple[str, ...], LabelReader]:
    """Name, columns read, and what reads labels; for an expression, after a read of the columns in it."""
    import polars as pl

    table = rows.head
    if target in table.frame.columns or re.fullmatch(r"[+-]?[0-9]+", target):
        return _column_labels(table, resolve(table, target), markers)
    where = f"{visible(table.name, 200)}: target {shown(target)}"
    _refuse_vast(where, target)
    try:
        expression = pl.sql_expr(target)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{where} is neither a column nor an SQL expression ({_cause(error)})."
            f"{near_names(table, target)} In an expression, a column's name with blanks or dots stands in "
            "double quotes."
        ) from error
    _refuse_chain(where, target)
    columns = tuple(dict.fromkeys(expression.meta.root_names()))
    if expression.meta.undo_aliases().meta.is_column():
        column = columns[0] if expression.meta.is_column() and columns[0] in table.frame.columns else target
        return _column_labels(table, resolve(table, column), markers)
    if not columns:
        raise InputError(f"{where} reads no column. Say for example --target 'affairs > 0'.")
    for column in columns:
        if column not in table.frame.columns:
            raise InputError(
                f"{where}: {shown(column)} is none of the table's columns."
                f"{near_names(table, column)} A column's name with blanks or dots stands in double quotes, "
                "and a text in single quotes."
            )
    if str(expression) != str(expression.meta.undo_aliases()):
        raise InputError(
            f"{where} ends in a name for the result, {shown(expression.meta.output_name())}. "
            "Take it away, or join conditions by AND or OR."
        )
    return target, columns, _computed(rows, target, expression, columns, markers)


def _refuse_vast(where: str, target: str) -> None:
    """Raise at an expression that would keep a parser busy for ever; INTERVAL opens a bracket, as it were."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "x", target)
    operations = re.findall(
        r"(?i)<=|>=|<>|!=|==|\|\||[-+*/%<>=!|&^~(]|\b(?:and|or|not|when|in|is|like|between)\b", bare
    )
    openings = re.findall(r"(?i)[()]|\binterval\b", bare)
    deepest = max(accumulate((-1 if sign == ")" else 1) for sign in openings), default=0)
    if len(operations) > MOST_OPERATIONS or deepest > DEEPEST:
        raise InputError(
            f"{where} is neither a column nor an expression of at most {MOST_OPERATIONS} operations, nested at most "
            f"{DEEPEST} deep. Add a column that holds its result, and name that."
        )
    # Polars panics here, and a panic writes to standard error by itself.
    if (of_nothing := re.search(r"(?i)\b(?:greatest|least)\s*\(\s*\)", bare)) is not None:
        raise InputError(
            f"{where} has {shown(of_nothing[0])}, a function of nothing. Name columns in its brackets."
        )


def _refuse_chain(where: str, target: str) -> None:
    """Raise at `0 < score < 1`, which SQL would read as the comparison of (0 < score), true or false, with 1."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "x", target)
    for part in re.split(r"(?i)[(),]|\b(?:and|or|not|case|when|then|else|end|between|in|is|like)\b", bare):
        if len(re.findall(r"<>|<=|>=|!=|==|<|>|=", part)) > 1:
            raise InputError(
                f"{where} compares twice in a row. Write the two comparisons out, joined by AND: "
                "for example --target '0 < score AND score < 1'."
            )


def _column_labels(
    table: Table, column: str, markers: MissingMarkers
) -> tuple[str, tuple[str, ...], LabelReader]:
    refuse_nested(table, column)
    return column, (column,), lambda batch: texts(batch.frame[column], markers.of(column))


def _computed(
    rows: Batches, target: str, expression: pl.Expr, columns: tuple[str, ...], markers: MissingMarkers
) -> LabelReader:
    """What reads the labels that an expression over columns gives."""
    import polars as pl

    where = f"{visible(rows.head.name, 200)}: target {shown(target)}"
    kinds = _kinds(rows, columns, markers)
    if re.search(r"(?i)'(true|false)'", target):
        kinds = {column: pl.String if kind == pl.Boolean else kind for column, kind in kinds.items()}

    def operands(batch: Table, kinds: Mapping[str, PolarsDataType]) -> pl.DataFrame:
        return pl.DataFrame([_operand(batch, column, kind, markers) for column, kind in kinds.items()])

    def evaluated(batch: Table) -> pl.Series:
        frame = operands(batch, kinds)
        _refuse_other_rows(where, expression, frame)
        return frame.select(expression.alias(target)).to_series()

    def labels(batch: Table) -> pl.Series:
        try:
            result = evaluated(batch)
        except pl.exceptions.PolarsError as error:
            held = ", ".join(
                f"{shown(name)} holds {'text' if kind == pl.String else 'numbers'}"
                for name, kind in kinds.items()
            )
            raise InputError(
                f"{where} cannot be computed ({_cause(error)}); {held}. Write a text in single quotes and a "
                "number without; add cells that mean no number to --missing."
            ) from error
        fits = result.dtype in (pl.Boolean, pl.String, pl.Null) or result.dtype.is_integer()
        if not fits and not (result.dtype.is_float() and bool((result == result.floor()).all())):
            raise InputError(
                f"{where} gives {result.dtype} values, not classes. Compare them with something, "
                f"for example --target {as_shell_word(f'({target}) > 0')}."
            )
        return texts(result, markers.everywhere)

    if pl.Boolean in kinds.values():
        try:
            for _, batch in rows.read(columns):
                evaluated(batch)
        except pl.exceptions.PolarsError:  # truth values do not fit: they are texts
            kinds = {column: pl.String if kind == pl.Boolean else kind for column, kind in kinds.items()}
    return labels


def _kinds(rows: Batches, columns: tuple[str, ...], markers: MissingMarkers) -> dict[str, PolarsDataType]:
    """What each column is: Float64 where all cells are numbers, Boolean where all are truth values, or String."""
    import polars as pl

    are_numbers, truths = dict.fromkeys(columns, True), dict.fromkeys(columns, True)
    for column in columns:
        refuse_nested(rows.head, column)
    for _, batch in rows.read(columns):
        for column in columns:
            series, missing = batch.frame[column], markers.of(column)
            if are_numbers[column]:
                found = numbers(series, missing)
                are_numbers[column] = found.first_text is None and not found.has_codes
            if truths[column]:
                truths[column] = TRUTH.keys() >= set(texts(series, missing).drop_nulls().unique())
    kinds: dict[str, PolarsDataType] = {}
    for column in columns:
        kinds[column] = pl.Float64 if are_numbers[column] else pl.Boolean if truths[column] else pl.String
    return kinds


def _operand(batch: Table, column: str, kind: PolarsDataType, markers: MissingMarkers) -> pl.Series:
    import polars as pl

    if kind == pl.Float64:
        return require_numbers(batch, column, markers.of(column))
    cells = texts(batch.frame[column], markers.of(column))
    return cells if kind == pl.String else cells.replace_strict(TRUTH, return_dtype=pl.Boolean)


def _refuse_other_rows(where: str, expression: pl.Expr, frame: pl.DataFrame) -> None:
    """Raise where any part of the expression looks beyond its own row, or divides zero by zero.

    A label must not change with the rows around it, as it would with `age > avg(age)`: each part is
    computed over all rows and over the second half of them, and must agree. NaN is above all numbers
    in Polars, so that 0/0 > 1 would be a positive label.
    """
    half = frame.height // 2
    parts = [expression]
    while parts:
        part = parts.pop()
        parts += part.meta.pop()
        whole = frame.select(part.alias("part")).to_series()
        if whole.dtype.is_float() and bool(whole.is_nan().any()):
            raise InputError(f"{where} divides zero by zero in some row. Divide by NULLIF(divisor, 0).")
        below = frame.slice(half).select(part.alias("part")).to_series()
        expected = whole.slice(half) if part.meta.root_names() else whole
        if not expected.equals(below):
            raise InputError(
                f"{where} looks at other rows than its own, so that labels would change with the table. "
                "Write the number that you mean instead."
            )


def sql_name(column: str) -> str:
    """A column's name as an expression writes it: in double quotes, unless it is a plain word."""
    if re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII):
        return column
    return '"' + column.replace('"', '""') + '"'


def as_shell_word(argument: str) -> str:
    """An argument as it is typed on a command line."""
    if "'" not in argument:
        return f"'{visible(argument, 200)}'"
    return '"' + re.sub(r'([\\"$`])', r"\\\1", visible(argument, 200)) + '"'


def _cause(error: Exception) -> str:
    return visible(str(error).partition("\n")[0], 120) or "no reason given"
