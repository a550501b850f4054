"""Will it fit? What a step needs is compared with what can be had, before it is taken.

    available = min(left of --memory, in the address space, in each control group, what the system can give)

Asking first is the only way to a sentence: a library that is refused memory in the middle of its work ends
the process, and a system that has given away too much ends it without a word.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from oddsmith.errors import InputError, visible

FEWER = "Keep fewer rows or columns, or use a machine with more memory."
NEGLIGIBLE = 1 << 16
"""Bytes that are not worth the question, which takes some 0.1 ms."""
SHARE = 0.9
"""Of the memory that the system can give, the part that is asked for at most."""
LEAST = 500_000_000
"""Bytes that a process takes to read anything, piece by piece."""
_PIECE, _COPIES = (1 << 20, 16 << 20), 60
"""Bytes of a file that are worked on at once, at least and at most, and all that is made of each of them."""
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(?:([kmgt]?)(i?)b?)", re.IGNORECASE)
_NO_LIMIT = 1 << 60
_THREAD = 16 << 20
_MOST_ARENAS, _LEAST_MAPPED, _MOST_KEPT = -8, -3, -1
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, as malloc.h has them."""


def require(need: float, what: str, remedy: str = FEWER) -> None:
    """Raise InputError where `need` bytes are not available.

    `what` opens the sentence, in the singular: "a.csv: reading 3 lines of 2 cells".
    """
    if need < NEGLIGIBLE:
        return
    found = available()
    if need > found:
        needed, there = shown_size(need, math.ceil), shown_size(found, math.floor)
        raise InputError(f"{what} needs about {needed} of memory; {there} are available. {remedy}")


def available() -> float:
    """Bytes that this process can still take; infinite where nothing is known."""
    return max(0.0, min([_left[-1], *_limits_left(), *_groups_left(), *_system_left()]))


@contextlib.contextmanager
def limited(memory: float | None) -> Iterator[None]:
    """While the block runs, a step may take what is left of `memory`, bytes for the whole process, at its beginning.

    Not what is left by then: of what one step gives back, the next one takes.
    """
    _left.append(math.inf if memory is None else memory - _resident())
    try:
        yield
    finally:
        _left.pop()


def piece_size(memory: float | None = None) -> int:
    """Bytes of a file to be worked on at once, where the process may take `memory` in all; by itself what there is."""
    left = available() if memory is None else min(memory - _resident(), available())
    least, most = _PIECE
    return int(min(max(left / _COPIES, least), most))


def size_of(text: str) -> float:
    """Bytes that a text such as "1GB", "500 MB" or "1.5GiB" says.

    Raises:
        InputError: it is no size, or too small to read anything in.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InputError(f"--memory '{visible(text)}' is no size. Say it as in 1GB, 500MB or 2GiB.")
    number, power, binary = found.groups()
    size = float(number) * float((1024 if binary else 1000) ** " kmgt".index(power.lower() or " "))
    if size < LEAST:
        raise InputError(
            f"--memory {visible(text)}: too little to read anything. Give {shown_size(LEAST)} or more."
        )
    return size


def spare_address_space() -> None:
    """Where the address space is limited, keep C's allocator from reserving 64 MB of it for every thread.

    Threads that run already keep what they have: call it before libraries start theirs.
    """
    if _limits():
        _tell_malloc(_MOST_ARENAS, 1)


def reuse_memory() -> None:
    """Let C's allocator keep what is freed for what comes next: the system would clear every page anew.

    As for `spare_address_space`, call it early.
    """
    for option, value in ((_MOST_ARENAS, 1), (_LEAST_MAPPED, 1 << 25), (_MOST_KEPT, 1 << 28)):
        _tell_malloc(option, value)


def _tell_malloc(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError, TypeError):  # where it is not glibc's
        ctypes.CDLL(None).mallopt(option, value)


def shown_size(number: float, rounded: Callable[[float], int] = round) -> str:
    """Bytes as a person says them: "12.3 GB" or "640 MB"."""
    return f"{rounded(number / 1e8) / 10:,.1f} GB" if number >= 1e9 else f"{rounded(number / 1e6):,} MB"


_left = [math.inf]
"""What `limited` leaves to a step."""


def _resident() -> int:
    """Bytes of memory that this process has now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def _limits() -> list[tuple[int, int]]:
    """Limits of address space and data that are set, each with the field of statm that counts against it."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return []
    found = [(resource.getrlimit(resource.RLIMIT_AS)[0], 0), (resource.getrlimit(resource.RLIMIT_DATA)[0], 5)]
    return [(limit, field) for limit, field in found if limit != resource.RLIM_INFINITY]


def _limits_left() -> Iterator[float]:
    """Left under each limit, less the stacks of threads that are still to come."""
    limits = _limits()
    if not limits:
        return
    with contextlib.suppress(OSError):
        pages = Path("/proc/self/statm").read_text().split()
        for limit, field in limits:
            used = int(pages[field]) * os.sysconf("SC_PAGE_SIZE")
            yield limit - used - _THREAD * (8 + (os.cpu_count() or 1))


def _groups_left() -> Iterator[float]:
    """Left in each control group that holds this process; the system takes back what files have cached."""
    for folder in _groups():
        for limit, usage, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with contextlib.suppress(OSError, ValueError):
                most = int((folder / limit).read_text())
                if most > _NO_LIMIT:
                    continue
                used = int((folder / usage).read_text())
                lines = (folder / "memory.stat").read_text().splitlines()
                stat = dict(line.split() for line in lines)
                yield SHARE * (most - used + int(stat.get(cached, 0)))


@cache
def _groups(
    listing: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> tuple[Path, ...]:
    """Folders of the groups that limit memory, each with the groups around it."""
    found: list[Path] = []
    with contextlib.suppress(OSError):
        for line in listing.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            root = mount / "memory" if controllers else mount
            # In a container the listing may name a path of the host, and the group be the root here.
            inner = root / path.strip("/")
            found += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(root)]
    return tuple(dict.fromkeys(found))


def _system_left() -> Iterator[float]:
    """What Linux can give without swapping; elsewhere all the memory there is."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        table = dict(line.split(":", 1) for line in lines)
        yield SHARE * int(table["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            yield SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
