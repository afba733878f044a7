#!/usr/bin/env python3
"""An independent hand at safetensors and at predicting, with numpy and the format's description alone.

predict.py write|write-nan MODEL       a linear model of 784 inputs and 10 classes
predict.py check FIGURES TABLE FOLDER  recomputes what cohort predict told of that model
"""
import csv
import gzip
import json
import struct
import sys

import numpy


def weights():
    random = numpy.random.RandomState(7)
    return random.randn(10, 784).astype("<f4") / 28, random.randn(10).astype("<f4") / 10


def write(path, spoil):
    weight, bias = weights()
    if spoil:
        bias[3] = float("nan")
    # Not the order of the layers, on purpose: names decide.
    header = {
        "0.bias": {"dtype": "F32", "shape": [10], "data_offsets": [0, 40]},
        "0.weight": {"dtype": "F32", "shape": [10, 784], "data_offsets": [40, 40 + 31360]},
    }
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + bias.tobytes() + weight.tobytes())


def idx(path, header_bytes):
    return numpy.frombuffer(gzip.open(path).read(), numpy.uint8)[header_bytes:]


def check(figures_path, table_path, folder):
    labels = idx(f"{folder}/t10k-labels-idx1-ubyte.gz", 8).astype(int)
    features = idx(f"{folder}/t10k-images-idx3-ubyte.gz", 16).reshape(len(labels), 784) / numpy.float64(255)
    weight, bias = (tensor.astype(numpy.float64) for tensor in weights())
    logits = features @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    chances = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    guesses = chances.argmax(axis=1)
    confusion = numpy.zeros((10, 10), int)
    numpy.add.at(confusion, (labels, guesses), 1)

    figures = json.load(open(figures_path))
    assert figures["samples"] == len(labels)
    assert abs(figures["accuracy"] - (guesses == labels).mean()) < 1e-12, figures["accuracy"]
    loss = -numpy.log(chances[numpy.arange(len(labels)), labels]).mean()
    assert abs(figures["loss"] - loss) < 1e-5 * loss, (figures["loss"], loss)
    assert figures["confusion"] == confusion.tolist()
    for k, row in enumerate(figures["classes"]):
        for key, whole in [("recall", confusion[k].sum()), ("precision", confusion[:, k].sum())]:
            assert row[key] == (confusion[k, k] / whole if whole else None), (k, key, row)

    rows = list(csv.DictReader(open(table_path)))
    assert [int(row["actual"]) for row in rows] == labels.tolist()
    assert [int(row["predicted"]) for row in rows] == guesses.tolist()
    told = numpy.array([[float(row[f"class_{k}"]) for k in range(10)] for row in rows])
    assert numpy.abs(told - chances).max() < 1e-5


if sys.argv[1] == "check":
    check(*sys.argv[2:])
else:
    write(sys.argv[2], sys.argv[1] == "write-nan")
