#!/usr/bin/python3
"""`cohort run` from end to end: its files, its exit codes, and that nothing outlives it."""
import json
import os
import re
import signal

from cohort_e2e import Run, classes_experiment, main, save_classes, sha256, wait_for_end


def long_experiment(folder):
    """Half a minute of rounds, most of it a pause of the learners'."""
    wanted = {"rounds": 40, "learners": 3}
    return classes_experiment(folder, collaboration=wanted, simulation={"delay": "1s"})


def it_leaves_every_file_of_a_run_and_no_process(world):
    run = world.run(classes_experiment(world.folder), "--quiet")
    files = {path.name for path in run.folder.iterdir()}
    expected = {"experiment.yaml", "metrics.jsonl", "records.jsonl", "summary.json", "model.safetensors", "report.html", "logs"}
    assert files == expected, files
    logs = {path.name for path in (run.folder / "logs").iterdir()}
    assert logs == {"coordinator.log", *(f"learner-{i}.log" for i in range(4))}, logs
    assert world.processes() == [], world.processes()
    report = (run.folder / "report.html").read_text(encoding="utf-8")
    assert report.startswith("<!") and report.rstrip().endswith("</html>") and run.hash[:12] in report
    assert (run.folder / "logs/coordinator.log").read_text().count('"level":"error"') == 0


def it_writes_a_summary_with_every_field(world):
    run = world.run(classes_experiment(world.folder))
    summary = run.summary
    assert (summary["experiment"], summary["seed"], summary["rounds"]) == ("tiny", 7, 3)
    assert summary["status"] == "completed" and summary["learners"] == 4
    last = run.metrics("round")[-1]
    for name in "test_accuracy", "test_loss", "train_loss":
        assert summary["final"][name] == last[name], (name, summary["final"], last)
    assert summary["model_parameters"] == 6 * 8 + 8 + 8 * 3 + 3
    bytes_of_model = 4 * summary["model_parameters"]
    assert summary["bytes_up"] == 3 * 4 * bytes_of_model, summary["bytes_up"]
    assert summary["bytes_down"] == 3 * 4 * bytes_of_model, summary["bytes_down"]
    assert 0 < summary["round_seconds"]["median"] <= summary["round_seconds"]["p95"] < summary["wall_seconds"]
    assert summary["peak_rss_bytes"]["coordinator"] > 1e6 and summary["peak_rss_bytes"]["learner"] > 1e6
    assert "OpenBLAS" in summary["blas"] and summary["summaries_rejected"] == 0


def it_writes_a_line_a_round_and_a_line_a_learner_round(world):
    run = world.run(classes_experiment(world.folder))
    rounds, learners = run.metrics("round"), run.metrics("learner")
    assert [row["round"] for row in rounds] == [1, 2, 3]
    assert all(row["summaries"] == row["selected"] == 4 for row in rounds)
    assert all(0 <= row["test_accuracy"] <= 1 and row["test_loss"] > 0 for row in rounds)
    assert rounds[-1]["model_sha256"] == run.hash and len({row["model_sha256"] for row in rounds}) == 3
    pairs = sorted((row["round"], row["learner"]) for row in learners)
    assert pairs == [(n, f"learner-{i}") for n in (1, 2, 3) for i in range(4)], pairs
    assert all(row["weight"] == 60 and row["train_loss"] > 0 for row in learners)
    for row in rounds:
        own = [it["train_loss"] for it in learners if it["round"] == row["round"]]
        assert abs(row["train_loss"] - sum(own) / 4) < 1e-12, (row, own)


def it_writes_a_model_that_numpy_reads_and_whose_hash_is_told(world):
    run = world.run(classes_experiment(world.folder))
    tensors = run.model()
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    assert shapes == {"0.weight": (8, 6), "0.bias": (8,), "2.weight": (3, 8), "2.bias": (3,)}, shapes
    assert sha256(run.folder / "model.safetensors") == run.hash
    features, labels = save_classes(world.folder, "test", n=60, seed=2)
    hidden = (features @ tensors["0.weight"].T + tensors["0.bias"]).clip(min=0)
    guesses = (hidden @ tensors["2.weight"].T + tensors["2.bias"]).argmax(axis=1)
    accuracy = (guesses == labels).mean()
    assert abs(accuracy - run.summary["final"]["test_accuracy"]) < 1e-6, accuracy


def it_starts_again_from_the_resolved_experiment_with_the_same_model(world):
    first = world.run(classes_experiment(world.folder), "--set", "collaboration.rounds=2", "--seed", 5)
    resolved = (first.folder / "experiment.yaml").read_text(encoding="utf-8")
    assert "seed: 5" in resolved and "rounds: 2" in resolved and "local_epochs: 1" in resolved
    assert world.run(resolved, out="again").hash == first.hash


def it_starts_from_the_weights_of_an_earlier_run(world):
    experiment = classes_experiment(world.folder)
    first = world.run(experiment, out="first")
    weights = f"model.weights={first.folder}/model.safetensors"
    second = world.run(experiment, "--set", weights, "--set", "collaboration.rounds=1", out="second")
    assert second.metrics("round")[0]["train_loss"] < first.metrics("round")[0]["train_loss"]


def it_stops_early_when_the_model_is_good_enough(world):
    stop = {"metric": "test_loss", "at_most": 100.0}
    run = world.run(classes_experiment(world.folder, collaboration={"rounds": 50, "stop": stop}))
    assert (run.summary["status"], run.summary["rounds"]) == ("stopped_early", 1), run.summary


def it_runs_a_round_without_test_data(world):
    run = world.run(classes_experiment(world.folder, data={"test": None}))
    assert run.summary["final"]["test_accuracy"] is None and run.summary["final"]["train_loss"] > 0


def it_selects_a_fraction_of_the_learners(world):
    participation = {"fraction": 0.5}
    run = world.run(classes_experiment(world.folder, collaboration={"rounds": 6, "participation": participation}))
    assert all(row["selected"] == row["summaries"] == 2 for row in run.metrics("round"))
    assert len({row["learner"] for row in run.metrics("learner")}) > 2


def first_round(process):
    for line in process.stdout:
        if re.match(r"round +1/", line):
            return
    raise AssertionError(f"no round came: {process.stderr.read()}")


def it_ends_cancelled_when_interrupted_in_the_middle(world):
    for number in signal.SIGINT, signal.SIGTERM:
        path = world.write("x.yaml", long_experiment(world.folder))
        process = world.start("run", path, "--out", f"out-{number}")
        first_round(process)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 130, (process.returncode, err)
        assert err.count("\n") == 1 and "cancelled" in err, err
        run = Run(world.folder / f"out-{number}")
        assert run.summary["status"] == "cancelled" and run.summary["rounds"] >= 1
        assert sha256(run.folder / "model.safetensors") == run.hash
        assert (run.folder / "report.html").exists()
        assert world.processes() == []


def it_ends_cancelled_when_interrupted_before_the_first_round(world):
    path = world.write("x.yaml", long_experiment(world.folder))
    process = world.start("run", path, "--out", "out")
    assert process.stdout.readline().startswith("starting 3 learners")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and err.count("\n") == 1, (process.returncode, err)
    assert Run(world.folder / "out").summary["status"] == "cancelled"
    assert world.processes() == []


def it_goes_on_when_nobody_reads_what_it_prints(world):
    path = world.write("x.yaml", classes_experiment(world.folder))
    process = world.start("run", path, "--out", "out")
    process.stdout.close()
    assert process.wait(120) == 0, process.stderr.read()
    assert Run(world.folder / "out").summary["status"] == "completed"


def it_takes_its_children_along_when_it_is_killed(world):
    path = world.write("x.yaml", long_experiment(world.folder))
    process = world.start("run", path, "--out", "out")
    first_round(process)
    children = [pid for pid in world.processes() if pid != process.pid]
    assert len(children) == 4, children
    process.kill()
    process.communicate(timeout=120)
    for pid in children:
        wait_for_end(pid)


def children_named(world, text):
    found = []
    for pid in world.processes():
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            if text in file.read():
                found.append(pid)
    return found


def it_ends_and_says_so_when_one_of_its_processes_dies(world):
    for name, argument in ("learner-1", "number_from=1"), ("coordinator", "read_data=true"):
        path = world.write("x.yaml", long_experiment(world.folder))
        process = world.start("run", path, "--out", name)
        first_round(process)
        os.kill(children_named(world, argument)[0], signal.SIGKILL)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1, (process.returncode, err)
        assert err.count("\n") == 1 and name in err and "signal 9" in err and f"{name}.log" in err, err
        assert world.processes() == []


def it_leaves_nothing_of_an_earlier_run_in_the_same_folder(world):
    experiment = classes_experiment(world.folder)
    world.run(experiment, "--set", "collaboration.rounds=5")
    run = world.run(experiment, "--set", "collaboration.learners=2")
    assert [row["round"] for row in run.metrics("round")] == [1, 2, 3]
    assert rows_of(run) == {"learner-0", "learner-1"} and sha256(run.folder / "model.safetensors") == run.hash


def it_leaves_a_whole_folder_or_none_whenever_it_is_killed(world):
    """COHORT_DIE_AT=n kills it at the nth step of writing something; then it runs again, to the same folder."""
    experiment = classes_experiment(world.folder, collaboration={"rounds": 1, "learners": 1})
    path = world.write("x.yaml", experiment)
    wanted = world.run(experiment, out="wanted")
    whole = {str(path.relative_to(wanted.folder)) for path in wanted.folder.rglob("*")}
    out, step, killed = world.folder / "out", 0, True
    while killed:
        step += 1
        world.environment["COHORT_DIE_AT"] = str(step)
        killed = world.cohort("run", path, "--out", "out", "--quiet")[0] == -signal.SIGKILL
        del world.environment["COHORT_DIE_AT"]
        if out.exists():
            assert {str(path.relative_to(out)) for path in out.rglob("*")} == whole, f"half a folder at step {step}"
            assert Run(out).hash == wanted.hash
    assert step > 10, f"only {step} steps"
    assert sorted(path.name for path in world.folder.glob("out*")) == ["out"], "something was left behind"


def it_takes_only_a_folder_of_its_own(world):
    path = world.write("x.yaml", long_experiment(world.folder))
    (world.folder / "mine").mkdir()
    (world.folder / "mine" / "thesis.tex").write_text("all of it")
    code, _, err = world.cohort("run", path, "--out", "mine")
    assert code == 2 and "other files" in err, err
    code, _, err = world.cohort("run", path, "--out", "x.yaml")
    assert code == 2 and "is a file" in err, err
    process = world.start("run", path, "--out", "out/")
    first_round(process)
    code, _, err = world.cohort("run", path, "--out", "out")
    assert code != 0 and "another run" in err, err
    assert (world.folder / "out.unfinished" / "metrics.jsonl").exists() and not (world.folder / "out").exists()
    process.kill()
    process.communicate(timeout=120)
    assert sorted(path.name for path in world.folder.glob("mine*")) == ["mine"]


def rows_of(run):
    return {row["learner"] for row in run.metrics("learner")}


def it_keeps_runs_of_one_experiment_apart(world):
    path = world.write("x.yaml", classes_experiment(world.folder))
    started = [world.start("run", path, "--quiet") for _ in range(4)]
    for process in started:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    folders = list((world.folder / "runs").iterdir())
    assert len(folders) == 4, folders
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    assert len({summary["model_sha256"] for summary in summaries}) == 1


main(globals())
