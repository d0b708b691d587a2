"""The notebooks run, and are notebooks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[3] / "examples" / "notebooks").glob("*.py"))
NEEDS = {"tune-for-99-percent": ["optuna", "pandas"], "import-my-hpa": ["matplotlib", "pandas"]}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    for package in NEEDS.get(notebook.stem, []):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, notebook],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_cells_of_text_and_code(notebook: Path) -> None:
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed")
    cells = jupytext.read(notebook, fmt="py:percent").cells
    kinds = [cell.cell_type for cell in cells]
    assert kinds[0] == "markdown"
    assert {"markdown", "code"} == set(kinds)
    assert cells[0].source.startswith("# ")


def test_there_are_notebooks() -> None:
    assert [notebook.stem for notebook in NOTEBOOKS] == [
        "import-my-hpa",
        "policy-test-with-pytest",
        "tune-for-99-percent",
    ]
