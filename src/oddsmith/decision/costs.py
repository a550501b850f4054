"""What an action costs at a probability, and which one is the cheapest.

Two classes, at the probability p of the positive one, less the p c_tp + (1 - p) c_tn that nobody can avoid:

    negative   p c_fn                                  c_fn and c_fp here beyond c_tp and c_tn
    defer      c_r + p h_fn c_fn + (1 - p) h_fp c_fp   a person who errs at the rates h_fn and h_fp
    positive   (1 - p) c_fp

K classes: expected cost of action a = sum over classes k of proba_k C[k, a]. The cheapest action is taken, the first
of ties. There may be more actions than classes: one that hands the case to a person is one more column.

A row's cost is a sum over its own numbers in a fixed order, so that no other row can change its last digit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddsmith.errors import InputError, visible
from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import Floats, require
from oddsmith.fit.losses import expit

Actions = NDArray[np.intp]
"""(n,) positions in the list of actions."""


class Reviewer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How often a person who looks at a case is wrong about it.

    Raises:
        InputError: a rate is not a number from 0 up to, but not including, 1.
    """

    fn: float = 0.0
    """Share of positives that the person passes."""
    fp: float = 0.0
    """Share of negatives that the person stops."""

    def __post_init__(self) -> None:
        for name in ("fn", "fp"):
            rate = getattr(self, name)
            if not 0.0 <= rate < 1.0:
                raise InputError(f"reviewer error {name}={rate}: not a rate. Give a share from 0 to below 1.")
            msgspec.structs.force_setattr(self, name, float(rate))


PERFECT = Reviewer()


def parse_cost(text: str) -> Cost:
    """The costs of "fn=120,fp=18", with tn, tp and defer where they are not the default.

    Raises:
        InputError: fn or fp is missing, a name is unknown or stands twice, or a cost is refused by `Cost`.
    """
    return Cost(**_named(text, "cost", ("fn", "fp"), ("tn", "tp", "defer"), "fn=120,fp=18"))


def parse_reviewer(text: str) -> Reviewer:
    """The error rates of "fn=.02,fp=.05"; a rate that is left out is 0.

    Raises:
        InputError: a name is unknown or stands twice, or a rate is refused by `Reviewer`.
    """
    return Reviewer(**_named(text, "reviewer-error", (), ("fn", "fp"), "fn=.02,fp=.05"))


def _named(
    text: str, option: str, needed: Sequence[str], others: Sequence[str], example: str
) -> dict[str, float]:
    parts = [part.strip().split("=", 1) for part in text.split(",")]
    try:
        values = {name.strip(): float(value) for name, value in parts}
    except ValueError:
        values = {}
    if not (values and len(values) == len(parts) and set(needed) <= set(values) <= {*needed, *others}):
        names = ", ".join((*needed, *others))
        needs = f"; {' and '.join(needed)} are needed" if needed else ""
        raise InputError(f"--{option} '{visible(text)}': give it as {example} (names: {names}{needs}).")
    return values


def prices(cost: Cost, reviewer: Reviewer = PERFECT) -> Floats:
    """What each action costs for a negative and for a positive, (2, 2), or (2, 3) where `defer` has a cost.

    The columns are negative, `defer`, positive; that of `defer` is the mean over what the person gets wrong.
    """
    columns = [[cost.tn, cost.fn], [cost.fp, cost.tp]]
    if cost.defer is not None:
        of_negative = cost.defer + cost.tn + reviewer.fp * cost.excess_fp
        of_positive = cost.defer + cost.tp + reviewer.fn * cost.excess_fn
        columns.insert(1, [of_negative, of_positive])
    return np.array(columns).T


def expected_costs(eta: ArrayLike, cost: Cost, reviewer: Reviewer = PERFECT) -> Floats:
    """Expected cost of each action at log-odds (n,): (n, 2) or (n, 3), the columns of `prices`."""
    scores = np.asarray(eta, dtype=np.float64)
    of_negative, of_positive = prices(cost, reviewer)
    return np.asarray(expit(scores)[:, None] * of_positive + expit(-scores)[:, None] * of_negative)


class RowCosts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Costs of which some differ from row to row: each is a number, or the name of the column that has it.

    Raises:
        InputError: a number is not finite.
    """

    fn: float | str
    fp: float | str
    tn: float | str = 0.0
    tp: float | str = 0.0

    def __post_init__(self) -> None:
        for name in ("fn", "fp", "tn", "tp"):
            value = getattr(self, name)
            if not isinstance(value, str):
                if not math.isfinite(value):
                    raise InputError(
                        f"cost {name}={value}: not a finite number. Give one, or a column's name."
                    )
                msgspec.structs.force_setattr(self, name, float(value))

    @property
    def columns(self) -> list[str]:
        """The columns that a row needs beside its features, each once."""
        named = [value for value in (self.fn, self.fp, self.tn, self.tp) if isinstance(value, str)]
        return list(dict.fromkeys(named))

    def excess(self, columns: Mapping[str, ArrayLike], n: int) -> tuple[Floats, Floats]:
        """What a miss and what a false alarm costs beyond the right answer in each of n rows, (n,) both.

        Raises:
            InputError: a column is absent or has another length, a cost is not finite, or a wrong answer costs
                no more than the right one.
        """
        fn, fp, tn, tp = (
            self._of_rows(name, getattr(self, name), columns, n) for name in ("fn", "fp", "tn", "tp")
        )
        for wrong, right, beyond in (("fn", "tp", fn - tp), ("fp", "tn", fp - tn)):
            rule = f"In each row {wrong} costs more than {right}, or errors would be rewarded."
            require((beyond > 0) & np.isfinite(beyond), beyond, f"cost {wrong} less {right}", rule)
        return fn - tp, fp - tn

    def thresholds(self, columns: Mapping[str, ArrayLike], n: int) -> Floats:
        """The analytic threshold of each of n rows, (n,) log-odds; errors as `excess`."""
        excess_fn, excess_fp = self.excess(columns, n)
        return np.asarray(np.log(excess_fp) - np.log(excess_fn))

    @staticmethod
    def _of_rows(name: str, given: float | str, columns: Mapping[str, ArrayLike], n: int) -> Floats:
        if not isinstance(given, str):
            return np.full(n, given)
        if given not in columns:
            raise InputError(f"no column '{visible(given)}' for the cost {name}. Give it for every row.")
        values = np.asarray(columns[given], dtype=np.float64)
        if values.shape != (n,):
            raise InputError(
                f"column '{visible(given)}' has shape {values.shape}. Give one cost for each of the {n} rows."
            )
        require(np.isfinite(values), values, f"cost {name}", "Costs are finite.")
        return values


def parse_row_costs(text: str | None, columns: Sequence[str]) -> RowCosts:
    """The costs of "fp=18" that are the same in each row, and of "fn=amount" that are columns; a bare name is that of fn.

    Raises:
        InputError: fn or fp is missing, a name is unknown or stands twice, or a number is refused by `RowCosts`.
    """
    numbers = {} if text is None else _named(text, "cost", (), ("fn", "fp", "tn", "tp"), "fp=18")
    named: dict[str, float | str] = dict(numbers)
    for column in columns:
        what, sign, name = column.partition("=")
        if not sign:
            what, name = "fn", column
        if what not in ("fn", "fp", "tn", "tp") or not name or what in named:
            raise InputError(
                f"--cost-column '{visible(column)}': give one of fn, fp, tn and tp that --cost lacks, and the column that "
                f"has it, as in fn=amount."
            )
        named[what] = name
    for needed in ("fn", "fp"):
        if needed not in named:
            raise InputError(
                f"the cost {needed} is missing. Add it to --cost, or name its column: --cost-column {needed}=NAME."
            )
    return RowCosts(**named)


class CostMatrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """C[true class, action] for K classes and A actions, in any unit.

    Raises:
        InputError: there are fewer than two classes or actions, a name stands twice, or the costs are not
            K rows of A finite numbers.
    """

    classes: list[str]
    actions: list[str]
    cost: list[list[float]]

    def __post_init__(self) -> None:
        for what, names in (("class", self.classes), ("action", self.actions)):
            if len(names) < 2 or len(set(names)) < len(names):
                shown = visible(", ".join(names), 200)
                raise InputError(f"cost matrix: {what} names '{shown}'. Give at least two, each once.")
        K, A = len(self.classes), len(self.actions)
        if len(self.cost) != K or any(len(row) != A for row in self.cost):
            raise InputError(
                f"cost matrix: give {K} rows of {A} costs, a row a class and a column an action."
            )
        for name, row in zip(self.classes, self.cost, strict=True):
            for action, value in zip(self.actions, row, strict=True):
                if not math.isfinite(value):
                    raise InputError(
                        f"cost matrix: class '{visible(name)}', action '{visible(action)}': {value}. "
                        f"Costs are finite numbers."
                    )
        msgspec.structs.force_setattr(self, "cost", [[float(value) for value in row] for row in self.cost])

    def expected(self, proba: ArrayLike) -> Floats:
        """Expected cost (n, A) of each action at probabilities (n, K).

        Raises:
            InputError: the probabilities are not of K classes, or one of them is not a number from 0 to 1.
        """
        shares = np.asarray(proba, dtype=np.float64)
        if shares.ndim != 2 or shares.shape[1] != len(self.classes):
            raise InputError(
                f"probabilities have shape {shares.shape}. Give (n, {len(self.classes)}), a column a class."
            )
        sound = (shares >= 0) & (shares <= 1)
        worst = np.take_along_axis(shares, sound.argmin(axis=1)[:, None], axis=1)[:, 0]
        require(np.asarray(sound.all(axis=1)), worst, "probability", "Probabilities are numbers from 0 to 1.")
        total = np.zeros((len(shares), len(self.actions)))
        for k, row in enumerate(self.cost):
            total += shares[:, k, None] * np.array(row)
        return total

    def cheapest(self, proba: ArrayLike) -> Actions:
        """The action (n,) of least expected cost at probabilities (n, K), the first of ties."""
        return np.asarray(self.expected(proba).argmin(axis=1))
