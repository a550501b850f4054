"""One fault a run, at one exact place: a process that has loaded everything forks a child for each of them.

Without strace: the k-th call of a function of `os` fails or is met by a signal, or the k-th line of oddsmith's
own code runs out of memory or is met by a signal. With strace, which is attached to the child when `main` is
about to run: the k-th system call of its main thread fails or is met by a signal. Counting begins at `main`:
faults in the interpreter's own start say nothing about us. A run takes a tenth of a second.
"""

import builtins
import errno
import gc
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from .promise import outcome

CALLS = ("open", "write", "fsync", "link", "replace", "unlink", "chmod", "close", "stat", "lstat", "access",
         "readlink", "urandom", "getcwd", "mkdir", "chdir")  # fmt: skip
OPEN = "open()"
ROOT = Path(__file__).parents[2]
PATIENCE = 60


class Faults:
    """The process that forks; `run` gives the outcome of a case under a fault, `counts` how often each could be.

    After a run `met` says whether the fault happened: a run that did not come so far proves nothing.
    """

    def __init__(self):
        self.met = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.inside"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()

    def run(self, case, shop, folder, *, strace=None, **fault):
        """The outcome of a case in `folder`, which is emptied, under a fault.

        `fault`: call="fsync" or line=True with k= and one of error="EIO", signal=2, memory=True; named=True
        takes O_TMPFILE away. `strace`: what it injects instead, such as "fsync:error=EIO:when=1".
        """
        shutil.rmtree(folder, ignore_errors=True)
        place = folder / "here"
        place.mkdir(parents=True)
        case.prepare(place)
        order = {
            "arguments": case.arguments(shop),
            "folder": str(folder),
            "fault": fault,
            "wait": bool(strace),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        if strace:
            child, call = int(self._process.stdout.readline()), strace.partition(":")[0]
            self._trace(child, ["-e", f"trace={call}", "-e", f"inject={strace}", "-o", folder / "log"])
        status = int(self._process.stdout.readline())
        log = (folder / "log").read_text(errors="replace") if strace else ""
        self.met = (folder / "met").exists() or "(INJECTED)" in log or "SIG" in log
        return outcome(
            place,
            os.waitstatus_to_exitcode(status),
            (folder / "out").read_bytes(),
            (folder / "err").read_bytes(),
        )

    def _trace(self, child, arguments):
        """Attach strace to the child's main thread, and let the child begin."""
        tracer = subprocess.Popen(
            ["strace", "-p", str(child), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        status = Path(f"/proc/{child}/status")
        while "TracerPid:\t0\n" in status.read_text() and tracer.poll() is None:
            time.sleep(0.001)
        os.kill(child, signal.SIGUSR1)
        if tracer.wait(PATIENCE):
            raise RuntimeError("strace cannot attach")

    def counts(self, case, shop, folder, **fault):
        """How many times each function is called, and how many lines of oddsmith run, without a fault."""
        done = self.run(case, shop, folder, count=True, **fault)
        return done, json.loads((folder / "counts").read_text())

    def system_calls(self, case, shop, folder):
        """How many times the main thread makes each system call from `main` on."""
        done = self.run(case, shop, folder, strace="all:delay_enter=0:when=1")
        names = re.findall(r"^(\w+)\(", (folder / "log").read_text(errors="replace"), re.MULTILINE)
        return done, Counter(names)


def _serve():
    import importlib
    import pkgutil

    import oddsmith

    for module in pkgutil.walk_packages(oddsmith.__path__, "oddsmith."):
        # The estimators load scikit-learn, which no command needs.
        if module.name.removeprefix("oddsmith.") not in ("__main__", "estimator", "estimator_cv", "scratch"):
            importlib.import_module(module.name)
    for name in (
        "polars",
        "threadpoolctl",
        "rich.table",
        "gzip",
        "ctypes",
        "resource",
    ):
        importlib.import_module(name)
    orders = os.fdopen(os.dup(0), "r")
    answers = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    gc.freeze()  # or a child that ends looks for cycles in all that is loaded, and copies the pages
    for line in iter(orders.readline, ""):
        child = os.fork()
        if child == 0:
            orders.close()
            _run(answers, **json.loads(line))
        _, status = os.waitpid(child, 0)
        answers.write(f"{status}\n")
        answers.flush()


def _run(answers, arguments, folder, fault, wait):
    """In the child: the program with one fault in it; does not return."""
    signal.alarm(PATIENCE)
    folder = Path(folder)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(folder / "here")
    from oddsmith.cli import main

    if fault.pop("named", False):
        del os.O_TMPFILE
    opened = open
    counts = _inject(met=folder / "met", **fault)
    if counts is not None:
        import atexit

        atexit.register(lambda: opened(folder / "counts", "w").write(json.dumps(counts)))
    if wait:
        _allow_tracers()
        answers.write(f"{os.getpid()}\n")
        answers.flush()
        signal.sigwait([signal.SIGUSR1])
    main(arguments)


def _allow_tracers():
    """Let a process that is no ancestor trace this one, which some distributions forbid at first."""
    import ctypes

    pr_set_ptracer, anyone = 0x59616D61, ctypes.c_ulong(-1)
    ctypes.CDLL(None).prctl(pr_set_ptracer, anyone, 0, 0, 0)


def _inject(met, call=None, line=False, k=0, count=False, error=None, memory=False, **fault):
    """Put the fault in its place; with `count` none happens, and the counts are returned."""
    counts = {}
    number = fault.get("signal")
    opened, closed = os.open, os.close

    def reached(name):
        counts[name] = counts.get(name, 0) + 1
        if count or name != (call or "line") or counts[name] != k:
            return
        closed(opened(met, os.O_CREAT))
        if memory:
            raise MemoryError
        if error is not None:
            raise OSError(getattr(errno, error), os.strerror(getattr(errno, error)))
        os.kill(os.getpid(), number)

    def faulty(name, real):
        def function(*args, **kwargs):
            reached(name)
            return real(*args, **kwargs)

        for able in (os.supports_fd, os.supports_effective_ids):
            if real in able:
                able.add(function)
        return function

    for name in CALLS:
        setattr(os, name, faulty(name, getattr(os, name)))
    io.open = builtins.open = faulty(OPEN, open)
    if line or count:
        import oddsmith

        home = os.path.dirname(oddsmith.__file__)

        def on_line(frame, event, _):
            if event == "line":
                reached("line")
            return on_line

        sys.settrace(lambda frame, event, _: on_line if frame.f_code.co_filename.startswith(home) else None)
    return counts if count else None


if __name__ == "__main__":
    _serve()
