"""Simon Willison's llm, its own program: models of extra-openai-models.yaml, with an intervention in their headers."""
import json, os, pathlib, subprocess, sys

import served
from served import ARM, BASE, CHAT, COMPLETION, MESSAGES, MODEL, PROMPT, QUESTION, SPEC, ask, expect, expect_true, text_of

HOME = pathlib.Path(os.environ["REFOCUS_SCRATCH"])
MODELS = f"""
- model_id: plain
  model_name: {MODEL}
  api_base: "{BASE}"
- model_id: header
  model_name: {MODEL}
  api_base: "{BASE}"
  headers:
    X-Refocus-Intervene: "{SPEC}"
- model_id: arm
  model_name: "{ARM}"
  api_base: "{BASE}"
- model_id: words
  model_name: {MODEL}
  api_base: "{BASE}"
  completion: true
- model_id: missing
  model_name: gpt-4o
  api_base: "{BASE}"
"""


def llm(*arguments, status=0):
    """(standard output, standard error)"""
    program = pathlib.Path(sys.executable).with_name("llm")
    done = subprocess.run([program, *arguments], env=os.environ | {"LLM_USER_PATH": str(HOME)}, capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL)
    expect(f"exit status of {arguments}: {done.stderr[-500:]}", done.returncode, status)
    return done.stdout.removesuffix("\n"), done.stderr


def prompt(model, text=QUESTION, *more, tokens=CHAT["max_tokens"]):
    return llm("-m", model, "-o", "temperature", "0", "-o", "max_tokens", str(tokens), *more, text)[0]


def test():
    (HOME / "extra-openai-models.yaml").write_text(MODELS + served.guide("- model_id: reb", "yaml"))
    plain = ask("/v1/chat/completions", CHAT)
    expect("streamed text", prompt("plain"), text_of(plain))
    expect("text", prompt("plain", QUESTION, "--no-stream"), text_of(plain))
    logged = json.loads(llm("logs", "-n", "1", "--json")[0])[0]
    expect("usage", (logged["input_tokens"], logged["output_tokens"]), (plain["usage"]["prompt_tokens"], plain["usage"]["completion_tokens"]))
    arm = ask("/v1/chat/completions", CHAT | {"model": ARM})
    expect("by name", prompt("arm"), text_of(arm))
    expect("by header", prompt("header"), text_of(arm))
    expect_true("an intervention changes the answer", text_of(arm) != text_of(plain))
    system = [{"role": "system", "content": "be short"}, *MESSAGES]
    expect("with a system message", prompt("plain", QUESTION, "--system", "be short"), text_of(ask("/v1/chat/completions", CHAT | {"messages": system})))
    expect("completion", prompt("words", PROMPT, tokens=12), text_of(ask("/v1/completions", COMPLETION)))
    half = ask("/v1/chat/completions", CHAT | {"refocus": {"intervene": "rebalance:alpha=0.5"}})
    expect("the guide's way", prompt("reb"), text_of(half))
    expect_true("an error tells what was expected", "expected one of" in llm("-m", "missing", "a", status=1)[1])


served.run(test)
