#!/usr/bin/python3
"""The same experiment and seed give the same model, byte for byte, however its learners are spread and come."""
from cohort_e2e import classes_experiment, main, memory_can_be_read

ALGORITHMS = "fedavg", "gradient_descent"


def shaken(folder, algorithm, **collaboration):
    """Parts of unequal size, layers that draw at random, and half of the learners in each round."""
    layers = [{"dense": {"units": 8, "activation": "relu"}}, {"dropout": {"rate": 0.2}}, {"dense": {"units": 3}}]
    wanted = {"algorithm": algorithm, "learners": 6, "participation": {"fraction": 0.5}, **collaboration}
    partition = {"kind": "dirichlet", "alpha": 0.5, "sizes": "free"}
    return classes_experiment(
        folder, model={"layers": layers}, data={"partition": partition}, collaboration=wanted
    )


def hashes(run):
    return [row["model_sha256"] for row in run.metrics("round")]


def it_gives_the_same_models_again(world):
    for algorithm in ALGORITHMS:
        experiment = shaken(world.folder, algorithm)
        runs = [world.run(experiment, out=f"{algorithm}-{i}") for i in range(2)]
        assert hashes(runs[0]) == hashes(runs[1]), algorithm
        curves = [[row["train_loss"] for row in run.metrics("round")] for run in runs]
        assert curves[0] == curves[1], "the losses differ in their last bits"


def it_gives_the_same_models_whatever_the_number_of_processes(world):
    for algorithm in ALGORITHMS:
        experiment = shaken(world.folder, algorithm)
        runs = [world.run(experiment, "--processes", n, out=f"{algorithm}-{n}") for n in (1, 2, 6)]
        assert [run.summary["processes"] for run in runs] == [1, 2, 6]
        assert all(hashes(run) == hashes(runs[0]) for run in runs), algorithm


def it_gives_the_same_models_in_whatever_order_summaries_come(world):
    orders = set()
    for algorithm in ALGORITHMS:
        experiment = shaken(world.folder, algorithm, participation={"fraction": 1.0})
        runs = []
        for delay in "0s", "20ms", "40ms":
            run = world.run(experiment, "--set", f"simulation.delay={delay}", out=f"{algorithm}-{delay}")
            orders.add(tuple(row["learner"] for row in run.metrics("learner") if row["round"] == 1))
            runs.append(run)
        assert all(hashes(run) == hashes(runs[0]) for run in runs), algorithm
    assert len(orders) > 1, "every run had the same order, so nothing was tested"


def it_gives_the_same_models_over_connections_as_in_memory(world):
    for algorithm in ALGORITHMS:
        experiment = shaken(world.folder, algorithm)
        runs = {way: world.run(experiment, *way, out=f"{algorithm}{len(way)}") for way in ((), ("--wire",))}
        assert len({tuple(hashes(run)) for run in runs.values()}) == 1, algorithm
        for way, run in runs.items():
            logs = "".join(path.read_text() for path in run.folder.glob("logs/learner*.log"))
            n_met = 0 if way or not memory_can_be_read() else 6
            assert logs.count("read from its memory") == logs.count("on a line of this machine") == n_met, (way, logs)


def it_gives_another_model_for_another_seed(world):
    for algorithm in ALGORITHMS:
        experiment = shaken(world.folder, algorithm)
        models = {world.run(experiment, "--seed", seed, out=f"{algorithm}-{seed}").hash for seed in (1, 2)}
        assert len(models) == 2, models


main(globals())
