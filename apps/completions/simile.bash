# SPDX-License-Identifier: Apache-2.0
# bash completion for simile. Commands, options and their values are asked of the program, so they cannot grow old.

_simile_commands() {
    "$1" help 2>/dev/null | sed -n 's/^  \([a-z-]*\)  .*/\1/p'
}

_simile_options() {
    "$1" "$2" --help 2>/dev/null | sed -n 's/^  \(-[A-Za-z0-9], \|    \)\(--[a-z0-9-]*\).*/\2/p'
}

# Where help says "precise, full or search", those; what stands in brackets or before a colon is no value.
_simile_choices() {
    "$1" "$2" --help 2>/dev/null |
        sed -n -E "s/^  (-[A-Za-z0-9], |    )$3 [A-Z]+ +//; T; s/ *\([^)]*\)//g; s/^.*: //
            /^[a-z0-9]+(, [a-z0-9]+)* or [a-z0-9]+\$/!d; s/ or /, /; s/, /\n/g; p"
}

_simile_installed() {
    "$1" models 2>/dev/null | sed -n '/^Installed/,/^$/s/^  \([^ ][^ ]*\)  .*/\1/p'
}

_simile_languages() {
    "$1" languages 2>/dev/null | sed -n 's/^\([a-z][a-z-][a-z-]*\)  .*/\1/p'
}

_simile() {
    local program=$1 word=$2 previous=$3 command= i choices
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --model | --text-model | --catalog | --dtype | --threads) ((i++)) ;;
        -*) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case $previous in
    --format | -f)
        [[ $command != embed ]] || mapfile -t COMPREPLY < <(compgen -W "json npy" -- "$word")
        return
        ;;
    --stdin-kind)
        mapfile -t COMPREPLY < <(compgen -W "text image" -- "$word")
        return
        ;;
    --language | --from | --to)
        mapfile -t COMPREPLY < <(compgen -W "$(_simile_languages "$program")" -- "$word")
        return
        ;;
    --model | --text-model | --translator)
        mapfile -t COMPREPLY < <(compgen -W "$(_simile_installed "$program")" -- "$word" && compgen -d -- "$word")
        return
        ;;
    --*)
        choices=$(_simile_choices "$program" "${command:-version}" "$previous")
        if [[ -n $choices ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
            return
        fi
        ;;
    esac
    if [[ -z $command && $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_simile_commands "$program")" -- "$word")
    elif [[ $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_simile_commands "$program")" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_simile_options "$program" "${command:-version}")" -- "$word")
    fi
}

complete -o default -o bashdefault -F _simile simile
