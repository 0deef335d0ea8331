#!/usr/bin/env python3
"""Makes the models of this folder and what is expected of them; needs ../requirements.txt.

A model NAME/ has config.json and model.safetensors (float16); NAME/logits.npy and NAME/rebalanced.npy are the
specification's logits [tokens, vocab] without an intervention and with alpha=0.5, threshold=0.03; NAME/attention.npy is
layer 1's re-balanced attention [heads, queries, keys]. The specification is compared with transformers here."""
import json, pathlib
import numpy as np, torch
import models, specification

HERE = pathlib.Path(__file__).resolve().parent
TOKENS = [1] + np.random.default_rng(5).integers(3, 48, 19).tolist()
ALPHA, THRESHOLD = 0.5, 0.03

cases = {"tokens": TOKENS, "intervention": f"rebalance:alpha={ALPHA},threshold={THRESHOLD}", "models": {}}
for number, (name, (cls, settings)) in enumerate(models.models().items()):
    directory = HERE / name
    oracle = models.make(cls, settings, directory, seed=number)
    theirs = models.logits_of(oracle, TOKENS)
    spec = specification.Model(oracle.config.to_dict(), models.weights_of(directory))
    logits = spec.forward(TOKENS)
    rebalance = specification.Rebalance(ALPHA, THRESHOLD, spec.c["num_hidden_layers"])
    rebalanced, attention = spec.forward(TOKENS, rebalance), spec.attentions[1]
    off, size = np.abs(logits - theirs).max(), np.abs(logits).max()
    assert off < 2e-5 * max(1, size), (name, off)
    greedy = list(TOKENS)
    for _ in range(12):
        greedy.append(int(spec.forward(greedy).argmax(-1)[-1]))
    np.save(directory / "logits.npy", logits.astype(np.float32))
    np.save(directory / "rebalanced.npy", rebalanced.astype(np.float32))
    np.save(directory / "attention.npy", attention.astype(np.float32))
    cases["models"][name] = {"greedy": greedy[len(TOKENS):], "changed": float(np.abs(rebalanced - logits).max())}
    print(f"{name:16} transformers {off:.1e} of {size:.1f}; re-balancing changes {cases['models'][name]['changed']:.2f}; "
          f"{sum(f.stat().st_size for f in directory.iterdir())} bytes")
(HERE / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
