#!/usr/bin/env python3
"""Makes cases.json beside this file: scores of heads from whole attention maps, and logit differences taken apart.

    make_goldens.py

The models are those of ../families, run by its executable specification in float64. Scores are written from their
definitions in docs/heads.md, over whole maps; the parts of a logit difference are computed forwards, each through the
norms with frozen scales, MLPs by themselves. Needs NumPy alone."""
import importlib.util
import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
FAMILIES = HERE.parent / "families"
spec = importlib.util.spec_from_file_location("specification", FAMILIES / "specification.py")
specification = importlib.util.module_from_spec(spec)
spec.loader.exec_module(specification)

NAMES = ["llama_bias", "qwen2", "gpt2", "gpt_neox", "phi", "gemma2", "gemma3", "olmo2", "granite", "gpt_oss", "cohere", "mixtral"]
STIMULI, TEXT, PROMPT = 2, 20, 13  # sequences; tokens of the other text, and of its prompt
POSITION, RIGHT, OTHERS = 14, 7, [3, 11]  # whose logits are taken apart
SINK_KEYS, LEAST_ROWS = 2, 8
NEEDLE, NEW_TOKENS, LINE_END = (2, 22), 12, 13


def read_safetensors(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    types = {"F32": np.float32, "F16": np.float16}
    out = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            raw = np.frombuffer(data[8 + size + begin : 8 + size + end], types[entry["dtype"]])
            out[name] = raw.reshape(entry["shape"]).astype(np.float64)
    return out


class HeadOutputs:
    """Keeps what heads put out, [layers][heads, queries, head_dim], and changes nothing."""

    def __init__(self):
        self.kept = []

    def __call__(self, layer, weights, distance):
        return weights

    def outputs(self, layer, out):
        self.kept.append(out)
        return out


def mean(values):
    return float(np.mean(values)) if len(values) else None


def pattern_scores(texts, maps):
    """maps: of each text [layers, heads, n, n]. {name: [layers, heads]}"""
    shape = maps[0].shape[:2]
    out = {}
    for name in ("previous_token", "duplicate_token", "induction"):
        rows, inside, total = [], np.zeros(shape), np.zeros(shape)
        for tokens, p in zip(texts, maps):
            n = len(tokens)
            d = np.zeros((n, n))
            for i in range(n):
                for j in range(i + 1):
                    d[i, j] = {"previous_token": j == i - 1, "duplicate_token": j < i and tokens[j] == tokens[i],
                               "induction": j >= 1 and j - 1 < i and tokens[j - 1] == tokens[i]}[name]
            weight = (p * d).sum(-1)
            rows += [weight[..., i] for i in range(n) if d[i].any()]
            inside, total = inside + weight.sum(-1), total + p.sum((-1, -2))
        out[name] = np.mean(rows, 0)
        out[name + "_mul"] = inside / total
    return out


def text_scores(p, prompt):
    """p: [layers, heads, n, n]"""
    n = p.shape[-1]
    share = p / p.sum(-1, keepdims=True)
    logs = np.log(np.where(share > 0, share, 1))
    received = p[..., :prompt, :prompt].sum(-2) / (prompt - np.arange(prompt))
    context = p[..., prompt:, :prompt].mean(-1)
    own = p[..., prompt:, prompt:].sum(-1) / (np.arange(prompt, n) - prompt + 1)
    return {"sink_mass": p[..., SINK_KEYS:, :SINK_KEYS].sum(-1).mean(-1),
            "entropy": -(share * logs).sum(-1)[..., 1:].mean(-1),
            "received_mean": received.mean(-1),
            "received_max": received[..., 1 : prompt - LEAST_ROWS + 1].max(-1),
            "lookback": (context / (context + own)).mean(-1)}


def frozen(model, name, x, part, kind=None):
    """What `part` of x becomes in the norm of x, whose scale stays; without the norm's bias."""
    kind, w = kind or model.f["norm"], model.w.get(name + ".weight", 1.0)
    if kind.startswith("layer"):
        x, part = x - x.mean(), part - part.mean()
    return part / np.sqrt((x * x).mean() + model.eps) * (1 + w if kind.endswith("1") else w)


def attribute(model, tokens):
    """The parts of the residual stream at POSITION, each as its share of z(RIGHT) - mean z(OTHERS)."""
    c, f, w = model.c, model.f, model.w
    model.attentions = []
    x = w[f["embed"] + ".weight"][np.asarray(tokens)] * f["embedding"](c)
    if f["positions"]:
        x = x + w[f["positions"] + ".weight"][: len(tokens)]
    parts = {"embedding": x[POSITION]}
    heads, biases, mlps = [], [], []
    for layer in range(c["num_hidden_layers"]):
        names, outputs = [f["layer"].format(layer) + name for name in f["norms"]], HeadOutputs()
        place, times = f["place"], f["residual"](c)
        before = x if place == "post" else model.norm(x, names[0])
        branch = model.attention(before, layer, outputs)
        projection = w[f["layer"].format(layer) + f["o"] + ".weight"]
        projection = projection if f["transposed"] else projection.T
        dim = c["head_dim"]
        own = [out[POSITION] @ projection[h * dim : (h + 1) * dim] for h, out in enumerate(outputs.kept[0])]
        bias = w.get(f["layer"].format(layer) + f["o"] + ".bias", np.zeros(len(own[0])))
        assert np.allclose(sum(own) + bias, branch[POSITION])
        if place in ("post", "sandwich"):
            name = names[0] if place == "post" else names[1]
            own = [frozen(model, name, branch[POSITION], part) for part in own]
            bias = frozen(model, name, branch[POSITION], bias) + w.get(name + ".bias", 0.0)
            branch = model.norm(branch, name)
        heads.append([times * part for part in own])
        biases.append(times * bias)
        if place in ("pre", "post", "sandwich"):
            x = x + times * branch
            added = {"pre": lambda: model.mlp(model.norm(x, names[1]), layer), "post": lambda: model.norm(model.mlp(x, layer), names[1]),
                     "sandwich": lambda: model.norm(model.mlp(model.norm(x, names[2]), layer), names[3])}[place]()
            x = x + times * added
            mlps.append(times * added[POSITION])
        else:
            added = model.mlp(model.norm(x, names[-1]), layer)
            x = x + branch + added
            mlps.append(added[POSITION])
    head = w.get(f["head"] + ".weight", w[f["embed"] + ".weight"])
    bias = w.get(f["head"] + ".bias", np.zeros(len(head)))
    difference = f["logits"](c) * (head[RIGHT] - head[OTHERS].mean(0))
    share = lambda part: float(difference @ frozen(model, f["final"], x[POSITION], part))
    last = float(f["logits"](c) * (bias[RIGHT] - bias[OTHERS].mean()) + difference @ (w.get(f["final"] + ".bias", 0.0) + np.zeros(len(difference))))
    out = {"heads": [[share(part) for part in layer] for layer in heads], "attention_biases": [share(part) for part in biases],
           "mlps": [share(part) for part in mlps], "embedding": share(parts["embedding"]), "bias": last}
    out["total"] = sum(map(sum, out["heads"])) + sum(out["attention_biases"]) + sum(out["mlps"]) + out["embedding"] + last
    logits = model.forward(tokens)[POSITION]
    if cap := f["final_softcap"](c):
        logits = cap * np.arctanh(logits / cap)
    assert np.isclose(out["total"], logits[RIGHT] - logits[OTHERS].mean(), atol=1e-9)
    return out


def retrieval(model, tokens):
    """Tokens of a greedy reply, and 1 / needle length for each that its row's largest key in the needle is too."""
    begin, end = NEEDLE
    shape = (model.c["num_hidden_layers"], model.c["num_attention_heads"])
    scores, text = np.zeros(shape), list(tokens)
    for _ in range(NEW_TOKENS):
        token = int(model.forward(text)[-1].argmax())
        for layer, p in enumerate(model.attentions):
            for h, key in enumerate(p[:, -1].argmax(-1)):
                if begin <= key < end and text[key] == token:
                    scores[layer, h] += 1 / (end - begin)
        text.append(token)
    return {"reply": text[len(tokens):], "scores": scores.tolist()}


def main():
    rng = np.random.default_rng(3)
    texts = []
    for _ in range(STIMULI):
        drawn = rng.permutation(np.arange(3, 48))[:9].tolist()
        texts.append([1] + drawn + drawn)
    text = [1] + rng.integers(3, 48, TEXT - 1).tolist()
    asked = np.random.default_rng(5).integers(3, 48, 11).tolist()
    asked = [1] + asked + asked
    cases = {"asked": asked, "stimuli": texts, "text": text, "prompt_tokens": PROMPT, "position": POSITION, "right": RIGHT, "others": OTHERS,
             "sink_keys": SINK_KEYS, "needle": NEEDLE, "new_tokens": NEW_TOKENS, "models": {}}
    for name in NAMES:
        config = json.loads((FAMILIES / name / "config.json").read_text())
        model = specification.Model(config, read_safetensors(FAMILIES / name / "model.safetensors"))
        maps = []
        for tokens in texts + [text]:
            model.forward(tokens)
            maps.append(np.array(model.attentions))
        scores = pattern_scores(texts, maps[:-1]) | text_scores(maps[-1], PROMPT)
        found = retrieval(model, asked)
        cases["models"][name] = {"scores": {key: np.round(value, 9).tolist() for key, value in scores.items()},
                                 "attribution": attribute(model, text), "retrieval": found}
        print(f"{name:12} retrieval {np.sum(found['scores']):.2f} reply {found['reply']}")
    text = json.dumps(cases, separators=(",", ":")).replace(',"', ',\n"')
    (HERE / "cases.json").write_text(text + "\n")


main()
