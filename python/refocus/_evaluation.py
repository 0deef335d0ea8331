"""Evaluations, comparisons, searches for heads, and their figures."""

from __future__ import annotations

import html
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from . import _core
from ._commands import call_text, option_arguments, run
from ._model import Model

if TYPE_CHECKING:
    import pandas as pd

PathLike = Union[str, "os.PathLike[str]"]


class Figure:
    """A picture of a run, of captured attention or of a search for heads, with its caption."""

    def __init__(self, svg: str, caption: str, arguments: list[str]) -> None:
        self.svg = svg
        self.caption = caption
        """What is shown, of how many, by which test."""
        self._arguments = arguments

    def save(self, path: PathLike, **options: Any) -> Path:
        """Writes it as .svg, .pdf or .png, with further options of `refocus figure` (width="84mm", dpi=300, ...)."""
        run([*self._arguments, f"--output={os.fspath(path)}", *option_arguments(options)], None, "")
        return Path(path)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<refocus.Figure: {self.caption.strip()}>"


def figure(what: Any, kind: str, **options: Any) -> Figure:
    """One picture for a paper: what `refocus figure` draws.

    what: a :class:`Run`, an :class:`Attention`, a :class:`HeadSearch`, a directory, or two runs over the same items.
    kind: forest, accuracy, sweep, heads, attention, lengths or flips.
    options: of the command, such as by="groups", arms="a,b", head="3.0", width="174mm", font_size=9.
    """
    several = isinstance(what, Sequence) and not isinstance(what, str)
    directories = [_directory_of(one) for one in (what if several else [what])]
    arguments = ["figure", *directories, kind, *option_arguments(options)]
    with tempfile.TemporaryDirectory(prefix="refocus-") as folder:
        file = Path(folder) / "figure.svg"
        caption = run([*arguments, f"--output={file}"], None, call_text("figure", kind))
        return Figure(file.read_text(encoding="utf-8"), caption, arguments)


def _directory_of(what: Any) -> str:
    path: PathLike = getattr(what, "path", None) or getattr(what, "directory", None) or what
    return os.fspath(path)


def _show_table(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"


class Run:
    """A finished run of an evaluation, read from its directory (docs/run-directory.md)."""

    def __init__(self, path: PathLike, tables: str = "") -> None:
        self.path = Path(path)
        self._tables = tables
        file = self.path / "run.json"
        if not file.exists():
            raise _core.InputError(f"[{self.path}] expected a run of refocus eval, got a directory without run.json")
        self.record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        """run.json: everything that determines the answers, and its sessions."""

    @property
    def arms(self) -> list[str]:
        """Names of the arms, such as "cot-none"."""
        return sorted(folder.name for folder in (self.path / "arms").iterdir() if folder.is_dir())

    @property
    def answers(self) -> pd.DataFrame:
        """One row an answer and arm: arm, task, subject, index, prompt, response, choice, target, correct,
        finish_reason, prompt_tokens, generated_tokens; of log-likelihoods `loglikelihoods`, a list an option, in place
        of a response."""
        import pandas

        rows = [
            _answer_row(arm, file.name[len("samples_") : -len("_refocus.jsonl")], json.loads(line))
            for arm in self.arms
            for file in sorted((self.path / "arms" / arm).glob("samples_*_refocus.jsonl"))
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        frame: pd.DataFrame = pandas.DataFrame(rows)
        return frame

    @property
    def scores(self) -> pd.DataFrame:
        """One row an arm and set of items (a task, a group of subjects, a subject): n, accuracy and its standard error,
        and the counts of results_refocus.json."""
        import pandas

        rows: list[dict[str, Any]] = []
        for arm in self.arms:
            file = self.path / "arms" / arm / "results_refocus.json"
            results = json.loads(file.read_text(encoding="utf-8"))["results"]
            for name, values in results.items():
                row = {"arm": arm, "set": name}
                for key, value in values.items():
                    row[{"acc,none": "accuracy", "acc_stderr,none": "stderr"}.get(key, key)] = value
                row.pop("alias", None)
                rows.append(row)
        frame: pd.DataFrame = pandas.DataFrame(rows)
        return frame

    @property
    def comparisons(self) -> pd.DataFrame:
        """One row a pair of arms and set of items: accuracies with their intervals, fixed, broken, the difference with
        its interval, p and p by Holm (what `refocus compare --csv` writes)."""
        return self.compare().table

    def compare(self, other: Run | PathLike | None = None, *, baseline: str | None = None) -> Comparison:
        """The arms beside each other, item by item; with those of another run over the same items."""
        return compare(self, other, baseline=baseline)

    def figure(self, kind: str = "forest", **options: Any) -> Figure:
        """See :func:`figure`."""
        return figure(self, kind, **options)

    @property
    def report(self) -> Path:
        """The report of the run: a page to open in a browser."""
        return self.path / "report.html"

    @property
    def table(self) -> str:
        """Accuracies and paired comparisons as the command prints them."""
        return self._tables or run(["compare", str(self.path)], None, "")

    def __repr__(self) -> str:
        return f"<refocus.Run {str(self.path)!r}: {', '.join(self.arms)}>"

    def __str__(self) -> str:
        return self.table

    def _repr_html_(self) -> str:
        return _show_table(self.table)


def _answer_row(arm: str, task: str, sample: dict[str, Any]) -> dict[str, Any]:
    arguments = list(sample["arguments"].values())
    scored = sample.get("rule") == "loglikelihood"
    target, found = sample["target"], sample["filtered_resps"]
    acc = sample.get("acc")
    row: dict[str, Any] = {
        "arm": arm,
        "task": task,
        "subject": sample["subject"],
        "index": sample["doc_id"],
        "prompt": arguments[0]["arg_0"],
        "target": target,
        "correct": None if acc is None else acc == 1.0,
    }
    if scored:
        row["loglikelihoods"] = [option[0][0] for option in sample["resps"]]
        row["options"] = [argument["arg_1"] for argument in arguments]
        row["correct_normalised"] = None if "acc_norm" not in sample else sample["acc_norm"] == 1.0
    else:
        row["response"] = sample["resps"][0][0]
        row["choice"] = None if found[0] == "[invalid]" else found[0]
        row["finish_reason"] = sample["finish_reason"]
    row["prompt_tokens"] = sample.get("prompt_tokens")
    row["generated_tokens"] = sample.get("generated_tokens")
    return row


class Comparison:
    """Arms beside each other, item by item (docs/compare.md)."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        self.data: dict[str, Any] = json.loads(run([*arguments, "--format=json"], None, ""))
        """Everything, as `refocus compare --json` prints it."""

    @property
    def table(self) -> pd.DataFrame:
        """One row a pair of arms and set of items."""
        import pandas

        return pandas.read_csv(io.StringIO(run([*self._arguments, "--format=csv"], None, "")))

    def latex(self) -> str:
        """The tables for a paper, with booktabs."""
        return run([*self._arguments, "--format=latex"], None, "")

    def markdown(self) -> str:
        """The tables as Markdown."""
        return run([*self._arguments, "--format=markdown"], None, "")

    def __str__(self) -> str:
        return run(self._arguments, None, "")

    def __repr__(self) -> str:
        return f"<refocus.Comparison of {', '.join(arm['name'] for arm in self.data['arms'])}>"

    def _repr_html_(self) -> str:
        return _show_table(str(self))


def compare(run_: Run | PathLike, other: Run | PathLike | None = None, *, baseline: str | None = None) -> Comparison:
    """Compares the arms of one run, or of two over the same items: see :class:`Comparison`.

    baseline: all others are compared with this arm; the first of each kind of prompt unless given.
    """
    directories = [_directory_of(run_)] + ([] if other is None else [_directory_of(other)])
    return Comparison(["compare", *directories, *option_arguments({"baseline": baseline})])


def read_run(path: PathLike) -> Run:
    """A run directory of `refocus eval`, as frames: `.answers`, `.scores`, `.comparisons`."""
    return Run(path)


def evaluate(
    tasks: str | Sequence[str] | None,
    model: Model,
    *,
    arms: Any = None,
    output: PathLike | None = None,
    **options: Any,
) -> Run:
    """Asks a model the questions of tasks in one or several arms: what `refocus eval` does, and the same run directory.

    tasks: "mmlu", "piqa", "siqa", the bundled "worlds" (None), task files of your own or of lm-evaluation-harness.
    arms: a SPEC, several, or names with SPECs: {"none": "none", "strong": "rebalance:alpha=0.5"}; "none" unless given.
    output: the run's directory; a run that was interrupted goes on in it. One of its own in runs/ unless given.
    options: of the command: cot=True, direct=True, loglikelihood=True, limit=5, shots=5, data="data",
        subjects="anatomy,law", max_new_tokens=512, batch=32, sweep="alpha=0:1:0.25", chat=True, ...

    Ctrl-C stops it; answers that are there are kept, and the same call goes on.
    """
    names = [] if tasks is None else [tasks] if isinstance(tasks, str) else list(tasks)
    specs = arm_texts(arms)
    arguments = ["eval", *names, *(f"--intervene={spec}" for spec in specs), *option_arguments(options)]
    if output is not None:
        arguments.append(f"--output={os.fspath(output)}")
    printed = run(arguments, model._core, call_text("evaluate", tasks, arms=specs or None, **options))
    return Run(_place(printed, "Answers and results: "), printed)


def arm_texts(arms: Any) -> list[str]:
    """The texts of --intervene for arms= of :func:`evaluate`."""
    if arms is None:
        return []
    if isinstance(arms, dict):
        return [_named(name, "none" if spec is None else str(spec)) for name, spec in arms.items()]
    if isinstance(arms, Sequence) and not isinstance(arms, str):
        return ["none" if spec is None else str(spec) for spec in arms]
    return [str(arms)]


def _named(name: str, spec: str) -> str:
    return spec if name == "none" and spec == "none" else f"{name}={spec}"


def _place(printed: str, label: str) -> Path:
    for line in reversed(printed.splitlines()):
        if line.startswith(label):
            return Path(line[len(label) :])
    raise _core.InputError(f"[evaluate] expected a run directory, got none: {printed.strip()}")


class HeadSearch:
    """A search for heads that matter for a task, read from its directory (docs/heads.md)."""

    def __init__(self, path: PathLike, tables: str = "") -> None:
        self.path = Path(path)
        self._tables = tables

    @property
    def tried(self) -> pd.DataFrame:
        """One row a head: its effect on the items that heads are chosen by."""
        import pandas

        return pandas.read_csv(self.path / "tried.csv")

    @property
    def tested(self) -> pd.DataFrame:
        """One row a set of heads: its effect on held-out items, beside random sets of the same size."""
        import pandas

        return pandas.read_csv(self.path / "tested.csv")

    @property
    def best(self) -> dict[int, list[int]]:
        """The heads of the best set by layer."""
        found = json.loads((self.path / "heads.json").read_text(encoding="utf-8"))
        return {int(layer): heads for layer, heads in found.items()}

    @property
    def spec(self) -> str:
        """heads= of a SPEC for the best set: "zero:" + search.spec."""
        return f"heads=@{self.path / 'heads.json'}"

    def figure(self, kind: str = "heads", **options: Any) -> Figure:
        """See :func:`figure`."""
        return figure(self, kind, **options)

    @property
    def report(self) -> Path:
        """The report: a page to open in a browser."""
        return self.path / "report.html"

    def __repr__(self) -> str:
        return f"<refocus.HeadSearch {str(self.path)!r}>"

    def __str__(self) -> str:
        return self._tables or repr(self)

    def _repr_html_(self) -> str:
        return _show_table(str(self))


def heads(tasks: str | Sequence[str], model: Model, *, output: PathLike | None = None, **options: Any) -> HeadSearch:
    """Which attention heads matter for tasks that are scored by log-likelihood: what `refocus heads` does.

    options: of the command, such as by="zero", top=8, limit=20, detect=True, data="data".
    """
    names = [tasks] if isinstance(tasks, str) else list(tasks)
    arguments = ["heads", *names, *option_arguments(options)]
    if output is not None:
        arguments.append(f"--output={os.fspath(output)}")
    printed = run(arguments, model._core, call_text("heads", tasks, **options))
    return HeadSearch(_place(printed, "Report: ").parent, printed)
