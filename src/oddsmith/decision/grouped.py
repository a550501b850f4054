"""Recall and precision at a threshold where rows come in groups: whole groups are drawn again.

    recall       right: positives at or above the threshold       of: all positives
    precision    right: positives at or above the threshold       of: all rows at or above it
    share        sum over groups of rows that are right  /  sum over groups of all of them
    lower end    a low percentile of resamples of the groups and of one more that is wrong throughout
    upper end    a high percentile of resamples of the groups and of one more that is right throughout

Rows of one group resemble each other, and a certificate would take them for so many proofs: it is withheld, and this
interval stands beside it. It needs independent groups, not independent rows, and a threshold that was not chosen on
these rows.

The further group, of the mean size, is for what has not happened yet. A plain bootstrap of groups without an error
would have no width; and where each group is one row and rows are drawn with exponential weights instead of counts, the
ends with it are those of Clopper and Pearson, whose Beta(k, n - k + 1) has one error more than was seen. Where groups
are alike the interval is wider than it need be; the plain one misses on one side up to six times in ten (ten groups of
ten, whose errors come together). It is approximate: the certificate's proof has no counterpart here.

Sources: Efron and Tibshirani (1993), chapter 13; Davison and Hinkley (1997), section 3.8, on resampling clusters.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike

from oddsmith.decision.thresholds import probability
from oddsmith.errors import InputError, counted
from oddsmith.evaluate.bootstrap import Resampling, percentile_interval, row_groups
from oddsmith.evaluate.intervals import Interval
from oddsmith.evaluate.score_table import Floats, ScoreTable, row_weights

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=1)]
Kind = Literal["recall", "precision"]
_NOUNS: dict[Kind, str] = {"recall": "positive", "precision": "flagged row"}


class GroupedBound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A share at a threshold, between two ends that resamples of whole groups give.

    Raises:
        InputError: the share lies outside its ends, there are more groups than rows, or the threshold is not finite.
    """

    kind: Kind
    eta: float
    """The threshold: log-odds from which a score is positive."""
    value: Share
    lower: Share
    upper: Share
    confidence: Annotated[float, Meta(gt=0.0, lt=1.0)]
    """Of the interval: half of the error on each side."""
    rows: Count
    """Positives, or rows called positive."""
    groups: Count
    """In which these come."""
    n_resamples: Count
    seed: Annotated[int, Meta(ge=0)]
    sentence: str

    def __post_init__(self) -> None:
        if not self.lower <= self.value <= self.upper:
            raise InputError(
                f"{self.kind} by group: {self.value} is not between {self.lower} and {self.upper}."
            )
        if self.groups > self.rows or not np.isfinite(self.eta):
            raise InputError(
                f"{self.kind} by group: {self.groups} groups of {self.rows} rows at {self.eta}: not possible."
            )


def grouped_bound(
    kind: Kind,
    threshold: float,
    eta: ArrayLike,
    y: ArrayLike,
    group: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> GroupedBound | None:
    """Recall or precision at `threshold`, log-odds; None where no row is positive, or none called so.

    Args:
        kind: which share.
        threshold: log-odds from which a score is positive.
        eta: (n,) log-odds.
        y: (n,) labels of 0 and 1.
        group: (n,) what the rows of one group have in common.
        sample_weight: (n,) finite and not negative, or None for ones.
        confidence: of the interval.
        n_resamples: of each end.
        seed: of the draws.

    Raises:
        InputError: lengths differ, a score, a label or a weight is none, `confidence` is not between 0 and 1, or
            `n_resamples` is below 1.
    """
    scores, labels = np.asarray(eta, dtype=np.float64), np.asarray(y)
    groups, weight = row_groups(group, len(labels)), row_weights(sample_weight, len(labels))
    ScoreTable.from_scores(scores, labels)  # raises where scores or labels are none
    called = scores >= threshold
    of = (labels == 1 if kind == "recall" else called) & (weight > 0.0)
    if not of.any():
        return None
    right, weight = (called & (labels == 1))[of], weight[of]
    names, codes = np.unique(groups[of], return_inverse=True)
    value = min(1.0, float(weight[right].sum() / weight.sum()))

    def with_one_more(is_right: bool) -> Interval:
        units = Resampling.of_rows(
            np.zeros(len(right) + 1),
            np.append(right, is_right),
            np.append(weight, weight.sum() / len(names)),
            np.append(codes, len(names)),
        )
        return percentile_interval(units.replicates(_share, n_resamples, seed), confidence)

    low, high = min(value, with_one_more(False).low), max(value, with_one_more(True).high)
    return GroupedBound(
        kind=kind,
        eta=float(threshold),
        value=value,
        lower=low,
        upper=high,
        confidence=float(confidence),
        rows=len(right),
        groups=len(names),
        n_resamples=n_resamples,
        seed=seed,
        sentence=(
            f"{kind} at {probability(threshold):.4g} is {value:.4g}, and lies between {low:.4g} and {high:.4g} with "
            f"{100 * confidence:.6g}% confidence, by resamples of {counted(len(names), 'group')} with "
            f"{counted(len(right), _NOUNS[kind])}; approximate, for independent groups."
        ),
    )


def _share(right: Floats, wrong: Floats) -> Floats:
    return np.asarray((right / (right + wrong))[:, 0])
