#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_words.sh - calls and words that have no place here. usage: tools/lint/check_words.sh [SOURCE_FOLDER]
#
# Comments and strings are taken out before calls are looked for.
set -eu
cd "${1:-$(dirname -- "$0")/../..}"

bad=0
find src apps -name '*.[ch]' | LC_ALL=C sort | xargs awk '
    # Calls with no bound, with hidden state, or with another, better way in src/base.
    BEGIN {
        everywhere = "strcpy strcat sprintf vsprintf gets strtok strncpy strncat atoi atol atof gmtime localtime asctime " \
                     "ctime rand srand system popen alloca tmpnam mktemp setjmp longjmp"
        memory = "malloc calloc realloc reallocarray strdup strndup asprintf vasprintf getline aligned_alloc"
        library = "printf fprintf vprintf vfprintf puts putchar perror exit abort _exit signal sigaction setlocale putenv setenv"
        n = split(everywhere, w, " "); for (i = 1; i <= n; i++) call[w[i]] = "has no place here"
        n = split(memory, w, " "); for (i = 1; i <= n; i++) own[w[i]] = "only src/base/mem.c may call it"
        n = split(library, w, " "); for (i = 1; i <= n; i++) quiet[w[i]] = "the library never does that"
    }
    FNR == 1 { in_comment = 0 }
    {
        line = $0
        gsub(/\\./, "", line)
        out = ""
        while (length(line)) {
            if (in_comment) {
                at = index(line, "*/")
                if (!at) break
                line = substr(line, at + 2); in_comment = 0
            } else if (match(line, /\/\*|\/\/|"[^"]*"|\047[^\047]*\047/)) {
                out = out substr(line, 1, RSTART - 1) " "
                piece = substr(line, RSTART, RLENGTH)
                line = substr(line, RSTART + RLENGTH)
                if (piece == "//") break
                in_comment = piece == "/*"
            } else { out = out line; break }
        }
        if (out ~ /^[ \t]*#/) next
        while (match(out, /[A-Za-z_][A-Za-z_0-9]*[ ]*\(/)) {
            name = substr(out, RSTART, RLENGTH - 1)
            sub(/ +$/, "", name)
            out = substr(out, RSTART + RLENGTH)
            why = ""
            if (name in call) why = call[name]
            else if (name in own && FILENAME != "src/base/mem.c") why = own[name]
            else if (name in quiet && FILENAME ~ /^src\//) why = quiet[name]
            if (why != "") { printf "%s:%d: %s(): %s\n", FILENAME, FNR, name, why; bad = 1 }
        }
    }
    END { exit bad }' || bad=1

# Notes to oneself are no documentation: what is missing is said in words, where the user looks.
leftovers='TO''DO|FIX''ME|XX''X|HA''CK'
if find src apps include tests tools bench docs run .ci ./*.md -type f ! -path '*/fixtures/*' ! -path '*/corpus/*' \
    -exec grep -nEIH "(^|[^A-Za-z0-9_])($leftovers)([^A-Za-z0-9_]|\$)" {} +; then
    echo "a note to oneself was left"
    bad=1
fi
[ $bad -ne 0 ] || echo "words: nothing that should not be there"
exit $bad
