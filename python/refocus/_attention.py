"""Attention weights that were kept, as arrays and tables."""

from __future__ import annotations

import html
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._commands import call_text, number_list, option_arguments, run
from ._prompts import PromptLike, integers, is_chat

if TYPE_CHECKING:
    import pandas as pd


class AttentionArm:
    """One arm of what was kept: arrays that are mapped from files."""

    def __init__(self, directory: Path, facts: dict[str, Any]) -> None:
        self._directory = directory
        self._files: dict[str, str] = facts["files"]
        self.name: str = facts["name"]
        self.intervention: str = facts["intervention"]
        """In its one form."""

    def _array(self, name: str) -> npt.NDArray[Any]:
        if name not in self._files:
            kept = ", ".join(sorted(self._files))
            raise _core.UsageError(f"[attention] expected one of what was kept ({kept}), got {name}; capture it anew")
        array: npt.NDArray[Any] = np.load(self._directory / self._files[name], mmap_mode="r")
        return array

    @property
    def after(self) -> npt.NDArray[np.float32]:
        """The weights that multiply the values, [layers, heads, queries, keys]: after softmax and the intervention,
        whose rows need not sum to 1. The first three axes are places in what was chosen."""
        return self._array("attention")

    @property
    def before(self) -> npt.NDArray[np.float32]:
        """The weights after softmax alone, whose rows sum to 1, [layers, heads, queries, keys]; with before=True."""
        return self._array("attention_before")

    @property
    def top(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """With top_k=: keys of the largest weights of each row (-1: none), and these: [layers, heads, queries, k]."""
        return self._array("top_indices"), self._array("top_weights")

    @property
    def received(self) -> npt.NDArray[np.float32]:
        """What each key gets on average of the queries that see it, [layers, heads, keys]."""
        return self._array("received")

    def mask(self, query: int, head: int) -> npt.NDArray[np.int32]:
        """The keys of M, whose weight in layer 0 exceeds the threshold, of a place in the chosen queries and heads."""
        offsets = self._array("mask_offsets")
        heads = self._array("received").shape[1]
        at = query * heads + head
        keys: npt.NDArray[np.int32] = self._array("mask_indices")[offsets[at] : offsets[at + 1]]
        return keys

    def __repr__(self) -> str:
        return f"<refocus.AttentionArm {self.name}: {', '.join(sorted(self._files))}>"


class Attention:
    """Attention of a prompt in one or several arms, in a directory of `refocus attention`.

    `attention.after` and the like are those of the only arm; `attention["none"]` is an arm by name or number.
    """

    def __init__(self, directory: str | os.PathLike[str], *, temporary: bool = False) -> None:
        self.directory = Path(directory)
        self._facts: dict[str, Any] = json.loads((self.directory / "attention.json").read_text(encoding="utf-8"))
        if "tokens" not in self._facts:
            raise _core.UsageError(
                f"[{self.directory}] expected attention of a prompt, got that of a task, which has statistics alone"
            )
        self.arms = [AttentionArm(self.directory, facts) for facts in self._facts["arms"]]
        self.layers: list[int] = self._facts["layers"]
        self.heads: list[int] = self._facts["heads"]
        self.queries: list[int] = self._facts["queries"]
        """Positions of the kept rows."""
        self._goes = weakref.finalize(self, shutil.rmtree, self.directory, ignore_errors=True) if temporary else None

    # --- tokens ---

    @property
    def tokens(self) -> list[int]:
        """Ids of the prompt and of what was generated."""
        return [token["id"] for token in self._facts["tokens"]]

    @property
    def pieces(self) -> list[str]:
        """The vocabulary's own spelling of each token."""
        return [token["piece"] for token in self._facts["tokens"]]

    @property
    def origins(self) -> list[str | None]:
        """Where each token is from ("message 1 (user)", "generated"); None for a prompt of ids."""
        return [token.get("origin") for token in self._facts["tokens"]]

    @property
    def prompt_tokens(self) -> int:
        """How many of the tokens are the prompt."""
        return int(self._facts["prompt_tokens"])

    # --- arms ---

    def __getitem__(self, arm: str | int) -> AttentionArm:
        if isinstance(arm, int):
            return self.arms[arm]
        for one in self.arms:
            if arm in (one.name, one.intervention):
                return one
        raise KeyError(arm)

    def __iter__(self) -> Iterator[AttentionArm]:
        return iter(self.arms)

    def __len__(self) -> int:
        return len(self.arms)

    def _only(self) -> AttentionArm:
        if len(self.arms) == 1:
            return self.arms[0]
        names = ", ".join(arm.name for arm in self.arms)
        raise _core.UsageError(f"[attention] expected an arm, as in attention[NAME], since there are {names}")

    @property
    def after(self) -> npt.NDArray[np.float32]:
        """Of the only arm: see :attr:`AttentionArm.after`."""
        return self._only().after

    @property
    def before(self) -> npt.NDArray[np.float32]:
        """Of the only arm: see :attr:`AttentionArm.before`."""
        return self._only().before

    @property
    def received(self) -> npt.NDArray[np.float32]:
        """Of the only arm: see :attr:`AttentionArm.received`."""
        return self._only().received

    # --- tables and pictures ---

    @property
    def statistics(self) -> pd.DataFrame:
        """One row a statistic, arm, class of queries, layer and head (statistics.csv)."""
        import pandas

        return pandas.read_csv(self.directory / "statistics.csv")

    @property
    def shares(self) -> pd.DataFrame:
        """How much of the attention goes to keys of each origin (origins.csv); not of a prompt of ids."""
        import pandas

        return pandas.read_csv(self.directory / "origins.csv")

    def picture(self, layer: int, head: int, *, arm: str | int = 0) -> str:
        """The map of a layer's head as SVG."""
        from ._evaluation import figure

        return figure(self.directory, "attention", head=f"{layer}.{head}", arm=self[arm].name).svg

    def explore(self) -> Path:
        """The explorer of these maps: a page to open in a browser."""
        return self.directory / "attention.html"

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Keeps the directory under a name; it must not exist."""
        return Path(shutil.copytree(self.directory, directory))

    def __repr__(self) -> str:
        arms = ", ".join(arm.name for arm in self.arms)
        return (
            f"<refocus.Attention of {len(self.tokens)} tokens: {len(self.layers)} layers, {len(self.heads)} heads, "
            f"{len(self.queries)} queries; arms {arms}>"
        )

    def _repr_html_(self) -> str:
        page = self.explore()
        if not page.exists():
            return f"<pre>{html.escape(repr(self))}</pre>"
        frame = html.escape(page.read_text(encoding="utf-8"), quote=True)
        return (
            f'<iframe srcdoc="{frame}" title="Attention explorer" width="100%" height="640" '
            'style="border:1px solid #ccc" sandbox="allow-scripts"></iframe>'
        )


def _prompt_arguments(prompt: PromptLike, folder: Path) -> list[str]:
    if isinstance(prompt, str):
        return [f"--prompt={prompt}"]
    if is_chat(prompt):
        file = folder / "messages.json"
        file.write_text(json.dumps(list(prompt)), encoding="utf-8")
        return [f"--messages={file}"]
    tokens = prompt.tokens if isinstance(prompt, _core.Prompt) else integers(prompt)
    return [f"--tokens={','.join(map(str, tokens))}"]


def capture(
    model: _core.Model,
    prompt: PromptLike,
    *,
    intervene: Any,
    layers: Any,
    heads: Any,
    queries: Any,
    top_k: int | None,
    before: bool,
    max_tokens: int,
    output: str | os.PathLike[str] | None,
    options: dict[str, Any],
) -> Attention:
    """What Model.attention does."""
    several = isinstance(intervene, Sequence) and not isinstance(intervene, str)
    specs = ["none" if one is None else str(one) for one in (intervene if several else [intervene])]
    folder = Path(tempfile.mkdtemp(prefix="refocus-"))
    try:
        directory = folder / "attention" if output is None else Path(output)
        arguments = ["attention", *_prompt_arguments(prompt, folder), f"--output={directory}"]
        arguments += [f"--intervene={spec}" for spec in specs]
        arguments += option_arguments(
            {
                "layers": number_list(layers),
                "heads": number_list(heads),
                "queries": number_list(queries),
                "top_k": top_k,
                "dense": top_k is None,
                "before": before,
                "max_new_tokens": max_tokens or None,
                **options,
            }
        )
        run(arguments, model, call_text("Model.attention", intervene=specs))
        if output is None:
            kept = Path(tempfile.mkdtemp(prefix="refocus-attention-"))
            os.rename(directory, kept / "attention")
            return _OwnedAttention(kept)
        return Attention(directory)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _OwnedAttention(Attention):
    """With its directory, which goes when it does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "attention")
        self._goes = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
