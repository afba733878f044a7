"""SCAFFOLD (Karimireddy et al. 2020, Algorithm 1), option II, all learners in every round."""

import numpy as np
from local_training import RATE, dump_local, n_steps, shares, train
from problems import check_curve, check_parameters

ROUNDS = 3

for server_rate in (1.0, 0.5):
    for learners in (1, 4, 10):
        run = dump_local(f"{{kind: scaffold, learning_rate: {server_rate}}}", learners, ROUNDS)
        share, x, curve = shares(run), run["initial"], []
        c, own = np.zeros_like(x), np.zeros((learners, len(x)))
        for round in range(1, ROUNDS + 1):
            dx, dc, losses = [], [], []
            for i in range(learners):
                y, loss = train(x, run, i, round, extra=lambda y, i=i: c - own[i])
                next_own = own[i] - c + (x - y) / (n_steps(run, i) * RATE)
                dx.append(y - x)
                dc.append(next_own - own[i])
                losses.append(loss)
            own = own + np.array(dc)
            x = x + server_rate * share @ np.array(dx)
            c = c + share @ np.array(dc)
            curve.append(share @ losses)
        name = f"server rate {server_rate}, {learners} learners"
        check_curve(f"{name}, losses", run["losses"], np.array(curve), 1e-5)
        check_parameters(f"{name}, parameters", run["final"], x, 1e-5)
