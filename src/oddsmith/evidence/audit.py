"""All that an audit says, as one typed record: the evidence of a model on rows that had no part in making it.

    audit = sections (fit, ranking, calibration, policy, sample size, drift, label flips, slices)
            + one verdict for each headline
    overall verdict = the worst:  FAIL > INSUFFICIENT > PASS

Nothing here draws or reads files. Figures that do not apply are None, never NaN, so that the record survives JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from oddsmith.decision.policy import Policy
from oddsmith.errors import InputError
from oddsmith.evidence.acting import Acting, acting, actions_of
from oddsmith.evidence.drift import Drift, DriftInputs, drift
from oddsmith.evidence.flips import LabelFlips, label_flips
from oddsmith.evidence.headlines import (
    Calibration,
    FitFacts,
    Ranking,
    SampleSize,
    calibration_of,
    calibration_verdict,
    fit_verdict,
    policy_verdicts,
    ranking_of,
    ranking_verdict,
    sample_size_of,
    sample_size_verdict,
)
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.slices import Slicing, slicing
from oddsmith.evidence.verdicts import Bars, Outcome, Verdict, worst


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The evidence, from the verdict down to its parts."""

    verdict: Outcome
    sentence: str
    classes: tuple[str, ...]
    bars: Bars
    verdicts: tuple[Verdict, ...]
    """In the order of the sections; those of a policy only where it has costs, or a recall was asked for."""
    fit: FitFacts
    ranking: Ranking
    calibration: Calibration
    policy: Acting | None
    """None where the model carries none."""
    sample_size: SampleSize
    drift: Drift | None
    """None where nothing is known of the training rows."""
    label_flips: LabelFlips
    slices: tuple[Slicing, ...]


def audit_of(
    rows: AuditRows,
    classes: Sequence[str],
    *,
    fit: FitFacts,
    policy: Policy | None = None,
    bars: Bars | None = None,
    drift_inputs: DriftInputs | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Audit:
    """The audit of n rows of K `classes`, seeded.

    Raises:
        InputError: there are not K names, a recall is asked of more than two classes, actions or costs are not as the policy needs them, the drift's arrays disagree,
            or `n_resamples` is below 1.
    """
    names = tuple(classes)
    if len(names) != rows.n_classes:
        raise InputError(
            f"{len(names)} class names for scores of {rows.n_classes} classes. Give one for each."
        )
    bars = bars or Bars()
    if bars.recall is not None and len(names) > 2:
        raise InputError(
            f"bar recall={bars.recall}: a recall is of two classes, and there are {len(names)}. Leave it out."
        )
    level = bars.confidence
    if policy is not None:
        rows = replace(rows, actions=actions_of(rows, policy))
    ranking = ranking_of(rows, names, level)
    calibration = calibration_of(rows, names, level, seed)
    acted = None
    if policy is not None:
        acted = acting(rows, policy, level=level, n_resamples=n_resamples, seed=seed)
    size = sample_size_of(rows, level)
    verdicts = (
        fit_verdict(fit),
        ranking_verdict(ranking, rows, bars),
        calibration_verdict(calibration, rows, bars),
        *policy_verdicts(acted, rows, bars),
        sample_size_verdict(size, bars, names),
    )
    return Audit(
        verdict=worst(verdicts),
        sentence=_sentence(verdicts),
        classes=names,
        bars=bars,
        verdicts=verdicts,
        fit=fit,
        ranking=ranking,
        calibration=calibration,
        policy=acted,
        sample_size=size,
        drift=None if drift_inputs is None else drift(drift_inputs, names, level),
        label_flips=label_flips(rows, policy),
        slices=tuple(slicing(name, column, rows, policy, level) for name, column in rows.slices.items()),
    )


def _sentence(verdicts: Sequence[Verdict]) -> str:
    """The verdict, what it rests on, and what it would take."""
    overall = worst(verdicts)
    named = [verdict.name for verdict in verdicts if verdict.verdict == overall]
    listed = ", ".join(named[:-1]) + (f" and {named[-1]}" if len(named) > 1 else named[-1])
    told = f"{overall} on {listed}."
    size = verdicts[-1]
    return told if overall == "PASS" or size.verdict == "PASS" else f"{told} {size.sentence}"
