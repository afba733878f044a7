#!/bin/sh
# Exchange without training over gRPC and over bare TCP, by turns: bench/exchange.sh [BUILD [REPETITIONS]]
# Eight learners, each a process, at 10 thousand, 1 and 25 million parameters. Run as root, or in a namespace already,
# it measures in a network namespace of its own with reno, as the loopback's speed hangs on the congestion control and
# on packet filters. Prints the medians and their ratio.
set -eu
here=$(dirname "$0")
build=${1:-$here/../build}
repetitions=${2:-5}
if [ -z "${COHORT_BENCH_INSIDE:-}" ] && unshare -n true 2>/dev/null; then
    COHORT_BENCH_INSIDE=1 exec unshare -n "$0" "$build" "$repetitions"
fi
if [ -n "${COHORT_BENCH_INSIDE:-}" ]; then
    ip link set lo up
    sysctl -qw net.ipv4.tcp_congestion_control=reno || true
fi
star=$build/bin/bench-star
[ -x "$star" ] || star=$build/bench/bench-star
cohort=$build/bin/cohort
results=$(mktemp)
trap 'rm -f "$results"' EXIT
learners=8
i=0
while [ "$i" -lt "$repetitions" ]; do
    for size in 10000:400 1000000:40 25000000:8; do
        parameters=${size%:*} rounds=${size#*:}
        "$cohort" bench exchange --learners $learners --parameters "$parameters" --rounds "$rounds" --json >>"$results"
        echo "[$parameters, $("$star" $learners "$parameters" "$rounds" | tr ' ' ',')]" >>"$results"
    done
    i=$((i + 1))
done
/usr/bin/python3 - "$results" <<'TABLE'
import json, statistics, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
ours = [row for row in rows if isinstance(row, dict)]
stars = [row for row in rows if isinstance(row, list)]
sizes = sorted({run["parameters"] for run in ours})
print(f"{ours[0]['learners']} learners, ms a round: median (least to most) of {len(ours) // len(sizes)} runs' medians, by turns")
print("| parameters | Cohort | bare TCP | ratio | coordinator, MB (models) | learner, MB |\n|---|---|---|---|---|---|")
for size in sizes:
    mine = [run["round_seconds"]["median"] * 1e3 for run in ours if run["parameters"] == size]
    bare = [row[1] * 1e3 for row in stars if row[0] == size]
    peaks = [run["peak_rss_bytes"] for run in ours if run["parameters"] == size]
    coordinator = max(peak["coordinator"] for peak in peaks)
    learner = max(peak["learner"] for peak in peaks)
    cell = lambda times: f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
    print(f"| {size:,} | {cell(mine)} | {cell(bare)} | {statistics.median(mine) / statistics.median(bare):.2f} "
          f"| {coordinator / 1e6:.0f} ({coordinator / 4 / size:.1f}) | {learner / 1e6:.0f} |")
TABLE
