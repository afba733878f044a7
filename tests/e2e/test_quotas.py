#!/usr/bin/python3
"""What one peer may have, however it asks: learners, experiments, calls a second, connections; and that others have theirs
meanwhile. With TLS a peer is an identity, without it a host."""
import contextlib
import pathlib
import subprocess
import sys
import time

import grpc
from cohort_e2e import TIMEOUT, Attendance, Skipped, Stub, main
from h2 import ACK, GOAWAY, HELLO, PING, SETTINGS, connect, frame
from secured import channel, make, secured, token
from metrics_page import samples, scrape

EXPERIMENT = """\
name: waits
model: {loss: cross_entropy, layers: [{dense: {units: 3}}]}
training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4}
collaboration: {algorithm: fedavg, rounds: 1, learners: 4000}
"""


def exhausted(call, words):
    """The call, or one of an iterator's answers, is refused for what `words` name."""
    try:
        answer = call()
        if isinstance(answer, grpc.RpcContext):
            list(answer)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and words in error.details(), (error.code(), error.details())
        return
    raise AssertionError(f"{words} did not refuse it")


class Crowd:
    """Learners of one peer, which join and stay."""

    def __init__(self, world, connection):
        self.world, self.exchange, self.inside = world, Stub(connection, "exchange", "Exchange"), []

    def join(self, name, incarnation=1):
        """What refuses it, or None."""
        one = Attendance(self.world, None, name, incarnation, exchange=self.exchange)
        try:
            while (answer := next(one.answers)).WhichOneof("event") != "welcome":
                assert answer.WhichOneof("event") == "dismiss", answer
        except grpc.RpcError as error:
            return error
        self.inside.append(one)
        return None


def certificates(world):
    make(world, "server", "relay")
    for name in "alice", "bob":
        make(world, name, "user")
    make(world, "site-a", "learner")


def it_lets_a_peer_speak_for_so_many_learners_and_no_more(world):
    certificates(world)
    ward = token(world, "--learner", "ward-*")
    coordinator = secured(world, "limits.learners_a_peer=5", "metrics=127.0.0.1:0")
    bearer = grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials((world.folder / "certs/ca.crt").read_bytes()), grpc.access_token_call_credentials(ward)
    )
    crowd = Crowd(world, world.stack.enter_context(grpc.secure_channel(coordinator.address, bearer)))
    refused = [error for i in range(20) if (error := crowd.join(f"ward-{i}"))]
    assert len(crowd.inside) == 5 and len(refused) == 15, (len(crowd.inside), len(refused))
    for error in refused:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and "limits.learners_a_peer" in error.details(), error
    listed = Stub(channel(world, coordinator.address, "alice"), "coordinator", "Coordinator").ListLearners().learners
    assert len(listed) == 5, "those who were refused are not kept"

    site = Crowd(world, channel(world, coordinator.address, "site-a"))
    assert site.join("site-a") is None, "another has its own"
    assert crowd.join("ward-0", incarnation=2) is None, "one that comes again has its place"
    crowd.inside[1].end()
    until = time.monotonic() + TIMEOUT
    while crowd.join("ward-99"):  # until the coordinator has heard that one has gone
        assert time.monotonic() < until, "a place does not become free"
        time.sleep(0.02)
    assert samples(scrape(coordinator))["cohort_refused_total", "learners_a_peer"] >= 15


def it_lets_this_machines_own_have_all_places_unless_told(world):
    coordinator = world.coordinator("limits.learners=8")
    crowd = Crowd(world, world.stack.enter_context(grpc.insecure_channel(coordinator.address)))
    for i in range(8):
        crowd.join(f"own-{i}")
    assert len(crowd.inside) == 8
    error = crowd.join("own-8")
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and "limits.learners" in error.details(), error


def it_lets_a_user_have_so_many_experiments_open(world):
    certificates(world)

    def start():
        return secured(world, "limits.experiments_a_user=3", f"state.folder={world.folder}/state", "metrics=127.0.0.1:0")

    def users(name):
        return Stub(channel(world, coordinator.address, name), "coordinator", "Coordinator")

    coordinator = start()
    alice, bob = users("alice"), users("bob")
    made = [alice.CreateExperiment(yaml=EXPERIMENT, request_id=f"r{i}").experiment.id for i in range(3)]
    for _ in range(10):
        exhausted(lambda: alice.CreateExperiment(yaml=EXPERIMENT), "limits.experiments_a_user")
    assert alice.CreateExperiment(yaml=EXPERIMENT, request_id="r2").experiment.id == made[2], "the same one is none more"
    bob.CreateExperiment(yaml=EXPERIMENT)
    assert samples(scrape(coordinator))["cohort_refused_total", "experiments"] == 10

    coordinator.kill()  # whose they are outlives it
    coordinator = start()
    alice = users("alice")
    exhausted(lambda: alice.CreateExperiment(yaml=EXPERIMENT), "limits.experiments_a_user")
    alice.CancelExperiment(experiment_id=made[0])
    alice.CreateExperiment(yaml=EXPERIMENT)


def flood(method, n):
    """Calls as fast as they go, many at once: (answered, refused with what words, seconds)."""
    begun, futures = time.monotonic(), [method.future(b"", timeout=60) for _ in range(n)]
    refused = [one.details() for one in futures if one.code() == grpc.StatusCode.RESOURCE_EXHAUSTED]
    others = [one.details() for one in futures if one.code() not in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED)]
    assert not others, others[:3]
    return n - len(refused), refused, time.monotonic() - begun


def it_answers_so_many_calls_a_second_of_a_peer_over_all_its_connections(world):
    certificates(world)
    rate = 50
    coordinator = secured(world, f"limits.calls_a_second={rate}", "metrics=127.0.0.1:0")
    path, answered, refused = "/cohort.v1.Coordinator/ListExperiments", 0, 0
    begun = time.monotonic()
    for _ in range(4):
        done, words, _ = flood(channel(world, coordinator.address, "alice").unary_unary(path), 200)
        answered, refused = answered + done, refused + len(words)
        assert all("limits.calls_a_second" in one and "user alice" in one for one in words), words[:1]
        Stub(channel(world, coordinator.address, "bob"), "coordinator", "Coordinator").ListExperiments()  # has its own
    most = rate * (1 + time.monotonic() - begun) + 1
    print(f"# {answered} answered, {refused} refused, {most:.0f} allowed for the time it took")
    assert rate <= answered <= most and refused > 0
    health = channel(world, coordinator.address, "alice").unary_unary("/grpc.health.v1.Health/Check")
    for _ in range(3 * rate):
        health(b"", timeout=30)
    assert samples(scrape(coordinator))["cohort_refused_total", "calls_a_second"] == refused


def it_answers_so_many_exchanges_a_second_of_a_peer(world):
    rate = 40
    coordinator = world.coordinator(f"limits.exchanges_a_second={rate}", "metrics=127.0.0.1:0")
    begun = time.monotonic()
    with grpc.insecure_channel(coordinator.address) as connection:
        answered, words, _ = flood(connection.unary_unary("/cohort.v1.Exchange/OfferSummary"), 500)
    assert rate <= answered <= rate * (1 + time.monotonic() - begun) + 1 and words, (answered, len(words))
    assert all("limits.exchanges_a_second" in one for one in words), words[:1]
    world.stub(coordinator).ListExperiments()  # users' calls are counted for themselves
    assert samples(scrape(coordinator))["cohort_refused_total", "exchanges_a_second"] == len(words)


def it_does_not_mind_200_calls_a_second(world):
    coordinator = world.coordinator()
    list_experiments = world.stack.enter_context(grpc.insecure_channel(coordinator.address)).unary_unary("/cohort.v1.Coordinator/ListExperiments")
    begun, futures = time.monotonic(), []
    for i in range(400):
        time.sleep(max(0, begun + i / 200 - time.monotonic()))
        futures.append(list_experiments.future(b"", timeout=60))
    assert all(one.code() == grpc.StatusCode.OK for one in futures)


def it_takes_only_so_many_connections_of_a_host(world):
    """In a network of its own, where its loopback has two more addresses, which are not this machine's to exempt."""
    helper = pathlib.Path(__file__).with_name("host_connections.py")
    arguments = ["unshare", "--net", "--map-root-user", sys.executable, "-B", helper, *sys.argv[1:4], world.folder]
    done = subprocess.run(arguments, env=world.environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if "unshare" in done.stderr and "failed" in done.stderr:
        raise Skipped("no network of one's own is to be had here")
    print("".join(f"# {line}\n" for line in done.stdout.splitlines()), end="")
    assert done.returncode == 0, done.stderr


def it_cuts_off_who_has_said_hello_and_leaves_pings_unanswered(world):
    """Half-open: as whoever has been cut off from the network looks."""
    coordinator = world.coordinator()
    with connect(coordinator.address) as silent, connect(coordinator.address) as alive:
        for one in silent, alive:
            one.sendall(HELLO + frame(SETTINGS, ACK, 0))
        begun, pings, heard = time.monotonic(), 0, b""
        silent.settimeout(60)
        with contextlib.suppress(ConnectionError):
            while data := silent.recv(65536):  # TimeoutError: it is held still
                heard += data
        took = time.monotonic() - begun
        while len(heard) >= 9:
            pings += heard[3] == PING and not heard[4] & ACK
            heard = heard[9 + int.from_bytes(heard[:3], "big") :]
        print(f"# cut off after {took:.1f} s, {pings} pings")
        assert pings >= 1 and 10 < took < 45, (pings, took)
    world.stub(coordinator).ListExperiments()


main(globals())
