#!/usr/bin/python3
"""400 MB over a link of 2 MB/s that breaks every 20 seconds arrive, and at most 10 % more is sent (MBYTES, CUT_EVERY); and a
small model over one of 5 kB/s each way (CRAWL)."""
import os
import subprocess
import time

import cohort_e2e

cohort_e2e.TIMEOUT = 1800
os.environ["GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS"] = "20"  # else a lost channel is looked at every 5 s

from cohort_e2e import Service, classes_experiment, enum_name, main, to_yaml  # noqa: E402
from link import Link  # noqa: E402
from namespace import made_inside  # noqa: E402

MBYTES = int(os.environ.get("MBYTES", "400"))
CUT_EVERY = float(os.environ.get("CUT_EVERY", "20"))
CRAWL = float(os.environ.get("CRAWL", "5"))
RATE = 2e6  # bytes a second, headers and all
NEAR, FAR = "10.213.7.1", "10.213.7.2"


def run(*words):
    subprocess.run(words, check=True)


def units(mbytes):
    return int((mbytes * 1e6 / 4) ** 0.5)


def n_bytes(units):
    """Of the model, and of a summary."""
    return 4 * (units * units + 11 * units + 3)


BYTES = n_bytes(units(MBYTES))


class Site:
    """A network of the learner's own, at the far end of a line that is slow: up, and as slow down where it is `both`."""

    def __init__(self, world, rate, both=False):
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
        bits, burst = f"{int(8 * rate)}bit", "32kb" if rate > 1e5 else "4kb"
        for name in (self.near, self.far) if both else (self.far,):
            run("tc", "-n", name, "qdisc", "add", "dev", "line", "root", "tbf", "rate", bits, "burst", burst, "latency", "50ms")

    def sent(self):
        """Bytes that have gone up the line, headers and what was sent twice included."""
        words = ["ip", "netns", "exec", self.far, "cat", "/sys/class/net/line/statistics/tx_bytes"]
        return int(subprocess.run(words, check=True, capture_output=True).stdout)


def link_at(world, site, target):
    """A proxy that listens at the near end of the line."""
    return made_inside(site.near, lambda: Link(world, target, host=NEAR))


def create(world, stub, n_units):
    layers = [{"dense": {"units": n_units, "activation": "relu"}}, {"dense": {"units": n_units}}, {"dense": {"units": 3}}]
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


def coordinator(world, name, *more, prefix=()):
    address = f"unix:{world.folder}/{name}.sock"
    state = f"state.folder={world.folder}/{name}-state"
    listen = ",".join(f'"{one}"' for one in (address, *more))
    settings = [f"listen=[{listen}]", state, "read_data=true", "drain=0s", *(["insecure=true"] if more else [])]
    Service(world, "cohort-coordinator", *settings, prefix=prefix)
    return address, world.stub(address)


def it_arrives_over_a_link_that_is_slow_and_breaks(world):
    address, stub = coordinator(world, "undisturbed")
    world.learner(address, "one")
    wanted = finish(stub, create(world, stub, units(MBYTES))).model_sha256
    for service in world.services:
        service.kill()
    site = Site(world, RATE)
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
    found = finish(stub, create(world, stub, units(MBYTES)), watch)
    sent, peak = site.sent() - before[0], found.coordinator_peak_rss_bytes
    print(
        f"# {BYTES} bytes in {time.monotonic() - started:.0f} s, {link.n_cuts} cuts, {sent} bytes sent: "
        f"{100 * sent / BYTES - 100:.1f} % more; the coordinator's peak was {peak / BYTES:.2f} models"
    )
    assert found.model_sha256 == wanted
    assert link.n_cuts >= BYTES / RATE / CUT_EVERY - 1, f"only {link.n_cuts} cuts"
    assert sent < 1.1 * BYTES, f"{sent} bytes were sent for {BYTES}"
    assert MBYTES < 400 or peak <= 4.5 * BYTES, peak  # below, the process itself counts


def it_arrives_however_slow_the_link_is(world):
    """Pings wait behind the data, and must not be missed; what is moving is not dead."""
    n_units = units(0.3)
    size = n_bytes(n_units)
    address, stub = coordinator(world, "undisturbed")
    world.learner(address, "one")
    wanted = finish(stub, create(world, stub, n_units)).model_sha256
    for service in world.services:
        service.kill()
    site = Site(world, 1e3 * CRAWL, both=True)
    _, stub = coordinator(world, "slow", f"{NEAR}:7070", prefix=["ip", "netns", "exec", site.near])
    started = time.monotonic()
    world.learner(f"{NEAR}:7070", "one", prefix=["ip", "netns", "exec", site.far], announced=False)
    found = finish(stub, create(world, stub, n_units))
    took, sent = time.monotonic() - started, site.sent()
    print(f"# {size} bytes each way at {CRAWL:g} kB/s in {took:.0f} s, {sent} bytes sent: {100 * sent / size - 100:.1f} % more")
    assert found.model_sha256 == wanted
    assert sent < 1.2 * size, f"{sent} bytes were sent for {size}"


main(globals())
