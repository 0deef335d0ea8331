#!/usr/bin/env python3
"""Writes the golden files beside it: checkpoints by the real PyTorch (Debian's python3-torch, 1.13) and by hand
after the safetensors format document, arrays by NumPy, and hostile pickles by Python's pickle. Only making them
needs PyTorch; the tests need only the files."""
import collections
import io
import json
import os
import pathlib
import pickle
import struct
import zipfile

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
os.chdir(HERE)
pathlib.Path("hostile").mkdir(exist_ok=True)


def ramp(*shape):
    """0.25 * (i - 5): exact in all three element types."""
    return ((torch.arange(int(np.prod(shape))) - 5) * 0.25).reshape(shape)


def state(dtype):
    special = [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-7, 3e38, -1.5]
    tensors = collections.OrderedDict()
    tensors["model.embed_tokens.weight"] = ramp(8, 6).to(dtype)
    tensors["model.layers.0.mlp.up_proj.weight"] = ramp(3, 2, 2).to(dtype)
    tensors["model.norm.weight"] = ramp(7).to(dtype)
    tensors["special"] = torch.tensor(special).to(dtype)
    tensors["scalar"] = torch.tensor(2.5).to(dtype)
    tensors["empty"] = torch.zeros(0, 3).to(dtype)
    tensors._metadata = collections.OrderedDict({"": {"version": 1}, "model": {"version": 2}})
    return tensors


def raw(tensor):
    return bytes(tensor.contiguous().flatten().view(torch.uint8).numpy()) if tensor.numel() else b""


def scalar_raw(tensor):
    return raw(tensor.reshape(1)) if tensor.dim() == 0 else raw(tensor)


def safetensors(path, tensors, metadata=None):
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, tensor in tensors.items():
        part = scalar_raw(tensor)
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def archive(path, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w") as out:
        for name, content in entries.items():
            out.writestr(zipfile.ZipInfo(name), content, compress_type=method)


def entries_of(path):
    with zipfile.ZipFile(path) as archived:
        return {name: archived.read(name) for name in archived.namelist()}


def checkpoints():
    for name, dtype in (("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)):
        torch.save(state(dtype), f"state_{name}.bin")
        safetensors(f"state_{name}.safetensors", state(dtype), {"format": "pt"})
    for protocol in (3, 4, 5):
        torch.save(state(torch.float32), f"protocol{protocol}.bin", pickle_protocol=protocol)

    embed = ramp(4, 3)
    torch.save({"model.embed_tokens.weight": embed, "lm_head.weight": embed}, "tied.bin")
    linear = torch.nn.Linear(3, 2)
    with torch.no_grad():
        linear.weight.copy_(ramp(2, 3))
        linear.bias.copy_(ramp(2))
    torch.save(dict(linear.named_parameters()), "parameter.bin")
    torch.save({"whole": embed, "rows": embed[1:3], "one": embed.t()[1:2, 2:3]}, "slice.bin")
    torch.save({"model.norm.weight": embed.t()}, "transposed.bin")
    torch.save({"model.norm.weight": ramp(3),
                "model.position_ids": torch.arange(4).reshape(1, 4),
                "model.layers.0.self_attn.rotary_emb.inv_freq": torch.arange(2, dtype=torch.float64),
                "model.layers.0.attn.bias": torch.ones(2, 2, dtype=torch.bool)}, "buffers.bin")
    torch.save({"model.norm.weight": torch.arange(4)}, "int64.bin")
    torch.save({"model.norm.weight": torch.ones(2, dtype=torch.complex64)}, "complex.bin")
    torch.save({"model": state(torch.float32)}, "nested.bin")
    torch.save({"epoch": 3, "model.norm.weight": ramp(3)}, "epoch.bin")
    torch.save({3: ramp(3)}, "integer_key.bin")
    torch.save([ramp(3)], "list.bin")
    torch.save(state(torch.float32), "legacy.bin", _use_new_zipfile_serialization=False)

    tied = entries_of("tied.bin")
    archive("byteorder_little.bin", {**tied, "tied/byteorder": b"little"})
    archive("byteorder_big.bin", {**tied, "tied/byteorder": b"big"})
    archive("deflated.bin", tied, zipfile.ZIP_DEFLATED)
    archive("no_pickle.bin", {"tied/version": b"3\n"})


class Calls:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def hostile():
    def wrap(name, data):
        archive(f"hostile/{name}.bin", {"x/data.pkl": data, "x/version": b"3\n"})

    for protocol in (2, 4):
        wrap(f"system_protocol{protocol}", pickle.dumps({"w": Calls(os.system, "echo pwned")}, protocol))
        wrap(f"eval_protocol{protocol}", pickle.dumps({"w": Calls(eval, "1+1")}, protocol))
    wrap("os_system", b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    wrap("numpy", pickle.dumps({"w": np.float32(1.5)}, 2))
    wrap("instance", pickle.dumps({"w": io.UnsupportedOperation("x")}, 2))
    wrap("set", pickle.dumps({"w": {1, 2}}, 4))
    wrap("bytes", pickle.dumps({"w": b"x"}, 3))
    wrap("bad_opcode", b"\x80\x02}\xff.")
    wrap("truncated", pickle.dumps({"w": list(range(1000))}, 2)[:900])
    wrap("no_stop", pickle.dumps({"w": 1}, 2)[:-1])
    wrap("memo_get", b"\x80\x02}j\xff\xff\xff\xff.")
    wrap("memo_put", b"\x80\x02}r\xff\xff\xff\xff.")
    wrap("memo_unset", b"\x80\x02}q\x05h\x04.")
    wrap("huge_text", b"\x80\x02}X\xff\xff\xff\xffabc.")
    wrap("huge_text8", b"\x80\x04}\x8d" + b"\xff" * 8 + b"abc.")
    wrap("deep_marks", b"\x80\x02" + b"(" * 40000)
    wrap("deep_lists", b"\x80\x02" + b"]" * 20000 + b"a" * 19999 + b".")
    wrap("deep_tuples", b"\x80\x02)" + b"\x85" * 40000 + b".")
    wrap("underflow", b"\x80\x02a.")
    wrap("below_mark", b"\x80\x02K\x01K\x02(\x86t.")
    wrap("no_mark", b"\x80\x02}u.")
    wrap("odd_items", b"\x80\x02}(K\x01u.")
    wrap("empty", b"")
    wrap("only_stop", b"\x80\x02.")
    wrap("big_integer", b"\x80\x02}K\x01\x8a\xff" + b"\x01" * 255 + b"s.")
    wrap("protocol", b"\x80\x09}.")
    wrap("call_of_text", b"\x80\x02X\x01\x00\x00\x00a)R.")
    wrap("build_on_list", b"\x80\x02]}b.")
    wrap("line", b"\x80\x02ctorch")
    recursive = {}
    recursive["w"] = recursive
    wrap("recursive", pickle.dumps(recursive, 2))


def arrays():
    np.save("f32_3d.npy", (np.arange(24, dtype="<f4") * 0.5 - 3).reshape(2, 3, 4))
    np.save("f32_1d.npy", np.arange(5, dtype="<f4"))
    np.save("f32_scalar.npy", np.float32(1.5))
    np.save("f32_empty.npy", np.zeros((0, 3), "<f4"))
    # A header that is 64-byte aligned before it is padded: NumPy then adds 64 more.
    shape = next(shape for shape in ((2,) + (1,) * ones + (last,) for ones in range(30) for last in (3, 10, 100))
                 if (10 + len(str({"descr": "<f4", "fortran_order": False, "shape": shape})) + 2 + 20 + 1) % 64 == 0)
    np.save("f32_aligned.npy", np.arange(np.prod(shape), dtype="<f4").reshape(shape))
    print("f32_aligned.npy:", shape)
    np.save("i32.npy", np.array([[-1, 2], [3, -(2**31)]], "<i4"))
    np.save("i64.npy", np.array([2**62, -(2**63), 0], "<i8"))
    np.save("f64.npy", np.arange(3.0))
    np.save("fortran.npy", np.asfortranarray(np.arange(6, dtype="<f4").reshape(2, 3)))
    with open("version2.npy", "wb") as out:
        np.lib.format.write_array(out, np.arange(4, dtype="<f4"), version=(2, 0))


checkpoints()
hostile()
arrays()
