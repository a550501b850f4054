"""oddsmith show: a model file as a card that can be read."""

from __future__ import annotations

import click

from oddsmith.cli.options import Voice, examples, load, voiced

EXAMPLES = examples(
    """
    oddsmith show model.json
    oddsmith show model.json --json
    """
)


@click.command(epilog=EXAMPLES)
@click.argument("model")
@voiced
def show(model: str, voice: Voice) -> None:
    """Show what MODEL does, what it rests on, and its odds ratios.

    The file is checked while it is read: its digest, and the log-odds of its golden rows.
    """
    from oddsmith.report.card import draw_card

    trained = load(model, voice)
    if voice.json:
        voice.write_json(trained.record)
    else:
        draw_card(trained, voice.console(), coefficients=voice.verbose)
