"""The notebook runs from top to bottom, and its two files say the same.

`notebooks/training.py` is the source, `notebooks/training.ipynb` the same cells without outputs, made by

    jupytext --to ipynb --update notebooks/training.py
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def test_script_and_notebook_hold_the_same_cells() -> None:
    jupytext = pytest.importorskip("jupytext")
    script, notebook = (jupytext.read(NOTEBOOKS / f"training.{kind}") for kind in ("py", "ipynb"))
    cells = [[(cell.cell_type, cell.source) for cell in side.cells] for side in (script, notebook)]
    assert cells[0] == cells[1], "run: jupytext --to ipynb --update notebooks/training.py"
    assert script.metadata["kernelspec"] == notebook.metadata["kernelspec"]


def test_notebook_is_stored_without_outputs() -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOKS / "training.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)


def test_notebook_runs_and_its_own_assertions_hold(tmp_path: Path) -> None:
    """Figures are drawn, nothing is written to stderr, and the last cell compares with the package."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    shutil.copy(NOTEBOOKS / "training.ipynb", tmp_path)
    notebook = nbformat.read(tmp_path / "training.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs: list[Any] = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert "assert_allclose(of_package, w_best" in notebook.cells[-1].source
    assert notebook.cells[-1].outputs[0].text.startswith("glass box [-4.916")
