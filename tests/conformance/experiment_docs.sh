#!/bin/sh
# docs/experiment.md must be what the option rows make: experiment_docs.sh COHORT SOURCE_ROOT
"$1" help experiment | diff -u "$2/docs/experiment.md" - && exit
echo "FAIL: docs/experiment.md is older than the option rows; run: ninja -C build docs"
exit 1
