"""The tutorials run from top to bottom, each in an empty folder."""

import re
from pathlib import Path

import pytest
from support import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
SECONDS = 900  # of one cell, on a machine that is busy
nbformat = pytest.importorskip("nbformat", reason="pip install '.[docs]'")
nbclient = pytest.importorskip("nbclient", reason="pip install '.[docs]'")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_small_and_opens_with_a_title(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < 600_000
    assert notebook.cells[0].source.startswith("# ")
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert not re.search(r"/(?:tmp|home|root|Users)/", str(outputs)), "outputs name a folder"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources=resources
    )
    client.execute()
    figures = [o for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
    assert any("image/png" in figure["data"] for figure in figures)
