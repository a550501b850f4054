"""How many rows a second does `predict --stream` answer, and does it stay small over a million of them?

    python benchmarks/predict_stream.py [ROWS]        # a million by itself

Two models: 20 numbers, and five numbers with five categories of up to 40 levels. The program runs on one core,
the rows come through a pipe and the answers leave through another. A second is one of that core's time, which
others may share; the seconds that went by are told as well. Growth is the resident set at its largest
(VmHWM) at the end, less the same after the first 20,000 rows. Turns are single rows, each sent when the one
before has been answered. Fails below 20,000 rows a second, above 10 MB, and where an answer differs from that
of `predict` on a file.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import perf_counter

import numpy as np

import oddsmith

ROWS, WARM, TURNS, DISTINCT = 1_000_000, 20_000, 300, 10_000
SLOWEST, MOST = 20_000, 10.0
ODDSMITH = [sys.executable, "-m", "oddsmith", "predict"]


def numbers(rng: np.random.Generator) -> tuple[list[str], list[list[str]]]:
    """Twenty numbers of full length, and a label."""
    X = rng.normal(size=(DISTINCT, 20))
    y = X @ rng.normal(size=20) + rng.logistic(size=DISTINCT) > 0
    rows = [[*map(repr, x), str(int(label))] for x, label in zip(X.tolist(), y, strict=True)]
    return [*(f"x{j}" for j in range(20)), "y"], rows


def categories(rng: np.random.Generator) -> tuple[list[str], list[list[str]]]:
    """Five numbers, categories of 3, 5, 10, 20 and 40 levels, some of whose names are quoted, and a label."""
    X, sizes = rng.normal(size=(DISTINCT, 5)), (3, 5, 10, 20, 40)
    levels = np.column_stack([rng.integers(size, size=DISTINCT) for size in sizes])
    y = X.sum(axis=1) + (levels % 3 - 1).sum(axis=1) + rng.logistic(size=DISTINCT) > 0
    rows = [
        [*map(repr, x), *(f'"level, {k}"' if k % 5 == 0 else f"level {k}" for k in found), str(int(label))]
        for x, found, label in zip(X.tolist(), levels.tolist(), y, strict=True)
    ]
    return [*(f"x{j}" for j in range(5)), *(f"group{j}" for j in range(5)), "y"], rows


def peak(process: subprocess.Popen[bytes]) -> float:
    """Largest resident set so far, in MB."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    return int(found[1]) / 1000 if found else float("nan")


def busy(process: subprocess.Popen[bytes]) -> float:
    """Seconds of a core's time that it has taken."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def on_one_core() -> None:
    """Keep this process to the last core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def started(folder: Path) -> subprocess.Popen[bytes]:
    """The program, waiting for a header."""
    command = [*ODDSMITH, "model.json", "--stream", "--proba"]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        preexec_fn=on_one_core,
    )


def measured(
    folder: Path, header: bytes, body: bytes, n_rows: int
) -> tuple[float, float, float, float, bool]:
    """Rows a second of the core and of the clock, growth in MB, peak in MB, and whether the first rows are answered as in a file."""
    expected = subprocess.run(
        [*ODDSMITH, "model.json", "rows.csv", "--proba"], cwd=folder, capture_output=True, check=True
    ).stdout
    with started(folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        source, answers = process.stdin, process.stdout
        first = bytearray()

        def take(n_lines: int) -> None:
            while n_lines > 0:
                piece = answers.read(1 << 16)
                if not piece:
                    sys.exit("the stream ended early")
                n_lines -= piece.count(b"\n")
                if len(first) < len(expected):
                    first.extend(piece)

        def send(n_bodies: int) -> None:
            for _ in range(n_bodies):
                view = memoryview(body)
                while view:
                    view = view[source.write(view) or 0 :]

        source.write(header)
        take(1)
        spans = []
        for n_bodies in (WARM // DISTINCT, (n_rows - WARM) // DISTINCT):
            sender = Thread(target=send, args=(n_bodies,))
            start, before = perf_counter(), busy(process)
            sender.start()
            take(n_bodies * DISTINCT)
            sender.join()
            n = n_bodies * DISTINCT
            spans.append((n / (busy(process) - before), n / (perf_counter() - start), peak(process)))
        source.close()
    (_, _, warm), (of_core, of_clock, most) = spans
    return of_core, of_clock, most - warm, most, bytes(first[: len(expected)]) == expected


def turns(folder: Path, header: bytes, lines: list[bytes]) -> list[float]:
    """Milliseconds from a row sent to its answer, one at a time."""
    with started(folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(header)
        process.stdout.readline()
        found = []
        for line in lines:
            start = perf_counter()
            process.stdin.write(line)
            process.stdout.readline()
            found.append(1000 * (perf_counter() - start))
        process.stdin.close()
    return found


def main() -> None:
    """Run, print, and fail where a promise is not kept."""
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    kinds: dict[str, Callable[[np.random.Generator], tuple[list[str], list[list[str]]]]] = {
        "20 numbers": numbers,
        "5 numbers, 5 categories": categories,
    }
    broken = []
    for kind, make in kinds.items():
        names, rows = make(np.random.default_rng(0))
        lines = [",".join(row).encode() + b"\n" for row in rows]
        header = ",".join(names).encode() + b"\n"
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "rows.csv").write_bytes(header + b"".join(lines))
            oddsmith.train(folder / "rows.csv", "y", alpha=0.01).save(folder / "model.json")
            speed, by_clock, growth, most, same = measured(folder, header, b"".join(lines), n_rows)
            waits = turns(folder, header, lines[:TURNS])
        print(f"{kind}: {speed:,.0f} rows a second of one core ({by_clock:,.0f} by the clock)")
        print(f"  memory grew by {growth:.1f} MB, to {most:.0f} MB")
        print(
            f"  a row by itself: {statistics.median(waits):.1f} ms ({sorted(waits)[-3]:.1f} ms at worst but two)"
        )
        print(f"  answers {'are those of a file, to the bit' if same else 'DIFFER from those of a file'}")
        if speed < SLOWEST or growth > MOST or not same:
            broken.append(kind)
    if broken:
        sys.exit(f"a promise is not kept: {'; '.join(broken)}")


if __name__ == "__main__":
    main()
