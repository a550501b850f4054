"""oddsmith build: rows and costs in, a model with a probability, a policy and the evidence for both out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from oddsmith.cli.audit import FAILED, bar_options
from oddsmith.cli.calibrate import METHODS
from oddsmith.cli.decide import wish_options
from oddsmith.cli.options import Voice, examples, refuse_overwriting, voiced
from oddsmith.cli.training import learned, tell_training, training_options

if TYPE_CHECKING:
    from oddsmith.data.batches import Batches
    from oddsmith.evidence.audit import Audit
    from oddsmith.evidence.verdicts import Bars
    from oddsmith.model import Model
    from oddsmith.workflow.wishes import Wishes

EXAMPLES = examples(
    """
    oddsmith build requests.csv --target needs_review --cost fn=120,fp=18 -o model.json
    oddsmith build loans.csv --target default --positive yes --cost fn=5,fp=1 --alpha auto -o model.json
    oddsmith build visits.csv --target ill --group patient --cost fn=20,fp=1 --slice ward -o model.json
    oddsmith build requests.csv --target needs_review --id request --recall 0.9 --cost fn=120,fp=18 -o model.json
    oddsmith build students.csv --target "Hogwarts House" --id Index --alpha .01 --cost-matrix costs.csv -o houses.json
    """
)


@click.command(epilog=EXAMPLES)
@click.argument("data", nargs=-1, required=True)
@wish_options
@training_options
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="auto",
    show_default=True,
    help="The calibration map; auto takes the simplest that can't be told from the best.",
)
@click.option("--prior", type=float, metavar="SHARE", help="The share of positives among the rows to come.")
@bar_options
@click.option("-o", "--output", required=True, metavar="MODEL", help="The model file to write.")
@voiced
@click.pass_context
def build(
    context: click.Context,
    /,
    data: tuple[str, ...],
    output: str,
    target: str,
    wishes: Wishes,
    reads: tuple[str, ...],
    method: str,
    prior: float | None,
    bars: Bars | None,
    slices: tuple[str, ...],
    split: str | None,
    voice: Voice,
    **options: Any,
) -> None:
    """Train, calibrate, decide and audit, and store all of it in one model file.

    DATA is split by what its rows say: 60% train, 20% calibrate and check the threshold, 20% audit; or 45, 20, 15 and 20,
    where a policy learns from rows (--empirical, --recall, --precision, --capacity) and takes some of its own. It ends with a verdict in
    one sentence each on fit, ranking, calibration, policy and sample size. Exit code 1 where one of them fails.
    """
    from oddsmith.errors import visible
    from oddsmith.workflow.building import built

    def work(rows: Batches, *, progress: Any, seed: int, **training: Any) -> Model:
        return built(
            rows,
            target,
            wishes,
            method=method,
            prior=prior,
            bars=bars,
            slices=slices,
            split=split,
            seed=seed,
            begin=progress.begin,
            training={**training, "progress": progress},
        )

    if reads:
        refuse_overwriting(output, reads)
    model, caught = learned(data, output, voice, work=work, **options)
    model.save(output)
    tell_training(model, caught, voice)
    audit = model.audit
    assert audit is not None
    if voice.json:
        voice.write_json(audit)
    else:
        _draw(model, audit, voice)
    voice.note(f"wrote {visible(output, 200)}")
    if audit.verdict == "FAIL":
        context.exit(FAILED)


def _draw(model: Model, audit: Audit, voice: Voice) -> None:
    """Calibration, policy and slices in short, or the whole audit under --verbose; the verdicts come last."""
    from rich.text import Text

    from oddsmith.errors import counted
    from oddsmith.report.audit_report import draw_audit, draw_slices, draw_strip
    from oddsmith.report.calibration_report import draw_calibration
    from oddsmith.report.policy_report import draw_policy
    from oddsmith.report.terminal import heading

    console, record = voice.console(), model.record
    assert record.calibration is not None
    assert record.decision is not None
    console.print(Text("Calibration", style="bold"))
    draw_calibration(record.calibration, console)
    heading(console, "Policy")
    draw_policy(record.decision, record.target.classes, console)
    heading(
        console,
        f"Audit, on {counted(sum(record.audit.rows.class_counts), 'row')}" if record.audit else "Audit",
    )
    if voice.verbose:
        draw_audit(audit, console)
        return
    if audit.slices:
        draw_slices(audit, console)
        console.print()
    draw_strip(audit, console)
