# SPDX-License-Identifier: Apache-2.0
# bash completion for simile. Commands and options are asked of the program, so they cannot grow old.

_simile_commands() {
    "$1" help 2>/dev/null | sed -n 's/^  \([a-z]*\)  .*/\1/p'
}

_simile_options() {
    "$1" "$2" --help 2>/dev/null | sed -n 's/^  \(-[A-Za-z0-9], \|    \)\(--[a-z0-9-]*\).*/\2/p'
}

_simile() {
    local program=$1 word=$2 previous=$3 command= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --model | --text-model | --catalog | --threads) ((i++)) ;;
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
