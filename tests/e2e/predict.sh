#!/bin/sh
# cohort predict on a model made here by hand, in Python from the format's description: predict.sh COHORT PYTHON PREDICT_PY
set -eu
cohort=$1
python=$2
write_model=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
    echo "FAIL: $*"
    exit 1
}

"$cohort" data make --out demo-data --train 200 --test 50 >/dev/null
cat >experiment.yaml <<'END'
name: linear
model: {layers: [{dense: {units: 10}}], loss: cross_entropy}
data:
  format: idx
  train: {features: demo-data/train-images-idx3-ubyte.gz, labels: demo-data/train-labels-idx1-ubyte.gz}
  test: {features: demo-data/t10k-images-idx3-ubyte.gz, labels: demo-data/t10k-labels-idx1-ubyte.gz}
training: {optimizer: {kind: sgd, learning_rate: 0.1}}
collaboration: {algorithm: fedavg, rounds: 1, learners: 2}
END
"$python" "$write_model" write model.safetensors

"$cohort" predict --model model.safetensors --experiment experiment.yaml --json --out table.csv >figures.json
"$python" "$write_model" check figures.json table.csv demo-data ||
    fail "Python's figures differ from $(cut -c1-200 figures.json)"
"$cohort" predict --model model.safetensors --experiment experiment.yaml >text
grep -q '^accuracy  0\.' text || fail "$(cat text)"
"$cohort" predict --model model.safetensors --experiment experiment.yaml --json --data train >train.json
grep -q '"samples":200' train.json || fail "$(cat train.json)"
"$cohort" predict --model model.safetensors --experiment experiment.yaml --json \
    --features demo-data/t10k-images-idx3-ubyte.gz --labels demo-data/t10k-labels-idx1-ubyte.gz >same.json
cmp same.json figures.json || fail "the same files named otherwise give other figures"

# refused EXPECTED ARGUMENT...: exit code 2, nothing on standard output, one line that holds EXPECTED.
refused() {
    expected=$1
    shift
    code=0
    "$cohort" predict "$@" >output 2>report || code=$?
    [ "$code" = 2 ] || fail "$*: exit code $code: $(cat report)"
    [ ! -s output ] || fail "$*: something was printed"
    [ "$(wc -l <report)" = 1 ] || fail "$*: $(cat report)"
    grep -qF -- "$expected" report || fail "$*: $(cat report)"
}

refused "--model is needed" --experiment experiment.yaml
refused "'tset' must be test or train" --model model.safetensors --experiment experiment.yaml --data tset
refused "'nowhere'" --model nowhere --experiment experiment.yaml
refused "belongs to another model" --model model.safetensors --experiment experiment.yaml \
    --set model.layers.0.dense.bias=false
head -c 5000 model.safetensors >short.safetensors
refused "not a whole safetensors file" --model short.safetensors --experiment experiment.yaml
"$python" "$write_model" write-nan nan.safetensors
refused "is not a number" --model nan.safetensors --experiment experiment.yaml
