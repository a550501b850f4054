"""Figures of merit of a binary score, each read from one ScoreTable.

    precision = tp / (tp + fp)      recall = tp / (tp + fn)      specificity = tn / (tn + fp)
    F1        = 2 tp / (2 tp + fp + fn)
    AUC       = P(score+ > score-) + P(score+ = score-) / 2
    log loss  = mean of softplus(eta) - y * eta
    Brier     = mean of (proba - y)^2
    cost      = fn * c_fn + fp * c_fp + tn * c_tn + tp * c_tp

A score at or above the threshold is positive; both are compared as log-odds, because a probability is
exactly 1.0 from eta = 37 on. A ratio whose denominator is zero is 0.0, and is named in `undefined`.
"""

import math

import msgspec
import numpy as np

from oddsmith.errors import InputError
from oddsmith.evaluate.score_table import ScoreTable, log_odds
from oddsmith.fit.losses import expit

Count = int | float
"""Rows: an integer where every row weighs 1, and otherwise the sum of their weights."""


class Confusion(msgspec.Struct, frozen=True):
    """True and false positives and negatives."""

    tp: Count
    fp: Count
    fn: Count
    tn: Count

    @property
    def precision(self) -> float:
        """Share of the rows called positive that are; 0.0 where none is called positive."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the positive rows that are called so; 0.0 where there is none."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """Share of the negative rows that are called so; 0.0 where there is none."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0.0 where no row is positive or called so."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def accuracy(self) -> float:
        """Share of all rows that are called what they are; 0.0 of no rows."""
        return _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    @property
    def undefined(self) -> tuple[str, ...]:
        """Which of precision, recall and f1 have a zero denominator here, so that their 0.0 says nothing."""
        denominators = {
            "precision": self.tp + self.fp,
            "recall": self.tp + self.fn,
            "f1": self.tp + self.fp + self.fn,
        }
        return tuple(name for name, denominator in denominators.items() if denominator == 0)


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one answer costs, in any unit. Right answers cost nothing unless said otherwise; a gain is negative.

    At probability p the positive action costs p c_tp + (1 - p) c_fp, the negative one p c_fn + (1 - p) c_tn;
    they are equal at the threshold

        t* = (c_fp - c_tn) / ((c_fp - c_tn) + (c_fn - c_tp))

    Source: Elkan (2001), equation 2.

    Raises:
        InputError: a cost is not finite, a wrong answer costs no more than the right one, or `defer` is negative.
    """

    fn: float
    """Cost of a positive that was called negative."""
    fp: float
    """Cost of a negative that was called positive."""
    tn: float = 0.0
    tp: float = 0.0
    defer: float | None = None
    """Cost of a case that is handed to a person; None where nobody looks."""

    def __post_init__(self) -> None:
        for name in ("fn", "fp", "tn", "tp", "defer"):
            value = getattr(self, name)
            if value is None:
                continue
            if not math.isfinite(value):
                raise InputError(
                    f"cost {name}={value}: not a finite number. Give what one such answer costs."
                )
            msgspec.structs.force_setattr(self, name, float(value))
        for wrong, right, excess in (("fn", "tp", self.excess_fn), ("fp", "tn", self.excess_fp)):
            if not (excess > 0 and math.isfinite(excess)):
                raise InputError(
                    f"cost {wrong}={getattr(self, wrong)}: not more than that of the right answer, "
                    f"{right}={getattr(self, right)}. Give a positive number that the error costs beyond it."
                )
        if self.defer is not None and self.defer < 0:
            raise InputError(f"cost defer={self.defer}: negative. Give what one look by a person costs.")

    @property
    def excess_fn(self) -> float:
        """What a miss costs beyond a positive that is found."""
        return self.fn - self.tp

    @property
    def excess_fp(self) -> float:
        """What a false alarm costs beyond a negative that is left alone."""
        return self.fp - self.tn

    @property
    def threshold(self) -> float:
        """The probability t* from which calling a row positive is the cheaper action."""
        return 1.0 / (1.0 + self.excess_fn / self.excess_fp)

    @property
    def log_odds(self) -> float:
        """t* on the scale of scores, log((c_fp - c_tn) / (c_fn - c_tp)): finite whatever the costs."""
        return math.log(self.excess_fp) - math.log(self.excess_fn)

    def total(self, confusion: Confusion) -> float:
        """Cost of all answers counted in `confusion`, in the unit of the costs."""
        wrong = confusion.fn * self.fn + confusion.fp * self.fp
        return float(wrong + (confusion.tn * self.tn + confusion.tp * self.tp))


def confusion(table: ScoreTable, threshold: float) -> Confusion:
    """Counts when scores at or above the probability `threshold` are called positive.

    Raises:
        InputError: `threshold` is not a number from 0 to 1.
    """
    return confusion_at(table, log_odds(threshold))


def confusion_at(table: ScoreTable, eta: float) -> Confusion:
    """Counts when scores at or above the log-odds `eta` are called positive."""
    first = int(np.searchsorted(table.eta, eta, side="left"))
    if table.unweighted:
        positive, negative = table.count_positive, table.count_negative
        return Confusion(
            tp=int(positive[first:].sum()),
            fp=int(negative[first:].sum()),
            fn=int(positive[:first].sum()),
            tn=int(negative[:first].sum()),
        )
    return Confusion(
        tp=float(table.weight_positive[first:].sum()),
        fp=float(table.weight_negative[first:].sum()),
        fn=float(table.weight_positive[:first].sum()),
        tn=float(table.weight_negative[:first].sum()),
    )


def auc(table: ScoreTable) -> float | None:
    """Area under the ROC curve, ties counted one half; None unless both classes occur.

    Exactly 1.0 for a perfect ranking of unweighted rows.
    """
    below = np.cumsum(table.weight_negative)
    positive = table.weight_positive.sum()
    if not len(below) or positive == 0 or below[-1] == 0:
        return None
    beaten = (below - table.weight_negative / 2) / below[-1]
    return float(np.clip(table.weight_positive @ beaten / positive, 0.0, 1.0))


def auc_error(table: ScoreTable) -> float:
    """What merging scores can have changed in the AUC, at most: half of the pairs whose scores are now one."""
    pairs = float(table.weight_positive.sum()) * float(table.weight_negative.sum())
    tied = float(table.weight_positive @ table.weight_negative)
    return tied / pairs / 2 if table.step and pairs else 0.0


def log_loss(table: ScoreTable) -> float:
    """Mean negative log-likelihood, in nats; finite for every finite score.

    Raises:
        InputError: the table is empty.
    """
    total = _total_weight(table)
    of_positives = table.weight_positive @ np.logaddexp(0.0, -table.eta)
    of_negatives = table.weight_negative @ np.logaddexp(0.0, table.eta)
    return float(of_positives + of_negatives) / total


def brier(table: ScoreTable) -> float:
    """Mean of (proba - y)^2, from 0 to 1.

    Raises:
        InputError: the table is empty.
    """
    total = _total_weight(table)
    of_positives = table.weight_positive @ expit(-table.eta) ** 2
    of_negatives = table.weight_negative @ expit(table.eta) ** 2
    return float(of_positives + of_negatives) / total


def mean_proba(table: ScoreTable) -> float:
    """Mean probability of the positive class: the share of positives that the scores expect.

    Raises:
        InputError: the table is empty.
    """
    total = _total_weight(table)
    return float((table.weight_positive + table.weight_negative) @ table.proba) / total


def observed_share(table: ScoreTable) -> float:
    """Share of positives among the rows.

    Raises:
        InputError: the table is empty.
    """
    return float(table.weight_positive.sum()) / _total_weight(table)


def _total_weight(table: ScoreTable) -> float:
    total = table.weight
    if total == 0:
        raise InputError("no rows to evaluate: give at least one row with a label and a positive weight.")
    return total


def _ratio(part: Count, whole: Count) -> float:
    return float(part / whole) if whole else 0.0
