#!/bin/sh
# wrap.sh PROGRAM ARGUMENT...: under memcheck, with the processes that it starts; exit code 99 when anything is found in
# any of them but the system's own. (Criterion's children say nothing that is heard, by exit code or standard error.)
# A shell script runs by itself, and puts UNDER, this one, before the programs that it starts.
# Valgrind hides AVX-512 from programs, so OpenBLAS and our own kernels choose AVX2 by themselves.
if [ -n "${MEMCHECK_FOLDER:-}" ]; then
    unset OPENBLAS_CORETYPE
    exec valgrind --quiet --trace-children=yes "--trace-children-skip=/usr/bin/*,/bin/*" \
        --log-file="$MEMCHECK_FOLDER/%p" --error-exitcode=99 --leak-check=full \
        --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        --suppressions="$(dirname "$0")/libraries.supp" "$@"
fi
MEMCHECK_FOLDER=$(mktemp -d)
export MEMCHECK_FOLDER
trap 'rm -rf "$MEMCHECK_FOLDER"' EXIT
case $1 in
    *.sh) UNDER=$(realpath "$0") "$@" ;;
    *.py) "$@" ;;
    *) "$0" "$@" ;;
esac
code=$?
# Valgrind 3.19 does not know pidfd_open, and says so; programs then do without what needs it.
unknown='WARNING: unhandled amd64-linux syscall: 434|You may be able to write your own handler\.|Read the file README_MISSING_SYSCALL_OR_IOCTL\.'
unknown="$unknown|Nevertheless we consider this a bug\.  Please report|it at http://valgrind\.org/support/bug_reports\.html\."
found=$(grep -rlvE "^--[0-9]+-- ($unknown)\$" "$MEMCHECK_FOLDER")
[ -n "$found" ] || exit "$code"
cat $found >&2
exit 99
