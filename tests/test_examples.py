"""The three programs of the DSLR subject, run as its command lines say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import oddsmith
from oddsmith.data.samples import COURSES, HOUSES, students

pytestmark = pytest.mark.slow

HOGWARTS = Path(__file__).parents[1] / "examples" / "hogwarts"


def run(folder, program, *arguments):
    """Run one of the programs in `folder`."""
    command = [sys.executable, str(HOGWARTS / program), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_describe_train_and_predict_work_one_after_the_other(tmp_path):
    (tmp_path / "dataset_train.csv").write_text(students(300, seed=1))
    (tmp_path / "dataset_test.csv").write_text(students(50, seed=2, labelled=False))

    described = run(tmp_path, "describe.py", "dataset_train.csv")
    assert described.returncode == 0
    assert [line.split()[0] for line in described.stdout.splitlines()[1:]] == [
        "count", "mean", "std", "min", "25%", "50%", "75%", "max",
    ]  # fmt: skip

    trained = run(tmp_path, "logreg_train.py", "dataset_train.csv")
    assert trained.returncode == 0, trained.stderr
    weights = json.loads((tmp_path / "weights.json").read_text())
    assert set(weights) == {"thetas_dict", "houses", "subjects", "mu", "sigma"}
    assert weights["houses"] == list(HOUSES)
    assert weights["subjects"] == list(COURSES)

    predicted = run(tmp_path, "logreg_predict.py", "dataset_test.csv", "weights.json")
    assert predicted.returncode == 0, predicted.stderr
    lines = (tmp_path / "houses.csv").read_bytes().decode().split("\n")
    assert (lines[0], lines[-1], len(lines)) == ("Index,Hogwarts House", "", 52)
    model = oddsmith.load(tmp_path / "weights.json")
    labels = model.predict(tmp_path / "dataset_test.csv")
    np.testing.assert_array_equal([line.split(",")[1] for line in lines[1:-1]], labels)


def test_a_wrong_call_says_how_to_call(tmp_path):
    for program in ("describe.py", "logreg_train.py", "logreg_predict.py"):
        outcome = run(tmp_path, program)
        assert outcome.returncode != 0
        assert "usage" in outcome.stderr.lower()
        assert "Traceback" not in outcome.stderr
