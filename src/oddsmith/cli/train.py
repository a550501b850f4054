"""oddsmith train: rows in, a model file out."""

from __future__ import annotations

from typing import Any

import click

from oddsmith.cli.options import Voice, examples, voiced
from oddsmith.cli.training import learned, tell_training, training_options

EXAMPLES = examples(
    """
    oddsmith train requests.csv --target needs_review -o model.json
    oddsmith train students.csv --target "Hogwarts House" --id Index --multi-class ovr -o houses.json
    oddsmith train survey.csv --target "affairs > 0" --alpha 0.01 -o model.json
    oddsmith train survey.csv --target "affairs > 0" --l1-ratio 1 --alpha auto -o model.json
    oddsmith train visits.csv --target ill --offset prior_log_odds -o model.json
    oddsmith train 'part-*.csv' --target y -o model.json
    oddsmith train rows.svm --target label -o model.json
    oddsmith train requests.csv --target needs_review --split 60/20/20 --id request -o model.json
    oddsmith train adult.data --no-header --strip --missing "?" --target -1 -o model.json
    oddsmith train requests.csv --target needs_review --solver gradient-descent --iterations 3000 -o model.json
    """
)


@click.command(epilog=EXAMPLES)
@click.argument("data", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="MODEL", help="The model file to write.")
@training_options
@click.option("--flat", is_flag=True, help="Write the flat form: thetas_dict, houses, subjects, mu, sigma.")
@voiced
def train(data: tuple[str, ...], output: str, voice: Voice, flat: bool, **options: Any) -> None:
    """Train a model on every row of DATA that has a label; with --split, on a part of them.

    DATA is CSV or svmlight, plain or gzip, or Parquet: a file, several files of the same columns, a pattern in
    quotes such as 'part-*.csv', or - for standard input. Missing numbers count as the training mean,
    missing categories as a level of their own. Columns that can't be features - identifiers, dates, free
    text, constants - are left out, each with a sentence that says why. Files may be larger than memory.
    """
    from oddsmith.errors import visible
    from oddsmith.workflow import train as fit

    model, caught = learned(data, output, voice, work=fit, **options)
    model.save(output, flat=flat)
    record = model.record
    if voice.json:
        voice.write_json(
            {
                "model": output.encode("utf-8", "replace").decode("utf-8"),
                "target": record.target,
                "columns": [column.name for column in record.columns],
                "left_out": record.left_out,
                "fit": record.fit,
                "training": record.training,
            }
        )
    tell_training(model, caught, voice)
    voice.note(f"wrote {visible(output, 200)}")
