"""From rows of terms to actions: log-odds, calibration maps, and a policy or the label.

    X -> eta -> maps, in their order -> log-odds, or logits of a softmax -> action

Rows are scored here as a model scores those of a table, to the bit. A single row is summed in another order there, which
may change the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Floats
from oddsmith.data.design import Design
from oddsmith.data.row_numbers import FARTHEST, OFFSETS
from oddsmith.decision.actions import act
from oddsmith.decision.policy import Policy
from oddsmith.errors import InputError, visible
from oddsmith.fit.matrix import log_odds
from oddsmith.model.probabilities import AnyMap, Form, after, predicted_codes, probabilities, ranking


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """All that takes a row to its action. `coef` (k, p) and `average` (k,) as in `Model`."""

    design: Design
    coef: Floats
    average: Floats
    classes: Sequence[str]
    multi_class: Form = "binary"
    maps: Sequence[AnyMap] = ()
    """Applied in this order."""
    policy: Policy | None = None
    offset: str | None = None

    @property
    def actions(self) -> Sequence[str]:
        """What codes of actions mean."""
        return self.classes if self.policy is None else self.policy.actions

    @property
    def costs(self) -> list[str]:
        """Columns that costs of the row are in."""
        return [] if self.policy is None or self.policy.row_costs is None else self.policy.row_costs.columns

    @cached_property
    def beside(self) -> list[str]:
        """Columns of numbers that count as they are: the offset and costs."""
        return list(dict.fromkeys(([] if self.offset is None else [self.offset]) + self.costs))

    def log_odds(self, X: Floats, beside: Mapping[str, Floats], *, alone: bool = False) -> Floats:
        """Log-odds (n, k) of rows (n, p), before calibration; `alone` as `Model.log_odds_of` sums a single row.

        Raises:
            InputError: they are beyond a double, or an offset is none.
        """
        mean, coef, average = self.design.mean, self.coef, self.average
        if alone:
            with np.errstate(over="ignore", invalid="ignore"):
                eta: Floats = np.array([coef @ terms + average for terms in X - mean])
        else:
            eta = log_odds(X, mean, coef, average)
        if self.offset is not None:
            offset = beside[self.offset]
            if not (np.abs(offset) <= FARTHEST).all():
                raise InputError(f"'{visible(self.offset)}' of this row is no offset. {OFFSETS}.")
            eta += offset[:, None]
        if not np.isfinite(eta).all():
            raise InputError("the log-odds of this row are beyond the range of a double. Check its numbers.")
        return eta

    def calibrated(self, eta: Floats) -> tuple[Floats, Form]:
        """Log-odds after the maps, and the form that they have then; the same where there are none.

        Raises:
            InputError: a score is beyond what a map takes.
        """
        return after(self.maps, eta, self.multi_class, len(self.classes))

    def scores(self, eta: Floats, form: Form) -> Floats:
        """What a policy looks at, of what `calibrated` gives: log-odds (n,), or probabilities for a cost matrix."""
        by_matrix = self.policy is not None and self.policy.matrix is not None
        return probabilities(eta, form) if by_matrix else ranking(eta, form)[:, 0]

    def codes(self, X: Floats, beside: Mapping[str, Floats], *, alone: bool = False) -> NDArray[np.intp]:
        """Actions (n,) of rows, as their places in `actions`; `alone` as for `log_odds`.

        Raises:
            InputError: a row has no log-odds, or no action.
        """
        eta, form = self.calibrated(self.log_odds(X, beside, alone=alone))
        return (
            predicted_codes(eta) if self.policy is None else act(self.policy, self.scores(eta, form), beside)
        )
