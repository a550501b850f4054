"""What the figures were measured on, and what no solver can beat there."""

from __future__ import annotations

import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks.peers import PEERS, cores, versions

NUMBERS = 25_000_000
"""Doubles that are read to measure the memory: 200 MB, beyond every cache."""


def machine() -> dict[str, Any]:
    """Processor, cores, memory speed, versions."""
    blas = sorted(
        {f"{one['internal_api']} {one['version']}" for one in threadpool_info() if one["user_api"] == "blas"}
    )
    one, several = bandwidth(1), bandwidth(cores())
    packages = {name: version(name) for name in ("oddsmith", "numpy", "scipy", "polars")}
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gb_per_s": {"one core": one, "all cores": several},
        "python": platform.python_version(),
        "system": platform.system(),
        "blas": blas,
        "long_double_digits": int(np.finfo(np.longdouble).precision),
        "versions": packages | versions(),
        "not_installed": sorted({peer.package for peer in PEERS if not peer.is_installed}),
    }


def bandwidth(n_threads: int) -> float:
    """GB a second that this many cores read together, as fast as BLAS can: the best of five."""
    x = np.ones(NUMBERS)
    parts = np.array_split(x, n_threads)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(n_threads) as pool:
        seconds = []
        for _ in range(5):
            start = perf_counter()
            list(pool.map(lambda part: float(part @ part), parts))
            seconds.append(perf_counter() - start)
    return x.nbytes / min(seconds) / 1e9


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def load() -> float:
    """Processes at work in the last minute, NaN where the system doesn't say."""
    return os.getloadavg()[0] if sys.platform != "win32" else float("nan")
