"""Refocus as a model of lm-evaluation-harness (docs/python-lm-eval.md).

    python -m refocus.lm_eval run --model refocus --model_args pretrained=model.gguf --tasks piqa

Importing this module makes the model known as "refocus" to `lm_eval.simple_evaluate` too. Newer versions of the harness
find it by themselves, as `lm-eval run --model refocus`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

try:
    from lm_eval.api.model import TemplateLM
    from lm_eval.api.registry import MODEL_REGISTRY, register_model
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
    from tqdm import tqdm
except ImportError as error:
    raise ImportError(
        f"[refocus.lm_eval] expected the package lm-eval and all it needs, got: {error}; pip install 'refocus[lm-eval]'"
    ) from error

from .. import _core, instruction_set
from .._harness import HarnessModel, read_batch_size, read_generation
from .._model import Model, load

_OF_THE_ENGINE = ("threads", "kv_type", "activations", "kv_memory", "pin")
_OF_THE_MODEL = (
    "pretrained", "model", "intervene", *_OF_THE_ENGINE, "adapter", "peft", "gguf_file", "max_length", "context",
    "dtype", "batch_size", "add_bos_token", "prefix_token_id", "max_gen_toks", "chat_template", "chat_template_args",
    "enable_thinking", "think_end_token",
)  # fmt: skip
# What the harness gives every model, and has no meaning here.
_OF_THE_HARNESS = ("device", "max_batch_size", "trust_remote_code")


def _check_names(given: Mapping[str, Any]) -> None:
    for name in given:
        if name in _OF_THE_MODEL or name in _OF_THE_HARNESS:
            continue
        near = difflib.get_close_matches(name, _OF_THE_MODEL, 1)
        advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(_OF_THE_MODEL)}"
        if given.get("intervene") is not None:
            advice += "; a SPEC with commas stands in quotes or in JSON (docs/python-lm-eval.md)"
        raise _core.UsageError(f"[model_args] unknown argument {name}; {advice}")


def _either(given: Mapping[str, Any], name: str, other: str) -> Any:
    values = [given[key] for key in (name, other) if given.get(key) is not None]
    if len(values) == 2 and values[0] != values[1]:
        raise _core.UsageError(f"[model_args] expected {name} or {other}, got both")
    return values[0] if values else None


def _activations(given: Mapping[str, Any]) -> str | None:
    """In `hf`, dtype=float32 computes with exact products whatever the file holds."""
    dtype = given.get("dtype")
    if dtype not in (None, "auto", "float32"):
        raise _core.UsageError(
            f"[dtype] expected auto or float32, got {dtype}; weights are used as the file has them: convert it"
        )
    asked: str | None = given.get("activations")
    return "f32" if asked is None and dtype == "float32" else asked


def _open(given: Mapping[str, Any], max_length: int | None) -> Model:
    path = _either(given, "pretrained", "model")
    if path is None:
        raise _core.UsageError("[model_args] expected pretrained=MODEL (a directory, a GGUF file, a name), got none")
    if isinstance(path, Model):
        for name in (*_OF_THE_ENGINE, "adapter", "peft", "gguf_file", "dtype"):
            if given.get(name) is not None:
                raise _core.UsageError(f"[model_args] expected no {name} with a model that is open; give it to load()")
        return path
    if given.get("gguf_file") is not None:
        path = os.path.join(path, given["gguf_file"])
    settings = {name: given[name] for name in _OF_THE_ENGINE if given.get(name) is not None}
    settings.update(model=str(path), adapter=_either(given, "adapter", "peft"), activations=_activations(given))
    return load(**settings, context=max_length)


class RefocusLM(TemplateLM):  # type: ignore[misc]  # the harness has no types
    """A model of Refocus that answers lm-evaluation-harness.

    Arguments are those of `--model_args`:
      pretrained, model    a directory, a GGUF file, the name of a bundled model, or a :class:`refocus.Model`
      intervene            SPEC of an intervention; "none"
      threads, kv_type, activations, kv_memory, pin, adapter (peft)    as for :func:`refocus.load`
      gguf_file            a file in the directory `pretrained`; dtype: "float32" is activations="f32"
      max_length, context  most tokens that the model sees; its own unless given
      batch_size           requests computed at once; 1 and "auto" are 16. Does not change numbers
      add_bos_token, prefix_token_id    as for `hf`
      max_gen_toks         most tokens of an answer whose task does not say; 256
      chat_template, chat_template_args, enable_thinking, think_end_token    a Jinja file; the others as for `hf`

    Anything else is a UsageError that names it.
    """

    backend = "causal"

    def __init__(self, pretrained: str | os.PathLike[str] | Model | None = None, **arguments: Any) -> None:
        super().__init__()
        given = dict(arguments, pretrained=pretrained)
        _check_names(given)
        max_length = _either(given, "max_length", "context")
        if max_length is not None and (not isinstance(max_length, int) or max_length < 1):
            raise _core.UsageError(f"[max_length] expected at least 1, got {max_length}")
        self.enable_thinking = given.get("enable_thinking")
        end = given.get("think_end_token")
        self.think_end_token: int | str | None = int(end) if isinstance(end, str) and end.isdigit() else end
        if self.enable_thinking and end is None:
            raise _core.UsageError("[model_args] expected think_end_token= with enable_thinking=True, got none")
        thinking = {} if self.enable_thinking is None else {"enable_thinking": self.enable_thinking}
        self._asked = HarnessModel(
            _open(given, max_length),
            intervene=given.get("intervene"),
            batch_size=read_batch_size(given.get("batch_size")),
            max_length=max_length,
            add_bos_token=given.get("add_bos_token"),
            prefix_token_id=given.get("prefix_token_id"),
            chat_template=given.get("chat_template"),
            template_args={**(given.get("chat_template_args") or {}), **thinking},
        )
        self._max_gen_toks = int(given.get("max_gen_toks") or 256)

    # --- facts ---

    @property
    def model(self) -> Model:
        """The model that is open."""
        return self._asked.model

    @property
    def intervention(self) -> str:
        """The intervention in its one form."""
        return self._asked.intervention

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return self._asked.eot_id

    @property
    def prefix_token_id(self) -> int:
        """The token before a text without a context."""
        return self._asked.prefix_id

    @property
    def max_length(self) -> int:
        """Most tokens that the model sees."""
        return self._asked.max_length

    @property
    def max_gen_toks(self) -> int:
        """Most tokens of an answer whose task does not say."""
        return self._max_gen_toks

    @property
    def batch_size(self) -> int:
        """Requests computed at once."""
        return self._asked.batch_size

    @property
    def tokenizer_name(self) -> str:
        """Names the tokenizer and the template in the harness' cache of requests."""
        parts = ["refocus", self.model.path, *([self._asked.template] if self._asked.template else [])]
        return "__".join(parts).replace(os.sep, "__")

    def get_model_info(self) -> dict[str, Any]:
        """What results depend on, for the harness' file of results."""
        core = self.model._core
        return {
            "refocus_version": _core.version,
            "refocus_model": self.model.path,
            "refocus_intervention": self.intervention,
            "refocus_activations": core.activations,
            "refocus_kv_type": core.kv_type,
            "refocus_instruction_set": instruction_set(),
        }

    # --- tokens ---

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """The ids of a text, special tokens read; BOS unless the text has it, as `hf`."""
        return self._asked.encode(string, add_special_tokens)

    def tok_decode(self, tokens: Iterable[int] | int, skip_special_tokens: bool = True) -> str:
        """The text of token ids."""
        ids = [tokens] if isinstance(tokens, int) else tokens
        return self.model.tokenizer.decode(ids, skip_special=skip_special_tokens)

    # --- requests ---

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Of each (context, continuation): its log-likelihood, and whether it is greedy."""
        if self.enable_thinking:
            raise _core.UsageError("[model_args] expected tasks that generate with enable_thinking=True, got others")
        for request in requests:
            if not request.args[1]:
                raise _core.InputError(
                    "[loglikelihood] expected a continuation with a text, got an empty one "
                    f"(task {request.task_name}); correct the task"
                )
        found: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        return found

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        out: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        pairs = [(context, continuation) for _, context, continuation in requests]
        progress = tqdm(total=len(requests), disable=disable_tqdm, desc="Running loglikelihood requests")
        for place, found in self._asked.loglikelihoods(pairs):
            out[place] = found
            if requests[place][0] is not None:
                self.cache_hook.add_partial("loglikelihood", requests[place][0], found)
            progress.update(1)
        progress.close()
        return out

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Of each text: its log-likelihood, in windows of max_length tokens after the prefix token."""
        windows: list[tuple[Any, list[int], list[int]]] = []
        texts: list[int] = []
        for i, request in enumerate(requests):
            tokens = self.tok_encode(request.args[0])
            for window in get_rolling_token_windows(tokens, self.prefix_token_id, self.max_length, 1):
                windows.append((None, *make_disjoint_window(window)))
                texts.append(i)
        totals = [0.0] * len(requests)
        for i, (value, _) in zip(texts, self._loglikelihood_tokens(windows, disable_tqdm)):
            totals[i] += value
        for request, total in zip(requests, totals):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, total)
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Of each (context, gen_kwargs): the answer, without what ended it."""
        asked = [(request.args[0], read_generation(request.args[1], self.max_gen_toks)) for request in requests]
        out = [""] * len(requests)
        progress = tqdm(total=len(requests), disable=disable_tqdm, desc="Running generate_until requests")
        for place, text, tokens in self._asked.answers(asked):
            out[place] = self._after_thinking(text, tokens, asked[place][1].stop)
            self.cache_hook.add_partial("generate_until", requests[place].args, out[place])
            progress.update(1)
        progress.close()
        return out

    def _after_thinking(self, text: str, tokens: list[int], stop: Iterable[str]) -> str:
        end = self.think_end_token
        if isinstance(end, str):
            return text.split(end)[-1].lstrip() if end in text else text
        if end is None or end not in tokens:
            return text
        text = self.tok_decode(tokens[len(tokens) - tokens[::-1].index(end) :]).lstrip()
        return min((text.split(one)[0] for one in stop), key=len, default=text)

    # --- conversations ---

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The text of a conversation; without add_generation_prompt it ends in its last message."""
        return self._asked.render(chat_history, add_generation_prompt)

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The template that is used: the usual one for True, or the model's of this name; None for False."""
        if chat_template is False or chat_template is None:
            return None
        return self._asked.template_text(chat_template)


if "refocus" not in MODEL_REGISTRY:
    register_model("refocus")(RefocusLM)


def main() -> None:
    """The harness' command line, unchanged."""
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()


__all__ = ["RefocusLM", "main"]
