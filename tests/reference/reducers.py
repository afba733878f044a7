"""Reducers other than the mean, each written from its paper, in the loops of federated averaging and of gradient
descent: three rounds of ten or eleven learners."""

import numpy as np
from local_training import BATCH, EPOCHS, RATE, SIZES, shares, train
from problems import check_parameters, cross_entropy, dump, loss_and_gradient

ROUNDS = 3


def median(x, share, model):
    """Yin et al. 2018, Algorithm 1, option I."""
    return np.median(x, axis=0)


def trimmed_mean(trim):
    """Yin et al. 2018, Algorithm 1, option II."""

    def reduce(x, share, model):
        k = int(np.floor(trim * len(x) + 1e-9))
        return np.sort(x, axis=0)[k : len(x) - k].mean(axis=0)

    return reduce


def krum_scores(x, f):
    """Blanchard et al. 2017, Section 4: squared distances to the n - f - 2 nearest others."""
    n = len(x)
    squares = ((x[:, None, :] - x[None, :, :]) ** 2).sum(axis=2)
    scores = []
    for i in range(n):
        others = np.sort(np.delete(squares[i], i))
        scores.append(others[: max(1, n - f - 2)].sum())
    return np.array(scores)


def krum(f):
    return lambda x, share, model: x[np.argmin(krum_scores(x, f))]


def multi_krum(f, m):
    def reduce(x, share, model):
        kept = m or len(x) - f - 2
        return x[np.argsort(krum_scores(x, f), kind="stable")[:kept]].mean(axis=0)

    return reduce


def bulyan(f):
    """El Mhamdi et al. 2018, Section 4: Krum again and again, then a trimmed mean around the median."""

    def reduce(x, share, model):
        left, chosen = x, []
        while len(chosen) < len(x) - 2 * f:
            best = np.argmin(krum_scores(left, f))
            chosen.append(left[best])
            left = np.delete(left, best, axis=0)
        chosen = np.array(chosen)
        distance = np.abs(chosen - np.median(chosen, axis=0))
        nearest = np.argsort(distance, axis=0, kind="stable")[: len(chosen) - 2 * f]
        return np.take_along_axis(chosen, nearest, axis=0).mean(axis=0)

    return reduce


def geometric_median(iterations, epsilon):
    """Pillutla et al. 2022, Algorithm 2, from the round's model."""

    def reduce(x, share, model):
        z = model
        for _ in range(iterations):
            weights = share / np.maximum(epsilon, np.linalg.norm(x - z, axis=1))
            z = weights @ x / weights.sum()
        return z

    return reduce


def norm_clipped_mean(clip):
    """Sun et al. 2019: updates no longer than `clip`."""

    def reduce(x, share, model):
        updates = x - model
        norms = np.linalg.norm(updates, axis=1, keepdims=True)
        return model + share @ (updates * np.minimum(1, clip / norms))

    return reduce


REDUCERS = {
    "median": median,
    "{trimmed_mean: {trim: 0.1}}": trimmed_mean(0.1),
    "{trimmed_mean: {trim: 0.3}}": trimmed_mean(0.3),
    "{krum: {byzantine: 0}}": krum(0),
    "{krum: {byzantine: 3}}": krum(3),
    "{multi_krum: {byzantine: 2}}": multi_krum(2, 0),
    "{multi_krum: {byzantine: 3, keep: 7}}": multi_krum(3, 7),
    "{bulyan: {byzantine: 0}}": bulyan(0),
    "bulyan": bulyan(1),
    "{bulyan: {byzantine: 2}}": bulyan(2),
    "{geometric_median: {iterations: 1}}": geometric_median(1, 1e-6),
    "geometric_median": geometric_median(8, 1e-6),
    "{geometric_median: {iterations: 20, epsilon: 0.2}}": geometric_median(20, 0.2),
    "{norm_clipped_mean: {clip: 0.2}}": norm_clipped_mean(0.2),
    "{norm_clipped_mean: {clip: 0.05}}": norm_clipped_mean(0.05),
}


def averaging(reducer, learners):
    yaml = (
        f"{{algorithm: fedavg, reducer: {reducer}, training: {{optimizer: {{kind: sgd, learning_rate: {RATE}}}, "
        f"batch_size: {BATCH}, local_epochs: {EPOCHS}}}, model: {{layers: [dense: {{units: {SIZES[1]}, "
        f"activation: relu}}, dense: {{units: {SIZES[2]}}}], loss: cross_entropy}}}}"
    )
    run = dump("fedavg", learners, ROUNDS, yaml)
    w = run["initial"]
    for round in range(1, ROUNDS + 1):
        x = np.array([train(w, run, k, round)[0] for k in range(learners)])
        w = REDUCERS[reducer](x, shares(run), w)
    return run["final"], w


def descent(reducer, learners):
    """What is reduced are gradients, which lie around zero."""
    yaml = (
        f"{{algorithm: gradient_descent, reducer: {reducer}, training: {{optimizer: {{kind: sgd, learning_rate: 0.5}}, "
        "batch_size: 16}, model: {layers: [dense: {units: 4}], loss: cross_entropy}}"
    )
    run = dump("softmax", learners, ROUNDS, yaml)
    w = run["initial"]
    for _ in range(ROUNDS):
        x = [loss_and_gradient(w, [5, 4], cross_entropy, run, np.array(part))[1] for part in run["parts"]]
        w = w - 0.5 * REDUCERS[reducer](np.array(x), shares(run), np.zeros_like(w))
    return run["final"], w


for reducer in REDUCERS:
    for loop, learners in (averaging, 10), (descent, 10), (descent, 11):
        if "bulyan: {byzantine: 2}" in reducer and learners < 11:
            continue
        check_parameters(f"{reducer}, {loop.__name__}, {learners} learners", *loop(reducer, learners), 1e-5)
