#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# embed_page.sh - C source that puts the files of a folder into the program. usage: tools/embed_page.sh FOLDER OUTPUT
#
# Each file becomes bytes (the assembler reads it, so size costs no time), a row of page_files and one of routes_page;
# index.html also answers at "/". Hidden files and what no URL can hold by itself are left out. The output is only
# written when it differs: it holds each file's SHA-256, so that a changed file makes a changed source.
set -eu
folder=$1 output=$2
new=$(mktemp "$output.XXXXXX")
trap 'rm -f "$new"' EXIT

files() {
    [ -d "$folder" ] || return 0
    (cd "$folder" && find . -type f ! -path '*/.*' | sed 's/^\.//' | grep -E '^[A-Za-z0-9_./-]+$' | LC_ALL=C sort)
}

{
    printf '/* made by tools/embed_page.sh: the files of web/ */\n#include "serve/page.h"\n\n'
    n=0
    for path in $(files); do
        printf '__asm__(".section .rodata\\n.balign 16\\npage_file_%d:\\n.incbin \\"%s\\"\\npage_file_%d_end:\\n.byte 0\\n.previous");\n' \
            "$n" "$folder$path" "$n"
        printf 'extern const unsigned char page_file_%d[] __attribute__((visibility("hidden")));\n' "$n"
        printf 'extern const unsigned char page_file_%d_end[] __attribute__((visibility("hidden")));\n' "$n"
        n=$((n + 1))
    done
    printf '\nconst page_file page_files[] = {\n'
    n=0
    for path in $(files); do
        digest=$(sha256sum <"$folder$path" | cut -c 1-64)
        printf '    {"%s", page_file_%d, page_file_%d_end, "%s"},\n' "$path" "$n" "$n" "$digest"
        n=$((n + 1))
    done
    printf '    {NULL, NULL, NULL, NULL},\n};\n\nconst route routes_page[] = {\n'
    for path in $(files); do
        if [ "$path" = /index.html ]; then printf '    {"GET", "/", page_serve, ROUTE_PUBLIC},\n'; fi
        printf '    {"GET", "%s", page_serve, ROUTE_PUBLIC},\n' "$path"
    done
    printf '    {NULL, NULL, NULL, 0},\n};\n'
} >"$new"
cmp -s "$new" "$output" 2>/dev/null || cp "$new" "$output"
