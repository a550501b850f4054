"""From rows of terms to actions: log-odds, maps, and a policy or the label.

    eta -> maps, in their order -> log-odds, or logits of a softmax -> action

A map of two classes takes log-odds. Of more it takes the logits of a softmax, those of one-vs-rest being log expit(eta),
or where it has a part for each class the log-odds of each against all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from oddsmith.calibrate.maps import Map, calibrated
from oddsmith.calibrate.multiclass import ClassMap, OneVsRest, calibrated_classes, class_log_odds
from oddsmith.data.block import Floats
from oddsmith.data.design import Design
from oddsmith.data.row_numbers import FARTHEST, OFFSETS
from oddsmith.decide.actions import act
from oddsmith.decide.policy import Policy
from oddsmith.errors import InputError, visible
from oddsmith.fit.losses import softplus
from oddsmith.fit.matrix import log_odds
from oddsmith.model.probabilities import predicted_codes, probabilities


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """All that takes a row to its action. `coef` (k, p) and `average` (k,) as in `Model`."""

    design: Design
    coef: Floats
    average: Floats
    classes: Sequence[str]
    multi_class: str = "binary"
    maps: Sequence[Map | ClassMap] = ()
    """Applied in this order."""
    policy: Policy | None = None
    offset: str | None = None

    @property
    def actions(self) -> Sequence[str]:
        """What codes of actions mean."""
        return self.classes if self.policy is None else self.policy.actions

    @cached_property
    def beside(self) -> list[str]:
        """Columns of numbers that count as they are: the offset and costs."""
        named = [] if self.policy is None or self.policy.row_costs is None else self.policy.row_costs.columns
        return list(dict.fromkeys(([] if self.offset is None else [self.offset]) + named))

    def log_odds(self, X: Floats, beside: Mapping[str, Floats]) -> Floats:
        """Log-odds (n, k) of rows (n, p), before calibration.

        Raises:
            InputError: they are beyond a double, or an offset is none.
        """
        eta = log_odds(X, self.design.mean, self.coef, self.average)
        if self.offset is not None:
            offset = beside[self.offset]
            if not (np.abs(offset) <= FARTHEST).all():
                raise InputError(f"'{visible(self.offset)}' of this row is no offset. {OFFSETS}.")
            eta += offset[:, None]
        if not np.isfinite(eta).all():
            raise InputError("the log-odds of this row are beyond the range of a double. Check its numbers.")
        return eta

    def calibrated(self, eta: Floats) -> Floats:
        """Calibrated log-odds (n, 1), or logits of a softmax (n, K); log-odds as they are where there is no map."""
        form = self.multi_class
        for mapping in self.maps:
            if form == "binary":
                eta = calibrated(cast("Map", mapping), eta[:, 0])[:, None]
                continue
            if isinstance(mapping, OneVsRest):
                scores = eta if form == "ovr" else class_log_odds(eta)
            else:
                scores = -softplus(-eta) if form == "ovr" else eta
            eta, form = calibrated_classes(cast("ClassMap", mapping), scores), "softmax"
        return eta

    def proba(self, eta: Floats) -> Floats:
        """Probabilities (n, K) of what `calibrated` gives."""
        return probabilities(eta, "softmax" if self.maps and self.multi_class == "ovr" else self.multi_class)

    def scores(self, eta: Floats) -> Floats:
        """What a policy looks at, of what `calibrated` gives: log-odds (n,), or probabilities for a cost matrix."""
        return eta[:, 0] if self.policy is not None and self.policy.matrix is None else self.proba(eta)

    def codes(self, X: Floats, beside: Mapping[str, Floats]) -> NDArray[np.intp]:
        """Actions (n,) of rows, as their places in `actions`.

        Raises:
            InputError: a row has no log-odds, or no action.
        """
        eta = self.calibrated(self.log_odds(X, beside))
        if self.policy is None:
            return predicted_codes(eta)
        return act(self.policy, self.scores(eta), beside)
