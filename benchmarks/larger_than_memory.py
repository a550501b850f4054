"""Files larger than memory: seconds, peak memory and rows a second of `predict`, `evaluate` and `describe`.

    python benchmarks/larger_than_memory.py --gigabytes 4 --memory 1GB [--folder DIR]

Generates a CSV and a Parquet file of that size - 26 numbers of full length, 3 categories, an id and a label -,
trains a model on the first rows, and runs each verb with `--memory` on both. Peak memory is the maximum resident
set size of the process, as the system reports it. `polars.scan_csv(...).select(...)` in its streaming engine,
which reads every column and adds up the numbers, says how fast the machine reads the same file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

NUMBERS = 26
AT_ONCE = 100_000
TRAINING = 50_000
READ = """
import sys, polars as pl
scan = {"csv": pl.scan_csv, "parquet": pl.scan_parquet}[sys.argv[2]]
print(scan(sys.argv[1]).select(pl.col("^x.*$").sum(), pl.col("^c.*$").n_unique()).collect(engine="streaming").width)
"""


def frames(seed: int) -> Iterator[pl.DataFrame]:
    """Rows without end."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(0).normal(0.0, 0.3, NUMBERS)
    start = 0
    while True:
        X = rng.normal(size=(AT_ONCE, NUMBERS))
        X[:, 0] = np.round(X[:, 0] * 10)
        y = rng.random(AT_ONCE) < 1.0 / (1.0 + np.exp(-X @ truth))
        levels = [np.array([f"level {k}" for k in range(size)]) for size in (3, 7, 20)]
        yield pl.DataFrame(
            {"id": [f"R{row:09d}" for row in range(start, start + AT_ONCE)]}
            | {f"x{j}": X[:, j] for j in range(NUMBERS)}
            | {f"c{k}": names[rng.integers(0, len(names), AT_ONCE)] for k, names in enumerate(levels)}
            | {"y": np.where(y, "yes", "no")}
        )
        start += AT_ONCE


def write_csv(path: Path, size: float) -> int:
    """A CSV file of about `size` bytes; returns its rows."""
    rows = 0
    with path.open("wb") as stream:
        for frame in frames(1):
            frame.write_csv(stream, include_header=not rows)
            rows += frame.height
            if stream.tell() >= size:
                return rows
    return rows


def write_parquet(path: Path, size: float) -> int:
    """A Parquet file of about `size` bytes, with row groups of a million rows and checksums; returns its rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, writer, held = 0, None, []
    with path.open("wb") as stream:
        for frame in frames(2):
            held.append(frame.to_arrow())
            rows += frame.height
            if len(held) == 10:
                writer = writer or pq.ParquetWriter(stream, held[0].schema, write_page_checksum=True)
                writer.write_table(pa.concat_tables(held), row_group_size=10 * AT_ONCE)
                held.clear()
            if stream.tell() >= size and not held and writer is not None:
                writer.close()
                return rows
    return rows


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds, and the peak of resident memory in bytes."""
    start = perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return perf_counter() - start, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(folder: Path, size: float, memory: str) -> None:
    """Generate, run, and print a line for each verb and format."""
    head = next(frames(3)).head(TRAINING)
    head.write_csv(folder / "head.csv")
    ours = [sys.executable, "-m", "oddsmith"]
    run([*ours, "train", "head.csv", "--target", "y", "--id", "id", "-o", "model.json"], folder)
    for kind, write in (("csv", write_csv), ("parquet", write_parquet)):
        path = folder / f"rows.{kind}"
        rows = write(path, size)
        print(f"{path.name}: {path.stat().st_size / 1e9:.2f} GB, {rows:,} rows, --memory {memory}")
        verbs = {
            "polars reads it": [sys.executable, "-c", READ, path.name, kind],
            "predict": [*ours, "predict", "model.json", path.name, "--proba", "-o", "out.csv"],
            "evaluate": [*ours, "evaluate", "model.json", path.name],
            "describe": [*ours, "describe", path.name],
        }
        for name, command in verbs.items():
            limit = [] if name.startswith("polars") else ["--memory", memory]
            seconds, peak = run([*command, *limit], folder)
            print(
                f"  {name:16s} {seconds:7.1f} s  {rows / seconds:12,.0f} rows/s  peak {peak / 1e6:7,.0f} MB",
                flush=True,
            )
        path.unlink()
        (folder / "out.csv").unlink()


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=4.0, help="of each file")
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--folder", help="where the files are generated, and deleted [default: TMPDIR]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        measure(Path(name), options.gigabytes * 1e9, options.memory)


if __name__ == "__main__":
    main()
