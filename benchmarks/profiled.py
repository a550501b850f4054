"""Where oddsmith's own time goes, and how near that is to what the memory allows.

A profile of one thread, by function: NumPy's work is counted for the function that asked for it. The limit is
the time to read the rows from memory as often as the fit read them, at the speed that all cores reach together
(for small data, which stay in a cache, it is no limit).
"""

from __future__ import annotations

import cProfile
import pstats
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.machine import bandwidth
from benchmarks.measure import clock, product_seconds, quiet
from benchmarks.ours import fitted
from benchmarks.peers import cores

PROFILED = ("1e6 x 20", "1e6 x 50", "softmax 3e5 x 50, K=10", "sparse 2e5 x 5e4", "L1 1e5 x 100", "8 x 2")
SHOWN = 8
"""Functions that are named."""


def profiled(name: str, quick: bool) -> dict[str, Any]:
    """One case of the grid."""
    case = next(case for case in CASES if case.name == name)
    problem = case.make(quick, None)
    assert problem is not None
    row: dict[str, Any] = {"name": name}
    times = 200 if case.group == "small" else 1
    try:
        with quiet():
            fitted(problem)
            seconds, found = clock(lambda: fitted(problem), times)
            one, _ = clock(lambda: fitted(problem, n_threads=1), times)
            profile = cProfile.Profile()
            profile.enable()
            for _ in range(times):
                fitted(problem, n_threads=1)
            profile.disable()
    except Exception as error:  # what is refused is told
        return row | {"note": f"{type(error).__name__}: {error}"[:300]}
    size = problem.X.data.nbytes + problem.X.indices.nbytes if problem.is_sparse else problem.X.nbytes
    passes = found.facts["passes"]
    return row | {
        "seconds": seconds,
        "one_thread_seconds": one,
        "product_seconds": product_seconds(problem.X),
        "passes": passes,
        "limit_seconds": passes * size / 1e9 / bandwidth(cores()),
        "functions": _functions(profile),
    }


def _functions(profile: cProfile.Profile) -> list[tuple[str, float]]:
    """(function, share of the time within itself), the largest first."""
    entries = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(entry[2] for entry in entries.values())
    own: dict[str, float] = {}
    for (path, _, function), entry in entries.items():
        place = "built in" if path == "~" else Path(path).stem
        name = f"{place}: {function.strip('<>')}"
        own[name] = own.get(name, 0.0) + entry[2] / total
    return sorted(own.items(), key=lambda item: -item[1])[:SHOWN]
