"""What can be proved of a threshold from finitely many rows, whatever the scores are like.

    recall      threshold at the k-th smallest positive score: recall ~ Beta(n_pos - k + 1, k), or more with ties
                the largest k with P(recall < r) <= d;  no k before n_pos >= ln d / ln r
    precision   thresholds tested one after the other, each exactly at d, until one fails
                p-value P(Binomial(flagged, r) >= true positives)
    cost        the same for cost a case, scaled to 0..1:  Hoeffding-Bentkus
                p-value min(exp(-n h(R, a)), e P(Binomial(n, a) <= ceil(n R)))

Testing in a fixed order needs no correction for many tests, provided that the order comes from other rows: precision
neither rises nor falls with the threshold, and a search over the rows of the proof would find luck.

The proofs need independent rows. Rows in groups, and weights that are not whole numbers, are no such rows: nothing is
certified then, and the sentence says so; of rows in groups `decision.grouped` tells what resampling them tells.

Source: order statistics, Wilks (1941); Angelopoulos, Bates, Candès, Jordan and Lei (2021), Learn then Test; Bates,
Angelopoulos, Lei, Malik and Jordan (2021) for the bound on a mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from oddsmith.decision import binomial
from oddsmith.decision.thresholds import cost_curve, cut_of, cut_thresholds, probability
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import Floats, ScoreTable

Kind = Literal["recall", "precision", "cost"]


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was asked, and whether it is proved.

    Raises:
        InputError: the figures can't be those of a certificate.
    """

    kind: Kind
    holds: bool
    level: float
    """Recall or precision is at least this; the mean cost of a case at most."""
    confidence: Annotated[float, Meta(gt=0.0, lt=1.0)]
    """Share of samples for which the procedure speaks the truth, or more."""
    eta: float | None
    """The threshold it speaks of: log-odds; a recall holds for lower ones too."""
    rows: Annotated[int, Meta(ge=0)]
    """The rows it rests on: positives, those called positive, or all."""
    errors: Annotated[int, Meta(ge=0)] | None
    """Of these: positives missed, or negatives called positive; None for costs."""
    needed: Annotated[int, Meta(ge=1)] | None
    """As many such rows are needed even if all goes well, where there are too few."""
    withheld: bool
    """Whether the rows are of a kind that proves nothing."""
    sentence: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.level) and (self.kind == "cost" or 0.0 < self.level < 1.0)):
            raise InputError(f"certificate of {self.kind}: {self.level} is not a level.")
        if self.holds and (self.eta is None or self.withheld or self.needed is not None):
            raise InputError(f"certificate of {self.kind}: it holds, but of no threshold, or of no rows.")
        if self.errors is not None and self.errors > self.rows:
            raise InputError(f"certificate of {self.kind}: {self.errors} errors in {self.rows} rows.")
        if self.holds and self.errors is not None:
            enough = binomial.trials_needed(self.level, self.confidence)
            if self.rows < enough or (
                self.confidence >= 0.5 and self.rows - self.errors < self.rows * self.level * (1.0 - 1e-12)
            ):
                raise InputError(
                    f"certificate of {self.kind}: {self.errors} errors in {self.rows} rows prove no {self.level}."
                )

    @property
    def is_proved(self) -> bool:
        """Whether errors and rows prove the level, by the exact tail; of costs, whether it says so.

        Not part of what is checked of every record: a prediction need not wait for special functions.
        """
        if not self.holds or self.errors is None:
            return self.holds
        tail = binomial.at_least(self.rows - self.errors, self.rows, self.level)
        return tail <= 1.0 - self.confidence + 1e-12


def recall_certificate(
    table: ScoreTable,
    recall: float,
    confidence: float = 0.95,
    *,
    grouped: bool = False,
    by_time: bool = False,
) -> Certificate:
    """The highest threshold at which the recall is at least `recall`, with so much confidence.

    A lower threshold, such as an analytic one, is certified along with it. `grouped`: rows come in groups. `by_time`:
    they are those of a period.

    Raises:
        InputError: `recall` or `confidence` is not between 0 and 1.
    """
    _refuse(recall=recall, confidence=confidence)
    said = _Saying("recall", recall, confidence, by_time)
    reason = why_withheld(table, grouped=grouped)
    if reason:
        return said.withheld(reason)
    seen = np.cumsum(np.rint(table.weight_positive).astype(np.int64))
    n = int(seen[-1]) if len(seen) else 0
    needed = binomial.trials_needed(recall, confidence)
    if n < needed:
        return said.too_few(n, needed, "positives", "even if none is missed")
    k = _largest_miss(n, recall, confidence) + 1
    at = int(np.searchsorted(seen, k))
    if at:
        eta = float(cut_thresholds(table)[at])
    else:
        eta = float(np.floor(table.eta[0] / table.step) * table.step) if table.step else float(table.eta[0])
    missed = int(seen[at] - round(table.weight_positive[at]))
    return said.holds(eta, n, missed, f"up to {probability(eta):.4g}: {missed} of {n} positives missed")


def precision_certificate(
    table: ScoreTable,
    calibrate: ScoreTable,
    precision: float,
    confidence: float = 0.95,
    *,
    grouped: bool = False,
    by_time: bool = False,
) -> Certificate:
    """The lowest threshold down to which the precision is proved to be at least `precision`.

    `calibrate` is the table of other rows, which say in which order the thresholds of `table` are tested.

    Raises:
        InputError: `precision` or `confidence` is not between 0 and 1, or there are no calibrate rows.
    """
    _refuse(precision=precision, confidence=confidence)
    said = _Saying("precision", precision, confidence, by_time)
    reason = why_withheld(table, grouped=grouped)
    if reason:
        return said.withheld(reason)
    weight = round(table.weight)
    needed = binomial.trials_needed(precision, confidence)
    if weight < needed:
        return said.too_few(weight, needed, "rows", "called positive, even if all of them are")
    sequence = order_of_tests(calibrate, weight, precision, confidence)
    first = np.searchsorted(table.eta, sequence, side="left")
    positive, negative = (
        np.concatenate([np.cumsum(np.rint(w[::-1]))[::-1], [0.0]])[first]
        for w in (table.weight_positive, table.weight_negative)
    )
    from scipy.special import betainc

    tails = np.where(positive > 0, betainc(np.maximum(positive, 1.0), negative + 1.0, precision), 1.0)
    passed = tails <= 1.0 - confidence
    n_passed = len(passed) if passed.all() else int(passed.argmin())
    at = max(n_passed - 1, 0)
    eta, flagged, false = float(sequence[at]), int(positive[at] + negative[at]), int(negative[at])
    where = f"{probability(eta):.4g}: {false} of {flagged} called positive are not"
    if not n_passed:
        return said.unproved(eta, flagged, false, f"already at {where}, which chance can explain")
    return said.holds(eta, flagged, false, f"from {where}")


def order_of_tests(calibrate: ScoreTable, n: int, precision: float, confidence: float) -> Floats:
    """Thresholds in the order in which a precision is tested on n other rows: falling log-odds.

    They begin where these rows expect the clearest proof, among those that call enough rows positive to prove
    anything; none if there is no such threshold.

    Raises:
        InputError: the table is empty.
    """
    from scipy.special import betainc

    eta = cut_thresholds(calibrate)
    curve = cost_curve(calibrate, Cost(fn=1.0, fp=1.0))
    scale = n / calibrate.weight
    positive, negative = curve.tp * scale, curve.fp * scale
    enough = positive + negative >= math.log1p(-confidence) / math.log(precision)
    if not enough.any():
        return np.empty(0)
    tails = betainc(np.maximum(positive, 1e-9), negative + 1.0, precision)
    falling = np.flatnonzero(enough)[::-1]
    start = falling[tails[falling].argmin()]
    return np.asarray(eta[start::-1])


def cost_certificate(
    table: ScoreTable,
    thresholds: Sequence[float],
    cost: Cost,
    most: float,
    confidence: float = 0.95,
    *,
    grouped: bool = False,
    by_time: bool = False,
) -> Certificate:
    """Whether the mean cost of a case is at most `most`: at the last of the thresholds (log-odds) before one fails.

    The thresholds and their order were fixed without these rows; one analytic threshold is the usual case.

    Raises:
        InputError: there is no threshold, `confidence` is not between 0 and 1, or `most` is not finite.
    """
    _refuse(confidence=confidence)
    if not (thresholds and math.isfinite(most)):
        raise InputError(
            f"cost of at most {most} at {len(thresholds)} thresholds: give a number, and one or more."
        )
    said = _Saying("cost", most, confidence, by_time)
    reason = why_withheld(table, grouped=grouped)
    if reason:
        return said.withheld(reason)
    curve, n = cost_curve(table, cost), round(table.weight)
    low, high = min(cost.tn, cost.tp), max(cost.fn, cost.fp)
    free = 1.0 - (most - low) / (high - low)
    if free >= 1.0:
        return said.unproved(thresholds[0], n, None, f"no policy costs less than {low:.6g} a case")
    needed = binomial.trials_needed(free, confidence) if free > 0.0 else 1
    if n < needed:
        return said.too_few(n, needed, "rows", "even if no row costs anything")
    held: tuple[float, str] | None = None
    for eta in thresholds:
        mean = float(curve.cost[cut_of(table, eta)]) / n
        where = f"at {probability(eta):.4g}: {mean:.6g} a case on {n} rows"
        if mean_p_value(mean, n, most, low, high) > 1.0 - confidence:
            break
        held = eta, where
    if held is None:
        return said.unproved(thresholds[0], n, None, where)
    return said.holds(held[0], n, None, held[1])


def mean_p_value(mean: float, n: int, most: float, low: float, high: float) -> float:
    """How likely n independent costs from `low` to `high` have so small a mean though the true one is above `most`.

    An upper bound of that chance, valid for every distribution.
    """
    risk, bound = ((value - low) / (high - low) for value in (mean, most))
    if bound <= 0.0:
        return 1.0
    if bound >= 1.0:
        return 0.0
    hoeffding = math.exp(-n * _divergence(min(max(risk, 0.0), bound), bound))
    # A whole number of largest costs, which the division by n may have rounded up, is that number.
    bentkus = math.e * binomial.at_most(math.ceil(n * risk * (1.0 - 1e-12)), n, bound)
    return min(hoeffding, bentkus, 1.0)


def mean_upper_bound(mean: float, n: int, low: float, high: float, confidence: float = 0.95) -> float:
    """The true mean of costs from `low` to `high` is at most this, with so much confidence."""
    below, above = min(max(mean, low), high), high
    for _ in range(60):
        middle = (below + above) / 2
        if mean_p_value(mean, n, middle, low, high) > 1.0 - confidence:
            below = middle
        else:
            above = middle
    return above


def why_withheld(table: ScoreTable, *, grouped: bool) -> str | None:
    """Why these rows prove nothing; None where they can."""
    if grouped:
        return "rows of one group resemble each other, and the proof needs independent rows; resample whole groups"
    if not table.whole_weights:
        return "weights that are not whole numbers do not count rows; resample the rows"
    return None


class _Saying:
    """The four ways in which a certificate ends."""

    def __init__(self, kind: Kind, level: float, confidence: float, by_time: bool) -> None:
        self.kind, self.level, self.confidence = kind, float(level), float(confidence)
        bound = (
            f"a cost of at most {level:.6g} a case" if kind == "cost" else f"{kind} of at least {level:.6g}"
        )
        self.claim = f"{bound} with {100 * confidence:.6g}% confidence"
        self.period = ", for rows like those of the select period" if by_time else ""

    def holds(self, eta: float, rows: int, errors: int | None, where: str) -> Certificate:
        return self._ended(f"proved: {self.claim}{self.period}, {where}.", eta, rows, errors, holds=True)

    def unproved(self, eta: float, rows: int, errors: int | None, where: str) -> Certificate:
        return self._ended(f"not proved: {self.claim}; {where}.", eta, rows, errors)

    def too_few(self, rows: int, needed: int, noun: str, however: str) -> Certificate:
        sentence = f"too few rows: {self.claim} takes {needed:,} {noun} {however}; there are {rows:,}."
        return self._ended(sentence, None, rows, None, needed=needed)

    def withheld(self, reason: str) -> Certificate:
        return self._ended(f"withheld: {reason} instead.", None, 0, None, withheld=True)

    def _ended(
        self,
        sentence: str,
        eta: float | None,
        rows: int,
        errors: int | None,
        *,
        holds: bool = False,
        needed: int | None = None,
        withheld: bool = False,
    ) -> Certificate:
        return Certificate(
            kind=self.kind,
            holds=holds,
            level=self.level,
            confidence=self.confidence,
            eta=eta,
            rows=rows,
            errors=errors,
            needed=needed,
            withheld=withheld,
            sentence=sentence,
        )


def _largest_miss(n: int, recall: float, confidence: float) -> int:
    """The most positives of n that may be missed by a proof; one that misses none succeeds."""
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if binomial.at_least(n - middle, n, recall) <= 1.0 - confidence:
            low = middle
        else:
            high = middle
    return low


def _divergence(a: float, b: float) -> float:
    """Relative entropy of two coins."""
    return sum(p * math.log(p / q) for p, q in ((a, b), (1.0 - a, 1.0 - b)) if p > 0.0)


def _refuse(**shares: float) -> None:
    for name, value in shares.items():
        if not 0.0 < value < 1.0:
            raise InputError(f"{name} {value}: give a number between 0 and 1, as in 0.95.")
