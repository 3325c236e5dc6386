#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# demo_svg.sh - draws docs/demo.svg: what the bundled model finds in the bundled pictures, as `simile search` prints it.
# usage: tools/demo_svg.sh [PROGRAM] >docs/demo.svg
#
# Every number and picture comes from a search that is run here; the pictures are put into the file as they are.
set -eu
program=$(readlink -f -- "${1:-$(dirname -- "$0")/../build/simile}")
cd "$(dirname -- "$0")/.."
scratch=$(mktemp -d "${TMPDIR:-/tmp}/simile-svg.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
"$program" --catalog "$scratch/c.simile" --model models/simile-scenes --quiet add gallery >"$scratch/log"

hits=4 side=168 gap=12 row=246 left=24 top=24
width=$((2 * left + hits * side + (hits - 1) * gap))

escape() {
    sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g'
}

# row_of Y WORDS...: one search.
row_of() {
    y=$1
    shift
    shown=$(printf ' %s' "$@" | sed -e 's|gallery/||g')
    printf '<text x="%d" y="%d" class="command">$ simile search%s</text>\n' $left $((y + 14)) "$(printf '%s' "$shown" | escape)"
    # the words stand as they were typed, quotes included: sh reads them once more
    eval "\"\$program\" --catalog \"\$scratch/c.simile\" --model models/simile-scenes search $* -k $hits" >"$scratch/hits"
    x=$left
    while read -r _ percent path; do
        printf '<image x="%d" y="%d" width="%d" height="%d" preserveAspectRatio="xMidYMid slice" href="data:image/jpeg;base64,%s"/>\n' \
            $x $((y + 26)) $side $side "$(base64 -w 0 "$path")"
        printf '<text x="%d" y="%d" class="score">%s</text>\n' $x $((y + 26 + side + 18)) "$percent"
        x=$((x + side + gap))
    done <"$scratch/hits"
}

printf '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">\n' \
    $width $((top + 5 * row)) $width $((top + 5 * row))
cat <<'END'
<style>
text { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.command { font-size: 14px; fill: #e6edf3; }
.score { font-size: 13px; fill: #7ee787; }
</style>
<rect width="100%" height="100%" rx="10" fill="#161b22"/>
END
dogs=$("$program" --catalog "$scratch/c.simile" --model models/simile-scenes search two dogs in the snow -k 1 --paths)
dogs=gallery/${dogs##*/}
row_of $top '"two dogs in the snow"'
row_of $((top + row)) '"a cat on a table"'
row_of $((top + 2 * row)) '夜晚的伦敦' --via multilingual
row_of $((top + 3 * row)) --image "$dogs" --others
row_of $((top + 4 * row)) --image "$dogs" '"a beach"' -w 1.5 --not snow
echo '</svg>'
