#!/usr/bin/env python3
"""Reads a file that C wrote, from the format's description alone: safetensors.py WRITE_SAFETENSORS

What the format's own reader insists on is checked: the header starts with '{', tensors tile the bytes that follow
without gap or overlap, and metadata maps strings to strings.
"""
import hashlib
import json
import struct
import subprocess
import sys
import tempfile

import numpy

SHAPES = {"0.weight": (300, 7), "0.bias": (300,), "2.weight": (5, 4, 3, 2), 'scale "é\\': ()}


def read(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    text = data[8 : 8 + length]
    assert text[:1] == b"{" and (8 + length) % 64 == 0
    header = json.loads(text.decode("utf-8"))
    assert header.pop("__metadata__") == {"format": "pt"}
    values, end = data[8 + length :], 0
    tensors = {}
    for name, about in header.items():
        begin, stop = about["data_offsets"]
        assert about["dtype"] == "F32" and begin == end, name
        end = stop
        tensors[name] = numpy.frombuffer(values[begin:stop], "<f4").reshape(about["shape"])
    assert end == len(values)
    return tensors, hashlib.sha256(data).hexdigest()


with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/model.safetensors"
    told = subprocess.run([sys.argv[1], path], check=True, capture_output=True, text=True).stdout.strip()
    tensors, digest = read(path)
assert told == digest, (told, digest)
assert {name: tensor.shape for name, tensor in tensors.items()} == SHAPES
flat = numpy.concatenate([tensor.ravel() for tensor in tensors.values()])
expected = numpy.arange(len(flat), dtype=numpy.float32) / numpy.float32(7) - numpy.float32(100)
assert (flat == expected).all()
print(f"{len(tensors)} tensors, {len(flat)} values: the same, bit for bit")
