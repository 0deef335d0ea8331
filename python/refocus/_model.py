"""A model, its tokenizer and its chat template."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union, overload

import numpy as np
import numpy.typing as npt

from . import _core
from ._attention import Attention, capture
from ._prompts import Message, PromptLike, chat_call, integers, is_chat, is_one

Prompt = _core.Prompt
# A SPEC as the command line has it, or what str() makes one.
SpecLike = Union[str, object]
_log = logging.getLogger("refocus")


def spec_text(spec: SpecLike | None) -> str:
    """The SPEC of an intervention; "none" for None."""
    return "none" if spec is None else str(spec)


@dataclass(frozen=True)
class TokenLogprob:
    """How probable the model found a token: natural logarithms."""

    token: int
    text: str
    logprob: float
    top: list[tuple[int, float]] = field(repr=False)
    """The most probable tokens at this place with their log-probabilities, the most probable first."""


@dataclass(frozen=True)
class Answer:
    """What a model generated."""

    text: str
    tokens: list[int] = field(repr=False)
    """Generated ids, one that ended the answer included."""
    finish_reason: str
    """"eos" (the model's own end), "stop" (a text of `stop`) or "length" (cut off)."""
    prompt_tokens: list[int] = field(repr=False)
    intervention: str
    """In its one form: equal texts mean equal computations."""
    logprobs: list[TokenLogprob] | None = field(default=None, repr=False)
    """Of each generated token, where they were asked for."""

    def __str__(self) -> str:
        return self.text


class Tokenizer:
    """Text to token ids and back, as the model's own tokenizer does it."""

    def __init__(self, model: _core.Model) -> None:
        self._model = model

    def encode(self, text: str, *, special: bool = True, bos: bool = True) -> list[int]:
        """The ids of a text, as :meth:`Model.generate` reads a prompt.

        special: whether "<|im_end|>" in the text is the special token, or just text.
        bos: whether to add what the model's tokenizer puts before (and after) a prompt.
        """
        return self._model.encode(text, special, bos)

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of token ids; special tokens are left out unless they are asked for."""
        return self._model.decode(integers(ids), skip_special)

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The vocabulary's own spelling of each token ("▁the", "Ġthe"), for display."""
        return [self._model.piece(i) for i in integers(ids)]

    def id_of(self, piece: str) -> int | None:
        """The id of a piece in the vocabulary's own spelling, where it has it."""
        return self._model.find_piece(piece)

    def is_special(self, token: int) -> bool:
        """Whether it is a control token or the unknown token."""
        return self._model.is_special(token)

    @property
    def bos_id(self) -> int | None:
        """The beginning-of-sequence token."""
        return self._model.bos_id

    @property
    def eos_ids(self) -> list[int]:
        """Every id that ends an answer."""
        return self._model.eos_ids

    def __len__(self) -> int:
        return self._model.tokenizer_size


class Chat:
    """The model's chat template."""

    def __init__(self, model: _core.Model) -> None:
        self._model = model

    @property
    def templates(self) -> dict[str, str]:
        """The model's templates by name, in Jinja; mostly none or one, "default"."""
        return self._model.chat_templates

    def render(self, messages: Sequence[Message], **settings: Any) -> str:
        """The text of a conversation.

        Settings: chat_template= (a Jinja file, or the name of one of the model's), template_args= (names that the
        template sees, such as {"enable_thinking": False}), tools= (a list as OpenAI's API has it),
        generation_prompt= (whether it ends where the assistant's answer begins; True).
        """
        return self._model.render_chat(chat_call(messages, **settings))

    def encode(self, messages: Sequence[Message], **settings: Any) -> list[int]:
        """Its token ids, as a model gets them. Special tokens are read in the template's text alone, never in what
        messages say. Settings as for :meth:`render`."""
        return self._model.read_chat(chat_call(messages, **settings), "none").tokens


class Model:
    """A model that is open. :func:`load` makes one.

    Several threads may call it; calls that compute wait for each other, and the interpreter goes on meanwhile. Its
    memory is given back when the last reference goes, or by :meth:`close` (which `with` does).
    """

    def __init__(self, core: _core.Model) -> None:
        self._core = core
        self.tokenizer = Tokenizer(core)
        self.chat = Chat(core)

    # --- facts ---

    @property
    def path(self) -> str:
        """Its directory or GGUF file."""
        return self._core.path

    @property
    def name(self) -> str:
        """Its folder's name, or its file's without the ending."""
        return self._core.name

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self._core.layers

    @property
    def heads(self) -> int:
        """Query heads of a layer."""
        return self._core.heads

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values of a layer."""
        return self._core.kv_heads

    @property
    def head_dim(self) -> int:
        """Numbers of a head's vectors."""
        return self._core.head_dim

    @property
    def hidden_size(self) -> int:
        """Numbers of the residual stream."""
        return self._core.hidden_size

    @property
    def vocab_size(self) -> int:
        """Rows of the output matrix: logits of a token."""
        return self._core.vocab_size

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._core.context

    @property
    def threads(self) -> int:
        """Threads that it computes with."""
        return self._core.threads

    @property
    def config(self) -> dict[str, Any]:
        """Its config.json (of a GGUF file, what it says in those terms)."""
        import json

        found: dict[str, Any] = json.loads(self._core.config_json)
        return found

    def __repr__(self) -> str:
        if self._core.is_closed:
            return "<refocus.Model, closed>"
        c = self._core
        return (
            f"<refocus.Model {c.path!r}: {c.layers} layers, {c.heads} heads, vocabulary of {c.vocab_size}, "
            f"activations {c.activations}, keys and values {c.kv_type}, {c.threads} threads>"
        )

    # --- life ---

    def close(self) -> None:
        """Gives its memory back now. Later calls are errors."""
        self._core.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- prompts ---

    def prompt(
        self,
        prompt: PromptLike,
        *,
        intervene: SpecLike | None = None,
        special: bool = True,
        chat_template: str | None = None,
        template_args: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> Prompt:
        """A prompt as the model gets it, with where each token is from (`.tokens`, `.text`, `.origins`).

        A text is encoded with what the model's tokenizer puts around a prompt; special tokens in it are read unless
        special=False. Token ids are used as they are. A list of messages becomes a prompt by the chat template. Marks
        (<< >>) around parts of it are read where `intervene` asks for them.
        """
        spec = spec_text(intervene)
        if isinstance(prompt, _core.Prompt):
            return prompt
        if isinstance(prompt, str):
            return self._core.read_text(prompt, special, spec)
        if is_chat(prompt):
            call = chat_call(prompt, chat_template=chat_template, template_args=template_args, tools=tools)
            return self._core.read_chat(call, spec)
        return self._core.read_tokens(integers(prompt))

    def intervention(self, spec: SpecLike | None) -> str:
        """A SPEC for this model with every parameter written out, in its one form. UsageError where it is none."""
        return self._core.canonical(spec_text(spec))

    # --- answers ---

    @overload
    def generate(
        self, prompts: str | Prompt | Sequence[int] | npt.NDArray[np.integer[Any]] | Sequence[Message], **options: Any
    ) -> Answer: ...
    @overload
    def generate(self, prompts: Sequence[PromptLike], **options: Any) -> list[Answer]: ...

    def generate(self, prompts: Any, **options: Any) -> Answer | list[Answer]:
        """Continues one prompt, or many together: an :class:`Answer`, or a list of them in the prompts' order.

        prompts: a text, token ids, or a conversation (a list of messages); or a list of such.

        Options:
          intervene     SPEC of an intervention, as --intervene has it; "none"
          max_tokens    most tokens to generate; 128
          temperature   0, the default: the most likely token; above: sampled
          top_k, top_p, min_p, seed     of sampling, as the command has them
          stop          texts, or names of special tokens, that end an answer
          ignore_eos    go on after an end-of-sequence token
          logprobs      how many of the most probable tokens to score at each place; None: no scores
          batch_size    prompts computed at once; 16. Does not change answers
          special, chat_template, template_args, tools     as for :meth:`prompt`

        Answers are those of `refocus generate`, and of `refocus generate --batch` for a list, token by token: what a
        prompt's answer is depends on nothing that is computed beside it.
        """
        if is_one(prompts):
            return next(iter(self.generate_iter([prompts], **options)))
        return list(self.generate_iter(list(prompts), **options))

    def generate_iter(
        self,
        prompts: Iterable[PromptLike],
        *,
        intervene: SpecLike | None = None,
        max_tokens: int = 128,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        seed: int = 0,
        stop: str | Sequence[str] = (),
        ignore_eos: bool = False,
        logprobs: int | None = None,
        batch_size: int = 16,
        **prompt_options: Any,
    ) -> Iterator[Answer]:
        """The same as an iterator: answers in the prompts' order, each as soon as those before it are there.

        `prompts` may be a generator: it is asked for a prompt when there is room for one.
        """
        call = self._call(
            intervene, max_tokens, temperature, top_k, top_p, min_p, seed, stop, ignore_eos, logprobs, batch_size
        )
        if is_one(prompts):
            raise UsageError("[prompts] expected several prompts, got one; put it in a list")
        if isinstance(prompts, Sequence):
            ready = [self.prompt(p, intervene=intervene, **prompt_options) for p in prompts]
            call.longest = max((len(p.tokens) for p in ready), default=0)
            call.batch_size = max(1, min(batch_size, len(ready)))
            return self._answers(call, iter(ready))
        return self._answers(call, (self.prompt(p, intervene=intervene, **prompt_options) for p in prompts))

    def stream(self, prompt: PromptLike, **options: Any) -> Iterator[str]:
        """One prompt's answer as pieces of text while it is generated; put together they are `generate(...).text`.

        Options as for :meth:`generate`.
        """
        names = ("special", "chat_template", "template_args", "tools")
        read = {name: options.pop(name) for name in names if name in options}
        values: dict[str, Any] = {
            "intervene": None, "max_tokens": 128, "temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 0,
            "stop": (), "ignore_eos": False, "logprobs": None, "batch_size": 1,
        }  # fmt: skip
        unknown = sorted(set(options) - set(values))
        if unknown:
            raise TypeError(f"stream() got an unexpected keyword argument {unknown[0]!r}")
        values.update(options)
        call = self._call(**values)
        ready = self.prompt(prompt, intervene=values["intervene"], **read)
        call.longest, call.streams, call.batch_size = len(ready.tokens), True, 1
        generation = _core.Generation(self._core, call)
        generation.add(ready, None)
        return self._pieces(generation)

    @staticmethod
    def _pieces(generation: _core.Generation) -> Iterator[str]:
        while generation.advance():
            for piece in generation.take_pieces():
                yield piece.text
            generation.take_done()

    @staticmethod
    def _call(
        intervene: SpecLike | None,
        max_tokens: int,
        temperature: float,
        top_k: int,
        top_p: float,
        min_p: float,
        seed: int,
        stop: str | Sequence[str],
        ignore_eos: bool,
        logprobs: int | None,
        batch_size: int,
    ) -> _core.GenerationCall:
        least = {"max_tokens": (max_tokens, 1), "batch_size": (batch_size, 1), "top_k": (top_k, 0), "seed": (seed, 0)}
        for name, (value, bound) in least.items():
            if value < bound:
                raise UsageError(f"[{name}] expected at least {bound}, got {value}")
        if temperature < 0:
            raise UsageError(f"[temperature] expected 0 or more, got {temperature}")
        for name, share in (("top_p", top_p), ("min_p", min_p)):
            if not 0 <= share <= 1:
                raise UsageError(f"[{name}] expected a number from 0 to 1, got {share}")
        call = _core.GenerationCall()
        call.spec = spec_text(intervene)
        call.max_tokens = max_tokens
        sampling = _core.Sampling()
        sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p = temperature, top_k, top_p, min_p
        sampling.seed = seed
        call.sampling = sampling
        call.stop = [stop] if isinstance(stop, str) else list(stop)
        call.ignore_eos, call.top_logprobs, call.batch_size = ignore_eos, logprobs, batch_size
        return call

    def _answers(self, call: _core.GenerationCall, prompts: Iterator[Prompt]) -> Iterator[Answer]:
        generation = _core.Generation(self._core, call)
        canonical = self._core.canonical(call.spec)
        done: dict[int, Answer] = {}
        next_id, more = 0, True
        while True:
            while more and generation.open < 2 * call.batch_size:
                prompt = next(prompts, None)
                more = prompt is not None
                if prompt is not None:
                    generation.add(prompt, None)
            advanced = generation.advance()
            for answer in generation.take_done():
                done[answer.id] = self._answer(answer, canonical, call.top_logprobs is not None)
            while next_id in done:
                yield done.pop(next_id)
                next_id += 1
            if not advanced and not more:
                return

    def _answer(self, answer: _core.DoneAnswer, canonical: str, scored: bool) -> Answer:
        logprobs = None
        if scored:
            text = self.tokenizer.decode if self._core.has_tokenizer else (lambda ids: "")
            logprobs = [
                TokenLogprob(s.token, text([s.token]), s.logprob, [(c.token, c.logprob) for c in s.top])
                for s in answer.scores
            ]
        return Answer(answer.text, answer.tokens, answer.finish_reason, answer.prompt, canonical, logprobs)

    # --- measures ---

    def logits(
        self,
        prompt: PromptLike,
        *,
        intervene: SpecLike | None = None,
        prompt_tokens: int | None = None,
        **prompt_options: Any,
    ) -> npt.NDArray[np.float32]:
        """The logits of every token of a prompt, float32 [tokens, vocab_size]; row i predicts token i + 1.

        prompt_tokens: the first so many tokens are the prompt, the others count as generated (for interventions with
        rows=generated); all unless given. The bits are those of `refocus logits`; the array owns them, uncopied.
        """
        ready = self.prompt(prompt, intervene=intervene, **prompt_options)
        return _core.logits(self._core, ready, spec_text(intervene), prompt_tokens)

    def hidden(
        self,
        prompt: PromptLike,
        *,
        intervene: SpecLike | None = None,
        layers: Sequence[int] | None = None,
        **prompt_options: Any,
    ) -> npt.NDArray[np.float32]:
        """The residual stream, float32 [places, tokens, hidden_size], as transformers' hidden_states has it.

        Place 0 is before the first layer (the embedding), place l after layer l - 1; the last one is before the final
        norm (transformers' last one is after it). `layers` chooses places; all unless given.
        """
        places = list(range(self.layers + 1)) if layers is None else integers(layers)
        for place in places:
            if not 0 <= place <= self.layers:
                raise UsageError(f"[layers] expected places from 0 to {self.layers}, got {place}")
        ready = self.prompt(prompt, intervene=intervene, **prompt_options)
        return _core.hidden(self._core, ready, spec_text(intervene), places)

    def loglikelihood(
        self,
        pairs: Iterable[tuple[str | Sequence[int], str | Sequence[int]]],
        *,
        intervene: SpecLike | None = None,
        seam: str = "difference",
        batch_size: int = 16,
    ) -> list[tuple[float, bool]]:
        """Of each (context, continuation): the natural logarithm of the continuation's probability, and whether each
        of its tokens is the most likely one.

        Texts are encoded together, with the BOS that the model's tokenizer puts before a prompt; both may be token ids
        instead, used as they are. seam: where the continuation's tokens begin, "difference" (with the first that the
        context alone does not have) or "lm-eval" (after as many as the context alone has). Pairs that follow each
        other with the same context are computed together. The numbers are those of `refocus eval --loglikelihood`.
        """
        spec = spec_text(intervene)
        groups: list[tuple[Any, list[Any]]] = []
        for context, continuation in pairs:
            if not isinstance(context, str):
                context = integers(context)
            if not groups or groups[-1][0] != context:
                groups.append((context, []))
            groups[-1][1].append(continuation)
        contexts = [self._scored(context, options, seam, spec) for context, options in groups]
        found = _core.loglikelihoods(self._core, contexts, spec, batch_size)
        return [pair for options in found for pair in options]

    def _scored(self, context: Any, options: list[Any], seam: str, spec: str) -> _core.ScoredContext:
        if isinstance(context, str) and all(isinstance(option, str) for option in options):
            return _core.read_options(self._core, context, options, seam, spec)
        if isinstance(context, str) or any(isinstance(option, str) for option in options):
            raise UsageError("[loglikelihood] expected texts or token ids as a context and its continuation, got both")
        return _core.ScoredContext(self._core.read_tokens(context), [integers(option) for option in options])

    def attention(
        self,
        prompt: PromptLike,
        *,
        intervene: SpecLike | Sequence[SpecLike] | None = None,
        layers: str | Sequence[int] | None = None,
        heads: str | Sequence[int] | None = None,
        queries: str | Sequence[int] | None = None,
        top_k: int | None = None,
        before: bool = False,
        max_tokens: int = 0,
        output: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Attention:
        """The attention weights of a prompt, and statistics of them: what `refocus attention` keeps.

        intervene: a SPEC, or several: several arms, over the same tokens.
        layers, heads, queries: which to keep, numbers or a text such as "0,4-7"; all unless given.
        top_k: keep the K largest weights of each row in place of all.
        before: keep the weights before the intervention changed them too.
        max_tokens: continue the prompt (greedily, in the first arm) by so many tokens, and keep their rows too.
        output: a directory to keep; else one that goes with the result.
        options: further options of the command, such as threshold=, window=, lens=, system=, chat_template=.

        Arrays are mapped from the files that the command writes, nothing is copied.
        """
        return capture(
            self._core, prompt, intervene=intervene, layers=layers, heads=heads, queries=queries, top_k=top_k,
            before=before, max_tokens=max_tokens, output=output, options=options,
        )  # fmt: skip


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    threads: int | None = None,
    kv_type: str | None = None,
    activations: str | None = None,
    context: int | None = None,
    adapter: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    kv_memory: int | None = None,
    pin: bool = False,
) -> Model:
    """Opens a model: a directory in the Hugging Face layout, a GGUF file, or the name of a bundled one.

    model: the bundled model (small-worlds) unless given.
    threads: to compute with; as many as the process may use unless given.
    kv_type: of cached keys and values: "f32", "f16" or "q8_0".
    activations: that weights are multiplied with: "int8" (default, for weights of block types), "f32" for exact
        products, or "bf16" for the fastest prompts where the processor has AMX.
    context: most tokens of a sequence; the model's own unless given.
    adapter: a LoRA adapter to apply beside the weights, a PEFT directory.
    kv_memory: memory for keys and values in MiB; what is needed, up to half of the free memory, unless given.

    Raises InputError, a ValueError, with the command's words for what cannot be opened.
    """
    for name, value in (("threads", threads), ("context", context), ("kv_memory", kv_memory)):
        if value is not None and value < 1:
            raise UsageError(f"[{name}] expected at least 1, got {value}")
    _core.show_info(_log.isEnabledFor(logging.INFO))
    return Model(
        _core.Model(
            "" if model is None else os.fspath(model), threads or 0, pin, context or 0, kv_memory or 0, device,
            kv_type or "", activations or "", "" if adapter is None else os.fspath(adapter),
        )  # fmt: skip
    )


UsageError = _core.UsageError
