#!/usr/bin/python3
"""Writes the golden numbers of perplexity and divergence beside it: logits.npy, rows.json and texts.json.

    make_goldens.py [--specification DIR] [--engine DIR]

rows.json: for pairs of rows of logits.npy (float32 [2, rows, vocab], the reference's and the other's), what NumPy
computes in float64: negative log-likelihood, KL divergence and the summaries over all rows.

texts.json: sliding windows over random tokens, run by the executable specification llama_rebalance.py (in DIR)
with the checkpoints of tests/golden/engine: the windows' scored tokens with their negative log-likelihood and
divergence in every arm. The loop over windows is that of https://huggingface.co/docs/transformers/perplexity.

Everything is seeded. Needs python3-numpy; the tests need only the files.
"""
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # one summation order, before NumPy is imported
import argparse, importlib.util, json, pathlib, sys

sys.dont_write_bytecode = True
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
VOCAB = 101
# No layer-0 weight is nearer to the threshold than this (relative), so that rounding flips no mask.
MASK_MARGIN = 2e-5
TOP_MARGIN = 1e-3  # nor are the two largest logits of a scored row nearer to each other
TRIES = 2000


def log_softmax(logits):
    x = logits.astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def divergence(reference, other):
    p, q = log_softmax(reference), log_softmax(other)
    return np.maximum((np.exp(p) * (p - q)).sum(-1), 0)


def estimate(values):
    n = len(values)
    return {"value": float(values.mean()), "standard_error": float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else None}


def exp_of(x):
    value = float(np.exp(x["value"]))
    return {"value": value, "standard_error": None if x["standard_error"] is None else value * x["standard_error"]}


def summaries(reference_nll, nll, kl, same_top):
    mean, difference = estimate(nll), estimate(nll - reference_nll)
    return {
        "nll": mean, "perplexity": exp_of(mean), "bits": float(nll.sum() / np.log(2)),
        "nll_difference": difference, "perplexity_ratio": exp_of(difference), "kl": estimate(kl),
        "kl_median": float(np.median(kl)), "kl_p99": float(np.quantile(kl, 0.99)), "kl_max": float(kl.max()),
        "top1_agreement": float(np.mean(same_top)),
    }


def make_rows():
    rng = np.random.default_rng(11)
    reference, other = [], []

    def add(scale, noise, shift=0.0, count=6):
        for _ in range(count):
            x = rng.normal(0, scale, VOCAB)
            reference.append(x + shift)
            other.append(x + rng.normal(0, noise, VOCAB) - shift / 3)

    add(1, 1)
    add(5, 0.5)
    add(10, 1e-3)  # divergences of about 1e-7
    add(3, 0)  # none at all
    add(2, 2, shift=1e4)  # exp would overflow
    add(2, 1, shift=-1e4)  # and underflow
    add(300, 30)  # next to certain
    reference.append(np.zeros(VOCAB))  # uniform, and every logit the largest
    other.append(np.zeros(VOCAB))
    reference, other = np.float32(reference), np.float32(other)
    targets = rng.integers(0, VOCAB, len(reference))
    pick = np.arange(len(reference)), targets
    nll = [-log_softmax(x)[pick] for x in (reference, other)]
    kl = divergence(reference, other)
    same_top = reference.argmax(-1) == other.argmax(-1)
    assert 0 < same_top.mean() < 1
    np.save(HERE / "logits.npy", np.stack([reference, other]))
    golden = {"targets": targets.tolist(), "reference_nll": nll[0].tolist(), "nll": nll[1].tolist(), "kl": kl.tolist(),
              "same_top": int(same_top.sum()), "summary": summaries(nll[0], nll[1], kl, same_top)}
    (HERE / "rows.json").write_text(json.dumps(golden, indent=1) + "\n")


TEXTS = [
    {"name": "half_stride", "tokens": 100, "context": 32, "stride": 16,
     "arms": [["mha-f32", "none"], ["mha-f32", "rebalance:alpha=1"], ["mha-f32", "rebalance:alpha=0.5,mode=self"]]},
    {"name": "stride_of_one", "tokens": 21, "context": 8, "stride": 1,
     "arms": [["gqa-f32", "none"], ["gqa-f32", "rebalance:alpha=1,threshold=0.05"]]},
    {"name": "disjoint", "tokens": 129, "context": 64, "stride": 64,
     "arms": [["mqa-f32", "none"], ["mqa-bf16", "none"], ["mqa-bf16", "rebalance:alpha=1"]]},
    {"name": "uneven", "tokens": 95, "context": 40, "stride": 27,
     "overrides": {"rope_scaling": {"type": "dynamic", "factor": 4.0}, "max_position_embeddings": 24},
     "arms": [["gqa-f32", "none"], ["gqa-f32", "rebalance:alpha=1"]]},
    {"name": "short", "tokens": 2, "context": 64, "stride": 32, "arms": [["mha-f32", "none"], ["gqa-f32", "none"]]},
    {"name": "longer_than_a_chunk", "tokens": 420, "context": 300, "stride": 150,
     "arms": [["mha-f32", "none"], ["mha-f32", "rebalance:alpha=1,threshold=0.05"]]},
]


def windows(tokens, context, stride):
    """(begin, first scored, end), as the loop of Hugging Face's documentation has them."""
    previous_end = 0
    for begin in range(0, tokens, stride):
        end = min(begin + context, tokens)
        # Labels are shifted within a window, so its first token is never scored.
        first = max(end - (end - previous_end), begin + 1)
        if first < end:
            yield begin, first, end
        previous_end = end
        if end == tokens:
            break


def parse(module, text):
    name, _, keys = text.partition(":")
    given = dict(key.split("=") for key in keys.split(",")) if keys else {}
    if name == "none":
        return module.Rebalance()
    return module.Rebalance(alpha=float(given.get("alpha", 0.2)), threshold=float(given.get("threshold", 0.01)),
                            boost_self=given.get("mode") == "self")


class Uncertain(Exception):
    """Rounding could change a number by more than rounding."""


def logits_of(module, model, text, tokens):
    """One window in one call."""
    rebalance = parse(module, text)
    logits = model.forward(tokens, [], rebalance)
    if rebalance.alpha and not rebalance.boost_self:
        n = len(tokens)
        below = np.tril(np.ones((n, n), bool), -1)
        distance = np.abs(model.attentions[0][:, below] - rebalance.threshold) / rebalance.threshold
        if distance.size and distance.min() < MASK_MARGIN:
            raise Uncertain
    return logits


def run(module, models, text, tokens):
    rows, targets, scored = [[] for _ in text["arms"]], [], []
    for begin, first, end in windows(len(tokens), text["context"], text["stride"]):
        scored += range(first, end)
        targets += tokens[first:end]
        for arm, (name, intervention) in enumerate(text["arms"]):
            logits = logits_of(module, models[name], intervention, tokens[begin:end])
            rows[arm].append(logits[first - 1 - begin : end - 1 - begin])
    rows = [np.concatenate(r) for r in rows]
    for r in rows:
        largest = np.sort(r, -1)[:, -2:]
        if (largest[:, 1] - largest[:, 0]).min() < TOP_MARGIN:
            raise Uncertain
    return rows, np.array(targets), scored


def make_texts(specification, engine):
    spec = importlib.util.spec_from_file_location("specification", specification / "llama_rebalance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = []
    for number, text in enumerate(TEXTS):
        models = {name: module.Llama(engine / name) for name, _ in text["arms"]}
        for model in models.values():
            model.config |= text.get("overrides", {})
        vocab = min(model.config["vocab_size"] for model in models.values())
        rng = np.random.default_rng(number)
        for _ in range(TRIES):
            tokens = rng.integers(0, vocab, text["tokens"]).tolist()
            try:
                rows, targets, scored = run(module, models, text, tokens)
                break
            except Uncertain:
                continue
        else:
            raise SystemExit(f"[{text['name']}] expected tokens without decisions near rounding, found none")
        arms = []
        for (name, intervention), logits in zip(text["arms"], rows):
            nll = -log_softmax(logits)[np.arange(len(targets)), targets]
            arm = {"model": name, "intervention": intervention, "nll": nll.round(7).tolist()}
            if arms:
                kl, same = divergence(rows[0], logits), rows[0].argmax(-1) == logits.argmax(-1)
                arm |= {"kl": kl.round(9).tolist(), "same_top": int(same.sum())}
            arms.append(arm)
        out.append({"name": text["name"], "overrides": text.get("overrides", {}), "context": text["context"],
                    "stride": text["stride"], "token_ids": tokens, "scored": scored, "arms": arms})
        kls = [f"{np.mean(arm['kl']):.1e}" for arm in arms[1:]]
        print(f"{text['name']:20} {len(scored):4} scored, mean divergences {', '.join(kls)}", file=sys.stderr)
    (HERE / "texts.json").write_text("[\n" + ",\n".join(json.dumps(text) for text in out) + "\n]\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--specification", type=pathlib.Path, default=HERE.parents[3] / "shared" / "reference")
    parser.add_argument("--engine", type=pathlib.Path, default=HERE.parent / "engine")
    arguments = parser.parse_args()
    make_rows()
    make_texts(arguments.specification, arguments.engine)


main()
