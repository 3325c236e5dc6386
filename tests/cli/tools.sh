# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# tools.sh - functions for the transcripts. Every command of a transcript reads this first.

# picture FILE RED GREEN BLUE [SIZE]: one colour, as PPM.
picture() {
    awk -v r="$2" -v g="$3" -v b="$4" -v n="${5:-24}" 'BEGIN {
        printf "P3\n%d %d\n255\n", n, n
        for (i = 0; i < n * n; i++) print r, g, b
    }' >"$1"
}

# pattern FILE SEED [SIZE]: a picture of blocks; each seed gives another one.
pattern() {
    awk -v s="$2" -v n="${3:-32}" 'BEGIN {
        printf "P3\n%d %d\n255\n", n, n
        for (y = 0; y < n; y++) for (x = 0; x < n; x++)
            print (int(x / 8) * 61 + s * 37) % 256, (int(y / 8) * 83 + s * 91) % 256, (int((x + y) / 8) * 29 + s * 53) % 256
    }' >"$1"
}

# numbers DIGITS: rounds the numbers of stdin, for output that may differ in its last digits between machines.
numbers() {
    awk -v digits="$1" '{
        rest = $0; out = ""
        while (match(rest, /-?[0-9]+\.[0-9]+([eE][-+]?[0-9]+)?/)) {
            out = out substr(rest, 1, RSTART - 1) sprintf("%." digits "f", substr(rest, RSTART, RLENGTH))
            rest = substr(rest, RSTART + RLENGTH)
        }
        print out rest
    }'
}

# shape: replaces each number of stdin by N and each run of "N,N,..." by "N,...".
shape() {
    sed -E -e 's/-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?/N/g' -e 's/N(,N)+/N,.../g'
}
