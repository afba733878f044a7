#!/usr/bin/python3
"""Cohort beside its peers, on the same work in the same run: ./dev bench [PART...] [--repetitions N] [--data DIR] ...

Contestants take turns, repetition by repetition, in a network namespace of its own with reno, as a loopback's speed hangs on the
congestion control and on packet filters (without the right to make one: as the machine is, and the tables say so). Prints a table
a part, medians and spread; keeps tables, plots and every figure in --out. Peers that are not installed are left out.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import suite_parts
import suite_report

DOCUMENT = pathlib.Path(__file__).resolve().parents[1] / "docs/benchmarks.md"


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="the build folder; ./dev bench fills it in")
    parser.add_argument("parts", nargs="*", metavar="PART", help="of " + ", ".join(suite_parts.PARTS) + " (default: all)")
    parser.add_argument("--repetitions", type=int, default=7, help="of each part (default %(default)s)")
    parser.add_argument("--data", type=pathlib.Path, help="a folder with MNIST's four files (default: digits drawn for the run)")
    parser.add_argument("--target", type=float, default=0.91, help="test accuracy that codecs are measured to (default %(default)s)")
    parser.add_argument("--only", help="comma-separated words: contestants whose names have one of them (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try whether all of it works")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/bench"), help="(default %(default)s)")
    parser.add_argument("--docs", action="store_true", help=f"put tables into docs/{DOCUMENT.name} and plots beside it as well")
    arguments = parser.parse_intermixed_args()
    unknown = [part for part in arguments.parts if part not in suite_parts.PARTS]
    if unknown:
        parser.error(f"unknown part '{unknown[0]}'; parts are {', '.join(suite_parts.PARTS)}")
    if arguments.repetitions < 1:
        parser.error("--repetitions must be 1 or more")
    return arguments


def enter_namespace():
    """Starts this script anew in a network namespace of its own, where that is allowed; in one of processes as well, so that
    nothing outlives it."""
    unshare = ["unshare", "-n" if os.geteuid() == 0 else "-rn", "--pid", "--fork", "--kill-child", "--mount-proc"]
    inside = dict(os.environ, COHORT_BENCH_INSIDE="1")
    if "COHORT_BENCH_INSIDE" not in os.environ:
        if shutil.which("unshare") and subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0:
            os.execvpe(unshare[0], [*unshare, sys.executable, *sys.argv], inside)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the first process of a namespace has no default for it
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno"], check=False)


def set_environment():
    """The same for everyone: one thread of BLAS a process, no kernel set forced by the shell, MPI started by root as by others."""
    for key in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(key, None)
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", GLOO_SOCKET_IFNAME="lo",
                      OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def contestants_of(part, world, only):
    words = only.split(",") if only else [""]
    chosen = {}
    for name, contestant in part.contestants(world).items():
        missing = suite_parts.missing_for(name)
        if missing:
            print(f"{part.name}: {name} is left out: '{missing}' is not installed", file=sys.stderr)
        elif any(word.strip().lower() in name.lower() for word in words):
            chosen[name] = contestant
    return chosen


def measure(part, world, arguments):
    """{case: {contestant: [figures of one repetition]}} of one part, and what failed."""
    figures, faults = {}, []
    contestants = contestants_of(part, world, arguments.only)
    n_repetitions = 1 if arguments.quick else min(arguments.repetitions, part.repetitions or arguments.repetitions)
    for repetition in range(n_repetitions):
        for name, contestant in list(contestants.items()):
            start = time.monotonic()
            try:
                found = contestant(repetition)
            except (subprocess.SubprocessError, OSError, ValueError, KeyError, suite_parts.Skipped) as fault:
                faults.append(f"{part.name}, {name}: {suite_parts.told(fault)}")
                print(faults[-1], file=sys.stderr)
                del contestants[name]  # not again
                continue
            print(f"{part.name} {repetition + 1} of {n_repetitions}: {name}, {time.monotonic() - start:.1f} s",
                  file=sys.stderr, flush=True)
            for case, values in found.items():
                case, who = case if isinstance(case, tuple) else (case, name)
                figures.setdefault(case, {}).setdefault(who, []).append(values)
    return figures, faults


def main():
    arguments = parse_arguments()
    enter_namespace()
    set_environment()
    arguments.out.mkdir(parents=True, exist_ok=True)
    words = ["FOLDER_WITH_MNIST" if before == "--data" else word for before, word in zip(sys.argv[1:], sys.argv[2:])]
    command = "./dev bench " + " ".join(words)
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        world = suite_parts.World(arguments.build, pathlib.Path(folder), arguments.data, arguments.target, arguments.quick)
        for name in arguments.parts or suite_parts.PARTS:
            part = suite_parts.PARTS[name]
            figures, failed = measure(part, world, arguments)
            faults += failed
            if not figures:
                continue
            (arguments.out / f"{name}.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
            report = suite_report.section(part, figures, command.strip(), suite_report.machine())
            (arguments.out / f"{name}.md").write_text(report, encoding="utf-8")
            plot = suite_report.plot(part, figures)
            (arguments.out / f"{name}.svg").write_text(plot, encoding="utf-8")
            print(report, flush=True)
            if arguments.docs:
                suite_report.update(DOCUMENT, part, report, plot)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


sys.exit(main())
