#!/usr/bin/python3
"""Codecs on the wire: fewer bytes, much the same model, and the same one again."""

import numpy
from cohort_e2e import Attendance, classes_experiment, main, to_yaml

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


# A codec down, and the share of f32's bytes that eight rounds of it may send at most.
DOWNLINKS = {
    "f16": 0.51,
    "int8": 0.3,
    "{kind: delta, codec: int8}": 0.3,
    "{kind: delta, codec: {kind: top_k, fraction: 0.1}}": 0.36,  # the first model is whole: 1/8 + 7/8 * 1/5
}


def sent_down(world, codec, *more, out):
    return trained(world, "f32", "--set", f"collaboration.downlink={codec}", *more, out=out)


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


def it_sends_models_in_fewer_bytes_and_learns_much_the_same(world):
    plain = trained(world, "f32", out="plain")
    for i, (codec, share) in enumerate(DOWNLINKS.items()):
        run = sent_down(world, codec, out=f"coded-{i}")
        assert run.summary["bytes_down"] <= share * plain.summary["bytes_down"], (codec, run.summary, plain.summary)
        assert run.summary["bytes_up"] == plain.summary["bytes_up"], codec
        better = plain.summary["final"]["test_accuracy"] - run.summary["final"]["test_accuracy"]
        assert better < 0.1, (codec, plain.summary["final"], run.summary["final"])


def it_sends_the_same_models_whatever_the_number_of_processes_and_relays(world):
    for i, codec in enumerate(DOWNLINKS):
        tree = "collaboration.topology={kind: tree, relays: 2}"
        runs = [
            sent_down(world, codec, *more, out=f"{i}-{name}")
            for name, more in {"1": ("--processes", 1), "4": ("--processes", 4), "tree": ("--set", tree)}.items()
        ]
        hashes = [[row["model_sha256"] for row in run.metrics("round")] for run in runs]
        assert hashes[0] == hashes[1] == hashes[2], codec


def it_sends_models_that_are_no_part_of_an_assignment(world):
    """Larger ones, in chunks, through relays too: each once a relay, as it is coded."""
    layers = [{"dense": {"units": 600, "activation": "relu"}}, {"dense": {"units": 600}}, {"dense": {"units": 3}}]
    experiment = classes_experiment(world.folder, model={"layers": layers}, collaboration={"rounds": 4})
    plain = world.run(experiment, "--processes", 4, out="plain")
    n = plain.summary["model_parameters"]
    for i, (codec, share) in enumerate({"int8": 0.26, "{kind: delta, codec: {kind: top_k, fraction: 0.05}}": 0.33}.items()):
        choice = "--set", f"collaboration.downlink={codec}"
        alone = world.run(experiment, *choice, "--processes", 1, out=f"{i}-alone")
        apart = world.run(experiment, *choice, "--processes", 4, out=f"{i}-apart")
        tree = world.run(experiment, *choice, "--set", "collaboration.topology={kind: tree, relays: 2}", out=f"{i}-tree")
        assert alone.hash == apart.hash == tree.hash, codec
        bytes_down = [run.summary["bytes_down"] for run in (alone, apart, tree)]
        assert bytes_down[0] <= share * 4 * n * 4, (codec, bytes_down, n)
        assert bytes_down[1] == 4 * bytes_down[0] and bytes_down[2] == 2 * bytes_down[0], (codec, bytes_down)


BLOCK = 64  # of int8 below


def int8_values(content, n):
    values, at = [], 0
    for first in range(0, n, BLOCK):
        m = min(BLOCK, n - first)
        scale = numpy.frombuffer(content, "<f4", 1, at)[0]
        values.append(numpy.frombuffer(content, "i1", m, at + 4).astype("f4") * scale)
        at += 4 + m
    assert at == len(content)
    return numpy.concatenate(values)


def fetched(learner, assignment, **held):
    stream = learner.exchange.FetchModel(
        experiment_id=learner.experiment_id, model_round=assignment.model_round, learner=learner.name, **held
    )
    header = next(stream).header
    content = b"".join(chunk.data for chunk in stream)
    assert len(content) == header.bytes, header
    return header, content


def it_sends_what_a_learner_lacks(world):
    """The differences since the model that it has, or the whole model where those are longer or it has none."""
    coordinator = world.coordinator()
    downlink = {"kind": "delta", "codec": {"kind": "int8", "block": BLOCK}}
    data = {"data": None, "collaboration": {"rounds": 6, "learners": 1, "downlink": downlink}}
    world.stub(coordinator).CreateExperiment(yaml=to_yaml(classes_experiment(world.folder, **data)))
    eve = Attendance(world, coordinator, "eve", model_bytes=60 << 10)
    eve.become_ready()
    chance = numpy.random.default_rng(5)
    models, rounds = [], []
    for _ in range(6):
        assignment = eve.hear("assignment")
        header, content = fetched(eve, assignment)
        assert not header.coded and not header.differences
        models.append(numpy.frombuffer(content, "<f4"))
        rounds.append(assignment)
        n = len(models[0])
        pushed = int8_values(assignment.model, n)
        assert assignment.model_coded
        if len(models) == 1:
            assert not assignment.model_differences and not assignment.model_base
            assert (pushed == models[0]).all()
        else:
            assert assignment.model_differences == 1 and assignment.model_base == rounds[-2].model_id
            assert (models[-2] + pushed == models[-1]).all()
        if len(models) < 6:
            values = (models[-1] + chance.normal(0, 0.01, n)).astype("<f4").tobytes()
            assert eve.submit(eve.header(assignment, n), (0, values)).accepted
    whole = fetched(eve, rounds[-1], coded=True)
    assert not whole[0].coded and whole[1] == models[-1].tobytes(), "it holds nothing"
    for held in range(6):
        header, content = fetched(eve, rounds[-1], coded=True, held_round=held, held_id=rounds[held].model_id)
        missed = 5 - held
        if missed in (0, 4, 5):  # four differences are longer than the model
            assert not header.coded and content == models[-1].tobytes(), held
            continue
        assert header.coded and header.differences == missed, (held, header)
        values = models[held]
        for part in range(missed):
            size = len(content) // missed
            values = values + int8_values(content[part * size : (part + 1) * size], n)
        assert (values == models[-1]).all(), held
        assert not fetched(eve, rounds[-1], coded=True, held_round=held, held_id="0" * 16)[0].coded


main(globals())
