"""oddsmith describe: what is in each column."""

from __future__ import annotations

from typing import Any

import click

from oddsmith.cli.options import (
    Voice,
    examples,
    memory_option,
    missing_option,
    missing_tokens,
    pieces_of,
    reading_from,
    reading_options,
    voiced,
)

EXAMPLES = examples(
    """
    oddsmith describe students.csv
    oddsmith describe students.csv --like-pandas
    oddsmith describe adult.data --no-header --strip --missing "?"
    zcat requests.csv.gz | oddsmith describe - --json
    """
)


@click.command(epilog=EXAMPLES)
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--like-pandas", is_flag=True, help="Numeric columns side by side, six decimals, as pandas prints them."
)
@missing_option
@memory_option
@reading_options
@voiced
def describe(
    data: tuple[str, ...],
    like_pandas: bool,
    missing: tuple[str, ...],
    memory: str | None,
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Describe every column of DATA: a file, several, a pattern in quotes, or - for standard input.
    Files may be of any size.

    Numbers: count, missing, mean, standard deviation (n - 1), minimum, quartiles, maximum, skewness and
    distinct values. Other columns: count, missing, distinct values and the most common one.
    """
    import warnings

    from oddsmith.data.cells import MissingMarkers
    from oddsmith.data.describing import describe as summaries
    from oddsmith.errors import DataWarning
    from oddsmith.report.terminal import description_like_pandas, draw_description

    with (
        warnings.catch_warnings(record=True) as caught,
        pieces_of(data, reading_from(chosen), memory, voice) as pieces,
        voice.reading("describing") as advance,
    ):
        warnings.simplefilter("always", DataWarning)
        markers = MissingMarkers.from_options(missing_tokens(missing, pieces.columns), pieces.columns)
        found = summaries(pieces, markers, advance)
    for warning in caught:
        voice.aside(f"{warning.message}")
    if voice.json:
        voice.write_json(found)
    elif like_pandas:
        click.echo(description_like_pandas(found))
    else:
        draw_description(found, voice.console())
