"""How work over blocks is mapped and its results added, in order.

    reduce(source, kernel) = kernel(block_1) + kernel(block_2) + ...

An engine knows no statistics: a kernel is a pure function of a block, and its result adds.
"""

from oddsmith.engines.serial import reduce

__all__ = ["reduce"]
