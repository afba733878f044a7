#!/usr/bin/python3
"""Work under mutual TLS from end to end: coordinator, relays, learners and users, by certificate and by token, gives the very
model that it gives without; and goes on while certificates and authorities are replaced."""
import os
import time

from cohort_e2e import Service, Stub, classes_experiment, enum_name, grpc, main, refused, sha256, to_yaml
from secured import audit, channel, make, prepare, secured, tls, token

NAMES = "site-a", "site-b", "ward-1"


def experiment(world, units=2048, **collaboration):
    """Its model is fetched and its summaries are submitted in streams of their own, unless there are but a few units."""
    layers = [{"dense": {"units": units, "activation": "relu"}}, {"dense": {"units": 3}}]
    wanted = {"learners": len(NAMES), "rounds": 4, **collaboration}
    return classes_experiment(world.folder, model={"layers": layers}, collaboration=wanted)


def completed(users, experiment_id):
    list(users.WatchExperiment(experiment_id=experiment_id))
    found = users.GetExperiment(experiment_id=experiment_id).experiment
    assert enum_name("ExperimentState", found.state) == "COMPLETED", found
    return found.model_sha256


def plain(world, yaml, *settings):
    """The model's hash, without TLS."""
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    for name in NAMES:
        world.learner(coordinator, name, *settings)
    found = completed(users, users.CreateExperiment(yaml=yaml).experiment.id)
    world.stop_services()
    return found


def of_learner(name, secret):
    """The settings by which a learner shows who it is."""
    return ["tls.ca=certs/ca.crt", f"token=file:{secret}"] if name.startswith("ward") else tls("certs", name)


def prepared(world):
    """All identities; the file of the one token that ward-1 shows."""
    prepare(world)
    (world.folder / "secret").write_text(token(world, "--learner", "ward-*") + "\n")
    return "secret"


def ended(stream):
    """What a stream that ends early says."""
    try:
        for _ in stream:
            pass
    except grpc.RpcError as error:
        return f"{error.code().name} {error.details()}"
    raise AssertionError("it ended well")


def it_gives_the_model_that_it_gives_without(world):
    yaml, secret = to_yaml(experiment(world)), prepared(world)
    wanted = plain(world, yaml)
    coordinator = secured(world, "read_data=true")
    for name in NAMES:
        world.learner(coordinator, name, *of_learner(name, secret))
    users = Stub(channel(world, coordinator.address, "alice"), "coordinator", "Coordinator")
    experiment_id = users.CreateExperiment(yaml=yaml).experiment.id
    assert completed(users, experiment_id) == wanted
    lines = audit(world)
    assert all(line["allowed"] for line in lines), [line for line in lines if not line["allowed"]]
    callers = {(line["role"], line["name"]) for line in lines}
    assert callers == {("user", "alice"), ("learner", "site-a"), ("learner", "site-b"), ("learner", "ward-*")}, callers
    readers = ["--tls-ca", "certs/ca.crt", "--tls-cert", "certs/eve.crt", "--tls-key", "certs/eve.key"]
    code, _, err = world.cohort(
        "model", "download", experiment_id, "--coordinator", coordinator.address, *readers, "--out", "model.safetensors"
    )
    assert code == 0, err
    assert sha256(world.folder / "model.safetensors") == wanted
    code, _, err = world.cohort("submit", world.write("again.yaml", yaml), "--coordinator", coordinator.address, *readers)
    assert code != 0 and "may not call" in err, err


def it_gives_it_through_a_relay_too(world):
    yaml, secret = to_yaml(experiment(world)), prepared(world)
    wanted = plain(world, yaml)
    coordinator = secured(world, "read_data=true")
    middle = world.coordinator(
        f"relay_of={coordinator.address}", *tls("certs", "hall"), "tokens=tokens", "audit=relay.jsonl"
    )
    for name in NAMES:
        world.learner(middle, name, *of_learner(name, secret))
    users = Stub(channel(world, coordinator.address, "alice"), "coordinator", "Coordinator")
    assert completed(users, users.CreateExperiment(yaml=yaml).experiment.id) == wanted
    assert {line["role"] for line in audit(world)} == {"user", "relay"}, "someone came past the relay"
    assert {line["role"] for line in audit(world, "relay.jsonl")} == {"learner"}


def it_gives_it_between_peers_too(world):
    yaml = to_yaml(experiment(world, topology="ring"))
    prepared(world)
    wanted = plain(world, yaml, "listen=127.0.0.1:0")
    make(world, "ward-1", "learner")  # who is called has to show a certificate
    coordinator = secured(world, "read_data=true")
    for name in NAMES:
        world.learner(coordinator, name, "listen=127.0.0.1:0", *tls("certs", name), f"audit={name}.jsonl")
    users = Stub(channel(world, coordinator.address, "alice"), "coordinator", "Coordinator")
    assert completed(users, users.CreateExperiment(yaml=yaml).experiment.id) == wanted
    for name in NAMES:
        calls = audit(world, f"{name}.jsonl")
        assert calls and all(line["allowed"] and line["role"] == "learner" for line in calls), calls


def it_goes_on_while_certificates_are_replaced(world):
    """A new authority is added, everyone changes over to it, the old one is dropped: rounds go on, and the old are out."""
    yaml, _ = to_yaml(experiment(world, units=8, rounds=40)), prepared(world)
    make(world, "ward-1", "learner")
    wanted = plain(world, yaml)
    coordinator = secured(world, "read_data=true")
    learners = {name: world.learner(coordinator, name, *tls("certs", name)) for name in NAMES}
    old = channel(world, coordinator.address, "alice")
    users = Stub(old, "coordinator", "Coordinator")
    for name, role in (("server", "relay"), ("alice", "user"), *((name, "learner") for name in NAMES)):
        make(world, name, role, folder="next")

    def replace(name, content):
        (world.folder / "certs/new").write_bytes(content)
        os.replace(world.folder / "certs/new", world.folder / f"certs/{name}")

    read = lambda name: (world.folder / name).read_bytes()  # noqa: E731
    experiment_id = users.CreateExperiment(yaml=yaml).experiment.id
    events = users.WatchExperiment(experiment_id=experiment_id)
    committed = (event.round_committed.round for event in events if event.WhichOneof("event") == "round_committed")
    assert next(committed) == 1
    users.PauseExperiment(experiment_id=experiment_id)
    replace("ca.crt", read("certs/ca.crt") + read("next/ca.crt"))
    for name in ("server", "alice", *NAMES):
        for end in ("key", "crt"):
            replace(f"{name}.{end}", read(f"next/{name}.{end}"))
    fresh = Stub(channel(world, coordinator.address, "alice"), "coordinator", "Coordinator")
    fresh.ResumeExperiment(experiment_id=experiment_id)
    for name in NAMES:  # again, with what they find now
        learners[name].kill()
        learners[name] = world.learner(coordinator, name, *tls("certs", name))
        learners[name].wait_for_record("joined")
    replace("ca.crt", read("next/ca.crt"))
    assert list(committed)[-1] == 40, "the stream that was open ended early"
    (found,) = fresh.ListExperiments().experiments
    assert found.model_sha256 == wanted
    refused("UNAUTHENTICATED", users.ListExperiments)


def revoke(world, name):
    code, _, err = world.cohort("certs", "revoke", "--out", "certs", "--name", name)
    assert code == 0, err


def it_refuses_a_certificate_from_its_revocation_on(world):
    """Its open streams are cut off, its next calls refused; others go on."""
    prepared(world)
    code = Service(world, "cohort-coordinator", *tls("certs", "server"), "tls.crl=certs/ca.crl", announced=False).process.wait(120)
    assert code == 2, "a list that is not there is no empty list"
    revoke(world, "late")
    coordinator = secured(world, "tls.crl=certs/ca.crl", "lease=10s")
    learner = {name: world.learner(coordinator, name, *tls("certs", name)) for name in ("site-a", "site-b")}
    for one in learner.values():
        one.wait_for_record("joined")
    alice, eve = (Stub(channel(world, coordinator.address, name), "coordinator", "Coordinator") for name in ("alice", "eve"))
    yaml = to_yaml(experiment(world, learners=9))
    id = alice.CreateExperiment(yaml=yaml).experiment.id
    watching = {name: users.WatchExperiment(experiment_id=id) for name, users in (("alice", alice), ("eve", eve))}
    for stream in watching.values():
        next(stream)

    revoke(world, "eve")
    assert "cancel" in ended(watching["eve"]).lower() and not watching["alice"].done()
    assert "revoked" in refused("UNAUTHENTICATED", eve.ListExperiments)
    revoke(world, "site-a")
    learner["site-a"].wait_for_record("connection lost")
    until = time.monotonic() + 120
    while not any(line["name"] == "" and "Attend" in line["method"] and "revoked" in line["reason"] for line in audit(world)):
        assert time.monotonic() < until, "nothing is in the audit file"
        time.sleep(0.05)
    (world.folder / "certs/new").write_text("no list\n")
    os.replace(world.folder / "certs/new", world.folder / "certs/ca.crl")  # the one before holds
    assert "revoked" in refused("UNAUTHENTICATED", eve.ListExperiments)
    states = {one.name: enum_name("LearnerState", one.state) for one in alice.ListLearners().learners}
    assert states["site-a"] == "LOST" and states["site-b"] != "LOST", states
    assert not watching["alice"].done()


def it_cuts_a_revoked_learner_off_its_relay(world):
    prepared(world)
    revoke(world, "late")
    coordinator = secured(world)
    middle = world.coordinator(f"relay_of={coordinator.address}", *tls("certs", "hall"), "tls.crl=certs/ca.crl")
    learner = {name: world.learner(middle, name, *tls("certs", name)) for name in ("site-a", "site-b")}
    for one in learner.values():
        one.wait_for_record("joined")
    revoke(world, "site-a")
    learner["site-a"].wait_for_record("connection lost")
    alice = Stub(channel(world, coordinator.address, "alice"), "coordinator", "Coordinator")
    until = time.monotonic() + 60
    states = {}
    while states.get("site-a") != "LOST" and time.monotonic() < until:
        states = {one.name: enum_name("LearnerState", one.state) for one in alice.ListLearners().learners}
        time.sleep(0.05)
    assert states["site-a"] == "LOST" and states["site-b"] != "LOST", states


def it_calls_no_server_whose_certificate_is_revoked(world):
    """Neither does a learner join it, nor a user ask it anything, once they have the list; those without it still do."""
    prepared(world)
    revoke(world, "late")
    coordinator = secured(world, "tls.crl=certs/ca.crl")
    asking = ("health", coordinator.address, "--tls-ca=certs/ca.crt", "--tls-cert=certs/alice.crt", "--tls-key=certs/alice.key")
    code, _, err = world.cohort(*asking, "--tls-crl=certs/ca.crl")
    assert code == 0, err
    world.learner(coordinator, "site-a", *tls("certs", "site-a"), "tls.crl=certs/ca.crl").wait_for_record("joined")
    revoke(world, "server")
    code, _, err = world.cohort(*asking, "--tls-crl=certs/ca.crl", "--timeout-ms=5000")
    assert code != 0 and "revoked" in err, err
    code, _, err = world.cohort(*asking)
    assert code == 0, err
    learner = world.learner(coordinator, "site-b", *tls("certs", "site-b"), "tls.crl=certs/ca.crl", announced=False)
    assert "revoked" in learner.wait_for_record("refused")["why"]


main(globals())
