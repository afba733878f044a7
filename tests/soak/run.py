#!/usr/bin/python3
"""./dev soak: what takes too long, or too much of the machine, for ./dev test.

Each part is a file beside this one, named by its file, with checks as tests/e2e has them; its first line says what it
is for. A part runs in a process of its own, which finds tests/e2e's modules: run.py PROGRAMS PROTOC PROTO_ROOT [PART...]
"""
import argparse
import ast
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PARTS = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.name != "run.py"}


def purpose(path):
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0]


def main():
    told = "\n".join(f"  {name:10}{purpose(path)}" for name, path in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="./dev soak", epilog=f"parts:\n{told}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for place in ("programs", "protoc", "proto_root"):
        parser.add_argument(place, help=argparse.SUPPRESS)
    parser.add_argument("parts", nargs="*", metavar="PART", help="all without a name")
    arguments = parser.parse_args()
    for name in arguments.parts:
        if name not in PARTS:
            parser.error(f"there is no part '{name}': {', '.join(PARTS)}")
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parent / 'e2e'}"}
    failed = []
    for name in arguments.parts or PARTS:
        print(f"# {name}: {purpose(PARTS[name])}", flush=True)
        command = [sys.executable, "-B", PARTS[name], arguments.programs, arguments.protoc, arguments.proto_root]
        if subprocess.run(command, env=environment, check=False).returncode != 0:
            failed.append(name)
    print(f"# {len(arguments.parts or PARTS) - len(failed)} parts passed, {len(failed)} failed {' '.join(failed)}".rstrip())
    return len(failed) > 0


sys.exit(main())
