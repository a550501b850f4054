"""Does the table of ten million scores cost no more than one ROC curve? `ScoreTable.from_scores` against `roc_curve`.

    python benchmarks/score_table.py [ROWS]      # ten million by itself; needs 2 GB of memory

The table answers for every binary summary, scikit-learn's `roc_curve` for one. Scores of full length, scores that
tie, and rows with weights; both get the same arrays, and they take turns, so that a machine whose speed drifts
favours neither. The ratio is of each round, ours / scikit-learn's. Fails where its median is above 1.
"""

import statistics
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from oddsmith.evaluate.score_table import ScoreTable

ROWS, ROUNDS = 10_000_000, 7
MOST = 1.0


def seconds(function: Callable[[], Any]) -> float:
    """Of one call."""
    start = perf_counter()
    function()
    return perf_counter() - start


def main() -> None:
    """Run, print, and fail where the table is the slower one."""
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    rng = np.random.default_rng(0)
    eta = rng.normal(scale=2.0, size=n_rows)
    y = (rng.logistic(size=n_rows) < eta).astype(np.int64)
    weight = rng.exponential(size=n_rows)
    kinds: dict[str, tuple[Any, Any]] = {
        "all distinct": (eta, None),
        "of three decimals": (np.round(eta, 3), None),
        "distinct, weighted": (eta, weight),
    }
    broken = []
    for kind, (scores, weights) in kinds.items():
        pairs = [
            (
                seconds(partial(ScoreTable.from_scores, scores, y, weights)),
                seconds(partial(roc_curve, y, scores, sample_weight=weights)),
            )
            for _ in range(ROUNDS)
        ]
        ratios = [ours / theirs for ours, theirs in pairs]
        ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        middle = statistics.median(ratios)
        print(f"{kind}: ratio {middle:.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
        print(f"  ScoreTable.from_scores {ours:.2f} s, roc_curve {theirs:.2f} s, {n_rows:,} scores")
        if middle > MOST:
            broken.append(kind)
    if broken:
        sys.exit(f"slower than roc_curve: {'; '.join(broken)}")


if __name__ == "__main__":
    main()
