"""Federated averaging (McMahan et al. 2017, Algorithm 1), its batches drawn by an independent Philox."""

import numpy as np
from philox import SHUFFLE, Stream
from problems import check_curve, check_parameters, cross_entropy, dump, loss_and_gradient

ROUNDS, EPOCHS, BATCH, RATE, SIZES = 3, 2, 8, 0.1, [5, 7, 3]


def local_update(parameters, run, learner, round):
    rows, losses = np.array(run["parts"][learner]), []
    for epoch in range(EPOCHS):
        order = Stream(run["seed"], learner, round, epoch, SHUFFLE).shuffled(len(rows))
        for first in range(0, len(rows), BATCH):
            batch = rows[order[first : first + BATCH]]
            value, gradient = loss_and_gradient(parameters, SIZES, cross_entropy, run, batch)
            losses += [value] * len(batch)
            parameters = parameters - RATE * gradient
    return parameters, np.mean(losses)


for learners in (1, 4, 10):
    run = dump("fedavg", learners, ROUNDS)
    sizes = np.array([len(part) for part in run["parts"]])
    share, parameters, curve = sizes / sizes.sum(), run["initial"], []
    for round in range(1, ROUNDS + 1):
        updates = [local_update(parameters, run, k, round) for k in range(learners)]
        parameters = sum(share[k] * updates[k][0] for k in range(learners))
        curve.append(sum(share[k] * updates[k][1] for k in range(learners)))
    check_curve(f"{learners} learners, losses", run["losses"], np.array(curve), 1e-5)
    check_parameters(f"{learners} learners, parameters", run["final"], parameters, 1e-5)
