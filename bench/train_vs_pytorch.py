#!/usr/bin/env python3
"""Training speed of `refocus train` and of PyTorch, in turn: the same model, batch, optimizer and threads.

usage: train_vs_pytorch.py REFOCUS TOKENIZER_DIR [--rounds 3] [--steps 10] [--threads 2] [--hidden 256] ...

PyTorch of PyPI, or Debian's python3-torch with libopenblas0-pthread, without which its products are slow and the
comparison means nothing. Sequences have the same length in both, so that PyTorch can take them as one batch without
padding; its attention is scaled_dot_product_attention where it has that (from 2.0 on). Both count optimizer steps only, and the
first steps of a run are left out. PyTorch's tensors come from memory that stays mapped (glibc would otherwise give
large ones back and fault them in anew, which costs it a third of its speed).
"""
import argparse, json, math, os, pathlib, random, subprocess, sys, tempfile, time

if "MALLOC_MMAP_MAX_" not in os.environ:
    os.execve(sys.executable, [sys.executable] + sys.argv,
              os.environ | {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)})
import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, d = c["hidden_size"], c["hidden_size"] // c["num_attention_heads"]
        self.heads, self.kv, self.d = c["num_attention_heads"], c["num_key_value_heads"], d
        linear = lambda i, o: nn.Linear(i, o, bias=False)
        self.q, self.k, self.v = linear(h, self.heads * d), linear(h, self.kv * d), linear(h, self.kv * d)
        self.o = linear(self.heads * d, h)
        self.gate, self.up = linear(h, c["intermediate_size"]), linear(h, c["intermediate_size"])
        self.down = linear(c["intermediate_size"], h)
        self.norm1, self.norm2 = Norm(h), Norm(h)

    def rope(self, x, cos, sin):
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def forward(self, x, cos, sin, mask):
        batch, n, _ = x.shape
        y = self.norm1(x)
        split = lambda t, heads: t.view(batch, n, heads, self.d).transpose(1, 2)
        q = self.rope(split(self.q(y), self.heads), cos, sin)
        k = self.rope(split(self.k(y), self.kv), cos, sin).repeat_interleave(self.heads // self.kv, 1)
        v = split(self.v(y), self.kv).repeat_interleave(self.heads // self.kv, 1)
        if hasattr(F, "scaled_dot_product_attention"):
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            a = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(self.d) + mask, -1) @ v
        x = x + self.o(a.transpose(1, 2).reshape(batch, n, -1))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"])
        self.d = c["hidden_size"] // c["num_attention_heads"]

    def forward(self, tokens):
        n = tokens.shape[1]
        angle = torch.arange(n)[:, None] * 10000.0 ** (-torch.arange(0, self.d, 2) / self.d)
        mask = torch.triu(torch.full((n, n), -math.inf), 1)
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, torch.cos(angle), torch.sin(angle), mask)
        return self.norm(x) @ self.embed.weight.T


def torch_rate(c, o):
    torch.manual_seed(1)
    model = Model(c)
    decays = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decays, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.95))
    sequences = o.batch_tokens // o.context
    times = []
    for _ in range(o.steps):
        tokens = torch.randint(0, c["vocab_size"], (sequences, o.context + 1))
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        logits = model(tokens[:, :-1])
        F.cross_entropy(logits.reshape(-1, c["vocab_size"]), tokens[:, 1:].reshape(-1)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        times.append(time.perf_counter() - begin)
    times = times[2:]
    return sequences * o.context * len(times) / sum(times)


def refocus_rate(c, o, folder):
    (folder / "config.json").write_text(json.dumps(c))
    words = "the of and to in a is that for it as was with be by on not he his but at are this have from".split()
    rng = random.Random(1)
    with open(folder / "data.jsonl", "w") as f:
        for _ in range(64):  # far more than a context each: cut into pieces of it
            f.write(json.dumps({"text": " ".join(rng.choices(words, k=8 * o.context))}) + "\n")
    out = folder / f"run{time.time_ns()}"
    subprocess.run([o.refocus, "train", "--data", folder / "data.jsonl", "--config", folder / "config.json",
                    "--tokenizer", o.tokenizer, "-o", out, "--steps", str(o.steps), "--batch-tokens",
                    str(o.batch_tokens), "--context", str(o.context), "--threads", str(o.threads),
                    "--checkpoint-every", "0"], check=True, stdout=subprocess.DEVNULL)
    lines = [json.loads(l) for l in (out / "log.jsonl").read_text().splitlines()]
    # tokens_per_second is the mean since the beginning: seconds after step n are tokens / rate.
    seconds = [l["tokens"] / l["tokens_per_second"] for l in lines]
    return (lines[-1]["tokens"] - lines[1]["tokens"]) / (seconds[-1] - seconds[1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("refocus")
    p.add_argument("tokenizer")
    for name, value in dict(rounds=3, steps=10, threads=2, hidden=256, inner=704, layers=4, heads=8, kv_heads=4,
                            vocab=512, context=512, batch_tokens=8192).items():
        p.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    c = dict(model_type="llama", vocab_size=o.vocab, hidden_size=o.hidden, intermediate_size=o.inner,
             num_hidden_layers=o.layers, num_attention_heads=o.heads, num_key_value_heads=o.kv_heads,
             max_position_embeddings=o.context, rms_norm_eps=1e-5, tie_word_embeddings=True)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(o.rounds):
            ours, theirs = refocus_rate(c, o, pathlib.Path(folder)), torch_rate(c, o)
            ratios.append(ours / theirs)
            print(f"refocus {ours:.0f} tokens/s, PyTorch {torch.__version__} {theirs:.0f} tokens/s, "
                  f"ratio {ours / theirs:.2f}", flush=True)
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f}")


main()
