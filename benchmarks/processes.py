"""Whole processes: from a shell prompt to a model, with the peak of their memory.

    import        what a program pays before its first line
    csv           1e6 x 20 numbers and a label: `oddsmith train`, pandas + scikit-learn, and polars reading alone
    cold_predict  `oddsmith predict` on 400 students, beside pandas + scikit-learn
    scan_share    the share of its checks in reading a file (only when asked for: it needs 1 GB of disk)

Everyone takes turns, each run a process of its own; figures are medians. Peak memory is what the system
says of the process (ru_maxrss).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PANDAS = """
import pickle, pandas as pd
from sklearn.linear_model import LogisticRegression
table = pd.read_csv("table.csv"{engine})
y = table.pop("y")
model = LogisticRegression(C=float("inf"), max_iter=1000, tol=1e-5).fit(table, y)
pickle.dump(model, open("peer.pkl", "wb"))
"""

Command = list[str]


def python(code: str) -> Command:
    """A process that runs these lines."""
    return [sys.executable, "-c", code]


LAUNCHER = """
import os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(time.perf_counter() - start, usage.ru_maxrss, flush=True)
os._exit(os.waitstatus_to_exitcode(status) != 0)
"""
"""A small process that starts the measured one: Linux counts the memory of whoever forks as the child's peak."""


def run(command: Command, folder: Path) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of a process."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, *command],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:80]}: {done.stderr[-500:]}")
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak / (1e6 if sys.platform == "darwin" else 1e3)


def _environment() -> dict[str, str]:
    """As it is here, with what is imported from made absolute: children work in another folder."""
    paths = [str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def compared(commands: dict[str, Command], folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Median seconds and largest peak of each, everyone in turn; the first round only warms the disk's cache."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            runs[name].append(run(command, folder))
    return [
        {
            "name": name,
            "seconds": statistics.median(seconds for seconds, _ in found[1:]),
            "peak_mb": max(peak for _, peak in found[1:]),
        }
        for name, found in runs.items()
    ]


def imports(quick: bool, rounds: int) -> list[dict[str, Any]]:
    """Start-up."""
    commands = {
        "python, nothing imported": python("pass"),
        "import oddsmith": python("import oddsmith"),
        "from oddsmith import LogisticRegression": python("from oddsmith import LogisticRegression"),
        "from sklearn.linear_model import LogisticRegression": python(
            "from sklearn.linear_model import LogisticRegression"
        ),
        "oddsmith --help": [sys.executable, "-m", "oddsmith", "--help"],
    }
    return compared(commands, Path.cwd(), rounds)


def csv(quick: bool, rounds: int) -> list[dict[str, Any]]:
    """From a CSV to a model file."""
    import numpy as np
    import polars as pl

    from benchmarks.cases import dense

    n = 20_000 if quick else 1_000_000
    problem = dense(n, 20, 401)
    table = pl.DataFrame(problem.X, schema=[f"x{j}" for j in range(20)]).with_columns(
        y=pl.Series(problem.y.astype(np.int8))
    )
    commands = {
        "oddsmith train": [
            *(sys.executable, "-m", "oddsmith", "train", "table.csv", "--target", "y"),
            *("-o", "model.json", "-q"),
        ],
        "pandas + scikit-learn": python(PANDAS.format(engine="")),
        "pandas (pyarrow) + scikit-learn": python(PANDAS.format(engine=", engine='pyarrow'")),
        "polars.read_csv alone": python("import polars; polars.read_csv('table.csv')"),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table.write_csv(folder / "table.csv")
        size = (folder / "table.csv").stat().st_size / 1e6
        del table, problem
        rows = compared(commands, folder, rounds)
    return [row | {"shape": f"{n:,} x 20, {size:,.0f} MB"} for row in rows]


def cold_predict(quick: bool, rounds: int) -> list[dict[str, Any]]:
    """From a saved model to a file of predictions."""
    from benchmarks.cold_predict import commands, prepare

    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        return compared(commands(), Path(name), rounds)


def scan_share(quick: bool, rounds: int) -> list[dict[str, Any]]:
    """The share of the checks in reading 400 MB."""
    from benchmarks.scan_share import measured

    return [
        {"name": f"read_table, {kind}", "seconds": seconds, "note": f"checks {share:.1%} of it"}
        for kind, (seconds, share) in measured().items()
    ]


STORIES = {"import": imports, "csv": csv, "cold_predict": cold_predict, "scan_share": scan_share}
ON_DEMAND = ("scan_share",)
"""What is only measured when `--only` names it."""
