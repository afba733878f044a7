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
    "idx": ["lib/data/idx.c", "lib/data/array.c", "lib/data/arrays.c", "lib/data/stream.c"],
    "messages": ["lib/rpc/message.c"],
    "npy": ["lib/data/npy*.c", "lib/data/array.c", "lib/data/arrays.c"],
    "npz": ["lib/data/npz.c", "lib/data/zip.c", "lib/data/stream.c"],
    "records": ["lib/store/record.c"],
    "reflection": ["lib/rpc/descriptors.c"],
    "safetensors": ["lib/store/safetensors_read.c"],
    "summary": ["coordinator/ingest.c", "coordinator/ingest_finish.c", "coordinator/partial.c", "lib/reduce/ring.c", "lib/rpc/chunks.c"],
    "tokens": ["lib/rpc/tokens.c", "lib/rpc/access.c"],
    "yaml": ["lib/config/yaml.c", "lib/config/document.c"],
}


def environment(**more):
    return os.environ | {
        "LSAN_OPTIONS": f"print_suppressions=0:suppressions={ROOT}/tests/lsan.supp",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    } | more


def saved(target):
    return [str(folder / target) for folder in (HERE / "corpus", HERE / "regressions") if (folder / target).is_dir()]


def fuzz(build, target, seconds):
    found, corpus = build / "findings", build / "corpus" / target
    for folder in (found, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        build / f"tests/fuzz/fuzz-{target}", f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10",
        "-rss_limit_mb=2048", f"-artifact_prefix={found}/{target}-", corpus, *saved(target),
    ]  # fmt: skip
    done = subprocess.run(["nice", *command], env=environment(), capture_output=True, text=True, errors="replace", check=False)
    (build / f"fuzz-{target}.log").write_text(done.stderr)
    last = re.findall(r"^#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+)", done.stderr, re.M)
    if done.returncode == 0 and last:
        runs, edges, features = last[-1]
        return True, f"{target}: {int(runs):,} inputs in {seconds} s, {edges} edges, {features} features, no finding"
    return False, f"{target}: FOUND SOMETHING, see {build}/fuzz-{target}.log and {found}/\n{done.stderr[-3000:]}"


def coverage(build, target, _seconds):
    raw, data = build / f"{target}.profraw", build / f"{target}.profdata"
    program = build / f"tests/fuzz/fuzz-{target}"
    extra = ROOT / "build-fuzz/corpus" / target  # what earlier fuzzing gathered, if any
    folders = saved(target) + ([str(extra)] if extra.is_dir() else [])
    subprocess.run([program, *folders], env=environment(LLVM_PROFILE_FILE=str(raw)), capture_output=True, check=True)
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

    return True, f"| {target} | {', '.join(SOURCES[target])} | {share('lines')} | {share('branches')} |"


def main():
    parser = argparse.ArgumentParser(prog="./dev fuzz")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="targets at once")
    parser.add_argument("--coverage", action="store_true", help="what the saved inputs reach, as a table")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(SOURCES))
    arguments = parser.parse_args()
    for target in arguments.targets:
        if target not in SOURCES:
            parser.error(f"there is no target '{target}': {', '.join(SOURCES)}")
    if arguments.coverage:
        print("| target | of | lines | branches |\n|---|---|---|---|")
    fine = True
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        one = coverage if arguments.coverage else fuzz
        build = arguments.build.resolve()
        for good, line in pool.map(lambda target: one(build, target, arguments.seconds), arguments.targets or SOURCES):
            print(line, flush=True)
            fine &= good
    return not fine


sys.exit(main())
