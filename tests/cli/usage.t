# What the parser of the command line accepts and refuses. Nothing here needs a model.

== the version
$ simile --version
simile 0.1.0
$ simile version
simile 0.1.0
$ simile version --json
{"version":"0.1.0"}

== without a command the overview goes to stderr
$ simile 2>&1 >/dev/null | head -n 1
usage: simile COMMAND [options]
$ simile 2>/dev/null
[2]

== help goes to stdout
$ simile help | head -n 1
usage: simile COMMAND [options]
$ simile --help | head -n 1
usage: simile COMMAND [options]

== every command has help that names itself
$ for c in $(simile help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
>     simile $c --help | head -n 1 | grep -q "^usage: simile $c " || echo "$c"
>     simile help $c | head -n 1 | grep -q "^usage: simile $c " || echo "$c"
> done

== help says what a command does in a sentence
$ for c in $(simile help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
>     simile $c --help | sed -n 3p | grep -q '^[A-Z].*\.$' || echo "$c"
> done

== no line of help is wider than 120 columns
$ for c in $(simile help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
>     simile $c --help | awk -v c=$c 'length > 120 { print c ": " $0 }'
> done

== a misspelled command is guessed
$ simile serch x
err: simile: unknown command 'serch'; did you mean 'search'?
err: try 'simile help'
[2]
$ simile frobnicate
err: simile: unknown command 'frobnicate'
err: try 'simile help'
[2]

== a misspelled option is guessed
$ simile search --limt 3 x
err: simile: unknown option '--limt' of 'search'; did you mean '--limit'?
err: try 'simile search --help'
[2]
$ simile search --jsn x
err: simile: unknown option '--jsn' of 'search'; did you mean '--json'?
err: try 'simile search --help'
[2]
$ simile --modl x search y
err: simile: unknown option '--modl'; did you mean '--model'?
err: try 'simile help'
[2]
$ simile search -y x
err: simile: unknown option '-y' of 'search'
err: try 'simile search --help'
[2]

== an option without its value
$ simile search x --limit
err: simile: --limit needs a value: N
err: try 'simile search --help'
[2]

== a flag with a value
$ simile search --texts=yes x
err: simile: --texts takes no value
err: try 'simile search --help'
[2]

== numbers are checked
$ simile search --limit 3x x
err: simile: '3x' is no value for --limit: a whole number from 1 to 10000000 is needed
err: try 'simile search --help'
[2]
$ simile search -k0 x
err: simile: '0' is no value for --limit: a whole number from 1 to 10000000 is needed
err: try 'simile search --help'
[2]
$ simile search --limit=1.5 x
err: simile: '1.5' is no value for --limit: a whole number from 1 to 10000000 is needed
err: try 'simile search --help'
[2]
$ simile search --limit '' x
err: simile: '' is no value for --limit: a whole number from 1 to 10000000 is needed
err: try 'simile search --help'
[2]
$ simile search --min nan x
err: simile: 'nan' is no value for --min: a number from -100 to 100 is needed
err: try 'simile search --help'
[2]
$ simile search --min 0x10 x 2>&1 | head -n 1
simile: '0x10' is no value for --min: a number from -100 to 100 is needed

== dates are checked
$ for d in 2023-02-30 2023-13 23 2023-1 2023-01-01-01 '' 2023- yesterday; do
>     simile search x --after "$d" 2>&1 | head -n 1
> done
simile: '2023-02-30' is no value for --after: 2023, 2023-05 or 2023-05-17 is needed
simile: '2023-13' is no value for --after: 2023, 2023-05 or 2023-05-17 is needed
simile: '23' is no value for --after: 2023, 2023-05 or 2023-05-17 is needed
simile: '2023-1' is no value for --after: 2023, 2023-05 or 2023-05-17 is needed
simile: '2023-01-01-01' is no value for --after: 2023, 2023-05 or 2023-05-17 is needed
simile: '' is no value for --after: 2023, 2023-05 or 2023-05-17 is needed
simile: '2023-' is no value for --after: 2023, 2023-05 or 2023-05-17 is needed
simile: 'yesterday' is no value for --after: 2023, 2023-05 or 2023-05-17 is needed

== a weight needs a term before it
$ simile search --weight 2 x
err: simile: --weight belongs behind a term, and there is none yet
err: try 'simile search --help'
[2]
$ simile search x --weight much
err: simile: 'much' is no value for --weight: a number is needed
err: try 'simile search --help'
[2]

== ids are checked
$ for id in 0 -1 x '' 99999999999999999999; do simile search --like "$id" 2>&1 | head -n 1; done
simile: '0' is no value for --like: the id of an item is needed
simile: '-1' is no value for --like: the id of an item is needed
simile: 'x' is no value for --like: the id of an item is needed
simile: '' is no value for --like: the id of an item is needed
simile: '99999999999999999999' is no value for --like: the id of an item is needed

== too few words
$ for c in compare 'compare a.jpg' classify 'classify a.jpg' preprocess 'preprocess a.jpg' add remove search; do
>     simile $c 2>&1 | head -n 1
> done
simile: which picture, and which texts
simile: no text to compare 'a.jpg' with
simile: which picture
simile: which labels: say --label STRING or --labels FILE
simile: one picture is needed
simile: where to: -o FILE is needed
simile: nothing to add
simile: nothing to remove
simile: search for what

== too many words
$ for c in 'info y' verify demo version; do simile $c x 2>&1 | head -n 1; done
simile: 'info' takes one model and one catalogue
simile: 'verify' takes no words
simile: 'demo' takes no words
simile: 'version' takes no words

== embed wants to know the kind of a word
$ simile embed x.jpg
err: simile: is 'x.jpg' an --image or a --text
err: try 'simile embed --help'
[2]
$ simile embed --format xml --text x
err: simile: 'xml' is no value for --format: json or npy is needed
err: try 'simile embed --help'
[2]
$ simile embed --stdin-kind sound
err: simile: 'sound' is no value for --stdin-kind: image or text is needed
err: try 'simile embed --help'
[2]

== a control character of the command line does not reach the terminal
$ simile "$(printf 'a\033[31mb')" 2>&1 | LC_ALL=C grep -c "$(printf '\033')"
0
[1]

== stdout that is full is a failure
$ simile help >/dev/full
err: simile: cannot write the output: No space left on device
[1]

== a reader that goes away is no message
$ { simile help; echo $? >status; } | true; cat status
141
