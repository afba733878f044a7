"""cohort bench exchange on small sizes, its figures and its refusals: bench.py COHORT"""
import json
import os
import subprocess
import sys
import tempfile

COHORT = sys.argv[1]
with open(COHORT, "rb") as program:
    content = program.read()
SANITIZED = b"__asan_init" in content or b"__tsan_init" in content
folder = tempfile.TemporaryDirectory()


def bench(*arguments):
    return subprocess.run([COHORT, "bench", "exchange", *map(str, arguments)], capture_output=True, text=True,
                          timeout=600 if SANITIZED else 120, env={**os.environ, "TMPDIR": folder.name})


def check_figures(learners, parameters, rounds, processes):
    result = bench("--learners", learners, "--parameters", parameters, "--rounds", rounds, "--processes", processes,
                   "--json")
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    expected = {"learners": learners, "parameters": parameters, "model_parameters": parameters, "rounds": rounds,
                "processes": processes, "topology": "star", "codec": "f32",
                "bytes_up": 4 * parameters * learners * rounds, "bytes_down": 4 * parameters * processes * rounds}
    for key, value in expected.items():
        assert figures[key] == value, (key, figures[key], value)
    seconds, peaks = figures["round_seconds"], figures["peak_rss_bytes"]
    assert 0 < seconds["median"] <= seconds["p95"] < 60, seconds
    assert all(1e6 < peaks[program] < 1e9 for program in ("coordinator", "learner")), peaks


def peaks_of(learners, selected, parameters, rounds):
    result = bench("--learners", learners, "--selected", selected, "--parameters", parameters, "--rounds", rounds,
                   "--processes", 2, "--json")
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["bytes_up"] == 4 * parameters * selected * rounds, figures
    return figures["peak_rss_bytes"]


# What those cost who have joined and are not selected: a control stream at the coordinator, no model in their process.
def check_crowd():
    few, many = peaks_of(20, 10, 1000, 5), peaks_of(520, 10, 1000, 5)
    model, crowd = 4 * 100000, peaks_of(500, 30, 100000, 20)
    if SANITIZED:
        return  # sanitizers keep much of what is freed, and notes of all that is not
    each = (many["coordinator"] - few["coordinator"]) / 500
    assert each < 20e3, each
    # About 350 of them are selected at some time, half of them in each process.
    assert crowd["learner"] < few["learner"] + 100 * model, (few, crowd)


# A relay answers a learner once all of its learners' summaries are safe: those of one process must not wait for it.
def check_crowd_behind_relays():
    result = bench("--learners", 64, "--processes", 2, "--parameters", 100000, "--rounds", 2, "--topology",
                   "{kind: tree, relays: 2}", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["round_seconds"]["median"] < 2, result.stdout


def check_refusal(words, *arguments):
    result = bench(*arguments)
    assert result.returncode == 2, (arguments, result.returncode, result.stderr)
    assert result.stdout == "" and words in result.stderr, result.stderr


check_figures(learners=1, parameters=1, rounds=2, processes=1)
check_figures(learners=3, parameters=40970, rounds=4, processes=2)  # one process hosts two, and fetches once
check_figures(learners=4, parameters=10000, rounds=3, processes=4)
for parameters in 60 * 256, 60 * 256 + 1, 64 * 256:  # about where models stop to go on the control stream
    check_figures(learners=2, parameters=parameters, rounds=2, processes=2)
check_crowd()
check_crowd_behind_relays()
table = bench("--learners", 2, "--parameters", 5000, "--rounds", 2)
assert table.returncode == 0 and "5,000 parameters" in table.stdout and "median" in table.stdout, table
check_refusal("--learners '0' must be from 1", "--learners", 0)
check_refusal("--selected '3' must be from 1 to 2", "--learners", 2, "--selected", 3)
check_refusal("--processes '3' must be from 1 to 2", "--learners", 2, "--processes", 3)
check_refusal("unknown topology 'sta'; did you mean 'star'?", "--topology", "sta")
check_refusal("unknown codec 'f33'; did you mean 'f32'?", "--codec", "f33")
assert os.listdir(folder.name) == [], os.listdir(folder.name)
