#!/usr/bin/env python3
"""How good experiments get, over seeds: a Markdown table of final accuracies, rounds to a target, learners' own accuracies.

    ./dev bench accuracy config/experiments/digits-fedavg.yaml config/experiments/digits-fedprox.yaml --seeds 1,2,3,4,5
    ./dev bench accuracy --data DIR --holdout 0.2 --target 0.85 \\
        --row fedavg config/experiments/digits-fedavg.yaml \\
        --row 'fedprox, mu 0.1' config/experiments/digits-fedavg.yaml 'collaboration.algorithm={kind: fedprox, mu: 0.1}' \\
        --partition 'Dirichlet(0.1)' '{kind: dirichlet, alpha: 0.1}' --partition iid iid

Every row runs on every partition with every seed, through `cohort run`. A run that is in the output folder already, made with the
same arguments, is not made again. Only Python's standard library is needed.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

MNIST_FILES = {
    "data.train.features": "train-images-idx3-ubyte.gz",
    "data.train.labels": "train-labels-idx1-ubyte.gz",
    "data.test.features": "t10k-images-idx3-ubyte.gz",
    "data.test.labels": "t10k-labels-idx1-ubyte.gz",
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="the build folder; ./dev bench fills it in")
    parser.add_argument("experiments", nargs="*", help="YAML files, a row each (default config/experiments/digits-*.yaml)")
    parser.add_argument("--row", nargs="+", action="append", default=[], metavar="LABEL FILE [KEY=VALUE]...",
                        help="a row of the table: an experiment with overrides")
    parser.add_argument("--partition", nargs=2, action="append", default=[], metavar=("LABEL", "VALUE"),
                        help="a value of data.partition to run every row on (default: what the files say)")
    parser.add_argument("--data", type=pathlib.Path, help="a folder with MNIST's four files, instead of the experiments' data")
    parser.add_argument("--seeds", default="1,2,3,4,5", help="comma-separated (default %(default)s)")
    parser.add_argument("--rounds", type=int, help="instead of the experiments' own")
    parser.add_argument("--target", type=float, default=0.85, help="test accuracy to count the rounds to (default %(default)s)")
    parser.add_argument("--holdout", type=float, help="share of their samples that learners hold out to evaluate on")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an override for every row")
    parser.add_argument("--keep-stop", action="store_true", help="let experiments' stop rules end runs early")
    parser.add_argument("--processes", type=int, help="processes that host a run's learners (default: as cohort run chooses)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/accuracy"), help="(default %(default)s)")
    return parser.parse_intermixed_args()


def rows_of(arguments):
    rows = [(row[0], row[1], row[2:]) for row in arguments.row if len(row) > 1]
    files = arguments.experiments
    if not rows and not files:
        files = sorted(str(path) for path in pathlib.Path("config/experiments").glob("digits-*.yaml"))
    return [(pathlib.Path(file).stem, file, []) for file in files] + rows


def overrides_of(arguments, row, partition, seed):
    overrides = [f"seed={seed}"]
    if not arguments.keep_stop:
        overrides.append("collaboration.stop=null")
    if arguments.data:
        overrides += [f"{key}={arguments.data / name}" for key, name in MNIST_FILES.items()]
    if partition[1]:
        overrides.append(f"data.partition={partition[1]}")
    if arguments.rounds:
        overrides.append(f"collaboration.rounds={arguments.rounds}")
    if arguments.holdout is not None:
        overrides.append(f"evaluation.holdout={arguments.holdout}")
    return overrides + arguments.set + row[2]


def run(arguments, row, partition, seed):
    """The run's folder, made unless it is there, and the fault that ended the run, if one did."""
    overrides = overrides_of(arguments, row, partition, seed)
    text = pathlib.Path(row[1]).read_text(encoding="utf-8")
    name = hashlib.sha256(json.dumps([text, overrides]).encode()).hexdigest()[:16]
    folder = arguments.out / f"{pathlib.Path(row[1]).stem}-{name}"
    fault = folder / "fault.txt"
    if (folder / "summary.json").exists():
        return folder, fault.read_text(encoding="utf-8") if fault.exists() else ""
    shutil.rmtree(folder, ignore_errors=True)
    command = [arguments.build / "bin/cohort", "run", row[1], "--quiet", "--out", folder]
    command += [word for override in overrides for word in ("--set", override)]
    if arguments.processes:
        command += ["--processes", str(arguments.processes)]
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}  # both slow OpenBLAS where a shell sets them
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode and folder.exists():
        fault.write_text(done.stderr.strip(), encoding="utf-8")
    return folder, done.stderr.strip() if done.returncode else ""


def read_run(folder, target):
    """What the table needs of a run; None for what it does not tell."""
    if not (folder / "summary.json").exists():
        return None
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    accuracies = [(record["round"], record["test_accuracy"]) for record in records
                  if record["type"] == "round" and record.get("test_accuracy") is not None]
    final = summary["final"]
    return {
        "final": final["test_accuracy"],
        "best": max((accuracy for _, accuracy in accuracies), default=None),
        "rounds": next((number for number, accuracy in accuracies if accuracy >= target), None),
        "own": final.get("local_accuracy"),
        "worst": final.get("local_accuracy_worst"),
        "spread": final.get("local_accuracy_std"),
        "bytes": (summary["bytes_up"] + summary["bytes_down"]) / max(summary["rounds"], 1),
        "seconds": summary["wall_seconds"],
    }


def spread(values, digits):
    values = [value for value in values if value is not None]
    if not values:
        return "–"
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def table_row(label, partition, runs, n_wanted):
    cells = [label, partition]
    reached = [one["rounds"] for one in runs if one["rounds"] is not None]
    cells += [spread([one[key] for one in runs], 4) for key in ("final", "best")]
    cells.append(spread(reached, 1) + (f" ({len(reached)} of {n_wanted})" if 0 < len(reached) < n_wanted else ""))
    cells += [spread([one[key] for one in runs], 4) for key in ("own", "worst", "spread")]
    cells.append(spread([one["bytes"] / 1e6 for one in runs], 2).split(" ")[0])
    cells.append(spread([one["seconds"] for one in runs], 1))
    if len(runs) < n_wanted:
        cells[2] += f" ({len(runs)} of {n_wanted} runs)"
    return "| " + " | ".join(cells) + " |"


def main():
    arguments = parse_arguments()
    rows, partitions = rows_of(arguments), arguments.partition or [("as written", "")]
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    arguments.out.mkdir(parents=True, exist_ok=True)
    header = ["experiment", "partition", "final accuracy", "best", f"rounds to {arguments.target:g}", "learners' own", "worst learner",
              "between learners", "MB a round", "seconds"]
    print("| " + " | ".join(header) + " |\n|" + " --- |" * len(header), flush=True)
    faults = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        waiting = [(row, partition, [pool.submit(run, arguments, row, partition, seed) for seed in seeds])
                   for row in rows for partition in partitions]
        for row, partition, futures in waiting:
            outcomes = [future.result() for future in futures]
            faults += [f"{row[0]}, {partition[0]}, seed {seed}: {fault}"
                       for seed, (_, fault) in zip(seeds, outcomes) if fault]
            runs = [one for one in (read_run(folder, arguments.target) for folder, _ in outcomes) if one]
            print(table_row(row[0], partition[0], runs, len(seeds)), flush=True)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


sys.exit(main())
