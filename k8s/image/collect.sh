#!/bin/sh
# collect.sh PROGRAMS FOLDER: puts the three programs, the shared libraries that they load and nothing else into FOLDER, as
# the root of an image. PROGRAMS is the folder in which they were built (build/bin).
set -eu
programs=$1 root=$2
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/data" "$root/config" "$root/var/lib/cohort"
for program in cohort cohort-coordinator cohort-learner; do
    strip -o "$root/bin/$program" "$programs/$program"
done
ldd "$programs"/cohort "$programs"/cohort-coordinator "$programs"/cohort-learner |
    sed -n 's/.*=> \(\/[^ ]*\) (.*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\) (.*/\1/p' | sort -u |
    while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
printf 'cohort:x:65532:65532:cohort:/:/sbin/nologin\n' >"$root/etc/passwd"
printf 'cohort:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
chown 65532:65532 "$root/data" "$root/var/lib/cohort" 2>/dev/null || true
