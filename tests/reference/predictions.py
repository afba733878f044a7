"""Exchange of predictions on probe samples: infomax, entropymax, and mutual learning.

Infomax: task loss + alpha D - beta I, D the Jensen-Shannon divergence among learners (Lin 1991), I the mutual
information of Bridle, Heading and MacKay 1991; entropymax: less gamma times the entropy on own samples (Pereyra et al.
2017); mutual: + alpha T^2 KL(mean of the others || own) (Zhang et al. 2018; Li and Wang 2019; Hinton et al. 2015).
Gradients by the logits are taken here from those by the probabilities, through softmax's Jacobian.
"""

import numpy as np
from local_training import BATCH, EPOCHS, RATE, SIZES, batches
from philox import Stream
from predictions_math import infomax, outputs, softmax, through_softmax
from problems import check_curve, check_parameters, cross_entropy, dump, loss_and_gradient

ROUNDS, PROBE, PROBE_BATCH, RANDOM_PROBE = 3, 30, 8, 21


def mutual(p, others, share, alpha, temperature, known):
    """By p of alpha T^2 KL(others' mean || p)."""
    return -known * alpha * temperature**2 * others / max(1 - share, 0.5) / p / len(p)


def learn(run, state, learner, round, consensus, learners, options, objective):
    parameters, share = state["parameters"], 1 / learners
    others = consensus - share * state["sent"] if round > 1 else consensus
    known, temperature = float(round > 1 and learners > 1), options["temperature"]
    losses, passes, left = [], 0, []
    for epoch in range(EPOCHS):
        for batch in batches(run, learner, round, epoch):
            def task(z, run, rows):
                value, by_z = cross_entropy(z, run, rows)
                p = softmax(z)
                return value, by_z + through_softmax(p, options.get("gamma", 0) * (np.log(p) + 1) / len(p))

            value, gradient = loss_and_gradient(parameters, SIZES, task, run, batch)
            losses += [value] * len(batch)
            if len(left) < PROBE_BATCH:
                left = list(Stream(run["seed"], learner, round, passes, RANDOM_PROBE).shuffled(PROBE))
                passes += 1
            rows, left = np.array(left[:PROBE_BATCH]), left[PROBE_BATCH:]

            def probe(z, run, rows):
                p = softmax(z / temperature)
                return 0, through_softmax(p, objective(p, others[rows], share, known)) / temperature

            gradient = gradient + loss_and_gradient(parameters, SIZES, probe, run, rows)[1]
            parameters = parameters - RATE * gradient
    sent = softmax(outputs(parameters, run["features"][:PROBE]) / temperature)
    return {"parameters": parameters, "sent": sent, "loss": np.mean(losses)}


def compare(kind, options, objective):
    words = ", ".join(f"{key}: {value}" for key, value in options.items())
    for learners in (1, 4, 10):
        run = dump(
            "fedavg",
            learners,
            ROUNDS,
            f"{{algorithm: {{kind: {kind}, probe_batch: {PROBE_BATCH}, {words}}}, probe: {PROBE}, "
            f"training: {{optimizer: {{kind: sgd, learning_rate: {RATE}}}, batch_size: {BATCH}, "
            f"local_epochs: {EPOCHS}}}, model: {{layers: [dense: {{units: {SIZES[1]}, activation: relu}}, "
            f"dense: {{units: {SIZES[2]}}}], loss: cross_entropy}}}}",
        )
        consensus, curve = np.zeros((PROBE, SIZES[-1])), []
        states = [{"parameters": run["initial"], "sent": consensus}] * learners
        for round in range(1, ROUNDS + 1):
            states = [
                learn(run, states[i], i, round, consensus, learners, options, objective) for i in range(learners)
            ]
            consensus = np.mean([state["sent"] for state in states], axis=0)
            curve.append(np.mean([state["loss"] for state in states]))
        n = len(run["initial"])
        name = f"{kind}, {learners} learners"
        check_curve(f"{name}, losses", run["losses"], np.array(curve), 1e-5)
        check_parameters(f"{name}, consensus", run["final"], consensus.ravel(), 1e-5)
        check_parameters(f"{name}, own", run["own"][:, :n], np.array([s["parameters"] for s in states]), 1e-5)


information = {"alpha": 5, "beta": 0.7, "temperature": 1.5}
for kind, options in (("infomax", information), ("entropymax", dict(information, gamma=0.3))):
    compare(kind, options, lambda p, others, share, known: infomax(p, others, share, 5, 0.7, known))
compare(
    "mutual",
    {"alpha": 1.5, "temperature": 2},
    lambda p, others, share, known: mutual(p, others, share, 1.5, 2, known),
)
