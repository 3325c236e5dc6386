#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# debian_roots.sh - does the front door work on a machine that has nothing?
#
# Makes a bare Debian root a suite (debootstrap --variant=minbase: no compiler, no Python, no certificates), puts a
# clean clone of this repository into it, runs `./run demo` and `./run test` there and prints the time that each took.
# Then it asks both builds for the vectors of the whole gallery and prints the largest difference between them.
#
# Needs root, debootstrap, git and a Debian mirror. The bare roots are kept as tar files in the working folder, so that
# a second run needs the mirror only for what `./run` itself installs. Everything that runs inside gets mount and
# process namespaces of its own: when this script ends, however it ends, nothing of it is left running or mounted.
set -eu

usage() {
    cat <<'END'
usage: tools/debian_roots.sh [options]
  --suite NAME    bookworm, trixie, or any other suite; may be repeated       [bookworm, trixie]
  --dir DIR       where roots, tar files and logs go                          [a new folder below $TMPDIR]
  --mirror URL    Debian mirror                       [this machine's own, else debootstrap's]
  --step NAME     a `./run` command to try; may be repeated                   [demo, test]
  --shell         open a shell in the root of the first suite instead of running anything
  --bases         only make the tar files of the bare roots
  --keep          leave the roots in place afterwards
END
}

die() {
    echo "debian_roots: $*" >&2
    exit 1
}

# The first Debian mirror that this machine's apt uses, if it uses one.
host_mirror() {
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ -r "$list" ] || continue
        sed -n -e 's/^URIs:[[:space:]]*//p' -e 's/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}//p' "$list"
    done | awk '$1 ~ /\/debian\/?$/ { print $1; exit }'
}

# base_of SUITE: makes DIR/SUITE.tar, a bare root.
base_of() {
    [ -s "$dir/$1.tar" ] && return 0
    echo "debian_roots: making a bare root of $1 from ${mirror:-the usual mirror}"
    rm -rf "$dir/$1.new"
    debootstrap --variant=minbase "$1" "$dir/$1.new" ${mirror:+"$mirror"} >"$dir/$1.debootstrap.log" 2>&1 ||
        die "debootstrap failed, see $dir/$1.debootstrap.log"
    # Only the archive's own configuration stays: no lists, no downloaded packages.
    rm -rf "$dir/$1.new"/var/cache/apt/archives/*.deb "$dir/$1.new"/var/lib/apt/lists/*
    tar -C "$dir/$1.new" -cf "$dir/$1.tar.part" .
    mv "$dir/$1.tar.part" "$dir/$1.tar"
    rm -rf "$dir/$1.new"
}

# unpack SUITE: a fresh root in DIR/SUITE with a clean clone in it.
unpack() {
    rm -rf "${dir:?}/$1"
    mkdir -p "$dir/$1"
    tar -C "$dir/$1" -xf "$dir/$1.tar"
    [ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$dir/$1/etc/resolv.conf"
    git clone --quiet --no-hardlinks "$repository" "$dir/$1/opt/simile"
}

# inside SUITE COMMAND...: runs it in the root, in /opt/simile, with an environment like that of a fresh login. The
# signs of a terminal are taken away so that what a log shows is what any other log would.
inside() {
    suite=$1
    shift
    unshare --mount --pid --fork --kill-child sh -c '
        root=$1
        shift
        mount -t proc proc "$root/proc"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb "$@"
    ' sh "$dir/$suite" sh -c 'cd /opt/simile && exec "$@"' sh "$@"
}

# step SUITE NAME: runs ./run NAME and prints a line about it.
step() {
    log="$dir/$1.$2.log"
    started=$(date +%s)
    if inside "$1" ./run "$2" </dev/null >"$log" 2>&1; then word=succeeded; else word=FAILED; fi
    took=$(($(date +%s) - started))
    summary=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1 || true)
    printf '%-10s ./run %-6s %-9s %2dm %02ds  %s\n' "$1" "$2" "$word" $((took / 60)) $((took % 60)) "$summary"
    [ "$word" = succeeded ] || failed=1
    if [ "$word" = FAILED ]; then tail -n 20 "$log" | sed 's/^/    /'; fi
}

# vectors SUITE: one line a picture of the gallery, "path n1 n2 ...", unit length.
vectors() {
    inside "$1" sh -c 'build/simile --model simile-scenes --json embed --normalize --image gallery/*.jpg' |
        sed -e 's/.*"input":"\([^"]*\)"[^[]*\[\([^]]*\)\].*/\1,\2/' -e 's/,/ /g' >"$dir/$1.vectors"
}

compare_vectors() {
    paste -d ' ' "$dir/$1.vectors" "$dir/$2.vectors" | awk -v one="$1" -v two="$2" '
        { half = NF / 2
          if (half < 2 || $1 != $(half + 1)) { print "debian_roots: the lists of vectors do not match"; exit 1 }
          for (i = 2; i <= half; i++) { d = $i - $(half + i); if (d < 0) d = -d; if (d > most) most = d } }
        END { printf "%d vectors of %d numbers: %s and %s differ by at most %.2g\n", NR, half - 1, one, two, most
              exit !(NR > 0 && most <= 1e-5) }'
}

suites= steps= mirror= dir= keep= only=
while [ $# -gt 0 ]; do
    case $1 in
    --suite | --dir | --mirror | --step) [ $# -ge 2 ] || die "$1 needs a value" ;;
    esac
    case $1 in
    --suite) suites="$suites $2" && shift ;;
    --dir) dir=$2 && shift ;;
    --mirror) mirror=$2 && shift ;;
    --step) steps="$steps $2" && shift ;;
    --shell) only=shell ;;
    --bases) only=bases ;;
    --keep) keep=1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ "$(id -u)" -eq 0 ] || die "needs root"
for tool in debootstrap git unshare tar; do
    command -v "$tool" >/dev/null || die "needs $tool"
done
suites=${suites:-bookworm trixie}
steps=${steps:-demo test}
mirror=${mirror:-$(host_mirror)}
made_dir=
if [ -z "$dir" ]; then
    dir=$(mktemp -d "${TMPDIR:-/tmp}/simile-roots.XXXXXX")
    made_dir=$dir
fi
mkdir -p "$dir"
dir=$(CDPATH='' cd -- "$dir" && pwd)
failed=0

clean() {
    [ -n "$keep" ] || [ "$only" = bases ] || for suite in $suites; do rm -rf "${dir:?}/$suite"; done
    for suite in $suites; do rm -rf "${dir:?}/$suite.new"; done
    if [ -n "$made_dir" ] && [ -z "$keep" ] && [ "$failed" -eq 0 ]; then rm -rf "$made_dir"; fi
}
trap clean EXIT
trap 'exit 130' INT TERM

for suite in $suites; do base_of "$suite"; done
[ "$only" != bases ] || exit 0
if [ "$only" = shell ]; then
    # shellcheck disable=SC2086 # words
    set -- $suites
    unpack "$1"
    inside "$1" bash || true
    exit 0
fi
for suite in $suites; do
    unpack "$suite"
    for name in $steps; do step "$suite" "$name"; done
    vectors "$suite" || failed=1
done
# shellcheck disable=SC2086 # words
set -- $suites
if [ $# -eq 2 ] && [ "$failed" -eq 0 ]; then compare_vectors "$1" "$2" || failed=1; fi
[ "$failed" -eq 0 ] || echo "debian_roots: failed; the logs are in $dir" >&2
exit "$failed"
