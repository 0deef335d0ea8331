"""What lm-evaluation-harness asks of a model, without lm-evaluation-harness.

Tokens, lengths and settings are treated as the harness' own model `hf` treats them, so that both get the same requests.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import _core
from ._model import Model, SpecLike
from ._prompts import Message

_log = logging.getLogger("refocus")
# Requests of one call of the engine: between calls there is progress to show, and what is known can be kept.
_AT_ONCE = 128
_LENGTH_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_SAMPLING_NAMES = ("do_sample", "temperature", "top_k", "top_p", "min_p", "seed", "until")
# Settings of transformers that ask for nothing at these values.
_WITHOUT_EFFECT: dict[str, Any] = {"num_beams": 1, "repetition_penalty": 1.0, "use_cache": True}
_warned: set[str] = set()

Tokens = Sequence[int]


def warn_once(message: str) -> None:
    """A warning the first time that it is given."""
    if message not in _warned:
        _warned.add(message)
        _log.warning(message)


@dataclass(frozen=True)
class GenerationSettings:
    """How one request is answered; requests that share it are answered together."""

    max_tokens: int
    stop: tuple[str, ...]
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    seed: int


def read_generation(asked: Mapping[str, Any], max_gen_toks: int) -> GenerationSettings:
    """The settings of a request's gen_kwargs. UsageError for what is unknown or cannot be meant."""
    known = (*_LENGTH_NAMES, *_SAMPLING_NAMES)
    for name, value in asked.items():
        if name in known or (name in _WITHOUT_EFFECT and value == _WITHOUT_EFFECT[name]):
            continue
        raise _core.UsageError(
            f"[gen_kwargs] expected {', '.join(known)}, got {name}={value!r}; leave it out"
        )
    lengths = [asked[name] for name in _LENGTH_NAMES if asked.get(name) is not None]
    return GenerationSettings(
        max_tokens=int(lengths[0]) if lengths else max_gen_toks,
        stop=_stops(asked.get("until")),
        temperature=_temperature(asked),
        top_k=int(asked.get("top_k") or 0),
        top_p=float(asked.get("top_p", 1.0)),
        min_p=float(asked.get("min_p") or 0.0),
        seed=int(asked.get("seed") or 0),
    )


def _stops(until: Any) -> tuple[str, ...]:
    texts = [] if until is None else [until] if isinstance(until, str) else list(until)
    if any(not isinstance(text, str) for text in texts):
        raise _core.UsageError(f"[gen_kwargs] expected a text or a list of texts as until, got {until!r}")
    return tuple(text for text in texts if text)


def _temperature(asked: Mapping[str, Any]) -> float:
    temperature = float(asked.get("temperature") or 0.0)
    sample = asked.get("do_sample")
    if sample is None:
        return temperature
    if sample and temperature == 0:
        raise _core.UsageError("[gen_kwargs] expected a temperature above 0 with do_sample=True, got 0; give one")
    if not sample and temperature > 0:
        warn_once(f"[gen_kwargs] do_sample=False: temperature={temperature} is without effect")
    return temperature if sample else 0.0


def read_batch_size(batch_size: int | str | None) -> int:
    """Requests computed at once. The harness gives 1 where nobody chose, so that and "auto" are the usual 16."""
    text = str(batch_size if batch_size is not None else 1)
    if text == "1" or text.split(":")[0] == "auto":
        return 16
    if not text.isdecimal() or int(text) < 1:
        raise _core.UsageError(f"[batch_size] expected a number of at least 1 or auto, got {text}")
    return int(text)


def _together(pairs: Sequence[tuple[list[int], list[int]]]) -> Iterator[list[int]]:
    """Places of pairs for one call after the other, in the order of their tokens; a context's are in one call."""
    some: list[int] = []
    for i in sorted(range(len(pairs)), key=lambda i: pairs[i]):
        if len(some) >= _AT_ONCE and pairs[some[-1]][0] != pairs[i][0]:
            yield some
            some = []
        some.append(i)
    if some:
        yield some


class HarnessModel:
    """A model that answers the harness' requests, with an intervention."""

    def __init__(
        self,
        model: Model,
        *,
        intervene: SpecLike | None = None,
        batch_size: int = 16,
        max_length: int | None = None,
        add_bos_token: bool | None = None,
        prefix_token_id: int | None = None,
        chat_template: str | None = None,
        template_args: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.max_length = min(max_length or model.context, model.context)
        self.batch_size = batch_size
        self.intervene = intervene  # as it is: the object keeps the functions that it names
        self.intervention = model.intervention(intervene)
        self.add_bos_token = add_bos_token
        self.template = chat_template
        self.template_args = dict(template_args or {})
        self._prefix = prefix_token_id
        self._prefix_text: str | None = None

    # --- tokens ---

    @property
    def eot_id(self) -> int:
        """The token that ends a text."""
        ends = self.model.tokenizer.eos_ids
        if ends:
            return ends[0]
        raise _core.InputError(
            f"[{self.model.path}] expected a token that ends a text, got none; give another model, or prefix_token_id="
        )

    @property
    def prefix_id(self) -> int:
        """The token before a text without a context: the one given, or BOS, or what ends a text."""
        if self._prefix is not None:
            return self._prefix
        bos = self.model.tokenizer.bos_id
        return self.eot_id if bos is None else bos

    def encode(self, text: str, add_special_tokens: bool | None = None) -> list[int]:
        """The ids of a text; BOS as the tokenizer, add_bos_token= and what the text begins with say."""
        if self._prefix_text is None:
            self._prefix_text = self.model.tokenizer.decode([self.prefix_id], skip_special=False)
        bos = add_special_tokens
        if bos is None:
            bos = self.add_bos_token is not False and not (self._prefix_text and text.startswith(self._prefix_text))
        ids = self.model.tokenizer.encode(text, bos=bos)
        first = self.model.tokenizer.bos_id
        if bos and self.add_bos_token and first is not None and ids[:1] != [first]:
            ids.insert(0, first)
        return ids

    # --- log-likelihoods ---

    def loglikelihoods(self, pairs: Sequence[tuple[Tokens, Tokens]]) -> Iterator[tuple[int, tuple[float, bool]]]:
        """Of each (context, continuation) its place, and the natural logarithm of the continuation's probability with
        whether it is greedy. Contexts that begin alike come one after the other, so that beginnings are computed once.
        """
        cut = [self._cut(context, continuation) for context, continuation in pairs]
        shortened = sum(len(now[0]) < len(was[0]) for now, was in zip(cut, pairs))
        if shortened:
            _log.warning(
                "[loglikelihood] %d of %d contexts are longer, with what follows them, than the %d tokens that the "
                "model can see; their beginnings are left out",
                shortened, len(pairs), self.max_length,
            )  # fmt: skip
        for places in _together(cut):
            chosen = [cut[i] for i in places]
            found = self.model.loglikelihood(chosen, intervene=self.intervene, batch_size=self.batch_size)
            yield from zip(places, found)

    def _cut(self, context: Tokens, continuation: Tokens) -> tuple[list[int], list[int]]:
        """Cut from the left to what the model can see: all but the last token, of which nothing is asked."""
        if not continuation:
            raise _core.InputError(
                "[loglikelihood] expected at least one token in each continuation, got one that is empty, or that "
                "is no token of its own after its context; correct the task"
            )
        if len(continuation) > self.max_length:
            raise _core.InputError(
                f"[loglikelihood] expected at most {self.max_length} tokens in a continuation, got "
                f"{len(continuation)}; shorten it, or give a longer max_length="
            )
        tokens = [*context, *continuation][-(self.max_length + 1) :]
        return tokens[: -len(continuation)], tokens[-len(continuation) :]

    # --- texts ---

    def answers(self, requests: Sequence[tuple[str, GenerationSettings]]) -> Iterator[tuple[int, str, list[int]]]:
        """Of each (context, settings) its place, the text before what ended it, and the generated tokens."""
        groups: dict[GenerationSettings, list[tuple[list[int], int]]] = {}
        for place, (context, settings) in enumerate(requests):
            groups.setdefault(settings, []).append((self._prompt(context, settings), place))
        end = self.model.tokenizer.decode([self.eot_id], skip_special=False)
        for settings, group in groups.items():
            group.sort()
            stop = [*settings.stop, *([end] if end and end not in settings.stop else [])]
            found = self.model.generate_iter(
                [tokens for tokens, _ in group], intervene=self.intervene, max_tokens=settings.max_tokens,
                temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p, min_p=settings.min_p,
                seed=settings.seed, stop=stop, batch_size=self.batch_size,
            )  # fmt: skip
            for (_, place), answer in zip(group, found):
                yield place, answer.text, answer.tokens

    def _prompt(self, context: str, settings: GenerationSettings) -> list[int]:
        room = self.max_length - settings.max_tokens
        if room < 1:
            raise _core.UsageError(
                f"[gen_kwargs] expected max_gen_toks below {self.max_length}, the tokens that the model can see, got "
                f"{settings.max_tokens}; ask for fewer"
            )
        tokens = self.encode(context) if context else [self.prefix_id]
        if len(tokens) > room:
            warn_once(
                f"[generate_until] some contexts leave no room for {settings.max_tokens} tokens more in the "
                f"{self.max_length} that the model can see; their beginnings are left out"
            )
        return tokens[-room:]

    # --- conversations ---

    def template_text(self, name: str | bool) -> str:
        """The chat template to use from now on: the one of this name, or the usual one for True."""
        templates = self.model.chat.templates
        if isinstance(name, str):
            if name not in templates:
                known = ", ".join(sorted(templates)) or "it has none"
                raise _core.UsageError(f"[apply_chat_template] expected a template of the model ({known}), got {name}")
            self.template = name
        if self.template is not None and self.template not in templates:
            with open(self.template, encoding="utf-8") as file:
                return file.read()
        if not templates:
            raise _core.UsageError(
                f"[{self.model.path}] expected a chat template, got none; give a Jinja file with chat_template="
            )
        return templates.get(self.template or "default") or next(iter(templates.values()))

    def render(self, messages: Sequence[Message], generation_prompt: bool = True) -> str:
        """The text of a conversation; without generation_prompt it ends in its last message, for the model to go on.

        Where the template refuses a system message the conversation is rendered without, as `hf` does.
        """
        try:
            return self._rendered(messages, generation_prompt)
        except _core.InputError:
            rest = [message for message in messages if message["role"] != "system"]
            if len(rest) == len(messages):
                raise
            warn_once("[apply_chat_template] the template refuses the conversation; leaving its system message out")
            return self._rendered(rest, generation_prompt)

    def _rendered(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        text = self.model.chat.render(
            messages, chat_template=self.template, template_args=self.template_args or None,
            generation_prompt=generation_prompt,
        )  # fmt: skip
        if generation_prompt:
            return text
        last = str(messages[-1]["content"])
        at = text.rfind(last.strip())
        if at < 0:
            raise _core.InputError("[apply_chat_template] expected the last message in the text, got it changed")
        kept = last.lstrip() if text.startswith(last.lstrip(), at) else last.strip()
        return text[: at + len(kept)]
