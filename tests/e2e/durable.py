"""What the tests of durability share: a deployment that is started again whatever dies, and who kills it."""
import contextlib
import os
import random
import signal
import sqlite3
import threading
import time

os.environ["GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS"] = "20"  # else a lost channel is looked at every 5 s

from cohort_e2e import (  # noqa: E402
    TIMEOUT,
    Service,
    classes_experiment,
    enum_name,
    grpc,
    merged,
    sha256,
    to_yaml,
)

ROUNDS, LEARNERS = 20, 3


def experiment(world, **changes):
    """Rounds that take long enough to be killed in."""
    wanted = {
        "simulation": {"delay": "60ms"},
        "collaboration": {"rounds": ROUNDS, "learners": LEARNERS, "participation": {"fraction": 0.7}},
    }
    return merged(classes_experiment(world.folder, data={"test": None}), merged(wanted, changes))


class Deployment:
    """A coordinator on a state folder and learners, each started again whenever it is gone."""

    def __init__(self, world, name, environment=None, learners=(), everyone=()):
        self.world, self.name, self.n_starts = world, name, 0
        self.learner_settings, self.settings = (*learners, *everyone), everyone
        self.address = f"unix:{world.folder}/{name}.sock"
        self.state = world.folder / f"{name}-state"
        self.coordinator, self.learners = None, [None] * LEARNERS
        self.start_coordinator(environment)
        for i in range(LEARNERS):
            self.start_learner(i)
        self.stub = world.stub(self.address)

    def start_coordinator(self, environment=None):
        """Its address is known; one that dies at its start is started again."""
        self.n_starts += 1
        settings = [f'listen=["{self.address}"]', f"state.folder={self.state}", "read_data=true", "drain=0s", *self.settings]
        self.coordinator = Service(
            self.world, "cohort-coordinator", *settings, environment=environment, announced=False
        )

    def start_learner(self, i):
        state = f"state.folder={self.world.folder}/{self.name}-learner-{i}"
        self.learners[i] = self.world.learner(self.address, f"learner-{i}", state, *self.learner_settings, announced=False)

    def look_after(self):
        if self.coordinator.process.poll() is not None:
            self.start_coordinator()
        for i, learner in enumerate(self.learners):
            if learner.process.poll() is not None:
                self.start_learner(i)

    def get(self, experiment_id):
        """The experiment, or None while the coordinator is not there."""
        try:
            return self.stub.GetExperiment(experiment_id=experiment_id).experiment
        except grpc.RpcError as error:
            assert error.code().name in ("UNAVAILABLE", "CANCELLED", "UNKNOWN"), error
            return None

    def create(self, yaml):
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            with contextlib.suppress(grpc.RpcError):
                return self.stub.CreateExperiment(yaml=yaml, request_id="the-one").experiment.id
            self.look_after()
            time.sleep(0.02)
        raise AssertionError("the experiment could not be created")

    def finish(self, experiment_id, meanwhile=lambda: None, seconds=TIMEOUT):
        """Waits for the end; what the experiment is then."""
        until, last = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            self.look_after()
            meanwhile()
            found = self.get(experiment_id)
            if found:
                assert found.round >= last, f"round {last} was committed, and then {found.round}"
                last = found.round
                if enum_name("ExperimentState", found.state) in ("COMPLETED", "FAILED", "CANCELLED"):
                    return found
            time.sleep(0.01)
        raise AssertionError(f"it did not end: {self.stub.ExplainExperiment(experiment_id=experiment_id)}")

    def stop(self):
        for service in [self.coordinator, *self.learners]:
            service.kill()


def resumed(world):
    """The rounds that coordinators went on from."""
    records = [record for service in world.services for record in service.records()]
    return [record["round"] for record in records if record["message"] == "resuming"]


def outcome(world, name, yaml, environment=None, meanwhile=None, seconds=TIMEOUT, learners=(), everyone=()):
    """Runs the experiment to its end: (hash of the model, records, deployment). `learners`: settings of theirs, with
    which they exchange with each other; `everyone`: also of the coordinator."""
    deployment = Deployment(world, name, environment, learners, everyone)
    experiment_id = deployment.create(yaml)
    found = deployment.finish(experiment_id, (lambda: meanwhile(deployment)) if meanwhile else lambda: None, seconds)
    assert enum_name("ExperimentState", found.state) == "COMPLETED", found.message
    deployment.stop()
    with contextlib.closing(sqlite3.connect(deployment.state / "journal.db")) as journal:
        records = [row[0] for row in journal.execute("select record from rounds order by round")]
    model = deployment.state / experiment_id / f"round-{found.rounds:06}.safetensors"
    assert (sha256(model) == found.model_sha256) if not learners else not model.exists()
    return found.model_sha256, records, deployment


class Killer:
    """Kills one of them now and then, at moments that have nothing to do with what they do."""

    def __init__(self, victims, n=12, pause=(0.05, 0.3)):
        self.victims, self.left, self.n, self.pause = victims, n, n, pause
        self.chance = random.Random(int(os.environ.get("SEED", "1")))
        self.at, self.begun = time.monotonic(), False

    def __call__(self, deployment):
        if not self.begun:  # something must be there that can be gone on from
            found = deployment.get("tiny")
            self.begun = bool(found and found.round)
        if self.left and self.begun and time.monotonic() >= self.at:
            self.left -= 1
            self.chance.choice(self.victims(deployment)).kill()
            self.at = time.monotonic() + self.chance.uniform(*self.pause)


class Pauser:
    """Stops one or two of them at a time, now for less, now for more than the lease. Timers let them go on: whoever asks
    a stopped coordinator waits."""

    def __init__(self, n):
        self.left, self.n, self.long = n, n, 0
        self.chance = random.Random(int(os.environ.get("SEED", "1")))
        self.still, self.at = set(), time.monotonic() + 0.3

    def _let_go(self, service):
        service.process.send_signal(signal.SIGCONT)
        self.still.discard(service)

    def __call__(self, deployment):
        victim = self.chance.choice([*deployment.learners, deployment.coordinator])
        if not self.left or time.monotonic() < self.at or len(self.still) > 1 or victim in self.still:
            return
        seconds = self.chance.choice([0.05, 0.3, 0.3, 1.5, 3])
        self.still.add(victim)
        victim.process.send_signal(signal.SIGSTOP)
        threading.Timer(seconds, self._let_go, [victim]).start()
        self.left, self.long = self.left - 1, self.long + (seconds > 1)
        self.at = time.monotonic() + self.chance.uniform(0.02, 0.2)
