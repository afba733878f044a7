#!/usr/bin/python3
"""150 processes stopped (SIGSTOP) and let go on, coordinator and learners, at random: the undisturbed run's model (PAUSES, SEED)."""
import os
import random
import signal
import time

import cohort_e2e
from cohort_e2e import main, to_yaml
from durable import experiment, outcome

cohort_e2e.TIMEOUT = 1800
PAUSES, ROUNDS = int(os.environ.get("PAUSES", "150")), int(os.environ.get("ROUNDS", "250"))


class Pauser:
    """One or two of them stand still at a time, now for less, now for more than the lease."""

    def __init__(self, n):
        self.left, self.n, self.long = n, n, 0
        self.chance = random.Random(int(os.environ.get("SEED", "1")))
        self.still, self.at = {}, time.monotonic() + 0.3

    def __call__(self, deployment):
        now = time.monotonic()
        for service in [service for service, until in self.still.items() if until <= now]:
            service.process.send_signal(signal.SIGCONT)
            del self.still[service]
        if not self.left or now < self.at or len(self.still) > 1:
            return
        victim = self.chance.choice([*deployment.learners, deployment.coordinator])
        if victim not in self.still:
            seconds = self.chance.choice([0.05, 0.3, 0.3, 1.5, 3])
            victim.process.send_signal(signal.SIGSTOP)
            self.still[victim] = now + seconds
            self.left, self.long = self.left - 1, self.long + (seconds > 1)
        self.at = now + self.chance.uniform(0.02, 0.2)


def it_goes_on_after_pauses(world):
    yaml = to_yaml(experiment(world, collaboration={"rounds": ROUNDS, "algorithm": "scaffold"}))
    environment = {"COHORT_LEASE": "1s"}
    wanted, records, _ = outcome(world, "undisturbed", yaml, environment, seconds=600)
    pauser = Pauser(PAUSES)
    found, again, deployment = outcome(world, "paused", yaml, environment, meanwhile=pauser, seconds=1500)
    lost = sum(row["message"] == "connection lost" for service in world.services for row in service.records())
    print(f"# {pauser.n - pauser.left} pauses, {pauser.long} longer than the lease, {lost} connections lost, {len(again) - 1} rounds, {found}")
    assert found == wanted and again == records
    assert pauser.left == 0, f"the experiment was over after {pauser.n - pauser.left} pauses"
    assert deployment.n_starts == 1


main(globals())
