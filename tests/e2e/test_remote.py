#!/usr/bin/python3
"""The commands that talk to a coordinator which runs already: submit, watch, learners, learners remove, model download."""
import json

from cohort_e2e import Service, classes_experiment, free_port, main, sha256


def start(world, n_learners=2):
    coordinator = world.coordinator("read_data=true")
    world.environment["COHORT_COORDINATOR"] = coordinator.address
    return coordinator, [world.learner(coordinator, f"learner-{i}") for i in range(n_learners)]


def good(world, *arguments):
    code, out, err = world.cohort(*arguments)
    assert code == 0 and err == "", (arguments, code, out, err)
    return out


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def it_trains_the_model_that_a_run_trains(world):
    start(world)
    experiment = classes_experiment(world.folder, collaboration={"learners": 2})
    path = world.write("tiny.yaml", experiment)
    first = good(world, "submit", "-f", path).strip()
    told = events(good(world, "watch", first, "--json"))
    assert [event["cursor"] for event in told] == list(range(1, len(told) + 1))
    committed = [event for event in told if event["event"] == "round_committed"]
    assert [event["round"] for event in committed] == [1, 2, 3]
    assert told[-1]["event"] == "state_changed" and told[-1]["state"] == "completed", told[-1]
    assert all(event["metrics"]["train_loss"] > 0 for event in committed), committed
    only = events(good(world, "watch", first, "--json", "--only", "round_committed", "--only", "state_changed"))
    assert only == [event for event in told if event["event"] in ("round_committed", "state_changed")], only
    printed = good(world, "model", "download", first, "--out", "model.safetensors")
    assert printed == f"{sha256(world.folder / 'model.safetensors')}  model.safetensors\n", printed
    assert printed.split()[0] == committed[-1]["model_sha256"]
    assert printed.split()[0] == world.run(experiment).hash


def it_watches_what_it_submits_in_words(world):
    start(world)
    path = world.write("tiny.yaml", classes_experiment(world.folder, collaboration={"learners": 2}))
    words = good(world, "submit", path, "--watch", "--set", "collaboration.rounds=2", "--seed", "3").splitlines()
    assert any(line.startswith("round 2 committed in ") and "train_loss" in line for line in words), words
    assert words[-1] == "the experiment is completed", words
    n_events = len(words) - 1  # the first line is the id
    assert good(world, "watch", "--from", str(n_events)) == "the experiment is completed\n"


def it_finds_the_experiment_that_a_request_made_before(world):
    start(world)
    path = world.write("tiny.yaml", classes_experiment(world.folder, collaboration={"learners": 2}))
    first = good(world, "submit", path, "--request-id", "a")
    assert good(world, "submit", path, "--request-id", "a") == first
    assert good(world, "submit", path, "--request-id", "b") != first
    code, _, err = world.cohort("submit", path, "--request-id", "x" * 200)
    assert code == 2 and "too long" in err, err


def it_lists_the_learners(world):
    start(world)
    path = world.write("tiny.yaml", classes_experiment(world.folder, collaboration={"learners": 2}))
    good(world, "submit", path, "--watch")
    rows = events(good(world, "learners", "--json"))
    assert [(row["name"], row["samples"]) for row in rows] == [("learner-0", 120), ("learner-1", 120)], rows
    table = good(world, "learners").splitlines()
    assert table[0].split()[:3] == ["LEARNER", "STATE", "EXPERIMENT"] and len(table) == 3, table
    code, _, err = world.cohort("learners", "nothing")
    assert code == 2 and "'nothing'" in err, (code, err)


def it_says_what_is_wrong(world):
    _, learners = start(world, 1)
    code, _, err = world.cohort("watch")
    assert code == 2 and "no experiment yet" in err, (code, err)
    code, _, err = world.cohort("watch", "nothing")
    assert code == 2 and "'nothing'" in err, (code, err)
    path = world.write("tiny.yaml", classes_experiment(world.folder, collaboration={"learners": 2}))
    experiment_id = good(world, "submit", path).strip()
    code, _, err = world.cohort("watch", experiment_id, "--only", "rounds")
    assert code == 2 and "'rounds' is no kind of event" in err and "round_committed" in err, (code, err)
    code, _, err = world.cohort("model", "download", "nothing")
    assert code == 2 and "'nothing'" in err and not (world.folder / "model.safetensors").exists(), (code, err)
    path = world.write("wrong.yaml", "name: x\nsed: 1\n")
    code, out, err = world.cohort("submit", path)
    assert code == 2 and out == "" and "wrong.yaml:2:1: " in err and "'seed'" in err, (code, err)
    code, _, err = world.cohort("learners", "--coordinator", f"127.0.0.1:{free_port()}")
    assert code == 3, (code, err)


def it_tells_of_an_experiment_that_was_cancelled(world):
    coordinator, _ = start(world, 1)
    wanted = {"learners": 1, "rounds": 1000000}
    path = world.write("tiny.yaml", classes_experiment(world.folder, collaboration=wanted))
    experiment_id = good(world, "submit", path).strip()
    watch = world.start("watch", experiment_id)
    assert "the experiment is" in watch.stdout.readline()
    world.stub(coordinator).CancelExperiment(experiment_id=experiment_id, message="enough")
    out, err = watch.communicate(timeout=120)
    assert watch.returncode == 130 and "enough" in err and "cancelled" in out.splitlines()[-1], (out[-500:], err)


def it_waits_for_a_coordinator_that_is_not_there_yet(world):
    address = f"127.0.0.1:{free_port()}"
    path = world.write("tiny.yaml", classes_experiment(world.folder, collaboration={"learners": 1}))
    code, _, err = world.cohort("submit", path, "--coordinator", address, "--wait", "1")
    assert code == 3, (code, err)
    submit = world.start("submit", path, "--coordinator", address, "--wait", "100", "--watch")
    world.learner(address, "learner-0")
    assert submit.poll() is None
    Service(world, "cohort-coordinator", f'listen=["{address}"]', "read_data=true")
    out, err = submit.communicate(timeout=120)
    assert submit.returncode == 0 and "the experiment is completed" in out, (out, err)


def it_goes_back_to_a_coordinator_that_was_replaced(world):
    address = f"127.0.0.1:{free_port()}"
    first = Service(world, "cohort-coordinator", f'listen=["{address}"]', "read_data=true")
    path = world.write("tiny.yaml", classes_experiment(world.folder, collaboration={"learners": 1}))
    experiment_id = good(world, "submit", path, "--coordinator", address).strip()
    watch = world.start("watch", experiment_id, "--coordinator", address, "--wait", "100")
    assert "the experiment is waiting" in watch.stdout.readline()
    first.kill()
    Service(world, "cohort-coordinator", f'listen=["{address}"]')  # knows nothing of it: no state folder
    out, err = watch.communicate(timeout=120)
    assert watch.returncode == 2 and f"no experiment '{experiment_id}'" in err, (out, err)


def it_goes_on_after_a_coordinator_was_started_again(world):
    address = f"127.0.0.1:{free_port()}"
    settings = f'listen=["{address}"]', "read_data=true", f"state.folder={world.folder}/state"
    first = Service(world, "cohort-coordinator", *settings)
    wanted = {"learners": 1, "rounds": 6}
    experiment = classes_experiment(world.folder, collaboration=wanted, simulation={"delay": "200ms"})
    path = world.write("tiny.yaml", experiment)
    experiment_id = good(world, "submit", path, "--coordinator", address).strip()
    watch = world.start("watch", experiment_id, "--coordinator", address, "--wait", "100", "--json")
    world.learner(address, "learner-0")
    rounds = []
    while 2 not in rounds:
        event = json.loads(watch.stdout.readline())
        rounds += [event["round"]] if event["event"] == "round_committed" else []
    first.kill()
    Service(world, "cohort-coordinator", *settings)
    out, err = watch.communicate(timeout=120)
    rounds += [event["round"] for event in events(out) if event["event"] == "round_committed"]
    # A coordinator that resumes tells of the round that it resumes from again.
    assert watch.returncode == 0 and rounds in ([1, 2, 2, 3, 4, 5, 6], [1, 2, 3, 3, 4, 5, 6]), (rounds, out, err)


def it_removes_a_learner_that_an_experiment_waits_for(world):
    """One of two that keep their places is gone for good; a third takes its place."""
    coordinator, learners = start(world)
    wanted = {"simulation": {"delay": "50ms"}, "collaboration": {"learners": 2, "rounds": 40}}
    path = world.write("tiny.yaml", classes_experiment(world.folder, **wanted))
    id = good(world, "submit", path).strip()
    watching = world.start("watch", id, "--json")
    while json.loads(watching.stdout.readline())["event"] != "round_committed":
        pass
    learners[1].kill()
    while json.loads(watching.stdout.readline()).get("state") != "lost":
        pass
    third = world.learner(coordinator, "learner-2")  # waits: the place is kept
    states = {row["name"]: row for row in events(good(world, "learners", "--json"))}
    assert states["learner-1"]["state"] == "lost" and not states["learner-2"]["experiment"], states
    assert good(world, "learners", "remove", "learner-1", "--message", "scaled away") == "learner-1 was removed\n"
    last = [json.loads(line) for line in watching.stdout][-1]
    assert watching.wait() == 0 and last["state"] == "completed", last
    states = {row["name"]: row["state"] for row in events(good(world, "learners", "--json"))}
    assert states["learner-1"] == "removed", states

    assert good(world, "learners", "remove", "learner-2", "--message", "enough") == "learner-2 was removed\n"
    assert third.process.wait(120) != 0 and "enough" in third.words(), third.words()
    code, _, err = world.cohort("learners", "remove", "nobody")
    assert code != 0 and "there is no learner 'nobody'" in err, err
    code, _, err = world.cohort("learners", "remove")
    assert code == 2 and "give its name" in err, err
    code, _, err = world.cohort("learners", "remove", "x" * 70)
    assert code == 2 and "too long" in err, err


main(globals())
