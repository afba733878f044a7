"""A proxy that stands between programs and makes their network a bad one: it delays what passes, repeats what a
connection said, later and beside others, cuts them all off, or lets nothing pass while nobody is told."""
import asyncio
import contextlib
import random
import threading


class Proxy:
    """`delay` in seconds each way; of a `repeated` share of connections all that they have said by then is said once
    more, some time later, by another one."""

    def __init__(self, to, host="127.0.0.1", port=0, delay=0.0, repeated=0.0, seed=1):
        self.to, self.host, self.port, self.delay, self.repeated = to, host, port, delay, repeated
        self.chance = random.Random(seed)
        self.heard = []  # of each connection: what its client said, as far as it is kept
        self.keep = 1 << 16
        self.partitioned = False  # nothing passes, and nothing ends
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
        said = bytearray()
        self.heard.append(said)
        try:
            there_reader, there_writer = await self._connect()
        except OSError:
            writer.close()
            return
        if self.chance.random() < self.repeated:
            asyncio.ensure_future(self._repeat(said, self.chance.uniform(0.2, 3)))
        self.writers |= {writer, there_writer}
        await asyncio.gather(
            self._pass(reader, there_writer, said), self._pass(there_reader, writer)
        )
        self.writers -= {writer, there_writer}

    async def _repeat(self, said, later):
        await asyncio.sleep(later)
        self.n_repeated += 1
        with contextlib.suppress(OSError):
            reader, writer = await self._connect()
            self.writers.add(writer)
            writer.write(bytes(said))
            while await reader.read(1 << 16):
                pass
            self.writers.discard(writer)
            writer.close()

    async def _pass(self, reader, writer, said=None):
        """A queue keeps the order, the delay is each piece's own: it does not add up."""
        queue = asyncio.Queue(4096)

        async def deliver():
            while (item := await queue.get()) is not None:
                at, data = item
                await asyncio.sleep(max(0, at - self.loop.time()))
                while self.partitioned:
                    await asyncio.sleep(0.01)
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
