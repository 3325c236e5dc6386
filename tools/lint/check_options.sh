#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_options.sh - is everything that --help tells also in the man page? usage: tools/lint/check_options.sh PROGRAM [SOURCE_FOLDER]
set -eu
program=$(readlink -f -- "$1")
cd "${2:-$(dirname -- "$0")/../..}"
bad=0 n=0

commands=$("$program" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p')
[ -n "$commands" ]
for command in $commands; do
    grep -q "^\.SS simile $command" docs/simile.1 || {
        echo "docs/simile.1 has no section about '$command'"
        bad=1
    }
    for option in $("$program" "$command" --help | sed -n 's/^  [ -].[, ] --\([a-z0-9-]*\).*/\1/p'); do
        n=$((n + 1))
        # in the man page a '-' of an option is written \-
        written=$(printf '%s' "$option" | sed 's/-/\\\\-/g')
        grep -q -- "\\\\-\\\\-$written\\($\\|[^a-z\\\\]\\)" docs/simile.1 || {
            echo "docs/simile.1 does not know --$option (of '$command')"
            bad=1
        }
    done
done
[ $bad -ne 0 ] || echo "options: $n in the help texts, all of them in the man page"
exit $bad
