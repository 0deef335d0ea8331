#!/usr/bin/env python3
"""Makes the goldens of adapters beside this file, with PEFT 0.21.2, transformers 5 and PyTorch 2 (Python 3.11).

configs.json: the modules of a LlamaForCausalLM of 12 layers, and for many texts of adapter_config.json what PEFT makes
of them: rank and scale of every linear layer, or the error, and which entries of patterns it calls unmatched.
regex.json: Python's re.match and re.fullmatch of many expressions on names of modules.
logits.json: logits of models/small-worlds with adapters whose numbers are made by a formula (see `number`).
"""
import json, logging, pathlib, re, sys, tempfile, warnings

import numpy as np
import torch
from peft import PeftConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
WORLDS = HERE.parents[2] / "models" / "small-worlds"
BASE = dict(peft_type="LORA", r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def config(**changes):
    return json.dumps({k: v for k, v in {**BASE, **changes}.items() if v != "absent"})


def full(layers, matrices=("q_proj", "v_proj")):
    return [f"model.layers.{l}.self_attn.{m}" for l in layers for m in matrices]


PATTERNS = {  # each as rank_pattern (with ranks) and as alpha_pattern
    "plain name": {"q_proj": 4},
    "end behind a dot": {"self_attn.q_proj": 4},
    "one layer, not the eleventh": {"layers.1.self_attn.q_proj": 4},
    "a dot is any character": {"layers.1.self_attn.q.proj": 4},
    "whole name": {"model.layers.3.self_attn.v_proj": 4},
    "caret and whole name": {"^model.layers.3.self_attn.v_proj": 4},
    "caret and an end": {"^layers.0.self_attn.q_proj": 4},
    "typo": {"q_porj": 4},
    "no such layer": {"layers.99.self_attn.q_proj": 4},
    "capital": {"Q_proj": 4},
    "part of a name": {"proj": 4},
    "prefix of names": {"model.layers.1": 4},
    "with base_model.model": {"base_model.model.model.layers.0.self_attn.q_proj": 4},
    "with .weight": {"q_proj.weight": 4},
    "matrix that is no target": {"k_proj": 4},
    "general first": {"q_proj": 4, "layers.1.self_attn.q_proj": 2},
    "special first": {"layers.1.self_attn.q_proj": 2, "q_proj": 4},
    "not in the order of the alphabet": {"v_proj": 4, "layers.2.self_attn.v_proj": 2, "a_proj": 1, ".*": 3},
    "any": {".*": 4},
    "classes": {r"layers\.[0-3]\.self_attn\.q_proj": 4, r"layers\.(\d|1[01])\.self_attn\.v_proj": 2},
    "alternatives": {"q_proj|v_proj": 4},
    "alternatives of ends": {"layers.2.self_attn.(q|k)_proj": 4},
    "parentheses closed and opened": {"q_proj)|(v_proj": 4},
    "dollar": {"q_proj$": 4},
    "Z": {r"q_proj\Z": 4},
    "any, then a name": {r".*\.q_proj": 4},
    "any in the middle": {r"model.*q_proj": 4},
    "empty": {"": 4},
    "repeats": {r"layers\.\d{2}\.self_attn\.q_proj": 4},
    "at most": {r"layers\.\d{,1}\.self_attn\.q_proj": 4},
    "lookahead": {r"layers\.(?!0\.).*q_proj": 4},
    "lookbehind": {r".*(?<=1)\.self_attn\.v_proj": 4},
    "back to the first group": {r"\1layers\.0\.self_attn\.q_proj": 4},
    "named": {r"layers\.(?P<n>\d)(?P=n)\.self_attn\.q_proj": 4},
    "ignoring case inside": {"(?i:Q_PROJ)": 4},
    "flag in the middle": {"(?i)Q_PROJ": 4},
    "broken": {"q_proj(": 4},
    "star alone": {"*q_proj": 4},
    "set of brackets": {r"layers\.[[0]\.self_attn\.q_proj": 4},
    "escaped letters": {r"\w+_proj": 4, r"\Sproj": 2},
    "Perl only": {r"q_proj\h": 4},
    "recursion": {r"(?R)": 4},
    "verb": {"(*ACCEPT)": 4},
}

CASES = {
    "plain": config(),
    "rank stabilised": config(use_rslora=True, rank_pattern={"q_proj": 2}),
    "no r": config(r="absent"),
    "no alpha": config(lora_alpha="absent"),
    "alpha in half": config(lora_alpha=5.5),
    "alpha zero": config(lora_alpha=0),
    "alpha below zero": config(lora_alpha=-3),
    "rank zero": config(r=0),
    "rank text": config(r="8"),
    "rank null": config(r=None),
    "rank float": config(r=8.0),
    "rank in a pattern zero": config(rank_pattern={"q_proj": 0}),
    "alpha text": config(lora_alpha="16"),
    "alpha null": config(lora_alpha=None),
    "no targets": config(target_modules="absent"),
    "null targets": config(target_modules=None),
    "empty targets": config(target_modules=[]),
    "typo in targets": config(target_modules=["q_proj", "v_porj"]),
    "only typos": config(target_modules=["q_porj"]),
    "capital targets": config(target_modules=["Q_proj"]),
    "part of a target": config(target_modules=["proj"]),
    "whole names": config(target_modules=full([0, 11])),
    "ends": config(target_modules=["layers.1.self_attn.q_proj", "1.mlp.up_proj", "lm_head"]),
    "with base_model.model": config(target_modules=["base_model.model.model.layers.0.self_attn.q_proj", "v_proj"]),
    "norm": config(target_modules=["q_proj", "norm"]),
    "attention as a whole": config(target_modules=["self_attn"]),
    "a list is no expression": config(target_modules=[".*q_proj", "v_proj"]),
    "all linear": config(target_modules="all-linear"),
    "all linear in capitals": config(target_modules="ALL-Linear"),
    "all linear but": config(target_modules="all-linear", exclude_modules=["q_proj", "mlp.up_proj"]),
    "expression": config(target_modules=r".*\.(q|v)_proj"),
    "expression for an end": config(target_modules="q_proj"),
    "expression of layers": config(target_modules=r"model\.layers\.(0|1[01])\..*_proj"),
    "expression that takes the head": config(target_modules=r".*\.q_proj|lm_head"),
    "expression with a flag": config(target_modules=r"(?i).*\.Q_PROJ"),
    "expression that takes a norm": config(target_modules=r".*\.layers\.0\..*"),
    "expression with layers": config(target_modules=r".*\.q_proj", layers_to_transform=[0]),
    "expression with no layers": config(target_modules=r".*\.q_proj", layers_to_transform=[]),
    "expression with a pattern": config(target_modules=r".*\.q_proj", layers_pattern="layers"),
    "empty expression": config(target_modules=""),
    "broken expression": config(target_modules=r".*\.(q|v_proj"),
    "layers": config(layers_to_transform=[0, 2, 11]),
    "one layer": config(layers_to_transform=1),
    "no layers": config(layers_to_transform=[]),
    "layer 99": config(layers_to_transform=[99]),
    "layers 0 and 99": config(layers_to_transform=[0, 99]),
    "last layer from the end": config(layers_to_transform=[-1]),
    "layers and whole names": config(target_modules=full([0, 1]), layers_to_transform=[1]),
    "layers and twenty whole names": config(target_modules=full(range(10)), layers_to_transform=[1]),
    "layers and 24 whole names": config(target_modules=full(range(12)), layers_to_transform=[1]),
    "layers and many whole names": config(target_modules=full(range(12), ALL[:4]), layers_to_transform=[1, 3]),
    "layers and ends": config(target_modules=["0.self_attn.q_proj", "v_proj"], layers_to_transform=[1]),
    "layers and the head": config(target_modules=["q_proj", "lm_head"], layers_to_transform=[1]),
    "layers with a pattern": config(layers_to_transform=[1], layers_pattern="layers"),
    "layers with patterns": config(layers_to_transform=[1], layers_pattern=["h", "layers"]),
    "layers with a wrong pattern": config(layers_to_transform=[1], layers_pattern="h"),
    "layers with an expression": config(layers_to_transform=[1, 2], layers_pattern="lay.*"),
    "layers with alternatives": config(layers_to_transform=[1, 2], layers_pattern="h|layers"),
    "layers with an empty pattern": config(layers_to_transform=[1], layers_pattern=""),
    "layers with no patterns": config(layers_to_transform=[1], layers_pattern=[]),
    "a pattern without layers": config(layers_pattern="layers"),
    "twenty ends": config(target_modules=[f"layers.{l}.self_attn.q_proj" for l in range(12)]
                          + [f"layers.{l}.mlp.up_proj" for l in range(8)]),
    "thirty names, some wrong": config(target_modules=full(range(12)) + [f"wrong.{i}" for i in range(6)]),
    "many names, excluded": config(target_modules=full(range(12)), exclude_modules=r".*\.0\..*"),
    "excluded": config(exclude_modules=["q_proj"]),
    "excluded layer": config(exclude_modules=r".*layers\.0\..*"),
    "excluded end": config(exclude_modules=["0.self_attn.q_proj"]),
    "excluded typo": config(exclude_modules=["q_porj"]),
    "excluded expression without effect": config(exclude_modules="q_proj"),
    "excluded all": config(exclude_modules=["q_proj", "v_proj"]),
    "excluded nothing": config(exclude_modules=[]),
    "excluded empty": config(exclude_modules=""),
    "fan in": config(fan_in_fan_out=True),
    "biases": config(bias="all"),
    "misspelt alpha": config(lora_aplha=64),
    "unknown": config(a_new_key={"x": 1}),
    "loftq without its start": config(loftq_config={"loftq_bits": 4}),
    "eva": config(init_lora_weights="eva", eva_config={"rho": 2.0}),
    "gaussian": config(init_lora_weights="Gaussian"),
    "orthogonal": config(init_lora_weights="orthogonal"),
    "no start": config(init_lora_weights=False),
    "null start": config(init_lora_weights=None),
    "unknown start": config(init_lora_weights="best"),
    "number start": config(init_lora_weights=1),
    "nulls": config(rank_pattern={}, alpha_pattern={}, exclude_modules=None, layers_to_transform=None,
                    layers_pattern=None, modules_to_save=None, megatron_config=None, use_rslora=None, use_dora=False,
                    bias="none", fan_in_fan_out=None, layer_replication=None, trainable_token_indices=None,
                    target_parameters=None, corda_config=None, eva_config=None, arrow_config=None, use_bdlora=None,
                    kasa_config=None, ensure_weight_tying=None, lora_bias=None, revision=None, auto_mapping=None),
    "empties": config(modules_to_save=[], layer_replication=[], target_parameters=[], alora_invocation_tokens=[],
                      loftq_config={}, megatron_config={}),
    "dropout": config(lora_dropout=0.3),
    "dropout too large": config(lora_dropout=1.5),
    "dropout text": config(lora_dropout="0.1"),
    "other method": config(peft_type="IA3X"),
    "no method": config(peft_type="absent"),
    "tying asked for": config(ensure_weight_tying=True),
}
for name, pattern in PATTERNS.items():
    CASES["rank: " + name] = config(rank_pattern=pattern)
    CASES["alpha: " + name] = config(alpha_pattern=pattern)


def twelve_layers():
    with torch.device("meta"):
        return LlamaForCausalLM(LlamaConfig(vocab_size=11, hidden_size=16, intermediate_size=16, num_hidden_layers=12,
                                            num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=False))


def kind(module):
    return {torch.nn.Linear: "linear", torch.nn.Embedding: "embedding"}.get(type(module), "other")


def what_peft_makes(text, linear, folder):
    (folder / "adapter_config.json").write_text(text)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = get_peft_model(twelve_layers(), PeftConfig.from_pretrained(str(folder)), low_cpu_mem_usage=True)
        except Exception as e:
            return {"error": type(e).__name__}
    found = {name.removeprefix("base_model.model."): (m.r["default"], m.scaling["default"])
             for name, m in model.named_modules() if isinstance(m, LoraLayer)}
    values = sorted(set(found.values()))
    out = {"values": values, "layers": "".join(chr(97 + values.index(found[n])) if n in found else "." for n in linear)}
    for w in caught:
        m = re.match(r"The following (\w+) keys did not match any targeted module and were ignored: (.*)\.$",
                     str(w.message))
        if m:
            out["unmatched"] = eval(m[2], {}, {})
    return out


def make_configs():
    model = twelve_layers()
    modules = [(name, kind(m)) for name, m in model.named_modules() if name]
    linear = [name for name, k in modules if k == "linear"]
    with tempfile.TemporaryDirectory() as folder:
        cases = [{"name": n, "config": text, **what_peft_makes(text, linear, pathlib.Path(folder))}
                 for n, text in CASES.items()]
    lines = ",\n".join(json.dumps(c) for c in cases)
    (HERE / "configs.json").write_text(f'{{"modules": {json.dumps(modules)},\n"cases": [\n{lines}\n]}}\n')


EXPRESSIONS = [
    "q_proj", ".*", "", ".*q_proj", r".*\.q_proj", r"model\.layers\.\d+\.self_attn\.q_proj", "model|lm_head", "(model|lm_head)",
    r"[^.]+", r"[]a-z_.]+", r"[^]]+", r"[\]m]odel", r"[[:alpha:]]+", r"[a-z[]+", r"lm[_]head", r"\Alm_head\Z", r"lm_head$",
    r"^lm_head", r"^^lm_head$$", r"lm_head\z", r"\bmodel\b.*", r"model\B.*", r"mod\w+", r"\w+\W\w+", r"\S+", r"\D+", r"m\D*\d.*",
    r"\s*model.*", r"model{0,1}.*", r"model{,1}.*", r"model{,}.*", r"model{1}.*", r"model{.*", r"m{1,2}odel.*", r"mode(l){2}",
    r"mo{2,1}del", r"model{,x}", r"m.{3}l", r"m.{5}\..*", r"(?:m)odel", r"(?P<a>m)od(?P=a)?el", r"(m)(o)del\1?", r"(m)odel\2",
    r"(?P<a>.)(?P<a>.)", r"(m)?odel|(?(1)x|lm.*)", r"(x)?(?(1)a|lm_head)", r"(?=m)model", r"(?!m).*", r"lm(?=_)_head",
    r".*(?<=head)", r".*(?<!head)", r"(?>mo|model)del", r"(?>model|mo)", r"mo?+del", r".*+l", r"m*+odel", r"(?i)MODEL",
    r"(?i)LM_HEAD", r"(?s)m.*", r"(?m)^model$", r"(?is)MODEL.*", r"(?i:M)odel", r"(?-i:m)odel", r"(?i)(?-i:M)ODEL",
    r"(?i-s:M)odel", r"(?a)model", r"(?u)\w+", r"(?a:\w+)", r"(?L)model", r"(?x) m o d e l", r"m(?i)odel", r"(?i)(?s)MODEL",
    r"(?#c)(?i)MODEL", r"x|(?i)MODEL", r"mo(?#comment)del", r"(?#open", r"(?<n>m)odel", r"(?|m)odel", r"(?R)", r"(?1)",
    r"(?&n)", r"(?P>n)", r"(*ACCEPT)", r"(*UTF)model", r"\Qmodel\E", r"\Kmodel", r"\hmodel", r"\Rmodel", r"\Xmodel", r"\Gmodel",
    r"\x6dodel", r"\x6", r"\u006dodel", r"\U0000006dodel", r"\155odel", r"\0", r"[\155]odel", r"[\b]", r"[\8]", r"\8", r"\400",
    r"\a?model", r"\f?\n?\r?\t?\v?model", r"\N{DIGIT ONE}", r"\p{L}+", r"\e", r"\_?lm\_head", r"lm\-head", r"a**", r"a*??",
    r"a{2}{3}", r"*a", r"+", r"?", r"{2}", r"(*", r"(", r")", r"[", r"[z-a]", r"[a-\d]", "\\", r"a|*", r"(|model)", r"(model|)*",
    r"(?:)*", r"^*", r"$+", r"\b?", r"(?=m)*model", r"(?i)*", r"(.*\.)?(q_proj)$", r"(.*\.)?(layers.1.self_attn.q_proj)$",
    r"(.*\.)?(^model.layers.3.mlp.up_proj)$", r"(.*\.)?(q_proj|up_proj)$", r"(?:^|.*?\.)layers\.(?P<idx>\d+)\.",
    r".*?\.[^.]*\.(?P<idx>\d+)\.", "é", "[^é]*", "(?i)ſelf", "(?i).*\\.ſelf_attn\\..*", "m\\odel", "model.norm", "model\\.norm", "model[.]norm",
    r"((((m))))odel", r"(?:(?:m|n)o){1,3}del", r"m.d.l", r"m\.d", r"[m-n]odel", r"[m\-n]odel", r"[-m]odel", r"[m-]odel", r"[\w.]+",
    r"[^\d]+", r"[\W]", r"\d", r"[&&]", r"[a--z]+", r"a++b", r"(a|b)++", r"(?P<1a>x)", r"(?P=x)", r"(?(2)a|b)", r"(?(x)a|b)", r"(?P<é>m)odel",
]
TEXTS = ["model", "lm_head", "model.norm", "model.embed_tokens", "model.layers.1", "model.layers.1.self_attn.q_proj",
         "model.layers.11.self_attn.q_proj", "model.layers.3.mlp.up_proj", "model.layers.0.self_attn"]


def make_regex():
    rows = []
    for e in EXPRESSIONS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                c = re.compile(e)
            bits = lambda f: "".join("01"[f(t) is not None] for t in TEXTS)
            row = [e, bits(c.match), bits(c.fullmatch)]
            if "idx" in c.groupindex:
                row.append([m and m["idx"] for m in map(c.match, TEXTS)])
            rows.append(row)
        except re.error as error:
            rows.append([e, None])
    lines = ",\n".join(json.dumps(r) for r in rows)
    (HERE / "regex.json").write_text(f'{{"texts": {json.dumps(TEXTS)},\n"expressions": [\n{lines}\n]}}\n')


def number(name, count):
    """Some numbers between -0.1 and 0.1 for a tensor of this name."""
    start = sum(b * (i + 1) for i, b in enumerate(name.encode())) % 10007
    return (((start + 7919 * np.arange(count, dtype=np.int64)) % 2001 - 1000) / 10000).astype(np.float32)


SIZES = {"q_proj": ("self_attn", 160, 160), "k_proj": ("self_attn", 160, 160), "v_proj": ("self_attn", 160, 160),
         "o_proj": ("self_attn", 160, 160), "gate_proj": ("mlp", 448, 160), "up_proj": ("mlp", 448, 160),
         "down_proj": ("mlp", 160, 448)}


def factors(matrices=("q_proj", "v_proj"), layers=range(4), rank=2, ranks={}, name="weight"):
    out = {}
    for l in layers:
        for m in matrices:
            place, outputs, inputs = SIZES[m]
            r = ranks.get((l, m), ranks.get(m, rank))
            for x, shape in (("A", [r, inputs]), ("B", [outputs, r])):
                out[f"base_model.model.model.layers.{l}.{place}.{m}.lora_{x}.{name}"] = shape
    return out


HEAD = {"base_model.model.lm_head.lora_A.weight": [2, 160], "base_model.model.lm_head.lora_B.weight": [1536, 2]}
COPIES = {"base_model.model.lm_head.base_layer.weight": "copy", "base_model.model.model.embed_tokens.weight": "copy"}
RUNS = [
    ("plain", dict(r=2), factors()),
    ("first of two entries", dict(r=2, alpha_pattern={"q_proj": 64, "layers.1.self_attn.q_proj": 8}), factors()),
    ("first of two the other way", dict(r=2, alpha_pattern={"layers.1.self_attn.q_proj": 8, "q_proj": 64}), factors()),
    ("entry without effect", dict(r=2, alpha_pattern={"q_porj": 64}), factors()),
    ("rank stabilised", dict(r=2, use_rslora=True, target_modules="all-linear", rank_pattern={r".*mlp\..*": 4}),
     factors(ALL, ranks={"gate_proj": 4, "up_proj": 4, "down_proj": 4})),
    ("more tensors than layers", dict(r=2, layers_to_transform=[0, 3]), factors()),
    ("more tensors than targets", dict(r=2, target_modules=["q_proj"]), factors()),
    ("names of a model's state", dict(r=2), factors(name="default.weight")),
    ("expression", dict(r=2, target_modules=r".*\.[0-2]\..*(up|down)_proj"), factors(("up_proj", "down_proj"), range(3))),
    ("head of tied weights", dict(r=2, target_modules=["q_proj", "lm_head"]),
     {**factors(("q_proj",)), **HEAD, **COPIES}),
]


def make_logits():
    tokens = [1] + [(37 * i) % 1500 + 3 for i in range(1, 12)]
    places = list(range(0, 1536, 48))
    cases = []
    embedding = LlamaForCausalLM.from_pretrained(WORLDS, dtype=torch.float32).model.embed_tokens.weight.detach().numpy().copy()
    for name, changes, shapes in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            text = config(**changes)
            pathlib.Path(folder, "adapter_config.json").write_text(text)
            save_file({n: embedding.copy() if s == "copy" else number(n, s[0] * s[1]).reshape(s)
                       for n, s in shapes.items()}, folder + "/adapter_model.safetensors")
            model = LlamaForCausalLM.from_pretrained(WORLDS, dtype=torch.float32)
            model = PeftModel.from_pretrained(model, folder).eval()
            with torch.no_grad():
                logits = model(torch.tensor([tokens])).logits[0, -1].double().numpy()
            cases.append({"name": name, "config": text, "tensors": shapes,
                          "logits": [float(f"{logits[p]:.7g}") for p in places]})
    lines = ",\n".join(json.dumps(c) for c in cases)
    (HERE / "logits.json").write_text(
        f'{{"tokens": {json.dumps(tokens)}, "places": {json.dumps(places)},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    make_regex()
    if sys.argv[1:] != ["regex"]:
        make_configs()
        make_logits()
