"""What tests share: the bundled model, and the command it is compared with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import refocus

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("REFOCUS_PROGRAM", ROOT / "build" / "release" / "refocus"))
MODEL = ROOT / "models" / "small-worlds"

PROMPTS = [
    "je is the code for smoke. mo is the code for snow. how does one read mo je?\nAnalysis:",
    "Nina Fox reports to Hugo West. Hugo West reports to Oscar East. who is 2 above Nina Fox?\nAnalysis:",
    "the blue crate",
]


@pytest.fixture(scope="session")
def model() -> refocus.Model:
    """The bundled model with two threads."""
    return refocus.load(MODEL, threads=2)


@pytest.fixture()
def program() -> Callable[..., str]:
    """Runs the command `refocus` of this build; what it prints."""

    def run(*arguments: str) -> str:
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
