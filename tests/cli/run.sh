#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - tests of the command line. usage: tests/cli/run.sh PROGRAM SOURCE_FOLDER FILE.t...
#
# A .t file is a transcript: what a person would see, with the wanted output below each command.
#
#     == a search without a catalogue fails          a case begins; all its commands have to come out right
#     $ simile search x                              a command, for sh; lines with "> " continue it
#     err: simile: cannot open the catalogue '*': *  (glob)      a line of stderr, here a pattern
#     [1]                                            the exit status, when it is not 0
#
# Lines without "err: " are stdout, and stand before those with it. "(glob)" at the end of a line makes it a shell pattern. "(skip unless TEST)" behind
# a case's name skips it when the shell command TEST fails. A case starts in an empty folder of its own with $HOME, the
# XDG folders and all of SIMILE_* fresh, and with these: $SOURCE the sources, $MODELS the small models made for tests,
# $GALLERY the bundled pictures, and the functions of tools.sh.
set -u

program=$(readlink -f -- "$1")
SOURCE=$2
shift 2
passed=0 failed=0 skipped=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/simile cli.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

mkdir "$scratch/bin" "$scratch/out"
ln -s "$program" "$scratch/bin/simile"
PATH=$scratch/bin:$PATH
MODELS=$SOURCE/tests/fixtures/models
GALLERY=$SOURCE/gallery
SIMILE_MODELS=$SOURCE/models
TMPDIR=$scratch/tmp
LC_ALL=C.UTF-8
export PATH SOURCE MODELS GALLERY SIMILE_MODELS TMPDIR LC_ALL
SIMILE_DTYPE=f32 # what is compared with references is computed as they are; other types have cases of their own
export SIMILE_DTYPE
export OMP_WAIT_POLICY=passive # several of these run at once: threads that wait must not spin
unset SIMILE_MODEL SIMILE_TEXT_MODEL SIMILE_CATALOG XDG_DATA_HOME XDG_CACHE_HOME XDG_CONFIG_HOME NO_COLOR TERM_PROGRAM LC_TERMINAL

# same WANTED ACTUAL: compares two files line by line.
same() {
    while :; do
        wanted= actual= more_wanted=1 more_actual=1
        IFS= read -r wanted <&3 || more_wanted=0
        IFS= read -r actual <&4 || more_actual=0
        [ $more_wanted = $more_actual ] || return 1
        [ $more_wanted = 1 ] || return 0
        case $wanted in
        *' (glob)')
            pattern=${wanted%' (glob)'}
            pattern=$(printf '%s' "${pattern%"${pattern##*[! ]}"}" | sed 's/[][\\]/\\&/g') # only '*' and '?' are special
            # shellcheck disable=SC2254 # a pattern
            case $actual in $pattern) ;; *) return 1 ;; esac
            ;;
        *) [ "$wanted" = "$actual" ] || return 1 ;;
        esac
    done 3<"$1" 4<"$2"
}

# Runs the command that was read, in the folder of the case, and compares.
check_command() {
    [ -n "$command" ] || return 0
    status=0
    (
        cd "$work" || exit 99
        HOME=$home
        export HOME
        exec sh -c ". \"\$SOURCE/tests/cli/tools.sh\"
$command" simile-test
    ) </dev/null >"$scratch/out/stdout" 2>"$scratch/out/stderr" || status=$?
    {
        cat "$scratch/out/stdout"
        sed 's/^/err: /' "$scratch/out/stderr"
        [ $status -eq 0 ] || echo "[$status]"
    } >"$scratch/out/actual"
    # blank lines at the end only separate the cases
    awk '/^$/ { blank++; next } { while (blank > 0) { print ""; blank-- } print }' "$scratch/out/wanted.raw" \
        >"$scratch/out/wanted"
    if ! same "$scratch/out/wanted" "$scratch/out/actual"; then
        case_failed=1
        echo "in $file, case '$case_name':"
        printf '%s\n' "$command" | sed 's/^/    $ /'
        diff -u "$scratch/out/wanted" "$scratch/out/actual" | sed -e 1,2d -e 's/^/    /'
    fi
    command=
}

end_case() {
    [ -n "$case_name" ] || return 0
    if [ $case_skipped = 1 ]; then
        skipped=$((skipped + 1))
        echo "[  SKIPPED ] $case_name"
    else
        check_command
        if [ $case_failed = 0 ]; then
            passed=$((passed + 1))
            echo "[       OK ] $case_name"
        else
            failed=$((failed + 1))
            echo "[  FAILED  ] $case_name"
        fi
        rm -rf "$work"
    fi
    case_name=
}

begin_case() {
    case_name=$1 case_failed=0 case_skipped=0 command=
    case $case_name in
    *' (skip unless '*')')
        condition=${case_name##*' (skip unless '}
        case_name=${case_name%' (skip unless '*}
        (cd "$SOURCE" && sh -c "${condition%)}") >/dev/null 2>&1 || case_skipped=1
        ;;
    esac
    work=$scratch/work home=$scratch/home
    rm -rf "$work" "$home" "$TMPDIR"
    mkdir -p "$work" "$home" "$TMPDIR"
}

for file in "$@"; do
    case_name= command=
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '== '*)
            end_case
            begin_case "${line#== }"
            ;;
        '$ '*)
            [ $case_skipped = 1 ] || check_command
            [ $case_skipped = 1 ] || command=${line#'$ '}
            : >"$scratch/out/wanted.raw"
            ;;
        '> '*)
            command="$command
${line#> }"
            ;;
        '#'*) [ -z "$command" ] || printf '%s\n' "$line" >>"$scratch/out/wanted.raw" ;; # a comment of the file
        *) printf '%s\n' "$line" >>"$scratch/out/wanted.raw" ;;
        esac
    done <"$file"
    end_case
done

echo "[  PASSED  ] $passed test(s)."
[ $skipped -eq 0 ] || echo "[  SKIPPED ] cli: $skipped test(s), listed above."
[ $failed -eq 0 ] || echo "[  FAILED  ] cli: $failed test(s), listed above."
[ $failed -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
