"""The policy that a model carries, as data: thresholds or a cost matrix, why those, and what was seen of them.

    actions     a_0 < t_1 <= a_1 < t_2 <= a_2       in the order of rising scores, with the thresholds between them

A record that was edited is checked like any input: every figure in it must be possible, and must follow from the
others where it does. `CHECKS` says how, in a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from oddsmith.decision.capacity import Capacity, Overflow
from oddsmith.decision.certificates import Certificate
from oddsmith.decision.costs import CostMatrix, Reviewer, RowCosts, prices
from oddsmith.decision.deferral import zone
from oddsmith.decision.grouped import GroupedBound
from oddsmith.decision.stability import Stability
from oddsmith.decision.thresholds import ALL, NONE, Amount, Candidate, probability
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import Floats

Kind = Literal["analytic", "given", "empirical", "certified", "capacity", "deferral", "matrix"]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Scores to actions, as data.

    Raises:
        InputError: the figures contradict each other, or one of them is impossible.
    """

    kind: Kind
    """analytic: from the costs alone; given: said by somebody; empirical: of least cost on rows; certified: proved on
    rows; capacity: holds a share of cases; deferral: from the costs, a person's among them; matrix: K classes."""
    actions: Annotated[list[str], Meta(min_length=2)]
    """In the order of rising scores: negative, `defer` where there is one, positive; of a matrix as its columns."""
    thresholds: list[float]
    """Log-odds that are compared, rising, one fewer than actions; none where costs are of rows or a matrix."""
    probabilities: list[float]
    """The same as probabilities, those that were given or follow from costs exactly as they are."""
    cost: Cost | None
    row_costs: RowCosts | None
    reviewer: Reviewer
    matrix: CostMatrix | None
    capacity: Capacity | None
    shadow_price: Annotated[float, Meta(ge=0.0)] | None
    """What one more place in the capacity is worth, on the rows it was found on."""
    overflow: Overflow | None
    candidates: list[Candidate]
    """Other thresholds on the same rows; where there are no costs, of a miss that costs 1, 5 and 20 false alarms."""
    stability: Stability | None
    certificates: list[Certificate]
    bounds: list[GroupedBound]
    """What resamples of whole groups say at the threshold, where certificates are withheld from rows in groups."""
    counts: list[list[Amount]]
    """Rows (or their weight) by true class and action, of the rows it was chosen on; empty where there were none."""
    sentence: str
    """How it was chosen."""

    def __post_init__(self) -> None:
        for holds, fault in CHECKS:
            if not holds(self):
                raise InputError(f"policy: {fault}.")

    @property
    def prices(self) -> Floats | None:
        """What each action costs for each class, (K, A); None without costs, or where they differ by row."""
        if self.matrix is not None:
            return np.array(self.matrix.cost)
        return None if self.used_cost is None else prices(self.used_cost, self.reviewer)

    @property
    def total(self) -> float | None:
        """What the actions on the rows it was chosen on cost; None without costs or rows."""
        each = self.prices
        return None if each is None or not self.counts else float((each * np.array(self.counts)).sum())

    @property
    def alternatives(self) -> dict[str, float]:
        """What it would have cost to take one action for all of those rows, by action; none without costs or rows."""
        each = self.prices
        if each is None or not self.counts:
            return {}
        of_class = np.array(self.counts).sum(axis=1)
        return dict(zip(self.actions, (of_class @ each).tolist(), strict=True))

    @property
    def used_cost(self) -> Cost | None:
        """The costs of the actions there are: without that of deferring where nothing is deferred."""
        if self.cost is None or len(self.actions) == 3:
            return self.cost
        return msgspec.structs.replace(self.cost, defer=None)


Check = tuple[Callable[[Policy], object], str]
"""What must hold of a policy, and what is wrong where it does not. Later checks rely on earlier ones."""

_NEEDS_COST = {"analytic", "empirical", "deferral"}


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-9 * (1.0 + abs(b)) or a == b


def _shape_of_counts(policy: Policy) -> bool:
    K = 2 if policy.matrix is None else len(policy.matrix.classes)
    return len(policy.counts) == K and all(len(row) == len(policy.actions) for row in policy.counts)


def _follows_from_costs(policy: Policy) -> bool:
    if policy.cost is None or not policy.thresholds:
        return True
    if policy.kind == "analytic":
        return _near(policy.thresholds[0], policy.cost.log_odds)
    if policy.kind == "deferral":
        place = zone(policy.cost, policy.reviewer)
        return place.exists and all(map(_near, policy.thresholds, (place.lower, place.upper)))
    return True


def _is_certified(policy: Policy) -> bool:
    return any(
        certificate.eta is not None
        and (
            policy.thresholds[0] == certificate.eta
            or (certificate.kind == "recall" and policy.thresholds[0] < certificate.eta)
        )
        for certificate in policy.certificates
        if certificate.holds
    )


def _candidates_fit(policy: Policy) -> bool:
    if not (policy.counts and policy.thresholds):
        return not policy.candidates
    negative, positive = map(math.fsum, policy.counts)
    if len(policy.thresholds) == 1:
        (tn, fp), (fn, tp) = policy.counts
        same = [row.counts for row in policy.candidates if row.eta == policy.thresholds[0]]
        if not all(all(map(_near, (row.tn, row.fp, row.fn, row.tp), (tn, fp, fn, tp))) for row in same):
            return False
    return all(
        _near(row.tp + row.fn, positive)
        and _near(row.fp + row.tn, negative)
        and (policy.cost is None or (row.cost is not None and _near(row.cost, policy.cost.total(row.counts))))
        for row in policy.candidates
    )


def _overflow_fits(policy: Policy) -> bool:
    if policy.overflow is None or policy.capacity is None or not policy.counts:
        return policy.overflow is None
    action, of = policy.actions.index(policy.capacity.action), math.fsum(map(math.fsum, policy.counts))
    served = math.fsum(row[action] for row in policy.counts)
    found = policy.overflow
    return (
        _near(found.rate * of, served)
        and found.rate_lower <= found.rate <= found.rate_upper
        and found.chance_lower <= found.chance <= found.chance_upper
    )


CHECKS: list[Check] = [
    (
        lambda p: len(set(p.actions)) == len(p.actions) and all(map(str.strip, p.actions)),
        "an action has no name, or one that stands twice",
    ),
    (lambda p: (p.matrix is not None) == (p.kind == "matrix"), "a cost matrix is there exactly for its kind"),
    (
        lambda p: p.matrix is None or (p.actions == p.matrix.actions and p.cost is None and not p.thresholds),
        "actions, costs or thresholds are beside those of the cost matrix",
    ),
    (
        lambda p: (
            p.row_costs is None
            or (p.kind == "analytic" and p.cost is None and not p.thresholds and len(p.actions) == 2)
        ),
        "costs of rows have two actions, and no threshold that all rows share",
    ),
    (
        lambda p: p.matrix is not None or p.row_costs is not None or len(p.thresholds) == len(p.actions) - 1,
        "there is not one threshold fewer than actions",
    ),
    (
        lambda p: all(ALL <= t <= NONE for t in p.thresholds) and p.thresholds == sorted(p.thresholds),
        "thresholds are not finite, or do not rise",
    ),
    (
        lambda p: (
            len(p.probabilities) == len(p.thresholds)
            and all(
                abs(probability(eta) - proba) <= 1e-12
                for eta, proba in zip(p.thresholds, p.probabilities, strict=True)
            )
        ),
        "a probability is not that of its threshold",
    ),
    (
        lambda p: p.kind not in _NEEDS_COST or p.cost is not None or p.row_costs is not None,
        "its kind needs costs",
    ),
    (
        lambda p: (
            p.matrix is not None
            or len(p.actions) == 2
            or (
                len(p.actions) == 3
                and p.kind in ("deferral", "capacity")
                and p.cost is not None
                and p.cost.defer is not None
            )
        ),
        "a third action needs a cost of deferring, and a kind that defers",
    ),
    (lambda p: p.kind != "deferral" or len(p.actions) == 3, "a deferral has three actions"),
    (_follows_from_costs, "the thresholds are not those of its costs"),
    (
        lambda p: p.kind in ("capacity", "matrix") or p.row_costs is not None or p.capacity is None,
        "a capacity is beside a kind that has none",
    ),
    (lambda p: p.kind != "capacity" or p.capacity is not None, "its kind needs a capacity"),
    (
        lambda p: p.capacity is None or p.capacity.action in p.actions,
        "the capacity is of an action that is not there",
    ),
    (
        lambda p: p.shadow_price is None or (p.capacity is not None and math.isfinite(p.shadow_price)),
        "a shadow price needs a capacity, and is finite",
    ),
    (
        lambda p: p.stability is None or (p.cost is not None and len(p.thresholds) == 1),
        "a stability needs costs and one threshold",
    ),
    (
        lambda p: p.kind != "empirical" or (p.stability is not None and p.thresholds == [p.stability.best]),
        "the threshold is not the best one of its stability",
    ),
    (lambda p: p.kind != "certified" or _is_certified(p), "no certificate holds for its threshold"),
    (
        lambda p: (
            all(p.thresholds == [bound.eta] for bound in p.bounds)
            and len({bound.kind for bound in p.bounds}) == len(p.bounds)
        ),
        "a bound by group is of another threshold, or stands twice",
    ),
    (
        lambda p: (
            {bound.kind for bound in p.bounds} <= {found.kind for found in p.certificates if found.withheld}
        ),
        "a bound by group stands beside no certificate that was withheld",
    ),
    (
        lambda p: (
            not p.counts
            or (_shape_of_counts(p) and all(0 <= value < math.inf for row in p.counts for value in row))
        ),
        "the counts are not those of its classes and actions",
    ),
    (
        lambda p: (
            len({row.name for row in p.candidates}) == len(p.candidates)
            and (p.thresholds or not p.candidates)
        ),
        "a candidate stands twice, or beside no threshold",
    ),
    (_candidates_fit, "the candidates count other rows"),
    (_overflow_fits, "the chance of overflow is not that of its counts"),
]
