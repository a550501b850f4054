"""oddsmith evaluate: what a model's scores are worth on rows whose label is known."""

from __future__ import annotations

import click

from oddsmith.cli.options import Voice, examples, load, read, reading_from, reading_options, separated, voiced

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
@click.argument("data")
@click.option("--threshold", multiple=True, metavar="P,...", help="Count errors at these probabilities.")
@click.option("--cost", metavar="fn=A,fp=B", help="What a miss (fn) and a false alarm (fp) cost.")
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
@reading_options
@voiced
def evaluate(
    model: str,
    data: str,
    threshold: tuple[str, ...],
    cost: str | None,
    bins: int,
    map_label: tuple[str, ...],
    voice: Voice,
    no_header: bool | None,
    delimiter: str | None,
    quote: str | None,
    strip: bool | None,
    encoding: str | None,
) -> None:
    """Compare MODEL's predictions with the labels of DATA.

    Log loss, accuracy, confusion matrix, precision, recall, F1, AUC, Brier score and calibration error;
    for two classes a row for each threshold, with its cost, and the threshold that follows from the costs.
    """
    from oddsmith.report.terminal import draw_evaluation

    trained = load(model, voice)
    thresholds, price = _thresholds(threshold), _cost(cost)
    reading = reading_from(no_header, delimiter, quote, strip, encoding, trained.record.reading)
    with voice.working("evaluating"):
        table = read(data, reading, voice)
        found, notes = trained.evaluate_table(
            table, thresholds=thresholds, cost=price, n_bins=bins, map_label=map_label
        )
    if table.digest is not None and table.digest == trained.record.training.digest:
        notes.append("these are the rows that the model was trained on: its figures flatter it.")
    for note in notes:
        voice.note(note)
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


def _cost(text: str | None):  # type: ignore[no-untyped-def]
    from oddsmith.errors import InputError, visible
    from oddsmith.evaluate.metrics import Cost

    if text is None:
        return None
    try:
        parts = dict(part.split("=", 1) for part in separated(text))
        return Cost(**{name: float(value) for name, value in parts.items()})
    except (ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"--cost '{visible(text)}': give both costs as fn=120,fp=18") from None
