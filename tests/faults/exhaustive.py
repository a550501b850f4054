"""python -m tests.faults.exhaustive: every fault on every verb; prints a table, and each promise broken.

--most N    of one function's calls in one run, how many are tried at most
--lines N   of the lines that run, how many are tried
--moments N signals at random moments of real processes, of each kind
--case TEXT only cases with this in their name
--jobs N    processes at work
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .inside import Faults
from .promise import CASES, complaints, make_shop, outcome, run
from .trials import SIGNALS, calls_of_os, lines, system_calls


def moments(case, shop, folder, clean, number, rng, lasting):
    """A signal at a random moment of a process, once the program's own first line has run."""
    shutil.rmtree(folder, ignore_errors=True)
    place = folder / "here"
    place.mkdir(parents=True)
    case.prepare(place)
    started = "import os; from oddsmith.cli import main, _leave_on_signals; _leave_on_signals(); os.write(9, b'.'); main()"
    with subprocess.Popen(
        ["bash", "-c", 'exec "$@" 9>&1 >out', "bash", sys.executable, "-c", started, *case.arguments(shop)],
        cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.read(1)
        time.sleep(rng.uniform(0, lasting))
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    out = (place / "out").read_bytes()
    (place / "out").unlink()
    codes = {-9, 0} if number == signal.SIGKILL else {0, 128 + number}
    leftover = "whole" if number == signal.SIGKILL else None
    return complaints(case, clean, outcome(place, process.returncode, out, err), codes, leftover=leftover)


def of_case(case, shop, folder, options):
    """How often each kind of fault was tried on a case, and how often it broke a promise, which is said at once."""
    tried, failed = Counter(), Counter()

    def note(kind, broken, what):
        tried[kind] += 1
        if broken:
            failed[kind] += 1
            print(f"{case.name}: {kind}: {what}: {'; '.join(broken)}", flush=True)

    with Faults() as faults:
        clean, counts = faults.counts(case, shop, folder)
        trials = [*calls_of_os(counts, most=options.most), *lines(counts, most=options.lines)]
        if case.old:
            _, named = faults.counts(case, shop, folder, named=True)
            trials += calls_of_os(named, most=options.most, named=True)
            trials += lines(named, most=options.lines, named=True)
        if shutil.which("strace"):
            _, called = faults.system_calls(case, shop, folder)
            trials += system_calls(called, most=options.most)
        for trial in trials:
            found = faults.run(case, shop, folder, **trial.fault)
            # Native code makes a call more or less from run to run: the last one may not come.
            codes = trial.codes if faults.met else {0}
            broken = complaints(case, clean, found, codes, leftover=trial.leftover)
            note(trial.kind if faults.met else "never met", broken, f"{trial.fault}: {found.err[-300:]!r}")
    shutil.rmtree(folder, ignore_errors=True)
    place = folder / "here"
    place.mkdir(parents=True)
    begun = time.perf_counter()
    clean = run(case, shop, place)
    lasting, rng = time.perf_counter() - begun, random.Random(case.name)
    for number in SIGNALS:
        for _ in range(options.moments):
            broken = moments(case, shop, folder, clean, number, rng, lasting)
            note(f"{number.name} at a random moment", broken, "")
    print(
        f"{case.name}: {sum(tried.values())} tried, {sum(failed.values())} failed",
        file=sys.stderr,
        flush=True,
    )
    return tried, failed


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=20)
    parser.add_argument("--lines", type=int, default=60)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--case", default="")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    cases = [case for case in CASES if options.case in case.name]
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.jobs) as workers:
        base = Path(scratch)
        (base / "shop").mkdir()
        shop = make_shop(base / "shop")
        results = list(
            workers.map(
                lambda pair: of_case(pair[1], shop, base / f"case-{pair[0]}", options), enumerate(cases)
            )
        )
    kinds = list(dict.fromkeys(kind for tried, _ in results for kind in tried))
    width = max(map(len, kinds))
    print(" " * width, *(f"{case.name:>20}" for case in cases))
    for kind in kinds:
        cells = [f"{tried[kind]} / {failed[kind]}" for tried, failed in results]
        print(f"{kind:<{width}}", *(f"{cell:>20}" for cell in cells))
    total, failures = (sum(sum(result[i].values()) for result in results) for i in (0, 1))
    print(f"{total} tried, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
