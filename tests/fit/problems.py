"""One table of problems: every solver of `SOLVERS` meets every row of it.

Each row is a kind of trouble, small enough to solve in a moment. `STOPS_AT` states how far from the
optimum the first-order solvers are known to stop there, with the settings of `SETTINGS`: the newton
decrement, half a squared distance in standard errors.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from oddsmith.data.block import ArraySource
from oddsmith.data.moments import measures
from oddsmith.fit.losses import Bernoulli, Loss, Softmax
from oddsmith.fit.objective import Objective, Standardisation
from oddsmith.fit.optimality import Status
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.solvers import solve

SETTINGS = {
    "newton": {},
    "sketched-newton": {},
    "proximal-newton": {},
    "lbfgs": {},
    "gradient-descent": {"iterations": 400},
    "sgd": {"epochs": 10},
    "mini-batch": {"epochs": 20},
}


@dataclass(frozen=True)
class Problem:
    """Data, model and what is known of the outcome; `status` is Newton's."""

    name: str
    X: np.ndarray
    y: np.ndarray
    loss: Loss = field(default_factory=Bernoulli)
    weight: np.ndarray | None = None
    alpha: float = 0.0
    l1_ratio: float = 0.0
    standardize: bool = True
    fit_intercept: bool = True
    status: Status = Status.converged
    block_rows: int | None = None
    offset: np.ndarray | None = None

    def source(self):
        return ArraySource(
            np.ascontiguousarray(self.X, dtype=np.float64), self.y, self.weight, self.block_rows, self.offset
        )

    def objective(self):
        source = self.source()
        standardisation = Standardisation.of(measures(source), fit_intercept=self.fit_intercept)
        return Objective(
            source,
            self.loss,
            standardisation,
            ElasticNet.of(
                self.alpha,
                standardisation.scale,
                self.loss.n_coupled,
                standardize=self.standardize,
                l1_ratio=self.l1_ratio,
                symmetric=getattr(self.loss, "symmetric", False),
            ),
            fit_intercept=self.fit_intercept,
        )

    def changed(self, **changes):
        return replace(self, **changes)


def fitted(problem, solver="newton", **settings):
    """Intercepts, coefficients on the user's scale, and the solution."""
    objective = problem.objective()
    solution = solve(objective, solver, **settings)
    return *objective.on_user_scale(solution.theta), solution


def drawn(X, eta, seed):
    """Classes drawn from the model with log-odds `eta` (n,) or predictors (n, K)."""
    uniform = np.random.default_rng(seed).random((len(X), 1))
    if eta.ndim == 1:
        eta = np.column_stack([np.zeros(len(X)), eta])
    proba = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    return (uniform > proba.cumsum(axis=1)[:, :-1]).sum(axis=1)


def _columns(n, p, seed):
    return np.random.default_rng(seed).normal(size=(n, p))


def _correlated(n, p, seed, rho=0.99):
    """Neighbouring columns with correlation `rho`."""
    noise = _columns(n, p, seed)
    X = noise.copy()
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1.0 - rho**2) * noise[:, j]
    return X


def _problems():
    X = _columns(120, 3, 1)
    y = drawn(X, X @ [1.0, -1.0, 0.5] + 0.3, 2)
    small = Problem("small", X, y)
    near = _correlated(120, 4, 3)
    alike = Problem("correlated columns", near, drawn(near, near @ [1.0, -1.0, 1.0, 0.0], 4))
    rare_X = _columns(400, 2, 5)
    rare_y = np.zeros(400, dtype=np.int64)
    rare_y[[17, 101, 250, 399]] = 1
    centres = np.array([[0.0, 0.0], [1.0, 0.5], [-0.5, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    wide = _columns(150, 2, 6)
    three, four, five = (drawn(wide, wide @ centres[:k].T, 7) for k in (3, 4, 5))
    draws = np.random.default_rng(8)
    weight = np.where(draws.random(120) < 0.2, 0.0, draws.uniform(0.1, 4.0, 120))
    offset = draws.normal(0.5, 1.5, 120)
    traps = np.column_stack([X, np.full(120, 7.0), X[:, 0] - 2.0 * X[:, 1]])
    line = np.arange(20.0)[:, None]
    apart = (np.arange(20) >= 8).astype(np.int64)
    quasi = apart.copy()
    quasi_X = np.minimum(line, 12.0)
    quasi_X[7] = quasi_X[8] = 8.0
    quasi_X = np.column_stack([quasi_X, _columns(20, 1, 9)])
    quasi_X[[7, 8], 1] = 0.0
    return [
        small,
        alike,
        small.changed(name="huge offsets and scales", X=X * [1e-6, 1.0, 1e6] + [1.0, 1e6, 1e12]),
        small.changed(name="weights, some zero", weight=weight),
        small.changed(name="offsets", offset=offset),
        small.changed(name="offsets, weights, ridge", offset=offset, weight=weight, alpha=0.01),
        small.changed(name="offsets that say nearly all", X=X[:, :2], offset=20.0 * offset),
        Problem("1% positives", rare_X, rare_y),
        Problem("one-vs-rest, 4 classes", wide, four, Bernoulli((0, 1, 2, 3))),
        Problem("softmax, 3 classes", wide, three, Softmax(3)),
        Problem("softmax, 5 classes", wide, five, Softmax(5)),
        alike.changed(name="ridge, standardised", X=near * [1.0, 10.0, 0.1, 1.0], alpha=0.01),
        alike.changed(
            name="ridge, user's scale", X=near * [1.0, 10.0, 0.1, 1.0], alpha=0.01, standardize=False
        ),
        Problem("softmax with ridge", wide, three, Softmax(3), alpha=0.1),
        small.changed(name="no intercept", X=X + np.array([0.5, 0.0, -0.5]), fit_intercept=False),
        small.changed(name="constant and dependent columns", X=traps),
        small.changed(name="one column", X=X[:, :1]),
        small.changed(name="no column", X=X[:, :0]),
        Problem("separated", line, apart, status=Status.no_finite_optimum),
        Problem("quasi-separated", quasi_X, quasi, status=Status.no_finite_optimum),
        Problem("softmax, separated", line, np.arange(20) // 7, Softmax(3), status=Status.no_finite_optimum),
        Problem("separated, ridge", line, apart, alpha=0.01),
    ]


PROBLEMS = {problem.name: problem for problem in _problems()}

ROUNDING = 1e-18
"""A decrement of this size is rounding: no better one is asked for."""

# As measured, plus 5%: the test asks for no more than this and, above rounding, no less than a tenth.
# To make it again, print `fitted(problem, solver, **SETTINGS[solver])[2].optimality.newton_decrement`.
STOPS_AT = {  # gradient-descent, sgd, mini-batch
    "small": (ROUNDING, 6.3e-3, 1.6e-1),
    "correlated columns": (1.6e0, 2.3e0, 2.4e0),
    "huge offsets and scales": (ROUNDING, 6.3e-3, 1.6e-1),
    "weights, some zero": (ROUNDING, 1.6e-2, 1.7e-1),
    "offsets": (ROUNDING, 2.8e-2, 4.8e-1),
    "offsets, weights, ridge": (ROUNDING, 2.8e-2, 2.9e-1),
    "offsets that say nearly all": (4.1e0, 1.36e2, 2.36e2),
    "1% positives": (2.6e-1, 1.3e0, 3.4e0),
    "one-vs-rest, 4 classes": (5.1e-7, 4.3e-1, 1.9e0),
    "softmax, 3 classes": (1.4e-7, 2.6e-1, 1.5e0),
    "softmax, 5 classes": (4.0e-4, 3.9e-1, 1.9e0),
    "ridge, standardised": (2.7e-3, 1.6e-1, 2.0e-1),
    "ridge, user's scale": (1.7e-2, 1.2e-1, 1.3e-1),
    "softmax with ridge": (1.1e-13, 1.9e-2, 2.9e-1),
    "no intercept": (ROUNDING, 6.1e-3, 1.3e-1),
    "constant and dependent columns": (ROUNDING, 2.0e-3, 3.7e-2),
    "one column": (ROUNDING, 3.5e-3, 7.0e-2),
    "no column": (ROUNDING, 1.1e-3, 3.6e-3),
    "separated": (4.3e-1, 2.5e0, 2.9e0),
    "quasi-separated": (1.5e-1, 2.6e0, 3.0e0),
    "softmax, separated": (1.3e0, 4.9e0, 5.3e0),
    "separated, ridge": (3.3e-5, 2.2e0, 2.5e0),
}


def stops_at(name, solver):
    return STOPS_AT[name][list(SETTINGS).index(solver) - 4]
