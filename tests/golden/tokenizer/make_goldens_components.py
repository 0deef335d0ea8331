#!/usr/bin/env python3
"""Makes components.json: what Hugging Face tokenizers (the Python package, 0.23.3) makes of small tokenizer.json files
that have each component and each flag of added tokens, in the combinations that language models use and in some that
only a test has. Needs tokenizers and sentencepiece (for a small precompiled character map):

  python3 make_goldens_components.py
"""
import base64
import io
import itertools
import json
import pathlib
import random

import sentencepiece
from tokenizers import Tokenizer

SPACE = "\u2581"
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def byte_letters():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [b for b in range(256) if b not in plain]
    letter = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(other)}
    return [letter[b] for b in range(256)]


LETTERS = byte_letters()
spell = lambda text: "".join(LETTERS[b] for b in text.encode())


def bpe(pieces, merges, **extra):
    vocab = {}
    for piece in [*pieces, *("".join(pair) for pair in merges)]:
        vocab.setdefault(piece, len(vocab))
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": vocab, "merges": [list(pair) for pair in merges]} | extra


BYTE_MERGES = [("t", "h"), ("\u0120", "t"), ("\u0120t", "he"), ("h", "e"), ("th", "e"), ("1", "2"), ("12", "3"),
               ("\u0120", "\u0120"), ("\u010a", "\u010a"), ("a", "b"), ("A", "B"), ("'", "s"), (".", "."), ("\u00c2", "\u00b2"),
               ("\u00c3", "\u00a9"), ("\u00e4", "\u00bd"), ("\u00e4\u00bd", "\u0142"), ("\u0120", "a"), ("\u0120a", "b")]
TEXT = "abceht ABC.,-'123<>sinpx\u00e9\u0301\u00dfi\u0307" + SPACE
TEXT_MERGES = [("a", "b"), ("t", "h"), ("th", "e"), ("1", "2"), ("A", "B"), (SPACE, "t"), (SPACE, "a"), (".", "."), (" ", " "),
               (" ", "a"), ("e", "\u0301"), ("-", "-"), (SPACE, SPACE), ("h", "e"), ("i", "n")]
PIECES = ["<unk>", *TEXT]


def unigram(byte_fallback):
    pieces = [["<unk>", 0.0], ["<s>", 0.0], ["</s>", 0.0]]
    pieces += [[b, -30.0] for b in BYTES] if byte_fallback else []
    pieces += [[c, -6.0 - i / 8] for i, c in enumerate(SPACE + "abehint.\u00e9")]
    pieces += [[SPACE + "the", -2.0], [SPACE + "t", -4.0], ["he", -4.5], ["in", -3.25], ["ab", -5.0], [SPACE + "ab", -5.5],
               ["an", -5.25], [SPACE + "an", -7.0], ["xyz", -9.0], ["tha", -4.0], ["hat", -4.0]]
    return {"type": "Unigram", "unk_id": 0, "byte_fallback": byte_fallback, "vocab": pieces}


MODELS = {
    "bytes": bpe(LETTERS, BYTE_MERGES),
    "bytes_holes": bpe([c for c in LETTERS if c not in spell("\x04b\u00e9")], BYTE_MERGES[:7]),
    "text": bpe(PIECES, TEXT_MERGES, unk_token="<unk>"),
    "text_fused": bpe(PIECES, TEXT_MERGES, unk_token="<unk>", fuse_unk=True),
    "text_dropped": bpe(PIECES, TEXT_MERGES),
    "fallback": bpe(["<unk>", "<s>", "</s>", *BYTES, *TEXT], TEXT_MERGES, unk_token="<unk>", fuse_unk=True, byte_fallback=True),
    "fallback_holes": bpe(["<unk>", *(b for b in BYTES if b not in ("<0xA9>", "<0x9F>")), *TEXT.replace("\u00e9", "")], TEXT_MERGES,
                          unk_token="<unk>", byte_fallback=True),
    "fallback_holes_fused": bpe(["<unk>", *(b for b in BYTES if b not in ("<0xA9>", "<0x9F>")), *TEXT.replace("\u00e9", "")],
                                TEXT_MERGES, unk_token="<unk>", byte_fallback=True, fuse_unk=True),
    "unigram": unigram(False),
    "unigram_bytes": unigram(True),
}


def fields(message):
    """The fields of a protocol buffer message, without groups."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = message[at], at + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        size = varint() if tag & 7 in (0, 2) else 8 if tag & 7 == 1 else 4
        if tag & 7 == 0:
            yield tag >> 3, size
            continue
        yield tag >> 3, message[at:at + size]
        at += size


def character_map():
    """A small one, made by SentencePiece: ligatures, full-width letters, a composed letter, a removed character."""
    rules = ["FB01\t66 69", "FF21\t41", "FF21 FF22\t58", "65 301\tE9", "200B\t", "3000\t20", "41 30A\tC5", "2460\t31",
             "1F468\t6D"]
    tsv = pathlib.Path("/tmp/rules.tsv")
    tsv.write_text("".join(rule + "\n" for rule in rules))
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a b c d e f"] * 9), model_writer=out, vocab_size=12,
                                             hard_vocab_limit=False, normalization_rule_tsv=str(tsv), minloglevel=2)
    normalizer = dict(fields(out.getvalue()))[3]
    return base64.b64encode(dict(fields(normalizer))[2]).decode()


def added(content, **flags):
    return {"id": 0, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": False} | flags


def byte_level(**flags):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True} | flags


def sequence(kind, *parts):
    return {"type": "Sequence", kind: list(parts)}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def metaspace(**flags):
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True} | flags


FUSE, FALLBACK = {"type": "Fuse"}, {"type": "ByteFallback"}
SPACES = replace(SPACE, " ")
CUT = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
LLAMA = sequence("decoders", SPACES, FALLBACK, FUSE, CUT)
GEMMA = sequence("decoders", SPACES, FALLBACK, FUSE)
BYTE_WORDS = byte_level(use_regex=False)
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")

NASTY = ["", " ", "the", " the", "the  the", "The THE\u0130 stra\u00dfe \u01c5", "e\u0301 \u00e9 a\u0301\u0323\u0302 \u0301",
         "\u0634\u0644\u0627\u0645 \u05e9\u05dc\u05d5\u05dd\u05c1", "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f\u200d\U0001f525",
         "a\r\nb\r\n\r\n", "  \t \n\n  a\t\t", "123 1234 12a3 \u0661\u0662 \u0967 \u00b2\u00bc \u2460\u2167 1,000.5", "a\x00b\x01\x04\x7f\x8f\x9f",
         "\ufffd\ufeff\u200b\u2028a\u2029", "x" * 70, "ab" * 40, "...a--b__c(d)[e]\u00bfq\u3002", "\ufb01n \uff21\uff22\uff21 A\u030a \u2460 \u4f60\u597d",
         "a\u200db \u24d0x \u00aa_\u203f", SPACE + "a" + SPACE, "<unk> <s> </s> <0x41> <0xC3>", "it's I'LL 'Tis don't",
         "xyzxyz thatin anan", "\u3000a\u00a0b\u1680c\u2003", "AB-ab.AB ab--AB"]
CASES = []


def case(name, model, texts=(), nasty=NASTY, **parts):
    # The library numbers added tokens that the vocabulary lacks in their order, whatever their ids.
    vocab = MODELS[model]["vocab"]
    known = dict(vocab) if isinstance(vocab, dict) else {piece: id for id, (piece, _) in enumerate(vocab)}
    numbered = [token | {"id": known.setdefault(token["content"], len(known))} for token in parts.pop("added_tokens", [])]
    empty = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": numbered, "normalizer": None,
             "pre_tokenizer": None, "post_processor": None, "decoder": FUSE}
    CASES.append({"name": name, "model": model, "tokenizer": empty | parts, "texts": [*nasty, *texts]})


def add_normalizers():
    for kind in ["Lowercase", "StripAccents", "Nmt", "NFD", "NFKC"]:
        case(f"normalizer {kind}", "text", normalizer={"type": kind})
    for left, right in itertools.product([False, True], repeat=2):
        case(f"normalizer Strip {left} {right}", "text", ["\u2003 the \n"],
             normalizer={"type": "Strip", "strip_left": left, "strip_right": right})
    case("normalizer Precompiled", "text", normalizer={"type": "Precompiled", "precompiled_charsmap": character_map()})
    case("normalizers of T5", "unigram", normalizer=sequence(
        "normalizers", {"type": "Precompiled", "precompiled_charsmap": character_map()},
        {"type": "Strip", "strip_left": False, "strip_right": True}, replace(" {2,}", SPACE, "Regex")),
        pre_tokenizer=metaspace(), decoder=metaspace())
    case("normalizers of accents", "text", normalizer=sequence("normalizers", {"type": "NFD"}, {"type": "Lowercase"},
                                                               {"type": "StripAccents"}))
    case("normalizer ByteLevel", "bytes", normalizer={"type": "ByteLevel"}, decoder=byte_level(),
         pre_tokenizer=split("\u0120[a-z]+|[0-9]"), added_tokens=[added("\u00e9t\u00e9"), added("<n\u00e9>", normalized=True)],
         texts=["a\u00e9t\u00e9b <n\u00e9>"])


def add_pre_tokenizers():
    for kind in ["Whitespace", "WhitespaceSplit", "BertPreTokenizer"]:
        case(f"pre-tokenizer {kind}", "text", pre_tokenizer={"type": kind})
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        case(f"pre-tokenizer Punctuation {behavior}", "text", pre_tokenizer={"type": "Punctuation", "behavior": behavior})
    case("pre-tokenizer CharDelimiterSplit", "text", pre_tokenizer={"type": "CharDelimiterSplit", "delimiter": "b"})
    case("pre-tokenizer FixedLength", "text", pre_tokenizer={"type": "FixedLength", "length": 3})
    case("pre-tokenizer Digits", "text", pre_tokenizer={"type": "Digits", "individual_digits": True})
    case("pre-tokenizers of Falcon", "bytes", decoder=byte_level(), post_processor=byte_level(),
         pre_tokenizer=sequence("pretokenizers", {"type": "Punctuation", "behavior": "Contiguous"}, byte_level(),
                                {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]")))
    case("pre-tokenizers of StarCoder", "bytes", decoder=byte_level(), pre_tokenizer=sequence(
        "pretokenizers", {"type": "Digits", "individual_digits": True}, byte_level()))
    case("pre-tokenizers of DeepSeek", "bytes", decoder=byte_level(), pre_tokenizer=sequence(
        "pretokenizers", split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
        split("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
              "\\s*[\r\n]+|\\s+(?!\\S)|\\s+"), BYTE_WORDS))
    for name, pattern in {"o200k": O200K, "cl100k": CL100K}.items():
        case(f"pre-tokenizer {name}", "bytes", decoder=byte_level(),
             pre_tokenizer=sequence("pretokenizers", split(pattern, "Removed", True), BYTE_WORDS))
    case("pre-tokenizer with a prefix space", "bytes", decoder=byte_level(), pre_tokenizer=byte_level(add_prefix_space=True),
         added_tokens=[added("<x>")], texts=["the<x>the <x> the"])


def add_decoders():
    strip = lambda start, stop, content=" ": {"type": "Strip", "content": content, "start": start, "stop": stop}
    case("decoder Strip of the text", "text", decoder=sequence("decoders", FUSE, strip(2, 2)), texts=["   a   ", "  "])
    case("decoder Strip of the end", "text", decoder=sequence("decoders", FUSE, strip(0, 3, "x")), texts=["axxxx", "xxax xx"])
    case("decoder Replace by regex", "text", decoder=sequence("decoders", replace("[ab]+", "<>", "Regex"), FUSE))
    case("decoder without Fuse", "text", decoder=sequence("decoders", replace("a", ""), replace("b", "aa")))
    case("decoder Metaspace and bytes", "fallback", pre_tokenizer=metaspace(),
         decoder=sequence("decoders", metaspace(), FALLBACK, FUSE), added_tokens=[added(SPACE + "x y" + SPACE)],
         texts=[SPACE + "x y" + SPACE + "the"])
    case("decoder Metaspace never", "text", pre_tokenizer=metaspace(prepend_scheme="never"),
         decoder=metaspace(prepend_scheme="never"))
    case("decoder ByteLevel of text", "text", decoder=byte_level())
    case("decoder Fuse of byte-level words", "bytes", pre_tokenizer=byte_level(), decoder=FUSE)
    case("decoder ByteLevel and Strip", "bytes", pre_tokenizer=byte_level(add_prefix_space=True),
         decoder=sequence("decoders", byte_level(), strip(1, 0)))


def add_models():
    case("bytes that the vocabulary lacks", "bytes_holes", pre_tokenizer=byte_level(), decoder=byte_level())
    for model in ["text_fused", "text_dropped"]:
        case(f"model {model}", model)
    for model in ["fallback", "fallback_holes", "fallback_holes_fused"]:
        case(f"model {model}", model, ["\u00e9\u00e8a", "\U0001f600\u00e8\u00e9\u00e9a"], decoder=GEMMA)
    for model in ["unigram", "unigram_bytes"]:
        case(f"model {model}", model, pre_tokenizer=metaspace(), decoder=sequence("decoders", metaspace(), FALLBACK, FUSE),
             added_tokens=[added("<unk>", special=True), added("<s>", special=True)])
        case(f"model {model}, one word", model, normalizer=replace(" ", SPACE), decoder=LLAMA)


def add_added_tokens():
    flags = ["normalized", "lstrip", "rstrip", "single_word", "special"]
    texts = ["a<t>b", "a <t> b", " <t>", "<t> ", "a  <t>\n\t b", "_<t>", "<t>_", "\u24d0<t>", "<t>\u200d", "<T> <t>", "<t><t>", "<t> <t>",
             "a\u0301<t>", "<t>\u0301", "\u00e9 <t>, <t>."]
    for values in itertools.product([False, True], repeat=5):
        chosen = dict(zip(flags, values))
        case("added token " + (" ".join(f for f in flags if chosen[f]) or "plain"), "text", texts, nasty=[],
             normalizer={"type": "Lowercase"}, added_tokens=[added("<t>", **chosen), added("<T>x")])
    case("added tokens that overlap", "text", ["<r>   x", "<r>  <l>", "a  <l>", "<r>", "<long> <longer>", "<long", "   ", "<r> \u2003 b", "<longer  "],
         added_tokens=[added("<r>", rstrip=True), added("  "), added("<l>", lstrip=True), added("<long>"),
                       added("<longer"), added("<long", special=True)])
    case("added tokens of the vocabulary", "text", ["ab the 12"], added_tokens=[added("<unk>", special=True), added("the"), added("12", special=True)])
    case("added tokens of Gemma", "fallback", ["a\n\n\nb", SPACE * 2 + "a", "a" + SPACE + "b<start>", "<mask> <start>"],
         normalizer=replace(" ", SPACE), pre_tokenizer={"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
         decoder=GEMMA, post_processor=template([("<s>", 1)], []), added_tokens=[
             added("<s>", special=True), added(SPACE * 2), added("\n\n"), added("<mask>"),
             added("<start>", special=True)])
    case("added tokens of Phi-3", "fallback", ["<user> the <end> a", "<user>\n<end>\n", "a <end>b"],
         normalizer=sequence("normalizers", {"type": "Prepend", "prepend": SPACE}, replace(" ", SPACE)), decoder=LLAMA,
         post_processor=template([("<s>", 1)], []), added_tokens=[
             added("<unk>", special=True), added("<s>", special=True), added("</s>", rstrip=True),
             added("<end>", rstrip=True, special=True), added("<user>", rstrip=True, special=True)])
    case("added tokens of GPT-NeoX", "bytes", ["a  b   c    d", "<|endoftext|> a  "], normalizer={"type": "NFC"},
         pre_tokenizer=byte_level(), decoder=byte_level(), post_processor=byte_level(), added_tokens=[
             added("<|endoftext|>", special=True), added("    ", normalized=True), added("   ", normalized=True),
             added("  ", normalized=True)])
    case("added tokens spelled as bytes", "bytes", ["\u00e9t\u00e9 na\u00efve \uff5cx\uff5c \u0120"], pre_tokenizer=byte_level(), decoder=byte_level(),
         added_tokens=[added("\u00e9t\u00e9"), added("na\u00efve", special=True), added("\uff5cx\uff5c"), added("\u0120")])


def template(before, after):
    item = lambda pair: {"SpecialToken": {"id": pair[0], "type_id": 0}}
    return {"type": "TemplateProcessing",
            "single": [*map(item, before), {"Sequence": {"id": "A", "type_id": 0}}, *map(item, after)],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {name: {"id": name, "ids": [id], "tokens": [name]} for name, id in [*before, *after]}}


def add_post_processors():
    tokens = [added("<s>", special=True), added("</s>", special=True)]
    for kind in ["RobertaProcessing", "BertProcessing"]:
        extra = {"trim_offsets": True, "add_prefix_space": True} if kind[0] == "R" else {}
        case(f"post-processor {kind}", "fallback", added_tokens=tokens, decoder=GEMMA,
             post_processor={"type": kind, "sep": ["</s>", 2], "cls": ["<s>", 1]} | extra)
    case("post-processors in sequence", "fallback", added_tokens=tokens, decoder=GEMMA, post_processor=sequence(
        "processors", byte_level(), template([("<s>", 1), ("</s>", 2)], [("</s>", 2)])))


def decode(tokenizer, ids, **options):
    """Nothing where the library ends in a panic: its Strip takes more from a text's end than there is."""
    try:
        return tokenizer.decode(ids, **options)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return None


def encoded(one):
    text = json.dumps(one["tokenizer"] | {"model": MODELS[one["model"]]})
    full, plain = Tokenizer.from_str(text), Tokenizer.from_str(text)
    plain.encode_special_tokens = True
    for text in one["texts"]:
        entry = {"text": text, "ids": plain.encode(text, add_special_tokens=False).ids,
                 "special": full.encode(text, add_special_tokens=False).ids, "prompt": full.encode(text).ids}
        entry["decoded"] = decode(full, entry["special"])
        entry["shown"] = decode(full, entry["special"], skip_special_tokens=False)
        # What equals the plain ids or the text is left out.
        yield {key: value for key, value in entry.items() if key in ("text", "ids") or value != (
            entry["ids"] if key in ("special", "prompt") else text)}


def decoded(one, count=8):
    """Random ids, as a model may generate them: characters cut in half, added tokens anywhere."""
    full = Tokenizer.from_str(json.dumps(one["tokenizer"] | {"model": MODELS[one["model"]]}))
    size = full.get_vocab_size(with_added_tokens=True)
    draw = random.Random(one["name"])
    for _ in range(count):
        ids = [draw.randrange(min(size, 262)) if draw.random() < 0.6 else draw.randrange(size) for _ in range(draw.randrange(1, 14))]
        if draw.random() < 0.3:
            ids.insert(draw.randrange(len(ids)), size + 5)  # an id without a token
        yield {"ids": ids, "decoded": decode(full, ids), "shown": decode(full, ids, skip_special_tokens=False)}


def main():
    for add in [add_normalizers, add_pre_tokenizers, add_decoders, add_models, add_added_tokens, add_post_processors]:
        add()
    line = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    models = ",\n".join(f"{line(name)}: {line(model)}" for name, model in MODELS.items())
    cases = []
    for one in CASES:
        whole = {"name": one["name"], "model": one["model"], "tokenizer": one["tokenizer"],
                 "encoded": list(encoded(one)), "decoded": list(decoded(one))}
        cases.append(line(whole))
    path = pathlib.Path(__file__).parent / "components.json"
    path.write_text('{"models": {\n' + models + '},\n"cases": [\n' + ",\n".join(cases) + "\n]}\n")


main()
