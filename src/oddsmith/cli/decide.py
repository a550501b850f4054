"""oddsmith decide: from probabilities to actions."""

from __future__ import annotations

import sys
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
    refuse_overwriting,
    refuse_stream,
    separated,
    voiced,
)

if TYPE_CHECKING:
    from oddsmith.model import Model
    from oddsmith.workflow.wishes import Wishes

EXAMPLES = examples(
    """
    oddsmith decide model.json later-requests.csv --cost fn=120,fp=18
    oddsmith decide model.json later-requests.csv --cost fn=120,fp=18,defer=6 --reviewer-error fn=.02,fp=.05
    oddsmith decide model.json later-requests.csv --cost fn=120,fp=18 --capacity review=200/1000
    oddsmith decide model.json later-requests.csv --recall 0.95 --confidence 0.95
    oddsmith decide model.json later-requests.csv --cost fp=18 --cost-column fn=amount
    oddsmith decide houses.json later-students.csv --cost-matrix costs.csv -o decided.json
    """
)


def wish_options(command: Any) -> Any:
    """What a policy is to be; a verb receives it as `wishes`, and the files that it was read from as `reads`."""
    import functools

    @functools.wraps(command)
    def wish(*args: Any, **kwargs: Any) -> Any:
        told = {name: kwargs.pop(name) for name in _WISHES}
        reads = () if told["cost_matrix"] is None else (told["cost_matrix"],)
        return command(*args, wishes=_wishes(**told), reads=reads, **kwargs)

    for option in (
        click.option(
            "--empirical",
            is_flag=True,
            help="Take the threshold that costs least on the rows, rather than the one that follows from costs.",
        ),
        click.option(
            "--threshold", type=float, metavar="P", help="Take this probability, which was settled elsewhere."
        ),
        click.option(
            "--cost-matrix",
            metavar="FILE",
            help="What each action costs for each class: a row a class, named in the first column, a column an action.",
        ),
        click.option(
            "--cost-column",
            multiple=True,
            metavar="fn=NAME",
            help="A cost that is another one in each row: the column that has it. A name alone is that of fn.",
        ),
        click.option(
            "--precision", type=float, metavar="SHARE", help="Prove this precision of the positive action."
        ),
        click.option(
            "--confidence",
            type=float,
            default=0.95,
            show_default=True,
            help="Of what is proved.",
        ),
        click.option(
            "--recall", type=float, metavar="SHARE", help="Prove this recall of the positive action."
        ),
        click.option(
            "--capacity",
            metavar="ACTION=A/B",
            help="At most A of B cases get the action, as in review=200/1000.",
        ),
        click.option(
            "--actions",
            metavar="A,B",
            help="Names of the actions, in the order of rising probability. [default: auto,review or auto,defer,review]",
        ),
        click.option(
            "--reviewer-error",
            metavar="fn=A,fp=B",
            help="How often the person who is deferred to misses a positive, and stops a negative.",
        ),
        click.option(
            "--cost",
            metavar="fn=A,fp=B",
            help="What a miss (fn) and a false alarm (fp) cost; tp and tn where right answers cost or gain something; "
            "defer where a person may look first.",
        ),
    ):
        wish = option(wish)
    return wish


_WISHES = (
    "cost",
    "reviewer_error",
    "actions",
    "capacity",
    "recall",
    "confidence",
    "precision",
    "cost_column",
    "cost_matrix",
    "threshold",
    "empirical",
)


@click.command(epilog=EXAMPLES)
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@wish_options
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of resamples.")
@click.option("--map-label", multiple=True, metavar="FROM=TO", help="Rename a label.")
@click.option("-o", "--output", metavar="OUT", help="The model file to write. [default: MODEL itself]")
@memory_option
@reading_options
@voiced
def decide(
    model: str,
    data: tuple[str, ...],
    wishes: Wishes,
    reads: tuple[str, ...],
    seed: int,
    map_label: tuple[str, ...],
    output: str | None,
    memory: str | None,
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Choose what is done about each of MODEL's predictions, and store it in the model file.

    The threshold follows from the costs, and DATA checks it: which thresholds cost as little, where resamples of the rows
    would put it, what other thresholds would have done. A policy that learns from rows - the cheapest threshold, a
    recall or a precision that is proved, a capacity - takes rows that are there to select on, and is refused where a
    proof takes more of them. A model trained with --split takes those of DATA that have the role; any other takes all
    rows of a file that served no other purpose.

    Without costs nothing is written: the thresholds of a miss that is worth 1, 5 and 20 false alarms are shown.
    """
    from oddsmith.errors import visible
    from oddsmith.report.policy_report import draw_policy
    from oddsmith.workflow.deciding import decided

    trained = load(model, voice)
    place = model if output is None else output
    refuse_stream(place)
    refuse_overwriting(place, data, *reads)
    reading = reading_from(chosen, trained.record.reading)
    asked = wishes
    with voice.hearing(), pieces_of(data, reading, memory, voice) as pieces:
        if not asked.is_anything:
            asked = _asked(trained, pieces, voice, map_label)
        with voice.reading("deciding") as advance:
            found, notes = decided(trained, pieces, asked, seed=seed, map_label=map_label, advance=advance)
    found.save(place)
    for note in notes:
        voice.aside(note)
    record = found.record.decision
    assert record is not None
    if voice.json:
        voice.write_json(record)
    else:
        draw_policy(record, found.record.target.classes, voice.console())
    voice.note(f"wrote {visible(place, 200)}")


def _asked(model: Model, pieces: Any, voice: Voice, map_label: tuple[str, ...]) -> Wishes:
    """The costs that somebody gives at a terminal, who has seen what 1:1, 5:1 and 20:1 mean; else an error.

    Raises:
        InputError: nobody is there to be asked, or the model has more than two classes.
    """
    from oddsmith.decision.costs import PERFECT
    from oddsmith.errors import InputError
    from oddsmith.evaluate.metrics import Cost
    from oddsmith.report.policy_report import draw_ratios
    from oddsmith.workflow.deciding import rows_to_decide_on, with_policy
    from oddsmith.workflow.wishes import Wishes, require_wishes

    if len(model.classes) > 2:
        require_wishes(model, Wishes(cost=Cost(fn=1, fp=1)))
    rows = rows_to_decide_on(model, pieces, Wishes(threshold=0.5, reviewer=PERFECT), map_label=map_label)
    shown = with_policy(model, rows, Wishes(threshold=0.5), 0).policy
    assert shown is not None
    console = voice.console()
    if not voice.json:
        draw_ratios(shown, console)
    if voice.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError(
            "what does a miss cost, relative to a false alarm? Say it, as in --cost fn=5,fp=1; or say --recall, "
            "--precision or --capacity."
        )
    ratio = click.prompt("How many false alarms is a miss worth?", type=float, err=True)
    return Wishes(cost=Cost(fn=ratio, fp=1.0))


def _wishes(
    *,
    cost: str | None,
    reviewer_error: str | None,
    actions: str | None,
    capacity: str | None,
    recall: float | None,
    confidence: float,
    precision: float | None,
    cost_column: tuple[str, ...],
    cost_matrix: str | None,
    threshold: float | None,
    empirical: bool,
) -> Wishes:
    """What the options say, typed."""
    from oddsmith.decision.capacity import parse_capacity
    from oddsmith.decision.costs import PERFECT, parse_cost, parse_reviewer, parse_row_costs
    from oddsmith.workflow.wishes import Wishes, matrix_in

    return Wishes(
        cost=None if cost is None or cost_column else parse_cost(cost),
        row_costs=parse_row_costs(cost, cost_column) if cost_column else None,
        matrix=None if cost_matrix is None else matrix_in(cost_matrix),
        reviewer=PERFECT if reviewer_error is None else parse_reviewer(reviewer_error),
        actions=None if actions is None else separated(actions),
        capacity=None if capacity is None else parse_capacity(capacity),
        threshold=threshold,
        recall=recall,
        precision=precision,
        confidence=confidence,
        empirical=empirical,
    )
