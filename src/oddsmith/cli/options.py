"""Options that verbs share, and the one object that carries what they say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from oddsmith.data.block import Floats
    from oddsmith.data.read import Reading
    from oddsmith.data.table import Table

Command = TypeVar("Command", bound=Callable[..., Any])

PATIENCE = 1.0
"""Seconds before a progress bar is worth drawing."""


@dataclass(frozen=True)
class Voice:
    """How much is said, where: data to standard output, messages to standard error."""

    json: bool
    quiet: bool
    verbose: bool

    def note(self, message: str) -> None:
        """A message, unless --quiet."""
        if not self.quiet:
            click.echo(message, err=True)

    def detail(self, message: str) -> None:
        """A message that only --verbose asks for."""
        if self.verbose:
            click.echo(message, err=True)

    def console(self) -> Console:
        """Where tables are drawn: standard output."""
        from oddsmith.report.terminal import console_for

        return console_for(sys.stdout)

    def write_json(self, value: Any) -> None:
        """One JSON document on standard output."""
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode("utf-8"))

    @contextmanager
    def progress(self, doing: str) -> Iterator[Callable[[int, int, Floats], None]]:
        """A callback for solvers that draws a bar on a terminal once the work takes over a second."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, most, value: None
            return
        from time import monotonic

        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        begun = monotonic()
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}  loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        task = bar.add_task(doing, total=None, loss="")

        def report(done: int, most: int, value: Floats) -> None:
            if not bar.live.is_started and monotonic() - begun > PATIENCE:
                bar.start()
            bar.update(task, completed=done, total=most, loss=", ".join(f"{v:.6g}" for v in value[:6]))

        try:
            yield report
        finally:
            if bar.live.is_started:
                bar.stop()


def voiced(command: Command) -> Command:
    """Give a verb --json, -q and -v; it receives a `Voice` as `voice`."""
    import functools

    @functools.wraps(command)
    def speak(*args: Any, as_json: bool, quiet: bool, verbose: bool, **kwargs: Any) -> Any:
        return command(*args, voice=Voice(as_json, quiet, verbose), **kwargs)

    for option in (
        click.option("-v", "--verbose", is_flag=True, help="Say more."),
        click.option("-q", "--quiet", is_flag=True, help="No messages but errors."),
        click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output."),
    ):
        speak = option(speak)
    return speak  # type: ignore[return-value]


def reading_options(command: Command) -> Command:
    """How to read the text of DATA; by itself as the model was trained, or as an ordinary CSV."""
    for option in (
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
        command = option(command)
    return command


def missing_option(command: Command) -> Command:
    """Markers of missing cells."""
    return click.option(
        "--missing",
        multiple=True,
        metavar="TOKEN,..|COLUMN=TOKEN",
        help="More markers of missing cells, everywhere or in one column. "
        "Empty, NA, NaN, nan, NULL and null always are.",
    )(command)


def read(path: str, reading: Reading) -> Table:
    """The table in a file, or on standard input for "-"."""
    from oddsmith.data.read import read_table

    return read_table(path, reading)


def reading_from(
    no_header: bool | None,
    delimiter: str | None,
    quote: str | None,
    strip: bool | None,
    encoding: str | None,
    trained: Reading | None = None,
) -> Reading:
    """What the options say, and for the rest how the model's training data was read."""
    from dataclasses import replace

    from oddsmith.data.read import Reading

    given = {
        "header": None if no_header is None else not no_header,
        "delimiter": delimiter,
        "quote": "" if quote == "none" else quote,
        "strip": strip,
        "encoding": encoding,
    }
    base = trained if trained is not None else Reading()
    return replace(base, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def separated(values: tuple[str, ...] | str | None) -> tuple[str, ...]:
    """Names or tokens given with commas between them, in one option or several."""
    texts = (values,) if isinstance(values, str) else values or ()
    return tuple(part.strip() if part.strip() else part for text in texts for part in text.split(",") if part)


def column_names(values: tuple[str, ...], table: Table) -> tuple[str, ...]:
    """Names given with commas between them; a text that is a column's whole name stays whole."""
    return tuple(
        name for text in values for name in ((text,) if text in table.frame.columns else separated(text))
    )


def examples(text: str) -> str:
    """The epilog of a verb's help: its examples, one a line, as they are typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line.strip()}" for line in text.strip().splitlines())
