#!/usr/bin/python3
"""What the documentation names is there: check_docs.py SOURCE_ROOT BIN MESON_BUILD_ROOT

Links lead to a page and to a heading of it, paths to files; commands exist, and have the options that they are given;
settings and keys of programs are known to them; tests that are to be run are tests. Prints TAP.
"""
import functools
import glob
import json
import pathlib
import re
import shlex
import subprocess
import sys

ROOT, BIN, BUILD = (pathlib.Path(it).resolve() for it in sys.argv[1:4])
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = sorted(it.name for it in ROOT.iterdir() if it.is_dir() and not it.name.startswith((".", "build")))
LIBRARY = sorted(it.name for it in (ROOT / "lib").iterdir() if it.is_dir())
SUFFIXES = ["", ".c", ".h", ".py", ".sh", ".def", ".proto", ".yaml"]
PROGRAMS = ["cohort", "cohort-coordinator", "cohort-learner"]
GROUPS = ["bench", "certs", "data", "model", "token"]  # commands with commands of their own
PLACEHOLDER = re.compile(r"(?<![A-Za-z])(NAME|LEARNER|EXPERIMENT|DIR|RUN|FILE|x|X)(?![A-Za-z])|N{6}|\.\.\.|<|\*\.unfinished")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.M | re.S)


def prose(text):
    """Without fenced blocks."""
    return FENCE.sub(lambda it: "\n" * it.group(0).count("\n"), text)


def spans(text):
    return [" ".join(it.split()) for it in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(text))]


def command_lines(text):
    """Lines of fenced and indented code, continued ones put together, and code within sentences."""
    blocks = [body for kind, body in FENCE.findall(text) if kind in ("", "sh")]
    blocks += re.findall(r"(?:^(?: {4}|\t).+\n)+", prose(text), re.M)
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            yield line.strip()
    yield from spans(text)


@functools.lru_cache(None)
def headings(page):
    """As GitHub makes anchors of them."""
    anchors = set()
    for title in re.findall(r"^#+ +(.+)$", prose(page.read_text()), re.M):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).replace("`", "").strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        n = 1
        while anchor in anchors:
            anchor, n = f"{anchor.removesuffix(f'-{n - 1}') if n > 1 else anchor}-{n}", n + 1
        anchors.add(anchor)
    return anchors


def bad_links(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists():
            yield f"link to '{target}': there is no such file"
        elif anchor and place.suffix == ".md" and anchor not in headings(place):
            yield f"link to '{target}': '{path or page.name}' has no such heading"


def path_exists(path):
    path = re.sub(r":\d+$", "", path).rstrip("/")
    braces = re.match(r"(.*)\{([^}]*)\}(.*)", path)
    if braces:
        return all(path_exists(f"{braces[1]}{it}{braces[3]}") for it in braces[2].split(","))
    places = [ROOT, ROOT / "lib", ROOT / "protos", ROOT / "tests/fuzz/regressions"]
    return any(glob.glob(f"{place}/{path}{suffix}") for place in places for suffix in SUFFIXES)


def bad_paths(page):
    for span in spans(page.read_text()):
        if " " in span or "/" not in span or PLACEHOLDER.search(span) or span.startswith(("/", "./", "-", "unix:")):
            continue
        first = span.split("/")[0]
        if (first in FOLDERS or first in LIBRARY) and not path_exists(span) and not is_test(span):
            yield f"`{span}` is neither a file nor a test"


@functools.lru_cache(None)
def tests():
    told = subprocess.run(["meson", "introspect", "--tests", str(BUILD)], capture_output=True, text=True, check=True).stdout
    return [it["name"] for it in json.loads(told)]


def is_test(name):
    return any(it == name or it.startswith(f"{name} ") for it in tests())


@functools.lru_cache(None)
def told_by(*command):
    return subprocess.run([str(it) for it in command], capture_output=True, text=True, timeout=30).stdout


@functools.lru_cache(None)
def settings_of(program):
    return {line.split()[0] for line in told_by(BIN / program, "--help").splitlines() if re.match(r" +[a-z_.]+ ", line)}


def bad_settings(program, words):
    for i, word in enumerate(words[:-1]):
        key = words[i + 1].partition("=")[0]
        if word == "--set" and key not in settings_of(program):
            yield f"{program} has no setting '{key}'"


def bad_program(words):
    program = words[0].removeprefix("build/bin/")
    command = [program]
    if program == "cohort":
        if len(words) < 2 or not re.fullmatch(r"[a-z]+", words[1]):
            return
        command += words[1:3] if words[1] in GROUPS and len(words) > 2 and not words[2].startswith("-") else words[1:2]
    else:
        yield from bad_settings(program, words)
    names = command[1].split("|") if len(command) == 2 else [command[1:]] if len(command) > 1 else [[]]
    for name in names:
        name = [name] if isinstance(name, str) else name
        told = told_by(BIN / program, *name, "--help")
        if not told:
            yield f"there is no command '{' '.join([program, *name])}'"
            continue
        for word in words:
            option = re.match(r"--?[a-z][a-z-]*", word)
            if option and option.group(0) not in re.findall(r"--?[a-z][a-z-]*", told):
                yield f"'{' '.join([program, *name])}' has no option {option.group(0)}"


def bad_dev(words):
    known = re.findall(r"^  ([a-z]+)", told_by(ROOT / "dev", "help"), re.M)
    command = words[1] if len(words) > 1 else ""
    for name in command.split("|"):
        if name and re.fullmatch(r"[a-z]+", name) and name not in known:
            yield f"there is no './dev {name}'"
    if command == "test":
        for word in words[2:]:
            if re.fullmatch(r"[a-z_0-9]+/[a-z_0-9/]+", word) and not is_test(word):
                yield f"'{word}' is no test"
    if command == "soak":
        parts = [it.stem.removeprefix("soak_") for it in (ROOT / "tests/soak").glob("*.py")]
        for part in (part for word in words[2:] for part in word.split("|")):
            if re.fullmatch(r"[a-z_]+", part) and part not in parts:
                yield f"'./dev soak' has no part '{part}'"


def bad_commands(page):
    for line in command_lines(page.read_text()):
        line = re.sub(r"^[A-Z_]+=\S+ ", "", line.split(" #")[0])
        for part in re.split(r" [|&;]+ ", line):
            try:
                words = shlex.split(part)
            except ValueError:
                words = part.split()
            if not words:
                continue
            if words[0].removeprefix("build/bin/") in PROGRAMS:
                yield from (f"`{part}`: {it}" for it in bad_program(words))
            elif words[0] == "./dev":
                yield from (f"`{part}`: {it}" for it in bad_dev(words))
            elif words[:2] == ["meson", "test"]:
                yield from (f"'{it}' is no test" for it in words[2:] if "/" in it and not is_test(it))


def bad_pages():
    """Every page can be found from the README."""
    readme = (ROOT / "README.md").read_text()
    for page in PAGES[1:]:
        named = f"docs/{page.name}" in readme or (page.name.startswith("adding-") and "docs/adding-a" in readme)
        if not named:
            yield f"README.md does not lead to docs/{page.name}"


CHECKS = [("links lead somewhere", bad_links), ("paths are files", bad_paths), ("commands and options exist", bad_commands)]


def main():
    print(f"1..{len(CHECKS) + 1}")
    failed = False
    for n, (what, check) in enumerate(CHECKS, 1):
        faults = [f"{page.relative_to(ROOT)}: {fault}" for page in PAGES for fault in dict.fromkeys(check(page))]
        failed |= bool(faults)
        print(f"{'not ok' if faults else 'ok'} {n} - {what}")
        print("".join(f"# {fault}\n" for fault in faults), end="")
    faults = list(bad_pages())
    failed |= bool(faults)
    print(f"{'not ok' if faults else 'ok'} {len(CHECKS) + 1} - every page is led to")
    print("".join(f"# {fault}\n" for fault in faults), end="")
    return failed


sys.exit(main())
