"""The notebooks of examples/notebooks run, and print what is kept in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


def texts(cell: Any) -> tuple[str, list[str]]:
    """What a cell printed, in one piece or several, and the plain text of what it shows."""
    outputs = cell.get("outputs", [])
    printed = "".join(o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout")
    shown = [o["data"].get("text/plain", "") for o in outputs if o["output_type"] in ("execute_result", "display_data")]
    return printed, shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_prints_what_is_kept_in_it(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    kept, run = (nbformat.from_dict(json.loads(text)) for _ in range(2))
    for cell in run.cells:
        cell["outputs"] = []
    NotebookClient(run, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    for number, (mine, theirs) in enumerate(zip(run.cells, kept.cells)):
        assert texts(mine) == texts(theirs), f"cell {number}: make it anew with scripts/run_notebooks"
    assert sum(texts(cell) != ("", []) for cell in kept.cells) > 3


def test_there_are_notebooks() -> None:
    assert [p.stem for p in NOTEBOOKS] == ["first-look", "head-search", "own-intervention", "paired-comparison"]
