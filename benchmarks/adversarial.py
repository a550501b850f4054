"""Data that break solvers: heavy tails, absurd units, rows that decide alone, layouts, classes told apart.

For each case: where oddsmith ends relative to the optimum (long double), the status it gives, its passes over
the rows and its seconds. `expected` is the status that is right; without a finite optimum there is no reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.cases import dense, labels, normal, truth
from benchmarks.measure import clock, quiet, worst
from benchmarks.ours import fitted
from benchmarks.problem import Problem
from benchmarks.reference import references

BAR = 1e-9


@dataclass(frozen=True)
class Trap:
    """`make(n)` gives the problem with about n rows."""

    name: str
    make: Callable[[int], Problem]
    expected: str = "converged"


def _base(n: int, ridge: float = 1.0) -> Problem:
    return dense(n, 20, 201, ridge)


def _scaled(factor: float) -> Callable[[int], Problem]:
    return lambda n: _with(_base(n, 0.0), lambda X: X * factor)


def _shifted(sigmas: float) -> Callable[[int], Problem]:
    return lambda n: _with(_base(n, 0.0), lambda X: X + sigmas)


def _with(problem: Problem, change: Callable[[np.ndarray], Any]) -> Problem:
    return replace(problem, X=change(problem.X))


def _drawn(X: np.ndarray, shift: float = 0.0) -> Problem:
    eta = (X - np.median(X, axis=0)) @ truth(X.shape[1], 202)[:, 0] + shift
    return Problem(X, labels(np.clip(eta, -30.0, 30.0), 202), 1.0 / len(X))


def _traps_in_columns(ridge: float) -> Callable[[int], Problem]:
    def change(X: np.ndarray) -> np.ndarray:
        X = X.copy()
        X[:, 3] = 7.0
        X[:, 4] = X[:, 5]
        return X

    return lambda n: _with(_base(n, ridge), change)


def _heavy_rows(n: int) -> Problem:
    problem = _base(n)
    problem.X[: max(5, n // 4000)] *= 1e4
    return problem


def _apart(ridge: float) -> Callable[[int], Problem]:
    def make(n: int) -> Problem:
        X = normal(n, 20, 203)
        return Problem(X, (X @ truth(20, 203)[:, 0] > 0.0).astype(np.int64), ridge / n)

    return make


def _rare_flags(n: int) -> Problem:
    X = (np.random.default_rng(204).random((n, 20)) < 0.001).astype(float)
    return _drawn(X, -0.5)


def _periodic(n: int) -> Problem:
    problem = _base(n)
    problem.X[::4] *= 5.0
    problem.X[1::4] += 3.0
    return problem


def _sorted(n: int) -> Problem:
    problem = _base(n)
    order = np.argsort(problem.y, kind="stable")
    return replace(problem, X=problem.X[order], y=problem.y[order])


def _one_in_ten_thousand(n: int) -> Problem:
    problem = _base(n)
    y = np.zeros(n, dtype=np.int64)
    chosen = np.argsort(-problem.X[:, 0] - np.random.default_rng(205).normal(size=n) * 3.0)
    y[chosen[: max(3, n // 10_000)]] = 1
    return replace(problem, y=y)


def _weights(n: int) -> Problem:
    weight = 10.0 ** np.random.default_rng(206).uniform(-3.0, 3.0, n)
    return replace(_base(n), weight=weight, alpha=1.0 / float(weight.sum()))


def _strided(n: int) -> Problem:
    problem = dense(2 * n, 40, 211)
    return replace(problem, X=problem.X[::2, ::2], y=problem.y[::2], alpha=1.0 / n)


def _read_only(X: np.ndarray) -> np.ndarray:
    X.flags.writeable = False
    return X


def _wide(n: int) -> Problem:
    return dense(max(50, n // 500), 1000, 207)


def _few(n_rows: int) -> Callable[[int], Problem]:
    return lambda n: Problem(normal(n_rows, 2, 208), np.arange(n_rows) % 2, 1.0 / n_rows)


def _single_far(n: int) -> Problem:
    return _with(_base(n), lambda X: (X + 100.0).astype(np.float32))


TRAPS = [
    Trap("plain", _base),
    Trap("columns x 1e8, no penalty", _scaled(1e8)),
    Trap("columns x 1e-8, no penalty", _scaled(1e-8)),
    Trap("1e6 sigmas off centre, no penalty", _shifted(1e6)),
    Trap("1e9 sigmas off centre, no penalty", _shifted(1e9)),
    Trap("constant and duplicate columns, ridge", _traps_in_columns(1.0)),
    Trap("constant and duplicate columns, no penalty", _traps_in_columns(0.0)),
    Trap("Student t(2) columns", lambda n: _drawn(np.random.default_rng(209).standard_t(2, (n, 20)))),
    Trap("log-normal(1.5) columns", lambda n: _drawn(np.exp(1.5 * normal(n, 20, 210)), -1.0)),
    Trap("one row in 4,000 x 1e4", _heavy_rows),
    Trap("told apart, ridge 1", _apart(1.0)),
    Trap("told apart, ridge 1e-6", _apart(1e-6)),
    Trap("told apart, no penalty", _apart(0.0), "no_finite_optimum"),
    Trap("0/1 columns with 0.1% ones", _rare_flags),
    Trap("rows of period 4", _periodic),
    Trap("label-sorted rows", _sorted),
    Trap("0.01% positives", _one_in_ten_thousand),
    Trap("weights from 1e-3 to 1e3", _weights),
    Trap("more columns than rows, ridge", _wide),
    Trap("float32, 100 sigmas off centre", _single_far),
    Trap("Fortran order", lambda n: _with(_base(n), np.asfortranarray)),
    Trap("every other row and column of an array", _strided),
    Trap("read-only array", lambda n: _with(_base(n), _read_only)),
    Trap("2 rows", _few(2)),
    Trap("3 rows", _few(3)),
    Trap("8 rows", _few(8)),
]


def shown(trap: Trap, quick: bool) -> dict[str, Any]:
    """What oddsmith does with it."""
    problem = trap.make(20_000 if quick else 200_000)
    n, p = problem.X.shape
    row: dict[str, Any] = {"name": trap.name, "shape": f"{n:,} x {p:,}", "expected": trap.expected}
    try:
        with quiet():
            fitted(problem.few())
            seconds, found = clock(lambda: fitted(problem))
    except Exception as error:  # what is refused is told, and the others are tried
        return row | {"note": f"{type(error).__name__}: {error}"[:300], "passed": False}
    row |= {"seconds": seconds, **found.facts}
    right = found.facts["status"] == trap.expected
    if trap.expected != "converged":
        return row | {"passed": right}
    best = references(problem)
    row["suboptimality"] = worst(problem, best, found.coefficients)
    row["gap"] = best[0].gap
    return row | {"passed": right and row["suboptimality"] <= BAR}
