"""Models: what they are given, what is refused, and their life."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import MODEL, PROMPTS

import refocus

CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def resident_mb() -> float:
    """Memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def test_prompts_of_every_kind(model: refocus.Model, tmp_path: Path) -> None:
    ids = model.tokenizer.encode(PROMPTS[2])
    text = model.generate(PROMPTS[2], max_tokens=4)
    assert model.generate(ids, max_tokens=4).tokens == text.tokens
    assert model.generate(np.array(ids), max_tokens=4).tokens == text.tokens
    assert model.generate(model.prompt(PROMPTS[2]), max_tokens=4).tokens == text.tokens
    assert [a.tokens for a in model.generate([ids, PROMPTS[2]], max_tokens=4)] == [text.tokens] * 2
    template = tmp_path / "chatml.jinja"
    template.write_text(CHATML)
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}]
    answer = model.generate(chat, max_tokens=4, chat_template=str(template))
    rendered = model.chat.render(chat, chat_template=str(template))
    assert rendered == "<|system|>Be brief.\n<|user|>Where?\n<|assistant|>"
    assert answer.prompt_tokens == model.chat.encode(chat, chat_template=str(template))
    several = model.generate([chat, chat], max_tokens=4, chat_template=str(template))
    assert [a.tokens for a in several] == [answer.tokens] * 2
    seen = model.attention(chat, chat_template=str(template))
    assert seen.tokens == answer.prompt_tokens
    assert "message 0 (system)" in " ".join(str(o) for o in seen.origins)


def test_a_generator_of_prompts_is_asked_as_there_is_room(model: refocus.Model) -> None:
    asked: list[int] = []

    def prompts() -> Iterator[str]:
        for i in range(12):
            asked.append(i)
            yield PROMPTS[i % 3]

    answers = model.generate_iter(prompts(), max_tokens=3, batch_size=2)
    first = next(answers)
    assert len(asked) < 12
    rest = list(answers)
    assert len(rest) == 11
    assert first.tokens == model.generate(PROMPTS[0], max_tokens=3).tokens


def test_stop_texts_and_keys_of_origins(model: refocus.Model) -> None:
    answer = model.generate(PROMPTS[0], max_tokens=60, stop=" for ")
    assert answer.finish_reason == "stop" and " for " not in answer.text
    marked = "the <<blue>> crate"
    plain = model.logits("the blue crate")
    boosted = model.logits(marked, intervene="boost:factor=5,keys=marked")
    assert boosted.shape == plain.shape and not np.array_equal(boosted, plain)


def test_errors_are_exceptions_with_the_commands_words(model: refocus.Model, tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "refocus", "generate", "-m", str(MODEL), "-p", "x", "--intervene", "rebalanc"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 2
    with pytest.raises(refocus.UsageError) as error:
        model.generate("x", intervene="rebalanc")
    assert said.stderr.strip() == f"refocus: {error.value}"
    with pytest.raises(refocus.InputError, match="does not exist"):
        refocus.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match="expected token ids from 0 to 1535"):
        model.logits([1536])
    with pytest.raises(refocus.UsageError, match="did you mean --cot"):
        refocus.evaluate(None, model, cots=True)
    with pytest.raises(TypeError, match="option of refocus.load"):
        refocus.evaluate(None, model, threads=1)
    with pytest.raises(refocus.UsageError, match="kv_type"):
        refocus.load(MODEL, kv_type="f8")
    with pytest.raises(refocus.InputError, match="chat template"):
        model.generate([{"role": "user", "content": "Where?"}])
    for bad in ({"max_tokens": 0}, {"temperature": -1}, {"top_p": 2}, {"batch_size": 0}, {"seed": -1}):
        with pytest.raises(refocus.UsageError):
            model.generate("x", **bad)
    with pytest.raises(refocus.UsageError, match="put it in a list"):
        model.generate_iter("one prompt")
    nothing: list[str] = []
    assert model.generate(nothing) == []
    # Nothing is left behind by what was refused.
    assert model.generate(PROMPTS[2], max_tokens=2).tokens


def test_a_closed_model_says_so_and_gives_memory_back() -> None:
    refocus.load(MODEL).close()  # what the first one leaves for good
    before = resident_mb()
    for how in ("close", "del"):
        opened = refocus.load(MODEL)
        opened.generate(PROMPTS[0], max_tokens=5)
        assert resident_mb() > before
        if how == "close":
            opened.close()
            assert "closed" in repr(opened)
            with pytest.raises(refocus.InputError, match="closed; load it again"):
                opened.generate("x")
        del opened
        gc.collect()
    assert resident_mb() < before + 6


def test_what_is_under_way_outlives_its_model() -> None:
    opened = refocus.load(MODEL, threads=1)
    prompt = opened.prompt("the <<blue>> crate", intervene="boost:factor=3,keys=marked")
    answers = opened.generate_iter([PROMPTS[0]] * 3, max_tokens=5, batch_size=1)
    first = next(answers)
    opened.close()
    with pytest.raises(refocus.InputError, match="closed"):
        next(answers)
    del answers
    other = refocus.load(MODEL, threads=1)
    spec = "boost:factor=3,keys=marked"
    np.testing.assert_array_equal(
        other.logits(prompt, intervene=spec), other.logits("the <<blue>> crate", intervene=spec)
    )
    assert other.generate(PROMPTS[0], max_tokens=5).tokens == first.tokens


def test_a_forked_process_is_told_what_it_lacks(model: refocus.Model) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            model.generate(PROMPTS[0], max_tokens=1)
        except refocus.InputError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert "forked" in pipe.read()
    os.waitpid(child, 0)


def test_many_calls_leak_nothing(model: refocus.Model) -> None:
    def calls(count: int) -> None:
        for _ in range(count):
            model.generate(PROMPTS[2], max_tokens=2)
            model.logits(PROMPTS[2])
            model.loglikelihood([(PROMPTS[2], " yes")])
            with pytest.raises(refocus.UsageError):
                model.logits("x", intervene="nothing")

    calls(100)
    before = resident_mb()
    calls(1000)
    assert resident_mb() < before + 4


def test_two_models_and_threads_at_once(model: refocus.Model) -> None:
    other = refocus.load(MODEL, threads=1)
    expected = [model.generate(p, max_tokens=20).tokens for p in PROMPTS]
    failed: list[str] = []

    def work(one: refocus.Model) -> None:
        for _ in range(10):
            for prompt, tokens in zip(PROMPTS, expected):
                if one.generate(prompt, max_tokens=20).tokens != tokens:
                    failed.append(prompt)

    threads = [threading.Thread(target=work, args=(m,)) for m in (model, other, model, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_the_interpreter_goes_on_while_a_model_computes(model: refocus.Model) -> None:
    steps = 0
    done = threading.Event()

    def count() -> None:
        nonlocal steps
        while not done.is_set():
            steps += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    model.generate(PROMPTS * 20, max_tokens=60, ignore_eos=True)
    done.set()
    thread.join()
    assert steps > 20


CTRL_C = """
import sys, refocus
m = refocus.load({model!r}, threads=1)
print("ready", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", m.generate("the blue crate", max_tokens=2).tokens, flush=True)
"""
LONG = [
    "m.generate(['the blue crate'] * 100000, max_tokens=400, ignore_eos=True)",
    "[m.logits(list(range(300))) for _ in range(10**6)]",
    "m.loglikelihood([([1, 2, i % 1000], [4, 5]) for i in range(10**6)])",
    "refocus.evaluate(None, m, cot=True, arms=[f'rebalance:alpha={a}' for a in range(30)], output=sys.argv[1])",
]


@pytest.mark.parametrize("call", LONG)
def test_ctrl_c_stops_a_long_call(call: str, tmp_path: Path) -> None:
    code = CTRL_C.format(model=str(MODEL), call=call)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.7)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert out.startswith("interrupted ["), out
    assert process.returncode == 0


def test_messages_go_to_logging(model: refocus.Model, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.WARNING, logger="refocus"):
        refocus.evaluate(None, model, arms="rebalance:alpha=-3", limit=1, subjects="codes", output=tmp_path / "run")
    assert any("negative" in record.message for record in caplog.records)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="refocus"):
        refocus.evaluate(None, model, arms="rebalance:alpha=-3", limit=2, subjects="codes", output=tmp_path / "run")
    assert any("going on with the run" in record.message for record in caplog.records)


def test_an_evaluation_says_which_call_it_was(model: refocus.Model, tmp_path: Path) -> None:
    run = refocus.evaluate(None, model, limit=1, subjects="codes", direct=True, output=tmp_path / "run")
    assert run.record["sessions"][0]["command"] == (
        "refocus.evaluate(None, limit=1, subjects='codes', direct=True)"
    )
    assert json.dumps(run.record)


def test_the_environment_names_the_instruction_set() -> None:
    code = "import refocus; print(refocus.instruction_set())"
    lowest = refocus.instruction_sets()[-1]
    environment = {**os.environ, "REFOCUS_SIMD": lowest}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip().lower() == lowest


def test_import_is_light() -> None:
    heavy = ("pandas", "matplotlib", "lm_eval", "datasets", "torch")
    code = f"import sys, refocus; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
