"""Blocks on several threads, their results added in block order: the same bits for any number of threads.

    each thread   takes the next block, computes kernel(block), and adds what is ready in block order
    total         ((kernel(b_1) + kernel(b_2)) + kernel(b_3)) + ...

The mathematics spends its time in NumPy, which lets other threads run meanwhile. Fixed borders of blocks,
one order of the sum and BLAS on one thread make the result a function of the data alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic

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
    """An engine of `n_threads` threads, that of the caller and others; BLAS runs on one thread in it.

    The others start with the first source of two blocks or more, and end with the context.
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
        from concurrent.futures import ThreadPoolExecutor, wait

        if self.pool is None:
            self.pool = ThreadPoolExecutor(self.n_threads - 1, "oddsmith", initializer=limit_blas)
        total = _InOrder(chain(first, blocks), kernel, look_ahead=2 * self.n_threads)
        at_work: list[Future[None]] = []
        try:
            with suppress(RuntimeError):  # the system gives no more threads
                at_work.extend(
                    self.pool.submit(copy_context().run, total.work) for _ in range(self.n_threads - 1)
                )
            total.work()
            wait(at_work)
        except BaseException as error:
            total.stop(error)
            wait(at_work)
            raise
        return total.result()

    def end(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)


class _InOrder(Generic[Item, Result]):
    """One sum at which several threads work: blocks are taken, and their results added, in order."""

    def __init__(self, blocks: Iterator[Item], kernel: Callable[[Item], Result], look_ahead: int) -> None:
        self.blocks = blocks
        self.kernel = kernel
        self.look_ahead = look_ahead
        """Blocks that may be taken before the oldest of them is added."""
        self.changed = threading.Condition()
        self.taken = self.added = 0
        self.ended = False
        self.ready: dict[int, Result] = {}
        self.total: Any = None
        self.error: BaseException | None = None

    def work(self) -> None:
        """Take blocks until there are none, or until something goes wrong."""
        try:
            while True:
                with self.changed:
                    while not self.ended and self.taken - self.added >= self.look_ahead:
                        self.changed.wait()
                    block: Any = _END if self.ended else next(self.blocks, _END)
                    if block is _END:
                        self.ended = True
                        return
                    number = self.taken
                    self.taken += 1
                result = self.kernel(block)
                with self.changed:
                    self.ready[number] = result
                    while self.added in self.ready:
                        result = self.ready.pop(self.added)
                        self.total = result if self.added == 0 else self.total + result
                        self.added += 1
                    self.changed.notify_all()
        except BaseException as error:  # raised again by the thread that asked for the sum
            self.stop(error)

    def stop(self, error: BaseException) -> None:
        with self.changed:
            self.ended = True
            self.error = self.error or error
            self.changed.notify_all()

    def result(self) -> Result:
        """The sum, or what went wrong on the way."""
        if self.error is not None:
            raise self.error
        total: Result = self.total
        return total


_END: Any = object()
