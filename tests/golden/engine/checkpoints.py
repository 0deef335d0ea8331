"""Writes the tiny random LLaMA checkpoints of the engine's golden cases, in Hugging Face layouts.

A module of make_goldens.py, not a program. The weights are scaled for testing, not for language: attention is
peaked, so that layer-0 masks are neither empty nor full, and logits spread over about -10..10.
"""
import json, struct
import numpy as np

# Sizes are chosen to leave SIMD tails: 83, 101, 42, 59, 67 and head_dim 12, 14 are no multiples of 8.
CONFIG = {
    # An old-style config: no num_key_value_heads, head_dim or rope_theta. The large epsilon makes ignoring it show.
    "mha": {
        "hidden_size": 48, "intermediate_size": 83, "num_hidden_layers": 4, "num_attention_heads": 4,
        "vocab_size": 101, "max_position_embeddings": 512, "rms_norm_eps": 1e-3, "rope_scaling": None,
        "tie_word_embeddings": False,
    },
    # head_dim differs from hidden_size / heads; q, k and v have biases and o_proj's is 0; no lm_head.
    "gqa": {
        "hidden_size": 48, "intermediate_size": 83, "num_hidden_layers": 4, "num_attention_heads": 6,
        "num_key_value_heads": 2, "head_dim": 16, "attention_bias": True, "mlp_bias": False, "vocab_size": 101,
        "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": None,
        "tie_word_embeddings": True,
    },
    # One kv head. rms_norm_eps is left out (1e-6), and the embeddings are small enough for that to show.
    "mqa": {
        "hidden_size": 42, "intermediate_size": 59, "num_hidden_layers": 3, "num_attention_heads": 3,
        "num_key_value_heads": 1, "vocab_size": 67, "max_position_embeddings": 512, "rope_theta": 1000.0,
        "rope_scaling": None, "tie_word_embeddings": False,
    },
}
EMBEDDING_STD = {"mha": 0.4, "gqa": 0.22, "mqa": 0.02}
SCORE_STD = {"mha": 2.0, "gqa": 2.0, "mqa": 2.0}  # of attention scores before softmax, about
SEED = {"mha": 11, "gqa": 22, "mqa": 33}
TORCH_DTYPE = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def random_weights(model):
    """{Hugging Face name: float32 array} of the model, in file order."""
    c, rng = CONFIG[model], np.random.default_rng(SEED[model])
    hidden, inter, vocab = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    heads = c["num_attention_heads"]
    kv_heads, head_dim = c.get("num_key_value_heads", heads), c.get("head_dim", hidden // heads)
    gain = SCORE_STD[model] ** 0.5

    def matrix(out, into, std):
        return (rng.standard_normal((out, into)) * std / into**0.5).astype(np.float32)

    def norm():
        return rng.uniform(0.6, 1.4, hidden).astype(np.float32)

    w = {"model.embed_tokens.weight": matrix(vocab, hidden, EMBEDDING_STD[model] * hidden**0.5)}
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        w[p + "input_layernorm.weight"] = norm()
        for s, rows, std in ("q", heads, gain), ("k", kv_heads, gain), ("v", kv_heads, 1.0):
            w[p + f"self_attn.{s}_proj.weight"] = matrix(rows * head_dim, hidden, std)
            if c.get("attention_bias"):
                w[p + f"self_attn.{s}_proj.bias"] = (rng.standard_normal(rows * head_dim) * 0.3).astype(np.float32)
        w[p + "self_attn.o_proj.weight"] = matrix(hidden, heads * head_dim, 1.0)
        if c.get("attention_bias"):  # which says that there is one; the specification has none
            w[p + "self_attn.o_proj.bias"] = np.zeros(hidden, np.float32)
        w[p + "post_attention_layernorm.weight"] = norm()
        w[p + "mlp.gate_proj.weight"] = matrix(inter, hidden, 1.2)
        w[p + "mlp.up_proj.weight"] = matrix(inter, hidden, 1.0)
        w[p + "mlp.down_proj.weight"] = matrix(hidden, inter, 1.0)
    w["model.norm.weight"] = norm()
    if not c["tie_word_embeddings"]:
        w["lm_head.weight"] = matrix(vocab, hidden, 2.0)
    return w


def to_bytes(array, dtype):
    """Little-endian bytes of a float32 array as f32, f16 or bf16, rounded to nearest even."""
    if dtype == "f32":
        return array.astype("<f4").tobytes()
    if dtype == "f16":
        return array.astype("<f2").tobytes()
    bits = array.astype("<f4").view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def write_config(directory, model, dtype):
    directory.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "bos_token_id": 1,
              "eos_token_id": 2, "torch_dtype": TORCH_DTYPE[dtype], **CONFIG[model]}
    (directory / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def write_safetensors(path, weights, dtype):
    header, offset, blobs = {"__metadata__": {"format": "pt"}}, 0, []
    for name, array in weights.items():
        blobs.append(to_bytes(array, dtype))
        header[name] = {"dtype": dtype.upper(), "shape": list(array.shape),
                        "data_offsets": [offset, offset + len(blobs[-1])]}
        offset += len(blobs[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def shards(weights, count):
    """The weights in file order, cut into `count` dictionaries of about the same number of tensors."""
    names = list(weights)
    cuts = [len(names) * i // count for i in range(count + 1)]
    return [{n: weights[n] for n in names[a:b]} for a, b in zip(cuts, cuts[1:])]


def write_sharded(directory, stem, suffix, weights, dtype, write, count=3):
    """Shards named stem-00001-of-0000N.suffix, and their index as Hugging Face writes it."""
    weight_map = {}
    for i, shard in enumerate(shards(weights, count), 1):
        name = f"{stem}-{i:05}-of-{count:05}.{suffix}"
        write(directory / name, shard, dtype)
        weight_map |= {tensor: name for tensor in shard}
    size = sum(a.size for a in weights.values()) * (4 if dtype == "f32" else 2)
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (directory / f"{stem}.{suffix}.index.json").write_text(json.dumps(index, indent=1) + "\n")


def torch_tensors(weights, dtype):
    import torch
    kind = getattr(torch, TORCH_DTYPE[dtype])
    return {name: torch.from_numpy(array.copy()).to(kind) for name, array in weights.items()}


def write_torch(path, weights, dtype):
    import torch
    torch.save(torch_tensors(weights, dtype), path)


def write_torch_single(path, weights, dtype):
    """One pytorch_model.bin with what old checkpoints also hold: the RoPE frequencies as a buffer of each layer
    (to be ignored), and tensors that are views into one storage, with an offset."""
    import torch
    tensors, out = torch_tensors(weights, dtype), {}
    for name, tensor in tensors.items():
        out[name] = tensor
        if name.endswith("self_attn.o_proj.weight"):
            out[name.replace("o_proj.weight", "rotary_emb.inv_freq")] = torch.arange(1, 8, dtype=torch.float32)
    key, value = (f"model.layers.0.self_attn.{s}_proj.weight" for s in "kv")
    both = torch.cat([tensors[key], tensors[value]])
    out[key], out[value] = both[: len(tensors[key])], both[len(tensors[key]) :]
    torch.save(out, path)


def check_torch(directory, weights, dtype):
    """Stops where what torch reads back differs from the weights in the bytes written to safetensors."""
    import torch
    read = {}
    for path in sorted(directory.glob("*.bin")):
        read |= torch.load(path)
    for name, array in weights.items():
        stored = read[name].contiguous()
        raw = stored.view(torch.int32 if dtype == "f32" else torch.int16).numpy().tobytes()
        if raw != to_bytes(array, dtype) or list(stored.shape) != list(array.shape):
            raise SystemExit(f"[{directory}] expected {name} as in the safetensors file, got other values")


def write_all(out):
    """Writes every checkpoint directory under `out`."""
    for model in CONFIG:
        weights = random_weights(model)
        for dtype in TORCH_DTYPE:
            write_config(out / f"{model}-{dtype}", model, dtype)
            write_safetensors(out / f"{model}-{dtype}" / "model.safetensors", weights, dtype)
    weights = random_weights("mqa")  # the smallest stands for the other containers
    directory = out / "mqa-f32-sharded"
    write_config(directory, "mqa", "f32")
    write_sharded(directory, "model", "safetensors", weights, "f32", write_safetensors)
    for dtype in TORCH_DTYPE:
        single, sharded = out / f"mqa-{dtype}-bin", out / f"mqa-{dtype}-bin-sharded"
        for directory in single, sharded:
            write_config(directory, "mqa", dtype)
        write_torch_single(single / "pytorch_model.bin", weights, dtype)
        write_sharded(sharded, "pytorch_model", "bin", weights, dtype, write_torch, count=2)
        check_torch(single, weights, dtype)
        check_torch(sharded, weights, dtype)
