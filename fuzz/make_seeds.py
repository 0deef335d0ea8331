#!/usr/bin/env python3
"""Writes fuzz/seeds: a few small files for every fuzz target, from which the fuzzer makes others.

Needs nothing but Python. Files of tests/golden/io serve as they are; the others are made here.
"""
import base64
import json
import pathlib
import shutil
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = ROOT / "fuzz" / "seeds"
GOLDEN = ROOT / "tests" / "golden"


def seed(target, name, content):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


# --- GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) ---
def gguf_string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_value(value):
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        return 8, gguf_string(value)
    kind = gguf_value(value[0])[0]
    return 9, struct.pack("<IQ", kind, len(value)) + b"".join(gguf_value(v)[1] for v in value)


def gguf(metadata, tensors, version=3):
    """tensors: name -> (dimensions innermost first, type number, bytes)."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        kind, content = gguf_value(value)
        head += gguf_string(key) + struct.pack("<I", kind) + content
    data = b""
    for name, (dimensions, kind, content) in tensors.items():
        head += gguf_string(name) + struct.pack("<I", len(dimensions))
        head += b"".join(struct.pack("<Q", d) for d in dimensions) + struct.pack("<IQ", kind, len(data))
        data += content + b"\0" * (-len(content) % 32)
    return head + b"\0" * (-len(head) % 32) + data


def llama_gguf(hidden, kind, bytes_of_row, vocabulary):
    words = len(vocabulary["tokenizer.ggml.tokens"])
    metadata = {"general.architecture": "llama", "llama.context_length": 16, "llama.embedding_length": hidden,
                "llama.block_count": 1, "llama.feed_forward_length": hidden, "llama.attention.head_count": 2,
                "llama.attention.head_count_kv": 1, "llama.attention.layer_norm_rms_epsilon": 1e-5,
                "llama.rope.freq_base": 10000.0} | vocabulary
    matrix = lambda rows: ([hidden, rows], kind, b"\x3c" * (rows * bytes_of_row))
    norm = ([hidden], 0, struct.pack("<f", 1) * hidden)
    tensors = {"token_embd.weight": matrix(words), "output_norm.weight": norm, "blk.0.attn_norm.weight": norm,
               "blk.0.ffn_norm.weight": norm, "blk.0.attn_q.weight": matrix(hidden),
               "blk.0.attn_k.weight": matrix(hidden // 2), "blk.0.attn_v.weight": matrix(hidden // 2),
               "blk.0.attn_output.weight": matrix(hidden), "blk.0.ffn_gate.weight": matrix(hidden),
               "blk.0.ffn_up.weight": matrix(hidden), "blk.0.ffn_down.weight": matrix(hidden)}
    return gguf(metadata, tensors)


SPACE = "\u2581"
BYTES = [f"<0x{b:02X}>" for b in range(256)]
SENTENCEPIECE = {"tokenizer.ggml.model": "llama",
                 "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>"] + BYTES + [SPACE, "a", SPACE + "a", "e", "t"],
                 "tokenizer.ggml.scores": [0.0] * 259 + [-5.0, -4.0, -1.0, -2.0, -3.0],
                 "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * 5,
                 "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}


def byte_letters():
    """GPT-2's table of printable characters for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [b for b in range(256) if b not in plain]
    letter = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(other)}
    return [letter[b] for b in range(256)]


LETTERS = byte_letters()
BPE = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe",
       "tokenizer.ggml.tokens": LETTERS + ["th", "the", "\u0120a", "<|end|>"],
       "tokenizer.ggml.token_type": [1] * 259 + [3],
       "tokenizer.ggml.merges": ["t h", "th e", "\u0120 a"],
       "tokenizer.ggml.bos_token_id": 259, "tokenizer.ggml.eos_token_id": 259}


# --- SentencePiece (sentencepiece_model.proto of github.com/google/sentencepiece) ---
def varint(value):
    out = b""
    while value >= 0x80:
        out, value = out + bytes([0x80 | value & 0x7F]), value >> 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def sentencepiece(normalizer):
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)] + [(b, 0.0, 6) for b in BYTES]
    pieces += [(piece, -float(i), 1) for i, piece in enumerate([SPACE + "a", "in", SPACE, "a", "i", "n", "\u00e9"])]
    body = b"".join(field(1, field(1, p.encode()) + field(2, s) + field(3, t)) for p, s, t in pieces)
    return body + field(2, field(3, 2) + field(35, 1)) + field(3, normalizer)


# --- tokenizer.json ---
def tokenizer_json(model, **parts):
    added = [{"id": 300, "content": "<s>", "special": True, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False}]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model} | parts


def tokenizers():
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    split = {"type": "Split", "pattern": {"Regex": r"\p{N}{1,3}|[^\s\p{N}]+|\s+(?!\S)"}, "behavior": "Isolated",
             "invert": False}
    merges = ["t h", "th e"]
    model = {"type": "BPE", "vocab": {t: i for i, t in enumerate(LETTERS + ["th", "the"])}, "merges": merges,
             "byte_fallback": False, "fuse_unk": False, "unk_token": None, "ignore_merges": True}
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                                                         {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [300], "tokens": ["<s>"]}}}
    yield "byte_level.json", tokenizer_json(
        model, normalizer={"type": "NFC"}, decoder=byte_level, post_processor=template,
        pre_tokenizer={"type": "Sequence", "pretokenizers": [split, byte_level | {"use_regex": False}]})
    vocabulary = {t: i for i, t in enumerate(["<unk>"] + BYTES + [SPACE, "a", SPACE + "a"])}
    yield "byte_fallback.json", tokenizer_json(
        {"type": "BPE", "vocab": vocabulary, "merges": [[SPACE, "a"]], "byte_fallback": True, "fuse_unk": True,
         "unk_token": "<unk>"},
        normalizer={"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE},
                                                        {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]},
        decoder={"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                                                  {"type": "ByteFallback"}, {"type": "Fuse"},
                                                  {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})


    # One of each component that the two above lack.
    sequence = lambda kind, *parts: {"type": "Sequence", kind: list(parts)}
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": True}
    pieces = [["<unk>", 0.0]] + [[b, -20.0] for b in BYTES] + [[SPACE, -2.0], ["a", -3.0], [SPACE + "a", -1.0], ["an", -2.5]]
    yield "unigram.json", tokenizer_json(
        {"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": pieces}, pre_tokenizer=metaspace,
        normalizer=sequence("normalizers", {"type": "Nmt"}, {"type": "Precompiled", "precompiled_charsmap": character_map()},
                            {"type": "Lowercase"}, {"type": "StripAccents"}, {"type": "Strip", "strip_left": True, "strip_right": True}),
        decoder=sequence("decoders", metaspace, {"type": "ByteFallback"}, {"type": "Fuse"}),
        post_processor={"type": "RobertaProcessing", "cls": ["<s>", 300], "sep": ["a", 258]})
    yield "falcon.json", tokenizer_json(
        model, decoder=sequence("decoders", byte_level, {"type": "Strip", "content": " ", "start": 2, "stop": 2}),
        pre_tokenizer=sequence("pretokenizers", {"type": "Punctuation", "behavior": "Contiguous"}, byte_level,
                               {"type": "Digits", "individual_digits": False}, {"type": "FixedLength", "length": 3}))
    flags = ["single_word", "lstrip", "rstrip", "normalized", "special"]
    tokens = [{"id": 301 + i, "content": f"<{i}>"} | {flag: flag in (one, "normalized") for flag in flags}
              for i, one in enumerate(flags)]
    yield "flags.json", tokenizer_json(
        model, added_tokens=tokens, normalizer={"type": "ByteLevel"}, decoder=byte_level,
        pre_tokenizer=sequence("pretokenizers", {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"},
                               {"type": "CharDelimiterSplit", "delimiter": "t"}))


def character_map():
    """The smallest map that is sound: a trie whose root leads nowhere, and one string."""
    units = [1 << 10] + [0] * 511
    return base64.b64encode(struct.pack("<I512I", 2048, *units) + b"a\0").decode()


def write_models():
    seed("gguf", "sentencepiece.gguf", llama_gguf(4, 0, 16, SENTENCEPIECE))
    seed("gguf", "byte_level.gguf", llama_gguf(4, 1, 8, BPE))
    seed("gguf", "quantised.gguf", llama_gguf(64, 8, 68, SENTENCEPIECE))
    seed("gguf", "no_tensors.gguf", gguf({"general.architecture": "llama"}, {}, version=2))
    for name in ["state_f32.safetensors", "state_bf16.safetensors"]:
        seed("safetensors", name, (GOLDEN / "io" / name).read_bytes())
    for name in ["state_f16.bin", "nested.bin", "tied.bin", "protocol5.bin", "deflated.bin", "byteorder_little.bin"]:
        content = (GOLDEN / "io" / name).read_bytes()
        seed("torch_checkpoint", name, content)
    for path in sorted((GOLDEN / "io" / "hostile").glob("*.bin")):
        content = path.read_bytes()
        if len(content) < 2000:
            seed("torch_checkpoint", "hostile_" + path.name, content)
    import zipfile
    for name in ["state_f16.bin", "protocol4.bin", "nested.bin", "tied.bin"]:
        with zipfile.ZipFile(GOLDEN / "io" / name) as archive:
            inside = [n for n in archive.namelist() if n.endswith("data.pkl")]
            seed("pickle", name.replace(".bin", ".pkl"), archive.read(inside[0]))
    for name in ["f32_3d.npy", "i64.npy", "f32_empty.npy", "version2.npy", "fortran.npy"]:
        seed("npy", name, (GOLDEN / "io" / name).read_bytes())


def write_texts():
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": 32,
              "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
              "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                               "original_max_position_embeddings": 16}, "tie_word_embeddings": False,
              "bos_token_id": 1, "eos_token_id": [2, 3], "quantization_config": None}
    seed("model_config", "llama3.json", json.dumps(config, indent=1))
    seed("model_config", "linear.json", json.dumps(config | {"rope_scaling": {"type": "linear", "factor": 2.0}}))
    seed("model_config", "deep.json", "[" * 2000)
    for path in sorted((GOLDEN / "families").glob("*/config.json")):
        seed("model_config", path.parent.name + ".json", json.dumps(json.loads(path.read_text())))
    adapter = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], "bias": "none",
               "task_type": "CAUSAL_LM", "base_model_name_or_path": "x", "use_rslora": False, "use_dora": False,
               "rank_pattern": {"layers.0.self_attn.q_proj": 2}, "alpha_pattern": {"^model.*q_proj$": 8},
               "layers_to_transform": [0], "layers_pattern": "layers", "modules_to_save": None, "fan_in_fan_out": False}
    seed("adapter_config", "lora.json", json.dumps(adapter, indent=1))
    seed("adapter_config", "regex.json", json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4,
                                                     "target_modules": r".*\.(q|v)_proj", "use_rslora": True}))
    seed("tokenizer_settings", "tokenizer_config.json", json.dumps(
        {"add_bos_token": True, "bos_token": {"content": "<s>", "lstrip": False}, "eos_token": "</s>",
         "added_tokens_decoder": {"0": {"content": "<unk>", "special": True}}, "tokenizer_class": "LlamaTokenizer",
         "legacy": False, "chat_template": "{{ x }}"}))
    seed("tokenizer_settings", "generation_config.json", '{"bos_token_id": 1, "eos_token_id": [2, 5], "<x>": 7}')
    for name, content in tokenizers():
        seed("tokenizer_json", name, json.dumps(content, ensure_ascii=False))
    seed("tokenizer_json", "settings.json", json.dumps(dict(tokenizers())["byte_fallback.json"]) +
         '\n---\n{"add_bos_token": true, "bos_token": "<s>"}\n---\n<s>a a\u2581 \u00e9')
    identity = field(3, 1) + field(4, 0)
    seed("sentencepiece", "identity.model", sentencepiece(identity))
    seed("sentencepiece", "defaults.model", sentencepiece(b""))
    for name in ["quiz.yaml", "sums.yaml", "chat.yaml"]:
        seed("task_file", name, (ROOT / "examples" / name).read_text())
    seed("task_file", "task.json", '{"task": "t", "dataset": "t.jsonl", "answer_type": "short_answer", "direct": '
                                   '{"body": "{question}"}, "answer": {"field": "answer"}}')
    seed("profile", "default.json", (ROOT / "data" / "profiles" / "default.json").read_text())
    seed("csv", "questions.csv", 'question,A,B,answer\n"Is ""it""\nso?",yes,no,A\r\n\r\nx , y,"z",B\n')
    seed("csv", "marked.csv", "\ufeffquestion,answer\nwho?,\u00e9\n")
    seed("jsonl", "rows.jsonl", '{"question": "who?", "options": ["a", 2, true], "answer": null}\n\n'
                                '{"question": "\\u00e9", "options": [], "answer": 1.5e3}\n')
    for name, spec in {"none": "none", "rebalance": "rebalance:alpha=0.2,threshold=0.01,depth=7,mode=mask",
                       "self": "rebalance:mode=self,alpha=-1e-3", "range": "sweep alpha=0:1:0.25,2",
                       "mode": "sweep depth=3,LAST",
                       "whole": "act:theta=0.05,layers=inner:1:1+spotlight:scope=layer,keys=bos",
                       "file": "seka:from=#0123456789abcdef,gain=-1,keys=not:bos+mean:from=#fedcba9876543210,heads=1.0"}.items():
        seed("intervention", name, spec)
    replies = ["Analysis: two is wrong.\nResponse: **B**. four", "The answer is C. No wait, D.",
               "A. two: no. B. four: yes.", r"\boxed{A \text{ or } B}", "none of\u00a0the above \u2713 (b)", "4 + 1,000.5"]
    for i, reply in enumerate(replies):
        seed("replies", f"reply{i}", reply)
    seed("replies", "options", "So it is a dog, I choose (B)\n---\na\n---\na dog\n---\na dog.")


def write_templates():
    context = {"messages": [{"role": "user", "content": "Hi {{ x }}"}, {"role": "assistant", "content": "a\u00e9", "tool_calls": [
        {"function": {"name": "f", "arguments": {"a": [1, 2.5, None]}}}]}], "tools": None, "add_generation_prompt": True, "s": "Ab c", "n": 3}
    chat = ("{%- if tools %}{{ tools | tojson(indent=2) }}{% endif -%}\n{% for m in messages %}{{ '<|' + m.role + '|>' }}{{ m['content'] | trim }}"
            "{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}{% generation %}x{% endgeneration %}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")
    macros = ("{% macro f(a, b=2) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{{ caller() if caller }}{% endmacro %}{{ f(1, 2, 3, c=4) }}"
              "{% call(x) f(s) %}{{ x }}{% endcall %}{% set ns = namespace(a=1) %}{% for i in [[1], 2] recursive %}{% set ns.a = ns.a + loop.index %}"
              "{% if i is iterable %}{{ loop(i) }}{% else %}{{ i }}{% continue %}{% endif %}{% else %}e{% endfor %}{{ ns.a }}")
    texts = ("{{ s[::-1] ~ s.upper().split('B', 1) | join('-') }}{{ '%5.2f|%-4s|%(a)s' % {'a': 1} if n > 5 }}{{ '{:>5}{x[0]!r:*^9}'.format(n, x=s) }}"
             "{{ s | replace('A', 'bb') | title | indent(2, true) | truncate(5) | wordwrap(3) | center(9) | urlencode | e }}{{ [3, 1, n] | sort | batch(2, 0) | list }}")
    numbers = "{{ (n ** 2 // 3 - -1) % 4 / 2.5e-1 + 0x1f }}{{ messages | map(attribute='role') | unique | list }}{{ messages | groupby('role') }}{{ 1 < n <= 3 is odd }}"
    blocks = ("  {%- set x | upper -%}\n a {% raw %}{{ }}{% endraw %}{% endset +%}\n{# c -#}\n{% with a = x, b = 1 %}{% filter trim %}{{ a }}{% endfilter %}{% endwith %}"
              "{% if x is defined and s not in x %}{% elif n %}{% else %}{% endif %}{% print n, s %}")
    for name, source in {"chat": chat, "macros": macros, "texts": texts, "numbers": numbers, "blocks": blocks}.items():
        seed("jinja_template", name, source + "\n---\n" + json.dumps(context))
    seed("jinja_template", "regex", "{{ s | regex_replace('(?P<a>[a-z])|x*', '<\\\\g<a>\\\\1>', 2) }}{{ nope | d('x') }}\n---\n" + '{"s": "Ab c"} ')


def write_http_requests():
    chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for name, content in {
            "get": "GET /v1/models/a%2Fb?x=1&y=%20+ HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\n\r\n",
            "two": "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello\r\n"
                   "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "chunked": chunked + "5;e=\"v\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n",
            "chunk_signed": chunked + "-2\r\nab\r\n0\r\n\r\n",
            "absolute": "GET http://[::1]:80/p HTTP/1.1\r\nHost: x\r\nConnection: close, x\r\n\r\n",
            "options": "\r\nOPTIONS * HTTP/1.1\r\nhost: x\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "both": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "folded": "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "tls": b"\x16\x03\x01\x02\x00\x01"}.items():
        seed("http_request", name, content)


def write_requests():
    """What clients of the server send, and some faults."""
    for path in sorted((ROOT / "tests" / "server" / "openai" / "bodies").glob("*.json")):
        seed("openai_request", path.name, json.dumps(json.loads(path.read_text())["body"]))
    for name, body in {"parts": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]},
                       "refocus": {"prompt": "x", "refocus": {"attention": {"topk": 3}}}, "seed": {"prompt": "x", "seed": 2**63},
                       "mixed": {"prompt": [1, "x", None], "stop": [""]}, "model": {"model": "small@rebalance:alpha=1", "prompt": "x"},
                       "neutral": {"messages": [], "tools": [{}], "response_format": {"type": "json_object"}}}.items():
        seed("openai_request", name, json.dumps(body))
    seed("openai_request", "twice", '{"prompt":"x","n":1,"n":2}')
    seed("openai_request", "no_utf8", b'{"prompt":"\xe2\x82"}')


def write_findings():
    """What fuzzing found, made small."""
    seed("task_file", "found_comma.yaml", ",NULL")
    seed("task_file", "found_bracket.yaml", "a: b\n]")
    seed("replies", "found_no_utf8", b"no\x90 @" + 8 * b"\xff")
    seed("intervention", "found_no_utf8", b"\xff\xc3")
    seed("intervention", "found_no_utf8_path", b"seka:from=a\xffb,keys=bos")
    seed("model_config", "found_control.json", '{"model_type": "llama", "rope_parameters": {"a\x7fb": 1}}')


if SEEDS.exists():
    shutil.rmtree(SEEDS)
write_models()
write_texts()
write_templates()
write_http_requests()
write_requests()
write_findings()
