"""jinja2 in the settings of transformers' chat templates, and of lm-evaluation-harness's tasks."""
import datetime
import re

import jinja2
import jinja2.ext
from transformers.utils import chat_template_utils

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = Clock

TASK = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
TASK.filters["regex_replace"] = lambda string, pattern, repl, count=0: re.sub(pattern, repl, string, count=count)
PLAIN = jinja2.Environment()


def compiled(template, settings):
    if settings == "chat":
        return chat_template_utils._compile_jinja_template(template)
    return {"task": TASK, "plain": PLAIN}[settings].from_string(template)


def rendered(template, context, settings="chat"):
    """The text, or None where it is refused."""
    try:
        text = compiled(template, settings).render(**context)
        text.encode()  # halves of characters are no text
        return text
    except RecursionError:
        raise
    except Exception:
        return None


def with_generation(template, context):
    """The text and where generation blocks lie in it, as transformers' tracker tells."""
    return chat_template_utils._render_with_assistant_indices(
        compiled(template, "chat"), context.pop("messages", []), context.pop("tools", None), context.pop("documents", None),
        context.pop("add_generation_prompt", False), **context)


def is_told(text):
    """Whether a text is the same in every run: without addresses of objects."""
    return text is None or not re.search(r" at 0x[0-9a-f]+>|<function|<built-in|<bound method|jinja2\.|<Macro|<class|<LoopContext", text)
