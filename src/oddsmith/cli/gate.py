"""oddsmith gate: may a new model take the place of the one that is there?"""

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
    voiced,
)

EXAMPLES = examples(
    """
    oddsmith gate new.json old.json validation.csv
    oddsmith gate new.json old.json validation.csv --cost fn=120,fp=18 --slice department
    oddsmith gate new.json old.json validation.csv --margin log_loss=.002,recall=.01 --json
    """
)


@click.command(epilog=EXAMPLES)
@click.argument("candidate")
@click.argument("incumbent")
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--slice",
    "slices",
    multiple=True,
    metavar="COLUMN",
    help="Compare the rows of each level of this column too, or of quantile groups of its numbers.",
)
@click.option(
    "--margin",
    multiple=True,
    metavar="FIGURE=HARM,...",
    help="The harm that is put up with, of log_loss, auc, smooth_ece, brier, recall or precision; of cost, as a share of "
    "what a model can save; 0 asks for a better figure, none for no verdict. "
    "[default: log_loss=.01,auc=.01,smooth_ece=.05,cost=.05]",
)
@click.option(
    "--cost",
    metavar="fn=A,fp=B",
    help="What a miss and a false alarm cost, for both models; defer where cases are deferred. "
    "[default: what the candidate's policy says, or the incumbent's]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Of the bootstrap of the smooth ECE.",
)
@click.option("--map-label", multiple=True, metavar="FROM=TO", help="Rename a label.")
@memory_option
@reading_options
@voiced
@click.pass_context
def gate(
    context: click.Context,
    candidate: str,
    incumbent: str,
    data: tuple[str, ...],
    slices: tuple[str, ...],
    margin: tuple[str, ...],
    cost: str | None,
    seed: int,
    map_label: tuple[str, ...],
    memory: str | None,
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Say whether CANDIDATE is good enough to take the place of INCUMBENT, on the rows of DATA.

    Both answer the same rows, and the difference of each figure has an interval. PASS: no harm beyond its margin is in
    it. FAIL: only such harm is. INSUFFICIENT: the rows can't tell, and so many could.
    The rows are those that audit both models, where they were trained with --split; others must not have learned from
    DATA.

    The exit code is 0 for PASS and 1 for FAIL and INSUFFICIENT, so that what follows && happens only where it is proved
    to do no harm; 2 where the models or rows can't be compared.
    """
    from oddsmith.decision.costs import parse_cost
    from oddsmith.evidence.margins import parse_margins
    from oddsmith.report.gate_report import draw_gate
    from oddsmith.workflow.gating import gate as compare

    new, old = load(candidate, voice), load(incumbent, voice)
    margins = parse_margins(margin)
    price = None if cost is None else parse_cost(cost)
    reading = reading_from(chosen, new.record.reading)
    with (
        voice.hearing(),
        pieces_of(data, reading, memory, voice) as pieces,
        voice.reading("comparing") as advance,
    ):
        found = compare(
            new,
            old,
            pieces,
            slices=slices,
            margins=margins,
            cost=price,
            seed=seed,
            map_label=map_label,
            advance=advance,
        )
    if voice.json:
        voice.write_json(found)
    else:
        draw_gate(found, voice.console())
    if found.verdict != "PASS":
        voice.tell_asides()
        context.exit(1)
