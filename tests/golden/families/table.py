#!/usr/bin/env python3
"""The table family x (logits, greedy tokens, re-balancing, attention, GGUF), on models made for it; see scripts/family_table.

    table.py [--seeds 3] [NAME ...]

Each family's model is made by transformers with another seed, size and number of heads each time, in a temporary directory,
and run by build/release/refocus. `logits`, `greedy` and `gguf` are compared with transformers in float32 (largest difference over
the largest logit), `re-balanced` and `attention` with specification.py in float64. `gguf` is `refocus convert --type f32` and its
logits; a dash where convert says that it does not write the family."""
import argparse, pathlib, subprocess, sys, tempfile
import numpy as np, torch
import models, specification

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "build/release/refocus"
SIZES = [dict(), dict(hidden=48, inner=64, heads=6, kv=2, head_dim=16, layers=4, vocab=80, window=5),
         dict(hidden=32, inner=40, heads=4, kv=4, head_dim=8, layers=5, vocab=64, window=9)]
LIMIT = 2e-5


def run(*args):
    return subprocess.run([str(PROGRAM), *map(str, args)], capture_output=True, text=True)


def array(out, *args):
    done = run(*args, "-o", out)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return np.load(out)


def relative(own, theirs, size=None):
    return float(np.abs(own - theirs).max() / max(1, np.abs(theirs).max() if size is None else size))


def one(name, cls, settings, seed, work):
    directory, out = work / name, work / "out.npy"
    oracle = models.make(cls, settings, directory, seed=100 + seed)
    tokens = [1] + np.random.default_rng(seed).integers(3, settings["vocab_size"], 39).tolist()
    ids = ",".join(map(str, tokens))
    theirs = models.logits_of(oracle, tokens)
    spec = specification.Model(oracle.config.to_dict(), models.weights_of(directory))
    rebalanced = spec.forward(tokens, specification.Rebalance(0.5, 0.03, spec.c["num_hidden_layers"]))
    attention = spec.attentions[1]
    row = {"logits": relative(array(out, "logits", "-m", directory, "--tokens", ids), theirs)}
    intervention = ["--intervene", "rebalance:alpha=0.5,threshold=0.03"]
    row["re-balanced"] = relative(array(out, "logits", "-m", directory, "--tokens", ids, *intervention), rebalanced)
    done = run("generate", "-m", directory, "--tokens", ids, "-n", 16, "--ignore-eos", "--json")
    own = __import__("json").loads(done.stdout)["tokens"]
    greedy = list(tokens)
    for _ in own:
        greedy.append(int(models.logits_of(oracle, greedy)[-1].argmax()))
    row["greedy"] = f"{sum(a == b for a, b in zip(own, greedy[len(tokens):]))}/{len(own)}"
    maps = work / "maps"
    done = run("attention", "-m", directory, "--tokens", ids, *intervention, "--layers", 1, "--dense", "--no-page", "-o", maps, "--force")
    files = sorted(maps.rglob("attention.npy"))
    if done.returncode or not files:
        raise RuntimeError(done.stderr.strip() or "no attention.npy")
    row["attention"] = relative(np.load(files[-1]).reshape(attention.shape), attention)
    gguf = work / "m.gguf"
    done = run("convert", "-m", directory, "-o", gguf, "--type", "f32")
    row["gguf"] = relative(array(out, "logits", "-m", gguf, "--tokens", ids), theirs) if done.returncode == 0 else None
    gguf.unlink(missing_ok=True)
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("names", nargs="*")
    a = parser.parse_args()
    failed, work = False, pathlib.Path(tempfile.mkdtemp())
    print(f"{'family':16} {'logits':>9} {'re-balanced':>12} {'greedy':>8} {'attention':>10} {'gguf':>9}")
    for name in a.names or list(models.models()):
        for seed in range(a.seeds):
            cls, settings = models.models(**SIZES[seed % len(SIZES)])[name]
            try:
                row = one(name, cls, settings, seed, work)
            except Exception as error:
                failed = True
                print(f"{name:16} seed {seed}: {type(error).__name__} {str(error)[:140]}")
                continue
            numbers = [row["logits"], row["re-balanced"], row["attention"]] + ([row["gguf"]] if row["gguf"] is not None else [])
            wrong = max(numbers) > LIMIT
            failed |= wrong
            gguf = "-" if row["gguf"] is None else f"{row['gguf']:.1e}"
            print(f"{name:16} {row['logits']:9.1e} {row['re-balanced']:12.1e} {row['greedy']:>8} {row['attention']:10.1e} {gguf:>9}"
                  + ("  <<< above 2e-5" if wrong else ""), flush=True)
    sys.exit(failed)


main()
