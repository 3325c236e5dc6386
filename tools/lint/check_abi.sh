#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_abi.sh - does the library still have the interface that programs were built against?
# usage: tools/lint/check_abi.sh LIBRARY SIZES_PROGRAM WANTED
#
# WANTED lists the exported symbols and the sizes of the public structs (tests/lint/abi.c prints them). A line that goes or
# changes breaks programs and needs a new SONAME; a line that comes is a new function or struct: put it into WANTED.
set -eu
library=$1 sizes=$2 wanted=$3
actual=$(mktemp "${TMPDIR:-/tmp}/simile-abi.XXXXXX")
trap 'rm -f "$actual"' EXIT
{
    nm -D --defined-only "$library" | awk '{ print "symbol", $NF }' | LC_ALL=C sort
    "$sizes"
} >"$actual"
if ! diff -u "$wanted" "$actual"; then
    echo "abi: the interface is not the one that tests/lint/abi.txt describes"
    exit 1
fi
if grep '^symbol' "$actual" | grep -v '^symbol simile_'; then
    echo "abi: the library exports names that are not its own"
    exit 1
fi
echo "abi: $(grep -c '^symbol' "$actual") symbols, as described"
