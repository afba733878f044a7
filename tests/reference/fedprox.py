"""FedProx (Li et al. 2020, Algorithm 2): learners descend F_k(w) + mu/2 |w - w_t|^2; their mean goes on."""

import numpy as np
from local_training import dump_local, shares, train
from problems import check_curve, check_parameters

ROUNDS = 3

for mu in (0.05, 1.0):
    for learners in (1, 4, 10):
        run = dump_local(f"{{kind: fedprox, mu: {mu}}}", learners, ROUNDS)
        share, w, curve = shares(run), run["initial"], []
        for round in range(1, ROUNDS + 1):
            updates = [
                train(w, run, k, round, extra=lambda y, w=w: mu * (y - w)) for k in range(learners)
            ]
            w = sum(share[k] * updates[k][0] for k in range(learners))
            curve.append(sum(share[k] * updates[k][1] for k in range(learners)))
        check_curve(f"mu {mu}, {learners} learners, losses", run["losses"], np.array(curve), 1e-5)
        check_parameters(f"mu {mu}, {learners} learners, parameters", run["final"], w, 1e-5)
