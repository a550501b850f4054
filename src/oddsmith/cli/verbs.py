"""The verbs, in the order of the path from rows to predictions, and how one is run."""

from __future__ import annotations

import click

from oddsmith.cli.audit import audit
from oddsmith.cli.build import build
from oddsmith.cli.calibrate import calibrate
from oddsmith.cli.decide import decide
from oddsmith.cli.describe import describe
from oddsmith.cli.evaluate import evaluate
from oddsmith.cli.explain import explain
from oddsmith.cli.predict import predict
from oddsmith.cli.show import show
from oddsmith.cli.train import train
from oddsmith.cli.tutorial import tutorial
from oddsmith.version import __version__


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


for verb in (tutorial, build, describe, train, show, calibrate, decide, audit, evaluate, predict, explain):
    oddsmith.add_command(verb)


def run(arguments: list[str]) -> int:
    """Run a command line; a usage error is shown, any other exception is the verb's own."""
    try:
        code = oddsmith.main(arguments, prog_name="oddsmith", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        # click makes this of two exceptions; what happened is its cause.
        raise error.__cause__ or KeyboardInterrupt from None
    # Of click's `exit` it is the code; a verb that comes to its end returns nothing.
    return code if isinstance(code, int) else 0
