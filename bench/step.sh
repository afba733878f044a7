#!/bin/sh
# One training step on one thread, Cohort's and PyTorch's by turns: bench/step.sh [BUILD [REPETITIONS]]
# Needs Debian's python3-torch. Prints each model's median of medians and the ratio of the two.
set -eu
here=$(dirname "$0")
build=${1:-$here/../build}
repetitions=${2:-7}
# A kernel set forced by the shell would slow both sides down; a single thread on both.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
bench=$build/bench/bench-step
results=$(mktemp)
trap 'rm -f "$results"' EXIT
i=0
while [ "$i" -lt "$repetitions" ]; do
    "$bench" >>"$results"
    /usr/bin/python3 "$here/step_torch.py" >>"$results"
    i=$((i + 1))
done
/usr/bin/python3 - "$results" <<'TABLE'
import json, statistics, sys
runs = [json.loads(line) for line in open(sys.argv[1])]
libraries = list(dict.fromkeys(run["library"] for run in runs))
print(f"{libraries[0]} against {libraries[1]}: ms a step, median (least to most) of {len(runs) // 2} runs by turns")
print("| model | Cohort | PyTorch | ratio |\n|---|---|---|---|")
for model in runs[0]["milliseconds"]:
    times = [[run["milliseconds"][model] for run in runs if run["library"] == library] for library in libraries]
    medians = [statistics.median(each) for each in times]
    cells = [f"{median:.2f} ({min(each):.2f} to {max(each):.2f})" for median, each in zip(medians, times)]
    print(f"| {model} | {cells[0]} | {cells[1]} | {medians[0] / medians[1]:.2f} |")
TABLE
