#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_header.sh - does the program in simile.h's first comment compile, in C11 and, where there is a compiler, in C++?
# usage: tools/lint/check_header.sh LIBRARY [SOURCE_FOLDER]
set -eu
library=$(readlink -f -- "$1")
cd "${2:-$(dirname -- "$0")/../..}"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/simile-header.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
{
    printf '#include "simile.h"\n#include <stdio.h>\n#include <stdlib.h>\nint main(void)\n{\n'
    sed -n 's/^ \*     /    /p' include/simile.h | sed -n '/^    simile_error err;/,/similarity, /p'
    printf '    return 0;\n}\n'
} >"$scratch/example.c"
grep -q simile_search "$scratch/example.c" || {
    echo "the example was not found"
    exit 1
}
"${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude "$scratch/example.c" "$library" -o "$scratch/example"
printf '#include "simile.h"\nint main() { return simile_version_number() == 0; }\n' >"$scratch/example.cc"
if command -v c++ >/dev/null; then
    c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -Iinclude "$scratch/example.cc" "$library" -o "$scratch/example++"
fi
echo "header: its example compiles"
