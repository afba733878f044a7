#!/usr/bin/python3
"""Codecs on the wire: fewer bytes, much the same model, and the same one again."""
from cohort_e2e import classes_experiment, main

# A codec, and the share of f32's bytes that it may send at most.
CODECS = {
    "f16": 0.51,
    "bf16": 0.51,
    "int8": 0.3,
    "int4": 0.2,
    "sign": 0.06,
    "low_rank": 1.0,
    "{kind: top_k, fraction: 0.1}": 0.21,
    "{kind: random_k, fraction: 0.25}": 0.26,
}


def trained(world, codec, *more, out):
    layers = [{"dense": {"units": 64, "activation": "relu"}}, {"dense": {"units": 3}}]
    experiment = classes_experiment(world.folder, model={"layers": layers}, collaboration={"rounds": 8})
    return world.run(experiment, "--set", f"collaboration.codec={codec}", *more, out=out)


def it_sends_less_and_learns_much_the_same(world):
    plain = trained(world, "f32", out="plain")
    for i, (codec, share) in enumerate(CODECS.items()):
        run = trained(world, codec, out=f"coded-{i}")
        assert run.summary["bytes_up"] <= share * plain.summary["bytes_up"], codec
        assert run.summary["bytes_down"] == plain.summary["bytes_down"], codec
        better = plain.summary["final"]["test_accuracy"] - run.summary["final"]["test_accuracy"]
        assert better < 0.1, (codec, plain.summary["final"], run.summary["final"])


def it_gives_the_same_model_whatever_the_number_of_processes(world):
    for i, codec in enumerate(CODECS):
        runs = [trained(world, codec, "--processes", n, out=f"{i}-{n}") for n in (1, 4)]
        assert runs[0].hash == runs[1].hash, codec


def it_makes_do_without_feedback(world):
    for i, codec in enumerate(("int8", "{kind: random_k, fraction: 0.5}")):
        runs = [
            trained(world, codec, "--set", f"collaboration.error_feedback={feedback}", out=f"{i}-{feedback}")
            for feedback in ("true", "false")
        ]
        assert runs[0].hash != runs[1].hash, codec
        assert runs[1].summary["final"]["test_accuracy"] > 0.5, runs[1].summary["final"]


main(globals())
