#!/usr/bin/python3
"""Whatever is killed, and whenever: an experiment goes on by itself from its last committed round, and ends in the
same model, byte for byte, as one that nothing happened to."""
import contextlib
import os
import random
import sqlite3
import time

os.environ["GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS"] = "20"  # else a lost channel is looked at every 5 s

from cohort_e2e import (  # noqa: E402
    TIMEOUT,
    Service,
    classes_experiment,
    enum_name,
    grpc,
    main,
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

    def __init__(self, world, name, environment=None):
        self.world, self.name, self.n_starts = world, name, 0
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
        settings = [f'listen=["{self.address}"]', f"state.folder={self.state}", "read_data=true", "drain=0s"]
        self.coordinator = Service(
            self.world, "cohort-coordinator", *settings, environment=environment, announced=False
        )

    def start_learner(self, i):
        state = f"state.folder={self.world.folder}/{self.name}-learner-{i}"
        self.learners[i] = self.world.learner(self.address, f"learner-{i}", state, announced=False)

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

    def finish(self, experiment_id, meanwhile=lambda: None):
        """Waits for the end; what the experiment is then."""
        until, last = time.monotonic() + TIMEOUT, 0
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


def outcome(world, name, yaml, environment=None, meanwhile=None):
    """Runs the experiment to its end: (hash of the model, records, deployment)."""
    deployment = Deployment(world, name, environment)
    experiment_id = deployment.create(yaml)
    found = deployment.finish(experiment_id, (lambda: meanwhile(deployment)) if meanwhile else lambda: None)
    assert enum_name("ExperimentState", found.state) == "COMPLETED", found.message
    deployment.stop()
    with contextlib.closing(sqlite3.connect(deployment.state / "journal.db")) as journal:
        records = [row[0] for row in journal.execute("select record from rounds order by round")]
    model = deployment.state / experiment_id / f"round-{found.rounds:06}.safetensors"
    assert sha256(model) == found.model_sha256
    return found.model_sha256, records, deployment


def it_goes_on_whatever_step_of_the_journal_kills_the_coordinator(world):
    yaml = to_yaml(experiment(world, collaboration={"rounds": 3, "algorithm": "fedavgm"}, simulation={"delay": "0s"}))
    wanted, records, _ = outcome(world, "undisturbed", yaml)
    assert len(records) == 4, records
    step, killed = 0, True
    while killed:
        step += 1
        found, again, deployment = outcome(world, f"step-{step}", yaml, {"COHORT_DIE_AT": str(step)})
        assert found == wanted and again == records, f"step {step} left a trace"
        killed = deployment.n_starts > 1
    assert step > 20, f"only {step} steps"


class Killer:
    """Kills one of them now and then, at moments that have nothing to do with what they do."""

    def __init__(self, victims, n=12):
        self.victims, self.left, self.n = victims, n, n
        self.chance = random.Random(int(os.environ.get("SEED", "1")))
        self.at = time.monotonic() + 0.3

    def __call__(self, deployment):
        if self.left and time.monotonic() >= self.at:
            self.left -= 1
            self.chance.choice(self.victims(deployment)).kill()
            self.at = time.monotonic() + self.chance.uniform(0.05, 0.3)


def survives(world, name, changes, victims):
    yaml = to_yaml(experiment(world, collaboration=changes))
    wanted, records, _ = outcome(world, name, yaml)
    killer = Killer(victims)
    found, again, _ = outcome(world, f"{name}-killed", yaml, meanwhile=killer)
    assert found == wanted and again == records, name
    assert killer.left <= killer.n - 4, f"only {killer.n - killer.left} kills"


def it_goes_on_after_kills_at_random(world):
    for algorithm in "fedavg", "scaffold":
        survives(world, algorithm, {"algorithm": algorithm}, lambda deployment: [deployment.coordinator])
    assert len({number for number in resumed(world) if number}) > 2, resumed(world)


def it_takes_learners_up_again_where_they_were(world):
    """What an algorithm or a codec keeps at the learner is not lost, nor counted twice."""
    cases = {
        "scaffold": {"algorithm": "scaffold"},
        "ditto": {"algorithm": "ditto"},
        "top_k": {"codec": {"top_k": {"fraction": 0.3}}},
    }
    for name, changes in cases.items():
        survives(world, name, changes, lambda deployment: [*deployment.learners, deployment.coordinator])


main(globals())
