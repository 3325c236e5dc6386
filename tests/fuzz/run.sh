#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - each fuzz target for a while, starting from its corpus. usage: tests/fuzz/run.sh BUILD_FOLDER SECONDS [NAME...]
#
# What a target finds goes to BUILD_FOLDER/found/NAME; new corpus files to BUILD_FOLDER/corpus/NAME, not to the sources.
set -eu
build=$1 seconds=$2
shift 2
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck disable=SC2046 # words
[ $# -gt 0 ] || set -- $(cd "$build/tests/fuzz" && printf '%s\n' fuzz_* | sed -n 's/^fuzz_\([a-z_]*\)$/\1/p')
# Otherwise clang's UBSan says what it sees and goes on, and nobody hears of it.
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export UBSAN_OPTIONS
bad=0
for name in "$@"; do
    mkdir -p "$build/corpus/$name" "$build/found/$name"
    if "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=1024 \
        -artifact_prefix="$build/found/$name/" "$build/corpus/$name" "$here/corpus/$name" >"$build/found/$name.log" 2>&1; then
        printf '%-20s %s\n' "$name" "$(tail -n 1 "$build/found/$name.log")"
    else
        printf '%-20s FOUND SOMETHING, see %s\n' "$name" "$build/found/$name.log"
        bad=1
    fi
done
exit $bad
