"""Tokenizers of the tested models as directories that transformers reads: what lm-evaluation-harness calls its backend huggingface.

The bundled model has a SentencePiece file, of which transformers 5 makes other tokens than SentencePiece, and a GGUF file has no such
directory at all. Made here from their tables, and the test compares what they give with the server's own tokens.
"""
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast


def merges_of(pieces):
    """SentencePiece's order of joining: the pieces come in it, and each may be joined from any two others."""
    number = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for piece in pieces:
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        known = [s for s in splits if s[0] in number and s[1] in number]
        merges += sorted(known, key=lambda s: (number[s[0]], number[s[1]]))
    return merges


def from_sentencepiece(file):
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(file.read_bytes())
    normal = 1
    by_score = sorted((p for p in proto.pieces if p.type == normal), key=lambda p: -p.score)
    vocabulary = {p.piece: i for i, p in enumerate(proto.pieces)}
    out = Tokenizer(models.BPE(vocabulary, merges_of([p.piece for p in by_score]), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    out.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    out.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    out.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])])
    out.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<s>", "</s>", "<unk>")])
    return out, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def from_gguf(file):
    from gguf import GGUFReader

    fields = GGUFReader(file).fields
    value = {name.removeprefix("tokenizer."): field.contents() for name, field in fields.items() if name.startswith("tokenizer.")}
    if value["ggml.pre"] != "smollm":
        raise ValueError(f"expected SmolLM2's way of splitting words, got {value['ggml.pre']}")
    tokens = value["ggml.tokens"]
    out = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in value["ggml.merges"]]))
    out.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    out.decoder = decoders.ByteLevel()
    control = 3
    special = [t for t, kind in zip(tokens, value["ggml.token_type"]) if kind == control]
    out.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    more = {"bos_token": tokens[value["ggml.bos_token_id"]], "eos_token": tokens[value["ggml.eos_token_id"]]}
    return out, more | {"chat_template": value["chat_template"]}


def make_tokenizer_directory(model, target):
    """A transformers directory at `target`; the tokenizer itself, to compare with."""
    model = Path(model)
    tokenizer, more = from_gguf(model) if model.suffix == ".gguf" else from_sentencepiece(model / "tokenizer.model")
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **more)
    whole.save_pretrained(target)
    return whole
