#!/usr/bin/python3
"""Learners evaluate on samples of their own; summaries are weighted as told; runs stop where they should."""
import json
import math
import statistics

import numpy
from cohort_e2e import (
    Attendance,
    classes_experiment,
    main,
    reason,
    to_yaml,
)


def experiment(folder, **changes):
    return classes_experiment(folder, **{"evaluation": {"holdout": 0.25}, **changes})


def flat(run):
    return numpy.concatenate([values.ravel() for values in run.model().values()]).astype("f8")


def it_puts_together_what_learners_find_on_samples_they_do_not_train_on(world):
    run = world.run(experiment(world.folder))
    rows = run.metrics("evaluation")
    assert len(rows) == 3 * 4, rows
    for row in run.metrics("round"):
        own = [it for it in rows if it["round"] == row["round"]]
        assert sorted(it["learner"] for it in own) == [f"learner-{i}" for i in range(4)]
        accuracies = [it["local_accuracy"] for it in own]
        assert math.isclose(row["local_accuracy"], statistics.mean(accuracies), rel_tol=1e-12), row
        assert row["local_accuracy_worst"] == min(accuracies)
        assert math.isclose(row["local_accuracy_std"], statistics.pstdev(accuracies), abs_tol=1e-12)
        assert math.isclose(row["local_loss"], statistics.mean(it["local_loss"] for it in own), rel_tol=1e-12)
        assert row["test_accuracy"] is not None
    assert all(it["samples"] == 15 for it in rows) and all(it["weight"] == 45 for it in run.metrics("learner"))
    assert run.summary["final"]["local_accuracy"] == run.metrics("round")[-1]["local_accuracy"]
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "own held-out data" in page and 'data-name="learner-3"' in page


def it_evaluates_the_same_whatever_the_number_of_processes(world):
    runs = [world.run(experiment(world.folder), "--processes", n, out=f"p{n}") for n in (1, 3)]
    found = [sorted(json.dumps(row) for row in run.metrics("evaluation")) for run in runs]
    assert found[0] == found[1] and runs[0].hash == runs[1].hash


def it_evaluates_every_so_many_rounds_and_after_the_last(world):
    wanted = experiment(world.folder, evaluation={"holdout": 0.25, "every": 2}, data={"test": None})
    run = world.run(wanted)
    assert sorted({row["round"] for row in run.metrics("evaluation")}) == [2, 3]
    assert [row.get("local_accuracy") is not None for row in run.metrics("round")] == [False, True, True]


def it_fetches_a_model_once_to_evaluate_it_and_to_train_on_it(world):
    wanted = {"rounds": 5, "algorithm": "fedavg"}
    layers = [{"dense": {"units": 2000, "activation": "relu"}}, {"dense": {"units": 3}}]  # small ones come unasked
    large = experiment(world.folder, model={"layers": layers}, collaboration=wanted)
    for processes in 1, 4:
        run = world.run(large, "--processes", processes, out=f"{processes}")
        fetches = run.summary["bytes_down"] / (4 * run.summary["model_parameters"])
        assert fetches == 6 * processes, f"{fetches} fetches by {processes} processes: one a round, one of the last model"


def it_evaluates_a_personal_model_where_learners_have_one(world):
    shards = {"partition": {"kind": "dirichlet", "alpha": 0.1}}
    accuracies = {}
    for algorithm in "fedavg", "ditto":
        wanted = experiment(world.folder, data=shards, collaboration={"algorithm": algorithm, "rounds": 5})
        accuracies[algorithm] = world.run(wanted, out=algorithm).summary["final"]
    assert accuracies["ditto"]["test_accuracy"] == accuracies["fedavg"]["test_accuracy"], "they train the same model"
    assert accuracies["ditto"]["local_loss"] < accuracies["fedavg"]["local_loss"], accuracies


def it_lets_learners_test_where_there_is_no_model_of_everyones(world):
    run = world.run(classes_experiment(world.folder, collaboration={"algorithm": "fedper"}))
    rows = run.metrics("evaluation")
    assert len(rows) == 12 and all(row["samples"] == 0 for row in rows), rows
    for row in run.metrics("round"):
        told = [it["test_accuracy"] for it in rows if it["round"] == row["round"]]
        assert math.isclose(row["test_accuracy"], statistics.mean(told), rel_tol=1e-12), row
    assert run.summary["final"]["test_accuracy"] is not None


# ---- weighting


def it_weighs_summaries_as_told(world):
    free = {"partition": {"kind": "dirichlet", "alpha": 0.5, "sizes": "free"}}
    for weighting in "samples", "uniform", "inverse_loss":
        wanted = classes_experiment(world.folder, data=free, collaboration={"weighting": weighting})
        run = world.run(wanted, out=weighting)
        rows = run.metrics("learner")
        expected = {
            "samples": lambda row: row["weight"],
            "uniform": lambda row: 1,
            "inverse_loss": lambda row: min(round(1e6 / row["train_loss"]), 1e9),
        }
        assert [row["weight"] for row in rows] == [expected[weighting](row) for row in rows]
        if weighting == "samples":
            assert len({row["weight"] for row in rows}) > 1 and sum(row["weight"] for row in rows[:4]) == 240


def begin(world, n_learners=1, **changes):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    text = to_yaml(experiment(world.folder, data={"test": None}, **changes))
    experiment_id = users.CreateExperiment(yaml=text).experiment.id
    learners = [Attendance(world, coordinator, f"eve-{i}") for i in range(n_learners)]
    for learner in learners:
        learner.become_ready()
    return users, experiment_id, learners


def it_refuses_a_weight_that_cannot_be(world):
    for weighting, weight in ("samples", 11), ("uniform", 2), ("inverse_loss", 10**9 + 1), ("inverse_loss", 0):
        wanted = {"learners": 1, "weighting": weighting}
        _, _, (eve,) = begin(world, collaboration=wanted)
        assignment = eve.hear("assignment")
        model = eve.model(assignment)
        answer = eve.submit(eve.header(assignment, len(model), weight=weight), (0, model.tobytes()))
        assert reason(answer) == "OUT_OF_RANGE", (weighting, weight)


# ---- learners that tell nonsense, or nothing


def commit(learners):
    for learner in learners:
        assignment = learner.hear("assignment")
        model = learner.model(assignment)
        assert learner.submit(learner.header(assignment, len(model), weight=10), (0, model.tobytes())).accepted


def told(experiment_id, number, **metrics):
    rows = [{"name": name, "value": value} for name, value in metrics.items()]
    return {"experiment_id": experiment_id, "round": number, "n_samples": 5, "metrics": rows}


def local_metrics(users, experiment_id):
    ended = [event for event in users.WatchExperiment(experiment_id=experiment_id)]
    rounds = [event.round_evaluated for event in ended if event.WhichOneof("event") == "round_evaluated"]
    return [{metric.name: metric.value for metric in row.metrics} for row in rounds]


def it_takes_no_nonsense_from_learners(world):
    users, experiment_id, learners = begin(world, 3, collaboration={"learners": 3, "rounds": 1})
    commit(learners)
    asked = [learner.hear("evaluate") for learner in learners]
    assert all(it.round == 1 and it.model_round == 1 and len(it.model_id) == 16 for it in asked)
    learners[0].say(evaluated=told(experiment_id, 7, local_accuracy=0.1))  # of no round
    learners[0].say(evaluated=told("another", 1, local_accuracy=0.1))
    learners[0].say(evaluated=told(experiment_id, 1, local_accuracy=0.5, local_loss=2))
    learners[0].say(evaluated=told(experiment_id, 1, local_accuracy=0.9))  # told already
    learners[1].say(evaluated=told(experiment_id, 1, local_accuracy=1e300, local_loss=math.inf))
    learners[2].say(evaluated=told(experiment_id, 1, local_accuracy=math.nan, local_loss=-1, test_accuracy=2))
    (metrics,) = local_metrics(users, experiment_id)
    assert metrics == {"local_accuracy": 0.5, "local_accuracy_worst": 0.5, "local_accuracy_std": 0, "local_loss": 2}


def it_does_not_wait_for_who_is_gone(world):
    users, experiment_id, (ann, eve) = begin(world, 2, collaboration={"learners": 2, "rounds": 2})
    commit([ann, eve])
    assert ann.hear("evaluate").round == eve.hear("evaluate").round == 1
    awaited = users.ExplainExperiment(experiment_id=experiment_id).awaited
    assert [it.why for it in awaited] == ["it evaluates the model on data of its own"] * 2
    ann.say(evaluated=told(experiment_id, 1, local_accuracy=0.25))
    eve.end()
    assert ann.hear("assignment").round == 2


# ---- stopping


def it_stops_on_a_plateau(world):
    stop = {"metric": "local_accuracy", "plateau": {"rounds": 3, "delta": 0.9}}
    run = world.run(experiment(world.folder, collaboration={"rounds": 20, "stop": stop}))
    assert run.summary["status"] == "stopped_early" and run.summary["rounds"] == 4, run.summary


def it_stops_when_parameters_agree(world):
    one = {"learners": 1, "rounds": 2}
    runs = [
        world.run(classes_experiment(world.folder, collaboration={**one, "rounds": n}), out=f"plain-{n}") for n in (1, 2)
    ]
    change = numpy.linalg.norm(flat(runs[1]) - flat(runs[0])) / numpy.linalg.norm(flat(runs[0]))
    for at_most, rounds in (change * 1.0001, 2), (change * 0.9999, 3):
        stop = {"metric": "parameter_distance", "at_most": at_most}
        wanted = classes_experiment(world.folder, collaboration={**one, "rounds": 3, "stop": stop})
        run = world.run(wanted, out=f"stop-{rounds}")
        rows = run.metrics("round")
        assert abs(rows[1]["parameter_distance"] - change) < 1e-6 * change, (rows, change)
        assert run.summary["rounds"] == rounds, (change, rows)


main(globals())
