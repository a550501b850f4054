"""train --l1-ratio, --alpha auto and path: what is chosen, what is told, and that it is what was asked for."""

import json
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def survey(command):
    """400 rows; 2 of 9 columns count."""
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(400, 9)), 3)
    y = np.where(X[:, 0] - X[:, 4] + rng.logistic(size=400) > 0, "yes", "no")
    lines = [",".join([*map(str, row), label]) for row, label in zip(X, y, strict=True)]
    Path("survey.csv").write_text("\n".join([",".join(f"q{j}" for j in range(9)) + ",y", *lines]) + "\n")

    def train(options, output="model.json"):
        outcome = command(f"train survey.csv --target y {options} -o {output}")
        assert outcome.code == 0, outcome.err
        return outcome, json.loads(Path(output).read_text())

    return train


def test_a_lasso_leaves_terms_out_and_the_card_says_so(survey, command):
    outcome, model = survey("--l1-ratio 1 --alpha 0.1")
    coef = model["equations"][0]["coef"]
    assert [name for name, value in coef.items() if value] == ["q0", "q4"]
    assert model["fit"]["solver"] == "proximal-newton"
    assert model["fit"]["penalty"] == {
        "alpha": 0.1,
        "l1_ratio": 1.0,
        "standardize": True,
        "selection": None,
    }
    assert "proximal-newton converged" in outcome.err
    card = " ".join(command("show model.json").out.split())
    assert "penalty lasso, alpha 0.1 on standardised columns" in card
    assert "terms 2 of 9 have a coefficient; the penalty holds the others at 0" in card
    assert "of which a lasso leaves some out" in card


@pytest.mark.slow
def test_auto_is_the_strongest_within_one_standard_error_and_the_fit_that_alpha_gives(survey, command):
    outcome, model = survey("--l1-ratio 1 --alpha auto")
    penalty = model["fit"]["penalty"]
    candidates = penalty["selection"]["candidates"]
    deviance = np.array([candidate["deviance"] for candidate in candidates])
    error = np.array([candidate["standard_error"] for candidate in candidates])
    alphas = [candidate["alpha"] for candidate in candidates]
    least = int(deviance.argmin())
    chosen = int(np.argmax(deviance <= deviance[least] + error[least]))
    assert penalty["alpha"] == alphas[chosen] > alphas[least]
    assert (len(alphas), penalty["selection"]["folds"], penalty["selection"]["rule"]) == (
        100,
        10,
        "one_standard_error",
    )
    assert candidates[0]["nonzero"] == 0
    assert candidates[-1]["nonzero"] == 9
    said = (
        f"alpha {alphas[chosen]:.4g} by cross-validation in 10 folds, of 100 alphas from {alphas[0]:.3g} to "
        f"{alphas[-1]:.3g}: deviance {deviance[chosen]:.5g}, standard error {error[chosen]:.2g}, the strongest "
        f"within one of the least, {deviance[least]:.5g} at alpha {alphas[least]:.4g}"
    )
    assert said in outcome.err
    assert said in " ".join(command("show model.json").out.split())
    _, again = survey("--l1-ratio 1 --alpha auto", "again.json")
    assert again == model
    _, other = survey("--l1-ratio 1 --alpha auto --seed 1", "other.json")
    assert other["fit"]["penalty"]["selection"] != penalty["selection"]
    _, given = survey(f"--l1-ratio 1 --alpha {penalty['alpha']!r}", "given.json")
    assert given["equations"] == model["equations"]


def test_path_is_shown_and_the_least_bic_is_written(survey):
    outcome, model = survey("--l1-ratio 0.5 --alpha path")
    penalty = model["fit"]["penalty"]
    candidates = penalty["selection"]["candidates"]
    bic = [800.0 * c["mean_loss"] + np.log(400.0) * c["nonzero"] for c in candidates]
    assert penalty["alpha"] == candidates[int(np.argmin(bic))]["alpha"]
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["alpha", "terms", "mean", "loss", "deviance"]
    assert len(lines) == 101
    [marked] = [line.split()[1:] for line in lines if line.startswith(">")]
    chosen = candidates[int(np.argmin(bic))]
    assert marked == [
        f"{chosen['alpha']:.4g}",
        str(chosen["nonzero"]),
        f"{chosen['mean_loss']:.6f}",
        f"{2 * chosen['mean_loss']:.6f}",
    ]
    assert f"alpha {chosen['alpha']:.4g} by the least BIC of 100 alphas" in outcome.err
    quiet, _ = survey("--l1-ratio 0.5 --alpha path --json")
    assert json.loads(quiet.out)["fit"]["penalty"] == penalty


@pytest.mark.slow
def test_a_ridge_can_be_chosen_too(survey):
    _, model = survey("--alpha auto")
    penalty = model["fit"]["penalty"]
    assert penalty["l1_ratio"] == 0.0
    alphas = [candidate["alpha"] for candidate in penalty["selection"]["candidates"]]
    assert alphas[0] > penalty["alpha"] > alphas[-1]
    assert all(model["equations"][0]["coef"].values())


def test_what_cannot_be_chosen_is_refused(command):
    Path("one.csv").write_text("x,y\n1,a\n2,b\n3,b\n4,b\n")
    outcome = command("train one.csv --target y --l1-ratio 1 --alpha auto -o model.json")
    assert outcome.code == 2
    assert outcome.err == (
        "oddsmith: cross-validation needs two rows or more of every class that it holds back, and one class has a "
        "single one. Give alpha a number.\n"
    )
    Path("flat.csv").write_text("x,y\n1,a\n1,b\n1,b\n1,a\n")
    outcome = command("train flat.csv --target y --l1-ratio 1 --alpha auto -o model.json")
    assert outcome.code == 2
    assert "no column tells the classes apart, so there is no penalty to choose" in outcome.err
    assert not Path("model.json").exists()
