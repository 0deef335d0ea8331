#!/usr/bin/env python3
"""Makes a GGUF file of every family, as llama.cpp's convert_hf_to_gguf.py writes it; needs ../requirements.txt.

Names of architectures and tensors are gguf-py's; which metadata a family has, and how its rows lie, is what that
converter does (v0.5.0), told here anew. NAME.gguf is of the model ../families/NAME, whose logits are expected of it. Where a
family's file cannot say what is in that model (a window of a mistral, ...), or the converter refuses it, the file is of
another small model, and NAME.npy are the specification's logits [tokens, vocab] of that one. No file can be made of
llama_longrope (factors are written for phi3 alone), qwen2_window (nothing is said of windows), helium and ministral."""
import json, math, pathlib, sys, tempfile
import numpy as np, gguf
from gguf import GGMLQuantizationType as Q

HERE = pathlib.Path(__file__).resolve().parent
FAMILIES = HERE.parent / "families"
sys.path.insert(0, str(FAMILIES))
import models, specification  # noqa: E402
import transformers as T  # noqa: E402

TOKENS = json.loads((FAMILIES / "cases.json").read_text())["tokens"]
SLIDING, FULL = "sliding_attention", "full_attention"
ARCHITECTURE = {"mistral": "llama", "mixtral": "llama", "qwen2_moe": "qwen2moe", "qwen3_moe": "qwen3moe", "gemma3_text": "gemma3",
                "phi": "phi2", "olmo3": "olmo2", "gpt_neox": "gptneox", "gpt_oss": "gpt-oss", "ernie4_5": "ernie4_5",
                "cohere": "command-r"}
# Families whose query and key rows the converter puts in pairs.
PERMUTED = ("llama", "mistral", "mixtral", "granite", "smollm3", "arcee", "olmo")
NOT_MADE = ("llama_longrope", "qwen2_window", "helium", "ministral")


def other_models():
    """{name: (config class, settings)} of models that differ from those of ../families; the last two are of no family alone."""
    of = models.models()
    change = lambda name, **more: (of[name][0], dict(of[name][1], **more))
    llama3 = dict(rope_type="llama3", rope_theta=10000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=32)
    return {
        "mistral": change("mistral", sliding_window=None),
        "mixtral": change("mixtral", sliding_window=None),
        "starcoder2": change("starcoder2", sliding_window=None),
        "qwen3_moe": change("qwen3_moe", mlp_only_layers=[]),
        "phi": change("phi", intermediate_size=96, num_key_value_heads=3),
        "gpt2": change("gpt2", n_inner=96, n_positions=64),
        "gemma2": change("gemma2", query_pre_attn_scalar=8),
        "gemma3": change("gemma3", query_pre_attn_scalar=8, num_hidden_layers=6, layer_types=[SLIDING] * 5 + [FULL]),
        "smollm3": change("smollm3", num_hidden_layers=4, no_rope_layers=[1, 1, 1, 0]),
        "cohere2": change("cohere2", num_hidden_layers=4, layer_types=[SLIDING] * 3 + [FULL]),
        "gpt_oss_mxfp4": change("gpt_oss", hidden_size=32, intermediate_size=32, num_hidden_layers=2, layer_types=[SLIDING, FULL]),
        "llama3": change("llama_bias", num_hidden_layers=2, rope_parameters=llama3, max_position_embeddings=128),
    }


def rope_of(c):
    rope = dict(c.get("rope_parameters") or {})
    return rope.get(FULL, rope), rope.get(SLIDING, {})


def usual_metadata(w, c):
    """What the converter writes of a model unless its family has a list of its own."""
    rope, local = rope_of(c)
    w.add_block_count(c["num_hidden_layers"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    kind = rope.get("rope_type")
    if kind == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        for key, add in (("beta_fast", w.add_rope_scaling_yarn_beta_fast), ("beta_slow", w.add_rope_scaling_yarn_beta_slow)):
            if rope.get(key) is not None:
                add(rope[key])
    w.add_rope_freq_base(rope["rope_theta"])
    if local:
        w.add_rope_freq_base_swa(local["rope_theta"])
    for key in ("rms_norm_eps", "norm_eps"):
        if c.get(key) is not None:
            w.add_layer_norm_rms_eps(c[key])
    for key in ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"):
        if c.get(key) is not None:
            w.add_layer_norm_eps(c[key])
    experts = c.get("num_local_experts") or c.get("num_experts")
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(c["num_experts_per_tok"])
    if c.get("head_dim") is not None:
        w.add_key_length(c["head_dim"])
        w.add_value_length(c["head_dim"])


def own_metadata(w, c):
    """That of families whose converters write a list of their own; False for others."""
    kind, heads = c["model_type"], c.get("num_attention_heads")
    rope, _ = rope_of(c)
    if kind == "gpt2":
        w.add_block_count(c["n_layer"])
        w.add_context_length(c["n_positions"])
        w.add_embedding_length(c["n_embd"])
        w.add_feed_forward_length(4 * c["n_embd"])
        w.add_head_count(c["n_head"])
        w.add_layer_norm_eps(c["layer_norm_epsilon"])
        return True
    if kind not in ("phi", "phi3", "gpt_neox", "stablelm", "gemma", "gemma2"):
        return False
    part = rope.get("partial_rotary_factor", 1.0)
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(4 * c["hidden_size"] if kind == "phi" else c["intermediate_size"])
    w.add_head_count(heads)
    if kind != "gpt_neox":
        w.add_head_count_kv(heads if kind == "phi" else c["num_key_value_heads"])
    if kind in ("phi3", "gemma", "gemma2"):
        w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    else:
        w.add_layer_norm_eps(c["layer_norm_eps"])
    if kind in ("gemma", "gemma2"):
        w.add_key_length(c["head_dim"])
        w.add_value_length(c["head_dim"])
    else:
        w.add_rope_dimension_count(int(part * c["hidden_size"]) // heads)
    if kind in ("gpt_neox", "stablelm"):
        w.add_parallel_residual(c.get("use_parallel_residual", True))
    if kind == "phi3":
        w.add_rope_scaling_orig_ctx_len(int(c["original_max_position_embeddings"]))
        w.add_rope_freq_base(rope["rope_theta"])
        w.add_sliding_window(c.get("sliding_window") or 0)
        if rope.get("long_factor"):
            stretch = c["max_position_embeddings"] / c["original_max_position_embeddings"]
            w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(stretch) / math.log(c["original_max_position_embeddings"])))
    if kind == "gemma2":
        w.add_attn_logit_softcapping(c["attn_logit_softcapping"])
        w.add_final_logit_softcapping(c["final_logit_softcapping"])
        w.add_sliding_window(c["sliding_window"])
    return True


def more_metadata(w, c):
    kind = c["model_type"]
    dim = c.get("head_dim") or (c["hidden_size"] // c["num_attention_heads"] if "hidden_size" in c else None)
    if kind in ("llama", "mistral", "mixtral", "arcee", "granite", "smollm3", "nemotron", "cohere2"):
        w.add_vocab_size(c["vocab_size"])
    if kind in ("llama", "mistral", "mixtral", "arcee", "granite", "smollm3", "cohere2"):
        w.add_rope_dimension_count(dim)
    if kind in ("nemotron", "glm4"):
        w.add_rope_dimension_count(int(dim * rope_of(c)[0].get("partial_rotary_factor", 0.5)))
    if kind == "granite":
        w.add_attention_scale(c["attention_multiplier"])
        w.add_embedding_scale(c["embedding_multiplier"])
        w.add_residual_scale(c["residual_multiplier"])
        w.add_logit_scale(c["logits_scaling"])
    if kind in ("cohere", "cohere2"):
        w.add_logit_scale(c["logit_scale"])
    if kind in ("cohere", "cohere2", "nemotron"):
        w.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    if kind == "nemotron":
        w.add_layer_norm_eps(c["norm_eps"])
    if kind in ("cohere2", "gemma3_text", "gpt_oss", "olmo3"):
        w.add_sliding_window(c["sliding_window"])
    if kind == "olmo3":
        w.add_sliding_window_pattern([t == SLIDING for t in c["layer_types"]])
    if kind == "olmo":
        w.add_layer_norm_eps(1e-5)
        w.add_clamp_kqv(c["clip_qkv"])
    if kind == "gpt_oss":
        w.add_expert_feed_forward_length(c["intermediate_size"])
    if kind in ("qwen2_moe", "qwen3_moe"):
        w.add_expert_feed_forward_length(c["moe_intermediate_size"])
    if kind == "qwen2_moe":
        w.add_expert_shared_feed_forward_length(c["shared_expert_intermediate_size"])


def in_pairs(rows, heads):
    """Each head's rows i and i + half next to each other."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, 2, half, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def q_then_k_then_v(rows, heads):
    """GPT-NeoX has q, k and v of each head together."""
    dim = rows.shape[0] // heads // 3
    return rows.reshape(heads, 3, dim, *rows.shape[1:]).swapaxes(0, 1).reshape(rows.shape)


def stacked_experts(weights, c):
    """One tensor for the same part of all experts of a layer, in place of one for each."""
    out, parts = {}, {}
    for name, value in weights.items():
        head, found, tail = name.partition(".experts.")
        number, _, part = tail.partition(".")
        if found and number.isdecimal():
            parts.setdefault((head, part), {})[int(number)] = value
        else:
            out[name] = value
    for (head, part), values in parts.items():
        stem = head.replace("model.", "").replace("block_sparse_moe", "feed_forward") if "block_sparse_moe" in head else head
        out[f"{stem}.experts.{part}"] = np.stack([values[i] for i in range(len(values))])
    return out


def gpt_oss_experts(weights):
    """Gate and up, which lie in turn, apart, with outputs before inputs; attention sinks get a suffix."""
    out = {}
    for name, value in weights.items():
        if name.endswith("sinks"):
            out[name + ".weight"] = value
        elif name.endswith("gate_up_proj"):
            rows = value.swapaxes(-1, -2)
            out[name.replace("gate_up_proj", "gate_proj.weight")] = rows[:, 0::2]
            out[name.replace("gate_up_proj", "up_proj.weight")] = rows[:, 1::2]
        elif name.endswith("gate_up_proj_bias"):
            out[name.replace("gate_up_proj_bias", "gate_proj.bias")] = value[:, 0::2]
            out[name.replace("gate_up_proj_bias", "up_proj.bias")] = value[:, 1::2]
        elif name.endswith("down_proj"):
            out[name + ".weight"] = value.swapaxes(-1, -2)
        elif name.endswith("down_proj_bias"):
            out[name.replace("down_proj_bias", "down_proj.bias")] = value
        else:
            out[name] = value
    return out


def tensors_of(weights, c):
    """{the name that gguf-py knows it by: array} as GGUF files have them."""
    kind = c["model_type"]
    heads = c.get("num_attention_heads") or c.get("n_head")
    kv = c.get("num_key_value_heads") or heads
    weights = gpt_oss_experts(weights) if kind == "gpt_oss" else stacked_experts(weights, c)
    out = {}
    for name, value in weights.items():
        stem = name.rpartition(".")[0]
        if c.get("tie_word_embeddings") and name == "lm_head.weight":
            continue
        if kind == "gpt2" and stem.endswith(("c_attn", "c_proj", "c_fc")) and value.ndim == 2:
            value = value.T
        if kind == "gpt_neox" and stem.endswith("query_key_value"):
            value = q_then_k_then_v(value, heads)
        if kind in PERMUTED and stem.endswith(("q_proj", "k_proj")):
            value = in_pairs(value, heads if stem.endswith("q_proj") else kv)
        if kind in ("gemma", "gemma2", "gemma3_text") and name.endswith("norm.weight"):
            value = value + np.float32(1)
        if kind == "nemotron" and name.endswith("norm.weight"):
            value = value + np.float32(1)
        if kind == "cohere2" and name.endswith(".bias"):
            assert not value.any()
            continue
        out[name] = np.ascontiguousarray(value, np.float32)
    return out


def rope_tensors(c):
    rope, _ = rope_of(c)
    if rope.get("long_factor"):
        return {"rope_factors_long.weight": rope["long_factor"], "rope_factors_short.weight": rope["short_factor"]}
    if rope.get("rope_type") != "llama3":
        return {}
    dim, original = c["head_dim"], rope["original_max_position_embeddings"]
    low, high, factors = original / rope["low_freq_factor"], original / rope["high_freq_factor"], []
    for wave in 2 * math.pi * rope["rope_theta"] ** (np.arange(0, dim, 2, dtype=np.float32) / dim):
        smooth = (original / wave - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
        factors.append(1 if wave < high else rope["factor"] if wave > low else 1 / ((1 - smooth) / rope["factor"] + smooth))
    return {"rope_freqs.weight": factors}


def write(path, weights, c, experts=None):
    """The file: matrices as float16, other tensors, routers and positions as float32; `experts`: their type."""
    architecture = ARCHITECTURE.get(c["model_type"], c["model_type"])
    arch = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    layers = c.get("num_hidden_layers") or c["n_layer"]
    names = gguf.get_tensor_name_map(arch, layers)
    w = gguf.GGUFWriter(path, architecture)
    w.add_type(gguf.GGUFType.MODEL)
    if not own_metadata(w, c):
        usual_metadata(w, c)
    more_metadata(w, c)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_tokenizer_model("no_vocab")
    for name, values in rope_tensors(c).items():
        w.add_tensor(name, np.array(values, np.float32))
    for name, value in tensors_of(weights, c).items():
        own = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert own is not None, name
        kind = Q.F16
        if experts and "_exps.weight" in own:
            kind = experts
        elif value.ndim == 1 or not own.endswith(".weight") or own.endswith("_norm.weight") or "ffn_gate_inp" in own or own.startswith("position"):
            kind = Q.F32
        w.add_tensor(own, gguf.quants.quantize(value, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def with_mxfp4_experts(weights):
    """Weights of gpt-oss rounded to what MXFP4 blocks of 32 inputs hold."""
    out = dict(weights)
    for name, value in weights.items():
        if name.endswith(("gate_up_proj", "down_proj")):
            rows = np.ascontiguousarray(value.swapaxes(-1, -2))
            rows = gguf.quants.dequantize(gguf.quants.quantize(rows, Q.MXFP4), Q.MXFP4)
            out[name] = np.ascontiguousarray(rows.swapaxes(-1, -2))
    return out


def main():
    others = other_models()
    for number, name in enumerate(list(models.models()) + ["gpt_oss_mxfp4", "llama3"]):
        if name in NOT_MADE:
            continue
        path = HERE / f"{name}.gguf"
        if name not in others:
            c = T.AutoConfig.from_pretrained(FAMILIES / name).to_dict()
            write(path, models.weights_of(FAMILIES / name), c)
        else:
            with tempfile.TemporaryDirectory() as directory:
                oracle = models.make(*others[name], directory, seed=200 + number)
                theirs, weights = models.logits_of(oracle, TOKENS), models.weights_of(directory)
                c = T.AutoConfig.from_pretrained(directory).to_dict()
            experts = Q.MXFP4 if name.endswith("mxfp4") else None
            if experts:
                weights = with_mxfp4_experts(weights)
            logits = specification.Model(oracle.config.to_dict(), weights).forward(TOKENS)
            assert experts or np.abs(logits - theirs).max() < 2e-5 * max(1, np.abs(logits).max()), name
            write(path, weights, c, experts)
            np.save(HERE / f"{name}.npy", logits.astype(np.float32))
        print(f"{name:16} {path.stat().st_size} bytes" + (", of another model" if name in others else ""))


if __name__ == "__main__":
    main()
