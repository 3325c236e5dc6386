# What bash offers behind a half-written command (apps/completions/simile.bash).

== commands, options, values
$ cat >ask <<'END'
> . "$SOURCE/apps/completions/simile.bash"
> COMP_WORDS=(simile "$@" ) COMP_CWORD=$#
> _simile simile "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
> echo "${COMPREPLY[@]}"
> END
> bash ask tra
> bash ask seg
> bash ask ev
> bash ask search --via ""
> bash ask search --via m
> bash ask compare --fuse ""
> bash ask segment --mode s
> bash ask convert m --dtype ""
> bash ask search --candi
> bash ask search --lang
> bash ask search --translat
> bash ask search --language zh
> bash ask translate --from f
> bash ask search --translator simile-z
translate
segment
eval
auto direct translate multilingual
multilingual
first mean max weighted
search
f32 f16 bf16 int8
--candidates
--language
--translator
zh-cn zh-tw
fa fr
simile-zh-en
