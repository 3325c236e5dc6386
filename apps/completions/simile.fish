# SPDX-License-Identifier: Apache-2.0
# fish completion for simile. Commands, options and their values are asked of the program, so they cannot grow old.

function __simile_commands
    simile help 2>/dev/null | string replace -rf '^  ([a-z]+)  +(.*)' '$1\t$2'
end

function __simile_command
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip -eq 1
            set skip 0
        else if contains -- $word --model --text-model --catalog --dtype --threads
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
            return
        end
    end
    return 1
end

function __simile_options
    set -l command (__simile_command)
    or set command version
    simile $command --help 2>/dev/null | string replace -rf '^  (?:-\w, |    )(--[a-z0-9-]+)\S*(?: [A-Z.]+)?\s+(.*)' '$1\t$2'
end

# What may stand behind the option before the cursor. Where help says "precise, full or search", those; what stands in
# brackets or before a colon is no value.
function __simile_values
    set -l previous (commandline -opc)[-1]
    set -l command (__simile_command)
    or set command version
    switch $previous
        case --language --from --to
            simile languages 2>/dev/null | string replace -rf '^([a-z][a-z-]+)  +(\S.*?)  .*' '$1\t$2'
        case --model --text-model --translator
            simile models 2>/dev/null | sed -n '/^Installed/,/^$/s/^  \([^ ][^ ]*\)  .*/\1/p'
            __fish_complete_directories (commandline -ct)
        case '--*'
            simile $command --help 2>/dev/null | sed -n -E "s/^  (-[A-Za-z0-9], |    )$previous [A-Z]+ +//; T
                s/ *\([^)]*\)//g; s/^.*: //; /^[a-z0-9]+(, [a-z0-9]+)* or [a-z0-9]+\$/!d; s/ or /, /; s/, /\n/g; p"
    end
end

complete -c simile -n 'count (__simile_values) >/dev/null' -f -a '(__simile_values)'
complete -c simile -n 'not __simile_command >/dev/null' -f -a '(__simile_commands)'
complete -c simile -n 'test "$(__simile_command)" = help' -f -a '(__simile_commands)'
complete -c simile -n 'string match -q -- "-*" (commandline -ct)' -f -a '(__simile_options)'
