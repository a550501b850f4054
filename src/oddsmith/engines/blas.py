"""Linear algebra on one thread: parallelism is over blocks, and sums of one block have one order.

The libraries' setting is the whole process's, so that fits which overlap in time share it: the first to
enter saves what was set, the last to leave restores it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_inside = 0
_saved: Any = None


@contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """While the body runs, NumPy's BLAS computes on one thread, and so do those that others have loaded by now."""
    global _inside, _saved
    with _lock:
        if not _inside:
            _let_any_thread_set()
            _saved = limit_blas()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _let_any_thread_set()
                _saved.restore_original_limits()
                _saved = None
                _let_any_thread_set()


def limit_blas() -> Any:
    """Set BLAS to one thread, and return what undoes it.

    Where a BLAS is built on OpenMP the setting is one of the calling thread, so that threads which take
    part in the work call this too.
    """
    return _libraries().limit(limits=1, user_api="blas")


def _let_any_thread_set() -> None:
    """threadpoolctl (3.8) heeds, of all threads, the first that has set OpenBLAS and is alive.

    Here it is the last to leave that must be heeded, whichever it is.
    """
    for library in _libraries().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@cache
def _libraries() -> Any:
    """What is loaded is looked for once, since that takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
