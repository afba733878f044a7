"""FedBuff (Nguyen et al. 2022, Algorithm 1) and FedAsync (Xie et al. 2019, Algorithm 1), in step and not.

Rounds are of `buffer` learners in turn, each of whom starts from the model that it found after its last round;
a summary tau commits old counts s = (1 + tau)^-1/2, the means over a buffer are weighted by samples.
"""

import numpy as np
from local_training import dump_local, train
from problems import check_parameters


def fedbuff(w, arrivals, rate):
    """w + rate * mean of s (y - x), for learners that trained x to y."""
    return w + rate * sum(share * s * (y - x) for share, s, x, y in arrivals)


def fedasync(w, arrivals, mixing):
    """(1 - a s) w + a s y, and with several of them means of a s y and a s."""
    kept = 1 - sum(share * mixing * s for share, s, x, y in arrivals)
    return kept * w + sum(share * mixing * s * y for share, s, x, y in arrivals)


def run_reference(run, learners, rounds, buffer, reupdate, option):
    w, next = run["initial"], 0
    fetched = [(w, 0)] * learners  # the model, and the commits before it
    for round in range(1, rounds + 1):
        who = [(next + i) % learners for i in range(buffer)]
        next += buffer
        samples = np.array([len(run["parts"][k]) for k in who])
        arrivals = []
        for k, share in zip(who, samples / samples.sum()):
            x, commits = fetched[k]
            y, _ = train(x, run, k, commits + 1)
            arrivals.append((share, (1 + round - 1 - commits) ** -0.5, x, y))
        w = reupdate(w, arrivals, option)
        for k in who:
            fetched[k] = (w, round)
    return w


for name, key, reupdate, option in (
    ("fedbuff", "learning_rate", fedbuff, 1.0),
    ("fedbuff", "learning_rate", fedbuff, 0.7),
    ("fedasync", "mixing", fedasync, 0.6),
):
    for learners, buffer, rounds in ((4, 4, 3), (4, 1, 9), (5, 2, 7), (10, 3, 8)):
        run = dump_local(f"{{kind: {name}, {key}: {option}}}", learners, rounds, buffer=buffer)
        w = run_reference(run, learners, rounds, buffer, reupdate, option)
        check_parameters(f"{name} {option}, {learners} learners, buffer {buffer}", run["final"], w, 1e-5)
