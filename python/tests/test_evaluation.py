"""Evaluations, comparisons, searches for heads and figures."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import MODEL

import refocus


@pytest.fixture(scope="module")
def run(model: refocus.Model, tmp_path_factory: pytest.TempPathFactory) -> refocus.Run:
    """Two kinds of prompt in two arms over 28 questions."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    arms = {"none": "none", "strong": "rebalance:alpha=2"}
    return refocus.evaluate(None, model, arms=arms, cot=True, direct=True, limit=1, output=folder)


def test_a_run_is_the_commands_byte_for_byte(
    run: refocus.Run, program: Callable[..., str], tmp_path: Path
) -> None:
    program(
        "eval", "-m", str(MODEL), "--cot", "--direct", "--limit", "1", "--intervene", "none",
        "--intervene", "strong=rebalance:alpha=2", "-o", str(tmp_path / "said"), "-q",
    )  # fmt: skip
    files = sorted(p.relative_to(run.path) for p in (run.path / "arms").rglob("*") if p.is_file())
    assert len(files) > 100
    for file in [*files, Path("comparison.json")]:
        assert (run.path / file).read_bytes() == (tmp_path / "said" / file).read_bytes(), file


def test_frames_agree_with_each_other(run: refocus.Run) -> None:
    answers, scores = run.answers, run.scores
    assert run.arms == ["cot-none", "cot-strong", "direct-none", "direct-strong"]
    assert len(answers) == 4 * 28
    for arm in run.arms:
        own = answers[answers["arm"] == arm]
        row = scores[(scores["arm"] == arm) & (scores["set"] == "worlds")].iloc[0]
        assert row["n"] == 28
        assert row["accuracy"] == pytest.approx(own["correct"].mean())
        assert (own["correct"] == (own["choice"] == own["target"])).all()
    pairs = run.comparisons
    all_items = pairs[(pairs["set"] == "all") & (pairs["baseline"] == "cot-none") & (pairs["arm"] == "cot-strong")]
    assert len(all_items) == 1
    by_arm = answers.pivot_table(index=["subject", "index"], columns="arm", values="correct", aggfunc="first")
    broken = (by_arm["cot-none"] & ~by_arm["cot-strong"].astype(bool)).sum()
    assert all_items.iloc[0]["broken"] == broken


def test_tables_pictures_and_records(run: refocus.Run, tmp_path: Path) -> None:
    assert "accuracy in %" in str(run)
    assert run._repr_html_().startswith("<pre>")
    again = refocus.read_run(run.path)
    assert again.arms == run.arms
    pd.testing.assert_frame_equal(again.answers, run.answers)
    comparison = run.compare(baseline="direct-none")
    assert "\\toprule" in comparison.latex() and "| Arm |" in comparison.markdown()
    figure = run.figure("forest", by="groups")
    assert figure._repr_svg_().startswith("<svg") or "<svg" in figure.svg[:300]
    assert "McNemar" in figure.caption
    assert figure.save(tmp_path / "f.pdf", width="120mm").read_bytes().startswith(b"%PDF")
    assert figure.save(tmp_path / "f.png", dpi=100).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(refocus.InputError, match="run.json"):
        refocus.read_run(tmp_path)


def test_a_run_goes_on_in_the_command_and_back(
    model: refocus.Model, program: Callable[..., str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    refocus.evaluate(None, model, limit=1, direct=True, output=folder)
    program("eval", "-m", str(MODEL), "--direct", "--limit", "2", "-o", str(folder), "-q")
    grown = refocus.evaluate(None, model, limit=2, direct=True, output=folder)
    assert len(grown.answers) == 56
    assert [session["to_ask"] for session in grown.record["sessions"]] == [28, 28, 0]


def test_heads_are_found_and_kept(model: refocus.Model, tmp_path: Path) -> None:
    found = refocus.heads("worlds", model, limit=1, output=tmp_path / "heads")
    assert len(found.tried) == model.layers * model.heads
    assert set(found.best) <= set(range(model.layers))
    assert "<svg" in found.figure().svg
    model.generate("the blue crate", max_tokens=2, intervene=f"zero:{found.spec}")


def test_attention_shows_its_explorer(model: refocus.Model, tmp_path: Path) -> None:
    seen = model.attention("Analysis: the blue crate lies in the", top_k=3, before=True, max_tokens=3)
    keys, weights = seen.arms[0].top
    assert keys.shape == weights.shape == (4, 5, 14, 3)
    assert seen.prompt_tokens == 11
    assert "<iframe" in seen._repr_html_() and seen.explore().exists()
    assert "<svg" in seen.picture(3, 0)
    assert {"statistic", "layer", "head", "value"} <= set(seen.statistics.columns)
    assert "share" in " ".join(seen.shares.columns)
    kept = seen.save(tmp_path / "kept")
    folder = seen.directory
    del seen
    assert not folder.exists() and (kept / "attention.json").exists()
    with pytest.raises(refocus.UsageError, match="attention_before|top_indices"):
        print(refocus.Attention(kept).after)
    assert len(refocus.Attention(kept).statistics) > 100


def test_the_packages_command_is_the_program(program: Callable[..., str], tmp_path: Path) -> None:
    import sys

    arguments = ["generate", "-m", str(MODEL), "-p", "the blue crate", "-n", "3", "--json"]
    here = subprocess.run(
        [sys.executable, "-m", "refocus", *arguments], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert here.stdout.split('"timing"')[0] == program(*arguments).split('"timing"')[0]
    bundled = subprocess.run(
        [sys.executable, "-m", "refocus", "info", "--json"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "small-worlds" in bundled.stdout
