"""oddsmith describe: what is in each column."""

from __future__ import annotations

from typing import Any

import click

from oddsmith.cli.options import (
    Voice,
    examples,
    missing_option,
    missing_tokens,
    read,
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
@reading_options
@voiced
def describe(
    data: tuple[str, ...],
    like_pandas: bool,
    missing: tuple[str, ...],
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Describe every column of DATA: a file, several, a pattern in quotes, or - for standard input.

    Numbers: count, missing, mean, standard deviation (n - 1), minimum, quartiles, maximum, skewness and
    distinct values. Other columns: count, missing, distinct values and the most common one.
    """
    import warnings

    from oddsmith.errors import DataWarning
    from oddsmith.report.terminal import description_like_pandas, draw_description
    from oddsmith.workflow import describe as summaries

    with warnings.catch_warnings(record=True) as caught, voice.working("describing"):
        warnings.simplefilter("always", DataWarning)
        table = read(data, reading_from(chosen), voice)
        found = summaries(table, missing=missing_tokens(missing, table))
    for warning in caught:
        voice.aside(f"{warning.message}")
    if voice.json:
        voice.write_json(found)
    elif like_pandas:
        click.echo(description_like_pandas(found))
    else:
        draw_description(found, voice.console())
