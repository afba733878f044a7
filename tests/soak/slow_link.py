#!/usr/bin/python3
"""400 MB over a link of 2 MB/s that breaks every 20 seconds arrive, and at most 10 % more is sent (MBYTES, CUT_EVERY)."""
import ctypes
import os
import subprocess
import threading
import time

import cohort_e2e

cohort_e2e.TIMEOUT = 1800
os.environ["GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS"] = "20"  # else a lost channel is looked at every 5 s

from cohort_e2e import Service, classes_experiment, enum_name, main, to_yaml  # noqa: E402
from link import Link  # noqa: E402

MBYTES = int(os.environ.get("MBYTES", "400"))
CUT_EVERY = float(os.environ.get("CUT_EVERY", "20"))
UNITS = int((MBYTES * 1e6 / 4) ** 0.5)
BYTES = 4 * (UNITS * UNITS + 11 * UNITS + 3)  # of the model, and of a summary
RATE = 2e6  # bytes a second, headers and all
NEAR, FAR = "10.213.7.1", "10.213.7.2"


def run(*words):
    subprocess.run(words, check=True)


class Site:
    """A network of the learner's own, at the far end of a slow line."""

    def __init__(self, world):
        self.near, self.far = (f"cohort-{os.getpid()}-{end}" for end in ("near", "far"))
        for name, address in (self.near, NEAR), (self.far, FAR):
            run("ip", "netns", "add", name)
            world.stack.callback(run, "ip", "netns", "delete", name)
            if name == self.far:
                run("ip", "link", "add", "line", "netns", self.near, "type", "veth", "peer", "name", "line", "netns", self.far)
                run("ip", "-n", self.near, "addr", "add", f"{NEAR}/24", "dev", "line")
                run("ip", "-n", self.far, "addr", "add", f"{FAR}/24", "dev", "line")
        for name in self.near, self.far:
            run("ip", "-n", name, "link", "set", "line", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        bits = f"{int(8 * RATE)}bit"
        run("tc", "-n", self.far, "qdisc", "add", "dev", "line", "root", "tbf", "rate", bits, "burst", "32kb", "latency", "50ms")

    def sent(self):
        """Bytes that have gone up the line, headers and what was sent twice included."""
        words = ["ip", "netns", "exec", self.far, "cat", "/sys/class/net/line/statistics/tx_bytes"]
        return int(subprocess.run(words, check=True, capture_output=True).stdout)

    def enter(self):
        """This thread is at the near end from now on."""
        with open(f"/run/netns/{self.near}", encoding="utf-8") as file:
            assert ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0) == 0, os.strerror(ctypes.get_errno())


def link_at(world, site, target):
    """A proxy that listens at the near end of the line."""
    made = []

    def make():
        site.enter()
        made.append(Link(world, target, host=NEAR))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


def create(world, stub):
    layers = [{"dense": {"units": UNITS, "activation": "relu"}}, {"dense": {"units": UNITS}}, {"dense": {"units": 3}}]
    changes = {
        "data": {"test": None},
        "model": {"layers": layers},
        "training": {"optimizer": {"kind": "sgd", "learning_rate": 1e-6}},
        "collaboration": {"rounds": 1, "learners": 1},
    }
    return stub.CreateExperiment(yaml=to_yaml(classes_experiment(world.folder, **changes))).experiment.id


def finish(stub, experiment_id, meanwhile=lambda: None):
    until = time.monotonic() + cohort_e2e.TIMEOUT
    while time.monotonic() < until:
        meanwhile()
        found = stub.GetExperiment(experiment_id=experiment_id).experiment
        state = enum_name("ExperimentState", found.state)
        if state in ("COMPLETED", "FAILED", "CANCELLED"):
            assert state == "COMPLETED", found.message
            return found
        time.sleep(0.1)
    raise AssertionError(stub.ExplainExperiment(experiment_id=experiment_id).summary)


def coordinator(world, name):
    address = f"unix:{world.folder}/{name}.sock"
    state = f"state.folder={world.folder}/{name}-state"
    Service(world, "cohort-coordinator", f'listen=["{address}"]', state, "read_data=true", "drain=0s")
    return address, world.stub(address)


def it_arrives_over_a_link_that_is_slow_and_breaks(world):
    address, stub = coordinator(world, "undisturbed")
    world.learner(address, "one")
    wanted = finish(stub, create(world, stub)).model_sha256
    for service in world.services:
        service.kill()
    site = Site(world)
    address, stub = coordinator(world, "slow")
    link = link_at(world, site, address)
    before = [None, 0.0]  # bytes sent before the upload, and when the link breaks next

    def watch():
        if before[0] is None and link.down > BYTES:
            before[:] = site.sent(), time.monotonic() + CUT_EVERY
        elif before[0] is not None and time.monotonic() > before[1]:
            link.cut()
            before[1] = time.monotonic() + CUT_EVERY

    world.learner(link.address, "one", prefix=["ip", "netns", "exec", site.far], announced=False)
    started = time.monotonic()
    found = finish(stub, create(world, stub), watch)
    sent, peak = site.sent() - before[0], found.coordinator_peak_rss_bytes
    print(
        f"# {BYTES} bytes in {time.monotonic() - started:.0f} s, {link.n_cuts} cuts, {sent} bytes sent: "
        f"{100 * sent / BYTES - 100:.1f} % more; the coordinator's peak was {peak / BYTES:.2f} models"
    )
    assert found.model_sha256 == wanted
    assert link.n_cuts >= BYTES / RATE / CUT_EVERY - 1, f"only {link.n_cuts} cuts"
    assert sent < 1.1 * BYTES, f"{sent} bytes were sent for {BYTES}"
    assert MBYTES < 400 or peak <= 4.5 * BYTES, peak  # below, the process itself counts


main(globals())
