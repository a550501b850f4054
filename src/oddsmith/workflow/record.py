"""From a fit to the model that ships: the one place where a model's record is put together and sealed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from oddsmith.data.design import Design
from oddsmith.data.read import Reading
from oddsmith.model import Model
from oddsmith.model.document import canonical_digest
from oddsmith.model.golden import golden_rows
from oddsmith.model.records import (
    FORMAT,
    VERSION,
    AuditRecord,
    CalibrationRecord,
    DecisionRecord,
    LeftOut,
    ModelRecord,
    RolesRecord,
    SelectionRecord,
    TargetRecord,
    TrainingRecord,
)
from oddsmith.version import __version__
from oddsmith.workflow.account import Wording, equations, fit_record, missing_record
from oddsmith.workflow.fitting import Fit


def model_of(
    fit: Fit,
    design: Design,
    target: TargetRecord,
    wording: Wording,
    *,
    id_column: str | None = None,
    weight: str | None = None,
    offset: str | None = None,
    reading: Reading | None = None,
    left_out: Sequence[tuple[str, str]] = (),
    dropped: Sequence[str] = (),
    rows_without_target: int = 0,
    digests: Sequence[str] = (),
    selection: SelectionRecord | None = None,
    roles: RolesRecord | None = None,
) -> Model:
    """The model of a fit on the terms of `design`; `left_out` are columns with the reason for each."""
    linear = equations(fit, design.terms, target.classes)
    record = ModelRecord(
        format=FORMAT,
        version=VERSION,
        oddsmith=__version__,
        target=target,
        id=id_column,
        weight=weight,
        offset=offset,
        reading=reading or Reading(),
        missing=missing_record(design.markers),
        columns=list(design.columns),
        left_out=[LeftOut(name, reason) for name, reason in left_out],
        dropped=list(dropped),
        multi_class=fit.form,
        equations=linear,
        fit=fit_record(fit, design.terms, target.classes, wording, selection),
        training=TrainingRecord(
            rows=sum(fit.class_counts),
            rows_without_target=rows_without_target,
            class_counts=fit.class_counts,
            class_weights=fit.class_weights,
            null_loss=fit.null_loss,
            digests=list(digests),
            roles=roles,
        ),
        calibration=None,
        decision=None,
        audit=None,
        golden=golden_rows(design, linear, target.classes, fit.form, offset),
        digest="",
    )
    return Model(msgspec.structs.replace(record, digest=canonical_digest(msgspec.to_builtins(record))))


def resealed(
    model: Model,
    *,
    calibration: CalibrationRecord | None,
    decision: DecisionRecord | None,
    audit: AuditRecord | None = None,
) -> Model:
    """The same model with another calibration, policy and audit: golden rows and digest are made anew."""
    record = model.record
    maps = () if calibration is None else tuple(calibration.maps)
    names, form = record.target.classes, record.multi_class
    policy = None if decision is None else decision.policy
    golden = golden_rows(model.design, record.equations, names, form, record.offset, maps, policy)
    changed = msgspec.structs.replace(
        record, calibration=calibration, decision=decision, audit=audit, golden=golden
    )
    return Model(msgspec.structs.replace(changed, digest=canonical_digest(msgspec.to_builtins(changed))))
