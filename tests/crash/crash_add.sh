#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Kills 'simile add' with SIGKILL at random moments. After each kill the catalogue must verify clean; whenever a run gets
# to its end, the catalogue must be, byte for byte of its dump, that of a run that nobody disturbed.
#
#     crash_add.sh SIMILE MAKE_PICTURES DUMP_CATALOG MODEL [KILLS [PICTURES [SEED]]]
#
# The moments are drawn from SEED (default: the time), which is printed, over the time that an undisturbed run takes.
set -eu

simile=$1 make_pictures=$2 dump_catalog=$3 model=$4
kills=${5:-5} pictures=${6:-500} seed=${7:-$(date +%s)}

work=$(mktemp -d "${TMPDIR:-/tmp}/simile-crash-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/pictures"
"$make_pictures" "$work/pictures" "$pictures"

add() {
    "$simile" add --quiet --catalog "$1" --model "$model" "$work/pictures" >"$work/out" 2>&1
}

fail() {
    echo "FAIL: $1" >&2
    cat "$work/out" >&2
    exit 1
}

milliseconds() {
    echo $(($(date +%s%N) / 1000000))
}

# An undisturbed run: what there must be at the end, and how long there is to be killed in.
start=$(milliseconds)
add "$work/whole" || fail "an undisturbed run failed"
span=$(($(milliseconds) - start))
"$dump_catalog" "$work/whole" >"$work/whole.dump"
[ "$(grep -c '^item' "$work/whole.dump")" -eq "$pictures" ] || fail "an undisturbed run left pictures out"

check_finished() {
    "$dump_catalog" "$work/c" >"$work/c.dump"
    cmp -s "$work/whole.dump" "$work/c.dump" || fail "the resumed catalogue differs (seed $seed)"
    rm -f "$work/c" "$work/c-wal" "$work/c-shm"
}

# The next moment in milliseconds: a linear congruential generator, as sh has no $RANDOM.
next_moment() {
    seed_now=$(((seed_now * 1103515245 + 12345) % 2147483648))
    moment=$((seed_now / 65536 * (span + 1) / 32768))
}

echo "seed $seed, $kills kills within $span ms, $pictures pictures"
seed_now=$seed
killed=0 finished=0 attempts=0
while [ "$killed" -lt "$kills" ]; do
    attempts=$((attempts + 1))
    [ "$attempts" -le $((kills * 20 + 100)) ] || fail "the runs end before they can be killed"
    next_moment
    "$simile" add --quiet --catalog "$work/c" --model "$model" "$work/pictures" >"$work/out" 2>&1 &
    run=$!
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    kill -9 "$run" 2>/dev/null || true
    status=0
    wait "$run" 2>/dev/null || status=$?
    if [ "$status" -eq 137 ]; then
        killed=$((killed + 1))
        # Before the first commit there may be no catalogue at all, but never half of one.
        if [ -e "$work/c" ]; then
            "$simile" verify --files --catalog "$work/c" >"$work/out" 2>&1 || fail "kill $killed left damage (seed $seed)"
        fi
    elif [ "$status" -eq 0 ]; then
        finished=$((finished + 1))
        check_finished
    else
        fail "a run after kill $killed failed with status $status (seed $seed)"
    fi
done
add "$work/c" || fail "the last run failed (seed $seed)"
check_finished
echo "$killed kills, $finished runs reached their end in between; all catalogues were whole"
