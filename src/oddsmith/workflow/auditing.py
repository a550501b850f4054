"""Audit: the evidence of a model, its calibration and its policy on rows that had no part in any of them.

    rows to audit on -> raw scores, probabilities, actions -> figures with intervals -> verdicts

Where the model has roles for rows, those to audit on count; else all rows of files that it was neither trained, nor
calibrated, nor decided on: on these its figures would flatter it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddsmith.calibration.class_maps import class_log_odds
from oddsmith.data.cells import is_nested, numbers, texts
from oddsmith.data.pieces import as_pieces
from oddsmith.data.read import Reading
from oddsmith.data.roles import Role
from oddsmith.decision.actions import act
from oddsmith.errors import DataWarning, InputError, visible
from oddsmith.evidence.audit import Audit, audit_of
from oddsmith.evidence.drift import DriftInputs
from oddsmith.evidence.estimates import number_of_units
from oddsmith.evidence.headlines import FitFacts
from oddsmith.evidence.rows import AuditRows
from oddsmith.evidence.verdicts import Bars
from oddsmith.model import Model
from oddsmith.model.labelled import Rows
from oddsmith.model.probabilities import log_probabilities
from oddsmith.model.records import AuditRecord
from oddsmith.model.role_rows import RoleRows, at_prior, role_rows
from oddsmith.model.served import AUDITED
from oddsmith.workflow.record import resealed
from oddsmith.workflow.seeds import checked_seed

if TYPE_CHECKING:
    import polars as pl

PURPOSE = "to audit the model on"


def audit(
    model: Model,
    data: Any,
    *,
    slices: Sequence[str] = (),
    bars: Bars | None = None,
    seed: int = 0,
    map_label: Sequence[str] = (),
    reading: Reading | None = None,
    advance: Rows = lambda done, of: None,
) -> Model:
    """The model with the evidence of rows that had no part in it, as `Model.audit`: figures with intervals, and verdicts.

    Args:
        model: calibrated and with a policy, or without either.
        data: rows with labels, as for `train`.
        slices: columns by whose values rows are told apart.
        bars: what the model has to reach; by themselves those of `Bars()`, and the recall that its policy was to have.
        seed: of resamples.
        map_label: "FROM=TO" renames a label.
        reading: how the text of a file is read; by itself as the training rows were.
        advance: is told how many rows were read.

    Warns:
        DataWarning: rows are left out, have levels never seen, or weights.

    Raises:
        InputError: the rows cannot be used, or served another purpose.
    """
    found, rows = examined(
        model,
        data,
        slices=slices,
        bars=bars,
        seed=seed,
        map_label=map_label,
        reading=reading,
        advance=advance,
    )
    for note in rows.notes:
        warnings.warn(note, DataWarning, stacklevel=2)
    return with_audit(model, found, rows)


def with_audit(model: Model, found: Audit, rows: RoleRows) -> Model:
    """The model with an audit of these rows."""
    record = AuditRecord(
        verdict=found.verdict,
        # As a file holds it, so that a model is the same before and after it was written.
        found=msgspec.json.decode(msgspec.json.encode(found)),
        rows=rows.record(Role.audit, len(model.classes)),
    )
    return resealed(model, calibration=model.record.calibration, decision=model.record.decision, audit=record)


def examined(
    model: Model,
    data: Any,
    *,
    slices: Sequence[str] = (),
    bars: Bars | None = None,
    seed: int = 0,
    map_label: Sequence[str] = (),
    reading: Reading | None = None,
    advance: Rows = lambda done, of: None,
) -> tuple[Audit, RoleRows]:
    """The audit, and the rows it rests on; arguments and errors as for `audit`."""
    if isinstance(slices, str):
        raise InputError(f"slices are one text. Give a list of columns, as in ['{visible(slices)}'].")
    seed = checked_seed(seed)
    pieces = as_pieces(data, reading or model.record.reading)
    names = tuple(dict.fromkeys(slices))
    policy = model.policy
    rows = role_rows(
        model,
        pieces,
        (Role.audit,),
        PURPOSE,
        AUDITED,
        columns=names,
        costs=[] if policy is None or policy.row_costs is None else [policy.row_costs],
        map_label=map_label,
        advance=advance,
    )
    rows = at_prior(model, rows.that_count())
    return audit_rows(model, rows, bars, seed), rows


def audit_rows(model: Model, rows: RoleRows, bars: Bars | None, seed: int) -> Audit:
    """`audit` by rows that are scored already; those to audit on count."""
    kept = rows.of(Role.audit)
    given = rows_to_audit(model, rows, kept)
    fit = model.record.fit
    unknown = fit.solver == "unknown"
    return audit_of(
        given,
        [str(label) for label in model.record.target.classes],
        fit=FitFacts("unknown" if unknown else fit.status, fit.message),
        policy=model.policy,
        bars=bars_of(model) if bars is None else bars,
        drift_inputs=None if unknown else _drift_inputs(model, rows, given),
        seed=seed,
    )


def bars_of(model: Model) -> Bars:
    """The bars of an audit that nobody gave any for: the default ones, and a recall that the policy was to have."""
    certificates = [] if model.policy is None else model.policy.certificates
    for found in certificates:
        if found.kind == "recall" and found.confidence > 0.5:
            return Bars(recall=found.level, confidence=found.confidence)
    return Bars()


def rows_to_audit(model: Model, rows: RoleRows, kept: NDArray[np.bool_]) -> AuditRows:
    """Some of the rows as the evidence reads them."""
    eta, calibrated = rows.eta[kept], rows.calibrated[kept]
    if len(model.classes) > 2:
        # As `evaluate` ranks: by the log-odds of each class's probability before calibration.
        eta = class_log_odds(log_probabilities(eta, model.record.multi_class))
        calibrated = rows.log_proba[kept]
    policy = model.policy
    return AuditRows(
        eta,
        calibrated,
        rows.codes[kept],
        actions=None if policy is None or policy.matrix is None else act(policy, rows.proba[kept]),
        sample_weight=None if rows.weight is None else rows.weight[kept],
        groups=None if rows.groups is None else rows.groups[kept],
        cost_columns={name: column[kept] for name, column in rows.costs.items()},
        slices={name: _levels(rows.name, name, series, model)[kept] for name, series in rows.columns.items()},
    )


def _levels(place: str, name: str, series: pl.Series, model: Model) -> NDArray[Any]:
    """A column (n,) as numbers where all its cells are, NaN where one is missing; else as texts, None there."""
    if is_nested(series.dtype):
        raise InputError(
            f"{visible(place, 200)}: column '{visible(name)}' holds {series.dtype}, not one value a cell. "
            f"Leave it out of --slice."
        )
    markers = model.record.missing.markers().of(name)
    found = numbers(series, markers)
    if (
        found.n_cells
        and found.n_numbers == found.n_cells
        and found.first_infinite is None
        and not found.has_codes
    ):
        return np.asarray(found.values.to_numpy(), dtype=np.float64)
    return np.array(texts(series, markers).to_list(), dtype=object)


def _drift_inputs(model: Model, rows: RoleRows, given: AuditRows) -> DriftInputs | None:
    """What training and audit rows are like; None where nothing is known of the training rows."""
    training = model.record.training
    if not training.rows:
        return None
    return DriftInputs(
        terms=model.terms,
        train_mean=model.design.mean,
        train_scale=model.design.scale,
        train_rows=training.rows,
        audit_mean=model.design.mean + rows.moved,
        audit_rows=number_of_units(given.weight, given.units),
        train_counts=training.class_counts,
        audit_counts=np.bincount(given.y, minlength=given.n_classes).tolist(),
    )
