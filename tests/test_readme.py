"""The README's Python, run from top to bottom as it stands."""

import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from oddsmith.data.samples import access_requests

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::oddsmith.DataWarning")
def test_every_block_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("requests.csv").write_text(access_requests(1200, seed=3))
    shutil.copy("requests.csv", "later-requests.csv")
    random = np.random.default_rng(1)
    X = random.normal(size=(60, 3))
    given = {
        "table": pl.read_csv("requests.csv", infer_schema=False).drop("needs_review"),
        "X": X,
        "y": (X[:, 0] + random.normal(size=60) > 0.0).astype(int),
        "names": ["a", "b", "c"],
    }
    assert len(BLOCKS) == 2
    for block in BLOCKS:
        exec(compile(block, str(README), "exec"), given)
