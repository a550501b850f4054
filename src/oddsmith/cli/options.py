"""Options that verbs share, and the one object that carries what they say."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oddsmith.errors import counted, visible

if TYPE_CHECKING:
    from rich.console import Console

    from oddsmith.data.block import Floats
    from oddsmith.data.pieces import Pieces
    from oddsmith.data.read import Reading
    from oddsmith.data.table import Table
    from oddsmith.model import Model

Command = TypeVar("Command", bound=Callable[..., Any])

ASIDES = 260
"""Characters of messages about the data that are told without being asked for."""

PATIENCE = 1.0
"""Seconds before a progress bar is worth drawing."""


@dataclass(frozen=True)
class Voice:
    """How much is said, where: data to standard output, messages to standard error."""

    json: bool
    quiet: bool
    verbose: bool
    asides: list[str] = field(default_factory=list)

    def note(self, message: str) -> None:
        """A message, unless --quiet; on a terminal, wrapped between words. What was said aside comes first."""
        self.tell_asides()
        self._say(message)

    def aside(self, message: str) -> None:
        """A message about the data, told once the work has succeeded: an error stands alone."""
        self.asides.append(message)

    def tell_asides(self) -> None:
        """The asides so far: all of them under --verbose, else the first and what fits in a few lines.

        To say that one is left out would take the place that it needs.
        """
        asides, room = self.asides.copy(), ASIDES
        self.asides.clear()
        for told, message in enumerate(asides):
            room -= len(message)
            if told and room < 0 and told < len(asides) - 1 and not self.verbose:
                self._say(f"{counted(len(asides) - told, 'more such note')}; -v shows all.")
                break
            self._say(message if self.verbose else visible(message, 2 * ASIDES))

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """While the block runs, warnings about the data are told aside."""
        import warnings

        from oddsmith.errors import DataWarning

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DataWarning)
            yield
        for warning in caught:
            if issubclass(warning.category, DataWarning):
                self.aside(f"{warning.message}")
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)

    def _say(self, message: str) -> None:
        if not self.quiet:
            click.echo(_wrapped(message) if sys.stderr.isatty() else message, err=True)

    def detail(self, message: str) -> None:
        """A message that only --verbose asks for."""
        if self.verbose:
            self.note(message)

    def console(self) -> Console:
        """Where tables are drawn: standard output."""
        from oddsmith.report.terminal import console_for

        return console_for(sys.stdout)

    def write_json(self, value: Any) -> None:
        """One JSON document on standard output."""
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))

    @contextmanager
    def working(self, doing: str) -> Iterator[Working]:
        """While the block runs, a bar on the terminal if it takes over a second."""
        with self._bar(doing) as update:
            yield Working(update)

    @contextmanager
    def reading(self, doing: str) -> Iterator[Callable[[int, int | None], None]]:
        """While the block runs, such a bar. Yields a callback: rows that were read, and of how many, where known."""
        from time import monotonic

        start = monotonic()
        with self._bar(doing) as update:

            def report(rows: int, of: int | None) -> None:
                speed = rows / max(monotonic() - start, 1e-3)
                update(rows, of, f"{rows:,} rows  {speed:,.0f} rows/s")

            yield report

    @contextmanager
    def _bar(self, doing: str) -> Iterator[Callable[[int, int | None, str], None]]:
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, most, figures: None
            return
        from threading import Timer

        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        task = bar.add_task(doing, total=None, figures="")

        def update(done: int, most: int | None, figures: str) -> None:
            bar.update(task, completed=done, total=most, figures=figures)

        def appear() -> None:
            # Where no more threads can be started, there is no bar.
            with suppress(RuntimeError):
                bar.start()

        soon = Timer(PATIENCE, appear)
        soon.daemon = True
        try:
            with suppress(RuntimeError):
                soon.start()
            yield update
        finally:
            soon.cancel()
            if soon.ident is not None:
                soon.join()
            bar.stop()


class Working:
    """What a bar says: the fit's iterations and loss, the rows that are read, and how fast."""

    def __init__(self, update: Callable[[int, int | None, str], None]) -> None:
        self.update = update
        self.done: tuple[int, int | None, str] = (0, None, "")
        self.total: int | None = None
        self.since = 0.0
        self.n_rows = 0

    def begin(self, doing: str) -> Callable[[int, int | None], None]:
        """What is done from now on; the result is told how many rows were read, and of how many, where that is known."""
        self.done, self.n_rows, self.total = (0, None, doing), 0, None
        self.update(*self.done)

        def report(rows: int, of: int | None) -> None:
            self.update(rows, of, f"{doing}  {rows:,} rows")

        return report

    def __call__(self, done: int, most: int, value: Floats) -> None:
        """Iterations done, at most, and the objective of each problem: a callback for solvers."""
        losses = ", ".join(f"{v:.6g}" for v in value[:6])
        self.done = done, most, f"{done}/{most}  loss {losses}"
        self.update(*self.done)

    def rows(self, number: int, total: int | None = None) -> None:
        """So many more rows were read, of `total` in a pass where it is known."""
        from time import monotonic

        now = monotonic()
        if not self.n_rows or total != self.total:
            self.since, self.n_rows, self.total = now, 0, total
        self.n_rows += number
        done, most, told = self.done
        read = f"pass {self.n_rows / total:.1f}" if total else f"{self.n_rows:,} rows"
        speed = f"{self.n_rows / (now - self.since):,.0f} rows/s" if now > self.since else ""
        self.update(done, most, "  ".join(part for part in (told, read, speed) if part))


def _wrapped(message: str) -> str:
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns
    return textwrap.fill(message, width, break_long_words=False, break_on_hyphens=False)


def voiced(command: Command) -> Command:
    """Give a verb --json, -q and -v; it receives a `Voice` as `voice`."""
    import functools

    @functools.wraps(command)
    def speak(*args: Any, as_json: bool, quiet: bool, verbose: bool, **kwargs: Any) -> Any:
        from oddsmith.cli.surroundings import ensure_room

        ensure_room()
        voice = Voice(as_json, quiet, verbose)
        result = command(*args, voice=voice, **kwargs)
        voice.tell_asides()
        return result

    for option in (
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            help="Say more: what was read, how the loss fell; with show, every coefficient.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="No messages but errors."),
        click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output."),
    ):
        speak = option(speak)
    return speak  # type: ignore[return-value]  # it takes words, and gives the verb a voice


def reading_options(command: Command) -> Command:
    """How to read DATA; a verb receives what was said as `chosen`, for `reading_from`."""
    import functools

    @functools.wraps(command)
    def choose(
        *args: Any,
        no_header: bool | None,
        delimiter: str | None,
        quote: str | None,
        strip: bool | None,
        encoding: str | None,
        format: str | None,  # noqa: A002 - the option's name
        **kwargs: Any,
    ) -> Any:
        given = {
            "header": None if no_header is None else not no_header,
            "delimiter": delimiter,
            "quote": "" if quote == "none" else quote,
            "strip": strip,
            "encoding": encoding,
            "format": format,
        }
        chosen = {name: value for name, value in given.items() if value is not None}
        return command(*args, chosen=chosen, **kwargs)

    for option in (
        click.option(
            "--format",
            type=click.Choice(["auto", "csv", "parquet", "svmlight"]),
            help="What DATA is; the other options here are for delimited text. [default: auto, by its content]",
        ),
        click.option("--encoding", metavar="NAME", help="Encoding of the text. [default: utf-8]"),
        click.option("--strip/--no-strip", default=None, help="Take blanks from both ends of every cell."),
        click.option("--quote", metavar="CHAR", help="Character that quotes cells, or 'none'. [default: \"]"),
        click.option(
            "--delimiter", metavar="CHAR", help="Character between cells, or tab, space. [default: ,]"
        ),
        click.option(
            "--no-header/--header", default=None, help="The first line is data: column_1, column_2, ..."
        ),
    ):
        choose = option(choose)
    return choose  # type: ignore[return-value]  # it takes words, and gives the verb what they say


def missing_option(command: Command) -> Command:
    """Markers of missing cells."""
    return click.option(
        "--missing",
        multiple=True,
        metavar="TOKEN,..|COLUMN=TOKEN",
        help="More markers of missing cells, everywhere or in one column. "
        "Empty, NA, NaN, nan, NULL and null always are.",
    )(command)


def memory_option(command: Command) -> Command:
    """How much memory the work may take."""
    return click.option(
        "--memory",
        metavar="SIZE",
        help="The memory that the work may take in all, such as 1GB; files may be larger. [default: what there is]",
    )(command)


@contextmanager
def pieces_of(paths: Sequence[str], reading: Reading, memory: str | None, voice: Voice) -> Iterator[Pieces]:
    """The rows of files of any size, for work that keeps to `memory`; what was read is told after it."""
    from oddsmith.data.memory import limited, size_of
    from oddsmith.data.pieces import Pieces

    size = None if memory is None else size_of(memory)
    with limited(size):
        pieces = Pieces(paths, reading, size)
        yield pieces
    for note in pieces.notes:
        voice.aside(note)
    for name, digest in pieces.digests:
        voice.detail(f"{name}: sha256 {digest}")
    voice.detail(f"{pieces.name}: {counted(pieces.n_rows, 'row')}, {counted(len(pieces.columns), 'column')}")


def read(paths: Sequence[str], reading: Reading, voice: Voice) -> Table:
    """The table in files, one or several, or on standard input for "-"."""
    from oddsmith.data.read import read_table

    table = read_table(paths, reading)
    for note in table.notes:
        voice.aside(note)
    for name, digest in table.digests:
        voice.detail(f"{name}: sha256 {digest}")
    voice.detail(
        f"{table.name}: {counted(table.frame.height, 'row')}, {counted(table.frame.width, 'column')}"
    )
    return table


def load(path: str, voice: Voice) -> Model:
    """The model in a file."""
    from oddsmith.model import load as load_model

    model = load_model(path)
    record = model.record
    rows = len(record.golden.changes) + 1
    voice.detail(f"{path}: digest {record.digest}; its golden rows ({rows:,}) are reproduced")
    return model


def refuse_overwriting(output: str, data: Sequence[str], *others: str) -> None:
    """Raise InputError if the file to be written is one that is read, which the result would replace."""
    if not os.path.isfile(output):
        return
    from oddsmith.data.sources import files_of

    inputs = (*files_of(data), *others)
    if any(os.path.exists(path) and os.path.samefile(output, path) for path in inputs):
        from oddsmith.errors import InputError, visible

        raise InputError(
            f"-o {visible(output, 200)}: this file is read, and the result would replace it. "
            f"Choose another place with -o."
        )


def refuse_stream(output: str) -> None:
    """Raise InputError where a model would be written to a stream."""
    if output == "-":
        from oddsmith.errors import InputError

        raise InputError("-o -: a model is kept in a file. Name one, such as -o model.json.")


def reading_from(chosen: dict[str, Any], trained: Reading | None = None) -> Reading:
    """What the options say, and for the rest how the model's training data was read."""
    from dataclasses import replace

    from oddsmith.data.read import Reading

    return replace(trained if trained is not None else Reading(), **chosen)


def separated(values: tuple[str, ...] | str | None) -> tuple[str, ...]:
    """Names or tokens given with commas between them, in one option or several."""
    texts = (values,) if isinstance(values, str) else values or ()
    return tuple(part.strip() if part.strip() else part for text in texts for part in text.split(",") if part)


def column_names(values: tuple[str, ...], table: Table) -> tuple[str, ...]:
    """Names given with commas between them; a text that is a column's whole name stays whole."""
    columns = set(table.frame.columns)
    return tuple(name for text in values for name in ((text,) if text in columns else separated(text)))


def missing_tokens(values: tuple[str, ...], columns: Sequence[str]) -> tuple[str, ...]:
    """Markers given with commas between them; one of a column whose name holds a comma stays whole."""
    with_comma = [f"{name}=" for name in columns if "," in name]
    return tuple(
        token
        for text in values
        for token in ((text,) if text.startswith(tuple(with_comma)) and with_comma else separated(text))
    )


def examples(text: str) -> str:
    """The epilog of a verb's help: its examples, one a line, as they are typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line.strip()}" for line in text.strip().splitlines())
