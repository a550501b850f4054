"""How seconds grow with rows and with columns, beside the peers that lead on dense data.

The same independent columns in every size; the same calibration and rounds as the grid.
"""

from __future__ import annotations

from typing import Any

from benchmarks.cases import Case, dense
from benchmarks.measure import measured
from benchmarks.peers import PEERS

BESIDE = ("sklearn lbfgs", "sklearn newton-cholesky", "sklearn newton-cg", "glum")
ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
COLUMNS = (5, 20, 50, 200, 500, 2000)


def sizes(quick: bool) -> list[tuple[str, int, int]]:
    """(what grows, rows, columns) of each size."""
    if quick:
        return [("rows", n // 10, 20) for n in ROWS[:3]] + [("columns", 5_000, p) for p in COLUMNS[:3]]
    return [("rows", n, 20) for n in ROWS] + [("columns", 50_000, p) for p in COLUMNS]


def scaled(grows: str, n: int, p: int, rounds: int, budget: float) -> dict[str, Any]:
    """One size."""
    problem = dense(n, p, 301)
    case = Case(f"{grows}: {n:,} x {p}", "scaling", lambda quick, data: problem)
    cell = measured(case, problem, rounds, budget, [peer for peer in PEERS if peer.name in BESIDE])
    return cell.document() | {"grows": grows, "rows": n, "columns": p}
