#!/usr/bin/env python3
"""Drives the fuzz targets that are built with libFuzzer: run.py BUILD [--seconds N] [--jobs N] [TARGET...]
Or tells what the saved inputs reach of what each target is for: run.py BUILD --coverage [TARGET...]

New inputs gather in BUILD/corpus/TARGET; a finding stops its target and lies in BUILD/findings/. To keep one: fix it,
then put the input into tests/fuzz/regressions/TARGET under a name that says what was wrong.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What each target is for, as coverage is counted. The lines that only network, disk faults or lack of memory
# reach are in it.
SOURCES = {
    "address": ["lib/rpc/address.c"],
    "certificate": ["lib/rpc/verify.c"],
    "chunks": ["lib/rpc/chunks.c", "lib/rpc/message.c"],
    "codecs": ["lib/summary/*.c"],
    "csv": ["lib/data/csv*.c"],
    "experiment": ["lib/experiment/*.c", "lib/config/fields_read.c", "lib/config/fields_value.c", "lib/config/fields_dump.c"],
    "http": ["lib/report/prometheus.c", "lib/report/prometheus_server.c"],
    "idx": ["lib/data/idx.c", "lib/data/array.c", "lib/data/arrays.c", "lib/data/stream.c"],
    "journal": ["lib/store/journal.c", "lib/store/journal_read.c", "coordinator/job_restore.c", "coordinator/round_restore.c"],
    "messages": ["lib/rpc/message.c"],
    "models": ["learner/incoming.c", "lib/experiment/coding.c", "lib/summary/coder.c", "lib/summary/delta.c"],
    "npy": ["lib/data/npy*.c", "lib/data/array.c", "lib/data/arrays.c"],
    "npz": ["lib/data/npz.c", "lib/data/zip.c", "lib/data/stream.c"],
    "peers": ["learner/peers.c", "learner/peers_cut.c", "learner/peers_door.c", "learner/peers_mix.c", "learner/peers_ring.c"],
    "records": ["lib/store/record.c", "lib/store/chain.c"],
    "reflection": ["lib/rpc/descriptors.c"],
    "safetensors": ["lib/store/safetensors_read.c"],
    "spool": ["lib/store/spool.c"],
    "state": ["learner/state.c"],
    "summary": ["coordinator/ingest.c", "coordinator/ingest_finish.c", "coordinator/partial.c", "lib/reduce/ring.c", "lib/rpc/chunks.c"],
    "tokens": ["lib/rpc/tokens.c", "lib/rpc/access.c"],
    "yaml": ["lib/config/yaml.c", "lib/config/document.c"],
}
BYTES_MAX = {"journal": 1 << 16}  # of an input; 4096 elsewhere


def environment(**more):
    return os.environ | {
        "LSAN_OPTIONS": f"print_suppressions=0:suppressions={ROOT}/tests/lsan.supp",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    } | more


def saved(target):
    return [str(folder / target) for folder in (HERE / "corpus", HERE / "regressions") if (folder / target).is_dir()]


def run(command, log, **more):
    """The exit code, and the seconds of processor time that it took."""
    with tempfile.TemporaryDirectory(prefix="cohort-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        with open(log, "w") as out:
            process = subprocess.Popen(command, env=environment(TMPDIR=folder, **more), stdout=out, stderr=out)
            _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def fuzz(build, target, seconds):
    found, corpus = build / "findings", build / "corpus" / target
    for folder in (found, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        "nice", build / f"tests/fuzz/fuzz-{target}", f"-max_total_time={seconds}", f"-max_len={BYTES_MAX.get(target, 4096)}",
        "-timeout=120", "-rss_limit_mb=2048", f"-artifact_prefix={found}/{target}-", corpus, *saved(target),
    ]  # fmt: skip
    log = build / f"fuzz-{target}.log"
    code, cpu_s = run(command, log)
    told = log.read_text(errors="replace")
    last = re.findall(r"^#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+)", told, re.M)
    if code == 0 and last:
        runs, edges, features = last[-1]
        line = f"{target}: {int(runs):,} inputs in {seconds} s ({cpu_s:.0f} s of a processor), {edges} edges, {features} features, no finding"
        return True, line, cpu_s
    return False, f"{target}: FOUND SOMETHING, see {log} and {found}/\n{told[-3000:]}", cpu_s


def coverage(build, target, _seconds):
    raw, data = build / f"{target}.profraw", build / f"{target}.profdata"
    program = build / f"tests/fuzz/fuzz-{target}"
    extra = ROOT / "build-fuzz/corpus" / target  # what earlier fuzzing gathered, if any
    folders = saved(target) + ([str(extra)] if extra.is_dir() else [])
    code, _ = run([program, *folders], build / f"{target}.log", LLVM_PROFILE_FILE=str(raw))
    assert code == 0, f"{target} does not replay, see {build}/{target}.log"
    subprocess.run(["llvm-profdata", "merge", "-sparse", raw, "-o", data], check=True)
    told = subprocess.run(
        ["llvm-cov", "export", "-summary-only", program, f"-instr-profile={data}"], capture_output=True, text=True, check=True
    ).stdout
    wanted = {path.relative_to(ROOT).as_posix() for pattern in SOURCES[target] for path in ROOT.glob(pattern)}
    files = json.loads(told)["data"][0]["files"]
    sums = [file["summary"] for file in files if os.path.relpath(os.path.normpath(file["filename"]), ROOT) in wanted]
    assert len(sums) >= len(wanted) // 2, f"{target}: {len(sums)} of {len(wanted)} sources are in the program"

    def share(kind):
        return f"{100 * sum(one[kind]['covered'] for one in sums) / max(1, sum(one[kind]['count'] for one in sums)):.0f} %"

    return True, f"| {target} | {', '.join(SOURCES[target])} | {share('lines')} | {share('branches')} |", 0


def main():
    parser = argparse.ArgumentParser(prog="./dev fuzz")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="targets at once")
    parser.add_argument("--coverage", action="store_true", help="what the saved inputs reach, as a table")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(SOURCES))
    arguments = parser.parse_intermixed_args()
    for target in arguments.targets:
        if target not in SOURCES:
            parser.error(f"there is no target '{target}': {', '.join(SOURCES)}")
    if arguments.coverage:
        print("| target | of | lines | branches |\n|---|---|---|---|")
    fine, cpu_s = True, 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        one = coverage if arguments.coverage else fuzz
        build = arguments.build.resolve()
        for good, line, spent_s in pool.map(lambda target: one(build, target, arguments.seconds), arguments.targets or SOURCES):
            print(line, flush=True)
            fine &= good
            cpu_s += spent_s
    if not arguments.coverage:
        print(f"{cpu_s / 60:.1f} minutes of a processor in all, {'no finding' if fine else 'SOMETHING FOUND'}")
    return not fine


sys.exit(main())
