#!/usr/bin/env python3
"""Checks who includes whom, and what else holds for every file: check_layering.py SOURCE_ROOT BUILD_ROOT

Prints TAP. What may include what is the table MAY_INCLUDE below; change it together with docs/architecture.md.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

# A folder, and the folders just below it; what those may include, it may too.
MAY_INCLUDE = {
    "base": [],
    "config": ["base"],
    "data": ["config"],
    "nn": ["config"],
    "summary": ["nn"],
    "reduce": ["summary"],
    "privacy": ["reduce"],
    "topology": ["config"],
    "algorithm": ["nn", "data", "summary", "reduce", "privacy"],
    "simulation": ["data"],
    "experiment": ["algorithm", "topology", "simulation"],
    "store": ["summary"],
    "report": ["summary"],
    "rpc": ["base", "protos"],
    # Programs: anything in lib/, never each other.
    "coordinator": ["experiment", "store", "report", "rpc"],
    "learner": ["experiment", "store", "report", "rpc"],
    "cli": ["experiment", "store", "report", "rpc"],
    "bench": ["experiment", "store", "report", "rpc"],
}
PROGRAMS = ["coordinator", "learner", "cli", "bench"]

# Files that see less than their folder: simulations run them by the thousand, without network or disk.
SEES_LESS = {
    "coordinator/round.c": ["rpc", "protos", "store"],
    "coordinator/round.h": ["rpc", "protos", "store"],
    "coordinator/round_impl.h": ["rpc", "protos", "store"],
    "coordinator/round_continuous.c": ["rpc", "protos", "store"],
    "coordinator/round_in_step.c": ["rpc", "protos", "store"],
    "coordinator/round_restore.c": ["rpc", "protos", "store"],
    "coordinator/round_view.c": ["rpc", "protos", "store"],
}

# System headers that belong to one folder alone.
OWNED_HEADERS = {
    "grpc/": ["rpc"],
    "yaml.h": ["config"],
    "cblas.h": ["nn"],
    "openssl/": ["base", "rpc", "privacy"],
    "sqlite3.h": ["store"],
    "microhttpd.h": ["report"],
}

# Sources that no test of their own folder reaches, and what does instead. A row that is no longer needed is
# noted.
TESTED_ELSEWHERE = {
    "lib/config/program.c": "the command line of a service, and its exit: tests/e2e",
    "lib/config/security.c": "a table of settings: tests/unit/config/test_service.c, tests/e2e/test_security.py",
    "lib/rpc/accept.c": "connections beyond the bound, descriptors that run out: tests/e2e/test_limits.py",
}

LINES_MAX = 500


def allowed(folder):
    seen, waiting = set(), [folder]
    while waiting:
        below = waiting.pop()
        if below not in seen:
            seen.add(below)
            waiting += MAY_INCLUDE.get(below, [])
    return seen


def folder_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "lib" else parts[0]


def sources(root, folders, *suffixes):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path.relative_to(root).as_posix()


def owner(name, includer, root):
    """The folder that the header `name` belongs to."""
    if name.endswith(".pb.h"):
        return "protos"
    if "/" not in name:  # beside the includer
        return folder_of(includer) if (root / includer).with_name(name).exists() else "generated"
    first = name.split("/")[0]
    if first in PROGRAMS or (root / "lib" / name).exists() or first in MAY_INCLUDE:
        return first
    return folder_of(includer) if (root / includer).parent.joinpath(name).exists() else "unknown"


def check_includes(root):
    for path in sources(root, ["lib"] + PROGRAMS, ".c", ".h"):
        folder = folder_of(path)
        may = allowed(folder) | {"generated"}
        less = SEES_LESS.get(path, [])
        text = (root / path).read_text()
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
            of = owner(name, path, root)
            if of not in may:
                yield f'{path} includes "{name}": {folder} may include {", ".join(sorted(may - {"generated"}))}'
            elif of in less:
                yield f'{path} includes "{name}": it sees no {of}, which is handed in'
        for name in re.findall(r"^\s*#\s*include\s+<([^>]+)>", text, re.M):
            for prefix, folders in OWNED_HEADERS.items():
                if name.startswith(prefix) and folder not in folders:
                    yield f"{path} includes <{name}>, which belongs to {', '.join(folders)}"


def rows(path):
    return re.findall(r"^X\((\w+)\)", path.read_text(), re.M)


def registries(root):
    for folder in ["lib"] + PROGRAMS:
        yield from sorted((root / folder).rglob("*.def"))


def row_file(registry, row):
    beside = [registry.parent / f"{row}.c", registry.parent / registry.stem / f"{row}.c"]
    return next((path for path in beside if path.exists()), None)


def check_rows(root):
    for registry in registries(root):
        names = rows(registry)
        for row in names:
            if not row_file(registry, row):
                yield f"{registry.relative_to(root)} names '{row}', but {row}.c is not beside it"
        for row in sorted({row for row in names if names.count(row) > 1}):
            yield f"{registry.relative_to(root)} names '{row}' twice"


def exported(text):
    """Functions and tables that a source defines for others."""
    names = re.findall(r"^(?!static|typedef|extern)[a-z][\w \*]*?\b(\w+)\(", text, re.M)
    return set(names + re.findall(r"^const struct [\w ]+?\*?(\w+)(?:\[\w*\])? = ", text, re.M))


def words_of(paths):
    return {word for path in paths for word in re.findall(r"\w+", path.read_text())}


def conforming(root):
    """Sources of registries' rows that a test loops over, or names as an experiment does."""
    for registry in registries(root):
        folder = root / "tests/unit" / registry.parent.relative_to(root).as_posix().removeprefix("lib/")
        text = "".join(path.read_text() for path in folder.glob("*.c"))
        looped = (root / "tests/conformance" / f"test_{registry.stem}.c").exists()
        for row in rows(registry):
            if looped or re.search(rf'"{row}"|\b(kind|format): {row}\b', text):
                yield row_file(registry, row)


def stands_under_a_tested_one(source, names, conform):
    """A helper: a source of its folder that has a test of its own, or is such a row, calls it. Or a part of a module in several
    files, which share x_impl.h and test_x.c."""
    tests = pathlib.Path(str(source.parent).replace("/lib/", "/tests/unit/"))
    for impl in source.parent.glob("*_impl.h"):
        module = impl.name.removesuffix("_impl.h")
        if source.stem.startswith(module + "_") and (tests / f"test_{module}.c").exists():
            return True
    callers = [
        other
        for other in source.parent.glob("*.c")
        if other in conform or (tests / f"test_{other.stem}.c").exists()
    ]
    return bool(names & words_of(callers))


def check_tests(root):
    conform = set(conforming(root))
    for path in sources(root, ["lib"], ".c"):
        folder = root / "tests/unit" / pathlib.Path(path).parent.relative_to("lib")
        test = folder / f"test_{pathlib.Path(path).stem}.c"
        if test.exists() or root / path in conform:
            continue
        tests = list(folder.glob("*.c")) + list((root / "tests/conformance").glob("*.c"))
        names = exported((root / path).read_text())
        if names & words_of(tests) or stands_under_a_tested_one(root / path, names, conform):
            continue
        if path not in TESTED_ELSEWHERE:
            yield f"{path} has no {test.relative_to(root)}, and no test of its folder reaches what it defines"


def compiler_flags(root, build):
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if "libcohort.a.p" in entry["output"]:
            words = entry["command"].split()
            flags = [word.replace("'", "") for word in words if word.startswith(("-I", "-D", "-std"))]
            return entry["directory"], flags
    raise SystemExit("no command for lib/ in compile_commands.json")


def check_headers(root, build):
    directory, flags = compiler_flags(root, build)
    headers = list(sources(root, ["lib"] + PROGRAMS, ".h"))
    compiler = os.environ.get("CC", "cc").split()

    def compile_alone(path):
        # As an include, for #pragma once in a main file is a warning.
        command = compiler + flags + [f"-I{root}", "-Wall", "-Werror", "-fsyntax-only", "-x", "c", "-"]
        unit = f'#include "{root / path}"\n'
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, input=unit, check=False)
        return f"{path} does not compile alone:\n{done.stderr}" if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield from filter(None, pool.map(compile_alone, headers))
    for path in headers:
        if "#pragma once" not in (root / path).read_text():
            yield f"{path} lacks #pragma once"


def notes(root):
    for path in TESTED_ELSEWHERE:
        test = root / "tests/unit" / pathlib.Path(path).parent.relative_to("lib") / f"test_{pathlib.Path(path).stem}.c"
        if test.exists() or not (root / path).exists():
            yield f"{path} is tested or gone: remove its row from TESTED_ELSEWHERE"
    for path in sources(root, ["lib", "tests"] + PROGRAMS, ".c", ".h"):
        lines = (root / path).read_text().count("\n")
        if lines > LINES_MAX:
            yield f"{path} has {lines} lines: it is usually two concepts"


def main():
    root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    checks = [
        ("folders include only what lies below them", check_includes(root)),
        ("every row of every registry has its file", check_rows(root)),
        ("every source in lib/ is tested", check_tests(root)),
        ("every header compiles alone", check_headers(root, build)),
    ]
    print(f"1..{len(checks)}")
    failed = False
    for number, (title, faults) in enumerate(checks, 1):
        faults = list(faults)
        failed |= bool(faults)
        print(f"{'not ok' if faults else 'ok'} {number} - {title}")
        for fault in faults:
            print("# " + fault.replace("\n", "\n# "))
    for note in notes(root):
        print(f"# note: {note}")
    return failed


sys.exit(main())
