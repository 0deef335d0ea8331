"""Every call gives the command's numbers, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import MODEL, PROMPTS

import refocus

SPECS = ["none", "rebalance:alpha=0.7", "boost:factor=4,keys=positions:3-5,rows=generated"]
Program = Callable[..., str]


@pytest.mark.parametrize("spec", SPECS)
def test_generate_is_the_commands(model: refocus.Model, program: Program, spec: str) -> None:
    printed = program("generate", "-m", str(MODEL), "-p", PROMPTS[0], "-n", "40", "--intervene", spec, "--json")
    said = json.loads(printed)
    answer = model.generate(PROMPTS[0], max_tokens=40, intervene=spec)
    assert answer.tokens == said["tokens"]
    assert answer.prompt_tokens == said["prompt_tokens"]
    assert answer.text == said["text"]
    assert answer.finish_reason == said["finish_reason"]
    assert answer.intervention == said["intervention"]


def test_a_list_is_a_batch_sampling_included(model: refocus.Model, program: Program, tmp_path: Path) -> None:
    prompts = PROMPTS * 3
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps({"prompt": p}) + "\n" for p in prompts))
    sampling = ["--temperature", "0.9", "--top-k", "30", "--top-p", "0.95", "--min-p", "0.01", "--seed", "7"]
    printed = program("generate", "-m", str(MODEL), "--batch", str(file), "-n", "20", *sampling)
    said = [json.loads(line) for line in printed.splitlines()]
    answers = model.generate(
        prompts, max_tokens=20, temperature=0.9, top_k=30, top_p=0.95, min_p=0.01, seed=7, batch_size=4
    )
    assert [a.tokens for a in answers] == [s["tokens"] for s in said]
    assert [a.text for a in answers] == [s["text"] for s in said]
    assert len({a.text for a in answers}) > 3  # each has random numbers of its own


@pytest.mark.parametrize("spec", SPECS)
def test_logits_are_the_commands(model: refocus.Model, program: Program, tmp_path: Path, spec: str) -> None:
    file = tmp_path / "logits.npy"
    program("logits", "-m", str(MODEL), "-p", PROMPTS[1], "--prompt-tokens", "9", "--intervene", spec, "-o", str(file))
    got = model.logits(PROMPTS[1], prompt_tokens=9, intervene=spec)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.load(file))


def test_loglikelihoods_are_evals(model: refocus.Model, tmp_path: Path) -> None:
    run = refocus.evaluate(None, model, loglikelihood=True, limit=2, arms="rebalance", output=tmp_path / "run")
    answers = run.answers
    assert len(answers) == 56
    for _, row in answers.iterrows():
        got = model.loglikelihood([(row["prompt"], option) for option in row["options"]], intervene="rebalance")
        assert [value for value, _ in got] == row["loglikelihoods"]


def test_a_loglikelihood_is_the_sum_of_log_softmax(model: refocus.Model) -> None:
    context, option = [1, 1484, 11, 473], [6, 273, 367]
    [(value, greedy)] = model.loglikelihood([(context, option)])
    logits = model.logits(context + option).astype(np.float64)
    rows = logits[len(context) - 1 : -1]
    rows -= rows.max(-1, keepdims=True)
    logs = rows - np.log(np.exp(rows).sum(-1, keepdims=True))
    assert value == pytest.approx(sum(logs[i, t] for i, t in enumerate(option)), abs=1e-9)
    assert greedy == (rows.argmax(-1).tolist() == option)


def test_attention_is_the_commands(model: refocus.Model, program: Program, tmp_path: Path) -> None:
    arms = ["none", "rebalance:alpha=0.7"]
    program(
        "attention", "-m", str(MODEL), "-p", PROMPTS[1], "--layers", "1-2", "--heads", "0,3", "--dense", "--before",
        "-n", "4", "--intervene", arms[0], "--intervene", arms[1], "-o", str(tmp_path / "said"),
    )  # fmt: skip
    said = refocus.Attention(tmp_path / "said")
    got = model.attention(
        PROMPTS[1], layers=[1, 2], heads=[0, 3], before=True, max_tokens=4, intervene=arms
    )
    assert got.tokens == said.tokens
    assert got.layers == [1, 2] and got.heads == [0, 3]
    for mine, theirs in zip(got, said):
        assert mine.after.shape == (2, 2, len(got.tokens), len(got.tokens))
        np.testing.assert_array_equal(mine.after, theirs.after)
        np.testing.assert_array_equal(mine.before, theirs.before)
        np.testing.assert_array_equal(mine.received, theirs.received)
    assert not np.array_equal(got[0].after, got[1].after)
    np.testing.assert_allclose(got[1].before.sum(-1), 1, atol=1e-5)


def test_streamed_pieces_are_the_answer(model: refocus.Model) -> None:
    whole = model.generate(PROMPTS[0], max_tokens=60)
    pieces = list(model.stream(PROMPTS[0], max_tokens=60))
    assert "".join(pieces) == whole.text
    assert len(pieces) > 10


def test_hidden_states_end_in_the_logits(model: refocus.Model) -> None:
    """The last place, normed and multiplied by the output matrix, is the logits: it is the residual stream."""
    places = model.hidden(PROMPTS[2])
    tokens = model.tokenizer.encode(PROMPTS[2])
    assert places.shape == (model.layers + 1, len(tokens), model.hidden_size)
    np.testing.assert_array_equal(model.hidden(PROMPTS[2], layers=[0, model.layers]), places[[0, -1]])
    # The embedding is a token's own, wherever it stands.
    again = model.hidden(tokens[::-1], layers=[0])[0]
    np.testing.assert_array_equal(again[::-1], places[0])
    changed = model.hidden(PROMPTS[2], intervene="rebalance:alpha=3")
    np.testing.assert_array_equal(changed[:2], places[:2])  # layer 0 is not re-balanced
    assert not np.array_equal(changed[2:], places[2:])


def test_logprobs_are_of_the_logits(model: refocus.Model) -> None:
    answer = model.generate(PROMPTS[0], max_tokens=5, logprobs=3)
    assert answer.logprobs is not None
    logits = model.logits(answer.prompt_tokens + answer.tokens, prompt_tokens=len(answer.prompt_tokens))
    for i, scored in enumerate(answer.logprobs):
        row = logits[len(answer.prompt_tokens) - 1 + i].astype(np.float64)
        logs = row - row.max() - np.log(np.exp(row - row.max()).sum())
        assert scored.token == answer.tokens[i]
        assert scored.logprob == pytest.approx(logs[scored.token], abs=1e-9)
        assert [token for token, _ in scored.top] == np.argsort(-row, kind="stable")[:3].tolist()
