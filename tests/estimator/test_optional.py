"""scikit-learn is for the estimator alone: nothing else loads it, and a sentence says how to get it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
EVERYTHING_ELSE = """
import sys
from oddsmith import *
import oddsmith
from oddsmith.cli import main

rows = {"x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "y": ["a", "b", "a", "b", "a", "b"]}
model = oddsmith.train(rows, "y")
model.predict_proba(rows)
model.explain(rows)
with open("rows.csv", "w") as stream:
    stream.write("x,y\\n" + "".join(f"{x},{y}\\n" for x, y in zip(rows["x"], rows["y"])))
for command in (
    ["describe", "rows.csv"],
    ["train", "rows.csv", "--target", "y", "-o", "model.json"],
    ["show", "model.json"],
    ["evaluate", "model.json", "rows.csv"],
    ["predict", "model.json", "rows.csv", "-o", "out.csv"],
):
    try:
        code = main(command)
    except SystemExit as left:
        code = left.code
    assert not code, (command, code)
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("sklearn", "joblib")))
"""


def run(code, folder):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("before", ["", WITHOUT], ids=["installed", "absent"])
def test_nothing_else_needs_or_loads_scikit_learn(tmp_path, before):
    found = run(before + EVERYTHING_ELSE, tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "statement", ["from oddsmith import LogisticRegression", "import oddsmith; oddsmith.LogisticRegression"]
)
def test_its_absence_is_one_sentence_with_the_remedy(tmp_path, statement):
    found = run(WITHOUT + statement, tmp_path)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == (
        "ImportError: oddsmith.LogisticRegression needs scikit-learn 1.9 or newer, which is not installed. "
        'Install it with: pip install "oddsmith[sklearn]"'
    )


def test_the_estimator_is_a_public_name():
    import oddsmith

    assert oddsmith.LogisticRegression.__name__ == "LogisticRegression"
    assert "LogisticRegression" in dir(oddsmith)
