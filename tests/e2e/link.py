"""A link that is slow and breaks: a proxy on the loopback, between learners and their coordinator."""
import contextlib
import socket
import threading
import time

BLOCK = 16 << 10


class Link:
    """Passes bytes both ways, each at its rate in bytes a second (None: as they come); counts them; and breaks all
    connections whenever `cut_after` more bytes have gone up or down (None: never)."""

    def __init__(self, world, target, rate=None, cut_after=None, host="127.0.0.1"):
        self.target, self.cut_after = target, cut_after
        self.rates = {"up": rate, "down": rate}
        self.up = self.down = self.n_cuts = 0
        self.lock = threading.Lock()
        self.pairs, self.since_cut, self.closed = set(), 0, False
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * BLOCK)  # what lies here is lost in a cut
        self.listener.bind((host, 0))
        self.listener.listen()
        self.address = f"{host}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        world.stack.callback(self.close)

    def _connect(self):
        if self.target.startswith("unix:"):
            it = socket.socket(socket.AF_UNIX)
            it.connect(self.target[5:])
            return it
        host, _, port = self.target.rpartition(":")
        return socket.create_connection((host, int(port)))

    def _accept(self):
        while not self.closed:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = self._connect()
            except OSError:  # the coordinator is not there just now
                near.close()
                continue
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * BLOCK)
            pair = (near, far)
            with self.lock:
                self.pairs.add(pair)
            for source, sink, name in (near, far, "up"), (far, near, "down"):
                threading.Thread(target=self._pump, args=(pair, source, sink, name), daemon=True).start()

    def _pump(self, pair, source, sink, name):
        due = time.monotonic()
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                if self.rates[name]:
                    due = max(due, time.monotonic() - 0.05) + len(block) / self.rates[name]
                    time.sleep(max(0, due - time.monotonic()))
                sink.sendall(block)
                self._count(name, len(block))
        self._end(pair)

    def _count(self, name, n):
        with self.lock:
            setattr(self, name, getattr(self, name) + n)
            self.since_cut += n
            cut = self.cut_after and self.since_cut >= self.cut_after
        if cut:
            self.cut()

    def _end(self, pair):
        with self.lock:
            self.pairs.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self):
        with self.lock:
            pairs, self.since_cut = list(self.pairs), 0
            self.n_cuts += 1
        for pair in pairs:
            self._end(pair)

    def close(self):
        self.closed = True
        self.listener.close()
        self.cut()
