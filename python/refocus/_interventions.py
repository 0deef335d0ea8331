"""Interventions that are functions in Python."""

from __future__ import annotations

import hashlib
import inspect
import re
import textwrap
import types
import uuid
import weakref
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from . import _core

Rows = _core.Rows
# What a function of refocus.intervention is: it edits rows in place.
Edit = Callable[[Rows], None]


class Spec:
    """A SPEC as an object: text that keeps the functions it names. Parts are joined by +, with texts too."""

    def __init__(self, text: str, kept: Sequence[object] = ()) -> None:
        self._text = text
        self._kept = tuple(kept)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<refocus.Spec {self._text}>"

    def __add__(self, other: str | Spec) -> Spec:
        return Spec(_joined(str(self), str(other)), (self, other))

    def __radd__(self, other: str) -> Spec:
        return Spec(_joined(other, str(self)), (self,))


def _joined(first: str, second: str) -> str:
    return f"{first.rstrip('+')}+{second.lstrip('+')}"


class Intervention(Spec):
    """A function as a part of interventions: what :func:`intervention` makes. It can be called as before."""

    def __init__(self, function: Edit, *, when: str, version: object, **selectors: Any) -> None:
        if when not in ("weights", "scores"):
            raise _core.UsageError(f'[when] expected "weights" or "scores", got {when!r}')
        self.function = function
        self.name = re.sub("[^a-zA-Z0-9_]", "_", function.__name__).strip("_") or "function"
        self.identity = f"{self.name}@{_hash_of(function, when, version)}"
        """Its name and a hash of what it is: in canonical SPECs and in the records of runs."""
        _core.register_function(self.identity, when == "scores", function)
        self._goes = weakref.finalize(self, _core.forget_function, self.identity)
        given = [f"{name}={_selector(value)}" for name, value in selectors.items() if value is not None]
        super().__init__(",".join([f"own:function={self.identity}", *given]))

    def __call__(self, rows: Rows) -> None:
        self.function(rows)

    def __repr__(self) -> str:
        return f"<refocus.Intervention {self}>"


@overload
def intervention(
    *,
    when: str = "weights",
    layers: str | int | Sequence[int] | None = None,
    heads: str | None = None,
    rows: str | None = None,
    keys: str | None = None,
    version: object = None,
) -> Callable[[Edit], Intervention]: ...
@overload
def intervention(
    function: Edit,
    *,
    when: str = "weights",
    layers: str | int | Sequence[int] | None = None,
    heads: str | None = None,
    rows: str | None = None,
    keys: str | None = None,
    version: object = None,
) -> Intervention: ...


def intervention(
    function: Edit | None = None,
    *,
    when: str = "weights",
    layers: str | int | Sequence[int] | None = None,
    heads: str | None = None,
    rows: str | None = None,
    keys: str | None = None,
    version: object = None,
) -> Intervention | Callable[[Edit], Intervention]:
    """Makes a function an intervention, to be given as intervene= or arms=, alone or joined to others by +.

        @refocus.intervention(layers="8-31", keys="role:system")
        def boost(rows: refocus.Rows) -> None:
            before = rows.total()
            rows.weights[:, rows.chosen] *= 3
            rows.keep_mass(before)

        m.generate(chat, intervene=boost)
        m.generate(chat, intervene="temperature:tau=0.9" + boost)

    when: "weights", after softmax, or "scores", before it. layers, heads, rows, keys: which, as in a SPEC; all unless
    given. version: part of the function's identity, for what its source does not show (a global that it reads).

    The function gets rows of one head of one layer and edits them in place:
      rows.weights     float32 [rows, keys], a view: exp(score - the largest); what others call weights is
                       weights / sums[:, None]
      rows.sums        float32 [rows], a view: what the row's weighted values are divided by
      rows.scores      float32 [rows, keys], with when="scores", in place of the two
      rows.positions   int64 [rows]: of the queries; keys are at 0 .. keys - 1
      rows.layer, rows.head     of the model; query heads
      rows.chosen      bool [keys]: which keys `keys` chooses
      rows.tokens, rows.pieces     of the keys that are the prompt's: ids, and how the vocabulary spells them
      rows.total(), rows.keep_mass(before)     sums of the weights as they are, and giving rows that mass back
      rows.state       a dict of this sequence: what a layer leaves for later layers of the same call
    Keys that a row does not see (after it) are -inf or 0, and stay so. Views are valid during the call.

    Which rows come together, and on which thread, means nothing: what becomes of a row may depend on that row alone,
    and on what layers before left in rows.state for the same position and head. Then results are the same bits whatever
    is computed beside them, in prompts and in decoding.
    """
    selectors = {"layers": layers, "heads": heads, "rows": rows, "keys": keys}

    def make(f: Edit) -> Intervention:
        return Intervention(f, when=when, version=version, **selectors)

    return make if function is None else make(function)


def _selector(value: Any) -> str:
    if isinstance(value, (str, int)):
        return str(value)
    return ";".join(str(int(v)) for v in value)


def _hash_of(function: Edit, when: str, version: object) -> str:
    """16 hexadecimal digits of what a function is: its source, and the plain values that it has from elsewhere."""
    digest = hashlib.sha256()
    for part in (when, repr(version), _source(function), *_values(function)):
        digest.update(part if isinstance(part, bytes) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _source(function: Any) -> str | bytes:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return _code(function)


def _code(function: Any) -> bytes:
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return uuid.uuid4().bytes  # nothing to know it by: it is this one, in this process
    return code.co_code + repr(code.co_consts).encode() + repr(code.co_names).encode()


def _values(function: Any) -> list[bytes]:
    """Of defaults, closures, and globals that are numbers, texts or arrays."""
    values: list[Any] = [getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)]
    values += [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    known = getattr(function, "__globals__", {})
    plain = (int, float, str, bytes, tuple, np.ndarray)
    values += [known[name] for name in names if isinstance(known.get(name), plain)]
    return [_bytes_of(value) for value in values]


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return repr((value.dtype.str, value.shape)).encode() + value.tobytes()
    if value is None or isinstance(value, (int, float, str, bytes)):
        return repr(value).encode()
    if isinstance(value, (tuple, list)):
        return b"(" + b",".join(_bytes_of(v) for v in value) + b")"
    if isinstance(value, dict):
        return b"{" + b",".join(_bytes_of(k) + b":" + _bytes_of(v) for k, v in sorted(value.items(), key=repr)) + b"}"
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type, types.ModuleType)):
        return repr(getattr(value, "__qualname__", getattr(value, "__name__", ""))).encode()
    return uuid.uuid4().bytes  # what cannot be known again in another process
