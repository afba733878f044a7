#!/usr/bin/python3
"""Half the learners cut off for two minutes, packets lost, delayed, repeated and out of order, connections repeated (PARTITION)."""
import contextlib
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import threading
import time

import cohort_e2e
from cohort_e2e import Service, classes_experiment, enum_name, grpc, main, merged, to_yaml
from namespace import made_inside
from proxy import Proxy

cohort_e2e.TIMEOUT = 1800
PARTITION = float(os.environ.get("PARTITION", "120"))
HALF = 4  # learners on each side
ADDRESS = {"a": "10.77.1", "b": "10.77.2"}


def run(*words):
    subprocess.run(words, check=True, timeout=60)


class Network:
    """Three namespaces: the coordinator's, and two with half of the learners each, every one on a line of its own."""

    def __init__(self, world):
        self.world = world
        self.names = {which: f"cohort-{world.mark[:8]}-{which}" for which in "cab"}
        for name in self.names.values():
            run("ip", "netns", "add", name)
            world.stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=False)
            self.inside(name, "ip", "link", "set", "lo", "up")
        for which, net in ADDRESS.items():
            here, there = f"ch{which}{world.mark[:6]}", f"ct{which}{world.mark[:6]}"
            self.connect(which, here, there)
            for name, link, host in (self.names["c"], here, 1), (self.names[which], there, 2):
                self.inside(name, "ip", "address", "add", f"{net}.{host}/24", "dev", link)
                self.inside(name, "ip", "link", "set", link, "up")

    def connect(self, which, here, there):
        run("ip", "link", "add", here, "netns", self.names["c"], "type", "veth", "peer", "name", there, "netns", self.names[which])

    def inside(self, name, *words):
        run("ip", "netns", "exec", name, *words)

    def prefix(self, which):
        return ("ip", "netns", "exec", self.names[which])

    def filter(self, which, *rule):
        """What comes in there goes by this rule; whoever sends is not told."""
        self.inside(self.names[which], "iptables", "-A", "INPUT", "!", "-i", "lo", *rule, "-j", "DROP")

    def clear(self):
        for name in self.names.values():
            self.inside(name, "iptables", "-F")

    def cut(self, which):
        self.filter(which)
        self.inside(self.names[which], "iptables", "-A", "OUTPUT", "!", "-o", "lo", "-j", "DROP")

    def lose(self, share):
        for which in "cab":
            self.filter(which, "-m", "statistic", "--mode", "random", "--probability", str(share))


class Unruly(Network):
    """Its lines are this process's: each packet takes a time of its own, up to `delay` s, so that they overtake each other;
    some come twice, and some never."""

    def __init__(self, world, delay, twice, never):
        self.delay, self.twice, self.never = delay, twice, never
        self.chance = random.Random(int(os.environ.get("SEED", "1")))
        self.n_packets = self.n_twice = self.n_never = self.n_overtaken = 0
        super().__init__(world)

    def tunnel(self, namespace, device):
        def make():
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH", device.encode(), 0x0001 | 0x1000))  # TUNSETIFF: TUN, no header
            return fd

        fd = made_inside(namespace, make)
        self.world.stack.callback(os.close, fd)
        return fd

    def connect(self, which, here, there):
        ends = self.tunnel(self.names["c"], here), self.tunnel(self.names[which], there)
        stop = threading.Event()
        thread = threading.Thread(target=self._pass, args=(ends, stop), daemon=True)
        self.world.stack.callback(lambda: (stop.set(), thread.join()))
        thread.start()

    def _pass(self, ends, stop):
        under_way, n, newest = [], 0, {end: 0 for end in ends}  # (due, number, to, packet)
        while not stop.is_set():
            wait = max(0, min(0.1, under_way[0][0] - time.monotonic())) if under_way else 0.1
            for end in select.select(ends, [], [], wait)[0]:
                packet, other = os.read(end, 65536), ends[end == ends[0]]
                n_copies = 0 if self.chance.random() < self.never else 1 + (self.chance.random() < self.twice)
                self.n_packets, self.n_never, self.n_twice = self.n_packets + 1, self.n_never + (n_copies == 0), self.n_twice + (n_copies == 2)
                for _ in range(n_copies):
                    n += 1
                    heapq.heappush(under_way, (time.monotonic() + self.chance.uniform(0, self.delay), n, other, packet))
            while under_way and under_way[0][0] <= time.monotonic():
                _, number, to, packet = heapq.heappop(under_way)
                self.n_overtaken += number < newest[to]
                newest[to] = max(newest[to], number)
                with contextlib.suppress(OSError):  # what an end cannot take just now is lost too
                    os.write(to, packet)


class Deployment:
    """A coordinator, eight learners, and a user who watches from beside the coordinator, whatever the network does."""

    def __init__(self, world, name, network=None, through=None, settings=()):
        self.world, self.name = world, name
        self.socket = f"unix:{world.folder}/{name}.sock"
        listen = '"0.0.0.0:7070"' if network else '"127.0.0.1:0"'
        prefix = network.prefix("c") if network else ()
        self.coordinator = Service(
            world, "cohort-coordinator", f'listen=[{listen}, "{self.socket}"]', "insecure=true", "drain=0s",
            f"state.folder={world.folder}/{name}-state", *settings, prefix=prefix,
        )
        self.address = self.coordinator.address
        if through:
            self.address = through(self.address)
        self.learners = []
        for i in range(2 * HALF):
            which = "ab"[i // HALF]
            address = f"{ADDRESS[which]}.1:7070" if network else self.address
            prefix = network.prefix(which) if network else ()
            self.learners.append(world.learner(address, f"learner-{i}", prefix=prefix, announced=False))
        self.stub = world.stub(self.socket)

    def create(self, yaml):
        self.id = self.stub.CreateExperiment(yaml=yaml).experiment.id
        self.committed = []  # (time, round, summaries)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        with contextlib.suppress(grpc.RpcError):
            for event in self.stub.WatchExperiment(experiment_id=self.id):
                if event.WhichOneof("event") == "round_committed":
                    self.committed.append((time.monotonic(), event.round_committed.round, event.round_committed.summaries))

    def get(self):
        return self.stub.GetExperiment(experiment_id=self.id).experiment

    def wait_for(self, what, seconds, why):
        until = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < until, f"{why}: {self.stub.ExplainExperiment(experiment_id=self.id)}"
            assert all(one.process.poll() is None for one in (self.coordinator, *self.learners)), "a process ended"
            time.sleep(0.02)
        return found

    def finish(self, seconds):
        def over():
            found = self.get()
            return found if enum_name("ExperimentState", found.state) in ("COMPLETED", "FAILED", "CANCELLED") else None

        found = self.wait_for(over, seconds, "it did not end")
        assert enum_name("ExperimentState", found.state) == "COMPLETED", found.message
        return found.model_sha256

    def stop(self):
        for service in (self.coordinator, *self.learners):
            service.kill()


def yaml_of(world, **changes):
    """A model of 120 kB: it is fetched and submitted in streams of their own."""
    wanted = {
        "model": {"layers": [{"dense": {"units": 3000, "activation": "relu"}}, {"dense": {"units": 3}}]},
        "data": {"test": None},
        "simulation": {"delay": "200ms"},
        "collaboration": {"rounds": 30, "learners": 2 * HALF},
    }
    return to_yaml(merged(classes_experiment(world.folder), merged(wanted, changes)))


_undisturbed = {}


def undisturbed(world, yaml):
    """Of the same experiment, on this machine's own network."""
    key = yaml.replace(str(world.folder), "")
    if key not in _undisturbed:
        deployment = Deployment(world, "undisturbed")
        deployment.create(yaml)
        _undisturbed[key] = deployment.finish(600)
        deployment.stop()
    return _undisturbed[key]


def it_goes_on_with_those_who_can_while_half_are_cut_off(world):
    network = Network(world)
    deployment = Deployment(world, "deadline", network)
    deadline = 5
    deployment.create(yaml_of(world, collaboration={"rounds": 100000, "participation": {"minimum": HALF, "deadline": f"{deadline}s"}}))
    deployment.wait_for(lambda: len(deployment.committed) >= 3, 120, "no rounds at all")
    network.cut("b")
    cut_at, before = time.monotonic(), len(deployment.committed)
    deployment.wait_for(lambda: time.monotonic() - cut_at >= PARTITION, PARTITION + 60, "")
    meanwhile = deployment.committed[before:]
    network.clear()
    healed_at = time.monotonic()
    whole = deployment.wait_for(
        lambda: next((row for row in deployment.committed if row[0] > healed_at and row[2] == 2 * HALF), None), 120, "the others did not come back"
    )
    few = sum(row[2] == HALF for row in meanwhile)
    print(f"# {PARTITION:.0f} s cut off: {len(meanwhile)} rounds meanwhile, {few} of them with {HALF} summaries; "
          f"{whole[0] - healed_at:.1f} s after the end a round with all {2 * HALF}")
    assert few >= PARTITION / deadline / 2, meanwhile
    deployment.stub.CancelExperiment(experiment_id=deployment.id)


def it_ends_in_the_same_model_when_all_are_awaited_through_a_partition(world):
    yaml = yaml_of(world)
    wanted = undisturbed(world, yaml)
    network = Network(world)
    deployment = Deployment(world, "awaited", network)
    deployment.create(yaml)
    deployment.wait_for(lambda: len(deployment.committed) >= 5, 120, "no rounds")
    network.cut("b")
    cut_at, before = time.monotonic(), len(deployment.committed)
    deployment.wait_for(lambda: time.monotonic() - cut_at >= PARTITION, PARTITION + 60, "")
    network.clear()
    healed_at, meanwhile = time.monotonic(), len(deployment.committed) - before
    found = deployment.finish(300)
    after = next(row[0] for row in deployment.committed if row[0] > healed_at) - healed_at
    print(f"# {PARTITION:.0f} s cut off, all awaited: {meanwhile} rounds meanwhile, the next {after:.1f} s after the end, {found}")
    assert found == wanted, f"{found} is not the undisturbed {wanted}"


def it_ends_in_the_same_model_with_30_percent_of_packets_lost(world):
    yaml = yaml_of(world, collaboration={"rounds": 8})
    wanted = undisturbed(world, yaml)
    network = Network(world)
    network.lose(0.3)
    begun = time.monotonic()
    deployment = Deployment(world, "lossy", network)
    deployment.create(yaml)
    found = deployment.finish(1200)
    lost = sum(row["message"] == "connection lost" for one in deployment.learners for row in one.records())
    print(f"# 30 % lost each way: 8 rounds in {time.monotonic() - begun:.0f} s, {lost} connections lost, {found}")
    assert found == wanted, f"{found} is not the undisturbed {wanted}"


def it_ends_in_the_same_model_with_packets_out_of_order_and_twice(world):
    yaml = yaml_of(world, collaboration={"rounds": 10})
    wanted = undisturbed(world, yaml)
    network = Unruly(world, delay=0.04, twice=0.1, never=0.01)
    begun = time.monotonic()
    deployment = Deployment(world, "unruly", network)
    deployment.create(yaml)
    found = deployment.finish(1200)
    print(f"# of {network.n_packets} packets {network.n_overtaken} overtaken, {network.n_twice} twice, {network.n_never} never: "
          f"10 rounds in {time.monotonic() - begun:.0f} s, {found}")
    assert found == wanted, f"{found} is not the undisturbed {wanted}"
    assert network.n_overtaken > network.n_packets / 10


def through_proxy(world, name, yaml, meanwhile=lambda proxy: None, **options):
    proxies = []

    def through(address):
        proxies.append(Proxy(address, **options))
        world.stack.callback(proxies[0].close)
        return proxies[0].address

    deployment = Deployment(world, name, through=through)
    begun = time.monotonic()
    deployment.create(yaml)
    ended = threading.Event()
    disturbing = threading.Thread(target=lambda: [meanwhile(proxies[0]) for _ in iter(lambda: ended.wait(1.5), True)], daemon=True)
    disturbing.start()
    try:
        found = deployment.finish(1200)
    finally:
        ended.set()
        disturbing.join()
    return found, time.monotonic() - begun, proxies[0]


def it_ends_in_the_same_model_with_500_ms_of_delay(world):
    yaml = yaml_of(world)
    wanted = undisturbed(world, yaml)
    found, seconds, _ = through_proxy(world, "delayed", yaml, delay=0.5)
    print(f"# 500 ms each way: 30 rounds in {seconds:.0f} s, {found}")
    assert found == wanted, f"{found} is not the undisturbed {wanted}"


def it_ends_in_the_same_model_when_connections_are_repeated_and_cut(world):
    yaml = yaml_of(world)
    wanted = undisturbed(world, yaml)
    chance = random.Random(int(os.environ.get("SEED", "1")))
    cuts = []

    def cut(proxy):
        if chance.random() < 0.3:
            cuts.append(proxy.cut())

    found, seconds, proxy = through_proxy(world, "repeated", yaml, cut, delay=0.02, repeated=0.5)
    print(f"# {len(cuts)} times all cut, {proxy.n_repeated} of {len(proxy.heard)} connections said twice: 30 rounds in {seconds:.0f} s, {found}")
    assert found == wanted, f"{found} is not the undisturbed {wanted}"
    assert proxy.n_repeated > 3


if os.geteuid() != 0:
    sys.exit("network: namespaces take root")
main(globals())
