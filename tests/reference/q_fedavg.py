"""q-FedAvg (Li et al. 2020, Algorithm 2), with L = 1 / learning rate and sums weighted by samples."""

import numpy as np
from local_training import RATE, SIZES, dump_local, shares, train
from problems import check_curve, check_parameters, cross_entropy, loss_and_gradient

ROUNDS, L = 3, 1 / RATE

for q, unit in ((0, 1), (0.5, 1), (2, 0.7), (5, 2)):
    for learners in (1, 4, 10):
        run = dump_local(f"{{kind: q_fedavg, q: {q}, unit: {unit}}}", learners, ROUNDS)
        share, w, curve = shares(run), run["initial"], []
        for round in range(1, ROUNDS + 1):
            delta, h, losses = 0, 0, []
            for k in range(learners):
                rows = np.array(run["parts"][k])
                before, _ = loss_and_gradient(w, SIZES, cross_entropy, run, rows)
                learnt, loss = train(w, run, k, round)
                step = L * (w - learnt)
                delta = delta + share[k] * before**q * step
                h += share[k] * (q * before ** (q - 1) * np.sum(step**2) + L * before**q)
                losses.append(loss)
            w = w - delta / h
            curve.append(share @ losses)
        name = f"q {q}, {learners} learners"
        check_curve(f"{name}, losses", run["losses"], np.array(curve), 1e-5)
        check_parameters(f"{name}, parameters", run["final"], w, 1e-5)
