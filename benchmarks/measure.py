"""Seconds that can be compared: one process, the same arrays, everyone in turn, at the same objective.

1. Calibration. Each peer climbs its ladder of tolerances from the loosest on and stops at the first that
   reaches the case's bar, so that it is neither starved nor made to overdo. Before that it fits a handful of
   rows of the same kind: compilation is not timed. A peer that uses up its budget on the way shows the best
   that it reached.
2. Rounds of those that are correct. oddsmith, peer 1, peer 2, ..., oddsmith, ...: the speed of the machine
   drifts for everyone. Before each turn there is a tenth of a second of rest, in which the threads of the one
   before come to an end. A participant that has used its budget sits out the rounds that are left. The figure
   is the median.

`X @ w` is timed in every round too, with BLAS on one thread.
"""

from __future__ import annotations

import gc
import math
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from time import perf_counter, sleep
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.cases import Case
from benchmarks.machine import load
from benchmarks.ours import Ours, fitted
from benchmarks.peers import PEERS, Peer
from benchmarks.problem import Coefficients, Problem
from benchmarks.reference import Reference, references

SHORT = 0.02
"""Seconds: what is faster is repeated within a round until it has taken this long."""

REST = 0.1
"""Seconds between participants: threads of BLAS and OpenMP spin on for a while after their work is done."""

LEAST_ITERATIONS = 20
"""Of a peer, whatever the budget: Newton's methods need no more, and each may take seconds."""
PATIENCE = 5.0
"""A peer's budget is at least this many times what oddsmith takes."""


@dataclass
class Figure:
    """What one participant did on one case."""

    name: str
    suboptimality: float = math.nan
    seconds: list[float] = field(default_factory=list)
    """One a round."""
    calibration: list[tuple[float, float, float]] = field(default_factory=list)
    """(tolerance, seconds, relative suboptimality) of each rung that was tried."""
    tolerance: float | None = None
    correct: bool = False
    solver_seconds: list[float] = field(default_factory=list)
    """Of oddsmith's rounds, what was spent within its solver."""
    note: str = ""
    """Why it has no figure, or stops short."""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Seconds; where it took part in no round, those of the rung that came nearest to the optimum."""
        if self.seconds:
            return statistics.median(self.seconds)
        return min(self.calibration, key=lambda rung: rung[2])[1] if self.calibration else math.nan


@dataclass
class Cell:
    """A case, measured."""

    name: str
    group: str
    shape: str
    bar: float
    product: float
    """Seconds of `X @ w`, BLAS on one thread."""
    reference: str
    gap: float
    load: float
    """Load of the machine when it began."""
    figures: list[Figure]

    @property
    def ours(self) -> Figure:
        """oddsmith's."""
        return self.figures[0]

    @property
    def peers(self) -> list[Figure]:
        """Those that ran, fastest first."""
        ran = [one for one in self.figures[1:] if one.median > 0.0]
        return sorted(ran, key=lambda one: one.median)

    @property
    def fastest(self) -> Figure | None:
        """The fastest correct peer."""
        return next((one for one in self.peers if one.correct), None)

    @property
    def ratio(self) -> float:
        """Seconds of the fastest correct peer over ours; NaN where one of them is missing."""
        if self.fastest is None or not self.ours.correct:
            return math.nan
        return self.fastest.median / self.ours.median

    def document(self) -> dict[str, Any]:
        """As JSON, with what follows from the figures."""
        figures = [
            asdict(one)
            | {"median": one.median, "solver_median": statistics.median(one.solver_seconds or [math.nan])}
            for one in self.figures
        ]
        fastest = None if self.fastest is None else self.fastest.name
        return {**asdict(self), "figures": figures, "fastest": fastest, "ratio": self.ratio}


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of solvers that stop early: what they reached is measured."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def clock(run: Callable[[], Any], times: int = 1) -> tuple[float, Any]:
    """Seconds of one run, the mean of `times`, and what the last one returned."""
    start = perf_counter()
    for _ in range(times):
        found = run()
    return (perf_counter() - start) / times, found


def product_seconds(X: Any) -> float:
    """Seconds of `X @ w` with BLAS on one thread: the least of three, each 20 ms or one product long."""
    w = np.random.default_rng(0).standard_normal(X.shape[1]).astype(X.dtype)
    with threadpool_limits(1, "blas"):
        once, _ = clock(lambda: X @ w)
        times = max(1, int(SHORT / max(once, 1e-7)))
        return min(clock(lambda: X @ w, times)[0] for _ in range(3))


def measured(case: Case, problem: Problem, rounds: int, budget: float, peers: Sequence[Peer] = PEERS) -> Cell:
    """Everyone who suits the problem, on it. `budget` is seconds a participant, once in each phase, at least."""
    gc.collect()
    gc.freeze()  # what is there by now need not be searched again in the middle of a fit
    loaded = load()
    best = references(problem)
    product = product_seconds(problem.X)
    ours = _tried(problem, best, case.bar)
    figures = [ours]
    budget = max(budget, PATIENCE * (ours.median if ours.calibration else 0.0))
    runs: dict[str, Callable[[], Any]] = {} if ours.note else {ours.name: lambda: fitted(problem)}
    for peer in peers:
        if not (peer.suits(problem) and peer.is_installed):
            continue
        figure, most = _calibrated(peer, problem, best, case.bar, budget, product)
        figures.append(figure)
        if figure.correct:
            runs[peer.name] = lambda peer=peer, at=figure.tolerance, most=most: peer.fit(problem, at, most)
    products = [product]
    for _ in range(rounds):
        for figure in figures:
            spent = sum(figure.seconds)
            if figure.name not in runs or (figure.seconds and spent >= budget):
                continue
            if figure.calibration and figure.calibration[-1][1] > budget:
                continue
            times = max(1, int(SHORT / max(figure.calibration[-1][1], 1e-6)))
            sleep(REST)
            with quiet():
                seconds, found = clock(runs[figure.name], min(times, 100))
            figure.seconds.append(seconds)
            if isinstance(found, Ours):
                figure.solver_seconds.append(found.solver_seconds)
        products.append(product_seconds(problem.X))
    n, p = problem.X.shape
    return Cell(
        case.name,
        case.group,
        f"{n:,} x {p:,}" + (f", {problem.X.nnz / (n * p):.2%} filled" if problem.is_sparse else ""),
        case.bar,
        statistics.median(products),
        best[0].method,
        max(one.gap for one in best),
        loaded,
        figures,
    )


def worst(problem: Problem, best: list[Reference], found: list[Coefficients]) -> float:
    """The largest relative suboptimality of the members."""
    return max(
        one.suboptimality(member, at) for one, member, at in zip(best, problem.members, found, strict=True)
    )


def _tried(problem: Problem, best: list[Reference], bar: float) -> Figure:
    """oddsmith's figure before the rounds."""
    figure = Figure("oddsmith")
    try:
        with quiet():
            fitted(problem.few())
            seconds, found = clock(lambda: fitted(problem))
    except Exception as error:  # whatever it says, the peers are measured
        figure.note = f"refused: {type(error).__name__}: {error}"[:300]
        return figure
    figure.suboptimality = worst(problem, best, found.coefficients)
    figure.calibration.append((math.nan, seconds, figure.suboptimality))
    figure.correct = figure.suboptimality <= bar
    figure.facts = found.facts
    return figure


def _calibrated(
    peer: Peer, problem: Problem, best: list[Reference], bar: float, budget: float, product: float
) -> tuple[Figure, int]:
    """The loosest tolerance that reaches the bar, and the iterations that the budget allows."""
    figure = Figure(peer.name)
    most = int(
        min(1e6, max(LEAST_ITERATIONS, budget / (peer.products * product + 1e-4) / len(problem.members)))
    )
    spent = 0.0
    with suppress(Exception), quiet():  # what goes wrong goes wrong again below, and is told there
        peer.fit(problem.few(), peer.ladder[0], 10)
    for tolerance in peer.ladder:
        try:
            with quiet():
                seconds, found = clock(lambda at=tolerance: peer.coefficients(problem, at, most))
        except Exception as error:  # whatever a solver says, the others are measured
            figure.note = f"{type(error).__name__}: {error}"[:300]
            break
        reached = worst(problem, best, found)
        figure.calibration.append((tolerance, seconds, reached))
        if figure.tolerance is None or not reached >= figure.suboptimality:
            figure.tolerance, figure.suboptimality = tolerance, reached
        if reached <= bar:
            figure.correct = True
            break
        spent += seconds
        if spent >= budget:
            break
    if not figure.correct and not figure.note:
        figure.note = "stops short of the bar" if tolerance == peer.ladder[-1] else "out of time"
    return figure, most
