"""The Python of the documents runs: the blocks of a document one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "python" / "README.md", *sorted((ROOT / "docs").glob("python*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)  # "```python elsewhere" is not run
WITH_PYTHON = [path for path in DOCUMENTS if BLOCK.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_python_of_a_document_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = path.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        code = "\n" * line + block.group(1)
        exec(compile(code, str(path), "exec"), names)


def test_documents_have_python() -> None:
    assert {path.name for path in WITH_PYTHON} >= {"README.md", "python.md"}
