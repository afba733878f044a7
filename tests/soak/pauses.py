#!/usr/bin/python3
"""150 processes stopped (SIGSTOP) and let go on, coordinator and learners, at random: the undisturbed run's model (PAUSES, SEED)."""
import os

import cohort_e2e
from cohort_e2e import main, to_yaml
from durable import Pauser, experiment, outcome

cohort_e2e.TIMEOUT = 1800
PAUSES, ROUNDS = int(os.environ.get("PAUSES", "150")), int(os.environ.get("ROUNDS", "250"))


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
