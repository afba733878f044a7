#!/usr/bin/python3
"""Exchange of predictions: learners of different architectures learn from each other, and all must have the same
samples to predict."""
import numpy
from cohort_e2e import Attendance, classes_experiment, main, merged, sha256, to_yaml

VARIANTS = [
    {"layers": [{"dense": {"units": 5, "activation": "tanh"}}, {"dense": {"units": 4}}, {"dense": {"units": 3}}]},
    {"layers": [{"dense": {"units": 3}}]},
]
N_PROBE, N_CLASSES = 40, 3


def experiment_of(world, algorithm, **changes):
    base = classes_experiment(
        world.folder,
        model={"variants": VARIANTS},
        data={"probe": {"samples": N_PROBE}, "partition": {"kind": "shards", "shards": 1}},
        collaboration={"algorithm": algorithm, "learners": 3, "rounds": 12},
    )
    return merged(base, changes)


def it_teaches_learners_of_different_architectures_what_they_have_not_seen(world):
    alone = world.run(experiment_of(world, {"kind": "infomax", "alpha": 0, "beta": 0}), out="alone")
    for kind in "infomax", "entropymax", "mutual":
        run = world.run(experiment_of(world, kind), out=kind)
        together, by_themselves = run.summary["final"]["test_accuracy"], alone.summary["final"]["test_accuracy"]
        assert together > by_themselves + 0.2, (kind, together, by_themselves)
        consensus = run.model()["shared"].reshape(N_PROBE, N_CLASSES)
        assert numpy.allclose(consensus.sum(axis=1), 1, atol=1e-5) and consensus.min() >= 0
        rows = [row for row in run.metrics("evaluation") if row["round"] == 12]
        assert {row["learner"] for row in rows} == {"learner-0", "learner-1", "learner-2"}, rows
        assert abs(numpy.mean([row["test_accuracy"] for row in rows]) - together) < 1e-9


def it_gives_the_same_consensus_however_many_processes_there_are(world):
    for algorithm in "infomax", {"kind": "distributed_collaborative", "groups": 2}:
        experiment = experiment_of(world, algorithm)
        if algorithm != "infomax":
            del experiment["model"]["variants"]
        name = "infomax" if algorithm == "infomax" else algorithm["kind"]
        one = world.run(experiment, "--processes", 1, out=f"{name}-one")
        three = world.run(experiment, "--processes", 3, out=f"{name}-three")
        assert one.hash == three.hash == sha256(three.folder / "model.safetensors"), name


def it_refuses_a_learner_that_has_other_samples_to_predict(world):
    coordinator = world.coordinator()
    users = world.stub(coordinator)
    experiment = experiment_of(world, "infomax", collaboration={"learners": 2})
    del experiment["data"]
    users.CreateExperiment(yaml=to_yaml(experiment))
    data = {"sample_shape": [6], "n_outputs": N_CLASSES, "n_samples": 10, "n_probe": N_PROBE}
    learners = [Attendance(world, coordinator, name) for name in ("ann", "eve")]
    for learner, probe in zip(learners, (b"a" * 32, b"b" * 32)):
        learner.experiment_id = learner.hear("enrol").experiment_id
        learner.say(ready={"experiment_id": learner.experiment_id, "data": {**data, "probe_sha256": probe}})
    dismissed = learners[1].hear("dismiss")
    assert "and 40 probe samples" in dismissed.message and "check its data" in dismissed.message, dismissed


main(globals())
