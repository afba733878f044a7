#!/usr/bin/python3
"""cohort-coordinator and cohort-learner as operators meet them: started in any order, killed, told to stop, given
settings that are right and wrong; and what each learner serves."""
import signal
import subprocess
import time

import grpc
import numpy
from cohort_e2e import PROGRAMS, Service, classes_experiment, enum_name, free_port, main, refused, save_classes, to_yaml

PROGRAM_NAMES = "cohort-coordinator", "cohort-learner"


def create(users, experiment):
    return users.CreateExperiment(yaml=to_yaml(experiment)).experiment.id


def wait_for(users, experiment_id, kind, wanted=lambda event: True):
    for event in users.WatchExperiment(experiment_id=experiment_id):
        if event.WhichOneof("event") == kind and wanted(getattr(event, kind)):
            return event
    raise AssertionError(f"the stream ended without '{kind}'")


def wait_for_completion(users, experiment_id):
    list(users.WatchExperiment(experiment_id=experiment_id))
    experiment = users.GetExperiment(experiment_id=experiment_id).experiment
    assert enum_name("ExperimentState", experiment.state) == "COMPLETED", experiment
    return experiment.model_sha256


def ends(world, program, *settings, config=None, environment=None, code=2):
    """Starts a program that must end by itself with one line; the line."""
    service = Service(world, program, *settings, config=config, environment=environment, announced=False)
    got = service.process.wait(120)
    words = service.words().rstrip("\n")
    assert got == code, f"exit code {got}: {words}"
    assert words.startswith(f"{program}: ") and "\n" not in words, words
    return words


# ---- coming and going


def it_lets_learners_start_before_their_coordinator(world):
    for address in f"unix:{world.folder}/socket", f"127.0.0.1:{free_port()}":
        learners = [world.learner(address, f"learner-{i}") for i in range(2)]
        coordinator = Service(world, "cohort-coordinator", f'listen=["{address}"]', "read_data=true")
        users = world.stub(coordinator)
        experiment = classes_experiment(world.folder, collaboration={"learners": 2})
        wait_for_completion(users, create(users, experiment))
        for learner in learners:
            learner.wait_for_record("joined")
            assert learner.stop() == 0, learner.words()
        assert coordinator.stop() == 0, coordinator.words()


def it_finishes_with_the_same_model_when_a_learner_is_killed_and_comes_back(world):
    for algorithm in "fedavg", "gradient_descent":
        wanted = {"learners": 2, "algorithm": algorithm}
        experiment = classes_experiment(world.folder, collaboration=wanted, simulation={"delay": "500ms"})
        undisturbed = world.run(experiment, "--set", "simulation.delay=0s", out=algorithm)
        coordinator = world.coordinator("read_data=true")
        users = world.stub(coordinator)
        names = [f"learner-{i}" for i in range(2)]
        learners = [world.learner(coordinator, name) for name in names]
        experiment_id = create(users, experiment)
        for number in 1, 2:
            wait_for(users, experiment_id, "round_started", lambda event: event.round == number)
            victim = number - 1
            learners[victim].kill()
            learners[victim] = world.learner(coordinator, names[victim])
        assert wait_for_completion(users, experiment_id) == undisturbed.hash, algorithm


def it_stays_when_a_coordinator_is_killed_and_another_takes_its_place(world):
    address = f"127.0.0.1:{free_port()}"
    first = Service(world, "cohort-coordinator", f'listen=["{address}"]', "read_data=true")
    learner = world.learner(address, "ann")
    learner.wait_for_record("joined")
    first.kill()
    learner.wait_for_record("connection lost")
    second = Service(world, "cohort-coordinator", f'listen=["{address}"]', "read_data=true")
    users = world.stub(second)
    wait_for_completion(users, create(users, classes_experiment(world.folder, collaboration={"learners": 1})))


# ---- being told to stop


def it_commits_the_round_under_way_before_it_stops(world):
    state = world.folder / "state"
    coordinator = world.coordinator("read_data=true", f"state.folder={state}", "drain=100s")
    users = world.stub(coordinator)
    wanted = {"learners": 1, "rounds": 50}
    experiment = classes_experiment(world.folder, collaboration=wanted, simulation={"delay": "1s"})
    learner = world.learner(coordinator, "ann")
    experiment_id = create(users, experiment)
    wait_for(users, experiment_id, "round_started", lambda event: event.round == 2)
    assert coordinator.stop() == 0, coordinator.words()
    models = sorted(state.rglob("*.safetensors"))
    assert len(models) >= 2, models
    assert learner.process.poll() is None
    assert learner.stop() == 0, learner.words()


def it_ends_at_once_when_told_twice(world):
    coordinator = world.coordinator("read_data=true", "drain=1000s")
    users = world.stub(coordinator)
    experiment = classes_experiment(world.folder, collaboration={"learners": 1}, simulation={"delay": "1000s"})
    world.learner(coordinator, "ann")
    experiment_id = create(users, experiment)
    wait_for(users, experiment_id, "round_started")
    coordinator.process.send_signal(signal.SIGTERM)
    coordinator.wait_for_record("draining")
    assert coordinator.process.poll() is None
    assert coordinator.stop() == -signal.SIGTERM


def it_stops_a_learner_that_finds_no_coordinator(world):
    for number in signal.SIGTERM, signal.SIGINT:
        learner = world.learner(f"127.0.0.1:{free_port()}", "ann")
        assert learner.stop(number) == 0, learner.words()


def it_keeps_the_places_of_learners_that_stop_and_return(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    wanted = {"learners": 2, "rounds": 12}
    experiment = classes_experiment(world.folder, collaboration=wanted, simulation={"delay": "200ms"})
    learners = {name: world.learner(coordinator, name, "keep_place=true") for name in ("ann", "bob")}
    experiment_id = create(users, experiment)
    for name in "ann", "bob", "both":
        wait_for(users, experiment_id, "round_started", lambda event: event.round == 3)
        stopped = [name] if name in learners else [*learners]
        for it in stopped:
            assert learners[it].stop() == 0, learners[it].words()
        for it in stopped:
            learners[it] = world.learner(coordinator, it, "keep_place=true")
    summaries = []
    for event in users.WatchExperiment(experiment_id=experiment_id):
        if event.WhichOneof("event") == "round_committed":
            summaries.append(event.round_committed.summaries)
    assert summaries == [2] * 12, summaries


# ---- settings


def it_says_who_has_the_port(world):
    coordinator = world.coordinator()
    port = coordinator.address.split(":")[1]
    words = ends(world, "cohort-coordinator", f'listen=["{coordinator.address}"]')
    assert port in words and "in use" in words and "listen" in words, words
    words = ends(world, "cohort-learner", f"listen={coordinator.address}")
    assert port in words and "in use" in words, words


def it_refuses_settings_that_are_wrong(world):
    for program in PROGRAM_NAMES:
        words = ends(world, program, "lisen=x")
        assert "lisen" in words and "did you mean 'listen'" in words, words
        words = ends(world, program, "log.level=loud")
        assert "'loud'" in words and "debug" in words, words
        words = ends(world, program, environment={"COHORT_LOG_LEVEL": "loud"})
        assert "COHORT_LOG_LEVEL" in words and "'loud'" in words, words
        config = world.write("config.yaml", "log:\n  level: info\n  formt: json\n")
        words = ends(world, program, config=config)
        assert "config.yaml:3:3: " in words and "did you mean 'format'" in words, words
        words = ends(world, program, config=world.folder / "nowhere.yaml")
        assert "nowhere.yaml" in words, words
    assert "nonsense" in ends(world, "cohort-coordinator", 'listen=["nonsense"]')
    assert "listen" in ends(world, "cohort-coordinator", "listen=[]")


def it_takes_settings_from_file_environment_and_command_line_in_this_order(world):
    config = world.write("config.yaml", "log: {level: error}\nlease: 7s\nlisten: ['127.0.0.1:0']\n")
    quiet = Service(world, "cohort-coordinator", config=config)
    assert quiet.stop() == 0 and quiet.words() == "", quiet.words()
    loud = Service(world, "cohort-coordinator", config=config, environment={"COHORT_LOG_LEVEL": "info"})
    assert loud.stop() == 0, loud.words()
    assert [record["message"] for record in loud.records()][:1] == ["listening"], loud.words()
    again = Service(
        world, "cohort-coordinator", "log.level=warn", config=config, environment={"COHORT_LOG_LEVEL": "info"}
    )
    assert again.stop() == 0 and again.words() == "", again.words()


def it_tells_its_version_and_its_settings(world):
    for program in (*PROGRAM_NAMES, "cohort"):
        for option, expected in ("--version", program), ("--help", "--"):
            run = subprocess.run([PROGRAMS / program, option], capture_output=True, text=True, timeout=120)
            assert run.returncode == 0 and expected in run.stdout and run.stderr == "", (program, option, run)
        if program != "cohort":
            assert "COHORT_LOG_LEVEL" in run.stdout, run.stdout


# ---- what a learner serves


def until_idle(call):
    """A learner that is busy says to try again in a moment."""
    until = time.monotonic() + 120
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > until:
                raise
            time.sleep(0.01)


def it_predicts_and_evaluates_on_the_learner(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    learner = world.learner(coordinator, "ann", "listen=127.0.0.1:0")
    port = learner.wait_for_record("listening")["port"]
    serving = world.stub(f"127.0.0.1:{port}", "learner")
    refused("FAILED_PRECONDITION", lambda: serving.Predict(learner="ann"))
    refused("NOT_FOUND", lambda: serving.Evaluate(learner="bob"))
    status = serving.GetStatus()
    assert status.version and status.coordinator == coordinator.address and status.rss_bytes > 1e6
    assert [row.learner for row in status.learners] == ["ann"]
    wanted = {"learners": 1, "rounds": 1000000}
    experiment_id = create(users, classes_experiment(world.folder, collaboration=wanted))
    wait_for(users, experiment_id, "round_committed", lambda event: event.round == 20)
    users.PauseExperiment(experiment_id=experiment_id)
    features, labels = save_classes(world.folder, "test", n=60, seed=2)
    answer = until_idle(lambda: serving.Predict(n_samples=60, features=features.ravel().tolist()))
    outputs = numpy.array(answer.outputs).reshape(60, answer.n_outputs)
    assert answer.n_outputs == 3 and abs(outputs.sum(axis=1) - 1).max() < 1e-5
    assert (outputs.argmax(axis=1) == labels).mean() > 0.6
    own = until_idle(lambda: serving.Evaluate(learner="ann"))
    metrics = {metric.name: metric.value for metric in own.metrics}
    assert own.n_samples == 240 and metrics["loss"] > 0 and 0 <= metrics["accuracy"] <= 1
    for n, values in (0, []), (1, [1.0]), (2**31, [1.0] * 6), (2, [1.0] * 6):
        refused("INVALID_ARGUMENT", lambda: until_idle(lambda: serving.Predict(n_samples=n, features=values)))
    refused("INVALID_ARGUMENT", lambda: serving.Predict(b"\xff\xff"))


def it_answers_with_the_model_and_not_with_the_gradient_that_it_sends(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    learner = world.learner(coordinator, "ann", "listen=127.0.0.1:0")
    serving = world.stub(f"127.0.0.1:{learner.wait_for_record('listening')['port']}", "learner")
    wanted = {"learners": 1, "rounds": 1000000, "algorithm": "gradient_descent"}
    experiment_id = create(users, classes_experiment(world.folder, collaboration=wanted))
    wait_for(users, experiment_id, "round_committed", lambda event: event.round == 20)
    users.PauseExperiment(experiment_id=experiment_id)
    own = until_idle(lambda: serving.Evaluate(learner="ann"))
    metrics = {metric.name: metric.value for metric in own.metrics}
    committed = users.GetExperiment(experiment_id=experiment_id).experiment
    reported = {metric.name: metric.value for metric in committed.metrics}
    assert abs(metrics["loss"] - reported["train_loss"]) < 0.1 * reported["train_loss"], (metrics, reported)


main(globals())
