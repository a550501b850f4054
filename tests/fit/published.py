"""A fitter for `check.py` of the published problems: fit(X, y, weight, n_classes, intercept, estimator)."""

import numpy as np

from oddsmith.data.block import ArraySource
from oddsmith.data.moments import measures
from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.objective import Objective, Standardisation
from oddsmith.fit.penalties import ElasticNet
from oddsmith.fit.solvers import solve


def fit(X, y, weight, n_classes, intercept, estimator):
    if estimator != "mle":
        return None
    source = ArraySource(np.ascontiguousarray(X), y, weight)
    loss = Bernoulli() if n_classes == 2 else Softmax(n_classes)
    standardisation = Standardisation.of(measures(source), fit_intercept=intercept)
    unpenalised = ElasticNet.of(0.0, standardisation.scale, loss.n_coupled)
    objective = Objective(source, loss, standardisation, unpenalised, fit_intercept=intercept)
    intercepts, coef = objective.on_user_scale(solve(objective, "newton").theta)
    return [np.r_[b, w] if intercept else w for b, w in zip(intercepts, coef, strict=True)], None
