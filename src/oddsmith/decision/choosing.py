"""Policies, each chosen by one rule from costs and from the rows of a table.

    analytic     t* of the costs            given       a probability that somebody says
    deferral     zone of the costs          empirical   least cost over all cuts of the rows
    capacity     holds a share of the rows  certified   proved on the rows
    matrix       cheapest action of K classes

The first two need no rows; their table only says what they would have done there. Every policy is returned with what it
was compared with, and with its counts, taken through the record itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from numpy.typing import ArrayLike

from oddsmith.decision.actions import act, tally, tally_table
from oddsmith.decision.capacity import Capacity, overflow, top_threshold, zone_thresholds
from oddsmith.decision.certificates import Certificate
from oddsmith.decision.costs import PERFECT, CostMatrix, Reviewer, RowCosts
from oddsmith.decision.deferral import zone
from oddsmith.decision.grouped import grouped_bound
from oddsmith.decision.policy import Kind, Policy
from oddsmith.decision.stability import FEWEST, Stability, in_rows, stability
from oddsmith.decision.thresholds import (
    Candidate,
    candidate,
    candidates,
    given_threshold,
    probability,
    ratio_candidates,
)
from oddsmith.errors import InputError, visible
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import ScoreTable

TWO = ("auto", "review")
THREE = ("auto", "defer", "review")


def analytic_policy(
    table: ScoreTable | None,
    cost: Cost,
    actions: Sequence[str] = TWO,
    *,
    check: ScoreTable | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Policy:
    """The threshold that follows from the costs, cross-checked on the rows of `check`.

    `table` says what it does on rows. Where these taught the calibration, they would agree with any threshold: `check` is
    then of the same rows, each scored by maps that were learned without it.

    Raises:
        InputError: a table is empty, or there are not two actions.
    """
    checked = None if check is None else stability(check, cost, n_resamples=n_resamples, seed=seed)
    sentence = f"{cost.threshold:.6g} = {cost.excess_fp:g} / ({cost.excess_fp:g} + {cost.excess_fn:g}) follows from the costs alone"
    if check is not None and checked is not None:
        rows = in_rows(check)
        few = min(rows.count_positive.sum(), rows.count_negative.sum()) < FEWEST
        told = "; these rows are too few to check it." if few else ", and these rows agree with it."
        sentence = checked.alarm or f"{sentence}{told}"
    elif table is not None:
        sentence += "; these rows taught the calibration, and can't check it."
    else:
        sentence += "."
    return _policy(
        "analytic",
        actions,
        (cost.log_odds,),
        (cost.threshold,),
        table,
        cost,
        sentence,
        stability=checked,
    )


def row_policy(row_costs: RowCosts, actions: Sequence[str] = TWO, capacity: Capacity | None = None) -> Policy:
    """The threshold that follows from each row's own costs. A capacity is for batches.

    Raises:
        InputError: there are not two actions, or the capacity is of none of them.
    """
    named = " and ".join(f"'{visible(name)}'" for name in row_costs.columns)
    sentence = f"each row's threshold follows from its own costs, {named}."
    return _policy("analytic", actions, (), (), None, None, sentence, row_costs=row_costs, capacity=capacity)


def given_policy(
    table: ScoreTable | None, threshold: float, cost: Cost | None = None, actions: Sequence[str] = TWO
) -> Policy:
    """The probability `threshold`, kept as it is.

    Raises:
        InputError: `threshold` is not a number from 0 to 1, the table is empty, or there are not two actions.
    """
    eta = given_threshold(threshold)
    sentence = f"{float(threshold)!r} was given."
    return _policy("given", actions, (eta,), (float(threshold),), table, cost, sentence)


def empirical_policy(
    table: ScoreTable, cost: Cost, actions: Sequence[str] = TWO, *, n_resamples: int = 1000, seed: int = 0
) -> Policy:
    """The threshold of least cost on the rows of a table.

    Raises:
        InputError: the table is empty, or there are not two actions.
    """
    found = stability(table, cost, n_resamples=n_resamples, seed=seed)
    sentence = (
        f"{probability(found.best):.6g} costs least on these rows; resamples of them choose "
        f"{probability(found.span.lower):.4g} to {probability(found.span.upper):.4g}"
        + (f"; {found.alarm}" if found.alarm else ".")
    )
    return _policy(
        "empirical",
        actions,
        (found.best,),
        (probability(found.best),),
        table,
        cost,
        sentence,
        stability=found,
    )


def certified_policy(
    table: ScoreTable, certificate: Certificate, cost: Cost | None = None, actions: Sequence[str] = TWO
) -> Policy:
    """The threshold of a certificate; of a recall the analytic one where that is lower, and so proved as well.

    Raises:
        InputError: the certificate does not hold, or there are not two actions.
    """
    if not certificate.holds or certificate.eta is None:
        raise InputError(f"nothing to choose a threshold from: {certificate.sentence}")
    eta, proba = certificate.eta, probability(certificate.eta)
    if cost is not None and certificate.kind == "recall" and cost.log_odds < eta:
        eta, proba = cost.log_odds, cost.threshold
    return _policy(
        "certified", actions, (eta,), (proba,), table, cost, certificate.sentence, certificates=(certificate,)
    )


def deferral_policy(
    table: ScoreTable | None, cost: Cost, reviewer: Reviewer = PERFECT, actions: Sequence[str] = THREE
) -> Policy:
    """A zone in which a person looks; two actions, the outer ones, where that pays nowhere.

    Raises:
        InputError: deferring has no cost, the table is empty, or there are not three actions.
    """
    place = zone(cost, reviewer)
    if len(actions) != 3:
        raise InputError(f"{len(actions)} actions: deferring needs three, as in auto,defer,review.")
    if not place.exists:
        outer = (actions[0], actions[2])
        thresholds, known = (cost.log_odds,), (cost.threshold,)
        return _policy("analytic", outer, thresholds, known, table, cost, place.sentence, reviewer=reviewer)
    ends = (place.lower, place.upper)
    known_ends = (probability(place.lower), probability(place.upper))
    return _policy("deferral", actions, ends, known_ends, table, cost, place.sentence, reviewer=reviewer)


def capacity_policy(
    table: ScoreTable,
    capacity: Capacity,
    cost: Cost | None = None,
    reviewer: Reviewer = PERFECT,
    actions: Sequence[str] = TWO,
) -> Policy:
    """Thresholds that hold an action to its share of the rows; of three actions it is the one in the middle.

    Raises:
        InputError: the table is empty, the capacity is of no such action, or three actions have no cost of deferring.
    """
    place = list(actions).index(capacity.action) if capacity.action in actions else -1
    if len(actions) == 3 and place == 1 and cost is not None:
        found = zone_thresholds(table, capacity, cost, reviewer)
    elif len(actions) == 2 and place >= 0:
        found = top_threshold(table, capacity, cost, positive=place == 1)
    else:
        raise InputError(
            f"capacity of '{visible(capacity.action)}' among {visible(', '.join(actions), 200)}: "
            f"give one of two actions, or the middle one of three that have costs."
        )
    probabilities = tuple(
        cost.threshold if cost is not None and eta == cost.log_odds else probability(eta)
        for eta in found.thresholds
    )
    policy = _policy(
        "capacity",
        actions,
        found.thresholds,
        probabilities,
        table,
        cost,
        found.sentence,
        reviewer=reviewer,
        capacity=capacity,
        shadow_price=found.shadow_price,
    )
    if not table.whole_weights:
        return policy
    served = round(sum(row[place] for row in policy.counts))
    return msgspec.structs.replace(policy, overflow=overflow(served, round(table.weight), capacity))


def matrix_policy(
    matrix: CostMatrix,
    proba: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    capacity: Capacity | None = None,
) -> Policy:
    """The cheapest action of K classes, with its counts on rows: `proba` (n, K), `y` (n,) class codes.

    Raises:
        InputError: the probabilities are not of K classes, or the capacity is of none of the actions.
    """
    sentence = f"the cheapest of {len(matrix.actions)} actions for {len(matrix.classes)} classes."
    policy = _policy("matrix", matrix.actions, (), (), None, None, sentence, matrix=matrix, capacity=capacity)
    if proba is None or y is None:
        return policy
    counts = tally(policy, act(policy, proba), y, sample_weight)
    return msgspec.structs.replace(policy, counts=counts)


def bounded_policy(
    policy: Policy,
    certificates: Sequence[Certificate],
    eta: ArrayLike,
    y: ArrayLike,
    group: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Policy:
    """A policy of one threshold, with certificates that were withheld and what resamples of groups say in their place.

    Of recall and precision: the first two of what `recall_certificate`, `precision_certificate` and
    `cost_certificate` give where rows are `grouped`. The threshold was chosen without these rows, whose `eta`, `y`,
    `group` and `sample_weight` are (n,). Where no row is positive, or none called so, there is nothing to say.

    Raises:
        InputError: there is not one threshold, a certificate was not withheld, or rows are refused by `grouped_bound`.
    """
    if len(policy.thresholds) != 1:
        raise InputError(
            f"{len(policy.thresholds)} thresholds: a bound by group is of one. Choose a policy of two actions."
        )
    if not all(certificate.withheld for certificate in certificates):
        raise InputError("a certificate stands by itself where it was not withheld: take that one.")
    asked = {certificate.kind: certificate.confidence for certificate in certificates}
    found = (
        grouped_bound(
            kind,
            policy.thresholds[0],
            eta,
            y,
            group,
            sample_weight,
            confidence=confidence,
            n_resamples=n_resamples,
            seed=seed,
        )
        for kind, confidence in asked.items()
        if kind != "cost"
    )
    return msgspec.structs.replace(
        policy,
        certificates=[*policy.certificates, *certificates],
        bounds=[bound for bound in found if bound is not None],
    )


def _policy(
    kind: Kind,
    actions: Sequence[str],
    thresholds: Sequence[float],
    probabilities: Sequence[float],
    table: ScoreTable | None,
    cost: Cost | None,
    sentence: str,
    *,
    reviewer: Reviewer = PERFECT,
    row_costs: RowCosts | None = None,
    matrix: CostMatrix | None = None,
    capacity: Capacity | None = None,
    shadow_price: float | None = None,
    stability: Stability | None = None,
    certificates: Sequence[Certificate] = (),
) -> Policy:
    policy = Policy(
        kind=kind,
        actions=list(actions),
        thresholds=list(thresholds),
        probabilities=list(probabilities),
        cost=cost,
        row_costs=row_costs,
        reviewer=reviewer,
        matrix=matrix,
        capacity=capacity,
        shadow_price=shadow_price,
        overflow=None,
        candidates=[],
        stability=stability,
        certificates=list(certificates),
        bounds=[],
        counts=[],
        sentence=sentence,
    )
    if table is None:
        return policy
    return msgspec.structs.replace(
        policy, counts=tally_table(policy, table), candidates=_compared(policy, table)
    )


def _compared(policy: Policy, table: ScoreTable) -> list[Candidate]:
    """The candidates of a policy, itself among them where it is a threshold of another rule."""
    rows = ratio_candidates(table) if policy.cost is None else candidates(table, policy.cost)
    if len(policy.thresholds) == 1 and policy.kind not in {row.name for row in rows}:
        eta, proba = policy.thresholds[0], policy.probabilities[0]
        rows.append(candidate(policy.kind, table, eta, policy.cost, proba))
    return rows
