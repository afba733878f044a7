#!/usr/bin/python3
"""Rounds that are not in step, more learners than are wanted, learners that come late, go and come back."""
import numpy
from cohort_e2e import Attendance, classes_experiment, enum_name, main, reason, to_yaml

ASYNCHRONOUS = {"kind": "asynchronous", "buffer": 2, "max_staleness": 1000}
SLOW = {"step_time": "2ms", "slow": {"learners": 1, "factor": 20}}


def scheduled(world, schedule, **collaboration):
    wanted = {"learners": 3, "rounds": 12, "schedule": schedule, **collaboration}
    return classes_experiment(world.folder, collaboration=wanted)


def create(users, experiment):
    return users.CreateExperiment(yaml=to_yaml(experiment)).experiment.id


def wait_for(users, experiment_id, kind, wanted=lambda event: True):
    for event in users.WatchExperiment(experiment_id=experiment_id):
        if event.WhichOneof("event") == kind and wanted(getattr(event, kind)):
            return getattr(event, kind)
    raise AssertionError(f"the stream ended without '{kind}'")


def wait_for_completion(users, experiment_id):
    list(users.WatchExperiment(experiment_id=experiment_id))
    experiment = users.GetExperiment(experiment_id=experiment_id).experiment
    assert enum_name("ExperimentState", experiment.state) == "COMPLETED", experiment
    return experiment


# ---- whole experiments


def x_it_goes_on_without_a_slow_learner_and_counts_it_late(world):
    for algorithm in "fedbuff", "fedasync", "fedavg", "gradient_descent":
        experiment = scheduled(world, ASYNCHRONOUS, algorithm=algorithm, rounds=30)
        run = world.run({**experiment, "simulation": SLOW}, out=algorithm)
        learners = run.metrics("learner")
        late = [row["staleness"] for row in learners if row["learner"] == "learner-2"]
        assert max(row["staleness"] for row in learners if row["learner"] != "learner-2") <= 5, learners
        assert len(learners) >= 60 and (not late or max(late) >= 3), late
        assert run.summary["final"]["test_accuracy"] > 0.6, run.summary


def x_it_commits_by_the_clock(world):
    schedule = {"kind": "semi_synchronous", "period": "100ms"}
    experiment = scheduled(world, schedule, rounds=8)
    run = world.run({**experiment, "simulation": SLOW}, "--processes", "3")
    assert len(run.metrics("round")) == 8
    assert any(row["staleness"] for row in run.metrics("learner")), "nobody was late"


def x_it_gives_the_same_model_as_in_step_when_nobody_is_late(world):
    experiment = scheduled(world, None, rounds=4)
    semi = scheduled(world, {"kind": "semi_synchronous", "period": "100s"}, rounds=4)
    assert world.run(experiment, out="step").hash == world.run(semi, out="semi").hash


def x_it_goes_on_with_the_first_of_more_learners_than_are_wanted(world):
    participation = {"fraction": 0.6, "over_selection": 1.5}
    experiment = scheduled(world, None, participation=participation, rounds=6)
    run = world.run({**experiment, "simulation": {**SLOW, "step_time": "20ms"}})
    assert {row["learner"] for row in run.metrics("learner")} == {"learner-0", "learner-1"}
    assert all(row["selected"] == 3 and row["summaries"] == 2 for row in run.metrics("round")), run.metrics("round")


def x_it_takes_learners_that_come_late_and_does_without_those_that_are_killed(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    experiment = scheduled(world, ASYNCHRONOUS, algorithm="fedbuff", rounds=60, participation={"start_with": 2})
    experiment["simulation"] = {"delay": "60ms"}
    learners = [world.learner(coordinator, f"learner-{i}") for i in range(2)]
    experiment_id = create(users, experiment)
    wait_for(users, experiment_id, "round_committed", lambda event: event.round == 3)
    world.learner(coordinator, "learner-2")
    wait_for(users, experiment_id, "summary_accepted", lambda event: event.learner == "learner-2")
    learners[0].kill()
    round_now = users.GetExperiment(experiment_id=experiment_id).experiment.round
    wait_for(users, experiment_id, "round_committed", lambda event: event.round > round_now + 2)
    world.learner(coordinator, "learner-0")
    assert wait_for_completion(users, experiment_id).round == 60


def it_works_behind_a_relay(world):
    coordinator = world.coordinator("read_data=true")
    relay = world.coordinator(f"relay_of={coordinator.address}")
    users = world.stub(coordinator)
    for schedule, participation in (ASYNCHRONOUS, {}), (None, {"fraction": 0.6, "over_selection": 1.5}):
        experiment = scheduled(world, schedule, algorithm="fedbuff", rounds=20, participation=participation)
        experiment["simulation"] = {"delay": "20ms"}
        learners = [world.learner(end, f"learner-{i}") for i, end in enumerate([relay, relay, coordinator])]
        assert wait_for_completion(users, create(users, experiment)).round == 20
        for learner in learners:
            assert learner.stop() == 0, learner.words()


# ---- what is told


def x_it_tells_who_is_awaited_from_which_model_and_why_a_summary_is_too_old(world):
    coordinator = world.coordinator()
    users = world.stub(coordinator)
    schedule = {"kind": "asynchronous", "buffer": 2, "max_staleness": 1}
    experiment = scheduled(world, schedule, algorithm="fedbuff", rounds=5)
    experiment.pop("data")
    experiment_id = create(users, experiment)
    learners = [Attendance(world, coordinator, f"learner-{i}") for i in range(3)]
    for learner in learners:
        learner.become_ready()
    assignments = [learner.hear("assignment") for learner in learners]
    values = numpy.zeros(len(learners[0].model(assignments[0])), "<f4").tobytes()

    def submit(learner, assignment):
        header = learner.header(assignment, len(values) // 4)
        return learner.submit(header, (0, values))

    def explain():
        return users.ExplainExperiment(experiment_id=experiment_id)

    assert explain().next == "round 1 commits when 2 summaries are in (0 are); there is no deadline", explain()
    for number in 1, 2:
        assert all(submit(learners[i], assignments[i]).accepted for i in range(2))
        assignments[:2] = [learner.hear("assignment") for learner in learners[:2]]
        assert assignments[0].round == number + 1
        late = [row for row in explain().awaited if row.learner == "learner-2"]
        commits = "1 commit" if number == 1 else "2 commits"
        assert late[0].why == f"it trains, from the model of {commits} ago", late
    answer = submit(learners[2], assignments[2])
    assert reason(answer) == "STALE" and "max_staleness" in answer.message, answer
    rejected = wait_for(users, experiment_id, "summary_rejected")
    assert rejected.learner == "learner-2" and rejected.round == 1, rejected
    assert users.GetExperiment(experiment_id=experiment_id).experiment.summaries_rejected == 1
    assignment = learners[2].hear("assignment")
    assert assignment.round == 3
    assert submit(learners[2], assignment).accepted
    accepted = wait_for(users, experiment_id, "summary_accepted", lambda event: event.learner == "learner-2")
    assert accepted.staleness == 0 and accepted.round == 3, accepted
    users.CancelExperiment(experiment_id=experiment_id)


def x_it_tells_what_an_experiment_waits_for_before_it_starts(world):
    coordinator = world.coordinator()
    users = world.stub(coordinator)
    experiment = scheduled(world, None, participation={"start_with": 2})
    experiment.pop("data")
    experiment_id = create(users, experiment)
    words = users.ExplainExperiment(experiment_id=experiment_id).next
    assert words == "round 1 starts when 2 of 3 learners are ready (0 are)", words
    users.CancelExperiment(experiment_id=experiment_id)


main(globals())
