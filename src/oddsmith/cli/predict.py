"""oddsmith predict: a model and rows in, `id,label` out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from oddsmith.cli.options import (
    Voice,
    examples,
    load,
    memory_option,
    pieces_of,
    reading_from,
    reading_options,
    refuse_overwriting,
    voiced,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from oddsmith.data.block import Floats
    from oddsmith.data.encoding import Unseen
    from oddsmith.data.pieces import Pieces
    from oddsmith.data.table import Table
    from oddsmith.decision.costs import Actions
    from oddsmith.model import Model
    from oddsmith.model.model import Scores

_COLUMN, _ROW = 16, 80
"""Bytes of memory for each number of a row and for the row."""
_FEWEST = 256
"""Rows that are scored at once, at least."""

EXAMPLES = examples(
    """
    oddsmith predict houses.json students.csv -o houses.csv
    oddsmith predict model.json requests.csv --proba
    oddsmith predict model.json requests.csv --proba --explain --json
    oddsmith predict decided.json requests.csv --proba --action --explain -o routed.csv
    oddsmith predict decided.json requests.csv --action --capacity
    cat requests.csv | oddsmith predict model.json -
    oddsmith predict model.json requests.csv --memory 1GB -o out.csv
    cat requests.csv | oddsmith predict model.json --stream --rejects rejects.csv
    """
)


@click.command(epilog=EXAMPLES)
@click.argument("model")
@click.argument("data", nargs=-1)
@click.option("-o", "--output", metavar="OUT", help="The file to write. [default: standard output]")
@click.option("--proba", is_flag=True, help="Add the probability of every class.")
@click.option("--action", is_flag=True, help="Add what MODEL's policy does about each row.")
@click.option(
    "--capacity",
    is_flag=True,
    help="With --action: hold these rows to the policy's capacity exactly; the rows that it is worth most for are served.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Add what each column contributes to the log-odds, and the average row's log-odds they start from; "
    "of three classes or more, for the predicted one, against the rest (ovr) or the mean of all (softmax). "
    "With --action, what each action is expected to cost, too.",
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
@memory_option
@reading_options
@voiced
def predict(
    model: str,
    data: tuple[str, ...],
    output: str | None,
    proba: bool,
    action: bool,
    capacity: bool,
    explain: bool,
    raw: bool,
    stream: bool,
    rejects: str | None,
    memory: str | None,
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Predict the label of every row of DATA with MODEL.

    Writes CSV with the columns id and label, named as in the training data; where the model has no id,
    rows are numbered from 1. A text that a spreadsheet would run as a formula gets an apostrophe in front,
    unless --raw is said. With --json, one JSON object a line. DATA is one file or several, whose rows follow
    one another, of any format and of any size, read as the training data was, unless options say otherwise.
    OUT is whole or not there; to standard output rows are written as they are scored.

    With --action each row has the action of the policy that decide stored. It depends on the row alone, unless
    --capacity looks at all of them.

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
        if capacity:
            raise click.UsageError("--capacity needs all the rows, and --stream answers each as it comes.")
        shown = Shown(trained, proba=proba, explain=explain, action=action)
        answer(reading, voice, rejects, shown, raw=raw)
        return
    if rejects is not None:
        raise click.UsageError("--rejects goes with --stream.")
    if not data:
        raise click.UsageError("Missing argument 'DATA...'.")
    if output is not None:
        refuse_overwriting(output, data, model)
    trained = load(model, voice)
    reading = reading_from(chosen, trained.record.reading)
    shown = Shown(trained, proba=proba, explain=explain, action=action)
    with (
        pieces_of(data, reading, memory, voice) as pieces,
        voice.reading("predicting") as advance,
    ):
        answers = _Answers(shown, pieces, advance, raw=raw, as_json=voice.json)
        if capacity:
            answers.ration()
        if output is None or output == "-":
            for content in answers():
                sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            from oddsmith.files import write_atomically

            write_atomically(output, answers)
    answers.tell(voice)
    if output is not None and output != "-":
        from oddsmith.errors import counted, visible

        voice.note(f"wrote {counted(pieces.n_rows, 'prediction')} to {visible(output, 200)}")


class _Answers:
    """What is written for the rows of files, piece by piece, and what has to be said of them in the end."""

    def __init__(
        self,
        shown: Shown,
        pieces: Pieces,
        advance: Callable[[int, int | None], None],
        *,
        raw: bool,
        as_json: bool,
    ) -> None:
        self.shown, self.model = shown, shown.model
        self.pieces, self.advance = pieces, advance
        self.raw, self.as_json = raw, as_json
        self.unseen: dict[str, Unseen] = {}
        self.n_texts = 0
        self.actions: Actions | None = None
        """Of all rows, where they were looked at together."""

    def ration(self) -> None:
        """Look at all rows, so that no more of them get an action than the policy's capacity allows.

        Raises:
            InputError: there is no policy or no capacity, or as for the rows.
        """
        import numpy as np

        from oddsmith.data.memory import require
        from oddsmith.decision.actions import act_within
        from oddsmith.errors import InputError, counted, visible

        policy = self.shown.policy
        if policy is None:
            raise InputError("--capacity holds an action to its share: add --action.")
        scores: list[Floats] = []
        columns: dict[str, list[Floats]] = {}
        n = 0
        for part in self._parts():
            of_part, costs = self.model.policy_inputs(part, self.model.score(part))
            scores.append(of_part)
            for name, values in costs.items():
                columns.setdefault(name, []).append(values)
            n += len(of_part)
            each = _COLUMN * (6 + len(self.model.classes) + len(columns))
            require(n * each, f"{visible(self.pieces.name, 200)}: {counted(n, 'row')} side by side")
        self.actions = act_within(
            policy,
            np.concatenate(scores),
            columns={name: np.concatenate(values) for name, values in columns.items()},
        )

    def _parts(self) -> Iterator[Table]:
        """The rows, as many at a time as memory holds."""
        from oddsmith.data.doubles import Doubles

        numbers = 2 * len(self.model.terms) + 4 * len(self.model.classes) + len(self.model.design.columns)
        numeric = {name: m for name, m in self.model.numeric.items() if name != self.model.record.id}
        at_a_time = max(_FEWEST, self.pieces.size // numbers)
        for table in self.pieces.read(None, Doubles(numeric)):
            yield from table.parts(at_a_time)

    def __call__(self) -> Iterator[bytes]:
        """The content of the output, from its beginning."""
        self.unseen, self.n_texts, done = {}, 0, 0
        for part in self._parts():
            yield self._written(part, done)
            done += part.frame.height
            self.advance(done, None)

    def _written(self, table: Table, done: int) -> bytes:
        from oddsmith.report.spreadsheet import without_formulas

        scores = self.model.score(table)
        for unseen in scores.unseen:
            known = self.unseen.get(unseen.column)
            self.unseen[unseen.column] = unseen if known is None else known + unseen
        actions = None if self.actions is None else self.actions[done : done + table.frame.height]
        frame = predictions(self.shown, table, scores, first=done + 1, actions=actions)
        if not (self.raw or self.as_json):
            frame, n_texts = without_formulas(frame, header=not done)
            self.n_texts += n_texts
        return written(frame, as_json=self.as_json, header=not done)

    def tell(self, voice: Voice) -> None:
        """Notes about the whole, each once."""
        from oddsmith.report.spreadsheet import defused

        for column in self.model.design.columns:
            if column.name in self.unseen:
                voice.aside(str(self.unseen[column.name]))
        if self.n_texts:
            voice.aside(defused(self.n_texts))
        mention_unused(self.model, self.pieces.columns, voice)


class Shown:
    """What is written about each row beside its label, and the model that says it."""

    def __init__(self, model: Model, *, proba: bool, explain: bool, action: bool) -> None:
        from oddsmith.errors import InputError

        self.model, self.proba, self.explain = model, proba, explain
        self.policy = model.policy if action else None
        if action and self.policy is None:
            raise InputError(
                "--action: this model has no policy. Choose one: oddsmith decide MODEL DATA --cost fn=120,fp=18."
            )

    def of_policy(self, table: Table, scores: Scores, actions: Actions | None = None) -> list[pl.Series]:
        """The action of each row, and what each action is expected to cost where reasons are wanted."""
        import polars as pl

        from oddsmith.decision.actions import act, expected

        policy = self.policy
        if policy is None:
            return []
        inputs = self.model.policy_inputs(table, scores)
        taken = act(policy, *inputs) if actions is None else actions
        columns = [pl.Series("action", policy.actions, dtype=pl.String).gather(taken)]
        costs = expected(policy, *inputs) if self.explain else None
        if costs is not None:
            columns += [
                pl.Series(f"expected_cost_{name}", column)
                for name, column in zip(policy.actions, costs.T, strict=True)
            ]
        return columns


def predictions(
    shown: Shown, table: Table, scores: Scores, *, first: int = 1, actions: Actions | None = None
) -> pl.DataFrame:
    """The rows to write: id, label, and what was asked for. Without an id they are numbered from `first` on.

    `actions` (n,) are those of the rows, where they were looked at together with others.
    """
    import numpy as np
    import polars as pl

    from oddsmith.data.cells import as_written, refuse_nested
    from oddsmith.data.memory import require
    from oddsmith.errors import InputError, counted, visible

    model = shown.model
    record = model.record
    n = table.frame.height
    width = shown.proba * len(record.target.classes) + shown.explain * (2 + len(record.columns))
    require(n * (_COLUMN * width + _ROW), f"a table of {counted(n, 'prediction')}")
    if record.id is None:
        ids = pl.Series("row", np.arange(first, first + n))
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
    columns += shown.of_policy(table, scores, actions)
    if shown.proba:
        columns += [
            pl.Series(f"proba_{label}", column)
            for label, column in zip(record.target.classes, scores.proba.T, strict=True)
        ]
    if shown.explain:
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
    """The rows as CSV, or as one JSON object a line."""
    import io

    buffer = io.BytesIO()
    if as_json:
        frame.write_ndjson(buffer)
    else:
        frame.write_csv(buffer, include_header=header, line_terminator="\n")
    return buffer.getvalue()


def mention_unused(model: Model, columns: Sequence[str], voice: Voice) -> None:
    """Name columns that training did not know, once."""
    from oddsmith.errors import visible

    known = model.known_columns()
    unknown = [name for name in columns if name not in known]
    if unknown:
        names = ", ".join(f"'{visible(name)}'" for name in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        voice.aside(f"not used by the model: {names}{more}")
