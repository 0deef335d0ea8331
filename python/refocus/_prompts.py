"""What a model can be given: texts, token ids and conversations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import numpy.typing as npt

from . import _core

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

Message = Mapping[str, Any]
# A text; token ids, used as they are; a conversation as OpenAI's API has it; or what Model.prompt made.
PromptLike = Union[str, Sequence[int], npt.NDArray[np.integer[Any]], Sequence[Message], _core.Prompt]


def is_integer(value: object) -> bool:
    """Whether it is a number that counts, NumPy's included, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_chat(prompt: object) -> TypeGuard[Sequence[Message]]:
    """Whether it is a conversation: a list of messages."""
    some = isinstance(prompt, Sequence) and not isinstance(prompt, str) and len(prompt) > 0
    return some and isinstance(prompt[0], Mapping)  # type: ignore[index]


def is_one(prompts: object) -> bool:
    """Whether it is one prompt, and no list of them."""
    if isinstance(prompts, (str, _core.Prompt)) or is_chat(prompts):
        return True
    if hasattr(prompts, "dtype") and getattr(prompts, "ndim", 0) == 1:  # an array of ids
        return True
    return isinstance(prompts, Sequence) and len(prompts) > 0 and is_integer(prompts[0])


def chat_call(
    messages: Sequence[Message],
    *,
    chat_template: str | None = None,
    template_args: Mapping[str, Any] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    generation_prompt: bool = True,
) -> _core.ChatCall:
    """The same for the extension."""
    return _core.ChatCall(
        json.dumps(list(messages)),
        chat_template or "",
        "" if template_args is None else json.dumps(dict(template_args)),
        "" if tools is None else json.dumps(list(tools)),
        generation_prompt,
    )


def integers(ids: Iterable[Any]) -> list[int]:
    """Token ids as plain numbers."""
    return [int(i) for i in ids]
