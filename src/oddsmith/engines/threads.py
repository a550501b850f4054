"""Blocks on several threads, their results added in block order: the same bits for any number of threads.

    at work     b_i  b_i+1  ...         t threads, at most 2t blocks ahead of the sum
    total       ((kernel(b_1) + kernel(b_2)) + kernel(b_3)) + ...

The mathematics spends its time in NumPy, which lets other threads run meanwhile. Fixed borders of blocks,
one order of the sum and BLAS on one thread make the result a function of the data alone.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from itertools import chain, islice
from typing import TYPE_CHECKING

from oddsmith.engines.blas import blas_on_one_thread, limit_blas
from oddsmith.engines.serial import Engine, Item, Result, reduce

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


def available_cores() -> int:
    """Cores that this process may use, or OMP_NUM_THREADS where that is fewer.

    With that variable joblib shares the cores among the processes that it starts.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(cores, int(told)) if told.isdecimal() and int(told) else cores


@contextmanager
def threads(n_threads: int) -> Iterator[Engine]:
    """An engine of `n_threads` threads, which end with the context; BLAS runs on one thread in it.

    They start with the first source of two blocks or more.
    """
    engine = _Threads(n_threads)
    with blas_on_one_thread():
        try:
            yield engine
        finally:
            engine.end()


class _Threads:
    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self.pool: ThreadPoolExecutor | None = None

    def __call__(self, source: Iterable[Item], kernel: Callable[[Item], Result]) -> Result:
        """Sum of `kernel(block)` over the blocks of `source`, to the bit as `serial.reduce` adds them.

        Raises:
            ValueError: the source has no block.
        """
        blocks = iter(source)
        first = list(islice(blocks, 2))
        if self.n_threads == 1 or len(first) < 2:
            return reduce(chain(first, blocks), kernel)
        blocks = chain(first, blocks)
        at_work = deque(self._started(block, kernel) for block in islice(blocks, 2 * self.n_threads))
        try:
            total = at_work.popleft().result()
            while at_work:
                at_work.extend(self._started(block, kernel) for block in islice(blocks, 1))
                total = total + at_work.popleft().result()
        except BaseException:
            for future in at_work:
                future.cancel()
            raise
        return total

    def _started(self, block: Item, kernel: Callable[[Item], Result]) -> Future[Result]:
        """The kernel at work on a block: on a thread, or here and now where the system gives none."""
        from concurrent.futures import Future, ThreadPoolExecutor

        if self.pool is None:
            self.pool = ThreadPoolExecutor(self.n_threads, "oddsmith", initializer=limit_blas)
        try:
            return self.pool.submit(copy_context().run, kernel, block)
        except RuntimeError:
            done: Future[Result] = Future()
            done.set_result(kernel(block))
            return done

    def end(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
