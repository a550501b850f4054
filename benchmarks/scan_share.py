"""How much of reading a table goes into proving that it is one? The checks of bytes and structure against `read_table`.

    python -m benchmarks --only scan_share     # or, failing where it is too much:
    python benchmarks/scan_share.py            # needs 1 GB of disk and 3 GB of memory

The table has 400 MB: ten numbers of full length and a label in each row. Its checks - that it decodes, holds no
NUL and has a cell for every column in each row - may take 15% of the time that reading takes, in the median of
all runs. The same rows with every cell quoted, and with CR LF, are for comparison.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from oddsmith.data import delimited
from oddsmith.data import read as reading

SIZE = 400_000_000
RUNS = 7
MOST = 0.15
CHECKS = ((reading, "utf8_chunks"), (delimited, "scan"))


def rows(seed: int) -> Iterator[list[str]]:
    """Rows without end."""
    rng = np.random.default_rng(seed)
    while True:
        for numbers in rng.normal(size=(1000, 10)).tolist():
            yield [*map(repr, numbers), str(int(numbers[0] > 0))]


def write(path: Path, line: Callable[[list[str]], str]) -> None:
    """About 400 MB of rows; the same ten thousand again and again, which changes no figure here."""
    header = line([*(f"x{j}" for j in range(10)), "y"]).encode()
    source = rows(0)
    body = "".join(line(next(source)) for _ in range(10_000)).encode()
    with path.open("wb") as stream:
        stream.write(header)
        for _ in range(SIZE // len(body)):
            stream.write(body)


def shares(path: Path) -> tuple[float, float]:
    """Medians over the runs: seconds of `read_table`, and the share of its checks."""
    spent = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal spent
            start = perf_counter()
            try:
                found = function(*args, **kwargs)
                return iter(list(found)) if isinstance(found, Iterator) else found
            finally:
                spent += perf_counter() - start

        return run

    plain = {check: getattr(*check) for check in CHECKS}
    for (module, name), function in plain.items():
        setattr(module, name, timed(function))
    totals, parts = [], []
    for _ in range(RUNS + 1):
        spent, start = 0.0, perf_counter()
        reading.read_table(path)
        totals.append(perf_counter() - start)
        parts.append(spent / totals[-1])
    for (module, name), function in plain.items():
        setattr(module, name, function)
    return statistics.median(totals[1:]), statistics.median(parts[1:])


def measured() -> dict[str, tuple[float, float]]:
    """Seconds and share of each kind of file."""
    kinds: dict[str, Callable[[list[str]], str]] = {
        "plain": lambda cells: ",".join(cells) + "\n",
        "CR LF": lambda cells: ",".join(cells) + "\r\n",
        "quoted": lambda cells: ",".join(f'"{cell}"' for cell in cells) + "\n",
    }
    found = {}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "table.csv"
        for kind, line in kinds.items():
            write(path, line)
            found[kind] = shares(path)
    return found


def main() -> None:
    """Run, print, and fail where the plain file's share is too large."""
    found = measured()
    for kind, (seconds, share) in found.items():
        print(f"{kind:8s} {SIZE / 1e6:.0f} MB in {seconds:.2f} s, checks {share:.1%} of it")
    if found["plain"][1] > MOST:
        sys.exit(f"the checks of a plain file may take {MOST:.0%}")


if __name__ == "__main__":
    main()
