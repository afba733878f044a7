#!/usr/bin/python3
"""Relays: the same model, byte for byte, as without them; fewer bytes at the coordinator; whatever is killed on the way."""
import socket
import time

import numpy
from cohort_e2e import (
    Attendance,
    Service,
    classes_experiment,
    enum_name,
    main,
    merged,
    message,
    reason,
    refused,
    to_yaml,
)

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


def it_passes_on_what_does_not_add_up(world):
    for name, value in ("reducer", "median"), ("max_norm", 1000), ("codec", "int8"):
        experiment = ten(world, collaboration={"learners": LEARNERS, name: value})
        star = world.run(experiment, out=f"star-{name}")
        ended = relayed(world, experiment, lambda top: [relay(world, top)])
        assert ended.model_sha256 == star.hash, name
        assert ended.bytes_up == star.summary["bytes_up"], name
        assert ended.bytes_down == 4 * star.summary["model_parameters"] * 3, name
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


# Summaries of one vector, of several, with single values behind them, and with state at either end.
ALGORITHMS = "gradient_descent", "fedprox", "scaffold", "fednova", "feddyn", "fedadam", "q_fedavg", "fisher", "easgd"


def it_runs_trees_of_every_algorithm(world):
    for algorithm in ALGORITHMS:
        experiment = ten(world, collaboration={"learners": LEARNERS, "algorithm": algorithm, "rounds": 2})
        models = [
            world.run(experiment, "--quiet", "--set", f"collaboration.topology={topology}", out=f"{algorithm}-{topology}").hash
            for topology in ("star", "tree")
        ]
        assert models[0] == models[1], algorithm


def it_weighs_in_trees_as_in_stars(world):
    for weighting in "uniform", "inverse_loss":
        experiment = ten(world, collaboration={"learners": LEARNERS, "weighting": weighting, "rounds": 2})
        models = [
            world.run(experiment, "--quiet", "--set", f"collaboration.topology={topology}", out=f"{weighting}-{topology}").hash
            for topology in ("star", "tree")
        ]
        assert models[0] == models[1], weighting


def it_serves_rounds_that_nobody_waits_in(world):
    wanted = {"learners": LEARNERS, "algorithm": "fedbuff", "schedule": {"kind": "asynchronous", "buffer": 3}, "rounds": 6}
    ended = relayed(world, ten(world, collaboration=wanted), lambda top: [relay(world, top) for _ in range(2)])
    assert ended.round == 6, ended


def it_serves_rounds_of_the_first_that_come(world):
    participation = {"fraction": 0.5, "over_selection": 1.6}
    wanted = {"learners": LEARNERS, "topology": {"kind": "tree", "relays": 3}, "participation": participation}
    run = world.run(ten(world, collaboration=wanted), out="over")
    assert all(5 <= row["summaries"] <= 8 for row in run.metrics("round")), run.metrics("round")


def it_refuses_trees_that_cannot_be(world):
    for changes, arguments, words in (
        ({"reducer": "median"}, (), ("median", "mean", "star")),
        ({"max_norm": 1}, (), ("max_norm", "star")),
        ({"topology": {"kind": "tree", "relays": 11}}, (), ("11", "10")),
        ({}, ("--processes", 1), ("--processes 1", "2 relays")),
    ):
        experiment = ten(world)
        experiment["collaboration"].update({"topology": "tree", **changes})
        path = world.write("tree.yaml", experiment)
        code, _, err = world.cohort("run", path, *arguments)
        assert code == 2 and all(word in err for word in words), err


# ---- processes that are killed


def it_goes_on_when_a_relay_is_killed_and_comes_back(world):
    experiment = ten(world, simulation={"delay": "300ms"})
    star = world.run(experiment, "--set", "simulation.delay=0s", out="star")
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    relays = [relay(world, coordinator, address=address) for address in addresses]
    learners(world, addresses)
    experiment_id = create(users, experiment)
    for number in 1, 2:
        wait_for_event(users, experiment_id, "round_started", lambda event: event.round == number)
        if number == 2:
            relays[1].wait_for_record("a summary was added")  # that nobody upstream has yet, or of the round before
        relays[number - 1].kill()
        relays[number - 1] = relay(world, coordinator, address=addresses[number - 1])
    assert completed(users, experiment_id).model_sha256 == star.hash


def it_goes_on_when_its_coordinator_was_out_of_reach(world):
    """A relay, and learners, that start before their coordinator."""
    address = f"127.0.0.1:{free_port()}"
    top = relay(world, address)
    learners(world, [top])
    coordinator = Service(world, "cohort-coordinator", f'listen=["{address}"]', "drain=0s", "read_data=true")
    users = world.stub(coordinator)
    completed(users, create(users, ten(world)))


def it_serves_the_coordinator_that_takes_anothers_place(world):
    """The same experiment again, while the relay still has a sum for the first one."""
    experiment = ten(world, simulation={"delay": "300ms"})
    star = world.run(experiment, "--set", "simulation.delay=0s", out="star")
    address = f"127.0.0.1:{free_port()}"
    settings = "cohort-coordinator", f'listen=["{address}"]', "drain=0s", "read_data=true"
    first = Service(world, *settings)
    middle = relay(world, first)
    learners(world, [middle])
    create(world.stub(first), experiment)
    middle.wait_for_record("a summary was added")
    first.kill()
    users = world.stub(Service(world, *settings))
    assert completed(users, create(users, experiment)).model_sha256 == star.hash


class Trio:
    """Two real learners behind a relay, and one, eve, that the test plays: nothing goes on without her."""

    def __init__(self, world, middle, experiment):
        self.world = world
        self.coordinator = world.coordinator("read_data=true")
        self.users = world.stub(self.coordinator)
        self.relay = relay(world, self.coordinator) if middle else None
        self.end = self.relay or self.coordinator
        self.ann, self.bob = (world.learner(self.end, name) for name in ("ann", "bob"))
        self.eve = Attendance(world, self.end, "eve")
        self.id = create(self.users, experiment)
        self.eve.become_ready()
        self.assignment = self.eve.hear("assignment")

    def submit(self):
        model = self.eve.model(self.assignment)
        header = self.eve.header(self.assignment, len(model))
        return self.eve.submit(header, (0, (model + 1).tobytes()))

    def finish(self):
        assert self.submit().accepted
        return completed(self.users, self.id).model_sha256

    def wait_until_added(self, *names):
        for name in names:
            until = time.monotonic() + 60
            while not any(
                record["message"] == "a summary was added" and record["learner"] == name for record in self.relay.records()
            ):
                assert time.monotonic() < until, self.relay.words()
                time.sleep(0.005)


def trio_experiment(world):
    return classes_experiment(world.folder, collaboration={"learners": 3, "rounds": 1})


def it_counts_a_learner_once_that_is_killed_after_its_summary_was_added(world):
    experiment = trio_experiment(world)
    star = Trio(world, False, experiment).finish()
    trio = Trio(world, True, experiment)
    trio.wait_until_added("ann", "bob")
    trio.ann.kill()
    ann = world.learner(trio.end, "ann")
    wait_for_event(
        trio.users, trio.id, "learner_changed", lambda event: event.learner == "ann" and "lost" in event.message
    )
    ann.wait_for_record("joined")
    assert trio.finish() == star
    trio = Trio(world, True, experiment)  # and one that does not come back
    trio.wait_until_added("ann", "bob")
    trio.ann.kill()
    wait_for_event(
        trio.users, trio.id, "learner_changed", lambda event: event.learner == "ann" and "lost" in event.message
    )
    assert trio.finish() == star


def it_sends_the_others_by_themselves_when_a_learner_was_removed(world):
    """Its summary is in the sum already: the sum is refused, and each of the others is counted alone."""
    experiment = trio_experiment(world)
    trio = Trio(world, True, merged(experiment, {"collaboration": {"participation": {"minimum": 2}}}))
    trio.wait_until_added("ann", "bob")
    trio.users.RemoveLearner(learner="ann")
    answer = trio.submit()
    while not answer.accepted:
        assert reason(answer) == "SUPERSEDED", answer
        answer = trio.submit()
    completed(trio.users, trio.id)
    events = trio.users.WatchExperiment(experiment_id=trio.id)
    counted = [it.summary_accepted.learner for it in events if it.WhichOneof("event") == "summary_accepted"]
    assert sorted(counted) == ["bob", "eve"], counted


# ---- deadlines


def it_commits_at_the_deadline_without_a_learner_behind_a_relay(world):
    experiment = trio_experiment(world)
    wanted = {"participation": {"minimum": 2, "deadline": "3s"}}
    trio = Trio(world, True, merged(experiment, {"collaboration": wanted}))
    started = time.monotonic()
    completed(trio.users, trio.id)
    assert time.monotonic() - started < 30
    events = trio.users.WatchExperiment(experiment_id=trio.id)
    counted = [it.summary_accepted.learner for it in events if it.WhichOneof("event") == "summary_accepted"]
    assert sorted(counted) == ["ann", "bob"], counted


# ---- what does not fit


def begin(world, *settings, names=("eve",), middle=True, **collaboration):
    """An experiment whose learners are played here, behind a relay, in its first round."""
    coordinator = world.coordinator("read_data=true", *settings)
    users = world.stub(coordinator)
    end = relay(world, coordinator, *settings) if middle else coordinator
    experiment = classes_experiment(
        world.folder, collaboration={"learners": len(names), "rounds": 1, **collaboration}, data={"test": None}
    )
    experiment_id = create(users, experiment)
    played = [Attendance(world, end, name) for name in names]
    for learner in played:
        learner.become_ready()
    tasks = [learner.hear("assignment") for learner in played]
    return users, experiment_id, played, tasks, played[0].model(tasks[0])


def it_lets_the_coordinator_judge_what_it_cannot_add(world):
    for buffer in "64MiB", "0":
        for wanted, value in ("NOT_FINITE", numpy.nan), ("OUT_OF_RANGE", 3e38):
            users, experiment_id, played, tasks, model = begin(world, f"limits.buffer={buffer}")
            bad = model.copy()
            bad[-1] = value
            for expected in "SUPERSEDED", wanted:  # the relay asks for it again, and passes it on as it is
                answer = played[0].submit(played[0].header(tasks[0], len(model)), (0, bad.tobytes()))
                assert reason(answer) == expected, (buffer, wanted, answer)
            events = list(users.WatchExperiment(experiment_id=experiment_id))
            rejected = [it.summary_rejected for it in events if it.WhichOneof("event") == "summary_rejected"]
            assert [it.learner for it in rejected] == ["eve"], rejected
            world.stop_services()


def it_passes_refusals_on(world):
    users, experiment_id, (eve,), (task,), model = begin(world)
    n = len(model)
    for wanted, changes in (
        ("UNKNOWN_EXPERIMENT", {"experiment_id": "nope"}),
        ("UNKNOWN_LEARNER", {"learner": "nobody"}),
        ("SUPERSEDED", {"incarnation": 2}),
        ("WRONG_ROUND", {"round": 2}),
        ("SUPERSEDED", {"attempt": 9}),
        ("WRONG_SIZE", {"n_values": n - 1}),
        ("INCOMPATIBLE", {"codec": "zip"}),
        ("OUT_OF_RANGE", {"weight": 11}),
        ("OUT_OF_RANGE", {"weight": 0}),
    ):
        header = eve.header(task, n, **changes)
        assert reason(eve.submit(header, (0, model.tobytes()))) == wanted, changes
        offer = eve.exchange.OfferSummary(header=header)
        assert offer.answer == message("OfferSummaryResponse").ANSWER_REFUSED and offer.message, offer
    refused("INVALID_ARGUMENT", lambda: eve.submit(None, (0, model.tobytes())))
    refused("INVALID_ARGUMENT", lambda: eve.exchange.SubmitSummary(iter([b"\xff\xff"])))
    refused("NOT_FOUND", lambda: eve.exchange.FetchModel(experiment_id=eve.experiment_id, model_round=7))
    refused("NOT_FOUND", lambda: eve.exchange.FetchModel(experiment_id="nope", model_round=0))
    refused("OUT_OF_RANGE", lambda: eve.exchange.FetchModel(experiment_id=eve.experiment_id, offset=4 * n + 1))
    rest = b"".join(it.data for it in eve.exchange.FetchModel(experiment_id=eve.experiment_id, offset=4 * n - 10))
    assert rest == model.tobytes()[-10:]
    assert eve.submit(eve.header(task, n), (0, model.tobytes())).accepted
    completed(users, experiment_id)


# ---- relays that lie


def members(played, **changes):
    return [{"learner": it.name, "incarnation": it.incarnation, "weight": 10, **changes} for it in played]


def send_sum(played, task, n, content, listed=None, **changes):
    """A partial sum as a relay sends it, by whoever likes to; the answer."""
    listed = members(played) if listed is None else listed
    header = played[0].header(
        task, n, learner="relay-x", codec="ring64", bytes=8 * n, weight=sum(it["weight"] for it in listed), **changes
    )
    messages = [message("SubmitSummaryRequest", header=header, members=listed)]
    messages += [message("SubmitSummaryRequest", offset=0, data=content)] if content else []
    return played[0].exchange.SubmitSummary(iter(messages))


def ring(*vectors):
    return sum(numpy.rint(vector.astype("float64") * 2**36) for vector in vectors).astype("<i8").tobytes()


def it_refuses_sums_that_cannot_be(world):
    for middle in False, True:  # a relay of relays refuses no less
        users, experiment_id, played, tasks, model = begin(world, names=("ann", "bob"), middle=middle)
        n, task = len(model), tasks[0]
        good = ring(model, model)
        first, second = members(played)
        table = [
            ("SUPERSEDED", [first, {**second, "learner": "nobody"}], {}),
            ("SUPERSEDED", [first, {**second, "incarnation": 9}], {}),
            ("SUPERSEDED", [first, {**second, "weight": 11}], {}),
            ("SUPERSEDED", [first, second], {"round": 2}),
            ("SUPERSEDED", [first, second], {"attempt": 2}),
            ("WRONG_SIZE", [first, second], {"n_values": n + 1}),
        ]
        for wanted, listed, changes in table:
            answer = send_sum(played, task, n, good, listed, **changes)
            assert reason(answer) == wanted, (wanted, changes, answer)
        for listed in [], [first, first], [first, {**second, "weight": 0}]:
            if middle:
                refused("INVALID_ARGUMENT", lambda: send_sum(played, task, n, good, listed))
            else:
                assert reason(send_sum(played, task, n, good, listed)) == "OUT_OF_RANGE", listed
        experiment = users.GetExperiment(experiment_id=experiment_id).experiment
        assert experiment.round == 0 and experiment.summaries_rejected == 0, experiment
        if not middle:
            assert send_sum(played, task, n, good).accepted
        else:
            for learner in played:  # each has come under suspicion and is judged alone
                assert learner.submit(learner.header(task, n), (0, model.tobytes())).accepted
        completed(users, experiment_id)
        world.stop_services()


def it_takes_no_harm_from_a_sum_that_is_damaged(world):
    """Held back until whole (the default), and folded as it comes."""
    whole = lambda model: numpy.frombuffer(ring(model, model), "<i8").copy()  # noqa: E731

    def overflowing(model):
        sums = whole(model)
        sums[-1] = 2**52 + 1
        return sums.tobytes()

    damages = (
        ("OUT_OF_RANGE", overflowing),
        ("DAMAGED", lambda model: whole(model).tobytes()[:-8]),
        ("DAMAGED", lambda model: whole(model).tobytes() + bytes(8)),
        ("DAMAGED", lambda model: b""),
    )
    for buffer in "64MiB", "0":
        for wanted, damage in damages:
            users, experiment_id, played, tasks, model = begin(
                world, f"limits.buffer={buffer}", names=("ann", "bob"), middle=False
            )
            answer = send_sum(played, tasks[0], len(model), damage(model))
            assert reason(answer) == wanted, (buffer, wanted, answer)
            again = [learner.hear("assignment") for learner in played]
            for learner, task in zip(played, again):
                assert learner.submit(learner.header(task, len(model)), (0, (model + 1).tobytes())).accepted
            ended = completed(users, experiment_id)
            assert ended.summaries_rejected == 2, ended
            chunks = iter(users.DownloadModel(experiment_id=experiment_id))
            next(chunks)
            content = b"".join(chunk.data for chunk in chunks)
            assert abs(numpy.frombuffer(content[-4 * len(model) :], "<f4") - model - 1).max() < 1e-6
            world.stop_services()


main(globals())
