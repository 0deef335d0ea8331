#!/usr/bin/env python3
"""Makes families/ beside this file: what PyTorch says of training small models of each family that is trained.

Needs ../requirements.txt. The models are transformers' own, made by ../families/models.py at
smaller sizes (weights in float16), and run in float64. families/batches.json has two batches of packed sequences, some
positions masked, longer than the windows. families/NAME/ has config.json, model.safetensors, gradients.safetensors (of
the mean loss over counted positions of the first batch), and run.json: that loss, and losses, gradient norms and the
last weights' sum of squares of a few steps of torch.optim.AdamW (make_goldens.py has its schedule; neither norms nor
biases decay). families/NAME/lora/ has an adapter of all matrices with the names that PEFT gives its tensors, the
gradient of its factors on the first batch, and in run.json that loss.
"""
import json, pathlib, sys
import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "families")]
import models, make_goldens
import peft

SIZES = dict(hidden=12, inner=16, layers=2, heads=3, kv=1, head_dim=4, vocab=24, window=6)
FAMILIES = "llama_bias mistral ministral qwen2 qwen2_window qwen3 gemma gemma2 gemma3 granite smollm3 seed_oss".split()
STEPS, RANK, ALPHA = 5, 2, 3
TARGETS = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split()


def in_float64():
    """transformers computes norms, softmax and angles in float32 by name: from here on that name means float64."""
    torch.float32 = torch.float64
    torch.Tensor.float = torch.Tensor.double


def opened(path):
    model = models.T.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float64, attn_implementation="eager").eval()
    model.get_input_embeddings().padding_idx = None  # nothing is padded, so every token's embedding is trained
    return model


def loss_of(model, batch):
    total, count = 0, 0
    for sequence in batch:
        logits = model(input_ids=torch.tensor([sequence["tokens"]]), use_cache=False).logits[0]
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(sequence["targets"]), ignore_index=-1,
                                                          reduction="sum")
        count += sum(t >= 0 for t in sequence["targets"])
    return total / count


def curve(model, batches):
    o = make_goldens.OPTIMIZER | {"steps": STEPS}
    make_goldens.OPTIMIZER["steps"] = STEPS
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in parameters if p.dim() == 2], "weight_decay": o["weight_decay"]},
         {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}],
        lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["eps"])
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = make_goldens.learning_rate(step)
        optimizer.zero_grad()
        loss = loss_of(model, batches[step % len(batches)])
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, o["clip"])))
        optimizer.step()
        losses.append(float(loss.detach()))
    return {"losses": losses, "gradient_norms": norms, "optimizer": o,
            "squares": float(sum((p.detach() ** 2).sum() for p in parameters))}


def lora(model, batch, out, seed):
    out.mkdir(exist_ok=True)
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS,
                                                         task_type="CAUSAL_LM")).double()
    g, factors = torch.Generator().manual_seed(seed), {}
    for name, p in adapted.named_parameters():
        if "lora_" not in name:
            p.requires_grad_(False)
            continue
        with torch.no_grad():
            p.copy_(0.3 * torch.randn(p.shape, generator=g, dtype=torch.float16).double())
        factors[name] = p
    loss = loss_of(adapted, batch)
    loss.backward()
    stored = peft.get_peft_model_state_dict(adapted)  # under the names that PEFT saves
    name_of = {t.data_ptr(): name for name, t in stored.items()}
    assert len(name_of) == len(factors) == 2 * len(TARGETS) * SIZES["layers"]
    make_goldens.write_safetensors(out / "adapter_model.safetensors", stored)
    make_goldens.write_safetensors(out / "gradients.safetensors",
                                   {name_of[p.data_ptr()]: p.grad for p in factors.values()})
    config = dict(peft_type="LORA", task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, use_rslora=False,
                  target_modules=TARGETS, base_model_name_or_path=out.parent.name)
    (out / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (out / "run.json").write_text(json.dumps({"loss": float(loss.detach())}) + "\n")


def make_batches():
    rng, batches = np.random.default_rng(3), []
    for lengths in ([7, 1, 20, 50], [3, 30]):
        batches.append([])
        for n in lengths:
            targets = [int(t) if rng.random() < 0.7 else -1 for t in rng.integers(0, SIZES["vocab"], n)]
            batches[-1].append({"tokens": rng.integers(0, SIZES["vocab"], n).tolist(), "targets": targets})
    return batches


def main():
    root, batches = HERE / "families", make_batches()
    root.mkdir(exist_ok=True)
    (root / "batches.json").write_text(json.dumps(batches) + "\n")
    all_models = models.models(**SIZES)
    for number, name in enumerate(FAMILIES):
        cls, settings = all_models[name]
        models.make(cls, settings, root / name, seed=50 + number)
    in_float64()
    for number, name in enumerate(FAMILIES):
        out = root / name
        model = opened(out)
        loss = loss_of(model, batches[0])
        loss.backward()
        make_goldens.write_safetensors(out / "gradients.safetensors",
                                       {key: p.grad for key, p in model.named_parameters()})
        run = {"loss": float(loss.detach())} | curve(opened(out), batches)
        (out / "run.json").write_text(json.dumps(run) + "\n")
        lora(opened(out), batches[0], out / "lora", seed=number)
        print(f"{name:14} loss {run['loss']:.4f}, then {run['losses'][-1]:.4f}; "
              f"{sum(f.stat().st_size for f in out.rglob('*') if f.is_file())} bytes")


if __name__ == "__main__":
    main()
