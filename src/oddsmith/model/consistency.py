"""Do the records of a model file agree with each other? `CHECKS` says how they must, in a table.

A digest is no signature: whoever edits a file can make it anew. Golden rows bind what a model computes; these
checks bind what it states about its target, its columns, its fit and its training. What is left is what only
the training rows could contradict, and how later files are read: the release, `id`, `weight`, `reading`,
`seed`, `passes`, texts of messages.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.data.cells import DEFAULT_MISSING, shown
from oddsmith.data.encoding import BooleanColumn, CategoricalColumn, NumericColumn, terms_of
from oddsmith.data.roles import Role
from oddsmith.data.target import leads_to, type_of_labels
from oddsmith.errors import InputError
from oddsmith.model.afterwards import CHECKS_AFTERWARDS
from oddsmith.model.records import (
    UNKNOWN_FIT,
    ModelRecord,
    PenaltyRecord,
    Setting,
    unknown_training,
)

_LIMITS: tuple[Setting, ...] = ("max_iter", "iterations", "epochs")
_OPENING = {"converged": "converged", "iteration_limit": "stopped", "no_finite_optimum": "no finite optimum"}


class _Stated:
    """What a record states, and what follows from it."""

    def __init__(self, record: ModelRecord) -> None:
        self.record, self.target, self.fit, self.training = record, record.target, record.fit, record.training
        self.classes, self.roles = record.target.classes, record.training.roles
        self.is_known = record.fit.solver != UNKNOWN_FIT.solver
        """Whether the file says how the model was trained; a flat file does not."""
        self.n_problems = len(self.classes) if record.multi_class == "ovr" else 1
        self.n_choices = len(self.classes) if record.multi_class == "softmax" else 2
        """Classes that each problem chooses from."""
        terms = [term for column in record.columns for term in terms_of(column)]
        self.terms = [name for name, _, _ in terms]
        self.mean, self.scale = (np.array([term[i] for term in terms]) for i in (1, 2))
        self.asides = [*record.dropped, *(item.column for item in record.left_out)]
        self.of_rows = [name for name in (record.weight, record.offset) if name is not None]
        """Columns that say one number of each row."""
        self.names = [column.name for column in record.columns]

    @cached_property
    def coef(self) -> Floats:
        """(k, p), once the equations are known to have the same terms."""
        return np.array([list(equation.coef.values()) for equation in self.record.equations])

    @cached_property
    def intercepts_that_follow(self) -> tuple[Floats, Floats, Floats]:
        """Intercepts (k,) as stated, as they follow from the averages, and the size of what adds up to them."""
        stated = np.array([equation.intercept for equation in self.record.equations])
        average = np.array([equation.average for equation in self.record.equations])
        size = abs(stated) + abs(average) + abs(self.coef) @ abs(self.mean)
        return stated, average - self.coef @ self.mean, size

    @cached_property
    def final_objective(self) -> Floats:
        """Mean loss plus penalty, (n_problems,)."""
        penalty = self.fit.penalty
        if penalty.alpha == 0.0:  # squares may be beyond the range of a double
            return np.array(self.fit.mean_loss)
        sizes = abs(self.coef * (self.scale if penalty.standardize else 1.0))
        costs = (penalty.l1_ratio * sizes + 0.5 * (1.0 - penalty.l1_ratio) * sizes**2).sum(axis=1)
        total = penalty.alpha * (costs if self.n_problems > 1 else costs.sum(keepdims=True))
        return np.asarray(np.array(self.fit.mean_loss) + total)

    @cached_property
    def entropy(self) -> float:
        """Mean loss of the class shares alone."""
        weights = np.array(self.training.class_weights)
        shares = weights[weights > 0.0] / weights.sum()
        return float(-(shares * np.log(shares)).sum())

    @property
    def is_null_loss(self) -> bool:
        """Whether the loss without columns is that of the class shares; beside offsets only a bound of it is known."""
        if self.record.offset is None:
            return _agree([self.training.null_loss], [self.entropy], tolerance=1e-12)
        return self.fit.status != "converged" or self.training.null_loss >= self.fit.mean_loss[0] - 1e-9


Check = tuple[Callable[[_Stated], object], str]
"""What must hold of a record, and what is wrong where it does not. Later checks rely on earlier ones."""

_TARGET: list[Check] = [
    (lambda s: _distinct(s.classes), "$.target.classes names one class twice"),
    (
        lambda s: s.target.label_type == type_of_labels(s.classes),
        "$.target.label_type does not fit $.target.classes",
    ),
    (
        lambda s: s.target.columns and all(_speaks_of(s.target.name, name) for name in s.target.columns),
        "$.target.name does not speak of $.target.columns",
    ),
    (
        lambda s: all(leads_to(mapping, s.classes) for mapping in s.target.map_label),
        "$.target.map_label leads to none of $.target.classes",
    ),
    (
        lambda s: {"binary": len(s.classes) == 2, "softmax": len(s.classes) > 2}.get(
            s.record.multi_class, True
        ),
        "$.multi_class does not fit the number of $.target.classes",
    ),
]

_COLUMNS: list[Check] = [
    (
        lambda s: _distinct([*s.names, *s.target.columns, *s.asides, *s.of_rows]),
        "one column has two roles in $.columns, $.target.columns, $.weight, $.offset, $.left_out and $.dropped",
    ),
    (
        lambda s: s.record.id not in {*s.names, *s.target.columns, *s.record.dropped, *s.of_rows},
        "$.id has another role as well",
    ),
    (
        lambda s: (
            _distinct([item.column for item in s.record.missing.columns])
            and {
                *s.names,
                *s.target.columns,
                *s.asides,
                *s.of_rows,
                *_present(s.record.id),
            }.issuperset(item.column for item in s.record.missing.columns)
        ),
        "$.missing.columns names a column twice, or one that is in no other record",
    ),
    (
        lambda s: all(
            tokens == sorted({*tokens} - {*DEFAULT_MISSING})
            for tokens in (s.record.missing.everywhere, *(item.tokens for item in s.record.missing.columns))
        ),
        "$.missing has markers that are not sorted, that stand twice, or that are the default ones",
    ),
    (
        lambda s: all(item.reason.startswith(shown(item.column)) for item in s.record.left_out),
        "$.left_out has a reason that does not begin with the column's name",
    ),
    (lambda s: _distinct(s.terms), "two terms of $.columns would be called the same"),
    (lambda s: bool((s.scale > 0.0).all()), "$.columns has a scale that is not positive"),
    (
        lambda s: all(_is_spread_of_booleans(c) for c in s.record.columns if isinstance(c, BooleanColumn)),
        "$.columns has a boolean whose mean and scale do not fit each other",
    ),
    (
        lambda s: all(
            _is_share(c.indicator.mean, c.indicator.scale)
            for c in s.record.columns
            if isinstance(c, NumericColumn) and c.indicator is not None
        ),
        "$.columns has an indicator whose mean and scale do not fit each other",
    ),
    (
        lambda s: all(
            _is_share(level.mean, level.scale)
            for c in s.record.columns
            if isinstance(c, CategoricalColumn)
            for level in c.levels
        ),
        "$.columns has a level whose mean and scale do not fit each other",
    ),
    (
        lambda s: all(_has_reference(c) for c in s.record.columns if isinstance(c, CategoricalColumn)),
        "$.columns has a category whose reference is not its most frequent level",
    ),
]

_EQUATIONS: list[Check] = [
    (
        lambda s: (
            [equation.label for equation in s.record.equations]
            == (s.classes[1:] if s.record.multi_class == "binary" else s.classes)
        ),
        "$.equations do not fit $.target.classes",
    ),
    (
        lambda s: all(list(equation.coef) == s.terms for equation in s.record.equations),
        "$.equations have a coef that does not fit $.columns",
    ),
    (
        lambda s: _agree(*s.intercepts_that_follow, tolerance=1e-12),
        "$.equations: intercept and average do not fit each other",
    ),
]

_FIT: list[Check] = [
    (
        lambda s: all(s.fit.iterations <= s.fit.settings.get(name, math.inf) for name in _LIMITS),
        "$.fit.iterations are more than $.fit.settings allow",
    ),
    (
        lambda s: (
            len(s.fit.mean_loss) == len(s.fit.newton_decrement) == s.n_problems
            and all(len(entry.objective) == s.n_problems for entry in s.fit.loss_history)
        ),
        "$.fit has figures of another number of problems than $.multi_class",
    ),
    (
        lambda s: (
            s.fit.loss_history
            and (s.fit.loss_history[0].iteration, s.fit.loss_history[-1].iteration) == (0, s.fit.iterations)
            and all(a.iteration < b.iteration for a, b in pairwise(s.fit.loss_history))
        ),
        "$.fit.loss_history does not go from 0 up to $.fit.iterations",
    ),
    (
        lambda s: (
            s.record.offset is not None
            or _agree(s.fit.loss_history[0].objective, [math.log(s.n_choices)] * s.n_problems)
        ),
        "$.fit.loss_history does not begin at the loss of even odds",
    ),
    (
        lambda s: _agree(s.fit.loss_history[-1].objective, s.final_objective),
        "$.fit.loss_history does not end at the mean loss plus the penalty",
    ),
    (
        lambda s: (
            set(s.fit.not_estimable) <= {"intercept", *s.terms}
            and not s.coef[:, np.isin(s.terms, s.fit.not_estimable)].any()
        ),
        "$.fit.not_estimable names a term that has a coefficient, or none of $.columns",
    ),
    (
        lambda s: s.fit.status != "converged" or max(map(abs, s.fit.newton_decrement)) <= s.fit.tolerance,
        "$.fit.newton_decrement is too large for a fit that converged",
    ),
    (
        lambda s: s.fit.status != "no_finite_optimum" or s.fit.penalty.alpha == 0.0,
        "$.fit.status: with a penalty there is a finite optimum",
    ),
    (
        lambda s: s.fit.penalty.selection is None or _is_chosen(s.fit.penalty),
        "$.fit.penalty.alpha is not the candidate that $.fit.penalty.selection chooses",
    ),
    (
        lambda s: s.fit.message.startswith(_OPENING[s.fit.status]),
        "$.fit.message does not say what $.fit.status says",
    ),
]

_TRAINING: list[Check] = [
    (
        lambda s: len(s.training.class_counts) == len(s.training.class_weights) == len(s.classes),
        "$.training has figures of another number of classes than $.target.classes",
    ),
    (
        lambda s: min(s.training.class_counts) > 0 and sum(s.training.class_counts) == s.training.rows,
        "$.training.class_counts do not add up to $.training.rows, or a class has no row",
    ),
    (
        lambda s: (
            s.training.class_weights == s.training.class_counts
            or sorted(s.training.class_weights) != sorted(s.training.class_counts)
        ),
        "$.training.class_weights and $.training.class_counts are in different orders",
    ),
    (
        lambda s: 0.0 < sum(s.training.class_weights) < math.inf,
        "$.training.class_weights do not add up to a positive number",
    ),
    (
        lambda s: s.is_null_loss,
        "$.training.null_loss is not the loss of a fit without columns",
    ),
    (
        lambda s: all(re.fullmatch("[0-9a-f]{64}", digest) for digest in s.training.digests),
        "$.training.digests has an entry that is no SHA-256",
    ),
    (
        lambda s: s.roles is None or s.roles.split.is_sound,
        "$.training.roles.split tells no rows apart",
    ),
    (
        lambda s: s.roles is None or not {*s.target.columns, s.record.weight} & {*s.roles.split.columns},
        "$.training.roles.split reads the target or the weight",
    ),
    (
        lambda s: (
            s.roles is None
            or (
                set(s.roles.class_counts) == set(Role.__members__)
                and all(len(counts) == len(s.classes) for counts in s.roles.class_counts.values())
                and s.roles.class_counts["train"] == s.training.class_counts
            )
        ),
        "$.training.roles.class_counts are not those of each role and class",
    ),
]

CHECKS_IF_NOT: list[Check] = [
    (
        lambda s: s.fit == UNKNOWN_FIT and s.training == unknown_training(len(s.classes)),
        "$.fit and $.training state figures of an unknown solver",
    ),
]

CHECKS = [*_TARGET, *_COLUMNS, *_EQUATIONS]
CHECKS_IF_TRAINED_HERE = [*_FIT, *_TRAINING]


def refuse_contradictions(record: ModelRecord, name: str) -> None:
    """Raise InputError at the first check that does not hold."""
    stated = _Stated(record)
    of_its_fit = CHECKS_IF_TRAINED_HERE if stated.is_known else CHECKS_IF_NOT
    with np.errstate(over="ignore", invalid="ignore"):
        faults = itertools.chain(
            (fault for holds, fault in (*CHECKS, *of_its_fit) if not holds(stated)),
            (fault for holds, fault in CHECKS_AFTERWARDS if not holds(record)),
        )
        fault = next(faults, None)
    if fault is not None:
        raise InputError(
            f"{name}: {fault}. The file was changed after training, or damaged; train the model again."
        )


def _is_chosen(penalty: PenaltyRecord) -> bool:
    """Whether alpha is the candidate that the rule takes; for BIC only whether it is one."""
    selection = penalty.selection
    if selection is None:
        return True
    alphas = [candidate.alpha for candidate in selection.candidates]
    if penalty.alpha not in alphas or not all(a > b for a, b in pairwise(alphas)):
        return False
    deviances = [candidate.deviance for candidate in selection.candidates if candidate.deviance is not None]
    errors = [c.standard_error for c in selection.candidates if c.standard_error is not None]
    if selection.rule == "bic":
        return not (deviances or errors or selection.folds)
    if not (len(deviances) == len(errors) == len(alphas) and selection.folds > 1):
        return False
    least = deviances.index(min(deviances))
    if selection.rule == "least_deviance":
        return penalty.alpha == alphas[least]
    bound = deviances[least] + errors[least]
    return penalty.alpha == next(a for a, d in zip(alphas, deviances, strict=True) if d <= bound)


def _distinct(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


def _present(name: str | None) -> Iterable[str]:
    return () if name is None else (name,)


def _speaks_of(target: str, column: str) -> bool:
    """Whether a target, a name or an expression, has the column's name as a word."""
    return (
        re.search(rf"(?<!\w){re.escape(column)}(?!\w)", target.replace('""', '"')) is not None
        or target == column
    )


def _agree(
    stated: Floats | Sequence[float],
    expected: Floats | Sequence[float],
    size: Floats | Sequence[float] = (0.0,),
    tolerance: float = 1e-9,
) -> bool:
    """Whether figures are the same, but for rounding relative to their size, or to 1."""
    a, b = np.asarray(stated), np.asarray(expected)
    return bool((abs(a - b) <= tolerance * (1.0 + np.maximum(abs(b), size))).all())


def _is_share(mean: float, scale: float) -> bool:
    """A 0/1 term: sigma^2 = mean (1 - mean), and 1 where it never changes."""
    return 0.0 <= mean <= 1.0 and _agree([scale], [math.sqrt(mean * (1.0 - mean)) or 1.0], tolerance=1e-12)


def _is_spread_of_booleans(column: BooleanColumn) -> bool:
    """Missing cells count as the mean, and so take from sigma."""
    if not 0.0 <= column.mean <= 1.0:
        return False
    return column.scale == 1.0 or column.scale <= math.sqrt(column.mean * (1.0 - column.mean)) + 1e-9


def _has_reference(column: CategoricalColumn) -> bool:
    shares = [level.mean for level in column.levels]
    known = [level.level for level in column.levels]
    return column.reference not in known and 1.0 - sum(shares) >= max(shares, default=0.0) - 1e-9
