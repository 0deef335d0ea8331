"""Types, style, and the stub of the extension."""

from __future__ import annotations

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
