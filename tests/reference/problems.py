"""What the checks share: running reference-dump, and models written from their definitions in float64."""

import json
import subprocess
import sys

import numpy as np


def dump(problem, learners, rounds, yaml=None, buffer=None):
    """With `yaml` as the problem's algorithm, training and model, when given; with `buffer` learners a round, in turn."""
    out = subprocess.run(
        [sys.argv[1], problem, str(learners), str(rounds)] + [yaml] * bool(yaml) + [str(buffer)] * bool(buffer), check=True, stdout=subprocess.PIPE
    ).stdout
    run = json.loads(out)
    n = run["n_samples"]
    run["features"] = np.array(run["features"]).reshape(n, -1)
    run["values"] = np.array(run["values"]).reshape(n, -1)
    run["classes"] = np.array(run["classes"])
    run["own"] = np.array(run["own"]).reshape(learners, -1)
    for key in ("initial", "final", "losses"):
        run[key] = np.array(run[key])
    return run


def mse(outputs, run, rows):
    """Mean over samples and outputs of the squared error, and its gradient."""
    error = outputs - run["values"][rows]
    return np.mean(error**2), 2 * error / error.size


def binary_cross_entropy(outputs, run, rows):
    """Mean of -t log p - (1 - t) log(1 - p) with p = 1 / (1 + exp(-output))."""
    t, p = run["values"][rows], 1 / (1 + np.exp(-outputs))
    return np.mean(-t * np.log(p) - (1 - t) * np.log(1 - p)), (p - t) / t.size


def cross_entropy(outputs, run, rows):
    """Mean of -log softmax(outputs)[class]."""
    n, classes = len(outputs), run["classes"][rows]
    p = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    gradient = p.copy()
    gradient[np.arange(n), classes] -= 1
    return -np.mean(np.log(p[np.arange(n), classes])), gradient / n


def unpack(parameters, sizes):
    """Weights [outputs, inputs] and biases of dense layers, as they lie in the flat vector."""
    layers, at = [], 0
    for inputs, outputs in zip(sizes, sizes[1:]):
        w = parameters[at : at + inputs * outputs].reshape(outputs, inputs)
        at += inputs * outputs
        layers.append((w, parameters[at : at + outputs]))
        at += outputs
    assert at == len(parameters)
    return layers


def loss_and_gradient(parameters, sizes, loss, run, rows):
    """Of a chain of dense layers with relu between them, over the samples `rows`."""
    layers = unpack(parameters, sizes)
    inputs = [run["features"][rows]]
    for i, (w, b) in enumerate(layers):
        z = inputs[-1] @ w.T + b
        inputs.append(np.maximum(z, 0) if i < len(layers) - 1 else z)
    value, delta = loss(inputs[-1], run, rows)
    parts = []
    for i in reversed(range(len(layers))):
        if i < len(layers) - 1:
            delta = delta * (inputs[i + 1] > 0)
        parts = [(delta.T @ inputs[i]).ravel(), delta.sum(axis=0)] + parts
        delta = delta @ layers[i][0]
    return value, np.concatenate(parts)


def check(name, off, tolerance):
    print(f"{name}: off by {off:.2g}, {tolerance:.0e} allowed")
    if not off <= tolerance:
        sys.exit(f"{name}: off by {off:.3g}")


def check_curve(name, got, expected, tolerance):
    check(name, np.max(np.abs(got - expected) / np.abs(expected)), tolerance)


def check_parameters(name, got, expected, tolerance):
    """The worst parameter, relative to the largest."""
    check(name, np.max(np.abs(got - expected)) / np.max(np.abs(expected)), tolerance)
