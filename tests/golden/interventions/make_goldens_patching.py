#!/usr/bin/env python3
"""Makes patching.json: log-likelihoods of options after two prompts of ids, by Hugging Face transformers, with what heads put
out (the input of each layer's o_proj) in the run of one prompt put in place of what they put out in the run of the other.
Every sequence is computed whole, without a cache. Needs PyTorch and transformers (../requirements.txt)."""
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
CLEAN = [1, 5, 9, 13, 17, 21, 30, 11, 7, 40, 33, 6, 19, 25]
CORRUPTED = [1, 5, 9, 13, 44, 21, 30, 11, 38, 40, 33, 6, 19, 25]  # the first four are the same, two differ
SHORTER = [1, 5, 9, 3, 27, 40, 6, 19, 25]
OPTIONS = [[12], [31, 8, 20]]
HEADS = [[[0, 1]], [[1, 0]], [[2, 2]], [[0, 0], [1, 2], [2, 1]], [[layer, head] for layer in range(3) for head in range(3)]]


class Run:
    """One model; hooks keep the input of o_proj, or replace chosen heads' part of it at chosen rows."""

    def __init__(self, name):
        self.model = AutoModelForCausalLM.from_pretrained(HERE.parent / "families" / name, dtype=torch.float32, attn_implementation="eager").eval()
        self.kept, self.given = {}, None
        for layer, block in enumerate(self.model.model.layers):
            block.self_attn.o_proj.register_forward_pre_hook(lambda module, args, layer=layer: self.hook(layer, args[0]))

    def hook(self, layer, x):
        self.kept[layer] = x.detach().clone()
        if self.given is None:
            return None
        source, heads, rows = self.given
        dim = x.shape[-1] // self.model.config.num_attention_heads
        x = x.clone()
        for at_layer, head in heads:
            if at_layer == layer:
                for row, source_row in rows:
                    x[0, row, head * dim : (head + 1) * dim] = source[layer][0, source_row, head * dim : (head + 1) * dim]
        return (x,)

    def likelihoods(self, prompt, given=None):
        self.given, out = given, []
        for option in OPTIONS:
            with torch.no_grad():
                logits = self.model(torch.tensor([prompt + option])).logits[0].double()
            p = torch.log_softmax(logits, -1)
            out.append(sum(float(p[len(prompt) - 1 + t, token]) for t, token in enumerate(option)))
        return out

    def outputs(self, prompt):
        self.given = None
        with torch.no_grad():
            self.model(torch.tensor([prompt]))
        return dict(self.kept)

    def case(self, source, base, positions, heads):
        """The run of `base` with heads of the run of `source`; rows are counted from the prompts' ends."""
        rows = range(1, 2) if positions == "last" else range(1, len(base) + 1)
        pairs = [(len(base) - k, len(source) - k) for k in rows]
        return self.likelihoods(base, (self.outputs(source), heads, pairs))


def of_model(name):
    run, cases = Run(name), []
    for clean, corrupted, positions in [(CLEAN, CORRUPTED, "all"), (CLEAN, CORRUPTED, "last"), (CLEAN, SHORTER, "last")]:
        for direction, source, base in [("denoise", clean, corrupted), ("noise", corrupted, clean)]:
            arms = [{"heads": [], "likelihoods": run.likelihoods(base)}]
            arms += [{"heads": heads, "likelihoods": run.case(source, base, positions, heads)} for heads in HEADS]
            cases.append({"clean": clean, "corrupted": corrupted, "positions": positions, "direction": direction, "arms": arms})
    return cases


if __name__ == "__main__":
    goldens = {"options": OPTIONS, "models": {name: of_model(name) for name in ["llama_bias", "qwen3", "gemma3"]}}
    (HERE / "patching.json").write_text(json.dumps(goldens, separators=(",", ":")) + "\n")
