"""FedAvgM (Hsu et al. 2019, 4.3) and FedAdagrad, FedAdam, FedYogi (Reddi et al. 2021, Algorithm 2)."""

import numpy as np
from local_training import dump_local, shares, train
from problems import check_curve, check_parameters

ROUNDS = 3
RATE, BETA1, BETA2, TAU = 0.05, 0.8, 0.7, 0.01


def moments(second):
    """Algorithm 2 with v from the old v and the squared change; v is tau^2 at first."""

    def step(x, change, state):
        m, v = state or (np.zeros_like(x), np.full_like(x, TAU**2))
        m = BETA1 * m + (1 - BETA1) * change
        v = second(v, change**2)
        return x + RATE * m / (np.sqrt(v) + TAU), (m, v)

    return step


def heavy_ball(x, change, state):
    velocity = BETA1 * (0 if state is None else state) + change
    return x + RATE * velocity, velocity


ALGORITHMS = {
    f"{{kind: fedavgm, momentum: {BETA1}, learning_rate: {RATE}}}": heavy_ball,
    f"{{kind: fedadagrad, learning_rate: {RATE}, beta1: {BETA1}, tau: {TAU}}}": moments(lambda v, s: v + s),
    f"{{kind: fedadam, learning_rate: {RATE}, beta1: {BETA1}, beta2: {BETA2}, tau: {TAU}}}": moments(
        lambda v, s: BETA2 * v + (1 - BETA2) * s
    ),
    f"{{kind: fedyogi, learning_rate: {RATE}, beta1: {BETA1}, beta2: {BETA2}, tau: {TAU}}}": moments(
        lambda v, s: v - (1 - BETA2) * s * np.sign(v - s)
    ),
}

for algorithm, step in ALGORITHMS.items():
    for learners in (1, 4, 10):
        run = dump_local(algorithm, learners, ROUNDS)
        share, x, state, curve = shares(run), run["initial"], None, []
        for round in range(1, ROUNDS + 1):
            updates = [train(x, run, k, round) for k in range(learners)]
            curve.append(sum(share[k] * updates[k][1] for k in range(learners)))
            x, state = step(x, sum(share[k] * (updates[k][0] - x) for k in range(learners)), state)
        check_curve(f"{algorithm}, {learners} learners, losses", run["losses"], np.array(curve), 1e-5)
        check_parameters(f"{algorithm}, {learners} learners, parameters", run["final"], x, 1e-5)
