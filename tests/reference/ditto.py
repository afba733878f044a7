"""Ditto (Li et al. 2021, Algorithm 1) with FedAvg as its global solver: v_k follows its own loss and
lambda / 2 |v_k - w|^2 for the w that the round began with."""

import numpy as np
from local_training import dump_local, shares, train
from problems import check_curve, check_parameters

ROUNDS, LAMBDA, PERSONAL_EPOCHS = 3, 0.3, 3

for learners in (1, 4, 10):
    run = dump_local(f"{{kind: ditto, lambda: {LAMBDA}, personal_epochs: {PERSONAL_EPOCHS}}}", learners, ROUNDS)
    share, w, v, curve = shares(run), run["initial"], [run["initial"]] * learners, []
    for round in range(1, ROUNDS + 1):
        updates = [train(w, run, k, round) for k in range(learners)]
        v = [
            train(v[k], run, k, round, PERSONAL_EPOCHS, lambda own: LAMBDA * (own - w))[0]
            for k in range(learners)
        ]
        w = sum(share[k] * updates[k][0] for k in range(learners))
        curve.append(sum(share[k] * updates[k][1] for k in range(learners)))
    check_curve(f"{learners} learners, losses", run["losses"], np.array(curve), 1e-5)
    check_parameters(f"{learners} learners, global", run["final"], w, 1e-5)
    check_parameters(f"{learners} learners, own", run["own"], np.array(v), 1e-5)
