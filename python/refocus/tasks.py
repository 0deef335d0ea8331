"""Data sets for :func:`refocus.evaluate`, brought from their hub as the files that it reads.

    refocus.tasks.fetch("piqa")                       # data/piqa/dev.jsonl, data/piqa/dev-labels.lst
    refocus.evaluate("piqa", m, data="data", cot=True)

It needs the package datasets (`pip install 'refocus[datasets]'`) and a network, once.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _core

Row = Mapping[str, Any]


def fetch(task: str, directory: str | os.PathLike[str] = "data") -> Path:
    """Brings the questions of "mmlu", "piqa" or "siqa" and writes them below `directory`; the task's folder.

    mmlu: mmlu/test/SUBJECT_test.csv and mmlu/dev/SUBJECT_dev.csv, as their authors write them: question, four options,
    letter. piqa, siqa: dev.jsonl with the questions of the validation split, dev-labels.lst with their answers.

    The folder must not exist; it is there when all of it is written. InputError where the package datasets or the
    network is missing, and where the hub has other columns than were expected.
    """
    if task not in _TASKS:
        raise _core.UsageError(f"[tasks] expected {', '.join(_TASKS)}, got {task}")
    place = Path(directory) / task
    if place.exists():
        raise _core.InputError(f"[{place}] expected no such folder, found one; remove it to fetch it anew")
    source = _TASKS[task]
    splits = {split: _load(task, source, split) for split in source.splits}
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{task}-", dir=place.parent))
    try:
        for split, rows in splits.items():
            source.write(folder, split, rows)
        folder.chmod(0o755)
        folder.rename(place)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _core.InputError(
            f"[{source.name}] expected the columns {source.columns}, got other ones ({_line(error)}); "
            f"{_by_hand(task)}"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return place


def _load(task: str, source: _Source, split: str) -> Iterable[Row]:
    try:
        import datasets
    except ImportError as error:
        raise _core.InputError(
            f"[tasks] expected the package datasets, got none; pip install 'refocus[datasets]', or {_by_hand(task)}"
        ) from error
    try:
        rows: Iterable[Row] = datasets.load_dataset(source.name, source.config, split=split)
    except Exception as error:  # of many kinds: no network, no such name, no permission, no space
        raise _core.InputError(
            f"[tasks] expected {source.name} from its hub, got an error ({_line(error)}); check the network, or "
            f"{_by_hand(task)}"
        ) from error
    return rows


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _by_hand(task: str) -> str:
    return f"put the files of {task} there by hand (docs/python-lm-eval.md)"


# --- what is written ---


def _write_mmlu(folder: Path, split: str, rows: Iterable[Row]) -> None:
    subjects: dict[str, list[list[str]]] = {}
    for row in rows:
        options = list(row["choices"])
        if len(options) != 4:
            raise ValueError(f"{len(options)} choices")
        cells = [str(row["question"]), *map(str, options), "ABCD"[_label(row["answer"], 0, 3)]]
        subjects.setdefault(_file_name(row["subject"]), []).append(cells)
    if not subjects:
        raise ValueError("no rows")
    (folder / split).mkdir()
    for subject, lines in subjects.items():
        with open(folder / split / f"{subject}_{split}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)


def _file_name(subject: Any) -> str:
    name = str(subject)
    if not name.replace("_", "").isalnum():
        raise ValueError(f"subject {name!r}")
    return name


def _label(value: Any, first: int, last: int) -> int:
    label = int(value)
    if not first <= label <= last:
        raise ValueError(f"label {label}")
    return label


def _jsonl_writer(fields: tuple[str, ...], first: int, last: int) -> Callable[[Path, str, Iterable[Row]], None]:
    def write(folder: Path, split: str, rows: Iterable[Row]) -> None:
        questions, labels = [], []
        for row in rows:
            values = {name: row[name] for name in fields}
            if any(not isinstance(value, str) for value in values.values()):
                raise TypeError("a field that is no text")
            questions.append(json.dumps(values, ensure_ascii=False) + "\n")
            labels.append(f"{_label(row['label'], first, last)}\n")
        if not questions:
            raise ValueError("no rows")
        (folder / "dev.jsonl").write_text("".join(questions), encoding="utf-8")
        (folder / "dev-labels.lst").write_text("".join(labels), encoding="utf-8")

    return write


@dataclass(frozen=True)
class _Source:
    """Where a task's questions are, by its name on the hub that `datasets` reads."""

    name: str
    config: str | None
    splits: tuple[str, ...]
    columns: str
    write: Callable[[Path, str, Iterable[Row]], None]


_TASKS = {
    "mmlu": _Source("cais/mmlu", "all", ("dev", "test"), "question, subject, choices, answer", _write_mmlu),
    "piqa": _Source(
        "baber/piqa", None, ("validation",), "goal, sol1, sol2, label", _jsonl_writer(("goal", "sol1", "sol2"), 0, 1)
    ),
    "siqa": _Source(
        "lighteval/siqa", None, ("validation",), "context, question, answerA, answerB, answerC, label",
        _jsonl_writer(("context", "question", "answerA", "answerB", "answerC"), 1, 3),
    ),
}  # fmt: skip

__all__ = ["fetch"]
