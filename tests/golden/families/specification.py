"""Executable specification: one decoder in NumPy with named features, and top-layer attention re-balancing in it.

float64, written for reading. `families()` says what each family adds to LLaMA; make_goldens.py and the table
(scripts/family_table) compare it with transformers. What re-balancing (arXiv 2403.14932) means beside other features:

- M(i, j) = A_0(i, j) > threshold and i != j, of layer 0's weights as that layer uses them: after its softcap, with its
  sink in the sum, and 0 outside its window. A later layer's weight is scaled where M holds; outside its own window it is
  0 and stays 0. So a key counts where both layers see it.
- Weights of a layer with sinks sum to less than 1; they are scaled as they are, and the sink is not.
- Experts, norms, multipliers and parallel branches come after attention and change nothing in this.
"""
import json, pathlib
import numpy as np


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def erf(x):  # Abramowitz & Stegun 7.1.5 up to 3.5, its complement's continued fraction beyond: 1e-15
    x = np.asarray(x, float)
    small = np.abs(x) < 3.5
    s, term = np.where(small, x, 0.0), np.where(small, x, 0.0)
    for n in range(1, 120):
        term = term * np.where(small, -x * x, 0.0) / n
        s = s + term / (2 * n + 1)
    z, f = np.where(small, 4.0, np.abs(x)), 0.0
    for n in range(60, 0, -1):
        f = n / 2 / (z + f)
    tail = np.exp(-z * z) / (z + f) / np.sqrt(np.pi)
    return np.where(small, 2 / np.sqrt(np.pi) * s, np.sign(x) * (1 - tail))


ACTIVATIONS = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x / 2 * (1 + erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
}
ACTIVATIONS |= {"gelu_new": ACTIVATIONS["gelu_tanh"], "gelu_pytorch_tanh": ACTIVATIONS["gelu_tanh"]}

LLAMA = dict(
    norm="rms", place="pre", qk_norm=None, activation=None, mlp="gated", interleaved=False, window=None, rope=True,
    scale=lambda c: c["head_dim"] ** -0.5, embedding=lambda c: 1.0, residual=lambda c: 1.0, logits=lambda c: 1.0,
    softcap=lambda c: None, final_softcap=lambda c: None, experts=None, sinks=False, by_kind=False, no_rope=lambda c, l: False,
    positions=None, embed="model.embed_tokens", final="model.norm", head="lm_head", layer="model.layers.{}.",
    norms=("input_layernorm", "post_attention_layernorm"), q="self_attn.q_proj", k="self_attn.k_proj",
    v="self_attn.v_proj", o="self_attn.o_proj", qkv=None, gate="mlp.gate_proj", up="mlp.up_proj", down="mlp.down_proj",
    gate_up=None, transposed=False)


def families():
    sandwich = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm")
    gemma = dict(norm="rms1", activation="gelu_tanh", embedding=lambda c: np.float32(c["hidden_size"] ** 0.5))
    gemma23 = gemma | dict(place="sandwich", norms=sandwich, window="types", scale=lambda c: c["query_pre_attn_scalar"] ** -0.5)
    post = dict(place="post", norms=("post_attention_layernorm", "post_feedforward_layernorm"), qk_norm="full")
    parallel = dict(norm="layer", place="parallel", norms=("input_layernorm",))
    cohere = parallel | dict(interleaved=True, logits=lambda c: c.get("logit_scale", 0.0625))
    experts = dict(router="mlp.gate", expert="mlp.experts.{}.", parts=("gate_proj", "up_proj", "down_proj"),
                   normalise=lambda c: c["norm_topk_prob"])
    return {
        "llama": {}, "mistral": dict(window="all"), "ministral": dict(window="types"), "seed_oss": {},
        "qwen2": dict(window="types"), "qwen3": dict(window="types", qk_norm="head"),
        "qwen3_moe": dict(qk_norm="head", experts=experts),
        "qwen2_moe": dict(window="types", experts=experts | dict(shared="mlp.shared_expert.", gate="mlp.shared_expert_gate")),
        "mixtral": dict(window="all", experts=dict(router="block_sparse_moe.gate", expert="block_sparse_moe.experts.{}.",
                                                   parts=("w1", "w3", "w2"), normalise=lambda c: True)),
        "gemma": gemma,
        "gemma2": gemma23 | dict(softcap=lambda c: c["attn_logit_softcapping"], final_softcap=lambda c: c["final_logit_softcapping"]),
        "gemma3_text": gemma23 | dict(qk_norm="head", by_kind=True),
        "phi3": dict(qkv="self_attn.qkv_proj", gate_up="mlp.gate_up_proj", window="all"),
        "olmo": dict(norm="layer_plain"),
        "olmo2": post, "olmo3": post | dict(window="types", by_kind=True),
        "olmoe": dict(qk_norm="full", experts=experts),
        "granite": dict(scale=lambda c: c["attention_multiplier"], embedding=lambda c: c["embedding_multiplier"],
                        residual=lambda c: c["residual_multiplier"], logits=lambda c: 1 / c["logits_scaling"]),
        "smollm3": dict(no_rope=lambda c, l: not c["no_rope_layers"][l]),
        "gpt2": dict(norm="layer", norms=("ln_1", "ln_2"), mlp="plain", rope=False, positions="transformer.wpe",
                     embed="transformer.wte", final="transformer.ln_f", layer="transformer.h.{}.", qkv="attn.c_attn",
                     o="attn.c_proj", up="mlp.c_fc", down="mlp.c_proj", transposed=True),
        "gpt_neox": dict(norm="layer", place="parallel2", mlp="plain", embed="gpt_neox.embed_in", head="embed_out",
                         final="gpt_neox.final_layer_norm", layer="gpt_neox.layers.{}.", qkv="attention.query_key_value",
                         o="attention.dense", up="mlp.dense_h_to_4h", down="mlp.dense_4h_to_h"),
        "gpt_oss": dict(window="types", sinks=True, experts=dict(router="mlp.router", fused="mlp.experts.")),
        "helium": dict(interleaved=True), "ernie4_5": dict(interleaved=True),
        "glm4": dict(place="sandwich", interleaved=True, gate_up="mlp.gate_up_proj",
                     norms=("input_layernorm", "post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm")),
        "cohere": cohere | dict(qk_norm="each"),
        "cohere2": cohere | dict(window="types", no_rope=lambda c, l: c["layer_types"][l] == "full_attention"),
        "phi": parallel | dict(mlp="plain", o="self_attn.dense", up="mlp.fc1", down="mlp.fc2", final="model.final_layernorm"),
        "stablelm": dict(norm="layer"),
        "starcoder2": dict(norm="layer", mlp="plain", up="mlp.c_fc", down="mlp.c_proj", window="all"),
        "nemotron": dict(norm="layer1", mlp="plain"), "arcee": dict(mlp="plain"),
    }


def angles(c, rope, dim, n):
    """cos and sin, [n, dim / 2]: transformers' modeling_rope_utils in one place."""
    theta, kind = rope.get("rope_theta", 10000.0), rope.get("rope_type", "default")
    i = np.arange(0, dim, 2)
    inverse, size = theta ** (-i / dim), 1.0
    longest = c["max_position_embeddings"]
    if kind == "linear":
        inverse = inverse / rope["factor"]
    elif kind == "dynamic" and n > longest:
        inverse = (theta * (rope["factor"] * n / longest - (rope["factor"] - 1)) ** (dim / (dim - 2))) ** (-i / dim)
    elif kind == "llama3":
        turns = rope["original_max_position_embeddings"] * inverse / (2 * np.pi)
        keep = np.clip((turns - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"]), 0, 1)
        inverse = (1 - keep) * inverse / rope["factor"] + keep * inverse
    elif kind == "yarn":
        original, factor = rope["original_max_position_embeddings"], rope["factor"]
        at = lambda turns: dim * np.log(original / (turns * 2 * np.pi)) / (2 * np.log(theta))
        low, high = at(rope.get("beta_fast") or 32), at(rope.get("beta_slow") or 1)
        if rope.get("truncate", True):
            low, high = np.floor(low), np.ceil(high)
        low, high = max(low, 0), min(high, dim - 1)
        ramp = np.clip((np.arange(dim // 2) - low) / (high - low if high != low else 0.001), 0, 1)
        inverse = inverse / factor * ramp + inverse * (1 - ramp)
        size = rope.get("attention_factor") or 0.1 * np.log(factor) + 1
    elif kind == "longrope":
        original = rope["original_max_position_embeddings"]
        factor = rope.get("factor") or longest / original
        inverse = inverse / np.array(rope["long_factor" if n > original else "short_factor"])
        size = rope.get("attention_factor") or (1.0 if factor <= 1 else np.sqrt(1 + np.log(factor) / np.log(original)))
    angle = np.outer(np.arange(n), inverse)
    return np.cos(angle) * size, np.sin(angle) * size


class Model:
    def __init__(self, config, weights):
        """config as transformers' to_dict() has it, with head_dim; weights by name, any float type."""
        c = self.c = dict(config)
        c.setdefault("hidden_size", c.get("n_embd")), c.setdefault("num_attention_heads", c.get("n_head"))
        c.setdefault("num_hidden_layers", c.get("n_layer"))
        c.setdefault("max_position_embeddings", c.get("n_positions"))
        if not c.get("num_key_value_heads"):
            c["num_key_value_heads"] = c["num_attention_heads"]
        if not c.get("head_dim"):
            c["head_dim"] = c["hidden_size"] // c["num_attention_heads"]
        self.f = LLAMA | families()[c["model_type"]]
        self.w = {k: np.asarray(v, np.float64) for k, v in weights.items()}
        keys = ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon")
        self.eps = next((c[k] for k in keys if c.get(k)), 1e-5)
        self.act = ACTIVATIONS[self.f["activation"] or c.get("hidden_act") or c["activation_function"]]

    def linear(self, x, name):
        w = self.w[name + ".weight"]
        return x @ (w if self.f["transposed"] else w.T) + self.w.get(name + ".bias", 0.0)

    def norm(self, x, name, kind=None):
        kind, w = kind or self.f["norm"], self.w.get(name + ".weight", 1.0)
        if kind.startswith("layer"):
            x = x - x.mean(-1, keepdims=True)
        y = x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps)
        return y * (1 + w if kind.endswith("1") else w) + self.w.get(name + ".bias", 0.0)

    def rope_of(self, layer):
        rope = self.c.get("rope_parameters") or {}
        return rope[self.c["layer_types"][layer]] if self.f["by_kind"] else rope

    def turn(self, x, layer):
        """[heads, n, head_dim]"""
        rope = self.rope_of(layer)
        partial = self.c["model_type"] in ("phi3", "phi", "gpt_neox", "glm4", "stablelm", "nemotron")
        dim = int(self.c["head_dim"] * rope.get("partial_rotary_factor", 1.0)) if partial else self.c["head_dim"]
        cos, sin = angles(self.c, rope, dim, x.shape[1])
        turned, rest = x[..., :dim], x[..., dim:]
        if self.f["interleaved"]:
            a, b = turned[..., ::2], turned[..., 1::2]
            turned = np.stack([a * cos - b * sin, b * cos + a * sin], -1).reshape(turned.shape)
        else:
            a, b = turned[..., : dim // 2], turned[..., dim // 2 :]
            turned = np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)
        return np.concatenate([turned, rest], -1)

    def qkv(self, x, p):
        c, f, n = self.c, self.f, len(x)
        heads, kv, dim = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        if f["qkv"] is None:
            q, k, v = (self.linear(x, p + f[s]) for s in "qkv")
        elif c["model_type"] == "gpt_neox":  # rows by head: its q, its k, its v
            q, k, v = (part.reshape(n, -1) for part in self.linear(x, p + f["qkv"]).reshape(n, heads, 3, dim).transpose(2, 0, 1, 3))
        else:
            q, k, v = np.split(self.linear(x, p + f["qkv"]), [heads * dim, (heads + kv) * dim], -1)
        if f["qk_norm"] == "full":
            q, k = self.norm(q, p + "self_attn.q_norm"), self.norm(k, p + "self_attn.k_norm")
        if c.get("clip_qkv"):
            q, k, v = (np.clip(part, -c["clip_qkv"], c["clip_qkv"]) for part in (q, k, v))
        q, k, v = (part.reshape(n, -1, dim).transpose(1, 0, 2) for part in (q, k, v))
        if f["qk_norm"] == "head":
            q, k = self.norm(q, p + "self_attn.q_norm"), self.norm(k, p + "self_attn.k_norm")
        if f["qk_norm"] == "each" and p + "self_attn.q_norm.weight" in self.w:
            q = self.norm(q, "", "layer") * self.w[p + "self_attn.q_norm.weight"][:, None]
            k = self.norm(k, "", "layer") * self.w[p + "self_attn.k_norm.weight"][:, None]
        return q, k, v

    def attention(self, x, layer, rebalance):
        c, f, n = self.c, self.f, len(x)
        p = f["layer"].format(layer)
        q, k, v = self.qkv(x, p)
        if hasattr(rebalance, "keys"):  # before rotation
            k = rebalance.keys(layer, k)
        if f["rope"] and not f["no_rope"](c, layer):
            q, k = self.turn(q, layer), self.turn(k, layer)
        group = len(q) // len(k)
        scores = q @ np.repeat(k, group, 0).transpose(0, 2, 1) * f["scale"](c)
        if cap := f["softcap"](c):
            scores = np.tanh(scores / cap) * cap
        distance = np.arange(n)[:, None] - np.arange(n)[None]
        hidden, window = distance < 0, c.get("sliding_window")
        sliding = f["window"] == "all" or (f["window"] == "types" and c["layer_types"][layer] == "sliding_attention")
        if window and sliding:
            hidden = hidden | (distance >= window)
        scores = np.where(hidden, -np.inf, scores)
        sink = None
        if f["sinks"]:
            sink = np.broadcast_to(self.w[p + "self_attn.sinks"][:, None, None], (len(q), n, 1))
            weights = softmax(np.concatenate([scores, sink], -1))[..., :-1]
        else:
            weights = softmax(scores)
        if rebalance is not None:
            rebalance.before_softmax = scores, sink
            weights = rebalance(layer, weights, distance)
        self.attentions.append(weights)
        out = weights @ np.repeat(v, group, 0)
        if hasattr(rebalance, "outputs"):  # of heads, [heads, queries, head_dim]
            out = rebalance.outputs(layer, out)
        out = out.transpose(1, 0, 2).reshape(n, -1)
        return self.linear(out, p + f["o"])

    def mlp(self, x, layer):
        f, p = self.f, self.f["layer"].format(layer)
        if f["experts"] and self.has_experts(p):
            return self.mixture(x, p)
        if f["mlp"] == "plain":
            return self.linear(self.act(self.linear(x, p + f["up"])), p + f["down"])
        if f["gate_up"]:
            gate, up = np.split(self.linear(x, p + f["gate_up"]), 2, -1)
        else:
            gate, up = self.linear(x, p + f["gate"]), self.linear(x, p + f["up"])
        return self.linear(self.act(gate) * up, p + f["down"])

    def has_experts(self, p):
        return p + self.f["experts"]["router"] + ".weight" in self.w

    def mixture(self, x, p):
        e, c = self.f["experts"], self.c
        logits = self.linear(x, p + e["router"])
        chosen = np.argsort(-logits, -1, kind="stable")[:, : c["num_experts_per_tok"]]
        taken = np.take_along_axis(logits, chosen, -1)
        if "fused" in e:
            weights = softmax(taken)
        else:
            weights = np.take_along_axis(softmax(logits), chosen, -1)
            if e["normalise"](c):
                weights = weights / weights.sum(-1, keepdims=True)
        out = np.zeros_like(x)
        for row in range(len(x)):
            for expert, weight in sorted(zip(chosen[row], weights[row])):
                out[row] += weight * self.expert(x[row], p, e, expert)
        if "shared" in e:
            s = p + e["shared"]
            y = self.linear(self.act(self.linear(x, s + "gate_proj")) * self.linear(x, s + "up_proj"), s + "down_proj")
            out += y / (1 + np.exp(-self.linear(x, p + e["gate"])))
        return out

    def expert(self, x, p, e, number):
        if "fused" in e:  # gpt-oss: [experts, in, out], gate and up in turn, clamped
            w = {k: self.w[p + e["fused"] + k][number] for k in ("gate_up_proj", "gate_up_proj_bias", "down_proj", "down_proj_bias")}
            both = x @ w["gate_up_proj"] + w["gate_up_proj_bias"]
            gate, up = np.minimum(both[::2], 7), np.clip(both[1::2], -7, 7)
            return ((up + 1) * gate / (1 + np.exp(-1.702 * gate))) @ w["down_proj"] + w["down_proj_bias"]
        gate, up, down = (p + e["expert"].format(number) + part for part in e["parts"])
        return self.linear(self.act(self.linear(x, gate)) * self.linear(x, up), down)

    def forward(self, tokens, rebalance=None):
        """Logits [tokens, vocab]; self.attentions becomes a list over layers, [heads, queries, keys]."""
        c, f, self.attentions = self.c, self.f, []
        x = self.w[f["embed"] + ".weight"][np.asarray(tokens)] * f["embedding"](c)
        if f["positions"]:
            x = x + self.w[f["positions"] + ".weight"][: len(tokens)]
        times = f["residual"](c)
        for layer in range(c["num_hidden_layers"]):
            names = [f["layer"].format(layer) + name for name in f["norms"]]
            attend, feed = (lambda h: self.attention(h, layer, rebalance)), (lambda h: self.mlp(h, layer))
            if f["place"] == "pre":
                x = x + times * attend(self.norm(x, names[0]))
                x = x + times * feed(self.norm(x, names[1]))
            elif f["place"] == "post":
                x = x + self.norm(attend(x), names[0])
                x = x + self.norm(feed(x), names[1])
            elif f["place"] == "sandwich":
                x = x + self.norm(attend(self.norm(x, names[0])), names[1])
                x = x + self.norm(feed(self.norm(x, names[2])), names[3])
            else:
                x = x + attend(self.norm(x, names[0])) + feed(self.norm(x, names[-1]))
        x = self.norm(x, f["final"])
        head = self.w.get(f["head"] + ".weight", self.w[f["embed"] + ".weight"])
        logits = (x @ head.T + self.w.get(f["head"] + ".bias", 0.0)) * f["logits"](c)
        if cap := f["final_softcap"](c):
            logits = np.tanh(logits / cap) * cap
        return logits


class Rebalance:
    """alpha, threshold; depth is the last layer's index."""

    def __init__(self, alpha, threshold, layers):
        self.alpha, self.threshold, self.depth, self.mask = alpha, threshold, layers - 1, None

    def __call__(self, layer, weights, distance):
        if layer == 0:
            self.mask = (weights > self.threshold) & (distance != 0)
            return weights
        return np.where(self.mask, weights * (1 + self.alpha * (1 - layer / self.depth)), weights)
