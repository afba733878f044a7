#!/bin/sh
# wrap.sh PROGRAM ARGUMENT...: under memcheck, with the processes that it starts; exit code 99 when anything is found.
# A shell script runs by itself, and puts UNDER, this one, before the programs that it starts.
# Valgrind hides AVX-512 from programs, so OpenBLAS and our own kernels choose AVX2 by themselves.
case $1 in *.sh) exec env UNDER="$(realpath "$0")" "$@" ;; esac
unset OPENBLAS_CORETYPE
exec valgrind --quiet --trace-children=yes --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite --suppressions="$(dirname "$0")/libraries.supp" "$@"
