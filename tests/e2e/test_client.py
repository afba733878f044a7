#!/usr/bin/python3
"""A client written from protos/ alone: experiments created, watched, explained, steered and fetched on a running
coordinator, and a learner of the test's own that says what no learner should."""
import hashlib

import numpy
from cohort_e2e import (
    Attendance,
    classes_experiment,
    enum_name,
    main,
    message,
    protos,
    read_safetensors,
    reason,
    refused,
    to_yaml,
)


def start(world, *settings):
    coordinator = world.coordinator("read_data=true", *settings)
    return coordinator, world.stub(coordinator)


def create(world, users, **changes):
    text = to_yaml(classes_experiment(world.folder, **changes))
    return users.CreateExperiment(yaml=text).experiment.id


def wait_for(users, experiment_id, wanted, cursor=0):
    """Events up to the first for which `wanted` holds."""
    seen = []
    for event in users.WatchExperiment(experiment_id=experiment_id, cursor=cursor):
        seen.append(event)
        if wanted(event):
            break
    else:
        raise AssertionError(f"the stream ended: {seen[-3:]}")
    return seen


def is_state(event, state):
    return event.WhichOneof("event") == "state_changed" and enum_name("ExperimentState", event.state_changed.state) == state


def committed(event):
    return event.WhichOneof("event") == "round_committed"


def download(users, experiment_id, **options):
    """(header, bytes) of a model; chunks must follow each other."""
    stream = users.DownloadModel(experiment_id=experiment_id, **options)
    header, content = next(stream).header, b""
    for chunk in stream:
        assert chunk.offset == options.get("offset", 0) + len(content), chunk.offset
        content += chunk.data
    return header, content


# ---- an experiment's life


def it_follows_an_experiment_from_its_creation_to_its_model(world):
    coordinator, users = start(world)
    experiment_id = create(world, users, collaboration={"learners": 2})
    for name in "ann", "bob":
        world.learner(coordinator, name)
    events = wait_for(users, experiment_id, lambda event: is_state(event, "COMPLETED"))
    assert [event.cursor for event in events] == list(range(1, len(events) + 1))
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds.count("round_started") == kinds.count("round_committed") == kinds.count("round_evaluated") == 3
    assert kinds.count("summary_accepted") == 6 and kinds.count("summary_rejected") == 0
    experiment = users.GetExperiment(experiment_id=experiment_id).experiment
    assert (experiment.round, experiment.rounds, experiment.learners) == (3, 3, 2)
    assert experiment.coordinator_peak_rss_bytes > 1e6
    header, content = download(users, experiment_id)
    assert hashlib.sha256(content).hexdigest() == experiment.model_sha256 == header.sha256.hex()
    assert len(content) == header.bytes and header.round == 3
    (world.folder / "model.safetensors").write_bytes(content)
    shapes = {name: list(tensor.shape) for name, tensor in read_safetensors(world.folder / "model.safetensors").items()}
    assert shapes == {tensor.name: list(tensor.shape) for tensor in header.tensors}, shapes
    _, rest = download(users, experiment_id, offset=100)
    assert rest == content[100:]
    listed = [row.id for row in users.ListExperiments().experiments]
    assert listed == [experiment_id]


def it_gives_events_from_a_cursor_on(world):
    coordinator, users = start(world)
    experiment_id = create(world, users, collaboration={"learners": 1})
    world.learner(coordinator, "ann")
    events = wait_for(users, experiment_id, lambda event: is_state(event, "COMPLETED"))
    again = list(users.WatchExperiment(experiment_id=experiment_id, cursor=5))
    assert again == events[4:]
    assert not list(users.WatchExperiment(experiment_id=experiment_id, cursor=10**9))


def it_explains_who_is_awaited_and_why(world):
    coordinator, users = start(world)
    experiment_id = create(world, users, collaboration={"learners": 2}, simulation={"delay": "1s"})
    told = users.ExplainExperiment(experiment_id=experiment_id)
    assert len(told.awaited) == 2 and all("no learner" in it.why for it in told.awaited), told
    assert "2 learners" in told.next and enum_name("ExperimentState", told.state) == "WAITING"
    ann = world.learner(coordinator, "ann")
    bob = world.learner(coordinator, "bob")
    wait_for(users, experiment_id, lambda event: event.WhichOneof("event") == "round_started")
    bob.kill()
    wait_for(
        users,
        experiment_id,
        lambda event: event.WhichOneof("event") == "learner_changed"
        and enum_name("LearnerState", event.learner_changed.state) == "LOST",
    )
    told = users.ExplainExperiment(experiment_id=experiment_id)
    why = {it.learner: it.why for it in told.awaited}
    assert "connection is lost" in why["bob"], told
    assert "bob" in told.summary or "ann" in told.summary, told
    assert ann.process.poll() is None


def it_lists_learners_with_what_they_told(world):
    coordinator, users = start(world)
    experiment_id = create(world, users, collaboration={"learners": 2})
    for name in "ann", "bob", "eve":
        world.learner(coordinator, name)
    wait_for(users, experiment_id, lambda event: is_state(event, "COMPLETED"))
    rows = {row.name: row for row in users.ListLearners(experiment_id=experiment_id).learners}
    assert len(rows) == 2 and set(rows) < {"ann", "bob", "eve"}, rows
    for row in rows.values():
        assert list(row.data.sample_shape) == [6] and row.data.n_outputs == 3 and row.data.n_samples == 120
        assert row.version and row.last_seen_unix_ms > 0 and row.peak_rss_bytes > 1e6
    refused("NOT_FOUND", lambda: users.ListLearners(experiment_id="nope"))


def it_pauses_resumes_and_cancels(world):
    coordinator, users = start(world)
    experiment_id = create(world, users, collaboration={"learners": 1, "rounds": 1000000})
    world.learner(coordinator, "ann")
    wait_for(users, experiment_id, committed)
    users.PauseExperiment(experiment_id=experiment_id)
    last = wait_for(users, experiment_id, lambda event: is_state(event, "PAUSED"))[-1]
    rounds = users.GetExperiment(experiment_id=experiment_id).experiment.round
    told = users.ExplainExperiment(experiment_id=experiment_id)
    assert "ResumeExperiment" in told.next, told
    resumed = users.ResumeExperiment(experiment_id=experiment_id).experiment
    assert enum_name("ExperimentState", resumed.state) == "RUNNING"
    def goes_on(event):  # a round under way ended after the pause was asked for; the next one needs the resumption
        return committed(event) and event.round_committed.round >= rounds + 2

    wait_for(users, experiment_id, goes_on, cursor=last.cursor)
    ended = users.CancelExperiment(experiment_id=experiment_id, message="enough").experiment
    assert enum_name("ExperimentState", ended.state) == "CANCELLED" and ended.message == "enough"
    again = users.CancelExperiment(experiment_id=experiment_id).experiment
    assert again.message == "enough"
    words = refused("FAILED_PRECONDITION", lambda: users.ResumeExperiment(experiment_id=experiment_id))
    assert "over" in words, words
    assert len(download(users, experiment_id)[1]) > 400


def it_leaves_a_completed_experiment_alone_when_cancelled(world):
    coordinator, users = start(world)
    experiment_id = create(world, users, collaboration={"learners": 1})
    world.learner(coordinator, "ann")
    wait_for(users, experiment_id, lambda event: is_state(event, "COMPLETED"))
    experiment = users.CancelExperiment(experiment_id=experiment_id, message="too late").experiment
    assert enum_name("ExperimentState", experiment.state) == "COMPLETED" and experiment.message == "", experiment


def it_keeps_every_rounds_model_in_its_state_folder(world):
    coordinator, users = start(world, f"state.folder={world.folder}/state")
    experiment_id = create(world, users, collaboration={"learners": 1})
    world.learner(coordinator, "ann")
    events = wait_for(users, experiment_id, lambda event: is_state(event, "COMPLETED"))
    for event in filter(committed, events):
        number = event.round_committed.round
        header, content = download(users, experiment_id, round=number)
        assert hashlib.sha256(content).hexdigest() == event.round_committed.model_sha256, number
        assert header.round == number
    refused("NOT_FOUND", lambda: users.DownloadModel(experiment_id=experiment_id, round=4))
    refused("OUT_OF_RANGE", lambda: users.DownloadModel(experiment_id=experiment_id, offset=10**9))


def it_creates_one_experiment_for_one_request_id(world):
    _, users = start(world)
    text = to_yaml(classes_experiment(world.folder))
    first = users.CreateExperiment(yaml=text, request_id="one")
    again = users.CreateExperiment(yaml=text, request_id="one")
    assert (again.experiment.id, again.resolved_yaml) == (first.experiment.id, first.resolved_yaml)
    others = {users.CreateExperiment(yaml=text, request_id=it).experiment.id for it in ("two", "", "")}
    assert len(others) == 3 and first.experiment.id not in others
    assert len(users.ListExperiments().experiments) == 4
    assert "local_epochs: 1" in first.resolved_yaml


# ---- refusals


def it_refuses_what_is_unknown_or_unreadable(world):
    _, users = start(world)
    for name in "GetExperiment", "ExplainExperiment", "PauseExperiment", "ResumeExperiment", "CancelExperiment":
        words = refused("NOT_FOUND", lambda: getattr(users, name)(experiment_id="nope"))
        assert "'nope'" in words and "ListExperiments" in words, (name, words)
        refused("INVALID_ARGUMENT", lambda: getattr(users, name)(b"\xff\xff\xff"))
        refused("INVALID_ARGUMENT", lambda: getattr(users, name)(experiment_id="x" * 1000))
    for name in "WatchExperiment", "DownloadModel":
        refused("NOT_FOUND", lambda: getattr(users, name)(experiment_id="nope"))
        refused("INVALID_ARGUMENT", lambda: getattr(users, name)(b"\xff\xff\xff"))
    assert "'nobody'" in refused("NOT_FOUND", lambda: users.RemoveLearner(learner="nobody"))
    experiment_id = create(world, users)
    words = refused("NOT_FOUND", lambda: users.DownloadModel(experiment_id=experiment_id))
    assert "model" in words, words


def it_refuses_an_experiment_with_its_place(world):
    _, users = start(world)
    words = refused("INVALID_ARGUMENT", lambda: users.CreateExperiment(yaml="name: x\nmodle: {}\n"))
    assert "experiment:2:1: " in words and "did you mean 'model'" in words, words
    refused("INVALID_ARGUMENT", lambda: users.CreateExperiment(yaml=""))
    refused("INVALID_ARGUMENT", lambda: users.CreateExperiment(yaml="a: [" * 10000))
    assert not users.ListExperiments().experiments


# ---- a learner of the test's own


def begin(world, **collaboration):
    """An experiment of one learner, played here, in its first round."""
    coordinator, users = start(world)
    wanted = {"learners": 1, "rounds": 2, **collaboration}
    experiment_id = create(world, users, collaboration=wanted, data={"test": None})
    eve = Attendance(world, coordinator, "eve")
    assert eve.hear("welcome").lease_ms > 0
    eve.become_ready()
    assignment = eve.hear("assignment")
    return users, experiment_id, eve, assignment, eve.model(assignment)


def it_takes_a_summary_and_makes_it_the_model(world):
    users, experiment_id, eve, assignment, model = begin(world)
    wanted = (model + 1).astype("<f4")
    content = wanted.tobytes()
    header = eve.header(assignment, len(model))
    offer = eve.exchange.OfferSummary(header=header)
    assert offer.answer == message("OfferSummaryResponse").ANSWER_SEND and offer.offset == 0
    assert eve.submit(header, (0, content[:102]), (102, content[102:])).accepted
    second = eve.hear("assignment")
    assert second.round == 2
    assert abs(eve.model(second) - wanted).max() < 1e-6
    _, stored = download(users, experiment_id)
    assert abs(numpy.frombuffer(stored[-len(content) :], "<f4") - wanted).max() < 1e-6
    late = eve.exchange.OfferSummary(header=header)
    assert late.answer == message("OfferSummaryResponse").ANSWER_REFUSED and late.message


def it_refuses_a_summary_by_its_header(world):
    users, experiment_id, eve, assignment, model = begin(world)
    n = len(model)
    content = (0, model.tobytes())
    table = [
        ("UNKNOWN_EXPERIMENT", {"experiment_id": "nope"}),
        ("UNKNOWN_LEARNER", {"learner": "nobody"}),
        ("SUPERSEDED", {"incarnation": 2}),
        ("WRONG_ROUND", {"round": 2}),
        ("WRONG_ROUND", {"round": 0}),
        ("WRONG_ROUND", {"round": 2**32 - 1}),
        ("SUPERSEDED", {"attempt": 9}),
        ("WRONG_SIZE", {"n_values": n - 1}),
        ("WRONG_SIZE", {"bytes": 4 * n + 1}),
        ("WRONG_SIZE", {"bytes": 2**63, "n_values": 2**61}),
        ("INCOMPATIBLE", {"codec": "zip"}),
        ("OUT_OF_RANGE", {"weight": 2**63}),
        ("OUT_OF_RANGE", {"weight": 0}),
    ]
    for wanted, changes in table:
        header = eve.header(assignment, n, **changes)
        offer = eve.exchange.OfferSummary(header=header)
        assert offer.answer == message("OfferSummaryResponse").ANSWER_REFUSED and offer.message, (changes, offer)
        got = reason(eve.submit(header, content))
        assert got == wanted and offer.reason == getattr(protos()["types"], f"REASON_{wanted}"), (changes, got, offer)
    refused("INVALID_ARGUMENT", lambda: eve.submit(None, content))
    refused("INVALID_ARGUMENT", lambda: eve.exchange.SubmitSummary(iter([b"\xff\xff"])))
    experiment = users.GetExperiment(experiment_id=experiment_id).experiment
    assert experiment.round == 0 and enum_name("ExperimentState", experiment.state) == "RUNNING"
    assert eve.submit(eve.header(assignment, n), content).accepted


def damaged(value):
    def change(model):
        model[7] = value
        return [(0, model.tobytes())]

    return change


DAMAGE = [
    ("NOT_FINITE", damaged(numpy.nan)),
    ("NOT_FINITE", damaged(numpy.inf)),
    ("OUT_OF_RANGE", damaged(3e38)),
    ("DAMAGED", lambda model: [(4, model.tobytes()[4:]), (0, model.tobytes()[:4])]),
    ("DAMAGED", lambda model: [(0, model.tobytes()[:40]), (0, model.tobytes()[:40])]),
    ("DAMAGED", lambda model: [(0, model.tobytes() + b"more")]),
    ("DAMAGED", lambda model: [(0, model.tobytes()), (4 * len(model), bytes(1 << 20))]),
    ("DAMAGED", lambda model: [(0, model.tobytes()[:-4])]),
    ("DAMAGED", lambda model: []),
]


FAR = [("OVERSIZED_NORM", lambda model: [(0, (model + 1).tobytes())])]
NOT_FINITE = [row for row in DAMAGE if row[0] == "NOT_FINITE"]


def it_refuses_a_summary_by_its_content(world):
    """Held back until whole (the default), and folded as it comes; gathered; and of bounded norm."""
    for buffer in "64MiB", "0":
        coordinator, users = start(world, f"limits.buffer={buffer}")
        table = [({}, *row) for row in DAMAGE]
        table += [({"max_norm": 3}, *row) for row in FAR + NOT_FINITE]
        table += [({"reducer": "median"}, *row) for row in NOT_FINITE]
        table += [({"reducer": "median", "max_norm": 3}, *row) for row in FAR + NOT_FINITE]
        for options, wanted, damage in table:
            options = {"learners": 1, "rounds": 1, **options}
            experiment_id = create(world, users, collaboration=options, data={"test": None})
            eve = Attendance(world, coordinator, f"eve-{experiment_id}")
            eve.become_ready()
            assignment = eve.hear("assignment")
            model = eve.model(assignment)
            got = reason(eve.submit(eve.header(assignment, len(model)), *damage(model.copy())))
            assert got == wanted, (buffer, options, wanted, got)
            events = users.WatchExperiment(experiment_id=experiment_id)
            rejected = [it.summary_rejected for it in events if it.WhichOneof("event") == "summary_rejected"]
            assert len(rejected) == 1 and rejected[0].message, rejected
            ended = users.GetExperiment(experiment_id=experiment_id).experiment
            assert enum_name("ExperimentState", ended.state) == "FAILED" and ended.summaries_rejected == 1, ended
            eve.end()


def it_goes_on_with_the_others_when_one_summary_is_rejected(world):
    coordinator, users = start(world, "limits.buffer=0")
    wanted = {"learners": 2, "rounds": 1, "participation": {"minimum": 1}}
    experiment_id = create(world, users, collaboration=wanted, data={"test": None})
    ann, eve = Attendance(world, coordinator, "ann"), Attendance(world, coordinator, "eve")
    for learner in ann, eve:
        learner.become_ready()
    tasks = [learner.hear("assignment") for learner in (ann, eve)]
    model = ann.model(tasks[0])
    good, bad = model + 2, model.copy()
    bad[-1] = numpy.nan
    assert ann.submit(ann.header(tasks[0], len(model)), (0, good.tobytes())).accepted
    chunks = (0, bad.tobytes()[:100]), (100, bad.tobytes()[100:])
    assert reason(eve.submit(eve.header(tasks[1], len(model)), *chunks)) == "NOT_FINITE"
    again = ann.hear("assignment")  # what eve sent was folded already: the round is collected anew
    assert (again.round, again.attempt) == (1, 2)
    assert ann.submit(ann.header(again, len(model)), (0, good.tobytes())).accepted
    wait_for(users, experiment_id, lambda event: is_state(event, "COMPLETED"))
    _, stored = download(users, experiment_id)
    assert abs(numpy.frombuffer(stored[-good.nbytes :], "<f4") - good).max() < 1e-6


def it_collects_on_when_a_summary_is_rejected_that_can_be_taken_out(world):
    """Nobody else is asked again: the summaries wait until they are whole, or are gathered."""
    coordinator, users = start(world, "limits.buffer=0")
    for options, bad_by in ({"max_norm": 30}, 1000), ({"max_norm": 30}, numpy.nan), ({"reducer": "median"}, numpy.nan):
        options |= {"learners": 3, "rounds": 1, "participation": {"minimum": 2}}
        experiment_id = create(world, users, collaboration=options, data={"test": None})
        names = [f"{name}-{experiment_id}" for name in ("ann", "eve", "bob")]
        learners = [Attendance(world, coordinator, name) for name in names]
        for learner in learners:
            learner.become_ready()
        tasks = [learner.hear("assignment") for learner in learners]
        model = learners[0].model(tasks[0])
        sent = model + 0.01, model + numpy.float32(bad_by), model + 0.02
        answers = [
            learner.submit(learner.header(task, len(model)), (0, values[:50].tobytes()), (200, values[50:].tobytes()))
            for learner, task, values in zip(learners, tasks, sent)
        ]
        assert [answer.accepted for answer in answers] == [True, False, True], answers
        wait_for(users, experiment_id, lambda event: is_state(event, "COMPLETED"))
        ended = users.GetExperiment(experiment_id=experiment_id).experiment
        assert ended.summaries_rejected == 1, ended
        _, stored = download(users, experiment_id)
        values = numpy.frombuffer(stored[-model.nbytes :], "<f4")
        assert abs(values - (model + 0.015)).max() < 1e-6
        for learner in learners:
            learner.end()


def it_turns_away_who_does_not_fit(world):
    coordinator, users = start(world)
    for name in "", "a b", "../up", "x" * 63 + "y":
        eve = Attendance(world, coordinator, name)
        refused("INVALID_ARGUMENT", lambda: eve.answers)
    eve = world.stub(coordinator, "exchange")
    join = {"learner": "eve", "incarnation": 1, "protocol_version": 9}
    refused("FAILED_PRECONDITION", lambda: eve.Attend(iter([message("AttendRequest", join=join)])))
    refused("INVALID_ARGUMENT", lambda: eve.Attend(iter([b"\xff\xff"])))
    assert not users.ListLearners().learners
    experiment_id = create(world, users, collaboration={"learners": 1})
    odd = Attendance(world, coordinator, "odd")
    odd.become_ready(shape=(7, 2**40), n_outputs=2**50)
    events = wait_for(users, experiment_id, lambda event: is_state(event, "FAILED"))
    assert events[-1].state_changed.message, events[-1]


def it_replaces_a_learner_by_a_newer_one_of_its_name(world):
    coordinator, users = start(world)
    create(world, users, collaboration={"learners": 1})
    old = Attendance(world, coordinator, "eve", incarnation=5)
    old.become_ready()
    old.hear("assignment")
    new = Attendance(world, coordinator, "eve", incarnation=6)
    assert "newer" in old.hear("dismiss").message
    new.become_ready()
    assert new.hear("assignment").round == 1
    older = Attendance(world, coordinator, "eve", incarnation=4)
    refused("ABORTED", lambda: older.answers)


def it_removes_a_learner(world):
    coordinator, users = start(world)
    experiment_id = create(world, users, collaboration={"learners": 1, "rounds": 1000000})
    ann = world.learner(coordinator, "ann")
    wait_for(users, experiment_id, committed)
    users.RemoveLearner(learner="ann", message="its data is wrong")
    assert ann.process.wait(120) == 2
    assert "its data is wrong" in ann.words(), ann.words()
    states = {row.name: enum_name("LearnerState", row.state) for row in users.ListLearners().learners}
    assert states == {"ann": "REMOVED"}, states
    told = users.ExplainExperiment(experiment_id=experiment_id)
    assert told.summary, told


# ---- health and reflection


def it_answers_health_and_reflection_on_both_services(world):
    coordinator, _ = start(world)
    learner = world.learner(coordinator, "ann", "listen=127.0.0.1:0")
    port = learner.wait_for_record("listening")["port"]
    services = {"cohort.v1.Coordinator", "cohort.v1.Exchange"}, {"cohort.v1.Learner"}
    for address, own in zip((coordinator.address, f"127.0.0.1:{port}"), services):
        health = world.stub(address, "health")
        for name in ("", *own):
            assert health.Check(service=name).status == 1, name
        refused("NOT_FOUND", lambda: health.Check(service="nonsense"))
        reflection = world.stub(address, "reflection", "ServerReflection")
        ask = protos()["reflection"].ServerReflectionRequest(list_services="")
        answer = next(reflection.ServerReflectionInfo(iter([ask])))
        names = {row.name for row in answer.list_services_response.service}
        assert own < names and "grpc.health.v1.Health" in names, names
        code, out, err = world.cohort("health", address)
        assert code == 0, out + err


main(globals())
