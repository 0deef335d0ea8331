"""Types, style, and the stub of the extension."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

import refocus


def test_mypy_is_content() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "python/refocus", "python/tests", "--cache-dir", "build/mypy"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def code_of_examples() -> dict[str, str]:
    """The Python of notebooks and documents, by a name for a file."""
    out = {}
    for path in sorted((ROOT / "examples" / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        out[path.stem] = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for path in (ROOT / "README.md", ROOT / "python" / "README.md", ROOT / "docs" / "python.md"):
        blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)
        out["-".join(path.relative_to(ROOT).with_suffix("").parts)] = "\n\n".join(blocks)
    return out


def test_mypy_is_content_with_the_examples(tmp_path: Path) -> None:
    files = []
    for name, code in code_of_examples().items():
        files.append(tmp_path / f"{name.replace('-', '_')}.py")
        files[-1].write_text(code, encoding="utf-8")
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", "build/mypy", "--config-file", "pyproject.toml"]
    done = subprocess.run(
        [*mypy, *map(str, files)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert len(files) == 7


def test_ruff_is_content() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_stub_is_the_extensions(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "refocus._core", "-o", tmp_path / "_core.pyi"],
        check=True,
    )
    kept = ROOT / "python" / "refocus" / "_core.pyi"
    assert kept.read_text() == (tmp_path / "_core.pyi").read_text(), (
        "make it anew: PYTHONPATH=build/release/python build/python-env/bin/python -m nanobind.stubgen "
        "-m refocus._core -o python/refocus/_core.pyi"
    )


def test_everything_for_users_is_said() -> None:
    for name in refocus.__all__:
        assert getattr(refocus, name).__doc__ or name.startswith("__"), name
