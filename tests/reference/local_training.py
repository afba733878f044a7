"""Local training in mini-batches, its order drawn by an independent Philox, for the algorithms built on it."""

import numpy as np
from philox import SHUFFLE, Stream
from problems import cross_entropy, dump, loss_and_gradient

EPOCHS, BATCH, RATE, SIZES = 2, 8, 0.1, [5, 7, 3]


def batches(run, learner, round, epoch):
    rows = np.array(run["parts"][learner])
    order = Stream(run["seed"], learner, round, epoch, SHUFFLE).shuffled(len(rows))
    return [rows[order[first : first + BATCH]] for first in range(0, len(rows), BATCH)]


def train(parameters, run, learner, round, epochs=EPOCHS, extra=lambda parameters: 0):
    """SGD on the loss whose gradient is the batch's and `extra`: parameters, and the mean of the losses met."""
    losses = []
    for epoch in range(epochs):
        for batch in batches(run, learner, round, epoch):
            value, gradient = loss_and_gradient(parameters, SIZES, cross_entropy, run, batch)
            losses += [value] * len(batch)
            parameters = parameters - RATE * (gradient + extra(parameters))
    return parameters, np.mean(losses)


def shares(run):
    sizes = np.array([len(part) for part in run["parts"]])
    return sizes / sizes.sum()


def dump_local(algorithm, learners, rounds, optimizer=f"{{kind: sgd, learning_rate: {RATE}}}", buffer=None):
    """A run of `algorithm` and `optimizer` (YAML) in this file's training."""
    return dump(
        "fedavg",
        learners,
        rounds,
        f"{{algorithm: {algorithm}, training: {{optimizer: {optimizer}, "
        f"batch_size: {BATCH}, local_epochs: {EPOCHS}}}, "
        f"model: {{layers: [dense: {{units: {SIZES[1]}, activation: relu}}, dense: {{units: {SIZES[2]}}}], "
        "loss: cross_entropy}}",
        buffer,
    )


def n_steps(run, learner):
    return EPOCHS * -(-len(run["parts"][learner]) // BATCH)
