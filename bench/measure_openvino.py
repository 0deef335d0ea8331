"""One round of OpenVINO GenAI on a GGUF file (of llama, qwen2 or qwen3), for bench/compare: the same prefill and decode as
`refocus bench`. Prints one JSON line.

usage: python measure_openvino.py MODEL.gguf THREADS [PROMPT_TOKENS], in an environment with openvino-genai
"""
import json
import statistics
import sys

import numpy as np
import openvino as ov
import openvino_genai

DECODE, ROUNDS = 64, 4


def main():
    path, threads, length = (sys.argv[1:] + ["512"])[:3]
    length = int(length)
    pipe = openvino_genai.LLMPipeline(path, "CPU", INFERENCE_NUM_THREADS=int(threads))
    config = openvino_genai.GenerationConfig(max_new_tokens=DECODE + 1, ignore_eos=True, do_sample=False)
    runs = []
    for seed in range(ROUNDS):  # other prompts each time, since what it has seen it keeps
        ids = np.array([[3 + ((i + 37 * seed) * 7919) % 29000 for i in range(length)]], dtype=np.int64)
        prompt = openvino_genai.TokenizedInputs(ov.Tensor(ids), ov.Tensor(np.ones_like(ids)))
        runs.append(pipe.generate(prompt, config).perf_metrics)
    runs = runs[1:]  # the first warms up
    print(json.dumps({
        "prefill_tps": statistics.median(1000 * length / run.get_ttft().mean for run in runs),
        "decode_tps": statistics.median(1000 / run.get_tpot().mean for run in runs),
    }))


main()
