#!/usr/bin/python3
"""What one peer can make the coordinator hold, and what becomes of the others meanwhile. Each limit is tried for
real, by a peer that keeps to HTTP/2 where that lets it hold more."""
import contextlib
import os
import struct
import subprocess
import time

import grpc
from cohort_e2e import SANITIZED, TIMEOUT, main, message
from h2 import DATA, END_STREAM, HELLO, INITIAL_WINDOW, Http2, connect, frame
from proxy import Proxy

ATTEND, SUBMIT = "/cohort.v1.Exchange/Attend", "/cohort.v1.Exchange/SubmitSummary"


def resident(service):
    with open(f"/proc/{service.process.pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


def served(world, service):
    """By a connection of its own, made now."""
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            return world.stub(service).ListExperiments(message("ListExperimentsRequest"))
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED) and time.monotonic() < until, error


def closed(connection, seconds=30):
    connection.settimeout(seconds)
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):  # TimeoutError: it stays open
            pass
    return True


def it_serves_again_after_all_descriptors_were_taken(world):
    coordinator = world.coordinator()
    subprocess.run(["prlimit", f"--pid={coordinator.process.pid}", "--nofile=64:64"], check=True)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(connect(coordinator.address))
            with contextlib.suppress(OSError):
                connection.sendall(HELLO)
        last = stack.enter_context(connect(coordinator.address))
        assert closed(last)
        assert len(os.listdir(f"/proc/{coordinator.process.pid}/fd")) <= 64
    served(world, coordinator)


def it_takes_only_so_many_connections(world):
    coordinator = world.coordinator("limits.connections=10")
    with contextlib.ExitStack() as stack:
        some = [stack.enter_context(contextlib.closing(Http2(coordinator.address))) for _ in range(10)]
        for one in some:
            one.move(1)
        with connect(coordinator.address) as another:
            assert closed(another)
        assert not any(one.over for one in some)
        some[0].close()
        served(world, coordinator)


def it_bounds_what_was_received_and_not_taken(world):
    """Messages of 8 MiB that lack their last byte, on as many streams as it takes."""
    coordinator = world.coordinator("limits.received=64MiB", "lease=60s")
    before, size, streams = resident(coordinator), 8000000, range(1, 801, 2)
    with contextlib.closing(Http2(coordinator.address)) as one:
        one.move(1)
        for stream in streams:
            one.open(stream, SUBMIT)
        left = dict.fromkeys(streams, size)
        sent, until = 0, time.monotonic() + 60
        while sent < 1 << 30 and not one.resets and not one.over and time.monotonic() < until:
            pushed = 0
            for stream in streams:
                n = one.push(stream, left[stream])
                left[stream] -= n
                pushed += n
            one.move(0.2)
            sent += pushed
        grown = resident(coordinator) - before
        served(world, coordinator)
    print(f"# {sent >> 20} MiB sent, {grown >> 20} MiB held, {one.resets} calls broken off")
    assert one.resets > 0 or one.over, "nothing was broken off"
    assert grown < 256 << 20, f"{grown} bytes are held"


LAYERS = "\n".join("    - dense: {units: 3, activation: relu}" for _ in range(1000))
LARGE = f"""\
name: large
model:
  loss: cross_entropy
  layers:
{LAYERS}
    - dense: {{units: 3}}
training: {{optimizer: {{kind: sgd, learning_rate: 0.1}}, batch_size: 4}}
collaboration: {{algorithm: fedavg, rounds: 1, learners: 2}}
"""


def ask(name):
    """A call's request for the experiment of that name, as one frame."""
    said = b"\x0a" + bytes([len(name)]) + name.encode()
    return b"\0" + struct.pack(">I", len(said)) + said


def not_reading(coordinator, path, n, name):
    """So many calls, of whose answers nothing is read."""
    one = Http2(coordinator.address, struct.pack(">HI", INITIAL_WINDOW, 0))
    one.move(1)
    for i in range(n):
        said = ask(name)
        one.open(2 * i + 1, path, frame(DATA, END_STREAM, 2 * i + 1, said))
        one.window -= len(said)
        one.move(0.01)
    return one


def it_bounds_answers_that_nobody_reads(world):
    coordinator = world.coordinator("limits.unread_a_host=16MiB", "limits.calls_a_second=0", "lease=500ms")
    users = world.stub(coordinator)
    made = users.CreateExperiment(message("CreateExperimentRequest", yaml=LARGE))
    assert len(made.resolved_yaml) > 50000
    before = resident(coordinator)
    with contextlib.closing(not_reading(coordinator, "/cohort.v1.Coordinator/GetExperiment", 3000, "large")) as one:
        one.move(1)
        grown = resident(coordinator) - before
        print(f"# {3000 * len(made.resolved_yaml) >> 20} MiB asked for, {grown >> 20} MiB held, {len(one.ended)} calls refused")
        most = 192 if SANITIZED else 96  # ThreadSanitizer keeps several bytes for each; all would still be more
        assert grown < most << 20, f"{grown} bytes are held"
        until = time.monotonic() + TIMEOUT
        while len(one.ended) < 3000 and not one.over:
            assert time.monotonic() < until, f"only {len(one.ended)} calls were ended"
            one.move(0.1)
            time.sleep(0.05)
    served(world, coordinator)


def it_cuts_off_who_watches_and_does_not_read(world):
    coordinator = world.coordinator("lease=500ms")
    users = world.stub(coordinator)
    users.CreateExperiment(message("CreateExperimentRequest", yaml=LARGE))
    with contextlib.closing(not_reading(coordinator, "/cohort.v1.Coordinator/WatchExperiment", 5, "large")) as one:
        until = time.monotonic() + TIMEOUT
        while len(one.ended) < 5 and not one.over:
            assert time.monotonic() < until, f"only {len(one.ended)} watchers were cut off"
            one.move(0.1)
            time.sleep(0.05)
    honest = users.WatchExperiment(message("WatchExperimentRequest", experiment_id="large"))
    next(honest)
    time.sleep(3)  # who reads may watch as long as it likes: nothing happens meanwhile
    assert honest.is_active()


def it_refuses_more_calls_of_a_host_than_it_allows(world):
    coordinator = world.coordinator("limits.calls_a_host=20", "lease=60s")
    with contextlib.ExitStack() as stack:
        some = [stack.enter_context(contextlib.closing(Http2(coordinator.address))) for _ in range(3)]
        for one in some:
            one.move(1)
            for i in range(10):
                one.open(2 * i + 1, ATTEND)
            one.move(1)
        until = time.monotonic() + TIMEOUT
        while sum(len(one.ended) for one in some) < 10:
            assert time.monotonic() < until, [one.ended for one in some]
            for one in some:
                one.move(0.1)
        assert sum(len(one.ended) for one in some) == 10
    served(world, coordinator)


def it_lets_a_learner_come_back_whose_join_somebody_repeated(world):
    coordinator = world.coordinator()
    between = Proxy(coordinator.address)
    world.stack.callback(between.close)
    learner = world.learner(between.address, "honest")
    learner.wait_for_record("joined")
    with connect(coordinator.address) as repeated:
        repeated.sendall(bytes(between.heard[0]))
        until = time.monotonic() + TIMEOUT
        while sum(record["message"] == "joined" for record in learner.records()) < 2:
            assert learner.process.poll() is None, f"it gave up: {learner.words()}"
            assert time.monotonic() < until, learner.words()
            time.sleep(0.01)


main(globals())
