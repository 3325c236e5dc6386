#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Kills 'simile convert' with SIGKILL at random moments. After each kill the folder must not be there, or be whole; the
# next run must clear away what was left and make the folder, byte for byte that of a run that nobody disturbed.
#
#     crash_convert.sh SIMILE MODEL [KILLS [SEED]]
#
# The moments are drawn from SEED (default: the time), which is printed, over the time that an undisturbed run takes.
set -eu

simile=$1 model=$2
kills=${3:-10} seed=${4:-$(date +%s)}

work=$(mktemp -d "${TMPDIR:-/tmp}/simile-crash-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/in"

fail() {
    echo "FAIL: $1" >&2
    cat "$work/out" >&2
    ls -lA "$work/in" >&2
    exit 1
}

milliseconds() {
    echo $(($(date +%s%N) / 1000000))
}

start=$(milliseconds)
"$simile" convert --quiet "$model" "$work/whole" --dtype f32 >"$work/out" 2>&1 || fail "an undisturbed run failed"
span=$(($(milliseconds) - start))

# The next moment in milliseconds: a linear congruential generator, as sh has no $RANDOM.
next_moment() {
    seed_now=$(((seed_now * 1103515245 + 12345) % 2147483648))
    moment=$((seed_now / 65536 * (span + 1) / 32768))
}

echo "seed $seed, $kills kills within $span ms"
seed_now=$seed
killed=0 left=0 finished=0 attempts=0
while [ "$killed" -lt "$kills" ]; do
    attempts=$((attempts + 1))
    [ "$attempts" -le $((kills * 20 + 100)) ] || fail "the runs end before they can be killed"
    next_moment
    "$simile" convert --quiet "$model" "$work/in/x" --dtype f32 >"$work/out" 2>&1 &
    run=$!
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    kill -9 "$run" 2>/dev/null || true
    status=0
    wait "$run" 2>/dev/null || status=$?
    if [ "$status" -eq 137 ]; then
        killed=$((killed + 1))
        [ ! -e "$work/in/.x.simile-convert" ] || left=$((left + 1))
    elif [ "$status" -eq 0 ]; then
        finished=$((finished + 1))
        [ -e "$work/in/x" ] || fail "a run ended and left nothing (seed $seed)"
        [ ! -e "$work/in/.x.simile-convert" ] || fail "a run left something beside the folder (seed $seed)"
    else
        fail "a run after kill $killed failed with status $status (seed $seed)"
    fi
    [ ! -e "$work/in/x" ] || diff -r "$work/whole" "$work/in/x" >>"$work/out" || fail "half a folder is there (seed $seed)"
    rm -rf "$work/in/x"
done
"$simile" convert --quiet "$model" "$work/in/x" --dtype f32 >"$work/out" 2>&1 || fail "the last run failed (seed $seed)"
diff -r "$work/whole" "$work/in/x" >>"$work/out" || fail "the last run made another folder (seed $seed)"
[ "$(find "$work/in" -mindepth 1 -maxdepth 1)" = "$work/in/x" ] || fail "something was left beside it (seed $seed)"
echo "$killed kills, $left of them in the middle, $finished runs reached their end in between; all folders were whole"
