#!/usr/bin/python3
"""What an experiment pretends of its learners happens, and the same again for the same seed."""
import numpy
from cohort_e2e import classes_experiment, main, to_yaml


def flat(run):
    return numpy.concatenate([values.ravel() for values in run.model().values()]).astype("f8")


def attacked(world, learners, out, attack, **collaboration):
    simulation = {"attack": attack} if attack else {}
    wanted = {"learners": learners, "rounds": 1, **collaboration}
    return world.run(classes_experiment(world.folder, collaboration=wanted, simulation=simulation), out=out)


def it_turns_an_attackers_update_round(world):
    for algorithm in "fedavg", "fedprox":  # in place, and beside the model
        honest = flat(attacked(world, 1, f"{algorithm}-0", None, algorithm=algorithm))
        once, twice = (
            flat(attacked(world, 1, f"{algorithm}-{k}", {"kind": "sign_flip", "scale": k}, algorithm=algorithm))
            for k in (1, 2)
        )
        start = (honest + once) / 2
        assert abs(start - honest).max() > 1e-3
        assert abs(twice - (start - 2 * (honest - start))).max() < 1e-6, algorithm


def it_turns_an_attackers_gradient_round(world):
    honest, flipped = (
        flat(attacked(world, 1, f"{bool(kind)}", kind, algorithm="gradient_descent"))
        for kind in (None, {"kind": "sign_flip", "scale": 1})
    )
    half = flat(attacked(world, 1, "half", {"kind": "sign_flip", "scale": 0.5}, algorithm="gradient_descent"))
    start = (honest + flipped) / 2
    assert abs(half - (start - 0.5 * (honest - start))).max() < 1e-6


def it_lets_colluders_shift_their_mean_by_their_deviation(world):
    honest = flat(attacked(world, 3, "honest", None))
    shifted = [
        flat(attacked(world, 3, f"z{z}", {"kind": "little_is_enough", "learners": 3, "z": z}))
        for z in (1e-9, 1, 2)
    ]
    assert abs(shifted[0] - honest).max() < 1e-6, "all attack: without a shift their mean is the honest one"
    assert abs((shifted[1] - shifted[0]) - (shifted[2] - shifted[1])).max() < 1e-6
    assert (shifted[1] <= shifted[0] + 1e-7).all() and (shifted[1] < shifted[0] - 1e-4).any()


def it_gives_the_same_attack_whatever_the_number_of_processes(world):
    for kind in "scaled_noise", "little_is_enough", "label_flip":
        wanted = classes_experiment(world.folder, simulation={"attack": {"kind": kind, "learners": 2}})
        hashes = {world.run(wanted, "--processes", n, out=f"{kind}-{n}").hash for n in (1, 4)}
        assert len(hashes) == 1, kind
        assert hashes != {world.run(classes_experiment(world.folder), out=f"{kind}-none").hash}


def it_flips_and_disturbs_labels_for_training_alone(world):
    wanted = {"collaboration": {"rounds": 15}, "evaluation": {"holdout": 0.25}}
    clean = world.run(classes_experiment(world.folder, **wanted), out="clean").summary["final"]
    attack = {"attack": {"kind": "label_flip", "learners": 4}}
    flipped = world.run(classes_experiment(world.folder, simulation=attack, **wanted), out="flip").summary["final"]
    # Classes 0 and 2 change places, 1 stays: an honest eye sees a third of them right.
    assert clean["test_accuracy"] > 0.75 and flipped["test_accuracy"] < 0.5, (clean, flipped)
    assert flipped["local_accuracy"] < 0.5, "what is held out keeps its labels"
    noise = {"label_noise": 1}
    noisy = world.run(classes_experiment(world.folder, simulation=noise, **wanted), out="noise").summary["final"]
    assert noisy["train_loss"] > 1, "of labels drawn by chance nothing can be learnt: ln 3"


def it_lets_learners_drop_out_the_same_again(world):
    wanted = {"rounds": 8, "participation": {"minimum": 1}}
    runs = []
    for processes in 1, 4:
        changes = {"collaboration": wanted, "simulation": {"dropout": 0.4}}
        runs.append(world.run(classes_experiment(world.folder, **changes), "--processes", processes, out=f"{processes}"))
    counts = [[row["summaries"] for row in run.metrics("round")] for run in runs]
    assert counts[0] == counts[1] and min(counts[0]) < 4 and sum(counts[0]) > 12, counts
    assert runs[0].hash == runs[1].hash


def it_makes_slow_learners_wait(world):
    slow = {"step_time": "20ms", "slow": {"numbers": [1], "factor": 5}}  # 60 samples, 16 a batch: 4 steps
    run = world.run(classes_experiment(world.folder, simulation=slow))
    fastest = {}
    for row in run.metrics("learner"):
        fastest[row["learner"]] = min(fastest.get(row["learner"], 1e9), row["seconds"])
    slowest = fastest.pop("learner-1")
    assert slowest >= 0.39 and 0.07 <= min(fastest.values()) < slowest, (slowest, fastest)


def it_attacks_nobody_with_a_learners_own_data(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    wanted = classes_experiment(
        world.folder, data={"test": None}, collaboration={"learners": 1}, simulation={"attack": {"kind": "sign_flip"}}
    )
    experiment_id = users.CreateExperiment(yaml=to_yaml(wanted)).experiment.id
    files = f"{{features: {world.folder}/train-x.npy, labels: {world.folder}/train-y.npy}}"
    world.learner(coordinator, "own", f"data={{format: npy, train: {files}}}")
    events = list(users.WatchExperiment(experiment_id=experiment_id))
    assert "this one has its own" in events[-1].state_changed.message, events[-1]


main(globals())
