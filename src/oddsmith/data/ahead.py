"""Items that are made while those before them are worked on.

reader    item 3   item 4   item 5          a thread of its own, two items ahead
caller             item 2   item 3
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items in order, made in a thread of their own, some before they are asked for."""
    nothing = object()

    def one() -> object:
        return next(items, nothing)

    at_work: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(1, "oddsmith-reading") as thread:
        try:
            at_work.append(thread.submit(copy_context().run, one))
        except RuntimeError:  # the system gives no thread
            yield from items
            return
        try:
            at_work.append(thread.submit(copy_context().run, one))
            while (item := at_work.popleft().result()) is not nothing:
                at_work.append(thread.submit(copy_context().run, one))
                yield item
        finally:
            for future in at_work:
                future.cancel()
