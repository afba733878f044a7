#!/bin/sh
# cohort validate on the example experiments and on what is wrong in them: validate.sh COHORT SOURCE_ROOT
set -eu
cohort=$1
experiments=$2/config/experiments
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
    echo "FAIL: $*"
    exit 1
}

"$cohort" data make --out demo-data --train 600 --test 50 >/dev/null
"$cohort" data make --out writers-data --train 600 --test 50 --writers 10 >/dev/null

for file in "$experiments"/digits-*.yaml; do
    "$cohort" validate "$file" >resolved.yaml 2>report || fail "$file: $(cat report)"
    grep -q '600 training samples' report || fail "$file: the report does not tell the samples"
    "$cohort" validate resolved.yaml 2>/dev/null | cmp - resolved.yaml || fail "$file: its dump does not read back"
done

# A deployed learner brings its own data: an experiment may name none.
cat <<END >none.yaml
name: none
model: {layers: [{dense: {units: 2}}], loss: cross_entropy}
collaboration: {rounds: 1, learners: 1}
END
"$cohort" validate none.yaml >resolved.yaml 2>report || fail "without data: $(cat report)"
grep -q 'no data' report || fail "the report does not tell that there is no data"

# refused EXPECTED ARGUMENT...: exit code 2, nothing on standard output, one line that holds EXPECTED.
refused() {
    expected=$1
    shift
    code=0
    "$cohort" validate "$@" >output 2>report || code=$?
    [ "$code" = 2 ] || fail "$*: exit code $code"
    [ ! -s output ] || fail "$*: something was printed"
    [ "$(wc -l <report)" = 1 ] || fail "$*: $(cat report)"
    grep -qF "$expected" report || fail "$*: $(cat report)"
}

file=$experiments/digits-fedavg.yaml
refused "an experiment's file is needed"
refused "'nowhere.yaml'" nowhere.yaml
refused "unknown key 'trainin'; did you mean 'training'?" "$file" --set trainin.batch_size=3
refused "learning_rate '-0.1' must be greater than 0" "$file" --set training.optimizer.learning_rate=-0.1
refused "batch_size 'many' must be a whole number" "$file" --set training.batch_size=many
refused "unknown algorithm 'fedavgg'; did you mean 'fedavg'?" "$file" --set collaboration.algorithm=fedavgg
refused "digits-fedavg.yaml:" "$file" --set model.layers.2.dense.units=11
refused "layer 3 (dense)" "$file" --set model.layers.2.dense.units=11
refused "600 samples cannot be shared out among 601 learners" "$file" --set collaboration.learners=601
refused "cannot open 'nope.gz'" "$file" --set data.train.features=nope.gz
refused "name test data of the same kind" "$file" --set data.test.features=demo-data/t10k-labels-idx1-ubyte.gz
refused "cannot open 'nope.safetensors'" "$file" --set model.weights=nope.safetensors
