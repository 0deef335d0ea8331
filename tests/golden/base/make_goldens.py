#!/usr/bin/env python3
"""Makes file_hashes.json: hashes of files as base/file_hash defines them, by the xxhash package of PyPI (4.1)."""
import json
import pathlib
import xxhash

STRETCH = 8 << 20


def content(size):
    """Byte i is i * i // 7 + i of 256."""
    return bytes((i * i // 7 + i) & 255 for i in range(size))


def hash_of(data):
    parts = [xxhash.xxh3_128_digest(data[i : i + STRETCH]) for i in range(0, len(data), STRETCH)]
    return xxhash.xxh3_128_hexdigest(b"".join(parts), seed=len(data))


SIZES = [0, 1, 5000, STRETCH - 1, STRETCH, STRETCH + 1, 2 * STRETCH + 12345]
out = [{"bytes": size, "hash": hash_of(content(size))} for size in SIZES]
pathlib.Path(__file__).with_name("file_hashes.json").write_text(json.dumps(out, indent=1) + "\n")
