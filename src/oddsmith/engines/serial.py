"""One block after the other, in one thread: the engine that every other one must agree with."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self, TypeVar


class Additive(Protocol):
    """A result that adds: (a + b) + c equals a + (b + c), up to rounding."""

    def __add__(self, other: Any, /) -> Self: ...


Item = TypeVar("Item")
Result = TypeVar("Result", bound=Additive)


class Engine(Protocol):
    """What does the work: the sum of `kernel(block)` over the blocks of a source, in block order."""

    def __call__(self, source: Iterable[Item], kernel: Callable[[Item], Result], /) -> Result:
        """The sum; ValueError where the source has no block."""
        ...


def reduce(source: Iterable[Item], kernel: Callable[[Item], Result]) -> Result:
    """Sum of `kernel(block)` over the blocks of `source`, taken in block order.

    Raises:
        ValueError: the source has no block.
    """
    blocks = iter(source)
    try:
        total = kernel(next(blocks))
    except StopIteration:
        raise ValueError("a source without blocks has no sum") from None
    for block in blocks:
        total = total + kernel(block)
    return total
