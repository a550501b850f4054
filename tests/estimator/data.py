"""Rows that the estimator's tests share: overlapping classes, columns of different size, unequal weights."""

import numpy as np

RNG = np.random.default_rng(4)
N = 150
X = RNG.normal(size=(N, 4)) * [1.0, 20.0, 0.05, 3.0] + [0.0, 300.0, 0.0, -5.0]
SCORE = X[:, 0] + (X[:, 1] - 300.0) / 20.0 - (X[:, 3] + 5.0) / 6.0
BINARY = (SCORE + RNG.logistic(size=N) > 0.3).astype(np.int64)
THREE = np.digitize(SCORE + RNG.logistic(size=N), [-1.0, 1.0])
WEIGHT = RNG.uniform(0.2, 3.0, size=N) * (RNG.random(N) < 0.9)
NAMES = ["x", "salary", "rate", "distance"]
TARGETS = {"binary": BINARY, "three": THREE}
