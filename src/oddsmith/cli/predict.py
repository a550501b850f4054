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
from oddsmith.cli.predictions import Shown, mention_unused, predictions, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oddsmith.data.block import Floats
    from oddsmith.data.encoding import Unseen
    from oddsmith.data.pieces import Pieces
    from oddsmith.data.table import Table
    from oddsmith.decision.costs import Actions

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
    help="With --action: fill the capacity of the policy with these rows, those that it is worth most for, and no more.",
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
