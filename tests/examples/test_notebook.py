"""The notebook, executed in a kernel of its own."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]


def test_the_notebook_runs_and_its_certificate_is_verified(tmp_path):
    notebook = nbformat.read(ROOT / "examples" / "notebook" / "quickstart.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "covered: True" in printed and "ε = 0.09" in printed
    assert "verified: for all preference weights of 3 objectives, a portfolio of 4" in printed
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
