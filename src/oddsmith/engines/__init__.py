"""How work over blocks is mapped and its results added, in order.

    reduce(source, kernel) = kernel(block_1) + kernel(block_2) + ...

An engine knows no statistics: a kernel is a pure function of a block, and its result adds.
"""

from oddsmith.engines.serial import Engine, reduce
from oddsmith.engines.threads import available_cores, threads
from oddsmith.engines.workspace import workspace

__all__ = ["Engine", "available_cores", "reduce", "threads", "workspace"]
