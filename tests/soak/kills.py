#!/usr/bin/python3
"""500 kills over 200 rounds, coordinator and learners, at random: the undisturbed run's model (KILLS, ROUNDS, SEED)."""
import os

import cohort_e2e
from durable import Killer, experiment, outcome, resumed
from cohort_e2e import main, to_yaml

cohort_e2e.TIMEOUT = 1800  # of the test as a whole, twice
KILLS, ROUNDS = int(os.environ.get("KILLS", "500")), int(os.environ.get("ROUNDS", "200"))


def it_survives(world):
    rounds = {"rounds": ROUNDS, "algorithm": "scaffold"}
    yaml = to_yaml(experiment(world, collaboration=rounds, simulation={"delay": "250ms"}))  # else it is over too soon
    wanted, records, _ = outcome(world, "undisturbed", yaml, seconds=600)
    killer = Killer(lambda deployment: [*deployment.learners, deployment.coordinator], KILLS, (0.02, 0.1))
    found, again, _ = outcome(world, "killed", yaml, meanwhile=killer, seconds=3600)
    print(f"# {killer.n - killer.left} kills, resumed {len(resumed(world))} times, {len(again) - 1} rounds, {found}")
    assert found == wanted and again == records
    assert killer.left == 0, f"the experiment was over after {killer.n - killer.left} kills"


main(globals())
