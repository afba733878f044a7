#!/usr/bin/env python3
"""How long schedules take with one learner of ten that is ten times as slow as the others, as a Markdown table.

    bench/stragglers.py build [--data DIR] [--seeds 1,2,3]

For each seed ten synchronous rounds set the accuracy; the other schedules go on for more rounds, and the table tells when
each first had it. Times count from the first round's start. Only Python's standard library is needed.
"""
import argparse
import datetime
import json
import pathlib
import shutil
import statistics
import subprocess

MNIST_FILES = {
    "data.train.features": "train-images-idx3-ubyte.gz",
    "data.train.labels": "train-labels-idx1-ubyte.gz",
    "data.test.features": "t10k-images-idx3-ubyte.gz",
    "data.test.labels": "t10k-labels-idx1-ubyte.gz",
}
# Label, experiment, overrides. The first sets the accuracy.
ROWS = [
    ("synchronous, everyone awaited", "digits-slow-learner", ["collaboration.rounds=10"]),
    ("synchronous, 7 of 10 wanted, 10 selected", "digits-over-selection", ["collaboration.rounds=20"]),
    ("semi-synchronous, 0.5 s", "digits-semi-synchronous", ["collaboration.rounds=20"]),
    ("FedBuff, 5", "digits-fedbuff", ["collaboration.rounds=40"]),
    ("FedAsync", "digits-fedasync", ["collaboration.rounds=200"]),
]


def run(build, experiment, seed, overrides, data, out):
    shutil.rmtree(out, ignore_errors=True)
    command = [build / "bin/cohort", "run", f"config/experiments/{experiment}.yaml", "--out", out, "--quiet"]
    command += ["--seed", str(seed)]
    if data:
        overrides = overrides + [f"{key}={data / name}" for key, name in MNIST_FILES.items()]
    for override in overrides + ["simulation.step_time=10ms"]:
        command += ["--set", override]
    subprocess.run(command, check=True)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    rounds = [line for line in lines if line["type"] == "round"]
    times = [datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() for line in rounds]
    start = times[0] - rounds[0]["seconds"]
    stale = [line["staleness"] for line in lines if line["type"] == "learner" and "staleness" in line]
    return [(t - start, line["test_accuracy"]) for t, line in zip(times, rounds)], statistics.mean(stale)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="the build folder")
    parser.add_argument("--data", type=pathlib.Path, help="a folder with MNIST's four files, instead of the experiments' data")
    parser.add_argument("--seeds", default="1,2,3", help="comma-separated (default %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/stragglers"), help="(default %(default)s)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    seconds, best, stale = ({label: [] for label, *_ in ROWS} for _ in range(3))
    for seed in map(int, arguments.seeds.split(",")):
        target = None
        for label, experiment, overrides in ROWS:
            out = arguments.out / f"{experiment}-{seed}"
            curve, mean_stale = run(arguments.build, experiment, seed, overrides, arguments.data, out)
            target = target or curve[-1][1]
            seconds[label].append(next((t for t, accuracy in curve if accuracy >= target), float("inf")))
            best[label].append(curve[-1][1])
            stale[label].append(mean_stale)
    base = seconds[ROWS[0][0]]
    print("| schedule | s to the synchronous accuracy | share of its time | final accuracy | mean staleness |")
    print("|---|---|---|---|---|")
    for label, *_ in ROWS:
        shares = [mine / sync for mine, sync in zip(seconds[label], base)]
        print(
            f"| {label} | {statistics.median(seconds[label]):.1f} ({min(seconds[label]):.1f} to {max(seconds[label]):.1f}) "
            f"| {statistics.median(shares):.2f} | {statistics.median(best[label]):.3f} | {statistics.mean(stale[label]):.1f} |"
        )


main()
