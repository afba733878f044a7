#!/usr/bin/python3
"""Every experiment in config/experiments runs as it stands, but for two rounds on few digits; and every algorithm,
reducer and topology is in one of them."""
import re

from cohort_e2e import PROTO_ROOT, Run, main

ROOT = PROTO_ROOT.parent
EXPERIMENTS = sorted((ROOT / "config/experiments").glob("*.yaml"))
REGISTRIES = ["algorithm/algorithms", "reduce/reducers", "topology/topologies"]
# What `cohort bench exchange` alone is for.
UNSHOWN = {"exchange"}


def it_has_an_experiment_for_every_kind(world):
    words = set(re.findall(r"\w+", "".join(path.read_text() for path in EXPERIMENTS)))
    for registry in REGISTRIES:
        kinds = set(re.findall(r"^X\((\w+)\)", (ROOT / f"lib/{registry}.def").read_text(), re.M))
        assert not kinds - words - UNSHOWN, f"in no experiment: {sorted(kinds - words - UNSHOWN)}"


def it_explains_every_key_of_its_own(world):
    for path in EXPERIMENTS:
        text = path.read_text()
        assert text.startswith("# "), f"{path.name} does not say what it is"
        assert "cohort run config/experiments/" + path.name in text, f"{path.name} does not say how to run it"


def it_runs_every_experiment(world):
    code, out, err = world.cohort("data", "make", "--out", "demo-data", "--train", 2000, "--test", 200)
    assert code == 0, err
    code, out, err = world.cohort(
        "data", "make", "--out", "writers-data", "--train", 2000, "--test", 200, "--writers", 10
    )
    assert code == 0, err
    for path in EXPERIMENTS:
        out = path.stem
        code, printed, err = world.cohort("run", path, "--out", out, "--set", "collaboration.rounds=2", "--quiet")
        assert code == 0, f"{path.name}: exit code {code}\n{printed}{err}"
        run = Run(world.folder / out)
        assert run.summary["status"] in ("completed", "stopped_early"), (path.name, run.summary)
        assert run.summary["rounds"] >= 1 and re.fullmatch("[0-9a-f]{64}", run.hash), (path.name, run.summary)
        final = run.summary["final"]
        assert all(value == value for value in final.values() if value is not None), (path.name, final)
        code, printed, err = world.cohort("verify", out)
        assert code == 0, f"{path.name}: an honest run is not accepted: {printed}{err}"


main(globals())
