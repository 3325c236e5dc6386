#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_shell.sh - the shell scripts, by the shell itself and by shellcheck where it is installed (else skipped, aloud).
# usage: tools/lint/check_shell.sh [SOURCE_FOLDER]
set -eu
cd "${1:-$(dirname -- "$0")/../..}"

scripts=$({
    find tools tests bench docs -name '*.sh'
    echo run
} | LC_ALL=C sort)
for script in $scripts; do sh -n "$script"; done
bash -n .ci/run
bash -n apps/completions/simile.bash
if ! command -v shellcheck >/dev/null; then
    echo "shell: syntax is right; the rest SKIPPED, shellcheck is not installed"
    exit 77
fi
# SC1007 takes an empty assignment before another one for a mistake.
# shellcheck disable=SC2086 # words
shellcheck -S warning -e SC1007 $scripts .ci/run
echo "shell: nothing found by shellcheck"
