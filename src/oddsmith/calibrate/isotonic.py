"""Isotonic regression by pooling adjacent violators.

    minimise sum_j weight_j (fitted_j - mean_j)^2      subject to fitted_1 <= fitted_2 <= ... <= fitted_m

Neighbours that fall are replaced by their weighted mean, in any order, until none falls; the order does not
matter, for blocks that are pooled once are together in the optimum. So whole falling runs are pooled at
once as long as that makes the table much shorter, and the last ones by a stack, which looks at each block twice
at most.

Sources: Ayer, Brunk, Ewing, Reid and Silverman (1955); Barlow, Bartholomew, Bremner and Brunk (1972).
"""

import numpy as np

from oddsmith.data.block import Floats

_SHRINKS = 0.9
"""Runs are pooled at once while that leaves at most this part of the blocks."""


def pav(mean: Floats, weight: Floats) -> Floats:
    """The rising sequence (m,) nearest to `mean` (m,) in squares weighted by `weight` (m,), positive; O(m).

    Values of one block are equal to the bit.
    """
    sums, weights, sizes = mean * weight, weight, np.ones(len(mean), dtype=np.intp)
    pooled = True
    while pooled and len(sums) > 1:
        falls = np.diff(sums / weights) < 0.0
        starts = np.flatnonzero(np.concatenate([[True], ~falls]))
        pooled = len(starts) < _SHRINKS * len(sums)
        if falls.any():
            sums, weights, sizes = (np.add.reduceat(part, starts) for part in (sums, weights, sizes))
    blocks: list[tuple[float, float, int]] = []
    for total, width, size in zip(sums.tolist(), weights.tolist(), sizes.tolist(), strict=True):
        while blocks and blocks[-1][0] / blocks[-1][1] > total / width:
            before = blocks.pop()
            total, width, size = before[0] + total, before[1] + width, before[2] + size
        blocks.append((total, width, size))
    return np.repeat([total / width for total, width, _ in blocks], [size for *_, size in blocks])
