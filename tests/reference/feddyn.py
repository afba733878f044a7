"""FedDyn (Acar et al. 2021, Algorithm 1), all learners in every round, its minimisation by steps of SGD."""

import numpy as np
from local_training import dump_local, shares, train
from problems import check_curve, check_parameters

ROUNDS = 3

for alpha in (0.05, 0.5):
    for learners in (1, 4, 10):
        run = dump_local(f"{{kind: feddyn, alpha: {alpha}}}", learners, ROUNDS)
        share, theta, curve = shares(run), run["initial"], []
        h, gradients = np.zeros_like(theta), np.zeros((learners, len(theta)))
        for round in range(1, ROUNDS + 1):
            updates = [
                train(
                    theta,
                    run,
                    k,
                    round,
                    extra=lambda w, k=k, theta=theta: alpha * (w - theta) - gradients[k],
                )
                for k in range(learners)
            ]
            learnt = np.array([w for w, _ in updates])
            gradients = gradients - alpha * (learnt - theta)
            h = h - alpha * share @ (learnt - theta)
            theta = share @ learnt - h / alpha
            curve.append(share @ [loss for _, loss in updates])
        name = f"alpha {alpha}, {learners} learners"
        check_curve(f"{name}, losses", run["losses"], np.array(curve), 1e-5)
        check_parameters(f"{name}, parameters", run["final"], theta, 1e-5)
