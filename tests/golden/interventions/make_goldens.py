#!/usr/bin/env python3
"""Makes NAME.npy: the specification's logits, [cases, last rows, vocab], of models of ../families under each intervention
of cases.json; and NAME.safetensors, what FILE of from= stands for there: the heads' means over all rows of the tokens
without intervention, and matrices of low rank for seka. Needs NumPy alone."""
import importlib.util, json, pathlib, sys
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
FAMILIES = HERE.parent / "families"
sys.path.insert(0, str(FAMILIES))


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


families, own = load("families", FAMILIES / "specification.py"), load("interventions", HERE / "specification.py")
PROMPT, ROWS = 14, 8  # tokens of the prompt, of 20; rows that are kept


def weights_of(directory):
    data = (directory / "model.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + size])
    out = {}
    for name, t in head.items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            out[name] = np.frombuffer(data[8 + size + a : 8 + size + b], {"F16": np.float16, "F32": np.float32}[t["dtype"]]).astype(float).reshape(t["shape"])
    return out


def at(*ranges):
    chosen = {j for a, b in ranges for j in range(a, b + 1)}
    return lambda j, prompt: j in chosen


generated = lambda j, prompt: j >= prompt
P = own.Part
CASES = {
    "scale:factor=0.25,keys=positions:2-5": lambda: [P("scale", at((2, 5)), factor=0.25)],
    "scale:factor=3,renormalise=no,keys=positions:2-5,layers=1-2": lambda: [P("scale", at((2, 5)), layers={1, 2}, factor=3, renormalise="no")],
    "pasta:keys=positions:4-7": lambda: [P("pasta", at((4, 7)))],
    "pasta:alpha=0.1,mode=include,keys=positions:4-7;10-11": lambda: [P("pasta", at((4, 7), (10, 11)), alpha=0.1, mode="include")],
    "pasta:alpha=0.2,variant=published,keys=positions:4-7;10-11": lambda: [P("pasta", at((4, 7), (10, 11)), alpha=0.2, variant="published")],
    "boost:keys=positions:4-7;10,heads=0.1;1.0-2;2.2": lambda: [P("boost", at((4, 7), (10, 10)), heads={(0, 1), (1, 0), (1, 1), (1, 2), (2, 2)})],
    "guide:delta=1.5,keys=generated|positions:3,rows=generated": lambda: [P("guide", lambda j, p: j >= p or j == 3, rows=generated, delta=1.5)],
    "knockout:keys=positions:9-11": lambda: [P("knockout", at((9, 11)), rows=lambda i, p: i == p - 1)],
    "knockout:keys=positions:0-40,rows=positions:6-9": lambda: [P("knockout", at((0, 40)), rows=at((6, 9)))],
    "knockout:keys=not:positions:5,layers=window:1:2,rows=all": lambda: [P("knockout", lambda j, p: j != 5, layers={0, 1, 2})],
    "nosink": lambda: [P("nosink", at((0, 0)))],
    "spotlight:target=0.6,keys=positions:4-7": lambda: [P("spotlight", at((4, 7)), target=0.6)],
    "temperature:tau=0.7": lambda: [P("temperature", tau=0.7)],
    "zero:heads=1.1": lambda: [P("zero", heads={(1, 1)})],
    "uniform:layers=last:1": lambda: [P("uniform", layers={2})],
    "rebalance:alpha=0.5,threshold=0.03,layers=1,heads=1.0-1,rows=prompt": lambda: [
        P("rebalance", layers={1}, heads={(1, 0), (1, 1)}, rows=lambda i, p: i < p, alpha=0.5, threshold=0.03)],
    "boost:factor=2,keys=positions:4-7+rebalance:alpha=0.5,threshold=0.03+temperature:tau=0.8": lambda: [
        P("boost", at((4, 7)), factor=2), P("rebalance", alpha=0.5, threshold=0.03), P("temperature", tau=0.8)],
    "temperature:tau=0.8+rebalance:alpha=0.5,threshold=0.03,mode=self+spotlight:target=0.5,keys=positions:1-3": lambda: [
        P("temperature", tau=0.8), P("rebalance", alpha=0.5, threshold=0.03, mode="self"), P("spotlight", at((1, 3)), target=0.5)],
    "mean:from=FILE,heads=0.1;1.0;2.1-2": lambda: [P("mean", heads={(0, 1), (1, 0), (2, 1), (2, 2)}, **file)],
    "mean:from=FILE,layers=1,rows=generated+boost:factor=2,keys=positions:4-7": lambda: [
        P("mean", layers={1}, rows=generated, **file), P("boost", at((4, 7)), factor=2)],
    "spotlight:target=0.7,scope=layer,keys=positions:4-7": lambda: [P("spotlight", at((4, 7)), target=0.7, scope="layer")],
    "spotlight:target=0.6,scope=layer,keys=positions:2-7;15,heads=0.1;1.0-2,rows=positions:5-17": lambda: [
        P("spotlight", at((2, 7), (15, 15)), heads={(0, 1), (1, 0), (1, 1), (1, 2)}, rows=at((5, 17)), target=0.6, scope="layer")],
    "act:beta=0.3,theta=0.08,layers=0-2": lambda: [P("act", layers={0, 1, 2}, beta=0.3, theta=0.08)],
    "act:beta=0,theta=0.06,layers=1-2,heads=1.0-1;2.0,rows=positions:3-30": lambda: [
        P("act", layers={1, 2}, heads={(1, 0), (1, 1), (2, 0)}, rows=at((3, 30)), beta=0, theta=0.06)],
    "temperature:tau=0.8+boost:factor=2,keys=positions:2-3+act:beta=0.5,theta=0.07,layers=0-2+spotlight:target=0.7,scope=layer,keys=positions:4-7": lambda: [
        P("temperature", tau=0.8), P("boost", at((2, 3)), factor=2), P("act", layers={0, 1, 2}, beta=0.5, theta=0.07),
        P("spotlight", at((4, 7)), target=0.7, scope="layer")],
    "seka:from=FILE,keys=positions:4-7;15": lambda: [P("seka", at((4, 7), (15, 15)), **file)],
    "seka:from=FILE,gain=1.5,negative=-0.3,keys=positions:4-7,layers=1-2+boost:factor=2,keys=positions:4-7": lambda: [
        P("seka", at((4, 7)), layers={1, 2}, gain=1.5, negative=-0.3, **file), P("boost", at((4, 7)), factor=2)],
}


class Means:
    """Takes the means of what heads put out, and changes nothing."""

    def __init__(self):
        self.means = []

    def __call__(self, layer, weights, distance):
        return weights

    def outputs(self, layer, out):
        self.means.append(out.mean(1))
        return out


def file_of(model, tokens):
    """What FILE holds, rounded as it is there."""
    taken = Means()
    model.forward(tokens, taken)
    c, random = model.c, np.random.default_rng(5)

    def low_rank(rank):
        out = random.normal(size=(c["num_hidden_layers"], c["num_key_value_heads"], c["head_dim"], rank))
        q = np.linalg.qr(out)[0]
        return q @ q.transpose(0, 1, 3, 2)

    return {k: np.asarray(v, np.float32) for k, v in
            {"means": np.array(taken.means), "negative": low_rank(2), "positive": low_rank(3)}.items()}


def write_safetensors(path, tensors):
    head, at = {"__metadata__": {"made_by": "make_goldens.py"}}, 0
    for name, t in tensors.items():
        head[name] = {"dtype": "F32", "shape": t.shape, "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(t.tobytes() for t in tensors.values()))


class Keys:
    """Takes keys before rotation, and changes nothing."""

    def __init__(self):
        self.taken = []

    def __call__(self, layer, weights, distance):
        return weights

    def keys(self, layer, keys):
        self.taken.append(keys)
        return keys


# Of three texts the tokens and the answer's positions in each: alone, after its question, after another one.
TEXTS = [([5, 9, 33, 12, 40, 41, 7, 22], [3, 4, 5]), ([3, 45, 31, 5, 9, 33, 12, 40, 41, 7, 22], [6, 7, 8]),
         ([14, 2, 5, 9, 33, 12, 40, 41, 7, 22], [5, 6, 7])]


def directions(model, texts, share):
    """P+ and P- of calibrate seka, [2, layers, kv_heads, head_dim, head_dim], and the keys' shifts."""
    all_keys = []
    for tokens, answer in texts:
        taken = Keys()
        model.forward(tokens, taken)
        all_keys.append(np.array(taken.taken)[:, :, answer])  # [layers, kv_heads, answer, head_dim]
    alone, asked, other = all_keys
    n, out = alone.shape[2], []
    for after, complement in [(asked, False), (other, True)]:
        u, s, _ = np.linalg.svd(alone.transpose(0, 1, 3, 2) @ after / n)
        so_far = s.cumsum(-1) / s.sum(-1, keepdims=True)
        first = np.arange(s.shape[-1]) <= (so_far < share).sum(-1, keepdims=True)
        p = (u * first[..., None, :]) @ u.transpose(0, 1, 3, 2)
        out.append(np.eye(p.shape[-1]) - p if complement else p)
    return np.array(out), np.sqrt(((asked - other) ** 2).sum((2, 3))) / n


MODELS = ["llama_yarn", "mistral", "qwen2", "qwen3", "gemma3", "gpt_oss"]

tokens = json.loads((FAMILIES / "cases.json").read_text())["tokens"]
for name in MODELS:
    model = families.Model(json.loads((FAMILIES / name / "config.json").read_text()), weights_of(FAMILIES / name))
    plain = model.forward(tokens)
    assert np.abs(plain - np.load(FAMILIES / name / "logits.npy")).max() < 1e-4
    tensors = file_of(model, tokens)
    write_safetensors(HERE / f"{name}.safetensors", tensors)
    file = {"means": tensors["means"].astype(float), "positive": tensors["positive"].astype(float),
            "negatives": tensors["negative"].astype(float)}
    out = []
    for spec, parts in CASES.items():
        logits = model.forward(tokens, own.Interventions(parts(), model.c["num_hidden_layers"], PROMPT))
        changed = np.abs(logits - plain)[-ROWS:].max()
        assert changed > 0.01, (name, spec, changed)
        out.append(logits[-ROWS:])
    np.save(HERE / f"{name}.npy", np.array(out, np.float32))
    print(name, "least change", min(np.abs(o - plain[-ROWS:]).max() for o in out))
    if name == "qwen3":
        projections, shifts = directions(model, TEXTS, 0.8)
        np.save(HERE / "directions.npy", np.concatenate([projections.ravel(), shifts.ravel()]).astype(np.float32))
(HERE / "cases.json").write_text(json.dumps({"prompt": PROMPT, "texts": TEXTS, "models": MODELS, "interventions": list(CASES)}, indent=1) + "\n")
