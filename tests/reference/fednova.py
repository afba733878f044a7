"""FedNova (Wang et al. 2020, equations 4 and 5), with plain SGD and with momentum, whose a_i section 4 has."""

import numpy as np
from local_training import EPOCHS, RATE, SIZES, batches, dump_local, n_steps, shares
from problems import check_curve, check_parameters, cross_entropy, loss_and_gradient

ROUNDS = 3


def train(parameters, run, learner, round, momentum):
    losses, velocity = [], np.zeros_like(parameters)
    for epoch in range(EPOCHS):
        for batch in batches(run, learner, round, epoch):
            value, gradient = loss_and_gradient(parameters, SIZES, cross_entropy, run, batch)
            losses += [value] * len(batch)
            velocity = momentum * velocity + gradient
            parameters = parameters - RATE * velocity
    return parameters, np.mean(losses)


for momentum in (0, 0.6):
    for learners in (1, 4, 10):
        optimizer = f"{{kind: sgd, learning_rate: {RATE}, momentum: {momentum}}}"
        run = dump_local("fednova", learners, ROUNDS, optimizer)
        share, x, curve = shares(run), run["initial"], []
        steps = np.array([n_steps(run, k) for k in range(learners)])
        norms = (steps - momentum * (1 - momentum**steps) / (1 - momentum)) / (1 - momentum)  # ||a_i||_1
        for round in range(1, ROUNDS + 1):
            updates = [train(x, run, k, round, momentum) for k in range(learners)]
            d = np.array([(x - y) / (RATE * norm) for (y, _), norm in zip(updates, norms)])
            x = x - (share @ norms) * RATE * share @ d
            curve.append(share @ [loss for _, loss in updates])
        name = f"momentum {momentum}, {learners} learners"
        check_curve(f"{name}, losses", run["losses"], np.array(curve), 1e-5)
        check_parameters(f"{name}, parameters", run["final"], x, 1e-5)
