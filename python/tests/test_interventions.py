"""Functions as interventions: the bits of the built-in methods, what they get, and what goes wrong."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import MODEL, PROMPTS

import refocus
from refocus import Rows

MARKED = "the <<blue>> crate lies in the box. the red crate lies in the <<sack>>. where is it?"


def boost(factor: float) -> Callable[[Rows], None]:
    """The built-in boost, written again."""

    def edit(rows: Rows) -> None:
        before = rows.total()
        rows.weights[:, rows.chosen] *= np.float32(factor)
        rows.keep_mass(before)

    return edit


def guide(delta: float) -> Callable[[Rows], None]:
    """The built-in guide: delta added to chosen scores."""

    def edit(rows: Rows) -> None:
        rows.scores[:, rows.chosen] += np.float32(np.log(np.exp(delta)))

    return edit


def rebalance(alpha: float, layers: int, threshold: float = 0.01) -> Callable[[Rows], None]:
    """The built-in rebalance: layer 0 leaves its mask for the later layers of the same rows."""

    def edit(rows: Rows) -> None:
        weights = rows.weights
        if rows.layer == 0:
            above = weights / rows.sums[:, None] > np.float32(threshold)
            for r, position in enumerate(rows.positions):
                above[r, position] = False
                rows.state[rows.head, int(position)] = above[r, : position + 1].copy()
            return
        factor = np.float32(1) + np.float32(alpha * (1 - rows.layer / (layers - 1)))
        for r, position in enumerate(rows.positions):
            weights[r, : position + 1][rows.state[rows.head, int(position)]] *= factor

    return edit


def pairs(model: refocus.Model) -> list[tuple[refocus.Intervention, str]]:
    """Functions with the built-in methods that they write again."""
    return [
        (refocus.intervention(boost(3), keys="marked"), "boost:factor=3,keys=marked"),
        (
            refocus.intervention(boost(5), keys="positions:2-6", layers="1-2", heads="1.0-2;2.4", rows="generated"),
            "boost:factor=5,keys=positions:2-6,layers=1-2,heads=1.0-2;2.4,rows=generated",
        ),
        (
            refocus.intervention(guide(2), when="scores", keys="marked", rows="last"),
            "guide:delta=2,keys=marked,rows=last",
        ),
        (refocus.intervention(rebalance(0.7, model.layers)), "rebalance:alpha=0.7"),
    ]


def test_the_bits_of_the_built_in_methods(model: refocus.Model) -> None:
    for mine, built_in in pairs(model):
        got, expected = (model.logits(MARKED, intervene=spec) for spec in (mine, built_in))
        np.testing.assert_array_equal(got, expected)
        # The last rows as generated ones, in calls of their own where they must be.
        got, expected = (model.logits(MARKED, intervene=spec, prompt_tokens=9) for spec in (mine, built_in))
        np.testing.assert_array_equal(got, expected)
        if "rows=" not in built_in:
            plain = MARKED.replace("<<", "").replace(">>", "")
            assert not np.array_equal(got, model.logits(plain))
        one, other = (model.generate([MARKED] * 5, intervene=spec, max_tokens=30) for spec in (mine, built_in))
        assert [a.tokens for a in one] == [a.tokens for a in other]


def test_long_prompts_in_several_calls(model: refocus.Model) -> None:
    mine, built_in = pairs(model)[3]
    prompt = " ".join(PROMPTS[:2] * 6)
    assert len(model.tokenizer.encode(prompt)) > 300
    np.testing.assert_array_equal(model.logits(prompt, intervene=mine), model.logits(prompt, intervene=built_in))
    one_thread = refocus.load(MODEL, threads=1)
    np.testing.assert_array_equal(model.logits(prompt, intervene=mine), one_thread.logits(prompt, intervene=mine))


def test_they_join_and_count_as_arms(model: refocus.Model, tmp_path: Path) -> None:
    mine, built_in = pairs(model)[0]
    both = "temperature:tau=0.8+" + built_in
    np.testing.assert_array_equal(
        model.logits(MARKED, intervene="temperature:tau=0.8" + mine), model.logits(MARKED, intervene=both)
    )
    joined = mine + "zero:heads=1.1"
    np.testing.assert_array_equal(
        model.logits(MARKED, intervene=joined), model.logits(MARKED, intervene=built_in + "+zero:heads=1.1")
    )
    reb, reb_built_in = pairs(model)[3]
    arms = {"mine": reb, "theirs": reb_built_in}
    run = refocus.evaluate(None, model, arms=arms, limit=1, cot=True, output=tmp_path / "run")
    answers = run.answers.pivot_table(index=["subject", "index"], columns="arm", values="response", aggfunc="first")
    assert (answers["cot-mine"] == answers["cot-theirs"]).all()
    assert reb.identity in str(run.record["identity"])
    scored = refocus.evaluate(None, model, arms=arms, limit=1, loglikelihood=True, output=tmp_path / "scored").answers
    mine_, theirs = (scored[scored["arm"] == f"loglikelihood-{n}"]["loglikelihoods"].tolist() for n in arms)
    assert mine_ == theirs
    seen = model.attention(PROMPTS[0], intervene=[reb, reb_built_in], before=True)
    np.testing.assert_array_equal(seen[0].after, seen[1].after)
    np.testing.assert_array_equal(seen[0].before, seen[1].before)


def test_what_a_function_gets(model: refocus.Model) -> None:
    got: dict[tuple[int, int, int], int] = {}
    pieces: list[str] = []

    def look(rows: Rows) -> None:
        assert rows.weights.shape == (len(rows.positions), rows.keys)
        assert rows.weights.dtype == np.float32
        assert rows.keys == rows.positions[-1] + 1
        np.testing.assert_allclose(rows.weights.sum(1), rows.sums, rtol=1e-5)
        for r, position in enumerate(rows.positions):
            assert (rows.weights[r, position + 1 :] == 0).all()
            key = (rows.layer, rows.head, int(position))
            got[key] = got.get(key, 0) + 1
        assert rows.chosen.all() and rows.chosen.shape == (rows.keys,)
        if rows.keys > len(pieces):
            pieces[:] = rows.pieces
        assert rows.tokens == tokens[: rows.keys]

    tokens = model.tokenizer.encode(PROMPTS[0])
    spec = refocus.intervention(look, layers=[1, 3])
    model.logits(PROMPTS[0], intervene=spec)
    assert sorted(got) == [(layer, h, p) for layer in (1, 3) for h in range(model.heads) for p in range(len(tokens))]
    assert set(got.values()) == {1}
    assert pieces == model.tokenizer.pieces(tokens)


def test_keys_that_a_row_does_not_see_stay_unseen(model: refocus.Model) -> None:
    def spoil(rows: Rows) -> None:
        for r, position in enumerate(rows.positions):
            (rows.weights if rows.sums is not None else rows.scores)[r, position + 1 :] = 7

    spec = refocus.intervention(spoil)
    np.testing.assert_array_equal(model.logits(PROMPTS[0], intervene=spec), model.logits(PROMPTS[0]))


def test_states_go_with_their_sequences(model: refocus.Model) -> None:
    alive: list[object] = []

    class Kept:
        pass

    import weakref

    def keep(rows: Rows) -> None:
        if "kept" not in rows.state:
            rows.state["kept"] = Kept()
            alive.append(weakref.ref(rows.state["kept"]))

    model.generate(PROMPTS, intervene=refocus.intervention(keep), max_tokens=3)
    gc.collect()
    assert len(alive) == len(PROMPTS)
    assert all(ref() is None for ref in alive)  # type: ignore[operator]


def test_errors_of_a_function_reach_the_caller(model: refocus.Model, tmp_path: Path) -> None:
    def fails(rows: Rows) -> None:
        if rows.layer == 2:
            raise ZeroDivisionError("in layer 2")

    spec = refocus.intervention(fails)
    before = model.logits(PROMPTS[0])
    for call in (
        lambda: model.generate(PROMPTS[0], intervene=spec),
        lambda: model.logits(PROMPTS[0], intervene=spec),
        lambda: model.attention(PROMPTS[0], intervene=spec, output=tmp_path / "seen"),
        lambda: refocus.evaluate(None, model, arms=spec, limit=1, output=tmp_path / "run"),
    ):
        with pytest.raises(ZeroDivisionError, match="in layer 2"):
            call()
    assert not (tmp_path / "seen").exists()
    np.testing.assert_array_equal(model.logits(PROMPTS[0]), before)
    with pytest.raises(refocus.UsageError, match='when="scores"'):
        model.logits(PROMPTS[0], intervene=refocus.intervention(lambda rows: print(rows.scores)))
    with pytest.raises(refocus.UsageError, match="expected"):
        model.logits(PROMPTS[0], intervene="own:function=nobody")
    scores = refocus.intervention(lambda rows: None, when="scores")
    with pytest.raises(refocus.UsageError):
        model.logits(PROMPTS[0], intervene="rebalance" + scores)  # scores are past when weights are changed


def test_an_identity_says_what_a_function_is() -> None:
    one, same, other = (refocus.intervention(boost(f), keys="marked") for f in (3, 3, 4))
    assert one.identity == same.identity != other.identity
    assert refocus.intervention(boost(3), version=2).identity != one.identity
    assert refocus.intervention(guide(1), when="scores").identity != refocus.intervention(guide(1)).identity
    assert str(one) == f"own:function={one.identity},keys=marked"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_interventions as t, refocus; "
        "print(refocus.intervention(t.boost(3)).identity)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == one.identity  # in another process too: a run can go on


def test_a_function_lives_as_long_as_something_names_it(model: refocus.Model) -> None:
    spec = refocus.intervention(boost(2), keys="marked")
    joined = "temperature:tau=0.9" + spec
    text = str(spec)
    del spec
    gc.collect()
    model.logits(MARKED, intervene=joined)
    del joined
    gc.collect()
    with pytest.raises(refocus.UsageError):
        model.logits(MARKED, intervene=text)
