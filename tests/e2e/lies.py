"""What a connection says that is no gRPC, or stops being it: each is whole, and the connection's last words."""
import struct

from h2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    HELLO,
    PING,
    PREFACE,
    PRIORITY,
    PUSH,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    literal,
    request,
)

CREATE = "/cohort.v1.Coordinator/CreateExperiment"
ATTEND = "/cohort.v1.Exchange/Attend"

LIES = {
    "http/1.1": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(505),
    "a preface cut short": PREFACE[:10],
    "settings of five bytes": PREFACE + frame(SETTINGS, 0, 0, b"\0\3\0\0\1"),
    "settings on a stream": PREFACE + frame(SETTINGS, 0, 1),
    "a window of more than 2^31": PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**32 - 1)),
    "a frame of 16 MiB": HELLO + frame(DATA, 0, 1, b"x" * 100, length=2**24 - 1),
    "data on stream 0": HELLO + frame(DATA, 0, 0, b"x"),
    "data on a stream that is not open": HELLO + frame(DATA, 0, 77, b"x" * 1000),
    "headers that are no HPACK": HELLO + frame(HEADERS, END_HEADERS, 1, b"\xff" * 200),
    "headers on an even stream": HELLO + frame(HEADERS, END_HEADERS, 2, request(ATTEND)),
    "headers cut short": HELLO + frame(HEADERS, END_HEADERS, 1, request(ATTEND)[:40], length=400),
    "headers without an end": HELLO + frame(HEADERS, 0, 1, request(ATTEND)) + frame(CONTINUATION, 0, 1, literal("a", "b" * 100)) * 500,
    "a continuation of nothing": HELLO + frame(CONTINUATION, END_HEADERS, 1, b""),
    "metadata of a megabyte": HELLO + frame(HEADERS, 0, 1, request(CREATE)) + frame(CONTINUATION, 0, 1, literal("k", "v" * 120) * 130) * 65 + frame(CONTINUATION, END_HEADERS, 1),
    "a table of HPACK of 4 GiB": HELLO + frame(HEADERS, END_HEADERS, 1, b"\x3f\xff\xff\xff\xff\x0f"),
    "a window of nothing": HELLO + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0"),
    "a window beyond the end": HELLO + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1)) * 3,
    "a push from a client": HELLO + frame(PUSH, END_HEADERS, 1, b"\0\0\0\2" + request(ATTEND)),
    "a stream that depends on itself": HELLO + frame(PRIORITY, 0, 1, b"\0\0\0\1\0"),
    "a ping of three bytes": HELLO + frame(PING, 0, 0, b"abc"),
    "ten thousand pings": HELLO + frame(PING, 0, 0, b"12345678") * 10000,
    "settings ten thousand times": HELLO + frame(SETTINGS, 0, 0) * 10000,
    "an end that is none": HELLO + frame(GOAWAY, 0, 0, b"\0" * 8) + frame(HEADERS, END_HEADERS, 1, request(ATTEND)),
    "two thousand calls opened and reset": HELLO + b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, request(ATTEND)) + frame(RST_STREAM, 0, 2 * i + 1, b"\0\0\0\x08") for i in range(2000)),
    "a message longer than it says": HELLO + frame(HEADERS, END_HEADERS, 1, request(CREATE)) + frame(DATA, END_STREAM, 1, b"\0\0\0\0\1" + b"x" * 100),
    "a message of 4 GiB": HELLO + frame(HEADERS, END_HEADERS, 1, request(CREATE)) + frame(DATA, 0, 1, b"\0\xff\xff\xff\xff" + b"x" * 1000),
    "a message that says it is packed": HELLO + frame(HEADERS, END_HEADERS, 1, request(CREATE)) + frame(DATA, END_STREAM, 1, b"\1\0\0\0\4abcd"),
    "a message that is none": HELLO + frame(HEADERS, END_HEADERS, 1, request(CREATE)) + frame(DATA, END_STREAM, 1, b"\0\0\0\0\4\xff\xff\xff\xff"),
}
