"""HTTP/2 by hand (RFC 9113), for tests that send what no gRPC library would: frames, and a connection that keeps to
flow control so as to send as much as the other side lets it."""
import contextlib
import select
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW = 4  # the setting
WINDOW = 65535


def frame(kind, flags, stream, payload=b"", length=None):
    """Section 4.1; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header without indexing or Huffman's code (RFC 7541, section 6.2.2); shorter than 127 bytes each."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def request(path):
    rows = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers")]
    return b"".join(literal(*row) for row in rows)


HELLO = PREFACE + frame(SETTINGS, 0, 0)


def connect(address, source=None):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10, source_address=source)


class Http2:
    """A connection that says hello, answers settings and pings, and sends within the windows that it is given."""

    def __init__(self, address, settings=b"", source=None):
        self.socket = connect(address, source)
        self.socket.setblocking(False)
        self.window, self.initial, self.streams = WINDOW, WINDOW, {}
        self.received, self.over, self.resets, self.ended = b"", False, 0, set()
        self.out = PREFACE + frame(SETTINGS, 0, 0, settings)

    def open(self, stream, path, more=b""):
        self.streams[stream] = self.initial
        self.out += frame(HEADERS, END_HEADERS, stream, request(path)) + more

    def push(self, stream, n):
        """So many bytes of data as the windows let through, at most n; how many."""
        n = max(0, min(n, self.streams.get(stream, 0), self.window, 16384))
        if n:
            self.out += frame(DATA, 0, stream, bytes(n))
            self.streams[stream] -= n
            self.window -= n
        return n

    def move(self, seconds):
        """Sends and receives for so long, or until there is nothing to send."""
        until = time.monotonic() + seconds
        while not self.over and time.monotonic() < until:
            ready, free, _ = select.select([self.socket], [self.socket] if self.out else [], [], 0.02)
            with contextlib.suppress(BlockingIOError):
                if ready:
                    self._hear()
                if free:
                    try:
                        self.out = self.out[self.socket.send(self.out) :]
                    except (ConnectionError, OSError):
                        self.over = True
            if not ready and not self.out:
                return

    def _hear(self):
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionError:
            data = b""
        self.over = not data
        self.received += data
        while len(self.received) >= 9:
            size = int.from_bytes(self.received[:3], "big")
            if len(self.received) < 9 + size:
                return
            kind, flags, stream = self.received[3], self.received[4], int.from_bytes(self.received[5:9], "big")
            payload, self.received = self.received[9 : 9 + size], self.received[9 + size :]
            self._take(kind, flags, stream, payload)

    def _take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                if name == INITIAL_WINDOW:
                    self.streams = {key: window + value - self.initial for key, window in self.streams.items()}
                    self.initial = value
            self.out += frame(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.out += frame(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE and stream == 0:
            self.window += int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE and stream in self.streams:
            self.streams[stream] += int.from_bytes(payload, "big")
        elif kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM):
            self.resets += kind == RST_STREAM
            self.ended.add(stream)
            self.streams.pop(stream, None)

    def close(self):
        self.socket.close()
