"""Ten who mean ill, until standard input ends: attackers.py ADDRESS RECORDED...

Two throw garbage and frames that lie, two say again what honest learners said (files of recorded bytes), two let a
hundred connections each crawl, two send messages, metadata and texts that are too large, two open and reset calls."""
import contextlib
import json
import pathlib
import random
import socket
import struct
import sys
import threading
import time

from h2 import DATA, END_HEADERS, HEADERS, HELLO, PREFACE, RST_STREAM, SETTINGS, Http2, connect, frame, literal, request
from lies import ATTEND, CREATE, LIES

SUBMIT = "/cohort.v1.Exchange/SubmitSummary"
ADDRESS, RECORDED = sys.argv[1], [pathlib.Path(path).read_bytes() for path in sys.argv[2:]]
STOP = threading.Event()
SAID = {}


def say(data, seconds=0.2):
    """All of it, as far as it is taken; then what comes is read for so long."""
    with contextlib.suppress(OSError), connect(ADDRESS) as connection:
        connection.sendall(data)
        connection.settimeout(seconds)
        while connection.recv(1 << 16):
            pass


def garbage(chance):
    if chance.random() < 0.5:
        say(chance.choice((b"", PREFACE, HELLO)) + chance.randbytes(chance.randrange(1, 5000)))
    else:
        say(chance.choice(list(LIES.values())))


def repeat(chance):
    say(chance.choice(RECORDED), chance.choice((0.1, 2)))


def crawl(chance):
    """A hundred connections, of which each says one byte more every second or so, for a minute."""
    call = HELLO + frame(HEADERS, END_HEADERS, 1, request(chance.choice((ATTEND, SUBMIT)))) + frame(DATA, 0, 1, b"\0\0\0\1\0")
    with contextlib.ExitStack() as stack:
        crawling = []
        for _ in range(100):
            with contextlib.suppress(OSError):
                crawling.append(stack.enter_context(connect(ADDRESS)))
        at = chance.choice((0, 5, len(call)))
        for connection in crawling:
            with contextlib.suppress(OSError):
                connection.sendall(call[:at])
        for i in range(60):
            for connection in crawling:
                with contextlib.suppress(OSError):
                    connection.sendall(call[at + i : at + i + 1] or frame(DATA, 0, 1, b"x"))
            if STOP.wait(1):
                return


def oversize(chance):
    kind = chance.randrange(3)
    if kind == 0:
        headers = frame(HEADERS, 0, 1, request(CREATE)) + frame(9, 0, 1, literal("k", "v" * 120) * 130) * 12
        say(HELLO + headers + frame(9, END_HEADERS, 1))
        return
    with contextlib.suppress(OSError), contextlib.closing(Http2(ADDRESS)) as one:
        one.move(1)
        size = chance.choice((8000000, 9000000, 2**32 - 1))
        streams = range(1, 41, 2)
        for stream in streams:
            one.open(stream, chance.choice((SUBMIT, ATTEND, CREATE)))
            one.move(0.1)
            one.out += frame(DATA, 0, stream, b"\0" + struct.pack(">I", size))
            one.streams[stream] = one.streams.get(stream, 0) - 5
            one.window -= 5
        for _ in range(20):
            for stream in streams:
                one.push(stream, 16384)
            one.move(0.2)
            if one.over or STOP.wait(0.05):
                return


def reset(chance):
    calls = b"".join(
        frame(HEADERS, END_HEADERS, 2 * i + 1, request(ATTEND)) + frame(RST_STREAM, 0, 2 * i + 1, b"\0\0\0\x08") for i in range(200)
    )
    say(HELLO + calls + frame(SETTINGS, 0, 0) * chance.randrange(500))


def go_on(what, number):
    chance = random.Random(number)
    while not STOP.is_set():
        what(chance)
        SAID[what.__name__] = SAID.get(what.__name__, 0) + 1
        STOP.wait(chance.uniform(0.02, 0.1))


def main():
    socket.setdefaulttimeout(10)
    kinds = [garbage, repeat, crawl, oversize, reset]
    threads = [threading.Thread(target=go_on, args=(kinds[i % len(kinds)], i)) for i in range(10)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    sys.stdin.read()
    STOP.set()
    for thread in threads:
        thread.join()
    print(json.dumps({**SAID, "seconds": time.monotonic() - begun}))


main()
