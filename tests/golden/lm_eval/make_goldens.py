#!/usr/bin/env python3
"""Writes what lm-evaluation-harness' own model `hf` answers with the bundled model in float32: hf.json.

    PYTHON make_goldens.py          (a Python with lm-eval 0.4.13, torch, transformers and sentencepiece; the tests need only the file)

The tokenizer is made from the SentencePiece file by tests/clients/tokenizer_directory.py, since transformers 5 makes other tokens of it.
"""
import json, os, pathlib, sys, tempfile

sys.dont_write_bytecode = True
os.environ["HF_HUB_OFFLINE"] = "1"
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizer_directory import make_tokenizer_directory

MODEL = ROOT / "models" / "small-worlds"
DOCS = [json.loads(line) for line in (ROOT / "tests" / "clients" / "tasks" / "worlds.jsonl").read_text().splitlines()]
GENERATION = [
    {"until": ["\n"], "max_gen_toks": 24},
    {"until": [".", " yes"], "max_gen_toks": 40, "do_sample": False},
    {"until": "the", "max_new_tokens": 16},
    {"max_tokens": 12, "temperature": 0},
]


def pairs():
    out = [(doc["question"] + "\nAnalysis:", " " + choice) for doc in DOCS[:2] for choice in doc["choices"]]
    out += [(DOCS[0]["question"] + "\nAnalysis:", " so is the code")]
    out += [("the blue crate ", "lies in"), ("", "the blue crate"), ("", "<s>the"), ("<s>the blue", " crate"), ("crate", "s")]
    return out


def ask(lm, kind, arguments):
    requests = [Instance(kind, {}, one, i) for i, one in enumerate(arguments)]
    return getattr(lm, kind)(requests, disable_tqdm=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        make_tokenizer_directory(MODEL, folder)
        # With its cache of logits 0.4.13 scores a last token at the place of the first where another request's context and
        # continuation are the same tokens, cut elsewhere.
        lm = HFLM(pretrained=str(MODEL), tokenizer=folder, dtype="float32", device="cpu", batch_size=1, logits_cache=False)
        scored, seen = pairs(), []
        plain = lm._loglikelihood_tokens
        lm._loglikelihood_tokens = lambda requests, **more: (seen.extend(requests), plain(requests, **more))[1]
        found = ask(lm, "loglikelihood", scored)
        lm._loglikelihood_tokens = plain
        texts = [DOCS[0]["question"], " ".join(doc["question"] for doc in DOCS)]
        asked = [(DOCS[i]["question"] + "\nAnalysis:", GENERATION[i % 4]) for i in range(4)]
        out = {
            "loglikelihood": [
                {"arguments": list(pair), "context": context, "continuation": continuation, "value": value, "greedy": greedy}
                for pair, (_, context, continuation), (value, greedy) in zip(scored, seen, found, strict=True)
            ],
            "loglikelihood_rolling": [
                {"arguments": [text], "value": value}
                for text, value in zip(texts, ask(lm, "loglikelihood_rolling", [(text,) for text in texts]), strict=True)
            ],
            "generate_until": [
                {"arguments": list(one), "text": text} for one, text in zip(asked, ask(lm, "generate_until", asked), strict=True)
            ],
        }
    kinds = ",\n".join(
        json.dumps(kind) + ": [\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]" for kind, rows in out.items())
    (HERE / "hf.json").write_text("{\n" + kinds + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
