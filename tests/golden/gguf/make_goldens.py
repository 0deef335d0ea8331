#!/usr/bin/env python3
"""Makes the tiny models of this folder, one for each element type of GGUF files, and goldens.json.

Needs NumPy and gguf (gguf-py 0.19); the tests need neither. Each NAME.gguf is a llama of one layer whose matrices
have the type NAME, as far as their rows are whole blocks (others are Q8_0). Types that gguf-py quantises hold
Gaussian weights, the others random bytes with scales made to fit. goldens.json has, of each file and tensor, the
SHA-256 of the elements that gguf-py makes of it, as little-endian float32 with -0 as 0, and the logits of the last
rows of a text, computed here in float64 from those elements.
"""

import hashlib
import json
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf import quants

HERE = Path(__file__).parent
TYPES = ["F32", "F16", "BF16", "F64", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
         "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "MXFP4", "NVFP4",
         "TQ1_0", "TQ2_0"]
VOCAB, HEADS, KV_HEADS, HEAD_DIM, EPS, THETA = 32, 2, 1, 16, 1e-5, 10000.0
TOKENS = [1, 17, 4, 30, 9, 9, 22, 13, 5, 28, 2, 19]
WANTED = 4  # rows of logits

# Where the half floats that scale a block lie, of the types that gguf-py does not quantise to.
SCALES_AT = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "IQ2_XXS": (0,),
             "IQ2_XS": (0,), "IQ2_S": (0,), "IQ3_XXS": (0,), "IQ3_S": (0,), "IQ1_S": (0,), "IQ4_XS": (0,),
             "IQ4_NL": (0,)}


def random_blocks(rng, kind, rows, width, deviation):
    """Random bytes as rows of blocks, with scales such that elements have the standard deviation."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (rows * width // elements, size), dtype=np.uint8)
    spread = rng.uniform(0.5, 1.5, len(raw))
    # Both signs, but for types with minimums, whose elements would all lean to one side.
    signs = rng.choice([-1, 1], len(raw)) if kind.name not in ("Q2_K", "Q4_K", "Q5_K") else 1

    def scale(factor):
        halves = (factor * spread * signs).astype(np.float16)
        if kind.name == "IQ1_M":  # in the upper four bits of four words
            words = raw[:, 48:56].copy().view(np.uint16) & 0x0FFF
            for i in range(4):
                words[:, i] |= (halves.view(np.uint16) >> (4 * i) & 15) << 12
            raw[:, 48:56] = words.view(np.uint8)
        for at in SCALES_AT.get(kind.name, ()):
            raw[:, at:at + 2] = halves.view(np.uint8).reshape(-1, 2)

    if kind.name == "NVFP4":
        raw[:, :4] = rng.integers(0x10, 0x28, (len(raw), 4))
        return raw.reshape(rows, -1)
    scale(1.0)
    scale(deviation / quants.dequantize(raw, kind).std())
    return raw.reshape(rows, -1)


def stored(rng, kind, rows, width, deviation):
    """A matrix as it is stored, and the type it has: `kind`, or Q8_0 where rows are not whole blocks of it."""
    if width % gguf.GGML_QUANT_SIZES[kind][0] != 0:
        kind = Q.Q8_0
    values = (rng.standard_normal((rows, width)) * deviation).astype(np.float32)
    if kind == Q.F64:
        return values.astype(np.float64) * (1 + 1e-9), kind  # beyond what float32 holds
    try:
        return quants.quantize(values, kind), kind
    except NotImplementedError:
        return random_blocks(rng, kind, rows, width, deviation), kind


def elements_of(raw, kind):
    if kind == Q.F64:
        return raw.astype(np.float32)
    return quants.dequantize(raw, kind)


def rotate(x, positions):
    """RoPE as llama files of GGUF have it: adjacent elements are a pair."""
    angles = positions[:, None] * THETA ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
    out[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
    return out


def normed(x, weight):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS) * weight


def logits_of(w):
    """Of the last rows of TOKENS, in float64."""
    w = {name: value.astype(np.float64) for name, value in w.items()}
    x = w["token_embd.weight"][TOKENS]
    rows = np.arange(len(TOKENS))
    h = normed(x, w["blk.0.attn_norm.weight"])
    q = rotate((h @ w["blk.0.attn_q.weight"].T).reshape(len(rows), HEADS, HEAD_DIM), rows)
    k = rotate((h @ w["blk.0.attn_k.weight"].T).reshape(len(rows), KV_HEADS, HEAD_DIM), rows)
    v = (h @ w["blk.0.attn_v.weight"].T).reshape(len(rows), KV_HEADS, HEAD_DIM)
    mixed = np.empty_like(q)
    for head in range(HEADS):
        kv = head * KV_HEADS // HEADS
        scores = q[:, head] @ k[:, kv].T / np.sqrt(HEAD_DIM)
        scores[rows[:, None] < rows] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed[:, head] = weights / weights.sum(axis=-1, keepdims=True) @ v[:, kv]
    x = x + mixed.reshape(len(rows), -1) @ w["blk.0.attn_output.weight"].T
    h = normed(x, w["blk.0.ffn_norm.weight"])
    gate = h @ w["blk.0.ffn_gate.weight"].T
    silu = gate * (1 + np.tanh(gate / 2)) / 2
    x = x + silu * (h @ w["blk.0.ffn_up.weight"].T) @ w["blk.0.ffn_down.weight"].T
    return normed(x[-WANTED:], w["output_norm.weight"]) @ w["token_embd.weight"].T


def make(name):
    rng = np.random.default_rng(TYPES.index(name))
    kind = Q[name]
    hidden = max(32, gguf.GGML_QUANT_SIZES[kind][0])
    ffn, attended = 32, HEADS * HEAD_DIM
    shapes = {"token_embd": (VOCAB, hidden, 1.0), "blk.0.attn_q": (attended, hidden, None),
              "blk.0.attn_k": (KV_HEADS * HEAD_DIM, hidden, None), "blk.0.attn_v": (KV_HEADS * HEAD_DIM, hidden, None),
              "blk.0.attn_output": (hidden, attended, None), "blk.0.ffn_gate": (ffn, hidden, None),
              "blk.0.ffn_up": (ffn, hidden, None), "blk.0.ffn_down": (hidden, ffn, None)}
    out = gguf.GGUFWriter(HERE / f"{name}.gguf", "llama")
    out.add_context_length(64)
    out.add_embedding_length(hidden)
    out.add_block_count(1)
    out.add_feed_forward_length(ffn)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_key_length(HEAD_DIM)
    out.add_value_length(HEAD_DIM)
    out.add_layer_norm_rms_eps(EPS)
    out.add_rope_dimension_count(HEAD_DIM)
    out.add_rope_freq_base(THETA)
    out.add_tokenizer_model("no_vocab")
    weights = {}
    for tensor, (rows, width, deviation) in shapes.items():
        raw, stored_as = stored(rng, kind, rows, width, deviation or 2 / np.sqrt(width))
        out.add_tensor(tensor + ".weight", raw, raw_dtype=None if stored_as == Q.F64 else stored_as)
        weights[tensor + ".weight"] = elements_of(raw, stored_as).reshape(rows, width)
    for tensor in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        values = (1 + 0.3 * rng.standard_normal(hidden)).astype(np.float32)
        out.add_tensor(tensor + ".weight", values)
        weights[tensor + ".weight"] = values
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    hashes = {tensor: hashlib.sha256((values + 0.0).astype("<f4").tobytes()).hexdigest()
              for tensor, values in weights.items()}
    logits = logits_of(weights)
    assert np.isfinite(logits).all()
    return {"type": name, "elements": hashes, "logits": [[float(f"{v:.7g}") for v in row] for row in logits]}


if __name__ == "__main__":
    models = [make(name) for name in TYPES]
    lines = ",\n  ".join(json.dumps(model) for model in models)
    (HERE / "goldens.json").write_text(
        f'{{"tokens": {json.dumps(TOKENS)},\n "models": [\n  {lines}]}}\n')
