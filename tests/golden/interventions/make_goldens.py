#!/usr/bin/env python3
"""Makes NAME.npy: the specification's logits, [cases, last rows, vocab], of models of ../families under each intervention
of cases.json. Needs ../families/requirements.txt's NumPy alone."""
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
}
MODELS = ["llama_yarn", "mistral", "qwen2", "qwen3", "gemma3", "gpt_oss"]

tokens = json.loads((FAMILIES / "cases.json").read_text())["tokens"]
for name in MODELS:
    model = families.Model(json.loads((FAMILIES / name / "config.json").read_text()), weights_of(FAMILIES / name))
    plain = model.forward(tokens)
    assert np.abs(plain - np.load(FAMILIES / name / "logits.npy")).max() < 1e-4
    out = []
    for spec, parts in CASES.items():
        logits = model.forward(tokens, own.Interventions(parts(), model.c["num_hidden_layers"], PROMPT))
        changed = np.abs(logits - plain)[-ROWS:].max()
        assert changed > 0.01, (name, spec, changed)
        out.append(logits[-ROWS:])
    np.save(HERE / f"{name}.npy", np.array(out, np.float32))
    print(name, "least change", min(np.abs(o - plain[-ROWS:]).max() for o in out))
(HERE / "cases.json").write_text(json.dumps({"prompt": PROMPT, "models": MODELS, "interventions": list(CASES)}, indent=1) + "\n")
