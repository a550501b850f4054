"""Is there room to start? NumPy, SciPy and Polars must not be asked where there is none.

They are native code that aborts the process, prints pages or waits for ever when address space, threads or
open files run short while it starts. So that is looked at before they are loaded: where room is scarce they
are held to one thread and one memory arena each, and where that is not enough the verb ends with a sentence.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from functools import cache

from oddsmith.errors import InputError

ADDRESS_SPACE = 640 * 2**20
"""Bytes; training on a small file takes 470 MB, of which 110 MB are really used."""

THREADS = 12
"""What Polars and jemalloc start when held to one thread each, and two to spare."""

OPEN_FILES = 8
"""Descriptors that Polars and an import take at the same time, and four to spare."""


@cache
def ensure_room() -> None:
    """Prepare the process for the libraries' start.

    Raises:
        InputError: they cannot start within the limits of this process.
    """
    from oddsmith.data.memory import reuse_memory

    reuse_memory()
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # or its threads spin while they wait for work
    space, cores = _address_space(), os.cpu_count() or 1
    if space < math.inf:
        from oddsmith.data.memory import spare_address_space

        spare_address_space()  # each thread that is tried below would reserve an arena of its own, and keep it
    if space < ADDRESS_SPACE * (2 + cores) or not _can_start(min(64, THREADS + 4 * cores)):
        _be_spare()
        if space < ADDRESS_SPACE:
            raise InputError(
                f"this process may use {max(space, 0) / 2**20:.0f} MB more of address space, and NumPy, SciPy and Polars "
                f"need {ADDRESS_SPACE >> 20} MB to start. Raise the limit: ulimit -v, ulimit -d."
            )
        if not _can_start(THREADS):
            raise InputError(
                f"this process cannot start {THREADS} threads, as Polars does. Raise the limit on processes: "
                f"ulimit -u, or the container's."
            )
    if not _can_open(OPEN_FILES):
        raise InputError(
            f"this process cannot open {OPEN_FILES} more files, as Python and Polars do. Raise the limit: ulimit -n."
        )


def _address_space() -> float:
    """Bytes of address space that the process may still take; infinite where it is not limited."""
    try:
        import resource
    except ImportError:
        return math.inf
    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    used = 0
    with contextlib.suppress(OSError), open("/proc/self/statm", "rb") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    return min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=math.inf) - used


def _be_spare() -> None:
    """Hold the libraries to one thread each."""
    from oddsmith.data.memory import reuse_memory

    reuse_memory()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")


def _can_start(number: int) -> bool:
    """Whether this many threads can run at the same time."""
    gate = threading.Lock()

    def pass_through() -> None:
        with gate:
            pass

    threads = [threading.Thread(target=pass_through, daemon=True) for _ in range(number)]
    started = []
    with gate:
        for thread in threads:
            try:
                thread.start()
            except RuntimeError:
                break
            started.append(thread)
    for thread in started:
        thread.join()
    return len(started) == number


def _can_open(number: int) -> bool:
    """Whether this many files can be open at the same time."""
    descriptors = []
    try:
        for _ in range(number):
            descriptors.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - what was opened is closed
    except OSError:
        return False
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return True
