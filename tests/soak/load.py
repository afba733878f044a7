#!/usr/bin/python3
"""990 learners, 200 calls a second and ten attackers for ten minutes: memory flat, health within 50 ms (SECONDS)."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

import cohort_e2e
from cohort_e2e import enum_name, grpc, main
from proxy import Proxy

cohort_e2e.TIMEOUT = 3600
SECONDS = float(os.environ.get("SECONDS", "600"))
HONEST, PROCESSES, RATE = 990, 5, 200
HELPERS = pathlib.Path(cohort_e2e.__file__).parent
SLOWEST_HEALTH_MS, MOST_GROWTH = 50, 16 << 20

YAML = """\
name: {name}
model: {{loss: cross_entropy, layers: [{{dense: {{units: 1000, bias: false}}}}]}}
data: {{format: {{kind: generated, shape: 1, classes: 1000, samples: {samples}}}}}
training: {{optimizer: sgd, batch_size: 1}}
simulation: {{delay: 1s}}
collaboration: {{algorithm: exchange, rounds: 1000000, learners: {learners}}}
"""


def resident(service):
    with open(f"/proc/{service.process.pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


def helper(world, name, *arguments):
    return subprocess.Popen(
        [sys.executable, "-B", HELPERS / f"{name}.py", *map(str, arguments)],
        env={**world.environment, "PYTHONPATH": str(HELPERS)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )


class Watch:
    """Rounds as they are committed, seen from outside."""

    def __init__(self, stub, experiment_id):
        self.committed, self.rejected, self.lost = [], 0, 0
        self.stream = stub.WatchExperiment(experiment_id=experiment_id)
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        try:
            for event in self.stream:
                kind = event.WhichOneof("event")
                if kind == "round_committed":
                    self.committed.append((time.monotonic(), event.round_committed.seconds, event.round_committed.summaries))
                elif kind == "summary_rejected":
                    self.rejected += 1
                elif kind == "learner_changed":
                    self.lost += enum_name("LearnerState", event.learner_changed.state) == "LOST"
        except grpc.RpcError:
            pass

    def between(self, begin, end):
        return [row for row in self.committed if begin <= row[0] <= end]


def wait_until(what, why, seconds=300):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, why
        time.sleep(0.05)


def recording(world, coordinator, stub):
    """What a learner said in a few rounds of an experiment of its own, to be said again."""
    between = Proxy(coordinator.address)
    learner = world.learner(between.address, "recorded")
    made = stub.CreateExperiment(yaml=YAML.format(name="recorded", learners=1, samples=1)).experiment.id
    wait_until(lambda: stub.GetExperiment(experiment_id=made).experiment.round >= 3, "nothing to record")
    stub.CancelExperiment(experiment_id=made)
    learner.stop()
    path = world.folder / "recorded"
    path.write_bytes(bytes(max(between.heard, key=len)))
    between.close()
    return path


def it_bears_the_load(world):
    coordinator = world.coordinator(f"state.folder={world.folder}/state")
    stub = world.stub(coordinator)
    recorded = recording(world, coordinator, stub)
    for i in range(PROCESSES):
        world.learner(coordinator, f"honest-{i}", f"learners={HONEST // PROCESSES}")
    made = stub.CreateExperiment(yaml=YAML.format(name="load", learners=HONEST, samples=HONEST)).experiment.id
    watch = Watch(stub, made)
    wait_until(lambda: len(watch.committed) >= 3, "no rounds")
    quiet_from = time.monotonic()
    wait_until(lambda: len(watch.between(quiet_from, time.monotonic())) >= 8, "no rounds")
    quiet = statistics.median(row[1] for row in watch.between(quiet_from, time.monotonic()))

    begun = time.monotonic()
    attackers = helper(world, "attackers", coordinator.address, recorded)
    users = helper(world, "api_load", coordinator.address, SECONDS, RATE, made)
    health = helper(world, "api_load", coordinator.address, SECONDS, 20, "health")
    sizes = []
    while time.monotonic() - begun < SECONDS:
        assert coordinator.process.poll() is None, coordinator.words()
        sizes.append(resident(coordinator))
        time.sleep(min(1, SECONDS / 60))
    ended = time.monotonic()
    users, health = json.loads(users.communicate()[0]), json.loads(health.communicate()[0])
    attacks = json.loads(attackers.communicate()[0])

    rounds = watch.between(begun, ended)
    third = len(sizes) // 3
    grown = statistics.mean(sizes[2 * third :]) - statistics.mean(sizes[third : 2 * third])
    slow = statistics.median(row[1] for row in rounds)
    print(f"# {SECONDS:.0f} s, {HONEST} learners in {PROCESSES} processes: {len(rounds)} rounds, median {slow:.2f} s (before: {quiet:.2f} s), "
          f"{sum(row[2] == HONEST for row in rounds)} with every summary, {watch.rejected} rejected, {watch.lost} connections lost")
    print(f"# users: {users['calls']} calls, {users['calls'] / users['seconds']:.0f} a second, failures {users['failures']}, ms {users['ms']}")
    print(f"# health: {health['calls']} calls, failures {health['failures']}, ms {health['ms']}")
    print(f"# attacks: {attacks}")
    print(f"# memory: {max(sizes) >> 20} MiB at most, {grown / (1 << 20):+.1f} MiB from the second third to the last", flush=True)
    assert coordinator.process.poll() is None
    assert not users["failures"] and not health["failures"]
    assert users["calls"] >= 0.99 * RATE * SECONDS
    assert grown < MOST_GROWTH, "memory grows"
    assert watch.lost == 0 and watch.rejected == 0, "honest learners were harmed"
    assert all(row[2] == HONEST for row in rounds)
    assert slow < 2 * quiet, "rounds are slower"
    assert health["ms"]["p99"] < SLOWEST_HEALTH_MS, "health checks are slow"


main(globals())
