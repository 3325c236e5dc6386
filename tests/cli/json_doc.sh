#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# json_doc.sh - runs the examples of docs/json.md, one behind the other, and compares the shapes of what they print.
# usage: tests/cli/json_doc.sh PROGRAM JSON_SHAPE SOURCE_FOLDER
set -u
program=$(readlink -f -- "$1") json_shape=$(readlink -f -- "$2") SOURCE=$3
passed=0 failed=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/simile json.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

mkdir "$scratch/bin" "$scratch/home" "$scratch/work" "$scratch/work/pictures"
ln -s "$program" "$scratch/bin/simile"
PATH=$scratch/bin:$PATH HOME=$scratch/home SIMILE_MODELS=$SOURCE/models LC_ALL=C.UTF-8
export PATH HOME SIMILE_MODELS LC_ALL
unset SIMILE_MODEL SIMILE_TEXT_MODEL SIMILE_CATALOG XDG_DATA_HOME
[ -e "$SOURCE/models/simile-scenes/config.json" ] || SIMILE_MODEL=$SOURCE/tests/fixtures/models/tiny-quick
[ -z "${SIMILE_MODEL:-}" ] || export SIMILE_MODEL

cd "$scratch/work" || exit 1
. "$SOURCE/tests/cli/tools.sh"
pattern dogs.jpg 1
pattern pictures/dogs.ppm 1
pattern pictures/cat.ppm 2
pattern pictures/boat.ppm 3

# What pull finds without a network: a model in the cache of the Hugging Face libraries.
commit=3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268
cached=$scratch/hf/hub/models--openai--clip-vit-base-patch32
mkdir -p "$cached/refs" "$cached/snapshots/$commit"
printf '%s' $commit >"$cached/refs/main"
cp "$SOURCE"/tests/fixtures/models/tiny-quick/* "$cached/snapshots/$commit"
# A model that reads texts for it.
mkdir -p "$HOME/.local/share/simile/models"
cp -r "$SOURCE/tests/fixtures/models/tiny-reader" "$HOME/.local/share/simile/models/clip-ViT-B-32-multilingual-v1"
HF_HUB_OFFLINE=1 HF_HOME=$scratch/hf
export HF_HUB_OFFLINE HF_HOME
unset HF_HUB_CACHE HF_TOKEN HF_TOKEN_PATH

awk -v folder="$scratch" '
    /^    \$ / { n++; print substr($0, 7) > (folder "/" n ".command"); close(folder "/" n ".command"); next }
    /^    / && n { print substr($0, 5) > (folder "/" n ".wanted") }
    END { print n > (folder "/count") }' "$SOURCE/docs/json.md"
count=$(cat "$scratch/count")
i=0
while [ $i -lt "$count" ]; do
    i=$((i + 1))
    command=$(cat "$scratch/$i.command")
    sh -c "$command" </dev/null >"$scratch/$i.actual" 2>"$scratch/$i.err"
    if "$json_shape" "$scratch/$i.wanted" "$scratch/$i.actual"; then
        passed=$((passed + 1))
        echo "[       OK ] $command"
    else
        failed=$((failed + 1))
        echo "[  FAILED  ] $command"
        sed 's/^/    /' "$scratch/$i.err"
        cut -c 1-400 "$scratch/$i.actual" | sed 's/^/    /'
    fi
done

echo "[  PASSED  ] $passed test(s)."
[ $failed -eq 0 ] || echo "[  FAILED  ] json: $failed test(s), listed above."
[ $failed -eq 0 ] && [ $passed -gt 0 ]
