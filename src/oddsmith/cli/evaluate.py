"""oddsmith evaluate: what a model's scores are worth on rows whose label is known."""

from __future__ import annotations

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
    separated,
    voiced,
)

if TYPE_CHECKING:
    from oddsmith.evaluate.metrics import Cost

EXAMPLES = examples(
    """
    oddsmith evaluate model.json validation.csv
    oddsmith evaluate model.json validation.csv --threshold .2,.5,.8 --cost fn=120,fp=18
    oddsmith evaluate houses.json students.csv --json
    oddsmith evaluate adult.json adult-test.csv --map-label "x.=x"
    """
)


@click.command(epilog=EXAMPLES)
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@click.option("--threshold", multiple=True, metavar="P,...", help="Count errors at these probabilities.")
@click.option(
    "--cost",
    metavar="fn=A,fp=B",
    help="What a miss (fn) and a false alarm (fp) cost; tp and tn where right answers cost or gain something.",
)
@click.option(
    "--bins",
    type=click.IntRange(1, 10_000),
    default=4,
    show_default=True,
    help="Equal-width bins of the calibration error.",
)
@click.option(
    "--map-label",
    multiple=True,
    metavar="FROM=TO",
    help="Rename a label; 'x.=x' takes a dot off every label.",
)
@memory_option
@reading_options
@voiced
def evaluate(
    model: str,
    data: tuple[str, ...],
    threshold: tuple[str, ...],
    cost: str | None,
    bins: int,
    map_label: tuple[str, ...],
    memory: str | None,
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Compare MODEL's predictions with the labels of DATA.

    Log loss, accuracy and AUC with intervals, confusion matrix, precision, recall, F1, average precision, Brier score
    and calibration: as much of it as the events bear. For two classes a row for each threshold, with its cost, and the
    threshold that follows from the costs. Of a model with roles, rows to audit it with count.
    DATA is one file or several, of any format and any size, read as the training data was, unless options say otherwise.
    """
    from oddsmith.model.evaluating import evaluate_pieces
    from oddsmith.report.terminal import draw_evaluation

    trained = load(model, voice)
    thresholds, price = _thresholds(threshold), _cost(cost)
    reading = reading_from(chosen, trained.record.reading)
    with pieces_of(data, reading, memory, voice) as pieces, voice.reading("evaluating") as advance:
        found, notes = evaluate_pieces(
            trained,
            pieces,
            thresholds=thresholds,
            cost=price,
            n_bins=bins,
            map_label=map_label,
            advance=advance,
        )
    for note in notes:
        voice.aside(note)
    if voice.json:
        voice.write_json(found)
    else:
        draw_evaluation(found, voice.console())


def _thresholds(texts: tuple[str, ...]) -> list[float]:
    from oddsmith.errors import InputError, visible

    thresholds = []
    for text in separated(texts):
        try:
            thresholds.append(float(text))
        except ValueError:
            raise InputError(
                f"--threshold '{visible(text)}' is no number. Give probabilities: .2,.5,.8"
            ) from None
    return thresholds


def _cost(text: str | None) -> Cost | None:
    from oddsmith.decision.costs import parse_cost
    from oddsmith.errors import InputError, visible

    if text is None:
        return None
    cost = parse_cost(text)
    if cost.defer is not None:
        raise InputError(
            f"--cost '{visible(text)}': rows are called one class or the other here, and none is deferred. Leave out defer."
        )
    return cost
