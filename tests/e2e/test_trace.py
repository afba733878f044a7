#!/usr/bin/python3
"""The trace of a run, as the programs that show such traces read it."""
import json

from cohort_e2e import classes_experiment, main

EPSILON_US = 0.01  # times have three decimals


def traced(world, *arguments, **changes):
    path = world.folder / "trace.json"
    world.run(classes_experiment(world.folder, **changes), "--trace", path, *arguments)
    assert not list(world.folder.glob("out/logs/*.trace")), "the processes' own files stay behind"
    return json.loads(path.read_text(encoding="utf-8"))["traceEvents"]


def spans(events, name):
    return [event for event in events if event["ph"] == "X" and event["name"] == name]


def within(inner, outer):
    return (
        inner["ts"] >= outer["ts"] - EPSILON_US
        and inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"] + EPSILON_US
    )


def check_nesting(events):
    """On one track spans follow each other or lie within each other, else viewers refuse them."""
    tracks = {}
    for event in events:
        if event["ph"] == "X":
            tracks.setdefault((event["pid"], event["tid"]), []).append(event)
    for track in tracks.values():
        for a in track:
            for b in track:
                apart = a["ts"] + a["dur"] <= b["ts"] + EPSILON_US or b["ts"] + b["dur"] <= a["ts"] + EPSILON_US
                assert apart or within(a, b) or within(b, a), (a, b)


def it_tells_each_phase_of_each_round(world):
    for units in 8, 4000:  # the model comes with the assignment, or is fetched
        layers = [{"dense": {"units": units, "activation": "relu"}}, {"dense": {"units": 3}}]
        events = traced(world, "--processes", "2", model={"layers": layers})
        for name in "round", "collect", "reduce", "hash", "evaluate":
            assert [span["args"]["round"] for span in spans(events, name)] == [1, 2, 3], name
        for name in "fetch", "train", "encode", "submit", "ingest":
            assert sorted(span["args"]["round"] for span in spans(events, name)) == [1] * 4 + [2] * 4 + [3] * 4, name
        for whole in spans(events, "round"):
            for name in "collect", "reduce", "hash":
                (part,) = [span for span in spans(events, name) if span["args"] == whole["args"]]
                assert within(part, whole), name
            for span in spans(events, "train"):  # clocks are the machine's: learners lie within their round
                assert span["args"] != whole["args"] or within(span, whole)
        check_nesting(events)
        assert len({span["pid"] for span in spans(events, "train")}) == 2


def it_names_processes_and_learners(world):
    events = traced(world)
    named = {event["args"]["name"] for event in events if event["ph"] == "M"}
    assert {"coordinator", "learner", "rounds", "evaluation"} <= named, named
    assert {f"learner-{i}" for i in range(4)} <= named, named


def it_refuses_a_file_that_cannot_be_written_before_anything_starts(world):
    path = world.write("x.yaml", classes_experiment(world.folder))
    code, _, err = world.cohort("run", path, "--out", "out", "--trace", "/nowhere/trace.json")
    assert code != 0 and "/nowhere/trace.json" in err, err
    assert not list(world.folder.glob("out/logs/*"))


main(globals())
