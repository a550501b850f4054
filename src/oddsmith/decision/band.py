"""A band that holds the true cost at every threshold at once, so that moving the threshold stays honest.

    C(t) = pi (c_tp + (c_fn - c_tp) FNR(t)) + (1 - pi) (c_tn + (c_fp - c_tn) FPR(t))

    |FNR^ - FNR| <= e_1,  |FPR^ - FPR| <= e_0  for all t,      e_j = sqrt(ln(4 / d) / (2 n_j))     pi known
                                                               e_j = sqrt(ln(6 / d) / (2 n_j))     pi estimated

With pi estimated a third of the error d goes to its Clopper-Pearson interval, and the band is the envelope over its ends:
the cost is linear in pi.

Source: Dvoretzky, Kiefer and Wolfowitz (1956) with the constant of Massart (1990), for each class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from oddsmith.decision.certificates import why_withheld
from oddsmith.decision.thresholds import cut_thresholds
from oddsmith.errors import InputError
from oddsmith.evaluate.intervals import clopper_pearson_interval
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import Floats, ScoreTable


@dataclass(frozen=True, eq=False)
class CostBand:
    """Mean cost of a case at each of the m + 1 cuts of a table, all (m + 1,), in rising order of the threshold."""

    eta: Floats
    """The threshold of each cut."""
    estimate: Floats
    lower: Floats
    upper: Floats
    confidence: float
    """The band holds the true cost everywhere for such a share of samples, or more."""


def cost_band(
    table: ScoreTable,
    cost: Cost,
    confidence: float = 0.95,
    share: float | None = None,
    *,
    grouped: bool = False,
) -> CostBand:
    """The band over all thresholds; `share` of positives where it is known without these rows.

    Raises:
        InputError: a class has no row, `confidence` or `share` is no probability, or the rows are of a kind that
            proves nothing.
    """
    reason = why_withheld(table, grouped=grouped)
    if reason:
        raise InputError(f"no band of costs: {reason} instead.")
    if not 0.0 < confidence < 1.0 or not (share is None or 0.0 <= share <= 1.0):
        raise InputError(f"confidence {confidence}, share {share}: give probabilities, as in 0.95.")
    n_1, n_0 = float(table.weight_positive.sum()), float(table.weight_negative.sum())
    if not (n_1 and n_0):
        raise InputError("no band of costs: a class has no row. Give rows of both.")
    d = 1.0 - confidence
    if share is None:
        known = clopper_pearson_interval(round(n_1), round(n_1 + n_0), 1.0 - d / 3)
        ends = known.low, known.high
        centre, each = n_1 / (n_1 + n_0), math.log(6 / d)
    else:
        ends, centre, each = (share, share), share, math.log(4 / d)
    missed = np.concatenate([[0.0], np.cumsum(table.weight_positive)]) / n_1
    alarmed = np.concatenate([np.cumsum(table.weight_negative[::-1])[::-1], [0.0]]) / n_0

    def mean_cost(share: float, sign: int) -> Floats:
        fnr = np.clip(missed + sign * math.sqrt(each / (2 * n_1)), 0.0, 1.0)
        fpr = np.clip(alarmed + sign * math.sqrt(each / (2 * n_0)), 0.0, 1.0)
        of_positive, of_negative = cost.tp + cost.excess_fn * fnr, cost.tn + cost.excess_fp * fpr
        return np.asarray(share * of_positive + (1.0 - share) * of_negative)

    return CostBand(
        eta=cut_thresholds(table),
        estimate=mean_cost(centre, 0),
        lower=np.minimum(*(mean_cost(end, -1) for end in ends)),
        upper=np.maximum(*(mean_cost(end, 1) for end in ends)),
        confidence=confidence,
    )
