"""May a candidate take the place of an incumbent? Both answer the same rows, and each figure's difference is judged.

    verdict of the gate = the worst one of its figures        FAIL > INSUFFICIENT > PASS

No allowance is made for the number of figures: a bad candidate passes only if all its intervals err, so the gate errs no
more often than one of them. Parts of the rows, as the levels of a column, are judged by the same margins, with intervals
widened for their number (Bonferroni). A part fails the gate, since its harm is then proved; one that is too small for
a verdict does not hold it up.

Below `FEWEST` units outside the largest class nothing is certified, whatever the intervals say. Two models that answer
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
from oddsmith.evaluate.resampling import require_resampling
from oddsmith.evaluate.score_table import Floats, require
from oddsmith.evidence.contenders import CommonRows, Contender, Price
from oddsmith.evidence.levels import levels
from oddsmith.evidence.margins import SAID, Difference, Margins, Name, Outcome
from oddsmith.evidence.pair import FEWEST, WHO, Pair, pair_of
from oddsmith.evidence.paired import (
    Paired,
    mean_difference,
    precision_difference,
    ranking_difference,
    smooth_ece_difference,
)


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
    rows: CommonRows,
    *,
    price: Price | None = None,
    margins: Margins | None = None,
    level: float = 0.95,
    n_resamples: int = 200,
    seed: int = 0,
) -> Gate:
    """Compare two models on rows that neither of them has seen.

    Args:
        candidate: what the new model says of the rows, and what it does.
        incumbent: the same of the model in place.
        rows: what is true of them.
        price: what actions cost, for both models; by itself that of the candidate's policy, or else of the incumbent's.
        margins: the harm that is put up with.
        level: of every interval.
        n_resamples: of the smooth ECE's bootstrap.
        seed: of the same.

    Raises:
        InputError: the models have not the same classes or rows, a label is no class code, no row has a positive weight,
            or the price has none for an action.
    """
    require_resampling(level, n_resamples)
    _refuse_others(candidate, incumbent, rows)
    kept = rows.weight > 0
    if not kept.any():
        raise InputError("no rows to compare on: give at least one row with a label and a positive weight.")
    candidate, incumbent, rows = candidate.part(kept), incumbent.part(kept), rows.part(kept)
    asked = margins or Margins()
    pair = pair_of(candidate, incumbent, rows, price, asked)
    whole = np.ones(len(rows.y), dtype=np.bool_)
    figures, left_out = _figures(pair, level, n_resamples, seed)
    differences = [pair.judged(name, paired, whole) for name, paired in figures.items()]
    parts, multiplicity = _parts(pair, level)
    verdict, sentence = _conclusion(differences, parts, _unanswered(left_out, asked))
    return Gate(
        verdict=verdict,
        sentence=sentence,
        n_rows=len(whole),
        n_groups=None if rows.groups is None else len(pair.units.sums(rows.weight)),
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
        "auc": ranking_difference(a.eta, b.eta, y, units, level=level),
        "cost": None
        if pair.cost is None
        else mean_difference(*pair.cost, units, step=step * pair.most, level=level),
        "smooth_ece": smooth_ece_difference(
            a.call(y), b.call(y), units, level=level, n_resamples=n_resamples, seed=seed
        ),
        "brier": mean_difference(a.squares(y), b.squares(y), units, level=level),
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
    if pair.models[0].n_classes > 2:
        return "of two classes only."
    if pair.cost is None:
        return "a model has no policy, and no costs are stated."
    return "of the columns of a cost matrix none is the positive action."


def _parts(pair: Pair, level: float) -> tuple[list[Part], str | None]:
    """Log loss and cost of each level of each column, and at which level they are told."""
    masks = [
        (column, name, inside)
        for column, values in pair.rows.slices.items()
        for name, inside in levels(values)
    ]
    if not masks:
        return [], None
    figures: list[tuple[Name, tuple[Floats, Floats], float]] = [("log_loss", pair.losses, 0.0)]
    if pair.cost is not None:
        figures.append(("cost", pair.cost, 0.0 if pair.alike else pair.most))
    events = [pair.events(inside) for _, _, inside in masks]
    n_judged = sum(number >= FEWEST for number in events) * len(figures)
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
                small=number < FEWEST,
                differences=[
                    pair.judged(figure, found, inside) for figure, found in paired if found is not None
                ],
            )
        )
    n_small = sum(part.small for part in parts)
    told = (
        f"{counted(n_judged, 'difference')} of {counted(len(parts) - n_small, 'part')}: each interval is told at "
        f"{each * 100:.4g}%, so that all hold together with {level * 100:.4g}%."
    )
    if n_small:
        told += f" Too small for a verdict, with fewer than {FEWEST} events: {counted(n_small, 'part')}."
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


def _refuse_others(candidate: Contender, incumbent: Contender, rows: CommonRows) -> None:
    K, n = candidate.n_classes, len(rows.y)
    if incumbent.n_classes != K:
        raise InputError(
            f"the candidate has {K} classes and the incumbent {incumbent.n_classes}. Compare models of the same target."
        )
    for who, model in zip(WHO, (candidate, incumbent), strict=True):
        if len(model.eta) != n:
            raise InputError(
                f"the {who} has scores of {len(model.eta)} rows, and labels are {n}. Give one a row."
            )
    require(np.isin(rows.y, np.arange(K)), rows.y.astype(np.float64), "class code", f"Codes go to {K - 1}.")
