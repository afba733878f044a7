#!/usr/bin/env python3
"""./dev lint: clang-tidy (.clang-tidy) and cppcheck (tests/lint/cppcheck.txt) over every C source: lint.py BUILD [FILE...]

Prints what they find; exit code 1 when there is anything. What was found clean is remembered in BUILD/lint by the hash of the
preprocessed source and of the checks, so that only what changed is looked at again.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATED = "protos/"  # nanopb's
FACTS = ROOT / "tests/lint/facts.h"
FACTS_OF = ("lib/base/error.c", "lib/config/mark.c")  # which define what the facts are about


def commands(build):
    """{source: (folder, compiler's words)} of the project's own sources, each once."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if source.is_relative_to(ROOT) and not source.is_relative_to(build):
            found.setdefault(source.relative_to(ROOT).as_posix(), (entry["directory"], shlex.split(entry["command"])))
    return {name: row for name, row in found.items() if not name.startswith(GENERATED)}


def preprocessed(row):
    folder, words = row
    takes_one, alone = ("-o", "-MQ", "-MF"), ("-c", "-MD", "ccache")
    kept = [word for before, word in zip(["", *words], words) if word not in takes_one + alone and before not in takes_one]
    return subprocess.run([*kept, "-E"], cwd=folder, capture_output=True, check=True).stdout


def tidy(build, name, row, version):
    seen = build / "lint" / (name.replace("/", "!") + ".clean")
    own = ROOT / "tests/.clang-tidy"
    checks = version + own.read_bytes() if name.startswith("tests/") else version
    mark = hashlib.sha256(checks + preprocessed(row)).hexdigest()
    if seen.exists() and seen.read_text() == mark:
        return name, ""
    told = [] if name in FACTS_OF else [f"--extra-arg=-include{FACTS}"]
    done = subprocess.run(
        ["clang-tidy", "-p", build, "--quiet", *told, ROOT / name], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode == 0 and " error: " not in done.stdout:
        seen.write_text(mark)
        return name, ""
    return name, done.stdout or done.stderr


def cppcheck(build, names):
    cache = build / "lint" / "cppcheck"
    cache.mkdir(exist_ok=True)
    # Criterion's macros are not C to it: only what is not a test of theirs.
    filters = [f"--file-filter={ROOT / name}" for name in names if not name.startswith(("tests/unit/", "tests/conformance/"))]
    if not filters:
        return ""
    done = subprocess.run(
        [
            "cppcheck", f"--project={build / 'compile_commands.json'}", "--quiet", "--enable=warning,performance,portability",
            "--library=posix", "--library=gnu", "--inline-suppr", f"--suppressions-list={ROOT / 'tests/lint/cppcheck.txt'}",
            f"--cppcheck-build-dir={cache}", "-D__CPPCHECK__=1", f"-j{os.cpu_count()}", "--error-exitcode=1", "-i", build, *filters,
        ],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stderr + done.stdout


def main():
    parser = argparse.ArgumentParser(prog="./dev lint", description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("files", nargs="*", metavar="FILE", help="only these")
    arguments = parser.parse_intermixed_args()
    build = arguments.build.resolve()
    (build / "lint").mkdir(exist_ok=True)
    rows = commands(build)
    for name in arguments.files:
        if name not in rows:
            parser.error(f"'{name}' is not compiled here; name a .c file from the top folder")
    names = arguments.files or sorted(rows)
    version = (ROOT / ".clang-tidy").read_bytes() + FACTS.read_bytes() + subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for name, found in pool.map(lambda name: tidy(build, name, rows[name], version), names):
            bad += bool(found)
            if found:
                print(re.sub(r"^\d+ warnings? (and \d+ errors? )?(generated|treated as errors)\.?\n", "", found, flags=re.M), flush=True)
    found = cppcheck(build, names)
    bad += bool(found)
    print(found, end="")
    print(f"{len(names)} files, {bad} with findings")
    return bad > 0


sys.exit(main())
