"""The flat form that DSLR users know: one-vs-rest weights on z-scores, in five keys.

    thetas_dict   house -> [theta_0, theta_1 .. theta_p], the intercept first
    houses, subjects (p), mu (p), sigma (p)

    log-odds(house) = theta_0 + sum_j theta_j (x_j - mu_j) / sigma_j,   missing marks count as mu_j

`target` and `id` stand beside them where they are not the DSLR's own (`Hogwarts House` and `Index`).
"""

import math
from typing import Any, Literal

import msgspec

from oddsmith.data.cells import MissingMarkers
from oddsmith.data.design import Design
from oddsmith.data.encoding import NumericColumn
from oddsmith.data.read import Reading
from oddsmith.data.target import type_of_labels
from oddsmith.errors import InputError, visible
from oddsmith.model.golden import golden_rows
from oddsmith.model.records import (
    FORMAT,
    UNKNOWN_FIT,
    VERSION,
    Equation,
    MissingRecord,
    ModelRecord,
    TargetRecord,
    unknown_training,
)

TARGET, ID = "Hogwarts House", "Index"


class FlatRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The flat form, typed."""

    thetas_dict: dict[str, list[float]]
    houses: list[str]
    subjects: list[str]
    mu: list[float]
    sigma: list[float]
    target: str = TARGET
    id: str | None = ID


def to_flat(record: ModelRecord) -> FlatRecord:
    """The flat form of a one-vs-rest or binary model of numbers.

    Raises:
        InputError: the model is softmax, or has columns that are not plain numbers.
    """
    if record.multi_class == "softmax":
        raise InputError("the flat form holds one-vs-rest weights. Train with --multi-class ovr.")
    lost = {
        "markers of missing cells (--missing)": record.missing.everywhere or record.missing.columns,
        "a target that is an expression": record.target.columns != [record.target.name],
        "renamed labels (--map-label)": record.target.map_label,
        "a column of weights": record.weight,
        "a column of offsets": record.offset,
        "roles of rows (--split)": record.training.roles,
        "a calibration": record.calibration,
        "a policy": record.decision,
        "an audit": record.audit,
    }
    for what, present in lost.items():
        if present:
            raise InputError(f"the flat form has no place for {what}. Save the model in its own form.")
    columns: list[NumericColumn] = []
    for column in record.columns:
        if not isinstance(column, NumericColumn) or column.indicator is not None:
            raise InputError(
                f"the flat form holds numbers only, and '{visible(column.name)}' is not one. "
                f"Leave it out with --drop, or save the model in its own form."
            )
        columns.append(column)
    thetas = {}
    for equation in record.equations:
        slopes = [equation.coef[column.name] for column in columns]
        thetas[equation.label] = [
            equation.average,
            *(b * c.scale for b, c in zip(slopes, columns, strict=True)),
        ]
    if record.multi_class == "binary":
        thetas = {record.target.classes[0]: [-theta for theta in thetas[record.target.classes[1]]], **thetas}
    return FlatRecord(
        thetas,
        list(record.target.classes),
        [column.name for column in columns],
        [column.mean for column in columns],
        [column.scale for column in columns],
        # msgspec leaves out a default by identity, and these texts come from elsewhere.
        TARGET if record.target.name == TARGET else record.target.name,
        ID if record.id == ID else record.id,
    )


def from_flat(document: dict[str, Any], name: str, release: str) -> ModelRecord:
    """A model record from a flat document.

    Raises:
        InputError: the document does not have the flat form, with the path inside it.
    """
    try:
        flat = msgspec.convert(document, FlatRecord)
    except msgspec.ValidationError as error:
        raise InputError(f"{name}: not a flat model: {visible(str(error), 300)}.") from None
    width = len(flat.subjects)
    if not width:
        raise InputError(f"{name}: $.subjects is empty, so there is nothing to predict from.")
    lists = [("mu", flat.mu, width), ("sigma", flat.sigma, width)]
    lists += [
        (f"thetas_dict.{visible(house)}", theta, width + 1) for house, theta in flat.thetas_dict.items()
    ]
    for path, entries, needed in lists:
        if len(entries) != needed:
            raise InputError(
                f"{name}: $.{path} has {len(entries)} entries; {width} subjects need {needed} of them."
            )
    if sorted(flat.houses) != sorted(flat.thetas_dict) or len(flat.houses) < 2:
        raise InputError(f"{name}: $.houses and the keys of $.thetas_dict differ, or name fewer than two.")
    if not all(sigma > 0.0 for sigma in flat.sigma):
        raise InputError(f"{name}: $.sigma has an entry that is not positive.")
    for path, texts in (("houses", flat.houses), ("subjects", flat.subjects)):
        if len(set(texts)) < len(texts):
            raise InputError(f"{name}: $.{path} names one thing twice.")
    for path, text in (("target", flat.target), ("id", flat.id)):
        if text in flat.subjects or (path, text) == ("id", flat.target):
            raise InputError(
                f"{name}: '{visible(str(text))}', which is $.{path}, has another role as well. "
                f'Name the column of labels with "target", and that of identifiers with "id", which may be null.'
            )
    columns = [NumericColumn(s, m, d) for s, m, d in zip(flat.subjects, flat.mu, flat.sigma, strict=True)]
    equations = []
    for house in flat.houses:
        first, *rest = flat.thetas_dict[house]
        slopes = [theta / sigma for theta, sigma in zip(rest, flat.sigma, strict=True)]
        intercept = first - sum(b * mu for b, mu in zip(slopes, flat.mu, strict=True))
        if not all(math.isfinite(value) for value in (intercept, *slopes)):
            raise InputError(
                f"{name}: $.thetas_dict.{visible(house)}, divided by $.sigma, is beyond a double."
            )
        equations.append(Equation(house, intercept, first, dict(zip(flat.subjects, slopes, strict=True))))
    # Two classes whose log-odds mirror each other are one equation: to_flat writes binary models so.
    one, other = (flat.thetas_dict[house] for house in (flat.houses[0], flat.houses[-1]))
    mirrored = len(flat.houses) == 2 and all(a == -b for a, b in zip(one, other, strict=True))
    equations = equations[1:] if mirrored else equations
    form: Literal["binary", "ovr"] = "binary" if mirrored else "ovr"
    design = Design(columns, MissingMarkers.from_options((), ()))
    try:
        golden = golden_rows(design, equations, flat.houses, form)
    except (OverflowError, ValueError):
        raise InputError(f"{name}: $.thetas_dict gives log-odds beyond the range of a double.") from None
    return ModelRecord(
        format=FORMAT,
        version=VERSION,
        oddsmith=release,
        target=TargetRecord(flat.target, [flat.target], flat.houses, type_of_labels(flat.houses), []),
        id=flat.id,
        weight=None,
        offset=None,
        reading=Reading(),
        missing=MissingRecord([], []),
        columns=list(columns),
        left_out=[],
        dropped=[],
        multi_class=form,
        equations=equations,
        fit=UNKNOWN_FIT,
        training=unknown_training(len(flat.houses)),
        calibration=None,
        decision=None,
        audit=None,
        golden=golden,
        digest="",
    )
