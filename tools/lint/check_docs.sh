#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_docs.sh - do the documents speak of what is there? usage: tools/lint/check_docs.sh [SOURCE_FOLDER]
#
# Links to files, links to headings of the same file, paths between backquotes that begin with a folder of the sources;
# and each file of a model family has to be named in docs/models.md.
set -eu
cd "${1:-$(dirname -- "$0")/../..}"
bad=0 n=0
words=$(mktemp "${TMPDIR:-/tmp}/simile-docs.XXXXXX")
trap 'rm -f "$words"' EXIT

# wrong DOCUMENT WORD WHY
wrong() {
    echo "$1: '$2' $3"
    bad=1
}

# The anchor of a heading, as GitHub makes it: lower case, spaces to '-', punctuation away.
anchors() {
    sed -n 's/^##* //p' "$1" | tr 'A-Z ' 'a-z-' | sed 's/[^a-z0-9_-]//g'
}

for document in README.md CONTRIBUTING.md docs/*.md; do
    folder=$(dirname -- "$document")
    grep -o ']([^)]*)' "$document" | sed 's/^](//; s/)$//' | grep -v '^[a-z]*:' >"$words" || true
    while read -r link; do
        n=$((n + 1))
        case $link in
        '#'*) anchors "$document" | grep -qx -- "${link#?}" || wrong "$document" "$link" "is no heading of it" ;;
        *) [ -e "$folder/${link%%#*}" ] || wrong "$document" "$link" "is not there" ;;
        esac
    done <"$words"
    grep -o '`[^` ]*`' "$document" | tr -d '`' |
        grep -E '^(src|apps|include|tests|tools|docs|bench|models|gallery)/[A-Za-z0-9_./-]*$' >"$words" || true
    while read -r path; do
        n=$((n + 1))
        [ -e "$path" ] || wrong "$document" "$path" "is not there"
    done <"$words"
done

for file in src/model/families/*.c; do
    grep -q -- "\`$(basename -- "$file")\`" docs/models.md || wrong docs/models.md "$(basename -- "$file")" "is missing"
done
[ $bad -ne 0 ] || echo "docs: $n links and paths, all of them there"
exit $bad
