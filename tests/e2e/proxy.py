"""A proxy that stands between programs and makes their network a bad one: it delays what passes, keeps it, says it
again, lets connections overtake each other, or cuts them.

As a program, for a network namespace of its own: proxy.py LISTEN TO [DELAY_MS [REPEATED [SEED]]]."""
import asyncio
import contextlib
import random
import sys
import threading


class Proxy:
    """Listens on `host`; `delay` in seconds each way; a `repeated` share of connections says everything twice."""

    def __init__(self, to, host="127.0.0.1", port=0, delay=0.0, repeated=0.0, seed=1):
        self.to, self.host, self.port, self.delay, self.repeated = to, host, port, delay, repeated
        self.chance = random.Random(seed)
        self.heard = []  # of each connection: what its client said, as far as it is kept
        self.keep = 1 << 16
        self.n_repeated, self.writers = 0, set()
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.ready.wait(30)
        self.address = f"{host}:{self.port}"

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._listen())
        with contextlib.suppress(RuntimeError):
            self.loop.run_forever()

    async def _listen(self):
        self.server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self.server.sockets[0].getsockname()[1]
        self.ready.set()

    async def _connect(self):
        host, port = self.to.rsplit(":", 1)
        return await asyncio.open_connection(host, int(port))

    async def _serve(self, reader, writer):
        said, twin = bytearray(), None
        self.heard.append(said)
        try:
            there_reader, there_writer = await self._connect()
        except OSError:
            writer.close()
            return
        if self.chance.random() < self.repeated:
            self.n_repeated += 1
            twin_reader, twin = await self._connect()
            asyncio.ensure_future(self._swallow(twin_reader))
        self.writers |= {writer, there_writer}
        await asyncio.gather(
            self._pass(reader, [there_writer, *([twin] if twin else [])], said), self._pass(there_reader, [writer])
        )
        self.writers -= {writer, there_writer}

    async def _swallow(self, reader):
        with contextlib.suppress(OSError):
            while await reader.read(1 << 16):
                pass

    async def _pass(self, reader, writers, said=None):
        """A queue keeps the order, the delay is each piece's own: it does not add up."""
        queue = asyncio.Queue(4096)

        async def deliver():
            while (item := await queue.get()) is not None:
                at, data = item
                await asyncio.sleep(max(0, at - self.loop.time()))
                for writer in writers:
                    with contextlib.suppress(OSError):
                        writer.write(data)
                        await writer.drain()

        sending = asyncio.ensure_future(deliver())
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 18):
                if said is not None and len(said) < self.keep:
                    said += data
                await queue.put((self.loop.time() + self.delay, data))
        await queue.put(None)
        await sending
        for writer in writers:
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    def cut(self):
        """Breaks all connections off."""

        def close():
            for writer in list(self.writers):
                writer.transport.abort()

        self.loop.call_soon_threadsafe(close)

    def close(self):
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)


def main():
    listen, to, *numbers = sys.argv[1:]
    delay_ms, repeated, seed = (*map(float, numbers), *(0, 0, 1)[len(numbers) :])
    host, port = listen.rsplit(":", 1)
    proxy = Proxy(to, host, int(port), delay_ms / 1000, repeated, int(seed))
    print(proxy.address, flush=True)
    sys.stdin.read()  # until whoever started it is gone
    print(f"{proxy.n_repeated} of {len(proxy.heard)} connections repeated", flush=True)


if __name__ == "__main__":
    main()
