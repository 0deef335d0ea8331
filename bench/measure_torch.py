"""One round of PyTorch (transformers, attention "sdpa") on a Hugging Face directory, for bench/compare: the same prefill,
decode and batched decode as `refocus bench`. Prints one JSON line.

usage: python measure_torch.py MODEL_DIR THREADS [PROMPT_TOKENS], in an environment with torch and transformers
"""
import json
import statistics
import sys
import time

import torch
from transformers import AutoModelForCausalLM

DECODE, BATCH, BATCH_PROMPT, BATCH_DECODE, ROUNDS = 64, 16, 32, 16, 4


def token(i):
    return 3 + (i * 7919) % 29000


def rate(count, work):
    begin = time.perf_counter()
    work()
    return count / (time.perf_counter() - begin)


def decode(model, state, rows, steps):
    for i in range(steps):
        ids = torch.tensor([[token(i + k)] for k in range(rows)])
        state["cache"] = model(input_ids=ids, past_key_values=state["cache"], use_cache=True).past_key_values


def one_sequence(model, length):
    prompt = torch.tensor([[token(i) for i in range(length)]])
    prefills, decodes = [], []
    for _ in range(ROUNDS):  # the first warms up
        state = {}

        def prefill():
            state["cache"] = model(input_ids=prompt, use_cache=True, logits_to_keep=1).past_key_values

        prefills.append(rate(length, prefill))
        decodes.append(rate(DECODE, lambda: decode(model, state, 1, DECODE)))
    return {"prefill_tps": statistics.median(prefills[1:]), "decode_tps": statistics.median(decodes[1:])}


def many_sequences(model):
    prompt = torch.tensor([[token(i) for i in range(BATCH_PROMPT)]] * BATCH)
    state = {"cache": model(input_ids=prompt, use_cache=True, logits_to_keep=1).past_key_values}
    rates = [rate(BATCH * BATCH_DECODE, lambda: decode(model, state, BATCH, BATCH_DECODE)) for _ in range(ROUNDS)]
    return {"decode_batch16_tps": statistics.median(rates[1:])}


def main():
    directory, threads, length = (sys.argv[1:] + ["512"])[:3]
    torch.set_num_threads(int(threads))
    model = AutoModelForCausalLM.from_pretrained(directory, dtype="auto", attn_implementation="sdpa").eval()
    with torch.inference_mode():
        print(json.dumps({**one_sequence(model, int(length)), **many_sequences(model)}))


main()
