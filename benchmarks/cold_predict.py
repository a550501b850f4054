"""How long from a shell prompt to a file of predictions? `oddsmith predict` against pandas and scikit-learn.

    python -m benchmarks --only cold_predict     # or, with the ratio of each pair:
    python benchmarks/cold_predict.py            # after pip install -e ".[test]"

Both load a model saved beforehand, read the same CSV of 400 students and write `Index,Hogwarts House`. Each
run is a process of its own; the two take turns, so that a machine whose speed drifts favours neither.
"""

import pickle
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

RUNS = 9
PEER = """
import pickle, pandas as pd
model = pickle.load(open("peer.pkl", "rb"))
students = pd.read_csv("new.csv")
students["Hogwarts House"] = model.predict(students[model.feature_names_in_])
students[["Index", "Hogwarts House"]].to_csv("peer.csv", index=False)
"""


def prepare(folder: Path) -> None:
    """Write the data and both models into `folder`."""
    import pandas as pd
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import oddsmith
    from oddsmith.data.samples import COURSES, students

    (folder / "students.csv").write_text(students(1600, seed=1))
    (folder / "new.csv").write_text(students(400, seed=2, labelled=False))
    oddsmith.train(folder / "students.csv", "Hogwarts House", drop=["Best Hand"]).save(folder / "model.json")
    table = pd.read_csv(folder / "students.csv")
    peer = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000))
    peer.fit(table[list(COURSES)], table["Hogwarts House"])
    (folder / "peer.pkl").write_bytes(pickle.dumps(peer))
    (folder / "peer.py").write_text(PEER)


def seconds(command: list[str], folder: Path) -> float:
    """Wall time of one run."""
    start = perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return perf_counter() - start


def commands() -> dict[str, list[str]]:
    """Both, to be run in the folder."""
    return {
        "oddsmith predict": [
            *(sys.executable, "-m", "oddsmith", "predict", "model.json", "new.csv", "-o", "ours.csv"),
        ],
        "pandas + scikit-learn": [sys.executable, "peer.py"],
    }


def main() -> None:
    """Run, and print medians and the ratio of each pair."""
    ours, peer = commands().values()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        pairs = [(seconds(ours, folder), seconds(peer, folder)) for _ in range(RUNS + 1)][1:]
        ratios = [a / b for a, b in pairs]
        rows = [
            (a, b)
            for a, b in zip(read(folder / "ours.csv"), read(folder / "peer.csv"), strict=True)
            if a == b
        ]
    print(f"oddsmith predict       {statistics.median(a for a, _ in pairs):.3f} s")
    print(f"pandas + scikit-learn  {statistics.median(b for _, b in pairs):.3f} s")
    print(
        f"ratio                  {statistics.median(ratios):.3f}  ({min(ratios):.3f} to {max(ratios):.3f}, {RUNS} pairs)"
    )
    print(f"same label             {len(rows) - 1} of 400 rows")


def read(path: Path) -> list[str]:
    """The lines of a file."""
    return path.read_text().splitlines()


if __name__ == "__main__":
    main()
