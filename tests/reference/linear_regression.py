"""One exchange of sums of products is ridge regression on everybody's data: numpy's lstsq on the union, with
sqrt(n lambda) I as more samples of target 0 for the penalty (Hastie et al. 2009, exercise 3.12)."""

import numpy as np
from problems import check_parameters, dump


def ridge(x, y, penalty, bias):
    n, d = x.shape
    rows = np.vstack([x, np.sqrt(n * penalty) * np.eye(d)])
    if bias:
        rows = np.hstack([rows, np.r_[np.ones(n), np.zeros(d)][:, None]])
    w = np.linalg.lstsq(rows, np.vstack([y, np.zeros((d, y.shape[1]))]), rcond=None)[0]
    return np.concatenate([w[:d].T.ravel(), w[d:].ravel()])


for problem, units in (("linear", 2), ("fedavg", 3)):
    for penalty, bias in ((0, True), (0, False), (0.1, True), (5, False)):
        for learners, rounds in ((1, 1), (4, 1), (10, 1), (10, 3)):
            run = dump(
                problem,
                learners,
                rounds,
                f"{{algorithm: {{kind: linear_regression, lambda: {penalty}}}, training: {{batch_size: 7}}, "
                f"model: {{layers: [dense: {{units: {units}, bias: {str(bias).lower()}}}], loss: mse}}}}",
            )
            targets = run["values"] if problem == "linear" else np.eye(units)[run["classes"]]
            expected = ridge(run["features"], targets, penalty, bias)
            what = f"{problem}, lambda {penalty}, bias {bias}, {learners} learners, {rounds} rounds"
            check_parameters(what, run["final"], expected, 2e-6)
