"""Published problems with certified digits; skipped where the reference folder is absent.

The certified values are Newton's with mpmath at 50 digits; digits are counted as NIST does,
-log10(|c - t| / |t|).
"""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from oddsmith.fit.losses import Bernoulli
from oddsmith.fit.optimality import Status

from .problems import Problem, fitted
from .published import fit

FOLDER = Path(__file__).parents[3] / "shared" / "reference" / "published"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the published problems are not here")
DIGITS = 12.0


def entries(name):
    path = FOLDER / name
    return json.loads(path.read_text())["problems"] if path.is_file() else []


def by_id(problems):
    return pytest.mark.parametrize("entry", problems, ids=[entry["id"] for entry in problems])


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("published_check", FOLDER / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@by_id([entry for entry in entries("problems.json") if entry["estimator"] == "mle"])
def test_certified_coefficients(entry, check):
    rows, _ = fit(*check.load(entry), len(entry["classes"]), entry["intercept"], "mle")
    names = ["(Intercept)"] * entry["intercept"] + entry["columns"]
    certified = [list(entry["certified"]["coef"][c].values()) for c in entry["classes"][1:]]
    assert [list(entry["certified"]["coef"][c]) for c in entry["classes"][1:]] == [names] * len(rows)
    digits = [
        check.lre(found, true)
        for row, truth in zip(rows, certified, strict=True)
        for found, true in zip(row, truth, strict=True)
    ]
    assert min(digits) >= max(DIGITS, entry["digits_goal"])


@by_id([entry for entry in entries("problems.json") if entry["estimator"] == "mle"])
def test_certified_log_likelihood(entry, check):
    X, y, w = check.load(entry)
    from oddsmith.fit.losses import Softmax

    classes = len(entry["classes"])
    loss = Bernoulli() if classes == 2 else Softmax(classes)
    solution = fitted(Problem(entry["id"], X, y, loss, w, fit_intercept=entry["intercept"]))[2]
    assert solution.status is Status.converged
    found = -solution.optimality.mean_loss[0] * w.sum()
    assert found == pytest.approx(float(entry["certified"]["loglik"]), rel=1e-12)


def read(entry):
    with open(FOLDER / entry["data"], newline="") as stream:
        rows = list(csv.DictReader(stream))
    X = np.array([[float(row[c]) for c in entry["columns"]] for row in rows])
    return X, np.array([int(float(row[entry.get("target", "y")])) for row in rows]), rows


@by_id([entry for entry in entries("penalised.json") if float(entry.get("l1_ratio", 1)) == 0.0])
def test_certified_ridge(entry, check):
    X, y, _ = read(entry)
    alpha = float(entry["lambda_"])
    problem = Problem(entry["id"], X, y, alpha=alpha, standardize=False, fit_intercept=entry["intercept"])
    _, coef, solution = fitted(problem)
    assert solution.status is Status.converged
    assert min(map(check.lre, coef[0], entry["certified"]["coef"])) >= 11.0
    objective = solution.optimality.mean_loss[0] + 0.5 * alpha * (coef**2).sum()
    assert objective == pytest.approx(float(entry["certified"]["objective"]), rel=1e-13)


@by_id(entries("separation.json"))
def test_separation_verdicts(entry):
    X, y, rows = read(entry)
    column = entry["weight_column"]
    weight = None if column is None else np.array([float(row[column]) for row in rows])
    _, coef, solution = fitted(Problem(entry["id"], X, y, weight=weight))
    assert solution.status is (Status.no_finite_optimum if entry["separated"] else Status.converged)
    assert np.isfinite(coef).all()
    assert solution.optimality.separated.tolist() == [entry["complete"]]
    assert solution.held.sum() == entry["columns_with_intercept"] - entry["rank"]
    for name, verdict in entry["infinite"].items():
        if name != "(Intercept)":
            held = bool(solution.held[0, 1 + entry["columns"].index(name)])
            assert held == verdict.startswith("not estimable")
    if entry["separated"] and entry["check_directions"]:
        drifting = entry["columns"][solution.optimality.drifting[0] - 1]
        assert entry["infinite"][drifting].endswith("Inf")
