"""Stochastic and mini-batch gradient descent: one method, a batch size.

    each epoch, on a fresh shuffle of the rows, for each batch B in turn:
        theta <- theta - learning_rate / sqrt(1 + epoch) * gradient of the mean loss over B

The learning rate falls slowly enough to get anywhere and fast enough to settle (Robbins and Monro 1951).
The iterates keep jumping about the optimum, so that the answer is their mean over the last half of the
epochs (Polyak and Juditsky 1992).
"""

from dataclasses import dataclass

import numpy as np

from oddsmith.fit.objective import Objective
from oddsmith.fit.solvers.solution import Path, Progress, silent


@dataclass(frozen=True)
class StochasticDescent:
    """`epochs` passes over the rows in batches of `batch_size`, shuffled by `seed`."""

    batch_size: int
    learning_rate: float
    epochs: int = 50
    seed: int = 0

    def __call__(self, objective: Objective, progress: Progress = silent) -> Path:
        """Descend from zero; stop early only where a coefficient is no longer a finite number."""
        shuffles = np.random.default_rng(self.seed)
        n_rows = objective.source.n_rows
        theta = np.zeros((objective.n_problems, objective.n_coefficients))
        mean, counted = np.zeros_like(theta), 0
        history = [(0, objective.evaluate(theta, order=0).value)]
        for epoch in range(self.epochs):
            rate = self.learning_rate / np.sqrt(1.0 + epoch)
            order = shuffles.permutation(n_rows)
            for start in range(0, n_rows, self.batch_size):
                batch = objective.evaluate_rows(theta, order[start : start + self.batch_size])
                theta = theta - rate * batch.gradient
                if 2 * epoch >= self.epochs:
                    counted += 1
                    mean += (theta - mean) / counted
            value = objective.evaluate(mean if counted else theta, order=0).value
            history.append((epoch + 1, value))
            progress(epoch + 1, self.epochs, value)
            if not np.isfinite(theta).all():
                break
        return Path(mean if counted else theta, history[-1][0], history)
