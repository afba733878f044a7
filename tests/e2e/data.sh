#!/bin/sh
# `cohort data` on files that it makes itself: data.sh COHORT
set -eu
cohort=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
    echo "data: $1" >&2
    exit 1
}
expect() { # TEXT FILE
    grep -qF -- "$1" "$2" || { cat "$2" >&2; fail "'$1' is missing above"; }
}
refuse() { # CODE TEXT COMMAND...
    code=$1 text=$2
    shift 2
    status=0
    "$@" >out 2>err || status=$?
    [ "$status" = "$code" ] || { cat err >&2; fail "$* exits with $status, not $code"; }
    expect "$text" err
}

"$cohort" data make --out a --train 200 --test 50 >made
"$cohort" data make --out b --train 200 --test 50 >/dev/null
[ "$(wc -l <made)" = 4 ] || fail "make does not print its four files"
diff -r a b || fail "the same seed makes other bytes"
"$cohort" data make --out c --train 200 --test 50 --seed 7 >/dev/null
! cmp -s a/train-images-idx3-ubyte.gz c/train-images-idx3-ubyte.gz || fail "the seed changes nothing"
refuse 2 "from 1 to" "$cohort" data make --train 0
refuse 2 "did you mean 'make'" "$cohort" data mak

"$cohort" data inspect a/train-images-idx3-ubyte.gz a/train-labels-idx1-ubyte.gz --show 1 >out
expect "uint8 [200, 28, 28]" out
expect "as classes: 0 (" out
[ "$(grep -c '[@%#]' out)" -ge 3 ] || fail "inspect --show draws nothing"
printf 'x,kind\n1,a\n?,b\n3,a\n' >t.csv
"$cohort" data inspect t.csv >out
expect "3 records of 2 columns, with a header" out
expect "least 1, greatest 3, mean 2" out
expect "1 missing" out
expect "a (2), b (1)" out
refuse 2 "check the path" "$cohort" data inspect nothing
refuse 2 "not a folder" "$cohort" data inspect a

cat >e.yaml <<END
name: parts
model: {layers: [dense: {units: 10}], loss: cross_entropy}
data:
  format: idx
  train: {features: a/train-images-idx3-ubyte.gz, labels: a/train-labels-idx1-ubyte.gz}
collaboration: {algorithm: fedavg, rounds: 1, learners: 8}
END
"$cohort" data partition e.yaml >out
[ "$(awk 'NR > 1 && $2 == 25' out | wc -l)" = 8 ] || { cat out >&2; fail "8 parts of 25 were expected"; }
"$cohort" data partition e.yaml --set data.partition=shards --set collaboration.learners=5 >out
[ "$(awk 'NR > 1 { for (i = 3; i <= NF; i++) n += $i } END { print n }' out)" = 200 ] || fail "samples are lost"
refuse 2 "200 samples cannot be shared out among 201 learners" \
    "$cohort" data partition e.yaml --set collaboration.learners=201
