"""The reference figures, from the command line: Hogwarts houses and access-change requests."""

import json
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).parents[3] / "shared"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the reference figures are not here")
STUDENTS = SHARED / "data" / "hogwarts" / "dataset_train.csv"
TRAIN = f"train {STUDENTS} --target 'Hogwarts House' --id Index --drop 'Best Hand' --multi-class ovr"


def reference(name):
    return json.loads((SHARED / "reference" / f"{name}.json").read_text("utf-8"))


def done(outcome):
    assert outcome.code == 0, outcome.err
    return outcome


def evaluated(outcome):
    return json.loads(done(outcome).stdout)


def csv_of(rows):
    names = list(rows[0])
    return "\n".join([",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]) + "\n"


@pytest.mark.parametrize(
    ("options", "figures", "tolerance"),
    [
        ("", "optimum_mean_loss_unpenalised", 1e-8),
        (
            "--solver gradient-descent --learning-rate 0.5 --iterations 1000",
            "gradient_descent_lr_0.5_1000_iterations_mean_loss",
            1e-6,
        ),
    ],
)
def test_losses_and_predictions_of_the_houses(command, options, figures, tolerance):
    expected = reference("hogwarts")
    said = json.loads(done(command(f"{TRAIN} {options} --json -o houses.json")).stdout)
    losses = dict(zip(said["target"]["classes"], said["fit"]["mean_loss"], strict=True))
    assert losses == pytest.approx(expected[figures], abs=tolerance)
    assert (
        dict(zip(said["target"]["classes"], said["training"]["class_counts"], strict=True))
        == (expected["train_house_counts"])
    )
    found = evaluated(command(f"evaluate houses.json {STUDENTS} --json"))
    accuracy = expected["accuracy_train"]
    assert (found["accuracy"]["correct"], found["accuracy"]["of"]) == (accuracy["correct"], accuracy["of"])
    of_house = {row["label"]: [row["correct"], row["total"]] for row in found["per_class"]}
    assert of_house == accuracy["by_house"]


def test_best_hand_would_be_another_model(command):
    with_hand = TRAIN.replace("--drop 'Best Hand'", "")
    said = json.loads(done(command(f"{with_hand} --json -o m.json")).stdout)
    ours = dict(zip(said["target"]["classes"], said["fit"]["mean_loss"], strict=True))["Gryffindor"]
    assert ours < reference("hogwarts")["optimum_mean_loss_unpenalised"]["Gryffindor"] - 1e-6
    assert "Best Hand" in said["columns"]


def test_description_of_all_courses(command):
    expected = reference("hogwarts")["describe"]
    found = {
        column["name"]: column for column in json.loads(done(command(f"describe {STUDENTS} --json")).stdout)
    }
    assert len(expected) == 13
    for course, figures in expected.items():
        assert found[course]["kind"] == "numeric"
        for name, value in figures.items():
            assert found[course][name] == pytest.approx(value, rel=1e-12), (course, name)


@pytest.fixture
def requests(command, tmp_path):
    """(command, reference figures), where train.csv and validation.csv are the eight rows of each."""
    figures = reference("access_requests")
    for part in ("train", "validation"):
        (tmp_path / f"{part}.csv").write_text(csv_of(figures[part]["rows"]))
    return command, figures


def test_eight_requests_give_the_unpenalised_optimum(requests):
    command, figures = requests
    done(command("train train.csv --target needs_review --id request -o model.json"))
    model = json.loads(Path("model.json").read_text())
    optimum = figures["optimum_unpenalised"]
    equation = model["equations"][0]
    found = [equation["intercept"], equation["coef"]["ambiguity"], equation["coef"]["support"]]
    np.testing.assert_allclose(found, optimum["weights"], rtol=1e-9)
    assert model["fit"]["mean_loss"] == [pytest.approx(optimum["mean_loss"], rel=1e-11)]
    assert model["fit"]["status"] == "converged"


@pytest.fixture
def after_3000_epochs(requests):
    """The published weights, which see raw columns, in a flat file: mu 0 and sigma 1 leave columns raw."""
    command, figures = requests
    weights = figures["weights_after_3000_epochs"]
    flat = {
        "thetas_dict": {"0": [-w for w in weights], "1": weights},
        "houses": ["0", "1"],
        "subjects": ["ambiguity", "support"],
        "mu": [0.0, 0.0],
        "sigma": [1.0, 1.0],
        "target": "needs_review",
        "id": None,
    }
    Path("flat.json").write_text(json.dumps(flat))
    return command, figures


def test_published_weights_give_the_published_probabilities(after_3000_epochs):
    command, figures = after_3000_epochs
    for part, name in (("train", "train_proba_after_3000"), ("validation", "validation_proba")):
        lines = done(command(f"predict flat.json {part}.csv --proba")).out.splitlines()
        assert lines[0] == "row,needs_review,proba_0,proba_1"
        found = [round(float(line.split(",")[3]), 3) for line in lines[1:]]
        assert found == figures[name]


def test_published_weights_give_the_published_decisions(after_3000_epochs):
    command, figures = after_3000_epochs
    costs = figures["costs"]
    thresholds = ",".join(str(row["threshold"]) for row in figures["validation_thresholds"])
    found = evaluated(
        command(
            f"evaluate flat.json validation.csv --threshold {thresholds} "
            f"--cost fn={costs['false_negative']},fp={costs['false_positive']} --bins 4 --json"
        )
    )
    *asked, analytic = found["thresholds"]
    rows = [{name: row[name] for name in ("threshold", "tp", "fp", "fn", "tn", "cost")} for row in asked]
    assert rows == figures["validation_thresholds"]
    assert (analytic["threshold"], analytic["analytic"]) == (costs["analytic_threshold"], True)
    assert found["auc"] == figures["validation_auc"]
    assert round(found["reliability"]["ece"], 3) == figures["validation_ece_4_bins"]
    # The published means are of probabilities rounded to three digits first: .609 stands for .6097.
    bins = [[b[name] for name in ("lower", "upper", "count")] for b in found["reliability"]["bins"]]
    assert bins == [row[:3] for row in figures["validation_bins"]]
    for b, row in zip(found["reliability"]["bins"], figures["validation_bins"], strict=True):
        assert b["mean_proba"] == pytest.approx(row[3], abs=0.0005 + 0.0005)
        assert round(b["observed_share"], 3) == row[4]
    assert found["reliability"]["bins"][2]["mean_proba"] == pytest.approx(0.6097077, abs=1e-6)


def test_published_weights_on_their_training_rows(after_3000_epochs):
    command, figures = after_3000_epochs
    found = evaluated(command("evaluate flat.json train.csv --threshold 0.5 --json"))
    row = found["thresholds"][0]
    assert {name: row[name] for name in ("tp", "fp", "fn", "tn")} == figures["train_confusion_at_0.5"]
    assert [row["precision"], row["recall"], row["f1"]] == figures["train_precision_recall_f1"]
    assert round(found["reliability"]["ece"], 3) == figures["train_ece_4_equal_width_bins"]


def test_one_flipped_label_moves_the_figures_as_published(after_3000_epochs):
    command, figures = after_3000_epochs
    flip = figures["one_label_flip_row_index_3"]
    rows = figures["validation"]["rows"]
    rows[3] = {**rows[3], "needs_review": 1 - rows[3]["needs_review"]}
    Path("flipped.csv").write_text(csv_of(rows))
    for name, file in (("base", "validation.csv"), ("flipped", "flipped.csv")):
        found = evaluated(command(f"evaluate flat.json {file} --threshold .5 --json"))
        assert round(found["thresholds"][0]["f1"], 3) == flip[name]["f1"]
        assert round(found["reliability"]["ece"], 3) == flip[name]["ece"]
