"""Training on files larger than memory: peak memory, seconds and rows a second, and the same model as in memory.

    python benchmarks/larger_than_memory_train.py            # needs 16 GB of disk; --gigabytes 0.5 for a quick look

Writes a Parquet and a CSV file of 30 numbers, 3 categories and a label in each row, and trains on each under
--memory 1GB, packed and (Parquet) without the cache. A pass of the fit is compared with one read of the file by
Polars in the same run. A part that fits in memory is trained on both ways, to the same model file but for digests.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

P, PIECE = 30, 200_000
LEVELS = [f"level {k}" for k in range(8)]
BYTES = {"parquet": 8.2 * P + 3, "csv": 20.0 * P}
MOST = 1e9


def rows(n: int, seed: int) -> pl.DataFrame:
    """Some rows, whose log-odds are linear in the columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, P)) * 10.0 ** np.arange(P % 7 - 3, P % 7 - 3 + P).clip(-3, 3)
    levels = rng.integers(0, 8, (n, 3))
    eta = X[:, 0] * 0.1 + (X / X.std(axis=0))[:, 1:5].sum(axis=1) + 0.3 * (levels[:, 0] - 3)
    table = {f"x{j}": X[:, j] for j in range(P)}
    table |= {f"k{j}": np.array(LEVELS)[levels[:, j]] for j in range(3)}
    return pl.DataFrame(table | {"y": np.where(eta + rng.logistic(size=n) > 0, "yes", "no")})


def write(path: Path, n_rows: int) -> None:
    """`n_rows` rows, the same few hundred thousand shuffled again and again."""
    import pyarrow.parquet as pq

    first = rows(PIECE, 0)
    writer, stream = None, None
    for seed, start in enumerate(range(0, n_rows, PIECE)):
        part = first.sample(min(PIECE, n_rows - start), shuffle=True, seed=seed)
        if path.suffix == ".parquet":
            table = part.to_arrow()
            writer = writer or pq.ParquetWriter(path, table.schema, use_dictionary=["k0", "k1", "k2", "y"])
            writer.write_table(table)
        else:
            stream = stream or path.open("wb")
            part.write_csv(stream, include_header=start == 0)
    for opened in (writer, stream):
        if opened is not None:
            opened.close()


TRAINING = r"""
import re, sys, time
from oddsmith.cli import main
from oddsmith.workflow import training

fit, start = training.fit, 0.0

def timed(*args, **kwargs):
    start = time.perf_counter()
    fitted = fit(*args, **kwargs)
    print("fit", time.perf_counter() - start, file=sys.stderr)
    return fitted

training.fit = timed
try:
    main(sys.argv[1:])
finally:  # ru_maxrss would begin with the memory of the process that starts this one
    print("peak", re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""


def trained(path: Path, model: Path, *options: str) -> tuple[float, float, float, dict]:
    """Seconds in all and of the fit, peak bytes of memory, and what `oddsmith train --json` says."""
    command = [
        sys.executable,
        "-c",
        TRAINING,
        "train",
        str(path),
        "--target",
        "y",
        "-o",
        str(model),
        "--json",
    ]
    start = perf_counter()
    ran = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    seconds = perf_counter() - start
    if ran.returncode:
        sys.exit(ran.stderr)
    told = dict(line.split() for line in ran.stderr.splitlines() if line.startswith(("fit ", "peak ")))
    return seconds, float(told["fit"]), 1024.0 * float(told["peak"]), json.loads(ran.stdout)


def polars_seconds(path: Path) -> float:
    """One read of all columns by Polars, in batches as it does by itself."""
    start = perf_counter()
    scan = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_csv(path)
    scan.select(pl.col(pl.Float64).sum(), pl.col(pl.String).n_unique()).collect(engine="streaming")
    return perf_counter() - start


def bare(model: Path) -> dict:
    """A model file without its digests."""
    record = json.loads(model.read_text())
    del record["digest"], record["training"]["digests"]
    return record


def main() -> None:
    """Write, train, print, and fail where memory is exceeded or the models differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--formats", nargs="+", default=["parquet", "csv"], choices=["parquet", "csv"])
    parser.add_argument(
        "--packed-only", action="store_true", help="leave out the fit that reads Parquet again and again"
    )
    given = parser.parse_args()
    gigabytes = given.gigabytes
    failures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in given.formats:
            path = folder / f"rows.{kind}"
            n_rows = int(gigabytes * 1e9 / BYTES[kind])
            write(path, n_rows)
            size = path.stat().st_size
            by_polars = polars_seconds(path)
            print(f"{kind}: {size / 1e9:.2f} GB, {n_rows:,} rows; read by Polars in {by_polars:.1f} s")
            for label, options in (("packed", []), ("no cache", ["--no-cache"])):
                if options and (kind == "csv" or given.packed_only):
                    continue
                seconds, fit, peak, said = trained(path, folder / "m.json", "--memory", "1GB", *options)
                passes = said["fit"]["passes"]
                print(
                    f"  {label:9s} {seconds:6.1f} s, peak {peak / 1e9:.2f} GB, {n_rows / seconds / 1e6:.2f} M rows/s; "
                    f"{passes:.1f} passes of {fit / passes:.1f} s, {by_polars * passes / fit:.2f} of the speed of Polars"
                )
                if peak > MOST:
                    failures.append(f"{kind}, {label}: {peak / 1e9:.2f} GB of memory")
            path.unlink()
            part = folder / f"part.{kind}"
            write(part, int(3e8 / BYTES[kind]))
            trained(part, folder / "one.json", "--memory", "1GB")
            trained(part, folder / "two.json")
            if bare(folder / "one.json") != bare(folder / "two.json"):
                failures.append(f"{kind}: another model than in memory")
            part.unlink()
    sys.exit("\n".join(failures) or None)


if __name__ == "__main__":
    main()
