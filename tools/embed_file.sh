#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# embed_file.sh - C source that puts a file into the program. usage: tools/embed_file.sh FILE NAME OUTPUT
#
# OUTPUT defines `const unsigned char NAME[]` and `const size_t NAME_len`; whoever uses them declares them.
set -eu
file=$1 name=$2 output=$3
{
    printf '/* made by tools/embed_file.sh */\n#include <stddef.h>\n\n'
    printf 'extern const unsigned char %s[];\nextern const size_t %s_len;\n' "$name" "$name"
    printf 'const unsigned char %s[] = {\n' "$name"
    od -An -v -tu1 "$file" | sed 's/[0-9][0-9]*/&,/g'
    printf '};\nconst size_t %s_len = sizeof %s;\n' "$name" "$name"
} >"$output"
