"""Language models with interventions on their attention, on ordinary CPUs.

    import refocus

    m = refocus.load("model.gguf")
    print(m.generate("Three rivers:", max_tokens=20, intervene="rebalance:alpha=0.2").text)

Every call is the code of the command `refocus`, and gives its numbers bit for bit.
"""

from __future__ import annotations

import importlib.resources as _resources

from . import _core, tasks
from ._attention import Attention, AttentionArm
from ._core import InputError, UsageError
from ._evaluation import Comparison, HeadSearch, Run, compare, evaluate, figure, heads, read_run
from ._interventions import Intervention, Rows, Spec, intervention
from ._model import Answer, Chat, Model, Prompt, Tokenizer, TokenLogprob, load

__version__: str = _core.version
_share = _resources.files(__name__) / "share"
if _share.is_dir():
    _core.add_bundle_place(str(_share))


def instruction_set() -> str:
    """The instruction set in use, such as "AVX2": numbers are equal bit for bit on machines that use the same one."""
    return _core.instruction_set()


def limit_instruction_set(name: str) -> None:
    """Computes with this instruction set or what is below it from now on; not while anything computes.

    Names are those of :func:`instruction_sets`.
    """
    _core.limit_instruction_set(name)


def instruction_sets() -> list[str]:
    """The instruction sets that this processor can run, the best first."""
    return _core.instruction_sets()


__all__ = [
    "Answer",
    "Attention",
    "AttentionArm",
    "Chat",
    "Comparison",
    "HeadSearch",
    "InputError",
    "Intervention",
    "Model",
    "Prompt",
    "Rows",
    "Run",
    "Spec",
    "TokenLogprob",
    "Tokenizer",
    "UsageError",
    "__version__",
    "compare",
    "evaluate",
    "figure",
    "heads",
    "intervention",
    "instruction_set",
    "instruction_sets",
    "limit_instruction_set",
    "load",
    "read_run",
    "tasks",
]
