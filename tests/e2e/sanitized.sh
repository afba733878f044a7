#!/bin/bash
# sanitized.sh COHORT SOURCE_ROOT: experiments end to end under whichever sanitizer the build has: to their
# end, with delays, between peers, and told to stop midway. Nothing may be reported, and every program must end in
# order. Without a sanitizer the same runs are made; tests/valgrind/wrap.sh makes them under memcheck.
set -euo pipefail
cohort=(${UNDER:-} "$1") root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

export ASAN_OPTIONS="log_path=$work/report:detect_leaks=1:strict_string_checks=1"
export LSAN_OPTIONS="suppressions=$root/tests/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS="log_path=$work/report:print_stacktrace=1"
export TSAN_OPTIONS="log_path=$work/report:suppressions=$root/tests/tsan.supp:ignore_noninstrumented_modules=1"

fail()
{
    echo "$1"
    tail -n 5 "$work/run-${1%%:*}"*/logs/*.log 2>/dev/null || true
    exit 1
}

no_reports()
{
    if compgen -G "$work/report*" >/dev/null; then
        head -n 60 "$work"/report*
        fail "$1: the sanitizer found something"
    fi
}

# Every program of the run has said that it stopped: none crashed, none had to be killed.
all_stopped()
{
    for log in "$work/run-$1"*/logs/*.log; do
        grep -q '"message":"stopped"' "$log" || fail "$1: $log does not end with 'stopped'"
    done
}

cat >experiment.yaml <<'YAML'
name: sanitized
seed: 7
model:
  layers:
    - dense: {units: 16, activation: relu}
    - dense: {units: 10}
  loss: cross_entropy
data:
  format: idx
  train: {features: data/train-images-idx3-ubyte.gz, labels: data/train-labels-idx1-ubyte.gz}
  test: {features: data/t10k-images-idx3-ubyte.gz, labels: data/t10k-labels-idx1-ubyte.gz}
  partition: iid
training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 16, local_epochs: 1}
collaboration:
  algorithm: fedavg
  topology: star
  rounds: 5
  learners: 8
YAML
"${cohort[@]}" data make --out data --train 240 --test 60 >/dev/null

run()
{
    local name=$1
    shift
    "${cohort[@]}" run experiment.yaml --processes 2 --out "run-$name" --quiet "$@" 2>"said-$name" ||
        fail "$name: exit code $?: $(cat "said-$name")"
    no_reports "$name"
    all_stopped "$name"
}

run fedavg
run gradient_descent --set collaboration.algorithm=gradient_descent
run delays --set simulation.delay=60ms --set collaboration.rounds=3
run ring --set collaboration.topology=ring
run gossip --set collaboration.topology=gossip --set collaboration.rounds=3

for signal in TERM INT; do
    "${cohort[@]}" run experiment.yaml --processes 2 --out "run-$signal" --quiet --set collaboration.rounds=100000 \
        >/dev/null 2>"said-$signal" &
    child=$!
    until grep -qs '"kind":"round"\|"round":' "run-$signal.unfinished/metrics.jsonl"; do
        kill -0 $child 2>/dev/null || fail "$signal: it ended before it was told to"
        sleep 0.05
    done
    kill -s $signal $child
    code=0
    wait $child || code=$?
    [ $code -eq 130 ] || fail "$signal: exit code $code instead of 130"
    no_reports "$signal"
    all_stopped "$signal"
done
echo "nothing was reported"
