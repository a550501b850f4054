"""A candidate and an incumbent side by side: what each row's answer costs under one price, and where both are alike.

    price     as given, or what the candidate's policy states, or the incumbent's
    scale     what the cheapest single action for all rows costs a case beyond right answers: all that a model can save

Which of a model's actions is the positive one is clear where actions follow the order of scores; the columns of a cost
matrix have no such order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oddsmith.decision.costs import PERFECT, Actions, CostMatrix
from oddsmith.errors import counted, visible
from oddsmith.evaluate.calibration_report import SMALL
from oddsmith.evaluate.score_table import Floats
from oddsmith.evidence.contenders import Contender, Price, places, price_of_actions
from oddsmith.evidence.margins import Difference, Margins, Name, judged
from oddsmith.evidence.paired import Flags, Paired, Units
from oddsmith.evidence.rows import AuditRows


@dataclass(frozen=True, eq=False)
class Pair:
    """Both models on rows of positive weight, the candidate first."""

    models: tuple[Contender, Contender]
    units: Units
    margins: Margins
    alike: bool
    """Whether both say and do the same in every row, by the same policy."""
    price: str | None
    """What actions cost, in words."""
    cost: tuple[Floats, Floats] | None
    """Of each row, (n,); None without costs."""
    most: float
    """How much the costs of two actions in one row can differ."""
    scale: float
    """What the cheapest single action for all costs a case beyond right answers."""
    caught: tuple[Flags, Flags] | None
    """Where another action than that of negatives is taken, (n,); None where actions have no order."""
    flagged: tuple[Flags, Flags] | None
    """Where the positive action is taken, (n,)."""

    @property
    def rows(self) -> AuditRows:
        """Those of the candidate: what is true of them is the same for both."""
        return self.models[0].rows

    @property
    def losses(self) -> tuple[Floats, Floats]:
        """Of each row, (n,)."""
        return self.models[0].rows.losses, self.models[1].rows.losses

    def events(self, inside: Flags) -> float:
        """Units outside the largest class of some rows (n,)."""
        weight = self.units.weight * inside
        largest = np.bincount(self.rows.y, weights=weight).argmax()
        return self.units.number(weight * (self.rows.y != largest))

    def margin(self, name: Name) -> float | None:
        """In the unit of the figure; None where it is not judged, as costs are not where no model can save any."""
        margin: float | None = getattr(self.margins, name)
        if margin is None or name != "cost":
            return margin
        return margin * self.scale if self.scale > 0.0 else None

    def judged(self, name: Name, paired: Paired, inside: Flags) -> Difference:
        """What a figure of some rows (n,) comes to."""
        n_rows, events = int(inside.sum()), self.events(inside)
        few = events < SMALL and not self.alike
        # Without one event nobody can say how many rows hold twenty.
        enough = math.ceil(n_rows * SMALL / max(events, 1.0)) if few else None
        return judged(name, paired, self.margin(name), n_rows=n_rows, enough=enough)


def pair_of(candidate: Contender, incumbent: Contender, given: Price | None, margins: Margins) -> Pair:
    """Both models on the same rows; `given` is what actions cost, where somebody says it.

    Raises:
        InputError: the price has none for an action, or as `Contender.taken`.
    """
    models, rows = (candidate, incumbent), candidate.rows
    owners = ((given, "as given"), (candidate.price, "the candidate's"), (incumbent.price, "the incumbent's"))
    price, owner = next(((price, owner) for price, owner in owners if price is not None), (None, ""))
    taken = [model.taken(price) for model in models]
    cost, most, scale = None, 0.0, 0.0
    if price is not None:
        policy = candidate.policy or incumbent.policy
        each = price_of_actions(price, PERFECT if policy is None else policy.reviewer, rows)
        of_rows = [
            each[np.arange(rows.n), np.array(places(price, model.policy))[codes]]
            for model, codes in zip(models, taken, strict=True)
            if codes is not None
        ]
        cost = (of_rows[0], of_rows[1])
        beyond = each - each.min(axis=1, keepdims=True)
        most = float(beyond.max())
        scale = float((rows.weight @ beyond).min() / rows.weight.sum())
    last = [_positive_action(model, price) for model in models]
    acted = [(codes, code) for codes, code in zip(taken, last, strict=True) if codes is not None and code]
    two = len(acted) == 2
    return Pair(
        models=models,
        units=Units(rows.weight, rows.units),
        margins=margins,
        alike=_alike(models, taken),
        price=None if price is None else f"{_priced(price)}, {owner}",
        cost=cost,
        most=most,
        scale=scale,
        caught=(acted[0][0] > 0, acted[1][0] > 0) if two else None,
        flagged=(acted[0][0] == acted[0][1], acted[1][0] == acted[1][1]) if two else None,
    )


def _alike(models: tuple[Contender, Contender], taken: Sequence[Actions | None]) -> bool:
    """Policies that act alike on these rows may not do so on others, unless they are one."""
    a, b = (model.rows for model in models)
    one, other = taken
    acts = one is other if one is None or other is None else np.array_equal(one, other)
    rules = [p and (p.thresholds, p.row_costs, p.matrix) for p in (model.policy for model in models)]
    return (
        acts
        and rules[0] == rules[1]
        and np.array_equal(a.eta, b.eta)
        and np.array_equal(a.calibrated, b.calibrated)
    )


def _positive_action(model: Contender, price: Price | None) -> int | None:
    """The code of the action that is taken of positives; None where actions have no order."""
    if model.rows.n_classes > 2:
        return None
    if model.policy is not None:
        return None if model.policy.matrix is not None else len(model.policy.actions) - 1
    return None if isinstance(price, CostMatrix) else 1


def _priced(price: Price) -> str:
    if isinstance(price, CostMatrix):
        return f"a cost matrix of {len(price.classes)} classes and {counted(len(price.actions), 'action')}"
    named = {name: getattr(price, name) for name in price.__struct_fields__}
    given = {
        name: value for name, value in named.items() if value is not None and (value or name in ("fn", "fp"))
    }
    return ", ".join(
        f"{name}={visible(value) if isinstance(value, str) else format(value, '.10g')}"
        for name, value in given.items()
    )
