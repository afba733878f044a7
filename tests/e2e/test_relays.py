#!/usr/bin/python3
"""Relays: the same model, byte for byte, as without them; fewer bytes at the coordinator; whatever is killed on the way."""
import signal
import socket
import struct

import grpc
from cohort_e2e import Service, classes_experiment, enum_name, main, merged, message, refused, to_yaml

LEARNERS = 10


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def relay(world, upstream, *settings, address="127.0.0.1:0"):
    upstream = upstream if isinstance(upstream, str) else upstream.address
    return Service(
        world, "cohort-coordinator", f'listen=["{address}"]', "drain=0s", "log.level=debug", f"relay_of={upstream}", *settings
    )


def learners(world, ends):
    """Ten learners, spread over the addresses in turn."""
    return [world.learner(ends[i % len(ends)], f"learner-{i}") for i in range(LEARNERS)]


def create(users, experiment):
    return users.CreateExperiment(yaml=to_yaml(experiment)).experiment.id


def wait_for_event(users, experiment_id, kind, wanted=lambda event: True):
    for event in users.WatchExperiment(experiment_id=experiment_id):
        if event.WhichOneof("event") == kind and wanted(getattr(event, kind)):
            return event
    raise AssertionError(f"the stream ended without '{kind}'")


def completed(users, experiment_id):
    list(users.WatchExperiment(experiment_id=experiment_id))
    experiment = users.GetExperiment(experiment_id=experiment_id).experiment
    assert enum_name("ExperimentState", experiment.state) == "COMPLETED", experiment
    return experiment


def relayed(world, experiment, ends):
    """The experiment with learners at these ends, as it ended."""
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    learners(world, ends(coordinator))
    return completed(users, create(users, experiment))


def ten(world, **changes):
    return classes_experiment(world.folder, **{"collaboration": {"learners": LEARNERS}, **changes})


def accepted(users, experiment_id, number):
    """The learners counted in a round, in the order in which they were."""
    return [
        event.summary_accepted.learner
        for event in users.WatchExperiment(experiment_id=experiment_id)
        if event.WhichOneof("event") == "summary_accepted" and event.summary_accepted.round == number
    ]


def it_gives_the_model_of_a_star(world):
    experiment = ten(world)
    star = world.run(experiment, out="star")
    values = star.summary["model_parameters"]
    for n in 1, 3:
        ended = relayed(world, experiment, lambda top: [relay(world, top) for _ in range(n)])
        assert ended.model_sha256 == star.hash, n
        assert ended.bytes_up == 8 * values * n * 3, "eight bytes a value, a relay and a round"
        assert ended.bytes_down == 4 * values * n * 3, "each model once a relay"
        world.stop_services()


def it_gives_the_model_of_a_star_through_relays_of_relays(world):
    experiment = ten(world)
    star = world.run(experiment, out="star")

    def ends(top):
        middle = relay(world, top)
        return [relay(world, middle), relay(world, middle), middle]

    ended = relayed(world, experiment, ends)
    assert ended.model_sha256 == star.hash
    assert ended.bytes_up == 8 * star.summary["model_parameters"] * 3
    world.stop_services()


def it_runs_trees(world):
    experiment = ten(world)
    star = world.run(experiment, out="star")
    for n in 1, 3:
        tree = {"collaboration": {"topology": {"kind": "tree", "relays": n}}}
        run = world.run(merged(experiment, tree), out=f"tree-{n}")
        assert [row["model_sha256"] for row in run.metrics("round")] == [row["model_sha256"] for row in star.metrics("round")]
        assert run.summary["bytes_up"] == 8 * n * 3 * star.summary["model_parameters"]
        assert run.summary["final"] == star.summary["final"]
        names = sorted(row["learner"] for row in run.metrics("learner"))
        assert names == sorted(row["learner"] for row in star.metrics("learner")), names
        assert len(list((run.folder / "logs").glob("relay-*.log"))) == n


def it_refuses_trees_that_cannot_be(world):
    for changes, arguments, words in (
        ({"topology": {"kind": "tree", "relays": 11}}, (), ("11", "10")),
        ({}, ("--processes", 1), ("--processes 1", "2 relays")),
    ):
        experiment = ten(world)
        experiment["collaboration"].update({"topology": "tree", **changes})
        path = world.write("tree.yaml", experiment)
        code, _, err = world.cohort("run", path, *arguments)
        assert code == 2 and all(word in err for word in words), err


main(globals())
