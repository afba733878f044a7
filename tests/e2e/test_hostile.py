#!/usr/bin/python3
"""What comes in at the coordinator's port and is no gRPC, or stops being it: garbage, frames that lie, connections that
stay silent, calls that crawl. Whatever comes, honest calls are answered, memory stays flat and the process lives."""
import contextlib
import os
import pathlib
import random
import socket
import time

import grpc
import h2
from cohort_e2e import Attendance, main, message
from h2 import ACK, DATA, END_HEADERS, END_STREAM, HEADERS, HELLO, PREFACE, RST_STREAM, SETTINGS, frame, request
from lies import ATTEND, LIES
from metrics_page import samples, scrape

MANY = 150  # connections at once
MOST_GROWTH = 48 << 20  # of the resident size, once the same has come before
# What AddressSanitizer keeps of freed memory is no growth.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"


def connect(coordinator):
    return h2.connect(coordinator.address)


def send(connection, data):
    """As far as the other side takes it: it may hang up in the middle."""
    with contextlib.suppress(OSError):
        connection.sendall(data)


def drain(connection, seconds):
    """What came back until the other side hung up, or until nothing came for so long."""
    got = b""
    connection.settimeout(seconds)
    with contextlib.suppress(OSError):
        while data := connection.recv(65536):
            got += data
    return got


def call_ends(connection):
    """Whether the call on stream 1 is ended, with a status or a reset, or the connection with it."""
    answer, at = b"", 0
    connection.settimeout(30)
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65536):  # TimeoutError: it goes on
            answer += data
            while at + 9 <= len(answer):
                kind, flags = answer[at + 3], answer[at + 4]
                if kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM):
                    return True
                at += 9 + int.from_bytes(answer[at : at + 3], "big")
    return True


def resident(coordinator):
    words = pathlib.Path(f"/proc/{coordinator.process.pid}/status").read_text(encoding="utf-8").split()
    return int(words[words.index("VmRSS:") + 1]) << 10


class Honest:
    """A user's calls, which must be answered whatever else goes on."""

    def __init__(self, world, coordinator):
        self.coordinator, self.users = coordinator, world.stub(coordinator)

    def served(self):
        begun = time.monotonic()
        answer = self.users.ListExperiments(message("ListExperimentsRequest"))
        assert len(answer.experiments) == 0
        assert self.coordinator.process.poll() is None, self.coordinator.words()
        return time.monotonic() - begun


def it_outlives_frames_that_lie(world):
    coordinator = world.coordinator()
    honest = Honest(world, coordinator)
    for name, data in LIES.items():
        with connect(coordinator) as connection:
            send(connection, data)
            drain(connection, 0.05)
        assert honest.served() < 10, name


def it_outlives_garbage_without_growing(world):
    coordinator = world.coordinator()
    honest = Honest(world, coordinator)
    draw = random.Random(5)

    def wave():
        for i in range(200):
            with connect(coordinator) as connection:
                garbage = draw.randbytes(draw.randrange(1, 5000))
                send(connection, (b"", PREFACE, HELLO)[i % 3] + garbage)
                connection.shutdown(socket.SHUT_WR)
                drain(connection, 0.02)
        for data in LIES.values():
            with connect(coordinator) as connection:
                send(connection, data)
                drain(connection, 0.02)
        honest.served()

    wave()
    before = resident(coordinator)
    wave()
    wave()
    grown = resident(coordinator) - before
    assert grown < MOST_GROWTH, f"{grown} bytes more after 400 connections of garbage"


def it_breaks_off_who_never_says_hello(world):
    coordinator = world.coordinator()
    honest = Honest(world, coordinator)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(coordinator)) for _ in range(MANY)]
        for i, connection in enumerate(silent):
            send(connection, PREFACE[: i % 20])
        assert honest.served() < 10
        begun = time.monotonic()
        for connection in silent:
            connection.settimeout(60)
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):  # TimeoutError: it is held still
                    pass
        took = time.monotonic() - begun
        assert took < 45, f"{took:.0f} s until all who were silent had been cut off"
        assert honest.served() < 10


def it_serves_others_while_some_calls_crawl(world):
    coordinator = world.coordinator("lease=500ms")
    honest = Honest(world, coordinator)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(coordinator)) for _ in range(MANY)]
        for connection in slow:
            send(connection, HELLO + frame(HEADERS, END_HEADERS, 1, request(ATTEND)))
        body = b"\0\0\0\0\x20" + bytes(32)
        for at in range(8):  # a byte at a time
            for connection in slow:
                send(connection, frame(DATA, 0, 1, body[at : at + 1]))
            assert honest.served() < 10
        learner = Attendance(world, coordinator, "honest")
        learner.end()
        # A stream of which no message ever comes is over with its lease.
        for connection in slow:
            assert call_ends(connection), "the call goes on"
        assert honest.served() < 10


EXPERIMENT = """\
name: waits
model: {layers: [{dense: {units: 3}}], loss: cross_entropy}
training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4}
collaboration: {algorithm: fedavg, rounds: 1, learners: 2}
"""


def code_of(stream):
    """How a stream of answers ends."""
    try:
        for _ in stream:
            pass
    except grpc.RpcError as error:
        return error.code(), error.details()
    return None, ""


def it_ends_a_control_stream_that_chatters(world):
    coordinator = world.coordinator("limits.messages=50")
    honest, chatters = Attendance(world, coordinator, "honest"), Attendance(world, coordinator, "chatters")
    honest.hear("welcome")
    chatters.hear("welcome")
    for _ in range(200):
        chatters.say(heartbeat={})
    code, words = code_of(chatters.answers)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "limits.messages" in words, (code, words)
    honest.say(heartbeat={})
    listed = world.stub(coordinator).ListLearners(message("ListLearnersRequest")).learners
    assert "honest" in {one.name for one in listed}, listed
    Attendance(world, coordinator, "chatters", incarnation=2).hear("welcome")


def it_takes_no_quick_rounds_for_chatter(world):
    coordinator = world.coordinator("limits.messages=50", "read_data=true", "cross_memory=true", "metrics=127.0.0.1:0")
    result = world.cohort("bench", "exchange", "--coordinator", coordinator.address, "--learners", 1, "--parameters", 1,
                          "--rounds", 1000)
    assert result[0] == 0, result
    assert samples(scrape(coordinator))["cohort_refused_total", "messages"] == 0


def it_lets_only_so_many_watch(world):
    coordinator = world.coordinator("limits.watchers=3")
    users = world.stub(coordinator)
    made = users.CreateExperiment(message("CreateExperimentRequest", yaml=EXPERIMENT)).experiment.id
    ask = message("WatchExperimentRequest", experiment_id=made)
    watching = [users.WatchExperiment(ask) for _ in range(3)]
    for stream in watching:
        next(stream)
    code, words = code_of(users.WatchExperiment(ask))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "limits.watchers" in words, (code, words)
    watching[0].cancel()
    until = time.monotonic() + 30  # its place becomes free when the coordinator hears of it
    while True:
        stream = users.WatchExperiment(ask)
        try:
            next(stream)
            break
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and time.monotonic() < until, error


def it_hangs_up_on_more_streams_than_it_allows(world):
    coordinator = world.coordinator("limits.streams=4", "lease=60s")
    with connect(coordinator) as connection:
        send(connection, HELLO)
        drain(connection, 0.5)  # its settings, which count once they are acknowledged
        send(connection, frame(SETTINGS, ACK, 0) + b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, request(ATTEND)) for i in range(4)))
        connection.settimeout(1)
        with contextlib.suppress(TimeoutError):
            assert connection.recv(1) != b"", "it hung up at the fourth"
        send(connection, frame(HEADERS, END_HEADERS, 9, request(ATTEND)))
        assert call_ends(connection), "the fifth goes on"
    Honest(world, coordinator).served()


def it_refuses_metadata_beyond_the_bound(world):
    coordinator = world.coordinator()
    users = world.stack.enter_context(grpc.insecure_channel(coordinator.address, options=[("grpc.enable_http_proxy", 0)]))
    call = users.unary_unary("/cohort.v1.Coordinator/ListExperiments")
    call(b"", metadata=[("k", "v" * 4000)], timeout=30)
    try:
        call(b"", metadata=[("k", "v" * 200000)], timeout=30)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
    else:
        raise AssertionError("200 kB of metadata were taken")
    world.stub(coordinator).ListExperiments()  # by another connection: that one may be gone


main(globals())
