#!/usr/bin/env python3
"""Makes the goldens of training beside this file, with PyTorch (Debian: python3-torch, python3-numpy).

Two small models, written out here in float64: `gqa` (grouped queries, an output matrix of its own) and `tied`
(the embedding is the output matrix). For each: config.json and model.safetensors (starting weights),
gradients.safetensors (of the mean loss over counted positions of the first batch), and run.json: two batches
(packed sequences, some positions masked), the first one's loss, and losses, gradient norms and the last weights'
sum of squares of ten steps of torch.optim.AdamW with warm-up, cosine schedule, clipping, and no decay on norms.

Beside each, in lora/, an adapter as PEFT has it (`gqa`: all matrices; `tied`: q_proj and down_proj, use_rslora),
the gradient of its factors on the same batch, and in run.json that loss and the logits of the batch's last sequence.
"""
import json, math, pathlib, struct
import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
MODELS = {
    "gqa": dict(vocab_size=37, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, head_dim=8, tie_word_embeddings=False),
    "tied": dict(vocab_size=29, hidden_size=12, intermediate_size=20, num_hidden_layers=3, num_attention_heads=3,
                 num_key_value_heads=3, head_dim=4, tie_word_embeddings=True),
}
COMMON = dict(model_type="llama", hidden_act="silu", rms_norm_eps=1e-5, rope_theta=10000.0,
              max_position_embeddings=64)
OPTIMIZER = dict(steps=10, warmup=3, lr=1e-2, min_lr=1e-3, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.1,
                 clip=1.0)


def names(c):
    h, i, q = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"] * c["head_dim"]
    kv = c["num_key_value_heads"] * c["head_dim"]
    out = {"model.embed_tokens.weight": (c["vocab_size"], h), "model.norm.weight": (h,)}
    if not c["tie_word_embeddings"]:
        out["lm_head.weight"] = (c["vocab_size"], h)
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        out |= {p + "input_layernorm.weight": (h,), p + "post_attention_layernorm.weight": (h,),
                p + "self_attn.q_proj.weight": (q, h), p + "self_attn.k_proj.weight": (kv, h),
                p + "self_attn.v_proj.weight": (kv, h), p + "self_attn.o_proj.weight": (h, q),
                p + "mlp.gate_proj.weight": (i, h), p + "mlp.up_proj.weight": (i, h),
                p + "mlp.down_proj.weight": (h, i)}
    return out


def norm(x, w, eps):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps) * w


def rope(x, theta):  # [n, heads, dim]
    n, dim = x.shape[0], x.shape[2]
    angle = torch.arange(n, dtype=x.dtype)[:, None] * theta ** (-torch.arange(0, dim, 2, dtype=x.dtype) / dim)
    c, s = torch.cos(angle)[:, None], torch.sin(angle)[:, None]
    a, b = x[..., : dim // 2], x[..., dim // 2:]
    return torch.cat([a * c - b * s, b * c + a * s], -1)


def logits(w, c, tokens):
    """Of one sequence."""
    n, dim, heads, kv = len(tokens), c["head_dim"], c["num_attention_heads"], c["num_key_value_heads"]
    x = w["model.embed_tokens.weight"][tokens]
    hidden = torch.triu(torch.full((n, n), -math.inf, dtype=x.dtype), 1)
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        y = norm(x, w[p + "input_layernorm.weight"], c["rms_norm_eps"])
        q, k, v = (y @ w[p + f"self_attn.{m}_proj.weight"].T for m in "qkv")
        q = rope(q.view(n, heads, dim), c["rope_theta"])
        k = rope(k.view(n, kv, dim), c["rope_theta"]).repeat_interleave(heads // kv, 1)
        v = v.view(n, kv, dim).repeat_interleave(heads // kv, 1)
        a = torch.softmax(torch.einsum("ihd,jhd->hij", q, k) / math.sqrt(dim) + hidden, -1)
        x = x + torch.einsum("hij,jhd->ihd", a, v).reshape(n, -1) @ w[p + "self_attn.o_proj.weight"].T
        y = norm(x, w[p + "post_attention_layernorm.weight"], c["rms_norm_eps"])
        gate = torch.nn.functional.silu(y @ w[p + "mlp.gate_proj.weight"].T)
        x = x + (gate * (y @ w[p + "mlp.up_proj.weight"].T)) @ w[p + "mlp.down_proj.weight"].T
    x = norm(x, w["model.norm.weight"], c["rms_norm_eps"])
    return x @ w["model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"].T


def loss_of(w, c, batch):
    total, count = 0, 0
    for tokens, targets in batch:
        all_logits = logits(w, c, tokens)
        total = total + torch.nn.functional.cross_entropy(all_logits, torch.tensor(targets), ignore_index=-1,
                                                          reduction="sum")
        count += sum(t >= 0 for t in targets)
    return total / count


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, t in sorted(tensors.items()):
        raw = t.detach().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def learning_rate(step):  # 1-based
    o = OPTIMIZER
    if step <= o["warmup"]:
        return o["lr"] * step / o["warmup"]
    part = (step - o["warmup"]) / (o["steps"] - o["warmup"])
    return o["min_lr"] + (o["lr"] - o["min_lr"]) * 0.5 * (1 + math.cos(math.pi * part))


def curve(w, c, batches):
    o = OPTIMIZER
    groups = [{"params": [t for t in w.values() if t.dim() == 2], "weight_decay": o["weight_decay"]},
              {"params": [t for t in w.values() if t.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["eps"])
    losses, norms = [], []
    for step in range(1, o["steps"] + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.zero_grad()
        loss = loss_of(w, c, batches[step % len(batches)])
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(list(w.values()), o["clip"])))
        optimizer.step()
        losses.append(float(loss))
    return {"losses": losses, "gradient_norms": norms, "squares": float(sum((t * t).sum() for t in w.values()))}


def main():
    for number, (name, c) in enumerate(MODELS.items()):
        rng = np.random.default_rng(number + 1)
        out = HERE / name
        out.mkdir(exist_ok=True)
        c = COMMON | c
        w = {}
        for key, shape in names(c).items():
            values = 1 + 0.1 * rng.standard_normal(shape) if len(shape) == 1 else 0.3 * rng.standard_normal(shape)
            w[key] = torch.tensor(values.astype(np.float32).astype(np.float64), requires_grad=True)
        batches = []
        for lengths in ([7, 1, 20, 50], [3, 30]):
            batch = []
            for n in lengths:
                tokens = rng.integers(0, c["vocab_size"], n).tolist()
                targets = [int(t) if rng.random() < 0.7 else -1 for t in rng.integers(0, c["vocab_size"], n)]
                batch.append((tokens, targets))
            batches.append(batch)
        (out / "config.json").write_text(json.dumps(c, indent=1) + "\n")
        write_safetensors(out / "model.safetensors", w)
        loss = loss_of(w, c, batches[0])
        loss.backward()
        write_safetensors(out / "gradients.safetensors", {k: t.grad for k, t in w.items()})
        text = {"batches": [[{"tokens": a, "targets": b} for a, b in batch] for batch in batches],
                "loss": float(loss), "optimizer": OPTIMIZER}
        text |= curve(w, c, batches)
        (out / "run.json").write_text(json.dumps(text) + "\n")


LORA = {"gqa": dict(r=3, lora_alpha=7, use_rslora=False,
                    target_modules="q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split()),
        "tied": dict(r=2, lora_alpha=3, use_rslora=True, target_modules=["q_proj", "down_proj"])}


def read_model(path):
    raw = path.read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    out = {}
    for name, entry in json.loads(raw[8:8 + size]).items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(raw[8 + size + begin:8 + size + end], "<f4").reshape(entry["shape"])
        out[name] = torch.tensor(values.astype(np.float64))
    return out


def lora():
    for number, (name, settings) in enumerate(LORA.items()):
        rng = np.random.default_rng(100 + number)
        out = HERE / name / "lora"
        out.mkdir(exist_ok=True)
        c = json.loads((HERE / name / "config.json").read_text())
        base, w, factors = read_model(HERE / name / "model.safetensors"), {}, {}
        r = settings["r"]
        scale = settings["lora_alpha"] / (math.sqrt(r) if settings["use_rslora"] else r)
        for key, weight in base.items():
            w[key] = weight
            if key.split(".")[-2] not in settings["target_modules"]:
                continue
            stem = "base_model.model." + key.removesuffix(".weight")
            for factor, shape in (("A", (r, weight.shape[1])), ("B", (weight.shape[0], r))):
                values = (0.2 * rng.standard_normal(shape)).astype(np.float32)
                factors[f"{stem}.lora_{factor}.weight"] = torch.tensor(values.astype(np.float64), requires_grad=True)
            w[key] = weight + scale * (factors[stem + ".lora_B.weight"] @ factors[stem + ".lora_A.weight"])
        batch = [(s["tokens"], s["targets"])
                 for s in json.loads((HERE / name / "run.json").read_text())["batches"][0]]
        loss = loss_of(w, c, batch)
        loss.backward()
        config = dict(peft_type="LORA", task_type="CAUSAL_LM", bias="none", base_model_name_or_path=name,
                      fan_in_fan_out=False, lora_dropout=0.0) | settings
        (out / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
        write_safetensors(out / "adapter_model.safetensors", factors)
        write_safetensors(out / "gradients.safetensors", {k: t.grad for k, t in factors.items()})
        (out / "run.json").write_text(json.dumps({"loss": float(loss), "logits":
                                                  logits(w, c, batch[-1][0]).detach().flatten().tolist()}) + "\n")


if __name__ == "__main__":
    main()
    lora()
