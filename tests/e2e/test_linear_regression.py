#!/usr/bin/python3
"""linear_regression among any number of learners is, after one round, what numpy's lstsq finds on the union of their data."""
import numpy
from cohort_e2e import main


def table(world):
    random = numpy.random.default_rng(1)
    features = random.normal(size=(203, 5)).astype("float32")
    targets = (features @ random.normal(size=(5, 2)) + 0.1 * random.normal(size=(203, 2))).astype("float32")
    path = world.folder / "table.csv"
    values = numpy.hstack([features, targets])
    numpy.savetxt(path, values, fmt="%.9g", delimiter=",", header="a,b,c,d,e,first,second", comments="")
    form = {"kind": "csv", "target": "values", "targets": ["first", "second"]}
    return features, targets, {"format": form, "train": {"features": str(path)}, "test": {"features": str(path)}}


def experiment(data, n_learners, layers):
    return {
        "name": "regression",
        "model": {"layers": layers, "loss": "mse"},
        "data": data,
        "collaboration": {
            "algorithm": {"kind": "linear_regression", "lambda": 0},
            "rounds": 1,
            "learners": n_learners,
        },
    }


def it_equals_least_squares_on_all_the_data(world):
    features, targets, data = table(world)
    rows = numpy.hstack([features, numpy.ones((203, 1))]).astype("float64")
    expected = numpy.linalg.lstsq(rows, targets.astype("float64"), rcond=None)[0]
    loss = ((rows @ expected - targets) ** 2).mean()
    for n_learners in 1, 4, 10:
        run = world.run(experiment(data, n_learners, [{"dense": {"units": 2}}]), out=f"learners-{n_learners}")
        model = run.model()
        assert abs(model["0.weight"].T - expected[:5]).max() < 1e-5, n_learners
        assert abs(model["0.bias"] - expected[5]).max() < 1e-5, n_learners
        assert abs(run.summary["final"]["test_loss"] / loss - 1) < 1e-5, n_learners


def it_refuses_another_model_before_anything_starts(world):
    _, _, data = table(world)
    world.write("x.yaml", experiment(data, 2, [{"dense": {"units": 3}}, {"dense": {"units": 2}}]))
    for command in "validate", "run":
        code, _, words = world.cohort(command, "x.yaml")
        assert code == 2 and "one dense layer" in words and "x.yaml:" in words, words


main(globals())
