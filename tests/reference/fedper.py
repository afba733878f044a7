"""Personalisation layers (Arivazhagan et al. 2019, Algorithms 1 and 2): the last layer is each learner's own."""

import numpy as np
from local_training import SIZES, dump_local, shares, train
from problems import check_curve, check_parameters

ROUNDS, BASE = 3, (SIZES[0] + 1) * SIZES[1]

for learners in (1, 4, 10):
    run = dump_local("{kind: fedper, personal: 1}", learners, ROUNDS)
    share, base, curve = shares(run), run["initial"][:BASE], []
    heads = [run["initial"][BASE:]] * learners
    for round in range(1, ROUNDS + 1):
        trained = [train(np.concatenate([base, heads[j]]), run, j, round) for j in range(learners)]
        base = sum(share[j] * trained[j][0][:BASE] for j in range(learners))
        heads = [parameters[BASE:] for parameters, _ in trained]
        curve.append(sum(share[j] * trained[j][1] for j in range(learners)))
    check_curve(f"{learners} learners, losses", run["losses"], np.array(curve), 1e-5)
    check_parameters(f"{learners} learners, base", run["final"], base, 1e-5)
    check_parameters(f"{learners} learners, own", run["own"], np.array(heads), 1e-5)
