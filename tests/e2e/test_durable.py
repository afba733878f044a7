#!/usr/bin/python3
"""Whatever is killed, and whenever: an experiment goes on by itself from its last committed round, and ends in the
same model, byte for byte, as one that nothing happened to."""
import errno
import random
import time

from durable import Deployment, Killer, Pauser, experiment, outcome, resumed
from cohort_e2e import main, memory_can_be_read, to_yaml


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
    assert any(resumed(world)), "no coordinator went on from a round"


def it_goes_on_where_memory_is_read(world):
    """A process that is killed takes with it what others were reading."""
    layers = [{"dense": {"units": 20000, "activation": "relu"}}, {"dense": {"units": 3}}]
    yaml = to_yaml(experiment(world, model={"layers": layers}))
    memory = ["cross_memory=true"]
    wanted, records, _ = outcome(world, "wire", yaml)
    killer = Killer(lambda deployment: [*deployment.learners, deployment.coordinator])
    found, again, _ = outcome(world, "memory", yaml, meanwhile=killer, everyone=memory)
    assert found == wanted and again == records
    assert killer.left <= killer.n - 4, f"only {killer.n - killer.left} kills"
    joined = [record for service in world.services for record in service.records() if record["message"] == "joined"]
    ways = [(record["models"], record["summaries"]) for record in joined]
    assert ways[:3] == [("sent", "sent")] * 3, ways
    assert ways.count(("read from its memory", "read by it")) > 3 or not memory_can_be_read(), ways


def it_takes_learners_up_again_where_they_were(world):
    """What an algorithm or a codec keeps at the learner is not lost, nor counted twice."""
    cases = {
        "scaffold": {"algorithm": "scaffold"},
        "ditto": {"algorithm": "ditto"},
        "top_k": {"codec": {"top_k": {"fraction": 0.3}}},
        "both ways": {"codec": "sign", "downlink": {"delta": {"codec": {"top_k": {"fraction": 0.3}}}}},
    }
    for name, changes in cases.items():
        survives(world, name, changes, lambda deployment: [*deployment.learners, deployment.coordinator])


def it_goes_on_between_peers(world):
    """Learners hold the models: a coordinator that comes back finds those of the last committed round there."""
    own = ["listen=127.0.0.1:0"]
    for topology in "ring", {"kind": "gossip", "graph": "ring", "steps": 2}:
        name = topology if isinstance(topology, str) else topology["kind"]
        yaml = to_yaml(experiment(world, collaboration={"topology": topology, "rounds": 12}))
        wanted, records, _ = outcome(world, name, yaml, learners=own)
        assert len(records) == 13, records
        killer = Killer(lambda deployment: [deployment.coordinator], n=6)
        found, again, _ = outcome(world, f"{name}-killed", yaml, meanwhile=killer, learners=own)
        assert found == wanted and again == records, name
        assert killer.left <= killer.n - 3, f"only {killer.n - killer.left} kills"
    assert any(resumed(world)), "no coordinator went on from a round"


def it_never_takes_up_a_learners_state_that_was_changed(world):
    """Whatever bit it is, the learner says so and does not take part."""
    yaml = to_yaml(experiment(world, collaboration={"rounds": 10000, "algorithm": "scaffold"}))
    deployment = Deployment(world, "state")
    experiment_id = deployment.create(yaml)
    while not (found := deployment.get(experiment_id)) or found.round < 2:
        time.sleep(0.01)
    for learner in deployment.learners:
        learner.kill()
    (path,) = (world.folder / "state-learner-0").glob("*.state")
    content = path.read_bytes()
    chance = random.Random(3)
    places = [chance.randrange(8 * 512), *chance.sample(range(8 * len(content)), 4), 8 * len(content) - 1]
    for bit in places:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        deployment.start_learner(0)
        record = deployment.learners[0].wait_for_record("cannot take part")
        assert "damaged" in record["error"] or "another" in record["error"], (bit, record)
        deployment.learners[0].kill()
    deployment.stop()


def it_keeps_what_every_codec_has_lost(world):
    """Of learners that are killed twice on the way."""
    codecs = "f16", "bf16", "int8", "int4", "random_k", "low_rank", "delta"
    for codec in codecs:
        changes = {"rounds": 6, "codec": codec, "downlink": {"delta": {"codec": codec}} if codec != "delta" else "int8"}
        yaml = to_yaml(experiment(world, collaboration=changes))
        wanted, records, _ = outcome(world, codec, yaml)
        killer = Killer(lambda deployment: deployment.learners, n=2, pause=(0.1, 0.2))
        found, again, _ = outcome(world, f"{codec}-killed", yaml, meanwhile=killer)
        assert found == wanted and again == records, codec
        assert not killer.left, codec


def it_goes_on_after_pauses(world):
    yaml = to_yaml(experiment(world, collaboration={"algorithm": "scaffold"}))
    environment = {"COHORT_LEASE": "1s"}
    wanted, records, _ = outcome(world, "undisturbed", yaml, environment)
    pauser = Pauser(8)
    found, again, _ = outcome(world, "paused", yaml, environment, meanwhile=pauser)
    assert found == wanted and again == records
    assert pauser.left <= pauser.n - 4, f"only {pauser.n - pauser.left} pauses"


def it_waits_for_a_disk_that_is_full_or_broken(world):
    """Says so, tries again, and leaves no trace."""
    yaml = to_yaml(experiment(world, collaboration={"rounds": 4, "algorithm": "fedavgm"}))
    wanted, records, _ = outcome(world, "healthy", yaml)
    for n, number in (24, errno.ENOSPC), (27, errno.EIO), (31, errno.ENOSPC), (33, errno.EIO):
        told = set()

        def look(deployment):
            found = deployment.get("tiny")
            if found and found.message:
                told.add(found.message)

        found, again, deployment = outcome(
            world, f"full-{n}", yaml, {"COHORT_FAIL_AT": f"{n}:3:{number}"}, meanwhile=look
        )
        assert found == wanted and again == records, f"step {n} left a trace"
        assert any("cannot write" in words for words in told), told
        assert any("refuses" in record["message"] for record in deployment.coordinator.records())


main(globals())
