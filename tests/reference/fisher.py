"""Fisher-weighted averaging (Matena and Raffel 2022, section 3.1) with the diagonal empirical Fisher, scaled to a
mean of 1 for each learner, at least `FLOOR` and at most 1024."""

import numpy as np
from local_training import EPOCHS, SIZES, dump_local, train
from philox import SHUFFLE, Stream
from problems import check_curve, check_parameters, cross_entropy, loss_and_gradient

ROUNDS, FLOOR = 3, 0.02


def fisher(parameters, run, learner, round, samples):
    rows = np.array(run["parts"][learner])
    order = Stream(run["seed"], learner, round, EPOCHS, SHUFFLE).shuffled(len(rows))
    gradients = [
        loss_and_gradient(parameters, SIZES, cross_entropy, run, rows[[i]])[1] for i in order[:samples]
    ]
    diagonal = np.mean(np.square(gradients), axis=0)
    return np.clip(diagonal / diagonal.mean(), FLOOR, 1024)


for samples in (0, 6):
    for learners in (1, 4, 10):
        run = dump_local(f"{{kind: fisher, floor: {FLOOR}, samples: {samples}}}", learners, ROUNDS)
        sizes, parameters, curve = [len(part) for part in run["parts"]], run["initial"], []
        for round in range(1, ROUNDS + 1):
            updates = [train(parameters, run, i, round) for i in range(learners)]
            weights = [
                sizes[i] * fisher(updates[i][0], run, i, round, samples or None) for i in range(learners)
            ]
            parameters = sum(weights[i] * updates[i][0] for i in range(learners)) / sum(weights)
            curve.append(sum(sizes[i] * updates[i][1] for i in range(learners)) / sum(sizes))
        what = f"{samples or 'all'} samples, {learners} learners"
        check_curve(f"{what}, losses", run["losses"], np.array(curve), 1e-5)
        check_parameters(f"{what}, parameters", run["final"], parameters, 1e-5)
