"""What lm-evaluation-harness asks is answered as its own model `hf` and as `refocus eval` answer it.

tests/golden/lm_eval/hf.json: what `hf` says of the bundled model in float32. Tests that are not slow need no harness.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MODEL, PROMPTS, ROOT

import refocus
from refocus._harness import HarnessModel, read_batch_size, read_generation

GOLDEN: dict[str, list[dict[str, Any]]] = json.loads(
    (ROOT / "tests" / "golden" / "lm_eval" / "hf.json").read_text(encoding="utf-8")
)
TASKS = ROOT / "tests" / "clients" / "tasks"
SPEC = "rebalance:alpha=2,threshold=0.02"
CHATML = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}|end|\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TRIMMED = CHATML.replace("m['content'] }}", "m['content'] | trim }}")
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system messages') }}{% endif %}" + CHATML
)
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where?"},
    {"role": "assistant", "content": " It lies in "},
]

Pairs = list[tuple[list[int], list[int]]]


@pytest.fixture()
def asked(model: refocus.Model) -> HarnessModel:
    return HarnessModel(model)


def scored(asked: HarnessModel, pairs: Pairs) -> list[tuple[float, bool]]:
    found = dict(asked.loglikelihoods(pairs))
    assert sorted(found) == list(range(len(pairs)))
    return [found[i] for i in range(len(pairs))]


# --- the numbers of hf ---


def test_log_likelihoods_are_those_of_hf(asked: HarnessModel) -> None:
    rows = GOLDEN["loglikelihood"]
    found = scored(asked, [(row["context"], row["continuation"]) for row in rows])
    for row, (value, greedy) in zip(rows, found):
        assert value == pytest.approx(row["value"], abs=1e-3), row["arguments"]
        assert greedy == row["greedy"], row["arguments"]
    assert {row["greedy"] for row in rows} == {False, True}


def test_tokens_are_those_of_hf(asked: HarnessModel) -> None:
    for row in GOLDEN["loglikelihood"]:
        context, continuation = row["arguments"]
        if context:
            assert asked.encode(context.rstrip()) == row["context"]
            assert asked.encode(context + continuation)[len(row["context"]) :] == row["continuation"]
        else:
            assert row["context"] == [asked.prefix_id]
            assert asked.encode(continuation, False)[-len(row["continuation"]) :] == row["continuation"]


def test_answers_are_those_of_hf(asked: HarnessModel) -> None:
    rows = GOLDEN["generate_until"]
    requests = [(row["arguments"][0], read_generation(row["arguments"][1], 256)) for row in rows]
    assert len({settings for _, settings in requests}) == 4
    found = {place: text for place, text, _ in asked.answers(requests)}
    assert [found[i] for i in range(len(rows))] == [row["text"] for row in rows]


def test_repeats_of_a_sampled_answer_differ(asked: HarnessModel) -> None:
    settings = read_generation({"temperature": 1.5, "max_gen_toks": 12}, 256)
    first = list(asked.answers([(PROMPTS[2], settings)] * 3))
    assert len({text for _, text, _ in first}) == 3
    assert first == list(asked.answers([(PROMPTS[2], settings)] * 3))


# --- order, lengths, interventions ---


def test_order_and_what_is_beside_change_no_bit(model: refocus.Model) -> None:
    rng = random.Random(5)
    contexts = [[1, *rng.choices(range(300, 310), k=rng.randint(1, 4))] for _ in range(60)]
    pairs: Pairs = [(context, rng.choices(range(300, 900), k=rng.randint(1, 3))) for context in contexts * 5]
    rng.shuffle(pairs)
    asked = HarnessModel(model, intervene=SPEC)
    found = scored(asked, pairs)
    assert found == [model.loglikelihood([pair], intervene=SPEC)[0] for pair in pairs]
    assert found != scored(HarnessModel(model), pairs)
    assert asked.intervention.startswith("rebalance:alpha=2,threshold=0.02,")


def test_a_function_is_kept_as_long_as_it_is_asked(model: refocus.Model) -> None:
    def louder(rows: Any) -> None:
        rows.weights[:] *= 1.5

    asked = HarnessModel(model, intervene=refocus.intervention(louder, layers="1-3"))
    gc.collect()
    pairs: Pairs = [([1, 273, 367], [980, 361])]
    assert asked.intervention.startswith("own:function=louder@")
    assert scored(asked, pairs) == model.loglikelihood(pairs, intervene=asked.intervene)
    assert scored(asked, pairs) != scored(HarnessModel(model), pairs)


def test_contexts_of_one_call_are_neighbours(monkeypatch: pytest.MonkeyPatch, asked: HarnessModel) -> None:
    calls: list[Pairs] = []

    def loglikelihood(pairs: Pairs, **_: Any) -> list[tuple[float, bool]]:
        calls.append(list(pairs))
        return [(0.0, False)] * len(pairs)

    monkeypatch.setattr(asked.model, "loglikelihood", loglikelihood)
    pairs: Pairs = [([1, i % 90], [i]) for i in range(450)]
    scored(asked, pairs)
    seen = [context for call in calls for context, _ in call]
    assert seen == sorted(context for context, _ in pairs)
    assert len(calls) == 4
    for before, after in zip(calls, calls[1:]):
        assert before[-1][0] != after[0][0]  # a context is computed in one call


def test_what_is_too_long_is_cut_from_the_left(model: refocus.Model, caplog: pytest.LogCaptureFixture) -> None:
    tokens = [1, *(300 + i % 700 for i in range(40))]
    asked = HarnessModel(model, max_length=20)
    with caplog.at_level(logging.WARNING, logger="refocus"):
        found = scored(asked, [(tokens[:38], tokens[38:]), (tokens[:18], tokens[18:21]), (tokens[:20], tokens[20:21])])
    # Of 20 tokens that are seen the last one of 21 is only asked for.
    assert found[0] == model.loglikelihood([(tokens[20:38], tokens[38:])])[0]
    assert found[1] == model.loglikelihood([(tokens[:18], tokens[18:21])])[0]
    assert found[2] == model.loglikelihood([(tokens[:20], tokens[20:21])])[0]
    assert "[loglikelihood] 1 of 3 contexts are longer" in caplog.text
    with pytest.raises(refocus.InputError, match="at most 20 tokens in a continuation, got 21"):
        scored(asked, [(tokens[:20], tokens[20:41])])
    with pytest.raises(refocus.InputError, match="at least one token in each continuation"):
        scored(asked, [(tokens, [])])


def test_all_that_the_model_can_see_is_used() -> None:
    """hf asks for one token more than the model sees, the one after the last."""
    asked = HarnessModel(refocus.load(MODEL, threads=2))
    tokens = [1, *(300 + i % 700 for i in range(512))]
    [(value, _)] = scored(asked, [(tokens[:510], tokens[510:])])
    assert asked.max_length == asked.model.context == 512
    longer = refocus.load(MODEL, threads=2, context=513)
    assert value == longer.loglikelihood([(tokens[:510], tokens[510:])])[0][0]
    with pytest.raises(refocus.InputError, match="context"):
        asked.model.loglikelihood([(tokens[:511], [*tokens[511:], 5])])


def test_prompts_leave_room_for_answers(model: refocus.Model, asked: HarnessModel) -> None:
    long = " ".join(["the blue crate lies in the hall."] * 100)
    settings = read_generation({"max_gen_toks": 12}, 256)
    [(_, text, tokens)] = asked.answers([(long, settings)])
    expected = model.generate(model.tokenizer.encode(long)[-500:], max_tokens=12)
    assert (text, tokens) == (expected.text, expected.tokens)
    with pytest.raises(refocus.UsageError, match=r"^\[gen_kwargs\] expected max_gen_toks below 512"):
        list(asked.answers([("x", read_generation({"max_gen_toks": 512}, 256))]))
    [(_, _, tokens)] = asked.answers([("", settings)])
    assert tokens == model.generate([1], max_tokens=12).tokens


# --- settings ---


def test_settings_of_answers() -> None:
    plain = read_generation({}, 77)
    assert (plain.max_tokens, plain.stop, plain.temperature, plain.top_k, plain.top_p) == (77, (), 0.0, 0, 1.0)
    assert read_generation({"max_gen_toks": 5, "max_tokens": 6, "until": ["", "a", "b"]}, 1).stop == ("a", "b")
    assert read_generation({"max_gen_toks": 5, "max_tokens": 6}, 1).max_tokens == 5
    assert read_generation({"max_completion_tokens": 6, "until": "x"}, 1).max_tokens == 6
    assert read_generation({"temperature": 0.5}, 1).temperature == 0.5
    assert read_generation({"temperature": 0.5, "do_sample": False}, 1).temperature == 0.0
    sampled = read_generation({"do_sample": True, "temperature": 0.7, "top_k": 5, "top_p": 0.9, "seed": 3}, 1)
    assert (sampled.temperature, sampled.top_k, sampled.top_p, sampled.seed) == (0.7, 5, 0.9, 3)
    assert read_generation({"num_beams": 1, "repetition_penalty": 1.0}, 1) == read_generation({}, 1)
    for wrong, message in (
        ({"num_beams": 4}, r"expected max_gen_toks, .*, until, got num_beams=4; leave it out"),
        ({"untill": "x"}, "got untill='x'"),
        ({"until": [1]}, "expected a text or a list of texts"),
        ({"do_sample": True}, "expected a temperature above 0"),
    ):
        with pytest.raises(refocus.UsageError, match=message):
            read_generation(wrong, 1)


def test_batch_sizes() -> None:
    assert [read_batch_size(n) for n in (None, 1, "1", "auto", "auto:4", 32, "2")] == [16, 16, 16, 16, 16, 32, 2]
    for wrong in ("none", 0, "-1"):
        with pytest.raises(refocus.UsageError, match="batch_size"):
            read_batch_size(wrong)


def test_the_first_token(model: refocus.Model) -> None:
    text = PROMPTS[2]
    ids = model.tokenizer.encode(text, bos=False)
    assert HarnessModel(model).encode(text) == [1, *ids]
    assert HarnessModel(model, add_bos_token=True).encode(text) == [1, *ids]
    assert HarnessModel(model, add_bos_token=False).encode(text) == ids
    assert HarnessModel(model).encode(text, False) == ids
    assert HarnessModel(model, add_bos_token=False).encode(text, True) == [1, *ids]
    assert HarnessModel(model).encode("<s>" + text) == HarnessModel(model).encode("<s>" + text, False)
    assert HarnessModel(model, prefix_token_id=7).prefix_id == 7
    assert (HarnessModel(model).prefix_id, HarnessModel(model).eot_id) == (1, 2)
    with pytest.raises(refocus.UsageError, match="rebalanc"):
        HarnessModel(model, intervene="rebalanc")


def test_conversations(model: refocus.Model, tmp_path: Path) -> None:
    def asked(template: str) -> HarnessModel:
        file = tmp_path / "template.jinja"
        file.write_text(template)
        return HarnessModel(model, chat_template=str(file))

    begun = "<|system|>Be brief.|end|\n<|user|>Where?|end|\n<|assistant|>"
    assert asked(CHATML).render(CHAT[:2]) == begun
    assert asked(CHATML).render(CHAT, False) == begun + " It lies in "
    assert asked(TRIMMED).render(CHAT, False) == begun + "It lies in"
    assert asked(NO_SYSTEM).render(CHAT[:2]) == "<|user|>Where?|end|\n<|assistant|>"
    assert asked(CHATML).template_text(True) == CHATML
    with pytest.raises(refocus.InputError, match="expected the last message in the text"):
        asked("{{ messages[0]['content'] }}").render(CHAT, False)
    with pytest.raises(refocus.UsageError, match="expected a chat template, got none; give a Jinja file"):
        HarnessModel(model).template_text(True)
    with pytest.raises(refocus.UsageError, match="expected a template of the model"):
        HarnessModel(model).template_text("tool_use")


def test_without_the_harness_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "lm_eval" or name == "refocus.lm_eval"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(ImportError, match=r"^\[refocus.lm_eval\] expected the package lm-eval.*pip install"):
        import refocus.lm_eval  # noqa: F401


# --- within the harness ---


def harness_model(**arguments: Any) -> Any:
    pytest.importorskip("lm_eval", reason="expected the package lm-eval, got none")
    import refocus.lm_eval

    return refocus.lm_eval.RefocusLM(**{"pretrained": str(MODEL), "threads": 2, **arguments})


def instances(kind: str, arguments: list[Any]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, tuple(one), i) for i, one in enumerate(arguments)]


@pytest.mark.slow
@pytest.mark.parametrize("max_length", [None, 512])
def test_requests_of_the_harness_are_answered_as_hf_answers(max_length: int | None) -> None:
    lm = harness_model(max_length=max_length)
    for kind, rows in GOLDEN.items():
        found = getattr(lm, kind)(instances(kind, [row["arguments"] for row in rows]), disable_tqdm=True)
        for row, got in zip(rows, found):
            if kind == "generate_until":
                assert got == row["text"]
            elif kind == "loglikelihood":
                assert got == (pytest.approx(row["value"], abs=1e-3), row["greedy"])
            else:  # hf adds up thousands of tokens in float32
                assert got == pytest.approx(row["value"], rel=2e-7, abs=1e-3)


@pytest.mark.slow
def test_arguments_are_those_of_hf(tmp_path: Path) -> None:
    lm = harness_model(device="cuda:0", max_batch_size=4, trust_remote_code=True, dtype="float32", batch_size="auto")
    assert (lm.max_length, lm.max_gen_toks, lm.batch_size, lm.eot_token_id, lm.prefix_token_id) == (512, 256, 16, 2, 1)
    assert lm.get_model_info()["refocus_intervention"] == "none"
    assert lm.get_model_info()["refocus_activations"] == "f32"
    assert lm.tok_decode(2, skip_special_tokens=False) == "</s>"
    assert harness_model(context=64).max_length == 64
    assert harness_model(intervene=SPEC, max_gen_toks=9).max_gen_toks == 9
    opened = refocus.load(MODEL, threads=1)
    assert harness_model(pretrained=opened, threads=None).model is opened
    for wrong, message in (
        ({"interven": SPEC}, "unknown argument interven; did you mean intervene?"),
        ({"intervene": '"rebalance:alpha=2', "threshold": 0.02}, "unknown argument threshold; .* in JSON"),
        ({"dtype": "bfloat16"}, "expected auto or float32, got bfloat16"),
        ({"model": "other"}, "expected pretrained or model, got both"),
        ({"pretrained": None}, "expected pretrained=MODEL"),
        ({"pretrained": opened}, "expected no threads with a model that is open"),
        ({"enable_thinking": True}, "expected think_end_token="),
        ({"max_length": 0}, "expected at least 1, got 0"),
        ({"intervene": "rebalanc"}, "rebalanc"),
    ):
        with pytest.raises(refocus.InputError, match=message.replace("?", r"\?")):
            harness_model(**wrong)
    with pytest.raises(refocus.InputError, match="got an empty one"):
        lm.loglikelihood(instances("loglikelihood", [("a", "")]), disable_tqdm=True)


@pytest.mark.slow
def test_answers_after_thinking() -> None:
    context = GOLDEN["generate_until"][3]["arguments"][0]
    text = harness_model().generate_until(instances("generate_until", [(context, {"max_tokens": 12})]), True)[0]
    word = text.split()[3]
    after = text.split(word)[-1].lstrip()
    token = refocus.load(MODEL).tokenizer.encode(" " + word, bos=False)[-1]
    for end in (word, token):
        lm = harness_model(think_end_token=end)
        assert lm.generate_until(instances("generate_until", [(context, {"max_tokens": 12})]), True) == [after]
    assert 0 < len(after) < len(text) - 4


def evaluated(tmp_path: Path, task: str, spec: str) -> list[Any]:
    """What `refocus eval` makes of the same file: of each item its log-likelihoods, or its answer."""
    seam = "lm-eval" if "choice" in task else None
    opened = refocus.load(MODEL, threads=2)
    run = refocus.evaluate(str(TASKS / f"{task}.yaml"), opened, arms=spec, seam=seam, output=tmp_path / "run")
    answers = run.answers.sort_values("index")
    return list(answers["loglikelihoods" if "choice" in task else "response"])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["worlds_choice", "worlds_text"])
@pytest.mark.parametrize("spec", ["none", SPEC])
def test_the_command_line_gives_the_bits_of_refocus_eval(tmp_path: Path, task: str, spec: str) -> None:
    pytest.importorskip("lm_eval", reason="expected the package lm-eval, got none")
    done = subprocess.run(
        [sys.executable, "-m", "refocus.lm_eval", "run", "--model", "refocus", "--model_args",
         f'pretrained={MODEL},threads=2,intervene="{spec}"', "--tasks", task, "--include_path", str(TASKS),
         "--log_samples", "--output_path", str(tmp_path / "out")],
        cwd=TASKS, capture_output=True, text=True, check=False,
        env={**os.environ, "HF_HOME": str(tmp_path / "hub"), "HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    [file] = (tmp_path / "out").rglob("samples_*.jsonl")
    samples = sorted(map(json.loads, file.read_text().splitlines()), key=lambda sample: sample["doc_id"])
    theirs = [[float(option[0][0]) for option in sample["resps"]] for sample in samples] if "choice" in task else [
        sample["resps"][0][0] for sample in samples
    ]  # fmt: skip
    assert theirs == evaluated(tmp_path, task, spec)
    [file] = (tmp_path / "out").rglob("results_*.json")
    assert json.loads(file.read_text())["config"]["refocus_intervention"] == refocus.load(MODEL).intervention(spec)


@pytest.mark.slow
@pytest.mark.parametrize("template", [CHATML, TRIMMED])
def test_conversations_read_as_in_transformers(tmp_path: Path, template: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    file = tmp_path / "template.jinja"
    file.write_text(template)
    lm = harness_model(chat_template=str(file))
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(tokenizers.models.BPE()), chat_template=template
    )
    assert lm.chat_template(True) == template and lm.chat_template(False) is None
    for chat, begins in ((CHAT[:2], True), (CHAT, False), ([*CHAT[:2], {"role": "assistant", "content": "It"}], False)):
        expected = theirs.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=begins, continue_final_message=not begins
        )
        assert lm.apply_chat_template(chat, add_generation_prompt=begins) == expected
    name = lm.tokenizer_name
    assert "/" not in name and "template.jinja" in name
    assert np.isfinite(lm.loglikelihood(instances("loglikelihood", [(expected, " is")]), disable_tqdm=True)[0][0])
