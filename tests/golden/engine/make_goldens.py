#!/usr/bin/python3
"""Writes the golden cases of the engine: checkpoints, cases.json, logits_*.npy, attentions.npy (see README.md).

    make_goldens.py [--specification DIR] [--out DIR]

The numbers are those of the executable specification llama_rebalance.py (float32 NumPy) in DIR. Everything is
seeded; a case whose result float32 rounding could flip is tried again with other tokens.
"""
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # one summation order, before NumPy is imported
import argparse, importlib.util, json, pathlib, shutil, sys, zlib

sys.dont_write_bytecode = True
import numpy as np

import case_list, checkpoints

HERE = pathlib.Path(__file__).resolve().parent
GREEDY_COUNT = 20
TRIES = 300
# A case is kept only if no layer-0 weight is nearer to the threshold than this (relative), and no two best
# logits of a greedy step are nearer to each other: a 16-bit file invites kernels that round more.
MASK_MARGIN = {"f32": 2e-5, "f16": 5e-5, "bf16": 5e-5}
GREEDY_MARGIN = {"f32": 1e-3, "f16": 2e-2, "bf16": 2e-2}
VISIBLE = 1e-2  # a feature under test must change some stored logit by more than this
F64_LIMIT = 3e-5  # the specification's own float32 rounding, well below the engine's tolerance of 1e-4


def load_specification(directory, name, float_type):
    spec = importlib.util.spec_from_file_location(name, directory / "llama_rebalance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.F32 = float_type
    return module


def observed(module):
    """The specification's model class, noting after each call how near its decisions were."""

    class Observed(module.Llama):
        def reset(self):
            self.mask_margin = self.greedy_margin = np.inf

        def forward(self, tokens, cache, rebalance):
            logits = super().forward(tokens, cache, rebalance)
            a, n, total = self.attentions[0], len(tokens), self.attentions[0].shape[-1]
            off_diagonal = np.arange(total)[None, :] < np.arange(total - n, total)[:, None]
            if off_diagonal.any():
                distance = np.abs(a[:, off_diagonal] - rebalance.threshold) / rebalance.threshold
                self.mask_margin = min(self.mask_margin, float(distance.min()))
            second, first = np.sort(logits[-1])[-2:]
            self.greedy_margin = min(self.greedy_margin, float(first - second))
            return logits

    return Observed


class Models:
    """The specification's models by directory, in float32 and in float64 with the same weights."""

    def __init__(self, specification, out):
        self.modules = {t: load_specification(specification, f"specification_{t.__name__}", t)
                        for t in (np.float32, np.float64)}
        self.out, self.loaded = out, {}

    def get(self, name, float_type, overrides):
        single, double = self.modules[np.float32], self.modules[np.float64]
        if name not in self.loaded:
            read = observed(single)(self.out / name)
            cast = object.__new__(observed(double))
            cast.__dict__ |= read.__dict__ | {"weights": {k: v.astype(np.float64) for k, v in read.weights.items()}}
            self.loaded[name] = {np.float32: (read, read.config), np.float64: (cast, read.config)}
        model, config = self.loaded[name][float_type]
        model.config = config | overrides
        model.reset()
        return model

    def rebalance(self, float_type, settings):
        module = self.modules[float_type]
        if case_list.intervention_text(settings) == "none":
            return module.Rebalance()
        given = {"alpha": 0.2} | {k: float(settings[k]) for k in ("alpha", "threshold") if settings.get(k)}
        if settings.get("depth"):
            given["depth"] = int(settings["depth"])
        return module.Rebalance(boost_self=settings.get("mode") == "self", **given)


def run(models, settings, tokens, calls, float_type=np.float32):
    """(logits [tokens, vocab], model) after the calls; the model has the last call's masks and attentions."""
    model = models.get(f"{settings['model']}-{settings['weights']}", float_type, case_list.ROPE[settings["rope"]])
    rebalance, cache, logits, at = models.rebalance(float_type, settings), [], [], 0
    for n in calls:
        logits.append(model.forward(tokens[at : at + n], cache, rebalance))
        at += n
    return np.concatenate(logits), model


def generate(models, settings, tokens, float_type=np.float32):
    model = models.get(f"{settings['model']}-{settings['weights']}", float_type, case_list.ROPE[settings["rope"]])
    return model.greedy(tokens, GREEDY_COUNT, models.rebalance(float_type, settings)), model


def lively(ids):
    """Enough different tokens, and none more than three times in a row."""
    return len(set(ids)) >= 8 and all(len(set(ids[i : i + 4])) > 1 for i in range(len(ids) - 3))


def attempt(models, settings, rng, n):
    """One case of random tokens, or None where rounding could flip one of its decisions."""
    vocab, weights = checkpoints.CONFIG[settings["model"]]["vocab_size"], settings["weights"]
    tokens = rng.integers(0, vocab, n).tolist()
    calls = case_list.calls_of(settings["calls"], n)
    logits, model = run(models, settings, tokens, calls)
    masks, attentions, margin = model.masks, model.attentions, model.mask_margin
    greedy, model = generate(models, settings, tokens)
    margin = min(margin, model.mask_margin)
    if margin < MASK_MARGIN[weights] or model.greedy_margin < GREEDY_MARGIN[weights] or not lively(greedy):
        return None
    exact, model = run(models, settings, tokens, calls, np.float64)
    if (model.masks != masks).any() or generate(models, settings, tokens, np.float64)[0] != greedy:
        return None
    difference = float(np.abs(logits - exact).max())
    if difference > F64_LIMIT:
        return None
    return {"tokens": tokens, "calls": calls, "logits": logits, "difference": difference, "attentions": attentions,
            "greedy": greedy, "masks": masks, "margin": margin}


def rows_of(n, calls):
    """Rows worth storing: the ends, the borders of chunks of 7 and 64, a few between, and where calls begin."""
    wanted = {0, 1, 6, 7, 31, 63, 64, 65, n // 2, n - 13, n - 12, n - 2, n - 1}
    wanted |= {sum(calls[:i]) for i in range(min(len(calls), 4))}
    return sorted(r for r in wanted if 0 <= r < n)


def check_visible(name, models, settings, result, rows):
    """Stops where a setting of the case changes nothing, as then the case would not test it."""
    tokens, calls, logits = result["tokens"], result["calls"], result["logits"][rows]

    def change(other, other_calls=calls):
        return float(np.abs(run(models, settings | other, tokens, other_calls)[0][rows] - logits).max())

    def expect(what, changed, ok):
        if not ok:
            raise SystemExit(f"[{name}] expected {what} to matter as it should, got a change of {changed:.1e}")

    if len(tokens) < 10:
        return
    text, rope = case_list.intervention_text(settings), settings["rope"]
    off = change({"alpha": None, "bare": False})
    if text == "none" or settings.get("alpha") == "0":
        expect("no intervention", off, off == 0)
    else:
        expect("the intervention", off, off > VISIBLE)
        for key, default in ("depth", None), ("threshold", "0.01"), ("mode", "mask"):
            given = settings.get(key)
            if given not in (None, default) and not (key == "threshold" and settings.get("mode") == "self"):
                expect(key, change({key: None}), change({key: None}) > VISIBLE)
    unscaled = change({"rope": "plain"})
    inert = rope in case_list.INERT or (rope.startswith("dynamic") and settings.get("label") == "crossing"
                                        and settings["calls"] == "whole")
    expect(f"rope {rope}", unscaled, unscaled == 0 if inert else unscaled > VISIBLE)
    whole = change({}, [len(tokens)])
    chunks_matter = rope in ("dynamic", "dynamicrt") and settings["calls"] != "whole"
    expect("the calls", whole, whole > VISIBLE if chunks_matter else whole < 2 * F64_LIMIT)


def case_name(settings, number):
    label = settings.get("label") or f"pairs{number:02}"
    keys = [settings["model"], settings["weights"], settings["rope"], settings["calls"]]
    for key, short in ("alpha", "alpha"), ("threshold", "threshold"), ("depth", "depth"):
        if settings.get(key) is not None:
            keys.append(short + settings[key].replace(".", ""))
    if settings.get("mode"):
        keys.append(settings["mode"])
    return "_".join([label, *keys])


class Writer:
    """Gathers cases and logits rows, and writes them."""

    def __init__(self, out):
        self.out, self.cases, self.logits, self.statistics = out, [], {}, []

    def add(self, name, settings, result, models):
        n, calls, model = len(result["tokens"]), result["calls"], settings["model"]
        rows = rows_of(n, calls)
        check_visible(name, models, settings, result, rows)
        stored = self.logits.setdefault(model, [])
        text, offset = case_list.intervention_text(settings), sum(map(len, stored))
        case = {
            "name": name, "model": f"{model}-{settings['weights']}", "weights": settings["weights"].upper(),
            "config_overrides": case_list.ROPE[settings["rope"]], "tokens": result["tokens"], "calls": calls,
            "intervention": text, "rows": rows, "logits": f"logits_{model}.npy", "logits_row": offset,
            "greedy": result["greedy"], "mask_count": None if text == "none" else int(result["masks"].sum()),
            "f64_difference": float(f"{result['difference']:.1e}"),
        }
        if settings.get("attentions"):
            case["attentions"] = "attentions.npy"
            np.save(self.out / "attentions.npy", np.stack(result["attentions"]))
        self.cases.append(case)
        stored.append(result["logits"][rows])
        past = n - calls[-1]
        entries = result["masks"].shape[0] * (calls[-1] * past + calls[-1] * (calls[-1] - 1) // 2)
        self.statistics.append((result["difference"], result["margin"], result["masks"].sum() / max(entries, 1),
                                float(np.abs(result["logits"]).max()), len(set(result["greedy"])), case))

    def add_twin(self, directory, models):
        """The last case once more, for another directory with the same weights (checkpoints.py checks the .bin)."""
        last = self.cases[-1]
        if any((self.out / directory).glob("*.safetensors")):
            a, b = (models.get(d, np.float32, {}).weights for d in (last["model"], directory))
            if a.keys() != b.keys() or any((a[k] != b[k]).any() for k in a):
                raise SystemExit(f"[{directory}] expected the weights of {last['model']}, got others")
        self.cases.append(last | {"name": "container_" + directory.replace("-", "_"), "model": directory})

    def write(self):
        for model, blocks in self.logits.items():
            np.save(self.out / f"logits_{model}.npy", np.concatenate(blocks).astype("<f4"))
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in self.cases)
        (self.out / "cases.json").write_text('{"cases":[\n' + lines + "\n]}\n")

    def summary(self):
        print(f"{len(self.cases)} cases")
        for weights in "F32", "F16", "BF16":
            s = [x for x in self.statistics if x[5]["weights"] == weights]
            print(f"{weights}: largest float32-float64 difference {max(x[0] for x in s):.1e} "
                  f"(median {np.median([x[0] for x in s]):.1e}), smallest mask margin {min(x[1] for x in s):.1e}, "
                  f"largest logits {min(x[3] for x in s):.1f}..{max(x[3] for x in s):.1f}, "
                  f"distinct greedy tokens {min(x[4] for x in s)}..{max(x[4] for x in s)}")
        for threshold in "0.002", "0.01", "0.05", "0.5":
            s = [x[2] for x in self.statistics if len(x[5]["tokens"]) > 60 and "rebalance" in x[5]["intervention"]
                 and (f"threshold={threshold}" in x[5]["intervention"]
                      or threshold == "0.01" and "threshold" not in x[5]["intervention"])]
            print(f"threshold {threshold}: {min(s):.1%}..{max(s):.1%} of the last call's entries are in the mask")
        size = sum(p.stat().st_size for p in self.out.rglob("*") if p.is_file())
        print(f"{size / 1e6:.2f} MB in {self.out}")


def make(models, writer, settings, number=0, name=None):
    name = name or case_name(settings, number)
    seed = zlib.crc32(name.encode())
    n = settings.get("n") or 100 + seed % 51
    for t in range(TRIES):
        result = attempt(models, settings, np.random.default_rng([seed, t]), n)
        if result:
            return writer.add(name, settings, result, models)
    raise SystemExit(f"[{name}] expected tokens with safe margins, got none in {TRIES} tries")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--specification", type=pathlib.Path, default=HERE.parents[2] / ".." / "shared" / "reference")
    ap.add_argument("--out", type=pathlib.Path, default=HERE)
    a = ap.parse_args()
    for config in a.out.glob("*/config.json"):  # directories that the list no longer names must not stay
        shutil.rmtree(config.parent)
    checkpoints.write_all(a.out)
    models, writer = Models(a.specification, a.out), Writer(a.out)
    for number, settings in enumerate(case_list.pairwise(), 1):
        make(models, writer, settings, number)
    for settings in case_list.special():
        make(models, writer, settings)
    for weights, (first, *others) in case_list.containers():
        settings = {"model": "mqa", "weights": weights, "rope": "plain", "calls": "whole", "alpha": "0.2"}
        make(models, writer, settings, name="container_" + first.replace("-", "_"))
        for other in others:
            writer.add_twin(other, models)
    writer.write()
    writer.summary()


main()
