"""oddsmith predict: a model and rows in, `id,label` out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from oddsmith.cli.options import (
    Voice,
    examples,
    load,
    read,
    reading_from,
    reading_options,
    refuse_overwriting,
    voiced,
)

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.table import Table
    from oddsmith.model import Model
    from oddsmith.model.model import Scores

_FIRST = 1000
_COLUMN, _ROW = 16, 80
_CSV, _JSON = 2, 3
"""Bytes of memory for each number of a row and for the row, and for each byte of text while it is written."""

EXAMPLES = examples(
    """
    oddsmith predict houses.json students.csv -o houses.csv
    oddsmith predict model.json requests.csv --proba
    oddsmith predict model.json requests.csv --proba --explain --json
    cat requests.csv | oddsmith predict model.json -
    cat requests.csv | oddsmith predict model.json --stream --rejects rejects.csv
    """
)


@click.command(epilog=EXAMPLES)
@click.argument("model")
@click.argument("data", nargs=-1)
@click.option("-o", "--output", metavar="OUT", help="The file to write. [default: standard output]")
@click.option("--proba", is_flag=True, help="Add the probability of every class.")
@click.option(
    "--explain",
    is_flag=True,
    help="Add what each column contributes to the log-odds, and the average row's log-odds they start from; "
    "of three classes or more, for the predicted one, against the rest (ovr) or the mean of all (softmax).",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Write texts as they are, those too that a spreadsheet would run: = + - @, tab or CR at the start.",
)
@click.option(
    "--stream",
    is_flag=True,
    help="Answer each row of standard input, delimited text, as soon as it has come; DATA is left out.",
)
@click.option(
    "--rejects",
    metavar="FILE",
    help="With --stream: a new CSV file for the rows that cannot be read, as line,reason,row; the stream goes on. "
    "[default: the first such row ends it]",
)
@reading_options
@voiced
def predict(
    model: str,
    data: tuple[str, ...],
    output: str | None,
    proba: bool,
    explain: bool,
    raw: bool,
    stream: bool,
    rejects: str | None,
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Predict the label of every row of DATA with MODEL.

    Writes CSV with the columns id and label, named as in the training data; where the model has no id,
    rows are numbered from 1. A text that a spreadsheet would run as a formula gets an apostrophe in front,
    unless --raw is said. With --json, one JSON object a line. DATA is one file or several, whose rows follow
    one another, of any format, read as the training data was, unless options say otherwise.

    With --stream rows are scored as they arrive: one line out for one row in, in order, at once. Rows without an
    id are numbered as they came, rejected ones too. A row is rejected with its line, the reason and its bytes;
    they are in FILE before any later row is answered.
    """
    if stream:
        from oddsmith.cli.stream import answer

        if data not in ((), ("-",)) or output not in (None, "-"):
            raise click.UsageError("--stream reads standard input and writes standard output: name no files.")
        trained = load(model, voice)
        reading = reading_from(chosen, trained.record.reading)
        answer(trained, reading, voice, rejects, proba=proba, explain=explain, raw=raw)
        return
    if rejects is not None:
        raise click.UsageError("--rejects goes with --stream.")
    if not data:
        raise click.UsageError("Missing argument 'DATA...'.")
    from oddsmith.report.spreadsheet import without_formulas

    if output is not None:
        refuse_overwriting(output, data, model)
    trained = load(model, voice)
    reading = reading_from(chosen, trained.record.reading)
    with voice.working("predicting"):
        table = read(data, reading, voice)
        scores = trained.score(table)
        frame = predictions(trained, table, scores, proba=proba, explain=explain)
        defused = None
        if not (raw or voice.json):
            frame, defused = without_formulas(frame)
        content = written(frame, as_json=voice.json)
    for note in (*scores.notes, *([defused] if defused else [])):
        voice.aside(note)
    mention_unused(trained, table, voice)
    if output is None or output == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    from oddsmith.errors import counted, visible
    from oddsmith.files import write_atomically

    write_atomically(output, content)
    voice.note(f"wrote {counted(frame.height, 'prediction')} to {visible(output, 200)}")


def predictions(model: Model, table: Table, scores: Scores, *, proba: bool, explain: bool) -> pl.DataFrame:
    """The rows to write: id, label, and what was asked for."""
    import numpy as np
    import polars as pl

    from oddsmith.data.cells import as_written, refuse_nested
    from oddsmith.data.memory import require
    from oddsmith.errors import InputError, counted, visible

    record = model.record
    n = table.frame.height
    width = proba * len(record.target.classes) + explain * (2 + len(record.columns))
    require(n * (_COLUMN * width + _ROW), f"a table of {counted(n, 'prediction')}")
    if record.id is None:
        ids = pl.Series("row", np.arange(1, n + 1))
    else:
        if record.id not in table.frame.columns:
            raise InputError(
                f"{visible(table.name)}: no column called '{visible(record.id)}', which predictions echo as id. "
                f"Add it, or train with another --id."
            )
        refuse_nested(table, record.id)
        ids = table.frame[record.id]
        ids = as_written(ids) if ids.dtype.is_temporal() else ids
    columns = [
        ids,
        pl.Series(record.target.name, record.target.classes, dtype=pl.String).gather(scores.codes),
    ]
    if proba:
        columns += [
            pl.Series(f"proba_{label}", column)
            for label, column in zip(record.target.classes, scores.proba.T, strict=True)
        ]
    if explain:
        why = model.explain_scores(scores)
        columns += [pl.Series("log_odds", why.log_odds), pl.Series("average_log_odds", why.average)]
        columns += [
            pl.Series(f"contribution_{name}", column)
            for name, column in zip(why.columns, why.contributions.T, strict=True)
        ]
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(
            f"two columns of the output would be called '{visible(twice)}'. Rename one in the data."
        )
    return pl.DataFrame(columns)


def written(frame: pl.DataFrame, *, as_json: bool, header: bool = True) -> bytes:
    """The rows as CSV, or as one JSON object a line; memory is asked for as the first rows foretell it."""
    import io

    from oddsmith.data.memory import require
    from oddsmith.errors import counted

    def text(rows: pl.DataFrame) -> bytes:
        buffer = io.BytesIO()
        if as_json:
            rows.write_ndjson(buffer)
        else:
            rows.write_csv(buffer, include_header=header, line_terminator="\n")
        return buffer.getvalue()

    first = frame.head(_FIRST)
    if frame.height > _FIRST:
        size = len(text(first)) / _FIRST * frame.height
        require((_JSON if as_json else _CSV) * size, f"writing {counted(frame.height, 'prediction')}")
    return text(frame)


def mention_unused(model: Model, table: Table, voice: Voice) -> None:
    """Name columns that training did not know, once."""
    from oddsmith.errors import visible

    known = model.known_columns()
    unknown = [name for name in table.frame.columns if name not in known]
    if unknown:
        names = ", ".join(f"'{visible(name)}'" for name in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        voice.aside(f"not used by the model: {names}{more}")
