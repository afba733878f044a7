"""Synchronous elastic averaging (Zhang, Choromanska, LeCun 2015, equations 5 and 6), an exchange after each
round's local steps; the mean over learners is weighted by samples."""

import numpy as np
from local_training import dump_local, shares, train
from problems import check_curve, check_parameters

ROUNDS, ALPHA, BETA = 3, 0.2, 0.7

for learners in (1, 4, 10):
    run = dump_local(f"{{kind: easgd, alpha: {ALPHA}, beta: {BETA}}}", learners, ROUNDS)
    share, center, own, curve = shares(run), run["initial"], [run["initial"]] * learners, []
    for round in range(1, ROUNDS + 1):
        trained = [train(own[i], run, i, round) for i in range(learners)]
        x = [parameters for parameters, _ in trained]
        curve.append(sum(share[i] * trained[i][1] for i in range(learners)))
        own = [x[i] - ALPHA * (x[i] - center) for i in range(learners)]
        center = (1 - BETA) * center + BETA * sum(share[i] * x[i] for i in range(learners))
    check_curve(f"{learners} learners, losses", run["losses"], np.array(curve), 1e-5)
    check_parameters(f"{learners} learners, center", run["final"], center, 1e-5)
    check_parameters(f"{learners} learners, own", run["own"], np.array(own), 1e-5)
