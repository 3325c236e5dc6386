#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_format.sh - is every C file as clang-format 14 would write it? usage: tools/lint/check_format.sh [SOURCE_FOLDER]
#
# Other versions break lines in other places, so the check is skipped, aloud (exit status 77), unless that one is there.
set -eu
cd "${1:-$(dirname -- "$0")/../..}"

for program in clang-format-14 clang-format; do
    if command -v "$program" >/dev/null && "$program" --version | grep -q 'version 14\.'; then
        find src apps include bench tests tools -name '*.[ch]' | LC_ALL=C sort | xargs "$program" --dry-run -Werror
        echo "format: as clang-format 14 writes it"
        exit 0
    fi
done
echo "format: SKIPPED, clang-format 14 is not installed"
exit 77
