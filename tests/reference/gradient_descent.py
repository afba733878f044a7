"""Distributed gradient descent against full-batch gradient descent on the union of the data, in float64."""

import numpy as np
from problems import (
    binary_cross_entropy,
    check_curve,
    check_parameters,
    cross_entropy,
    dump,
    loss_and_gradient,
    mse,
)

ROUNDS = 60
PROBLEMS = [
    ("linear", [5, 2], mse, 0.05),
    ("logistic", [5, 1], binary_cross_entropy, 0.5),
    ("softmax", [5, 4], cross_entropy, 0.5),
]

for problem, sizes, loss, rate in PROBLEMS:
    for learners in (1, 4, 10):
        run = dump(problem, learners, ROUNDS)
        assert sorted(sum(run["parts"], [])) == list(range(run["n_samples"]))
        parameters, rows, curve = run["initial"], np.arange(run["n_samples"]), []
        for _ in range(ROUNDS):
            value, gradient = loss_and_gradient(parameters, sizes, loss, run, rows)
            curve.append(value)
            parameters = parameters - rate * gradient
        assert curve[-1] < 0.8 * curve[0], "the problem is no test"
        name = f"{problem}, {learners} learners"
        check_curve(f"{name}, losses", run["losses"], np.array(curve), 1e-5)
        check_parameters(f"{name}, parameters", run["final"], parameters, 1e-5)
