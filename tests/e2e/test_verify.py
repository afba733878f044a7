#!/usr/bin/python3
"""What a run left is checked: every honest run passes, and the round of every change is named."""
import json
import random

from cohort_e2e import classes_experiment, main


def verified(world, *arguments):
    code, out, err = world.cohort("verify", *arguments)
    return code, out + err


def flip(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def it_accepts_honest_runs_and_their_replays(world):
    for algorithm in "fedavg", "scaffold":
        run = world.run(classes_experiment(world.folder, collaboration={"algorithm": algorithm}), out=algorithm)
        assert len((run.folder / "records.jsonl").read_text().splitlines()) == 4
        code, words = verified(world, run.folder)
        assert code == 0 and "3 rounds" in words, words
        code, words = verified(world, run.folder, "--replay")
        assert code == 0 and "the same again" in words, words


def it_names_the_round_of_every_bit_that_changes(world):
    run = world.run(classes_experiment(world.folder))
    chance = random.Random(1)
    for name in "records.jsonl", "model.safetensors", "experiment.yaml":
        path = run.folder / name
        content = path.read_bytes()
        for bit in chance.sample(range(8 * len(content)), 40):
            path.write_bytes(flip(content, bit))
            code, words = verified(world, run.folder)
            number = {"records.jsonl": content[: bit // 8].count(b"\n"), "model.safetensors": 3, "experiment.yaml": 0}
            assert code != 0 and f"round {number[name]}" in words, (name, bit, words)
        path.write_bytes(content)
    assert verified(world, run.folder)[0] == 0


def it_names_the_round_when_a_learners_own_model_changes(world):
    run = world.run(classes_experiment(world.folder, collaboration={"topology": "gossip"}))
    assert verified(world, run.folder)[0] == 0
    path = run.folder / "models" / "learner-2.safetensors"
    content = path.read_bytes()
    for bit in random.Random(2).sample(range(8 * len(content)), 20):
        path.write_bytes(flip(content, bit))
        code, words = verified(world, run.folder)
        assert code != 0 and "round 3" in words, (bit, words)


def it_names_the_round_that_comes_out_another(world):
    """Records that are whole in themselves, but of another run."""
    run = world.run(classes_experiment(world.folder))
    other = world.run(classes_experiment(world.folder, data={"partition": {"kind": "shards"}}), out="other")
    for name in "records.jsonl", "model.safetensors":
        (run.folder / name).write_bytes((other.folder / name).read_bytes())
    assert json.loads((run.folder / "summary.json").read_text())["model_sha256"] == run.hash
    code, words = verified(world, run.folder)
    assert code != 0 and "round 0" in words, words


main(globals())
