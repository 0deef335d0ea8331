"""Data sets from a hub become the files that evaluations read. The hub here is a made-up module `datasets`."""

from __future__ import annotations

import csv
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import refocus

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

MMLU = [
    {"subject": "anatomy", "question": 'A "dished, f"?\nWhich?', "choices": ["a, b", "None", "", " d "], "answer": 1},
    {"subject": "college_physics", "question": "Why é東?", "choices": ["1", "2", "3", "4"], "answer": 3},
    {"subject": "anatomy", "question": "How?", "choices": ["w", "x", "y", "z"], "answer": 0},
]
PIQA = [
    {"goal": "dresser", "sol1": "replace drawer with bobby pin ", "sol2": "finish é", "label": 1},
    {"goal": "cage", "sol1": "paper", "sol2": "jeans", "label": 0},
]
SIQA = [
    {"context": "Tracy went.", "question": "Why?", "answerA": "a", "answerB": "b", "answerC": "c", "label": "3"},
    {"context": "Sydney came.", "question": "How?", "answerA": "a", "answerB": "b", "answerC": "c", "label": "1"},
]
HUB: dict[tuple[str, str | None, str], list[dict[str, Any]]] = {
    ("cais/mmlu", "all", "test"): MMLU,
    ("cais/mmlu", "all", "dev"): MMLU[:2],
    ("baber/piqa", None, "validation"): PIQA,
    ("lighteval/siqa", None, "validation"): SIQA,
}


@pytest.fixture()
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str | None, str], list[dict[str, Any]]]:
    """A module `datasets` that has these rows."""
    rows = dict(HUB)
    module = types.ModuleType("datasets")

    def load_dataset(name: str, config: str | None = None, *, split: str) -> list[dict[str, Any]]:
        if (name, config, split) not in rows:
            raise ConnectionError(f"Couldn't reach '{name}'\non the Hub")
        return rows[name, config, split]

    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return rows


def hidden_files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


@pytest.mark.usefixtures("hub")
def test_mmlu_is_written_as_its_authors_do(model: refocus.Model, tmp_path: Path) -> None:
    place = refocus.tasks.fetch("mmlu", tmp_path / "data")
    assert place == tmp_path / "data" / "mmlu"
    files = sorted(str(path.relative_to(place)) for path in place.rglob("*.csv"))
    assert files == [
        "dev/anatomy_dev.csv", "dev/college_physics_dev.csv", "test/anatomy_test.csv", "test/college_physics_test.csv",
    ]  # fmt: skip
    with open(place / "test" / "anatomy_test.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ['A "dished, f"?\nWhich?', "a, b", "None", "", " d ", "B"],
        ["How?", "w", "x", "y", "z", "A"],
    ]
    run = refocus.evaluate(
        "mmlu", model, data=tmp_path / "data", loglikelihood=True, shots=1, output=tmp_path / "run"
    )
    answers = run.answers.sort_values(["subject", "index"])
    assert answers["target"].tolist() == ["B", "A", "D"]
    assert 'A "dished, f"?\nWhich?\nA. a, b\nB. None' in answers["prompt"].iloc[0]
    assert not hidden_files(tmp_path / "data")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(("task", "targets"), [("piqa", ["B", "A"]), ("siqa", ["C", "A"])])
def test_lines_and_labels_are_read(
    model: refocus.Model, tmp_path: Path, task: str, targets: list[str]
) -> None:
    place = refocus.tasks.fetch(task, tmp_path)
    lines = [json.loads(line) for line in (place / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    source = PIQA if task == "piqa" else SIQA
    assert lines == [{name: value for name, value in row.items() if name != "label"} for row in source]
    run = refocus.evaluate(task, model, data=tmp_path, loglikelihood=True, output=tmp_path / "run")
    assert run.answers["target"].tolist() == targets


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("task", ["mmlu", "piqa", "siqa"])
def test_files_have_the_form_of_the_real_ones(
    hub: dict[tuple[str, str | None, str], list[dict[str, Any]]], tmp_path: Path, task: str
) -> None:
    """Rows made of the real files, as the hub has them, become these files again."""
    real = SHARED / task
    if not real.is_dir():
        pytest.skip(f"expected the real files of {task} in {SHARED}, found none")
    if task == "mmlu":
        with open(real / "test" / "anatomy_test.csv", encoding="utf-8", newline="") as file:
            hub["cais/mmlu", "all", "test"] = [
                {"subject": "anatomy", "question": r[0], "choices": r[1:5], "answer": "ABCD".index(r[5])}
                for r in csv.reader(file)
            ]
        place = refocus.tasks.fetch(task, tmp_path)
        made = (place / "test" / "anatomy_test.csv").read_text(encoding="utf-8")
        with open(real / "test" / "anatomy_test.csv", encoding="utf-8") as file:
            assert made == file.read()
        return
    lines = [json.loads(line) for line in (real / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    labels = (real / "dev-labels.lst").read_text().split()
    name = "baber/piqa" if task == "piqa" else "lighteval/siqa"
    hub[name, None, "validation"] = [{**row, "label": label} for row, label in zip(lines, labels)]
    place = refocus.tasks.fetch(task, tmp_path)
    made_lines = [json.loads(line) for line in (place / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    assert made_lines == [{key: value for key, value in row.items() if key != "id"} for row in lines]
    assert (place / "dev-labels.lst").read_text().split() == labels


def test_errors_say_what_to_do_and_leave_nothing(
    hub: dict[tuple[str, str | None, str], list[dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(refocus.UsageError, match=r"^\[tasks\] expected mmlu, piqa, siqa, got arc$"):
        refocus.tasks.fetch("arc", tmp_path)
    hub.pop(("cais/mmlu", "all", "test"))
    with pytest.raises(refocus.InputError, match="cais/mmlu from its hub.*Couldn't reach.*check the network") as error:
        refocus.tasks.fetch("mmlu", tmp_path)
    assert "\n" not in str(error.value)
    for broken in ({"sol2": None}, {"label": -1}, {"label": "x"}):
        hub["baber/piqa", None, "validation"] = [PIQA[0], {**PIQA[1], **broken}]
        with pytest.raises(refocus.InputError, match="expected the columns goal, sol1, sol2, label, got other ones"):
            refocus.tasks.fetch("piqa", tmp_path)
    hub["cais/mmlu", "all", "test"] = [{**MMLU[0], "subject": "../x"}]
    with pytest.raises(refocus.InputError, match="expected the columns question, subject"):
        refocus.tasks.fetch("mmlu", tmp_path)
    assert list(tmp_path.iterdir()) == []
    refocus.tasks.fetch("siqa", tmp_path)
    with pytest.raises(refocus.InputError, match="expected no such folder, found one; remove it"):
        refocus.tasks.fetch("siqa", tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(refocus.InputError, match=r"expected the package datasets, got none; pip install 'refocus"):
        refocus.tasks.fetch("piqa", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["siqa"]
