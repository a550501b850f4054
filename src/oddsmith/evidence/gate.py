"""May a candidate take the place of an incumbent? Both answer the same rows, and each figure's difference is judged.

    verdict of the gate = the worst one of its figures        FAIL > INSUFFICIENT > PASS

No allowance is made for the number of figures: a bad candidate passes only if all its intervals err, so the gate errs no
more often than one of them. Parts of the rows, as the levels of a column, are judged by the same margins, with intervals
widened for their number (Bonferroni). A part fails the gate, since its harm is then proved; one that is too small for
a verdict does not hold it up.

Below `SMALL` units outside the largest class nothing is certified, whatever the intervals say. Two models that answer
every row alike are one model, and do not differ.

Source: Berger (1982) for tests that all have to pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from oddsmith.errors import InputError, counted, visible
from oddsmith.evaluate.bootstrap import require_resamples
from oddsmith.evaluate.calibration_report import SMALL
from oddsmith.evaluate.intervals import require_level
from oddsmith.evaluate.score_table import Floats
from oddsmith.evidence.contenders import Contender, Price
from oddsmith.evidence.margins import SAID, Difference, Margins, Name
from oddsmith.evidence.pair import Pair, pair_of
from oddsmith.evidence.paired import (
    Paired,
    mean_difference,
    precision_difference,
    ranking_difference,
    smooth_ece_difference,
)
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.slices import levels_of
from oddsmith.evidence.verdicts import Outcome, percent


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rows with one level of a column."""

    column: str
    level: str
    n_rows: Annotated[int, Meta(ge=1)]
    events: float
    """Units outside its largest class."""
    small: bool
    """Whether these are too few for a verdict."""
    differences: list[Difference]


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether a candidate is good enough to take the place of an incumbent."""

    verdict: Outcome
    sentence: str
    n_rows: Annotated[int, Meta(ge=1)]
    n_groups: Annotated[int, Meta(ge=1)] | None
    """None where each row stands for itself."""
    events: float
    """Units outside the largest class: rows of the rarer one of two, where they all weigh the same and have no groups."""
    differences: list[Difference]
    parts: list[Part]
    multiplicity: str | None
    """How many differences of parts are told, and at which level."""
    price: str | None
    """What actions cost, and who says it."""
    left_out: dict[Name, str]
    """Why a figure is not there, by its name."""
    margins: Margins
    level: float
    n_resamples: int
    seed: int


def gate(
    candidate: Contender,
    incumbent: Contender,
    *,
    price: Price | None = None,
    margins: Margins | None = None,
    level: float = 0.95,
    n_resamples: int = 200,
    seed: int = 0,
) -> Gate:
    """Compare two models on rows that neither of them has seen.

    Args:
        candidate: what the new model says of the rows, and what it does. Its rows have the groups and slices.
        incumbent: the same of the model in place.
        price: what actions cost, for both models; by itself that of the candidate's policy, or else of the incumbent's.
        margins: the harm that is put up with.
        level: of every interval.
        n_resamples: of the smooth ECE's bootstrap.
        seed: of the same.

    Raises:
        InputError: the models have not the same classes, labels or weights, or the price has none for an action.
    """
    require_level(level)
    require_resamples(n_resamples)
    _refuse_others(candidate.rows, incumbent.rows)
    asked = margins or Margins()
    pair = pair_of(candidate, incumbent, price, asked)
    rows, whole = pair.rows, np.ones(pair.rows.n, dtype=np.bool_)
    figures, left_out = _figures(pair, level, n_resamples, seed)
    differences = [pair.judged(name, paired, whole) for name, paired in figures.items()]
    parts, multiplicity = _parts(pair, level)
    verdict, sentence = _conclusion(differences, parts, _unanswered(left_out, asked))
    return Gate(
        verdict=verdict,
        sentence=sentence,
        n_rows=rows.n,
        n_groups=None if rows.units is None else int(rows.units.max()) + 1,
        events=pair.events(whole),
        differences=differences,
        parts=parts,
        multiplicity=multiplicity,
        price=pair.price,
        left_out=left_out,
        margins=asked,
        level=level,
        n_resamples=n_resamples,
        seed=seed,
    )


def _figures(
    pair: Pair, level: float, n_resamples: int, seed: int
) -> tuple[dict[Name, Paired], dict[Name, str]]:
    """Those that there are, and why others are not."""
    (a, b), y, units = pair.models, pair.rows.y, pair.units
    step = 0.0 if pair.alike else 1.0
    positive = y == 1
    found: dict[Name, Paired | None] = {
        "log_loss": mean_difference(*pair.losses, units, level=level),
        "auc": ranking_difference(a.rows.eta, b.rows.eta, y, units, level=level),
        "cost": None
        if pair.cost is None
        else mean_difference(*pair.cost, units, step=step * pair.most, level=level),
        "smooth_ece": smooth_ece_difference(
            a.rows.call, b.rows.call, units, level=level, n_resamples=n_resamples, seed=seed
        ),
        "brier": mean_difference(a.squares, b.squares, units, level=level),
        "recall": None,
        "precision": None,
    }
    why: dict[Name, str] = {
        "auc": "rows of one class have no order.",
        "cost": "no costs are stated, and no policy has any.",
    }
    why |= dict.fromkeys(("recall", "precision"), _why_no_positive_action(pair))
    if pair.caught is not None and pair.flagged is not None:
        one, other = (caught.astype(np.float64) for caught in pair.caught)
        found["recall"] = mean_difference(one, other, units, among=positive, step=step, most=1.0, level=level)
        found["precision"] = precision_difference(*pair.flagged, positive, units, step=step, level=level)
        why |= {
            "recall": "no row is positive.",
            "precision": "one model takes the positive action of no row.",
        }
    there: dict[Name, Paired] = {name: paired for name, paired in found.items() if paired is not None}
    return there, {name: why[name] for name in SAID if name not in there}


def _why_no_positive_action(pair: Pair) -> str:
    if pair.rows.n_classes > 2:
        return "of two classes only."
    if pair.cost is None:
        return "a model has no policy, and no costs are stated."
    return "of the columns of a cost matrix none is the positive action."


def _parts(pair: Pair, level: float) -> tuple[list[Part], str | None]:
    """Log loss and cost of each level of each column, and at which level they are told."""
    masks = []
    for column, values in pair.rows.slices.items():
        names, place = levels_of(values)
        masks += [(column, name, place == at) for at, name in enumerate(names)]
    if not masks:
        return [], None
    figures: list[tuple[Name, tuple[Floats, Floats], float]] = [("log_loss", pair.losses, 0.0)]
    if pair.cost is not None:
        figures.append(("cost", pair.cost, 0.0 if pair.alike else pair.most))
    events = [pair.events(inside) for _, _, inside in masks]
    n_judged = sum(number >= SMALL for number in events) * len(figures)
    each = 1.0 - (1.0 - level) / max(n_judged, 1)
    parts = []
    for (column, name, inside), number in zip(masks, events, strict=True):
        paired = (
            (figure, mean_difference(*values, pair.units, among=inside, step=step, level=each))
            for figure, values, step in figures
        )
        parts.append(
            Part(
                column=column,
                level=name,
                n_rows=int(inside.sum()),
                events=number,
                small=number < SMALL,
                differences=[
                    pair.judged(figure, found, inside) for figure, found in paired if found is not None
                ],
            )
        )
    n_small = sum(part.small for part in parts)
    told = (
        f"{counted(n_judged, 'difference')} of {counted(len(parts) - n_small, 'part')}: each interval is told at "
        f"{percent(each)}, so that all hold together with {percent(level)}."
    )
    if n_small:
        told += f" Too small for a verdict, with fewer than {SMALL} events: {counted(n_small, 'part')}."
    return parts, told


def _unanswered(left_out: dict[Name, str], margins: Margins) -> list[Name]:
    """Figures that are to be judged and are not there. Costs are judged where they are stated."""
    return [name for name in left_out if name != "cost" and getattr(margins, name) is not None]


def _conclusion(
    differences: Sequence[Difference], parts: Sequence[Part], unanswered: Sequence[Name]
) -> tuple[Outcome, str]:
    def those(outcome: Outcome) -> list[str]:
        return [SAID[found.name] for found in differences if found.verdict == outcome]

    failed = those("FAIL") + [
        f"{SAID[found.name]} where {visible(part.column)} is {visible(part.level)}"
        for part in parts
        for found in part.differences
        if found.verdict == "FAIL"
    ]
    unknown = those("INSUFFICIENT") + [SAID[name] for name in SAID if name in unanswered]
    if failed:
        return "FAIL", f"the candidate is worse than the margin allows: {', '.join(failed)}."
    if unknown:
        needed = [found.needed for found in differences if found.verdict == "INSUFFICIENT"]
        most = max((number for number in needed if number is not None), default=None)
        rest = "" if most is None or None in needed else f" Some {most:,} rows could."
        return "INSUFFICIENT", f"the rows can't tell of {', '.join(unknown)}.{rest}"
    better = [SAID[found.name] for found in differences if found.better]
    said = f"better: {', '.join(better)}" if better else "none is proved better"
    return "PASS", f"no figure is worse than its margin allows; {said}."


def _refuse_others(new: AuditRows, old: AuditRows) -> None:
    if new.n_classes != old.n_classes:
        raise InputError(
            f"the candidate has {new.n_classes} classes and the incumbent {old.n_classes}. Compare models of one target."
        )
    if not (np.array_equal(new.y, old.y) and np.array_equal(new.weight, old.weight)):
        raise InputError(
            "the candidate's labels or weights are not those of the incumbent. Give both the same rows, in one order."
        )
