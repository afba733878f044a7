"""./dev bench on small sizes: figures, table and plot say the same, and documents keep one section a part:
bench_suite.py SUITE BUILD"""
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import types
import xml.dom.minidom

sys.dont_write_bytecode = True
SUITE, BUILD = map(pathlib.Path, sys.argv[1:])
folder = tempfile.TemporaryDirectory()
home = pathlib.Path(folder.name)


def bench(*arguments):
    return subprocess.run([SUITE, BUILD, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, cwd=home)


def check_run():
    done = bench("exchange", "--quick", "--only", "Cohort,bare", "--out", home / "out")
    assert done.returncode == 0, done.stderr
    figures = json.loads((home / "out/exchange.json").read_text())
    assert list(figures) == ["1,000 parameters", "100,000 parameters"], figures
    for case, contestants in figures.items():
        assert list(contestants) == ["Cohort", "Cohort over TCP", "bare TCP"], contestants
        ours, bare = contestants["Cohort"][0], contestants["bare TCP"][0]
        assert 0 < bare["seconds"] < 10 and 0 < ours["seconds"] < 10 and ours["server_bytes"] > 1e6, figures
        row = re.search(r"\|  \| bare TCP \| ([\d.]+) \| ([\d.]+) \|", done.stdout[done.stdout.index(f"| {case} |"):])
        assert row and abs(float(row[1]) - bare["seconds"] * 1e3) <= 0.5, done.stdout
        assert abs(float(row[2]) - ours["seconds"] / bare["seconds"]) < 0.006, done.stdout
    drawing = xml.dom.minidom.parse(str(home / "out/exchange.svg"))
    assert len(drawing.getElementsByTagName("rect")) == 1 + 6, "a background, and a bar each"


def check_refusals():
    for words, *arguments in ("unknown part 'exchagne'", "exchagne"), ("--repetitions must be 1", "exchange", "--repetitions", 0):
        done = bench(*arguments)
        assert done.returncode == 2 and words in done.stderr and not done.stdout, done


def load(name):
    spec = importlib.util.spec_from_file_location(name, SUITE.parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_documents():
    report = load("suite_report")
    document = home / "page.md"
    document.write_text("# Page\ntext\n\n## Beside peers\nabout\n\n## Last\nend\n")
    part = lambda name: types.SimpleNamespace(name=name, title=name, about="", metrics=("milliseconds",))
    for name, text in ("one", "1"), ("two", "2"), ("one", "3"), ("two", "2"):
        report.update(document, part(name), f"### {name}\n{text}\n", "<svg/>")
    kept = document.read_text()
    assert [kept.count(text) for text in ("### one\n1", "### one\n3", "### two\n2", "about", "## Last\nend\n")] == [0, 1, 1, 1, 1], kept
    assert kept.index("about") < kept.index("### one") < kept.index("### two") < kept.index("## Last"), kept
    runs = {"seconds": [0.004, 0.001, 0.002]}
    figures = {"case": {"Cohort": [{"seconds": value} for value in runs["seconds"]], "gloo": [{"seconds": 0.001}]}}
    table = report.table(part("one"), figures)
    assert "| case | Cohort | 2.00 (1.00 to 4.00) |" in table and "|  | gloo | 1.00 | 2.00 |" in table, table


check_run()
check_refusals()
check_documents()
