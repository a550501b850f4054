"""oddsmith calibrate: from scores to probabilities that mean what they say."""

from __future__ import annotations

from typing import Any

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
    refuse_stream,
    voiced,
)

EXAMPLES = examples(
    """
    oddsmith calibrate model.json later-requests.csv
    oddsmith calibrate model.json later-requests.csv --method isotonic -o calibrated.json
    oddsmith calibrate model.json later-requests.csv --prior 0.02
    """
)
METHODS = ("auto", "identity", "temperature", "platt", "beta", "isotonic", "venn-abers")


@click.command(epilog=EXAMPLES)
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="auto",
    show_default=True,
    help="The map; auto takes the simplest that cross-validated log loss can't tell from the best.",
)
@click.option(
    "--prior",
    type=float,
    metavar="SHARE",
    help="Of two classes: the share of positives among the rows to come, where it is another than in DATA.",
)
@click.option(
    "--prior-from",
    metavar="FILE",
    help="Rows to come, without labels: estimate the share of positives among them from their scores.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Of the folds that judge maps.",
)
@click.option("--map-label", multiple=True, metavar="FROM=TO", help="Rename a label.")
@click.option("-o", "--output", metavar="OUT", help="The model file to write. [default: MODEL itself]")
@memory_option
@reading_options
@voiced
def calibrate(
    model: str,
    data: tuple[str, ...],
    method: str,
    prior: float | None,
    prior_from: str | None,
    seed: int,
    map_label: tuple[str, ...],
    output: str | None,
    memory: str | None,
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Learn from DATA what MODEL's scores are worth as probabilities, and store it in the model file.

    Probabilities and labels come after the map from then on; rows are ranked by the scores as before. A model that was
    trained with --split takes the rows of DATA that are there to calibrate on; any other takes all rows of a file that
    did not train it. What is shown before and after is of rows that the map had not seen, by cross-validation.
    A policy that MODEL had is dropped: it was chosen for other probabilities.
    """
    from oddsmith.errors import visible
    from oddsmith.report.calibration_report import draw_calibration
    from oddsmith.workflow.calibrating import calibrate as learn

    trained = load(model, voice)
    place = model if output is None else output
    refuse_stream(place)
    refuse_overwriting(place, data)
    reading = reading_from(chosen, trained.record.reading)
    with (
        voice.hearing(),
        pieces_of(data, reading, memory, voice) as pieces,
        voice.reading("calibrating") as advance,
    ):
        found = learn(
            trained,
            pieces,
            method=method,
            prior=prior,
            prior_from=prior_from,
            seed=seed,
            map_label=map_label,
            reading=reading,
            advance=advance,
        )
    found.save(place)
    record = found.record.calibration
    assert record is not None
    if voice.json:
        voice.write_json(record)
    else:
        draw_calibration(record, voice.console())
    if trained.policy is not None:
        voice.note("the policy is dropped: it was chosen for other probabilities. Decide again.")
    voice.note(f"wrote {visible(place, 200)}")
