#!/usr/bin/python3
"""Rounds between learners: a ring gives a star's model, gossip brings learners together on every graph, and whoever is
killed, frozen or lies on the way is left out."""
import json
import signal

import numpy
from cohort_e2e import (
    Attendance,
    classes_experiment,
    enum_name,
    main,
    merged,
    message,
    read_safetensors,
    refused,
    sha256,
    to_yaml,
)

GRAPHS = {
    "ring": "ring",
    "torus": "torus",
    "random_regular": {"random_regular": {"degree": 3}},
    "edges": {"edges": {"list": ["0-1", "1-2", "2-3", "3-4", "4-5", "5-6", "6-7", "0-4"]}},
}


def gossip(graph="ring", **options):
    return {"kind": "gossip", "graph": GRAPHS[graph], **options}


def vector(path):
    return numpy.concatenate([values.ravel() for values in read_safetensors(path).values()])


def models(run):
    """Each learner's, one a row."""
    return numpy.stack([vector(path) for path in sorted((run.folder / "models").iterdir())])


# ---- rings


def it_gives_the_model_of_a_star_in_a_ring(world):
    for algorithm in "fedavg", "gradient_descent", "fedadam", "fedprox":
        experiment = classes_experiment(world.folder, collaboration={"algorithm": algorithm, "learners": 5})
        star = world.run(experiment, out=f"{algorithm}-star")
        ring = world.run(merged(experiment, {"collaboration": {"topology": "ring"}}), out=f"{algorithm}-ring")
        difference = numpy.abs(vector(ring.folder / "model.safetensors") - vector(star.folder / "model.safetensors"))
        assert difference.max() < 1e-5, (algorithm, difference.max())
        assert ring.hash == sha256(ring.folder / "model.safetensors") == ring.metrics("round")[-1]["model_sha256"]
        final, wanted = ring.summary["final"], star.summary["final"]
        assert abs(final["test_accuracy"] - wanted["test_accuracy"]) < 0.05, (final, wanted)
        assert ring.summary["model_parameters"] == star.summary["model_parameters"]
        values = ring.summary["model_parameters"]
        assert ring.summary["bytes_up"] == 3 * 4 * values * 2 * (5 - 1), "2 (n - 1) / n of a model a learner and round"


def it_gives_the_same_model_however_many_processes_there_are(world):
    for topology in "ring", gossip("torus", steps=2):
        experiment = classes_experiment(world.folder, collaboration={"topology": topology, "learners": 6})
        runs = [world.run(experiment, "--processes", n, out=f"of-{n}") for n in (6, 2, 1)]
        hashes = [[row["model_sha256"] for row in run.metrics("round")] for run in runs]
        assert hashes[0] == hashes[1] == hashes[2], hashes


def it_works_alone_and_in_twos(world):
    for topology in "ring", "gossip":
        for n in 1, 2:
            experiment = classes_experiment(world.folder, collaboration={"topology": topology, "learners": n})
            run = world.run(experiment, out=f"{topology}-{n}")
            star = world.run(merged(experiment, {"collaboration": {"topology": "star"}}), out=f"star-{n}")
            if n == 1:
                difference = vector(run.folder / "model.safetensors") - vector(star.folder / "model.safetensors")
                assert numpy.abs(difference).max() < 1e-5


# ---- gossip


def it_brings_learners_together_on_every_graph(world):
    for graph in GRAPHS:
        wanted = {
            "algorithm": "exchange",
            "topology": gossip(graph, steps=4, start="own"),
            "learners": 8,
            "rounds": 30,
        }
        experiment = classes_experiment(world.folder, collaboration=wanted)
        once = world.run(experiment, "--set", "collaboration.rounds=1", out=f"{graph}-once")
        run = world.run(experiment, out=graph)
        distances = [row["parameter_distance"] for row in run.metrics("round")]
        assert distances[-1] < 1e-3 * distances[0], (graph, distances)
        last, first = models(run), models(once)
        spread = numpy.linalg.norm(last - last.mean(axis=0)) / numpy.linalg.norm(first - first.mean(axis=0))
        assert spread < 1e-3, (graph, spread)
        assert numpy.abs(last.mean(axis=0) - first.mean(axis=0)).max() < 1e-5, f"{graph}: the mean has moved"
        assert run.hash == sha256(run.folder / "models" / "learner-0.safetensors")
        assert "learner-0" in run.summary["message"]


def it_learns_by_gossip(world):
    experiment = classes_experiment(world.folder, collaboration={"topology": "gossip", "learners": 6, "rounds": 15})
    run = world.run(experiment)
    star = world.run(merged(experiment, {"collaboration": {"topology": "star"}}), out="star")
    accuracy, wanted = run.summary["final"]["test_accuracy"], star.summary["final"]["test_accuracy"]
    assert accuracy > 0.5 and abs(accuracy - wanted) < 0.1, (accuracy, wanted)
    rows = run.metrics("round")
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert len(list((run.folder / "models").iterdir())) == 6


# ---- on the way


def peers(world, coordinator, n, first=0):
    return [world.learner(coordinator, f"learner-{i}", "listen=127.0.0.1:0") for i in range(first, n)]


def create(users, experiment):
    return users.CreateExperiment(yaml=to_yaml(experiment)).experiment.id


def wait_for(users, experiment_id, kind, wanted=lambda event: True):
    for event in users.WatchExperiment(experiment_id=experiment_id):
        if event.WhichOneof("event") == kind and wanted(getattr(event, kind)):
            return getattr(event, kind)
    raise AssertionError(f"the stream ended without '{kind}'")


def committed(users, experiment_id):
    """Learners in each committed round of an experiment that completes."""
    counts = [
        event.round_committed.summaries
        for event in users.WatchExperiment(experiment_id=experiment_id)
        if event.WhichOneof("event") == "round_committed"
    ]
    experiment = users.GetExperiment(experiment_id=experiment_id).experiment
    assert enum_name("ExperimentState", experiment.state) == "COMPLETED", experiment
    return counts


# A model of some megabytes, so that exchanges take a while. It learns slowly enough not to diverge when few take part.
def large(world, topology, **changes):
    layers = [{"dense": {"units": 1500, "activation": "relu"}}, {"dense": {"units": 700}}, {"dense": {"units": 3}}]
    collaboration = {"topology": topology, "rounds": 12, "participation": {"minimum": 1, "deadline": "300ms"}}
    base = {"model": {"layers": layers}, "training": {"optimizer": {"learning_rate": 0.001}}, "collaboration": collaboration}
    return classes_experiment(world.folder, **merged(base, changes))


def it_takes_one_that_was_killed_in_again(world):
    for topology in "ring", "gossip":
        coordinator = world.coordinator("read_data=true")
        users = world.stub(coordinator)
        learners = peers(world, coordinator, 4)
        patient = {"rounds": 100000, "participation": {"deadline": "0s"}}  # the others wait for it
        experiment_id = create(users, large(world, topology, collaboration=patient))
        wait_for(users, experiment_id, "round_committed", lambda event: event.round == 2)
        learners[1].kill()
        back = world.learner(coordinator, "learner-1", "listen=127.0.0.1:0")
        back.wait_for_record("caught up")
        now = users.GetExperiment(experiment_id=experiment_id).experiment.round
        wait_for(users, experiment_id, "round_committed", lambda event: event.round > now and event.summaries == 4)
        users.CancelExperiment(experiment_id=experiment_id)
        world.stop_services()


def it_keeps_the_model_with_two_however_short_the_deadline(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    learners = peers(world, coordinator, 4)
    hasty = {"rounds": 100000, "participation": {"deadline": "1ms"}}  # nobody makes it
    experiment_id = create(users, large(world, "ring", collaboration=hasty))
    wait_for(users, experiment_id, "round_committed", lambda event: event.round == 2)
    for k in range(8):  # one after the other, so holders too
        learners[k % 4].kill()
        learners[k % 4] = world.learner(coordinator, f"learner-{k % 4}", "listen=127.0.0.1:0")
        now = users.GetExperiment(experiment_id=experiment_id).experiment.round  # events are told from the beginning
        wait_for(users, experiment_id, "round_committed", lambda event, now=now: event.round > now + 1)
    users.CancelExperiment(experiment_id=experiment_id)
    counts = [
        event.round_committed.summaries
        for event in users.WatchExperiment(experiment_id=experiment_id)
        if event.WhichOneof("event") == "round_committed"
    ]
    assert min(counts) >= 2, counts
    world.stop_services()


def it_goes_on_whenever_one_is_killed(world):
    for moment in range(4):
        coordinator = world.coordinator("read_data=true")
        users = world.stub(coordinator)
        learners = peers(world, coordinator, 4)
        experiment_id = create(users, large(world, ("ring", "gossip")[moment // 2]))
        kind = ("round_started", "summary_accepted")[moment % 2]
        wait_for(users, experiment_id, kind, lambda event: event.round == 2 + moment)
        learners[moment % 4].kill()
        counts = committed(users, experiment_id)
        assert len(counts) == 12 and counts[-1] <= 3, counts
        world.stop_services()


def it_goes_on_without_one_that_is_frozen(world):
    coordinator = world.coordinator("read_data=true", "lease=1s")
    users = world.stub(coordinator)
    learners = peers(world, coordinator, 4)
    experiment_id = create(users, large(world, "ring"))
    wait_for(users, experiment_id, "round_committed", lambda event: event.round == 2)
    learners[2].process.send_signal(signal.SIGSTOP)
    counts = committed(users, experiment_id)
    learners[2].process.send_signal(signal.SIGCONT)
    assert len(counts) == 12 and counts[-1] <= 3, counts
    world.stop_services()


def it_leaves_out_one_that_none_can_reach(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    peers(world, coordinator, 3)
    experiment = classes_experiment(
        world.folder, collaboration={"topology": "ring", "rounds": 3, "participation": {"deadline": "2s", "minimum": 2}}
    )
    hermit = Attendance(world, coordinator, "learner-9", address="127.0.0.1:1")
    experiment_id = create(users, experiment)
    hermit.become_ready(n_samples=60)
    assignment = hermit.hear("assignment")
    answer = hermit.submit(hermit.header(assignment, 0))
    assert answer.accepted, answer
    exchange = hermit.hear("exchange")
    assert exchange.n_learners == 4 and len(exchange.peers) == 2
    counts = committed(users, experiment_id)
    assert counts == [3, 3, 3], counts
    assert users.GetExperiment(experiment_id=experiment_id).experiment.summaries_rejected >= 1
    world.stop_services()


def it_is_not_stopped_by_strangers(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    peers(world, coordinator, 3)
    wanted = {"learners": 3, "participation": {"deadline": "0s"}}
    experiment_id = create(users, large(world, "ring", collaboration=wanted))
    wait_for(users, experiment_id, "round_committed")
    for info in users.ListLearners().learners:
        stranger = world.stub(info.address, "learner")
        said = refused("INVALID_ARGUMENT", lambda: list(stranger.ExchangeSummary(iter([message("ExchangeSummaryRequest")]))))
        assert "header" in said, said
        header = {"experiment_id": experiment_id, "learner": "learner-1", "incarnation": 1, "codec": "f32"}
        for number in 1, 5, 10:  # before, among and after those under way
            request = message("ExchangeSummaryRequest", header={**header, "round": number, "attempt": 1}, peer=info.name)
            stranger.ExchangeSummary(iter([request]))
    counts = committed(users, experiment_id)
    assert set(counts) == {3}, counts
    world.stop_services()


# ---- models


def it_serves_models_where_the_coordinator_has_none(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    peers(world, coordinator, 4)
    experiment_id = create(users, classes_experiment(world.folder, collaboration={"topology": "ring"}))
    committed(users, experiment_id)
    ended = users.GetExperiment(experiment_id=experiment_id).experiment
    said = refused("FAILED_PRECONDITION", lambda: users.DownloadModel(experiment_id=experiment_id))
    assert "GetModel" in said, said
    answers = set()
    for info in users.ListLearners().learners:
        learner = world.stub(info.address, "learner")
        parts = list(learner.GetModel(experiment_id=experiment_id, round=3))
        path = world.folder / info.name
        path.write_bytes(b"".join(part.data for part in parts))
        assert parts[0].header.bytes == path.stat().st_size and sha256(path) == ended.model_sha256
        refused("NOT_FOUND", lambda: learner.GetModel(experiment_id=experiment_id, round=1))
        refused("FAILED_PRECONDITION", lambda: learner.GetModel(experiment_id="other", round=3))
        refused("NOT_FOUND", lambda: learner.GetModel(experiment_id=experiment_id, learner="nobody", round=3))
        answer = learner.Predict(n_samples=1, features=[0.5] * 6)
        answers.add(tuple(answer.outputs))
        assert answer.round == 3
    assert len(answers) == 1, "everyone has the same model, and answers with it"
    world.stop_services()


def it_refuses_what_does_not_go_together(world):
    cases = {
        "has no reducer 'median'": {"topology": "ring", "reducer": "median"},
        "codec": {"topology": "gossip", "codec": "f16"},
        "never mix": {"topology": "gossip", "algorithm": "gradient_descent"},
        "more than one vector": {"topology": "ring", "algorithm": "scaffold"},
        "must be below 4": {"topology": {"kind": "gossip", "graph": {"random_regular": {"degree": 5}}}},
        "until it is connected": {"topology": {"kind": "gossip", "graph": {"edges": {"list": ["0-1"]}}}},
    }
    for words, collaboration in cases.items():
        path = world.write("refused.yaml", classes_experiment(world.folder, collaboration=collaboration))
        code, out, err = world.cohort("run", path)
        assert code != 0 and words in err, (words, code, out, err)


def it_needs_learners_that_listen(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    world.learner(coordinator, "learner-0")
    experiment_id = create(users, classes_experiment(world.folder, collaboration={"topology": "ring", "learners": 1}))
    list(users.WatchExperiment(experiment_id=experiment_id))
    experiment = users.GetExperiment(experiment_id=experiment_id).experiment
    assert enum_name("ExperimentState", experiment.state) == "FAILED" and "set listen" in experiment.message, experiment
    world.stop_services()


def it_measures_exchanges(world):
    for topology in "ring", "{kind: gossip, graph: torus}":
        arguments = ["--learners", 4, "--parameters", 10007, "--rounds", 3, "--topology", topology, "--json"]
        code, out, err = world.cohort("bench", "exchange", *arguments)
        assert code == 0, err
        told = json.loads(out)
        assert told["model_parameters"] == 10007 and told["bytes_up"] == told["bytes_down"] > 0, told


main(globals())
