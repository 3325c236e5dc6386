#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_functions.sh - how long functions and files are. usage: tools/lint/check_functions.sh [SOURCE_FOLDER]
#
# No function has more than 100 lines between its braces, no file more than 1,200; of the product's own functions (src/
# and apps/) nine in ten have at most 50. In this code a function's braces, and nothing else's, stand alone in the first
# column (.clang-format), which is all that has to be known to find them.
set -eu
cd "${1:-$(dirname -- "$0")/../..}"

{
    find src apps include -name '*.[ch]' | LC_ALL=C sort | sed 's/^/product /'
    find bench tests tools -name '*.[ch]' | LC_ALL=C sort | sed 's/^/other /'
} | while read -r kind file; do
    awk -v kind="$kind" -v file="$file" '
        /^[A-Za-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
        /^\{$/ { start = FNR }
        /^\}/ && start { print kind, FNR - start - 1, file ":" start, name; start = 0 }
        END { print "file", NR, file, "-" }' "$file"
done | sort -k2,2n | awk '
    $1 == "file" { files++; if ($2 > 1200) { printf "%s has %d lines, more than 1,200\n", $3, $2; bad = 1 } next }
    $2 > 100 { printf "%s: %s() has %d lines, more than 100\n", $3, $4, $2; bad = 1 }
    $1 == "product" { length_of[n++] = $2; longest = $4 }
    END {
        if (!n) { print "no function was found"; exit 1 }
        p90 = length_of[int(n * 0.9)]
        printf "functions: %d in src/ and apps/, median %d lines, 90th percentile %d, longest %d (%s); %d files\n",
            n, length_of[int(n / 2)], p90, length_of[n - 1], longest, files
        if (p90 > 50) { print "the 90th percentile is more than 50"; bad = 1 }
        exit bad
    }'
