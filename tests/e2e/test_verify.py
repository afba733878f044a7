#!/usr/bin/python3
"""What a run left is checked: every honest run passes, and the round of every change is named."""
import contextlib
import json
import random
import sqlite3
import time

from cohort_e2e import TIMEOUT, Service, classes_experiment, enum_name, grpc, main, message, refused, to_yaml


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


def state_of_a_coordinator(world, keep=4):
    """A state folder with two finished experiments, of which one keeps something beside its model."""
    coordinator = world.coordinator(f"state.folder={world.folder}/state", f"state.keep_models={keep}", "read_data=true")
    users = world.stub(coordinator)
    for i in range(4):
        world.learner(coordinator, f"learner-{i}")
    for name, algorithm in ("plain", "fedavg"), ("momentum", "fedavgm"):
        changes = {"name": name, "data": {"test": None}, "collaboration": {"algorithm": algorithm, "rounds": 9}}
        made = users.CreateExperiment(yaml=to_yaml(classes_experiment(world.folder, **changes))).experiment.id
        list(users.WatchExperiment(experiment_id=made))
    return coordinator, users, world.folder / "state"


def it_keeps_as_many_models_as_it_is_told(world):
    coordinator, users, state = state_of_a_coordinator(world)
    for name in "plain", "momentum":
        kept = sorted(path.name for path in (state / name).glob("*.safetensors"))
        assert kept == [f"round-{n:06}.safetensors" for n in (6, 7, 8, 9)], kept
    assert [path.name for path in (state / "momentum").glob("*.state")] == ["round-000009.state"]
    chunks = users.DownloadModel(message("DownloadModelRequest", experiment_id="plain", round=6))
    assert b"".join(chunk.data for chunk in chunks) == (state / "plain/round-000006.safetensors").read_bytes()
    refused("NOT_FOUND", lambda: users.DownloadModel(message("DownloadModelRequest", experiment_id="plain", round=5)))


def it_keeps_no_more_when_it_was_killed_before_it_removed_one(world):
    """Killed at steps of a commit, again and again: what one process left, the next one removes."""
    yaml = to_yaml(classes_experiment(world.folder, data={"test": None}, collaboration={"rounds": 8, "algorithm": "fedavgm", "learners": 3}))
    address, state = f"unix:{world.folder}/killed.sock", world.folder / "killed"
    settings = [f'listen=["{address}"]', f"state.folder={state}", "state.keep_models=2", "read_data=true", "drain=0s"]
    for i in range(3):
        world.learner(address, f"learner-{i}", announced=False)
    users, created, deaths, until = world.stub(address), False, 0, time.monotonic() + TIMEOUT
    ended = False
    while not ended:
        assert time.monotonic() < until, "it does not end"
        dies = {"COHORT_DIE_AT": str(20 + deaths)} if deaths < 12 else {}
        coordinator = Service(world, "cohort-coordinator", *settings, environment=dies, announced=False)
        while coordinator.process.poll() is None and not ended:
            with contextlib.suppress(grpc.RpcError):
                made = users.CreateExperiment(yaml=yaml, request_id="the-one").experiment
                ended = enum_name("ExperimentState", made.state) == "COMPLETED"
            time.sleep(0.01)
        deaths += not ended
    coordinator.stop()
    assert deaths >= 3, f"only {deaths} deaths"
    kept = sorted(path.name for path in (state / "tiny").iterdir())
    assert kept == ["round-000007.safetensors", "round-000008.safetensors", "round-000008.state"], kept


def it_checks_a_coordinators_state_folder(world):
    coordinator, _, state = state_of_a_coordinator(world)
    code, words = verified(world, state)
    assert code != 0 and "stop it first" in words, words
    coordinator.kill()
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    code, words = verified(world, state)
    assert code == 0 and "plain: 9 rounds" in words and "momentum: 9 rounds" in words and "4 models kept" in words, words
    assert before == {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}, "looking changes something"
    code, words = verified(world, state, "--replay")
    assert code == 2 and "leave --replay out" in words, words

    chance = random.Random(3)
    for path in sorted(state.glob("*/round-*")):
        content, number = path.read_bytes(), int(path.stem[-6:])
        for bit in chance.sample(range(8 * len(content)), 3):
            path.write_bytes(flip(content, bit))
            code, words = verified(world, state)
            assert code != 0 and f"round {number}:" in words and path.parent.name in words, (path, words)
        path.write_bytes(content)
    last = state / "plain/round-000009.safetensors"
    last.rename(last.with_suffix(".away"))
    code, words = verified(world, state)
    assert code != 0 and "round 9" in words and "missing" in words, words
    last.with_suffix(".away").rename(last)
    assert verified(world, state)[0] == 0


def it_names_the_round_of_every_record_that_changes_in_a_journal(world):
    coordinator, _, state = state_of_a_coordinator(world)
    coordinator.stop()
    whole = (state / "journal.db").read_bytes()
    chance = random.Random(4)

    def changed(*statement):
        with contextlib.closing(sqlite3.connect(state / "journal.db")) as journal, journal:
            assert journal.execute(*statement).rowcount > 0
        code, words = verified(world, state)
        (state / "journal.db").write_bytes(whole)
        assert code != 0 and "experiment 'momentum'" in words, words
        return words

    with contextlib.closing(sqlite3.connect(state / "journal.db")) as journal:
        records = [row[0] for row in journal.execute("select record from rounds where id = 'momentum' order by round")]
    for number, record in enumerate(records):
        at = chance.randrange(len(record))
        other = record[:at] + ("0" if record[at] != "0" else "1") + record[at + 1 :]
        words = changed("update rounds set record = ? where id = 'momentum' and round = ?", (other, number))
        assert f"round {number}" in words, (number, other, words)
    words = changed("delete from rounds where id = 'momentum' and round = 4")
    assert "round 4" in words, words
    words = changed("update experiments set yaml = replace(yaml, '0.1', '0.2') where id = 'momentum'")
    assert "round 0" in words, words
    (state / "journal.db").write_bytes(b"no database at all")
    code, words = verified(world, state)
    assert code != 0 and "damaged" in words, words


main(globals())
