"""host_connections.py PROGRAMS PROTOC PROTO_ROOT FOLDER, in a network of its own: one host takes all the connections that
it gets, another is served; and whoever is turned away is counted."""
import contextlib
import fcntl
import pathlib
import socket
import struct
import sys
import time

from cohort_e2e import TIMEOUT, World
from h2 import Http2, connect
from metrics_page import samples, scrape

SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS = 0x8916, 0x891C, 0x8914
UP_AND_RUNNING = 0x41
SERVER, GREEDY, MODEST = "10.77.0.1", "10.77.0.2", "10.77.0.3"


def configure():
    """The loopback, up, with three addresses more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        address = lambda text: struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))  # noqa: E731
        fcntl.ioctl(it, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", UP_AND_RUNNING))
        for i, text in enumerate((SERVER, GREEDY, MODEST)):
            fcntl.ioctl(it, SIOCSIFADDR, struct.pack("16s16s", f"lo:{i}".encode(), address(text)))
            fcntl.ioctl(it, SIOCSIFNETMASK, struct.pack("16s16s", f"lo:{i}".encode(), address("255.255.255.255")))


def turned_away(address, source):
    with connect(address, (source, 0)) as one:
        one.settimeout(30)
        with contextlib.suppress(ConnectionError):
            return one.recv(1) == b""
        return True


def turned_away_at_once(address, source):
    with contextlib.closing(Http2(address, source=(source, 0))) as one:
        one.move(1)
        return one.over


def check(world):
    coordinator = world.coordinator(f'listen=["{SERVER}:7070"]', "insecure=true", "limits.connections_a_host=5", "metrics=127.0.0.1:0")
    address = f"{SERVER}:7070"
    with contextlib.ExitStack() as stack:
        for source in GREEDY, MODEST:
            mine = [stack.enter_context(contextlib.closing(Http2(address, source=(source, 0)))) for _ in range(5)]
            for one in mine:
                one.move(1)
            assert all(turned_away(address, source) for _ in range(10)), f"{source} has more than its share"
            for one in mine:
                one.move(0.1)
            assert not any(one.over for one in mine), "those before are let be"
        mine[0].close()
        until = time.monotonic() + TIMEOUT
        while turned_away_at_once(address, MODEST):  # until the coordinator has closed its end too
            assert time.monotonic() < until, "a place that became free stays taken"
    refused = samples(scrape(coordinator))["cohort_refused_total", "connections"]
    print(f"{refused:.0f} connections were turned away")
    assert refused >= 20


configure()
sys.argv[4:] = sys.argv[4:5]
world = World(pathlib.Path(sys.argv[4]))
try:
    check(world)
    world.stop_services()
finally:
    world.close()
