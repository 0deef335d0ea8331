"""Commands of the program, called with a model that is open."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

from . import _core

_log = logging.getLogger("refocus")
# Of load(), which a call with an open model cannot change.
_OF_THE_MODEL = {"model", "threads", "pin", "kv_type", "activations", "context", "adapter", "device", "kv_memory"}


def option_arguments(options: Mapping[str, Any]) -> list[str]:
    """--max-new-tokens 5 of {"max_new_tokens": 5}: True is a flag, False and None are left out, lists are repeated."""
    out: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if name in _OF_THE_MODEL:
            raise TypeError(f"{name} is an option of refocus.load(): the model is open already")
        if value is None or value is False:
            continue
        if value is True:
            out.append(flag)
            continue
        several = isinstance(value, Iterable) and not isinstance(value, (str, bytes, os.PathLike))
        for one in value if several else [value]:
            out.append(f"{flag}={os.fspath(one) if isinstance(one, os.PathLike) else one}")
    return out


def number_list(numbers: Any) -> str | None:
    """ "0,4,5" of [0, 4, 5]; texts as they are."""
    if numbers is None or isinstance(numbers, str):
        return numbers
    return ",".join(str(int(n)) for n in ([numbers] if hasattr(numbers, "__index__") else numbers))


def run(arguments: list[str], model: _core.Model | None, call: str) -> str:
    """Runs a command; what it prints. `call` is what a run's record says was called."""
    _core.show_info(_log.isEnabledFor(logging.INFO))
    return _core.run(arguments, model, call)


def call_text(function: str, *values: Any, **options: Any) -> str:
    """A call as a record shows it: refocus.evaluate('worlds', limit=3)."""
    parts = [repr(value) for value in values] + [f"{k}={v!r}" for k, v in options.items() if v is not None]
    return f"refocus.{function}({', '.join(parts)})"
