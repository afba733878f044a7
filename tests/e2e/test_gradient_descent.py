#!/usr/bin/python3
"""gradient_descent among any number of learners is gradient descent on the union of their data: the loss curves of
`cohort run` against those of numpy in double precision, from the same weights, to 1e-5."""
import json
import struct

import numpy
from cohort_e2e import main, save_classes

ROUNDS, RATE = 12, 0.2


# ---- the oracle: [loss and gradient by outputs] of a linear model


def mse(outputs, targets):
    return ((outputs - targets) ** 2).mean(), 2 * (outputs - targets) / outputs.size


def binary_cross_entropy(outputs, targets):
    loss = numpy.maximum(outputs, 0) - outputs * targets + numpy.log1p(numpy.exp(-abs(outputs)))
    return loss.mean(), (1 / (1 + numpy.exp(-outputs)) - targets) / outputs.size


def cross_entropy(outputs, targets):
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    logs = shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
    return -(logs * targets).sum() / len(targets), (numpy.exp(logs) - targets) / len(targets)


def descend(loss, features, targets, weight, bias):
    """The losses before each of the steps, and the one after the last."""
    losses = []
    for _ in range(ROUNDS + 1):
        value, gradient = loss(features @ weight.T + bias, targets)
        losses.append(value)
        weight = weight - RATE * gradient.T @ features
        bias = bias - RATE * gradient.sum(axis=0)
    return losses


# ---- the runs


def write_weights(path, tensors):
    header, at, values = {"__metadata__": {"format": "pt"}}, 0, b""
    for name, tensor in tensors.items():
        content = tensor.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [at, at + len(content)]}
        at, values = at + len(content), values + content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + values)


def check(world, loss, features, targets, data):
    n_outputs = targets.shape[1]
    random = numpy.random.default_rng(3)
    weight = random.normal(size=(n_outputs, features.shape[1])).astype("float32")
    bias = random.normal(size=n_outputs).astype("float32")
    write_weights(world.folder / "first.safetensors", {"0.weight": weight, "0.bias": bias})
    exact = (array.astype("float64") for array in (features, targets, weight, bias))
    expected = descend(loss, *exact)
    for n_learners in 1, 4, 10:
        experiment = {
            "name": "descent",
            "model": {
                "layers": [{"dense": {"units": n_outputs}}],
                "loss": loss.__name__,
                "weights": str(world.folder / "first.safetensors"),
            },
            "data": data,
            "training": {"optimizer": {"kind": "sgd", "learning_rate": RATE}, "batch_size": 16},
            "collaboration": {"algorithm": "gradient_descent", "rounds": ROUNDS, "learners": n_learners},
        }
        rounds = world.run(experiment, out=f"learners-{n_learners}").metrics("round")
        before = [row["train_loss"] for row in rounds]
        after = [row["test_loss"] for row in rounds]  # on the training data, by the next model
        for curve, oracle in (before, expected[:-1]), (after, expected[1:]):
            worst = abs(numpy.array(curve) / numpy.array(oracle) - 1).max()
            assert worst < 1e-5, f"{n_learners} learners: relative difference {worst}\n{curve}\n{oracle}"
    assert expected[-1] < 0.9 * expected[0], "nothing was learned"


def it_equals_linear_regression_on_all_the_data_from_csv(world):
    random = numpy.random.default_rng(1)
    features = random.normal(size=(203, 5)).astype("float32")
    targets = (features @ random.normal(size=(5, 2)) + 0.1 * random.normal(size=(203, 2))).astype("float32")
    table = numpy.hstack([features, targets])
    path = world.folder / "table.csv"
    numpy.savetxt(path, table, fmt="%.9g", delimiter=",", header="a,b,c,d,e,first,second", comments="")
    form = {"kind": "csv", "target": "values", "targets": ["first", "second"]}
    data = {"format": form, "train": {"features": str(path)}, "test": {"features": str(path)}}
    check(world, mse, features, targets, data)


def it_equals_logistic_regression_on_all_the_data_from_npy(world):
    features, labels = save_classes(world.folder, "two", n=203, classes=2)
    targets = labels.reshape(-1, 1).astype("float32")
    numpy.save(world.folder / "two-t.npy", targets)
    files = {"features": f"{world.folder}/two-x.npy", "labels": f"{world.folder}/two-t.npy"}
    data = {"format": {"kind": "npy", "target": "values"}, "train": files, "test": files}
    check(world, binary_cross_entropy, features, targets, data)


def it_equals_softmax_regression_on_all_the_data_in_uneven_parts(world):
    features, labels = save_classes(world.folder, "three", n=203)
    files = {"features": f"{world.folder}/three-x.npy", "labels": f"{world.folder}/three-y.npy"}
    partition = {"kind": "dirichlet", "alpha": 0.3, "sizes": "free"}
    data = {"format": "npy", "train": files, "test": files, "partition": partition}
    check(world, cross_entropy, features, numpy.eye(3, dtype="float32")[labels], data)


main(globals())
