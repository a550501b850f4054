"""Every fault that a case can meet, as a list: what is done to the run, and what may come of it."""

import signal
from dataclasses import dataclass

ERRORS = ("ENOSPC", "EIO", "EACCES", "EDQUOT", "EROFS", "EMFILE", "EINTR", "ENOMEM")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)

WRITING = (
    "write", "pwrite64", "fsync", "fchmod", "ftruncate", "linkat", "rename", "unlink", "access", "faccessat2",
    "readlink", "getcwd", "chdir", "mkdir",
)  # fmt: skip
"""System calls that are tried with every error and every signal; our `getrandom` is os.urandom."""

READING = ("openat", "read", "pread64", "close", "fstat", "newfstatat", "statx", "lseek")
"""System calls of which there are many: each is tried with two errors and a signal, in turn.

Memory and threads are native code's own, and are limited in test_surroundings.py.
"""

UNGUARDED = 2
"""Lines of `main` before its `try`: what meets them is still met by the interpreter's own start."""


@dataclass(frozen=True)
class Trial:
    """One fault: arguments for `Faults.run`, exit codes it may end in, and what SIGKILL may leave."""

    kind: str
    fault: dict
    codes: frozenset[int]
    leftover: str | None = None


def _of_signal(number):
    # 0: the signal came when the outcome was settled.
    return frozenset({-9} if number == signal.SIGKILL else {0, 128 + number})


def places(count, most):
    """Which of `count` calls are tried: all of them, or `most` - evenly, and the last ones, which write."""
    if count <= most:
        return range(1, count + 1)
    half = most // 2
    return sorted({*range(count - half, count + 1), *(1 + i * count // half for i in range(half))})


def calls_of_os(counts, *, most, named=False):
    """Functions of `os` fail, run out of memory, or are met by a signal, in turn."""
    said = " (no O_TMPFILE)" if named else ""
    for call, count in counts.items():
        if call == "line":
            continue
        for turn, k in enumerate(places(count, most)):
            fault = {"call": call, "k": k, "named": named}
            yield Trial(f"function fails{said}", {**fault, "error": ERRORS[turn % 8]}, frozenset({0, 2}))
            yield Trial(f"function: no memory{said}", {**fault, "memory": True}, frozenset({0, 2}))
            for number in (SIGNALS[turn % 3], signal.SIGKILL):
                leftover = None
                if number == signal.SIGKILL:
                    leftover = "part" if named else "whole" if call == "replace" else None
                yield Trial(
                    f"{number.name} at function{said}",
                    {**fault, "signal": int(number)},
                    _of_signal(number),
                    leftover,
                )


def lines(counts, *, most, named=False):
    """Lines of oddsmith's own code run out of memory or are met by a signal, in turn."""
    said = " (no O_TMPFILE)" if named else ""
    for turn, k in enumerate(places(counts["line"], most)):
        if k <= UNGUARDED:
            continue
        fault = {"line": True, "k": k, "named": named}
        yield Trial(f"line: no memory{said}", {**fault, "memory": True}, frozenset({0, 2}))
        number = SIGNALS[turn % 4]
        leftover = ("part" if named else "whole") if number == signal.SIGKILL else None
        yield Trial(
            f"{number.name} at line{said}", {**fault, "signal": int(number)}, _of_signal(number), leftover
        )


def system_calls(counts, *, most):
    """System calls fail or are met by signals, in the main thread."""
    for call in (*WRITING, *READING):
        for turn, k in enumerate(places(counts.get(call, 0), most)):
            every = call in WRITING
            for error in ERRORS if every else (ERRORS[2 * turn % 8], ERRORS[(2 * turn + 1) % 8]):
                yield Trial(
                    "system call fails", {"strace": f"{call}:error={error}:when={k}"}, frozenset({0, 2})
                )
            for number in SIGNALS if every else (SIGNALS[turn % 4],):
                leftover = "whole" if number == signal.SIGKILL and call == "rename" else None
                yield Trial(
                    f"{number.name} at system call",
                    {"strace": f"{call}:signal={number.name}:when={k}"},
                    _of_signal(number),
                    leftover,
                )
