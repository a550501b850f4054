"""The verbs, in the order of the path from rows to predictions, and how one is run."""

from __future__ import annotations

from importlib import import_module

import click

from oddsmith.version import __version__

VERBS = (
    "tutorial",
    "build",
    "describe",
    "train",
    "show",
    "calibrate",
    "decide",
    "audit",
    "gate",
    "evaluate",
    "predict",
    "explain",
)
"""Along the path from rows to predictions. Each is a file of its own, loaded when it is called."""


class Verbs(click.Group):
    """The verbs, listed along the path and not by the alphabet; a verb does not wait for the others to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of a name, None where there is none."""
        if cmd_name not in VERBS:
            return None
        found: click.Command = getattr(import_module(f"oddsmith.cli.{cmd_name}"), cmd_name)
        return found


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: oddsmith tutorial. Every verb has examples: oddsmith build --help.",
)
@click.version_option(__version__, prog_name="oddsmith")
def oddsmith() -> None:
    """Logistic regression that can be read, trusted and put in charge of a decision.

    The path: describe rows; build a model from them and from what errors cost, or step by step: train, calibrate, decide,
    audit; predict new rows, and explain what is done about them.
    """


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
