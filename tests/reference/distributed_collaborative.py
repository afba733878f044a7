"""Distributed collaborative learning: gradient descent within groups, infomax (predictions.py) among them.

theta_g <- theta_g - eta (sum over its learners of n_i / n_g grad of their loss + grad of alpha D - beta I), with D and I
over all probe samples and the other groups' predictions those at the start of the round before.
"""

import numpy as np
from local_training import SIZES
from predictions_math import infomax, outputs, softmax, through_softmax
from problems import check_curve, check_parameters, cross_entropy, dump, loss_and_gradient

ROUNDS, PROBE, RATE, ALPHA, BETA, TEMPERATURE = 3, 30, 0.3, 4, 0.6, 1.5

for learners, groups in ((1, 1), (4, 2), (10, 3)):
    run = dump(
        "fedavg",
        learners,
        ROUNDS,
        f"{{algorithm: {{kind: distributed_collaborative, groups: {groups}, alpha: {ALPHA}, beta: {BETA}, temperature: "
        f"{TEMPERATURE}}}, probe: {PROBE}, training: {{optimizer: {{kind: sgd, learning_rate: {RATE}}}, batch_size: 8}}, "
        f"model: {{layers: [dense: {{units: {SIZES[1]}, activation: relu}}, dense: {{units: {SIZES[2]}}}], "
        "loss: cross_entropy}}",
    )
    rows = np.arange(PROBE)
    models, predicted, curve = [run["initial"]] * groups, [np.zeros((PROBE, SIZES[-1]))] * groups, []
    for round in range(1, ROUNDS + 1):
        steps, losses, now = [], [], []
        for g in range(groups):
            known = float(round > 1 and groups > 1)
            others = sum(predicted[h] for h in range(groups) if h != g) / groups

            def probe(z, run, rows):
                p = softmax(z / TEMPERATURE)
                return 0, through_softmax(p, infomax(p, others, 1 / groups, ALPHA, BETA, known)) / TEMPERATURE

            members = [np.array(run["parts"][i]) for i in range(g, learners, groups)]
            found = [loss_and_gradient(models[g], SIZES, cross_entropy, run, part) for part in members]
            n = [len(part) for part in members]
            losses += [(k, value) for k, (value, _) in zip(n, found)]
            descent = sum(k * gradient for k, (_, gradient) in zip(n, found)) / sum(n)
            steps.append(descent + loss_and_gradient(models[g], SIZES, probe, run, rows)[1])
            now.append(softmax(outputs(models[g], run["features"][:PROBE]) / TEMPERATURE))
        models = [models[g] - RATE * steps[g] for g in range(groups)]
        predicted = now
        curve.append(sum(k * value for k, value in losses) / sum(k for k, _ in losses))
    expected = np.concatenate([np.concatenate([models[g], predicted[g].ravel()]) for g in range(groups)])
    check_curve(f"{learners} learners, {groups} groups, losses", run["losses"], np.array(curve), 1e-5)
    check_parameters(f"{learners} learners, {groups} groups", run["final"], expected, 1e-5)
