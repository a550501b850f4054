"""The command line: one file a verb, and one place where outcomes become exit codes.

    0 fine    1 a check failed    2 usage or input    101 our bug    130 interrupted

Data goes to standard output, messages to standard error. Modules here load click and nothing heavy.
"""

import contextlib
import os
import sys
import traceback
from typing import IO, NoReturn

import click

from oddsmith.cli.describe import describe
from oddsmith.cli.evaluate import evaluate
from oddsmith.cli.predict import predict
from oddsmith.cli.show import show
from oddsmith.cli.train import train
from oddsmith.cli.tutorial import tutorial
from oddsmith.errors import InputError, visible
from oddsmith.version import __version__

BUG, INTERRUPTED, USAGE = 101, 130, 2


class InOrder(click.Group):
    """Verbs listed along the path from rows to predictions, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order in which they were added."""
        return list(self.commands)


@click.group(
    cls=InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: oddsmith tutorial. Every verb has examples: oddsmith train --help.",
)
@click.version_option(__version__, prog_name="oddsmith")
def oddsmith() -> None:
    """Logistic regression that can be read, trusted and put in charge of a decision.

    The path: describe rows, train a model, show what it says, evaluate it on rows that it has not seen,
    predict new ones.
    """


for verb in (tutorial, describe, train, show, evaluate, predict):
    oddsmith.add_command(verb)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command line and leave with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(_outcome(arguments))


def _outcome(arguments: list[str]) -> int:
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    if sys.stdin is None or sys.stdout is None:
        _complain("standard input or output is closed. Run it with both open, or from and to a file.")
        return USAGE
    try:
        oddsmith.main(arguments, prog_name="oddsmith", standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        _complain(str(error))
        return USAGE
    except click.ClickException as error:
        error.show()
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        _silence(sys.stdout)
        return 0
    except OSError as error:
        _silence(sys.stdout)
        _complain(f"standard output: cannot be written: {(error.strerror or str(error)).lower()}.")
        return USAGE
    except SystemExit:
        # So rich and click leave when the reader of a pipe has gone; that is how `head` works.
        return 0
    except Exception as error:
        if "-v" in arguments or "--verbose" in arguments:
            traceback.print_exc()
        _complain(
            f"this is a bug in oddsmith, not in your data: {type(error).__name__}: {visible(str(error), 300)}\n"
            f"Please report it with the command and its output when -v is added (oddsmith {__version__})."
        )
        return BUG
    return 0


def _silence(stream: IO[str]) -> None:
    """Let what is still buffered go nowhere, so that leaving does not fail once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complain(message: str) -> None:
    click.echo(f"oddsmith: {message}", err=True)
