"""The benchmarks run, and what they compare with is right: objective and optima agree with scikit-learn's."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from benchmarks import cases, ours  # noqa: E402
from benchmarks.__main__ import chosen, earlier, items  # noqa: E402
from benchmarks.problem import Coefficients, objective  # noqa: E402
from benchmarks.reference import reference, references  # noqa: E402

pytestmark = pytest.mark.slow

PROBLEMS = {
    "ridge": cases.dense(400, 5, 1),
    "no penalty": cases.raw_scales(400, 6, 2),
    "no intercept": cases.dense(400, 5, 3, fit_intercept=False),
    "softmax": cases.classes(400, 4, 3, 4),
    "one-vs-rest": cases.classes(400, 4, 3, 5, form="ovr"),
    "sparse": cases.words(400, 30, 5, 6),
    "lasso": cases.lasso(400, 20, 5, 0.05, 7),
    "elastic net": cases.lasso(400, 20, 5, 0.05, 8, 0.5, fit_intercept=True),
    "wide lasso": cases.lasso(50, 200, 5, 0.1, 9),
}


def by_scikit_learn(problem, solver, tolerance):
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    model = LogisticRegression(
        C=1.0 / (problem.alpha * problem.total_weight) if problem.alpha else np.inf,
        l1_ratio=problem.l1_ratio,
        solver=solver,
        tol=tolerance,
        max_iter=100_000,
        fit_intercept=problem.fit_intercept,
        random_state=0,
    )
    if problem.form == "ovr":
        each = OneVsRestClassifier(model).fit(problem.X, problem.y).estimators_
        return Coefficients.of(
            np.concatenate([one.intercept_ for one in each]), np.concatenate([one.coef_ for one in each])
        )
    model.fit(problem.X, problem.y, problem.weight)
    return Coefficients.of(model.intercept_, model.coef_)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_reference_is_where_scikit_learn_ends_at_a_tight_tolerance(name):
    problem = PROBLEMS[name]
    solver = "saga" if problem.l1_ratio else "newton-cg" if problem.is_sparse else "newton-cholesky"
    theirs = by_scikit_learn(problem, solver, 1e-10)
    best = reference(problem)
    assert -1e-16 < best.suboptimality(problem, theirs) < 1e-12
    assert best.gap < 1e-15
    if problem.form != "softmax":
        np.testing.assert_allclose(
            theirs.coef, best.at.coef.astype(float), rtol=1e-5, atol=1e-5 * np.abs(theirs.coef).max()
        )


def test_a_path_has_a_reference_for_each_penalty():
    problem = cases.lasso_path(200, 10, 3, 5, 10)
    found = references(problem)
    assert len(found) == 5
    assert not found[0].at.coef.any()
    for member, one in zip(problem.members, found, strict=True):
        assert abs(reference(member).suboptimality(member, one.at)) < 1e-15


def test_the_objective_is_the_textbooks():
    problem = replace(PROBLEMS["softmax"], alpha=0.3)
    at = Coefficients(np.array([0.1, -0.2, 0.3]), np.random.default_rng(0).normal(size=(3, 4)))
    eta = problem.X @ at.coef.T + at.intercept
    proba = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    value = -np.log(proba[np.arange(400), problem.y]).mean() + 0.15 * (at.coef**2).sum()
    assert float(objective(problem, at)) == pytest.approx(value, rel=1e-14)


def test_a_weight_of_two_is_a_row_twice_and_sparse_rows_count_as_dense_ones():
    problem = PROBLEMS["sparse"]
    at = Coefficients(np.array([0.2]), np.random.default_rng(1).normal(size=(1, 30)))
    value = objective(problem, at)
    dense = replace(problem, X=problem.X.toarray())
    assert float(objective(dense, at)) == pytest.approx(float(value), rel=1e-15)
    weight = np.where(np.arange(400) < 50, 2.0, 1.0)
    rows = np.r_[np.arange(50), np.arange(400)]
    twice = replace(dense, X=dense.X[rows], y=dense.y[rows])
    once = replace(dense, weight=weight)
    assert float(objective(once, at)) == pytest.approx(float(objective(twice, at)), rel=1e-15)
    assert reference(once).suboptimality(twice, reference(twice).at) == pytest.approx(0.0, abs=1e-15)


def test_what_is_measured_of_ours_is_the_optimum_of_each_penalty_of_a_path():
    problem = replace(PROBLEMS["elastic net"], alphas=(0.1, 0.05, 0.02))
    fitted = ours.path(problem)
    assert len(fitted.coefficients) == 3
    for member, at in zip(problem.members, fitted.coefficients, strict=True):
        assert reference(member).suboptimality(member, at) <= 1e-9


def test_a_pattern_names_a_case_a_group_or_a_section():
    every = items(True, None, 1, 1.0)
    assert [item.name for item in chosen(every, ["1e6 x 20"])] == ["1e6 x 20"]
    assert {item.group for item in chosen(every, ["lasso"])} == {"lasso"}
    assert {item.section for item in chosen(every, ["adversarial"])} == {"adversarial"}
    assert "scan_share" not in {item.name for item in chosen(every, [])}
    assert chosen(every, ["scan_share"])


def test_a_tiny_run_writes_document_text_and_picture(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1", "--budget", "0.2"]
    done = subprocess.run(
        [*command, "--only", "8 x 2", "--only", "2 rows", "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "results.json").read_text())
    cell = document["grid"]["8 x 2"]
    assert cell["figures"][0]["correct"]
    assert cell["fastest"] is not None
    assert cell["ratio"] > 0.0
    assert document["adversarial"]["2 rows"]["passed"]
    text = (tmp_path / "results.md").read_text()
    assert "| 8 x 2 | 8 x 2 | " in text
    assert "1 of 1" in text
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    kept = earlier(tmp_path / "results.json", {**document, "grid": {}})
    assert "8 x 2" in kept["grid"]
    other = {**document, "grid": {}, "machine": {**document["machine"], "processor": "another"}}
    assert earlier(tmp_path / "results.json", other) is other
