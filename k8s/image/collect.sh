#!/bin/sh
# collect.sh PROGRAMS FOLDER: puts the three programs, the shared libraries that they load and nothing else into FOLDER, as
# the root of an image. PROGRAMS is the folder in which they were built (build/bin).
set -eu
programs=$1 root=$2
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/data" "$root/config" "$root/var/lib/cohort"
for program in cohort cohort-coordinator cohort-learner; do
    strip -o "$root/bin/$program" "$programs/$program"
done

# needed_by FILE...: the shared libraries that they load, with the loader itself.
needed_by() {
    ldd "$@" | sed -n 's/.*=> \(\/[^ ]*\) (.*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\) (.*/\1/p' | sort -u
}

# small_openblas LIBRARY ARCHIVE OUT: links the archive's objects, which are the library's own, into a library of those
# functions that the programs call: all kernels for all processors, without LAPACK and the Fortran runtime that it needs.
small_openblas() {
    called=$(nm -D --undefined-only "$programs"/cohort* | awk 'NF == 2 { print $2 }' | sort -u)
    wanted=$(nm -D --defined-only "$1" | awk '{ print $3 }' | sort -u | grep -Fx "$called")
    exported=$(mktemp)
    # shellcheck disable=SC2086 # one line, and one option, a function
    { echo '{ global:' && printf '%s;\n' $wanted && echo 'local: *; };'; } >"$exported"
    # shellcheck disable=SC2046,SC2086
    gcc -shared -s -o "$3" -Wl,-soname,"${3##*/}" -Wl,--version-script="$exported" -Wl,--gc-sections -Wl,--no-undefined \
        -Wl,-z,relro,-z,now $(printf -- '-Wl,-u,%s ' $wanted) "$2" -lpthread -lm
    rm "$exported"
}

openblas=$(needed_by "$programs"/cohort | grep '/libopenblas\.so\.0$')
archive=$(dirname "$(readlink -f "$openblas")")/libopenblas.a
[ -f "$archive" ] || { echo "collect.sh: no '$archive'; install libopenblas-dev" >&2; exit 1; }
small=$root$(dirname "$openblas")
mkdir -p "$small"
small_openblas "$openblas" "$archive" "$small/${openblas##*/}"
export LD_LIBRARY_PATH="$small"
needed_by "$programs"/cohort "$programs"/cohort-coordinator "$programs"/cohort-learner | grep -v "^$small" | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
printf 'cohort:x:65532:65532:cohort:/:/sbin/nologin\n' >"$root/etc/passwd"
printf 'cohort:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
chown 65532:65532 "$root/data" "$root/var/lib/cohort" 2>/dev/null || true
