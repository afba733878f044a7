#!/usr/bin/python3
"""Uploads and downloads that break off go on from where they were, whoever was killed meanwhile."""
import os
import threading
import time

os.environ["GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS"] = "20"  # else a lost channel is looked at every 5 s

from cohort_e2e import (  # noqa: E402
    TIMEOUT,
    Attendance,
    Service,
    classes_experiment,
    enum_name,
    free_port,
    grpc,
    main,
    message,
    refused,
    to_yaml,
)
from link import Link  # noqa: E402

UNITS = 200_000
BYTES = 4 * (10 * UNITS + 3)  # of the model, and of a summary
MIB = 1 << 20


class Slow:
    """A coordinator, and one learner behind a link."""

    def __init__(self, world, name, rate=None, cut_after=None, settings=(), units=UNITS, target=None):
        self.world, self.name, self.settings, self.units = world, name, settings, units
        self.address = f"unix:{world.folder}/{name}.sock"
        self.start_coordinator()
        self.link = Link(world, target or self.address, rate, cut_after)
        self.start_learner()
        self.stub = world.stub(self.address)

    def start_coordinator(self):
        settings = [f'listen=["{self.address}"]', f"state.folder={self.world.folder}/{self.name}-state"]
        settings += ["read_data=true", "drain=0s", *self.settings]
        self.coordinator = Service(self.world, "cohort-coordinator", *settings)

    def start_learner(self):
        self.learner = self.world.learner(self.link.address, "one", announced=False)

    def create(self):
        layers = [{"dense": {"units": self.units, "activation": "relu"}}, {"dense": {"units": 3}}]
        changes = {"data": {"test": None}, "model": {"layers": layers}, "collaboration": {"rounds": 1, "learners": 1}}
        yaml = to_yaml(classes_experiment(self.world.folder, **changes))
        self.wait(lambda: self._created(yaml))

    def _created(self, yaml):
        try:
            self.id = self.stub.CreateExperiment(yaml=yaml, request_id="the-one").experiment.id
        except grpc.RpcError as error:
            assert error.code().name == "UNAVAILABLE", error
            return False
        return True

    def get(self):
        try:
            return self.stub.GetExperiment(experiment_id=self.id).experiment
        except grpc.RpcError:
            return None

    def wait(self, done):
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            if done():
                return
            time.sleep(0.005)
        raise AssertionError(f"{self.get()} {self.link.up} bytes up, {self.link.n_cuts} cuts")

    def finish(self):
        """The model's hash."""
        found = []
        self.wait(lambda: (it := self.get()) and enum_name("ExperimentState", it.state) == "COMPLETED" and not found.append(it))
        return found[0].model_sha256

    def went_on(self):
        return [record for service in self.world.services for record in service.records() if "goes on where" in record["message"]]


def undisturbed(world):
    it = Slow(world, "undisturbed")
    it.create()
    return it.finish()


def it_goes_on_where_the_link_broke(world):
    """Held back, folded as it comes, or in a file: no connection lives long enough for all of it."""
    wanted = undisturbed(world)
    for name, settings in ("held", []), ("folded", ["limits.buffer=0"]):
        it = Slow(world, name, cut_after=2 * MIB, rate=16 * MIB, settings=settings)
        it.create()
        assert it.finish() == wanted, name
        assert it.link.n_cuts >= 6, f"{name}: only {it.link.n_cuts} cuts"
        for way, n in ("up", it.link.up), ("down", it.link.down):
            assert BYTES < n < 1.5 * BYTES, f"{name}: {n} bytes went {way} for {BYTES}"


def break_off(world, name, settings):
    """An upload that is half done, slowly, and that the coordinator would know again."""
    it = Slow(world, name, settings=settings)
    it.link.rates["up"] = MIB // 2
    it.create()
    spool = world.folder / f"{name}-state" / it.id / "upload-000000.part"
    it.wait(lambda: it.link.up > 0.5 * BYTES and spool.exists() and b" -\n" not in spool.read_bytes()[:512])
    return it


def it_goes_on_when_the_learner_was_killed(world):
    """Another process makes the same summary, proves that it is the same, and sends the rest."""
    wanted = undisturbed(world)
    for name, settings in ("held", []), ("folded", ["limits.buffer=0"]):
        it = break_off(world, name, settings)
        it.learner.kill()
        it.link.rates["up"] = None
        it.start_learner()
        assert it.finish() == wanted, name
        assert it.went_on() and it.link.up < 1.3 * BYTES, f"{name}: {it.link.up} bytes went up for {BYTES}"


def it_goes_on_when_the_coordinator_was_killed(world):
    """What has come is in the state folder; what is damaged there is found out, and sent again."""
    wanted = undisturbed(world)
    for name, settings in ("held", []), ("folded", ["limits.buffer=0"]), ("damaged", []):
        it = break_off(world, name, settings)
        it.coordinator.kill()
        it.link.rates["up"] = None
        folder = world.folder / f"{name}-state" / it.id
        if name == "damaged":
            with open(folder / "upload-000000.part", "r+b") as file:
                file.seek(512 + MIB)
                file.write(b"damage")
        it.start_coordinator()
        assert it.finish() == wanted, name
        most = 2.6 if name == "damaged" else 1.3
        assert it.went_on() and it.link.up < most * BYTES, f"{name}: {it.link.up} bytes went up for {BYTES}"
        assert not list(folder.glob("upload-*")), "nothing is left behind"


def it_takes_as_long_as_a_slow_link_takes(world):
    """A chunk takes longer than a transfer may stand still, and fills the line that heartbeats want too."""
    units, lease = 27_000, 2
    n = 4 * (10 * units + 3)
    rate = MIB // (2 * 4 * lease)  # a chunk of 1 MiB takes twice the patience of four leases
    port = free_port()
    target = f"127.0.0.1:{port}"  # whose bytes can be counted, unlike those of a socket file
    settings = [f'listen=["unix:{world.folder}/slow.sock", "{target}"]', f"lease={lease}s"]
    it = Slow(world, "slow", rate, settings=settings, units=units, target=target)
    it.create()
    it.finish()
    assert n < it.link.down < 1.1 * n and n < it.link.up < 1.1 * n, f"{it.link.down} bytes went down and {it.link.up} up for {n}"
    lost = [record for record in it.learner.records() if record["message"] == "connection lost"]
    assert not lost, lost


def it_breaks_a_transfer_off_that_stands_still(world):
    """However alive the connection is otherwise."""
    port = free_port()
    coordinator = world.coordinator(f'listen=["127.0.0.1:{port}"]', "read_data=true", "lease=1s")
    yaml = to_yaml(classes_experiment(world.folder, data={"test": None}, collaboration={"rounds": 1, "learners": 1}))
    world.stub(coordinator).CreateExperiment(yaml=yaml)
    learner, ending = Attendance(world, coordinator, "halting"), threading.Event()

    def beat():
        while not ending.wait(0.1):
            learner.say(heartbeat={})

    threading.Thread(target=beat, daemon=True).start()
    world.stack.callback(ending.set)
    learner.become_ready()
    header = learner.header(learner.hear("assignment"), 83)

    def requests():
        yield message("SubmitSummaryRequest", header=header)
        yield message("SubmitSummaryRequest", offset=0, data=bytes(40))
        ending.wait(TIMEOUT)

    begun = time.monotonic()
    refused("CANCELLED", lambda: learner.exchange.SubmitSummary(requests()))
    assert time.monotonic() - begun > 3.9, "it was not given its time"


main(globals())
