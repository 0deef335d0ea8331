"""The list of the engine's golden cases: which model, settings, calls and intervention, not yet any numbers.

A module of make_goldens.py, not a program. PAIRWISE cases cover every pair of values of the factors below; the
special cases add what pairs do not reach.
"""
import itertools, random

LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
ROPE = {  # name: overrides of config.json
    "plain": {},
    "theta": {"rope_theta": 500000.0},
    "linear": {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "linearrt": {"rope_scaling": {"rope_type": "linear", "factor": 2.5}},
    "dynamic": {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "max_position_embeddings": 48},
    "dynamicrt": {"rope_scaling": {"rope_type": "dynamic", "factor": 4.0}, "max_position_embeddings": 32},
    "dynamicbelow": {"rope_scaling": {"type": "dynamic", "factor": 4.0}, "max_position_embeddings": 256},
    "llama3": {"rope_scaling": {"type": "llama3", "original_max_position_embeddings": 64, **LLAMA3}},
    "llama3rt": {"rope_scaling": {"rope_type": "llama3", "original_max_position_embeddings": 1024, **LLAMA3}},
    "default": {"rope_scaling": {"rope_type": "default"}},
    "both": {"rope_scaling": {"type": "linear", "rope_type": "linear", "factor": 3.0}},
}
INERT = {"plain", "dynamicbelow", "default"}  # same numbers as without the override
FACTORS = {
    "model": ["mha", "gqa", "mqa"],
    "weights": ["f32", "f16", "bf16"],
    "rope": ["plain", "theta", "linear", "linearrt", "dynamic", "dynamicrt", "dynamicbelow", "llama3", "llama3rt"],
    "calls": ["whole", "ones", "sevens", "sixtyfours", "decode", "mixed"],
    "alpha": [None, "0", "0.2", "0.5", "1"],  # None: no intervention
    "mode": [None, "mask", "self"],  # from here on None: the key is not given
    "depth": [None, "31", "1"],
    "threshold": [None, "0.05", "0.002"],
}


def calls_of(kind, n):
    """Chunk lengths of the forward calls that take n tokens."""
    if kind == "whole":
        return [n]
    if kind == "ones":
        return [1] * n
    if kind == "decode":
        return [n - 12] + [1] * 12
    if kind == "mixed":
        return [64, 1, 1, 7, 20, n - 93]
    size = {"sevens": 7, "sixtyfours": 64}[kind]
    return [size] * (n // size) + ([n % size] if n % size else [])


def intervention_text(settings):
    """In the grammar of --intervene, with only the keys that are given."""
    if settings.get("alpha") is None and not settings.get("bare"):
        return "none"
    keys = [f"{k}={settings[k]}" for k in ("alpha", "threshold", "depth", "mode") if settings.get(k) is not None]
    return "rebalance" + (":" + ",".join(keys) if keys else "")


def normalised(candidate):
    """Without an intervention its keys mean nothing: they are not given, and their pairs do not count."""
    if candidate["alpha"] is None:
        candidate |= {"mode": None, "depth": None, "threshold": None}
    return candidate


def pairs(candidate):
    skip = {"mode", "depth", "threshold"} if candidate["alpha"] is None else set()
    items = [(k, v) for k, v in candidate.items() if k not in skip]
    return set(itertools.combinations(items, 2))


def pairwise():
    """Settings in which every pair of factor values occurs, by a greedy search with a fixed seed."""
    rng, names = random.Random(7), list(FACTORS)
    missing = set()
    for a, b in itertools.combinations(names, 2):
        for va, vb in itertools.product(FACTORS[a], FACTORS[b]):
            if not (a == "alpha" and va is None and b in ("mode", "depth", "threshold")):
                missing.add(((a, va), (b, vb)))
    chosen = []
    while missing:
        best = None
        for seed_pair in rng.sample(sorted(missing, key=str), min(40, len(missing))):
            candidate = {n: rng.choice(FACTORS[n]) for n in names} | dict(seed_pair)
            if candidate["alpha"] is None and {k for k, _ in seed_pair} & {"mode", "depth", "threshold"}:
                candidate["alpha"] = rng.choice(FACTORS["alpha"][1:])
            gain = len(pairs(normalised(candidate)) & missing)
            if best is None or gain > best[0]:
                best = (gain, candidate)
        chosen.append(best[1])
        missing -= pairs(best[1])
    return chosen


def special():
    """Cases beyond pairs: defaults, very short prompts, scaling that starts within a run, chunks of all kinds."""
    base = {"weights": "f32", "rope": "plain", "calls": "whole"}
    for model in FACTORS["model"]:
        yield base | {"model": model, "bare": True, "label": "bare"}
    published = {"alpha": "0.2", "threshold": "0.01", "depth": "31", "mode": "mask"}
    yield base | published | {"model": "mha", "label": "published"}
    yield base | {"model": "gqa", "alpha": "0.5", "mode": "self", "label": "published_early"}
    yield base | {"model": "gqa", "depth": "31", "bare": True, "label": "defaultalpha"}
    yield base | {"model": "mha", "alpha": "1", "threshold": "0.5", "label": "atmostone"}
    yield base | {"model": "gqa", "alpha": "0.2", "n": 1, "label": "onetoken"}
    yield base | {"model": "mha", "alpha": "0.5", "n": 2, "calls": "ones", "label": "twotokens"}
    yield base | {"model": "gqa", "rope": "default", "label": "ropedefault"}
    yield base | {"model": "mha", "rope": "both", "alpha": "0.2", "label": "bothspelled"}
    # The prompt fits max_position_embeddings exactly; the scaling begins with the first generated token.
    yield base | {"model": "gqa", "rope": "dynamic", "alpha": "0.2", "n": 48, "label": "crossing"}
    yield base | {"model": "mha", "rope": "dynamic", "alpha": "0.5", "n": 60, "calls": "decode", "label": "crossing"}
    for calls in FACTORS["calls"]:
        yield base | {"model": "gqa", "rope": "dynamicrt", "alpha": "0.5", "calls": calls, "label": "dynamicchunks"}
    yield base | {"model": "gqa", "alpha": "0.5", "n": 19, "attentions": True, "label": "attentions"}


def containers():
    """(weights, other directories with the same values): one case each, with the numbers of the first."""
    yield "f32", ["mqa-f32", "mqa-f32-sharded", "mqa-f32-bin", "mqa-f32-bin-sharded"]
    yield "f16", ["mqa-f16", "mqa-f16-bin", "mqa-f16-bin-sharded"]
    yield "bf16", ["mqa-bf16", "mqa-bf16-bin", "mqa-bf16-bin-sharded"]
