"""Lasso against its peers, at equal objective: seconds, and how far each is above the best objective that is known.

    pip install skglm celer glum scikit-learn
    python benchmarks/lasso.py path 100000 100        # 100 alphas, down to a thousandth of the strongest
    python benchmarks/lasso.py single 40000 500       # one alpha, a fiftieth of the strongest
    python benchmarks/lasso.py single 200 5000 0.1    # one alpha, a tenth of it

Columns are independent and normal, a tenth of them (ten at least) count; no intercept, which not every peer leaves
unpenalised. Peers that are not installed are left out. A compiled peer's first call is not timed.
"""

import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from oddsmith.data.block import ArraySource
from oddsmith.engines import available_cores, threads
from oddsmith.fit.losses import Bernoulli
from oddsmith.fit.matrix import Standardisation
from oddsmith.fit.objective import Objective
from oddsmith.fit.path import TOLERANCE, fit_path
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.solvers import solve


def problem(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, p) and classes 0 and 1 (n,)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    coef = np.zeros(p)
    coef[: max(10, p // 10)] = rng.normal(size=max(10, p // 10))
    return X, (rng.random(n) < 1.0 / (1.0 + np.exp(-X @ coef))).astype(np.int64)


def ours(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, tolerance: float | None = None) -> np.ndarray:
    """Coefficients (A, p)."""
    p = X.shape[1]
    with threads(available_cores()) as engine:
        objective = Objective(
            ArraySource(X, y),
            Bernoulli(),
            Standardisation(np.zeros(p), np.ones(p)),
            ElasticNet.of(float(alphas[-1]), np.ones(p), l1_ratio=1.0),
            fit_intercept=False,
            engine=engine,
        )
        if len(alphas) == 1:
            return solve(objective, "proximal-newton").theta[:, 1:]
        return fit_path(objective, alphas, tolerance=tolerance or TOLERANCE).theta[:, 0, 1:]


def skglm(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, tol: float = 1e-5) -> np.ndarray:
    """Working sets and proximal Newton steps."""
    from skglm import SparseLogisticRegression

    model = SparseLogisticRegression(fit_intercept=False, tol=tol, warm_start=True)
    found = []
    for alpha in alphas:
        model.alpha = alpha
        found.append(model.fit(X, y).coef_[0].copy())
    return np.array(found)


def celer(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, tol: float = 1e-3) -> np.ndarray:
    """Working sets by duality, and coordinate descent."""
    from celer import celer_path

    return celer_path(np.asfortranarray(X), 2.0 * y - 1.0, "logreg", alphas=alphas * len(y), tol=tol)[1].T


def glum(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, tol: float = 1e-4) -> np.ndarray:
    """Iteratively reweighted least squares and coordinate descent."""
    from glum import GeneralizedLinearRegressor

    settings = {"family": "binomial", "l1_ratio": 1.0, "fit_intercept": False, "gradient_tol": tol}
    model = GeneralizedLinearRegressor(alpha=list(alphas), alpha_search=True, **settings)
    if len(alphas) == 1:
        model = GeneralizedLinearRegressor(alpha=alphas[0], **settings)
        return model.fit(X, y).coef_[None]
    return np.array(model.fit(X, y).coef_path_)


PEERS: dict[str, Callable[..., np.ndarray]] = {"skglm": skglm, "celer": celer, "glum": glum}


def objectives(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Mean loss plus penalty of each alpha, (A,)."""
    eta = coef @ X.T
    return (np.logaddexp(0.0, eta) - y * eta).mean(axis=1) + alphas * np.abs(coef).sum(axis=1)


def main() -> None:
    """One line for each: seconds, times as long as ours, and the worst relative distance from the best objective."""
    warnings.simplefilter("ignore")
    what, n, p = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    X, y = problem(n, p)
    strongest = np.abs(X.T @ (0.5 - y)).max() / n
    share = float(sys.argv[4]) if len(sys.argv) > 4 else 0.02
    alphas = strongest * (np.geomspace(1.0, 1e-3, 100) if what == "path" else np.array([share]))
    fits = {"oddsmith": ours, **{name: fit for name, fit in PEERS.items() if find_spec(name)}}
    seconds, values = dict.fromkeys(fits, np.inf), {}
    for fit in fits.values():
        fit(X[:300, :20].copy(), y[:300], alphas[-1:] * 3.0)
    for _ in range(1 if what == "path" else 3):
        for name, fit in fits.items():
            start = time.perf_counter()
            coef = fit(X, y, alphas)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
            values[name] = objectives(X, y, alphas, coef)
    exact = objectives(X, y, alphas, ours(X, y, alphas, 1e-9))
    best = np.min([exact, *values.values()], axis=0)
    for name in fits:
        gap = ((values[name] - best) / best).max()
        print(f"{name:10} {seconds[name]:8.3f} s  x{seconds[name] / seconds['oddsmith']:6.1f}  gap {gap:.1e}")


if __name__ == "__main__":
    main()
