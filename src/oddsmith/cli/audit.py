"""oddsmith audit: the evidence of a model on rows that had no part in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from oddsmith.cli.options import (
    Command,
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

if TYPE_CHECKING:
    from oddsmith.evidence.verdicts import Bars

EXAMPLES = examples(
    """
    oddsmith audit model.json validation.csv
    oddsmith audit model.json validation.csv --slice department --slice ambiguity
    oddsmith audit model.json validation.csv --bar auc=.7,smooth_ece=.03 --bar recall=.9
    oddsmith audit model.json validation.csv --json
    oddsmith audit model.json validation.csv -o audited.json
    """
)
FAILED = 1
"""The exit code of an audit that fails."""


def bar_options(command: Command) -> Command:
    """Slices, and the bars that figures have to reach; a verb receives `slices` and `bars`."""
    import functools

    @functools.wraps(command)
    def choose(*args: Any, bar: tuple[str, ...], **kwargs: Any) -> Any:
        from oddsmith.evidence.verdicts import parse_bars

        return command(*args, bars=parse_bars(bar) if bar else None, **kwargs)

    for option in (
        click.option(
            "--bar",
            multiple=True,
            metavar="NAME=VALUE,...",
            help="What the model has to reach: auc above (.5), smooth_ece below (.05), recall of the policy at least (not asked), "
            "confidence of all intervals (.95).",
        ),
        click.option(
            "--slice",
            "slices",
            multiple=True,
            metavar="COLUMN",
            help="Figures for each value of a column, or for quantile groups of its numbers.",
        ),
    ):
        choose = option(choose)
    return choose  # type: ignore[return-value]  # it takes words, and gives the verb what they say


@click.command(epilog=EXAMPLES)
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@bar_options
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of resamples.")
@click.option("--map-label", multiple=True, metavar="FROM=TO", help="Rename a label.")
@click.option("-o", "--output", metavar="OUT", help="The model file to write, with the audit in it.")
@memory_option
@reading_options
@voiced
@click.pass_context
def audit(
    context: click.Context,
    model: str,
    data: tuple[str, ...],
    slices: tuple[str, ...],
    bars: Bars | None,
    seed: int,
    map_label: tuple[str, ...],
    output: str | None,
    memory: str | None,
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Say whether MODEL, its probabilities and its policy can be relied on, by rows that had no part in them.

    PASS where the whole interval of a figure reaches its bar, FAIL where none of it does, and INSUFFICIENT in between, with
    the rows that it would take: on fit, ranking, calibration, policy and sample size. Then the figures, what the policy
    costs against other ways, what moved since training, and how far a few wrong labels would move it all.
    A model that was trained with --split takes the rows of DATA that are there to audit on; any other takes all rows of
    files that it was not trained, calibrated or decided on. The exit code is 1 on FAIL, and 0 otherwise. With -o the audit
    is stored in a model file, which calibrate and decide drop again: it speaks of this model alone.
    """
    from oddsmith.errors import visible
    from oddsmith.report.audit_report import draw_audit
    from oddsmith.workflow.auditing import audit as examine

    trained = load(model, voice)
    if output is not None:
        refuse_stream(output)
        refuse_overwriting(output, data)
    reading = reading_from(chosen, trained.record.reading)
    with (
        voice.hearing(),
        pieces_of(data, reading, memory, voice) as pieces,
        voice.reading("auditing") as advance,
    ):
        kept = examine(
            trained, pieces, slices=slices, bars=bars, seed=seed, map_label=map_label, advance=advance
        )
    found = kept.audit
    assert found is not None
    if output is not None:
        kept.save(output)
    if voice.json:
        voice.write_json(found)
    else:
        draw_audit(found, voice.console())
    if output is not None:
        voice.note(f"wrote {visible(output, 200)}")
    if found.verdict == "FAIL":
        context.exit(FAILED)
