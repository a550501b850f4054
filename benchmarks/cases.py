"""The grid: one row a case, with the sizes of a full and of a quick run.

Data are generated, each from a seed of its own, unless a case names a file of the folder given by `--data` or
ODDSMITH_DATA. A penalty of `ridge=1` is scikit-learn's default C=1: alpha = 1 / total weight.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.problem import Problem

Make = Callable[[bool, Path | None], Problem | None]


@dataclass(frozen=True)
class Case:
    """A row of the grid. `make(quick, data)` gives the problem, or None where its file is not there."""

    name: str
    group: str
    make: Make
    bar: float = 1e-9
    """Relative suboptimality up to which a fit is correct."""


def normal(n: int, p: int, seed: int, dtype: Any = np.float64) -> np.ndarray:
    """Independent standard normal columns (n, p)."""
    return np.random.default_rng(seed).standard_normal((n, p), dtype=dtype)


def labels(eta: np.ndarray, seed: int) -> np.ndarray:
    """Class codes drawn from log-odds (n,), or from predictors (n, K)."""
    uniform = np.random.default_rng(seed + 1).random(len(eta))
    if eta.ndim == 1:
        return (uniform < 1.0 / (1.0 + np.exp(-eta))).astype(np.int64)
    proba = np.exp(eta - eta.max(axis=1, keepdims=True))
    cumulated = (proba / proba.sum(axis=1, keepdims=True)).cumsum(axis=1)
    return (uniform[:, None] > cumulated[:, :-1]).sum(axis=1)


def truth(p: int, seed: int, spread: float = 1.5, equations: int = 1) -> np.ndarray:
    """Coefficients (p, equations) that give standard normal columns log-odds of this spread."""
    return np.random.default_rng(seed + 2).standard_normal((p, equations)) * spread / np.sqrt(p)


def dense(n: int, p: int, seed: int, ridge: float = 1.0, shift: float = -0.8, **changes: Any) -> Problem:
    """Two classes, about a third of them positive, from independent columns."""
    X = normal(n, p, seed)
    return Problem(X, labels(X @ truth(p, seed)[:, 0] + shift, seed), ridge / n, **changes)


def autoregressive(n: int, p: int, seed: int, rho: float = 0.99) -> Problem:
    """Neighbouring columns with correlation `rho`."""
    X = normal(n, p, seed)
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1.0 - rho**2) * X[:, j]
    return Problem(X, labels(X @ truth(p, seed, 1.0)[:, 0] - 0.5, seed), 1.0 / n)


def raw_scales(n: int, p: int, seed: int) -> Problem:
    """Money, ages, rates and flags as tables have them: sigmas from 1e-2 to 1e4, off centre, no penalty."""
    rng = np.random.default_rng(seed)
    X = normal(n, p, seed)
    X[:, ::3] = np.exp(0.6 * X[:, ::3])
    X[:, 1::3] += rng.uniform(-10.0, 10.0, X[:, 1::3].shape[1])
    X[:, 2::6] = X[:, 2::6] > 1.0
    eta = (X - X.mean(axis=0)) / X.std(axis=0) @ truth(p, seed)[:, 0] - 0.8
    X *= np.where(np.arange(p) % 6 == 2, 1.0, 10.0 ** rng.uniform(-2.0, 4.0, p))
    return Problem(X, labels(eta, seed))


def rare(n: int, p: int, seed: int, share: float = 0.001) -> Problem:
    """Few positives."""
    X = normal(n, p, seed)
    eta = X @ truth(p, seed, 1.0)[:, 0]
    return Problem(X, labels(eta - np.log(np.exp(eta).mean() / share), seed), 1.0 / n)


def sorted_by_label(n: int, p: int, seed: int) -> Problem:
    """All negatives first."""
    problem = dense(n, p, seed)
    order = np.argsort(problem.y, kind="stable")
    return Problem(problem.X[order], problem.y[order], problem.alpha)


def single(n: int, p: int, seed: int) -> Problem:
    """Single precision."""
    X = normal(n, p, seed, np.float32)
    return Problem(X, labels(X @ truth(p, seed)[:, 0] - 0.8, seed), 1.0 / n)


def classes(n: int, p: int, k: int, seed: int, form: Any = "softmax") -> Problem:
    """K classes from independent columns."""
    X = normal(n, p, seed)
    return Problem(X, labels(X @ truth(p, seed, 1.5, k), seed), 1.0 / n, form=form, n_classes=k)


def images(n: int, side: int, k: int, seed: int) -> Problem:
    """Grey pictures: smooth strokes on `side` x `side` pixels from 0 to 1, most of them 0, borders always."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    centres = rng.uniform(0.2 * side, 0.8 * side, (60, 2))
    strokes = np.exp(-((grid[None] - centres[:, None]) ** 2).sum(axis=2) / (0.01 * side * side))
    X = rng.gamma(0.4, 1.0, (n, 60)) @ strokes + 0.05 * rng.standard_normal((n, side * side))
    X = np.clip(X - 0.3, 0.0, 1.0)
    margin = np.abs(grid - (side - 1) / 2).max(axis=1) > 0.43 * side
    X[:, margin] = 0.0
    spread = np.maximum(X.std(axis=0), 0.05)
    eta = (X - X.mean(axis=0)) / spread @ (4.0 * truth(side * side, seed, 1.0, k))
    return Problem(X, labels(eta, seed), 1.0 / n, form="softmax", n_classes=k)


def words(n: int, p: int, length: int, seed: int) -> Problem:
    """Bags of words, CSR: column j is met about in proportion to 1 / (j + 10)."""
    import scipy.sparse as sp

    rng = np.random.default_rng(seed)
    frequency = (1.0 / (np.arange(p) + 10.0)).cumsum()
    lengths = rng.poisson(length, n) + 1
    columns = np.searchsorted(frequency, rng.random(lengths.sum()) * frequency[-1]).astype(np.int32)
    rows = np.repeat(np.arange(n), lengths)
    X = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, p))
    X.sum_duplicates()
    X.data = 1.0 + np.log(X.data)
    coef = rng.standard_normal(p)
    return Problem(X, labels(X @ coef / np.sqrt(length) * 1.5 - 0.5, seed), 1.0 / n)


def flags(n: int, p: int, length: int, seed: int, **penalty: Any) -> Problem:
    """0/1 indicators, CSR, some of them frequent and most of them rare; 3% positives."""
    problem = words(n, p, length, seed)
    X = problem.X
    X.data[:] = 1.0
    eta = X @ truth(p, seed, 1.5 * np.sqrt(p / length))[:, 0]
    y = labels(eta - np.log(np.exp(eta).mean() / 0.03), seed)
    return Problem(X, y, **(penalty or {"alpha": 1.0 / n}))


def largest_alpha(X: Any, y: np.ndarray, fit_intercept: bool = False) -> float:
    """The smallest lasso penalty at which every coefficient is zero."""
    proba = y.mean() if fit_intercept else 0.5
    return float(np.abs(X.T @ (y - proba)).max() / len(y))


def lasso(n: int, p: int, used: int, share: float, seed: int, l1_ratio: float = 1.0, **more: Any) -> Problem:
    """Few of the columns matter; the penalty is a share of the one that leaves no coefficient."""
    X = normal(n, p, seed)
    common = np.random.default_rng(seed + 3).standard_normal((n, 1))
    X = np.sqrt(0.7) * X + np.sqrt(0.3) * common
    coef = np.zeros(p)
    coef[:: max(1, p // used)] = np.resize([1.0, -0.8, 0.6, -0.4], len(coef[:: max(1, p // used)]))
    y = labels(X @ coef, seed)
    alpha = share * largest_alpha(X, y, more.get("fit_intercept", False)) / l1_ratio
    return Problem(X, y, alpha, l1_ratio, **{"fit_intercept": False} | more)


def lasso_path(n: int, p: int, used: int, length: int, seed: int) -> Problem:
    """A hundred penalties from the largest to a thousandth of it."""
    problem = lasso(n, p, used, 1e-3, seed)
    alphas = tuple(np.geomspace(1e3 * problem.alpha, problem.alpha, length).tolist())
    return Problem(problem.X, problem.y, problem.alpha, 1.0, fit_intercept=False, alphas=alphas)


def svmlight(data: Path | None, name: str) -> tuple[Any, np.ndarray] | None:
    """CSR rows and codes of a file of the LIBSVM collection, plain or .bz2, or None where it isn't there."""
    from sklearn.datasets import load_svmlight_file

    found = [] if data is None else [path for path in (data / "libsvm" / name, data / name) if path.exists()]
    if not found:
        return None
    X, y = load_svmlight_file(str(found[0]))
    X.sort_indices()
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return X, (y > 0).astype(np.int64)


def from_svmlight(data: Path | None, name: str, **penalty: Any) -> Problem | None:
    """A file of the LIBSVM collection with C=1, or with a lasso that is a share of the largest one."""
    read = svmlight(data, name)
    if read is None:
        return None
    X, y = read
    if "share" in penalty:
        return Problem(X, y, penalty["share"] * largest_alpha(X, y), 1.0, fit_intercept=False)
    return Problem(X, y, 1.0 / len(y))


def _table(data: Path | None, name: str) -> list[list[str]] | None:
    found = [] if data is None else [path for path in (data / "csv" / name, data / name) if path.exists()]
    if not found:
        return None
    opened = gzip.open if found[0].suffix == ".gz" else open
    with opened(found[0], "rt", newline="") as stream:
        return [[cell.strip() for cell in row] for row in csv.reader(stream) if row]


def adult(data: Path | None) -> Problem | None:
    """Census incomes: numbers as they are and a 0/1 column a level but the first."""
    rows = _table(data, "adult-train.csv")
    if rows is None:
        return None
    parts = []
    for column in zip(*(row[:-1] for row in rows), strict=True):
        try:
            parts.append(np.array(column, dtype=float)[:, None])
        except ValueError:
            levels = sorted(set(column))
            parts.append((np.array(column)[:, None] == levels[1:]).astype(float))
    y = np.array([row[-1].startswith(">50K") for row in rows], dtype=np.int64)
    return Problem(np.hstack(parts), y, 1.0 / len(y))


def credit_card(data: Path | None) -> Problem | None:
    """Defaults on credit card bills in their own units, no penalty."""
    rows = _table(data, "UCI_Credit_Card.csv")
    if rows is None:
        return None
    cells = np.array(rows[1:], dtype=float)
    return Problem(np.ascontiguousarray(cells[:, 1:-1]), cells[:, -1].astype(np.int64))


def _sized(make: Callable[..., Problem], full: tuple[Any, ...], quick: tuple[Any, ...], **more: Any) -> Make:
    return lambda is_quick, data: make(*(quick if is_quick else full), **more)


CASES = [
    Case("1e6 x 20", "dense", _sized(dense, (1_000_000, 20, 101), (20_000, 20, 101))),
    Case("1e6 x 50", "dense", _sized(dense, (1_000_000, 50, 102), (20_000, 50, 102))),
    Case("3e5 x 200", "dense", _sized(dense, (300_000, 200, 103), (10_000, 100, 103))),
    Case("5e4 x 1000", "dense", _sized(dense, (50_000, 1000, 104), (4_000, 450, 104))),
    Case("5e4 x 1000, AR(.99)", "dense", _sized(autoregressive, (50_000, 1000, 105), (4_000, 450, 105))),
    Case("raw scales, no penalty", "dense", _sized(raw_scales, (200_000, 30, 106), (20_000, 30, 106))),
    Case("0.1% positives", "dense", _sized(rare, (1_000_000, 20, 107), (50_000, 20, 107))),
    Case("label-sorted", "dense", _sized(sorted_by_label, (1_000_000, 20, 108), (20_000, 20, 108))),
    Case("float32", "dense", _sized(single, (1_000_000, 20, 109), (20_000, 20, 109)), bar=1e-7),
    Case("adult", "dense", lambda quick, data: adult(data)),
    Case("credit card, no penalty", "dense", lambda quick, data: credit_card(data)),
    Case("1600 x 13", "small", _sized(dense, (1600, 13, 110), (1600, 13, 110))),
    Case("8 x 2", "small", _sized(dense, (8, 2, 125), (8, 2, 125), shift=0.0)),
    Case("softmax 1e6 x 20, K=3", "classes", _sized(classes, (1_000_000, 20, 3, 113), (20_000, 20, 3, 113))),
    Case("softmax 3e5 x 50, K=10", "classes", _sized(classes, (300_000, 50, 10, 114), (10_000, 20, 10, 114))),
    Case("softmax 5e4 x 784, K=10", "classes", _sized(images, (50_000, 28, 10, 115), (4_000, 12, 10, 115))),
    Case(
        "one-vs-rest 3e5 x 50, K=10",
        "classes",
        _sized(classes, (300_000, 50, 10, 116), (10_000, 20, 10, 116), form="ovr"),
    ),
    Case("sparse 2e5 x 5e4", "sparse", _sized(words, (200_000, 50_000, 25, 117), (10_000, 3_000, 25, 117))),
    Case("sparse flags 5e4 x 300", "sparse", _sized(flags, (50_000, 300, 12, 118), (10_000, 300, 12, 118))),
    Case("a9a", "sparse", lambda quick, data: from_svmlight(data, "a9a")),
    Case("w8a", "sparse", lambda quick, data: from_svmlight(data, "w8a")),
    Case("L1 1e5 x 100", "lasso", _sized(lasso, (100_000, 100, 20, 0.02, 119), (5_000, 50, 10, 0.02, 119))),
    Case("L1 4e4 x 500", "lasso", _sized(lasso, (40_000, 500, 50, 0.02, 120), (5_000, 100, 20, 0.02, 120))),
    Case("L1 200 x 5000", "lasso", _sized(lasso, (200, 5000, 20, 0.1, 121), (100, 1000, 10, 0.1, 121))),
    Case(
        "elastic net 1e5 x 100",
        "lasso",
        _sized(
            lasso,
            (100_000, 100, 20, 0.02, 122, 0.5),
            (5_000, 50, 10, 0.02, 122, 0.5),
            fit_intercept=True,
        ),
    ),
    Case(
        "L1 path 1e5 x 100, 100 alphas",
        "lasso",
        _sized(lasso_path, (100_000, 100, 20, 100, 123), (5_000, 30, 10, 10, 123)),
    ),
    Case("L1 a9a", "lasso", lambda quick, data: from_svmlight(data, "a9a", share=0.003)),
    Case("L1 w8a", "lasso", lambda quick, data: from_svmlight(data, "w8a", share=0.003)),
]
