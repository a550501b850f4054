"""The glass box: logistic regression in NumPy alone, to be stepped through by hand.

    z = X @ W + b        y_hat = sigmoid(z) = 1 / (1 + exp(-z))        loss = mean(-log y_hat[true label])
    d loss / d z = (y_hat - y) / n         dW = X.T @ (y_hat - y) / n        dB = mean(y_hat - y)

Read it from top to bottom: the curve and its loss, the two models, descent, preparing columns, reading
the results. It favours the formula over speed and imports nothing of the package; the package's solvers
are checked against it. Wrong shapes and impossible labels raise ValueError; nothing is broadcast.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def sigmoid(z: ArrayLike) -> Array:
    """1 / (1 + exp(-z)), of any shape; exp sees only -|z|, so it never overflows."""
    z = np.asarray(z, dtype=float)
    small = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1.0, small) / (1.0 + small))


def log_loss_from_logits(y: ArrayLike, z: ArrayLike) -> float:
    """Mean of log(1 + exp(-m)), where m = z for label 1 and m = -z for label 0.

    Exact where probabilities are not: a wrong answer at z = 1000 costs 1000, although its probability
    has long been rounded to 0 or 1. `y` and `z` hold n values each.
    """
    z = np.asarray(z, dtype=float).ravel()
    y = _labels(y, z.size)
    return float(np.mean(np.logaddexp(0.0, np.where(y == 1, -z, z))))


def _labels(y: ArrayLike, n: int) -> Array:
    """`y` as n zeros and ones, shape (n,)."""
    y = np.asarray(y, dtype=float)
    if y.size != n or y.shape not in {(), (n,), (n, 1)}:
        raise ValueError(
            f"y has shape {y.shape}, but there are {n} rows: pass one label a row, (n,) or (n, 1)."
        )
    if not np.all((y == 0) | (y == 1)):
        raise ValueError(
            "y holds something other than 0 and 1: code the labels first, y = (label == positive)."
        )
    return y.reshape(n)


def _probabilities(p: ArrayLike) -> Array:
    p = np.asarray(p, dtype=float)
    if p.size == 0 or not np.all((p >= 0) & (p <= 1)):
        raise ValueError("A probability is missing or outside 0 to 1: pass probabilities, not log-odds.")
    return p


def _matrix(X: ArrayLike, n_columns: int | None = None) -> Array:
    """`X` as finite numbers, shape (n, p)."""
    X = np.asarray(X, dtype=float)
    if X.ndim != 2 or len(X) == 0:
        raise ValueError(
            f"X has shape {X.shape}: pass (n rows, p columns), a single row as X.reshape(1, -1)."
        )
    if n_columns is not None and X.shape[1] != n_columns:
        raise ValueError(
            f"X has {X.shape[1]} columns, the weights {n_columns}: is the column of ones missing, or one too many?"
        )
    if not np.all(np.isfinite(X)):
        raise ValueError("X holds NaN or infinity: fill missing values with replace_nan first.")
    return X


class LogisticRegression:
    """P(y = 1 | x) = sigmoid(x @ W + b); W (p, 1) and b start at zero.

    One step is `z, y_hat = forward(X)`, `dW, dB = backward(X, y, y_hat)`, `update(dW, dB)`.
    """

    def __init__(self, n_features: int, lr: float) -> None:
        self.W: Array = np.zeros((n_features, 1))
        self.b = 0.0
        self.lr = lr

    def forward(self, X: ArrayLike) -> tuple[Array, Array]:
        """Log-odds z and probabilities y_hat, (n, 1) each, of rows X (n, p)."""
        z = _matrix(X, len(self.W)) @ self.W + self.b
        return z, sigmoid(z)

    def loss(self, y: ArrayLike, y_hat: ArrayLike) -> float:
        """Mean of -log(probability given to the true label).

        A probability of exactly 0 is lifted to 2.2e-16, so that no answer costs more than 36.04. What
        rounding took away stays lost: `log_loss_from_logits` works on z and needs no such mercy.
        """
        y_hat = _probabilities(y_hat).ravel()
        of_truth = np.where(_labels(y, y_hat.size) == 1, y_hat, 1.0 - y_hat)
        return float(np.mean(-np.log(np.maximum(of_truth, np.finfo(float).eps))))

    def backward(self, X: ArrayLike, y: ArrayLike, y_hat: ArrayLike) -> tuple[Array, float]:
        """Gradient of the mean loss: dW (p, 1) and dB."""
        X = _matrix(X, len(self.W))
        # Without these columns (n, 1) - (n,) would silently become (n, n).
        y = _labels(y, len(X)).reshape(-1, 1)
        residual = _shaped(y_hat, y.shape, "y_hat") - y
        return X.T @ residual / len(X), float(np.mean(residual))

    def update(self, dW: ArrayLike, dB: float) -> None:
        """One step downhill, of length `lr` times the gradient."""
        self.W = self.W - self.lr * _shaped(dW, self.W.shape, "dW")
        self.b -= self.lr * dB


class SoftmaxRegression:
    """P(y = k | x) is proportional to exp(x @ W[:, k] + b[k]); W (p, K) and b (K,) start at zero."""

    def __init__(self, n_features: int, n_classes: int, lr: float) -> None:
        self.W: Array = np.zeros((n_features, n_classes))
        self.b: Array = np.zeros(n_classes)
        self.lr = lr

    def forward(self, X: ArrayLike) -> tuple[Array, Array]:
        """Scores z and probabilities y_hat, (n, K) each, of rows X (n, p)."""
        z = _matrix(X, len(self.W)) @ self.W + self.b
        # A shift common to all classes changes no probability, and keeps exp below 1.
        odds = np.exp(z - z.max(axis=1, keepdims=True))
        return z, odds / odds.sum(axis=1, keepdims=True)

    def loss(self, y: ArrayLike, y_hat: ArrayLike) -> float:
        """Mean of -log(probability given to the true class), lifted off 0 as in `LogisticRegression`."""
        y_hat = _probabilities(y_hat)
        y = self._one_hot(y, len(y_hat))
        of_truth = np.sum(y * _shaped(y_hat, y.shape, "y_hat"), axis=1)
        return float(np.mean(-np.log(np.maximum(of_truth, np.finfo(float).eps))))

    def backward(self, X: ArrayLike, y: ArrayLike, y_hat: ArrayLike) -> tuple[Array, Array]:
        """Gradient of the mean loss: dW (p, K) and dB (K,); `y` holds codes 0..K-1 (n,) or is one-hot."""
        X = _matrix(X, len(self.W))
        y = self._one_hot(y, len(X))
        residual = _shaped(y_hat, y.shape, "y_hat") - y
        return X.T @ residual / len(X), residual.mean(axis=0)

    def update(self, dW: ArrayLike, dB: ArrayLike) -> None:
        """One step downhill, of length `lr` times the gradient."""
        self.W = self.W - self.lr * _shaped(dW, self.W.shape, "dW")
        self.b = self.b - self.lr * _shaped(dB, self.b.shape, "dB")

    def _one_hot(self, y: ArrayLike, n: int) -> Array:
        y = np.asarray(y, dtype=float)
        codes = np.arange(len(self.b))
        one_hot = (y[:, np.newaxis] == codes).astype(float) if y.ndim == 1 else y
        fits = one_hot.shape == (n, codes.size) and np.all((one_hot == 0) | (one_hot == 1))
        if not fits or not np.all(one_hot.sum(axis=1) == 1):
            raise ValueError(
                f"y has shape {y.shape}: pass {n} whole numbers from 0 to {codes[-1]}, or {n} one-hot rows."
            )
        return one_hot


def _shaped(given: ArrayLike, shape: tuple[int, ...], name: str) -> Array:
    """`given` in that very shape; one column may come flat, nothing else is bent."""
    given = np.asarray(given, dtype=float)
    if given.shape != shape and shape != (*given.shape, 1):
        raise ValueError(f"{name} has shape {given.shape} where {shape} is needed.")
    return given.reshape(shape)


def check_gradient(
    model: LogisticRegression | SoftmaxRegression, X: ArrayLike, y: ArrayLike, step: float = 1e-5
) -> float:
    """Largest relative difference between `backward` and (loss(w + step) - loss(w - step)) / (2 step).

    Below 1e-6 on columns of ordinary size when `backward` is right. Slopes under 1e-3 are compared with
    1e-3, since rounding blurs the quotient by about 1e-11. The model is left as it was.
    """
    _, y_hat = model.forward(X)
    dW, dB = model.backward(X, y, y_hat)
    analytic = np.append(dW.ravel(), dB)
    shape, centre = model.W.shape, (model.W, model.b)
    numeric = np.empty_like(analytic)
    for i, nudge in enumerate(step * np.eye(analytic.size)):
        losses = []
        for signed in (nudge, -nudge):
            model.W = centre[0] + signed[: dW.size].reshape(shape)
            model.b = centre[1] + (signed[-1] if isinstance(model, LogisticRegression) else signed[dW.size :])
            losses.append(model.loss(y, model.forward(X)[1]))
        numeric[i] = (losses[0] - losses[1]) / (2 * step)
    model.W, model.b = centre
    scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), 1e-3)
    return float(np.max(np.abs(analytic - numeric) / scale))


def fit_logistic(
    X_with_ones: ArrayLike, y: ArrayLike, lr: float = 0.2, epochs: int = 3000, verbose: bool = True
) -> Array:
    """Weights (p,) after `epochs` steps of batch gradient descent from zeros, the intercept first.

    Every step sees all rows. Prints loss and weights, both as they are after the update, at epochs 1,
    201, 501, 1001 and the last. Any lr below 8 / (largest eigenvalue of X.T @ X / n) descends at every
    step; a larger one may or may not.
    """
    X = _matrix(X_with_ones)
    y = _labels(y, len(X))
    w = np.zeros(X.shape[1])
    for epoch in range(1, epochs + 1):
        w = w - lr * (X.T @ (sigmoid(X @ w) - y)) / len(X)
        if verbose:
            _print_snapshot(epoch, epochs, X, y, w)
    return w


def minibatch(
    X_with_ones: ArrayLike,
    y: ArrayLike,
    lr: float = 0.2,
    epochs: int = 3000,
    verbose: bool = True,
    batch_size: int = 32,
    decay: float = 0.01,
    seed: int = 0,
) -> Array:
    """Weights (p,) after `epochs` passes, one step for every `batch_size` rows in freshly shuffled order.

    The gradient of a few rows points downhill only on average: steps of constant length never settle,
    they hover around the optimum. Epoch k therefore steps with lr / (1 + decay * (k - 1)): long steps
    while there is far to go, then short ones that average the noise away, yet with an infinite sum, so
    that no distance is too far (Robbins and Monro, 1951). `decay=0` keeps the length.

    The same seed gives the same weights, and fewer epochs give the beginning of the same path. With
    `batch_size >= n` and `decay=0` it is `fit_logistic`.
    """
    X = _matrix(X_with_ones)
    y = _labels(y, len(X))
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: a step needs at least one row.")
    shuffle = np.random.default_rng(seed)
    w = np.zeros(X.shape[1])
    for epoch in range(1, epochs + 1):
        rate = lr / (1 + decay * (epoch - 1))
        order = shuffle.permutation(len(X))
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            X_few, y_few = X[rows], y[rows]
            w = w - rate * (X_few.T @ (sigmoid(X_few @ w) - y_few)) / len(rows)
        if verbose:
            _print_snapshot(epoch, epochs, X, y, w)
    return w


def sgd(
    X_with_ones: ArrayLike,
    y: ArrayLike,
    lr: float = 0.2,
    epochs: int = 3000,
    verbose: bool = True,
    decay: float = 0.01,
    seed: int = 0,
) -> Array:
    """Stochastic gradient descent: `minibatch` with one row a step, n steps an epoch, same schedule."""
    return minibatch(X_with_ones, y, lr, epochs, verbose, batch_size=1, decay=decay, seed=seed)


def one_vs_rest(
    X_with_ones: ArrayLike, labels: ArrayLike, lr: float = 0.2, epochs: int = 3000, verbose: bool = True
) -> tuple[NDArray[np.generic], Array]:
    """K classifiers "this class or not": classes (K,) in sorted order and weights (p, K), a column each.

    The most convinced classifier decides: classes[np.argmax(X_with_ones @ weights, axis=1)].
    """
    labels = np.asarray(labels)
    classes = np.unique(labels)
    columns = []
    for label in classes:
        if verbose:
            print(f"{label} against the rest")  # noqa: T201
        columns.append(fit_logistic(X_with_ones, labels == label, lr, epochs, verbose))
    return classes, np.column_stack(columns)


def _print_snapshot(epoch: int, epochs: int, X: Array, y: Array, w: Array) -> None:
    if epoch in {1, 201, 501, 1001, epochs}:
        weights = "  ".join(f"{weight:10.6f}" for weight in w)
        print(f"epoch {epoch:5d}  loss {log_loss_from_logits(y, X @ w):.6f}  weights {weights}")  # noqa: T201


def replace_nan(X: ArrayLike, column_means: ArrayLike | None = None) -> tuple[Array, Array]:
    """X with each NaN replaced by its column's mean, and those means (p,).

    Call it on the training rows without `column_means`, and on every later row with the means that came
    back: a mean taken over rows to be predicted would let them see one another.
    """
    X = np.asarray(X, dtype=float)
    missing = np.isnan(X)
    if column_means is None:
        present = np.sum(~missing, axis=0)
        if np.any(present == 0):
            raise ValueError(f"Column {int(np.argmin(present))} of X holds nothing but NaN: drop it.")
        column_means = np.sum(X, axis=0, where=~missing) / present
    means = np.asarray(column_means, dtype=float)
    if X.ndim != 2 or means.shape != X.shape[1:]:
        raise ValueError(f"X has shape {X.shape}, the means {means.shape}: one mean a column is needed.")
    return np.where(missing, means, X), means


def compute_mu_sigma(X: ArrayLike) -> tuple[Array, Array]:
    """Mean and population standard deviation (divided by n) of each column, (p,) each; 0 becomes 1.

    A constant column is recognised by its values: rounding gives 0.1, 0.1, 0.1 a deviation of 1e-17.
    """
    X = _matrix(X)
    return X.mean(axis=0), np.where(X.max(axis=0) == X.min(axis=0), 1.0, X.std(axis=0))


def normalize(X: ArrayLike, mu: ArrayLike, sigma: ArrayLike) -> Array:
    """(X - mu) / sigma, with mu and sigma (p,) of the training rows."""
    X = _matrix(X)
    return (X - _shaped(mu, X.shape[1:], "mu")) / _shaped(sigma, X.shape[1:], "sigma")


def add_bias(X: ArrayLike) -> Array:
    """X (n, p) behind a column of ones, (n, p + 1): its weight is the intercept."""
    X = _matrix(X)
    return np.column_stack([np.ones(len(X)), X])


def predict_proba(X: ArrayLike, w: ArrayLike) -> Array:
    """P(y = 1), shape (n,), for rows X (n, p) with their column of ones and weights w (p,)."""
    w = np.asarray(w, dtype=float).ravel()
    return sigmoid(_matrix(X, w.size) @ w)


def predict_with_threshold(p: ArrayLike, threshold: float) -> NDArray[np.int64]:
    """1 where p >= threshold, else 0; shape (n,)."""
    return (_probabilities(p).ravel() >= threshold).astype(np.int64)


def confusion_matrix_at_threshold(y: ArrayLike, p: ArrayLike, threshold: float) -> dict[str, int]:
    """How many rows are found (tp), accused (fp), missed (fn) and left in peace (tn), rightly or not."""
    predicted = predict_with_threshold(p, threshold) == 1
    actual = _labels(y, predicted.size) == 1
    return {
        "tp": int(np.sum(predicted & actual)),
        "fp": int(np.sum(predicted & ~actual)),
        "fn": int(np.sum(~predicted & actual)),
        "tn": int(np.sum(~predicted & ~actual)),
    }


def precision_recall_f1(cm: dict[str, int]) -> tuple[float, float, float]:
    """Precision tp / (tp + fp), recall tp / (tp + fn), F1 2 tp / (2 tp + fp + fn); 0.0 where undefined."""
    tp, fp, fn = cm["tp"], cm["fp"], cm["fn"]
    return _ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(2 * tp, 2 * tp + fp + fn)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def roc_points(y: ArrayLike, p: ArrayLike, thresholds: Sequence[float]) -> list[tuple[float, float, float]]:
    """(threshold, false positive rate, true positive rate) at each threshold, in the order given."""
    points = []
    for threshold in thresholds:
        cm = confusion_matrix_at_threshold(y, p, threshold)
        if cm["fp"] + cm["tn"] == 0 or cm["tp"] + cm["fn"] == 0:
            raise ValueError("y holds one class only: a rate of false or true positives needs both.")
        points.append((float(threshold), cm["fp"] / (cm["fp"] + cm["tn"]), cm["tp"] / (cm["tp"] + cm["fn"])))
    return points


def expected_calibration_error(y: ArrayLike, p: ArrayLike, n_bins: int = 4) -> float:
    """Mean over rows of |mean probability - share of positives| of the row's bin.

    Bins are [k / n_bins, (k + 1) / n_bins), the last one closed; empty ones count nothing. Probability
    of the positive class throughout, not of the predicted one.
    """
    p = _probabilities(p).ravel()
    y = _labels(y, p.size)
    if n_bins < 1:
        raise ValueError(f"n_bins is {n_bins}: at least one bin is needed.")
    bins = np.searchsorted(np.arange(1, n_bins) / n_bins, p, side="right")
    gaps = [abs(np.sum(p[bins == k] - y[bins == k])) for k in range(n_bins)]
    return float(sum(gaps) / p.size)
